//! The keyspaces of fjall that the engine has. The one of streams is made with the first stream: a store without any stays as
//! earlier versions of Coney know it.

use super::engine::Space;
use super::keyspaces::{DEFINITIONS, MESSAGES, STREAMS};
use fjall::compaction::Leveled;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions};
use std::sync::{Arc, OnceLock};

/// What is removed before it was flushed never reaches a table, and larger tables are rewritten less often; but up to four
/// more wait to be flushed while a backlog grows, and a broker should be content with 150 MiB.
const MEMTABLE_BYTES: u64 = 24 * 1024 * 1024;
/// Chunks lie in files of their own, beside the tables: compaction rewrites where they are, not what they are. With 10 million
/// messages of 100 bytes that halves what is written, and the rate of publishing does not fall (it fell by 40 %).
const SEPARATED_BYTES: u32 = 1024;

/// Of streams a blob file has what was in memory, and goes when all of that was trimmed. Smaller ones give room back sooner; of a
/// terabyte there would be 65,000, and each flush writes a list of them.
const STREAM_MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
/// So many new tables are compacted. These have no more than keys and places, so each flush can have its compaction, which finds the
/// blob files that were trimmed; the next one drops them. With four, as is usual, a stream of 40 MiB takes 200 MiB instead of 75.
const STREAM_TABLES_MAX: u8 = 1;
/// That compaction rewrites about this much at most, the keys of 40 GB.
const STREAM_TABLE_BYTES: u64 = 8 * 1024 * 1024;

/// Each is the same for all clones, the one of streams as soon as it is made.
#[derive(Clone)]
pub(super) struct FjallKeyspaces {
    messages: Keyspace,
    definitions: Keyspace,
    streams: Arc<OnceLock<Keyspace>>,
}

impl FjallKeyspaces {
    /// Opens those that there are, and makes the first two.
    pub(super) fn open(database: &Database) -> fjall::Result<Self> {
        let messages = database.keyspace(MESSAGES, options)?;
        let definitions = database.keyspace(DEFINITIONS, options)?;
        let keyspaces = Self { messages, definitions, streams: Arc::default() };
        if database.keyspace_exists(STREAMS) {
            keyspaces.make(database, Space::Streams)?;
        }
        Ok(keyspaces)
    }

    /// Makes it if it is not there.
    pub(super) fn make(&self, database: &Database, space: Space) -> fjall::Result<&Keyspace> {
        match space {
            Space::Streams => match self.streams.get() {
                Some(streams) => Ok(streams),
                None => {
                    let streams = database.keyspace(STREAMS, options_of_streams)?;
                    Ok(self.streams.get_or_init(|| streams))
                }
            },
            Space::Messages => Ok(&self.messages),
            Space::Definitions => Ok(&self.definitions),
        }
    }

    /// Without streams there is none for them.
    pub(super) fn get(&self, space: Space) -> Option<&Keyspace> {
        match space {
            Space::Messages => Some(&self.messages),
            Space::Definitions => Some(&self.definitions),
            Space::Streams => self.streams.get(),
        }
    }

    /// All that there are.
    pub(super) fn all(&self) -> impl Iterator<Item = &Keyspace> {
        [&self.messages, &self.definitions].into_iter().chain(self.streams.get())
    }
}

fn separation() -> KvSeparationOptions {
    let separation = KvSeparationOptions::default();
    separation.separation_threshold(SEPARATED_BYTES).compression(CompressionType::None)
}

/// fjall keeps these options from the first creation on: to change one is a new format version.
fn options() -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    options.expect_point_read_hits(true).with_kv_separation(Some(separation()))
}

/// The same goes for these.
fn options_of_streams() -> KeyspaceCreateOptions {
    let leveled =
        Leveled::default().with_l0_threshold(STREAM_TABLES_MAX).with_table_target_size(STREAM_TABLE_BYTES);
    options().max_memtable_size(STREAM_MEMTABLE_BYTES).compaction_strategy(Arc::new(leveled))
}
