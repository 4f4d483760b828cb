//! A log that is lost, and made again from one node's data directory: the program itself, on real servers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use coney::cluster::Nats;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel, Connection};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::clients::{self, VHOST};
use crate::servers::{Servers, until};

/// Leases and elections, on a machine that has other things to do.
const SOON: Duration = Duration::from_secs(90);
const NODES: [&str; 3] = ["a", "b", "c"];

/// Three nodes' settings, and those that run; they end with this.
struct Programs<'a> {
    servers: &'a Servers,
    dir: TempDir,
    peers: [u16; 3],
    doors: [u16; 3],
    pages: [u16; 3],
    running: [Option<Child>; 3],
}

impl Drop for Programs<'_> {
    fn drop(&mut self) {
        for mut child in self.running.iter_mut().filter_map(Option::take) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

impl<'a> Programs<'a> {
    fn new(servers: &'a Servers) -> Self {
        let (peers, doors, pages) = (free_ports(), free_ports(), free_ports());
        let dir = tempfile::tempdir().unwrap();
        Self { servers, dir, peers, doors, pages, running: [const { None }; 3] }
    }

    fn data(&self, node: usize) -> PathBuf {
        self.dir.path().join(NODES[node])
    }

    fn log(&self, node: usize) -> String {
        let path = self.dir.path().join(format!("{}.log", NODES[node]));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn settings(&self, node: usize, command: &mut Command) {
        let options = self.servers.options();
        command.args(["--cluster", &options.cluster, "--cluster-node", NODES[node]]);
        command.args(["--cluster-peer", &format!("127.0.0.1:{}", self.peers[node])]);
        command.args(["--cluster-rank", &node.to_string()]).arg("--data-dir").arg(self.data(node));
        for (server, page) in self.servers.plain_addresses().iter().zip(&options.monitoring) {
            command.args(["--cluster-log", server, "--cluster-log-monitor", page]);
        }
        command.stdin(Stdio::null());
    }

    fn start(&mut self, node: usize) {
        std::fs::create_dir_all(self.data(node)).unwrap();
        let log = std::fs::File::create(self.dir.path().join(format!("{}.log", NODES[node]))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
        self.settings(node, &mut command);
        command.args([
            "--amqp",
            &format!("127.0.0.1:{}", self.doors[node]),
            "--http",
            &format!("127.0.0.1:{}", self.pages[node]),
            "--metrics",
            "127.0.0.1:0",
        ]);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.running[node] = Some(command.spawn().unwrap());
    }

    /// `coney cluster ..` with a node's settings.
    fn cluster(&self, node: usize, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
        command.arg("cluster").args(arguments);
        self.settings(node, &mut command);
        command.output().unwrap()
    }

    fn succeeds(&self, node: usize, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cluster(node, arguments);
        let said = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&stderr));
        said
    }

    fn fails(&self, node: usize, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cluster(node, arguments);
        assert!(!status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stdout));
        String::from_utf8(stderr).unwrap()
    }

    fn mark(&self, node: usize) -> Value {
        serde_json::from_str(&self.succeeds(node, &["mark", "--json"])).unwrap()
    }

    /// Waits until a node ends by itself; what it said.
    fn ended(&mut self, node: usize) -> String {
        let mut child = self.running[node].take().unwrap();
        let status = until("a node ends", SOON, || child.try_wait().unwrap());
        assert!(!status.success(), "{}", self.log(node));
        self.log(node)
    }

    fn kill(&mut self, node: usize) {
        let mut child = self.running[node].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn has_ended(&mut self, node: usize) -> bool {
        self.running[node].as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// A channel that confirms, at a node, when somebody leads.
    fn channel(&mut self, runtime: &Runtime, node: usize) -> (Connection, Channel) {
        self.channel_to(runtime, node, VHOST)
    }

    fn channel_to(&mut self, runtime: &Runtime, node: usize, vhost: &str) -> (Connection, Channel) {
        let door = self.doors[node];
        until("clients are let in", SOON, || {
            assert!(!self.has_ended(node), "{}", self.log(node));
            let connected = clients::open((Ipv4Addr::LOCALHOST, door).into(), vhost);
            let connected = async { tokio::time::timeout(Duration::from_secs(10), connected).await };
            runtime.block_on(connected).ok()?.ok()
        })
    }
}

async fn publish(channel: &Channel, numbers: std::ops::Range<u32>) {
    let mut sent = Vec::new();
    for number in numbers {
        let (options, properties) =
            (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        sent.push(
            channel
                .basic_publish("".into(), "q".into(), options, &number.to_be_bytes(), properties)
                .await
                .unwrap(),
        );
    }
    for confirm in sent {
        assert!(confirm.await.unwrap().is_ack());
    }
}

async fn drain(channel: &Channel) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    while let Some(got) = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        let number = u32::from_be_bytes(got.delivery.data.as_slice().try_into().unwrap());
        assert!(found.insert(number), "message {number} is there twice");
    }
    found
}

/// Whether a store was put aside in a node's data directory.
fn asides(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("aside-"))
        .count()
}

#[test]
fn a_log_that_is_lost_is_made_again_from_the_node_that_has_most() {
    let Some(servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    let before = runtime.block_on(servers.init(3));
    let mut programs = Programs::new(&servers);
    (0..3).for_each(|node| programs.start(node));
    {
        let (_connection, channel) = programs.channel(&runtime, 0);
        runtime.block_on(publish(&channel, 0..300));
        // The last one misses what comes now.
        programs.kill(2);
    }
    {
        let (_connection, channel) = programs.channel(&runtime, 1);
        runtime.block_on(publish(&channel, 300..600));
    }
    let refused = programs.fails(2, &["restore"]);
    assert!(
        refused.contains("has said that it has applied") || refused.contains("its log is there"),
        "{refused}"
    );
    runtime.block_on(servers.delete_streams());
    for node in [0, 1] {
        let said = programs.ended(node);
        assert!(
            said.contains("the cluster's log is gone") && said.contains("coney cluster restore"),
            "{said}"
        );
    }
    assert!(programs.fails(2, &["rejoin"]).contains("there is no cluster"));
    let of = |mark: &Value| (mark["term"].as_u64().unwrap(), mark["frame"].as_u64().unwrap());
    let marks = [0, 1, 2].map(|node| programs.mark(node));
    assert!(marks.iter().all(|mark| mark["log"] == format!("{before:016x}")), "{marks:?}");
    let best = if of(&marks[1]) > of(&marks[0]) { 1 } else { 0 };
    let other = 1 - best;
    assert!(of(&marks[2]) < of(&marks[best]));
    goes_on(&mut programs, &runtime, best, other);
    everything_is_there_at_all(&mut programs, &runtime, [best, other, 2]);
}

/// Restores from the best one; the others do not go on by themselves.
fn goes_on(programs: &mut Programs<'_>, runtime: &Runtime, best: usize, other: usize) {
    let said = programs.succeeds(best, &["restore"]);
    assert!(said.contains("goes on after frame"), "{said}");
    // Again, as after a crash.
    programs.succeeds(best, &["restore"]);
    let refused = programs.fails(2, &["restore"]);
    assert!(refused.contains(&format!("restored from node {}", NODES[best])), "{refused}");
    programs.start(2);
    let said = programs.ended(2);
    assert!(said.contains("coney cluster rejoin"), "{said}");
    programs.start(best);
    let (_connection, channel) = programs.channel(runtime, best);
    runtime.block_on(publish(&channel, 600..650));
    for node in [other, 2] {
        let said = programs.succeeds(node, &["rejoin"]);
        let has_same = said.contains("has the same as");
        assert_eq!(asides(&programs.data(node)), usize::from(!has_same), "{said}");
        programs.start(node);
    }
    assert_eq!(asides(&programs.data(2)), 1, "what it had is kept");
}

/// Each of them leads once, the first one is gone for good.
fn everything_is_there_at_all(
    programs: &mut Programs<'_>,
    runtime: &Runtime,
    [best, other, last]: [usize; 3],
) {
    until("all are caught up", SOON, || {
        let Output { stdout, .. } = programs.cluster(best, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&stdout).ok()?;
        let nodes = status["nodes"].as_array()?;
        let is_near =
            |node: &Value| node["role"] != "silent" && node["lag"].as_u64().is_some_and(|lag| lag < 50);
        (nodes.len() == 3 && nodes.iter().all(is_near)).then_some(())
    });
    programs.kill(best);
    let (_connection, channel) = programs.channel(runtime, last);
    runtime.block_on(publish(&channel, 650..700));
    assert_eq!(runtime.block_on(drain(&channel)), (0..700).collect());
    drop((_connection, channel));
    programs.kill(other);
    assert!(programs.log(last).contains("snapshot"), "{}", programs.log(last));
}

#[test]
fn what_a_broker_by_itself_has_used_is_put_aside() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(1));
    let mut programs = Programs::new(&servers);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
    programs.kill(0);
    let mut alone = Command::new(env!("CARGO_BIN_EXE_coney"));
    alone.arg("--data-dir").arg(programs.data(0)).args(["--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    alone.args(["--amqp", &format!("127.0.0.1:{}", programs.doors[0])]);
    programs.running[0] = Some(alone.spawn().unwrap());
    drop(programs.channel(&runtime, 0));
    programs.kill(0);
    programs.start(0);
    let said = programs.ended(0);
    assert!(said.contains("a broker by itself has used this data directory"), "{said}");
    assert!(programs.fails(0, &["restore"]).contains("a broker by itself"));
    programs.succeeds(0, &["rejoin"]);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
}

#[test]
fn the_logs_of_all_shards_are_made_again_from_one_node_and_that_of_one_alone() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let nats = Nats::connect(&servers.options()).await.unwrap();
        nats.init_with_shards(1, 2).await.unwrap();
    });
    let mut programs = Programs::new(&servers);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
    programs.start(1);
    let vhosts = [VHOST, "one", "two"];
    for (shard, vhost) in [(1, "one"), (2, "two")] {
        let url = format!("http://guest:guest@127.0.0.1:{}", programs.pages[0]);
        let mut made = Command::new(env!("CARGO_BIN_EXE_coney"));
        made.args(["cluster", "move", "--vhost", vhost, "--shard", &shard.to_string(), "--url", &url]);
        put_vhost(&runtime, programs.pages[0], vhost);
        assert!(made.output().unwrap().status.success(), "it is moved, or there");
    }
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, 1, vhost);
        runtime.block_on(publish(&channel, 0..100));
    }
    runtime.block_on(async {
        servers.delete_streams().await;
        servers.delete_streams_of("c-1").await;
        servers.delete_streams_of("c-2").await;
    });
    programs.ended(0);
    programs.ended(1);
    let best = {
        let of = |node: usize| {
            let said = programs.succeeds(node, &["mark", "--json"]);
            let marks: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(marks.len(), 3, "{said}");
            marks.iter().map(|mark| (mark["term"].as_u64(), mark["frame"].as_u64())).collect::<Vec<_>>()
        };
        usize::from(of(1) > of(0))
    };
    let said = programs.succeeds(best, &["restore", "--replicas", "1", "--behind"]);
    assert_eq!(said.matches("goes on after frame").count(), 3, "{said}");
    programs.succeeds(best, &["restore", "--replicas", "1", "--behind"]);
    programs.start(best);
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, best, vhost);
        runtime.block_on(publish(&channel, 100..150));
    }
    let other = 1 - best;
    programs.succeeds(other, &["rejoin"]);
    programs.start(other);
    drop(programs.channel(&runtime, other));
    // The log of one shard: the nodes go on in the others until they are stopped.
    runtime.block_on(servers.delete_streams_of("c-1"));
    until("a node has stopped in that shard", SOON, || {
        programs.log(best).contains("this node stops in a shard").then_some(())
    });
    drop(programs.channel_to(&runtime, best, "two"));
    programs.kill(best);
    programs.kill(other);
    let said = programs.succeeds(best, &["restore", "--shard", "1", "--replicas", "1", "--behind"]);
    assert!(said.contains("of shard 1"), "{said}");
    programs.start(best);
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, best, vhost);
        assert_eq!(runtime.block_on(drain(&channel)), (0..150).collect(), "{vhost}");
    }
    let refused = programs.fails(other, &["restore", "--shard", "3"]);
    assert!(refused.contains("no shard 3"), "{refused}");
}

/// Makes a vhost over the management API.
fn put_vhost(runtime: &Runtime, page: u16, vhost: &str) {
    let put = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, page)).await.unwrap();
        let login = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";
        let head = format!("PUT /api/vhosts/{vhost} HTTP/1.0\r\n{login}\r\nContent-Length: 2\r\n\r\n{{}}");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 201"), "{answer}");
    };
    runtime.block_on(put);
}
