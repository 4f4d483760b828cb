//! Rows about streams that a plain run of publishers and consumers does not show: what is there is read again, from one place
//! or many, feeds a queue, goes by retention, or is just kept.
//!
//! Invariants: a stream is full and the broker at rest before it is read; a rate is of messages that came; nobody is measured
//! who has read all there is.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Connection, Uri};
use crate::consume::{self, Counter, Signals};
use crate::options::{Plan, StreamScene};
use crate::process;
use crate::publish::{self, Counters};
use crate::run::{Figures, Outcome, Sample, join, unique};
use crate::wire::{self, NO_TABLE, Route, Value};
use crate::{Error, Result};

/// How often counters and memory are looked at. Of the shortest run it is a hundredth.
const LOOK: Duration = Duration::from_millis(5);
/// Retention keeps so many bytes of a stream.
const KEPT_BYTES: i64 = 64 << 20;
/// They go in pieces of this size.
const SEGMENT_BYTES: i64 = 8 << 20;

/// What a run's queues are declared with.
pub fn queue_arguments(plan: &Plan) -> Vec<u8> {
    let of_type = |name| wire::table(&[("x-queue-type", Value::Text(name))]);
    match (plan.stream, plan.quorum) {
        (true, _) => of_type("stream"),
        (false, true) => of_type("quorum"),
        (false, false) => NO_TABLE.to_vec(),
    }
}

/// What a run's consumers say.
pub fn consumer_arguments(plan: &Plan) -> Vec<u8> {
    let mut arguments = Vec::new();
    if plan.stream {
        arguments.push(("x-stream-offset", Value::Text("next")));
    }
    if plan.cursor {
        arguments.push(("x-stream-cursor", Value::Text("load")));
    }
    wire::table(&arguments)
}

/// Runs one of these scenes; what it made is deleted whatever comes.
pub fn run(uri: &Uri, plan: &Plan, scene: StreamScene) -> Result<Outcome> {
    let run = Run { uri, plan, pid: process::listening_at(&uri.address), name: unique() };
    let outcome = match scene {
        StreamScene::Replay => run.replay(),
        StreamScene::Places => run.places(),
        StreamScene::Fed => run.fed(),
        StreamScene::Trim => run.trim(),
        StreamScene::Kept => run.kept(),
    };
    let mut control = Connection::open(uri)?;
    // The queue first: it would otherwise look for the stream.
    for queue in [run.fed_queue(), run.name.clone()] {
        control.request(wire::QUEUE_DELETE, wire::QUEUE_DELETE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, &queue);
            out.push(0);
        })?;
    }
    control.close()?;
    outcome
}

/// One run: its stream has its name.
struct Run<'a> {
    uri: &'a Uri,
    plan: &'a Plan,
    pid: Option<u32>,
    name: String,
}

/// Somebody who reads: what, from which offset, and how many messages there are.
struct Reader<'a> {
    queue: &'a str,
    from: Option<u64>,
    until: u64,
}

impl Run<'_> {
    fn fed_queue(&self) -> String {
        format!("{}.fed", self.name)
    }

    fn declare(&self, queue: &str, arguments: &[(&str, Value<'_>)]) -> Result<()> {
        let mut control = Connection::open(self.uri)?;
        control.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            out.push(2);
            out.extend_from_slice(&wire::table(arguments));
        })?;
        control.close()
    }

    /// A stream with the plan's count of messages, and how many it became.
    fn filled(&self) -> Result<u64> {
        self.declare(&self.name, &[("x-queue-type", Value::Text("stream"))])?;
        let count = self.plan.count;
        let published = self.publish(|counters| Sample::take(&[], counters, None).sent < count)?;
        self.settle();
        Ok(published)
    }

    fn settle(&self) {
        self.pid.into_iter().for_each(process::settle);
    }

    /// Publishes as the plan says for as long as `goes_on`; returns how many messages that were.
    fn publish(&self, mut goes_on: impl FnMut(&[Counters]) -> bool) -> Result<u64> {
        let route = Route { exchange: String::new(), key: self.name.clone(), persistent: true };
        let (signals, routes) = (Signals::new(), [route]);
        let counters: Vec<_> = (0..self.plan.publishers).map(|_| Counters::default()).collect();
        let mut connections = Vec::new();
        for _ in &counters {
            let mut connection = Connection::open(self.uri)?;
            publish::prepare(&mut connection, self.plan)?;
            connections.push(connection);
        }
        thread::scope(|scope| {
            let spawn = |(connection, counters)| {
                let (signals, routes) = (&signals, &routes);
                scope.spawn(move || {
                    publish::publish(connection, self.plan, routes, &self.name, signals, counters)
                })
            };
            let threads: Vec<_> = connections.into_iter().zip(&counters).map(spawn).collect();
            while goes_on(&counters) && !threads.iter().any(|thread| thread.is_finished()) {
                thread::sleep(LOOK);
            }
            signals.stop_publishing.store(true, Ordering::Relaxed);
            join(threads)
        })?;
        let sum = Sample::take(&[], &counters, None);
        if sum.nacked > 0 { Err("messages were refused".into()) } else { Ok(sum.sent) }
    }

    /// Reads for the plan's time, or until somebody has all there is. Also the most memory that the broker had, in MiB.
    fn read(&self, readers: &[Reader<'_>]) -> Result<(Outcome, Option<f64>)> {
        let signals = Signals::new();
        let received: Vec<_> = readers.iter().map(|_| Counter::default()).collect();
        let mut connections = Vec::new();
        for _ in readers {
            let mut connection = Connection::open(self.uri)?;
            consume::set_prefetch(&mut connection, self.plan)?;
            connections.push(connection);
        }
        let before = Sample::take(&received, &[], self.pid);
        for (connection, reader) in connections.iter_mut().zip(readers) {
            // Deliveries may come with the reply: whoever counts them reads it.
            connection.stream.write_all(&consume_frame(reader))?;
        }
        thread::scope(|scope| {
            let spawn = |(connection, counter)| {
                let signals = &signals;
                scope.spawn(move || consume::consume(connection, self.plan, signals, counter))
            };
            let threads: Vec<_> = connections.into_iter().zip(&received).map(spawn).collect();
            let mut most_mib = None::<f64>;
            let is_through = |(reader, counter): (&Reader<'_>, &Counter)| {
                counter.messages.load(Ordering::Relaxed) >= reader.until - reader.from.unwrap_or(0)
            };
            while before.at.elapsed() < self.plan.duration
                && !readers.iter().zip(&received).any(is_through)
                && !threads.iter().any(|thread| thread.is_finished())
            {
                thread::sleep(LOOK);
                let mib = self.pid.and_then(process::resident_mib);
                most_mib = most_mib.into_iter().chain(mib).reduce(f64::max);
            }
            let outcome = Sample::take(&received, &[], self.pid).since(&before);
            signals.stop_consuming.store(true, Ordering::Relaxed);
            join(threads).map(|_| (outcome, most_mib))
        })
    }

    /// One reader from the beginning.
    fn replay(&self) -> Result<Outcome> {
        let until = self.filled()?;
        Ok(self.read(&[Reader { queue: &self.name, from: Some(0), until }])?.0)
    }

    /// One reader, then as many as the plan has consumers, spread over the first half: so nobody comes to the end soon.
    fn places(&self) -> Result<Outcome> {
        let until = self.filled()?;
        let reader = |from| Reader { queue: &self.name, from: Some(from), until };
        let (alone, _) = self.read(&[reader(0)])?;
        self.settle();
        let places = self.plan.consumers as u64;
        let readers: Vec<_> = (0..places).map(|place| reader(until / 2 * place / places)).collect();
        let (mut together, most_mib) = self.read(&readers)?;
        together.figures.push((", as a part of one reader's alone", together.consumed / alone.consumed));
        together.figures.extend(most_mib.map(|mib| (", MiB resident at most", mib)));
        Ok(together)
    }

    /// A queue that is fed from a full stream.
    fn fed(&self) -> Result<Outcome> {
        let until = self.filled()?;
        let queue = self.fed_queue();
        let source = ("x-stream-source", Value::Text(&self.name));
        self.declare(&queue, &[source, ("x-stream-offset", Value::Text("first"))])?;
        Ok(self.read(&[Reader { queue: &queue, from: None, until }])?.0)
    }

    /// Publishes to a stream that keeps everything, then to one whose oldest messages go as fast as others come.
    fn trim(&self) -> Result<Outcome> {
        let kind = ("x-queue-type", Value::Text("stream"));
        let segment = ("x-stream-max-segment-size-bytes", Value::Number(SEGMENT_BYTES));
        let keeping = Self { name: unique(), ..*self };
        keeping.declare(&keeping.name, &[kind, segment])?;
        let without = keeping.steady();
        self.delete_now(&keeping.name)?;
        self.settle();
        self.declare(&self.name, &[kind, segment, ("x-max-length-bytes", Value::Number(KEPT_BYTES))])?;
        let (without, with) = (without?, self.steady()?);
        let mut outcome = with.clone();
        let megabytes = with.confirmed * self.plan.duration.as_secs_f64() * self.plan.size_bytes as f64 / 1e6;
        outcome.figures = Figures::from([
            (", as a part of the rate without", with.confirmed / without.confirmed),
            (", MB that went meanwhile", megabytes),
        ]);
        Ok(outcome)
    }

    fn delete_now(&self, queue: &str) -> Result<()> {
        let mut control = Connection::open(self.uri)?;
        control.request(wire::QUEUE_DELETE, wire::QUEUE_DELETE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            out.push(0);
        })?;
        control.close()
    }

    /// The rate of the plan's time, after twice of what retention keeps has come.
    fn steady(&self) -> Result<Outcome> {
        let fill = 2 * KEPT_BYTES as u64 / self.plan.size_bytes as u64;
        let (mut begun, mut ended) = (None::<Sample>, None::<Sample>);
        self.publish(|counters| {
            let now = Sample::take(&[], counters, self.pid);
            match &begun {
                None if now.sent >= fill => begun = Some(now),
                Some(before) if now.at - before.at >= self.plan.duration => ended = Some(now),
                _ => {}
            }
            ended.is_none()
        })?;
        match (begun, ended) {
            (Some(begun), Some(ended)) => Ok(ended.since(&begun)),
            _ => Err(Error::from("a publisher ended early")),
        }
    }

    /// What a stream that nobody reads takes of memory.
    fn kept(&self) -> Result<Outcome> {
        let start = Instant::now();
        self.declare(&self.name, &[("x-queue-type", Value::Text("stream"))])?;
        let (count, mut most_mib) = (self.plan.count, None::<f64>);
        let published = self.publish(|counters| {
            let mib = self.pid.and_then(process::resident_mib);
            most_mib = most_mib.into_iter().chain(mib).reduce(f64::max);
            Sample::take(&[], counters, None).sent < count
        })?;
        let mut figures = Figures::from([(" published/s", published as f64 / start.elapsed().as_secs_f64())]);
        self.settle();
        figures.extend(most_mib.map(|mib| (" MiB resident at most meanwhile", mib)));
        figures.extend(self.pid.and_then(process::resident_mib).map(|mib| (" MiB resident then", mib)));
        Ok(Outcome { figures, ..Outcome::default() })
    }
}

fn consume_frame(reader: &Reader<'_>) -> Vec<u8> {
    let from = reader.from.map(|from| ("x-stream-offset", Value::Number(from as i64)));
    wire::method(wire::CHANNEL, wire::CONSUME, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, reader.queue);
        wire::short(out, "c0");
        out.push(0);
        out.extend_from_slice(&wire::table(from.as_slice()));
    })
}
