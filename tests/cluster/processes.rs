//! Nodes as they are in a process: threads, data directories, sockets, the system's clock. Only the log and the directory are in memory.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use coney::cluster::{
    LocalEngine, Member, MemoryDirectory, MemoryLog, MemoryLogClient, Node, NodeControl, PeerPieces, Pieces,
    Retention, Role, Status, ThreadHost, serve_snapshots,
};
use coney::{Broker, Clock};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::timed::Timed;

const SECRET: [u8; 32] = [7; 32];

struct Running {
    node: JoinHandle<()>,
    engine: LocalEngine,
    control: NodeControl,
    peer: String,
    addresses: watch::Receiver<Vec<SocketAddr>>,
    status: watch::Receiver<Status>,
}

async fn start(dir: &Path, name: &str, rank: u32, log: &MemoryLog, directory: &MemoryDirectory) -> Running {
    let clock = Clock::system();
    let (engine, healed) = LocalEngine::open(dir, 64, move || clock.now()).unwrap();
    assert_eq!(healed, None);
    let (sender, addresses) = watch::channel(Vec::new());
    let host: ThreadHost<MemoryLogClient, Timed> = ThreadHost {
        dir: dir.into(),
        log: log.client(name),
        directory: Timed(directory.clone(), Some(clock)),
        clock,
        secret: SECRET,
        shard: 0,
        builder: Arc::new(|| Broker::builder().listen("127.0.0.1:0".parse().unwrap())),
        addresses: sender,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve_snapshots(listener, SECRET, engine.clone()));
    let member = Member { name: name.to_owned(), rank, peer: Some(peer.clone()), ..Member::default() };
    let retention = Retention {
        retain: Duration::from_secs(2),
        every: Duration::from_millis(100),
        frames_max: 1000,
        ..Retention::default()
    };
    let node = Node::new(host, member, 1, engine.clone()).retention(retention);
    let (status, control) = (node.status(), node.control());
    let node = tokio::spawn(async move { panic!("a node has stopped: {}", node.run().await) });
    Running { node, engine, control, peer, addresses, status }
}

impl Running {
    async fn leads(&mut self) -> (Connection, Channel) {
        let address = self.addresses.wait_for(|addresses| !addresses.is_empty()).await.unwrap()[0];
        let uri = format!("amqp://guest:guest@{address}/%2f");
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("q".into(), durable, FieldTable::default()).await.unwrap();
        (connection, channel)
    }
}

impl Running {
    async fn has_applied(&mut self, all_of: &MemoryLog) {
        let last = all_of.bounds().last;
        self.status.wait_for(|status| status.applied >= last && !status.is_rejoining).await.unwrap();
    }

    /// Ends the node as its process would; the directory can be opened again.
    async fn stop(self) {
        self.node.abort();
        drop(self.node.await);
        self.engine.close();
    }
}

async fn publish(channel: &Channel, body: u8) {
    let (options, properties) =
        (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
    let sent = channel.basic_publish("".into(), "q".into(), options, &[body], properties).await.unwrap();
    assert!(sent.await.unwrap().is_ack());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_takes_over_from_one_that_is_cut_off_and_that_one_follows() {
    let (log, directory) = (MemoryLog::default(), MemoryDirectory::default());
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut first = start(dirs[0].path(), "a", 0, &log, &directory).await;
    let mut second = start(dirs[1].path(), "b", 1, &log, &directory).await;
    let (connection, channel) = first.leads().await;
    for body in 0..20 {
        publish(&channel, body).await;
    }
    log.cut_off("a", true);
    let (_other, channel) = second.leads().await;
    assert!(!connection.status().connected(), "two serve clients");
    for body in 0..20 {
        let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap();
        assert_eq!(got.unwrap().delivery.data, [body]);
    }
    publish(&channel, 20).await;
    log.cut_off("a", false);
    let last = log.bounds().last;
    let follows =
        |status: &Status| status.role == Role::Follower && status.term == 2 && status.applied >= last;
    first.status.wait_for(follows).await.unwrap();
    assert_eq!(second.status.borrow().role, Role::Leader);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_data_and_one_with_damaged_data_take_a_snapshot_over_tcp_and_can_be_handed_the_lead() {
    let (log, directory) = (MemoryLog::default(), MemoryDirectory::default());
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut first = start(dirs[0].path(), "a", 0, &log, &directory).await;
    let (connection, channel) = first.leads().await;
    let mut second = start(dirs[1].path(), "b", 1, &log, &directory).await;
    for body in 0..50 {
        publish(&channel, body).await;
    }
    while log.bounds().first.0 < 50 {
        second.status.changed().await.unwrap();
    }
    let mut third = start(dirs[2].path(), "c", 2, &log, &directory).await;
    third.has_applied(&log).await;

    second.has_applied(&log).await;
    second.stop().await;
    let journal = dirs[1].path().join("0.jnl");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&journal, bytes).unwrap();
    let mut second = start(dirs[1].path(), "b", 1, &log, &directory).await;
    second.has_applied(&log).await;

    let clock = Clock::system();
    let begin = clock.now();
    first.control.hand_over(Some("b".to_owned())).await.unwrap();
    assert!(!connection.status().connected(), "clients were not told");
    let (_other, channel) = second.leads().await;
    println!("handed over in {:?}", clock.now().since(begin));
    for body in 0..50 {
        let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap();
        assert_eq!(got.unwrap().delivery.data, [body]);
    }
    publish(&channel, 50).await;
    first.has_applied(&log).await;
    third.has_applied(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_know_the_secret_gets_no_snapshot() {
    let (log, directory) = (MemoryLog::default(), MemoryDirectory::default());
    let dir = tempfile::tempdir().unwrap();
    let mut only = start(dir.path(), "a", 0, &log, &directory).await;
    drop(only.leads().await);
    assert!(PeerPieces::ask(&only.peer, &SECRET).await.unwrap().next().await.is_ok());
    assert!(PeerPieces::ask(&only.peer, &[8; 32]).await.unwrap().next().await.is_err());
}
