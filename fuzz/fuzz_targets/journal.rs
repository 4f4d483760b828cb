//! Journals that are damaged, and some that are whole on the outside: looked through, salvaged from, opened.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::channel;

use arbitrary::Arbitrary;
use coney::message::{Message, Parts, Position, QueueId};
use coney::store::{self, Op, OpenOptions, Store, StoredMessage, Submission, rescue};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

/// The keyspace of messages, and the key there of what numbers the commits.
const MESSAGES: u64 = 1;
const HEARTBEAT: u8 = 0;
/// What a batch ends with.
const TRAILER: &[u8] = b"FJL\x03";
/// An eighth of them.
const OPENED_BELOW: u8 = 32;
/// From a batch's begin to its sequence number, and to its commit number.
const SEQNO_AT: usize = 5;
const NUMBER_AT: usize = 35;

/// What becomes of the journal of a store.
#[derive(Arbitrary, Debug)]
struct Attack<'a> {
    /// The marker says what the journal must have; without it there is less to compare with.
    without_marker: bool,
    /// What follows the last batch that is kept.
    kept_batches: u8,
    batches: Vec<Batch<'a>>,
    patches: Vec<(u16, u8)>,
    cut: u16,
    /// Below [`OPENED_BELOW`] the directory is opened, too: that takes some ten milliseconds.
    opened: u8,
}

/// A batch with a checksum that is right.
#[derive(Arbitrary, Debug)]
struct Batch<'a> {
    seqno_step: u8,
    number_step: i8,
    synced_step: i8,
    items: Vec<Item<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Item<'a> {
    Put { space: u8, key: &'a [u8], value: &'a [u8] },
    /// What a value of ours may look like: the kind of the key, and a queue and position that are there.
    OurOwn { kind: u8, queue: u8, position: u8, value: &'a [u8] },
    Clear { space: u8 },
}

fuzz_target!(|attack: Attack<'_>| {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let victim = victim();
    copy(victim.dir.path(), dir.path());
    let mut journal = victim.journal(attack.kept_batches);
    let (mut seqno, mut number) = (journal.seqno, journal.number);
    for batch in &attack.batches {
        seqno += u64::from(batch.seqno_step);
        number = number.saturating_add_signed(i64::from(batch.number_step));
        batch.write(seqno, number, &mut journal.bytes);
    }
    for (at, bits) in &attack.patches {
        let len = journal.bytes.len().max(1);
        if let Some(byte) = journal.bytes.get_mut(usize::from(*at) % len) {
            *byte ^= bits;
        }
    }
    let kept = journal.bytes.len().saturating_sub(usize::from(attack.cut) % 64);
    std::fs::write(dir.path().join("0.jnl"), &journal.bytes[..kept]).unwrap();
    if attack.without_marker {
        let _ = std::fs::remove_file(dir.path().join("coney.store"));
    }
    let found = rescue::examine(dir.path()).unwrap();
    if attack.opened >= OPENED_BELOW {
        return;
    }
    match open(dir.path()) {
        Ok(store) => store.shutdown().unwrap(),
        Err(error) => assert!(!found.damage.is_empty(), "{error}, but nothing is damaged: {found:?}"),
    }
});

impl Batch<'_> {
    fn write(&self, seqno: u64, number: u64, out: &mut Vec<u8>) {
        let synced = number.saturating_add_signed(i64::from(self.synced_step));
        let mut items = Vec::new();
        put(&mut items, MESSAGES, &[HEARTBEAT], &[number.to_be_bytes(), synced.to_be_bytes()].concat());
        for item in &self.items {
            item.write(&mut items);
        }
        out.push(1);
        out.extend_from_slice(&(self.items.len() as u32 + 1).to_le_bytes());
        out.extend_from_slice(&seqno.to_le_bytes());
        out.extend_from_slice(&items);
        out.push(3);
        out.extend_from_slice(&xxh3_64(&items).to_le_bytes());
        out.extend_from_slice(TRAILER);
    }
}

impl Item<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put { space, key, value } => put(out, u64::from(*space % 4), key, value),
            Self::OurOwn { kind, queue, position, value } => {
                let mut key = vec![kind % 16];
                key.extend_from_slice(&u64::from(queue % 4).to_be_bytes());
                key.extend_from_slice(&u64::from(*position).to_be_bytes());
                put(out, MESSAGES, &key, value);
            }
            Self::Clear { space } => {
                out.push(4);
                out.extend_from_slice(&u64::from(*space % 4).to_le_bytes());
            }
        }
    }
}

/// Appends an item of a batch.
fn put(out: &mut Vec<u8>, keyspace: u64, key: &[u8], value: &[u8]) {
    out.extend_from_slice(&[2, 0, 0]);
    out.extend_from_slice(&keyspace.to_le_bytes());
    out.extend_from_slice(&(key.len() as u16).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// A store of some commits, which nobody uses.
struct Victim {
    dir: TempDir,
    /// Its journal, and where the batches in it end.
    journal: Vec<u8>,
    ends: Vec<usize>,
}

/// Whole batches, and the numbers of the last one.
struct Journal {
    bytes: Vec<u8>,
    seqno: u64,
    number: u64,
}

impl Victim {
    /// The first batches: all of them, or fewer.
    fn journal(&self, kept: u8) -> Journal {
        let kept = usize::from(kept) % (self.ends.len() + 1);
        let Some(last) = kept.checked_sub(1) else {
            return Journal { bytes: Vec::new(), seqno: 0, number: 0 };
        };
        let begin = last.checked_sub(1).map_or(0, |before| self.ends[before]);
        let bytes = self.journal[..self.ends[last]].to_vec();
        let word = |at: usize| bytes[begin + at..begin + at + 8].try_into().unwrap();
        let (seqno, number) = (u64::from_le_bytes(word(SEQNO_AT)), u64::from_be_bytes(word(NUMBER_AT)));
        Journal { bytes, seqno, number }
    }
}

fn victim() -> &'static Victim {
    static VICTIM: OnceLock<Victim> = OnceLock::new();
    VICTIM.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).unwrap();
        fill(&store);
        store.shutdown().unwrap();
        let path = dir.path().join("0.jnl");
        let mut journal = std::fs::read(&path).unwrap();
        let used = journal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        journal.truncate(used);
        // A copy need not have the room that is set aside.
        std::fs::write(&path, &journal).unwrap();
        let ends = journal.windows(TRAILER.len()).enumerate().filter(|(_, bytes)| *bytes == TRAILER);
        let ends = ends.map(|(at, _)| at + TRAILER.len()).collect();
        Victim { dir, journal, ends }
    })
}

/// Messages in two queues, one of them acked, and a definition.
fn fill(store: &Store) {
    for (queue, first) in [(1, 10), (2, 20), (1, 30)] {
        let entries = (first..first + 3).map(entry).collect();
        commit(store, Op::Append { queue: QueueId(queue), entries });
    }
    commit(store, Op::Remove { queue: QueueId(1), positions: vec![Position(11)] });
    commit(store, Op::PutDefinition { key: "definition".into(), value: b"value".to_vec() });
}

fn entry(position: u64) -> StoredMessage {
    let body = [position as u8; 20];
    let parts = Parts { exchange: b"e", routing_key: b"k", properties: &[0, 0], body: &body, persistent: true };
    let (position, message) = (Position(position), Message::new(parts));
    StoredMessage { position, message, level: 0, expires_at: None, redelivered: false }
}

/// Submits and waits until it is on the disk.
fn commit(store: &Store, op: Op) {
    let (sender, receiver) = channel();
    store.handle().submit(Submission::of(op).with_done(move || sender.send(()).unwrap()));
    receiver.recv().unwrap();
}

fn open(dir: &Path) -> Result<Store, store::Error> {
    let options = OpenOptions {
        dir: dir.into(),
        open_files_max: 64,
        clock: Box::new(Default::default),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(|_| ()),
    };
    store::open(options).map(|(store, _)| store)
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
