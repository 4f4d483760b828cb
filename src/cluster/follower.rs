//! A node that reads the log and applies it to its own engine; and how it becomes the one that writes.

use super::engine::{Appended, Appender};
use super::frame::{Frame, Kind};
use super::log::{Contradiction, Log, Sequence, Unreachable};
use super::mark::{Mark, has_data, is_partial, was_alone};
use super::reading::{Reading, Taken};
use super::tenure::Tenure;
use crate::store::{Durability, Engine, Error};

/// Read in one go.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Applies the log.
pub struct Follower<E> {
    engine: E,
    reading: Reading,
    applied: Mark,
}

/// How far a follower is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last frame of which all up to it is applied.
    pub applied: Sequence,
    /// Whether anything was read.
    pub has_read: bool,
    /// Whether nothing more was in the log a moment ago.
    pub is_caught_up: bool,
}

/// Why a node cannot follow any more. It keeps what it has, but for what a snapshot [replaces](Self::needs_snapshot).
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The log and this node do not go together.
    #[error(transparent)]
    Log(#[from] Contradiction),
    /// This node's own store failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// What is stored here is a part of a snapshot: the rest did not come before the node stopped.
    #[error("this node has a part of a snapshot only")]
    Partial,
    /// What is stored here no log has: a broker by itself wrote it.
    #[error(
        "this data directory has a broker's data, and none of a cluster's: a node begins with an empty one, and definitions and messages are loaded into the cluster"
    )]
    Unmarked,
    /// A broker by itself has written here.
    #[error(
        "a broker by itself has used this data directory since it was a node's, and what it has taken in no log has: `coney cluster rejoin` \
         puts it aside, and this node takes what the others have"
    )]
    Alone,
    /// What is stored here and what another node gave do not go together.
    #[error("this node has applied frame {} of term {}, but a snapshot of frame {} has term {}", own.sequence.0, own.term, given.sequence.0, given.term)]
    Ahead {
        /// How far this node is.
        own: Mark,
        /// The snapshot's.
        given: Mark,
    },
    /// What is stored here comes from another log.
    #[error(
        "this node's data comes from the log {found:016x}, not from {expected:016x}. If the cluster was restored from another node, `coney \
         cluster rejoin` puts the data aside, and this node takes what the others have"
    )]
    Foreign {
        /// Of the data.
        found: u64,
        /// Of the log.
        expected: u64,
    },
}

impl Stop {
    /// Whether another node's snapshot is what helps: what is here is older than all that the log has, or a part, or damaged. A log that
    /// contradicts what is here is another matter: nobody knows which is right.
    #[must_use]
    pub const fn needs_snapshot(&self) -> bool {
        matches!(
            self,
            Self::Partial | Self::Log(Contradiction::Trimmed { .. }) | Self::Store(Error::Damaged { .. })
        )
    }
}

impl<E: Engine> Follower<E> {
    /// Goes on after what an engine has applied of the log with this id.
    ///
    /// # Errors
    /// [`Stop::Alone`], [`Stop::Foreign`], [`Stop::Partial`], [`Stop::Store`], [`Stop::Unmarked`].
    pub fn open(engine: E, log_id: u64) -> Result<Self, Stop> {
        if was_alone(&engine)? {
            return Err(Stop::Alone);
        }
        if is_partial(&engine)? {
            return Err(Stop::Partial);
        }
        let applied = match Mark::read(&engine)? {
            Some(mark) => mark,
            None if has_data(&engine)? => return Err(Stop::Unmarked),
            None => Mark { log_id, ..Mark::default() },
        };
        if applied.log_id != log_id {
            return Err(Stop::Foreign { found: applied.log_id, expected: log_id });
        }
        Ok(Self { engine, reading: Reading::after(applied), applied })
    }

    /// Who fenced last, if a fence was read since the start.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.reading.leader()
    }

    /// The term of the last fence.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.reading.last().term
    }

    /// Reads and applies what there is, a few MiB at most.
    ///
    /// # Errors
    /// [`Stop`]; not if the log cannot be reached.
    pub fn step(&mut self, log: &mut impl Log) -> Result<Progress, Stop> {
        let (has_read, is_caught_up) = match self.read_some(log)? {
            Ok(true) => (true, false),
            Ok(false) => (false, self.is_at_end(log)?),
            Err(Unreachable(_)) => {
                self.is_same(log)?;
                (false, false)
            }
        };
        Ok(Progress { applied: self.applied.sequence, has_read, is_caught_up })
    }

    fn read_some(&mut self, log: &mut impl Log) -> Result<Result<bool, Unreachable>, Stop> {
        let frames = match log.read(self.reading.last().sequence, READ_BYTES) {
            Ok(frames) => frames,
            Err(unreachable) => return Ok(Err(unreachable)),
        };
        let (has_read, needed) = (!frames.is_empty(), self.reading.last().sequence.next());
        if let Some((first, _)) = frames.first().filter(|(first, _)| *first > needed) {
            self.begins_later(log, *first)?;
            return Ok(Ok(false));
        }
        for (at, bytes) in frames {
            self.take(at, &bytes)?;
        }
        Ok(Ok(has_read))
    }

    fn take(&mut self, at: Sequence, bytes: &[u8]) -> Result<(), Stop> {
        if let Taken::Batch(mut batch, mark) = self.reading.take(at, bytes)? {
            mark.put(&mut batch);
            self.engine.commit(batch, Durability::Buffered)?;
            self.applied = mark;
        }
        Ok(())
    }

    /// Whether nothing more is in the log; and whether what is there is what was read here.
    fn is_at_end(&self, log: &mut impl Log) -> Result<bool, Stop> {
        let (last, Ok(bounds)) = (self.reading.last(), log.bounds()) else { return Ok(false) };
        let applied = last.sequence;
        if bounds.last < applied {
            return Err(Contradiction::Shorter { last: bounds.last, applied }.into());
        }
        if bounds.first <= applied {
            self.check_last(log)?;
        } else if !self.begins_later(log, bounds.first)? {
            return Ok(false);
        }
        Ok(bounds.last == applied)
    }

    /// A log without the frame that was read last may be another one: then a snapshot of what that has is no help. Whether it is known
    /// to be the same, and what comes next is there.
    fn begins_later(&self, log: &mut impl Log, first: Sequence) -> Result<bool, Stop> {
        let needed = self.reading.last().sequence.next();
        match self.is_same(log)? {
            true if first > needed => Err(Contradiction::Trimmed { first, needed }.into()),
            is_same => Ok(is_same),
        }
    }

    /// Whether it is still the log that it was; `false` if it does not say.
    fn is_same(&self, log: &mut impl Log) -> Result<bool, Stop> {
        let expected = self.reading.last().log_id;
        match log.id() {
            Ok(Some(0)) => Err(Contradiction::Gone.into()),
            Ok(Some(found)) if found != expected => Err(Contradiction::Another { found, expected }.into()),
            known => Ok(known.is_ok()),
        }
    }

    /// The frame that was read last is still that one.
    fn check_last(&self, log: &mut impl Log) -> Result<(), Stop> {
        let last = self.reading.last();
        let before = Sequence(last.sequence.0.saturating_sub(1));
        // It may not answer, or be behind; then nothing is known.
        let Ok(found) = log.read(before, 1) else { return Ok(()) };
        let Some((at, bytes)) = found.into_iter().find(|(at, _)| *at == last.sequence) else { return Ok(()) };
        let (_, hash) = Frame::decode(&bytes).map_err(|fault| Contradiction::Bad { at, fault })?;
        if hash == last.hash {
            return Ok(());
        }
        Err(Contradiction::Broken { at, what: "another frame was read there before".into() }.into())
    }

    /// Tries to become the one that writes. The mark is that of its fence, which is the last frame of the log then; `None` if there
    /// was more in the log, or nobody knows before the tenure ends.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn fence(&mut self, log: &mut impl Log, name: &str, tenure: &Tenure) -> Result<Option<Mark>, Stop> {
        if !self.is_at_end(log)? {
            return Ok(None);
        }
        let last = self.reading.last();
        let mut appender = Appender::new(log, last, tenure.clone());
        let next = Mark { term: last.term + 1, number: 0, ..last };
        let appended = appender.append(Kind::Fence, next, (0, 1), name.as_bytes());
        Ok((appended == Appended::Done).then_some(appender.last))
    }
}
