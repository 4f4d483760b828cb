//! Messages a second through the committer, beside the limit of the disk: plain writes, each batch synced.
//!
//! Each batch is submitted when the one before is durable, and batches are removed 1,000 messages later. Batches of one
//! message show what a confirm waits for. Streams keep what they get, in chunks of one batch, and are read once from their begin to
//! their end.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use coney::message::{Message, Parts, Position, QueueId};
use coney::store::{
    LogAppend, LogCommitted, LogRead, LogSink, Op, OpenOptions, Store, StoreHandle, StoredMessage,
    Submission, open,
};
use coney::time::Timestamp;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_secs(3);
const REMOVED_BEHIND: u64 = 1000;

fn main() {
    let base = std::env::args().nth(1).filter(|arg| !arg.starts_with("--"));
    let dir = base.map_or_else(tempfile::tempdir, tempfile::tempdir_in).unwrap();
    println!(
        "{:>6} {:>6} {:>14} {:>14} {:>14} {:>14} {:>14}",
        "body", "batch", "raw msg/s", "store msg/s", "2 queues msg/s", "stream msg/s", "read msg/s"
    );
    for body in [100, 1024] {
        for batch in [100, 1000] {
            let raw = raw(&dir.path().join("raw"), body, batch);
            let one = store(&dir.path().join(format!("store-{body}-{batch}")), body, batch, 1);
            let two = store(&dir.path().join(format!("two-{body}-{batch}")), body, batch, 2);
            let (stream, read) = stream(&dir.path().join(format!("stream-{body}-{batch}")), body, batch);
            println!("{body:>6} {batch:>6} {raw:>14.0} {one:>14.0} {two:>14.0} {stream:>14.0} {read:>14.0}");
        }
    }
    let micros = |rate: f64| 1e6 / rate;
    let alone = micros(raw(&dir.path().join("raw"), 1024, 1));
    let durable = micros(store(&dir.path().join("one"), 1024, 1, 1));
    println!("one message of 1 KiB at a time: raw {alone:.0} us, store {durable:.0} us");
}

fn raw(path: &Path, body: usize, batch: u64) -> f64 {
    let mut file = File::create(path).unwrap();
    let bytes = vec![7_u8; (body + 20) * batch as usize];
    let rate = measure(batch, || {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    rate
}

fn open_in(dir: &Path) -> (Store, u64) {
    let options = OpenOptions {
        open_files_max: 900,
        clock: Box::new(Default::default),
        dir: dir.into(),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(|error| panic!("{error}")),
    };
    let (store, recovered) = open(options).unwrap();
    (store, recovered.next_position.0)
}

fn message(body: usize) -> Message {
    let body = vec![7; body];
    let parts = Parts {
        routing_key: b"bench",
        properties: &[0x10, 0, 2],
        body: &body,
        persistent: true,
        ..Parts::default()
    };
    Message::new(parts)
}

fn store(dir: &Path, body: usize, batch: u64, queues: u64) -> f64 {
    let (store, mut next) = open_in(dir);
    let (handle, message) = (store.handle(), message(body));
    let first = next;
    let rate = measure(batch, || {
        submit(&handle, &message, next..next + batch / queues, queues);
        for queue in 1..=queues {
            let positions = (next..next + batch / queues).map(|p| Position(p.saturating_sub(REMOVED_BEHIND)));
            let positions = positions.filter(|position| position.0 >= first).collect();
            handle.submit(Submission::of(Op::Remove { queue: QueueId(queue), positions }));
        }
        next += batch / queues;
    });
    store.shutdown().unwrap();
    rate
}

fn submit(handle: &StoreHandle, message: &Message, positions: std::ops::Range<u64>, queues: u64) {
    let (sender, durable) = channel();
    for queue in 1..=queues {
        let entry = |position| StoredMessage {
            position: Position(position),
            message: message.clone(),
            level: 0,
            expires_at: None,
            redelivered: false,
        };
        let entries = positions.clone().map(entry).collect();
        let sender = sender.clone();
        let append = Submission::of(Op::Append { queue: QueueId(queue), entries });
        handle.submit(append.with_done(move || sender.send(()).unwrap()));
    }
    for _ in 0..queues {
        durable.recv().unwrap();
    }
}

struct Untold;

impl LogSink for Untold {
    fn committed(&self, _: LogCommitted) {}
}

/// How many go into a stream, and how many come out of it, a second.
fn stream(dir: &Path, body: usize, batch: u64) -> (f64, f64) {
    const STREAM: QueueId = QueueId(1);
    let (store, _) = open_in(dir);
    let (handle, entries, sink) = (store.handle(), vec![message(body); batch as usize], Arc::new(Untold));
    let mut ticket = 0;
    let rate = measure(batch, || {
        ticket += 1;
        let append = LogAppend {
            stream: STREAM,
            at: Timestamp::from_millis(ticket),
            filter: Vec::new(),
            entries: entries.clone(),
            begins_segment: ticket % 100 == 0,
            ticket,
            sink: sink.clone(),
        };
        let (sender, durable) = channel();
        handle.submit(
            Submission::of(Op::AppendLog(append)).with_done(move || sender.send(()).unwrap_or_default()),
        );
        durable.recv().unwrap();
    });
    let (begun, mut from) = (Instant::now(), 0);
    loop {
        let (sender, read) = channel();
        let done = Box::new(move |read| drop(sender.send(read)));
        handle.read_log(LogRead { stream: STREAM, from, bytes_max: 256 * 1024, done });
        let chunks = read.recv().unwrap().unwrap();
        let Some(last) = chunks.last() else { break };
        from = last.first + last.entries.len() as u64;
    }
    let read = from as f64 / begun.elapsed().as_secs_f64();
    store.shutdown().unwrap();
    (rate, read)
}

fn measure(batch: u64, mut step: impl FnMut()) -> f64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < RUN {
        step();
        count += batch;
    }
    count as f64 / start.elapsed().as_secs_f64()
}
