//! Stores to be damaged, and what has to be in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};

use coney::message::runs::Runs;
use coney::message::{Message, Parts, Position, QueueId};
use coney::store::{
    self, Load, LogAppend, LogCommitted, LogRead, LogSink, Op, OpenOptions, Recovered, RecoveredLog, Store,
    StoreHandle, StoredMessage, Submission, Unreadable,
};
use coney::time::Timestamp;
use tempfile::TempDir;

/// The length of a journal that is open.
const JOURNAL_ROOM: u64 = 64 << 20;
const QUEUES: u64 = 3;
const STREAM: u64 = 50;

/// Positions by queue, and offsets of the stream.
pub type Contents = BTreeMap<u64, Vec<u64>>;

/// A store that nobody uses.
pub struct Victim {
    pub name: &'static str,
    dir: Place,
    /// What was confirmed and not acked.
    pub live: Contents,
    /// What was acked, and that was synced.
    pub acked: Contents,
    /// Whether it was closed, and not copied while it was open.
    pub closed: bool,
}

enum Place {
    Own(TempDir),
    Shared(PathBuf),
}

impl Victim {
    pub fn dir(&self) -> &Path {
        match &self.dir {
            Place::Own(dir) => dir.path(),
            Place::Shared(dir) => dir,
        }
    }
}

pub struct OpenStore {
    pub store: Store,
    pub recovered: Recovered,
    pub failures: std::sync::mpsc::Receiver<store::Error>,
}

pub fn open(dir: &Path) -> Result<OpenStore, store::Error> {
    let (failure, failures) = channel();
    let options = OpenOptions {
        dir: dir.into(),
        open_files_max: 64,
        clock: Box::new(Default::default),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(move |error| drop(failure.send(error))),
    };
    let (store, recovered) = store::open(options)?;
    Ok(OpenStore { store, recovered, failures })
}

fn entry(position: u64, bytes: usize) -> StoredMessage {
    let body = vec![position as u8; bytes];
    let parts =
        Parts { exchange: b"e", routing_key: b"k", properties: &[0, 0], body: &body, persistent: true };
    let (position, message) = (Position(position), Message::new(parts));
    StoredMessage { position, message, level: 0, expires_at: None, redelivered: false }
}

fn append(queue: u64, positions: impl IntoIterator<Item = u64>, bytes: usize) -> Op {
    let entries = positions.into_iter().map(|position| entry(position, bytes)).collect();
    Op::Append { queue: QueueId(queue), entries }
}

/// Needs not be told of offsets: nobody else appends.
struct Untold;

impl LogSink for Untold {
    fn committed(&self, _: LogCommitted) {}
}

/// A chunk that begins a segment.
fn append_log(ticket: u64, count: u64, bytes: usize) -> Op {
    Op::AppendLog(LogAppend {
        stream: QueueId(STREAM),
        at: Timestamp::from_millis(ticket),
        filter: vec![1, 2, 3],
        entries: (0..count).map(|number| entry(number, bytes).message).collect(),
        begins_segment: true,
        ticket,
        sink: Arc::new(Untold),
    })
}

/// Submits and waits until it is on the disk; whether it ever was.
pub fn commit(handle: &StoreHandle, op: Op) -> bool {
    let (sender, receiver) = channel();
    handle.submit(Submission::of(op).with_done(move || sender.send(()).unwrap_or_default()));
    receiver.recv().is_ok()
}

/// Messages of all sizes in several queues, some of them acked; one commit each, as a slow publisher makes them.
struct Filler {
    handle: StoreHandle,
    next: u64,
    live: Contents,
    acked: Contents,
}

impl Filler {
    fn new(open: &OpenStore) -> Self {
        let (handle, next) = (open.store.handle(), open.recovered.next_position.0);
        Self { handle, next, live: Contents::new(), acked: Contents::new() }
    }

    fn positions(&mut self, count: u64) -> Vec<u64> {
        self.next += count;
        (self.next - count..self.next).collect()
    }

    /// Three messages per queue, the middle one acked, and three of the stream, in a segment of their own.
    fn round(&mut self, bytes: usize) {
        for queue in 1..=QUEUES {
            let positions = self.positions(3);
            assert!(commit(&self.handle, append(queue, positions.iter().copied(), bytes)));
            let acked = positions[1];
            self.handle.submit(Submission::of(Op::Remove {
                queue: QueueId(queue),
                positions: vec![Position(acked)],
            }));
            self.acked.entry(queue).or_default().push(acked);
            self.live.entry(queue).or_default().extend([positions[0], positions[2]]);
        }
        assert!(commit(&self.handle, append_log(self.next, 3, bytes)));
        let offsets = self.live.entry(STREAM).or_default();
        let next = offsets.last().map_or(0, |last| last + 1);
        offsets.extend(next..next + 3);
        // Synced, and the removals before it with it.
        let value = self.next.to_be_bytes().to_vec();
        assert!(commit(&self.handle, Op::PutDefinition { key: "definition".into(), value }));
    }

    /// Passes so much through a queue that fjall flushes, and begins this journal.
    fn fill_journals_up_to(&mut self, journal: &Path) {
        const BYTES: usize = 256 << 10;
        while !journal.exists() {
            let [position] = self.positions(1)[..] else { unreachable!() };
            assert!(commit(&self.handle, append(99, [position], BYTES)));
            let remove = Op::Remove { queue: QueueId(99), positions: vec![Position(position)] };
            self.handle.submit(Submission::of(remove));
        }
    }
}

/// All in one journal.
pub fn small(closed: bool) -> Victim {
    let (living, dead) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = open(living.path()).unwrap();
    let mut filler = Filler::new(&open);
    [10, 100, 3000].into_iter().for_each(|bytes| filler.round(bytes));
    let Filler { live, acked, .. } = filler;
    let (name, dir) = if closed {
        open.store.shutdown().unwrap();
        ("one journal, closed", living)
    } else {
        copy(living.path(), dead.path());
        ("one journal, killed", dead)
    };
    Victim { name, dir: Place::Own(dir), live, acked, closed }
}

/// Tables, blob files and a journal that is not the first. Made once: it takes seconds.
pub fn flushed() -> &'static Victim {
    static VICTIM: OnceLock<Victim> = OnceLock::new();
    VICTIM.get_or_init(make_flushed)
}

fn make_flushed() -> Victim {
    // Nothing removes what a static holds: it lies where the next run finds and replaces it.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attack-flushed");
    let _ = fs::remove_dir_all(&dir);
    let mut open_store = open(&dir).unwrap();
    let mut filler = Filler::new(&open_store);
    [10, 100, 3000].into_iter().for_each(|bytes| filler.round(bytes));
    filler.fill_journals_up_to(&dir.join("1.jnl"));
    let (live, acked) = (filler.live, filler.acked);
    open_store.store.shutdown().unwrap();
    open_store = open(&dir).unwrap();
    // Opening flushes what is left of the first journal, and lets it go.
    while dir.join("0.jnl").exists() {
        std::thread::yield_now();
    }
    let mut filler = Filler { live, acked, ..Filler::new(&open_store) };
    [10, 3000].into_iter().for_each(|bytes| filler.round(bytes));
    let Filler { live, acked, .. } = filler;
    open_store.store.shutdown().unwrap();
    Victim { name: "tables, closed", dir: Place::Shared(dir), live, acked, closed: true }
}

/// Two journals, the most that stay when all is closed: a third makes fjall flush what the first is there for.
pub fn many_journals() -> Victim {
    let dir = tempfile::tempdir().unwrap();
    let open = open(dir.path()).unwrap();
    let mut filler = Filler::new(&open);
    filler.round(10);
    filler.fill_journals_up_to(&dir.path().join("1.jnl"));
    [2000, 100].into_iter().for_each(|bytes| filler.round(bytes));
    let Filler { live, acked, .. } = filler;
    open.store.shutdown().unwrap();
    Victim { name: "many journals, closed", dir: Place::Own(dir), live, acked, closed: true }
}

/// What a store has; a queue that cannot be read with the reason.
pub fn contents(open: &OpenStore) -> (Contents, Vec<String>) {
    let (sender, receiver) = channel();
    let (mut contents, mut unreadable) = (Contents::new(), Vec::new());
    for (queue, found) in &open.recovered.queues {
        if let Some(log) = &found.log {
            match offsets(&open.store.handle(), *queue, log) {
                Ok(offsets) => drop(contents.insert(queue.0, offsets)),
                Err(why) => unreadable.push(why.0),
            }
            continue;
        }
        let (sender, id) = (sender.clone(), queue.0);
        let mut positions = Runs::default();
        found.segments.iter().for_each(|segment| positions.merge(&segment.positions));
        open.store.handle().load(Load {
            queue: *queue,
            positions,
            stored: true,
            page: None,
            keeps_page: false,
            done: Box::new(move |read| drop(sender.send((id, read)))),
        });
    }
    drop(sender);
    for (queue, read) in receiver {
        match read {
            Ok(messages) => {
                contents.insert(queue, messages.iter().map(|message| message.position.0).collect());
            }
            Err(why) => unreadable.push(why.0),
        }
    }
    (contents, unreadable)
}

/// What can be read of a stream.
fn offsets(handle: &StoreHandle, stream: QueueId, log: &RecoveredLog) -> Result<Vec<u64>, Unreadable> {
    let mut from = log.sealed.first().unwrap_or(&log.open).first;
    let mut offsets = Vec::new();
    loop {
        let (sender, receiver) = channel();
        let done = Box::new(move |read| drop(sender.send(read)));
        handle.read_log(LogRead { stream, from, bytes_max: 4000, done });
        let chunks = receiver.recv().unwrap()?;
        let Some(last) = chunks.last() else { return Ok(offsets) };
        from = last.first + last.entries.len() as u64;
        offsets.extend(chunks.iter().flat_map(|chunk| (chunk.first..).take(chunk.entries.len())));
    }
}

/// A copy of a victim, to be damaged. In memory if it is small and there is such a place: each of hundreds is synced ten times.
pub fn copy_of(victim: &Victim) -> TempDir {
    const SMALL_BYTES: u64 = 16 << 20;
    let bytes = |path: PathBuf| used(&fs::read(path).unwrap()) as u64;
    let is_small = files(victim.dir()).into_iter().map(bytes).sum::<u64>() < SMALL_BYTES;
    let in_memory = Some("/dev/shm").filter(|_| is_small).and_then(|place| tempfile::tempdir_in(place).ok());
    let target = in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap());
    copy(victim.dir(), target.path());
    target
}

/// A copy; of the room that fjall has set aside at the end of a journal only some.
fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            copy_file(&entry.path(), &target);
        }
    }
}

fn copy_file(from: &Path, to: &Path) {
    if fs::metadata(from).unwrap().len() < JOURNAL_ROOM {
        fs::copy(from, to).unwrap();
        return;
    }
    let mut bytes = fs::read(from).unwrap();
    bytes.truncate(used(&bytes) + 4096);
    fs::write(to, bytes).unwrap();
}

/// Bytes that are not a tail of zeros.
pub fn used(bytes: &[u8]) -> usize {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut end = bytes.len();
    while bytes[..end].ends_with(&ZEROS) {
        end -= ZEROS.len();
    }
    bytes[..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

/// All files below a directory, in a fixed order.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
