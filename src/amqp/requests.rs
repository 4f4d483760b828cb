//! Serving what a session cannot do alone: methods that change or ask what connections share.

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic, exchange, queue, tx};
use amq_protocol::types::AMQPValue;

use super::connection::Connection;
use crate::broker::definitions::Definition;
use crate::broker::mailbox::Mail;
use crate::broker::shared::random_bytes;
use crate::broker::vhost::{NewQueue, QueueRecord, Vhost, locked};
use crate::message::QueueId;
use crate::protocol::reply::ReplyCode;
use crate::protocol::value::as_integer;
use crate::queue::options::consumer_timeout;
use crate::queue::{Command, Consume, ConsumerKey, ConsumerName, DedupPublish, QueueOptions, Reply, options};
use crate::session::outgoing::Envelope;
use crate::session::{AckPolicy, ChannelRequest, Exception, Operation, TxWork, direct_reply};
use crate::store::{Join, Submission};
use crate::topology::{Binding, Destination, ExchangeKind, ExchangeSpec, equivalence};

type Answer = Result<Option<AMQPClass>, Exception>;

impl Connection {
    /// Serves a channel's request and gives what to answer; nothing with nowait.
    pub(super) async fn serve(
        &mut self,
        vhost: &Arc<Vhost>,
        channel: u16,
        request: ChannelRequest,
    ) -> Answer {
        match request {
            ChannelRequest::ExchangeDeclare(declare) => self.exchange_declare(vhost, declare).await,
            ChannelRequest::ExchangeDelete(delete) => self.exchange_delete(vhost, delete).await,
            ChannelRequest::ExchangeBind(bind) => {
                let ok = exchange::AMQPMethod::BindOk(exchange::BindOk {});
                let binding =
                    exchange_binding(&bind.source, &bind.destination, &bind.routing_key, bind.arguments);
                self.bind(vhost, binding).await?;
                Ok((!bind.nowait).then_some(AMQPClass::Exchange(ok)))
            }
            ChannelRequest::ExchangeUnbind(unbind) => {
                let ok = exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {});
                let (source, destination) = (&unbind.source, &unbind.destination);
                let binding = exchange_binding(source, destination, &unbind.routing_key, unbind.arguments);
                self.unbind(vhost, binding).await?;
                Ok((!unbind.nowait).then_some(AMQPClass::Exchange(ok)))
            }
            ChannelRequest::QueueDeclare(declare) => self.queue_declare(vhost, channel, declare).await,
            ChannelRequest::QueueBind(bind) => self.queue_bind(vhost, bind).await,
            ChannelRequest::QueueUnbind(unbind) => self.queue_unbind(vhost, unbind).await,
            ChannelRequest::QueuePurge(purge) => self.queue_purge(vhost, purge).await,
            ChannelRequest::QueueDelete(delete) => self.queue_delete(vhost, delete).await,
            ChannelRequest::Consume(consume) => self.consume(vhost, channel, consume).await,
            ChannelRequest::Cancel(cancel) => self.cancel(vhost, channel, cancel).await,
            ChannelRequest::Get { queue, no_ack } => self.get(vhost, channel, &queue, no_ack).await,
            ChannelRequest::TxCommit(work) => self.commit(vhost, channel, work).await,
        }
    }

    async fn exchange_declare(&self, vhost: &Arc<Vhost>, declare: exchange::Declare) -> Answer {
        let name = declare.exchange.as_str().to_owned();
        let answer = (!declare.nowait)
            .then_some(AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})));
        if declare.passive {
            self.session.permit(Operation::ExchangeFind(&name))?;
            let exists = vhost.topology.read().exchange(&name).is_some();
            let missing = || Exception::not_found(format!("no exchange '{name}' in vhost '{}'", vhost.name));
            return if exists { Ok(answer) } else { Err(missing()) };
        }
        let kind = ExchangeKind::parse(declare.kind.as_str())?;
        self.session.permit(Operation::ExchangeDeclare(&name))?;
        let spec = ExchangeSpec {
            name,
            kind,
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            internal: declare.internal,
            arguments: declare.arguments,
            delay_queue: None,
        };
        let _lock = vhost.lock().await;
        let is_new = vhost.topology.read().check_exchange_declare(&spec, &vhost.name)?;
        if is_new {
            let spec = self.shared.with_delay_queue(spec);
            let alternate = spec.alternate().map(String::from_utf8_lossy);
            self.session.permit(Operation::ExchangeCreate(&spec.name, alternate.as_deref()))?;
            if spec.durable {
                let definition = Definition::Exchange(vhost.name.clone(), spec.clone());
                vhost.store(&self.shared, vec![definition.put()]).await;
            }
            vhost.add_exchange(&self.shared, spec);
        }
        Ok(answer)
    }

    async fn exchange_delete(&self, vhost: &Vhost, delete: exchange::Delete) -> Answer {
        let name = delete.exchange.as_str();
        if name.is_empty() {
            return Err(Exception::access_refused("operation not permitted on the default exchange"));
        }
        if name.starts_with("amq.") {
            let text = format!("deletion of system exchange '{name}' in vhost '{}' not allowed", vhost.name);
            return Err(Exception::access_refused(text));
        }
        self.session.permit(Operation::ExchangeDelete(name))?;
        let _lock = vhost.lock().await;
        if delete.if_unused && vhost.topology.read().is_used(name) {
            let text = format!("exchange '{name}' in vhost '{}' in use", vhost.name);
            return Err(Exception::precondition_failed(text));
        }
        let removed = vhost.topology.change(|topology| topology.delete_exchange(name));
        vhost.store(&self.shared, vhost.forget(removed)).await;
        let ok = exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {});
        Ok((!delete.nowait).then_some(AMQPClass::Exchange(ok)))
    }

    async fn bind(&self, vhost: &Vhost, binding: Binding) -> Result<(), Exception> {
        self.session.permit(Operation::Bind(&binding.source, &binding.destination))?;
        self.check_destination(vhost, &binding)?;
        let _lock = vhost.lock().await;
        let is_new = vhost.topology.read().check_bind(&binding, &vhost.name)?;
        if !is_new {
            return Ok(());
        }
        if vhost.is_durable(&binding) {
            let definition = Definition::Binding(vhost.name.clone(), binding.clone());
            vhost.store(&self.shared, vec![definition.put()]).await;
        }
        vhost.topology.change(|topology| topology.bind(binding));
        Ok(())
    }

    async fn unbind(&self, vhost: &Vhost, binding: Binding) -> Result<(), Exception> {
        self.session.permit(Operation::Bind(&binding.source, &binding.destination))?;
        self.check_destination(vhost, &binding)?;
        let _lock = vhost.lock().await;
        vhost.topology.read().check_unbind(&binding)?;
        let removed = vhost.topology.change(|topology| topology.unbind(&binding));
        let ops = removed.map(|removed| vhost.forget(removed)).unwrap_or_default();
        vhost.store(&self.shared, ops).await;
        Ok(())
    }

    /// 405 for a queue of another connection; one that is not there is another matter.
    fn check_destination(&self, vhost: &Vhost, binding: &Binding) -> Result<(), Exception> {
        match &binding.destination {
            Destination::Queue(name) => match vhost.queue_named(name) {
                Some(record) => record.check_access(&vhost.name, self.id()),
                None => Ok(()),
            },
            Destination::Exchange(_) => Ok(()),
        }
    }

    async fn queue_bind(&self, vhost: &Vhost, bind: queue::Bind) -> Answer {
        let binding = queue_binding(&bind.exchange, &bind.queue, &bind.routing_key, bind.arguments);
        self.bind(vhost, binding).await?;
        Ok((!bind.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))))
    }

    async fn queue_unbind(&self, vhost: &Vhost, unbind: queue::Unbind) -> Answer {
        let binding = queue_binding(&unbind.exchange, &unbind.queue, &unbind.routing_key, unbind.arguments);
        self.unbind(vhost, binding).await?;
        Ok(Some(AMQPClass::Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {}))))
    }

    async fn queue_declare(&mut self, vhost: &Arc<Vhost>, channel: u16, declare: queue::Declare) -> Answer {
        let nowait = declare.nowait;
        let name = declare.queue.as_str().to_owned();
        let (name, messages, consumers) = if name.starts_with(direct_reply::NAME) {
            self.declare_reply_queue(vhost, name)?
        } else {
            self.declare_real_queue(vhost, declare).await?
        };
        self.take_deliveries();
        self.session.declared(channel, &name);
        let ok = queue::DeclareOk {
            queue: name.into(),
            message_count: u32::try_from(messages).unwrap_or(u32::MAX),
            consumer_count: u32::try_from(consumers).unwrap_or(u32::MAX),
        };
        Ok((!nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))))
    }

    /// `amq.rabbitmq.reply-to` is always there; an address is there while its consumer is.
    fn declare_reply_queue(&self, vhost: &Vhost, name: String) -> Result<(String, usize, usize), Exception> {
        let is_there = match direct_reply::parse(name.as_bytes()) {
            Some(address) => {
                let connection = self.shared.connections.get(&address.connection);
                connection.is_some_and(|connection| connection.answers_to(address))
            }
            None => name == direct_reply::NAME,
        };
        if is_there { Ok((name, 0, 1)) } else { Err(vhost.no_queue(&name)) }
    }

    async fn declare_real_queue(
        &mut self,
        vhost: &Arc<Vhost>,
        declare: queue::Declare,
    ) -> Result<(String, usize, usize), Exception> {
        loop {
            let record = if declare.passive {
                self.session.permit(Operation::QueueFind(declare.queue.as_str()))?;
                vhost.open_queue(declare.queue.as_str(), self.id())?
            } else {
                self.find_or_create(vhost, declare.clone()).await?
            };
            if let Some(counts) = Vhost::counts(&record).await {
                return Ok((record.name.clone(), counts.ready, counts.consumers));
            }
            // It came to its end by itself just now: as if it had never been.
            vhost.forget_queue(&self.shared, &record).await;
        }
    }

    async fn find_or_create(
        &mut self,
        vhost: &Arc<Vhost>,
        declare: queue::Declare,
    ) -> Result<Arc<QueueRecord>, Exception> {
        let mut name = declare.queue.as_str().to_owned();
        if name.starts_with("amq.") {
            let text = format!("queue name '{name}' contains reserved prefix 'amq.*'");
            return Err(Exception::access_refused(text));
        }
        if name.is_empty() {
            name = server_name()?;
        }
        self.session.permit(Operation::QueueDeclare(&name))?;
        let thing = format!("queue '{name}' in vhost '{}'", vhost.name);
        let (durable, exclusive, auto_delete) = (declare.durable, declare.exclusive, declare.auto_delete);
        let options = QueueOptions::parse(&thing, durable, exclusive, auto_delete, &declare.arguments)?;
        let _lock = vhost.lock().await;
        if let Some(record) = vhost.queue_named(&name) {
            self.check_equivalent(vhost, &record, &declare)?;
            return Ok(record);
        }
        let dead_letter_exchange = options.dead_letter_exchange.as_deref();
        self.session.permit(Operation::QueueCreate(&name, dead_letter_exchange))?;
        let owner = exclusive.then(|| self.id());
        let new = NewQueue { name, owner, arguments: declare.arguments, options };
        let record = vhost.create_queue(&self.shared, new).await;
        if exclusive {
            self.owned.push(Arc::clone(&record));
        }
        Ok(record)
    }

    fn check_equivalent(
        &self,
        vhost: &Vhost,
        record: &QueueRecord,
        declare: &queue::Declare,
    ) -> Result<(), Exception> {
        record.check_access(&vhost.name, self.id())?;
        if declare.exclusive != record.owner.is_some() {
            return Err(locked(&record.name, &vhost.name));
        }
        // An exclusive queue is not durable whatever was asked for.
        let durable = declare.durable && !declare.exclusive;
        for (key, received, current) in
            [("durable", durable, record.durable), ("auto_delete", declare.auto_delete, record.auto_delete)]
        {
            if received != current {
                let thing = format!("queue '{}' in vhost '{}'", record.name, vhost.name);
                let text = format!(
                    "inequivalent arg '{key}' for {thing}: received '{received}' but current is '{current}'"
                );
                return Err(Exception::precondition_failed(text));
            }
        }
        let (current, received) = (&record.arguments, &declare.arguments);
        Ok(equivalence::check_arguments(
            "queue",
            &record.name,
            &vhost.name,
            options::COMPARED,
            current,
            received,
        )?)
    }

    async fn queue_purge(&mut self, vhost: &Vhost, purge: queue::Purge) -> Answer {
        self.session.permit(Operation::QueuePurge(purge.queue.as_str()))?;
        let record = vhost.open_queue(purge.queue.as_str(), self.id())?;
        let purged = match record.mailbox.ask(Command::Purge).await {
            Some(Reply::Purged(count)) => count,
            _ => 0,
        };
        self.take_deliveries();
        let ok = queue::PurgeOk { message_count: u32::try_from(purged).unwrap_or(u32::MAX) };
        Ok((!purge.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::PurgeOk(ok))))
    }

    /// Deleting what is not there succeeds, as in RabbitMQ since 3.2.
    async fn queue_delete(&mut self, vhost: &Vhost, delete: queue::Delete) -> Answer {
        let name = delete.queue.as_str();
        self.session.permit(Operation::QueueDelete(name))?;
        let _lock = vhost.lock().await;
        let messages = match vhost.queue_named(name) {
            Some(record) => {
                record.check_access(&vhost.name, self.id())?;
                vhost.delete_queue(&self.shared, &record, delete.if_unused, delete.if_empty).await?
            }
            None => 0,
        };
        self.take_deliveries();
        let ok = queue::DeleteOk { message_count: u32::try_from(messages).unwrap_or(u32::MAX) };
        Ok((!delete.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::DeleteOk(ok))))
    }

    async fn consume(&mut self, vhost: &Vhost, channel: u16, consume: basic::Consume) -> Answer {
        let name = consume.queue.as_str();
        let new = self.session.new_consumer(channel);
        let mut acks = if consume.no_ack { AckPolicy::None } else { AckPolicy::Explicit };
        let queue = if name == direct_reply::NAME {
            self.check_reply_consumer(&consume, channel)?;
            None
        } else {
            self.session.permit(Operation::Consume(name))?;
            let record = vhost.open_queue(name, self.id())?;
            let thing = format!("queue '{name}' in vhost '{}'", vhost.name);
            acks = ack_policy(&thing, &consume)?;
            let ack_timeout = consumer_timeout(&thing, &consume.arguments)
                .map_err(|error| Exception::precondition_failed(error.to_string()))?;
            let priority = consume.arguments.inner().get("x-priority").and_then(as_integer).unwrap_or(0);
            let command = Command::Consume(Consume {
                key: new.key,
                no_ack: consume.no_ack,
                exclusive: consume.exclusive,
                prefetch: new.prefetch,
                priority: i32::try_from(priority).unwrap_or(if priority < 0 { i32::MIN } else { i32::MAX }),
                limit: new.limit,
                ack_timeout,
                name: ConsumerName {
                    tag: consume.consumer_tag.as_str().into(),
                    peer: self.peer.to_string().into(),
                },
            });
            match record.mailbox.ask(command).await {
                Some(Reply::Consuming) => {}
                Some(_) => return Err(in_exclusive_use(name, &vhost.name)),
                None => return Err(vhost.no_queue(name)),
            }
            Some(record.id)
        };
        let tag = consume.consumer_tag.as_str();
        self.session.add_consumer(new.key, tag, queue, acks);
        let ok = basic::ConsumeOk { consumer_tag: consume.consumer_tag };
        Ok((!consume.nowait).then_some(AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok))))
    }

    fn check_reply_consumer(&mut self, consume: &basic::Consume, channel: u16) -> Result<(), Exception> {
        if !consume.no_ack {
            return Err(Exception::precondition_failed("reply consumer cannot acknowledge"));
        }
        if self.session.channel_has_reply_consumer(channel) {
            return Err(Exception::precondition_failed("reply consumer already set"));
        }
        Ok(())
    }

    /// After cancel-ok nothing more is delivered.
    async fn cancel(&mut self, vhost: &Vhost, channel: u16, cancel: basic::Cancel) -> Answer {
        let tag = cancel.consumer_tag.as_str();
        if let Some((key, queue)) = self.session.consumer(channel, tag) {
            self.tell_cancel(vhost, key, queue).await;
            self.take_deliveries();
            self.session.remove_consumer(channel, tag);
        }
        let ok = basic::CancelOk { consumer_tag: cancel.consumer_tag };
        Ok((!cancel.nowait).then_some(AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok))))
    }

    async fn tell_cancel(&self, vhost: &Vhost, key: ConsumerKey, queue: Option<QueueId>) {
        if let Some(record) = queue.and_then(|queue| vhost.queue(queue)) {
            record.mailbox.ask(Command::Cancel(key)).await;
        }
    }

    async fn get(&mut self, vhost: &Vhost, channel: u16, name: &str, no_ack: bool) -> Answer {
        self.session.permit(Operation::Get(name))?;
        let record = vhost.open_queue(name, self.id())?;
        let command = Command::Get { connection: self.id(), channel, no_ack };
        let reply = record.mailbox.ask(command).await;
        self.take_deliveries();
        match reply {
            Some(Reply::Got { delivery, remaining }) => {
                self.session.got(channel, record.id, no_ack, &delivery, remaining);
                Ok(None)
            }
            Some(_) => Ok(Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})))),
            None => Err(vhost.no_queue(name)),
        }
    }

    async fn commit(&mut self, vhost: &Vhost, channel: u16, work: TxWork) -> Answer {
        self.carry_out(vhost, work).await;
        // Refusals were in the inbox before the unit was complete.
        self.take_deliveries();
        if self.session.is_commit_whole(channel) {
            Ok(Some(AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {}))))
        } else {
            Err(Exception::precondition_failed("partial tx completion"))
        }
    }

    /// All that a transaction holds becomes one unit in the store: after a crash all of it is there, or nothing.
    async fn carry_out(&self, vhost: &Vhost, work: TxWork) {
        let mut per_queue: Vec<(QueueId, Vec<Command>)> = Vec::new();
        for (publish, sequence) in work.publishes.into_iter().zip(1..) {
            // Numbered, so that a queue that refuses one says so.
            let envelope = Envelope { sequence, ..publish.envelope };
            for queue in &publish.queues {
                let message = envelope.publish(publish.message.clone());
                let command = match publish.mark.clone() {
                    None => Command::Publish(self.id(), vec![message]),
                    Some(mark) => {
                        Command::PublishDedup(self.id(), vec![DedupPublish { publish: message, keys: mark }])
                    }
                };
                commands_for(&mut per_queue, *queue).push(command);
            }
        }
        for (queue, verb, handle) in work.settles {
            commands_for(&mut per_queue, queue).push(Command::Settle(verb, vec![handle]));
        }
        let parts = u32::try_from(per_queue.len() + 1).unwrap_or(u32::MAX);
        let join = Join { id: self.shared.store.next_join_id(), parts };
        for (queue, commands) in per_queue {
            let mail = Mail::Joined(join, commands);
            let taken = vhost.queue(queue).is_some_and(|record| record.mailbox.send(mail).is_ok());
            if !taken {
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
        }
        self.shared.store_durably(Submission { join: Some(join), ..Submission::default() }).await;
    }
}

fn commands_for(per_queue: &mut Vec<(QueueId, Vec<Command>)>, queue: QueueId) -> &mut Vec<Command> {
    let index = per_queue.iter().position(|(other, _)| *other == queue).unwrap_or_else(|| {
        per_queue.push((queue, Vec::new()));
        per_queue.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found in the list or pushed to its end just now")]
    &mut per_queue[index].1
}

type Name = amq_protocol::types::ShortString;
type Arguments = amq_protocol::types::FieldTable;

fn exchange_binding(source: &Name, destination: &Name, key: &Name, arguments: Arguments) -> Binding {
    Binding {
        source: source.as_str().to_owned(),
        destination: Destination::Exchange(destination.as_str().to_owned()),
        routing_key: key.as_str().to_owned(),
        arguments,
    }
}

fn queue_binding(source: &Name, queue: &Name, key: &Name, arguments: Arguments) -> Binding {
    Binding {
        source: source.as_str().to_owned(),
        destination: Destination::Queue(queue.as_str().to_owned()),
        routing_key: key.as_str().to_owned(),
        arguments,
    }
}

fn in_exclusive_use(queue: &str, vhost: &str) -> Exception {
    Exception::access_refused(format!("queue '{queue}' in vhost '{vhost}' in exclusive use"))
}

/// A name that nobody can guess: such queues are often used for replies.
fn server_name() -> Result<String, Exception> {
    let unavailable = |_| Exception::new(ReplyCode::InternalError, "no randomness available");
    let bytes: [u8; 16] = random_bytes().map_err(unavailable)?;
    Ok(format!("amq.gen-{:032x}", u128::from_be_bytes(bytes)))
}

/// `x-ack-policy` of a consumer: `explicit`, or `all`.
fn ack_policy(thing: &str, consume: &basic::Consume) -> Result<AckPolicy, Exception> {
    let usual = if consume.no_ack { AckPolicy::None } else { AckPolicy::Explicit };
    match consume.arguments.inner().get("x-ack-policy") {
        None => Ok(usual),
        Some(AMQPValue::LongString(text)) if text.as_bytes() == b"explicit" && !consume.no_ack => Ok(usual),
        Some(AMQPValue::LongString(text)) if text.as_bytes() == b"all" && !consume.no_ack => {
            Ok(AckPolicy::All)
        }
        Some(_) => {
            let why = "expected 'explicit' or 'all', on a consumer without no_ack";
            let text = format!("invalid arg 'x-ack-policy' for {thing}: {why}");
            Err(Exception::precondition_failed(text))
        }
    }
}
