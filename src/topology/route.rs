//! Which queues get a message: a walk from the exchange through bindings between exchanges and alternate exchanges.
//! Every exchange is visited once, so cycles end. A delayed exchange keeps a message that has to wait: the walk goes on
//! from there when the delay is over.

use super::edges::{ExchangeIndex, IndexSet, Matches};
use super::error::RouteError;
use super::graph::{DEFAULT, ExchangeEntry, Topology};
use super::header_source::HeaderSource;
use super::headers::HeadersScratch;
use super::table::Table;
use super::trie::TrieScratch;
use crate::message::QueueId;

/// Working memory of [`Topology::route`]: kept by the caller, so that routing does not allocate.
#[derive(Debug, Default)]
pub struct RouteScratch {
    pending: Vec<ExchangeIndex>,
    visited: IndexSet,
    trie: TrieScratch,
    headers: HeadersScratch,
    delay_queues: Vec<QueueId>,
    delay_ms: Option<u64>,
    exchanges_visited: usize,
}

impl RouteScratch {
    /// Fresh working memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was looked at by the routes since the last call: nodes of tries, bindings of headers exchanges, exchanges. Some 10 to
    /// 100 ns each.
    pub fn take_steps(&mut self) -> usize {
        let exchanges = std::mem::take(&mut self.exchanges_visited);
        exchanges + std::mem::take(&mut self.trie.steps) + std::mem::take(&mut self.headers.steps)
    }

    /// Where the message of the last route has to wait, and for how many ms: in the queues of the delayed exchanges that it
    /// met. It goes there beside the queues of its route.
    #[must_use]
    pub fn delayed(&self) -> Option<(&[QueueId], u64)> {
        self.delay_ms.map(|ms| (&*self.delay_queues, ms))
    }
}

impl Topology {
    /// Fills `out` with the queues a message goes to, each once, in the order of their ids. The routing keys are the
    /// message's own first and those of its CC and BCC headers; `headers` is `None` when the message has nothing but
    /// keys. An exchange none of whose bindings matches hands over to its alternate exchange, also when it was reached by
    /// a binding.
    ///
    /// Where it has to wait for its delay is in [`RouteScratch::delayed`] afterwards.
    ///
    /// True if the keys alone decided, so that the route may be kept for other messages with the same keys until the
    /// [generation](Self::generation) changes: which exchanges a message meets depends on those it met before, so it is
    /// enough that none of these looked further.
    ///
    /// # Errors
    /// The exchange does not exist, or a delayed exchange on the way cannot read the message's delay.
    pub fn route(
        &self,
        exchange: &[u8],
        routing_keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
        out: &mut Vec<QueueId>,
        scratch: &mut RouteScratch,
    ) -> Result<bool, RouteError> {
        out.clear();
        scratch.delay_queues.clear();
        scratch.delay_ms = None;
        let first = *self.exchange_indices.get(exchange).ok_or(RouteError::NoSuchExchange)?;
        let is_keyed = if first == DEFAULT {
            self.route_by_queue_name(routing_keys, out);
            true
        } else {
            self.walk(first, routing_keys, headers, out, scratch)?
        };
        if out.len() > 1 {
            out.sort_unstable();
            out.dedup();
        }
        Ok(is_keyed)
    }

    fn route_by_queue_name(&self, routing_keys: &[&[u8]], out: &mut Vec<QueueId>) {
        out.extend(routing_keys.iter().filter_map(|key| self.queues.get(*key)).map(|queue| queue.id));
    }

    fn walk(
        &self,
        first: ExchangeIndex,
        routing_keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
        out: &mut Vec<QueueId>,
        scratch: &mut RouteScratch,
    ) -> Result<bool, RouteError> {
        let mut is_keyed = true;
        // A walk that failed may have left some.
        scratch.visited.clear();
        scratch.pending.clear();
        scratch.pending.push(first);
        while let Some(index) = scratch.pending.pop() {
            let Some(entry) = self.exchanges.get(index).filter(|_| scratch.visited.insert(index)) else {
                continue;
            };
            scratch.exchanges_visited += 1;
            is_keyed &= entry.table.is_keyed() && entry.spec.delay_queue.is_none();
            if !delay(entry, headers, scratch)? {
                self.visit(entry, routing_keys, headers, out, scratch);
            }
        }
        Ok(is_keyed)
    }

    fn visit(
        &self,
        entry: &ExchangeEntry,
        routing_keys: &[&[u8]],
        headers: Option<&dyn HeaderSource>,
        out: &mut Vec<QueueId>,
        scratch: &mut RouteScratch,
    ) {
        let mut found = Matches { queues: out, exchanges: &mut scratch.pending, any: false };
        let own_key = routing_keys.first().copied().unwrap_or_default();
        match &entry.table {
            Table::Direct(keys) => {
                routing_keys.iter().filter_map(|key| keys.get(*key)).for_each(|edges| found.add_all(edges));
            }
            Table::Fanout(edges) => found.add_all(edges),
            Table::Topic(trie) => {
                routing_keys.iter().for_each(|key| trie.matches(key, &mut scratch.trie, &mut found));
            }
            Table::Headers(table) => table.matches(headers, &mut scratch.headers, &mut found),
            Table::ConsistentHash(ring) => {
                ring.find(own_key, headers).into_iter().for_each(|to| found.add(to))
            }
            Table::ModulusHash(table) => table.find(own_key).into_iter().for_each(|to| found.add(to)),
            Table::Random(table) => table.next().into_iter().for_each(|to| found.add(to)),
        }
        if !found.any {
            scratch.pending.extend(self.alternate(entry));
        }
    }

    /// The alternate exchange, if it exists. The default exchange serves as one for nobody, as in RabbitMQ.
    pub(super) fn alternate(&self, entry: &ExchangeEntry) -> Option<ExchangeIndex> {
        let by_policy = || entry.policy_alternate.as_deref().map(str::as_bytes);
        let index = self.exchange_indices.get(entry.spec.alternate().or_else(by_policy)?)?;
        Some(*index).filter(|index| *index != DEFAULT)
    }
}

/// Whether the exchange delays the message.
fn delay(
    entry: &ExchangeEntry,
    headers: Option<&dyn HeaderSource>,
    scratch: &mut RouteScratch,
) -> Result<bool, RouteError> {
    let (Some(queue), Some(headers)) = (entry.spec.delay_queue, headers) else { return Ok(false) };
    let Some(ms) = headers.delay_ms()? else { return Ok(false) };
    scratch.delay_queues.push(QueueId(queue));
    scratch.delay_ms = Some(ms);
    Ok(true)
}
