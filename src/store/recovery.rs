//! Finds out at start what is stored, and begins a new boot epoch. Messages are not read, only the summaries of their
//! chunks, so that a start takes no longer with ten million of them.
//!
//! Invariant: positions and queue ids handed out after a start are above all used before, also those of which no
//! trace is left, because each start has an epoch of its own in their upper bits, and its number is synced before
//! anything uses it.

use super::bodies::Bodies;
use super::chunk::{self, KIND_HEARTBEAT, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY, Summary};
use super::engine::{Durability, Engine, Reader, Space, WriteBatch};
use super::error::Error;
use super::heartbeat::DEFINITIONS_KEY;
use super::index::{Chunk, Index};
use super::logs::Logs;
use super::recovered::{Recovered, RecoveredQueue};
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use std::collections::{BTreeMap, HashMap};

/// The epoch takes a position's upper 24 bits: 2^40 messages per queue and start, 11 days at a million a second,
/// and 16 million starts. A queue that passes it runs into the next epoch, which a start looks out for.
const POSITION_EPOCH_SHIFT: u32 = 40;
/// The epoch takes a queue id's upper half: four billion queues per start.
const QUEUE_EPOCH_SHIFT: u32 = 32;

const VERSION_KEY: &[u8] = b"v";
pub(super) const EPOCH_KEY: &[u8] = b"e";
const DEFINITION_PREFIX: u8 = b'd';
const DEFINITIONS_END: &[u8] = b"e";

/// The key of a definition.
pub(super) fn definition_key(name: &str) -> Vec<u8> {
    [&[DEFINITION_PREFIX], name.as_bytes()].concat()
}

/// From which key to which definitions are.
pub(super) const fn definition_keys() -> (&'static [u8], &'static [u8]) {
    (&[DEFINITION_PREFIX], DEFINITIONS_END)
}

/// The name of the definition with this key of [`Space::Definitions`], if it is one's.
#[cfg(feature = "cluster")]
#[must_use]
pub fn definition_name(key: &[u8]) -> Option<&str> {
    let name = key.strip_prefix(&[DEFINITION_PREFIX])?;
    std::str::from_utf8(name).ok()
}

/// The definitions whose names begin with this.
///
/// # Errors
/// What the engine fails with.
#[cfg(feature = "cluster")]
pub fn definitions_of_kind(engine: &dyn Engine, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut found = Vec::new();
    let (from, to) = (definition_key(prefix), definition_key(&format!("{prefix}\u{10FFFF}")));
    engine.scan(Space::Definitions, &from, &to, &mut |key, value| {
        found.extend(definition_name(key).map(|name| (name.to_owned(), value.to_vec())));
        Ok(())
    })?;
    Ok(found)
}

/// The epoch of a queue or a position, whichever is higher.
pub(super) fn epoch_of(queue: QueueId, position: Position) -> u64 {
    (queue.0 >> QUEUE_EPOCH_SHIFT).max(position.0 >> POSITION_EPOCH_SHIFT)
}

/// Puts what a start looks for first: the version of the store, and an epoch above which nothing was used.
pub(super) fn put_header(batch: &mut WriteBatch, epoch: u64, has_streams: bool) {
    batch.put(Space::Definitions, EPOCH_KEY.to_vec(), epoch.to_be_bytes().to_vec());
    put_version(batch, has_streams);
}

/// Puts the version of the store. Where there are no streams it is one that earlier versions of Coney know, too.
pub(super) fn put_version(batch: &mut WriteBatch, has_streams: bool) {
    let version = if has_streams { chunk::FORMAT_VERSION } else { chunk::FORMAT_WITHOUT_STREAMS };
    batch.put(Space::Definitions, VERSION_KEY.to_vec(), version.to_be_bytes().to_vec());
}

/// Puts the heartbeat that keeps the definitions' keyspace flushable.
pub(super) fn put_definitions_heartbeat(batch: &mut WriteBatch, commit_number: u64) {
    batch.put(Space::Definitions, DEFINITIONS_KEY.to_vec(), commit_number.to_be_bytes().to_vec());
}

/// Puts the heartbeat of streams. It says which commit had anything for them before, for the journals that these need may be
/// older than those that messages need.
pub(super) fn put_streams_heartbeat(batch: &mut WriteBatch, commit_number: u64, before: u64) {
    batch.put(Space::Streams, vec![KIND_HEARTBEAT], chunk::heartbeat(commit_number, before));
}

/// What the committer starts from.
pub(super) struct Start<E> {
    pub(super) engine: E,
    pub(super) index: Index,
    pub(super) bodies: Bodies,
    pub(super) logs: Logs,
    pub(super) commit_number: u64,
    /// Of the last commit that had anything for streams.
    pub(super) streams_number: u64,
}

/// Reads all there is and writes the new epoch.
///
/// # Errors
/// [`Error::Version`], [`Error::Damaged`], or what the engine fails with.
pub(super) fn start<E: Engine>(
    mut engine: E,
    healed: Option<String>,
) -> Result<(Start<E>, Recovered), Error> {
    let Stored { header, mut loaded, logs, definitions } = Stored::read(&engine)?;
    let epoch = header.epoch.max(loaded.highest_epoch) + 1;
    let commit_number = header.commit_number + 1;
    let batch = header.boot_batch(epoch, commit_number, &loaded.stale, !logs.is_empty());
    engine.commit(batch, Durability::Synced)?;
    let next_position = Position(epoch << POSITION_EPOCH_SHIFT);
    let recovered = Recovered {
        definitions,
        queues: loaded.queues(next_position),
        first_queue_id: epoch << QUEUE_EPOCH_SHIFT,
        next_position,
        healed,
    };
    loaded.bodies.begin(next_position.0);
    let Loaded { index, bodies, .. } = loaded;
    let streams_number = header.streams_number;
    Ok((Start { engine, index, bodies, logs, commit_number, streams_number }, recovered))
}

/// Reads all that a start reads, and changes nothing.
///
/// # Errors
/// As [`start`].
pub(super) fn check(engine: &impl Engine) -> Result<(), Error> {
    Stored::read(engine).map(drop)
}

/// What there is of some queues, and changes nothing.
///
/// # Errors
/// As [`start`].
pub(super) fn look(
    engine: &impl Engine,
    wanted: &[QueueId],
) -> Result<HashMap<QueueId, RecoveredQueue>, Error> {
    let mut queues = Stored::read(engine)?.loaded.queues(Position::default());
    queues.retain(|queue, _| wanted.contains(queue));
    Ok(queues)
}

/// Puts an epoch above that of the store and another; which one.
///
/// # Errors
/// What the engine fails with.
#[cfg(feature = "cluster")]
pub(super) fn put_epoch_above(
    engine: &impl Engine,
    other: u64,
    batch: &mut WriteBatch,
) -> Result<u64, Error> {
    let epoch = Header::read(engine)?.epoch.max(other) + 1;
    batch.put(Space::Definitions, EPOCH_KEY.to_vec(), epoch.to_be_bytes().to_vec());
    Ok(epoch)
}

/// What there is of queues that another has put there.
#[cfg(feature = "cluster")]
pub(super) struct Adopted {
    /// With what their chunks refer to.
    pub(super) indexes: Vec<(QueueId, super::index::QueueIndex, Vec<super::shared_body::Reference>)>,
    pub(super) logs: Logs,
    pub(super) queues: HashMap<QueueId, RecoveredQueue>,
}

/// The same, for whoever goes on with them in an epoch that nobody has used.
///
/// # Errors
/// As [`start`].
#[cfg(feature = "cluster")]
pub(super) fn adopted(
    engine: &impl Engine,
    wanted: &std::collections::HashSet<QueueId>,
    epoch: u64,
) -> Result<Adopted, Error> {
    let Stored { mut loaded, logs, .. } = Stored::read(engine)?;
    let index = std::mem::take(&mut loaded.index).into_iter().filter(|(queue, _)| wanted.contains(queue));
    let with_references = |(queue, index): (QueueId, super::index::QueueIndex)| {
        let references = loaded.bodies.references(index.body_numbers());
        (queue, index, references)
    };
    let indexes = index.map(with_references).collect();
    let mut queues = loaded.queues(Position(epoch << POSITION_EPOCH_SHIFT));
    queues.retain(|queue, _| wanted.contains(queue));
    Ok(Adopted { indexes, logs, queues })
}

/// All there is.
struct Stored {
    header: Header,
    loaded: Loaded,
    logs: Logs,
    definitions: BTreeMap<String, Vec<u8>>,
}

impl Stored {
    fn read(engine: &impl Engine) -> Result<Self, Error> {
        let header = Header::read(engine)?;
        let mut loaded = Loaded::default();
        loaded.read_states(engine)?;
        loaded.read_summaries(engine)?;
        loaded.read_notes(engine)?;
        loaded.read_records(engine)?;
        loaded.finish()?;
        let (logs, found) = Logs::find(engine.reader())?;
        for (stream, log) in found {
            loaded.queues.entry(stream).or_default().log = Some(log);
        }
        Ok(Self { header, loaded, logs, definitions: read_definitions(engine)? })
    }
}

struct Header {
    epoch: u64,
    commit_number: u64,
    streams_number: u64,
}

impl Header {
    fn read(engine: &impl Engine) -> Result<Self, Error> {
        let epoch = read_one(engine, Space::Definitions, EPOCH_KEY)?;
        let beat = read_one(engine, Space::Messages, &[KIND_HEARTBEAT])?;
        match (read_one(engine, Space::Definitions, VERSION_KEY)?, epoch, beat) {
            (None, None, None) => Ok(Self { epoch: 0, commit_number: 0, streams_number: 0 }),
            (Some(version), ..) if !is_known(&version) => Err(unknown(&version)),
            (Some(_), Some(epoch), Some(beat)) => {
                let streams = read_one(engine, Space::Streams, &[KIND_HEARTBEAT])?;
                Self::parse(&epoch, &beat, streams.as_deref())
            }
            _ => Err(Error::damaged("the store's header is incomplete")),
        }
    }

    fn parse(epoch: &[u8], beat: &[u8], streams: Option<&[u8]>) -> Result<Self, Error> {
        let epoch = epoch.try_into().map(u64::from_be_bytes).ok();
        let header = epoch.zip(chunk::parse_heartbeat(beat));
        let streams_number = streams.and_then(chunk::parse_heartbeat).map_or(0, |(number, _)| number);
        header
            .map(|(epoch, (commit_number, _))| Self { epoch, commit_number, streams_number })
            .ok_or_else(|| Error::damaged("the store's header is unreadable"))
    }

    /// Epoch, version, and the end of watermarks whose queues have nothing left.
    fn boot_batch(&self, epoch: u64, commit_number: u64, stale: &[Vec<u8>], has_streams: bool) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(
            Space::Messages,
            vec![KIND_HEARTBEAT],
            // All that was read is on disk: opening has synced it.
            chunk::heartbeat(commit_number, self.commit_number),
        );
        put_definitions_heartbeat(&mut batch, commit_number);
        put_header(&mut batch, epoch, has_streams);
        for key in stale {
            batch.remove(Space::Messages, key.clone());
        }
        batch
    }
}

fn is_known(version: &[u8]) -> bool {
    [chunk::FORMAT_WITHOUT_STREAMS, chunk::FORMAT_VERSION].iter().any(|known| version == known.to_be_bytes())
}

fn unknown(version: &[u8]) -> Error {
    let found = version.try_into().map(u32::from_be_bytes).map_or("unknown".into(), |v| v.to_string());
    Error::Version { found, known: chunk::FORMAT_VERSION }
}

fn read_one(engine: &impl Engine, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let mut found = None;
    let end = [key, &[0]].concat();
    engine.scan(space, key, &end, &mut |_, value| {
        found = Some(value.to_vec());
        Ok(())
    })?;
    Ok(found)
}

fn read_definitions(engine: &impl Engine) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut definitions = BTreeMap::new();
    engine.scan(Space::Definitions, &[DEFINITION_PREFIX], DEFINITIONS_END, &mut |key, value| {
        let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.ok_or_else(|| Error::damaged("a definition has an unreadable name"))?;
        definitions.insert(name.to_owned(), value.to_vec());
        Ok(())
    })?;
    Ok(definitions)
}

#[derive(Default)]
struct Loaded {
    states: HashMap<(QueueId, Position), Runs>,
    delivered: HashMap<QueueId, Position>,
    index: Index,
    bodies: Bodies,
    queues: HashMap<QueueId, RecoveredQueue>,
    highest_epoch: u64,
    stale: Vec<Vec<u8>>,
}

impl Loaded {
    fn read_states(&mut self, engine: &impl Engine) -> Result<(), Error> {
        engine.scan(Space::Messages, &[KIND_STATE], &[KIND_STATE + 1], &mut |key, value| {
            self.state(key, value).ok_or_else(|| Error::damaged("a queue's state record is unreadable"))
        })
    }

    fn state(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match chunk::parse_key(key)? {
            (queue, None) => {
                self.delivered.insert(queue, Position(u64::from_be_bytes(value.try_into().ok()?)));
            }
            (queue, Some(first)) => {
                self.states.insert((queue, first), Runs::decode(first, value)?);
            }
        }
        Some(())
    }

    fn read_summaries(&mut self, engine: &impl Engine) -> Result<(), Error> {
        let reader = engine.reader();
        engine.scan(Space::Messages, &[KIND_SUMMARY], &[KIND_SUMMARY + 1], &mut |key, value| {
            let Some((queue, Some(first))) = chunk::parse_key(key) else {
                return Err(Error::damaged("a message record has an unreadable key"));
            };
            let summary = Summary::decode(first, value);
            let summary = summary.ok_or_else(|| {
                let place = format!("queue {} at position {}", queue.0, first.0);
                Error::damaged(format!("the summary of {place} is unreadable"))
            })?;
            self.chunk(&*reader, queue, first, summary)
        })
    }

    fn chunk(
        &mut self,
        reader: &dyn Reader,
        queue: QueueId,
        first: Position,
        mut summary: Summary,
    ) -> Result<(), Error> {
        let bytes = summary.bytes;
        let state = self.states.remove(&(queue, first));
        let has_state = state.is_some();
        if let Some(left) = state {
            summary = match Self::what_is_left(reader, queue, first, &left, &summary) {
                // Whoever loads them will be told; others have nothing to do with it.
                Err(error) if error.is_about_stored_bytes() => summary.estimate(&left),
                exact => exact?,
            };
        }
        let live = summary.positions();
        let highest = live.last().map_or(0, |last| last.0 >> POSITION_EPOCH_SHIFT);
        self.highest_epoch = self.highest_epoch.max(highest);
        self.bodies.recover(&summary.bodies);
        let bodies = summary.body_numbers();
        self.index.entry(queue).or_default().insert(first, Chunk { live, has_state, bytes, bodies });
        self.queues.entry(queue).or_default().segments.extend(summary.segments);
        Ok(())
    }

    /// Notes whose message is gone were on one that never got here: they go, too.
    fn read_notes(&mut self, engine: &impl Engine) -> Result<(), Error> {
        engine.scan(Space::Messages, &[KIND_NOTE], &[KIND_NOTE + 1], &mut |key, value| {
            let Some((queue, Some(position))) = chunk::parse_key(key) else {
                return Err(Error::damaged("a note has an unreadable key"));
            };
            match self.index.get_mut(&queue).filter(|index| index.contains(position)) {
                Some(index) => {
                    index.note(position);
                    self.queues.entry(queue).or_default().notes.push((position, value.to_vec()));
                }
                None => self.stale.push(key.to_vec()),
            }
            Ok(())
        })
    }

    fn read_records(&mut self, engine: &impl Engine) -> Result<(), Error> {
        engine.scan(Space::Messages, &[KIND_RECORD], &[KIND_RECORD + 1], &mut |key, value| {
            let Some((queue, name)) = chunk::parse_record_key(key) else {
                return Err(Error::damaged("a queue's own record has an unreadable key"));
            };
            self.index.entry(queue).or_default().record(name.to_vec(), true);
            self.queues.entry(queue).or_default().records.push((name.to_vec(), value.to_vec()));
            Ok(())
        })
    }

    /// Of a chunk that was partly removed only the messages themselves can tell the bytes that are left. There are few of
    /// these: the chunks that hold what was unacked.
    fn what_is_left(
        reader: &dyn Reader,
        queue: QueueId,
        first: Position,
        left: &Runs,
        summary: &Summary,
    ) -> Result<Summary, Error> {
        let value = reader.read(Space::Messages, &chunk::chunk_key(queue, first))?;
        let value = value.ok_or_else(|| missing(queue, first))?;
        let read_body = |number| reader.read(Space::Messages, &chunk::body_key(number));
        let entries = chunk::decode_chunk(queue, first, value, Some(left), &read_body)?;
        Ok(summary.clone().with_left(&entries))
    }

    /// Marks what was delivered, and finds what no message needs any more.
    fn finish(&mut self) -> Result<(), Error> {
        if let Some((queue, first)) = self.states.keys().next() {
            return Err(missing(*queue, *first));
        }
        for (queue, up_to) in std::mem::take(&mut self.delivered) {
            let Some(recovered) = self.queues.get_mut(&queue) else {
                self.stale.push(chunk::delivered_key(queue));
                continue;
            };
            recovered.delivered = up_to;
            self.index.entry(queue).or_default().recovered_delivered(up_to);
        }
        Ok(())
    }

    fn queues(&mut self, next_position: Position) -> HashMap<QueueId, RecoveredQueue> {
        let queues = std::mem::take(&mut self.queues);
        queues.into_iter().map(|(id, queue)| (id, RecoveredQueue { next_position, ..queue })).collect()
    }
}

fn missing(queue: QueueId, first: Position) -> Error {
    Error::damaged(format!("the messages of queue {} at position {} are missing", queue.0, first.0))
}
