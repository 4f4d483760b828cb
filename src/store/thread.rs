//! Who runs the committer: a thread of its own for a store on disk, or whoever pumps it in a simulation.
//!
//! Invariants: the thread ends only after it closed the engine; a failure is reported before the engine is dropped,
//! which may take long or for ever when it is broken.

use super::alone;
use super::committer::{Committer, DRAIN_BYTES_MAX};
use super::disk::{self, Closing, Disk};
use super::engine::Engine;
use super::error::Error;
use super::handle::{Input, Shared, StoreHandle, Threads};
use super::load::Request;
use super::logs::{Librarian, LogRequest};
use super::memory::MemoryDisk;
use super::pager::Pager;
use super::pages::Pages;
use super::quiet;
use super::recovered::Recovered;
use super::recovery::{self, Start};
use super::rescue;
use crate::time::Time;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Nothing submitted for this long: time to tidy.
const IDLE: Duration = Duration::from_secs(5);
/// The same while the disk is short of space, or may be soon.
const IDLE_HURRIED: Duration = Duration::from_millis(200);
/// The same while trimmed chunks are being removed, which goes on when nobody else has anything to commit.
const IDLE_TRIMMING: Duration = Duration::from_millis(5);

/// How to open a store.
pub struct OpenOptions {
    /// The data directory; made if it is not there.
    pub dir: PathBuf,
    /// Tables and blob files that are kept open for the next read, at most. What is opened for a while comes on top.
    pub open_files_max: usize,
    /// Tells the time, for how long commits take.
    pub clock: Box<dyn Fn() -> Time + Send>,
    /// Called after each commit and each page, on a thread of the store: pending bytes may have fallen.
    pub on_commit: Box<dyn Fn() + Send + Sync>,
    /// Called once, on the committer's thread, if the store fails: nothing is stored or confirmed any more, and what
    /// was submitted and not confirmed may or may not be stored.
    pub on_failure: Box<dyn FnOnce(Error) + Send>,
}

/// How to run a store on an engine that is open already.
pub struct RunOptions {
    /// Where pages go, and to which damage is traced: the data directory of the engine.
    pub dir: PathBuf,
    /// How much is committed at once, in bytes of what was submitted; a single submission may have more. Alone on a disk
    /// [`DRAIN_BYTES_MAX`].
    pub drain_bytes_max: usize,
    /// As in [`OpenOptions`].
    pub clock: Box<dyn Fn() -> Time + Send>,
    /// As in [`OpenOptions`].
    pub on_commit: Box<dyn Fn() + Send + Sync>,
    /// As in [`OpenOptions`]. With [`Error::Deposed`] it is the role that ends, and the process may go on.
    pub on_failure: Box<dyn FnOnce(Error) + Send>,
}

/// Opens the store in a directory, with everything found in it.
///
/// # Errors
/// All of [`Error`] but [`Error::Stopped`]. Nothing was changed if the directory is locked, not writable, foreign or
/// damaged.
pub fn open(options: OpenOptions) -> Result<(Store, Recovered), Error> {
    let OpenOptions { dir, open_files_max, clock, on_commit, on_failure } = options;
    let mut disk = disk::open_disk(&dir, open_files_max)?;
    alone::note(&mut disk.engine)?;
    let drain_bytes_max = DRAIN_BYTES_MAX;
    open_with(disk, RunOptions { dir, drain_bytes_max, clock, on_commit, on_failure })
}

/// Opens the store that an engine has, with everything found in it.
///
/// # Errors
/// As [`open`]; and [`Error::Deposed`].
pub fn open_with<E: Engine + 'static>(
    disk: Disk<E>,
    options: RunOptions,
) -> Result<(Store, Recovered), Error> {
    let Disk { engine, healed, closing } = disk;
    let RunOptions { dir, drain_bytes_max, clock, on_commit, on_failure } = options;
    let pages = Pages::in_dir(&dir)?;
    // fjall panics over some damage that it meets when it reads.
    let started = quiet::catch(|| recovery::start(engine, healed));
    let started = started.unwrap_or_else(|panic| Err(Error::damaged(panic)));
    let (start, recovered) = started.map_err(|error| rescue::name_file(&dir, error))?;
    let Parts { handle, committer, inputs, mut pager, requests, librarian, log_requests, failures } =
        assemble(start, pages, clock);
    let mut committer = committer.with_drain_bytes_max(drain_bytes_max);
    let on_commit: Arc<dyn Fn() + Send + Sync> = on_commit.into();
    let on_page = Arc::clone(&on_commit);
    let report = |failures: Sender<Input>| Box::new(move |error| drop(failures.send(Input::Failed(error))));
    let (of_pager, of_librarian) = (report(failures.clone()), report(failures));
    let readers = vec![
        spawn("pager", move || guard(of_pager, || pager.run(&requests, &*on_page)))?,
        spawn("librarian", move || guard(of_librarian, || librarian.run(&log_requests)))?,
    ];
    let thread = spawn("store", move || guard(on_failure, || run(&mut committer, &inputs, &*on_commit)))?;
    Ok((Store { handle, thread: Some(thread), readers, closing }, recovered))
}

fn spawn(name: &str, run: impl FnOnce() -> bool + Send + 'static) -> Result<JoinHandle<bool>, Error> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(run);
    thread.map_err(Error::io(format!("starting the thread {name}")))
}

/// Opens a store on a [`MemoryDisk`] that commits only when it is pumped.
///
/// # Errors
/// [`Error::Version`] or [`Error::Damaged`] if the disk holds something else.
pub fn open_manual(disk: MemoryDisk) -> Result<(StoreHandle, ManualCommitter, Recovered), Error> {
    open_manual_with(Box::new(disk.engine()))
}

/// The same on any engine.
///
/// # Errors
/// As [`open_manual`], and what the engine fails with.
pub fn open_manual_with(engine: Box<dyn Engine>) -> Result<(StoreHandle, ManualCommitter, Recovered), Error> {
    let (start, recovered) = recovery::start(engine, None)?;
    let Parts { handle, committer, inputs, pager, requests, librarian, log_requests, .. } =
        assemble(start, Pages::in_memory(), Box::new(|| Time::ZERO));
    let committer = Some(committer);
    Ok((
        handle,
        ManualCommitter { committer, failure: None, inputs, pager, requests, librarian, log_requests },
        recovered,
    ))
}

/// A store whose parts do not run yet.
struct Parts<E> {
    handle: StoreHandle,
    committer: Committer<E>,
    inputs: Receiver<Input>,
    pager: Pager,
    requests: Receiver<Request>,
    librarian: Librarian,
    log_requests: Receiver<LogRequest>,
    failures: Sender<Input>,
}

fn assemble<E: Engine>(start: Start<E>, pages: Pages, clock: Box<dyn Fn() -> Time + Send>) -> Parts<E> {
    let shared = Arc::new(Shared::default());
    let (sender, inputs) = channel();
    let (to_pager, requests) = channel();
    let (to_librarian, log_requests) = channel();
    let pager = Pager::new(start.engine.reader(), pages, Arc::clone(&shared));
    let librarian = Librarian::new(start.engine.reader());
    let committer = Committer::new(start, to_pager.clone(), Arc::clone(&shared), clock);
    let failures = sender.clone();
    let threads = Threads { committer: sender, pager: to_pager, librarian: to_librarian };
    let handle = StoreHandle::new(threads, shared);
    Parts { handle, committer, inputs, pager, requests, librarian, log_requests, failures }
}

/// An open store. Dropping it closes it as [`shutdown`](Self::shutdown) does, without telling of errors.
pub struct Store {
    handle: StoreHandle,
    thread: Option<JoinHandle<bool>>,
    /// The pager and the librarian.
    readers: Vec<JoinHandle<bool>>,
    closing: Option<Closing>,
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
        let ended = thread.join();
        self.handle.close_readers();
        // They report their failures themselves.
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        match ended {
            Ok(true) => {
                if let Some(closing) = self.closing.take() {
                    closing.closed();
                }
                Ok(())
            }
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
        match inputs.recv_timeout(patience(committer)) {
            Ok(Input::Submit(submission, cost)) => committer.add(submission, cost),
            Ok(Input::Load(load)) => committer.add_load(load),
            Ok(Input::Look(look)) => committer.add_look(look),
            #[cfg(feature = "cluster")]
            Ok(Input::Adopt(step)) => committer.add_adoption(step),
            Ok(Input::Failed(error)) => return Err(error),
            Ok(Input::Close) | Err(RecvTimeoutError::Disconnected) => return committer.close(),
            Err(RecvTimeoutError::Timeout) if committer.is_trimming() => {}
            Err(RecvTimeoutError::Timeout) => {
                committer.idle()?;
                continue;
            }
        }
        let closing = fill(committer, inputs)?;
        committer.commit()?;
        committer.hurry()?;
        on_commit();
        if closing {
            return committer.close();
        }
    }
}

/// How long nothing has to come until it is time for something else.
fn patience<E: Engine>(committer: &Committer<E>) -> Duration {
    match (committer.is_trimming(), committer.is_watchful()) {
        (true, _) => IDLE_TRIMMING,
        (false, true) => IDLE_HURRIED,
        (false, false) => IDLE,
    }
}

/// Takes what is there, up to a full drain; says whether the end was among it.
fn fill<E: Engine>(committer: &mut Committer<E>, inputs: &Receiver<Input>) -> Result<bool, Error> {
    while !committer.is_full() {
        match inputs.try_recv() {
            Ok(Input::Submit(submission, cost)) => committer.add(submission, cost),
            Ok(Input::Load(load)) => committer.add_load(load),
            Ok(Input::Look(look)) => committer.add_look(look),
            #[cfg(feature = "cluster")]
            Ok(Input::Adopt(step)) => committer.add_adoption(step),
            Ok(Input::Failed(error)) => return Err(error),
            Ok(Input::Close) => return Ok(true),
            Err(_) => break,
        }
    }
    Ok(false)
}

/// A committer, a pager and a librarian without threads, for simulations.
pub struct ManualCommitter {
    committer: Option<Committer<Box<dyn Engine>>>,
    failure: Option<Error>,
    inputs: Receiver<Input>,
    pager: Pager,
    requests: Receiver<Request>,
    librarian: Librarian,
    log_requests: Receiver<LogRequest>,
}

impl ManualCommitter {
    /// Commits everything submitted as one drain; returns how many submissions that were.
    pub fn commit_pending(&mut self) -> usize {
        self.commit_some(usize::MAX)
    }

    /// Commits at most `max` submissions as one drain, and serves whatever is to be read; returns how many submissions. After a
    /// failure, it is 0 for ever.
    pub fn commit_some(&mut self, max: usize) -> usize {
        let Some(committer) = &mut self.committer else { return 0 };
        let (mut added, mut any, mut failed) = (0, false, None);
        while added < max
            && let Ok(input) = self.inputs.try_recv()
        {
            any = true;
            match input {
                Input::Submit(submission, cost) => {
                    committer.add(submission, cost);
                    added += 1;
                }
                Input::Load(load) => committer.add_load(load),
                Input::Look(look) => committer.add_look(look),
                #[cfg(feature = "cluster")]
                Input::Adopt(step) => committer.add_adoption(step),
                Input::Failed(error) => failed = Some(error),
                Input::Close => {}
            }
        }
        if any || committer.is_trimming() {
            failed = failed.or(committer.commit().err());
        }
        while failed.is_none()
            && let Ok(request) = self.requests.try_recv()
        {
            failed = self.pager.serve(request).err();
        }
        while failed.is_none()
            && let Ok(request) = self.log_requests.try_recv()
        {
            failed = self.librarian.serve(request).err();
        }
        if failed.is_some() {
            self.failure = failed;
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

    /// Why it failed, once.
    pub fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}
