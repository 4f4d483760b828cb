//! A broker in memory, a client's connection and one to its management API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use coney::config::Config;
use coney::{Broker, BrokerHandle};
use tokio::runtime::Runtime;

use crate::client::{Client, Properties, publish};
use crate::wire;

/// Messages that are published before the broker is waited for.
const TOGETHER: u64 = 5000;

pub struct World {
    pub runtime: Runtime,
    pub broker: BrokerHandle,
    pub client: Client,
    pub http: Http,
}

impl World {
    pub fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let config = Config { channels_max: u16::MAX, ..Config::default() };
        let builder = Broker::builder().config(config).ephemeral().listen(any()).http(any()).metrics(any());
        let broker = runtime.block_on(builder.start()).unwrap();
        let client = Client::open(broker.address().unwrap(), "guest", "/");
        let http = Http::open(&broker);
        Self { runtime, broker, client, http }
    }

    pub fn of(definitions: &str) -> Self {
        let world = Self::new();
        world.import(definitions);
        world
    }

    pub fn import(&self, definitions: &str) {
        self.runtime.block_on(self.broker.import_definitions(definitions)).unwrap();
    }

    pub fn another(&self) -> Client {
        Client::open(self.broker.address().unwrap(), "guest", "/")
    }

    /// Publishes messages that are as the number says, and waits for the broker to have taken them.
    pub fn publish(&mut self, count: u64, message: impl Fn(u64) -> Vec<u8>) {
        let mut begin = 0;
        while begin < count {
            let end = count.min(begin + TOGETHER);
            let bytes: Vec<u8> = (begin..end).flat_map(&message).collect();
            self.client.send(&bytes);
            self.client.sync();
            begin = end;
        }
    }

    /// Messages to one queue, without anything special.
    pub fn publish_to(&mut self, queue: &str, count: u64) {
        self.publish(count, |_| publish("", queue, Properties::default()));
        // The queue has answered when it has taken what came before.
        self.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| passive(queue));
    }
}

/// A declare that makes nothing.
pub fn passive(queue: &str) -> Vec<u8> {
    wire::method(1, wire::QUEUE_DECLARE, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(1);
        out.extend_from_slice(&wire::NO_TABLE);
    })
}

pub fn any() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The management API and the metrics, as the user `guest`.
pub struct Http {
    api: Door,
    metrics: Door,
}

impl Http {
    fn open(broker: &BrokerHandle) -> Self {
        let to = |address| Door { address, stream: None };
        Self { api: to(broker.http_addresses()[0]), metrics: to(broker.metrics_addresses()[0]) }
    }

    pub fn get(&mut self, path: &str) {
        self.send("GET", path, "");
    }

    pub fn send(&mut self, method: &str, path: &str, body: &str) {
        self.api.send(method, path, body);
    }

    /// A page of metrics.
    pub fn scrape(&mut self, path: &str) {
        self.metrics.send("GET", path, "");
    }
}

/// A connection that is opened when it is used, and again when the broker has closed it because it was not.
struct Door {
    address: SocketAddr,
    stream: Option<BufReader<TcpStream>>,
}

impl Door {
    fn send(&mut self, method: &str, path: &str, body: &str) {
        let open = || BufReader::with_capacity(1 << 16, TcpStream::connect(self.address).unwrap());
        let mut stream = self.stream.take().unwrap_or_else(open);
        if !exchange(&mut stream, method, path, body) {
            stream = open();
            assert!(exchange(&mut stream, method, path, body), "the broker closes what it has just accepted");
        }
        self.stream = Some(stream);
    }
}

/// A request, whose answer is read and dropped; `false` if there is none.
fn exchange(stream: &mut BufReader<TcpStream>, method: &str, path: &str, body: &str) -> bool {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: coney\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\ncontent-length: {length}\r\n\r\n"
    );
    let mut status = String::new();
    let asked = stream.get_mut().write_all((head + body).as_bytes());
    if asked.and_then(|()| stream.read_line(&mut status)).is_ok_and(|read| read == 0) || status.is_empty() {
        return false;
    }
    assert!(status.starts_with("HTTP/1.1 2"), "{method} {path}: {status}");
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let line = line(stream).to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        is_chunked |= line == "transfer-encoding: chunked";
        length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
    }
    if !is_chunked {
        skip(stream, length);
        return true;
    }
    loop {
        let chunk = usize::from_str_radix(&line(stream), 16).unwrap();
        skip(stream, chunk + 2);
        if chunk == 0 {
            return true;
        }
    }
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

fn skip(stream: &mut BufReader<TcpStream>, length: usize) {
    std::io::copy(&mut stream.take(length as u64), &mut std::io::sink()).unwrap();
}
