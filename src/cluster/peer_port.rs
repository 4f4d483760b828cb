//! The port on which other nodes reach this one: with connections of clients that they carry here, for this node's broker, for
//! snapshots of its store, and to find out that its process has ended.

use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::adopting::take_vhost;
use super::known::Known;
use super::local::LocalEngine;
use super::peer::{AdoptWish, CONNECTIONS_MAX, HELLO, PeerPieces, Wish, give, give_vhost, say_adopted, wish};
use super::peer_watch;
use super::proxy_header::{ProxyHeader, Secret, WELCOME};
use crate::broker::Clock;
use crate::server::{Carrier, Door, Socket};

/// So long a node may take to say whose connection it carries, and a broker to take it.
const HEADER_MAX: Duration = Duration::from_secs(5);
/// Connections that have not said it yet, at a time: whoever is no node holds these at most.
const UNPROVEN_MAX: usize = 512;
/// Other nodes watch this one at a time with so many connections, one of each node for each shard that this one leads.
pub(super) const WATCHES_MAX: usize = 1024;
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// What takes connections from other nodes.
pub(super) struct PeerPort {
    pub(super) listener: TcpListener,
    pub(super) clock: Clock,
    pub(super) secret: Secret,
    /// Of each shard: this node's part in it.
    pub(super) parts: Arc<[Part]>,
    /// What this node goes by of the meta shard.
    pub(super) known: Known,
    /// For whoever watches: of [`WATCHES_MAX`].
    pub(super) watches: Arc<Semaphore>,
}

/// This node's part in a shard.
#[derive(Clone)]
pub(super) struct Part {
    /// Its broker, while it has one.
    pub(super) broker: watch::Receiver<Option<Carrier>>,
    /// What snapshots are of.
    pub(super) engine: LocalEngine,
}

/// The same for one connection.
#[derive(Clone)]
struct Peer {
    secret: Secret,
    parts: Arc<[Part]>,
    known: Known,
    /// For snapshots.
    free: Arc<Semaphore>,
    /// For whoever watches.
    watches: Arc<Semaphore>,
}

/// Listens where others are told to connect; on all addresses if that one is not this machine's, as behind a translated one.
///
/// # Errors
/// The name is unknown, or the port cannot be had.
pub(super) async fn bind(address: &str) -> io::Result<TcpListener> {
    let found: Vec<SocketAddr> = lookup_host(address).await?.collect();
    let first = found.first().copied().ok_or_else(|| io::Error::other("its name has no address"))?;
    match TcpListener::bind(found.as_slice()).await {
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            let all = SocketAddr::from((Ipv6Addr::UNSPECIFIED, first.port()));
            tracing::warn!(%address, "is not an address of this machine: other nodes are listened for on {all}");
            TcpListener::bind(all).await
        }
        bound => bound,
    }
}

impl PeerPort {
    /// Takes connections; never ends.
    pub(super) async fn run(self) {
        let unproven = Arc::new(Semaphore::new(UNPROVEN_MAX));
        let Self { listener, clock, secret, parts, known, watches } = self;
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let peer = Peer { secret, parts, known, free, watches };
        // They end with the port: whoever watches sees that.
        let mut taken = JoinSet::new();
        loop {
            while taken.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&unproven).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, node)) => {
                    let peer = peer.clone();
                    taken.spawn(async move {
                        if let Err(error) = peer.take(stream, permit).await {
                            tracing::debug!(%node, %error, "a connection on the peer port was closed");
                        }
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(%error, "a connection of a node could not be accepted");
                    clock.wait_for(Some(clock.now() + PAUSE)).await;
                }
            }
        }
    }
}

impl Peer {
    async fn take(self, stream: TcpStream, unproven: OwnedSemaphorePermit) -> io::Result<()> {
        let mut first = [0];
        timeout(HEADER_MAX, stream.peek(&mut first)).await??;
        if first != [HELLO[0]] {
            return self.carry(stream).await;
        }
        self.answer(stream, unproven).await
    }

    async fn answer(self, mut stream: TcpStream, unproven: OwnedSemaphorePermit) -> io::Result<()> {
        match timeout(HEADER_MAX, wish(&mut stream, &self.secret)).await?? {
            Wish::Snapshot(shard) => {
                // Whoever has to wait asks again.
                let permit = self.free.try_acquire().map_err(io::Error::other)?;
                let given = give(stream, self.part(shard)?.engine.clone()).await;
                drop(permit);
                given
            }
            Wish::Vhost(shard, id, vhost) => {
                let permit = self.free.try_acquire().map_err(io::Error::other)?;
                let given = give_vhost(stream, self.part(shard)?.engine.clone(), vhost, id).await;
                drop(permit);
                given
            }
            Wish::Adopt(wish) => {
                drop(unproven);
                let adopted = self.adopt(&wish).await;
                say_adopted(stream, adopted).await
            }
            Wish::Wait(sequence) => {
                let applied = self.known.wait(sequence).await;
                timeout(HEADER_MAX, stream.write_u64(applied)).await?
            }
            Wish::Watch => {
                let permit = self.watches.try_acquire().map_err(io::Error::other)?;
                drop(unproven);
                let held = peer_watch::hold(stream).await;
                drop(permit);
                held
            }
        }
    }

    fn part(&self, shard: u16) -> io::Result<&Part> {
        let none = || io::Error::other("this node knows no such shard");
        self.parts.get(usize::from(shard)).ok_or_else(none)
    }

    /// Has this node's broker of a shard take in a vhost.
    async fn adopt(&self, wish: &AdoptWish) -> Result<(), String> {
        let AdoptWish { moving, leader } = wish;
        let broker = self.part(moving.to).map_err(|error| error.to_string())?.broker.borrow().clone();
        let broker = broker.filter(|broker| !broker.is_gone(Door::Amqp)).ok_or("this node does not lead")?;
        let known = self.known.identities.borrow().clone().ok_or("this node knows no vhosts")?;
        take_vhost(&broker, &known, moving, PeerPieces::of_vhost(leader, &self.secret, moving)).await
    }

    async fn carry(self, mut stream: TcpStream) -> io::Result<()> {
        let read = ProxyHeader::read(&mut stream, &self.secret);
        let header = timeout(HEADER_MAX, read).await?.map_err(io::Error::other)?;
        let door = header.door;
        let broker = self.part(header.shard)?.broker.borrow().clone();
        let broker = broker.ok_or_else(|| io::Error::other("this node does not lead"))?;
        let gone = || io::Error::other("this node's broker does not speak that, or has ended");
        if broker.is_gone(door) {
            return Err(gone());
        }
        // Without it whoever carries the connection looks for another leader.
        stream.set_nodelay(true)?;
        timeout(HEADER_MAX, stream.write_all(&[WELCOME])).await??;
        let came = header.came(header.is_again.then(Vec::new));
        timeout(HEADER_MAX, broker.carry(came, Socket::Plain(stream))).await?.map_err(|_| gone())
    }
}
