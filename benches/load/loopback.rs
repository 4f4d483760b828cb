//! What there is to reach: plain TCP on this machine, directly and through a relay (a broker moves each byte twice),
//! and this generator with a reader that only counts in the broker's place.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::publish::{Batch, WRITE_BYTES};
use crate::report::grouped;
use crate::run;
use crate::scan::{Progress, Scanner, Visit};
use crate::wire::{self, Route};

const FRAME_BYTES_MAX: usize = 131_072;
/// About what a publish or a delivery of 16 B is.
const SMALL_BYTES: usize = 80;
/// Between two small writes, as in row e.
const PACE: Duration = Duration::from_millis(1);

/// Measures each for `seconds` and prints it.
pub fn print(seconds: Duration) -> Result<()> {
    for (name, bytes) in [("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        let block = vec![b'x'; bytes];
        let plain = stream(&block, false, seconds, drain(bytes))?;
        let relayed = stream(&block, true, seconds, drain(bytes))?;
        println!("plain TCP, writes of {name:>6}   {:>8} MB/s, relayed {:>8} MB/s", mb(plain), mb(relayed));
    }
    for (name, relayed) in [("direct", false), ("relayed", true)] {
        let latency = run::latency(latencies(relayed, seconds)?).ok_or("nothing arrived")?;
        println!("1,000 small writes/s, {name:>7}   p50 {:.1} us, p99 {:.1} us", latency.p50, latency.p99);
    }
    let route = Route { exchange: String::new(), key: "ld0123456.0".into(), persistent: false };
    for size in [16, 1024, 64 << 10] {
        let batch = Batch::new(std::slice::from_ref(&route), size, FRAME_BYTES_MAX);
        let published = stream(batch.whole().0, false, seconds, count(wire::PUBLISH))?;
        println!("publishes of {size:>5} B, written and walked    {:>12}/s", grouped(published));
        let deliveries = deliveries(&route, size);
        let delivered = stream(&deliveries, false, seconds, count(wire::DELIVER))?;
        println!("deliveries of {size:>5} B, written and walked   {:>12}/s", grouped(delivered));
    }
    Ok(())
}

fn mb(bytes: f64) -> String {
    grouped(bytes / 1e6)
}

fn deliveries(route: &Route, size: usize) -> Vec<u8> {
    let body = vec![b'x'; size];
    let mut out = Vec::new();
    let mut tag = 0;
    while tag == 0 || out.len() < WRITE_BYTES {
        tag += 1;
        wire::deliver(&mut out, tag, route, &body, FRAME_BYTES_MAX);
    }
    out
}

/// Writes the block again and again until the time is up; returns what `sink` has counted, per second.
fn stream(
    block: &[u8],
    relayed: bool,
    time: Duration,
    sink: impl Fn(TcpStream) -> Result<u64> + Sync,
) -> Result<f64> {
    let (listener, relay) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let (end, middle) = (listener.local_addr()?, relay.local_addr()?);
    let mut out = TcpStream::connect(if relayed { middle } else { end })?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let start = Instant::now();
        let sinking = scope.spawn(|| sink(listener.accept()?.0));
        if relayed {
            scope.spawn(|| copy(&relay, TcpStream::connect(end)?, block.len()));
        }
        scope.spawn(|| {
            thread::sleep(time);
            stop.store(true, Ordering::Relaxed);
        });
        while !stop.load(Ordering::Relaxed) {
            out.write_all(block)?;
        }
        drop(out);
        let count = sinking.join().unwrap_or_else(|_| Err("the reader panicked".into()))?;
        Ok(count as f64 / start.elapsed().as_secs_f64())
    })
}

/// Writes a little once in a while, each with the time it was written; returns how long each took, in nanoseconds.
#[expect(clippy::disallowed_methods, reason = "the load is paced")]
fn latencies(relayed: bool, time: Duration) -> Result<Vec<u64>> {
    let (listener, relay) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let (end, middle) = (listener.local_addr()?, relay.local_addr()?);
    let mut out = TcpStream::connect(if relayed { middle } else { end })?;
    out.set_nodelay(true)?;
    let start = Instant::now();
    let now = move || start.elapsed().as_nanos() as u64;
    thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let (mut from, mut taken) = (listener.accept()?.0, Vec::new());
            let mut block = [0; SMALL_BYTES];
            while from.read_exact(&mut block).is_ok() {
                let sent = block.first_chunk().map_or(0, |sent| u64::from_be_bytes(*sent));
                taken.push(now() - sent);
            }
            Ok::<_, crate::Error>(taken)
        });
        if relayed {
            let to = TcpStream::connect(end)?;
            to.set_nodelay(true)?;
            scope.spawn(|| copy(&relay, to, SMALL_BYTES));
        }
        let mut block = [0; SMALL_BYTES];
        while start.elapsed() < time {
            block[..8].copy_from_slice(&now().to_be_bytes());
            out.write_all(&block)?;
            thread::sleep(PACE);
        }
        drop(out);
        reading.join().unwrap_or_else(|_| Err("the reader panicked".into()))
    })
}

fn copy(listener: &TcpListener, mut to: TcpStream, bytes: usize) -> Result<()> {
    let mut from = listener.accept()?.0;
    let mut buffer = vec![0; bytes];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

/// Counts bytes.
fn drain(bytes: usize) -> impl Fn(TcpStream) -> Result<u64> {
    move |mut stream| {
        let mut buffer = vec![0; bytes];
        let mut total = 0;
        loop {
            match stream.read(&mut buffer)? {
                0 => return Ok(total),
                count => total += count as u64,
            }
        }
    }
}

/// Counts methods of this number.
fn count(id: u32) -> impl Fn(TcpStream) -> Result<u64> {
    move |mut stream| {
        let mut scanner = Scanner::new();
        let mut counted = Counted { id, methods: 0 };
        while scanner.read(&mut stream, &mut counted)? != Progress::Closed {}
        Ok(counted.methods)
    }
}

struct Counted {
    id: u32,
    methods: u64,
}

impl Visit for Counted {
    fn method(&mut self, id: u32, _: &[u8]) -> Result<()> {
        self.methods += u64::from(id == self.id);
        Ok(())
    }
}
