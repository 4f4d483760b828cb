//! The consuming side: a thread per connection that reads as much as there is, counts deliveries and acks them in one
//! write before the next read.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::Result;
use crate::client::{Connection, refuse_closing};
use crate::log;
use crate::options::Plan;
use crate::scan::{Progress, Visit};
use crate::wire;

/// What one thread has counted and another samples. On a cache line pair of its own, so that no two threads share one.
#[derive(Default)]
#[repr(align(128))]
pub struct Counter {
    /// Messages.
    pub messages: AtomicU64,
    /// Bytes of their bodies.
    pub bytes: AtomicU64,
}

impl Counter {
    /// Adds what came with one read or write.
    pub fn add(&self, messages: u64, bytes: u64) {
        self.messages.fetch_add(messages, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// When to do what; set by the thread that measures.
pub struct Signals {
    /// Publishers end.
    pub stop_publishing: AtomicBool,
    /// Consumers end.
    pub stop_consuming: AtomicBool,
    /// Latencies are kept.
    pub measuring: AtomicBool,
    /// Times in bodies count from here.
    pub epoch: Instant,
}

impl Signals {
    /// Before the run.
    pub fn new() -> Self {
        Self {
            stop_publishing: AtomicBool::new(false),
            stop_consuming: AtomicBool::new(false),
            measuring: AtomicBool::new(false),
            epoch: Instant::now(),
        }
    }

    /// Nanoseconds since the epoch.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Subscribes to these queues. Nothing may be published to them before this has returned, as deliveries that come
/// with the reply are not counted.
pub fn subscribe(connection: &mut Connection, queues: &[&String], plan: &Plan) -> Result<()> {
    set_prefetch(connection, plan)?;
    let arguments = log::consumer_arguments(plan);
    for (number, queue) in queues.iter().enumerate() {
        connection.request(wire::CONSUME, wire::CONSUME_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            wire::short(out, &format!("c{number}"));
            out.push(u8::from(plan.ack_every.is_none()) << 1);
            out.extend_from_slice(&arguments);
        })?;
    }
    Ok(())
}

/// Limits what each consumer has unacknowledged.
pub fn set_prefetch(connection: &mut Connection, plan: &Plan) -> Result<()> {
    let set = connection.request(wire::QOS, wire::QOS_OK, |out| {
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&plan.prefetch.to_be_bytes());
        out.push(0);
    });
    set.map(drop)
}

/// Consumes until told to stop; returns the latencies in nanoseconds, if the plan has a rate.
pub fn consume(
    mut connection: Connection,
    plan: &Plan,
    signals: &Signals,
    counter: &Counter,
) -> Result<Vec<u64>> {
    let mut deliveries = Deliveries {
        ack_every: plan.ack_every,
        unacked: 0,
        acks: Vec::new(),
        messages: 0,
        bytes: 0,
        clock: plan.rate.map(|_| signals),
        latencies_ns: Vec::new(),
    };
    while !signals.stop_consuming.load(Ordering::Relaxed) {
        let progress = connection.scanner.read(&mut connection.stream, &mut deliveries)?;
        if progress == Progress::Closed {
            return Err("the broker closed a consumer's connection".into());
        }
        if !deliveries.acks.is_empty() {
            connection.stream.write_all(&deliveries.acks)?;
            deliveries.acks.clear();
        }
        counter.add(std::mem::take(&mut deliveries.messages), std::mem::take(&mut deliveries.bytes));
    }
    connection.close()?;
    Ok(deliveries.latencies_ns)
}

/// What came with one read.
struct Deliveries<'a> {
    ack_every: Option<u32>,
    unacked: u32,
    acks: Vec<u8>,
    messages: u64,
    bytes: u64,
    /// Set if bodies begin with the time they were sent.
    clock: Option<&'a Signals>,
    latencies_ns: Vec<u64>,
}

impl Visit for Deliveries<'_> {
    #[inline]
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        if id != wire::DELIVER {
            return refuse_closing(id, arguments);
        }
        self.messages += 1;
        let Some(every) = self.ack_every else { return Ok(()) };
        self.unacked += 1;
        if self.unacked == every {
            self.unacked = 0;
            wire::ack(&mut self.acks, delivery_tag(arguments)?, every > 1);
        }
        Ok(())
    }

    #[inline]
    fn body(&mut self, head: &[u8], size: usize) -> Result<()> {
        self.bytes += size as u64;
        if let (Some(signals), Some(&sent)) = (self.clock, head.first_chunk())
            && signals.measuring.load(Ordering::Relaxed)
        {
            self.latencies_ns.push(signals.now_ns().saturating_sub(u64::from_be_bytes(sent)));
        }
        Ok(())
    }
}

/// The tag stands behind the consumer tag.
fn delivery_tag(arguments: &[u8]) -> Result<u64> {
    let tag = arguments.split_first().and_then(|(&length, rest)| rest.get(length.into()..)?.first_chunk());
    tag.map(|&tag| u64::from_be_bytes(tag)).ok_or_else(|| "basic.deliver is too short".into())
}
