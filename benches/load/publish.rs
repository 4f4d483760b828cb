//! The publishing side: a thread per connection that writes publishes encoded beforehand, many to a write. Four
//! manners: as fast as the socket takes them, the same timed to the broker's own answer, a window of confirms, a pace.
//!
//! Invariants: a publisher never has more unconfirmed messages than its window; a confirm counts once, whatever the
//! mixture of single and multiple acks.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::{Connection, refuse_closing};
use crate::consume::{Counter, Signals};
use crate::options::Plan;
use crate::scan::{Progress, Visit};
use crate::wire::{self, Route};

/// What one write holds, or one message if that is more. Beyond this the time per byte no longer falls.
pub const WRITE_BYTES: usize = 128 * 1024;

/// What a publisher has counted.
#[derive(Default)]
pub struct Counters {
    /// Written to the socket.
    pub sent: Counter,
    /// Confirmed by the broker.
    pub confirmed: Counter,
    /// Refused by it.
    pub nacked: Counter,
    /// What confirms took, once the publisher has ended, if the plan asks for it.
    pub confirm_times_ns: Mutex<Vec<u64>>,
}

/// Publishes encoded one after the other, a whole number of rounds over the routes, each of the same length.
pub struct Batch {
    bytes: Vec<u8>,
    message_bytes: usize,
    /// Messages in it.
    count: usize,
    /// The next one to write, when it is not written as a whole.
    next: usize,
}

impl Batch {
    /// Encodes at least one message for each route and about `WRITE_BYTES` in all. The routes' names are equally long.
    pub fn new(routes: &[Route], size_bytes: usize, frame_bytes_max: usize) -> Self {
        let body = vec![b'x'; size_bytes];
        let mut bytes = Vec::new();
        let mut count = 0;
        while count == 0 || bytes.len() + bytes.len() / count * routes.len() <= WRITE_BYTES {
            for route in routes {
                wire::publish(&mut bytes, route, &body, frame_bytes_max);
            }
            count += routes.len();
        }
        Self { message_bytes: bytes.len() / count, bytes, count, next: 0 }
    }

    /// All of it.
    pub fn whole(&self) -> (&[u8], u64) {
        (&self.bytes, self.count as u64)
    }

    /// The next messages, `max` at most, and how many they are.
    fn take(&mut self, max: usize) -> (&[u8], usize) {
        let from = self.next;
        let count = max.min(self.count - from);
        self.next = (from + count) % self.count;
        (&self.bytes[from * self.message_bytes..(from + count) * self.message_bytes], count)
    }

    /// The next message, with `time_ns` at the beginning of its body, which is `size_bytes` long and in one frame.
    fn stamped(&mut self, time_ns: u64, size_bytes: usize) -> &[u8] {
        let body = (self.next + 1) * self.message_bytes - 1 - size_bytes;
        self.bytes[body..body + 8].copy_from_slice(&time_ns.to_be_bytes());
        self.take(1).0
    }
}

/// Makes the channel confirm, if the plan says so.
pub fn prepare(connection: &mut Connection, plan: &Plan) -> Result<()> {
    if plan.confirm_window.is_some() {
        connection.request(wire::CONFIRM_SELECT, wire::CONFIRM_SELECT_OK, |out| out.push(0))?;
    }
    Ok(())
}

/// Publishes until told to stop, or for the plan's time if it only publishes; then returns how many messages per
/// second the broker took.
pub fn publish(
    mut connection: Connection,
    plan: &Plan,
    routes: &[Route],
    queue: &str,
    signals: &Signals,
    counters: &Counters,
) -> Result<Option<f64>> {
    let batch = Batch::new(routes, plan.size_bytes, connection.frame_bytes_max);
    let mut accepted = None;
    let done = match (plan.confirm_window, plan.rate) {
        (Some(window), _) => windowed(&mut connection, batch, (window, plan), signals, counters),
        (None, Some(rate)) => paced(&mut connection, batch, (rate, plan.size_bytes), signals, counters),
        (None, None) if plan.publish_only => {
            timed(&mut connection, &batch, plan, queue, signals, counters).map(|rate| accepted = Some(rate))
        }
        (None, None) => {
            flood(&mut connection, &batch, counters, || !signals.stop_publishing.load(Ordering::Relaxed))
        }
    };
    done.map_err(|error| connection.explained(error))?;
    connection.close()?;
    Ok(accepted)
}

fn flood(
    connection: &mut Connection,
    batch: &Batch,
    counters: &Counters,
    goes_on: impl Fn() -> bool,
) -> Result<()> {
    let (bytes, count) = batch.whole();
    while goes_on() {
        connection.stream.write_all(bytes)?;
        counters.sent.add(count, bytes.len() as u64);
    }
    Ok(())
}

/// Floods between two answers of the broker, so that what is left in socket buffers counts in neither direction.
fn timed(
    connection: &mut Connection,
    batch: &Batch,
    plan: &Plan,
    queue: &str,
    signals: &Signals,
    counters: &Counters,
) -> Result<f64> {
    let go = |time: Duration| {
        let start = Instant::now();
        move || start.elapsed() < time && !signals.stop_publishing.load(Ordering::Relaxed)
    };
    flood(connection, batch, counters, go(plan.warmup))?;
    connection.ready_messages(queue)?;
    let before = counters.sent.messages.load(Ordering::Relaxed);
    let start = Instant::now();
    flood(connection, batch, counters, go(plan.duration))?;
    connection.ready_messages(queue)?;
    let count = counters.sent.messages.load(Ordering::Relaxed) - before;
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

fn windowed(
    connection: &mut Connection,
    mut batch: Batch,
    (window, plan): (usize, &Plan),
    signals: &Signals,
    counters: &Counters,
) -> Result<()> {
    let mut confirms = Confirms::new(plan.times_confirms.then_some(signals));
    while !signals.stop_publishing.load(Ordering::Relaxed) {
        while confirms.waiting < window {
            let (bytes, count) = batch.take(window - confirms.waiting);
            confirms.sent(count);
            connection.stream.write_all(bytes)?;
            counters.sent.add(count as u64, bytes.len() as u64);
        }
        let progress = connection.scanner.read(&mut connection.stream, &mut confirms)?;
        if progress == Progress::Closed {
            return Err("the broker closed a publisher's connection".into());
        }
        counters.confirmed.add(std::mem::take(&mut confirms.confirmed), 0);
        counters.nacked.add(std::mem::take(&mut confirms.nacked), 0);
    }
    *counters.confirm_times_ns.lock().unwrap_or_else(PoisonError::into_inner) = confirms.times_ns;
    Ok(())
}

/// The messages that wait for a confirm.
struct Confirms<'a> {
    /// Every publish with a smaller number is confirmed; `open` begins with this one.
    confirmed_below: u64,
    /// Of each message that still waits, by number, when it was sent if there is a clock; `None` if it waits no more.
    open: VecDeque<Option<u64>>,
    waiting: usize,
    confirmed: u64,
    nacked: u64,
    /// Set if times are kept.
    clock: Option<&'a Signals>,
    times_ns: Vec<u64>,
}

impl<'a> Confirms<'a> {
    const fn new(clock: Option<&'a Signals>) -> Self {
        let open = VecDeque::new();
        Self { confirmed_below: 1, open, waiting: 0, confirmed: 0, nacked: 0, clock, times_ns: Vec::new() }
    }

    fn sent(&mut self, count: usize) {
        let now_ns = self.clock.map_or(0, Signals::now_ns);
        self.open.extend(std::iter::repeat_n(Some(now_ns), count));
        self.waiting += count;
    }

    /// Settles a message, or all up to it; returns how many that are.
    fn settle(&mut self, number: u64, multiple: bool) -> Result<u64> {
        let index = usize::try_from(number.wrapping_sub(self.confirmed_below)).unwrap_or(usize::MAX);
        if index >= self.open.len() {
            return Err(format!("a confirm for {number}, which does not wait for one").into());
        }
        let measuring = |signals: &&Signals| signals.measuring.load(Ordering::Relaxed);
        let now_ns = self.clock.filter(measuring).map(Signals::now_ns);
        let mut count = 0;
        for at in if multiple { 0 } else { index }..=index {
            if let Some(sent_ns) = self.open[at].take() {
                count += 1;
                self.times_ns.extend(now_ns.map(|now_ns| now_ns.saturating_sub(sent_ns)));
            }
        }
        while self.open.front() == Some(&None) {
            self.open.pop_front();
            self.confirmed_below += 1;
        }
        self.waiting -= count as usize;
        Ok(count)
    }
}

impl Visit for Confirms<'_> {
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        if id != wire::ACK && id != wire::NACK {
            return refuse_closing(id, arguments);
        }
        let (&number, flags) = arguments.split_first_chunk().ok_or("a confirm is too short")?;
        let count =
            self.settle(u64::from_be_bytes(number), flags.first().is_some_and(|bits| bits & 1 == 1))?;
        *(if id == wire::ACK { &mut self.confirmed } else { &mut self.nacked }) += count;
        Ok(())
    }
}

/// One message at a time, each at its moment. One that is late is sent at once, with the time it was really sent.
fn paced(
    connection: &mut Connection,
    mut batch: Batch,
    (rate, size_bytes): (u32, usize),
    signals: &Signals,
    counters: &Counters,
) -> Result<()> {
    let interval = Duration::from_secs(1).as_nanos() / u128::from(rate);
    let start = Instant::now();
    let mut sent: u32 = 0;
    while !signals.stop_publishing.load(Ordering::Relaxed) {
        let due = Duration::from_nanos(u64::try_from(interval * u128::from(sent))?);
        thread::sleep(due.saturating_sub(start.elapsed()));
        let message = batch.stamped(signals.now_ns(), size_bytes);
        connection.stream.write_all(message)?;
        counters.sent.add(1, message.len() as u64);
        sent = sent.saturating_add(1);
    }
    Ok(())
}
