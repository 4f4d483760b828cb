//! A large backlog, from empty to full, over a restart, and down again: what it costs in memory, time and disk.
//!
//! `cargo bench --bench backlog -- [--messages 10000000] [--size 100] [--transient | --stream] [--coney BINARY] [--data-dir DIR]`
//!
//! One connection publishes without confirms; each tenth ends with an answer of the broker, so that what is in socket
//! buffers does not count. The process is killed (SIGKILL) and started again with the backlog, if it is durable. Then
//! one consumer with a prefetch of 1,000 acks each message. With `--stream` it is a stream, which that reads from its beginning.

#![allow(missing_docs, clippy::print_stdout, reason = "the report is what this program is for")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a measurement reads the clock and may panic"
)]
#![allow(clippy::indexing_slicing, reason = "offsets into buffers, checked by the loop around them")]
#![allow(dead_code, reason = "the load bench uses all of these modules, this one some of them")]

#[path = "load/client.rs"]
mod client;
#[path = "load/process.rs"]
mod process;
#[path = "load/scan.rs"]
mod scan;
#[path = "load/stream.rs"]
mod stream;
#[path = "load/wire.rs"]
mod wire;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use client::{Connection, Uri, refuse_closing};
use scan::{Progress, Visit};
use wire::{Route, Value};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const QUEUE: &str = "backlog";
const PREFETCH: u16 = 1000;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long messages that were sent may take to be there.
const ALL_THERE_MAX: Duration = Duration::from_secs(60);
/// How long disk space may take to come back when nothing happens.
const SPACE_BACK: Duration = Duration::from_secs(60);

struct Options {
    messages: u64,
    size: usize,
    transient: bool,
    stream: bool,
    coney: PathBuf,
    data_dir: PathBuf,
}

fn options() -> Result<Options> {
    let temporary = std::env::temp_dir().join(format!("coney-backlog-{}", std::process::id()));
    let mut options = Options {
        messages: 10_000_000,
        size: 100,
        transient: false,
        stream: false,
        coney: env!("CARGO_BIN_EXE_coney").into(),
        data_dir: temporary,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or("a value is missing");
        match argument.as_str() {
            "--messages" => options.messages = value()?.parse()?,
            "--size" => options.size = value()?.parse()?,
            "--stream" => options.stream = true,
            "--transient" => options.transient = true,
            "--coney" => options.coney = value()?.into(),
            "--data-dir" => options.data_dir = value()?.into(),
            "--bench" => {}
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    Ok(options)
}

/// A running broker and the most memory it was seen to have.
struct Broker {
    child: Child,
    uri: Uri,
    started: Duration,
    peak_kib: Arc<AtomicU64>,
}

impl Broker {
    fn start(options: &Options) -> Result<Self> {
        let start = Instant::now();
        let mut child = Command::new(&options.coney)
            .args(["--amqp", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(&options.data_dir)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?)
            .lines()
            .map_while(std::result::Result::ok);
        let line = lines.find(|line| line.contains("amqp://")).unwrap_or_default();
        let address = line.split("amqp://").nth(1).ok_or("it did not start")?;
        let address: Vec<&str> = address.split(':').take(2).collect();
        let uri = Uri::parse(&format!("amqp://{}", address.join(":")))?;
        Connection::open(&uri)?.close()?;
        let peak_kib = watch_memory(child.id());
        Ok(Self { child, uri, started: start.elapsed(), peak_kib })
    }

    /// The most since the last call, in MiB.
    fn peak_mib(&self) -> f64 {
        self.peak_kib.swap(0, Ordering::Relaxed) as f64 / 1024.0
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch_memory(pid: u32) -> Arc<AtomicU64> {
    let peak = Arc::<AtomicU64>::default();
    let shared = Arc::clone(&peak);
    thread::spawn(move || {
        while let Some(mib) = process::resident_mib(pid) {
            shared.fetch_max((mib * 1024.0) as u64, Ordering::Relaxed);
            thread::sleep(LOOK);
        }
    });
    peak
}

fn declare(connection: &mut Connection, queue: &str, stream: bool) -> Result<()> {
    let kind = [("x-queue-type", Value::Text("stream"))];
    connection.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(2);
        out.extend_from_slice(&wire::table(if stream { &kind } else { &[] }));
    })?;
    Ok(())
}

fn fill(broker: &Broker, options: &Options) -> Result<()> {
    let mut connection = Connection::open(&broker.uri)?;
    declare(&mut connection, QUEUE, options.stream)?;
    let route = Route { exchange: String::new(), key: QUEUE.into(), persistent: !options.transient };
    let (mut batch, mut count) = (Vec::new(), 0);
    let mut noise = 1_u64;
    while batch.len() < 128 * 1024 {
        // Nothing that the store could compress.
        let body = (0..options.size).map(|_| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (noise >> 56) as u8
        });
        wire::publish(&mut batch, &route, &body.collect::<Vec<_>>(), connection.frame_bytes_max);
        count += 1;
    }
    let each = batch.len() / count;
    let (mut sent, mut rates) = (0, Vec::new());
    for tenth in 1..=10 {
        let (start, before) = (Instant::now(), sent);
        while sent < options.messages * tenth / 10 {
            let now = (options.messages * tenth / 10 - sent).min(count as u64);
            connection.stream.write_all(&batch[..now as usize * each])?;
            sent += now;
        }
        wait_for_all(&mut connection, sent)?;
        let rate = (sent - before) as f64 / start.elapsed().as_secs_f64();
        println!("published {sent:>10}: {rate:>9.0}/s, memory at most {:>5.0} MiB", broker.peak_mib());
        rates.push(rate);
    }
    println!("the last tenth is published at {:.0} % of the rate of the first", rates[9] / rates[0] * 100.0);
    connection.close()
}

/// The broker has all there is to be. What a stream has is on disk, which takes a moment.
fn wait_for_all(connection: &mut Connection, sent: u64) -> Result<()> {
    let start = Instant::now();
    loop {
        match connection.ready_messages(QUEUE)? {
            ready if ready == sent => return Ok(()),
            ready if start.elapsed() > ALL_THERE_MAX => {
                return Err(format!("{sent} messages sent, {ready} there").into());
            }
            _ => thread::sleep(LOOK),
        }
    }
}

/// Acks each message.
#[derive(Default)]
struct Acks {
    count: u64,
    out: Vec<u8>,
}

impl Visit for Acks {
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        if id != wire::DELIVER {
            return refuse_closing(id, arguments);
        }
        let tag = 1 + usize::from(arguments[0]);
        wire::ack(&mut self.out, u64::from_be_bytes(arguments[tag..tag + 8].try_into()?), false);
        self.count += 1;
        Ok(())
    }
}

fn drain(broker: &Broker, options: &Options) -> Result<()> {
    let (expected, first) = (options.messages, [("x-stream-offset", Value::Text("first"))]);
    let mut connection = Connection::open(&broker.uri)?;
    connection.request(wire::QOS, wire::QOS_OK, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&PREFETCH.to_be_bytes());
        out.push(0);
    })?;
    let consume = wire::method(wire::CHANNEL, wire::CONSUME, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, QUEUE);
        wire::short(out, "c");
        out.push(0);
        out.extend_from_slice(&wire::table(if options.stream { &first } else { &[] }));
    });
    let start = Instant::now();
    connection.stream.write_all(&consume)?;
    let mut acks = Acks::default();
    while acks.count < expected {
        match connection.scanner.read(&mut connection.stream, &mut acks)? {
            Progress::Closed => return Err("the broker closed the connection".into()),
            Progress::Read | Progress::Idle => {}
        }
        connection.stream.write_all(&acks.out)?;
        acks.out.clear();
    }
    let rate = expected as f64 / start.elapsed().as_secs_f64();
    println!("drained {expected}: {rate:.0}/s, memory at most {:.0} MiB", broker.peak_mib());
    let left = if options.stream { expected } else { 0 };
    assert_eq!((acks.count, connection.ready_messages(QUEUE)?), (expected, left));
    connection.close()
}

fn bytes_under(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn mib(dir: &Path) -> u64 {
    bytes_under(dir) >> 20
}

fn watch_disk(dir: &Path) {
    let start = Instant::now();
    let mut last = u64::MAX;
    while start.elapsed() < SPACE_BACK {
        let now = mib(dir);
        if now != last {
            println!("{:>5.1} s idle: {now} MiB on disk", start.elapsed().as_secs_f64());
            last = now;
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn main() -> Result<()> {
    let options = options()?;
    let mut broker = Broker::start(&options)?;
    println!("started in {:.0} ms, {:.0} MiB", broker.started.as_secs_f64() * 1000.0, broker.peak_mib());
    fill(&broker, &options)?;
    let written = process::written_bytes(broker.child.id()).unwrap_or(0) >> 20;
    println!("{} MiB on disk, {written} MiB written", mib(&options.data_dir));
    if !options.transient {
        // Answered when its definition is durable, and so is everything before it.
        declare(&mut Connection::open(&broker.uri)?, "last", false)?;
        broker.kill();
        broker = Broker::start(&options)?;
        let ready = Connection::open(&broker.uri)?.ready_messages(QUEUE)?;
        let started = broker.started.as_secs_f64() * 1000.0;
        println!("killed; started in {started:.0} ms with {ready} messages, {:.0} MiB", broker.peak_mib());
        assert_eq!(ready, options.messages, "the count is not exact");
    }
    drain(&broker, &options)?;
    if !options.stream {
        watch_disk(&options.data_dir);
    }
    drop(broker);
    std::fs::remove_dir_all(&options.data_dir)?;
    Ok(())
}
