//! Three nodes, as they are in a process, on three servers; the leading node ends, and the server that leads the stream is killed.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use coney::cluster::{LocalEngine, Member, NatsDirectory, NatsLog, Node, Opened, ThreadHost};
use coney::store::open_disk;
use coney::{Broker, Clock};
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::clients::{self, VHOST};
use crate::servers::{Servers, until};

/// Lease, and elections of NATS, and a machine that has other things to do.
const FAILOVER_MAX: Duration = Duration::from_secs(90);
/// A client that hears nothing for so long connects again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Sent before any confirm is awaited.
const WINDOW: usize = 20;

/// A node on a runtime of its own, with which it ends.
struct Running {
    runtime: Option<Runtime>,
    addresses: watch::Receiver<Vec<SocketAddr>>,
    _dir: TempDir,
}

impl Running {
    fn start(opened: Opened, name: &str, rank: u32) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let (engine, healed, _) = open_disk(dir.path(), 64).unwrap().into_parts();
        assert_eq!(healed, None);
        let engine = LocalEngine::new(Box::new(engine), move || clock.now());
        let (sender, addresses) = watch::channel(Vec::new());
        let host: ThreadHost<NatsLog, NatsDirectory> = ThreadHost {
            dir: dir.path().into(),
            log: opened.log,
            directory: opened.directory,
            clock,
            secret: opened.secret,
            shard: 0,
            builder: Arc::new(|| Broker::builder().listen("127.0.0.1:0".parse().unwrap())),
            addresses: sender,
        };
        let member = Member { name: name.to_owned(), rank, ..Member::default() };
        let node = Node::new(host, member, opened.log_id, engine);
        let runtime = Runtime::new().unwrap();
        runtime.spawn(async move { panic!("a node has stopped: {}", node.run().await) });
        Self { runtime: Some(runtime), addresses, _dir: dir }
    }

    fn address(&self) -> Option<SocketAddr> {
        self.runtime.as_ref()?;
        self.addresses.borrow().first().copied()
    }

    /// It ends where it stands: nobody is told.
    fn abort(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abort();
    }
}

/// What a client knows.
#[derive(Default)]
struct Known {
    leads: Mutex<Option<SocketAddr>>,
    confirmed: Mutex<BTreeSet<u32>>,
    is_over: AtomicBool,
}

impl Known {
    fn count(&self) -> usize {
        self.confirmed.lock().unwrap().len()
    }
}

/// Publishes a window of numbers; what was confirmed is written down.
async fn publish(channel: &Channel, known: &Known, next: &mut u32) -> lapin::Result<()> {
    let mut sent = Vec::new();
    for _ in 0..WINDOW {
        let (number, options) = (*next, BasicPublishOptions::default());
        let properties = BasicProperties::default().with_delivery_mode(2);
        *next += 1;
        let confirm =
            channel.basic_publish("".into(), "q".into(), options, &number.to_be_bytes(), properties).await?;
        sent.push((number, confirm));
    }
    for (number, confirm) in sent {
        assert!(confirm.await?.is_ack());
        known.confirmed.lock().unwrap().insert(number);
    }
    Ok(())
}

/// Publishes to whoever leads, until it is over.
async fn publisher(known: Arc<Known>) {
    let mut next = 0;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !known.is_over.load(Relaxed) {
        look.tick().await;
        let Some(address) = *known.leads.lock().unwrap() else { continue };
        let Ok(Ok((_connection, channel))) =
            tokio::time::timeout(PATIENCE, clients::open(address, VHOST)).await
        else {
            continue;
        };
        while !known.is_over.load(Relaxed) {
            match tokio::time::timeout(PATIENCE, publish(&channel, &known, &mut next)).await {
                Ok(Ok(())) => {}
                _ => break,
            }
        }
    }
}

async fn drain(address: SocketAddr) -> BTreeSet<u32> {
    let (_connection, channel) = clients::open(address, VHOST).await.unwrap();
    let mut found = BTreeSet::new();
    while let Some(got) = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        let number = u32::from_be_bytes(got.delivery.data.as_slice().try_into().unwrap());
        assert!(found.insert(number), "message {number} is there twice");
    }
    found
}

struct Cluster {
    nodes: Vec<Running>,
    known: Arc<Known>,
}

impl Cluster {
    fn leader(&self) -> Option<(usize, SocketAddr)> {
        self.nodes.iter().enumerate().find_map(|(index, node)| Some((index, node.address()?)))
    }

    /// Waits until so many more are confirmed; tells the client who leads meanwhile. How long it took.
    fn confirms(&self, more: usize) -> Duration {
        let (began, goal) = (Instant::now(), self.known.count() + more);
        until("messages are confirmed", FAILOVER_MAX, || {
            *self.known.leads.lock().unwrap() = self.leader().map(|(_, address)| address);
            (self.known.count() >= goal).then_some(())
        });
        began.elapsed()
    }
}

#[test]
fn what_was_confirmed_survives_a_leader_and_a_server() {
    let Some(mut servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(3));
    let nodes = (0..3_u32).map(|index| {
        let opened = runtime.block_on(servers.open(index as usize));
        Running::start(opened, &format!("node-{index}"), index)
    });
    let mut cluster = Cluster { nodes: nodes.collect(), known: Arc::default() };
    let publishing = runtime.spawn(publisher(Arc::clone(&cluster.known)));
    cluster.confirms(500);

    let (leader, _) = cluster.leader().unwrap();
    cluster.nodes[leader].abort();
    println!("the leading node ended: confirms again after {:?}", cluster.confirms(1));
    cluster.confirms(500);

    let server = servers.leader_of("coney-c").unwrap();
    servers.by_name(&server).kill();
    println!("the server that led the stream was killed: confirms again after {:?}", cluster.confirms(1));
    cluster.confirms(500);
    servers.start_again(&server);
    cluster.confirms(500);

    cluster.known.is_over.store(true, Relaxed);
    runtime.block_on(publishing).unwrap();
    let address = until("a node leads", FAILOVER_MAX, || cluster.leader()).1;
    let found = runtime.block_on(drain(address));
    let confirmed = cluster.known.confirmed.lock().unwrap();
    let lost: Vec<_> = confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} that were confirmed are lost: {lost:?}", lost.len(), confirmed.len());
    println!("{} confirmed, {} found", confirmed.len(), found.len());
}
