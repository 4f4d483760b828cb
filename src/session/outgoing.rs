//! What a session has for queues, gathered over one socket read, so that each queue gets one mailbox message.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::dedup::DedupKeys;
use crate::message::{FinishedBlock, Message, MessageBlock, Parts, QueueId, Slot};
use crate::queue::{Command, ConnectionId, DedupPublish, Handle, Publish, Settlement};

/// A message that is routed but whose block is not closed yet.
#[derive(Clone, Debug)]
enum Pending {
    Slot(Slot),
    Message(Message),
}

/// A routed message with what its queues need to know of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Envelope {
    /// The publisher's channel.
    pub channel: u16,
    /// Its sequence number there, or 0.
    pub sequence: u64,
    /// Its own TTL in milliseconds.
    pub ttl_ms: Option<u64>,
    /// Its priority.
    pub priority: u8,
}

impl Envelope {
    /// The message as its queues take it.
    #[must_use]
    pub const fn publish(self, message: Message) -> Publish {
        Publish {
            message,
            channel: self.channel,
            sequence: self.sequence,
            ttl_ms: self.ttl_ms,
            priority: self.priority,
        }
    }
}

/// The bytes of a message to be published: to be copied to the block, or complete already.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// Small and whole in the read buffer.
    Borrowed(Parts<'a>),
    /// Assembled from several frames.
    Owned(Message),
}

/// A message for a direct reply-to consumer.
#[derive(Debug)]
pub struct DirectReply {
    /// The connection that waits for it.
    pub connection: ConnectionId,
    /// The number of its consumer there.
    pub consumer: u32,
    /// The secret in the address: it proves that the connection gave the address out.
    pub secret: u64,
    /// The reply.
    pub message: Message,
}

#[derive(Debug)]
struct QueueBatch {
    queue: QueueId,
    publishes: Vec<(Pending, Envelope)>,
    /// The deduplication keys of the publishes: one for each, or none at all.
    dedup_keys: Vec<Arc<DedupKeys>>,
    settles: Vec<(Settlement, Vec<Handle>)>,
}

impl QueueBatch {
    const fn new(queue: QueueId) -> Self {
        Self { queue, publishes: Vec::new(), dedup_keys: Vec::new(), settles: Vec::new() }
    }
}

/// Clients that ack one by one seldom ack one alone.
const HANDLES_EXPECTED: usize = 32;

/// Above so many batches a queue's is found by an index; below, a scan is as fast.
const SCANNED_MAX: usize = 16;

/// Work for queues, in order for each.
#[derive(Debug, Default)]
pub struct Outgoing {
    block: MessageBlock,
    batches: Vec<QueueBatch>,
    /// Commands that come after all publishes and settlements.
    commands: Vec<(QueueId, Command)>,
    direct: Vec<DirectReply>,
    /// Requests to the broker by the test exchange.
    requests: Vec<Message>,
    /// The last batch of each queue, once there are more than [`SCANNED_MAX`].
    places: HashMap<QueueId, usize, FixedState>,
    /// Where the last message went: nearly always where the next one goes.
    last: usize,
}

impl Outgoing {
    /// Whether there is nothing to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.batches.is_empty()
            && self.commands.is_empty()
            && self.direct.is_empty()
            && self.requests.is_empty()
    }

    /// Adds a message for each of its queues.
    pub fn publish(&mut self, queues: &[QueueId], content: Content<'_>, envelope: Envelope) {
        let pending = self.pending(content, queues);
        self.spread(queues, pending, envelope);
    }

    /// So many messages to these queues may follow, of so many bytes together: makes room for them at once.
    pub fn expect(&mut self, queues: &[QueueId], messages: usize, bytes: usize) {
        if messages > 1
            && let [queue] = queues
        {
            self.plain_batch(*queue).publishes.reserve(messages);
            self.block.expect(bytes);
        }
    }

    /// The same of a message whose head is encoded already.
    #[inline]
    pub fn publish_known(
        &mut self,
        queues: &[QueueId],
        head: &[u8],
        body: &[u8],
        persistent: bool,
        envelope: Envelope,
    ) {
        let slot = self.block.push_encoded(head, body, persistent).for_queues(queues.len());
        self.spread(queues, Pending::Slot(slot), envelope);
    }

    #[inline]
    fn spread(&mut self, queues: &[QueueId], pending: Pending, envelope: Envelope) {
        let Some((last, others)) = queues.split_last() else { return };
        for queue in others {
            self.plain_batch(*queue).publishes.push((pending.clone(), envelope));
        }
        self.plain_batch(*last).publishes.push((pending, envelope));
    }

    /// Adds a message with deduplication keys for each of its queues.
    pub fn publish_dedup(
        &mut self,
        queues: &[QueueId],
        content: Content<'_>,
        envelope: Envelope,
        keys: &Arc<DedupKeys>,
    ) {
        let pending = self.pending(content, queues);
        for queue in queues {
            let batch = self.dedup_batch(*queue);
            batch.publishes.push((pending.clone(), envelope));
            batch.dedup_keys.push(Arc::clone(keys));
        }
    }

    fn pending(&mut self, content: Content<'_>, queues: &[QueueId]) -> Pending {
        match content {
            Content::Borrowed(parts) => Pending::Slot(self.block.push(parts).for_queues(queues.len())),
            Content::Owned(message) => Pending::Message(message.for_queues(queues.len())),
        }
    }

    /// Adds a settled message.
    pub fn settle(&mut self, queue: QueueId, verb: Settlement, handle: Handle) {
        let settles = &mut self.batch(queue).settles;
        match settles.last_mut() {
            Some((last, handles)) if *last == verb => handles.push(handle),
            _ => {
                let mut handles = Vec::with_capacity(HANDLES_EXPECTED);
                handles.push(handle);
                settles.push((verb, handles));
            }
        }
    }

    /// Adds a command that comes after all publishes and settlements.
    pub fn command(&mut self, queue: QueueId, command: Command) {
        self.commands.push((queue, command));
    }

    /// Adds a direct reply.
    pub fn direct(&mut self, reply: DirectReply) {
        self.direct.push(reply);
    }

    /// Takes the direct replies.
    pub fn take_direct(&mut self) -> Vec<DirectReply> {
        std::mem::take(&mut self.direct)
    }

    /// Adds a request to the broker.
    pub fn request(&mut self, message: Message) {
        self.requests.push(message);
    }

    /// Takes the requests to the broker.
    pub fn take_requests(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.requests)
    }

    /// Takes everything for queues, in the order in which each queue is to get it, as commands of this connection.
    pub fn take(&mut self, connection: ConnectionId) -> Vec<(QueueId, Command)> {
        let block = std::mem::take(&mut self.block).finish();
        let mut commands = Vec::with_capacity(self.batches.len() + self.commands.len());
        if !self.places.is_empty() {
            self.places = HashMap::default();
        }
        for batch in self.batches.drain(..) {
            let settles = batch.settles.into_iter().map(|(verb, handles)| Command::Settle(verb, handles));
            commands.extend(settles.map(|command| (batch.queue, command)));
            if batch.publishes.is_empty() {
                continue;
            }
            let publishes = closed(batch.publishes, &block);
            let command = if batch.dedup_keys.is_empty() {
                Command::Publish(connection, publishes)
            } else {
                let pairs = publishes.into_iter().zip(batch.dedup_keys);
                let publishes = pairs.map(|(publish, keys)| DedupPublish { publish, keys }).collect();
                Command::PublishDedup(connection, publishes)
            };
            commands.push((batch.queue, command));
        }
        commands.append(&mut self.commands);
        commands
    }

    /// The queue's batch of messages without keys; a new one if its last batch has keys, so that messages keep their order.
    #[inline]
    fn plain_batch(&mut self, queue: QueueId) -> &mut QueueBatch {
        if !self.batch(queue).dedup_keys.is_empty() {
            self.begin_batch(queue);
        }
        self.last_batch()
    }

    /// The queue's batch of messages with keys; a new one if its last batch has none, so that messages keep their order.
    fn dedup_batch(&mut self, queue: QueueId) -> &mut QueueBatch {
        let batch = self.batch(queue);
        if batch.dedup_keys.len() < batch.publishes.len() {
            self.begin_batch(queue);
        }
        self.last_batch()
    }

    #[cold]
    fn begin_batch(&mut self, queue: QueueId) {
        self.last = self.batches.len();
        self.batches.push(QueueBatch::new(queue));
        if !self.places.is_empty() {
            self.places.insert(queue, self.last);
        } else if self.batches.len() > SCANNED_MAX {
            self.places =
                self.batches.iter().enumerate().map(|(place, batch)| (batch.queue, place)).collect();
        }
    }

    #[expect(clippy::indexing_slicing, reason = "found in the list or pushed to its end just now")]
    fn last_batch(&mut self) -> &mut QueueBatch {
        &mut self.batches[self.last]
    }

    /// A socket read reaches few queues, nearly always one, and a fanout reaches them in the same order each time: a look
    /// at the last one used and the one behind it beats a map.
    #[inline]
    fn batch(&mut self, queue: QueueId) -> &mut QueueBatch {
        let is_at = |index: usize| self.batches.get(index).is_some_and(|batch| batch.queue == queue);
        let next = (self.last + 1) % self.batches.len().max(1);
        match (is_at(self.last), is_at(next)) {
            (true, _) => {}
            (_, true) => self.last = next,
            _ => self.find_batch(queue),
        }
        self.last_batch()
    }

    fn find_batch(&mut self, queue: QueueId) {
        let found = if self.places.is_empty() {
            self.batches.iter().rposition(|batch| batch.queue == queue)
        } else {
            self.places.get(&queue).copied()
        };
        match found {
            Some(place) => self.last = place,
            None => self.begin_batch(queue),
        }
    }
}

fn closed(publishes: Vec<(Pending, Envelope)>, block: &FinishedBlock) -> Vec<Publish> {
    let close = |(pending, envelope): (Pending, Envelope)| {
        let message = match pending {
            Pending::Slot(slot) => block.message(slot),
            Pending::Message(message) => message,
        };
        envelope.publish(message)
    };
    publishes.into_iter().map(close).collect()
}
