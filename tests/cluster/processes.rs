//! Nodes as they are in a process: threads, data directories, sockets, the system's clock. Only the log and the directory are in memory.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use coney::cluster::{
    Claim, Directory, LocalEngine, Member, MemoryDirectory, MemoryLog, MemoryLogClient, Node, Role, Status,
    ThreadHost, Told, Unreachable,
};
use coney::{Broker, Clock};
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::sync::watch;

/// The directory on the system's clock.
struct Timed(MemoryDirectory, Clock);

impl Directory for Timed {
    async fn read(&self) -> Result<Option<Claim>, Unreachable> {
        Ok(self.0.read_at(self.1.now()))
    }

    async fn write(&self, holder: &str, revision: u64) -> Result<Option<u64>, Unreachable> {
        Ok(self.0.write_at(self.1.now(), holder, revision))
    }

    async fn tell(&self, member: &Member) -> Result<(), Unreachable> {
        self.0.tell_at(self.1.now(), member);
        Ok(())
    }

    async fn members(&self) -> Result<Vec<Told>, Unreachable> {
        Ok(self.0.members_at(self.1.now()))
    }
}

struct Running {
    addresses: watch::Receiver<Vec<SocketAddr>>,
    status: watch::Receiver<Status>,
}

fn start(dir: &Path, name: &str, rank: u32, log: &MemoryLog, directory: &MemoryDirectory) -> Running {
    let clock = Clock::system();
    let (engine, healed) = LocalEngine::open(dir, 64, move || clock.now()).unwrap();
    assert_eq!(healed, None);
    let (sender, addresses) = watch::channel(Vec::new());
    let host: ThreadHost<MemoryLogClient, Timed> = ThreadHost {
        dir: dir.into(),
        log: log.client(name),
        directory: Timed(directory.clone(), clock),
        clock,
        secret: [7; 32],
        builder: Arc::new(|| Broker::builder().listen("127.0.0.1:0".parse().unwrap())),
        addresses: sender,
    };
    let member = Member { name: name.to_owned(), rank, ..Member::default() };
    let node = Node::new(host, member, 1, engine);
    let status = node.status();
    tokio::spawn(async move { panic!("a node has stopped: {}", node.run().await) });
    Running { addresses, status }
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
    let mut first = start(dirs[0].path(), "a", 0, &log, &directory);
    let mut second = start(dirs[1].path(), "b", 1, &log, &directory);
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
