//! Tests of the store as a whole, on both engines; helpers for them.

mod crash;
mod disk;
mod journal;
mod memory;
mod model;
mod parts;

use super::*;
use crate::message::Parts;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel;

fn message(body: &[u8]) -> Message {
    Message::new(Parts { exchange: b"e", routing_key: b"k", properties: &[0, 0], body, persistent: true })
}

fn entry(position: u64, body: &[u8]) -> StoredMessage {
    StoredMessage {
        position: Position(position),
        message: message(body),
        expires_at: None,
        redelivered: false,
    }
}

fn append(queue: u64, positions: impl IntoIterator<Item = u64>) -> Op {
    let entries = positions.into_iter().map(|position| entry(position, &position.to_be_bytes())).collect();
    Op::Append { queue: QueueId(queue), entries }
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
    let queue = recovered.queues.get(&QueueId(queue));
    queue.map(|q| q.messages.iter().map(|m| m.position.0).collect()).unwrap_or_default()
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
