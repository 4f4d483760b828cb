//! stub
#![allow(missing_docs, unused)]
use crate::message::{Message, Position, QueueId};
use crate::time::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};
#[derive(Clone, Debug)]
pub struct StoredMessage {
    pub position: Position,
    pub message: Message,
    pub expires_at: Option<Timestamp>,
    pub redelivered: bool,
}
#[derive(Clone, Debug)]
pub enum Op {
    Append { queue: QueueId, entries: Vec<StoredMessage> },
    Remove { queue: QueueId, positions: Vec<Position> },
    Delivered { queue: QueueId, up_to: Position },
    Purge { queue: QueueId, before: Position, keep: Vec<Position> },
    DeleteQueue { queue: QueueId },
    PutDefinition { key: String, value: Vec<u8> },
    RemoveDefinition { key: String },
}
#[derive(Clone, Copy, Debug)]
pub struct Join {
    pub id: u64,
    pub parts: u32,
}
pub trait ConfirmSink: Send + Sync {
    fn confirmed(&self, channel: u16, first: u64, last: u64);
}
pub struct Confirm {
    pub sink: Arc<dyn ConfirmSink>,
    pub channel: u16,
    pub first: u64,
    pub last: u64,
}
#[derive(Default)]
pub struct Submission {
    pub ops: Vec<Op>,
    pub join: Option<Join>,
    pub confirms: Vec<Confirm>,
    pub done: Option<Box<dyn FnOnce() + Send>>,
}
#[derive(Clone, Default)]
pub struct StoreHandle {
    joins: Arc<Mutex<HashMap<u64, (u32, Vec<Submission>)>>>,
    next: Arc<AtomicU64>,
}
impl std::fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreHandle")
    }
}
fn fire(s: Submission) {
    for c in s.confirms {
        c.sink.confirmed(c.channel, c.first, c.last);
    }
    if let Some(d) = s.done {
        d();
    }
}
impl StoreHandle {
    pub fn submit(&self, s: Submission) {
        if let Some(j) = s.join {
            let mut m = self.joins.lock().unwrap_or_else(|e| e.into_inner());
            let e = m.entry(j.id).or_default();
            e.0 += 1;
            e.1.push(s);
            if e.0 == j.parts {
                let all = m.remove(&j.id).map(|x| x.1).unwrap_or_default();
                drop(m);
                all.into_iter().for_each(fire);
            }
        } else {
            fire(s)
        }
    }
    pub fn pending_bytes(&self) -> usize {
        0
    }
    pub fn next_join_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
    pub fn ephemeral() -> Self {
        Self::default()
    }
}
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    pub definitions: BTreeMap<String, Vec<u8>>,
    pub queues: HashMap<QueueId, RecoveredQueue>,
    pub first_queue_id: u64,
    pub next_position: Position,
    pub healed: Option<String>,
}
#[derive(Clone, Debug)]
pub struct RecoveredQueue {
    pub messages: Vec<StoredMessage>,
    pub next_position: Position,
}
pub struct OpenOptions {
    pub dir: PathBuf,
    pub on_commit: Box<dyn Fn() + Send>,
    pub on_failure: Box<dyn FnOnce(Error) + Send>,
}
pub fn open(options: OpenOptions) -> Result<(Store, Recovered), Error> {
    Ok((Store, Recovered { first_queue_id: 1, next_position: Position(1), ..Recovered::default() }))
}
#[derive(Debug)]
pub struct Store;
impl Store {
    pub fn handle(&self) -> StoreHandle {
        StoreHandle::default()
    }
    pub fn shutdown(self) -> Result<(), Error> {
        Ok(())
    }
}
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Closed(String),
}
