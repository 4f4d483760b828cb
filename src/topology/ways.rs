//! By which bindings a message got to its queues, told afterwards: the walk of [`route`](super::route) once more, along what
//! leads to those queues.

use amq_protocol::types::AMQPValue;

use super::edges::{ExchangeIndex, IndexSet, Target};
use super::explain::{Chosen, Routed, chosen, matches};
use super::graph::{DEFAULT, ExchangeEntry, Topology};
use super::header_source::HeaderSource;
use super::spec::Binding;
use crate::message::QueueId;

/// Bindings, and alternate exchanges, that are told of one message.
const TOLD_MAX: usize = 16;
/// Bindings of one exchange that are looked through: some 10 ns each, some 100 for one that leads to the right place.
const LOOKED_AT_MAX: usize = 10_000;
/// What an entry of a table takes beside its text.
const ENTRY_BYTES: usize = 80;

/// The way of a message to its queues.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ways {
    /// The bindings by which it went, those of the exchange that it was published to first; at most 16. None of the default
    /// exchange's, which follow from the names of the queues.
    pub bindings: Vec<Binding>,
    /// Exchanges where nothing matched, each with its alternate exchange, which had the message instead.
    pub alternates: Vec<(String, String)>,
    /// So many more bindings there are.
    pub left_out: usize,
    /// Whether the keys alone decided: all messages with the same keys that came to the same queues went the same way.
    pub is_keyed: bool,
}

/// An exchange that the message met.
struct Stop<'a> {
    index: ExchangeIndex,
    name: &'a str,
    /// Bindings that match and may have led on to one of the queues.
    matched: Vec<(&'a Binding, Target)>,
    alternate: Option<ExchangeIndex>,
}

impl Stop<'_> {
    fn leads_to(&self) -> impl Iterator<Item = Target> {
        let alternate = self.alternate.map(Target::Exchange);
        self.matched.iter().map(|(_, target)| *target).chain(alternate)
    }
}

impl Topology {
    /// Tells by which bindings a message got to these queues, which are in the order of their ids. The exchange and the keys are as
    /// for [`route`](Self::route). It changes nothing. Of an exchange with more than 10,000 bindings some may be missing, and so may what has
    /// changed since the message was routed.
    #[must_use]
    pub fn ways(
        &self,
        exchange: &[u8],
        keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
        queues: &[QueueId],
    ) -> Ways {
        let mut ways = Ways { is_keyed: true, ..Ways::default() };
        let Some(first) = self.exchange_indices.get(exchange).filter(|first| **first != DEFAULT) else {
            return ways;
        };
        let (mut visited, mut pending, mut stops) = (IndexSet::default(), vec![*first], Vec::new());
        while let Some(index) = pending.pop() {
            let Some(entry) = self.exchanges.get(index).filter(|_| visited.insert(index)) else { continue };
            ways.is_keyed &= entry.table.is_keyed() && entry.spec.delay_queue.is_none();
            let stop = self.stop(index, entry, Routed { keys, headers }, queues);
            pending.extend(stop.leads_to().filter_map(exchange_of));
            stops.push(stop);
        }
        let ends = leading(&stops);
        for stop in &stops {
            ways.tell(stop, |target| ends.contains(&target), |index| self.name_of(index));
        }
        ways
    }

    /// Where a message has to wait first, its way ends.
    fn stop<'a>(
        &'a self,
        index: ExchangeIndex,
        entry: &'a ExchangeEntry,
        routed: Routed<'_>,
        queues: &[QueueId],
    ) -> Stop<'a> {
        let mut stop = Stop { index, name: &entry.spec.name, matched: Vec::new(), alternate: None };
        let delay_ms = || routed.headers.and_then(|headers| headers.delay_ms().ok().flatten());
        if entry.spec.delay_queue.is_some() && delay_ms().is_some() {
            return stop;
        }
        let chosen = chosen(&entry.table, routed);
        for (binding, target) in self.outgoing(index).take(LOOKED_AT_MAX) {
            if matches!(target, Target::Queue(queue) if queues.binary_search(&queue).is_err()) {
                continue;
            }
            let is_match = match &chosen {
                Chosen::All => true,
                Chosen::One(one) => *one == Some(target),
                Chosen::Each => matches(entry, binding, routed),
            };
            if is_match {
                stop.matched.push((binding, target));
            }
        }
        if stop.matched.is_empty() {
            stop.alternate = self.alternate(entry);
        }
        stop
    }

    fn name_of(&self, index: ExchangeIndex) -> String {
        self.exchanges.get(index).map(|entry| entry.spec.name.clone()).unwrap_or_default()
    }
}

impl Ways {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bindings.is_empty() && self.alternates.is_empty()
    }

    /// Roughly how much memory it takes, in bytes, beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let names = self.alternates.iter().map(|(from, to)| 2 * size_of::<String>() + from.len() + to.len());
        self.bindings.iter().map(binding_bytes).chain(names).sum()
    }

    fn tell(
        &mut self,
        stop: &Stop<'_>,
        leads: impl Fn(Target) -> bool,
        name: impl Fn(ExchangeIndex) -> String,
    ) {
        for (binding, _) in stop.matched.iter().filter(|(_, target)| leads(*target)) {
            if self.bindings.len() < TOLD_MAX {
                self.bindings.push((*binding).clone());
            } else {
                self.left_out += 1;
            }
        }
        let alternate = stop.alternate.filter(|index| leads(Target::Exchange(*index)));
        if let Some(index) = alternate.filter(|_| self.alternates.len() < TOLD_MAX) {
            self.alternates.push((stop.name.to_owned(), name(index)));
        }
    }
}

fn binding_bytes(binding: &Binding) -> usize {
    let Binding { source, destination, routing_key, arguments } = binding;
    let arguments = arguments.inner().iter();
    let arguments: usize = arguments.map(|(key, value)| key.as_str().len() + value_bytes(value)).sum();
    size_of::<Binding>() + source.len() + destination.name().len() + routing_key.len() + arguments
}

/// Of a value that a binding is likely to have; what is nested is taken for small.
fn value_bytes(value: &AMQPValue) -> usize {
    let text = match value {
        AMQPValue::LongString(text) => text.as_bytes().len(),
        _ => 0,
    };
    ENTRY_BYTES + text
}

const fn exchange_of(target: Target) -> Option<ExchangeIndex> {
    match target {
        Target::Exchange(index) => Some(index),
        Target::Queue(_) => None,
    }
}

/// The targets from which the queues are reached, with the queues themselves. An exchange is found after those behind it, so the last
/// stops come first; where they lead in a circle it takes another turn.
fn leading(stops: &[Stop<'_>]) -> Vec<Target> {
    let queues = stops.iter().flat_map(Stop::leads_to).filter(|target| exchange_of(*target).is_none());
    let mut ends: Vec<Target> = queues.collect();
    loop {
        let before = ends.len();
        for stop in stops.iter().rev() {
            let own = Target::Exchange(stop.index);
            if !ends.contains(&own) && stop.leads_to().any(|target| ends.contains(&target)) {
                ends.push(own);
            }
        }
        if ends.len() == before {
            return ends;
        }
    }
}
