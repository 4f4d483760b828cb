//! What routing a message would do, and why: which exchanges it meets, which of their bindings match, which nearly do. It decides as
//! [`route`](super::route) does, by the same tables, and changes nothing.

use super::edges::{Edge, ExchangeIndex, IndexSet, Matches, Target};
use super::error::RouteError;
use super::graph::{DEFAULT, ExchangeEntry, Topology};
use super::header_source::HeaderSource;
use super::headers::HeadersScratch;
use super::near_miss::{self, Miss};
use super::spec::{Binding, ExchangeKind};
use super::table::Table;
use super::trie::TrieScratch;

/// Bindings, and names of queues, that are looked at one by one: some 100 ns each.
const LOOKED_AT_MAX: usize = 50_000;
/// Near misses of an exchange: the nearest ones.
const MISSES_MAX: usize = 20;

/// What routing a message would do.
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// The exchanges that it meets, in this order.
    pub steps: Vec<Step>,
    /// The queues that get it, each once, by name. Where an exchange chooses at random, all that it may choose.
    pub queues: Vec<String>,
}

/// An exchange that the message meets.
#[derive(Clone, Debug)]
pub struct Step {
    /// The exchange.
    pub exchange: String,
    /// How it routes; `None`: to nothing.
    pub routes_as: Option<ExchangeKind>,
    /// How the message gets there.
    pub via: Via,
    /// How long it waits there first, in ms.
    pub waits_ms: Option<u64>,
    /// Bindings that match.
    pub matched: Vec<Binding>,
    /// It goes to one of them only, whichever is its turn.
    pub is_chance: bool,
    /// The bindings that miss it by least, nearest first.
    pub missed: Vec<(Binding, String)>,
    /// How many do not match.
    pub unmatched: usize,
    /// How many were not looked at, because there are so many.
    pub left_out: usize,
    /// The alternate exchange that gets it because nothing matches, and whether there is such an exchange.
    pub alternate: Option<(String, bool)>,
}

/// How a message gets to an exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum Via {
    /// It is published to it.
    Publish,
    /// By a binding from this exchange.
    Binding(String),
    /// As the alternate exchange of this one.
    Alternate(String),
}

/// What is routed.
#[derive(Clone, Copy)]
pub(super) struct Routed<'a> {
    pub keys: &'a [&'a [u8]],
    pub headers: Option<&'a dyn HeaderSource>,
}

impl Topology {
    /// Explains the route of a message. The keys are as for [`route`](Self::route).
    ///
    /// # Errors
    /// As [`route`](Self::route).
    pub fn explain(
        &self,
        exchange: &[u8],
        keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
    ) -> Result<Explained, RouteError> {
        let first = *self.exchange_indices.get(exchange).ok_or(RouteError::NoSuchExchange)?;
        let routed = Routed { keys, headers };
        let mut explained = Explained::default();
        let (mut visited, mut pending) = (IndexSet::default(), vec![(first, Via::Publish)]);
        let mut left = LOOKED_AT_MAX;
        while let Some((index, via)) = pending.pop() {
            let Some(entry) = self.exchanges.get(index).filter(|_| visited.insert(index)) else { continue };
            let (step, next) = self.step(index, entry, via, routed, &mut left)?;
            pending.extend(next);
            let to_queues = step.matched.iter().filter_map(Binding::queue);
            explained.queues.extend(to_queues.map(str::to_owned));
            explained.steps.push(step);
        }
        explained.queues.sort_unstable();
        explained.queues.dedup();
        Ok(explained)
    }

    /// What an exchange does with it, and which exchanges get it from there.
    fn step(
        &self,
        index: ExchangeIndex,
        entry: &ExchangeEntry,
        via: Via,
        routed: Routed<'_>,
        left: &mut usize,
    ) -> Result<(Step, Vec<(ExchangeIndex, Via)>), RouteError> {
        let waits_ms = match (entry.spec.delay_queue, routed.headers) {
            (Some(_), Some(headers)) => headers.delay_ms()?,
            _ => None,
        };
        let mut step = Step {
            exchange: entry.spec.name.clone(),
            routes_as: entry.spec.routes_as(),
            via,
            waits_ms,
            matched: Vec::new(),
            is_chance: matches!(entry.table, Table::Random(_)),
            missed: Vec::new(),
            unmatched: 0,
            left_out: 0,
            alternate: None,
        };
        if index == DEFAULT {
            self.look_for_queues(&mut step, routed, left);
            return Ok((step, Vec::new()));
        }
        let mut next = self.look_at_bindings(index, entry, &mut step, routed, left);
        if step.matched.is_empty() {
            let (name, found) = self.alternate_of(entry);
            next.extend(found.map(|index| (index, Via::Alternate(step.exchange.clone()))));
            step.alternate = name.map(|name| (name, found.is_some()));
        }
        Ok((step, next))
    }

    fn look_at_bindings(
        &self,
        index: ExchangeIndex,
        entry: &ExchangeEntry,
        step: &mut Step,
        routed: Routed<'_>,
        left: &mut usize,
    ) -> Vec<(ExchangeIndex, Via)> {
        let chosen = chosen(&entry.table, routed);
        let (mut next, mut misses) = (Vec::new(), Vec::new());
        for (binding, target) in self.outgoing(index) {
            if *left == 0 {
                step.left_out += 1;
                continue;
            }
            *left -= 1;
            let is_match = match &chosen {
                Chosen::All => true,
                Chosen::One(one) => *one == Some(target),
                Chosen::Each => matches(entry, binding, routed),
            };
            if is_match {
                if let Target::Exchange(index) = target {
                    next.push((index, Via::Binding(step.exchange.clone())));
                }
                step.matched.push(binding.clone());
            } else {
                step.unmatched += 1;
                misses.push((near_miss::of(&entry.table, binding, routed.keys, routed.headers), binding));
            }
        }
        step.missed = nearest(misses.into_iter().map(|(miss, binding)| (miss, || binding.clone())));
        next
    }

    /// The default exchange has a binding to each queue, by its name.
    fn look_for_queues(&self, step: &mut Step, routed: Routed<'_>, left: &mut usize) {
        for key in routed.keys {
            if let Some(queue) = self.queues.get(*key) {
                step.matched.push(Binding::of_default(&queue.name));
            }
        }
        let Some(key) = routed.keys.first().filter(|_| step.matched.is_empty()) else { return };
        let names = self.queues.values().map(|queue| queue.name.as_str()).take(*left);
        let misses: Vec<(Miss, &str)> = names
            .map(|name| (near_miss::of_name(key, name), name))
            .filter(|(miss, _)| miss.is_near())
            .collect();
        *left -= self.queues.len().min(*left);
        step.missed =
            nearest(misses.into_iter().map(|(miss, name)| (miss, move || Binding::of_default(name))));
    }

    /// The name of the alternate exchange, and it itself if it is one.
    fn alternate_of(&self, entry: &ExchangeEntry) -> (Option<String>, Option<ExchangeIndex>) {
        let name = entry.spec.alternate().map(|name| String::from_utf8_lossy(name).into_owned());
        (name.or_else(|| entry.policy_alternate.clone()), self.alternate(entry))
    }
}

/// How an exchange decides about its bindings.
pub(super) enum Chosen {
    /// All of them match.
    All,
    /// It chooses a destination among all.
    One(Option<Target>),
    /// About each by itself.
    Each,
}

pub(super) fn chosen(table: &Table, routed: Routed<'_>) -> Chosen {
    let own_key = routed.keys.first().copied().unwrap_or_default();
    match table {
        Table::Fanout(_) | Table::Random(_) => Chosen::All,
        Table::ConsistentHash(ring) => Chosen::One(ring.find(own_key, routed.headers)),
        Table::ModulusHash(table) => Chosen::One(table.find(own_key)),
        Table::Direct(_) | Table::Topic(_) | Table::Headers(_) => Chosen::Each,
    }
}

/// Whether the binding matches, by a table of the exchange's kind that has nothing else in it.
pub(super) fn matches(entry: &ExchangeEntry, binding: &Binding, routed: Routed<'_>) -> bool {
    let (mut queues, mut exchanges) = (Vec::new(), Vec::new());
    let mut found = Matches { queues: &mut queues, exchanges: &mut exchanges, any: false };
    match &entry.table {
        Table::Direct(_) => return routed.keys.contains(&binding.routing_key.as_bytes()),
        Table::Topic(_) | Table::Headers(_) => {}
        _ => return false,
    }
    let mut alone = Table::new(&entry.spec);
    alone.insert(binding, Edge { binding: 0, target: Target::Exchange(DEFAULT) });
    match &alone {
        Table::Topic(trie) => {
            let mut scratch = TrieScratch::default();
            routed.keys.iter().for_each(|key| trie.matches(key, &mut scratch, &mut found));
        }
        Table::Headers(table) => table.matches(routed.headers, &mut HeadersScratch::default(), &mut found),
        _ => {}
    }
    found.any
}

fn nearest<F: FnOnce() -> Binding>(misses: impl Iterator<Item = (Miss, F)>) -> Vec<(Binding, String)> {
    let mut misses: Vec<(Miss, F)> = misses.collect();
    misses.sort_by(|(one, _), (other, _)| one.cmp(other));
    misses.into_iter().take(MISSES_MAX).map(|(miss, binding)| (binding(), miss.why)).collect()
}
