//! How far a node has applied the log, kept in its own engine: written with each batch, so that the two are never apart.

use super::log::Sequence;
use crate::message::packed::Reader;
use crate::store::{ALONE_KEY, Engine, Error, MARK_KEY, PARTIAL_KEY, Space, Write, WriteBatch, has};

/// A place in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Which log; chosen when a cluster is made.
    pub log_id: u64,
    /// The last frame.
    pub sequence: Sequence,
    /// The last leader's term.
    pub term: u64,
    /// The last batch of that term; 0 if there is none.
    pub number: u64,
    /// The last frame's hash.
    pub hash: u64,
}

impl Mark {
    /// Whether a key of [`Space::Messages`] is the one it is kept under, which is no part of what nodes have in common.
    #[must_use]
    pub fn is_key(key: &[u8]) -> bool {
        key == MARK_KEY
    }

    /// Whether a node that is here can be one that has only not come as far as this one, and not one that contradicts it.
    #[must_use]
    pub fn is_behind(&self, other: &Self) -> bool {
        let order = (self.term, self.number) <= (other.term, other.number);
        self.log_id == other.log_id && self.sequence <= other.sequence && order
    }

    /// Its bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Self { log_id, sequence, term, number, hash } = *self;
        [log_id, sequence.0, term, number, hash].map(u64::to_be_bytes).concat()
    }

    /// Adds it to a batch.
    pub(super) fn put(&self, batch: &mut WriteBatch) {
        batch.put(Space::Messages, MARK_KEY.to_vec(), self.encode());
    }

    /// The one in a batch, if there is any: it is the last write.
    pub(super) fn of(batch: &WriteBatch) -> Option<Self> {
        match batch.writes().last()? {
            Write::Put { key, value, .. } if Self::is_key(key) => Self::parse(value),
            _ => None,
        }
    }

    /// The one that an engine has, if there is any.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is not what was written, or what the engine fails with.
    pub fn read(engine: &dyn Engine) -> Result<Option<Self>, Error> {
        let mut found = None;
        engine.scan(Space::Messages, &MARK_KEY, &[MARK_KEY[0], MARK_KEY[1], 0], &mut |_, value| {
            found = Some(value.to_vec());
            Ok(())
        })?;
        let parsed = found.map(|value| Self::parse(&value).ok_or(()));
        parsed
            .transpose()
            .map_err(|()| Error::damaged("the mark of what was applied of the log is unreadable"))
    }

    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let mut next = || reader.u64();
        let mark = Self {
            log_id: next()?,
            sequence: Sequence(next()?),
            term: next()?,
            number: next()?,
            hash: next()?,
        };
        reader.0.is_empty().then_some(mark)
    }
}

/// Says with a batch that what is stored from now on is a part of a snapshot.
pub(super) fn put_partial(batch: &mut WriteBatch) {
    batch.put(Space::Messages, PARTIAL_KEY.to_vec(), Vec::new());
}

/// Says with a batch that it is whole.
pub(super) fn remove_partial(batch: &mut WriteBatch) {
    batch.remove(Space::Messages, PARTIAL_KEY.to_vec());
}

/// Whether what an engine has is a part of a snapshot.
pub(super) fn is_partial(engine: &dyn Engine) -> Result<bool, Error> {
    has(engine, PARTIAL_KEY)
}

/// Whether a broker by itself has written there since it was a node's.
pub(super) fn was_alone(engine: &dyn Engine) -> Result<bool, Error> {
    has(engine, ALONE_KEY)
}

/// Whether an engine has anything that nodes have in common.
///
/// # Errors
/// What the engine fails with.
pub(super) fn has_data(engine: &dyn Engine) -> Result<bool, Error> {
    for space in Space::ALL {
        let mut has_data = false;
        let looked = engine.scan(space, &[], &[u8::MAX; 8], &mut |key, _| {
            has_data = !is_of_one_node(space, key);
            // One is enough.
            if has_data { Err(Error::Stopped) } else { Ok(()) }
        });
        if has_data {
            return Ok(true);
        }
        looked?;
    }
    Ok(false)
}

/// Whether a key of [`Space::Messages`] says that what is stored is a part of a snapshot.
pub(super) fn is_partial_key(key: &[u8]) -> bool {
    key == PARTIAL_KEY
}

/// Whether a key says how far this node is, or what its disk has: no part of what nodes have in common.
pub(super) fn is_of_one_node(space: Space, key: &[u8]) -> bool {
    let is_mark = Mark::is_key(key) || is_partial_key(key) || key == ALONE_KEY;
    WriteBatch::is_numbers(space, key) || (space == Space::Messages && is_mark)
}
