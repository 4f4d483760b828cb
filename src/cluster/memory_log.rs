//! A log in memory for tests and simulations, with what can go wrong between a client and a log, and one fault that must not be: the loss
//! of its end, by which a test proves that somebody notices.

use super::log::{AppendError, Bounds, Log, Sequence, Unreachable};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Half of what NATS takes at most, if nobody sets it higher.
const FRAME_BYTES_MAX: usize = 512 * 1024;

/// A log in memory; clones are the same log.
#[derive(Clone, Default)]
pub struct MemoryLog(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    /// Which log it is, if it says that.
    id: Option<u64>,
    /// How many frames were trimmed.
    trimmed: u64,
    entries: VecDeque<Entry>,
    faults: HashMap<String, VecDeque<Fault>>,
    cut_off: HashSet<String>,
    /// Appends that are still on their way, though nobody waits for them.
    late: Vec<(String, Sequence, Vec<u8>)>,
}

/// A frame, and who appended it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The client.
    pub writer: String,
    /// The frame.
    pub frame: Vec<u8>,
}

/// What becomes of a client's next append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, and the answer is lost.
    LostReply,
    /// It is lost.
    LostRequest,
    /// It takes effect when [`MemoryLog::deliver_late`] is called, if it still can, and the answer is lost.
    Late,
}

impl MemoryLog {
    /// Becomes another log, which begins after a place; 0 is that of one that is gone.
    pub fn make_again(&self, id: u64, after: Sequence) {
        let mut state = self.state();
        state.entries.clear();
        (state.id, state.trimmed) = (Some(id), after.0);
        self.0.1.notify_all();
    }

    /// Appends for a client, without faults.
    ///
    /// # Errors
    /// [`AppendError::Fenced`].
    pub fn append(&self, writer: &str, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError> {
        let mut state = self.state();
        if after != state.last() {
            return Err(AppendError::Fenced);
        }
        state.entries.push_back(Entry { writer: writer.to_owned(), frame: frame.to_vec() });
        self.0.1.notify_all();
        Ok(state.last())
    }

    /// Frames after a place, without faults.
    #[must_use]
    pub fn read(&self, after: Sequence, bytes_max: usize) -> Vec<(Sequence, Vec<u8>)> {
        let state = self.state();
        let skipped = usize::try_from(after.0.saturating_sub(state.trimmed)).unwrap_or(usize::MAX);
        let first = after.0.max(state.trimmed) + 1;
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for (at, entry) in (first..).zip(state.entries.iter().skip(skipped)) {
            bytes += entry.frame.len();
            if !frames.is_empty() && bytes > bytes_max {
                break;
            }
            frames.push((Sequence(at), entry.frame.clone()));
        }
        frames
    }

    /// What there is.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let state = self.state();
        let bytes = state.entries.iter().map(|entry| entry.frame.len() as u64).sum();
        Bounds { first: Sequence(state.trimmed + 1), last: state.last(), bytes }
    }

    /// Forgets the frames before this one.
    pub fn trim(&self, before: Sequence) {
        let mut state = self.state();
        while state.trimmed + 1 < before.0 && state.entries.pop_front().is_some() {
            state.trimmed += 1;
        }
    }

    /// All frames that were not trimmed.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.state().entries.iter().cloned().collect()
    }

    /// What becomes of a client's next appends.
    pub fn plan(&self, client: &str, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(client.to_owned()).or_default().extend(faults);
    }

    /// Cuts a client off, or connects it again.
    pub fn cut_off(&self, client: &str, is_cut_off: bool) {
        let mut state = self.state();
        if is_cut_off {
            state.cut_off.insert(client.to_owned());
        } else {
            state.cut_off.remove(client);
        }
    }

    /// What was on its way arrives.
    pub fn deliver_late(&self) {
        let late = std::mem::take(&mut self.state().late);
        for (writer, after, frame) in late {
            // Whoever sent it has given up.
            drop(self.append(&writer, after, &frame));
        }
    }

    /// Loses its last frames, which no replicated log may do.
    pub fn lose_tail(&self, frames: usize) {
        let mut state = self.state();
        let left = state.entries.len().saturating_sub(frames);
        state.entries.truncate(left);
    }

    /// A client of the log, by its name.
    #[must_use]
    pub fn client(&self, name: &str) -> MemoryLogClient {
        MemoryLogClient {
            log: self.clone(),
            name: name.to_owned(),
            frame_bytes_max: FRAME_BYTES_MAX,
            patience: Duration::from_millis(20),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn last(&self) -> Sequence {
        Sequence(self.trimmed + self.entries.len() as u64)
    }
}

/// A client of a [`MemoryLog`].
#[derive(Clone)]
pub struct MemoryLogClient {
    log: MemoryLog,
    name: String,
    /// The most bytes that a frame may have.
    pub frame_bytes_max: usize,
    /// How long it waits for frames, at most.
    pub patience: Duration,
}

impl MemoryLogClient {
    fn reach(&self) -> Result<(), Unreachable> {
        if self.log.state().cut_off.contains(&self.name) {
            Err(Unreachable("cut off".into()))
        } else {
            Ok(())
        }
    }

    /// Forgets the next fault that was planned; whether there was one.
    #[cfg(test)]
    pub(super) fn take_fault(&self) -> bool {
        self.next_fault().is_some()
    }

    fn next_fault(&self) -> Option<Fault> {
        self.log.state().faults.get_mut(&self.name)?.pop_front()
    }
}

impl Log for MemoryLogClient {
    fn append(&mut self, after: Sequence, frame: &[u8]) -> Result<Sequence, AppendError> {
        self.reach().map_err(|Unreachable(why)| AppendError::Unknown(why))?;
        let lost = || Err(AppendError::Unknown("no answer".into()));
        match self.next_fault() {
            None => self.log.append(&self.name, after, frame),
            Some(Fault::LostReply) => {
                drop(self.log.append(&self.name, after, frame));
                lost()
            }
            Some(Fault::LostRequest) => lost(),
            Some(Fault::Late) => {
                self.log.state().late.push((self.name.clone(), after, frame.to_vec()));
                lost()
            }
        }
    }

    fn read(&mut self, after: Sequence, bytes_max: usize) -> Result<Vec<(Sequence, Vec<u8>)>, Unreachable> {
        self.reach().map(|()| self.log.read(after, bytes_max))
    }

    fn bounds(&mut self) -> Result<Bounds, Unreachable> {
        self.reach().map(|()| self.log.bounds())
    }

    fn trim(&mut self, before: Sequence) -> Result<(), Unreachable> {
        self.reach().map(|()| self.log.trim(before))
    }

    fn id(&mut self) -> Result<Option<u64>, Unreachable> {
        self.reach().map(|()| self.log.state().id)
    }

    fn wait(&mut self, after: Sequence) {
        let (_, more) = &*self.log.0;
        let state = self.log.state();
        if state.last() <= after {
            drop(more.wait_timeout(state, self.patience));
        }
    }

    fn frame_bytes_max(&self) -> usize {
        self.frame_bytes_max
    }
}
