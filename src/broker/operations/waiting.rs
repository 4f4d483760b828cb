//! Waiting for exact counts in a world, and saying what is in the way when they do not come.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::in_world::world_of;
use super::peeking::{PeekedMessage, peek_in};
use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::world::World;
use crate::queue::{Peek, PeekState};
use crate::statistics::{ChannelCounters, QueueCounters};

/// Unacked messages that a failed wait tells of, for each queue.
const SHOWN_MAX: usize = 5;

/// What can be counted, by the names that requests use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Countable {
    /// Messages ready for delivery.
    Ready,
    /// Messages delivered and not settled.
    Unacked,
    /// Messages that wait for their next attempt.
    Delayed,
    /// Messages that are set aside.
    Parked,
    /// All of these together.
    Messages,
    /// Consumers.
    Consumers,
    /// Messages that came by dead-lettering since the world was made.
    Dead,
    /// Of a queue: messages that came in; of a world: messages that clients published.
    Published,
    /// Messages confirmed to their publishers, of a world.
    Confirmed,
    /// Messages returned to their publishers, of a world.
    Returned,
    /// Messages delivered or got.
    Delivered,
    /// Messages acked.
    Acked,
    /// Deliveries and gets with the redelivered flag.
    Redelivered,
}

impl Countable {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Ready,
        Self::Unacked,
        Self::Delayed,
        Self::Parked,
        Self::Messages,
        Self::Consumers,
        Self::Dead,
        Self::Published,
        Self::Confirmed,
        Self::Returned,
        Self::Delivered,
        Self::Acked,
        Self::Redelivered,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Unacked => "unacked",
            Self::Delayed => "delayed",
            Self::Parked => "parked",
            Self::Messages => "messages",
            Self::Consumers => "consumers",
            Self::Dead => "dead",
            Self::Published => "published",
            Self::Confirmed => "confirmed",
            Self::Returned => "returned",
            Self::Delivered => "delivered",
            Self::Acked => "acked",
            Self::Redelivered => "redelivered",
        }
    }
}

/// Exact numbers of a queue, or of a world: the sum of its queues, and what was done on its channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorldCounts {
    /// What somebody has yet to deal with: of a stream what its readers have, for its messages stay.
    open: u64,
    ready: u64,
    unacked: u64,
    delayed: u64,
    parked: u64,
    consumers: u64,
    dead: u64,
    published: u64,
    confirmed: u64,
    returned: u64,
    delivered: u64,
    acked: u64,
    redelivered: u64,
}

impl WorldCounts {
    /// One of them.
    #[must_use]
    pub const fn get(&self, what: Countable) -> u64 {
        match what {
            Countable::Ready => self.ready,
            Countable::Unacked => self.unacked,
            Countable::Delayed => self.delayed,
            Countable::Parked => self.parked,
            Countable::Messages => self.ready + self.unacked + self.delayed + self.parked,
            Countable::Consumers => self.consumers,
            Countable::Dead => self.dead,
            Countable::Published => self.published,
            Countable::Confirmed => self.confirmed,
            Countable::Returned => self.returned,
            Countable::Delivered => self.delivered,
            Countable::Acked => self.acked,
            Countable::Redelivered => self.redelivered,
        }
    }

    /// What is in the queues of a world.
    const fn add_held(&mut self, queue: &Self) {
        self.open += queue.open;
        self.ready += queue.ready;
        self.unacked += queue.unacked;
        self.delayed += queue.delayed;
        self.parked += queue.parked;
        self.consumers += queue.consumers;
        self.dead += queue.dead;
    }
}

/// What is not 0.
impl fmt::Display for WorldCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Countable::ALL.into_iter().map(|what| (what.name(), self.get(what)));
        let some: Vec<String> =
            all.filter(|(_, count)| *count > 0).map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(if some.is_empty() { "nothing counted" } else { "" })?;
        f.write_str(&some.join(", "))
    }
}

/// How a count has to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// As many.
    Exactly,
    /// So many or more.
    AtLeast,
    /// So many or fewer.
    AtMost,
}

/// A count that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountCondition {
    /// What is counted.
    pub what: Countable,
    /// How it compares.
    pub comparison: Comparison,
    /// With what.
    pub number: u64,
}

impl CountCondition {
    /// Reads `N`, `>=N` or `<=N`.
    #[must_use]
    pub fn parse(what: Countable, text: &str) -> Option<Self> {
        let (comparison, number) = match (text.strip_prefix(">="), text.strip_prefix("<=")) {
            (Some(number), _) => (Comparison::AtLeast, number),
            (_, Some(number)) => (Comparison::AtMost, number),
            _ => (Comparison::Exactly, text),
        };
        number.trim().parse().ok().map(|number| Self { what, comparison, number })
    }

    /// Whether it holds.
    #[must_use]
    pub const fn holds(&self, counts: &WorldCounts) -> bool {
        let count = counts.get(self.what);
        match self.comparison {
            Comparison::Exactly => count == self.number,
            Comparison::AtLeast => count >= self.number,
            Comparison::AtMost => count <= self.number,
        }
    }
}

/// As a request says it.
impl fmt::Display for CountCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comparison = match self.comparison {
            Comparison::Exactly => "",
            Comparison::AtLeast => ">=",
            Comparison::AtMost => "<=",
        };
        write!(f, "{}={comparison}{}", self.what.name(), self.number)
    }
}

type Holds = dyn Fn(&WorldCounts) -> bool + Send + Sync;

/// A condition that a program of its own says.
#[derive(Clone, Default)]
pub struct Predicate(Option<Arc<Holds>>);

impl Predicate {
    /// This one.
    #[must_use]
    pub fn new(holds: impl Fn(&WorldCounts) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(holds)))
    }

    fn holds(&self, counts: &WorldCounts) -> bool {
        self.0.as_ref().is_none_or(|holds| holds(counts))
    }
}

impl fmt::Debug for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Predicate").field(&self.0.is_some()).finish()
    }
}

/// What is waited for: all of it at one moment.
#[derive(Clone, Debug, Default)]
pub struct WaitFor {
    /// In each of these queues, which may have yet to be declared; none: in the whole world.
    pub queues: Vec<String>,
    /// These counts.
    pub conditions: Vec<CountCondition>,
    /// And this, of each of them.
    pub predicate: Predicate,
    /// Nothing is ready, unacked, or on its way between queues.
    pub idle: bool,
    /// And so it stays for that long, in real time, without anything happening in the world.
    pub quiet: Duration,
}

/// What was waited for has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The counts as they are.
    pub counts: Vec<(Option<String>, WorldCounts)>,
    /// What is in the way, a line each.
    pub why: Vec<String>,
}

/// The counts of these queues, or of the whole world; nothing can change between what they show of one queue. A queue that is not there has none.
///
/// # Errors
/// `NotTesting`, `AccessRefused`.
pub async fn world_counts(
    scope: Scope<'_>,
    queues: &[String],
) -> Result<Vec<(Option<String>, WorldCounts)>, OperationError> {
    let world = world_of(scope.shared, scope.vhost)?.world;
    queues.iter().try_for_each(|queue| scope.permit(Operation::Get(queue)))?;
    Ok(counts(scope.vhost, world, queues).await)
}

/// Waits until everything that is asked for holds at one moment, at most so long, in real time.
///
/// # Errors
/// `NotTesting`, `AccessRefused`. What is in the way if the time is over.
pub async fn wait_for(
    scope: Scope<'_>,
    wanted: &WaitFor,
    within: Duration,
) -> Result<Result<Vec<(Option<String>, WorldCounts)>, Unmet>, OperationError> {
    let world = world_of(scope.shared, scope.vhost)?.world;
    wanted.queues.iter().try_for_each(|queue| scope.permit(Operation::Get(queue)))?;
    let waiter = Waiter { shared: scope.shared, vhost: scope.vhost, world, wanted };
    let _waits = world.activity.wait();
    if let Some(counts) = scope.shared.clock.within(within, waiter.wait()).await {
        return Ok(Ok(counts));
    }
    world.touch(scope.shared.clock.now());
    Ok(Err(waiter.unmet().await))
}

struct Waiter<'a> {
    shared: &'a Arc<Shared>,
    vhost: &'a Arc<Vhost>,
    world: &'a World,
    wanted: &'a WaitFor,
}

impl Waiter<'_> {
    async fn wait(&self) -> Vec<(Option<String>, WorldCounts)> {
        loop {
            let mut changed = std::pin::pin!(self.world.activity.changed());
            changed.as_mut().enable();
            let begun = self.world.activity.begun();
            let counts = counts(self.vhost, self.world, &self.wanted.queues).await;
            if self.holds(&counts, begun).await && self.stays(begun).await {
                return counts;
            }
            changed.await;
        }
    }

    /// Whether the counts are those, and nothing happened while they were asked for.
    async fn holds(&self, counts: &[(Option<String>, WorldCounts)], begun: u64) -> bool {
        let is_met = counts.iter().all(|(_, counts)| self.meets(counts));
        if !is_met || !self.wanted.idle {
            return is_met;
        }
        let nothing_between = self.world.activity.is_quiet() && self.world.activity.begun() == begun;
        nothing_between && counts.iter().all(|(_, counts)| counts.open == 0)
    }

    fn meets(&self, counts: &WorldCounts) -> bool {
        let WaitFor { conditions, predicate, .. } = self.wanted;
        conditions.iter().all(|it| it.holds(counts)) && predicate.holds(counts)
    }

    /// Whether nothing happens for as long as is asked for.
    async fn stays(&self, begun: u64) -> bool {
        if self.wanted.quiet.is_zero() {
            return true;
        }
        self.shared.clock.wait_for(Some(self.shared.clock.now() + self.wanted.quiet)).await;
        self.world.activity.begun() == begun && self.world.activity.is_quiet()
    }

    async fn unmet(&self) -> Unmet {
        let counts = counts(self.vhost, self.world, &self.wanted.queues).await;
        let mut why = Vec::new();
        for (queue, counts) in &counts {
            let unmet = self.wanted.conditions.iter().filter(|it| !it.holds(counts));
            why.extend(unmet.map(|it| {
                let (place, what) = (place(queue.as_deref()), it.what.name());
                format!("{place}: {what} is {}, and {it} was waited for", counts.get(it.what))
            }));
        }
        for (queue, counts) in counts.iter().filter(|(_, counts)| !self.wanted.predicate.holds(counts)) {
            why.push(format!("{}: {counts}", place(queue.as_deref())));
        }
        let waits_for_acks = self.wanted.idle
            || self.wanted.predicate.0.is_some()
            || self
                .wanted
                .conditions
                .iter()
                .any(|it| matches!(it.what, Countable::Unacked | Countable::Messages | Countable::Acked));
        for record in records(self.vhost, &self.wanted.queues).into_iter().flatten() {
            why.extend(self.in_the_way(&record, waits_for_acks).await);
        }
        for queue in self.wanted.queues.iter().filter(|queue| self.vhost.queue_named(queue).is_none()) {
            why.push(format!("{}: there is no such queue", place(Some(queue))));
        }
        if self.wanted.idle && !self.world.activity.is_quiet() {
            why.push("messages are on their way between queues".to_owned());
        }
        Unmet { counts, why }
    }

    /// What a queue has that stands in the way of being idle.
    async fn in_the_way(&self, record: &QueueRecord, waits_for_acks: bool) -> Vec<String> {
        let mut why = Vec::new();
        let Some(counts) = record.look().await else { return why };
        let name = &record.label;
        if self.wanted.idle && counts.ready > 0 && !record.is_stream() {
            let consumers = match counts.consumers {
                0 => "nobody consumes from it".to_owned(),
                count => format!("consumers: {count}"),
            };
            why.push(format!("queue '{name}': {} ready; {consumers}", counts.ready));
        }
        if waits_for_acks && counts.unacked > 0 {
            let peek = Peek { state: PeekState::Unacked, offset: 0, limit: SHOWN_MAX };
            let held = peek_in(self.shared, self.vhost.clock.epoch(), record, peek).await;
            let now_ms = self.vhost.clock.timestamp().as_millis();
            let holders: Vec<String> =
                held.unwrap_or_default().iter().map(|message| holder(message, now_ms)).collect();
            let more = if counts.unacked > holders.len() { ", .." } else { "" };
            why.push(format!("queue '{name}': {} unacked: {}{more}", counts.unacked, holders.join(", ")));
        }
        why
    }
}

/// Who has a message, and for how long.
fn holder(message: &PeekedMessage, now_ms: u64) -> String {
    let id = message.position.0;
    let Some(holder) = &message.holder else { return format!("message {id}") };
    let seconds = now_ms.saturating_sub(holder.since.as_millis()) as f64 / 1000.0;
    let who = holder.consumer_tag.as_ref().map_or("basic.get".to_owned(), |tag| format!("consumer '{tag}'"));
    let connection = holder.connection_name.as_ref().map_or(String::new(), |name| format!(" of {name}"));
    format!("message {id} with {who}{connection} for {seconds:.1} s")
}

fn place(queue: Option<&str>) -> String {
    queue.map_or_else(|| "the world".to_owned(), |queue| format!("queue '{queue}'"))
}

/// The queues of these names, as far as they are there; none are named: all.
fn records(vhost: &Vhost, names: &[String]) -> Vec<Option<Arc<QueueRecord>>> {
    match names {
        [] => vhost.queues().into_iter().map(Some).collect(),
        names => names.iter().map(|name| vhost.queue_named(name)).collect(),
    }
}

async fn counts(vhost: &Vhost, world: &World, queues: &[String]) -> Vec<(Option<String>, WorldCounts)> {
    let mut all = Vec::new();
    for (record, name) in
        records(vhost, queues).into_iter().zip(queues.iter().map(Some).chain(std::iter::repeat(None)))
    {
        let counts = match record {
            Some(record) => of_queue(world, &record).await,
            None => WorldCounts::default(),
        };
        all.push((name.cloned(), counts));
    }
    if queues.is_empty() { vec![(None, of_world(vhost, &all))] } else { all }
}

async fn of_queue(world: &World, record: &QueueRecord) -> WorldCounts {
    let counts = record.look().await.unwrap_or_default();
    let QueueCounters {
        published,
        confirmed,
        delivered,
        delivered_no_ack,
        got,
        got_no_ack,
        acked,
        redelivered,
        ..
    } = record.statistics.read();
    // What waits in a delayed exchange is in no queue yet.
    let (ready, delayed) = if record.delays { (0, counts.ready) } else { (counts.ready, counts.delayed) };
    let unread = if record.is_stream() { 0 } else { ready };
    WorldCounts {
        open: (unread + counts.unacked) as u64,
        ready: ready as u64,
        unacked: counts.unacked as u64,
        delayed: delayed as u64,
        parked: counts.parked as u64,
        consumers: counts.consumers as u64,
        dead: world.dead.of(record.id),
        published,
        confirmed,
        returned: 0,
        delivered: delivered + delivered_no_ack + got + got_no_ack,
        acked,
        redelivered,
    }
}

fn of_world(vhost: &Vhost, queues: &[(Option<String>, WorldCounts)]) -> WorldCounts {
    let ChannelCounters {
        published,
        confirmed,
        returned,
        delivered,
        delivered_no_ack,
        got,
        got_no_ack,
        acked,
        redelivered,
        ..
    } = vhost.statistics.channels.read();
    let delivered = delivered + delivered_no_ack + got + got_no_ack;
    let mut sum = WorldCounts {
        published,
        confirmed,
        returned,
        delivered,
        acked,
        redelivered,
        ..WorldCounts::default()
    };
    queues.iter().for_each(|(_, counts)| sum.add_held(counts));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_read_and_compared() {
        let counts = WorldCounts { ready: 3, ..WorldCounts::default() };
        for (text, holds) in
            [("3", true), ("2", false), (">=3", true), (">=4", false), ("<=3", true), ("<= 2", false)]
        {
            let condition = CountCondition::parse(Countable::Ready, text).unwrap();
            assert_eq!(condition.holds(&counts), holds, "{condition}");
        }
        assert!(
            ["", "x", "-1", ">3", "=3"]
                .iter()
                .all(|it| CountCondition::parse(Countable::Ready, it).is_none())
        );
    }
}
