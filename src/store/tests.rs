//! Tests of the store as a whole, on both engines; helpers for them.

mod bodies;
mod crash;
mod disk;
mod journal;
mod logs;
mod logs_model;
mod memory;
mod model;
mod parts;
mod ranges;
#[cfg(feature = "cluster")]
mod replicated;
mod rescue;
mod streams_keyspace;

use super::*;
use crate::message::runs::Runs;
use crate::message::{LogSegment, Message, Parts, Position, QueueId};
use crate::time::Timestamp;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

/// Opens the store on a memory disk; within [`replicated::over_a_log`] on a replicated engine.
fn open_manual(disk: MemoryDisk) -> Result<(StoreHandle, ManualCommitter, Recovered), Error> {
    #[cfg(feature = "cluster")]
    if let Some(opened) = replicated::open(&disk) {
        return opened;
    }
    super::open_manual(disk)
}

/// Whether what was committed survives any crash, because a log has it.
fn has_log() -> bool {
    #[cfg(feature = "cluster")]
    return replicated::is_on();
    #[cfg(not(feature = "cluster"))]
    return false;
}

fn message(body: &[u8]) -> Message {
    Message::new(Parts { exchange: b"e", routing_key: b"k", properties: &[0, 0], body, persistent: true })
}

fn entry(position: u64, body: &[u8]) -> StoredMessage {
    StoredMessage {
        position: Position(position),
        message: message(body),
        level: 0,
        expires_at: None,
        redelivered: false,
    }
}

fn append(queue: u64, positions: impl IntoIterator<Item = u64>) -> Op {
    let entries = positions.into_iter().map(|position| entry(position, &position.to_be_bytes())).collect();
    Op::Append { queue: QueueId(queue), entries }
}

fn append_message(queue: u64, positions: impl IntoIterator<Item = u64>, message: &Message) -> Op {
    let entry = |position| StoredMessage { message: message.clone(), ..entry(position, b"") };
    Op::Append { queue: QueueId(queue), entries: positions.into_iter().map(entry).collect() }
}

fn remove(queue: u64, positions: impl IntoIterator<Item = u64>) -> Op {
    Op::Remove { queue: QueueId(queue), positions: positions.into_iter().map(Position).collect() }
}

fn delivered(queue: u64, up_to: u64) -> Op {
    Op::Delivered { queue: QueueId(queue), up_to: Position(up_to) }
}

fn purge(queue: u64, before: u64, keep: impl IntoIterator<Item = u64>) -> Op {
    Op::Purge {
        queue: QueueId(queue),
        before: Position(before),
        keep: keep.into_iter().map(Position).collect(),
    }
}

fn joined(op: Op, id: u64, parts: u32) -> Submission {
    Submission { join: Some(Join { id, parts }), ..Submission::of(op) }
}

fn positions(recovered: &Recovered, queue: u64) -> Vec<u64> {
    let Some(queue) = recovered.queues.get(&QueueId(queue)) else { return Vec::new() };
    all_of(queue).iter().map(|position| position.0).collect()
}

fn all_of(queue: &RecoveredQueue) -> Runs {
    let mut all = Runs::default();
    queue.segments.iter().for_each(|segment| all.merge(&segment.positions));
    assert_eq!(all.len(), queue.segments.iter().map(|segment| segment.positions.len()).sum::<u64>());
    all
}

type Contents = BTreeMap<u64, Vec<StoredMessage>>;

/// Reads all messages that were found.
fn read_all(handle: &StoreHandle, recovered: &Recovered, mut pump: impl FnMut()) -> Contents {
    let (sender, receiver) = channel();
    for (queue, found) in &recovered.queues {
        let (sender, id, delivered) = (sender.clone(), queue.0, found.delivered);
        let segments = found.segments.clone();
        let done = move |messages: Result<Vec<StoredMessage>, Unreadable>| {
            let messages = messages.unwrap();
            let sum = |of: fn(&StoredMessage) -> usize| messages.iter().map(of).sum::<usize>() as u64;
            let (bodies, encoded) = (sum(|m| m.message.body().len()), sum(|m| m.message.encoded_len()));
            assert_eq!(segments.iter().map(|s| s.body_bytes).sum::<u64>(), bodies);
            assert_eq!(segments.iter().map(|s| s.encoded_bytes).sum::<u64>(), encoded);
            let mark = |m: StoredMessage| StoredMessage { redelivered: m.position <= delivered, ..m };
            sender.send((id, messages.into_iter().map(mark).collect())).unwrap();
        };
        let positions = all_of(found);
        handle.load(Load {
            queue: *queue,
            positions,
            stored: true,
            page: None,
            keeps_page: false,
            done: Box::new(done),
        });
    }
    drop(sender);
    pump();
    let read: Contents = receiver.iter().collect();
    for (queue, messages) in &read {
        assert_eq!(positions(recovered, *queue), messages.iter().map(|m| m.position.0).collect::<Vec<_>>());
    }
    read
}

fn read_manual(store: &mut (StoreHandle, ManualCommitter, Recovered)) -> Contents {
    let (handle, committer, recovered) = store;
    read_all(handle, recovered, || {
        committer.commit_pending();
    })
}

/// Remembers what was confirmed.
#[derive(Default)]
struct Sink(Mutex<Vec<(u16, u64, u64)>>);

impl Sink {
    fn taken(&self) -> Vec<(u16, u64, u64)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl ConfirmSink for Sink {
    fn confirmed(&self, channel: u16, first: u64, last: u64) {
        self.0.lock().unwrap().push((channel, first, last));
    }
}

fn confirm(sink: &Arc<Sink>, channel: u16, first: u64, last: u64) -> Confirm {
    let sink: Arc<dyn ConfirmSink> = sink.clone();
    Confirm { sink, channel, first, last }
}

fn open_dir(dir: &Path) -> Result<(Store, Recovered), Error> {
    open(OpenOptions {
        open_files_max: 64,
        clock: Box::new(Default::default),
        dir: dir.into(),
        on_commit: Box::new(|| ()),
        on_failure: Box::new(|error| panic!("the store failed: {error}")),
    })
}

/// Submits and waits until it is durable.
fn submit_and_wait(handle: &StoreHandle, submission: Submission) {
    let (sender, receiver) = channel();
    handle.submit(submission.with_done(move || sender.send(()).unwrap()));
    receiver.recv().unwrap();
}
