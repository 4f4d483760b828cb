//! Queues of one store that become another's: all that is stored of them at one moment, put there under other ids.
//!
//! Invariants:
//! - A chunk goes with its summary, what is left of it, and the shared messages that are there for the first time: each piece leaves a store
//!   that can be started on. Queues of which only a part has come have no definition, and go with the next start.
//! - Shared messages get numbers of the store that they come to. Positions stay as they were, so the epoch of that store goes above both.

use super::bodies::Bodies;
use super::chunk::{
    self, KIND_BODY, KIND_CHUNK, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY, Summary, body_key,
    state_key, summary_key,
};
use super::engine::{Snapshot, Space, WriteBatch};
use super::error::Error;
use super::logs::keys::{CHUNKS, SEGMENTS, stream_of};
use super::recovered::RecoveredQueue;
use super::recovery::{EPOCH_KEY, definition_name};
use crate::message::packed::Reader;
use crate::message::{Position, QueueId};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// A key and its value.
pub type Pair = (Space, Vec<u8>, Vec<u8>);

/// Takes pieces.
pub type PairVisitor<'a> = dyn FnMut(Vec<Pair>) -> Result<(), Error> + 'a;

/// The definitions of a snapshot that are wanted by name, and its epoch.
///
/// # Errors
/// What the engine fails with.
pub fn definitions_of(
    snapshot: &dyn Snapshot,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<(BTreeMap<String, Vec<u8>>, u64), Error> {
    let mut found = BTreeMap::new();
    snapshot.scan(Space::Definitions, &mut |key, value| {
        if let Some(name) = definition_name(key).filter(|name| is_wanted(name)) {
            found.insert(name.to_owned(), value.to_vec());
        }
        Ok(())
    })?;
    let epoch = snapshot.read(Space::Definitions, EPOCH_KEY)?;
    let epoch = epoch.and_then(|epoch| epoch.try_into().ok()).map_or(0, u64::from_be_bytes);
    Ok((found, epoch))
}

/// Gives all that a snapshot has of some queues, in pieces of about so many bytes.
///
/// # Errors
/// What the engine or the visitor fails with; `Damaged` if something is missing.
pub fn pairs_of_queues(
    snapshot: &dyn Snapshot,
    queues: &HashSet<QueueId>,
    piece_bytes: usize,
    visit: &mut PairVisitor<'_>,
) -> Result<(), Error> {
    let (piece, given) = (Vec::new(), HashSet::new());
    let mut giving = Giving { snapshot, queues, given, piece, bytes: 0, piece_bytes, visit };
    snapshot.scan(Space::Messages, &mut |key, value| giving.take(key, value))?;
    snapshot.scan(Space::Streams, &mut |key, value| match key.first() {
        Some(&(CHUNKS | SEGMENTS)) if stream_of(key).is_some_and(|stream| queues.contains(&stream)) => {
            giving.push(Space::Streams, key.to_vec(), value.to_vec());
            giving.flush_if_full()
        }
        _ => Ok(()),
    })?;
    giving.flush()
}

struct Giving<'a, 'b> {
    snapshot: &'a dyn Snapshot,
    queues: &'a HashSet<QueueId>,
    /// Shared messages that were given.
    given: HashSet<u64>,
    piece: Vec<Pair>,
    bytes: usize,
    piece_bytes: usize,
    visit: &'a mut PairVisitor<'b>,
}

impl Giving<'_, '_> {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let queue = Reader(key.get(1..).unwrap_or_default()).u64().map(QueueId);
        if !queue.is_some_and(|queue| self.queues.contains(&queue)) {
            return Ok(());
        }
        match (key.first(), chunk::parse_key(key)) {
            (Some(&KIND_CHUNK), Some((queue, Some(first)))) => self.chunk(queue, first, key, value)?,
            (Some(&KIND_STATE), Some((_, None))) | (Some(&(KIND_NOTE | KIND_RECORD)), _) => {
                self.push(Space::Messages, key.to_vec(), value.to_vec());
            }
            // They go with their chunks.
            _ => return Ok(()),
        }
        self.flush_if_full()
    }

    fn chunk(&mut self, queue: QueueId, first: Position, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let missing = |what: &str| {
            Error::damaged(format!("queue {} at position {}: its {what} is missing", queue.0, first.0))
        };
        let (_, numbers) = chunk::outline(first, value).ok_or_else(|| missing("content"))?;
        for number in numbers {
            if self.given.insert(number) {
                let body = self.snapshot.read(Space::Messages, &body_key(number))?;
                self.push(Space::Messages, body_key(number), body.ok_or_else(|| missing("shared message"))?);
            }
        }
        let key_of_summary = summary_key(queue, first);
        let summary = self.snapshot.read(Space::Messages, &key_of_summary)?;
        self.push(Space::Messages, key_of_summary, summary.ok_or_else(|| missing("summary"))?);
        let key_of_state = state_key(queue, first);
        if let Some(state) = self.snapshot.read(Space::Messages, &key_of_state)? {
            self.push(Space::Messages, key_of_state, state);
        }
        self.push(Space::Messages, key.to_vec(), value.to_vec());
        Ok(())
    }

    fn push(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.piece.push((space, key, value));
    }

    fn flush_if_full(&mut self) -> Result<(), Error> {
        if self.bytes < self.piece_bytes { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.bytes = 0;
        if self.piece.is_empty() { Ok(()) } else { (self.visit)(std::mem::take(&mut self.piece)) }
    }
}

/// Queues that are taken in; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Adoption(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    /// The ids here, by those there.
    ids: HashMap<QueueId, QueueId>,
    /// The numbers of shared messages.
    bodies: HashMap<u64, u64>,
}

/// A step of an adoption.
pub struct AdoptStep {
    /// Whose.
    pub adoption: Adoption,
    /// What is to be done.
    pub what: AdoptWhat,
    /// Hears when it is durable, or why it cannot be done; at the end of what was found of the queues. On the committer's thread: must be quick
    /// and not block. If the store fails this is dropped.
    pub done: AdoptDone,
}

/// Who hears of a step.
pub type AdoptDone = Box<dyn FnOnce(Result<HashMap<QueueId, RecoveredQueue>, String>) + Send>;

/// What a step is.
pub enum AdoptWhat {
    /// Puts these.
    Pairs(Vec<Pair>),
    /// All is there. The store that it comes from had this epoch.
    End {
        /// The epoch.
        epoch: u64,
    },
}

impl Adoption {
    /// With the ids here by those there.
    #[must_use]
    pub fn new(ids: HashMap<QueueId, QueueId>) -> Self {
        Self(Arc::new(Mutex::new(Taken { ids, bodies: HashMap::new() })))
    }

    /// The ids here.
    pub(super) fn queues(&self) -> HashSet<QueueId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ids.values().copied().collect()
    }

    /// Puts pairs into a batch, as they have to be here; `None` if they make no sense.
    pub(super) fn put(&self, pairs: Vec<Pair>, bodies: &mut Bodies, batch: &mut WriteBatch) -> Option<()> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pairs.into_iter().try_for_each(|pair| taken.put(pair, bodies, batch))
    }
}

impl Taken {
    fn put(&mut self, pair: Pair, bodies: &mut Bodies, batch: &mut WriteBatch) -> Option<()> {
        let (space, mut key, value) = pair;
        let kind = *key.first()?;
        if kind == KIND_BODY {
            let number = Reader(key.get(1..)?).u64()?;
            let own = *self.bodies.entry(number).or_insert_with(|| bodies.next_number());
            batch.put(space, body_key(own), value);
            return Some(());
        }
        let first = chunk::parse_key(&key).and_then(|(_, first)| first);
        let queue = QueueId(Reader(key.get(1..)?).u64()?);
        key.get_mut(1..9)?.copy_from_slice(&self.ids.get(&queue)?.0.to_be_bytes());
        let own = |number: u64| self.bodies.get(&number).copied();
        let value = match (space, kind) {
            (Space::Messages, KIND_CHUNK) => chunk::renumbered(first?, value, &own)?,
            (Space::Messages, KIND_SUMMARY) => {
                let mut summary = Summary::decode(first?, &value)?;
                for reference in &mut summary.bodies {
                    reference.number = own(reference.number)?;
                }
                summary.encode(first?)
            }
            (Space::Messages, KIND_STATE | KIND_NOTE | KIND_RECORD) | (Space::Streams, CHUNKS | SEGMENTS) => {
                value
            }
            _ => return None,
        };
        batch.put(space, key, value);
        Some(())
    }
}
