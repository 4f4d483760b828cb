//! The bindings of one exchange, in the shape by which its kind finds those that match.

use super::choice::{ModulusTable, RandomTable};
use super::edges::{Edge, Map, VecSet};
use super::hash::HashOn;
use super::headers::HeadersTable;
use super::ring::HashRing;
use super::spec::{Binding, ExchangeKind, ExchangeSpec};
use super::trie::TopicTrie;

/// The bindings of one exchange, arranged for its kind.
#[derive(Debug)]
pub(super) enum Table {
    Direct(Map<Box<[u8]>, VecSet<Edge>>),
    Fanout(VecSet<Edge>),
    Topic(TopicTrie),
    Headers(HeadersTable),
    ConsistentHash(HashRing),
    ModulusHash(ModulusTable),
    Random(RandomTable),
}

impl Table {
    pub fn new(spec: &ExchangeSpec) -> Self {
        match spec.routes_as().unwrap_or(ExchangeKind::Direct) {
            ExchangeKind::Direct | ExchangeKind::Delayed => Self::Direct(Map::default()),
            ExchangeKind::Fanout | ExchangeKind::Deduplication => Self::Fanout(VecSet::default()),
            ExchangeKind::Topic => Self::Topic(TopicTrie::default()),
            ExchangeKind::Headers => Self::Headers(HeadersTable::default()),
            ExchangeKind::ConsistentHash => Self::ConsistentHash(HashRing::new(HashOn::of(&spec.arguments))),
            ExchangeKind::ModulusHash => Self::ModulusHash(ModulusTable::default()),
            ExchangeKind::Random | ExchangeKind::LocalRandom => Self::Random(RandomTable::new(&spec.name)),
        }
    }

    /// Whether the routing keys alone decide what matches.
    pub fn is_keyed(&self) -> bool {
        match self {
            Self::Direct(_) | Self::Fanout(_) | Self::Topic(_) | Self::ModulusHash(_) => true,
            Self::ConsistentHash(ring) => ring.is_keyed(),
            Self::Headers(_) | Self::Random(_) => false,
        }
    }

    pub fn insert(&mut self, binding: &Binding, edge: Edge) {
        let key = binding.routing_key.as_bytes();
        match self {
            Self::Direct(keys) => keys.entry(key.into()).or_default().insert(edge),
            Self::Fanout(edges) => edges.insert(edge),
            Self::Topic(trie) => trie.insert(key, edge),
            Self::Headers(table) => table.insert(&binding.arguments, edge),
            Self::ConsistentHash(ring) => ring.insert(binding, edge),
            Self::ModulusHash(table) => table.insert(binding, edge),
            Self::Random(table) => table.insert(edge),
        }
    }

    pub fn remove(&mut self, binding: &Binding, edge: Edge) {
        let key = binding.routing_key.as_bytes();
        match self {
            Self::Direct(keys) => {
                let Some(edges) = keys.get_mut(key) else { return };
                edges.remove(edge);
                if edges.is_empty() {
                    keys.remove(key);
                }
            }
            Self::Fanout(edges) => edges.remove(edge),
            Self::Topic(trie) => trie.remove(key, edge),
            Self::Headers(table) => table.remove(&binding.arguments, edge),
            Self::ConsistentHash(ring) => ring.remove(binding, edge),
            Self::ModulusHash(table) => table.remove(binding),
            Self::Random(table) => table.remove(edge),
        }
    }
}
