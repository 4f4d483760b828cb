//! The stream machine, by example and by property.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::*;
use crate::message::{LogSegment, Message, Parts};
use crate::protocol::table::{FieldValue, TableWriter};
use crate::queue::options::StreamOptions;
use crate::queue::{
    Command, ConnectionId, Consume, ConsumerKey, ConsumerName, Delivery, Effects, Handle, Happening,
    InboxShare, LogAppend, LogChunk, LogMissed, LogNews, LogRead, LogSeek, OwnTimeout, Publish, QueueOptions,
    Range, RecoveredStream, Reply, Settlement, Window,
};
use crate::time::{Time, Timestamp};

mod cursor_model;
mod cursors;
mod examples;
mod feeding;
mod many_readers;
mod model;
mod recording;

const PUBLISHER: ConnectionId = ConnectionId(1);
const CONSUMER: ConnectionId = ConnectionId(2);
/// What wall clocks show at the beginning.
const EPOCH: Timestamp = Timestamp::from_millis(1_000_000_000);

fn key(number: u32) -> ConsumerKey {
    ConsumerKey { connection: CONSUMER, channel: 1, number }
}

/// Its value of the filter, if it has one, is its body's first byte.
fn message(body: &str, filtered: bool) -> Message {
    let mut properties = vec![0, 0];
    if filtered {
        let mut table = Vec::new();
        let value = body.as_bytes().get(..1).unwrap();
        TableWriter::new(&mut table).entry(b"x-stream-filter-value", FieldValue::LongString(value));
        properties = crate::protocol::content::replace_headers(&properties, &table).unwrap();
    }
    let body = body.as_bytes();
    Message::new(Parts {
        routing_key: b"s",
        properties: &properties,
        body,
        persistent: true,
        ..Parts::default()
    })
}

/// A stream with its store: what it appends is on the disk when that is [committed](Self::commit), and what it asks for is answered when that is
/// [served](Self::serve).
struct Bench {
    stream: Stream,
    options: QueueOptions,
    effects: Effects,
    now: Time,
    disk: VecDeque<LogChunk>,
    segments: VecDeque<LogSegment>,
    next: u64,
    /// The body of each message that is on the disk, or was.
    bodies: Vec<Vec<u8>>,
    submitted: VecDeque<(LogAppend, Vec<Range>)>,
    reads: VecDeque<LogRead>,
    seeks: VecDeque<LogSeek>,
    confirmed: Vec<Range>,
    /// The stream's own records that are on the disk, and those that are on their way there.
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    unsynced: VecDeque<(Vec<u8>, Option<Vec<u8>>)>,
    /// Answers that came late, by ticket.
    late: Vec<(u64, Reply)>,
    deliveries: Vec<(ConsumerKey, Delivery)>,
    fed: Vec<crate::queue::Fed>,
    /// What consumers missed, by their tags.
    missed: Vec<(String, std::ops::Range<u64>)>,
    /// What it said for the journal, and whether all of it is recorded.
    happened: Vec<Happening>,
    is_recording: bool,
    sequence: u64,
}

impl Bench {
    fn new(settings: StreamOptions, in_memory: usize) -> Self {
        let options = QueueOptions {
            durable: true,
            stream: Some(settings),
            window: Window::of(in_memory),
            ..QueueOptions::default()
        };
        Self {
            stream: Stream::new(options.clone(), RecoveredStream::default(), EPOCH, false),
            options,
            effects: Effects::default(),
            now: Time::ZERO,
            disk: VecDeque::new(),
            segments: VecDeque::new(),
            next: 0,
            bodies: Vec::new(),
            submitted: VecDeque::new(),
            reads: VecDeque::new(),
            seeks: VecDeque::new(),
            confirmed: Vec::new(),
            records: BTreeMap::new(),
            unsynced: VecDeque::new(),
            late: Vec::new(),
            deliveries: Vec::new(),
            fed: Vec::new(),
            missed: Vec::new(),
            happened: Vec::new(),
            is_recording: false,
            sequence: 0,
        }
    }

    fn apply(&mut self, command: Command) -> Reply {
        self.effects.is_recording = self.is_recording;
        self.stream.apply(self.now, command, &mut self.effects)
    }

    fn settle(&mut self) {
        self.effects.is_recording = self.is_recording;
        self.stream.settle_batch(self.now, &mut self.effects);
        let effects = std::mem::take(&mut self.effects);
        let mut confirms = effects.append_confirms;
        for append in effects.log.appends {
            self.submitted.push_back((append, Vec::new()));
        }
        if let Some((_, last)) = self.submitted.back_mut() {
            last.append(&mut confirms);
        }
        assert!(confirms.is_empty(), "a confirm without anything to wait for");
        if let Some(before) = effects.log.trim {
            self.disk.retain(|chunk| chunk.first >= before);
            self.segments.retain(|segment| segment.first >= before);
        }
        self.unsynced.extend(effects.records);
        self.happened.extend(effects.happened);
        self.late.extend(effects.deferred_replies);
        self.fed.extend(effects.fed);
        self.reads.extend(effects.log.reads);
        self.seeks.extend(effects.log.seeks);
        let missed = effects.missed.iter().map(|missed| missed.next - missed.first).sum::<u64>();
        assert_eq!(effects.counted.missed, missed);
        for LogMissed { consumer, first, next } in effects.missed {
            self.missed.push((consumer.tag.to_string(), first..next));
        }
        for deliveries in effects.deliveries {
            let consumer = deliveries.consumer;
            self.deliveries.extend(deliveries.deliveries.into_iter().map(|delivery| (consumer, delivery)));
        }
    }

    fn command(&mut self, command: Command) -> Reply {
        let reply = self.apply(command);
        self.settle();
        reply
    }

    fn publish_all(&mut self, messages: impl IntoIterator<Item = Message>) {
        let publishes = messages.into_iter().map(|message| {
            self.sequence += 1;
            Publish { message, channel: 1, sequence: self.sequence, ttl_ms: None, priority: 0 }
        });
        let publishes = publishes.collect();
        self.command(Command::Publish(PUBLISHER, publishes));
    }

    /// Publishes numbered messages in one batch, and commits them.
    fn fill(&mut self, bodies: std::ops::Range<u64>) {
        self.publish_all(bodies.map(|number| message(&number.to_string(), false)));
        self.commit_all();
    }

    /// The oldest chunk that is not on the disk is.
    fn commit(&mut self) -> bool {
        self.sync(usize::MAX);
        let Some((append, confirms)) = self.submitted.pop_front() else { return false };
        let LogAppend { ticket, at, filter, messages, begins_segment } = append;
        let (first, bytes) =
            (self.next, messages.iter().map(|message| message.encoded_len() as u64 + 8).sum());
        self.next += messages.len() as u64;
        self.bodies.extend(messages.iter().map(|message| message.body().to_vec()));
        match self.segments.back_mut().filter(|_| !begins_segment) {
            Some(open) => {
                (open.next, open.last_at) = (self.next, at);
                open.bytes += bytes;
            }
            None => {
                let next = self.next;
                self.segments.push_back(LogSegment { first, next, bytes, first_at: at, last_at: at });
            }
        }
        self.disk.push_back(LogChunk { first, at, filter: Some(filter.encode()), messages });
        self.confirmed.extend(confirms);
        self.command(Command::Log(LogNews::Committed { ticket, first }));
        true
    }

    /// So many records reach the disk.
    fn sync(&mut self, count: usize) {
        for (key, value) in self.unsynced.drain(..count.min(self.unsynced.len())) {
            match value {
                Some(value) => drop(self.records.insert(key, value)),
                None => drop(self.records.remove(&key)),
            }
        }
    }

    fn commit_all(&mut self) {
        while self.commit() {}
    }

    /// Answers the oldest request.
    fn serve(&mut self) -> bool {
        if let Some(LogRead { id, from, bytes_max }) = self.reads.pop_front() {
            let (mut chunks, mut bytes) = (Vec::new(), 0);
            for chunk in self.disk.iter().filter(|chunk| chunk.next() > from) {
                chunks.push(chunk.clone());
                bytes += chunk.messages.iter().map(Message::encoded_len).sum::<usize>();
                if bytes >= bytes_max {
                    break;
                }
            }
            self.command(Command::Log(LogNews::Read { id, chunks }));
            return true;
        }
        let Some(LogSeek { id, first, next, at }) = self.seeks.pop_front() else { return false };
        let mut chunks = self.disk.iter().filter(|chunk| (first..next).contains(&chunk.first));
        let offset = chunks.find(|chunk| chunk.at >= at).map_or(next, |chunk| chunk.first);
        self.command(Command::Log(LogNews::Found { id, offset }));
        true
    }

    fn serve_all(&mut self) {
        while self.serve() || self.stream.poll_timeout() == Some(Time::ZERO) {
            self.settle();
        }
    }

    fn consume(&mut self, number: u32, prefetch: u16, arguments: FieldTable) {
        let reply = self.try_to_consume(number, prefetch, arguments);
        assert!(matches!(reply, Reply::Consuming), "{reply:?}");
    }

    fn try_to_consume(&mut self, number: u32, prefetch: u16, arguments: FieldTable) -> Reply {
        self.consume_as(key(number), prefetch, arguments)
    }

    fn consume_as(&mut self, key: ConsumerKey, prefetch: u16, arguments: FieldTable) -> Reply {
        self.consume_with(key, prefetch, arguments, None)
    }

    fn consume_with(
        &mut self,
        key: ConsumerKey,
        prefetch: u16,
        arguments: FieldTable,
        inbox: Option<InboxShare>,
    ) -> Reply {
        self.command(Command::Consume(Box::new(Consume {
            key,
            no_ack: false,
            exclusive: false,
            prefetch,
            priority: 0,
            channel_prefetch: None,
            inbox,
            ack_timeout: OwnTimeout::TheQueues,
            name: ConsumerName { tag: key.number.to_string().into(), ..ConsumerName::default() },
            arguments: Arc::new(arguments),
            is_passing: false,
        })))
    }

    /// What a consumer got since the last time, by offsets.
    fn got(&mut self, number: u32) -> Vec<(u64, Handle)> {
        let (of_it, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.deliveries)
            .into_iter()
            .partition(|(consumer, _)| *consumer == key(number));
        self.deliveries = others;
        of_it.into_iter().map(|(_, delivery)| (delivery.handle.position.0, delivery.handle)).collect()
    }

    fn offsets(&mut self, number: u32) -> Vec<u64> {
        self.serve_all();
        self.got(number).into_iter().map(|(offset, _)| offset).collect()
    }

    fn ack(&mut self, handles: Vec<Handle>) {
        self.command(Command::Settle(Settlement::Ack, handles));
    }

    /// The process dies: what is not on the disk is gone.
    fn restart(&mut self) {
        self.unsynced.clear();
        let segments = self.segments.iter().copied().collect();
        let last_chunk = self.disk.back().map_or(0, |chunk| chunk.first);
        let recovered = RecoveredStream { segments, last_chunk };
        self.stream = Stream::new(self.options.clone(), recovered, EPOCH, false);
        let records: Vec<_> = self.records.clone().into_iter().collect();
        self.stream.restore_cursors(RecoveredCursors::restored(&records).unwrap());
        self.effects = Effects::default();
        (self.submitted, self.reads, self.seeks) = Default::default();
        self.deliveries.clear();
        self.fed.clear();
    }
}

fn arguments(pairs: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn from(value: AMQPValue) -> FieldTable {
    arguments(&[("x-stream-offset", value)])
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
