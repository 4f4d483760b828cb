//! Whether a start would take what can be read: it looks at more than whether files are whole.

use super::raw::Raw;
use crate::store::chunk::{
    self, KIND_HEARTBEAT, KIND_NOTE, KIND_RECORD, KIND_STATE, KIND_SUMMARY, body_key, chunk_key,
};
use crate::store::engine::{Durability, Engine as _, Space, WriteBatch};
use crate::store::error::Error;
use crate::store::logs::keys::{CHUNKS, SEGMENTS};
use crate::store::memory::MemoryDisk;
use crate::store::recovery;

/// What a start reads of every store. Of messages it reads only those of chunks that have a state, and of streams' chunks the keys.
const READ_AT_START: [u8; 5] = [KIND_HEARTBEAT, KIND_STATE, KIND_SUMMARY, KIND_NOTE, KIND_RECORD];

/// Lets a start look at all that it would read, in memory.
///
/// # Errors
/// Those that a start would end with.
pub(super) fn try_start(raw: &mut Raw) -> Result<(), Error> {
    let mut trial = Trial { raw, batch: WriteBatch::default() };
    trial.range(Space::Definitions, &[], &[u8::MAX]);
    for kind in READ_AT_START {
        trial.range(Space::Messages, &[kind], &[kind + 1]);
    }
    trial.chunks_with_state();
    trial.range(Space::Streams, &[SEGMENTS], &[SEGMENTS + 1]);
    for key in trial.raw.keys(Space::Streams, &[CHUNKS], &[CHUNKS + 1]) {
        trial.batch.put(Space::Streams, key, Vec::new());
    }
    let mut engine = MemoryDisk::new().engine();
    engine.commit(trial.batch, Durability::Synced)?;
    recovery::check(&engine)
}

struct Trial<'a> {
    raw: &'a mut Raw,
    batch: WriteBatch,
}

impl Trial<'_> {
    fn range(&mut self, space: Space, from: &[u8], to: &[u8]) {
        for key in self.raw.keys(space, from, to) {
            self.pair(space, key);
        }
    }

    fn pair(&mut self, space: Space, key: Vec<u8>) -> Option<Vec<u8>> {
        let value = self.raw.value(space, &key)?;
        self.batch.put(space, key, value.clone());
        Some(value)
    }

    fn chunks_with_state(&mut self) {
        for key in self.raw.keys(Space::Messages, &[KIND_STATE], &[KIND_STATE + 1]) {
            let Some((queue, Some(first))) = chunk::parse_key(&key) else { continue };
            let chunk = self.pair(Space::Messages, chunk_key(queue, first));
            let outline = chunk.and_then(|chunk| chunk::outline(first, &chunk));
            for number in outline.map(|(_, bodies)| bodies).unwrap_or_default() {
                self.pair(Space::Messages, body_key(number));
            }
        }
    }
}
