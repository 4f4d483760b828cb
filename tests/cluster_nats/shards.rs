//! Vhosts on shards: three nodes on three servers, four vhosts on four shards. A node that leads one of them ends, and the others go on.

use std::net::SocketAddr;
use std::time::Duration;

use coney::Clock;
use coney::cluster::{Common, Kept, Nats, NatsError, NatsOptions, Opened, Process, Route};
use coney::config::{ClusterSettings, Config};
use coney::server::Door;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::clients::open;
use crate::servers::Servers;

const SHARDS: u16 = 4;
/// Lease, and elections of NATS, and a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);

struct Running {
    process: Process,
    _dir: TempDir,
}

impl Running {
    async fn start(options: &NatsOptions, name: &str, rank: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let nats = Nats::connect(options).await.unwrap();
        let Opened { log, directory, log_id, secret, shards, .. } = nats.open(false).await.unwrap();
        assert_eq!(shards, SHARDS);
        let mut others = Vec::new();
        for shard in 1..=shards {
            let nats = nats.of_shard(shard).await.unwrap();
            let Opened { log, directory, log_id, .. } = nats.open(false).await.unwrap();
            others.push(Kept { log, directory, log_id });
        }
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let settings = ClusterSettings {
            name: options.cluster.clone(),
            node: name.to_owned(),
            rank,
            peer: "127.0.0.1:0".to_owned(),
            ..ClusterSettings::default()
        };
        let config = Config {
            listen: vec![any],
            http: vec![any],
            metrics: vec![any],
            data_dir: Some(dir.path().join("data")),
            cluster: Some(settings),
            ..Config::default()
        };
        let common = Common { log, directory, log_id, secret };
        let process =
            Process::start_with_shards(config, Clock::system(), common, others, |builder| builder).await;
        Self { process: process.unwrap(), _dir: dir }
    }

    fn at(&self, door: Door) -> SocketAddr {
        self.process.addresses(door)[0]
    }

    async fn leads(&self, shard: u16) {
        let mut route = self.process.route_of(usize::from(shard)).unwrap();
        timeout(PATIENCE, route.wait_for(Route::is_own)).await.unwrap().unwrap();
    }
}

async fn request(at: SocketAddr, method: &str, path: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let login = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";
    let head = format!("{method} {path} HTTP/1.0\r\n{login}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn publish(channel: &Channel) -> lapin::Result<()> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    assert!(channel.basic_publish("".into(), "q".into(), options, b"m", properties).await?.await?.is_ack());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_vhosts_are_led_by_three_nodes_and_one_that_ends_takes_its_own_along_alone() {
    let Some(servers) = Servers::start(3) else { return };
    let options = servers.options();
    let nats = Nats::connect(&options).await.unwrap();
    nats.init_with_shards(3, SHARDS).await.unwrap();
    assert!(matches!(nats.init_with_shards(3, SHARDS).await, Err(NatsError::AlreadyThere(_))));
    let first = Running::start(&options, "a", 0).await;
    first.leads(0).await;
    let nodes = [first, Running::start(&options, "b", 1).await, Running::start(&options, "c", 2).await];
    // The meta shard and 3 stay with a; b has 1 and 4, c has 2.
    for (shard, node, name) in [(1_u16, 1, "b"), (2, 2, "c"), (3, 0, "a"), (4, 1, "b")] {
        let wish = format!("{{\"node\":\"{name}\",\"shard\":{shard}}}");
        let moved = async {
            let is_there = || nodes[node].process.route_of(usize::from(shard)).unwrap().borrow().is_own();
            while !is_there() {
                request(nodes[0].at(Door::Http), "POST", "/api/coney/cluster/move", &wish).await;
            }
        };
        timeout(PATIENCE, moved).await.unwrap();
        let wish = format!("{{\"shard\":{shard}}}");
        let path = format!("/api/vhosts/v{shard}");
        assert_eq!(request(nodes[2].at(Door::Http), "PUT", &path, &wish).await, 201);
    }
    let mut open_ones = Vec::new();
    for shard in 1..=SHARDS {
        let (connection, channel) =
            open(nodes[usize::from(shard) % 3].at(Door::Amqp), &format!("v{shard}")).await.unwrap();
        publish(&channel).await.unwrap();
        open_ones.push((connection, channel));
    }
    // It ends where it stands: its leases end by themselves.
    let [a, b, c] = nodes;
    drop(b);
    let meanwhile = async {
        loop {
            // Through c's own broker; the other's client came through b.
            publish(&open_ones[1].1).await.unwrap();
        }
    };
    let taken_over = async {
        for shard in [1, 4] {
            tokio::select! {
                () = a.leads(shard) => {}
                () = c.leads(shard) => {}
            }
        }
    };
    tokio::select! {
        () = taken_over => {}
        () = meanwhile => {}
    }
    for shard in 1..=SHARDS {
        let opened = timeout(PATIENCE, async {
            loop {
                if let Ok(opened) = open(a.at(Door::Amqp), &format!("v{shard}")).await {
                    return opened;
                }
            }
        });
        let (_connection, channel) = opened.await.unwrap();
        let got = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap();
        assert_eq!(got.unwrap().delivery.data, b"m", "vhost v{shard}");
    }
}
