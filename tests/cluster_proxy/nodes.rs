//! Nodes with threads, data directories, sockets and the system's clock. Only the log and the directory are in memory.

use std::net::SocketAddr;

use coney::Clock;
use coney::cluster::{Common, Kept, MemoryDirectory, MemoryLog, Process, Route};
use coney::config::{ClusterSettings, Config, TlsLogin, TlsSettings};
use coney::server::Door;
use tempfile::TempDir;
use tokio::sync::watch;

#[path = "../cluster/timed.rs"]
mod timed;
use timed::Timed;

/// What the nodes of one cluster share.
pub struct Cluster {
    pub log: MemoryLog,
    pub directory: MemoryDirectory,
    /// Of each data shard.
    pub shards: Vec<(MemoryLog, MemoryDirectory)>,
    pub clock: Clock,
    /// With which nodes speak TLS, too.
    pub tls: Option<TlsSettings>,
    /// Seconds after which leads are spread; 0: never.
    pub spread_after_s: u64,
    /// Whether a lease ends that is not renewed.
    pub leases_end: bool,
}

/// By which they know each other.
pub const SECRET: [u8; 32] = [42; 32];

/// A node, and its data directory.
pub struct Running {
    pub process: Process,
    pub route: watch::Receiver<Route>,
    _dir: TempDir,
}

impl Cluster {
    pub fn new() -> Self {
        Self::with_shards(0)
    }

    pub fn with_shards(shards: usize) -> Self {
        let kept = || (MemoryLog::default(), MemoryDirectory::default());
        let (log, directory) = kept();
        let shards = std::iter::repeat_with(kept).take(shards).collect();
        Self {
            log,
            directory,
            shards,
            clock: Clock::system(),
            tls: None,
            spread_after_s: 0,
            leases_end: true,
        }
    }

    pub async fn start(&self, name: &str, rank: u32) -> Running {
        let dir = tempfile::tempdir().unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let cluster = ClusterSettings {
            name: "test".to_owned(),
            node: name.to_owned(),
            rank,
            log: vec!["nats://nowhere".to_owned()],
            peer: "127.0.0.1:0".to_owned(),
            spread_after_s: Some(self.spread_after_s),
            ..ClusterSettings::default()
        };
        let over_tls = || self.tls.iter().map(|_| any).collect::<Vec<_>>();
        let tls = self.tls.clone().unwrap_or_default();
        let config = Config {
            listen: vec![any],
            http: vec![any],
            metrics: vec![any],
            amqps: over_tls(),
            https: over_tls(),
            metrics_tls: over_tls(),
            tls_login: self.tls.is_some().then_some(TlsLogin::CommonName),
            https_tls: TlsSettings { verify_peer: false, ..tls.clone() },
            tls,
            data_dir: Some(dir.path().join("data")),
            cluster: Some(cluster),
            ..Config::default()
        };
        let time = self.leases_end.then_some(self.clock);
        let (log, directory) = (self.log.client(name), Timed(self.directory.clone(), time));
        let common = Common { log, directory, log_id: 1, secret: SECRET };
        let kept = |(number, (log, directory)): (u64, &(MemoryLog, MemoryDirectory))| Kept {
            log: log.client(name),
            directory: Timed(directory.clone(), time),
            log_id: number,
        };
        let shards = (2..).zip(&self.shards).map(kept).collect();
        let process =
            Process::start_with_shards(config, self.clock, common, shards, |builder| builder).await.unwrap();
        Running { route: process.route(), process, _dir: dir }
    }
}

impl Running {
    pub fn at(&self, door: Door) -> SocketAddr {
        self.process.addresses(door)[0]
    }

    /// Waits until it leads.
    pub async fn leads(&mut self) -> &Self {
        self.route.wait_for(|route| matches!(route, Route::Own { .. })).await.unwrap();
        self
    }

    /// Waits until it leads a shard.
    pub async fn leads_shard(&self, shard: usize) -> &Self {
        let mut route = self.process.route_of(shard).unwrap();
        route.wait_for(|route| matches!(route, Route::Own { .. })).await.unwrap();
        self
    }

    /// Waits until it leads a shard's clients to that node.
    pub async fn sees_leader(&self, shard: usize, name: &str) -> &Self {
        let mut route = self.process.route_of(shard).unwrap();
        let to = |route: &Route| matches!(route, Route::To(leader) if leader.name == name);
        route.wait_for(to).await.unwrap();
        self
    }

    /// Waits until it leads its clients to that node.
    pub async fn follows(&mut self, name: &str) -> &Self {
        let to = |route: &Route| matches!(route, Route::To(leader) if leader.name == name);
        self.route.wait_for(to).await.unwrap();
        self
    }
}
