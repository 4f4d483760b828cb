//! What the cluster needs of a replicated log. Nothing above this trait knows which one it is.

use super::frame::BadFrame;

/// Where a frame stands in the log: the first is 1, and each is one more than the one before. 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Why nobody can say that a frame was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Something else stands, or may soon stand, at the place: perhaps the same frame, of an append whose answer was lost.
    #[error("the log has something else there")]
    Fenced,
    /// It may be in the log, or still come there, or not.
    #[error("the log did not answer: {0}")]
    Unknown(String),
}

/// The log does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the log does not answer: {0}")]
pub struct Unreachable(pub String);

/// What a log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first frame that was not trimmed; `last.next()` if there is none.
    pub first: Sequence,
    /// The last frame; what was trimmed counts.
    pub last: Sequence,
    /// What the frames take that were not trimmed, in bytes.
    pub bytes: u64,
}

/// A replicated log of frames, as one client sees it. Calls block, each for a bounded time.
pub trait Log: Send {
    /// Appends a frame if `after` is the last one in the log, and answers when that is durable.
    ///
    /// # Errors
    /// See [`AppendError`]. An append of which the answer is not known may still take effect later, at that place or never.
    fn append(&mut self, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError>;

    /// Frames after a place, in their order and without gaps: as many as have `bytes_max` together, but at least one if any is
    /// known. May be behind: that there are none is no proof.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn read(&mut self, after: Sequence, bytes_max: usize) -> Result<Vec<(Sequence, Vec<u8>)>, Unreachable>;

    /// What there is now. Never behind.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn bounds(&mut self) -> Result<Bounds, Unreachable>;

    /// Frames before this one may go.
    ///
    /// # Errors
    /// [`Unreachable`]; some may be gone.
    fn trim(&mut self, before: Sequence) -> Result<(), Unreachable>;

    /// Which log it is now, if this can tell: one that was lost and made again is another. 0 if it is gone for good.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn id(&mut self) -> Result<Option<u64>, Unreachable> {
        Ok(None)
    }

    /// Waits until there may be a frame after this one, for half a second at most.
    fn wait(&mut self, after: Sequence);

    /// The most bytes that a frame may have.
    fn frame_bytes_max(&self) -> usize;
}

impl<L: Log + ?Sized> Log for &mut L {
    fn append(&mut self, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError> {
        (**self).append(after, frame)
    }

    fn read(&mut self, after: Sequence, bytes_max: usize) -> Result<Vec<(Sequence, Vec<u8>)>, Unreachable> {
        (**self).read(after, bytes_max)
    }

    fn bounds(&mut self) -> Result<Bounds, Unreachable> {
        (**self).bounds()
    }

    fn trim(&mut self, before: Sequence) -> Result<(), Unreachable> {
        (**self).trim(before)
    }

    fn id(&mut self) -> Result<Option<u64>, Unreachable> {
        (**self).id()
    }

    fn wait(&mut self, after: Sequence) {
        (**self).wait(after);
    }

    fn frame_bytes_max(&self) -> usize {
        (**self).frame_bytes_max()
    }
}

/// Why a node cannot go on with a log.
#[derive(Debug, thiserror::Error)]
pub enum Contradiction {
    /// A frame that nobody wrote.
    #[error("frame {} of the log: {fault}", at.0)]
    Bad {
        /// Where.
        at: Sequence,
        /// What is wrong.
        fault: BadFrame,
    },
    /// The frame does not follow what was read before it.
    #[error("frame {} of the log does not follow what was read before it: {what}", at.0)]
    Broken {
        /// Where.
        at: Sequence,
        /// What is wrong.
        what: String,
    },
    /// It ends before what was applied.
    #[error("the log ends at frame {}, but frame {} of it was applied here", last.0, applied.0)]
    Shorter {
        /// Where it ends.
        last: Sequence,
        /// What was applied.
        applied: Sequence,
    },
    /// It is not there any more.
    #[error(
        "the cluster's log is gone: its streams were deleted, or the NATS servers have lost them. This node keeps what it has. \
         `coney cluster restore` makes a new log from the node that has most"
    )]
    Gone,
    /// It was made again.
    #[error(
        "the cluster's log is {found:016x} now, not {expected:016x}: it was made again, and `coney cluster rejoin` lets this node follow it"
    )]
    Another {
        /// What it is.
        found: u64,
        /// What it was.
        expected: u64,
    },
    /// What comes next was trimmed: a snapshot is needed.
    #[error("the log begins at frame {}, but this node needs frame {}", first.0, needed.0)]
    Trimmed {
        /// Where it begins.
        first: Sequence,
        /// What is needed.
        needed: Sequence,
    },
}
