//! A vhost moves to another shard: what whoever asks for it and the node that is asked do, over a network that loses things. What is done
//! with what is known is the real one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::broker::Home;
use coney::cluster::{Copying, Mark, VhostMove, copy_vhost, identities_in, take_vhost};
use coney::time::Time;
use coney::{Clock, OperationError};
use tokio::sync::watch;

use crate::clients::Place;
use crate::host::{Asked, Identified};
use crate::network::{NODES, SimulatedPieces, ms};
use crate::random::Random;

/// A node waits so long to know what the meta shard's leader does.
const SETTLE_MS: u64 = 2000;

/// What each node knows of the meta shard, while it runs.
pub type KnownByNodes = Arc<Mutex<[Option<watch::Receiver<Identified>>; NODES]>>;

/// A node that is asked to have vhosts moved.
#[derive(Clone)]
pub struct Mover {
    pub places: Arc<[Place]>,
    pub known: KnownByNodes,
    pub node: usize,
    pub random: Arc<Mutex<Random>>,
    pub clock: Clock,
}

impl Mover {
    fn below(&self, limit: u64) -> u64 {
        self.random.lock().unwrap().below(limit)
    }

    /// To its shard: that gives a move up.
    pub async fn move_to(&self, vhost: &'static str, shard: u32) -> Result<(), String> {
        self.tell_meta(move |asked| async move { asked.broker.begin_move(vhost, shard).await }).await?;
        self.settle(vhost).await?;
        if let Some((shard, id)) = copy_vhost(self, vhost).await? {
            self.tell_meta(move |asked| async move { asked.broker.end_move(vhost, shard, id).await }).await?;
            // It is done, whether this node knows it or not.
            drop(self.settle(vhost).await);
        }
        Ok(())
    }

    async fn tell_meta<F: Future<Output = Result<(), OperationError>> + Send + 'static>(
        &self,
        what: impl FnOnce(Asked) -> F + Send + 'static,
    ) -> Result<(), String> {
        self.places[0].network.pass(self.node, self.below(4)).await;
        let told = self.places[0].brokers.ask(self.below(1 << 32), what).await;
        told.ok_or("it is gone")?.map_err(|error| error.to_string())
    }

    /// Waits until this node knows what the meta shard's leader does.
    async fn settle(&self, vhost: &str) -> Result<(), String> {
        let network = &self.places[0].network;
        let leader = self.places[0].brokers.first().ok_or("nobody leads the meta shard")?;
        let sequence = |node: usize| {
            let mark = Mark::read(&network.disks[node].engine()).unwrap();
            mark.unwrap_or_default().sequence
        };
        let wanted = sequence(leader);
        let last = self.clock.now() + Duration::from_millis(SETTLE_MS);
        loop {
            let read = identities_in(&network.disks[self.node].engine()).unwrap();
            let home = read.and_then(|known| known.vhosts.get(vhost)?.home).unwrap_or_default();
            if sequence(self.node) >= wanted && home == self.home(vhost) {
                return Ok(());
            }
            if self.clock.now() >= last {
                return Err("this node does not know yet".into());
            }
            network.pass(self.node, 1 + self.below(5)).await;
        }
    }
}

impl Copying for Mover {
    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn pass(&self, time: Duration) {
        self.places[0].network.pass(self.node, ms(time)).await;
    }

    fn home(&self, vhost: &str) -> Home {
        let known = self.known.lock().unwrap();
        let known = known[self.node].as_ref().and_then(|known| known.borrow().clone());
        known.and_then(|known| known.vhosts.get(vhost)?.home).unwrap_or_default()
    }

    async fn copy(&self, wish: &VhostMove) -> Result<(), String> {
        let to = &self.places[usize::from(wish.to)];
        let Place { brokers, network } = self.places[usize::from(wish.from)].clone();
        to.network.pass(self.node, self.below(4)).await;
        // What a node has that says that the vhost is closed is good, whether it leads or not.
        let any = self.below(NODES as u64) as usize;
        let from = brokers.first().filter(|_| self.below(4) > 0).unwrap_or(any);
        let (known, wish) = (Arc::clone(&self.known), wish.clone());
        let taken = to.brokers.ask(self.below(1 << 32), move |asked| async move {
            let own = known.lock().unwrap()[asked.node].as_ref().and_then(|known| known.borrow().clone());
            let own = own.ok_or("it knows no vhosts")?;
            let pieces = SimulatedPieces::of_vhost(network, asked.node, from, &wish);
            take_vhost(&asked.carrier, &own, &wish, pieces).await
        });
        taken.await.unwrap_or_else(|| Err("it is gone".into()))
    }
}
