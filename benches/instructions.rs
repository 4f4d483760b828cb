//! Instructions per message, counted by callgrind: the one figure that a busy machine does not change. A fixed script sends
//! rows a, b, d, f, s-pub and s-end of the load bench in step, so that what the broker reads at a time is the same in every run; two runs
//! of different length are subtracted, so that start and stop do not count.
//!
//! ```sh
//! cargo bench --bench instructions -- [--rows a,b,d,f,s-pub,s-end] [--messages N] BINARY [OTHER BINARY]
//! ```
//! With two binaries (before and after a change) it prints both and their ratio, of all instructions and of those in Coney's
//! own functions: in row d the store engine's threads wait for each other in a loop, so that all of them vary by far. Needs
//! valgrind.

#![allow(clippy::print_stdout, reason = "the report is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "a bench has deadlines of its own")]
#![allow(clippy::indexing_slicing, reason = "a panic is seen")]
#![allow(dead_code, reason = "the load bench's modules have more than this one needs")]

#[path = "load/client.rs"]
mod client;
#[path = "load/scan.rs"]
mod scan;
#[path = "load/stream.rs"]
mod stream;
#[path = "load/wire.rs"]
mod wire;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use client::{Connection, Uri, refuse_closing};
use scan::{Progress, Visit};
use wire::{NO_TABLE, Route, Value};

/// What can go wrong is only ever shown to a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// Messages of the shorter run: enough for every buffer to have its size.
const WARM_UP: u64 = 20_000;
/// Messages that one publisher writes at a time.
const STEP: u64 = 250;
/// How long one read waits before the next connection is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// A row of the load bench.
#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    publishers: usize,
    consumers: usize,
    size_bytes: usize,
    persistent: bool,
    acks: bool,
    stream: bool,
}

const QUEUE: Row = Row {
    name: "",
    publishers: 1,
    consumers: 1,
    size_bytes: 16,
    persistent: false,
    acks: false,
    stream: false,
};

const ROWS: [Row; 6] = [
    Row { name: "a", ..QUEUE },
    Row { name: "b", acks: true, ..QUEUE },
    Row { name: "d", publishers: 4, consumers: 4, size_bytes: 1024, persistent: true, acks: true, ..QUEUE },
    Row { name: "f", consumers: 0, ..QUEUE },
    Row {
        name: "s-pub",
        publishers: 4,
        consumers: 0,
        size_bytes: 100,
        persistent: true,
        stream: true,
        ..QUEUE
    },
    Row { name: "s-end", persistent: true, acks: true, stream: true, ..QUEUE },
];

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| options.map_or(Ok(()), compare)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    rows: Vec<Row>,
    messages: u64,
    binaries: Vec<PathBuf>,
}

impl Options {
    /// `None` without a binary: that is how a test run over all targets calls a bench.
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self { rows: ROWS.to_vec(), messages: 40_000, binaries: Vec::new() };
        let mut rest = arguments.filter(|argument| argument != "--bench");
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--rows" => {
                    let names = rest.next().ok_or("--rows needs a list")?;
                    options.rows.retain(|row| names.split(',').any(|name| name == row.name));
                }
                "--messages" => options.messages = rest.next().ok_or("--messages needs a number")?.parse()?,
                other if other.starts_with('-') => return Err(format!("unknown option {other}").into()),
                binary => options.binaries.push(binary.into()),
            }
        }
        Ok(Some(options).filter(|options| !options.binaries.is_empty()))
    }
}

fn compare(options: Options) -> Result<()> {
    for row in options.rows {
        let counts: Vec<[f64; 2]> = options
            .binaries
            .iter()
            .map(|binary| per_message(binary, row, options.messages))
            .collect::<Result<_>>()?;
        for (index, what) in ["all", "Coney's own"].into_iter().enumerate() {
            let counts: Vec<f64> = counts.iter().map(|count| count[index]).collect();
            println!("row {}: instructions per message, {what}: {}", row.name, described(&counts));
        }
    }
    Ok(())
}

fn described(counts: &[f64]) -> String {
    let figures: Vec<String> = counts.iter().map(|count| format!("{count:.0}")).collect();
    match counts {
        [before, after] => format!("{}  {:.3}", figures.join(" -> "), after / before),
        _ => figures.join(" -> "),
    }
}

/// All instructions, and those in Coney's own functions.
fn per_message(binary: &Path, row: Row, messages: u64) -> Result<[f64; 2]> {
    let short = instructions(binary, row, WARM_UP)?;
    let long = instructions(binary, row, WARM_UP + messages)?;
    Ok([0, 1].map(|index| (long[index] as f64 - short[index] as f64) / messages as f64))
}

/// Instructions of the broker's whole life with so many messages in it: all, and those in Coney's own functions.
fn instructions(binary: &Path, row: Row, messages: u64) -> Result<[u64; 2]> {
    let folder = std::env::temp_dir().join(format!("coney-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let counted = Broker::start(binary, &folder).and_then(|mut broker| {
        let sent = send(&broker.uri, row, messages);
        broker.stop().and_then(|count| sent.map(|()| count))
    });
    std::fs::remove_dir_all(&folder)?;
    counted
}

/// A broker under callgrind.
struct Broker {
    child: Child,
    uri: Uri,
    log: PathBuf,
    profile: PathBuf,
}

impl Broker {
    fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let (log, profile) = (folder.join("valgrind.log"), folder.join("callgrind.out"));
        let mut child = Command::new("valgrind")
            .arg("--tool=callgrind")
            // Threads that spin would otherwise keep those that they wait for from running.
            .arg("--fair-sched=try")
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(format!("--log-file={}", log.display()))
            .arg(binary)
            .args(["--amqp", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .env("TOKIO_WORKER_THREADS", "1")
            .env("CONEY_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("valgrind: {error}"))?;
        let output = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(output).lines().map_while(std::result::Result::ok);
        let line = lines.find(|line| line.contains("amqp://")).unwrap_or_default();
        let at = line.find("amqp://").ok_or_else(|| format!("no address in `{line}`"))?;
        let end = |character: char| character.is_whitespace() || ",;".contains(character);
        let address = line[at..].split(end).next().unwrap_or_default().trim_end_matches(':');
        Ok(Self { child, uri: Uri::parse(address)?, log, profile })
    }

    /// Ends it in order, because callgrind reports at the end.
    fn stop(&mut self) -> Result<[u64; 2]> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        self.child.wait()?;
        let log = std::fs::read_to_string(&self.log)?;
        let collected = log.lines().find_map(|line| line.split("Collected :").nth(1));
        let count = collected.ok_or_else(|| format!("callgrind counted nothing: {log}"))?;
        Ok([count.trim().parse()?, own(&self.profile)?])
    }
}

/// What callgrind's report has under names of this crate.
fn own(profile: &Path) -> Result<u64> {
    let report =
        Command::new("callgrind_annotate").args(["--threshold=100", "--auto=no"]).arg(profile).output()?;
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    let first = |line: &str| line.split_whitespace().next().map(|count| count.replace(',', ""));
    let counts = report.lines().filter(|line| line.contains("coney::")).filter_map(first);
    counts.map(|count| Ok(count.parse::<u64>()?)).sum()
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It is gone already, but for an error on the way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What came in on one connection.
#[derive(Default)]
struct Counted {
    deliveries: u64,
    confirmed_to: u64,
    acks: Vec<u8>,
}

impl Visit for Counted {
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        match (id, arguments) {
            (wire::DELIVER, &[length, ref rest @ ..]) => {
                let tag = rest.get(usize::from(length)..).and_then(|rest| rest.first_chunk());
                wire::ack(&mut self.acks, u64::from_be_bytes(*tag.ok_or("a short basic.deliver")?), false);
                self.deliveries += 1;
                Ok(())
            }
            (wire::ACK, _) => {
                let tag = arguments.first_chunk().ok_or("a short basic.ack")?;
                // Coney confirms one channel's publishes in order, but for what it refuses.
                self.confirmed_to = self.confirmed_to.max(u64::from_be_bytes(*tag));
                Ok(())
            }
            (wire::NACK, _) => Err("a publish was refused".into()),
            _ => refuse_closing(id, arguments),
        }
    }
}

fn send(uri: &Uri, row: Row, messages: u64) -> Result<()> {
    let mut control = Connection::open(uri)?;
    control.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, "q");
        out.push(u8::from(row.persistent) << 1);
        out.extend_from_slice(&wire::table(if row.stream {
            &[("x-queue-type", Value::Text("stream"))]
        } else {
            &[]
        }));
    })?;
    let mut consumers = Vec::new();
    for _ in 0..row.consumers {
        consumers.push((consumer(uri, row)?, Counted::default()));
    }
    let mut publishers = Vec::new();
    for _ in 0..row.publishers {
        publishers.push((publisher(uri, row)?, Counted::default()));
    }
    let route = Route { exchange: String::new(), key: "q".into(), persistent: row.persistent };
    let mut chunk = Vec::new();
    (0..STEP).for_each(|_| wire::publish(&mut chunk, &route, &vec![b'x'; row.size_bytes], 131_072));
    let mut sent = 0;
    while sent < messages {
        for (connection, _) in &mut publishers {
            connection.stream.write_all(&chunk)?;
            sent += STEP;
        }
        take(&mut consumers, row, sent)?;
        confirm(&mut publishers, row, sent / row.publishers as u64)?;
    }
    control.close()
}

fn consumer(uri: &Uri, row: Row) -> Result<Connection> {
    let mut connection = Connection::open(uri)?;
    connection.request(wire::QOS, wire::QOS_OK, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&u16::to_be_bytes(if row.acks { 1000 } else { 0 }));
        out.push(0);
    })?;
    connection.request(wire::CONSUME, wire::CONSUME_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, "q");
        wire::short(out, "c");
        out.push(u8::from(!row.acks) << 1);
        out.extend_from_slice(&NO_TABLE);
    })?;
    connection.stream.set_read_timeout(Some(LOOK))?;
    Ok(connection)
}

fn publisher(uri: &Uri, row: Row) -> Result<Connection> {
    let mut connection = Connection::open(uri)?;
    if row.persistent {
        connection.request(wire::CONFIRM_SELECT, wire::CONFIRM_SELECT_OK, |out| out.push(0))?;
    }
    connection.stream.set_read_timeout(Some(LOOK))?;
    Ok(connection)
}

/// Waits until all that was sent has been delivered, and acks it.
fn take(consumers: &mut [(Connection, Counted)], row: Row, sent: u64) -> Result<()> {
    while !consumers.is_empty() && consumers.iter().map(|(_, counted)| counted.deliveries).sum::<u64>() < sent
    {
        for (connection, counted) in &mut *consumers {
            read(connection, counted)?;
            if row.acks {
                connection.stream.write_all(&counted.acks)?;
            }
            counted.acks.clear();
        }
    }
    Ok(())
}

/// Waits until each publisher's messages are confirmed; without confirms, until the broker has taken them.
fn confirm(publishers: &mut [(Connection, Counted)], row: Row, each: u64) -> Result<()> {
    for (connection, counted) in publishers {
        while row.persistent && counted.confirmed_to < each {
            read(connection, counted)?;
        }
        if row.consumers == 0 {
            connection.ready_messages("q")?;
        }
    }
    Ok(())
}

fn read(connection: &mut Connection, counted: &mut Counted) -> Result<()> {
    match connection.scanner.read(&mut connection.stream, counted)? {
        Progress::Closed => Err("the broker closed a connection".into()),
        Progress::Read | Progress::Idle => Ok(()),
    }
}
