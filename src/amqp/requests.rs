//! Serving what a session cannot do alone: a method is parsed, the broker does it, and its outcome is worded.

use std::collections::BTreeMap;
use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::connection::Connection;
use super::consumer_arguments::{check_stream_consumer, consumer_priority};
use crate::broker::OperationError;
use crate::broker::mailbox::Mail;
use crate::broker::names::generated;
use crate::broker::operations::{self, Caller, DeclareQueue, DeleteIf, Getter, Scope};
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::QueueId;
use crate::persona::{ConsumeCall, Place, QueueKind};
use crate::protocol::reply::ReplyCode;
use crate::queue::options::consumer_timeout;
use crate::queue::{
    Command, Consume, ConsumerKey, ConsumerName, Counts, DedupPublish, Inbox, InboxShare, PrefetchShare,
};
use crate::session::outgoing::Envelope;
use crate::session::{AckPolicy, ChannelRequest, Exception, NewConsumer, Source, TxWork, direct_reply};
use crate::store::{Join, Submission};
use crate::topology::{Binding, Destination, ExchangeKind, ExchangeSpec};

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
            ChannelRequest::ExchangeBind(bind) => self.exchange_bind(vhost, bind).await,
            ChannelRequest::ExchangeUnbind(unbind) => self.exchange_unbind(vhost, unbind).await,
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

    /// Who asks, and where, for the broker's operations.
    pub(super) fn scope<'a>(&'a self, vhost: &'a Arc<Vhost>) -> Scope<'a> {
        let (user, grant) = (self.session.user(), self.session.grant());
        Scope { shared: &self.shared, vhost, caller: Caller::Connection { id: self.id(), user, grant } }
    }

    async fn exchange_declare(&self, vhost: &Arc<Vhost>, declare: exchange::Declare) -> Answer {
        let name = declare.exchange.as_str().to_owned();
        if declare.passive {
            operations::find_exchange(self.scope(vhost), &name)?;
        } else {
            let kind = ExchangeKind::parse(declare.kind.as_str()).map_err(OperationError::from)?;
            let exchange = ExchangeSpec {
                name,
                kind,
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                internal: declare.internal,
                arguments: declare.arguments,
                delay_queue: None,
            };
            operations::declare_exchange(self.scope(vhost), exchange).await?;
        }
        let ok = exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {});
        Ok((!declare.nowait).then_some(AMQPClass::Exchange(ok)))
    }

    async fn exchange_delete(&self, vhost: &Arc<Vhost>, delete: exchange::Delete) -> Answer {
        operations::delete_exchange(self.scope(vhost), delete.exchange.as_str(), delete.if_unused).await?;
        let ok = exchange::AMQPMethod::DeleteOk(exchange::DeleteOk {});
        Ok((!delete.nowait).then_some(AMQPClass::Exchange(ok)))
    }

    async fn exchange_bind(&self, vhost: &Arc<Vhost>, bind: exchange::Bind) -> Answer {
        let destination = Destination::Exchange(bind.destination.to_string());
        let binding = binding(&bind.source, destination, &bind.routing_key, bind.arguments);
        operations::bind(self.scope(vhost), binding).await?;
        let ok = exchange::AMQPMethod::BindOk(exchange::BindOk {});
        Ok((!bind.nowait).then_some(AMQPClass::Exchange(ok)))
    }

    async fn exchange_unbind(&self, vhost: &Arc<Vhost>, unbind: exchange::Unbind) -> Answer {
        let destination = Destination::Exchange(unbind.destination.to_string());
        let binding = binding(&unbind.source, destination, &unbind.routing_key, unbind.arguments);
        operations::unbind(self.scope(vhost), &binding).await?;
        let ok = exchange::AMQPMethod::UnbindOk(exchange::UnbindOk {});
        Ok((!unbind.nowait).then_some(AMQPClass::Exchange(ok)))
    }

    async fn queue_bind(&self, vhost: &Arc<Vhost>, bind: queue::Bind) -> Answer {
        let destination = Destination::Queue(bind.queue.to_string());
        let binding = binding(&bind.exchange, destination, &bind.routing_key, bind.arguments);
        operations::bind(self.scope(vhost), binding).await?;
        Ok((!bind.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))))
    }

    async fn queue_unbind(&self, vhost: &Arc<Vhost>, unbind: queue::Unbind) -> Answer {
        let destination = Destination::Queue(unbind.queue.to_string());
        let binding = binding(&unbind.exchange, destination, &unbind.routing_key, unbind.arguments);
        operations::unbind(self.scope(vhost), &binding).await?;
        Ok(Some(AMQPClass::Queue(queue::AMQPMethod::UnbindOk(queue::UnbindOk {}))))
    }

    async fn queue_declare(&mut self, vhost: &Arc<Vhost>, channel: u16, declare: queue::Declare) -> Answer {
        let nowait = declare.nowait;
        let name = declare.queue.as_str();
        let (name, messages, consumers) = if name.starts_with(direct_reply::NAME) {
            self.find_reply_queue(vhost, name)?
        } else if declare.passive {
            let found = operations::find_queue(self.scope(vhost), name).await?;
            (found.record.name.clone(), found.counts.ready, consumers(&found.record, found.counts))
        } else {
            self.declare_queue(vhost, declare).await?
        };
        self.take_deliveries();
        self.session.declared(channel, &name);
        let ok = queue::DeclareOk {
            queue: name.into(),
            message_count: count(messages),
            consumer_count: count(consumers),
        };
        Ok((!nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))))
    }

    /// `amq.rabbitmq.reply-to` is always there; an address is there while its consumer is.
    fn find_reply_queue(&self, vhost: &Arc<Vhost>, name: &str) -> Result<(String, usize, usize), Exception> {
        let is_there = match direct_reply::parse(name.as_bytes()) {
            Some(address) => {
                let connection = self.shared.connection(address.connection);
                connection.is_some_and(|connection| connection.answers_to(address))
            }
            None => name == direct_reply::NAME,
        };
        if is_there { Ok((name.to_owned(), 0, 1)) } else { Err(self.scope(vhost).no_queue(name).into()) }
    }

    async fn declare_queue(
        &mut self,
        vhost: &Arc<Vhost>,
        declare: queue::Declare,
    ) -> Result<(String, usize, usize), Exception> {
        let declare = DeclareQueue {
            name: declare.queue.to_string(),
            durable: declare.durable,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            arguments: declare.arguments,
        };
        let declared = operations::declare_queue(self.scope(vhost), declare).await?;
        let (name, counts) = (declared.record.name.clone(), declared.counts);
        let consumers = consumers(&declared.record, counts);
        if declared.is_new && declared.record.owner.is_some() {
            self.owned.insert(declared.record.id, declared.record);
        }
        Ok((name, counts.ready, consumers))
    }

    async fn queue_purge(&mut self, vhost: &Arc<Vhost>, purge: queue::Purge) -> Answer {
        let purged = operations::purge(self.scope(vhost), purge.queue.as_str()).await?;
        self.take_deliveries();
        let ok = queue::PurgeOk { message_count: count(purged) };
        Ok((!purge.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::PurgeOk(ok))))
    }

    async fn queue_delete(&mut self, vhost: &Arc<Vhost>, delete: queue::Delete) -> Answer {
        let only = DeleteIf { unused: delete.if_unused, empty: delete.if_empty };
        let messages = operations::delete_queue(self.scope(vhost), delete.queue.as_str(), only).await?;
        self.take_deliveries();
        let ok = queue::DeleteOk { message_count: count(messages) };
        Ok((!delete.nowait).then_some(AMQPClass::Queue(queue::AMQPMethod::DeleteOk(ok))))
    }

    async fn consume(&mut self, vhost: &Arc<Vhost>, channel: u16, mut consume: basic::Consume) -> Answer {
        if consume.consumer_tag.as_str().is_empty() {
            let tag = generated("amq.ctag-").map_err(|_| OperationError::NoRandomness)?;
            consume.consumer_tag = tag.into();
        }
        let new = self.session.new_consumer(channel);
        let key = new.key;
        let (queue, acks) = if consume.queue.as_str() == direct_reply::NAME {
            self.check_reply_consumer(&consume, channel)?;
            (None, AckPolicy::None)
        } else {
            let (queue, acks) = self.consume_from_queue(vhost, new, &consume).await?;
            self.consumed.insert(key.number, Arc::clone(&queue.label));
            (Some(Source { queue: queue.id, is_stream: queue.is_stream() }), acks)
        };
        self.session.add_consumer(key, consume.consumer_tag.as_str(), queue, acks);
        self.session.forget_ended_queues(channel, |queue| vhost.queue(queue).is_none());
        let ok = basic::ConsumeOk { consumer_tag: consume.consumer_tag };
        Ok((!consume.nowait).then_some(AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok))))
    }

    async fn consume_from_queue(
        &self,
        vhost: &Arc<Vhost>,
        new: NewConsumer,
        consume: &basic::Consume,
    ) -> Result<(Arc<QueueRecord>, AckPolicy), Exception> {
        let name = consume.queue.as_str();
        let scope = self.scope(vhost);
        let record = operations::queue_to_consume(scope, name)?;
        let thing = format!("queue '{name}' in vhost '{}'", vhost.name);
        operations::consumer_allowed(scope, &record, consume_call(&new, consume))?;
        let is_stream = record.is_stream();
        let priority = match is_stream {
            true => check_stream_consumer(&thing, consume, &new).map(|()| 0)?,
            false => consumer_priority(&thing, &consume.arguments)?,
        };
        let acks = ack_policy(&thing, consume)?;
        let ack_timeout = consumer_timeout(&thing, &consume.arguments)
            .map_err(|error| Exception::precondition_failed(error.to_string()))?;
        let consumer = Consume {
            key: new.key,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: new.prefetch,
            priority,
            channel_prefetch: new.channel_prefetch.map(|prefetch| PrefetchShare::new(prefetch, record.id)),
            inbox: Some(InboxShare::new(Arc::clone(self.handle.inbox()) as Arc<dyn Inbox>, record.id)),
            ack_timeout,
            name: ConsumerName {
                tag: consume.consumer_tag.as_str().into(),
                peer: self.peer.to_string().into(),
            },
            arguments: Arc::new(consume.arguments.clone()),
            is_passing: false,
        };
        operations::consume(scope, &record, consumer).await?;
        Ok((record, acks))
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
    async fn cancel(&mut self, vhost: &Arc<Vhost>, channel: u16, cancel: basic::Cancel) -> Answer {
        let tag = cancel.consumer_tag.as_str();
        if let Some((key, queue)) = self.session.consumer(channel, tag) {
            self.cancel_consumer(vhost, key, queue).await;
            self.take_deliveries();
            self.session.remove_consumer(channel, tag);
        }
        let ok = basic::CancelOk { consumer_tag: cancel.consumer_tag };
        Ok((!cancel.nowait).then_some(AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok))))
    }

    async fn cancel_consumer(&self, vhost: &Vhost, key: ConsumerKey, queue: Option<QueueId>) {
        if let Some(record) = queue.and_then(|queue| vhost.queue(queue)) {
            record.mailbox.ask(Command::Cancel(key)).await;
        }
    }

    async fn get(&mut self, vhost: &Arc<Vhost>, channel: u16, name: &str, no_ack: bool) -> Answer {
        if !no_ack && self.session.held().deliveries > self.shared.ledger.part() {
            let text = "the connection has more messages to ack than there is memory for";
            return Err(Exception::new(ReplyCode::ResourceError, text));
        }
        let getter = Getter { connection: self.id(), channel, no_ack };
        let outcome = operations::get(self.scope(vhost), name, getter).await;
        self.take_deliveries();
        match outcome? {
            Some(got) => {
                self.session.get_ok(channel, got.queue, no_ack, &got.delivery, got.remaining);
                self.session.forget_ended_queues(channel, |queue| vhost.queue(queue).is_none());
                Ok(None)
            }
            None => {
                self.session.count_empty_get(channel);
                Ok(Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {}))))
            }
        }
    }

    async fn commit(&mut self, vhost: &Vhost, channel: u16, work: TxWork) -> Answer {
        let uncommitted = self.note_committing(vhost, &work);
        let all_there = self.commit_unit(vhost, work).await;
        // Refusals were in the inbox before the unit was complete.
        self.take_deliveries();
        if self.session.is_commit_whole(channel) && all_there {
            uncommitted.note_committed(&vhost.journal, &vhost.clock);
            Ok(Some(AMQPClass::Tx(tx::AMQPMethod::CommitOk(tx::CommitOk {}))))
        } else {
            Err(Exception::precondition_failed("partial tx completion"))
        }
    }

    /// All that a transaction holds becomes one unit in the store: after a crash all of it is there, or nothing. `false` if a
    /// queue that a publish was routed to is gone; one that ends now refuses its publishes itself.
    async fn commit_unit(&self, vhost: &Vhost, work: TxWork) -> bool {
        let mut per_queue: BTreeMap<QueueId, Vec<Command>> = BTreeMap::new();
        for (publish, sequence) in work.publishes.into_iter().zip(1..) {
            // Numbered, so that a queue that refuses one says so.
            let envelope = Envelope { sequence, ..publish.envelope };
            for queue in &publish.queues {
                let message = envelope.publish(publish.message.clone());
                let command = match publish.dedup_keys.clone() {
                    None => Command::Publish(self.id(), vec![message]),
                    Some(keys) => {
                        Command::PublishDedup(self.id(), vec![DedupPublish { publish: message, keys }])
                    }
                };
                per_queue.entry(*queue).or_default().push(command);
            }
        }
        for (queue, verb, handle) in work.settles {
            per_queue.entry(queue).or_default().push(Command::Settle(verb, vec![handle]));
        }
        let parts = u32::try_from(per_queue.len() + 1).unwrap_or(u32::MAX);
        let join = Join { id: self.shared.store.next_join_id(), parts };
        let mut all_there = true;
        for (queue, commands) in per_queue {
            let publishes = commands.iter().any(|command| !matches!(command, Command::Settle(..)));
            let mail = Mail::Joined(join, commands);
            let taken = vhost.queue(queue).is_some_and(|record| record.mailbox.send(mail).is_ok());
            if !taken {
                all_there &= !publishes;
                self.shared.store.submit(Submission { join: Some(join), ..Submission::default() });
            }
        }
        self.shared.store_durably(Submission { join: Some(join), ..Submission::default() }).await;
        all_there
    }
}

fn binding(
    source: &ShortString,
    destination: Destination,
    routing_key: &ShortString,
    arguments: FieldTable,
) -> Binding {
    Binding { source: source.to_string(), destination, routing_key: routing_key.to_string(), arguments }
}

/// A number of messages or consumers as it fits the method's field.
fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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

/// A consumer as other brokers look at it; of which queue is said later.
const fn consume_call<'a>(new: &NewConsumer, consume: &'a basic::Consume) -> ConsumeCall<'a> {
    ConsumeCall {
        place: Place { name: "", vhost: "" },
        kind: QueueKind::Classic,
        durable: false,
        no_ack: consume.no_ack,
        exclusive: consume.exclusive,
        prefetch: new.prefetch,
        channel_prefetch: new.channel_prefetch.is_some(),
        arguments: &consume.arguments,
    }
}

/// The consumers that a declare tells of: of a stream none, as in RabbitMQ.
fn consumers(record: &QueueRecord, counts: Counts) -> usize {
    if record.is_stream() { 0 } else { counts.consumers }
}
