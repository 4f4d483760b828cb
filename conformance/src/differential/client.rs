//! A connection of a program: it sends, and sorts what comes in into answers and into what came unasked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::observation::{Log, close_text, message, ranges};
use super::program::{Actor, Delivery};
use crate::check::{Check, Stop};
use crate::codec::{Reader, Writer};
use crate::methods::{self, Method};
use crate::raw::{CLOSED, Event, Message, Raw};
use crate::target::Target;

/// Channels from here up are not the program's: queues are looked at there.
pub const CONTROL: u16 = 1000;

const FLOW_OK: (u16, u16) = (20, 21);
const CHANNEL_CLOSE: (u16, u16) = (20, 40);
const DECLARE_OK: (u16, u16) = (50, 11);

/// What answers a method.
pub enum Answer {
    /// A method's arguments.
    Method(Vec<u8>),
    /// The message of a get.
    Got(Box<Message>),
    /// The channel or the connection was closed instead.
    Closed,
}

/// A connection.
pub struct Connection {
    name: char,
    raw: Raw,
    /// Whether the broker still listens.
    pub alive: bool,
    /// Its open channels.
    pub channels: BTreeMap<u16, Channel>,
}

/// What a client knows about its channel.
#[derive(Debug, Default)]
pub struct Channel {
    /// By the tag that the broker uses.
    pub consumers: BTreeMap<String, Consumer>,
    /// Deliveries that are not settled, by age.
    pub held: Vec<Held>,
    /// Deliveries that were settled, the latest last.
    pub settled: Vec<Held>,
    /// What of the settled ones a rollback brings back.
    pub uncommitted: Vec<Held>,
    /// Whether tx was selected.
    pub transactional: bool,
    /// In confirm mode: the number of the last publish.
    pub published: Option<u64>,
    /// Publishes without a confirm, by number: the body.
    pub unconfirmed: BTreeMap<u64, String>,
    confirms: BTreeMap<bool, BTreeSet<u64>>,
    last_tag: u64,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    /// What the program calls it.
    pub tag: String,
    /// Its queue, as the program calls it.
    pub queue: String,
    /// Whether its deliveries need no ack.
    pub no_ack: bool,
    /// How many messages it got.
    pub received: usize,
}

/// A delivery to be settled.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its tag.
    pub tag: u64,
    /// Its queue.
    pub queue: String,
    /// The step of the program in which it came.
    pub step: usize,
}

impl Channel {
    /// The tag that a program means, if there is such a delivery.
    pub fn tag(&self, delivery: &Delivery) -> Option<u64> {
        match delivery {
            Delivery::Tag(tag) => Some(*tag),
            Delivery::Settled => self.settled.last().map(|held| held.tag),
            Delivery::Held(queue, index) => {
                let tags: Vec<u64> = self.held.iter().filter(|h| h.queue == *queue).map(|h| h.tag).collect();
                let from_start =
                    if *index < 0 { tags.len() as i64 + i64::from(*index) } else { (*index).into() };
                usize::try_from(from_start).ok().and_then(|index| tags.get(index).copied())
            }
            Delivery::Step(step) => {
                let steps: BTreeSet<usize> = self.held.iter().map(|held| held.step).collect();
                let step = steps.into_iter().nth(*step)?;
                self.held.iter().filter(|held| held.step == step).map(|held| held.tag).max()
            }
        }
    }

    /// Notes that a tag was settled, with all before it if `multiple`.
    pub fn settle(&mut self, tag: u64, multiple: bool) {
        let covered = |held: &Held| held.tag == tag || (multiple && (tag == 0 || held.tag < tag));
        let (settled, held) = std::mem::take(&mut self.held).into_iter().partition(covered);
        self.held = held;
        if self.transactional {
            self.uncommitted.extend(settled);
        } else {
            self.settled.extend(settled);
        }
    }

    /// Notes the end of a transaction.
    pub fn end_transaction(&mut self, committed: bool) {
        let uncommitted = std::mem::take(&mut self.uncommitted);
        if committed {
            self.settled.extend(uncommitted);
        } else {
            self.held.extend(uncommitted);
            self.held.sort_unstable_by_key(|held| held.tag);
        }
    }

    /// Notes that everything unsettled went back.
    pub fn recover(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.settled.extend(held);
    }

    /// A delivery came, and has to be settled if `queue` is given. Tags go up by one.
    fn delivered(&mut self, tag: u64, held: Option<(String, usize)>) -> bool {
        let next = tag == self.last_tag + 1;
        self.last_tag = tag;
        self.held.extend(held.map(|(queue, step)| Held { tag, queue, step }));
        next
    }

    fn confirmed(&mut self, tag: u64, multiple: bool, acked: bool) -> bool {
        let covered: Vec<u64> = self
            .unconfirmed
            .keys()
            .copied()
            .filter(|open| *open == tag || (multiple && *open < tag))
            .collect();
        for tag in &covered {
            self.unconfirmed.remove(tag);
        }
        let any = !covered.is_empty();
        self.confirms.entry(acked).or_default().extend(covered);
        any
    }
}

impl Connection {
    /// Connects and logs in.
    pub async fn open(name: char, target: &Target) -> Check<Self> {
        Ok(Self { name, raw: Raw::open(target).await?, alive: true, channels: BTreeMap::new() })
    }

    /// Opens a channel unless it is open.
    pub async fn ensure(&mut self, channel: u16, log: &mut Log, step: usize) -> Check {
        if let Entry::Vacant(vacant) = self.channels.entry(channel) {
            vacant.insert(Channel::default());
            self.call(channel, methods::channel_open(), &[(20, 11)], log, step).await?;
        }
        Ok(())
    }

    /// Sends a method.
    pub async fn send(&mut self, channel: u16, method: Method) {
        self.raw.send_on(channel, method).await;
    }

    /// Publishes.
    pub async fn publish(
        &mut self,
        channel: u16,
        to: (&str, &str),
        bits: u8,
        props: &crate::codec::Props,
        body: &str,
    ) {
        if let Some(state) = self.channels.get_mut(&channel)
            && let Some(number) = &mut state.published
        {
            *number += 1;
            state.unconfirmed.insert(*number, body.to_owned());
        }
        self.raw.channel = channel;
        self.raw.publish_with(to.0, to.1, bits, props, body.as_bytes()).await;
    }

    /// Sends a method and waits for one of these answers.
    pub async fn call(
        &mut self,
        channel: u16,
        method: Method,
        wanted: &[(u16, u16)],
        log: &mut Log,
        step: usize,
    ) -> Check<Answer> {
        self.send(channel, method).await;
        while self.alive && self.channels.contains_key(&channel) {
            match self.next(log, step).await? {
                Some((on, Event::Method(_, id, args))) if on == channel && wanted.contains(&id) => {
                    return Ok(Answer::Method(args));
                }
                Some((on, Event::Message(message))) if on == channel => return Ok(Answer::Got(message)),
                Some((on, event)) => self.strange(on, &event, log),
                None => {}
            }
        }
        Ok(Answer::Closed)
    }

    fn strange(&self, channel: u16, event: &Event, log: &mut Log) {
        log.add(self.actor(channel), "strange", &format!("unasked: {event:?}"));
    }

    fn actor(&self, channel: u16) -> Actor {
        Actor { connection: self.name, channel }
    }

    /// A round trip on each of the program's channels.
    pub async fn ping(&mut self, log: &mut Log, step: usize) -> Check {
        let channels: Vec<u16> = self.channels.keys().copied().filter(|channel| *channel < CONTROL).collect();
        for channel in &channels {
            self.send(*channel, methods::channel_flow(true)).await;
        }
        let mut waiting: BTreeSet<u16> = channels.into_iter().collect();
        while self.alive && waiting.iter().any(|channel| self.channels.contains_key(channel)) {
            match self.next(log, step).await? {
                Some((channel, Event::Method(_, FLOW_OK, _))) => {
                    waiting.remove(&channel);
                }
                Some((channel, event)) => self.strange(channel, &event, log),
                None => {}
            }
            waiting.retain(|channel| self.channels.contains_key(channel));
        }
        Ok(())
    }

    /// Looks at queues, each on a control channel of its own: messages and consumers, or `None` if it cannot be seen.
    pub async fn look(
        &mut self,
        queues: &[(u16, String)],
        log: &mut Log,
        step: usize,
    ) -> Check<BTreeMap<u16, Option<(u32, u32)>>> {
        let mut seen = BTreeMap::new();
        for (channel, _) in queues {
            self.ensure(*channel, log, step).await?;
        }
        for (channel, name) in queues {
            let passive = methods::queue_declare(name, methods::q::PASSIVE, crate::codec::Table::new());
            self.send(*channel, passive).await;
        }
        while self.alive && seen.len() < queues.len() {
            match self.next(log, step).await? {
                Some((channel, Event::Method(_, DECLARE_OK, args))) => {
                    let mut input = Reader(&args);
                    input.short()?;
                    seen.insert(channel, Some((input.u32()?, input.u32()?)));
                }
                Some((channel, Event::Method(_, CHANNEL_CLOSE, _))) => {
                    seen.insert(channel, None);
                }
                Some((channel, event)) => self.strange(channel, &event, log),
                None => {}
            }
        }
        Ok(seen)
    }

    /// Waits for a delivery on a control channel, which is otherwise passed over.
    pub async fn wait_control_delivery(&mut self, wanted: u16, log: &mut Log, step: usize) -> Check {
        while self.alive {
            match self.next(log, step).await? {
                Some((channel, Event::Message(_))) if channel == wanted => return Ok(()),
                Some((channel, event)) => self.strange(channel, &event, log),
                None => {}
            }
        }
        Ok(())
    }

    /// Closes the connection and waits for the broker's word.
    pub async fn close(&mut self, log: &mut Log, step: usize) -> Check {
        let args = Writer::default().u16(200).short("bye").u16(0).u16(0);
        self.send(0, methods::method(10, 50, args)).await;
        while self.alive {
            if let Some((0, Event::Method(_, (10, 51), _))) = self.next(log, step).await? {
                self.alive = false;
            }
        }
        Ok(())
    }

    /// Writes down the confirms that came since the last time.
    pub fn log_confirms(&mut self, log: &mut Log) {
        let name = self.name;
        for (channel, state) in &mut self.channels {
            for (acked, numbers) in std::mem::take(&mut state.confirms) {
                let word = if acked { "confirmed" } else { "refused" };
                let actor = Actor { connection: name, channel: *channel };
                log.add(actor, word, &format!("{word} {}", ranges(numbers)));
            }
        }
    }

    /// The next thing that may be an answer: its channel, and what it is. What comes unasked is sorted in, and is `None`.
    async fn next(&mut self, log: &mut Log, step: usize) -> Check<Option<(u16, Event)>> {
        let event = match self.raw.event().await {
            Ok(event) => event,
            Err(Stop::Fail(text)) if text == CLOSED => {
                log.note(&self.name.to_string(), "close", "socket closed");
                self.end();
                return Ok(None);
            }
            Err(stop) => return Err(stop),
        };
        match event {
            Event::Message(message) => Ok(self.content(message, log, step)),
            Event::Method(channel, id, args) => self.method(channel, id, args, log).await,
        }
    }

    fn content(&mut self, found: Box<Message>, log: &mut Log, step: usize) -> Option<(u16, Event)> {
        let channel = found.channel;
        if found.id == (60, 71) || channel >= CONTROL {
            return Some((channel, Event::Message(found)));
        }
        let actor = self.actor(channel);
        let Some(state) = self.channels.get_mut(&channel) else {
            log.add(actor, "strange", "content on a closed channel");
            return None;
        };
        if found.id == (60, 50) {
            let body = found.text();
            let late = state.published.is_some() && !state.unconfirmed.values().any(|open| *open == body);
            let late = if late { " after its confirm" } else { "" };
            log.add(
                actor,
                "returns",
                &format!("returned{late} {} {} {}", found.code, found.text, message(&found)),
            );
            return None;
        }
        let Some(consumer) = state.consumers.get_mut(&found.consumer) else {
            log.add(
                actor,
                "strange",
                &format!("delivery for no consumer {}: {}", found.consumer, message(&found)),
            );
            return None;
        };
        consumer.received += 1;
        let consumer = consumer.clone();
        let held = (!consumer.no_ack).then(|| (consumer.queue.clone(), step));
        if !state.delivered(found.tag, held) {
            log.add(actor, "strange", "a delivery tag is not the next one");
        }
        log.add(
            actor,
            &consumer.queue,
            &format!("{} < {}: {}", consumer.tag, consumer.queue, message(&found)),
        );
        None
    }

    /// Notes the delivery tag of a get's message.
    pub fn got(&mut self, message: &Message, queue: &str, no_ack: bool, log: &mut Log, step: usize) {
        let actor = self.actor(message.channel);
        if let Some(state) = self.channels.get_mut(&message.channel)
            && !state.delivered(message.tag, (!no_ack).then(|| (queue.to_owned(), step)))
        {
            log.add(actor, "strange", "a delivery tag is not the next one");
        }
    }

    async fn method(
        &mut self,
        channel: u16,
        id: (u16, u16),
        args: Vec<u8>,
        log: &mut Log,
    ) -> Check<Option<(u16, Event)>> {
        let actor = self.actor(channel);
        let mut input = Reader(&args);
        match id {
            (60, 80 | 120) => {
                let (tag, multiple) = (input.u64()?, input.u8()? & 1 != 0);
                let state = self.channels.get_mut(&channel);
                if !state.is_some_and(|state| state.confirmed(tag, multiple, id.1 == 80)) {
                    log.add(actor, "strange", "a confirm for nothing");
                }
                Ok(None)
            }
            (60, 30) => {
                let tag = input.short()?;
                let consumer = self.channels.get_mut(&channel).and_then(|state| state.consumers.remove(&tag));
                let name = consumer.map_or(tag, |consumer| consumer.tag);
                log.add(actor, &format!("cancel {name}"), &format!("{name} cancelled by the broker"));
                Ok(None)
            }
            (10, 60 | 61) => Ok(None),
            (10, 50) => {
                let (code, text) = (input.u16()?, close_text(&input.short()?));
                let by = (input.u16()?, input.u16()?);
                log.note(
                    &self.name.to_string(),
                    "close",
                    &format!("connection closed: {code} {text} {by:?}"),
                );
                self.send(0, methods::method(10, 51, Writer::default())).await;
                self.end();
                Ok(None)
            }
            CHANNEL_CLOSE => {
                self.send(channel, methods::method(20, 41, Writer::default())).await;
                self.channels.remove(&channel);
                if channel >= CONTROL {
                    return Ok(Some((channel, Event::Method(channel, id, args))));
                }
                let (code, text) = (input.u16()?, close_text(&input.short()?));
                let by = (input.u16()?, input.u16()?);
                log.add(actor, "close", &format!("channel closed: {code} {text} {by:?}"));
                Ok(None)
            }
            id => Ok(Some((channel, Event::Method(channel, id, args)))),
        }
    }

    fn end(&mut self) {
        self.alive = false;
        self.channels.clear();
    }
}
