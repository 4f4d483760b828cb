//! What others can read of connections and channels at any time, without waiting for their tasks.
//!
//! A connection's task writes here when something changes, at most once per batch; whoever reads gets what holds now.
//! Beside what holds now stand the statistics: what has happened so far.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use amq_protocol::types::FieldTable;

use crate::queue::ConnectionId;
use crate::session::{ChannelMode, ChannelNumbers, ChannelReport};
use crate::statistics::{ChannelStatistics, ConnectionStatistics};
use crate::time::{Time, Timestamp};
use crate::tls::Secured;

/// How a connection is; the names are RabbitMQ's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// Its client has not yet opened a vhost.
    #[default]
    Starting,
    /// All is well.
    Running,
    /// An alarm is raised, and its client has published: nothing more is read.
    Blocked,
    /// Queues have too much of what it published: nothing more is read for the moment.
    Flow,
    /// It is being closed.
    Closing,
}

impl ConnectionState {
    const ALL: [Self; 5] = [Self::Starting, Self::Running, Self::Blocked, Self::Flow, Self::Closing];

    /// RabbitMQ's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Flow => "flow",
            Self::Closing => "closing",
        }
    }
}

/// What became clear about a connection during its handshake.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Handshake {
    /// The user; empty before the login.
    pub user: String,
    /// The SASL mechanism of the login.
    pub auth_mechanism: String,
    /// What the client said about itself.
    pub client_properties: Arc<FieldTable>,
    /// The vhost; `None` before connection.open-ok.
    pub vhost: Option<String>,
    /// Heartbeat interval in seconds; 0: none.
    pub heartbeat_s: u16,
    /// Largest frame, in bytes.
    pub frame_bytes_max: u32,
    /// Channels that may be open at a time.
    pub channels_max: u16,
}

/// An open connection.
#[derive(Debug)]
pub struct ConnectionOverview {
    /// Its id.
    pub id: ConnectionId,
    /// Its client's address.
    pub peer: SocketAddr,
    /// The broker's address that the client connected to, if it came over a socket.
    pub local: Option<SocketAddr>,
    /// What is spoken on it.
    pub protocol: &'static str,
    /// How it is secured, if it came over TLS.
    pub tls: Option<Arc<Secured>>,
    /// Since when it is there.
    pub connected_at: Timestamp,
    /// What has passed over its socket. Bytes count when they are read or written, frames when they are taken or made.
    pub statistics: ConnectionStatistics,
    state: AtomicU8,
    handshake: RwLock<Arc<Handshake>>,
    channels: RwLock<BTreeMap<u16, Arc<ChannelOverview>>>,
}

impl ConnectionOverview {
    /// A connection that was accepted just now.
    #[must_use]
    pub fn new(
        id: ConnectionId,
        protocol: &'static str,
        peer: SocketAddr,
        local: Option<SocketAddr>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            peer,
            local,
            protocol,
            tls: None,
            connected_at: now,
            statistics: ConnectionStatistics::default(),
            state: AtomicU8::default(),
            handshake: RwLock::default(),
            channels: RwLock::default(),
        }
    }

    /// The same over TLS.
    #[must_use]
    pub fn over_tls(mut self, secured: Option<Arc<Secured>>) -> Self {
        self.tls = secured;
        self
    }

    /// The name by which RabbitMQ's tools know a connection: `peer -> local`.
    #[must_use]
    pub fn name(&self) -> String {
        let local = self.local.map_or_else(|| "embedded".to_owned(), |local| local.to_string());
        format!("{} -> {local}", self.peer)
    }

    /// How it is.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        let state = self.state.load(Ordering::Relaxed);
        ConnectionState::ALL.get(usize::from(state)).copied().unwrap_or_default()
    }

    /// What became clear during its handshake, as far as it is.
    #[must_use]
    pub fn handshake(&self) -> Arc<Handshake> {
        Arc::clone(&self.handshake.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its open channels, by number.
    #[must_use]
    pub fn channels(&self) -> Vec<Arc<ChannelOverview>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).values().map(Arc::clone).collect()
    }

    /// Its channel of that number, if it is open.
    #[must_use]
    pub fn channel(&self, number: u16) -> Option<Arc<ChannelOverview>> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner).get(&number).map(Arc::clone)
    }

    /// For the connection's own task.
    pub(crate) fn set_state(&self, state: ConnectionState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// For the connection's own task.
    pub(crate) fn change_handshake(&self, change: impl FnOnce(&mut Handshake)) {
        change(Arc::make_mut(&mut self.handshake.write().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Something was done on a channel. For the connection's own task.
    pub(crate) fn update_channel(&self, report: ChannelReport, now: Time, wall: Timestamp) {
        let ChannelReport { number, incarnation, numbers, counted } = report;
        let Some(numbers) = numbers else {
            self.channels.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
            return;
        };
        let known = self.channel(number).filter(|channel| channel.incarnation == incarnation);
        let channel = known.unwrap_or_else(|| {
            let channel = Arc::new(ChannelOverview::new(number, incarnation, now, wall));
            let mut channels = self.channels.write().unwrap_or_else(PoisonError::into_inner);
            channels.insert(number, Arc::clone(&channel));
            channel
        });
        channel.set(numbers, wall);
        if !counted.is_zero() {
            channel.statistics.add(now, &counted);
        }
    }
}

/// An open channel.
#[derive(Debug)]
pub struct ChannelOverview {
    /// Its number on its connection.
    pub number: u16,
    /// Since when it is open.
    pub opened_at: Timestamp,
    /// What has happened on it.
    pub statistics: ChannelStatistics,
    incarnation: u64,
    mode: AtomicU8,
    /// Consumer prefetch in the lower half, channel prefetch in the upper.
    prefetch: AtomicU32,
    consumers: AtomicU32,
    unacked: AtomicU32,
    unconfirmed: AtomicU32,
    uncommitted_publishes: AtomicU32,
    uncommitted_acks: AtomicU32,
    last_change_ms: AtomicU64,
}

impl ChannelOverview {
    fn new(number: u16, incarnation: u64, now: Time, wall: Timestamp) -> Self {
        Self {
            number,
            opened_at: wall,
            statistics: ChannelStatistics::new(now),
            incarnation,
            mode: AtomicU8::new(0),
            prefetch: AtomicU32::new(0),
            consumers: AtomicU32::new(0),
            unacked: AtomicU32::new(0),
            unconfirmed: AtomicU32::new(0),
            uncommitted_publishes: AtomicU32::new(0),
            uncommitted_acks: AtomicU32::new(0),
            last_change_ms: AtomicU64::new(wall.as_millis()),
        }
    }

    /// Its numbers of this moment. Each is exact; two need not be of the same batch.
    #[must_use]
    pub fn numbers(&self) -> ChannelNumbers {
        let read = |number: &AtomicU32| number.load(Ordering::Relaxed);
        let prefetch = read(&self.prefetch);
        ChannelNumbers {
            mode: match self.mode.load(Ordering::Relaxed) {
                1 => ChannelMode::Confirm,
                2 => ChannelMode::Transaction,
                _ => ChannelMode::Plain,
            },
            prefetch: (prefetch & 0xffff) as u16,
            global_prefetch: (prefetch >> 16) as u16,
            consumers: read(&self.consumers),
            unacked: read(&self.unacked),
            unconfirmed: read(&self.unconfirmed),
            uncommitted_publishes: read(&self.uncommitted_publishes),
            uncommitted_acks: read(&self.uncommitted_acks),
        }
    }

    /// When its numbers changed last.
    #[must_use]
    pub fn last_change(&self) -> Timestamp {
        Timestamp::from_millis(self.last_change_ms.load(Ordering::Relaxed))
    }

    fn set(&self, numbers: ChannelNumbers, now: Timestamp) {
        let ChannelNumbers { mode, prefetch, global_prefetch, .. } = numbers;
        let prefetch = u32::from(prefetch) | (u32::from(global_prefetch) << 16);
        self.mode.store(mode as u8, Ordering::Relaxed);
        for (place, number) in [
            (&self.prefetch, prefetch),
            (&self.consumers, numbers.consumers),
            (&self.unacked, numbers.unacked),
            (&self.unconfirmed, numbers.unconfirmed),
            (&self.uncommitted_publishes, numbers.uncommitted_publishes),
            (&self.uncommitted_acks, numbers.uncommitted_acks),
        ] {
            place.store(number, Ordering::Relaxed);
        }
        self.last_change_ms.store(now.as_millis(), Ordering::Relaxed);
    }
}
