//! Runs a program on a broker and observes, operation by operation, what its clients see.
//!
//! After each operation that is `awaited` comes a quiet point (see `settle`): everything that the operation set off has come
//! in before the next one begins, so that two brokers are compared at the same moments without a sleep.

use std::collections::BTreeMap;

use super::client::{Answer, Channel, Connection, Consumer};
use super::names::{Names, is_short};
use super::observation::{Log, Observation, message};
use super::program::{Action, Actor, Delivery, Operation, Program, Publish, Way};
use crate::check::{Check, Stop};
use crate::codec::{Reader, Table};
use crate::methods::{self, Method, q};
use crate::target::Target;

/// The connection that looks at queues.
const WATCH: char = 'Z';
const DECLARE_OK: (u16, u16) = (50, 11);

/// What an operation is done on.
pub struct Interpreter<'a> {
    pub(super) target: &'a Target,
    pub(super) names: Names,
    pub(super) connections: BTreeMap<char, Connection>,
    pub(super) log: Log,
    /// The queues that may be there, and how they were seen last.
    pub(super) queues: BTreeMap<String, Watched>,
    /// The number of the operation.
    pub(super) step: usize,
    pub(super) outlive_ms: Option<i32>,
    /// Whether something was closed in this step, whose effects no broker announces.
    pub(super) closing: bool,
    /// Whether this step was done when it was answered.
    pub(super) answered: bool,
}

/// A queue that is looked at.
#[derive(Clone, Debug)]
pub struct Watched {
    /// From which connection: its owner's if it is exclusive.
    pub from: char,
    /// Messages and consumers.
    pub seen: Option<(u32, u32)>,
    /// As it was written down last.
    pub told: Option<(u32, u32)>,
}

/// Runs a program under names that begin with `prefix`; an observation for each operation. A broker that stops answering
/// ends it early, with the reason as the last line.
pub async fn run(target: &Target, program: &Program, prefix: String) -> Vec<Observation> {
    let mut interpreter = Interpreter {
        target,
        names: Names::new(prefix),
        connections: BTreeMap::new(),
        log: Log::default(),
        queues: BTreeMap::new(),
        step: 0,
        outlive_ms: program.outlive_ms,
        closing: false,
        answered: true,
    };
    let mut observations = Vec::new();
    for (step, operation) in program.operations.iter().enumerate() {
        interpreter.step = step;
        let done = interpreter.operate(operation).await;
        let mut observation = interpreter.log.take(&interpreter.names);
        let failed = done.is_err();
        if let Err(Stop::Fail(text) | Stop::Skip(text)) = done {
            observation.push(format!("the program ends: {text}"));
        }
        observations.push(observation);
        if failed {
            break;
        }
    }
    interpreter.clean_up(program).await;
    observations
}

impl Interpreter<'_> {
    async fn operate(&mut self, operation: &Operation) -> Check {
        self.ready(operation.actor).await?;
        self.answered &= operation.action.is_done_when_answered();
        match &operation.action {
            Action::Shares(shares) => self.shares(operation.actor, shares).await?,
            action => self.act(operation.actor, action.clone()).await?,
        }
        if operation.awaited { self.settle().await } else { Ok(()) }
    }

    /// Does it, without awaiting its effects. The channel has to be ready.
    pub(super) async fn act(&mut self, actor: Actor, action: Action) -> Check {
        match &action {
            Action::DeclareQueue { queue, bits, arguments } => {
                self.declare_queue(actor, queue, *bits, arguments).await?;
            }
            Action::ProbeQueue { queue, bits, arguments } => {
                if self.declare_queue(actor, queue, *bits, arguments).await? {
                    self.delete_queue(actor, queue, 0).await?;
                }
            }
            Action::DeleteQueue { queue, bits } => self.delete_queue(actor, queue, *bits).await?,
            Action::PurgeQueue { queue } => {
                let purge = methods::queue_purge(&self.names.full(queue));
                self.counted(actor, purge, (50, 31), "purged").await?;
            }
            Action::Publish(publish) => self.publish(actor, publish).await?,
            Action::Get { queue, no_ack } => self.get(actor, queue, *no_ack).await?,
            Action::Consume { queue, tag, bits, arguments } => {
                self.consume(actor, (queue, tag), *bits, arguments).await?;
            }
            Action::Cancel { tag } => self.cancel(actor, tag).await?,
            Action::Ack { delivery, multiple } => {
                self.settle_delivery(actor, delivery, *multiple, |tag| methods::basic_ack(tag, *multiple))
                    .await;
            }
            Action::Nack { delivery, multiple, requeue } => {
                let nack = |tag| methods::basic_nack(tag, *multiple, *requeue);
                self.settle_delivery(actor, delivery, *multiple, nack).await;
            }
            Action::Reject { delivery, requeue } => {
                self.settle_delivery(actor, delivery, false, |tag| methods::basic_reject(tag, *requeue))
                    .await;
            }
            Action::CloseConnection => self.close_connection(actor.connection).await?,
            Action::Drop => {
                self.connections.remove(&actor.connection);
                self.closing = true;
            }
            other => self.plain(actor, other).await?,
        }
        Ok(())
    }

    /// Opens the connection and the channel unless they are open.
    pub(super) async fn ready(&mut self, actor: Actor) -> Check {
        self.connect(actor.connection).await?;
        let Some(connection) = self.connections.get_mut(&actor.connection) else { return Ok(()) };
        connection.ensure(actor.channel, &mut self.log, self.step).await
    }

    async fn connect(&mut self, name: char) -> Check {
        if !self.connections.get(&name).is_some_and(|connection| connection.alive) {
            self.connections.insert(name, Connection::open(name, self.target).await?);
        }
        Ok(())
    }

    /// The connection that looks at queues, opened if need be.
    pub(super) async fn watch(&mut self) -> Check<char> {
        self.connect(WATCH).await?;
        Ok(WATCH)
    }

    pub(super) async fn call(
        &mut self,
        actor: Actor,
        method: Method,
        wanted: &[(u16, u16)],
    ) -> Check<Answer> {
        let Some(connection) = self.connections.get_mut(&actor.connection) else { return Ok(Answer::Closed) };
        let answer = connection.call(actor.channel, method, wanted, &mut self.log, self.step).await?;
        self.closing |= matches!(answer, Answer::Closed);
        Ok(answer)
    }

    async fn send(&mut self, actor: Actor, method: Method) {
        if let Some(connection) = self.connections.get_mut(&actor.connection) {
            connection.send(actor.channel, method).await;
        }
    }

    pub(super) fn channel(&mut self, actor: Actor) -> Option<&mut Channel> {
        self.connections.get_mut(&actor.connection)?.channels.get_mut(&actor.channel)
    }

    fn reply(&mut self, actor: Actor, text: &str) {
        self.log.add(actor, "", text);
    }

    /// Declares; whether that worked.
    async fn declare_queue(&mut self, actor: Actor, queue: &str, bits: u8, arguments: &Table) -> Check<bool> {
        let named_by_broker = is_short(queue, "s") && bits & q::PASSIVE == 0;
        let name = if named_by_broker { String::new() } else { self.names.full(queue) };
        let declare = methods::queue_declare(&name, bits, self.names.expand_table(arguments));
        let Answer::Method(args) = self.call(actor, declare, &[DECLARE_OK]).await? else { return Ok(false) };
        let mut input = Reader(&args);
        let (name, messages, consumers) = (input.short()?, input.u32()?, input.u32()?);
        if named_by_broker {
            self.names.give(queue, &name);
        }
        let form = generated(&name, "amq.gen-");
        self.reply(actor, &format!("declared {name}{form}: {messages} messages, {consumers} consumers"));
        let known = self.queues.get(queue).map(|watched| watched.from);
        let from = if bits & q::EXCLUSIVE != 0 { actor.connection } else { known.unwrap_or(WATCH) };
        let watched = self.queues.entry(queue.to_owned()).or_insert(Watched { from, seen: None, told: None });
        watched.from = from;
        Ok(true)
    }

    async fn delete_queue(&mut self, actor: Actor, queue: &str, bits: u8) -> Check {
        let delete = methods::queue_delete(&self.names.full(queue), bits);
        self.counted(actor, delete, (50, 41), "deleted").await
    }

    /// A method that is answered with a number.
    async fn counted(&mut self, actor: Actor, method: Method, answer: (u16, u16), word: &str) -> Check {
        if let Answer::Method(args) = self.call(actor, method, &[answer]).await? {
            let count = Reader(&args).u32()?;
            self.reply(actor, &format!("{word} with {count} messages"));
        }
        Ok(())
    }

    async fn publish(&mut self, actor: Actor, publish: &Publish) -> Check {
        let (exchange, key) = (self.names.full(&publish.exchange), self.names.expand(&publish.key));
        let props = self.names.expand_props(&publish.props);
        let Some(connection) = self.connections.get_mut(&actor.connection) else { return Ok(()) };
        for number in 0..publish.count {
            let body = format!("{}.{number}", publish.body);
            connection.publish(actor.channel, (&exchange, &key), publish.bits, &props, &body).await;
        }
        Ok(())
    }

    async fn get(&mut self, actor: Actor, queue: &str, no_ack: bool) -> Check {
        let get = methods::basic_get(&self.names.full(queue), no_ack);
        match self.call(actor, get, &[(60, 72)]).await? {
            Answer::Got(found) => {
                self.reply(actor, &format!("got {}, {} left", message(&found), found.remaining));
                if let Some(connection) = self.connections.get_mut(&actor.connection) {
                    connection.got(&found, queue, no_ack, &mut self.log, self.step);
                }
            }
            Answer::Method(..) => self.reply(actor, "got nothing"),
            Answer::Closed => {}
        }
        Ok(())
    }

    async fn consume(
        &mut self,
        actor: Actor,
        (queue, tag): (&str, &str),
        bits: u8,
        arguments: &Table,
    ) -> Check {
        let wanted = if is_short(tag, "g") { "" } else { tag };
        let arguments = self.names.expand_table(arguments);
        let consume = methods::basic_consume(&self.names.full(queue), wanted, bits, arguments);
        let Answer::Method(args) = self.call(actor, consume, &[(60, 21)]).await? else { return Ok(()) };
        let found = Reader(&args).short()?;
        let form = generated(&found, "amq.ctag-");
        self.reply(actor, &format!("consuming {tag}{form}"));
        let consumer = Consumer {
            tag: tag.to_owned(),
            queue: queue.to_owned(),
            no_ack: bits & methods::c::NO_ACK != 0,
            received: 0,
        };
        if let Some(channel) = self.channel(actor) {
            channel.consumers.insert(found, consumer);
        }
        Ok(())
    }

    async fn cancel(&mut self, actor: Actor, tag: &str) -> Check {
        let known = |channel: &mut Channel| {
            channel.consumers.iter().find(|(_, consumer)| consumer.tag == tag).map(|(found, _)| found.clone())
        };
        let found = self.channel(actor).and_then(known).unwrap_or_else(|| tag.to_owned());
        if let Answer::Method(args) = self.call(actor, methods::basic_cancel(&found), &[(60, 31)]).await? {
            let answered = Reader(&args).short()?;
            let consumer = self.channel(actor).and_then(|channel| channel.consumers.remove(&answered));
            let name = consumer.map_or(answered, |consumer| consumer.tag);
            self.reply(actor, &format!("cancelled {name}"));
        }
        Ok(())
    }

    async fn settle_delivery(
        &mut self,
        actor: Actor,
        delivery: &Delivery,
        multiple: bool,
        method: impl FnOnce(u64) -> Method,
    ) {
        let tag = self.channel(actor).and_then(|channel| channel.tag(delivery));
        let Some(tag) = tag else { return self.reply(actor, "has no such delivery") };
        self.send(actor, method(tag)).await;
        if let Some(channel) = self.channel(actor) {
            channel.settle(tag, multiple);
        }
    }

    async fn close_connection(&mut self, name: char) -> Check {
        self.closing = true;
        let Some(mut connection) = self.connections.remove(&name) else { return Ok(()) };
        connection.close(&mut self.log, self.step).await
    }

    /// The methods whose answers say nothing but that it was done.
    async fn plain(&mut self, actor: Actor, action: &Action) -> Check {
        let Some((method, answer, word)) = self.method(action) else { return Ok(()) };
        if !matches!(self.call(actor, method, &[answer]).await?, Answer::Method(..)) {
            return Ok(());
        }
        self.reply(actor, word);
        if *action == Action::CloseChannel {
            self.closing = true;
            if let Some(connection) = self.connections.get_mut(&actor.connection) {
                connection.channels.remove(&actor.channel);
            }
        }
        let Some(channel) = self.channel(actor) else { return Ok(()) };
        match action {
            Action::Recover { .. } => channel.recover(),
            Action::SelectConfirm => channel.published = channel.published.or(Some(0)),
            Action::SelectTx => channel.transactional = true,
            Action::Commit => channel.end_transaction(true),
            Action::Rollback => channel.end_transaction(false),
            _ => {}
        }
        Ok(())
    }

    fn method(&self, action: &Action) -> Option<(Method, (u16, u16), &'static str)> {
        let names = &self.names;
        Some(match action {
            Action::DeclareExchange { exchange, kind, bits, arguments } => {
                let arguments = names.expand_table(arguments);
                (
                    methods::exchange_declare(&names.full(exchange), kind, *bits, arguments),
                    (40, 11),
                    "declared",
                )
            }
            Action::DeleteExchange { exchange, bits } => {
                (methods::exchange_delete(&names.full(exchange), *bits), (40, 21), "deleted")
            }
            Action::Bind { way, key, arguments } => {
                let arguments = names.expand_table(arguments);
                let (to, from, key) =
                    (names.full(way.destination()), names.full(way.source()), names.expand(key));
                match way {
                    Way::Queue { .. } => {
                        (methods::queue_bind(&to, &from, &key, arguments), (50, 21), "bound")
                    }
                    Way::Exchange { .. } => {
                        (methods::exchange_bind(&to, &from, &key, arguments), (40, 31), "bound")
                    }
                }
            }
            Action::Unbind { way, key, arguments } => {
                let arguments = names.expand_table(arguments);
                let (to, from, key) =
                    (names.full(way.destination()), names.full(way.source()), names.expand(key));
                match way {
                    Way::Queue { .. } => {
                        (methods::queue_unbind(&to, &from, &key, arguments), (50, 51), "unbound")
                    }
                    Way::Exchange { .. } => {
                        (methods::exchange_unbind(&to, &from, &key, arguments), (40, 51), "unbound")
                    }
                }
            }
            Action::Qos { size, count, global } => {
                (methods::basic_qos(*size, *count, *global), (60, 11), "prefetch set")
            }
            Action::Recover { requeue } => (methods::basic_recover(*requeue), (60, 111), "recovered"),
            Action::SelectConfirm => (methods::confirm_select(), (85, 11), "confirms"),
            Action::SelectTx => (methods::tx_select(), (90, 11), "is transactional"),
            Action::Commit => (methods::tx_commit(), (90, 21), "committed"),
            Action::Rollback => (methods::tx_rollback(), (90, 31), "rolled back"),
            Action::Flow { active } => (methods::channel_flow(*active), (20, 21), "flow set"),
            Action::CloseChannel => (methods::channel_close(), (20, 41), "closed"),
            _ => return None,
        })
    }

    /// Closes all connections and deletes what the program may have left, on a connection of its own. A broker that hangs is
    /// left alone.
    async fn clean_up(&mut self, program: &Program) {
        for name in self.connections.keys().copied().collect::<Vec<_>>() {
            let _ = self.close_connection(name).await;
        }
        let Ok(mut connection) = Connection::open(WATCH, self.target).await else { return };
        let (queues, exchanges) = mentioned(program);
        let deletes = queues.iter().map(|name| (methods::queue_delete(&self.names.full(name), 0), (50, 41)));
        let exchanges =
            exchanges.iter().map(|name| (methods::exchange_delete(&self.names.full(name), 0), (40, 21)));
        for (channel, (method, answer)) in (1..).zip(deletes.chain(exchanges)) {
            let _ = connection.ensure(channel, &mut self.log, 0).await;
            let _ = connection.call(channel, method, &[answer], &mut self.log, 0).await;
        }
        let _ = connection.close(&mut self.log, 0).await;
    }
}

/// The queues and exchanges that a program may have made.
fn mentioned(program: &Program) -> (Vec<String>, Vec<String>) {
    let (mut queues, mut exchanges) = (Vec::new(), Vec::new());
    for operation in &program.operations {
        match &operation.action {
            Action::DeclareQueue { queue, .. } | Action::ProbeQueue { queue, .. }
                if is_short(queue, "qs") =>
            {
                queues.push(queue.clone());
            }
            Action::DeclareExchange { exchange, .. } if is_short(exchange, "x") => {
                exchanges.push(exchange.clone())
            }
            _ => {}
        }
    }
    for names in [&mut queues, &mut exchanges] {
        names.sort_unstable();
        names.dedup();
    }
    (queues, exchanges)
}

/// How a name looks that the broker made up.
fn generated(name: &str, beginning: &str) -> String {
    name.strip_prefix(beginning)
        .map(|rest| format!(" ({beginning} and {} characters)", rest.len()))
        .unwrap_or_default()
}
