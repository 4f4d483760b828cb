//! What a long-lived stream takes on the disk beside a busy queue, and what is written for that: the queue alone, the stream alone, and
//! both in one store, which should be the sum of the two.
//!
//! `cargo bench --bench disk [-- NAME=NUMBER ...]`, all in MiB but for `quiet`: `queue`, what passes through the queue; `backlog`, what is in it
//! at any time; `stream`, what goes into the stream; `keep`, what is kept of that, and there may be several; `chunk`, in KiB, what one commit
//! puts into the stream; `quiet`, for how many seconds nothing happens then. The stream comes evenly while the queue is busy.
//!
//! Each run is a process of its own, because the system counts what a process writes. The quiet moments overlap with the next run.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing
)]

use coney::message::{Message, Parts, Position, QueueId};
use coney::store::{
    LogAppend, LogCommitted, LogSink, Op, OpenOptions, StoreHandle, StoredMessage, Submission, open,
};
use coney::time::Timestamp;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const QUEUE: QueueId = QueueId(1);
const STREAM: QueueId = QueueId(2);
const BODY_BYTES: u64 = 1024;
/// What one step puts into the queue.
const STEP_BYTES: u64 = 256 * 1024;
/// How often the directory is looked at.
const SAMPLED_STEPS: u64 = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument.contains('=')).collect();
    let plan = Plan::of(&arguments);
    match arguments.iter().find_map(|argument| argument.strip_prefix("run=")) {
        Some(dir) => run(&plan, Path::new(dir)),
        None => compare(&plan),
    }
}

/// What is to be done, in MiB.
#[derive(Clone, Debug)]
struct Plan {
    queue: u64,
    backlog: u64,
    stream: u64,
    keep: Vec<u64>,
    chunk_kib: u64,
    quiet_s: u64,
}

impl Plan {
    fn of(arguments: &[String]) -> Self {
        let numbers = |name: &str| {
            let named = arguments.iter().filter_map(|argument| argument.split_once('='));
            named
                .filter(|(of, _)| *of == name)
                .map(|(_, number)| number.parse().unwrap())
                .collect::<Vec<u64>>()
        };
        let number = |name, default| numbers(name).first().copied().unwrap_or(default);
        let keep = Some(numbers("keep")).filter(|keep| !keep.is_empty());
        Self {
            queue: number("queue", 1024),
            backlog: number("backlog", 48),
            stream: number("stream", 384),
            keep: keep.unwrap_or_else(|| vec![384, 40]),
            chunk_kib: number("chunk", 256),
            quiet_s: number("quiet", 40),
        }
    }

    fn arguments(&self) -> Vec<String> {
        let Self { queue, backlog, stream, keep, chunk_kib, quiet_s } = self;
        let keep = keep.iter().map(|keep| format!("keep={keep}"));
        let rest = [("queue", queue), ("backlog", backlog), ("stream", stream), ("chunk", chunk_kib)];
        let rest = rest.into_iter().chain([("quiet", quiet_s)]);
        keep.chain(rest.map(|(name, number)| format!("{name}={number}"))).collect()
    }
}

/// Runs all and prints what was found.
fn compare(plan: &Plan) {
    println!(
        "MiB: {} through a queue of {}, {} into a stream in chunks of {} KiB",
        plan.queue, plan.backlog, plan.stream, plan.chunk_kib
    );
    println!(
        "{:28} {:>8} {:>8} {:>9} {:>8} {:>8} {:>8}   after {} s of quiet: kept, written",
        "", "tables", "blobs", "journals", "in all", "most", "written", plan.quiet_s
    );
    let queue = Run::start("the queue alone", &Plan { stream: 0, ..plan.clone() });
    let streams = plan.keep.iter().map(|keep| {
        let both = Plan { keep: vec![*keep], ..plan.clone() };
        let stream = Run::start(&format!("a stream of {keep} alone"), &Plan { queue: 0, ..both.clone() });
        (stream, Run::start(&format!("both, the stream of {keep}"), &both))
    });
    let streams: Vec<_> = streams.collect();
    let queue = queue.finish();
    for (stream, both) in streams {
        let (stream, both) = (stream.finish(), both.finish());
        let whens = ["at the end", "after the quiet"].into_iter();
        for (((when, both), queue), stream) in whens.zip(&both).zip(&queue).zip(&stream) {
            let ratio = |what: fn(&Found) -> u64| what(both) as f64 / (what(queue) + what(stream)) as f64;
            println!(
                "both / sum of each alone, {when}: kept {:.2}, in all {:.2}, written {:.2}",
                ratio(Found::kept),
                ratio(Found::all),
                ratio(|found| found.written)
            );
        }
    }
}

/// A run in a process of its own, which has done its work, and is quiet now.
struct Run {
    name: String,
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    end: Found,
    _dir: tempfile::TempDir,
}

impl Run {
    fn start(name: &str, plan: &Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(plan.arguments()).arg(format!("run={}", dir.path().display()));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let end = Found::read(&mut out);
        Self { name: name.into(), child, out, end, _dir: dir }
    }

    /// What there was at the end, and after the quiet moment.
    fn finish(mut self) -> [Found; 2] {
        let quiet = Found::read(&mut self.out);
        assert!(self.child.wait().unwrap().success(), "{}", self.name);
        let Found { tables, blobs, journals, most, written } = self.end;
        println!(
            "{:28} {tables:8} {blobs:8} {journals:9} {:8} {most:8} {written:8}   {} {}",
            self.name,
            self.end.all(),
            quiet.kept(),
            quiet.written
        );
        [self.end, quiet]
    }
}

/// What is in the directory and what was written, in MiB.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    tables: u64,
    blobs: u64,
    journals: u64,
    most: u64,
    written: u64,
}

impl Found {
    fn kept(&self) -> u64 {
        self.tables + self.blobs
    }

    fn all(&self) -> u64 {
        self.kept() + self.journals
    }

    fn look(dir: &Path, most: u64) -> Self {
        let (mut tables, mut blobs, mut journals) = (0, 0, 0);
        for (path, bytes) in files(dir) {
            if path.contains("/blobs/") {
                blobs += bytes;
            } else if path.ends_with(".jnl") {
                journals += bytes;
            } else if !path.ends_with("reserve") {
                tables += bytes;
            }
        }
        let [tables, blobs, journals] = [tables, blobs, journals].map(|bytes| bytes / MIB);
        let all = tables + blobs + journals;
        Self { tables, blobs, journals, most: most.max(all), written: written() / MIB }
    }

    fn tell(&self) {
        let Self { tables, blobs, journals, most, written } = self;
        println!("{tables} {blobs} {journals} {most} {written}");
    }

    fn read(from: &mut impl BufRead) -> Self {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap());
        let mut next = || numbers.next().unwrap();
        Self { tables: next(), blobs: next(), journals: next(), most: next(), written: next() }
    }
}

/// All files in a directory and what they take of the disk, in bytes.
fn files(dir: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => found.extend(files(&path)),
            Ok(metadata) => found.push((path.display().to_string(), on_disk(&metadata))),
            // It is gone already.
            Err(_) => {}
        }
    }
    found
}

/// Journals are longer than what is in them.
#[cfg(unix)]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn on_disk(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

/// What this process has written to the disk; 0 where the system does not say.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.map_or(0, |bytes| bytes.parse().unwrap())
}

/// Does the work, says what there is, keeps quiet, and says it again.
fn run(plan: &Plan, dir: &Path) {
    let options = OpenOptions {
        open_files_max: 900,
        clock: Box::new(Default::default),
        dir: dir.into(),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(|error| panic!("{error}")),
    };
    let (store, recovered) = open(options).unwrap();
    let mut work = Work {
        handle: store.handle(),
        next: recovered.next_position.0,
        first: recovered.next_position.0,
        kept: plan.backlog * MIB / BODY_BYTES,
        stream: Stream::new(plan),
    };
    let steps = plan.queue.max(plan.stream) * MIB / STEP_BYTES;
    let chunks = plan.stream * MIB / (plan.chunk_kib * 1024);
    let (mut appended, mut most) = (0, 0);
    for step in 0..steps {
        let due = chunks * (step + 1) / steps;
        work.step(plan.queue > 0, due - appended);
        appended = due;
        if step % SAMPLED_STEPS == 0 {
            most = Found::look(dir, most).most;
        }
    }
    Found::look(dir, most).tell();
    std::thread::sleep(Duration::from_secs(plan.quiet_s));
    Found::look(dir, most).tell();
    store.shutdown().unwrap();
}

struct Work {
    handle: StoreHandle,
    first: u64,
    next: u64,
    /// So many messages are in the queue.
    kept: u64,
    stream: Stream,
}

impl Work {
    /// Puts in the next messages and takes the oldest out; all of it is durable before the next step.
    fn step(&mut self, is_queue_busy: bool, chunks: u64) {
        let (sender, durable) = channel();
        let mut waits = 0;
        let mut submit = |op| {
            waits += 1;
            let sender = sender.clone();
            self.handle.submit(Submission::of(op).with_done(move || sender.send(()).unwrap()));
        };
        if is_queue_busy {
            let positions = self.next..self.next + STEP_BYTES / BODY_BYTES;
            self.next = positions.end;
            submit(append(positions.clone()));
            let gone = positions.map(|position| position.saturating_sub(self.kept));
            let positions = gone.filter(|position| *position >= self.first).map(Position).collect();
            self.handle.submit(Submission::of(Op::Remove { queue: QUEUE, positions }));
        }
        for _ in 0..chunks {
            submit(self.stream.append());
        }
        (0..waits).for_each(|_| durable.recv().unwrap());
        if let Some(before) = self.stream.take_trim() {
            self.handle.submit(Submission::of(Op::TrimLog { stream: STREAM, before }));
        }
    }
}

fn append(positions: std::ops::Range<u64>) -> Op {
    let message = message();
    let entry = |position| StoredMessage {
        position: Position(position),
        message: message.clone(),
        level: 0,
        expires_at: None,
        redelivered: false,
    };
    Op::Append { queue: QUEUE, entries: positions.map(entry).collect() }
}

/// Its segments and retention are what a stream's are (`stream/machine/retaining.rs`).
struct Stream {
    keep: u64,
    segment_bytes: u64,
    entries: Vec<Message>,
    chunk_bytes: u64,
    open_bytes: u64,
    ticket: u64,
    sealed: Arc<Sealed>,
}

/// Segments that have ended.
#[derive(Default)]
struct Sealed(Mutex<Segments>);

#[derive(Default)]
struct Segments {
    /// The chunk that began the next one, and the bytes of the one before.
    ending: VecDeque<(u64, u64)>,
    /// Bytes, and the offset behind the last.
    sealed: VecDeque<(u64, u64)>,
}

impl LogSink for Sealed {
    fn committed(&self, LogCommitted { ticket, first }: LogCommitted) {
        let mut segments = self.0.lock().unwrap();
        if let Some((_, bytes)) = segments.ending.front().copied().filter(|(begins, _)| *begins == ticket) {
            segments.ending.pop_front();
            segments.sealed.push_back((bytes, first));
        }
    }
}

impl Stream {
    fn new(plan: &Plan) -> Self {
        let keep = plan.keep.first().copied().unwrap_or(0) * MIB;
        let chunk_bytes = plan.chunk_kib * 1024;
        Self {
            keep,
            segment_bytes: (keep / 8).clamp(MIB, 64 * MIB),
            entries: vec![message(); (chunk_bytes / BODY_BYTES).max(1) as usize],
            chunk_bytes,
            open_bytes: 0,
            ticket: 0,
            sealed: Arc::default(),
        }
    }

    fn append(&mut self) -> Op {
        self.ticket += 1;
        let begins_segment = self.open_bytes >= self.segment_bytes;
        if begins_segment {
            self.sealed.0.lock().unwrap().ending.push_back((self.ticket, self.open_bytes));
            self.open_bytes = 0;
        }
        self.open_bytes += self.chunk_bytes;
        Op::AppendLog(LogAppend {
            stream: STREAM,
            at: Timestamp::from_millis(self.ticket),
            filter: Vec::new(),
            entries: self.entries.clone(),
            begins_segment,
            ticket: self.ticket,
            sink: self.sealed.clone(),
        })
    }

    /// Where it begins from now on, if something is too much.
    fn take_trim(&self) -> Option<u64> {
        let sealed = &mut self.sealed.0.lock().unwrap().sealed;
        let mut bytes = self.open_bytes + sealed.iter().map(|(bytes, _)| bytes).sum::<u64>();
        let mut before = None;
        while bytes > self.keep
            && let Some((oldest, next)) = sealed.pop_front()
        {
            bytes -= oldest;
            before = Some(next);
        }
        before
    }
}

fn message() -> Message {
    let body = vec![7; BODY_BYTES as usize];
    let parts = Parts {
        routing_key: b"bench",
        properties: &[0x10, 0, 2],
        body: &body,
        persistent: true,
        ..Parts::default()
    };
    Message::new(parts)
}
