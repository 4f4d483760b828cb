//! Who runs the committer: a thread of its own for a store on disk, or whoever pumps it in a simulation.
//!
//! Invariants: the thread ends only after it closed the engine; a failure is reported before the engine is dropped,
//! which may take long or for ever when it is broken.

use super::committer::Committer;
use super::engine::Engine;
use super::fjall_engine::FjallEngine;
use super::handle::Input;
use super::memory::{MemoryDisk, MemoryEngine};
use super::recovery::{self, Start};
use super::{Error, Recovered, Shared, StoreHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nothing submitted for this long: time to tidy.
const IDLE: Duration = Duration::from_secs(5);

/// How to open a store.
pub struct OpenOptions {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Called after each commit, on the committer's thread: pending bytes may have fallen.
    pub on_commit: Box<dyn Fn() + Send>,
    /// Called once, on the committer's thread, if the store fails: nothing is stored or confirmed any more, and what
    /// was submitted and not confirmed may or may not be stored.
    pub on_failure: Box<dyn FnOnce(Error) + Send>,
}

/// Opens the store in a directory, with everything found in it.
///
/// # Errors
/// All of [`Error`] but [`Error::Stopped`]. Nothing was changed if the directory is locked, not writable, foreign or
/// damaged.
pub fn open(options: OpenOptions) -> Result<(Store, Recovered), Error> {
    let (engine, healed) = FjallEngine::open(&options.dir)?;
    let (start, recovered) = recovery::start(engine, healed)?;
    let (handle, mut committer, inputs) = assemble(start);
    let OpenOptions { on_commit, on_failure, .. } = options;
    let thread = std::thread::Builder::new()
        .name("store".into())
        .spawn(move || guard(on_failure, || run(&mut committer, &inputs, &*on_commit)))
        .map_err(Error::io("starting the store's thread"))?;
    Ok((Store { handle, thread: Some(thread) }, recovered))
}

/// Opens a store on a [`MemoryDisk`] that commits only when it is pumped.
///
/// # Errors
/// [`Error::Version`] or [`Error::Damaged`] if the disk holds something else.
pub fn open_manual(disk: MemoryDisk) -> Result<(StoreHandle, ManualCommitter, Recovered), Error> {
    let (start, recovered) = recovery::start(disk.engine(), None)?;
    let (handle, committer, inputs) = assemble(start);
    Ok((handle, ManualCommitter { committer: Some(committer), inputs }, recovered))
}

fn assemble<E: Engine>(start: Start<E>) -> (StoreHandle, Committer<E>, Receiver<Input>) {
    let shared = Arc::new(Shared::default());
    let (sender, inputs) = channel();
    let committer = Committer::new(start, Arc::clone(&shared));
    (StoreHandle::new(sender, shared), committer, inputs)
}

/// An open store. Dropping it closes it as [`shutdown`](Self::shutdown) does, without telling of errors.
pub struct Store {
    handle: StoreHandle,
    thread: Option<JoinHandle<bool>>,
}

impl Store {
    /// A handle to submit with.
    #[must_use]
    pub fn handle(&self) -> StoreHandle {
        self.handle.clone()
    }

    /// Commits and syncs everything submitted before, ends the thread and closes the files.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the store failed, now or before; `on_failure` got the reason.
    pub fn shutdown(mut self) -> Result<(), Error> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.handle.close();
        match thread.join() {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Error::Stopped),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Whoever wants to know calls shutdown.
        drop(self.end());
    }
}

/// Reports a failure or a panic; a store that stopped silently would leave publishers without confirms for ever.
fn guard(on_failure: Box<dyn FnOnce(Error) + Send>, run: impl FnOnce() -> Result<(), Error>) -> bool {
    let error = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error,
        Err(_) => Error::Stopped,
    };
    on_failure(error);
    false
}

fn run<E: Engine>(
    committer: &mut Committer<E>,
    inputs: &Receiver<Input>,
    on_commit: &dyn Fn(),
) -> Result<(), Error> {
    loop {
        match inputs.recv_timeout(IDLE) {
            Ok(Input::Submit(submission, cost)) => committer.add(submission, cost),
            Ok(Input::Close) | Err(RecvTimeoutError::Disconnected) => return committer.close(),
            Err(RecvTimeoutError::Timeout) => {
                committer.idle()?;
                continue;
            }
        }
        let closing = fill(committer, inputs);
        committer.commit()?;
        on_commit();
        if closing {
            return committer.close();
        }
    }
}

/// Takes what is there, up to a full drain; says whether the end was among it.
fn fill<E: Engine>(committer: &mut Committer<E>, inputs: &Receiver<Input>) -> bool {
    while !committer.is_full() {
        match inputs.try_recv() {
            Ok(Input::Submit(submission, cost)) => committer.add(submission, cost),
            Ok(Input::Close) => return true,
            Err(_) => break,
        }
    }
    false
}

/// A committer without a thread, for simulations.
pub struct ManualCommitter {
    committer: Option<Committer<MemoryEngine>>,
    inputs: Receiver<Input>,
}

impl ManualCommitter {
    /// Commits everything submitted as one drain; returns how many submissions that were.
    pub fn commit_pending(&mut self) -> usize {
        self.commit_some(usize::MAX)
    }

    /// Commits at most `max` submissions as one drain; returns how many. After a failure, it is 0 for ever.
    pub fn commit_some(&mut self, max: usize) -> usize {
        let Some(committer) = &mut self.committer else { return 0 };
        let mut added = 0;
        while added < max
            && let Ok(Input::Submit(submission, cost)) = self.inputs.try_recv()
        {
            committer.add(submission, cost);
            added += 1;
        }
        if added > 0 && committer.commit().is_err() {
            self.committer = None;
            return 0;
        }
        added
    }

    /// Whether a commit has failed; nothing is committed any more.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.committer.is_none()
    }
}
