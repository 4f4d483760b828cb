//! basic.publish: content assembly, routing, and what goes to the queues.

use std::sync::Arc;

use crate::auth::Operation;
use crate::dedup::{DedupKeys, Fingerprint, PublisherSequence};
use crate::message::{Message, MessageBlock, Parts, QueueId};
use crate::protocol::content::{self, Properties};
use crate::protocol::encode;
use crate::protocol::method::MethodId;
use crate::protocol::reply::ReplyCode;
use crate::protocol::table::{FieldValue, Table};
use crate::queue::options::EXPIRY_MS_MAX;
use crate::queue::sender_selected::{extra_keys, has_bcc, without_bcc};
use crate::session::body_room::BEYOND_BYTES;
use crate::session::exception::Exception;
use crate::session::headers::PropertySource;
use crate::session::names::strip_crlf_bytes;
use crate::session::outgoing::{Content, Envelope};
use crate::session::report::{Traced, Unrouted};
use crate::session::transaction::TxPublish;
use crate::session::watch::Watched;
use crate::topology::{HeaderSource, RouteError, RouteScratch};

use super::channel::{Body, Channel, Incoming, Mode, PublishTarget, SpecialExchange};
use super::connection::Connection;
use super::requesting::special;

const BASIC: u16 = 60;
/// delivery-mode 2 (spec section 1.8.1).
const PERSISTENT: u8 = 2;
/// Where room for a body is made at once; a client that announces more has to send it first.
const BODY_RESERVE_BYTES: u64 = 1024 * 1024;

/// The fields of basic.publish.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublishMethod<'a> {
    pub(super) exchange: &'a [u8],
    pub(super) routing_key: &'a [u8],
    pub(super) mandatory: bool,
    pub(super) immediate: bool,
}

impl Channel {
    #[inline]
    pub(super) fn publish_method(
        &mut self,
        connection: &mut Connection,
        method: PublishMethod<'_>,
    ) -> Result<(), Exception> {
        connection.has_published = true;
        if method.immediate {
            return Err(Exception::not_implemented("immediate=true"));
        }
        let exchange = strip_crlf_bytes(method.exchange);
        if self.target.exchange != *exchange || self.target.routing_key != method.routing_key {
            self.aim(connection, &exchange, method.routing_key);
        }
        self.target.mandatory = method.mandatory;
        self.incoming = Incoming::Header;
        Ok(())
    }

    /// Another exchange than the last one's, or another key.
    #[inline(never)]
    fn aim(&mut self, connection: &mut Connection, exchange: &[u8], routing_key: &[u8]) {
        connection.last_publish.forget();
        let target = &mut self.target;
        if target.exchange != exchange {
            target.permitted = None;
            target.exchange.clear();
            target.exchange.extend_from_slice(exchange);
        }
        target.generation = None;
        target.routing_key.clear();
        target.routing_key.extend_from_slice(routing_key);
        target.special = special(&target.exchange, connection.is_test);
        connection.unusual.settles |= matches!(target.special, Some(SpecialExchange::Settle));
    }

    pub(super) fn content_header(
        &mut self,
        connection: &mut Connection,
        payload: &[u8],
    ) -> Result<(), Exception> {
        match self.incoming {
            Incoming::Idle => return Err(no_method()),
            Incoming::Body(_) => return Err(expected_body()),
            Incoming::Header => {}
        }
        let header = content::decode_content_header(payload).ok_or_else(expected_header)?;
        if header.class != BASIC {
            let class = header.class;
            let text = format!("expected content header for class 60, got one for class {class} instead");
            return Err(Exception::unexpected_frame(text).caused_by(Some(MethodId::BASIC_PUBLISH)));
        }
        if header.weight != 0 {
            return Err(expected_header());
        }
        connection.check_body(header.body_size)?;
        if self.properties != header.properties {
            self.take_properties(connection, header.properties);
        }
        self.incoming = Incoming::Body(Body { expected: header.body_size, ..Body::default() });
        if header.body_size == 0 { self.complete(connection, Completed::Whole(&[])) } else { Ok(()) }
    }

    /// Other properties than the last message's.
    fn take_properties(&mut self, connection: &mut Connection, properties: &[u8]) {
        connection.last_publish.forget();
        self.properties.clear();
        self.properties.extend_from_slice(properties);
        content::clear_reserved_flag(&mut self.properties);
    }

    pub(super) fn content_body(
        &mut self,
        connection: &mut Connection,
        payload: &[u8],
    ) -> Result<(), Exception> {
        let body = match &mut self.incoming {
            Incoming::Body(body) => body,
            Incoming::Idle => return Err(no_method()),
            Incoming::Header => return Err(expected_header()),
        };
        let received = body.received + payload.len() as u64;
        if received > body.expected {
            let text = format!("body of {received} bytes where {} were announced", body.expected);
            return Err(Exception::new(ReplyCode::FrameError, text).caused_by(Some(MethodId::BASIC_PUBLISH)));
        }
        if body.received == 0 && received == body.expected {
            return self.complete(connection, Completed::Whole(payload));
        }
        self.assemble(connection, payload, 0);
        self.complete_if_assembled(connection)
    }

    /// Takes a piece of a body, and makes room for so many bytes that follow it.
    pub(super) fn assemble(&mut self, connection: &mut Connection, payload: &[u8], room: usize) {
        let Incoming::Body(body) = &mut self.incoming else { return };
        let (target, properties) = (&self.target, &self.properties);
        let (block, _) = body.assembly.get_or_insert_with(|| {
            let mut block = MessageBlock::default();
            let slot = block.begin(&target.exchange, &target.routing_key, properties, false);
            block.reserve(body.expected.min(BODY_RESERVE_BYTES) as usize + BEYOND_BYTES);
            (block, slot)
        });
        block.extend_body(payload);
        block.expect(room);
        self.has_assembled(connection, payload.len());
    }

    /// The message that is being assembled, while there is one.
    pub(super) fn assembly(&mut self) -> Option<&mut MessageBlock> {
        let Incoming::Body(Body { assembly: Some((block, _)), .. }) = &mut self.incoming else { return None };
        Some(block)
    }

    /// So many bytes of a body came to the message that is being assembled.
    pub(super) fn has_assembled(&mut self, connection: &mut Connection, count: usize) {
        let Incoming::Body(Body { assembly: Some((block, _)), received, room, .. }) = &mut self.incoming
        else {
            return;
        };
        *received += count as u64;
        connection.held.bodies += block.capacity() - std::mem::replace(room, block.capacity());
    }

    pub(super) fn complete_if_assembled(&mut self, connection: &mut Connection) -> Result<(), Exception> {
        let Incoming::Body(body) = &mut self.incoming else { return Ok(()) };
        if body.received < body.expected {
            return Ok(());
        }
        let Some((block, slot)) = body.assembly.take() else { return Ok(()) };
        connection.held.bodies -= std::mem::take(&mut body.room);
        let slot = block.end(slot);
        let message = block.finish().message(slot);
        self.complete(connection, Completed::Assembled(message))
    }

    /// Publishes a message that is all there.
    pub(super) fn publish_whole(
        &mut self,
        connection: &mut Connection,
        properties: &[u8],
        body: &[u8],
    ) -> Result<(), Exception> {
        connection.check_body(body.len() as u64)?;
        self.properties = properties.to_vec();
        self.complete(connection, Completed::Whole(body))
    }

    /// All of the message is there: check it, route it, pass it on.
    fn complete(&mut self, connection: &mut Connection, body: Completed<'_>) -> Result<(), Exception> {
        self.incoming = Incoming::Idle;
        let bytes = std::mem::take(&mut self.properties);
        let outcome = self.publish(connection, &bytes, body);
        self.properties = bytes;
        outcome.map_err(|exception| exception.caused_by(Some(MethodId::BASIC_PUBLISH)))
    }

    #[inline]
    fn publish(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        body: Completed<'_>,
    ) -> Result<(), Exception> {
        let properties = Properties::parse(bytes)
            .map_err(|error| Exception::new(ReplyCode::SyntaxError, error.to_string()))?;
        self.counted.published += 1;
        connection.counters.sizes.note(body.bytes().len());
        let envelope = match self.envelope(connection, &properties) {
            Ok(envelope) => envelope,
            Err(wrong) => return Err(self.first_fault(connection, properties, wrong)),
        };
        let persistent = properties.delivery_mode() == Some(PERSISTENT);
        let headers = properties.headers();
        if let Some(special) = self.target.special {
            return match special {
                SpecialExchange::Settle => self.publish_settlement(connection, headers),
                SpecialExchange::Test => self.publish_request(connection, bytes, &properties, body.bytes()),
            };
        }
        if let Some(address) = self.direct_address() {
            let rewritten = self.with_reply_address(connection, bytes, &properties)?;
            let generation = connection.topology.generation();
            self.target.check_permitted(connection, generation)?;
            return self.publish_direct(
                connection,
                address,
                rewritten.as_deref().unwrap_or(bytes),
                headers,
                body.bytes(),
                persistent,
            );
        }
        self.route(connection, properties, headers)?;
        if self.target.count() {
            self.note_unroutable(connection, &properties);
            self.trace_unroutable(connection, bytes, &body);
        }
        if headers.is_some() || self.target.is_special || properties.reply_to().is_some() {
            return self.publish_slow_path(connection, bytes, &properties, &body, envelope);
        }
        let parts = Parts {
            exchange: &self.target.exchange,
            routing_key: &self.target.routing_key,
            properties: bytes,
            body: body.bytes(),
            persistent,
        };
        let content = match body {
            Completed::Assembled(message) => Content::Owned(message.with_persistent(persistent)),
            Completed::Whole(_) => Content::Borrowed(parts),
        };
        if matches!(content, Content::Borrowed(_)) && properties.user_id().is_none() {
            self.note_published(connection, bytes, persistent, envelope);
        }
        let (route, mandatory) = (&self.target.route, self.target.mandatory);
        let returned =
            deliver_to_queues(&mut self.mode, route, mandatory, connection, content, envelope, None);
        self.counted.returned += u64::from(returned);
        Ok(())
    }

    #[cold]
    fn note_unroutable(&mut self, connection: &mut Connection, properties: &Properties<'_>) {
        let PublishTarget { exchange, routing_key, mandatory, .. } = &self.target;
        self.counted.dropped += u64::from(!mandatory);
        connection.note_unrouted(Unrouted {
            channel: self.number,
            exchange: exchange.clone(),
            routing_key: routing_key.clone(),
            message_id: properties.message_id().map(<[u8]>::to_vec),
            is_returned: *mandatory,
            count: 1,
        });
    }

    /// What goes to queues is traced on its way there.
    #[cold]
    fn trace_unroutable(&self, connection: &mut Connection, properties: &[u8], body: &Completed<'_>) {
        if connection.topology.is_traced() {
            let PublishTarget { exchange, routing_key, .. } = &self.target;
            let parts = Parts { exchange, routing_key, properties, body: body.bytes(), persistent: false };
            let message = Message::new(parts);
            connection.traced.push(Traced { channel: self.number, message, queues: Vec::new() });
        }
    }

    /// The slower way, for messages with headers and for exchanges that look at each message: such a message may have to be
    /// rewritten, to get deduplication keys, or to be delayed. Most messages do not come here.
    #[inline(never)]
    fn publish_slow_path(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        properties: &Properties<'_>,
        body: &Completed<'_>,
        envelope: Envelope,
    ) -> Result<(), Exception> {
        if connection.watch.is_some() {
            match self.publish_watched(connection, bytes, body.bytes())? {
                Watched::Goes => {}
                Watched::Gone => return Ok(()),
                Watched::GoesTwice => {
                    // The publisher knows of one, and waits for one confirm.
                    let mode = std::mem::take(&mut self.mode);
                    let first = self.publish_special(connection, bytes, properties, body, envelope);
                    self.mode = mode;
                    first?;
                }
            }
        }
        self.publish_special(connection, bytes, properties, body, envelope)
    }

    fn publish_special(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        properties: &Properties<'_>,
        body: &Completed<'_>,
        envelope: Envelope,
    ) -> Result<(), Exception> {
        let headers = properties.headers();
        let dedup_keys = self.dedup_keys(properties, headers)?;
        let persistent = properties.delivery_mode() == Some(PERSISTENT);
        let rewritten = self.with_reply_address(connection, bytes, properties)?;
        let mut content = content_of(&self.target, bytes, rewritten.as_deref(), body, persistent);
        if has_bcc(headers) {
            content = Content::Owned(into_message(content).with_bcc(true));
        }
        let PublishTarget { route, delay_queues, mandatory, .. } = &self.target;
        let Some(delay_ms) = self.target.delay_ms else {
            let returned = deliver_to_queues(
                &mut self.mode,
                route,
                *mandatory,
                connection,
                content,
                envelope,
                dedup_keys,
            );
            self.counted.returned += u64::from(returned);
            return Ok(());
        };
        let later = Envelope { ttl_ms: Some(delay_ms), ..envelope };
        if route.is_empty() {
            let returned = deliver_to_queues(
                &mut self.mode,
                delay_queues,
                *mandatory,
                connection,
                content,
                later,
                dedup_keys,
            );
            self.counted.returned += u64::from(returned);
        } else {
            let copies = [(&route[..], content.clone(), envelope), (&delay_queues[..], content, later)];
            deliver_now_and_delayed(&mut self.mode, connection, copies, dedup_keys);
        }
        Ok(())
    }

    /// What queues need to know of the message, with its properties checked on the way, in the order of RabbitMQ 4.0.
    fn envelope(&self, connection: &Connection, properties: &Properties<'_>) -> Result<Envelope, Exception> {
        let ttl_ms = properties.expiration().map(parse_expiration).transpose()?;
        check_extra_keys(properties.headers())?;
        if let Some(user) = properties.user_id()
            && user != connection.user.as_bytes()
            && !connection.access.impersonator
        {
            let (user, own) = (String::from_utf8_lossy(user), &connection.user);
            let text = format!("user_id property set to '{user}' but authenticated user was '{own}'");
            return Err(Exception::precondition_failed(text));
        }
        let priority = properties.priority().unwrap_or(0);
        Ok(Envelope { channel: self.number, sequence: 0, ttl_ms, priority })
    }

    /// Of a message with a wrong property, RabbitMQ blames the exchange first.
    #[cold]
    fn first_fault(
        &mut self,
        connection: &mut Connection,
        properties: Properties<'_>,
        wrong: Exception,
    ) -> Exception {
        if self.target.special.is_some() || self.direct_address().is_some() {
            return wrong;
        }
        let headers = properties.headers();
        if let Err(fault) = self.find_route(connection, properties, headers) {
            return fault;
        }
        // The keys come after what makes no message of it, and before who it says that it is from.
        let is_message = properties.expiration().map(parse_expiration).transpose().is_ok();
        if is_message && check_extra_keys(headers).is_ok() {
            return self.check_topics(connection, headers).err().unwrap_or(wrong);
        }
        wrong
    }

    /// The message's deduplication keys, if its publisher or its exchange asks for deduplication.
    fn dedup_keys(
        &self,
        properties: &Properties<'_>,
        headers: Option<Table<'_>>,
    ) -> Result<Option<Arc<DedupKeys>>, Exception> {
        let publisher = headers.map(PublisherSequence::parse).transpose();
        let publisher =
            publisher.map_err(|error| Exception::precondition_failed(error.to_string()))?.flatten();
        let exchange = self.target.dedup.as_ref().and_then(|scope| {
            Some((Arc::clone(scope), Fingerprint::of(properties, &scope.settings.header)?))
        });
        let has_keys = publisher.is_some() || exchange.is_some();
        Ok(has_keys.then(|| Arc::new(DedupKeys { publisher, exchange })))
    }

    /// Leaves the message's queues in `target.route`, if the client may publish with all its keys.
    #[inline]
    fn route(
        &mut self,
        connection: &mut Connection,
        properties: Properties<'_>,
        headers: Option<Table<'_>>,
    ) -> Result<(), Exception> {
        let generation = connection.topology.generation();
        if headers.is_none() && self.target.generation == Some(generation) {
            return Ok(());
        }
        self.route_and_check(connection, properties, headers)
    }

    #[inline(never)]
    fn route_and_check(
        &mut self,
        connection: &mut Connection,
        properties: Properties<'_>,
        headers: Option<Table<'_>>,
    ) -> Result<(), Exception> {
        if self.find_route(connection, properties, headers)? {
            self.check_topics(connection, headers)?;
        }
        Ok(())
    }

    /// A route that was found for these keys before was checked then.
    fn check_topics(&mut self, connection: &Connection, headers: Option<Table<'_>>) -> Result<(), Exception> {
        let target = &mut self.target;
        let Some(topics) = &target.topics else { return Ok(()) };
        let checked = keys(&target.routing_key, headers)
            .into_iter()
            .try_for_each(|key| connection.permit_topic(topics, &target.exchange, key));
        if checked.is_err() {
            target.generation = None;
        }
        checked
    }

    /// Leaves the message's queues in `target.route`; whether they were looked for anew.
    fn find_route(
        &mut self,
        connection: &mut Connection,
        properties: Properties<'_>,
        headers: Option<Table<'_>>,
    ) -> Result<bool, Exception> {
        let target = &mut self.target;
        let has_extra = headers.is_some_and(|headers| {
            extra_keys(headers, b"CC").next().is_some() || extra_keys(headers, b"BCC").next().is_some()
        });
        let generation = connection.topology.generation();
        if !has_extra && target.generation == Some(generation) {
            return Ok(false);
        }
        connection.last_publish.forget();
        let first_time = target.check_permitted(connection, generation)?;
        let all = keys(&target.routing_key, headers);
        let source: &dyn HeaderSource = &PropertySource(properties);
        let outcome = connection.topology.route(
            &target.exchange,
            &all,
            Some(source),
            &mut target.route,
            &mut connection.scratch,
        );
        let cacheable = outcome.map_err(|error| match error {
            RouteError::NoSuchExchange => {
                let name = String::from_utf8_lossy(&target.exchange);
                Exception::not_found(format!("no exchange '{name}' in vhost '{}'", connection.vhost))
            }
            RouteError::InvalidDelay(error) => Exception::precondition_failed(error.to_string()),
        })?;
        connection.work += connection.scratch.take_steps() + target.route.len();
        target.note_delay(&connection.scratch);
        if first_time {
            self.counted.routed += target.report(connection);
            target.statistics = connection.topology.read().statistics(&target.exchange);
            check_not_internal(connection, &target.exchange)?;
            target.dedup = connection.topology.read().dedup(&target.exchange);
            target.is_special = target.dedup.is_some() || connection.watches_publishes();
            target.topics = connection.topics(&target.exchange);
            target.permitted = Some(generation);
        }
        target.generation = (cacheable && !has_extra).then_some(generation);
        Ok(true)
    }
}

/// All keys of a message.
fn keys<'a>(routing_key: &'a [u8], headers: Option<Table<'a>>) -> Vec<&'a [u8]> {
    let mut all = vec![routing_key];
    if let Some(headers) = headers {
        all.extend(extra_keys(headers, b"CC").chain(extra_keys(headers, b"BCC")));
    }
    all
}

impl PublishTarget {
    /// Counts a routed message; whether it goes nowhere.
    #[inline]
    const fn count(&mut self) -> bool {
        let is_unroutable = self.route.is_empty() && self.delay_ms.is_none();
        self.counted.published_in += 1;
        self.counted.published_out += self.route.len() as u64;
        self.counted.unroutable += is_unroutable as u64;
        is_unroutable
    }

    /// Leaves what passed through the exchange with the session, for its next report. Tells how many copies went to queues.
    pub(super) fn report(&mut self, connection: &mut Connection) -> u64 {
        let counted = std::mem::take(&mut self.counted);
        if let Some(statistics) = self.statistics.as_ref().filter(|_| !counted.is_zero()) {
            let reported = &mut connection.exchanges_counted;
            match reported.iter_mut().find(|(other, _)| Arc::ptr_eq(other, statistics)) {
                Some((_, sum)) => sum.add(&counted),
                None => reported.push((Arc::clone(statistics), counted)),
            }
        }
        counted.published_out
    }

    /// Other rules for faults: the route is looked for anew, and whether such rules have a say.
    pub(super) const fn look_anew(&mut self) {
        (self.permitted, self.generation) = (None, None);
    }

    fn note_delay(&mut self, scratch: &RouteScratch) {
        self.delay_queues.clear();
        self.delay_ms = scratch.delayed().map(|(queues, ms)| {
            self.delay_queues.extend_from_slice(queues);
            ms
        });
    }

    /// Whether the client may publish to this exchange, which is asked once per exchange and generation: a change of
    /// permissions raises the generation. Tells whether it is the first time.
    fn check_permitted(&self, connection: &Connection, generation: u64) -> Result<bool, Exception> {
        let first_time = self.permitted != Some(generation);
        if first_time {
            connection.permit(Operation::Publish(&String::from_utf8_lossy(&self.exchange)))?;
        }
        Ok(first_time)
    }
}

/// Internal exchanges take messages by bindings and dead-lettering only.
fn check_not_internal(connection: &Connection, exchange: &[u8]) -> Result<(), Exception> {
    let is_internal =
        connection.topology.read().exchange_by_bytes(exchange).is_some_and(|spec| spec.internal);
    if !is_internal {
        return Ok(());
    }
    let (name, vhost) = (String::from_utf8_lossy(exchange), &connection.vhost);
    Err(Exception::access_refused(format!("cannot publish to internal exchange '{name}' in vhost '{vhost}'")))
}

/// The body of a message, and where it is.
#[derive(Debug)]
enum Completed<'a> {
    /// Whole in the read buffer.
    Whole(&'a [u8]),
    /// Assembled from several frames, with the properties as they came.
    Assembled(Message),
}

impl Completed<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Assembled(message) => message.body(),
        }
    }
}

/// A message's content for its queues: as it came, or with properties that were rewritten.
fn content_of<'a>(
    target: &'a PublishTarget,
    properties: &'a [u8],
    rewritten: Option<&'a [u8]>,
    body: &'a Completed<'_>,
    persistent: bool,
) -> Content<'a> {
    match body {
        Completed::Assembled(message) if rewritten.is_none() => {
            Content::Owned(message.clone().with_persistent(persistent))
        }
        _ => Content::Borrowed(Parts {
            exchange: &target.exchange,
            routing_key: &target.routing_key,
            properties: rewritten.unwrap_or(properties),
            body: body.bytes(),
            persistent,
        }),
    }
}

/// Hands a message both to the queues that it goes to now and to those where it waits: it is confirmed when all have it.
fn deliver_now_and_delayed(
    mode: &mut Mode,
    connection: &mut Connection,
    copies: [(&[QueueId], Content<'_>, Envelope); 2],
    dedup_keys: Option<Arc<DedupKeys>>,
) {
    let queues_count = copies.iter().map(|(queues, ..)| queues.len()).sum();
    let sequence = match mode {
        Mode::Confirm(confirms) => confirms.publish(queues_count),
        _ => 0,
    };
    if let (Mode::Transaction(_), [(now, content, envelope), (later, ..)]) = (&*mode, &copies) {
        trace_uncommitted(connection, envelope.channel, &to_message(content), &[*now, *later].concat());
    }
    for (queues, content, envelope) in copies {
        let envelope = Envelope { sequence, ..envelope };
        match (&mut *mode, &dedup_keys) {
            (Mode::Transaction(work), _) => {
                connection.held.transactions += work.publish(TxPublish {
                    queues: queues.to_vec(),
                    message: into_message(content).for_queues(queues.len()),
                    envelope,
                    dedup_keys: dedup_keys.clone(),
                    mandatory: false,
                });
            }
            (_, None) => connection.outgoing.publish(queues, content, envelope),
            (_, Some(keys)) => connection.outgoing.publish_dedup(queues, content, envelope, keys),
        }
    }
}

/// Hands a routed message to its queues, or to its transaction; confirms it if it goes nowhere, and returns it if it is
/// mandatory, too. Tells whether it was returned.
#[inline]
fn deliver_to_queues(
    mode: &mut Mode,
    route: &[QueueId],
    mandatory: bool,
    connection: &mut Connection,
    content: Content<'_>,
    mut envelope: Envelope,
    dedup_keys: Option<Arc<DedupKeys>>,
) -> bool {
    if let Mode::Transaction(work) = mode {
        let message = into_message(content).for_queues(route.len());
        trace_uncommitted(connection, envelope.channel, &message, route);
        let publish = TxPublish { queues: route.to_vec(), message, envelope, dedup_keys, mandatory };
        connection.held.transactions += work.publish(publish);
        return false;
    }
    let returns = route.is_empty() && mandatory;
    if returns {
        return_unroutable(connection, envelope.channel, &to_message(&content));
    }
    if let Mode::Confirm(confirms) = mode {
        envelope.sequence = confirms.publish(route.len());
        if route.is_empty() {
            connection.note_confirmed(envelope.channel);
        }
    }
    match dedup_keys {
        _ if route.is_empty() => {}
        None => connection.outgoing.publish(route, content, envelope),
        Some(keys) => connection.outgoing.publish_dedup(route, content, envelope, &keys),
    }
    connection.work += route.len().saturating_sub(1);
    returns
}

/// Traces a publish that waits for its commit: as RabbitMQ does, when it comes, whether it is ever committed or not.
fn trace_uncommitted(connection: &mut Connection, channel: u16, message: &Message, queues: &[QueueId]) {
    if connection.topology.is_traced() && !queues.is_empty() {
        connection.traced.push(Traced { channel, message: message.clone(), queues: queues.to_vec() });
    }
}

/// basic.return with 312 NO_ROUTE: the text is the bare name, which clients compare.
pub(super) fn return_unroutable(connection: &mut Connection, channel: u16, message: &Message) {
    let stripped = message.has_bcc().then(|| without_bcc(message));
    encode::basic_return(
        &mut connection.out,
        connection.limits.frame_bytes,
        channel,
        ReplyCode::NoRoute,
        "NO_ROUTE",
        stripped.as_ref().unwrap_or(message),
    );
}

fn into_message(content: Content<'_>) -> Message {
    match content {
        Content::Borrowed(parts) => Message::new(parts),
        Content::Owned(message) => message,
    }
}

fn to_message(content: &Content<'_>) -> Message {
    match content {
        Content::Borrowed(parts) => Message::new(*parts),
        Content::Owned(message) => message.clone(),
    }
}

/// `CC` and `BCC` are arrays, or not there (<https://www.rabbitmq.com/docs/sender-selected>).
#[inline]
fn check_extra_keys(headers: Option<Table<'_>>) -> Result<(), Exception> {
    headers.map_or(Ok(()), check_extra_keys_in)
}

fn check_extra_keys_in(headers: Table<'_>) -> Result<(), Exception> {
    for name in ["CC", "BCC"] {
        match headers.get(name.as_bytes()) {
            None | Some(FieldValue::Array(_)) => {}
            Some(other) => {
                let got = other.type_name();
                let text = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{got}}}");
                return Err(Exception::precondition_failed(text));
            }
        }
    }
    Ok(())
}

/// A TTL is a string of decimal digits, which may have a sign: milliseconds, at most [`EXPIRY_MS_MAX`].
fn parse_expiration(bytes: &[u8]) -> Result<u64, Exception> {
    let text = String::from_utf8_lossy(bytes);
    let number = text.strip_prefix(['-', '+']).unwrap_or(&text);
    let (digits, rest) = number.split_at(number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len()));
    let value = digits.trim_start_matches('0');
    let why = match value.parse() {
        _ if digits.is_empty() => "no_integer".to_owned(),
        _ if !rest.is_empty() => format!("{{leftover_string,\"{rest}\"}}"),
        _ if value.is_empty() => return Ok(0),
        _ if text.starts_with('-') => format!("{{value_negative,-{value}}}"),
        Ok(ms) if ms <= EXPIRY_MS_MAX => return Ok(ms),
        _ => format!("{{value_too_large,{value}}}"),
    };
    Err(Exception::precondition_failed(format!("invalid expiration '{text}': {why}")))
}

fn no_method() -> Exception {
    Exception::unexpected_frame("expected method frame, got non method frame instead")
}

fn expected_header() -> Exception {
    let text = "expected content header for class 60, got non content header frame instead";
    Exception::unexpected_frame(text).caused_by(Some(MethodId::BASIC_PUBLISH))
}

fn expected_body() -> Exception {
    Exception::unexpected_frame("expected content body, got non content body frame instead")
        .caused_by(Some(MethodId::BASIC_PUBLISH))
}

/// The exception for a method frame in the middle of a content.
pub(super) fn interrupted(incoming: &Incoming) -> Exception {
    if matches!(incoming, Incoming::Header) { expected_header() } else { expected_body() }
}
