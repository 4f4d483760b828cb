//! Queues that are fed from a stream. The queue says how much it can take; the stream hands messages over; and what the queue gets and how
//! far the stream has come is one unit in the store, so that no crash loses a message or brings one twice.

use std::sync::Arc;

use super::delayed_exchange::publish;
use super::journal::Surroundings;
use super::mailbox::Mail;
use super::transfer::Transfer;
use super::vhost::{QueueRecord, Vhost};
use crate::message::{Position, QueueId};
use crate::queue::options::Source;
use crate::queue::{Command, Counts, Fed, FeedCount, FeedRequest, Provenance, Publish, message_with_offset};

/// A queue takes more as long as it has fewer messages than this, ready and delayed, and those that were asked for.
const MESSAGES: u64 = 2_000;
/// The same, in bytes of ready messages.
const BYTES: u64 = 8 * 1024 * 1024;
/// It asks when it can take so many parts of that.
const PARTS: u64 = 4;

/// What a queue takes from a stream.
#[derive(Debug)]
pub(super) struct Intake {
    source: Source,
    taken: FeedCount,
    /// What the stream was told.
    until: FeedCount,
}

impl Intake {
    pub(super) fn new(source: &Source) -> Self {
        Self { source: source.clone(), taken: FeedCount::default(), until: FeedCount::default() }
    }

    /// Messages came.
    pub(super) fn took(&mut self, publishes: &[Publish]) {
        self.taken.messages += publishes.len() as u64;
        self.taken.bytes += publishes.iter().map(|publish| publish.message.body_len() as u64).sum::<u64>();
    }

    /// The stream knows of nothing.
    pub(super) const fn begin_anew(&mut self) {
        self.until = FeedCount { messages: 0, bytes: 0 };
    }

    /// Tells the stream, if there is one, that the queue can take more.
    pub(super) fn ask(&mut self, vhost: &Vhost, record: &QueueRecord, counts: &Counts) {
        let backlog = (counts.ready + counts.delayed) as u64;
        let until = FeedCount {
            messages: self.taken.messages + MESSAGES.saturating_sub(backlog),
            bytes: self.taken.bytes + BYTES.saturating_sub(counts.ready_bytes as u64),
        };
        let (messages, bytes) = (
            until.messages.saturating_sub(self.until.messages),
            until.bytes.saturating_sub(self.until.bytes),
        );
        if messages < MESSAGES / PARTS && bytes < BYTES / PARTS {
            return;
        }
        let request = request(record, &self.source, self.taken, until);
        if stream(vhost, &self.source).is_some_and(|stream| ask(&stream, request)) {
            self.until = until;
        }
    }

    /// The queue is no more.
    pub(super) fn end(&self, vhost: &Vhost, queue: QueueId) {
        if let Some(stream) = stream(vhost, &self.source) {
            // One that is gone needs not be told.
            let _ = stream.mailbox.send(Mail::Tell(Command::FeedGone(queue)));
        }
    }
}

/// The stream that a queue is fed from, if it is there.
fn stream(vhost: &Vhost, source: &Source) -> Option<Arc<QueueRecord>> {
    vhost.queue_named(&source.stream).filter(|record| record.is_stream())
}

/// A new queue that is fed: its stream, if there is one, puts its cursor where it begins before anything that is published from now on.
pub(super) fn announce(vhost: &Vhost, record: &QueueRecord, source: &Source) {
    if let Some(stream) = stream(vhost, source) {
        begin(&stream, record, source);
    }
}

/// A queue that has just been declared, or whose stream has: it can take nothing yet.
fn begin(stream: &QueueRecord, queue: &QueueRecord, source: &Source) {
    let nothing = FeedCount::default();
    ask(stream, FeedRequest { is_new: true, ..request(queue, source, nothing, nothing) });
}

fn request(queue: &QueueRecord, source: &Source, taken: FeedCount, until: FeedCount) -> FeedRequest {
    let (name, source) = (queue.name.as_str().into(), source.clone());
    FeedRequest { queue: queue.id, name, source, is_new: false, taken, until }
}

/// Tells a stream what a queue can take; `false` if it is gone.
fn ask(stream: &QueueRecord, request: FeedRequest) -> bool {
    stream.mailbox.send(Mail::Tell(Command::Feed(Box::new(request)))).is_ok()
}

/// A stream has come to be: queues that wait for it ask it.
pub(super) fn wake_up(vhost: &Vhost, stream: &QueueRecord) {
    for queue in vhost.queues() {
        let Some(source) = queue.source(&vhost.name).filter(|source| *source.stream == *stream.name) else {
            continue;
        };
        begin(stream, &queue, &source);
        // One that is gone needs not be told.
        let _ = queue.mailbox.send(Mail::Tell(Command::SourceIsHere));
    }
}

/// Hands over what a stream has for queues.
pub(super) fn hand_over(at: &Surroundings<'_>, fed: Vec<Fed>) {
    for Fed { queue, messages, cursor } in fed {
        let (mut publishes, mut from) = (Vec::with_capacity(messages.len()), Provenance::new());
        for (offset, message) in messages {
            // It is stored, as it was: the cursor is behind it.
            let message = message_with_offset(&message, offset).with_persistent(true);
            publishes.push(publish(message.for_queues(1)));
            from.push(Some(at.place(Position(offset))));
        }
        let transfer = Transfer { shared: at.shared, vhost: at.vhost, from: at.record.id, as_new: true };
        transfer.hand_over(queue, Command::PublishFed(publishes, from), cursor);
    }
}
