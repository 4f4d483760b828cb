//! What the pairs mean: queues and their messages, and which of them can be read.

use super::raw::Raw;
use super::state::QueueState;
use super::streams::Streams;
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use crate::store::chunk::{
    self, KIND_CHUNK, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY, Summary, body_key, chunk_key,
    delivered_key, state_key, summary_key,
};
use crate::store::engine::Space;
use crate::store::error::Error;
use crate::store::recovery;
use crate::store::shared_body::Reference;
use std::collections::{BTreeMap, BTreeSet};

/// Pairs that make a store without anything that cannot be read, and what was left out.
#[derive(Default)]
pub(super) struct Logical {
    pub(super) messages: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where streams begin, and their full segments.
    pub(super) stream_records: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The keys of streams' chunks, whose values are still to be read.
    pub(super) stream_chunks: Vec<Vec<u8>>,
    pub(super) definitions: BTreeMap<String, Vec<u8>>,
    pub(super) epoch: u64,
    pub(super) queues: BTreeMap<QueueId, QueueState>,
}

impl Logical {
    /// Reads all messages.
    pub(super) fn of(raw: &mut Raw) -> Self {
        let mut logical = Self::default();
        for (queue, first) in chunks(raw) {
            logical.chunk(raw, queue, first);
        }
        logical.streams(raw);
        logical.rest(raw);
        logical.definitions(raw);
        logical
    }

    /// Takes what can be read of a chunk.
    fn chunk(&mut self, raw: &mut Raw, queue: QueueId, first: Position) {
        let summary = raw.value(Space::Messages, &summary_key(queue, first));
        let summary = summary.and_then(|summary| Summary::decode(first, &summary));
        let state = raw.value(Space::Messages, &state_key(queue, first));
        let left = state.and_then(|state| Runs::decode(first, &state));
        let expected = left.clone().or_else(|| summary.as_ref().map(Summary::positions)).unwrap_or_default();
        self.epoch = self.epoch.max(recovery::epoch_of(queue, expected.last().unwrap_or(first)));
        let found = self.queues.entry(queue).or_default();
        let Some(value) = raw.value(Space::Messages, &chunk_key(queue, first)) else {
            found.lost += expected.len().max(1);
            return;
        };
        let decoded = decode(raw, queue, first, &value, left.as_ref());
        let Some(Decoded { readable, summary: made, bodies }) = decoded else {
            found.lost += expected.len().max(1);
            return;
        };
        found.whole += readable.len();
        found.lost += expected.len().saturating_sub(readable.len());
        if readable.is_empty() {
            return;
        }
        let is_partial = left.is_some() || readable.len() < expected.len();
        // One that refers to what is lost, too, would have a start look for it.
        let summary = summary.filter(|summary| summary.bodies.len() == made.bodies.len()).unwrap_or(made);
        if is_partial {
            self.messages.insert(state_key(queue, first), readable.encode(first));
        }
        self.messages.insert(summary_key(queue, first), summary.encode(first));
        self.messages.insert(chunk_key(queue, first), value);
        self.messages.extend(bodies);
    }

    fn streams(&mut self, raw: &mut Raw) {
        let Streams { states, chunks, records } = Streams::of(raw);
        for stream in states.keys() {
            self.epoch = self.epoch.max(recovery::epoch_of(*stream, Position(0)));
        }
        self.queues.extend(states);
        self.stream_records = records;
        self.stream_chunks = chunks;
    }

    /// Whether there is any stream.
    pub(super) fn has_streams(&self) -> bool {
        !self.stream_chunks.is_empty() || !self.stream_records.is_empty()
    }

    /// What queues have beside their messages.
    fn rest(&mut self, raw: &mut Raw) {
        for kind in [KIND_NOTE, KIND_RECORD] {
            for key in raw.keys(Space::Messages, &[kind], &[kind + 1]) {
                if let Some(value) = raw.value(Space::Messages, &key) {
                    self.messages.insert(key, value);
                }
            }
        }
        for queue in self.queues.keys() {
            let key = delivered_key(*queue);
            if let Some(value) = raw.value(Space::Messages, &key) {
                self.messages.insert(key, value);
            }
        }
    }

    fn definitions(&mut self, raw: &mut Raw) {
        let (from, to) = recovery::definition_keys();
        for key in raw.keys(Space::Definitions, from, to) {
            let name = key.get(1..).and_then(|name| String::from_utf8(name.to_vec()).ok());
            if let Some((name, value)) = name.zip(raw.value(Space::Definitions, &key)) {
                self.definitions.insert(name, value);
            }
        }
        let epoch = raw.value(Space::Definitions, recovery::EPOCH_KEY);
        let epoch = epoch.and_then(|epoch| epoch.try_into().ok()).map_or(0, u64::from_be_bytes);
        self.epoch = self.epoch.max(epoch);
    }
}

/// All chunks of which anything is there.
fn chunks(raw: &Raw) -> BTreeSet<(QueueId, Position)> {
    let kinds = [KIND_CHUNK, KIND_SUMMARY, KIND_STATE].into_iter();
    let keys = kinds.flat_map(|kind| raw.keys(Space::Messages, &[kind], &[kind + 1]));
    keys.filter_map(|key| chunk::parse_key(&key)).filter_map(|(queue, first)| Some((queue, first?))).collect()
}

/// What can be read of a chunk.
struct Decoded {
    readable: Runs,
    /// As it would have been written with it.
    summary: Summary,
    /// The shared messages that it refers to.
    bodies: Vec<(Vec<u8>, Vec<u8>)>,
}

fn decode(
    raw: &mut Raw,
    queue: QueueId,
    first: Position,
    value: &[u8],
    left: Option<&Runs>,
) -> Option<Decoded> {
    let mut bodies = BTreeMap::new();
    let (all, numbers) = chunk::outline(first, value)?;
    for number in &numbers {
        if let Some(body) = raw.value(Space::Messages, &body_key(*number)) {
            bodies.insert(*number, body);
        }
    }
    let read_body = |number: u64| Ok::<_, Error>(bodies.get(&number).cloned());
    let wanted = left.cloned().unwrap_or(all);
    let read =
        |wanted: &Runs| chunk::decode_chunk(queue, first, value.to_vec(), Some(wanted), &read_body).ok();
    let entries = match read(&wanted) {
        Some(entries) => entries,
        // A shared message is missing: those that do not refer to it are whole.
        None => {
            wanted.iter().filter_map(|position| read(&Runs::span(position, position))).flatten().collect()
        }
    };
    let readable = entries.iter().map(|entry| entry.position).collect();
    let references = numbers
        .iter()
        .filter_map(|number| Some(Reference { number: *number, bytes: bodies.get(number)?.len() as u32 }));
    let summary = Summary { bytes: value.len(), bodies: references.collect(), segments: Vec::new() };
    let summary = summary.with_left(&entries);
    let bodies = bodies.into_iter().map(|(number, body)| (body_key(number), body)).collect();
    Some(Decoded { readable, summary, bodies })
}
