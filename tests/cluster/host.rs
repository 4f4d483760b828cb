//! What a simulated node runs on.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::broker::cluster_view::{ClusterStatus, ClusterView, MoveError, Moving};
use coney::broker::identities::Identities;
use coney::cluster::{Host, Led, LocalEngine, Mark, Member, ReplicatedEngine, Tenure, Unreachable};
use coney::server::{Carrier, Meta, carriage};
use coney::store::{Error, ManualCommitter, StoreHandle, Submission, open_manual_with};
use coney::time::Time;
use coney::{Broker, BrokerHandle, StartError};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use crate::network::{NAMES, NODES, Network, NodesDirectory, SimulatedPieces, ms};
use crate::turns::{TurnLog, block};

/// Bytes in a pipe between client and broker.
const PIPE_BYTES: usize = 4096;

/// The brokers that run, by node, with the connections that they serve.
#[derive(Default)]
pub struct Brokers(Mutex<[Option<Running>; NODES]>);

struct Running {
    broker: Arc<BrokerHandle>,
    /// Takes copies of vhosts to it.
    carrier: Carrier,
    connections: Vec<JoinHandle<()>>,
    /// What it does for operators.
    orders: Vec<JoinHandle<()>>,
}

/// A broker that does something for an operator, or another node.
pub struct Asked {
    pub node: usize,
    pub broker: Arc<BrokerHandle>,
    pub carrier: Carrier,
}

/// What a node knows of the meta shard.
pub type Identified = Option<Arc<Identities>>;

/// The vhost that is the meta shard's.
pub const META_VHOST: &str = "/";
/// A vhost of each shard that is there for all of the story.
pub const VHOSTS: [&str; 3] = [META_VHOST, "first", "second"];

/// Which shard a world is.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// 0 is the meta shard.
    pub shard: u32,
    /// How many others there are, as the meta shard's brokers are told.
    pub shards: u32,
}

impl Seat {
    /// There are no shards.
    pub const ALONE: Self = Self { shard: 0, shards: 0 };

    pub const fn log_id(self) -> u64 {
        1 + self.shard as u64
    }

    pub const fn vhost(self) -> &'static str {
        VHOSTS[self.shard as usize]
    }

    /// Each shard has another node first.
    pub const fn rank_of(self, node: usize) -> u32 {
        ((node + NODES - self.shard as usize % NODES) % NODES) as u32
    }
}

/// What a broker of the meta shard knows of the cluster: how many shards it may give vhosts to.
#[derive(Debug)]
struct View(u32);

impl ClusterView for View {
    fn status(&self) -> ClusterStatus {
        ClusterStatus::default()
    }

    fn can_hand_over(&self, _: Option<&str>) -> Result<(), MoveError> {
        Ok(())
    }

    fn hand_over(&self, _: Option<String>) -> Moving {
        Box::pin(async { Ok(()) })
    }

    fn data_shards(&self) -> u32 {
        self.0
    }

    fn stop(&self) {}
}

impl Brokers {
    /// Connects to one of them, so many times.
    pub fn connect<const N: usize>(&self, pick: u64) -> Option<(usize, [tokio::io::DuplexStream; N])> {
        let mut brokers = self.0.lock().unwrap();
        let mut running: Vec<_> = brokers
            .iter_mut()
            .enumerate()
            .filter_map(|(node, broker)| Some((node, broker.as_mut()?)))
            .collect();
        let index = (pick as usize).checked_rem(running.len())?;
        let (node, Running { broker, connections, .. }) = running.swap_remove(index);
        let streams = [(); N].map(|()| {
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            connections.push(broker.attach(far));
            near
        });
        Some((node, streams))
    }

    /// Another one runs. Those before it have ended, but for one that stood still.
    fn begin(&self, node: usize, running: Running, network: &Network) {
        let mut brokers = self.0.lock().unwrap();
        let others = (0..NODES).filter(|other| brokers[*other].is_some());
        let other =
            others.filter(|other| !network.is_buried(*other)).find(|other| network.has_gone_on(*other));
        assert_eq!(other, None, "node {node} begins to lead, and another still serves clients");
        brokers[node] = Some(running);
    }

    /// The node of the first that runs.
    pub fn first(&self) -> Option<usize> {
        self.0.lock().unwrap().iter().position(Option::is_some)
    }

    /// Has one of them do something for an operator; whether there is any.
    pub fn order<F: Future<Output = ()> + Send + 'static>(
        &self,
        pick: u64,
        order: impl FnOnce(Asked) -> F,
    ) -> bool {
        let mut brokers = self.0.lock().unwrap();
        let mut running: Vec<_> = brokers
            .iter_mut()
            .enumerate()
            .filter_map(|(node, broker)| Some((node, broker.as_mut()?)))
            .collect();
        let Some(index) = (pick as usize).checked_rem(running.len()) else { return false };
        let (node, Running { broker, carrier, orders, .. }) = running.swap_remove(index);
        let asked = Asked { node, broker: Arc::clone(broker), carrier: carrier.clone() };
        orders.push(tokio::spawn(order(asked)));
        true
    }

    /// Has it do that, and waits for what comes of it; `None` if there is no broker, or it is gone.
    pub async fn ask<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        pick: u64,
        what: impl FnOnce(Asked) -> F + Send + 'static,
    ) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.order(pick, |asked| {
            let work = what(asked);
            async move { drop(sender.send(work.await)) }
        });
        answer.await.ok()
    }

    /// Whether clients are let into a vhost by a broker that is not about to find out that another leads.
    pub fn serve(&self, vhost: &str, network: &Network) -> bool {
        let brokers = self.0.lock().unwrap();
        let mut running = brokers.iter().enumerate();
        running.any(|(node, running)| {
            running.as_ref().is_some_and(|it| it.broker.serves(vhost)) && network.has_gone_on(node)
        })
    }

    /// The vhosts that each has which runs, with its node.
    pub fn vhosts(&self) -> Vec<(usize, Vec<String>)> {
        let brokers = self.0.lock().unwrap();
        let running = brokers.iter().enumerate();
        running.filter_map(|(node, running)| Some((node, running.as_ref()?.broker.vhosts()))).collect()
    }

    /// The nodes of all that run.
    pub fn leading(&self) -> Vec<usize> {
        let brokers = self.0.lock().unwrap();
        (0..NODES).filter(|node| brokers[*node].is_some()).collect()
    }

    /// Its broker is gone, and with it all connections.
    pub fn crash(&self, node: usize) {
        let running = self.0.lock().unwrap()[node].take();
        let Some(Running { connections, orders, .. }) = running else { return };
        connections.iter().chain(&orders).for_each(JoinHandle::abort);
    }
}

/// A node's.
#[derive(Clone)]
pub struct SimulatedHost {
    pub node: usize,
    pub network: Arc<Network>,
    pub directory: NodesDirectory,
    pub brokers: Arc<Brokers>,
    pub seat: Seat,
    /// What the node knows of the meta shard, if this is another.
    pub identities: Option<watch::Receiver<Identified>>,
}

impl SimulatedHost {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (network, node) = (&self.network, self.node);
        block(work, |ask| Arc::clone(network).serve(node, ask)).await
    }

    /// The committer at a random pace, in random pieces.
    async fn commit_now_and_then(
        self,
        mut committer: ManualCommitter,
        progress: Arc<Notify>,
        stops: Arc<AtomicBool>,
        failure: oneshot::Sender<Error>,
    ) {
        let mut idle_ms = 0;
        while !stops.load(Relaxed) {
            self.network.pass(self.node, self.network.below(3) + idle_ms).await;
            let most =
                if self.network.below(3) == 0 { usize::MAX } else { 1 + self.network.below(8) as usize };
            let taken;
            (committer, taken) = self
                .run(move || {
                    let taken = committer.commit_some(most);
                    (committer, taken)
                })
                .await;
            idle_ms = if taken == 0 { self.network.below(12) } else { 0 };
            progress.notify_waiters();
            if committer.has_failed() {
                drop(failure.send(committer.take_failure().unwrap_or(Error::Stopped)));
                return;
            }
        }
        // What its clients sent before they were told.
        self.run(move || committer.commit_pending()).await;
    }
}

impl Host for SimulatedHost {
    type Log = TurnLog;
    type Directory = NodesDirectory;
    type Led = SimulatedBroker;
    type Pieces = SimulatedPieces;

    fn now(&self) -> Time {
        self.network.looks_at_the_time(self.node);
        self.network.now()
    }

    async fn pass(&self, time: Duration) {
        self.network.pass(self.node, ms(time)).await;
    }

    fn directory(&self) -> &Self::Directory {
        &self.directory
    }

    async fn block<T: Send + 'static>(&self, work: impl FnOnce(&mut TurnLog) -> T + Send + 'static) -> T {
        self.run(move || work(&mut TurnLog)).await
    }

    async fn lead(
        &self,
        engine: LocalEngine,
        fence: Mark,
        tenure: Tenure,
    ) -> Result<SimulatedBroker, StartError> {
        let open = move || open_manual_with(Box::new(ReplicatedEngine::new(engine, TurnLog, fence, tenure)));
        let (handle, committer, recovered) = self.run(open).await?;
        let (progress, stops, (failure, mut failed)) =
            (Arc::<Notify>::default(), Arc::<AtomicBool>::default(), oneshot::channel());
        let pump =
            self.clone().commit_now_and_then(committer, Arc::clone(&progress), Arc::clone(&stops), failure);
        let pump = Pump(tokio::spawn(pump));
        let builder = Broker::builder().detached().clock(self.network.clock);
        let (carrier, carried) = carriage();
        let builder = builder.store(handle.clone(), recovered).store_progress(progress).carried(carried);
        let Seat { shard, shards } = self.seat;
        let builder = match self.identities.clone() {
            Some(identities) => builder.meta(Meta { shard, identities, followed: watch::Sender::default() }),
            None if shards > 0 => builder.cluster(Arc::new(View(shards))),
            None => builder,
        };
        let broker = tokio::select! {
            biased;
            error = &mut failed => return Err(StartError::Store(error.unwrap_or(Error::Stopped))),
            started = builder.start() => Arc::new(started?),
        };
        let running = Running { broker, carrier, connections: Vec::new(), orders: Vec::new() };
        self.brokers.begin(self.node, running, &self.network);
        let failed = tokio::sync::Mutex::new(failed);
        Ok(SimulatedBroker { host: self.clone(), handle, pump, stops, failed })
    }

    async fn fetch_snapshot(&self, from: &Member) -> Result<SimulatedPieces, Unreachable> {
        SimulatedPieces::ask(Arc::clone(&self.network), self.node, &from.name).await
    }

    async fn outlive(&self, other: &Member) -> Result<(), Unreachable> {
        let other = NAMES.iter().position(|name| *name == other.name).unwrap();
        self.network.outlive(self.node, other).await
    }
}

/// Ends with its node.
struct Pump(JoinHandle<()>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A broker of a node that leads.
pub struct SimulatedBroker {
    host: SimulatedHost,
    handle: StoreHandle,
    pump: Pump,
    stops: Arc<AtomicBool>,
    failed: tokio::sync::Mutex<oneshot::Receiver<Error>>,
}

impl Led for SimulatedBroker {
    async fn failed(&self) -> Error {
        let mut failed = self.failed.lock().await;
        (&mut *failed).await.unwrap_or(Error::Stopped)
    }

    fn beat(&self, done: Box<dyn FnOnce() + Send>) {
        self.handle.submit(Submission::beat().with_done(done));
    }

    /// Now and then, in a world with troubles: if it is twice, another leads.
    fn is_short_of_disk(&self) -> bool {
        let network = &self.host.network;
        network.troubles.lock().unwrap().is_lossy && network.below(3) == 0
    }

    async fn end(mut self) {
        let running = self.host.brokers.0.lock().unwrap()[self.host.node].take();
        if let Some(Running { broker, orders, .. }) = running {
            for order in orders {
                order.abort();
                drop(order.await);
            }
            let broker = Arc::try_unwrap(broker).ok().expect("nobody else keeps it");
            broker.shutdown().await.unwrap();
        }
        self.host.network.has_ended(self.host.node);
        self.stops.store(true, Relaxed);
        (&mut self.pump.0).await.unwrap();
    }
}
