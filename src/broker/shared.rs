//! What all tasks of a broker share.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashMap;
use tokio::sync::{Notify, mpsc, watch};

use super::alarms::Alarms;
use super::clock::Clock;
use super::vhost::Vhost;
use crate::auth::{PatternError, Permission, Users};
use crate::config::Config;
use crate::message::{Message, Position};
use crate::queue::dead_letter::Reason;
use crate::queue::{ConnectionId, Delivery, Window};
use crate::session::Session;
use crate::session::direct_reply::{Address, ReplyConsumers};
use crate::store::{StoreHandle, Submission};
use crate::telemetry::{Counters, Reasons};
use crate::topology::ExchangeSpec;

/// Above this many bytes waiting for the committer, queues wait before they take more mail: two full drains, so that the next
/// is there when one is committed. More is only memory.
const STORE_HIGH_BYTES: usize = 8 * 1024 * 1024;

/// Above this many bytes of pages on their way to the disk, queues wait, too: what is put out of memory must not pile up
/// there.
const PAGES_HIGH_BYTES: usize = 8 * 1024 * 1024;

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
    /// A message was not acked in time: the channel has to be closed for it.
    TimedOut {
        /// The channel.
        channel: u16,
        /// How long the message could be unacked.
        timeout_ms: u32,
    },
    /// A reply for the direct reply-to consumer with this number.
    Direct(u32, Message),
}

/// The way to a connection.
#[derive(Clone, Debug)]
pub struct ConnectionHandle {
    /// Its inbox. What queues put there is bounded by their consumers' windows.
    pub events: mpsc::UnboundedSender<Event>,
    /// What direct reply-to addresses of it have to carry.
    pub secret: u64,
    /// Its consumers that direct reply-to addresses name.
    reply_consumers: ReplyConsumers,
    /// Bytes of direct replies in the inbox.
    direct_bytes: Arc<AtomicUsize>,
}

/// Direct replies have no queue to wait in. RabbitMQ gives no guarantee for them either: what a requester does not read is
/// dropped above this many bytes.
const DIRECT_BYTES_MAX: usize = 64 * 1024 * 1024;

impl ConnectionHandle {
    /// The way to the connection of this session, with this inbox.
    #[must_use]
    pub fn new(events: mpsc::UnboundedSender<Event>, session: &Session) -> Self {
        let (secret, reply_consumers) = (session.secret(), session.reply_consumers().clone());
        Self { events, secret, reply_consumers, direct_bytes: Arc::default() }
    }

    /// Whether a direct reply-to address leads to a consumer that is there.
    #[must_use]
    pub fn answers_to(&self, address: Address) -> bool {
        self.secret == address.secret && self.reply_consumers.has(address.consumer)
    }

    /// Sends a direct reply.
    pub fn send_direct(&self, consumer: u32, message: Message) {
        if self.direct_bytes.load(Ordering::Relaxed) > DIRECT_BYTES_MAX {
            return;
        }
        self.direct_bytes.fetch_add(message.encoded_len(), Ordering::Relaxed);
        // A connection that is gone waits for no reply.
        let _ = self.events.send(Event::Direct(consumer, message));
    }

    /// A direct reply was taken out of the inbox.
    pub fn took_direct(&self, message: &Message) {
        self.direct_bytes.fetch_sub(message.encoded_len(), Ordering::Relaxed);
    }
}

/// A confirm goes from the committer to the publisher's connection, past the queue.
impl crate::store::ConfirmSink for ConnectionHandle {
    fn confirmed(&self, channel: u16, first: u64, last: u64) {
        // A connection that is gone needs no confirm.
        let _ = self.events.send(Event::Confirmed { channel, first, last, refused: false });
    }
}

/// Shared by all tasks.
#[derive(Debug)]
pub struct Shared {
    /// Settings.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    /// The store.
    pub store: StoreHandle,
    /// Rung after each commit and each page.
    pub store_progress: Arc<Notify>,
    /// Virtual hosts by name.
    pub vhosts: DashMap<String, Arc<Vhost>>,
    /// Open connections.
    pub connections: DashMap<ConnectionId, ConnectionHandle>,
    /// Counters.
    pub counters: Counters,
    /// Why publishers are blocked, while they are.
    pub alarms: watch::Sender<Alarms>,
    /// Set when the broker stops.
    pub stopping: watch::Sender<bool>,
    /// Held by whoever imports definitions.
    pub importing: tokio::sync::Mutex<()>,
    users: RwLock<Users>,
    next_connection: AtomicU64,
    next_queue: AtomicU64,
    /// How much of each queue is in memory.
    pub window: Window,
    /// First position of a queue that the store knows nothing of.
    first_position: Position,
}

impl Shared {
    /// The shared state of a broker that is starting.
    pub fn new(
        config: Config,
        clock: Clock,
        store: StoreHandle,
        first_queue: u64,
        first_position: Position,
    ) -> Self {
        let users = RwLock::new(Users::new(config.loopback_users.clone()));
        Self {
            config,
            clock,
            store,
            store_progress: Arc::default(),
            vhosts: DashMap::new(),
            connections: DashMap::new(),
            counters: Counters::default(),
            alarms: watch::Sender::default(),
            stopping: watch::Sender::new(false),
            importing: tokio::sync::Mutex::default(),
            users,
            // 0 stands for the broker itself.
            next_connection: AtomicU64::new(1),
            next_queue: AtomicU64::new(first_queue),
            first_position,
            window: Window::UNLIMITED,
        }
    }

    /// An id for a new connection.
    pub fn new_connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// An id for a new queue.
    pub fn new_queue_id(&self) -> u64 {
        self.next_queue.fetch_add(1, Ordering::Relaxed)
    }

    /// The exchange with a queue for what has to wait, if it delays messages.
    pub fn with_delay_queue(&self, exchange: ExchangeSpec) -> ExchangeSpec {
        let delay_queue = exchange.delays().then(|| self.new_queue_id());
        ExchangeSpec { delay_queue, ..exchange }
    }

    /// Where the positions of a new queue begin.
    pub const fn first_position(&self) -> Position {
        self.first_position
    }

    /// Looks at the users.
    pub fn users<T>(&self, look: impl FnOnce(&Users) -> T) -> T {
        look(&self.users.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the users.
    pub fn change_users<T>(&self, change: impl FnOnce(&mut Users) -> T) -> T {
        change(&mut self.users.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets what a user may do on a vhost, at once for open connections, too.
    pub fn put_permission(
        &self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Result<(), PatternError> {
        self.change_users(|users| users.put_permission(user, vhost, permission))?;
        if let Some(vhost) = self.vhosts.get(vhost) {
            vhost.topology.touch();
        }
        Ok(())
    }

    /// Submits to the store and waits until it is durable.
    pub async fn store_durably(&self, mut submission: Submission) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        submission.done = Some(Box::new(move || {
            // Whoever asked may have gone.
            let _ = sender.send(());
        }));
        self.store.submit(submission);
        // If the store failed, the answer never comes and the process ends: nobody is told of a success that is none.
        if receiver.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits while the store has too much to do of what the caller has given it.
    pub async fn wait_for_store(&self, given: Given) {
        while self.store_is_behind(given) {
            let progress = self.store_progress.notified();
            if !self.store_is_behind(given) {
                return;
            }
            progress.await;
        }
    }

    fn store_is_behind(&self, given: Given) -> bool {
        (given.records && self.store.pending_bytes() > STORE_HIGH_BYTES)
            || (given.pages && self.store.pending_page_bytes() > PAGES_HIGH_BYTES)
    }
}

/// What a queue has given to the store. One that gives nothing does not wait for what others gave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// Changes of what is stored.
    pub records: bool,
    /// Messages to be put out of memory.
    pub pages: bool,
}

/// Randomness from the operating system, for secrets and names. Without it nothing here is safe to go on.
pub fn random_bytes<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(bytes)
}

/// Counts messages under the reason for which they left.
pub fn count_reason(reasons: &Reasons, reason: Reason, count: u64) {
    let counter = match reason {
        Reason::Rejected => &reasons.rejected,
        Reason::Expired => &reasons.expired,
        Reason::Maxlen => &reasons.maxlen,
        Reason::DeliveryLimit => &reasons.delivery_limit,
    };
    counter.add(count);
}

/// Waits until the broker stops.
pub async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // The sender is gone only when all else is.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
