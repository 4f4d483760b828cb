//! The AMQP door of a node where there are several shards: a client is led through the handshake until it says where it wants to go.
//!
//! Who a client is and what it may do only brokers decide. Until `connection.open` the client speaks to the broker of some shard, byte by
//! byte, and so everything that is refused is refused by a broker, in its words. Then the vhost is known, and with it the shard. If it is
//! another one, or this node leads it, everything that the client has said is said again to that shard's broker, which looks at the login as
//! at every login and does not tell the client again what it was told (`amqp/replayed.rs`). The first connection is given up.
//!
//! A node that leads the shard serves the client itself from then on, with nothing between.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::opening::{Opening, Said};
use super::proxy::{Client, HELD_MAX, accept_each, copy};
use super::proxy_header::ProxyHeader;
use super::route::Route;
use super::shards::Shards;
use crate::server::{Answered, Answers, Door, Front, Socket};

/// From the accepted socket to `connection.open`: a little more than brokers give.
const HANDSHAKE_MAX: Duration = Duration::from_secs(20);
/// Read at a time, before the client is in.
const CHUNK_BYTES: usize = 4096;

/// What leads clients in.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) shards: Shards,
    /// What ends their TLS.
    pub(super) front: Arc<Front>,
    /// For clients on their way in, and connections that are carried.
    pub(super) slots: Arc<Semaphore>,
}

/// What came of the handshake.
enum Talked {
    /// One of the two has ended it.
    Over,
    /// The broker that it spoke to says what becomes of it.
    Stays,
    /// The client wants to open this vhost.
    Opens(String),
}

impl Entry {
    /// Takes what comes to the door's listeners, until the node is gone.
    pub(super) async fn run(self, door: Door, listeners: Vec<TcpListener>) {
        let (slots, clock) = (Arc::clone(&self.slots), self.shards.clock);
        let take = move |client, slot| self.clone().take(client, slot);
        match accept_each(listeners, door, &slots, clock, take).await {}
    }

    async fn take(self, client: Client, slot: OwnedSemaphorePermit) {
        let peer = client.header.peer;
        if let Some((stream, header)) = ended(&self.front, client).await
            && let Err(error) = self.lead(stream, header).await
        {
            tracing::debug!(%peer, %error, "a connection that was led in ended");
        }
        drop(slot);
    }

    async fn lead(&self, mut stream: Socket, header: ProxyHeader) -> io::Result<()> {
        let first = self.shards.nearest();
        let (mut broker, leader) = self.dial(&header, first, false).await?;
        let mut opening = Opening::default();
        let talked = talk(&mut stream, &mut broker, &mut opening);
        match timeout(HANDSHAKE_MAX, talked).await.map_err(|_| io::ErrorKind::TimedOut)?? {
            Talked::Over => Ok(()),
            Talked::Stays => self.carry(stream, broker, first, &leader).await,
            Talked::Opens(vhost) => {
                self.wait_for_move(&vhost).await;
                let shard = self.shards.known.shard_of(&vhost);
                if shard == first && !self.shards.route(shard).is_own() {
                    broker.write_all(opening.rest()).await?;
                    return self.carry(stream, broker, first, &leader).await;
                }
                drop(broker);
                self.lead_to(stream, header, shard, opening.into_said()).await
            }
        }
    }

    /// Who comes while a vhost moves is held for a while; then a broker tells them.
    async fn wait_for_move(&self, vhost: &str) {
        let Shards { known, clock, .. } = &self.shards;
        let last = clock.now() + HELD_MAX;
        while known.home(vhost).is_some_and(|home| home.moving.is_some()) {
            if self.shards.pause(last, 0).await.is_err() {
                return;
            }
        }
    }

    /// Gives the client, and all that it said, to the broker of a shard.
    async fn lead_to(
        &self,
        mut stream: Socket,
        header: ProxyHeader,
        shard: u32,
        said: Vec<u8>,
    ) -> io::Result<()> {
        let header = of_shard(&header, shard, true)?;
        let last = self.shards.clock.now() + HELD_MAX;
        while self.shards.route(shard).is_own() {
            match self.shards.give(&header, stream, said.clone()).await {
                Ok(()) => return Ok(()),
                Err(back) => stream = back,
            }
            self.shards.pause(last, shard).await.map_err(|nobody| self.held(header.peer, nobody))?;
        }
        let (mut broker, leader) = self.dial(&header, shard, true).await?;
        broker.write_all(&said).await?;
        self.carry(stream, broker, shard, &leader).await
    }

    async fn dial(
        &self,
        header: &ProxyHeader,
        shard: u32,
        is_again: bool,
    ) -> io::Result<(TcpStream, String)> {
        let header = of_shard(header, shard, is_again)?;
        self.shards.dial(&header).await.map_err(|nobody| self.held(header.peer, nobody))
    }

    fn held(&self, peer: SocketAddr, nobody: super::shards::Leaderless) -> io::Error {
        tracing::info!(%peer, "a connection was closed: {nobody}");
        io::Error::other(nobody)
    }

    /// Copies as long as that node leads.
    async fn carry(&self, client: Socket, broker: TcpStream, shard: u32, leader: &str) -> io::Result<()> {
        let route = self.shards.of(shard).map(|shard| shard.route.clone());
        let route = route.ok_or_else(|| io::Error::other("there is no such shard"))?;
        // The broker's end is this node's own: it ends with the broker.
        let leader = if matches!(*route.borrow(), Route::Own { .. }) { None } else { Some(leader) };
        copy(client, broker, leader, route).await
    }
}

fn of_shard(header: &ProxyHeader, shard: u32, is_again: bool) -> io::Result<ProxyHeader> {
    let shard = u16::try_from(shard).map_err(io::Error::other)?;
    Ok(ProxyHeader { shard, is_again, ..header.clone() })
}

/// A client whose TLS, if that is what its door speaks, ends here: brokers are told how it was agreed on, and take what the client says from
/// then on. `None` if it has gone, or is not let in.
pub(super) async fn ended(front: &Front, client: Client) -> Option<(Socket, ProxyHeader)> {
    let Client { stream, header } = client;
    let plain = match header.door {
        Door::Amqps => Door::Amqp,
        Door::Https => Door::Http,
        _ => return Some((Socket::Plain(stream), header)),
    };
    let (stream, tls) = front.shake(header.door, stream, header.peer).await?;
    let header = ProxyHeader { door: plain, tls: Some(tls), ..header };
    if !header.can_be_sent() {
        tracing::warn!(peer = %header.peer, "a client's certificate is too long to be shown to another node");
        return None;
    }
    Some((stream, header))
}

/// Carries what both say until the client opens a vhost, which the broker is not told, and its login is accepted. Who says everything at
/// once is told everything nevertheless.
async fn talk(client: &mut Socket, broker: &mut TcpStream, opening: &mut Opening) -> io::Result<Talked> {
    let (mut of_client, mut of_broker) = (Vec::new(), Vec::new());
    let (mut answers, mut opens) = (Answers::default(), None);
    loop {
        of_client.clear();
        of_broker.clear();
        of_client.reserve(CHUNK_BYTES);
        of_broker.reserve(CHUNK_BYTES);
        tokio::select! {
            read = client.read_buf(&mut of_client), if opens.is_none() => {
                if read? == 0 {
                    return Ok(Talked::Over);
                }
                let said = opening.take(&of_client);
                broker.write_all(opening.passed()).await?;
                match said {
                    Said::Nothing => {}
                    Said::Opens(vhost) => opens = Some(vhost),
                    Said::Other => return Ok(Talked::Stays),
                }
            }
            read = broker.read_buf(&mut of_broker) => {
                if read? == 0 {
                    client.shutdown().await?;
                    return Ok(Talked::Over);
                }
                client.write_all(&of_broker).await?;
                answers.take(&of_broker);
            }
        }
        match answers.answered() {
            Answered::Other => {
                broker.write_all(opening.rest()).await?;
                return Ok(Talked::Stays);
            }
            Answered::Tune if opens.is_some() => return Ok(Talked::Opens(opens.unwrap_or_default())),
            Answered::Tune | Answered::Nothing => {}
        }
    }
}
