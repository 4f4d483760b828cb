//! A new store of what is whole.

use super::examine::{Examination, lock_if_any, read};
use super::logical::Logical;
use super::raw::Raw;
use crate::store::chunk::{self, KIND_HEARTBEAT};
use crate::store::engine::{Durability, Engine as _, Space, WriteBatch};
use crate::store::error::Error;
use crate::store::fjall_engine::FjallEngine;
use crate::store::recovery;
use std::path::Path;

/// Few are ever read.
const OPEN_FILES_MAX: usize = 64;
/// Bytes of a commit.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Writes all that can be read of a damaged store, which must not be in use, into a directory that is empty or not there.
///
/// # Errors
/// Those of [`examine`](super::examine), and [`Error::Foreign`] if `to` has anything in it, [`Error::NotWritable`] or
/// [`Error::Io`] if it cannot be written.
pub fn salvage(dir: &Path, to: &Path) -> Result<Examination, Error> {
    if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::Foreign { dir: to.into(), detail: "it is not empty".into() });
    }
    let _lock = lock_if_any(dir)?;
    let (mut raw, logical, found) = read(dir)?;
    write(&logical, &mut raw, to)?;
    Ok(found)
}

fn write(logical: &Logical, raw: &mut Raw, to: &Path) -> Result<(), Error> {
    let (engine, _) = FjallEngine::open(to, OPEN_FILES_MAX)?;
    let marker = engine.marker();
    let mut writer = Writer { engine, batch: WriteBatch::default(), number: 0, streams_number: 0 };
    for (name, value) in &logical.definitions {
        writer.put(Space::Definitions, recovery::definition_key(name), value.clone())?;
    }
    for (key, value) in &logical.messages {
        writer.put(Space::Messages, key.clone(), value.clone())?;
    }
    for (key, value) in &logical.stream_records {
        writer.put(Space::Streams, key.clone(), value.clone())?;
    }
    for key in &logical.stream_chunks {
        if let Some(value) = raw.value(Space::Streams, key) {
            writer.put(Space::Streams, key.clone(), value)?;
        }
    }
    writer.open_batch();
    recovery::put_header(&mut writer.batch, logical.epoch, logical.has_streams());
    writer.commit()?;
    drop(writer);
    marker.closed();
    Ok(())
}

struct Writer {
    engine: FjallEngine,
    batch: WriteBatch,
    number: u64,
    streams_number: u64,
}

impl Writer {
    fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) -> Result<(), Error> {
        self.open_batch();
        self.batch.put(space, key, value);
        if self.batch.bytes() >= BATCH_BYTES { self.commit() } else { Ok(()) }
    }

    fn open_batch(&mut self) {
        if self.batch.writes().is_empty() {
            self.number += 1;
            let beat = chunk::heartbeat(self.number, self.number - 1);
            self.batch.put(Space::Messages, vec![KIND_HEARTBEAT], beat);
            recovery::put_definitions_heartbeat(&mut self.batch, self.number);
        }
    }

    fn commit(&mut self) -> Result<(), Error> {
        if self.batch.has_streams() {
            recovery::put_streams_heartbeat(&mut self.batch, self.number, self.streams_number);
            self.streams_number = self.number;
        }
        self.engine.commit(std::mem::take(&mut self.batch), Durability::Synced)
    }
}
