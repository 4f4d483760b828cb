//! The command line, parsed once into what is to be done. A row is a set of options under a letter; options after
//! `--row` change it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::Result;
use crate::client::Uri;

/// What `--help` prints.
pub const HELP: &str = "\
Load for any AMQP 0-9-1 broker.

  cargo bench --bench load -- --uri amqp://guest:guest@127.0.0.1:5672 [options]
  cargo bench --bench load -- --compare [--rabbitmq URI | --rabbitmq-script FILE] [options]
  cargo bench --bench load -- --loopback [--seconds S]

One broker:
  --uri URI           amqp://user:password@host:port/vhost; amqps:// for TLS, with whatever certificate the broker has
  --declare-at URI    where its queues are made, if not there
  --row ROW           options of a row (below); those that follow change it
  --publishers N      connections that publish (1)
  --consumers N       connections that consume (1)
  --queues N          queues; connection i serves queue i, i + connections, ... (1)
  --fanout N          a fanout exchange to N queues
  --topic N           a topic exchange with N bindings to the queues; each message has a key that one matches
  --size BYTES        of a body (16)
  --persistent        delivery mode 2, durable queues
  --confirm-window N  publisher confirms, N messages in flight per publisher
  --confirm-times     reports the time from send to confirm, too
  --ack-every N       acks; 1 acks each message, N acks N at once; all of one read in one write
  --auto-ack          no acks (default)
  --prefetch N        unacknowledged messages per consumer (0: no limit)
  --rate N            messages per second of one paced publisher; reports latency in us, send to receive
  --quorum            the queues are quorum queues
  --stream            the queues are streams; consumers begin at the end
  --cursor            they read with a cursor; Coney alone
  --count N           messages that are in the stream of rows s-replay and the like, before it is read
  --publish-only      no consumers; the time until the broker answers a request behind the last publish counts
  --duration S        seconds measured (5), also --seconds
  --warmup S          seconds before (1)
  --record HOST:PORT  Coney's management API there: its journal records everything meanwhile
  --watch PID,..      these processes' processor time for a confirmed message
  --json              one line of JSON instead of lines for people

Rows (transient, automatic acks, 1 publisher, 1 consumer unless said):
  a    16 B                                                  consumed/s
  b    16 B, each acked, prefetch 1000                       consumed/s
  b-rec     as b, while Coney's journal records everything; Coney alone       consumed/s
  c    1 KiB persistent, confirm window 100, each acked, prefetch 100     confirmed/s
  d    as c, 4 publishers, 4 consumers, one queue, window 1000            confirmed/s
  e    16 B at 1,000 messages/s                              latency
  f    16 B, publish only                                    published/s
  64k  64 KiB bodies                                         MB/s
  1m   1 MiB bodies                                          MB/s
  fan  16 B, fanout to 10 queues                             consumed/s
  q100 16 B, 100 queues, 100 publishers, 100 consumers, window 1000       consumed/s
  topic10k  16 B, topic exchange with 10,000 bindings to 10 queues, window 1000  consumed/s, binds/s
  s-pub, s-pub1k     stream: 100 B or 1 KiB, 4 publishers, window 1000     confirmed/s
  s-end, s-end10     stream: 16 B, window 1000, 1 or 10 readers at its end, each acked, prefetch 1000   consumed/s
  s-cursor           as s-end, the reader has a cursor; Coney alone        consumed/s
  s-replay, s-replay1k  stream of --count messages of 100 B or 1 KiB, read from its beginning, prefetch 5000  consumed/s, MB/s
  s-places           stream of --count messages of 100 B, 20 readers at 20 places: consumed/s, of one alone, memory
  s-fed              a queue fed from a stream of --count messages of 100 B, each acked; Coney alone    consumed/s
  s-trim             stream: 1 KiB, 4 publishers, retention takes as much as comes: of the rate without
  s-kept             stream of --count messages of 100 B: resident memory; what a start with it takes tells
                     `cargo bench --bench backlog -- --stream`
  conn1k    1,000 connections: connects/s, memory of an idle one, each sending itself 10 messages at a time;
            the memory is right as the first row of a broker just started, which has nothing to reuse
  declare10k  10,000 queues, transient and durable: declares/s, deletes/s, memory of an idle one

Comparison (--compare): rounds over the rows, the brokers in turn, medians as a Markdown table
  --coney FILE        the binary (default: the one cargo built with this bench)
  --coney-uri URI     a broker that is running, in Coney's place
  --record HOST:PORT  its management API, for row b-rec
  --data-dir DIR      Coney's data, made and removed (default: in the temporary directory)
  --rabbitmq URI      a RabbitMQ that is running
  --rabbitmq-script FILE   one that `FILE start PORT` starts and `FILE stop PORT` stops
  --rabbitmq-port N   for the script (5683)
  --rounds N          (3); conn1k and declare10k have one
  --rows a,b,..       (a,b,c,d,e,f), all: every row but those of streams, streams: those
  --seconds S         per row (5)   --warmup S (1)

--loopback: what plain TCP on this machine and the generator itself can do.";

/// What the command line asks for.
pub enum Task {
    /// Print [`HELP`].
    Help,
    /// One run against one broker.
    Run { uri: Uri, plan: Plan, record: Option<String>, is_json: bool },
    /// Brokers side by side.
    Compare(Comparison),
    /// The limits of the machine and of this program.
    Loopback { seconds: Duration },
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Connections that publish.
    pub publishers: usize,
    /// Connections that consume.
    pub consumers: usize,
    /// Queues.
    pub queues: usize,
    /// Publish to a fanout exchange all queues are bound to, not to the queues.
    pub fanout: bool,
    /// Publish to a topic exchange with so many bindings to the queues; 0 for none.
    pub topic_bindings: usize,
    /// Where queues are made, if not where messages are published.
    pub declare_at: Option<Uri>,
    /// Something else than publishing to a few queues.
    pub scene: Scene,
    /// Body size.
    pub size_bytes: usize,
    /// Persistent messages and durable queues.
    pub persistent: bool,
    /// Confirms, with so many messages in flight per publisher.
    pub confirm_window: Option<usize>,
    /// The time that each confirm takes is kept.
    pub times_confirms: bool,
    /// An ack for so many messages; automatic acks if `None`.
    pub ack_every: Option<u32>,
    /// Unacknowledged messages per consumer; 0 for no limit.
    pub prefetch: u16,
    /// Messages per second of a paced publisher.
    pub rate: Option<u32>,
    /// No consumers.
    pub publish_only: bool,
    /// The queues are quorum queues.
    pub quorum: bool,
    /// The queues are streams.
    pub stream: bool,
    /// Consumers read with a cursor.
    pub cursor: bool,
    /// Messages in a stream before it is read.
    pub count: u64,
    /// Coney's journal records everything.
    pub recorded: bool,
    /// Processes whose processor time is looked at.
    pub watched: Vec<u32>,
    /// How long to measure.
    pub duration: Duration,
    /// How long to run before measuring.
    pub warmup: Duration,
}

/// What a run is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// Publishers and consumers.
    Messages,
    /// So many connections.
    Connections(usize),
    /// So many queues declared and deleted.
    Declares(usize),
    /// A stream that is filled first.
    Stream(StreamScene),
}

/// What becomes of a full stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamScene {
    /// It is read from its beginning.
    Replay,
    /// Many read it, each from another place.
    Places,
    /// It feeds a queue.
    Fed,
    /// Its oldest messages go while others come.
    Trim,
    /// Nothing.
    Kept,
}

/// Which figure of a run a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Deliveries per second.
    Consumed,
    /// Confirms per second.
    Confirmed,
    /// Publishes per second the broker has taken.
    Accepted,
    /// Body bytes delivered.
    Megabytes,
    /// Time from send to receipt.
    Latency,
    /// Only those that the run names itself.
    Named,
}

/// Brokers side by side.
pub struct Comparison {
    /// Coney's binary.
    pub coney: PathBuf,
    /// A running broker in its place.
    pub coney_uri: Option<Uri>,
    /// Its management API.
    pub record: Option<String>,
    /// Its data directory.
    pub data_dir: Option<PathBuf>,
    /// A running RabbitMQ.
    pub rabbitmq: Option<Uri>,
    /// A script that starts one.
    pub rabbitmq_script: Option<PathBuf>,
    /// The port it is told.
    pub rabbitmq_port: u16,
    /// Rounds over all rows.
    pub rounds: usize,
    /// The rows.
    pub rows: Vec<Row>,
    /// Messages in a stream before it is read, if not as many as the row says.
    pub count: Option<u64>,
    /// How long to measure each.
    pub seconds: Duration,
    /// How long each runs before.
    pub warmup: Duration,
}

/// A named set of options.
#[derive(Clone)]
pub struct Row {
    /// As on the command line.
    pub name: &'static str,
    /// For the table.
    pub title: &'static str,
    /// The figure it is about.
    pub metric: Metric,
    /// What to run.
    pub plan: Plan,
    /// Rounds at most: a row may take a minute, or measure memory, of which a second round reuses the first's.
    pub rounds_max: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            publishers: 1,
            consumers: 1,
            queues: 1,
            fanout: false,
            topic_bindings: 0,
            declare_at: None,
            scene: Scene::Messages,
            size_bytes: 16,
            persistent: false,
            confirm_window: None,
            times_confirms: false,
            ack_every: None,
            prefetch: 0,
            rate: None,
            publish_only: false,
            quorum: false,
            stream: false,
            cursor: false,
            count: 2_000_000,
            recorded: false,
            watched: Vec::new(),
            duration: Duration::from_secs(5),
            warmup: Duration::from_secs(1),
        }
    }
}

impl Plan {
    /// Whether it needs something that other brokers do not have.
    pub fn is_coneys_alone(&self) -> bool {
        self.recorded || self.cursor || self.scene == Scene::Stream(StreamScene::Fed)
    }

    /// Refuses what cannot be measured or would wait for ever.
    fn checked(self) -> Result<Self> {
        let stuck = self.ack_every.is_some_and(|every| self.prefetch > 0 && every > u32::from(self.prefetch));
        let fault = if self.publishers * self.queues == 0 || (self.consumers == 0 && !self.publish_only) {
            "publishers, consumers and queues are at least 1"
        } else if stuck || self.ack_every == Some(0) {
            "--ack-every is at least 1 and at most the prefetch"
        } else if self.confirm_window == Some(0) || self.rate == Some(0) {
            "--confirm-window and --rate are at least 1"
        } else if self.times_confirms && self.confirm_window.is_none() {
            "--confirm-times goes with --confirm-window"
        } else if self.quorum && (self.stream || !self.persistent) {
            "--quorum goes with --persistent and without --stream"
        } else if self.rate.is_some()
            && (self.publishers != 1 || self.confirm_window.is_some() || self.publish_only)
        {
            "--rate goes with one publisher, without confirms, with consumers"
        } else if self.rate.is_some() && !(8..=4096).contains(&self.size_bytes) {
            "--rate needs bodies of 8 to 4096 bytes: one holds the time it was sent"
        } else if self.fanout && self.topic_bindings > 0 {
            "--fanout and --topic exclude each other"
        } else if self.count == 0 {
            "--count is at least 1"
        } else if self.duration.is_zero() {
            "--duration is more than 0"
        } else {
            return Ok(self);
        };
        Err(fault.into())
    }
}

/// Every row, in the order of the table.
pub fn rows() -> Vec<Row> {
    let row = |name, title, metric, plan| Row { name, title, metric, plan, rounds_max: usize::MAX };
    let plain = Plan::default();
    let acked = Plan { ack_every: Some(1), prefetch: 1000, ..plain.clone() };
    let durable = Plan {
        size_bytes: 1024,
        persistent: true,
        confirm_window: Some(100),
        prefetch: 100,
        ..acked.clone()
    };
    let recorded = Plan { recorded: true, ..acked.clone() };
    let four = Plan { publishers: 4, consumers: 4, confirm_window: Some(1000), ..durable.clone() };
    let only = Plan { publish_only: true, ..plain.clone() };
    let fan = Plan { fanout: true, queues: 10, ..plain.clone() };
    // With a window, as a hundred full socket buffers would be most of what a slow broker moves in a run.
    let hundred =
        Plan { publishers: 100, consumers: 100, queues: 100, confirm_window: Some(1000), ..plain.clone() };
    let topic = Plan { topic_bindings: 10_000, queues: 10, confirm_window: Some(1000), ..plain.clone() };
    let scene = |scene| Plan { scene, ..plain.clone() };
    let (connections, declares) = (scene(Scene::Connections(1000)), scene(Scene::Declares(10_000)));
    vec![
        row("a", "16 B transient, auto-ack: consumed/s", Metric::Consumed, plain.clone()),
        row("b", "16 B, each acked, prefetch 1000: consumed/s", Metric::Consumed, acked),
        row("b-rec", "same, everything recorded: consumed/s", Metric::Consumed, recorded),
        row("c", "1 KiB persistent, window 100, each acked: confirmed/s", Metric::Confirmed, durable),
        row("d", "same, 4 publishers, 4 consumers, window 1000: confirmed/s", Metric::Confirmed, four),
        row("e", "latency at 1,000 msg/s", Metric::Latency, Plan { rate: Some(1000), ..plain.clone() }),
        row("f", "publish only, 16 B: published/s", Metric::Accepted, only),
        row("64k", "64 KiB: MB/s", Metric::Megabytes, Plan { size_bytes: 64 << 10, ..plain.clone() }),
        row("1m", "1 MiB: MB/s", Metric::Megabytes, Plan { size_bytes: 1 << 20, ..plain.clone() }),
        row("fan", "16 B, fanout to 10 queues: consumed/s", Metric::Consumed, fan),
        row(
            "q100",
            "16 B, 100 queues, a publisher (window 1000) and a consumer each: consumed/s",
            Metric::Consumed,
            hundred,
        ),
        row("topic10k", "16 B, topic exchange with 10,000 bindings: consumed/s", Metric::Consumed, topic),
        Row { rounds_max: 1, ..row("conn1k", "1,000 connections:", Metric::Named, connections) },
        Row { rounds_max: 1, ..row("declare10k", "10,000 queues,", Metric::Named, declares) },
    ]
}

/// The rows about streams, in the order of the table.
pub fn stream_rows() -> Vec<Row> {
    use Metric::{Confirmed, Consumed, Megabytes, Named};
    let row = |name, title, metric, plan| Row { name, title, metric, plan, rounds_max: usize::MAX };
    let log = Plan { stream: true, persistent: true, confirm_window: Some(1000), ..Plan::default() };
    let publish = Plan { publishers: 4, publish_only: true, size_bytes: 100, ..log.clone() };
    let publish1k = Plan { size_bytes: 1024, ..publish.clone() };
    let end = Plan { ack_every: Some(1), prefetch: 1000, ..log };
    let end10 = Plan { consumers: 10, ..end.clone() };
    let cursor = Plan { cursor: true, ..end.clone() };
    let full = |scene, plan: &Plan| Plan {
        scene: Scene::Stream(scene),
        publish_only: false,
        ack_every: Some(1),
        prefetch: 1000,
        ..plan.clone()
    };
    let replay = Plan { prefetch: 5000, ..full(StreamScene::Replay, &publish) };
    let replay1k = Plan { size_bytes: 1024, count: 300_000, ..replay.clone() };
    let places =
        Plan { prefetch: 5000, consumers: 20, count: 4_000_000, ..full(StreamScene::Places, &publish) };
    let fed = full(StreamScene::Fed, &publish);
    let trim = full(StreamScene::Trim, &publish1k);
    let kept = Plan { count: 10_000_000, ..full(StreamScene::Kept, &publish) };
    vec![
        row("s-pub", "stream, 100 B, 4 publishers, window 1000: confirmed/s", Confirmed, publish),
        row("s-pub1k", "stream, 1 KiB, 4 publishers, window 1000: confirmed/s", Confirmed, publish1k),
        row(
            "s-end",
            "stream, 16 B, a reader at the end, each acked, prefetch 1000: consumed/s",
            Consumed,
            end,
        ),
        row("s-cursor", "same, with a cursor: consumed/s", Consumed, cursor),
        row("s-end10", "same, 10 readers without: consumed/s", Consumed, end10),
        row(
            "s-replay",
            "stream, 100 B, read from the beginning, prefetch 5000: consumed/s",
            Consumed,
            replay,
        ),
        row("s-replay1k", "same, 1 KiB: MB/s", Megabytes, replay1k),
        row("s-places", "stream, 100 B, 20 readers at 20 places: consumed/s", Consumed, places),
        row("s-fed", "queue fed from a stream, 100 B, each acked, prefetch 1000: consumed/s", Consumed, fed),
        row("s-trim", "stream, 1 KiB, 4 publishers, retention meanwhile: confirmed/s", Confirmed, trim),
        Row { rounds_max: 1, ..row("s-kept", "stream, 100 B, nobody reads:", Named, kept) },
    ]
}

/// The rows of a comma-separated list, in its order.
fn named_rows(names: &str) -> Result<Vec<Row>> {
    match names {
        "all" => return Ok(rows()),
        "streams" => return Ok(stream_rows()),
        _ => {}
    }
    let find = |name: &str| rows().into_iter().chain(stream_rows()).find(|row| row.name == name);
    names.split(',').map(|name| find(name).ok_or_else(|| format!("no row {name}").into())).collect()
}

/// What the options say so far.
struct Parser {
    uri: Option<Uri>,
    plan: Plan,
    comparison: Comparison,
    mode: Mode,
    is_json: bool,
}

/// Which task the options belong to.
enum Mode {
    Help,
    Run,
    Compare,
    Loopback,
}

/// Reads the command line (without the program's name). Without arguments it asks for help: that is how a test run
/// over all targets calls a bench, which then ought not to look for a broker.
pub fn parse(arguments: &[String]) -> Result<Task> {
    let mut parser = Parser::new()?;
    if arguments.iter().any(|argument| argument != "--bench") {
        parser.mode = Mode::Run;
    }
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{name} needs a value").into());
        if !parser.flag(name) && !parser.load(name, &mut value)? && !parser.comparison(name, &mut value)? {
            return Err(format!("unknown option {name}; --help lists them").into());
        }
    }
    parser.finish()
}

impl Parser {
    fn new() -> Result<Self> {
        let comparison = Comparison {
            coney: PathBuf::from(env!("CARGO_BIN_EXE_coney")),
            coney_uri: None,
            record: None,
            data_dir: None,
            rabbitmq: None,
            rabbitmq_script: None,
            rabbitmq_port: 5683,
            rounds: 3,
            rows: named_rows("a,b,c,d,e,f")?,
            count: None,
            seconds: Plan::default().duration,
            warmup: Plan::default().warmup,
        };
        Ok(Self { uri: None, plan: Plan::default(), comparison, mode: Mode::Help, is_json: false })
    }

    /// An option without a value; false if it is none.
    fn flag(&mut self, name: &str) -> bool {
        match name {
            "--bench" => {}
            "--help" | "-h" => self.mode = Mode::Help,
            "--compare" => self.mode = Mode::Compare,
            "--loopback" => self.mode = Mode::Loopback,
            "--persistent" => self.plan.persistent = true,
            "--auto-ack" => self.plan.ack_every = None,
            "--quorum" => self.plan.quorum = true,
            "--confirm-times" => self.plan.times_confirms = true,
            "--json" => self.is_json = true,
            "--stream" => (self.plan.stream, self.plan.persistent) = (true, true),
            "--cursor" => self.plan.cursor = true,
            "--publish-only" => self.plan.publish_only = true,
            _ => return false,
        }
        true
    }

    /// An option of a run with its value; false if it is none.
    fn load<'a>(&mut self, name: &str, value: &mut impl FnMut() -> Result<&'a String>) -> Result<bool> {
        let plan = &mut self.plan;
        match name {
            "--uri" => self.uri = Some(Uri::parse(value()?)?),
            "--declare-at" => plan.declare_at = Some(Uri::parse(value()?)?),
            "--row" => {
                let row = named_rows(value()?)?.swap_remove(0);
                *plan = Plan { duration: plan.duration, warmup: plan.warmup, ..row.plan };
            }
            "--publishers" => plan.publishers = number(name, value()?)?,
            "--consumers" => plan.consumers = number(name, value()?)?,
            "--queues" => plan.queues = number(name, value()?)?,
            "--fanout" => (plan.fanout, plan.queues) = (true, number(name, value()?)?),
            "--topic" => plan.topic_bindings = number(name, value()?)?,
            "--size" => plan.size_bytes = number(name, value()?)?,
            "--confirm-window" => plan.confirm_window = Some(number(name, value()?)?),
            "--ack-every" => plan.ack_every = Some(number(name, value()?)?),
            "--prefetch" => plan.prefetch = number(name, value()?)?,
            "--count" => {
                plan.count = number(name, value()?)?;
                self.comparison.count = Some(plan.count);
            }
            "--rate" => plan.rate = Some(number(name, value()?)?),
            "--watch" => {
                plan.watched = value()?.split(',').map(|pid| number(name, pid)).collect::<Result<_>>()?;
            }
            "--duration" | "--seconds" => plan.duration = seconds(name, value()?)?,
            "--warmup" => plan.warmup = seconds(name, value()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An option of a comparison with its value; false if it is none.
    fn comparison<'a>(&mut self, name: &str, value: &mut impl FnMut() -> Result<&'a String>) -> Result<bool> {
        let comparison = &mut self.comparison;
        match name {
            "--coney" => comparison.coney = value()?.into(),
            "--record" => comparison.record = Some(value()?.clone()),
            "--coney-uri" => comparison.coney_uri = Some(Uri::parse(value()?)?),
            "--data-dir" => comparison.data_dir = Some(value()?.into()),
            "--rabbitmq" => comparison.rabbitmq = Some(Uri::parse(value()?)?),
            "--rabbitmq-script" => comparison.rabbitmq_script = Some(value()?.into()),
            "--rabbitmq-port" => comparison.rabbitmq_port = number(name, value()?)?,
            "--rounds" => comparison.rounds = number::<usize>(name, value()?)?.max(1),
            "--rows" => comparison.rows = named_rows(value()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(self) -> Result<Task> {
        let (seconds, warmup) = (self.plan.duration, self.plan.warmup);
        Ok(match self.mode {
            Mode::Help => Task::Help,
            Mode::Run => {
                let record = self.comparison.record;
                let recorded = self.plan.recorded || record.is_some();
                let plan = Plan { recorded, ..self.plan }.checked()?;
                let uri = self.uri.ok_or("--uri is missing")?;
                Task::Run { uri, plan, record, is_json: self.is_json }
            }
            Mode::Compare => Task::Compare(Comparison { seconds, warmup, ..self.comparison }),
            Mode::Loopback => Task::Loopback { seconds },
        })
    }
}

fn number<N: FromStr>(name: &str, text: &str) -> Result<N> {
    text.parse().map_err(|_| format!("{name} {text}: not a number that fits").into())
}

fn seconds(name: &str, text: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(number(name, text)?).map_err(|error| format!("{name} {text}: {error}").into())
}
