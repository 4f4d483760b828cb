//! The program itself, three of it, on real servers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

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
pub const SOON: Duration = Duration::from_secs(90);
pub const NODES: [&str; 3] = ["a", "b", "c"];

/// Three nodes' settings, and those that run; they end with this.
pub struct Programs<'a> {
    servers: &'a Servers,
    dir: TempDir,
    peers: [u16; 3],
    pub doors: [u16; 3],
    pub pages: [u16; 3],
    pub running: [Option<Child>; 3],
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
    pub fn new(servers: &'a Servers) -> Self {
        let (peers, doors, pages) = (free_ports(), free_ports(), free_ports());
        let dir = tempfile::tempdir().unwrap();
        Self { servers, dir, peers, doors, pages, running: [const { None }; 3] }
    }

    pub fn data(&self, node: usize) -> PathBuf {
        self.dir.path().join(NODES[node])
    }

    pub fn log(&self, node: usize) -> String {
        let path = self.dir.path().join(format!("{}.log", NODES[node]));
        std::fs::read_to_string(path).unwrap_or_default()
    }

    pub fn settings(&self, node: usize, command: &mut Command) {
        let options = self.servers.options();
        command.args(["--cluster", &options.cluster, "--cluster-node", NODES[node]]);
        command.args(["--cluster-peer", &format!("127.0.0.1:{}", self.peers[node])]);
        command.args(["--cluster-rank", &node.to_string()]).arg("--data-dir").arg(self.data(node));
        for (server, page) in self.servers.plain_addresses().iter().zip(&options.monitoring) {
            command.args(["--cluster-log", server, "--cluster-log-monitor", page]);
        }
        command.stdin(Stdio::null());
    }

    pub fn start(&mut self, node: usize) {
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
    pub fn cluster(&self, node: usize, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
        command.arg("cluster").args(arguments);
        self.settings(node, &mut command);
        command.output().unwrap()
    }

    pub fn succeeds(&self, node: usize, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cluster(node, arguments);
        let said = String::from_utf8(stdout).unwrap();
        assert!(status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&stderr));
        said
    }

    pub fn fails(&self, node: usize, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.cluster(node, arguments);
        assert!(!status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stdout));
        String::from_utf8(stderr).unwrap()
    }

    pub fn mark(&self, node: usize) -> Value {
        serde_json::from_str(&self.succeeds(node, &["mark", "--json"])).unwrap()
    }

    /// Waits until a node ends by itself; what it said.
    pub fn ended(&mut self, node: usize) -> String {
        let mut child = self.running[node].take().unwrap();
        let status = until("a node ends", SOON, || child.try_wait().unwrap());
        assert!(!status.success(), "{}", self.log(node));
        self.log(node)
    }

    pub fn kill(&mut self, node: usize) {
        let mut child = self.running[node].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn has_ended(&mut self, node: usize) -> bool {
        self.running[node].as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// What a node's management API answers, if it does: status and body.
    async fn page(&self, node: usize, path: &str) -> Option<(u16, String)> {
        let asked = async {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.pages[node])).await.ok()?;
            let login = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=";
            stream.write_all(format!("GET {path} HTTP/1.0\r\n{login}\r\n\r\n").as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let status = answer.split(' ').nth(1)?.parse().ok()?;
            Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
        };
        tokio::time::timeout(Duration::from_secs(10), asked).await.ok()?
    }

    /// The status of its answer.
    pub async fn status_of(&self, node: usize, path: &str) -> Option<u16> {
        Some(self.page(node, path).await?.0)
    }

    /// Its answer, if that is good.
    pub async fn get(&self, node: usize, path: &str) -> Option<String> {
        self.page(node, path).await.filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }

    /// A channel that confirms, at a node, when somebody leads.
    pub fn channel(&mut self, runtime: &Runtime, node: usize) -> (Connection, Channel) {
        self.channel_to(runtime, node, VHOST)
    }

    pub fn channel_to(&mut self, runtime: &Runtime, node: usize, vhost: &str) -> (Connection, Channel) {
        let door = self.doors[node];
        until("clients are let in", SOON, || {
            assert!(!self.has_ended(node), "{}", self.log(node));
            let connected = clients::open((Ipv4Addr::LOCALHOST, door).into(), vhost);
            let connected = async { tokio::time::timeout(Duration::from_secs(10), connected).await };
            runtime.block_on(connected).ok()?.ok()
        })
    }
}

pub async fn publish(channel: &Channel, numbers: std::ops::Range<u32>) {
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

pub async fn drain(channel: &Channel) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    while let Some(got) = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        let number = u32::from_be_bytes(got.delivery.data.as_slice().try_into().unwrap());
        assert!(found.insert(number), "message {number} is there twice");
    }
    found
}

/// Makes a vhost over the management API.
pub fn put_vhost(runtime: &Runtime, page: u16, vhost: &str) {
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
