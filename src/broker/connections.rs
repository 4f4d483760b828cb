//! The way to a connection: its inbox, and what can be put there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use super::batch_channel::Sender;
use super::inbox::{DeliveryInbox, Wake};
use super::journal::Client;
use super::overview::ConnectionOverview;
use super::world::InFlight;
use crate::ledger::{Kind, Ledger, Share};
use crate::message::Message;
use crate::queue::Delivery;
use crate::session::Exception;
use crate::session::direct_reply::{Address, ReplyConsumers};

/// What a connection task is told.
#[derive(Debug)]
pub enum Event {
    /// Deliveries for the consumer with this number.
    Deliver(u32, Vec<Delivery>),
    /// Publishes from `first` to `last` on a channel are safe in one of their queues, or refused by it.
    Confirmed {
        /// The channel.
        channel: u16,
        /// First sequence number.
        first: u64,
        /// Last sequence number.
        last: u64,
        /// Refused.
        refused: bool,
    },
    /// The consumer with this number lost its queue.
    Cancelled(u32),
    /// The consumer with this number was cancelled by hand.
    Dismissed(u32),
    /// A message was not acked in time: the channel has to be closed for it.
    TimedOut {
        /// The channel.
        channel: u16,
        /// How long the message could be unacked.
        timeout_ms: u32,
        /// In a world: what follows from it is under way.
        in_flight: Option<InFlight>,
    },
    /// Close a channel: an operator says so, for this reason.
    CloseChannel(u16, String),
    /// A queue had no use for its turn to take of the channel's prefetch.
    TurnPassedOn(u16),
    /// A reply for the direct reply-to consumer with this number.
    Direct(u32, Message),
    /// There are other rules for faults.
    FaultsChanged,
    /// A queue kept something after all: others may find room now.
    InboxHasRoom,
}

/// Why a connection has to end, whatever else it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// An operator says so, for this reason.
    Operator(String),
    /// It holds more memory than all others, and there is too little for them.
    Memory,
    /// A rule of a test says so, as an exception.
    Fault(Exception),
    /// Its virtual host starts again after a crash: its socket is reset, without a word.
    Crash,
}

/// How the rest of the broker reaches a connection.
#[derive(Debug)]
pub struct ConnectionHandle {
    /// Its inbox. What queues put there is bounded by their consumers' windows, and by what they [share](DeliveryInbox).
    pub events: Sender<Event>,
    /// What others can read of it; `None` for the broker's own.
    pub overview: Option<Arc<ConnectionOverview>>,
    /// The secret that its direct reply-to addresses carry.
    pub secret: u64,
    /// What the journal calls it, once it has entered a virtual host.
    client: OnceLock<Arc<Client>>,
    /// Its consumers that direct reply-to addresses name.
    reply_consumers: ReplyConsumers,
    /// Set when it has to end. This does not wait in the inbox, which a connection whose client does not read leaves alone.
    end: OnceLock<EndReason>,
    told_to_end: Notify,
    /// Bytes of memory that the client makes its session hold, what is in its inbox aside.
    held: AtomicUsize,
    ledger: Arc<Ledger>,
    /// Direct replies in the inbox.
    replies: Mutex<Share>,
    /// Deliveries in the inbox.
    inbox: Arc<DeliveryInbox>,
}

/// Direct replies have no queue to wait in. RabbitMQ gives no guarantee for them either: what a requester does not read is
/// dropped above this many bytes, or above what one client may hold when that is less.
const DIRECT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl ConnectionHandle {
    /// The way to a connection with this inbox, whose direct replies are entered in the ledger. Direct reply-to addresses that carry `secret` lead to `reply_consumers`.
    #[must_use]
    pub fn new(
        events: Sender<Event>,
        overview: Option<Arc<ConnectionOverview>>,
        secret: u64,
        reply_consumers: ReplyConsumers,
        ledger: &Arc<Ledger>,
    ) -> Arc<Self> {
        let to_wake = events.clone();
        // One that is gone has nobody to look for.
        let wake = Wake(Box::new(move || drop(to_wake.send(Event::InboxHasRoom))));
        let inbox = Arc::new(DeliveryInbox::new(ledger, wake));
        Arc::new(Self {
            events,
            overview,
            secret,
            client: OnceLock::new(),
            reply_consumers,
            end: OnceLock::new(),
            told_to_end: Notify::new(),
            held: AtomicUsize::new(0),
            ledger: Arc::clone(ledger),
            replies: Mutex::new(Share::new(Arc::clone(ledger), Kind::Replies)),
            inbox,
        })
    }

    /// What the journal calls it, once it has entered a virtual host.
    #[must_use]
    pub fn client(&self) -> Option<Arc<Client>> {
        self.client.get().map(Arc::clone)
    }

    /// Says what the journal calls it; the first name stays.
    pub fn set_client(&self, client: Client) {
        self.client.get_or_init(|| Arc::new(client));
    }

    /// Asks the connection to end. The first reason counts.
    pub fn end(&self, reason: EndReason) {
        if self.end.set(reason).is_ok() {
            self.told_to_end.notify_waiters();
        }
    }

    /// Why it has to end, once it has to.
    #[must_use]
    pub fn end_reason(&self) -> Option<&EndReason> {
        self.end.get()
    }

    /// Waits until it has to end.
    pub async fn ends(&self) {
        let told = self.told_to_end.notified();
        if self.end.get().is_none() {
            told.await;
        }
    }

    /// Bytes of memory that the client makes the broker hold.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed) + self.replies().bytes() + self.inbox.bytes()
    }

    /// Deliveries that wait for it.
    #[must_use]
    pub const fn inbox(&self) -> &Arc<DeliveryInbox> {
        &self.inbox
    }

    /// Notes how many bytes its session holds.
    pub fn set_held(&self, bytes: usize) {
        self.held.store(bytes, Ordering::Relaxed);
    }

    /// Whether a direct reply-to address leads to a consumer that is there.
    #[must_use]
    pub fn answers_to(&self, address: Address) -> bool {
        self.secret == address.secret && self.reply_consumers.has(address.consumer)
    }

    /// Sends a direct reply.
    pub fn send_direct(&self, consumer: u32, message: Message) {
        let mut replies = self.replies();
        let bytes = replies.bytes() + message.encoded_len();
        if bytes > DIRECT_BYTES_MAX.min(self.ledger.part()) && replies.bytes() > 0 {
            return;
        }
        replies.set(bytes);
        drop(replies);
        // A connection that is gone waits for no reply.
        let _ = self.events.send(Event::Direct(consumer, message));
    }

    /// A direct reply was taken out of the inbox.
    pub fn took_direct(&self, message: &Message) {
        let mut replies = self.replies();
        let bytes = replies.bytes() - message.encoded_len();
        replies.set(bytes);
    }

    /// A number that a panic left behind is as good as any.
    fn replies(&self) -> MutexGuard<'_, Share> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A confirm goes from the committer to the publisher's connection, past the queue.
impl crate::store::ConfirmSink for Arc<ConnectionHandle> {
    fn confirmed(&self, channel: u16, first: u64, last: u64) {
        // A connection that is gone needs no confirm.
        let _ = self.events.send(Event::Confirmed { channel, first, last, refused: false });
    }
}
