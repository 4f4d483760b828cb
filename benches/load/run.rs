//! One run of a plan against one broker: queues, connections, threads, the measured window, and everything deleted
//! again.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::client::{Connection, Uri};
use crate::consume::{self, Counter, Signals};
use crate::log;
use crate::many;
use crate::options::{Plan, Scene};
use crate::process;
use crate::publish::{self, Counters};
use crate::record::Recording;
use crate::wire::{self, NO_TABLE, Route};
use crate::{Error, Result};

/// While measuring, the measuring thread looks this often whether a thread has failed.
const LOOK: Duration = Duration::from_millis(100);

/// Messages published and taken are to be found in the queues after this time at most.
const KEPT_MAX: Duration = Duration::from_secs(10);

/// Figures that a run names itself, each with the words that tell it apart.
pub type Figures = Vec<(&'static str, f64)>;

/// What a run gave. Rates are per second.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Written to sockets.
    pub sent: f64,
    /// Confirmed.
    pub confirmed: f64,
    /// Refused instead.
    pub nacked: f64,
    /// Delivered.
    pub consumed: f64,
    /// Body bytes delivered, in units of 10^6.
    pub megabytes: f64,
    /// Taken by the broker, if the plan only publishes and has no confirms.
    pub accepted: Option<f64>,
    /// From send to receipt, if the plan has a rate.
    pub latency: Option<Latency>,
    /// From send to confirm, if the plan asks for it.
    pub confirm_time: Option<Latency>,
    /// Cores that the plan's watched processes kept busy.
    pub watched: Vec<f64>,
    /// Cores that the broker kept busy, if it is on this machine.
    pub cpu: Option<f64>,
    /// Messages written from the run's beginning to its end.
    pub published: u64,
    /// What else there is to report.
    pub figures: Figures,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half are at most this.
    pub p50: f64,
    /// 90 % are.
    pub p90: f64,
    /// 99 % are.
    pub p99: f64,
    /// All are.
    pub max: f64,
}

/// The names of one run, which no other run has.
struct Names {
    exchange: String,
    queues: Vec<String>,
}

/// How the names of a run begin.
pub fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as u64);
    format!("ld{:07x}", (now ^ (u64::from(std::process::id()) << 20)) & 0xfff_ffff)
}

/// The pattern of a topic exchange's binding: most have a wildcard at the end, some at the beginning. Just one
/// matches [`topic_key`] of the same number.
fn topic_pattern(number: usize) -> String {
    match number % 10 {
        0 => format!("*.{number:06}.temperature"),
        1 => format!("#.{number:06}.temperature"),
        _ => format!("site.{number:06}.*"),
    }
}

fn topic_key(number: usize) -> String {
    format!("site.{number:06}.temperature")
}

/// All of them, in an order that is the same in every run and follows no pattern.
fn topic_keys(count: usize) -> Vec<String> {
    let mut numbers: Vec<usize> = (0..count).collect();
    // Multiplying by an odd number permutes the 64-bit numbers.
    numbers.sort_unstable_by_key(|number| (*number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    numbers.into_iter().map(topic_key).collect()
}

impl Names {
    fn new(plan: &Plan) -> Self {
        let run = unique();
        let width = (plan.queues - 1).max(1).to_string().len();
        let queues = (0..plan.queues).map(|number| format!("{run}.{number:0width$}")).collect();
        let has_exchange = plan.fanout || plan.topic_bindings > 0;
        Self { exchange: if has_exchange { run } else { String::new() }, queues }
    }

    /// Those queues that connection `number` of `count` serves: all queues are served, and all connections serve.
    fn served(&self, number: usize, count: usize) -> Vec<&String> {
        let first = number % self.queues.len();
        self.queues.iter().skip(first).step_by(count).collect()
    }

    /// Where publisher `number` of `count` publishes.
    fn routes(&self, number: usize, count: usize, plan: &Plan) -> Vec<Route> {
        let route = |key: &str| Route {
            exchange: self.exchange.clone(),
            key: key.into(),
            persistent: plan.persistent,
        };
        if plan.fanout {
            return vec![route("")];
        }
        if plan.topic_bindings > 0 {
            return topic_keys(plan.topic_bindings).iter().map(|key| route(key)).collect();
        }
        self.served(number, count).into_iter().map(|queue| route(queue)).collect()
    }
}

/// Runs the plan; with the management API at `record` (`host:port`) if it is to be recorded.
///
/// # Errors
/// Whatever fails, also if it is to be recorded and there is no such API.
pub fn run(uri: &Uri, plan: &Plan, record: Option<&str>) -> Result<Outcome> {
    let api = || record.ok_or("what is recorded needs Coney's management API: --record HOST:PORT");
    let _recording = plan.recorded.then(|| Recording::begin(api()?)).transpose()?;
    match plan.scene {
        Scene::Messages => messages(uri, plan),
        Scene::Connections(count) => many::connections(uri, plan, count),
        Scene::Declares(count) => many::declares(uri, count),
        Scene::Stream(scene) => log::run(uri, plan, scene),
    }
}

fn messages(uri: &Uri, plan: &Plan) -> Result<Outcome> {
    let names = Names::new(plan);
    let declare_at = plan.declare_at.as_ref().unwrap_or(uri);
    let mut control = Connection::open(declare_at)?;
    let outcome = declare(&mut control, plan, &names).and_then(|figures| {
        let outcome = drive(uri, plan, &names)?;
        check_kept(&mut control, plan, &names, outcome.published).map(|()| Outcome { figures, ..outcome })
    });
    // A channel error has closed the connection's channel: deleting takes a new one then.
    let mut control = if outcome.is_ok() { control } else { Connection::open(declare_at)? };
    let deleted = delete(&mut control, &names).and_then(|()| control.close());
    outcome.and_then(|outcome| deleted.map(|()| outcome))
}

/// Makes what the run needs; what is worth a figure about that.
fn declare(control: &mut Connection, plan: &Plan, names: &Names) -> Result<Figures> {
    let durable = u8::from(plan.persistent) << 1;
    if !names.exchange.is_empty() {
        control.request(wire::EXCHANGE_DECLARE, wire::EXCHANGE_DECLARE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, &names.exchange);
            wire::short(out, if plan.fanout { "fanout" } else { "topic" });
            out.push(durable);
            out.extend_from_slice(&NO_TABLE);
        })?;
    }
    let arguments = log::queue_arguments(plan);
    for queue in &names.queues {
        control.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            out.push(durable);
            out.extend_from_slice(&arguments);
        })?;
        if plan.fanout {
            bind(control, names, queue, "")?;
        }
    }
    if plan.topic_bindings == 0 {
        return Ok(Figures::new());
    }
    let start = Instant::now();
    for (number, queue) in (0..plan.topic_bindings).zip(names.queues.iter().cycle()) {
        bind(control, names, queue, &topic_pattern(number))?;
    }
    Ok(vec![(" (binds/s before)", plan.topic_bindings as f64 / start.elapsed().as_secs_f64())])
}

fn bind(control: &mut Connection, names: &Names, queue: &str, key: &str) -> Result<()> {
    let bound = control.request(wire::QUEUE_BIND, wire::QUEUE_BIND_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        wire::short(out, &names.exchange);
        wire::short(out, key);
        out.push(0);
        out.extend_from_slice(&NO_TABLE);
    });
    bound.map(drop)
}

fn delete(control: &mut Connection, names: &Names) -> Result<()> {
    for queue in &names.queues {
        control.request(wire::QUEUE_DELETE, wire::QUEUE_DELETE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            out.push(0);
        })?;
    }
    if !names.exchange.is_empty() {
        control.request(wire::EXCHANGE_DELETE, wire::EXCHANGE_DELETE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, &names.exchange);
            out.push(0);
        })?;
    }
    Ok(())
}

/// A broker that takes messages and has them nowhere is fast; it gets no figure. It may need a moment to have them:
/// RabbitMQ tells a queue's length ahead of publishes that are on their way to the queue.
fn check_kept(control: &mut Connection, plan: &Plan, names: &Names, published: u64) -> Result<()> {
    // RabbitMQ tells no length of a stream; what is published to one is confirmed.
    if !plan.publish_only || plan.stream {
        return Ok(());
    }
    let expected = published * if plan.fanout { plan.queues as u64 } else { 1 };
    let start = Instant::now();
    loop {
        let mut found = 0;
        for queue in &names.queues {
            found += control.ready_messages(queue)?;
        }
        if found == expected {
            return Ok(());
        }
        if start.elapsed() > KEPT_MAX {
            return Err(format!("{expected} messages published, {found} found in the queues").into());
        }
        thread::sleep(LOOK);
    }
}

/// Connects everyone, then starts everyone: consumers before publishers, so that nothing is there too early.
fn drive(uri: &Uri, plan: &Plan, names: &Names) -> Result<Outcome> {
    let mut consumers = Vec::new();
    for number in 0..if plan.publish_only { 0 } else { plan.consumers } {
        let mut connection = Connection::open(uri)?;
        consume::subscribe(&mut connection, &names.served(number, plan.consumers), plan)?;
        consumers.push((connection, Counter::default()));
    }
    let mut publishers = Vec::new();
    for number in 0..plan.publishers {
        let mut connection = Connection::open(uri)?;
        publish::prepare(&mut connection, plan)?;
        publishers.push((connection, names.routes(number, plan.publishers, plan), Counters::default()));
    }
    let (consumers, received): (Vec<_>, Vec<_>) = consumers.into_iter().unzip();
    let (publishers, counters): (Vec<_>, Vec<_>) =
        publishers.into_iter().map(|(connection, routes, counters)| ((connection, routes), counters)).unzip();
    let signals = Signals::new();
    let pid = process::listening_at(&uri.address);
    thread::scope(|scope| {
        let spawned =
            Threads::spawn(scope, plan, names, &signals, (consumers, &received), (publishers, &counters));
        spawned.measure(plan, &signals, &received, &counters, pid)
    })
}

/// The threads of a run.
struct Threads<'scope> {
    consumers: Vec<ScopedJoinHandle<'scope, Result<Vec<u64>>>>,
    publishers: Vec<ScopedJoinHandle<'scope, Result<Option<f64>>>>,
}

impl<'scope> Threads<'scope> {
    fn spawn<'env>(
        scope: &'scope Scope<'scope, 'env>,
        plan: &'env Plan,
        names: &'env Names,
        signals: &'env Signals,
        (consumers, received): (Vec<Connection>, &'env [Counter]),
        (publishers, counters): (Vec<(Connection, Vec<Route>)>, &'env [Counters]),
    ) -> Self {
        let consume =
            |(connection, counter)| scope.spawn(move || consume::consume(connection, plan, signals, counter));
        let publish = |((connection, routes), counters): ((Connection, Vec<Route>), &'env Counters)| {
            let queue = &names.queues[0];
            scope.spawn(move || publish::publish(connection, plan, &routes, queue, signals, counters))
        };
        let consumers = consumers.into_iter().zip(received).map(consume).collect();
        Self { consumers, publishers: publishers.into_iter().zip(counters).map(publish).collect() }
    }

    /// Takes the measured window, then ends everyone: publishers first, while consumers keep the queues short.
    fn measure(
        self,
        plan: &Plan,
        signals: &Signals,
        received: &[Counter],
        counters: &[Counters],
        pid: Option<u32>,
    ) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        if plan.publish_only && plan.confirm_window.is_none() {
            // These publishers time themselves.
            while self.publishers.iter().any(|thread| !thread.is_finished()) && !self.any_failed() {
                thread::sleep(LOOK);
            }
        } else {
            self.wait(plan.warmup);
            signals.measuring.store(true, Ordering::Relaxed);
            let (before, used) = (Sample::take(received, counters, pid), cpu_of(&plan.watched));
            self.wait(plan.duration);
            signals.measuring.store(false, Ordering::Relaxed);
            let (after, now_used) = (Sample::take(received, counters, pid), cpu_of(&plan.watched));
            let seconds = (after.at - before.at).as_secs_f64();
            let watched = now_used.iter().zip(used).map(|(now, then)| (now - then) / seconds).collect();
            outcome = Outcome { watched, ..after.since(&before) };
        }
        signals.stop_publishing.store(true, Ordering::Relaxed);
        let accepted = join(self.publishers);
        signals.stop_consuming.store(true, Ordering::Relaxed);
        let latencies = join(self.consumers)?;
        outcome.accepted = accepted?.into_iter().sum();
        outcome.published = Sample::take(received, counters, None).sent;
        outcome.latency = plan.rate.and_then(|_| latency(latencies.concat()));
        let times = |one: &Counters| {
            std::mem::take(&mut *one.confirm_times_ns.lock().unwrap_or_else(PoisonError::into_inner))
        };
        outcome.confirm_time = latency(counters.iter().flat_map(times).collect());
        Ok(outcome)
    }

    /// Waits, or until a thread has ended before its time.
    fn wait(&self, time: Duration) {
        let start = Instant::now();
        while let Some(left) = time.checked_sub(start.elapsed())
            && !left.is_zero()
            && !self.any_failed()
            && !self.publishers.iter().any(ScopedJoinHandle::is_finished)
        {
            thread::sleep(left.min(LOOK));
        }
    }

    fn any_failed(&self) -> bool {
        self.consumers.iter().any(ScopedJoinHandle::is_finished)
    }
}

/// What threads returned, or the first error of one.
pub fn join<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    let panicked = |_| Err(Error::from("a thread panicked"));
    threads.into_iter().map(|thread| thread.join().unwrap_or_else(panicked)).collect()
}

/// The processor time of each of these processes, in seconds; of one that has ended, none.
fn cpu_of(pids: &[u32]) -> Vec<f64> {
    pids.iter().map(|pid| process::cpu_seconds(*pid).unwrap_or(0.0)).collect()
}

/// All counters at one moment.
pub struct Sample {
    /// When.
    pub at: Instant,
    /// Written to sockets.
    pub sent: u64,
    /// Refused.
    pub nacked: u64,
    confirmed: u64,
    consumed: u64,
    bytes: u64,
    cpu_seconds: Option<f64>,
}

impl Sample {
    /// Reads them, and the processor time of the broker with this process.
    pub fn take(received: &[Counter], counters: &[Counters], pid: Option<u32>) -> Self {
        let sum = |of: fn(&Counters) -> &Counter| -> u64 {
            counters.iter().map(|one| of(one).messages.load(Ordering::Relaxed)).sum()
        };
        Self {
            at: Instant::now(),
            sent: sum(|one| &one.sent),
            confirmed: sum(|one| &one.confirmed),
            nacked: sum(|one| &one.nacked),
            consumed: received.iter().map(|one| one.messages.load(Ordering::Relaxed)).sum(),
            bytes: received.iter().map(|one| one.bytes.load(Ordering::Relaxed)).sum(),
            cpu_seconds: pid.and_then(process::cpu_seconds),
        }
    }

    /// Rates from an earlier sample to this one.
    pub fn since(&self, before: &Self) -> Outcome {
        let seconds = (self.at - before.at).as_secs_f64();
        let rate = |now: u64, then: u64| (now - then) as f64 / seconds;
        Outcome {
            sent: rate(self.sent, before.sent),
            confirmed: rate(self.confirmed, before.confirmed),
            nacked: rate(self.nacked, before.nacked),
            consumed: rate(self.consumed, before.consumed),
            megabytes: rate(self.bytes, before.bytes) / 1e6,
            cpu: self.cpu_seconds.zip(before.cpu_seconds).map(|(now, then)| (now - then) / seconds),
            ..Outcome::default()
        }
    }
}

/// Percentiles of these times in nanoseconds.
pub fn latency(mut all_ns: Vec<u64>) -> Option<Latency> {
    all_ns.sort_unstable();
    let last = all_ns.len().checked_sub(1)?;
    let at = |share: f64| all_ns[(last as f64 * share).round() as usize] as f64 / 1000.0;
    Some(Latency { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1.0) })
}
