//! nats-servers that a test starts, kills and starts again.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coney::cluster::{Nats, NatsError, NatsOptions, Opened};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;

/// A cluster of servers takes some seconds to come up, and more on a machine that has other things to do.
const UP_MAX: Duration = Duration::from_secs(60);

/// One test at a time: each measures something, or waits for what takes time.
static TURN: Mutex<()> = Mutex::new(());

/// The servers of one test; they end with it.
pub struct Servers {
    servers: Vec<Server>,
    dir: TempDir,
    binary: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

pub struct Server {
    pub name: String,
    child: Child,
    client: u16,
    http: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    /// SIGKILL.
    pub fn kill(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// It stands still, or goes on.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// It stands still, with all its threads.
    pub fn stand_still(&self) {
        self.signal(Signal::STOP);
        let stopped = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED).unwrap();
        assert!(stopped.is_some_and(|(_, status)| status.stopped()), "a nats-server has ended");
    }

    /// A page of its monitoring, if it answers.
    pub fn page(&self, path: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.http)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// Whether it is ready, with so many others.
    fn is_up(&self, count: usize) -> bool {
        let Some(page) = self.page("/varz") else { return false };
        // It tells of itself a moment before it takes clients.
        if TcpStream::connect(("127.0.0.1", self.client)).is_err() {
            return false;
        }
        let meta = &page["jetstream"]["meta"];
        let leads = meta["leader"].as_str().is_some_and(|leader| !leader.is_empty());
        page["jetstream"]["config"].is_object()
            && (count == 1 || leads && meta["cluster_size"].as_u64() == Some(count as u64))
    }
}

/// Asks until it is so; every 20 ms.
pub fn until<T>(what: &str, within: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(began.elapsed() < within, "not in time: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Ports that are free, and stay so while a server is killed and not yet started again: none that a system gives to connections that go out.
fn free_ports<const N: usize>() -> [u16; N] {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    // Another process begins elsewhere.
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(std::process::id().wrapping_mul(997)));
    let next = || (FIRST + NEXT.fetch_add(1, Relaxed) % COUNT) as u16;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    [(); N].map(|()| std::iter::repeat_with(next).find(is_free).unwrap())
}

fn configuration(
    name: &str,
    [client, http, route]: [u16; 3],
    routes: &[u16],
    dir: &Path,
    sync: &str,
    accounts: &str,
) -> String {
    let routes: Vec<String> = routes.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    let cluster = if routes.len() > 1 {
        format!("cluster {{ name: n, listen: \"127.0.0.1:{route}\", routes: [{}] }}", routes.join(", "))
    } else {
        String::new()
    };
    format!(
        "server_name: {name}\nlisten: \"127.0.0.1:{client}\"\nhttp: \"127.0.0.1:{http}\"\nmax_payload: 8MB\n\
         jetstream {{ store_dir: \"{}\", {sync} }}\n{cluster}\n\
         {accounts}\n",
        dir.join(name).display()
    )
}

/// Who may do what, if nothing else is said.
const ACCOUNTS: &str = "accounts { SYS: { users: [{ user: system, password: system }] },\n\
    A: { jetstream: enabled, users: [{ user: coney, password: coney }] } }\nsystem_account: SYS\nno_auth_user: coney";

impl Servers {
    /// So many servers that sync always; `None`, and says so, if there is no program.
    pub fn start(count: usize) -> Option<Self> {
        Self::start_with(count, "sync_interval: always")
    }

    pub fn start_with(count: usize, sync: &str) -> Option<Self> {
        Self::configured(count, sync, ACCOUNTS)
    }

    /// One server with these accounts.
    pub fn with_accounts(accounts: &str) -> Option<Self> {
        Self::configured(1, "sync_interval: always", accounts)
    }

    fn configured(count: usize, sync: &str, accounts: &str) -> Option<Self> {
        let Some(binary) = std::env::var_os("CONEY_NATS_SERVER").map(PathBuf::from) else {
            println!("cluster: skipped, no nats-server");
            return None;
        };
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let ports: Vec<u16> = free_ports::<9>().into();
        let ports: Vec<[u16; 3]> =
            ports.chunks(3).take(count).map(|ports| ports.try_into().unwrap()).collect();
        let routes: Vec<u16> = ports.iter().map(|[_, _, route]| *route).collect();
        let mut servers = Vec::new();
        for (index, ports) in ports.into_iter().enumerate() {
            let name = format!("s{}", index + 1);
            let text = configuration(&name, ports, &routes, dir.path(), sync, accounts);
            std::fs::write(dir.path().join(format!("{name}.conf")), text).unwrap();
            let child = spawn(&binary, dir.path(), &name);
            servers.push(Server { name, child, client: ports[0], http: ports[1] });
        }
        let mut servers = Self { servers, dir, binary, _turn: turn };
        servers.wait_up();
        Some(servers)
    }

    fn wait_up(&mut self) {
        let (count, dir) = (self.servers.len(), self.dir.path());
        for server in &mut self.servers {
            until("a nats-server is up", UP_MAX, || {
                if let Some(status) = server.child.try_wait().unwrap() {
                    let log = std::fs::read_to_string(dir.join(format!("{}.log", server.name))).unwrap();
                    panic!("a nats-server has ended with {status}:\n{log}");
                }
                server.is_up(count).then_some(())
            });
        }
    }

    pub fn by_name(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|server| server.name == name).unwrap()
    }

    /// Starts one again.
    pub fn start_again(&mut self, name: &str) {
        let child = spawn(&self.binary, self.dir.path(), name);
        self.by_name(name).child = child;
        self.wait_up();
    }

    /// Which server leads a stream, as one that is up knows.
    pub fn leader_of(&self, stream: &str) -> Option<String> {
        self.servers.iter().find_map(|server| {
            let page = server.page("/jsz?accounts=1&streams=1")?;
            let accounts = page["account_details"].as_array()?.clone();
            let streams = accounts.iter().flat_map(|account| account["stream_detail"].as_array()).flatten();
            let found = streams.into_iter().find(|found| found["name"] == stream)?;
            Some(found["cluster"]["leader"].as_str()?.to_owned())
        })
    }

    pub fn monitoring(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("http://127.0.0.1:{}", server.http)).collect()
    }

    /// Without a login.
    pub fn plain_addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.client)).collect()
    }

    pub fn addresses(&self, user: &str) -> Vec<String> {
        self.servers
            .iter()
            .map(|server| format!("nats://{user}:{user}@127.0.0.1:{}", server.client))
            .collect()
    }

    pub fn options(&self) -> NatsOptions {
        NatsOptions {
            servers: self.addresses("coney"),
            cluster: "c".into(),
            monitoring: self.monitoring(),
            ..NatsOptions::default()
        }
    }

    /// Makes a cluster.
    pub async fn init(&self, replicas: usize) -> u64 {
        let nats = Nats::connect(&self.options()).await.unwrap();
        nats.init(replicas).await.unwrap()
    }

    /// All that a cluster has is gone, as if servers had lost their disks.
    pub async fn delete_streams(&self) {
        self.delete_streams_of("c").await;
    }

    /// The same of a cluster, or of one of its shards.
    pub async fn delete_streams_of(&self, cluster: &str) {
        let cluster = format!("coney-{cluster}");
        let buckets = ["lease", "members", "meta"].map(|bucket| format!("KV_{cluster}-{bucket}"));
        let options = async_nats::ConnectOptions::with_user_and_password("coney".into(), "coney".into());
        let client = options.connect(format!("127.0.0.1:{}", self.servers[0].client)).await.unwrap();
        for name in [cluster.to_owned()].into_iter().chain(buckets) {
            let answer = client.request(format!("$JS.API.STREAM.DELETE.{name}"), "".into()).await.unwrap();
            let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
            assert_eq!(answer["success"], true, "{answer}");
        }
    }

    /// Opens it with the `index`th server before the others.
    pub async fn open(&self, index: usize) -> Opened {
        let mut options = self.options();
        options.servers.rotate_left(index);
        let nats = Nats::connect(&options).await.unwrap();
        open(&nats, false).await.unwrap()
    }
}

/// Opens it, as a node does: who does not answer in time is asked again.
pub async fn open(nats: &Nats, is_unsafe: bool) -> Result<Opened, NatsError> {
    let began = Instant::now();
    loop {
        match nats.open(is_unsafe).await {
            Err(error) if error.may_pass() && began.elapsed() < UP_MAX => {}
            opened => return opened,
        }
    }
}

/// What is asked and changes nothing, until there is an answer.
pub fn answer<T, E>(mut ask: impl FnMut() -> Result<T, E>) -> T {
    until("somebody answers", UP_MAX, || ask().ok())
}

fn spawn(binary: &Path, dir: &Path, name: &str) -> Child {
    let log = std::fs::File::create(dir.join(format!("{name}.log"))).unwrap();
    Command::new(binary)
        .arg("-c")
        .arg(dir.join(format!("{name}.conf")))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}
