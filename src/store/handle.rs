//! The sending end of the store, shared by all who have something to keep.
//!
//! Invariant: pending bytes grow before a submission is sent and shrink after its commit, so they never wrap.

#[cfg(feature = "cluster")]
use super::adopting::AdoptStep;
use super::ephemeral::Ephemeral;
use super::error::Error;
use super::load::{Load, Look, Request};
use super::logs::{LogRead, LogRequest, LogSeek};
use super::room::DiskWatch;
use super::submission::{StoredMessage, Submission};
use crate::message::QueueId;
use crate::statistics::{Buckets, Histogram};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::mpsc::Sender;

/// Counters of a store since it was opened.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) commits: AtomicU64,
    pub(super) syncs: AtomicU64,
    pub(super) entries_written: AtomicU64,
    pub(super) entries_elided: AtomicU64,
    pub(super) bytes_written: AtomicU64,
    /// How long commits took, in microseconds.
    pub(super) commit_us: Histogram<{ COMMIT_BOUNDS_US.len() }>,
}

/// From a buffered write to a disk that is nearly stuck.
const COMMIT_BOUNDS_US: [u64; 12] =
    [100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000];

impl Default for Counters {
    fn default() -> Self {
        let zero = AtomicU64::default;
        Self {
            commits: zero(),
            syncs: zero(),
            entries_written: zero(),
            entries_elided: zero(),
            bytes_written: zero(),
            commit_us: Histogram::new(&COMMIT_BOUNDS_US),
        }
    }
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches committed.
    pub commits: u64,
    /// Those of them that were synced to disk.
    pub syncs: u64,
    /// Messages written.
    pub entries_written: u64,
    /// Messages that were gone again before they had to be written.
    pub entries_elided: u64,
    /// Bytes of keys and values written.
    pub bytes_written: u64,
}

/// What handles and committer share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) pending_bytes: AtomicUsize,
    pub(super) pending_page_bytes: AtomicUsize,
    pub(super) stats: Counters,
    next_join_id: AtomicU64,
    pub(super) disk: DiskWatch,
}

/// What an entry of a page costs besides its bytes.
const ENTRY_BYTES: usize = 64;

/// What is sent to the committer.
pub(super) enum Input {
    Submit(Submission, usize),
    Load(Load),
    Look(Look),
    #[cfg(feature = "cluster")]
    Adopt(AdoptStep),
    /// The pager failed.
    Failed(Error),
    Close,
}

enum Target {
    Threads(Threads),
    Ephemeral(Ephemeral),
}

/// The ways to the threads of a store.
pub(super) struct Threads {
    pub(super) committer: Sender<Input>,
    pub(super) pager: Sender<Request>,
    pub(super) librarian: Sender<LogRequest>,
}

/// Submits to a store; clones share it.
#[derive(Clone)]
pub struct StoreHandle {
    target: Arc<Target>,
    shared: Arc<Shared>,
}

impl StoreHandle {
    /// A store that keeps nothing: confirms and `done` fire inside [`submit`](Self::submit), those of a join when
    /// its last part comes.
    #[must_use]
    pub fn ephemeral() -> Self {
        Self { target: Arc::new(Target::Ephemeral(Ephemeral::default())), shared: Arc::default() }
    }

    pub(super) fn new(threads: Threads, shared: Arc<Shared>) -> Self {
        Self { target: Arc::new(Target::Threads(threads)), shared }
    }

    /// Whether it keeps nothing.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        matches!(&*self.target, Target::Ephemeral(_))
    }

    /// Reads messages; never blocks. An ephemeral store has none and drops it.
    pub fn load(&self, load: Load) {
        let Target::Threads(Threads { committer, pager, .. }) = &*self.target else { return };
        // After the store has stopped, nobody waits for it.
        if load.stored {
            drop(committer.send(Input::Load(load)));
        } else {
            drop(pager.send(Request::Read { load, chunks: Vec::new() }));
        }
    }

    /// Looks at what is stored of queues, with all that was submitted before, as a start would; never blocks. An ephemeral store has
    /// nothing. It takes as long as at a start.
    pub fn look(&self, look: Look) {
        match &*self.target {
            // After the store has stopped, nobody waits for it.
            Target::Threads(threads) => drop(threads.committer.send(Input::Look(look))),
            Target::Ephemeral(_) => (look.done)(HashMap::new()),
        }
    }

    /// Takes in what comes of another store; never blocks. An ephemeral store takes nothing.
    #[cfg(feature = "cluster")]
    pub fn adopt(&self, step: AdoptStep) {
        match &*self.target {
            // After the store has stopped, nobody waits for it.
            Target::Threads(threads) => drop(threads.committer.send(Input::Adopt(step))),
            Target::Ephemeral(_) => (step.done)(Err("this store keeps nothing".to_owned())),
        }
    }

    /// Reads chunks of a stream; never blocks. An ephemeral store has none.
    pub fn read_log(&self, read: LogRead) {
        match &*self.target {
            // After the store has stopped, nobody waits for it.
            Target::Threads(threads) => drop(threads.librarian.send(LogRequest::Read(read))),
            Target::Ephemeral(_) => (read.done)(Ok(Vec::new())),
        }
    }

    /// Finds a place in a stream by its time; never blocks. An ephemeral store has no chunk there.
    pub fn find_log_time(&self, seek: LogSeek) {
        match &*self.target {
            Target::Threads(threads) => drop(threads.librarian.send(LogRequest::Seek(seek))),
            Target::Ephemeral(_) => (seek.done)(Ok(seek.next)),
        }
    }

    /// Writes a page of messages, by ascending positions; never blocks. It lasts until it is read or forgotten, at most
    /// as long as the process.
    pub fn write_page(&self, queue: QueueId, page: u64, entries: Vec<StoredMessage>) {
        let Target::Threads(Threads { pager, .. }) = &*self.target else { return };
        let cost = entries.iter().map(|entry| ENTRY_BYTES + entry.message.encoded_len()).sum();
        self.shared.pending_page_bytes.fetch_add(cost, Relaxed);
        if pager.send(Request::Write { queue, page, entries, cost }).is_err() {
            self.shared.pending_page_bytes.fetch_sub(cost, Relaxed);
        }
    }

    /// Forgets a page.
    pub fn forget_page(&self, queue: QueueId, page: u64) {
        self.ask_pager(Request::Forget { queue, page });
    }

    /// Forgets all pages of a queue.
    pub fn forget_pages(&self, queue: QueueId) {
        self.ask_pager(Request::ForgetAll { queue });
    }

    fn ask_pager(&self, request: Request) {
        if let Target::Threads(threads) = &*self.target {
            // After the store has stopped, all pages are as good as forgotten.
            drop(threads.pager.send(request));
        }
    }

    /// Bytes of pages that are not yet written.
    #[must_use]
    pub fn pending_page_bytes(&self) -> usize {
        self.shared.pending_page_bytes.load(Relaxed)
    }

    /// Hands a submission over; never blocks. After the store has stopped, it is dropped and nothing of it fires.
    pub fn submit(&self, submission: Submission) {
        match &*self.target {
            Target::Ephemeral(ephemeral) => ephemeral.submit(submission),
            Target::Threads(threads) => {
                let cost = submission.cost();
                self.shared.pending_bytes.fetch_add(cost, Relaxed);
                if threads.committer.send(Input::Submit(submission, cost)).is_err() {
                    self.shared.pending_bytes.fetch_sub(cost, Relaxed);
                }
            }
        }
    }

    /// Whether the disk is short of space. While it is, what was removed is given back at once, however little it is.
    pub fn set_short_of_disk(&self, is_short: bool) {
        self.shared.disk.set_short(is_short);
    }

    /// Whether it is: what the store saw itself, or was told last.
    #[must_use]
    pub fn is_short_of_disk(&self) -> bool {
        self.shared.disk.is_short()
    }

    /// With less than this left on the disk it is short of space; `None`: never.
    pub fn set_disk_limit(&self, limit: Option<u64>) {
        self.shared.disk.set_limit(limit);
    }

    /// What the store has yet to write to the disk, in bytes, beside what it is told from now on: of what is free, so much is taken.
    #[must_use]
    pub fn disk_owed(&self) -> u64 {
        self.shared.disk.owed()
    }

    /// Calls this whenever the store itself sees that the disk has become short of space, on a thread of the store: must be quick and
    /// not block. Only the first call has effect.
    pub fn when_short_of_disk(&self, tell: impl Fn() + Send + Sync + 'static) {
        self.shared.disk.tell_with(Box::new(tell));
    }

    /// Bytes submitted and not yet committed, without those held in incomplete joins: no commit makes these fewer.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.shared.pending_bytes.load(Relaxed)
    }

    /// A new id for a [`Join`](super::Join).
    #[must_use]
    pub fn next_join_id(&self) -> u64 {
        self.shared.next_join_id.fetch_add(1, Relaxed)
    }

    /// What the store has done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.shared.stats;
        Stats {
            commits: counters.commits.load(Relaxed),
            syncs: counters.syncs.load(Relaxed),
            entries_written: counters.entries_written.load(Relaxed),
            entries_elided: counters.entries_elided.load(Relaxed),
            bytes_written: counters.bytes_written.load(Relaxed),
        }
    }

    /// How long commits took, in microseconds, with the sync of those that were synced.
    #[must_use]
    pub fn commit_us(&self) -> Buckets {
        self.shared.stats.commit_us.read()
    }

    /// Ends the threads that read.
    pub(super) fn close_readers(&self) {
        self.ask_pager(Request::Close);
        if let Target::Threads(threads) = &*self.target {
            drop(threads.librarian.send(LogRequest::Close));
        }
    }

    pub(super) fn close(&self) {
        if let Target::Threads(threads) = &*self.target {
            // If nobody receives any more, the committer has ended already.
            drop(threads.committer.send(Input::Close));
        }
    }
}

impl std::fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreHandle").field("shared", &self.shared).finish_non_exhaustive()
    }
}
