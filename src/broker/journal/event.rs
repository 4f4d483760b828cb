//! An event of the journal: what happened, where, to which message, who had to do with it, and what it led to.

use std::sync::Arc;

use crate::message::{Message, Position};
use crate::policy::SettingInForce;
use crate::protocol::content::Properties;
use crate::queue::ConnectionId;
pub use crate::queue::MessagePlace;
use crate::queue::dead_letter::Reason;
use crate::time::Timestamp;
use crate::topology::Ways;

/// What happened. Those that tell of a failure are always noted, the others while they are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// A client's message was routed to the queues in `to`. Recorded.
    Published,
    /// The publisher of a message was told that its queues have it: by a confirm, or by the commit of its transaction. Recorded, if
    /// its publish was.
    Confirmed,
    /// A published message matched no queue, and was not mandatory.
    Unroutable,
    /// A mandatory message matched no queue and went back to its publisher.
    Returned,
    /// A queue, or the broker, did not take a message.
    Refused,
    /// A queue knew the message already.
    Duplicate,
    /// A message came to the queue, and stands at its position; with `from` it is the copy of one that left there. Without
    /// `from` it is recorded only.
    Enqueued,
    /// A message went to a consumer, or was got. Recorded.
    Delivered,
    /// It was acked, or needed no ack: it is done with. Recorded.
    Acked,
    /// Somebody only looked at it; it is where it was. Recorded.
    PutBack,
    /// Its consumer gave it back (nack with requeue, recover).
    Requeued,
    /// Its consumer rejected it with requeue, or said that it failed.
    Failed,
    /// It was not acked in time.
    TimedOut,
    /// Its consumer's channel was closed, or the consumer was cancelled.
    ConsumerLost,
    /// Its consumer's connection was lost. Without a position: a connection was lost, with `count` unacked messages.
    ConnectionLost,
    /// It waits for its next attempt, until then.
    Delayed,
    /// It is set aside, until then.
    Parked,
    /// Its wait is over: it is ready.
    Released,
    /// It left for the dead-letter exchange, which routed it to the queues in `to`; to none, and it is gone.
    DeadLettered,
    /// It is gone, without a dead-letter exchange.
    Dropped,
    /// It left for the queues in `to`: it was moved or replayed, or its time in a delayed exchange was over.
    Moved,
    /// The queue was purged of `count` messages.
    Purged,
    /// The queue came to its end, with `count` messages in it.
    QueueEnded,
    /// Messages of the queue cannot be read: it delivers nothing.
    Unreadable,
    /// A connection was opened.
    Connected,
    /// A connection was closed in order, or for an exception.
    Closed,
    /// A channel was closed for an exception.
    ChannelClosed,
    /// A consumer was cancelled by the broker.
    ConsumerCancelled,
    /// A publisher is blocked by an alarm.
    Blocked,
    /// It is not any more.
    Unblocked,
    /// A rule of a test made something go wrong: [`FaultTold`] says which.
    Fault,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 31] = [
        Self::Published,
        Self::Confirmed,
        Self::Unroutable,
        Self::Returned,
        Self::Refused,
        Self::Duplicate,
        Self::Enqueued,
        Self::Delivered,
        Self::Acked,
        Self::PutBack,
        Self::Requeued,
        Self::Failed,
        Self::TimedOut,
        Self::ConsumerLost,
        Self::ConnectionLost,
        Self::Delayed,
        Self::Parked,
        Self::Released,
        Self::DeadLettered,
        Self::Dropped,
        Self::Moved,
        Self::Purged,
        Self::QueueEnded,
        Self::Unreadable,
        Self::Connected,
        Self::Closed,
        Self::ChannelClosed,
        Self::ConsumerCancelled,
        Self::Blocked,
        Self::Unblocked,
        Self::Fault,
    ];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Confirmed => "confirmed",
            Self::Unroutable => "unroutable",
            Self::Returned => "returned",
            Self::Refused => "refused",
            Self::Duplicate => "duplicate",
            Self::Enqueued => "enqueued",
            Self::Delivered => "delivered",
            Self::Acked => "acked",
            Self::PutBack => "put-back",
            Self::Requeued => "requeued",
            Self::Failed => "failed",
            Self::TimedOut => "timed-out",
            Self::ConsumerLost => "consumer-lost",
            Self::ConnectionLost => "connection-lost",
            Self::Delayed => "delayed",
            Self::Parked => "parked",
            Self::Released => "released",
            Self::DeadLettered => "dead-lettered",
            Self::Dropped => "dropped",
            Self::Moved => "moved",
            Self::Purged => "purged",
            Self::QueueEnded => "queue-ended",
            Self::Unreadable => "unreadable",
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::ChannelClosed => "channel-closed",
            Self::ConsumerCancelled => "consumer-cancelled",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::Fault => "fault",
        }
    }

    /// The kind with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why it happened, as far as there is a word for it. Those of dead letters are `x-death`'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// A consumer rejected it without requeue.
    Rejected,
    /// Its TTL, or the queue's `x-expires`, ran out.
    Expired,
    /// The queue was at its length limit.
    Maxlen,
    /// It was delivered too often, or parked too often.
    DeliveryLimit,
    /// Somebody did it by hand: by the API, the page or a tool.
    ByHand,
    /// The memory alarm.
    Memory,
    /// The disk alarm.
    Disk,
    /// The user has no permission.
    Permission,
    /// The message has a number of its publisher after a gap.
    Gap,
    /// The message has an epoch of its publisher that is over.
    OldEpoch,
    /// The queue was one that goes with its last consumer.
    AutoDelete,
    /// It waited as long as it was to wait.
    Due,
}

impl Why {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Maxlen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
            Self::ByHand => "by-hand",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Permission => "permission",
            Self::Gap => "gap",
            Self::OldEpoch => "old-epoch",
            Self::AutoDelete => "auto-delete",
            Self::Due => "due",
        }
    }
}

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Rejected => Self::Rejected,
            Reason::Expired => Self::Expired,
            Reason::Maxlen => Self::Maxlen,
            Reason::DeliveryLimit => Self::DeliveryLimit,
        }
    }
}

/// A client's connection, as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The connection's id in this run of the broker.
    pub id: ConnectionId,
    /// Its name: `peer -> local`.
    pub connection: Box<str>,
    /// Its user.
    pub user: Box<str>,
}

/// What a message is known by: exchange, routing key and message id, in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    text: Arc<str>,
    exchange_len: u16,
    routing_key_len: u16,
}

impl About {
    /// Of a message.
    #[must_use]
    pub fn message(message: &Message) -> Self {
        let parts = message.parts();
        let id = Properties::parse(parts.properties).ok().and_then(|properties| properties.message_id());
        Self::new(parts.exchange, parts.routing_key, id)
    }

    /// Of these. What is not UTF-8 is made so.
    #[must_use]
    pub fn new(exchange: &[u8], routing_key: &[u8], message_id: Option<&[u8]>) -> Self {
        let mut text = String::with_capacity(exchange.len() + routing_key.len() + 40);
        let mut push = |bytes: &[u8]| {
            let before = text.len();
            match std::str::from_utf8(bytes) {
                Ok(valid) => text.push_str(valid),
                Err(_) => text.push_str(&String::from_utf8_lossy(bytes)),
            }
            // Short strings have at most 255 bytes, and grow to three times that.
            u16::try_from(text.len() - before).unwrap_or(u16::MAX)
        };
        let (exchange_len, routing_key_len) = (push(exchange), push(routing_key));
        push(message_id.unwrap_or_default());
        Self { text: text.into(), exchange_len, routing_key_len }
    }

    /// Roughly how much memory its text takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + ARC_BYTES
    }

    /// The exchange that it was published to; empty: the default one.
    #[must_use]
    pub fn exchange(&self) -> &str {
        self.text.get(..usize::from(self.exchange_len)).unwrap_or_default()
    }

    /// Its routing key.
    #[must_use]
    pub fn routing_key(&self) -> &str {
        let start = usize::from(self.exchange_len);
        self.text.get(start..start + usize::from(self.routing_key_len)).unwrap_or_default()
    }

    /// Its message id, if it has one.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        let start = usize::from(self.exchange_len) + usize::from(self.routing_key_len);
        self.text.get(start..).filter(|id| !id.is_empty())
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Counts the events of its virtual host from 1 on, since the broker started. Whoever notes an event leaves it at 0.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Why.
    pub why: Option<Why>,
    /// The queue. That of a delayed exchange is called as [`delay_queue_label`] says.
    pub queue: Option<Arc<str>>,
    /// The message's position there: of the first, if it happened to several.
    pub position: Option<Position>,
    /// To how many messages it happened.
    pub count: u64,
    /// The position of the last of them.
    pub last: Option<Position>,
    /// What the message is known by, where it was in memory. Of several messages it is that of the first.
    pub about: Option<About>,
    /// Whose doing it is: the consumer's connection, or the publisher's.
    pub client: Option<Arc<Client>>,
    /// The channel there; 0: none.
    pub channel: u16,
    /// The consumer's tag.
    pub consumer: Option<Arc<str>>,
    /// Which delivery of the message it was, counted from 1, in queues that count them; 0: unknown.
    pub attempt: u32,
    /// How many deliveries the queue allows, if that is limited.
    pub attempts_max: Option<u32>,
    /// What the consumer said was wrong, or the reply text of an exception.
    pub error: Option<Arc<str>>,
    /// When its wait is over.
    pub until: Option<Timestamp>,
    /// The setting that made it happen.
    pub setting: Option<Arc<SettingInForce>>,
    /// Where the message was before.
    pub from: Option<MessagePlace>,
    /// The queues that it went to.
    pub to: Option<Arc<[Arc<str>]>>,
    /// The same in the event of a publish, of its confirm and those of its arrivals in queues; 0: none.
    pub link: u64,
    /// What events of its kind alone have.
    pub detail: Option<Arc<Detail>>,
}

/// What only events of one kind have.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// Of a publish: by which bindings it got to its queues.
    Ways(Ways),
    /// Of a confirm.
    Confirm(Confirm),
    /// Of a fault that a rule made.
    Fault(FaultTold),
}

/// A fault that a rule of a test made, and who was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultTold {
    /// The rule, as in `f1`.
    pub id: Box<str>,
    /// The rule in a few words.
    pub rule: Box<str>,
    /// The name that the client gave its connection, or its address; empty: the whole virtual host.
    pub connection: Box<str>,
    /// Its user.
    pub user: Box<str>,
}

/// How a publisher was told that its message is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The publish's number on its channel; `None`: by the commit of its transaction.
    pub delivery_tag: Option<u64>,
    /// How long after the publish, or after the commit was asked for, in microseconds.
    pub after_us: u64,
}

impl Event {
    /// An event about one message or none, of which nothing else is known.
    #[must_use]
    pub const fn new(at: Timestamp, kind: EventKind) -> Self {
        Self {
            number: 0,
            at,
            kind,
            why: None,
            queue: None,
            position: None,
            count: 1,
            last: None,
            about: None,
            client: None,
            channel: 0,
            consumer: None,
            attempt: 0,
            attempts_max: None,
            error: None,
            until: None,
            setting: None,
            from: None,
            to: None,
            link: 0,
            detail: None,
        }
    }

    /// By which bindings it was routed, if that is told.
    #[must_use]
    pub fn ways(&self) -> Option<&Ways> {
        match self.detail.as_deref() {
            Some(Detail::Ways(ways)) => Some(ways),
            _ => None,
        }
    }

    /// How its publisher was told, if it is a confirm.
    #[must_use]
    pub fn confirm(&self) -> Option<Confirm> {
        match self.detail.as_deref() {
            Some(Detail::Confirm(confirm)) => Some(*confirm),
            _ => None,
        }
    }

    /// Which rule made something go wrong.
    #[must_use]
    pub fn fault(&self) -> Option<&FaultTold> {
        match self.detail.as_deref() {
            Some(Detail::Fault(told)) => Some(told),
            _ => None,
        }
    }

    /// The names of the queues that it went to.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.to.iter().flat_map(|names| names.iter()).map(AsRef::as_ref)
    }

    /// Whether it happened to the message at this place, or the message came from there.
    #[must_use]
    pub fn touches(&self, queue: &str, position: Position) -> bool {
        let is_from =
            self.from.as_ref().is_some_and(|from| from.position == position && *from.queue == *queue);
        is_from || (self.queue.as_deref() == Some(queue) && self.covers(position))
    }

    /// Whether it happened to the message at this position of its queue.
    #[must_use]
    pub fn covers(&self, position: Position) -> bool {
        self.position.is_some_and(|first| first <= position && position <= self.last.unwrap_or(first))
    }

    /// How much memory it takes in the ring, in bytes, but for what it shares with the queue, the connection and others.
    #[must_use]
    pub(super) fn bytes(&self) -> usize {
        let about = self.about.as_ref().map_or(0, About::bytes);
        let error = self.error.as_ref().map_or(0, |error| error.len() + ARC_BYTES);
        let detail = self.detail.as_deref().map_or(0, |detail| detail.bytes() + ARC_BYTES);
        size_of::<Self>() + about + error + detail
    }
}

impl Detail {
    /// Roughly how much memory it takes, in bytes.
    fn bytes(&self) -> usize {
        let more = match self {
            Self::Ways(ways) => ways.bytes(),
            Self::Confirm(_) => 0,
            Self::Fault(told) => told.id.len() + told.rule.len() + told.connection.len() + told.user.len(),
        };
        size_of::<Self>() + more
    }
}

/// What a shared piece of text costs beside the text: its counters, and what the allocator rounds up.
const ARC_BYTES: usize = 32;

/// What the queue is called in events where messages of a delayed exchange wait for their time: no queue has such a name by itself.
#[must_use]
pub fn delay_queue_label(exchange: &str) -> String {
    format!("{exchange} (delayed exchange)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Parts;

    #[test]
    fn names_are_unique_and_lead_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(EventKind::from_name("unheard of"), None);
    }

    #[test]
    fn a_message_is_known_by_three_texts() {
        let about = About::new(b"orders", b"eu.new", Some(b"42"));
        let texts = (about.exchange(), about.routing_key(), about.message_id());
        assert_eq!(texts, ("orders", "eu.new", Some("42")));
        let message = Message::new(Parts { routing_key: b"\xff\xfe", ..Parts::default() });
        let about = About::message(&message);
        assert_eq!((about.exchange(), about.message_id()), ("", None));
        assert_eq!(about.routing_key(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_run_covers_its_positions() {
        let run = Event {
            queue: Some("q".into()),
            position: Some(Position(5)),
            last: Some(Position(7)),
            from: Some(MessagePlace { queue: "other".into(), position: Position(1) }),
            ..Event::new(Timestamp::default(), EventKind::Dropped)
        };
        let covered: Vec<u64> = (0..10).filter(|position| run.covers(Position(*position))).collect();
        assert_eq!(covered, [5, 6, 7]);
        assert!(run.touches("other", Position(1)) && run.touches("q", Position(5)));
        assert!(!run.touches("other", Position(5)) && !run.touches("q", Position(1)));
    }

    #[test]
    fn an_event_stays_small() {
        assert!(size_of::<Event>() <= 240, "{}", size_of::<Event>());
    }
}
