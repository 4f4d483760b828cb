//! The seam between the committer and what keeps its bytes: an engine takes atomic batches of key-value writes and
//! can be scanned once, at start. Nothing above this trait knows fjall.
//!
//! Invariants the committer keeps: a batch holds each key at most once (an engine may give all its writes one
//! sequence number), and a key removed with [`Write::RemoveWeak`] was put exactly once.

use super::error::Error;
use super::heartbeat::{DEFINITIONS_KEY, KEY as BEAT, heartbeat, parse_heartbeat};
use super::room::Room;
use std::ops::ControlFlow;

/// The key spaces of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Chunks of messages and what happened to them: small, hot, short-lived.
    Messages,
    /// Definitions, format version and boot epoch: rarely written.
    Definitions,
    /// Chunks of streams and where these begin: large, and there for long. An engine makes room for them with the first.
    Streams,
}

impl Space {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Messages, Self::Definitions, Self::Streams];
}

/// What a commit has to outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of the process: handed to the operating system.
    Buffered,
    /// The death of the machine: synced to the disk.
    Synced,
}

/// One write of a batch.
#[derive(Clone, Debug)]
pub enum Write {
    /// Sets a key.
    Put {
        /// Where.
        space: Space,
        /// The key.
        key: Vec<u8>,
        /// Its new value.
        value: Vec<u8>,
    },
    /// Removes a key that may have been put several times.
    Remove {
        /// Where.
        space: Space,
        /// The key.
        key: Vec<u8>,
    },
    /// Removes a key that was put exactly once: cheaper, the two meet and vanish.
    RemoveWeak {
        /// Where.
        space: Space,
        /// The key.
        key: Vec<u8>,
    },
}

/// Writes that take effect together or not at all.
#[derive(Debug, Default)]
pub struct WriteBatch {
    writes: Vec<Write>,
    bytes: usize,
    has_streams: bool,
}

impl WriteBatch {
    /// Adds a put.
    pub fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.bytes += key.len() + value.len();
        self.has_streams |= space == Space::Streams;
        self.writes.push(Write::Put { space, key, value });
    }

    /// Adds a removal.
    pub fn remove(&mut self, space: Space, key: Vec<u8>) {
        self.bytes += key.len();
        self.has_streams |= space == Space::Streams;
        self.writes.push(Write::Remove { space, key });
    }

    /// Adds the removal of a key that was put exactly once.
    pub fn remove_weak(&mut self, space: Space, key: Vec<u8>) {
        self.bytes += key.len();
        self.has_streams |= space == Space::Streams;
        self.writes.push(Write::RemoveWeak { space, key });
    }

    /// The number of the commit, if the committer made the batch.
    #[must_use]
    pub fn commit_number(&self) -> Option<u64> {
        match self.writes.first() {
            Some(Write::Put { value, .. }) => parse_heartbeat(value).map(|(number, _)| number),
            _ => None,
        }
    }

    /// An empty batch that has room for the numbers of a commit, as the committer's batches do; see [`renumber`](Self::renumber).
    #[must_use]
    pub fn numbered(has_streams: bool) -> Self {
        let mut batch = Self::default();
        batch.put(Space::Messages, BEAT.to_vec(), heartbeat(0, 0));
        if has_streams {
            batch.put(Space::Streams, BEAT.to_vec(), heartbeat(0, 0));
        }
        batch
    }

    /// Gives it other numbers than the committer did: of this commit, of the last one before that was synced, and of the last one
    /// before that had anything for streams. They are what the check after a power failure goes by, and one disk's are not another's.
    pub fn renumber(&mut self, numbers: CommitNumbers) {
        if self.commit_number().is_none() {
            return;
        }
        let CommitNumbers { number, synced, streams } = numbers;
        for (index, write) in self.writes.iter_mut().enumerate() {
            match write {
                Write::Put { value, .. } if index == 0 => *value = heartbeat(number, synced),
                Write::Put { space: Space::Streams, key, value } if key.as_slice() == BEAT => {
                    *value = heartbeat(number, streams);
                }
                _ => {}
            }
        }
    }

    /// A [`numbered`](Self::numbered) batch with something for every space, after which all of them can be flushed.
    #[must_use]
    pub fn beat(has_streams: bool) -> Self {
        let mut batch = Self::numbered(has_streams);
        batch.put(Space::Definitions, DEFINITIONS_KEY.to_vec(), 0_u64.to_be_bytes().to_vec());
        batch
    }

    /// Whether a key has numbers of commits: they say something of one disk only.
    #[must_use]
    pub fn is_numbers(space: Space, key: &[u8]) -> bool {
        match space {
            Space::Messages | Space::Streams => key == BEAT,
            Space::Definitions => key == DEFINITIONS_KEY,
        }
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether any write is to streams.
    #[must_use]
    pub const fn has_streams(&self) -> bool {
        self.has_streams
    }

    /// The writes, in the order they were added.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }

    /// The writes, in the order they were added.
    #[must_use]
    pub fn into_writes(self) -> Vec<Write> {
        self.writes
    }
}

/// The numbers that a commit has on a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitNumbers {
    /// Its own: one more than that of the commit before.
    pub number: u64,
    /// The last commit before that was synced.
    pub synced: u64,
    /// The last commit before that had anything for streams; 0 if there is none.
    pub streams: u64,
}

impl CommitNumbers {
    /// Of the last commit that an engine has.
    ///
    /// # Errors
    /// What the engine fails with, or [`Error::Damaged`].
    pub fn read(engine: &dyn Engine) -> Result<Self, Error> {
        let (number, synced) = read_beat(engine, Space::Messages)?;
        let (streams, _) = read_beat(engine, Space::Streams)?;
        Ok(Self { number, synced, streams })
    }
}

fn read_beat(engine: &dyn Engine, space: Space) -> Result<(u64, u64), Error> {
    let mut found = Some((0, 0));
    engine.scan(space, &BEAT, &[BEAT[0], 0], &mut |_, value| {
        found = parse_heartbeat(value);
        Ok(())
    })?;
    found.ok_or_else(|| Error::damaged("the numbers of the last commit are unreadable"))
}

/// What an engine had at one moment, in all spaces, whatever is committed since. Should not be kept for long: what is removed
/// meanwhile takes room.
pub trait Snapshot: Send {
    /// Visits all pairs of a space, in the order of their keys.
    ///
    /// # Errors
    /// What the engine or the visitor fails with.
    fn scan(&self, space: Space, visit: &mut Visitor<'_>) -> Result<(), Error>;

    /// The value of a key.
    ///
    /// # Errors
    /// What the engine fails with.
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;
}

/// Keeps key-value pairs.
pub trait Engine: Send {
    /// Applies the whole batch; when this returns, it is as durable as asked.
    ///
    /// # Errors
    /// The batch may or may not be stored, and the engine must not be used any more.
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error>;

    /// Visits all pairs with `from <= key < to`, in the order of their keys.
    ///
    /// # Errors
    /// What the engine or the visitor fails with.
    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error>;

    /// Something to read single keys with, on another thread.
    fn reader(&self) -> Box<dyn Reader>;

    /// All that was committed until now.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// Syncs what was committed as [`Durability::Buffered`].
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn sync(&mut self) -> Result<(), Error>;

    /// Called when nothing was submitted for a while after much was removed, and a heartbeat was committed to every space:
    /// gives space back. `live_bytes` are those of messages that are in queues. Must be quick. Says
    /// whether it wants to be called again the next time nothing happens.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error>;

    /// While the disk is short of space: how many bytes would have to be committed before [`maintain`](Self::maintain) gives back a
    /// journal that takes much, whatever is in it. `None`: there is none, or no room on the disk for that. The reserve is let go if
    /// that makes the room.
    fn journal_gap(&mut self) -> Option<u64>;

    /// Begins to write to tables what is in memory.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// The room on the disk, if there is one and it says. Takes a microsecond or two.
    fn disk_room(&self) -> Option<Room> {
        None
    }

    /// What messages take in files, without journals.
    fn file_bytes(&self) -> u64 {
        0
    }

    /// Lets go of the reserve; whether there was one.
    fn release_reserve(&self) -> bool {
        false
    }
}

impl Engine for Box<dyn Engine> {
    fn commit(&mut self, batch: WriteBatch, durability: Durability) -> Result<(), Error> {
        (**self).commit(batch, durability)
    }

    fn scan(&self, space: Space, from: &[u8], to: &[u8], visit: &mut Visitor<'_>) -> Result<(), Error> {
        (**self).scan(space, from, to, visit)
    }

    fn reader(&self) -> Box<dyn Reader> {
        (**self).reader()
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        (**self).snapshot()
    }

    fn sync(&mut self) -> Result<(), Error> {
        (**self).sync()
    }

    fn maintain(&mut self, live_bytes: u64) -> Result<bool, Error> {
        (**self).maintain(live_bytes)
    }

    fn journal_gap(&mut self) -> Option<u64> {
        (**self).journal_gap()
    }

    fn flush(&mut self) -> Result<(), Error> {
        (**self).flush()
    }

    fn disk_room(&self) -> Option<Room> {
        (**self).disk_room()
    }

    fn file_bytes(&self) -> u64 {
        (**self).file_bytes()
    }

    fn release_reserve(&self) -> bool {
        (**self).release_reserve()
    }
}

/// Reads what an engine has committed. Visitors must not ask the engine for anything.
pub trait Reader: Send {
    /// The value of a key, if it is there.
    ///
    /// # Errors
    /// What the engine fails with.
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Visits pairs with `from <= key < to`, in the order of their keys, as long as a key is wanted; the value of the first that is
    /// not is not read.
    ///
    /// # Errors
    /// What the engine or the visitor fails with.
    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        wants: &dyn Fn(&[u8]) -> bool,
        visit: &mut PairVisitor<'_>,
    ) -> Result<(), Error>;

    /// Visits keys with `from <= key < to`, in their order, without reading their values, until the visitor breaks off.
    ///
    /// # Errors
    /// What the engine or the visitor fails with.
    fn keys(&self, space: Space, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> Result<(), Error>;

    /// The last key with `from <= key < to`, if there is any.
    ///
    /// # Errors
    /// What the engine fails with.
    fn last_key(&self, space: Space, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Looks for the file in which a key's value is damaged, which may take long; what is wrong with it, in words.
    fn damage_at(&self, _space: Space, _key: &[u8]) -> Option<String> {
        None
    }
}

/// Takes the pairs of a scan.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Error> + 'a;

/// Takes the pairs of a range, with values of its own.
pub type PairVisitor<'a> = dyn FnMut(&[u8], Vec<u8>) -> Result<(), Error> + 'a;

/// Takes keys.
pub type KeyVisitor<'a> = dyn FnMut(&[u8]) -> Result<ControlFlow<()>, Error> + 'a;
