//! The task of one connection: socket in, socket out, and what queues say, in turn, without one waiting for another.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::admission::Admitted;
use super::connection_log;
use super::faulty::Faulty;
use super::half_open::{Eviction, Place};
use super::queue_map::QueueMap;
use super::shares::Shares;
use super::test_exchange;
use super::wire::{Ready, Stream, Wire};
use crate::auth::Seat;
use crate::broker::alarms::Alarms;
use crate::broker::batch_channel::{Receiver, batch_channel};
use crate::broker::connections::{ConnectionHandle, EndReason, Event};
use crate::broker::journal::{Unconfirmed, Why};
use crate::broker::mailbox::{Mail, Mailbox};
use crate::broker::operations::{delete_owned_queues, note_first_publish, note_publishes, note_short_lived};
use crate::broker::overview::{ConnectionOverview, ConnectionState};
use crate::broker::shared::{Shared, random_bytes, stopped};
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::world::InFlight;
use crate::ledger::Kind;
use crate::persona::ShortLived;
use crate::protocol::reply::ReplyCode;
use crate::queue::{Command, ConnectionId, Delivery, Ending};
use crate::session::outgoing::DirectReply;
use crate::session::{Exception, Held, Request, Session, SessionConfig, SessionCounters};
use crate::statistics::{BrokerCounters, ConnectionCounters};
use crate::time::Time;
use crate::tls::Secured;

/// While this much waits to be written, no more deliveries are encoded: the rest stays in the queues' hands.
const WRITE_HIGH_BYTES: usize = 1024 * 1024;
/// While this much waits to be written, nothing more is read: gets and returns are answered at once, whether the client
/// reads or not. Far above what confirms may come to, for clients that publish all they have before they read.
const WRITE_MAX_BYTES: usize = 64 * 1024 * 1024;

/// When a client that holds more than its part, but not much, is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Why a client is sent away to make room for others.
const HOLDS_MOST: &str =
    "of all connections this one makes the broker hold most memory, and too little is left for the others";

/// How long a connection waits for its confirms when the broker stops.
const CONFIRM_BEFORE_STOP: Duration = Duration::from_secs(1);

/// A connection's state beside its socket.
#[derive(Debug)]
pub struct Connection {
    pub(super) shared: Arc<Shared>,
    pub(super) session: Session,
    /// The queues of its consumers, by the consumers' numbers.
    pub(super) consumed: HashMap<u32, Arc<str>>,
    /// Whether its end was told.
    pub(super) is_told_closed: bool,
    /// Exclusive queues: they go with the connection.
    pub(super) owned: QueueMap<Arc<QueueRecord>>,
    pub(super) peer: SocketAddr,
    /// Whether its login was counted elsewhere.
    pub(super) is_again: bool,
    /// What others can read of it.
    pub(super) overview: Arc<ConnectionOverview>,
    /// Its own handle: what others reach it by.
    pub(super) handle: Arc<ConnectionHandle>,
    /// Its place among the half-open ones, while it is one of them.
    pub(super) place: Option<Place>,
    pub(super) vhost: Option<Arc<Vhost>>,
    /// What it published and is recorded, until it is confirmed.
    pub(super) unconfirmed: Unconfirmed,
    /// The reply text of the exception that ends it.
    pub(super) raised: Option<Arc<str>>,
    /// Its places among the connections of its vhost and its user.
    pub(super) seats: Option<[Seat; 2]>,
    events: Receiver<Event>,
    taken: Vec<Event>,
    /// What queues of a world have told it and it has yet to carry out.
    in_flight: Vec<InFlight>,
    alarms: watch::Receiver<Alarms>,
    shares: Shares,
    pub(super) stopping: watch::Receiver<bool>,
    /// What rules make of it, in a broker for tests.
    pub(super) faulty: Option<Box<Faulty>>,
    is_told_to_end: bool,
    /// Queues this connection has sent something to.
    mailboxes: QueueMap<Mailbox>,
    /// Whether the client is known to publish: it is told of alarms, and waits while there is one.
    has_published: bool,
    /// Queues that have too much of what it published: until they have less, nothing more is taken in.
    full: Vec<Mailbox>,
    /// When the connection is closed because the broker stops, whether all is confirmed or not.
    stop_by: Option<Time>,
}

/// What is spoken here, as tools show it.
const PROTOCOL: &str = "AMQP 0-9-1";

/// The two ends of a connection.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// The client's.
    pub peer: SocketAddr,
    /// The broker's, if it is a socket.
    pub local: Option<SocketAddr>,
    /// How they are secured, with TLS.
    pub secured: Option<Arc<Secured>>,
    /// Whether the client was let in elsewhere before, and its login is counted there.
    pub is_again: bool,
}

/// Requests that a client may have served in a row before others have a turn: each may take a millisecond.
const SERVED_MAX: u32 = 8;

/// Runs a connection to its end.
pub async fn run<S: Stream>(
    shared: Arc<Shared>,
    stream: S,
    endpoints: Endpoints,
    config: SessionConfig,
    admitted: Option<Admitted>,
) {
    let Some(mut begun) = begin(shared, endpoints, config, admitted) else { return };
    let mut wire = Wire::new(stream);
    let Begun { connection, eviction, .. } = &mut *begun;
    let served = {
        let event_loop = std::pin::pin!(connection.event_loop(&mut wire));
        unless_evicted(event_loop, eviction).await
    };
    connection.finish(served).await;
}

/// A connection, and what goes with it while its task runs.
struct Begun {
    connection: Connection,
    eviction: Option<Eviction>,
    _slot: Option<OwnedSemaphorePermit>,
}

/// Makes a connection; `None` if there is no memory for it. Apart from the task, which would else have room for each part twice, for as
/// long as it lives.
fn begin(
    shared: Arc<Shared>,
    endpoints: Endpoints,
    config: SessionConfig,
    admitted: Option<Admitted>,
) -> Option<Box<Begun>> {
    if shared.ledger.refuses(Kind::Clients) {
        tracing::warn!(peer = %endpoints.peer, "no memory for another connection");
        return None;
    }
    let (slot, place, eviction) = match admitted {
        Some(Admitted { slot, place, eviction }) => (Some(slot), Some(place), Some(eviction)),
        None => (None, None, None),
    };
    let connection = Connection::new(shared, endpoints, config, place)?;
    Some(Box::new(Begun { connection, eviction, _slot: slot }))
}

/// Runs a connection unless it has to make room before it is through its handshake. After that it costs nothing.
async fn unless_evicted(
    mut connection: Pin<&mut impl Future<Output = std::io::Result<()>>>,
    eviction: &mut Option<Eviction>,
) -> std::io::Result<()> {
    std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        match eviction.as_mut().map(|eviction| Pin::new(eviction).poll(cx)) {
            Some(Poll::Ready(Ok(()))) => {
                return Poll::Ready(Err(std::io::Error::other("not logged in, it had to make room")));
            }
            Some(Poll::Ready(Err(_))) => *eviction = None,
            Some(Poll::Pending) | None => {}
        }
        Poll::Pending
    })
    .await
}

impl Connection {
    fn new(
        shared: Arc<Shared>,
        endpoints: Endpoints,
        config: SessionConfig,
        place: Option<Place>,
    ) -> Option<Self> {
        let id = shared.new_connection_id();
        let secret = random_bytes().map(u64::from_be_bytes).ok()?;
        let (events, receiver) = batch_channel();
        let session = Session::new(id, secret, config, shared.clock.now());
        let Endpoints { peer, local, secured, is_again } = endpoints;
        let shares = Shares::new(&shared.ledger, secured.is_some());
        let overview = ConnectionOverview::new(id, PROTOCOL, peer, local, shared.clock.timestamp());
        let overview = Arc::new(overview.over_tls(secured));
        let handle = ConnectionHandle::new(
            events,
            Some(Arc::clone(&overview)),
            secret,
            session.reply_consumers().clone(),
            &shared.ledger,
        );
        shared.connections.insert(id, Arc::clone(&handle));
        shared.count(BrokerCounters { connections_opened: 1, ..BrokerCounters::default() });
        Some(Self {
            session,
            consumed: HashMap::new(),
            is_told_closed: false,
            owned: QueueMap::default(),
            peer,
            is_again,
            overview,
            is_told_to_end: false,
            handle,
            place,
            vhost: None,
            unconfirmed: Unconfirmed::default(),
            raised: None,
            seats: None,
            events: receiver,
            taken: Vec::new(),
            in_flight: Vec::new(),
            alarms: shared.alarms.subscribe(),
            shares,
            stopping: shared.stopping.subscribe(),
            faulty: None,
            mailboxes: QueueMap::default(),
            has_published: false,
            full: Vec::new(),
            stop_by: None,
            shared,
        })
    }

    pub(super) const fn id(&self) -> ConnectionId {
        self.session.id()
    }

    /// The socket is done with.
    async fn finish(&mut self, served: std::io::Result<()>) {
        let is_orderly = self.session.is_ending();
        self.log_raised();
        if let Some(mismatch) = self.session.mismatch() {
            connection_log::mismatch(&self.shared, &self.overview, mismatch);
        }
        Box::pin(self.release_queues(Ending::Failed)).await;
        self.tell_closed();
        self.shared.connections.remove(&self.id());
        self.handle.inbox().close();
        let why = served.err().map(|error| error.to_string());
        connection_log::closed(&self.shared, &self.overview, is_orderly, why.as_deref());
        self.shared.count(BrokerCounters { connections_closed: 1, ..BrokerCounters::default() });
    }

    async fn event_loop<S: Stream>(&mut self, wire: &mut Wire<S>) -> std::io::Result<()> {
        loop {
            self.process_input(wire).await;
            let is_left = self.session.is_answered() && (wire.eof || self.stop_by.is_some());
            if self.session.is_closed() || is_left {
                return Box::pin(self.close_socket(wire)).await;
            }
            if wire.eof {
                return Ok(());
            }
            wire.acknowledge_unless(!self.session.out().is_empty());
            if self.is_held_back(wire) {
                Box::pin(self.hold_back(wire)).await;
            }
            self.wait(wire).await?;
            if self.is_held_back(wire) {
                Box::pin(self.hold_back(wire)).await;
            }
        }
    }

    /// Takes in all that has come: input, requests it leads to, what queues said.
    async fn process_input<S: Stream>(&mut self, wire: &mut Wire<S>) {
        let mut served = 0_u32;
        while self.full.is_empty() && !self.is_output_full() {
            let received = self.session.receive(self.shared.clock.now(), wire.unread());
            wire.take(received.consumed);
            self.flush();
            let Some(request) = received.request else { break };
            // Each answer may be large.
            self.account();
            // Beside the task: a connection that asks for nothing needs no room for it.
            Box::pin(self.answer(request)).await;
            served += 1;
            if served.is_multiple_of(SERVED_MAX) {
                tokio::task::yield_now().await;
            }
        }
        self.account();
        if self.session.is_closing() {
            // Whether the client ever answers or not, its messages need not wait for it.
            let ending = if self.stop_by.is_some() { Ending::Returned } else { Ending::Failed };
            Box::pin(self.release_queues(ending)).await;
            self.tell_closed();
        }
        self.report(wire);
        self.resume_consumers();
    }

    /// Consumers whose client had too much to ack go on when it has acked enough, or there is more room.
    fn resume_consumers(&mut self) {
        if self.session.withholds_credit() && self.session.held().deliveries <= self.shared.ledger.part() {
            self.session.resume();
            self.flush();
        }
    }

    fn is_output_full(&mut self) -> bool {
        let part = self.shared.ledger.part();
        self.session.out().len() > WRITE_MAX_BYTES.min(part)
    }

    /// Enters in the ledger what the client makes the session hold. One that holds much, and more than its part, is sent away, for
    /// nobody else can let go of it; so is one that wants more channels or consumers than there is memory for.
    fn account(&mut self) {
        let held = self.session.held();
        let (channels, consumers) = self.session.channels_and_consumers();
        let more_clients = self.shares.set(held, self.session.out().memory(), channels, consumers);
        self.handle.set_held(self.shares.held());
        let ledger = &self.shared.ledger;
        let part = ledger.part();
        let refusal = if held.sent() > part && ledger.is_much(held.sent()) {
            Some(holds_too_much(held, part))
        } else if more_clients && ledger.refuses(Kind::Clients) {
            Some(Exception::new(ReplyCode::ResourceError, "no memory for more channels and consumers"))
        } else {
            None
        };
        if let Some(refusal) = refusal.filter(|_| self.session.is_running()) {
            self.session.close_connection(self.shared.clock.now(), &refusal);
        }
    }

    async fn wait<S: Stream>(&mut self, wire: &mut Wire<S>) -> std::io::Result<()> {
        let stop_by = self.stop_by.filter(|_| self.session.is_running());
        self.full.retain(Mailbox::is_crowded);
        let is_over = self.session.held().sent() > self.shared.ledger.part();
        if !self.full.is_empty() || is_over {
            // What the client says is not read, which is not its fault.
            self.session.heard(self.shared.clock.now());
        }
        let deadline = [self.session.poll_timeout(), stop_by].into_iter().flatten().min();
        let clock = self.shared.clock;
        if self.check_timers(deadline) || self.check_end()? {
            return Ok(());
        }
        let is_full = self.is_output_full();
        let is_blocked = self.session.is_running() && self.is_blocked();
        let waits = !self.full.is_empty();
        let looks_again = is_over || self.session.withholds_credit();
        let look_again = looks_again.then(|| self.shared.clock.now() + LOOK_AGAIN);
        let deadline = [deadline, look_again].into_iter().flatten().min();
        let paused = stop_by.is_some() || is_blocked || is_full || waits || is_over;
        let bytes_out = wire.bytes_out;
        let deliver_below = WRITE_HIGH_BYTES.min(self.shared.ledger.part());
        let (events, taken) = (&mut self.events, &mut self.taken);
        let mut side = self.session.socket_side();
        let ready = tokio::select! {
            biased;
            ready = std::future::poll_fn(|cx| wire.poll(cx, &mut side, deliver_below, paused, events, taken)) => Some(ready?),
            // Beside the task: few connections ever wait for it, and all would have room for it.
            () = async { Box::pin(wait_for_room(&mut self.full)).await }, if waits => None,
            () = clock.wait_for(deadline) => None,
            _ = self.alarms.changed() => None,
            () = self.handle.ends(), if !self.is_told_to_end => {
                self.check_end()?;
                return Ok(());
            }
            () = stopped(&mut self.stopping), if self.stop_by.is_none() => {
                self.stop();
                return Ok(());
            }
        };
        let now = self.shared.clock.now();
        // Nobody listens to it now, but a client that takes what is written is there.
        if is_full && (wire.bytes_out != bytes_out || ready.as_ref().is_some_and(|ready| ready.drained)) {
            self.session.heard(now);
        }
        match ready {
            Some(ready) => self.handle_ready(now, &ready).await,
            None => self.tick(now),
        }
        Ok(())
    }

    /// A busy connection's socket is ready whenever it is asked, so what is behind it in [`wait`](Self::wait) would never
    /// have its turn: heartbeats, the alarm, the end. Tells whether it is the end.
    fn check_timers(&mut self, deadline: Option<Time>) -> bool {
        let now = self.shared.clock.now();
        if deadline.is_some_and(|deadline| deadline <= now) || self.alarms.has_changed().unwrap_or(false) {
            self.tick(now);
        }
        let stops = self.stop_by.is_none() && *self.stopping.borrow();
        if stops {
            self.stop();
        }
        stops
    }

    /// Whether the connection has been told to end.
    fn check_end(&mut self) -> std::io::Result<bool> {
        if self.is_told_to_end {
            return Ok(false);
        }
        let Some(reason) = self.handle.end_reason().cloned() else { return Ok(false) };
        self.is_told_to_end = true;
        let now = self.shared.clock.now();
        match reason {
            EndReason::Operator(reason) => {
                self.raised = Some(reason.as_str().into());
                self.session.close_by_force(now, &reason);
            }
            EndReason::Memory => {
                tracing::warn!(peer = %self.peer, user = self.session.user(), "{HOLDS_MOST}");
                if !self.session.out().is_empty() {
                    // It would not read what it is told.
                    return Err(std::io::Error::other(HOLDS_MOST));
                }
                self.session.close_connection(now, &Exception::new(ReplyCode::ResourceError, HOLDS_MOST));
            }
            EndReason::Fault(exception) => self.session.close_connection(now, &exception),
            EndReason::Crash => self.session.reset_by_rule(now),
        }
        Ok(true)
    }

    async fn handle_ready(&mut self, now: Time, ready: &Ready) {
        if ready.read {
            self.session.body_was_read(ready.body_bytes);
            self.session.heard(now);
        }
        if ready.drained {
            self.session.wrote(now);
            let withhold = self.session.held().deliveries > self.shared.ledger.part();
            self.session.drained(withhold);
        }
        if ready.events {
            self.apply_events();
            self.close_if_stopped(now);
        }
        if !self.session.outgoing().is_empty() {
            self.flush();
        }
        self.in_flight.clear();
    }

    fn tick(&mut self, now: Time) {
        self.session.handle_timeout(now);
        self.announce_block();
        if self.stop_by.is_some_and(|stop_by| stop_by <= now) {
            self.session.close_for_shutdown(now);
        }
    }

    fn is_blocked(&self) -> bool {
        let by_rule = || self.faulty.as_ref().is_some_and(|faulty| faulty.blocked().is_some());
        self.has_published && (self.alarms.borrow().is_raised() || by_rule())
    }

    /// Only publishers are blocked, so only they are told.
    pub(super) fn announce_block(&mut self) {
        let reason = self.alarms.borrow_and_update().reason();
        let by_rule = || self.faulty.as_ref().and_then(|faulty| faulty.blocked()).map(str::to_owned);
        let reason = reason.or_else(by_rule);
        if self.has_published || reason.is_none() {
            let was_blocked = self.session.is_blocked();
            self.session.set_blocked(self.shared.clock.now(), reason.as_deref());
            if self.session.is_blocked() != was_blocked {
                self.note_blocked(reason.as_deref());
            }
        }
    }

    /// The broker stops: nothing more is read, but what was published is confirmed before the connection is closed.
    fn stop(&mut self) {
        let now = self.shared.clock.now();
        self.stop_by = Some(now + CONFIRM_BEFORE_STOP);
        self.close_if_stopped(now);
    }

    fn close_if_stopped(&mut self, now: Time) {
        if self.stop_by.is_some() && !self.session.has_unconfirmed() {
            self.session.close_for_shutdown(now);
        }
    }

    /// Before a queue's answer to a request goes out: what the queue sent before it is in the inbox by now, and comes first
    /// on the wire too. Only the consumers that lost their queue are told after the answer, as RabbitMQ tells them.
    pub(super) fn take_deliveries(&mut self) {
        self.taken.append(&mut self.events.at_hand());
        let cancelled = self.taken.extract_if(.., |event| matches!(event, Event::Cancelled(_))).collect();
        self.apply_events();
        self.taken = cancelled;
    }

    fn apply_events(&mut self) {
        let mut delivered_bytes = 0;
        if self.faulty.is_some() {
            self.session.tell_time(self.shared.clock.now());
        }
        for event in std::mem::take(&mut self.taken) {
            match event {
                Event::Deliver(number, deliveries) => {
                    delivered_bytes += deliveries.iter().map(Delivery::cost).sum::<usize>();
                    self.session.deliver(number, &deliveries);
                }
                Event::Confirmed { channel, first, last, refused } => {
                    self.session.confirmed(channel, first, last, refused);
                }
                Event::Cancelled(number) => {
                    self.note_cancelled(number, None);
                    self.session.consumer_cancelled(number);
                }
                Event::Dismissed(number) => {
                    self.note_cancelled(number, Some(Why::ByHand));
                    self.session.consumer_cancelled(number);
                }
                Event::TimedOut { channel, timeout_ms, in_flight } => {
                    self.in_flight.extend(in_flight);
                    let now = self.shared.clock.now();
                    self.session.fail(now, channel, ack_timed_out(channel, timeout_ms));
                }
                Event::CloseChannel(channel, reason) => {
                    let now = self.shared.clock.now();
                    self.session.fail(now, channel, Exception::precondition_failed(reason));
                }
                Event::TurnPassedOn(channel) => self.session.turn_passed_on(channel),
                Event::Direct(number, message) => {
                    self.handle.took_direct(&message);
                    self.session.deliver_direct(number, message);
                }
                Event::InboxHasRoom => self.tell_room(0),
                Event::FaultsChanged => self.look_at_rules(),
            }
        }
        if self.faulty.is_some() {
            self.count_duplicates();
        }
        self.tell_room(delivered_bytes);
        self.session.send_confirms();
    }

    /// Deliveries of so many bytes were taken in: queues that waited for room hear of it.
    fn tell_room(&mut self, bytes: usize) {
        let id = self.id();
        for queue in self.handle.inbox().took(bytes) {
            self.session.outgoing().command(queue, Command::InboxHasRoom(id));
        }
    }

    async fn answer(&mut self, request: Request) {
        let now = self.shared.clock.now();
        match request {
            Request::Authenticate(credentials) => self.authenticate(&credentials).await,
            Request::OpenVhost(name) => self.open_vhost(now, &name).await,
            Request::Pause => tokio::task::yield_now().await,
            Request::Wait(time) => self.wait_by_rule(time).await,
            Request::Close => {
                self.release_queues(Ending::Returned).await;
                self.tell_closed();
                // The socket may stay open for a while, but there is no connection any more.
                self.shared.connections.remove(&self.id());
                self.seats = None;
                self.session.closed(now);
            }
            Request::Channel(channel, request) => {
                let Some(vhost) = self.vhost.clone() else { return };
                self.tell_channels();
                let id = request.method_id();
                match self.serve(&vhost, channel, request).await {
                    Ok(method) => self.session.reply(channel, method),
                    Err(exception) => self.session.fail(now, channel, exception.caused_by(Some(id))),
                }
                self.apply_events();
            }
        }
    }

    /// Hands the session's work to the queues, and notes those that have too much already.
    fn flush(&mut self) {
        if self.session.has_published() && !self.has_published {
            self.has_published = true;
            self.announce_block();
        }
        let Some(vhost) = self.vhost.clone() else { return };
        let id = self.id();
        let commands = self.session.outgoing().take(id);
        self.note_published(&vhost, &commands);
        self.trace_published(&vhost, &commands);
        for (queue, command) in commands {
            let mut first = None;
            let find = || first.insert(vhost.queue(queue)?).mailbox.clone().into();
            let Some(mailbox) = self.mailboxes.get_or_find(queue, find) else {
                self.confirm_undeliverable(&command);
                continue;
            };
            if let Some(record) = first {
                self.note_first_publish(&vhost, &record, &command);
            }
            let is_publish = matches!(command, Command::Publish(..) | Command::PublishDedup(..));
            if let Err(Mail::Tell(command)) = mailbox.send(Mail::Tell(command)) {
                self.mailboxes.remove(queue);
                self.confirm_undeliverable(&command);
            }
            if is_publish && mailbox.is_full() {
                self.full.push(mailbox);
            }
        }
        for reply in self.session.outgoing().take_direct() {
            self.send_direct(&reply);
        }
        for request in self.session.outgoing().take_requests() {
            tokio::spawn(test_exchange::serve(Arc::clone(&self.shared), Arc::clone(&vhost), request));
        }
    }

    /// Publishes to a queue that just went are confirmed: they went nowhere, as unroutable messages do.
    fn confirm_undeliverable(&mut self, command: &Command) {
        for publish in command.publishes().filter(|publish| publish.sequence != 0) {
            self.session.confirmed(publish.channel, publish.sequence, publish.sequence, false);
        }
        self.session.send_confirms();
    }

    /// Nobody may be there to get it: there is no queue for it to wait in.
    fn send_direct(&self, reply: &DirectReply) {
        let target = self.shared.connections.get(&reply.connection).map(|target| target.clone());
        if let Some(target) = target.filter(|target| target.secret == reply.secret) {
            target.send_direct(reply.consumer, reply.message.clone());
        }
    }

    /// Lets others see what changed in this batch.
    fn report<S: Stream>(&mut self, wire: &mut Wire<S>) {
        let (overview, clock) = (&self.overview, &self.shared.clock);
        let (now, wall) = (clock.now(), clock.timestamp());
        self.session.report_channels(|report| overview.update_channel(report, now, wall));
        let (frames_in, frames_out) = self.session.take_frames();
        let (bytes_in, bytes_out) = (std::mem::take(&mut wire.bytes_in), std::mem::take(&mut wire.bytes_out));
        let counted = ConnectionCounters { frames_in, frames_out, bytes_in, bytes_out };
        if !counted.is_zero() {
            overview.statistics.add(now, &counted);
        }
        let state = match () {
            () if self.session.is_ending() => ConnectionState::Closing,
            () if !self.session.is_running() => ConnectionState::Starting,
            () if self.is_blocked() => ConnectionState::Blocked,
            () if !self.full.is_empty() => ConnectionState::Flow,
            () => ConnectionState::Running,
        };
        overview.set_state(state);
        self.log_raised();
        self.note_unrouted();
        self.trace_held();
        self.note_confirmed();
        self.note_unusual();
        self.tell_channels();
        self.count(&counted);
        self.shares.set_input(wire.input_capacity());
    }

    /// What may be wrong with the first message that it sends to a queue.
    #[cold]
    fn note_first_publish(&self, vhost: &Arc<Vhost>, record: &QueueRecord, command: &Command) {
        if let Some(first) = command.publishes().next() {
            let confirmed = self.session.confirms_publishes(first.channel);
            note_first_publish(self.scope(vhost), record, first.message.is_persistent(), confirmed);
        }
    }

    /// Exceptions since the last batch.
    fn log_raised(&mut self) {
        for raised in self.session.take_raised() {
            self.note_raised(&raised);
            connection_log::raised(&self.shared, &self.overview, &raised);
        }
    }

    /// Publishes since the last batch that some brokers do not take.
    fn note_unusual(&mut self) {
        if let (Some(unusual), Some(vhost)) = (self.session.take_unusual(), &self.vhost) {
            note_publishes(self.scope(vhost), unusual);
        }
    }

    /// Adds what was reported, and what channels that are gone left, to the statistics of others.
    fn count(&mut self, socket: &ConnectionCounters) {
        let now = self.shared.clock.now();
        self.session.report_exchanges(now);
        let counted = self.session.take_counters();
        let SessionCounters { channels_opened, channels_closed, .. } = counted;
        if channels_opened + channels_closed > 0 {
            self.shared.count(BrokerCounters {
                channels_opened,
                channels_closed,
                ..BrokerCounters::default()
            });
        }
        self.shared.sums.add(&counted, socket);
        if let Some(vhost) = &self.vhost {
            vhost.statistics.add_some(now, &counted.messages, socket);
            if let Some(world) = &vhost.world {
                world.activity.ring();
            }
        }
    }

    /// Writes what is left, tells the peer that there is no more, and reads until it agrees, so that nothing written is
    /// lost to a reset. A client whose close was answered need not agree: it is done.
    async fn close_socket<S: Stream>(&mut self, wire: &mut Wire<S>) -> std::io::Result<()> {
        let clock = self.shared.clock;
        if self.session.is_reset() {
            wire.reset(self.session.out()).await;
            return Err(std::io::Error::other("reset by a fault"));
        }
        let is_answered = self.session.is_answered();
        let out = self.session.out();
        let close = async {
            wire.finish(out).await?;
            if is_answered { Ok(()) } else { wire.read_to_end().await }
        };
        let patience = if self.stop_by.is_some() { CLOSE_WHEN_STOPPING_MAX } else { CLOSE_MAX };
        clock.within(patience, close).await.unwrap_or(Ok(()))
    }

    /// The connection ends: its exclusive queues go, and the others take back what it had.
    async fn release_queues(&mut self, ending: Ending) {
        self.log_raised();
        self.note_unrouted();
        self.trace_held();
        self.note_confirmed();
        let unacked = self.session.unacked();
        self.session.release_all(ending);
        self.tell_channels();
        self.count(&ConnectionCounters::default());
        let Some(vhost) = self.vhost.take() else { return };
        if self.session.published() == 1 {
            note_short_lived(self.scope(&vhost), ShortLived::Connection, 1);
        }
        self.note_end(&vhost, unacked);
        let id = self.id();
        for (queue, command) in self.session.outgoing().take(id) {
            if let Some(record) = vhost.queue(queue) {
                // A queue that went has nothing of ours.
                let _ = record.mailbox.send(Mail::Tell(command));
            }
        }
        for mailbox in self.mailboxes.take() {
            let _ = mailbox.send(Mail::Tell(Command::ConnectionGone(id)));
        }
        delete_owned_queues(&self.shared, &vhost, self.owned.take().collect()).await;
    }
}

/// In RabbitMQ's words, which clients look for.
fn ack_timed_out(channel: u16, timeout_ms: u32) -> Exception {
    let text = format!(
        "delivery acknowledgement on channel {channel} timed out. Timeout value used: {timeout_ms} ms. This timeout value \
         can be configured, see consumers doc guide to learn more"
    );
    Exception::precondition_failed(text)
}

/// 506: a transaction, or bodies that never end.
fn holds_too_much(held: Held, part: usize) -> Exception {
    let Held { bodies, transactions, .. } = held;
    let text = format!(
        "the connection's transactions ({transactions} bytes) and unfinished messages ({bodies} bytes) take more than the {part} \
         bytes that there are for it"
    );
    Exception::new(ReplyCode::ResourceError, text)
}

/// Waits until none of them is full any more.
async fn wait_for_room(full: &mut Vec<Mailbox>) {
    while let Some(mailbox) = full.last() {
        mailbox.wait_for_room().await;
        full.pop();
    }
}

/// How long a peer has to read our last words.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// The same when the broker stops: a client that is busy elsewhere finds them in its socket later.
const CLOSE_WHEN_STOPPING_MAX: Duration = Duration::from_millis(500);
