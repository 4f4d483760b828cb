//! The brokers of a comparison: started here and stopped again, or running already.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Connection, Uri};
use crate::options::Comparison;
use crate::process;

/// How long a broker may take to start; a script may install it first.
const START_MAX: Duration = Duration::from_secs(300);
/// How often a starting broker is tried.
const TRY: Duration = Duration::from_millis(2);

/// A broker that takes connections.
pub struct Broker {
    /// For the table.
    pub name: &'static str,
    /// Where it is.
    pub uri: Uri,
    /// Whether it has what RabbitMQ does not: a journal, cursors, queues that are fed from streams.
    pub is_coney: bool,
    /// `host:port` of its management API, if that is known.
    pub api: Option<String>,
    /// Its process, if it is on this machine.
    pub pid: Option<u32>,
    /// From the start of the process to the end of the first handshake, if it was started here.
    pub start_ms: Option<f64>,
    /// Resident memory in MiB, idle, before the first run.
    pub idle_mib: Option<f64>,
    stop: Stop,
}

/// What ends it.
enum Stop {
    Nothing,
    Process { child: Child, data: PathBuf },
    Script { file: PathBuf, port: u16 },
}

impl Drop for Broker {
    fn drop(&mut self) {
        match &mut self.stop {
            Stop::Nothing => {}
            Stop::Process { child, data } => {
                // Whatever fails here, there is nobody left to tell and nothing else to do.
                let _ = child.kill().and_then(|()| child.wait());
                let _ = fs::remove_dir_all(data);
            }
            Stop::Script { file, port } => {
                let _ = Command::new(file).arg("stop").arg(port.to_string()).stdout(Stdio::null()).status();
            }
        }
    }
}

/// Coney, or what runs in its place.
pub fn coney(comparison: &Comparison) -> Result<Broker> {
    if let Some(uri) = &comparison.coney_uri {
        let mut running = Broker::running("Coney", uri)?;
        (running.is_coney, running.api) = (true, comparison.record.clone());
        return Ok(running);
    }
    let temporary = || std::env::temp_dir().join(format!("coney-load-{}", std::process::id()));
    let data = comparison.data_dir.clone().unwrap_or_else(temporary);
    if data.exists() {
        return Err(format!("{} exists; the bench makes and removes its directory", data.display()).into());
    }
    let start = Instant::now();
    let mut command = Command::new(&comparison.coney);
    command.args(["--amqp", "127.0.0.1:0", "--data-dir"]).arg(&data).stdout(Stdio::piped());
    let is_recorded = comparison.rows.iter().any(|row| row.plan.recorded);
    if is_recorded {
        command.args(["--http", "127.0.0.1:0"]);
    }
    if std::env::var_os("CONEY_LOG").is_none() {
        command.env("CONEY_LOG", "warn");
    }
    let mut child = command.spawn().map_err(|error| format!("{}: {error}", comparison.coney.display()))?;
    let output = child.stdout.take();
    // Made at once, so that the process is ended whatever comes.
    let mut broker = Broker {
        name: "Coney",
        uri: Uri::parse("amqp://127.0.0.1")?,
        is_coney: true,
        api: None,
        pid: Some(child.id()),
        start_ms: None,
        idle_mib: None,
        stop: Stop::Process { child, data },
    };
    let line = announced(output.ok_or("no standard output")?)?;
    broker.uri = Uri::parse(&url_in(&line, "amqp://").ok_or("Coney's line has no amqp:// address")?)?;
    broker.api = url_in(&line, "http://").map(|url| url.trim_start_matches("http://").to_owned());
    Connection::open(&broker.uri)?.close()?;
    Ok(broker.idle(Some(start.elapsed())))
}

/// RabbitMQ, if one is asked for.
pub fn rabbitmq(comparison: &Comparison) -> Result<Option<Broker>> {
    match (&comparison.rabbitmq, &comparison.rabbitmq_script) {
        (Some(uri), _) => Broker::running("RabbitMQ", uri).map(Some),
        (None, Some(script)) => scripted(script, comparison.rabbitmq_port).map(Some),
        (None, None) => Ok(None),
    }
}

fn scripted(script: &Path, port: u16) -> Result<Broker> {
    let uri = Uri::parse(&format!("amqp://guest:guest@127.0.0.1:{port}"))?;
    if Connection::open(&uri).is_ok() {
        return Err(format!("a broker is running on port {port} already; --rabbitmq uses it").into());
    }
    let start = Instant::now();
    let mut command = Command::new(script);
    let child = command.arg("start").arg(port.to_string()).stdout(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("{}: {error}", script.display()))?;
    let stop = Stop::Script { file: script.into(), port };
    let broker = Broker::new("RabbitMQ", uri, stop);
    // Tried directly, because the script looks only now and then.
    while Connection::open(&broker.uri).and_then(Connection::close).is_err() {
        if start.elapsed() > START_MAX || child.try_wait()?.is_some_and(|status| !status.success()) {
            return Err(format!("{} did not start a broker on port {port}", script.display()).into());
        }
        thread::sleep(TRY);
    }
    let taken = start.elapsed();
    child.wait()?;
    Ok(broker.idle(Some(taken)))
}

impl Broker {
    fn running(name: &'static str, uri: &Uri) -> Result<Self> {
        Connection::open(uri)?.close()?;
        Ok(Self::new(name, uri.clone(), Stop::Nothing).idle(None))
    }

    const fn new(name: &'static str, uri: Uri, stop: Stop) -> Self {
        Self { name, uri, is_coney: false, api: None, pid: None, start_ms: None, idle_mib: None, stop }
    }

    /// Finds the process and its memory once it has come to rest.
    fn idle(mut self, started: Option<Duration>) -> Self {
        self.start_ms = started.map(|time| time.as_secs_f64() * 1000.0);
        self.pid = self.pid.or_else(|| process::listening_at(&self.uri.address));
        if let Some(pid) = self.pid {
            process::settle(pid);
            self.idle_mib = process::resident_mib(pid);
        }
        self
    }
}

/// The line that Coney prints when clients can connect. The rest of its output is read and dropped.
fn announced(output: impl std::io::Read + Send + 'static) -> Result<String> {
    let (found, line) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
            if line.contains("amqp://") {
                let _ = found.send(line);
            }
        }
    });
    line.recv_timeout(START_MAX).map_err(|_| "Coney did not say that its startup is complete".into())
}

/// The first URL in a line that begins like this.
fn url_in(line: &str, scheme: &str) -> Option<String> {
    let (at, _) = line.match_indices(scheme).next()?;
    let end = |character: char| character.is_whitespace() || ",;\u{1b}".contains(character);
    Some(line[at..].split(end).next()?.trim_end_matches(':').to_owned())
}
