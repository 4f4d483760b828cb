//! What a node runs on in a process of its own: tokio's threads for what blocks, the store's own threads, the system's clock.

use super::directory::{Directory, Member};
use super::engine::ReplicatedEngine;
use super::host::{Host, Led};
use super::local::LocalEngine;
use super::log::{Log, Unreachable};
use super::mark::Mark;
use super::peer::PeerPieces;
use super::peer_watch;
use super::tenure::Tenure;
use crate::broker::Clock;
use crate::server::{BrokerBuilder, BrokerHandle, StartError};
use crate::store::{self, Disk, Error, RunOptions, Store, StoreHandle, Submission};
use crate::time::Time;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, oneshot, watch};

/// A drain is one message of the log; 256 KiB were best for NATS, and an entry costs a little more than its bytes.
const DRAIN_BYTES_MAX: usize = 512 * 1024;

/// A [`Host`] for a process.
pub struct ThreadHost<L, D> {
    /// The data directory, in which pages go.
    pub dir: PathBuf,
    /// Clients of the log: clones.
    pub log: L,
    /// The directory.
    pub directory: D,
    /// The clock.
    pub clock: Clock,
    /// The cluster's, without which others give no snapshots.
    pub secret: [u8; 32],
    /// Which shard of several it is a part of.
    pub shard: u16,
    /// Makes a broker to be started.
    pub builder: Arc<dyn Fn() -> BrokerBuilder + Send + Sync>,
    /// Is told the addresses of the broker, while there is one.
    pub addresses: watch::Sender<Vec<SocketAddr>>,
}

/// A broker on threads.
pub struct Started {
    /// Until it is ended.
    running: Option<(BrokerHandle, Store)>,
    store: StoreHandle,
    addresses: watch::Sender<Vec<SocketAddr>>,
    failed: Mutex<oneshot::Receiver<Error>>,
}

impl<L: Log + Clone + Sync + 'static, D: Directory> Host for ThreadHost<L, D> {
    type Log = L;
    type Directory = D;
    type Led = Started;
    type Pieces = PeerPieces;

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn pass(&self, time: Duration) {
        self.clock.wait_for(Some(self.clock.now() + time)).await;
    }

    fn directory(&self) -> &D {
        &self.directory
    }

    async fn block<T: Send + 'static>(&self, work: impl FnOnce(&mut L) -> T + Send + 'static) -> T {
        let mut log = self.log.clone();
        match tokio::task::spawn_blocking(move || work(&mut log)).await {
            Ok(out) => out,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and with it whoever waits.
            Err(_) => std::future::pending().await,
        }
    }

    async fn lead(&self, engine: LocalEngine, fence: Mark, tenure: Tenure) -> Result<Started, StartError> {
        let progress = Arc::<Notify>::default();
        let (failure, mut failed) = oneshot::channel();
        let (clock, on_progress) = (self.clock, Arc::clone(&progress));
        let options = RunOptions {
            dir: self.dir.clone(),
            drain_bytes_max: DRAIN_BYTES_MAX,
            clock: Box::new(move || clock.now()),
            on_commit: Box::new(move || on_progress.notify_waiters()),
            on_failure: Box::new(move |error| drop(failure.send(error))),
        };
        let log = self.log.clone();
        let open = move |_: &mut L| {
            store::open_with(Disk::of(ReplicatedEngine::new(engine, log, fence, tenure)), options)
        };
        let (store, recovered) = self.block(open).await?;
        let builder = (self.builder)().store(store.handle(), recovered).store_progress(progress);
        // A broker writes something while it starts, and would wait for that for ever if this node was deposed meanwhile.
        let broker = tokio::select! {
            biased;
            error = &mut failed => {
                drop(tokio::task::spawn_blocking(move || store.shutdown()).await);
                return Err(StartError::Store(error.unwrap_or(Error::Stopped)));
            }
            started = builder.start() => started?,
        };
        self.addresses.send_replace(broker.addresses().to_vec());
        Ok(Started {
            store: store.handle(),
            running: Some((broker, store)),
            addresses: self.addresses.clone(),
            failed: Mutex::new(failed),
        })
    }

    async fn fetch_snapshot(&self, from: &Member) -> Result<PeerPieces, Unreachable> {
        PeerPieces::ask_of(peer_of(from)?, &self.secret, self.shard).await
    }

    async fn outlive(&self, other: &Member) -> Result<(), Unreachable> {
        peer_watch::outlive(peer_of(other)?, &self.secret, self.clock).await
    }
}

fn peer_of(member: &Member) -> Result<&str, Unreachable> {
    let none = || Unreachable(format!("node {} says no address", member.name));
    member.peer.as_deref().ok_or_else(none)
}

impl Led for Started {
    async fn failed(&self) -> Error {
        let mut failed = self.failed.lock().await;
        (&mut *failed).await.unwrap_or(Error::Stopped)
    }

    fn beat(&self, done: Box<dyn FnOnce() + Send>) {
        self.store.submit(Submission::beat().with_done(done));
    }

    fn is_short_of_disk(&self) -> bool {
        self.store.is_short_of_disk()
    }

    async fn end(mut self) {
        self.addresses.send_replace(Vec::new());
        if let Some((broker, store)) = self.running.take() {
            close(broker, store).await;
        }
    }
}

async fn close(broker: BrokerHandle, store: Store) {
    drop(broker.shutdown().await);
    // Of a failure others were told.
    drop(tokio::task::spawn_blocking(move || store.shutdown()).await);
}

/// A node that is stopped while it leads: its clients are told nevertheless. When that is done there are no addresses any more.
impl Drop for Started {
    fn drop(&mut self) {
        let (Some((broker, store)), Ok(runtime)) = (self.running.take(), Handle::try_current()) else {
            return;
        };
        let addresses = self.addresses.clone();
        runtime.spawn(async move {
            close(broker, store).await;
            addresses.send_replace(Vec::new());
        });
    }
}
