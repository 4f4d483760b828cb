//! A channel's state.
//!
//! ```text
//!             channel.open               exception: channel.close sent
//!   (absent) --------------> Open -----------------------------------------> Closing
//!       ^                     | channel.close: close-ok sent                   | close-ok
//!       +---------------------+------------------------------------------------+
//! ```
//! Within Open, content goes `Idle -> Header -> Body -> Idle`; any other frame in between is a connection exception.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::auth::{Seat, TopicRights};
use crate::dedup::ExchangeDedup;
use crate::message::{MessageBlock, QueueId, Slot};
use crate::queue::ChannelPrefetch;
use crate::session::confirms::Confirms;
use crate::session::held::Held;
use crate::session::known_queues::KnownQueues;
use crate::session::tags::DeliveryTags;
use crate::session::transaction::TxWork;
use crate::statistics::{ChannelCounters, ExchangeCounters, ExchangeStatistics};

/// How far the content of a publish has come in.
#[derive(Debug, Default)]
pub(super) enum Incoming {
    /// No content is under way.
    #[default]
    Idle,
    /// basic.publish was read; its exchange and routing key are in [`Channel::target`].
    Header,
    /// The content header was read; its properties are in [`Channel::properties`].
    Body(Body),
}

/// A body that is under way.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) expected: u64,
    pub(super) received: u64,
    /// Bytes of memory that the assembly takes.
    pub(super) room: usize,
    /// The message so far, once it is known not to fit one frame.
    pub(super) assembly: Option<(MessageBlock, Slot)>,
}

/// A frame of a large body whose head was taken and whose end was not.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFrame {
    pub(super) channel: u16,
    /// Of its payload.
    pub(super) payload_bytes: usize,
    /// Of these, those that are yet to come.
    pub(super) left: usize,
}

/// Exchange and routing key of the publish under way, and where that led last time.
#[derive(Debug, Default)]
pub(super) struct PublishTarget {
    pub(super) exchange: Vec<u8>,
    pub(super) routing_key: Vec<u8>,
    pub(super) mandatory: bool,
    /// Which of the exchanges it is that route nothing.
    pub(super) special: Option<SpecialExchange>,
    /// Queues for these keys, if [`PublishTarget::generation`] is still the topology's.
    pub(super) route: Vec<QueueId>,
    pub(super) generation: Option<u64>,
    /// Whether each message has to be looked at more closely: the exchange has deduplication, or there are rules for faults.
    pub(super) is_special: bool,
    /// How duplicates are recognised, if the exchange has deduplication.
    pub(super) dedup: Option<Arc<ExchangeDedup>>,
    /// Delayed exchanges on the way where the message has to wait, as their queues; such a route is never kept.
    pub(super) delay_queues: Vec<QueueId>,
    /// How long it has to wait there.
    pub(super) delay_ms: Option<u64>,
    /// What passed through the exchange since the last report.
    pub(super) counted: ExchangeCounters,
    /// Where that is to be added.
    pub(super) statistics: Option<Arc<ExchangeStatistics>>,
    /// The generation under which the client was found allowed to publish to this exchange.
    pub(super) permitted: Option<u64>,
    /// Which routing keys the client may use, if it may not use all of them; found then, too.
    pub(super) topics: Option<Arc<TopicRights>>,
}

/// An exchange whose messages are requests to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpecialExchange {
    /// See [`settle_exchange`](crate::session::settle_exchange).
    Settle,
    /// See [`test_exchange`](crate::session::test_exchange).
    Test,
}

/// A consumer as its channel knows it.
#[derive(Debug)]
pub(super) struct ChannelConsumer {
    pub(super) number: u32,
    /// `None` for a direct reply-to consumer.
    pub(super) queue: Option<QueueId>,
}

/// What publishes on the channel are part of.
#[derive(Debug, Default)]
pub(super) enum Mode {
    #[default]
    Plain,
    Confirm(Confirms),
    Transaction(TxWork),
}

/// An open channel, or one whose close is under way.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u16,
    /// channel.close was sent; everything but its answer is ignored.
    pub(super) closing: bool,
    pub(super) incarnation: u64,
    /// It is among those that are to be reported.
    pub(super) is_noted: bool,
    pub(super) mode: Mode,
    /// What happened on it since the last report.
    pub(super) counted: ChannelCounters,
    /// Messages published up to the last report.
    pub(super) published: u64,
    /// Of what was published since then, how much before the channel was in confirm mode.
    pub(super) published_before_confirm: u64,
    pub(super) incoming: Incoming,
    pub(super) target: PublishTarget,
    pub(super) properties: Vec<u8>,
    pub(super) tags: DeliveryTags,
    /// What of [`Held::deliveries`] is this channel's.
    pub(super) deliveries_held: usize,
    pub(super) consumers: BTreeMap<String, ChannelConsumer>,
    /// Queues that may hold messages or consumers of this channel.
    pub(super) queues: KnownQueues,
    /// The queue declared last: what an empty queue name means.
    pub(super) last_queue: Option<String>,
    /// basic.qos for consumers to come.
    pub(super) prefetch: u16,
    /// basic.qos with global = true.
    pub(super) channel_prefetch: Option<Arc<ChannelPrefetch>>,
    /// How many channel prefetches were set so far; it gives the next one its id.
    pub(super) prefetches_made: u32,
    /// Its place among the user's channels, while it is open.
    #[expect(dead_code, reason = "it counts by being there")]
    pub(super) seat: Option<Seat>,
}

impl Channel {
    pub(super) fn new(number: u16, incarnation: u64) -> Self {
        Self {
            number,
            closing: false,
            incarnation,
            is_noted: false,
            mode: Mode::Plain,
            counted: ChannelCounters::default(),
            published: 0,
            published_before_confirm: 0,
            incoming: Incoming::Idle,
            target: PublishTarget::default(),
            properties: Vec::new(),
            tags: DeliveryTags::default(),
            deliveries_held: 0,
            consumers: BTreeMap::new(),
            queues: KnownQueues::default(),
            last_queue: None,
            prefetch: 0,
            channel_prefetch: None,
            prefetches_made: 0,
            seat: None,
        }
    }

    /// Notes that the queue may hold something of this channel.
    pub(super) fn note_queue(&mut self, queue: QueueId) {
        self.queues.insert(queue);
    }

    /// Something is done on it: it is to be reported.
    #[inline]
    pub(super) fn note(&mut self, noted: &mut Vec<u16>) {
        if !std::mem::replace(&mut self.is_noted, true) {
            noted.push(self.number);
        }
    }

    /// Enters what it has to remember about deliveries.
    pub(super) fn hold_deliveries(&mut self, held: &mut Held) {
        let now = self.tags.footprint();
        held.deliveries = held.deliveries + now - std::mem::replace(&mut self.deliveries_held, now);
    }

    /// Gives up what it holds: the body under way, the transaction, what it remembers about deliveries.
    pub(super) fn let_go(&mut self, held: &mut Held) {
        if let Incoming::Body(body) = std::mem::take(&mut self.incoming) {
            held.bodies -= body.room;
        }
        held.deliveries -= std::mem::take(&mut self.deliveries_held);
        if let Mode::Transaction(work) = &mut self.mode {
            held.transactions -= std::mem::take(work).bytes();
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.incoming, Incoming::Idle)
    }
}
