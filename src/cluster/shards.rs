//! The shards of a cluster as a node sees them that leads clients to them: where each is led, and this node's broker of each while it leads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

use super::known::Known;
use super::proxy::{self, HELD_MAX};
use super::proxy_header::{ProxyHeader, Secret};
use super::route::Route;
use crate::broker::Clock;
use crate::server::{Carrier, Socket};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// One of them.
#[derive(Clone)]
pub(super) struct Shard {
    pub(super) route: watch::Receiver<Route>,
    /// This node's broker of it, while it has one.
    pub(super) broker: watch::Receiver<Option<Carrier>>,
}

/// All of them, the meta shard first.
#[derive(Clone)]
pub(super) struct Shards {
    pub(super) clock: Clock,
    pub(super) secret: Secret,
    pub(super) all: Arc<[Shard]>,
    pub(super) known: Known,
    /// This node's own peer port, as it can be reached from here.
    pub(super) own: String,
    /// This node's name.
    pub(super) name: String,
}

/// Nobody leads a shard, for longer than a client is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody leads shard {0}")]
pub(super) struct Leaderless(pub(super) u32);

impl Shards {
    pub(super) fn of(&self, shard: u32) -> Option<&Shard> {
        self.all.get(shard as usize)
    }

    /// Where a shard is led, now.
    pub(super) fn route(&self, shard: u32) -> Route {
        self.of(shard).map_or(Route::Nobody, |shard| shard.route.borrow().clone())
    }

    /// One that is led near by: by this node, or else by any.
    pub(super) fn nearest(&self) -> u32 {
        let numbers = || 0..self.all.len() as u32;
        let own = numbers().find(|shard| self.route(*shard).is_own());
        own.or_else(|| numbers().find(|shard| self.route(*shard) != Route::Nobody)).unwrap_or(0)
    }

    /// The peer port of whoever leads a shard, and its name.
    pub(super) fn leader(&self, shard: u32) -> Option<(String, String)> {
        match self.route(shard) {
            Route::Own { .. } => Some((self.own.clone(), self.name.clone())),
            Route::To(leader) => Some((leader.address, leader.name)),
            Route::Nobody => None,
        }
    }

    /// A connection to the broker of the shard that the header names, and its node's name. Waits for a leader.
    ///
    /// # Errors
    /// There is none for too long.
    pub(super) async fn dial(&self, header: &ProxyHeader) -> Result<(TcpStream, String), Leaderless> {
        let shard = u32::from(header.shard);
        let last = self.clock.now() + HELD_MAX;
        loop {
            if let Some((address, name)) = self.leader(shard) {
                match proxy::dial(&address, header, &self.secret).await {
                    Ok(stream) => return Ok((stream, name)),
                    Err(error) => tracing::debug!(shard, name, %error, "the leader cannot be reached"),
                }
            }
            self.pause(last, shard).await?;
        }
    }

    /// Gives an AMQP client that was led through the handshake, and what it said there, to this node's broker of a shard.
    ///
    /// # Errors
    /// The client, if there is none.
    pub(super) async fn give(
        &self,
        header: &ProxyHeader,
        stream: Socket,
        said: Vec<u8>,
    ) -> Result<(), Socket> {
        let broker = self.of(u32::from(header.shard)).and_then(|shard| shard.broker.borrow().clone());
        match broker {
            Some(broker) if !broker.is_gone(header.door) => {
                broker.carry(header.came(Some(said)), stream).await
            }
            _ => Err(stream),
        }
    }

    /// Waits a moment, unless it is too late.
    ///
    /// # Errors
    /// It is.
    pub(super) async fn pause(&self, last: crate::time::Time, shard: u32) -> Result<(), Leaderless> {
        if self.clock.now() >= last {
            return Err(Leaderless(shard));
        }
        self.clock.wait_for(Some(self.clock.now() + PAUSE)).await;
        Ok(())
    }

    /// Waits until all nodes that lead a shard, and this one, know what the leader of the meta shard knows now. Those that do not answer in
    /// time learn of it later.
    ///
    /// # Errors
    /// The meta shard's leader does not answer, or this node does not know it.
    pub(super) async fn settle(&self) -> io::Result<()> {
        let Some((meta, _)) = self.leader(0) else {
            return Err(io::Error::other("nobody leads the meta shard"));
        };
        let sequence = super::peer::wait_at(&meta, &self.secret, 0).await?;
        let mut others: Vec<String> =
            (0..self.all.len() as u32).filter_map(|shard| Some(self.leader(shard)?.0)).collect();
        others.sort();
        others.dedup();
        others.retain(|other| *other != self.own);
        let waits = others.iter().map(|at| super::peer::wait_at(at, &self.secret, sequence));
        let (own, _) = tokio::join!(self.known.wait(sequence), futures_util::future::join_all(waits));
        if own < sequence {
            return Err(io::Error::other("this node does not know it yet"));
        }
        Ok(())
    }
}
