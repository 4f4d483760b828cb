//! The graph itself: exchanges, queue names and bindings, and what adds and removes them.

use std::sync::Arc;

use slab::Slab;

use super::edges::{BindingIndex, Edge, ExchangeIndex, Map, Target, VecSet};
use super::identity::identity;
use super::spec::{Binding, Destination, ExchangeKind, ExchangeSpec, Removed};
use super::table::Table;
use crate::dedup::ExchangeDedup;
use crate::message::QueueId;
use crate::statistics::ExchangeStatistics;

/// The default exchange is made first, and a slab's first key is 0.
pub(super) const DEFAULT: ExchangeIndex = 0;

/// The exchanges every vhost has; internal ones last.
const PREDECLARED: [(&str, ExchangeKind); 8] = [
    ("", ExchangeKind::Direct),
    ("amq.direct", ExchangeKind::Direct),
    ("amq.fanout", ExchangeKind::Fanout),
    ("amq.topic", ExchangeKind::Topic),
    ("amq.headers", ExchangeKind::Headers),
    ("amq.match", ExchangeKind::Headers),
    // What is published to it is for the channel it is published on: nothing is routed by it.
    ("amq.settle", ExchangeKind::Direct),
    (TRACE, ExchangeKind::Topic),
];

/// Where what goes through the vhost is copied to while it is traced.
pub const TRACE: &str = "amq.rabbitmq.trace";

/// Where one vhost of the broker gets what happens to the broker's things (<https://www.rabbitmq.com/docs/event-exchange>).
pub const EVENTS: &str = "amq.rabbitmq.event";

#[derive(Debug)]
pub(super) struct ExchangeEntry {
    pub spec: ExchangeSpec,
    /// The alternate exchange that a policy gives it. One in its own arguments wins.
    pub policy_alternate: Option<String>,
    pub table: Table,
    /// How duplicates are recognised, if it has deduplication.
    dedup: Option<Arc<ExchangeDedup>>,
    statistics: Arc<ExchangeStatistics>,
    /// Bindings with this exchange as their source.
    outgoing: VecSet<BindingIndex>,
    /// Bindings with this exchange as their destination.
    incoming: VecSet<BindingIndex>,
}

#[derive(Debug)]
pub(super) struct QueueEntry {
    pub name: String,
    pub id: QueueId,
    incoming: VecSet<BindingIndex>,
}

#[derive(Debug)]
struct BindingEntry {
    binding: Binding,
    source: ExchangeIndex,
    target: Target,
}

/// What an exchange takes in memory, about: its tables, its statistics.
const EXCHANGE_BYTES: usize = 2048;
/// What a binding takes, about, with its places in the tables of its ends.
const BINDING_BYTES: usize = 768;
/// What a queue's name takes, about, with its place in the table.
const QUEUE_NAME_BYTES: usize = 256;

/// One vhost's exchanges, queue names and bindings.
#[derive(Debug)]
pub struct Topology {
    generation: u64,
    pub(super) exchanges: Slab<ExchangeEntry>,
    pub(super) exchange_indices: Map<Box<[u8]>, ExchangeIndex>,
    pub(super) queues: Map<Box<[u8]>, QueueEntry>,
    bindings: Slab<BindingEntry>,
    binding_indices: Map<Box<[u8]>, BindingIndex>,
}

impl Default for Topology {
    fn default() -> Self {
        Self::new()
    }
}

impl Topology {
    /// The topology of a new vhost: the exchanges that the protocol and RabbitMQ predeclare.
    #[must_use]
    pub fn new() -> Self {
        let mut topology = Self {
            generation: 0,
            exchanges: Slab::new(),
            exchange_indices: Map::default(),
            queues: Map::default(),
            bindings: Slab::new(),
            binding_indices: Map::default(),
        };
        for (name, kind) in PREDECLARED {
            let internal = name == TRACE;
            topology.declare_exchange(ExchangeSpec { internal, ..ExchangeSpec::new(name, kind) });
        }
        topology
    }

    /// That of the vhost that gets the broker's [events](EVENTS).
    #[must_use]
    pub(super) fn with_events() -> Self {
        let mut topology = Self::new();
        let spec = ExchangeSpec::new(EVENTS, ExchangeKind::Topic);
        topology.declare_exchange(ExchangeSpec { internal: true, ..spec });
        topology
    }

    /// Grows with every change that can affect a route.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Raises the generation without a change of its own.
    pub(super) const fn invalidate_routes(&mut self) {
        self.generation += 1;
    }

    /// The exchange of that name.
    #[must_use]
    pub fn exchange(&self, name: &str) -> Option<&ExchangeSpec> {
        self.exchange_by_bytes(name.as_bytes())
    }

    /// The exchange of that name, as a publish gives it.
    #[must_use]
    pub fn exchange_by_bytes(&self, name: &[u8]) -> Option<&ExchangeSpec> {
        let index = self.exchange_indices.get(name)?;
        self.exchanges.get(*index).map(|entry| &entry.spec)
    }

    /// How duplicates published to an exchange are recognised, if it has deduplication.
    #[must_use]
    pub fn dedup(&self, exchange: &[u8]) -> Option<Arc<ExchangeDedup>> {
        let index = self.exchange_indices.get(exchange)?;
        self.exchanges.get(*index)?.dedup.clone()
    }

    /// What has passed through an exchange since it was made or the broker started. Whoever routes a message adds to it.
    #[must_use]
    pub fn statistics(&self, exchange: &[u8]) -> Option<Arc<ExchangeStatistics>> {
        let index = self.exchange_indices.get(exchange)?;
        Some(Arc::clone(&self.exchanges.get(*index)?.statistics))
    }

    /// All exchanges, the predeclared ones first.
    pub fn exchanges(&self) -> impl Iterator<Item = &ExchangeSpec> {
        self.exchanges.iter().map(|(_, entry)| &entry.spec)
    }

    /// Adds an exchange that was [checked](Self::check_exchange_declare). One of that name that exists stays as it is.
    pub fn declare_exchange(&mut self, spec: ExchangeSpec) {
        let name = spec.name.as_bytes();
        if self.exchange_indices.contains_key(name) {
            return;
        }
        let name = name.into();
        let index = self.exchanges.insert(ExchangeEntry {
            table: Table::new(&spec),
            dedup: spec.dedup().ok().flatten().map(Arc::new),
            spec,
            policy_alternate: None,
            statistics: Arc::default(),
            outgoing: VecSet::default(),
            incoming: VecSet::default(),
        });
        self.exchange_indices.insert(name, index);
        self.generation += 1;
    }

    /// Sets the alternate exchange that a policy gives an exchange; one of its own arguments wins over it.
    pub fn set_policy_alternate(&mut self, exchange: &str, alternate: Option<String>) {
        let index = self.exchange_indices.get(exchange.as_bytes());
        let Some(entry) = index.and_then(|index| self.exchanges.get_mut(*index)) else { return };
        if entry.policy_alternate != alternate {
            entry.policy_alternate = alternate;
            self.generation += 1;
        }
    }

    /// Deletes an exchange with its bindings in both directions, and then each auto-delete exchange that thereby lost
    /// its last binding as a source. The default exchange stays; who may delete which is
    /// [checked](Self::check_exchange_delete) before.
    pub fn delete_exchange(&mut self, name: &str) -> Removed {
        let index = self.exchange_indices.get(name.as_bytes()).copied().filter(|index| *index != DEFAULT);
        let mut removed = Removed::default();
        self.remove_exchanges(index.into_iter().collect(), &mut removed);
        removed
    }

    /// Whether the exchange is the source of a binding. Being a destination does not count as use.
    #[must_use]
    pub fn is_used(&self, exchange: &str) -> bool {
        let index = self.exchange_indices.get(exchange.as_bytes());
        index.and_then(|index| self.exchanges.get(*index)).is_some_and(|entry| !entry.outgoing.is_empty())
    }

    /// Adds a queue name. False if it is there already; then nothing changes.
    pub fn add_queue(&mut self, name: &str, id: QueueId) -> bool {
        if self.queues.contains_key(name.as_bytes()) {
            return false;
        }
        let entry = QueueEntry { name: name.to_owned(), id, incoming: VecSet::default() };
        self.queues.insert(name.as_bytes().into(), entry);
        self.generation += 1;
        true
    }

    /// Removes a queue name with its bindings, and auto-delete exchanges that lost their last one.
    pub fn remove_queue(&mut self, name: &str) -> Removed {
        let mut removed = Removed::default();
        let Some(queue) = self.queues.get(name.as_bytes()) else { return removed };
        let incoming = queue.incoming.as_slice().to_vec();
        let deserted = incoming.iter().filter_map(|index| self.take_binding(*index, &mut removed)).collect();
        self.queues.remove(name.as_bytes());
        self.generation += 1;
        self.remove_exchanges(deserted, &mut removed);
        removed
    }

    /// The id of the queue of that name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<QueueId> {
        self.queues.get(name.as_bytes()).map(|queue| queue.id)
    }

    /// All queues, in no particular order.
    pub fn queues(&self) -> impl Iterator<Item = (&str, QueueId)> {
        self.queues.values().map(|queue| (queue.name.as_str(), queue.id))
    }

    /// How many queues there are.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.queues.len()
    }

    /// Adds a binding that was [checked](Self::check_bind). False if it is there already, or its source or destination
    /// is not; then nothing changes.
    pub fn bind(&mut self, binding: Binding) -> bool {
        let identity = identity(&binding);
        let Some((source, target)) = self.ends(&binding) else { return false };
        if source == DEFAULT || self.binding_indices.contains_key(&identity) {
            return false;
        }
        let index = self.bindings.insert(BindingEntry { binding, source, target });
        self.binding_indices.insert(identity, index);
        self.link(index);
        self.generation += 1;
        true
    }

    /// Removes a binding. `None` if there is none such, which RabbitMQ answers with unbind-ok all the same. An
    /// auto-delete exchange goes with its last binding.
    pub fn unbind(&mut self, binding: &Binding) -> Option<Removed> {
        let index = *self.binding_indices.get(&identity(binding))?;
        let mut removed = Removed::default();
        let deserted = self.take_binding(index, &mut removed);
        self.remove_exchanges(deserted.into_iter().collect(), &mut removed);
        Some(removed)
    }

    /// Whether there is such a binding.
    #[must_use]
    pub fn is_bound(&self, binding: &Binding) -> bool {
        self.binding_indices.contains_key(&identity(binding))
    }

    /// All bindings; those of the default exchange are implied by the queue names and not among them.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().map(|(_, entry)| &entry.binding)
    }

    /// Bytes of memory that it takes, about.
    #[must_use]
    pub fn footprint(&self) -> usize {
        self.exchanges.len() * EXCHANGE_BYTES
            + self.bindings.len() * BINDING_BYTES
            + self.queues.len() * QUEUE_NAME_BYTES
    }

    /// The bindings with that source.
    pub fn bindings_of_exchange(&self, source: &str) -> impl Iterator<Item = &Binding> {
        let index = self.exchange_indices.get(source.as_bytes());
        let entry = index.and_then(|index| self.exchanges.get(*index));
        self.listed(entry.map(|entry| &entry.outgoing))
    }

    /// The bindings with that destination.
    pub fn bindings_of_destination(&self, destination: &Destination) -> impl Iterator<Item = &Binding> {
        let incoming = match destination {
            Destination::Queue(name) => self.queues.get(name.as_bytes()).map(|queue| &queue.incoming),
            Destination::Exchange(name) => {
                let index = self.exchange_indices.get(name.as_bytes());
                index.and_then(|index| self.exchanges.get(*index)).map(|entry| &entry.incoming)
            }
        };
        self.listed(incoming)
    }

    /// The bindings with that source, and where they lead.
    pub(super) fn outgoing(&self, source: ExchangeIndex) -> impl Iterator<Item = (&Binding, Target)> {
        let indices = self.exchanges.get(source).map(|entry| entry.outgoing.as_slice()).unwrap_or_default();
        let entries = indices.iter().filter_map(|index| self.bindings.get(*index));
        entries.map(|entry| (&entry.binding, entry.target))
    }

    fn listed<'a>(&'a self, set: Option<&'a VecSet<BindingIndex>>) -> impl Iterator<Item = &'a Binding> {
        let indices = set.map(VecSet::as_slice).unwrap_or_default();
        indices.iter().filter_map(|index| self.bindings.get(*index)).map(|entry| &entry.binding)
    }

    fn ends(&self, binding: &Binding) -> Option<(ExchangeIndex, Target)> {
        let exchange = |name: &str| self.exchange_indices.get(name.as_bytes()).copied();
        let source = exchange(&binding.source)?;
        let target = match &binding.destination {
            Destination::Queue(name) => Target::Queue(self.queue(name)?),
            Destination::Exchange(name) => {
                Target::Exchange(exchange(name).filter(|index| *index != DEFAULT)?)
            }
        };
        Some((source, target))
    }

    /// Enters a binding at its source and its destination.
    fn link(&mut self, index: BindingIndex) {
        let Some(BindingEntry { binding, source, target }) = self.bindings.get(index) else { return };
        if let Some(source) = self.exchanges.get_mut(*source) {
            source.outgoing.insert(index);
            source.table.insert(binding, Edge { binding: index, target: *target });
        }
        if let Some(incoming) = incoming(&mut self.exchanges, &mut self.queues, binding, *target) {
            incoming.insert(index);
        }
    }

    /// Removes a binding from everywhere. The answer is its source if that is now an auto-delete exchange without
    /// bindings.
    fn take_binding(&mut self, index: BindingIndex, removed: &mut Removed) -> Option<ExchangeIndex> {
        let BindingEntry { binding, source, target } = self.bindings.try_remove(index)?;
        self.binding_indices.remove(&identity(&binding));
        self.generation += 1;
        if let Some(incoming) = incoming(&mut self.exchanges, &mut self.queues, &binding, target) {
            incoming.remove(index);
        }
        let deserted = self.exchanges.get_mut(source).is_some_and(|entry| {
            entry.outgoing.remove(index);
            entry.table.remove(&binding, Edge { binding: index, target });
            entry.spec.auto_delete && entry.outgoing.is_empty()
        });
        removed.bindings.push(binding);
        deserted.then_some(source)
    }

    /// Removes exchanges and, without recursion, those that go because of them.
    fn remove_exchanges(&mut self, mut doomed: Vec<ExchangeIndex>, removed: &mut Removed) {
        while let Some(index) = doomed.pop() {
            let Some(entry) = self.exchanges.get_mut(index) else { continue };
            // It routes nothing more: all at once, for a table may take its time over each binding.
            entry.table = Table::Fanout(VecSet::default());
            // A binding from the exchange to itself stands in both lists; the second attempt finds nothing.
            let bindings = [entry.outgoing.as_slice(), entry.incoming.as_slice()].concat();
            doomed.extend(bindings.iter().filter_map(|binding| self.take_binding(*binding, removed)));
            // Among those deserted may be the exchange itself: it has to be gone when its turn comes.
            if let Some(entry) = self.exchanges.try_remove(index) {
                self.exchange_indices.remove(entry.spec.name.as_bytes());
                self.generation += 1;
                removed.exchanges.push(entry.spec);
            }
        }
    }
}

/// The list of bindings to the destination of `binding`.
fn incoming<'a>(
    exchanges: &'a mut Slab<ExchangeEntry>,
    queues: &'a mut Map<Box<[u8]>, QueueEntry>,
    binding: &Binding,
    target: Target,
) -> Option<&'a mut VecSet<BindingIndex>> {
    match target {
        Target::Exchange(index) => exchanges.get_mut(index).map(|entry| &mut entry.incoming),
        Target::Queue(_) => {
            let name = binding.destination.name().as_bytes();
            queues.get_mut(name).map(|queue| &mut queue.incoming)
        }
    }
}
