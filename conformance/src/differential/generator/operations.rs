//! The operations of a program, one after the other.

use std::collections::BTreeSet;

use super::arguments::{self, KEYS, PATTERNS};
use super::model::{BindingModel, Model};
use super::subject::Subject;
use crate::codec::Table;
use crate::differential::program::{Action, Actor, Delivery, Operation, Publish, Shares, Way};
use crate::differential::random::Random;
use crate::methods::{c, q, x};

const QUEUES: &[&str] = &["q1", "q2", "q3", "q4"];
const EXCHANGES: &[&str] = &["x1", "x2", "x3"];
const KINDS: &[&str] = &["direct", "fanout", "topic", "headers"];
/// More often the first ones: most of what happens between channels happens between two.
const ACTORS: &[(char, u16)] =
    &[('A', 1), ('A', 1), ('A', 1), ('A', 2), ('A', 2), ('B', 1), ('B', 1), ('B', 2)];

/// Who tries what a broker may refuse: nothing else is lost with this channel, so that the program can go on if only one does.
const BYSTANDER: Actor = Actor { connection: 'C', channel: 1 };

/// What can be done, as the weights below name it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    DeclareQueue,
    TryQueue,
    DeleteQueue,
    Purge,
    DeclareExchange,
    DeleteExchange,
    Bind,
    Unbind,
    Publish,
    Get,
    Consume,
    Cancel,
    Qos,
    Ack,
    Nack,
    Reject,
    Recover,
    Confirm,
    Tx,
    EndTx,
    Close,
    Flow,
    Passive,
    Shares,
}

/// Weights of each kind: of everything, consuming, publishing, topology, limits, expiry, declaring.
const WEIGHTS: [(Kind, [usize; 7]); 24] = [
    (Kind::DeclareQueue, [8, 4, 5, 8, 8, 8, 12]),
    (Kind::TryQueue, [2, 0, 0, 1, 0, 0, 30]),
    (Kind::DeleteQueue, [4, 2, 4, 4, 3, 3, 6]),
    (Kind::Purge, [2, 2, 1, 1, 2, 2, 2]),
    (Kind::DeclareExchange, [5, 1, 3, 12, 4, 3, 15]),
    (Kind::DeleteExchange, [2, 1, 3, 5, 2, 1, 4]),
    (Kind::Bind, [8, 2, 6, 30, 8, 6, 14]),
    (Kind::Unbind, [3, 1, 2, 10, 2, 2, 4]),
    (Kind::Publish, [24, 24, 40, 40, 40, 40, 10]),
    (Kind::Get, [10, 8, 8, 8, 14, 12, 4]),
    (Kind::Consume, [8, 14, 5, 4, 8, 8, 10]),
    (Kind::Cancel, [4, 6, 2, 2, 4, 4, 3]),
    (Kind::Qos, [5, 10, 2, 1, 3, 3, 3]),
    (Kind::Ack, [10, 20, 8, 3, 8, 6, 3]),
    (Kind::Nack, [8, 12, 6, 2, 12, 10, 2]),
    (Kind::Reject, [4, 6, 2, 1, 6, 6, 1]),
    (Kind::Recover, [2, 3, 1, 0, 2, 2, 1]),
    (Kind::Confirm, [2, 1, 5, 1, 3, 3, 1]),
    (Kind::Tx, [2, 1, 6, 0, 1, 1, 1]),
    (Kind::EndTx, [4, 2, 14, 1, 2, 2, 1]),
    (Kind::Close, [3, 4, 2, 2, 2, 2, 2]),
    (Kind::Flow, [1, 0, 0, 0, 0, 0, 1]),
    (Kind::Passive, [4, 1, 2, 4, 2, 2, 8]),
    (Kind::Shares, [0, 1, 0, 0, 0, 0, 0]),
];

/// Makes operations.
pub(super) struct Maker {
    random: Random,
    subject: Subject,
    model: Model,
    /// How many queues may have a dead-letter exchange: what comes from two at once comes in any order.
    dead_letters: usize,
    /// Whether queues may have priorities. Then no message expires at once: RabbitMQ sees that only at the head of the queue,
    /// and so not behind messages of lower priority.
    priorities: bool,
    number: usize,
}

impl Maker {
    pub(super) fn new(mut random: Random, subject: Subject) -> Self {
        let dead_letters = if random.percent(80) { 1 } else { 2 };
        let priorities = random.percent(if subject == Subject::Limits { 40 } else { 15 });
        Self { random, subject, model: Model::default(), dead_letters, priorities, number: 0 }
    }

    /// What most programs begin with: queues, exchanges, bindings.
    pub(super) fn beginning(&mut self) -> Vec<Operation> {
        let mut operations = Vec::new();
        for queue in QUEUES.iter().take(self.random.between(1, 3)) {
            operations.push(self.declare_queue(queue.to_string()));
        }
        for _ in 0..self.random.below(4) {
            let actor = self.actor();
            let action = self.declare_exchange();
            operations.push(Operation { actor, action, awaited: true });
            let action = self.bind();
            operations.push(Operation { actor, action, awaited: true });
        }
        operations
    }

    /// The next operation.
    pub(super) fn operation(&mut self) -> Operation {
        self.number += 1;
        let column = self.subject as usize;
        let weights = WEIGHTS.map(|(_, weights)| weights.get(column).copied().unwrap_or(0));
        let chosen = self.random.weighted(&weights);
        let kind = WEIGHTS.get(chosen).map_or(Kind::Publish, |(kind, _)| *kind);
        match kind {
            Kind::DeclareQueue => {
                let queue = if self.random.percent(8) { "s1".into() } else { self.random.word(QUEUES) };
                self.declare_queue(queue)
            }
            Kind::TryQueue => self.try_queue(),
            kind => {
                let actor = self.actor();
                Operation { actor, action: self.action(kind, actor), awaited: true }
            }
        }
    }

    fn actor(&mut self) -> Actor {
        let (connection, channel) = self.random.pick(ACTORS).unwrap_or(('A', 1));
        Actor { connection, channel }
    }

    fn action(&mut self, kind: Kind, actor: Actor) -> Action {
        match kind {
            Kind::DeleteQueue => self.delete_queue(),
            Kind::Purge => Action::PurgeQueue { queue: self.queue() },
            Kind::DeclareExchange => self.declare_exchange(),
            Kind::DeleteExchange => self.delete_exchange(),
            Kind::Bind => self.bind(),
            Kind::Unbind => self.unbind(),
            Kind::Publish => self.publish(),
            Kind::Get => Action::Get { queue: self.queue(), no_ack: self.random.percent(35) },
            Kind::Consume => self.consume(actor),
            Kind::Cancel => self.cancel(actor),
            Kind::Qos => self.qos(actor),
            Kind::Ack | Kind::Nack | Kind::Reject => self.settlement(kind),
            Kind::Recover => Action::Recover { requeue: !self.random.percent(3) },
            Kind::Confirm | Kind::Tx | Kind::EndTx => self.mode(kind, actor),
            Kind::Close => self.close(actor),
            Kind::Flow => Action::Flow { active: !self.random.percent(5) },
            Kind::Passive => self.passive(),
            Kind::Shares => self.shares(),
            Kind::DeclareQueue | Kind::TryQueue => self.publish(),
        }
    }

    /// A queue that is probably there.
    fn queue(&mut self) -> String {
        let known: Vec<String> = self.model.queues.keys().cloned().collect();
        match self.random.below(100) {
            0 => "q9".into(),
            1 => String::new(),
            2..8 => self.random.word(QUEUES),
            _ => self.random.pick(&known).unwrap_or_else(|| "q1".into()),
        }
    }

    /// An exchange that is probably there.
    fn exchange(&mut self) -> String {
        let known: Vec<String> = self.model.exchanges.keys().cloned().collect();
        match self.random.below(100) {
            0 => "x9".into(),
            1 => self.random.word(&["", "amq.direct", "amq.nothing"]),
            2..5 => self.random.word(EXCHANGES),
            _ => self.random.pick(&known).unwrap_or_else(|| "x1".into()),
        }
    }

    fn declare_queue(&mut self, queue: String) -> Operation {
        let actor = self.actor();
        if let Some((bits, arguments)) = self.model.queues.get(&queue).cloned() {
            return self.redeclare_queue(actor, queue, bits, arguments);
        }
        let mut bits =
            self.random.pick(&[q::NONE, q::NONE, q::DURABLE, q::DURABLE, q::AUTO_DELETE]).unwrap_or(0);
        if actor.connection == 'A' && self.random.percent(8) {
            bits |= q::EXCLUSIVE;
        }
        let arguments = self.queue_arguments();
        self.model.queues.insert(queue.clone(), (bits, arguments.clone()));
        Operation { actor, action: Action::DeclareQueue { queue, bits, arguments }, awaited: true }
    }

    fn queue_arguments(&mut self) -> Table {
        let with_dead_letters =
            self.model.queues.values().filter(|(_, arguments)| has_dead_letters(arguments)).count();
        let chance = if self.subject == Subject::Limits { 60 } else { 25 };
        let dead_letters = with_dead_letters < self.dead_letters && self.random.percent(chance);
        arguments::queue(&mut self.random, self.subject, dead_letters, self.priorities)
    }

    /// The same again, or nearly, or otherwise.
    fn redeclare_queue(
        &mut self,
        actor: Actor,
        queue: String,
        mut bits: u8,
        mut arguments: Table,
    ) -> Operation {
        // Each declare of a queue that the broker names makes another one.
        let way = if queue.starts_with('s') { 9 } else { self.random.below(10) };
        match way {
            0 => bits ^= self.random.pick(&[q::DURABLE, q::EXCLUSIVE, q::AUTO_DELETE]).unwrap_or(0),
            1 => arguments.extend(arguments::tried(&mut self.random)),
            2 if !arguments.is_empty() => drop(arguments.remove(self.random.below(arguments.len()))),
            3 => {
                let tried = arguments::anything(&mut self.random);
                if let Some((_, value)) = arguments.first_mut() {
                    *value = tried;
                }
            }
            4 => arguments = self.queue_arguments(),
            _ => {}
        }
        let mut seen = BTreeSet::new();
        arguments.retain(|(key, _)| seen.insert(key.clone()));
        let actor = if way < 5 { BYSTANDER } else { actor };
        Operation { actor, action: Action::DeclareQueue { queue, bits, arguments }, awaited: true }
    }

    /// A queue that is not used.
    fn try_queue(&mut self) -> Operation {
        let bits = self
            .random
            .pick(&[q::NONE, q::DURABLE, q::DURABLE, q::EXCLUSIVE, q::AUTO_DELETE, 6])
            .unwrap_or(0);
        let arguments = arguments::tried(&mut self.random);
        Operation {
            actor: BYSTANDER,
            action: Action::ProbeQueue { queue: "q8".into(), bits, arguments },
            awaited: true,
        }
    }

    fn delete_queue(&mut self) -> Action {
        let queue = self.queue();
        let bits = self.random.pick(&[0, 0, 1, 2, 3]).unwrap_or(0);
        if bits == 0 {
            self.model.delete_queue(&queue);
        }
        Action::DeleteQueue { queue, bits }
    }

    fn declare_exchange(&mut self) -> Action {
        let exchange = if self.random.percent(2) { self.exchange() } else { self.random.word(EXCHANGES) };
        if let Some((kind, bits, arguments)) = self.model.exchanges.get(&exchange).cloned()
            && self.random.percent(60)
        {
            let bits =
                if self.random.percent(20) { bits ^ self.random.pick(&[2, 4, 8]).unwrap_or(0) } else { bits };
            return Action::DeclareExchange { exchange, kind, bits, arguments };
        }
        let wrong = if self.subject == Subject::Declaring { 8 } else { 1 };
        let kind = if self.random.percent(wrong) {
            self.random.word(&["nothing", "", "x-what"])
        } else {
            self.random.word(KINDS)
        };
        let bits =
            self.random.pick(&[0, 0, 0, x::DURABLE, x::DURABLE, x::AUTO_DELETE, x::INTERNAL]).unwrap_or(0);
        let arguments = arguments::exchange(&mut self.random, self.subject);
        let known = (kind.clone(), bits, arguments.clone());
        self.model.exchanges.entry(exchange.clone()).or_insert(known);
        Action::DeclareExchange { exchange, kind, bits, arguments }
    }

    fn delete_exchange(&mut self) -> Action {
        let exchange = self.exchange();
        let bits = self.random.pick(&[0, 1]).unwrap_or(0);
        if bits == 0 {
            self.model.exchanges.remove(&exchange);
        }
        Action::DeleteExchange { exchange, bits }
    }

    fn bind(&mut self) -> Action {
        let source = self.exchange();
        let queue = self.random.percent(75);
        let destination = if queue { self.queue() } else { self.exchange() };
        let key = if self.random.percent(60) { self.random.word(KEYS) } else { self.random.word(PATTERNS) };
        let arguments = arguments::binding(&mut self.random, self.subject);
        let binding = BindingModel { queue, destination, source, key, arguments };
        self.model.bindings.push(binding.clone());
        let (way, key, arguments) = binding.parts();
        Action::Bind { way, key, arguments }
    }

    fn unbind(&mut self) -> Action {
        let known = self.model.bindings.clone();
        let Some(mut binding) = self.random.pick(&known) else { return self.bind() };
        if self.random.percent(10) {
            binding.key = self.random.word(KEYS);
        }
        let (way, key, arguments) = binding.parts();
        Action::Unbind { way, key, arguments }
    }

    fn publish(&mut self) -> Action {
        let direct = if self.subject == Subject::Topology { 10 } else { 60 };
        let (exchange, key) = if self.random.percent(direct) {
            let queue = self.queue();
            (String::new(), if queue.is_empty() { queue } else { format!("{{{queue}}}") })
        } else {
            (self.exchange(), self.random.word(KEYS))
        };
        let exchange = if exchange.starts_with("amq.d") { String::new() } else { exchange };
        let mandatory = self.random.percent(if self.subject == Subject::Publishing { 50 } else { 20 });
        let immediate = self.random.below(400) == 0;
        let bits = u8::from(mandatory) | (u8::from(immediate) << 1);
        let count = if self.random.percent(70) { 1 } else { self.random.between(2, 5) };
        let props = arguments::props(&mut self.random, self.subject, !self.priorities);
        Action::Publish(Box::new(Publish {
            exchange,
            key,
            bits,
            props,
            body: format!("m{}", self.number),
            count,
        }))
    }

    fn consume(&mut self, actor: Actor) -> Action {
        let mut queue = self.queue();
        let number = self.number;
        let reused = self.random.below(60) == 0;
        let channel = self.model.channel(actor);
        if !channel.may_consume(&queue) {
            queue = channel.consumers.first().map(|(_, queue)| queue.clone()).unwrap_or(queue);
        }
        let tag = match channel.consumers.first() {
            Some((tag, _)) if reused => tag.clone(),
            _ if number.is_multiple_of(9) => format!("g{number}"),
            _ => format!("t{number}"),
        };
        channel.consumers.push((tag.clone(), queue.clone()));
        let mut bits = if self.random.percent(30) { c::NO_ACK } else { c::NONE };
        bits |= if self.random.percent(5) { c::EXCLUSIVE } else { c::NONE };
        let arguments = arguments::consumer(&mut self.random, self.subject);
        Action::Consume { queue, tag, bits, arguments }
    }

    fn cancel(&mut self, actor: Actor) -> Action {
        let consumers = &mut self.model.channel(actor).consumers;
        if consumers.is_empty() || self.random.percent(4) {
            return Action::Cancel { tag: "nobody".into() };
        }
        let (tag, _) = consumers.remove(self.random.below(consumers.len()));
        Action::Cancel { tag }
    }

    fn qos(&mut self, actor: Actor) -> Action {
        let count = self.random.pick(&[0, 1, 1, 2, 2, 3, 5]).unwrap_or(1);
        let wanted = self.random.percent(40);
        let channel = self.model.channel(actor);
        let global = wanted && channel.may_limit();
        channel.limited |= global && count > 0;
        let size = if self.random.below(300) == 0 { 9 } else { 0 };
        Action::Qos { size, count, global }
    }

    fn settlement(&mut self, kind: Kind) -> Action {
        let multiple = self.random.percent(25);
        let delivery = self.delivery(multiple);
        let requeue = self.random.percent(60);
        match kind {
            Kind::Nack => Action::Nack { delivery, multiple, requeue },
            Kind::Reject => Action::Reject { delivery: self.delivery(false), requeue },
            _ => Action::Ack { delivery, multiple },
        }
    }

    fn delivery(&mut self, multiple: bool) -> Delivery {
        match self.random.below(100) {
            0 => Delivery::Settled,
            1 => Delivery::Tag(9999),
            _ if multiple && self.random.percent(30) => Delivery::Tag(0),
            _ if multiple => Delivery::Step(self.random.below(3)),
            _ => Delivery::Held(self.queue(), self.random.pick(&[0, 0, 0, 1, 2, -1]).unwrap_or(0)),
        }
    }

    fn mode(&mut self, kind: Kind, actor: Actor) -> Action {
        let wrong = self.random.percent(4);
        let commit = self.random.percent(65);
        let channel = self.model.channel(actor);
        match kind {
            Kind::Confirm if !channel.transactional || wrong => {
                channel.confirming = true;
                Action::SelectConfirm
            }
            Kind::Tx if !channel.confirming || wrong => {
                channel.transactional = true;
                Action::SelectTx
            }
            Kind::EndTx if !channel.transactional && !wrong => self.publish(),
            Kind::EndTx if commit => Action::Commit,
            Kind::EndTx => Action::Rollback,
            _ => self.publish(),
        }
    }

    fn close(&mut self, actor: Actor) -> Action {
        match self.random.below(10) {
            0 => {
                self.model.end_connection(actor.connection);
                Action::Drop
            }
            1 => {
                self.model.end_connection(actor.connection);
                Action::CloseConnection
            }
            _ => {
                self.model.channels.remove(&actor);
                Action::CloseChannel
            }
        }
    }

    fn passive(&mut self) -> Action {
        if self.random.percent(60) {
            return Action::DeclareQueue { queue: self.queue(), bits: q::PASSIVE, arguments: Table::new() };
        }
        let kind = self.random.word(KINDS);
        Action::DeclareExchange { exchange: self.exchange(), kind, bits: x::PASSIVE, arguments: Table::new() }
    }

    fn shares(&mut self) -> Action {
        let (queues, consumers) = (self.random.between(1, 3), self.random.between(1, 2));
        let prefetch = self.random.pick(&[1, 1, 2, 5]).unwrap_or(1);
        let global = self.random.percent(70);
        Action::Shares(Shares { queues, consumers, prefetch, global, messages: 40, acks: 36 })
    }
}

impl BindingModel {
    fn parts(self) -> (Way, String, Table) {
        let way = if self.queue {
            Way::Queue { queue: self.destination, source: self.source }
        } else {
            Way::Exchange { destination: self.destination, source: self.source }
        };
        (way, self.key, self.arguments)
    }
}

fn has_dead_letters(arguments: &Table) -> bool {
    arguments.iter().any(|(key, _)| key == "x-dead-letter-exchange")
}
