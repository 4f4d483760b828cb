//! Frames of the log as they are read, one after the other: whole batches come out, and whatever cannot be is noticed.

use super::frame::{Frame, Kind};
use super::log::{Contradiction, Sequence};
use super::mark::Mark;
use super::writes::decode_writes;
use crate::store::WriteBatch;

/// What was read last.
#[derive(Debug)]
pub struct Reading {
    /// The last frame. A batch that is not whole is behind it and not applied.
    last: Mark,
    /// The parts so far of a batch.
    open: Option<Open>,
    leader: Option<String>,
}

#[derive(Debug)]
struct Open {
    next: u16,
    parts: u16,
    writes: Vec<u8>,
}

/// What a frame led to.
#[derive(Debug)]
pub enum Taken {
    /// A batch is whole: it is to be applied with the mark.
    Batch(WriteBatch, Mark),
    /// There is a new leader.
    Fence,
    /// More parts have to come.
    Part,
}

impl Reading {
    /// Goes on after what was applied.
    #[must_use]
    pub const fn after(applied: Mark) -> Self {
        Self { last: applied, open: None, leader: None }
    }

    /// The last frame that was read.
    #[must_use]
    pub const fn last(&self) -> Mark {
        self.last
    }

    /// Who fenced last, if a fence was read since the start.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// [`Contradiction::Bad`], [`Contradiction::Broken`]. Nothing more may be read.
    pub fn take(&mut self, at: Sequence, bytes: &[u8]) -> Result<Taken, Contradiction> {
        let bad = |fault| Contradiction::Bad { at, fault };
        let broken = |what: &str| Contradiction::Broken { at, what: what.to_owned() };
        let (frame, hash) = Frame::decode(bytes).map_err(bad)?;
        if at != self.last.sequence.next() {
            return Err(broken("frames are missing"));
        }
        if frame.before != self.last.hash {
            return Err(broken("it comes after another frame"));
        }
        let Frame { kind, term, number, part, parts, payload, .. } = frame;
        let mark = Mark { log_id: self.last.log_id, sequence: at, term, number, hash };
        match kind {
            Kind::Fence if term <= self.last.term => return Err(broken("a fence with an old term")),
            Kind::Fence => {
                self.open = None;
                self.leader = Some(String::from_utf8_lossy(payload).into_owned());
                self.last = mark;
                return Ok(Taken::Fence);
            }
            Kind::Batch if term != self.last.term => return Err(broken("its leader has not fenced")),
            Kind::Batch => {}
        }
        let is_first = number == self.last.number + 1 && part == 0 && self.open.is_none();
        let continues = |open: &Open| number == self.last.number && part == open.next && parts == open.parts;
        if !is_first && !self.open.as_ref().is_some_and(continues) {
            return Err(broken("a batch, or a part of one, is missing"));
        }
        self.last = mark;
        let open = self.open.get_or_insert_with(|| Open { next: 0, parts, writes: Vec::new() });
        open.next += 1;
        open.writes.extend_from_slice(payload);
        if open.next < parts {
            return Ok(Taken::Part);
        }
        let writes = self.open.take().map_or_else(Vec::new, |open| open.writes);
        decode_writes(&writes).map(|batch| Taken::Batch(batch, mark)).map_err(bad)
    }
}
