//! Rows about how much of something there is rather than about messages: many connections, many queues.
//!
//! Invariants: what is made is deleted, or goes with its connection; a rate is of requests that were answered.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{Connection, Uri, refuse_closing};
use crate::consume;
use crate::options::Plan;
use crate::process;
use crate::run::{Figures, Outcome, unique};
use crate::scan::{Progress, Visit};
use crate::wire::{self, NO_TABLE, Route};
use crate::{Error, Result};

/// Messages that a connection has on their way to itself at a time.
const BURST: usize = 10;
/// Threads that share the connections: the broker is to be busy, not the scheduler.
const THREADS: usize = 2;
/// Bits of `queue.declare`.
const DURABLE: u8 = 2;
const EXCLUSIVE: u8 = 4;
/// How long a burst may take to come back.
const BACK_MAX: Duration = Duration::from_secs(30);

/// Opens connections, lets them be idle, then has each send itself messages.
pub fn connections(uri: &Uri, plan: &Plan, count: usize) -> Result<Outcome> {
    let memory = || resident_mib(uri);
    let before = memory();
    let start = Instant::now();
    let mut open = (0..count).map(|_| Connection::open(uri)).collect::<Result<Vec<_>>>()?;
    let mut figures = Figures::from([(" connects/s", count as f64 / start.elapsed().as_secs_f64())]);
    if let (Some(before), Some(after)) = (before, memory()) {
        figures.push((" KiB resident per idle connection", (after - before) * 1024.0 / count as f64));
    }
    let run = unique();
    for (number, connection) in open.iter_mut().enumerate() {
        let queue = format!("{run}.{number:05}");
        declare(connection, &queue, EXCLUSIVE)?;
        consume::subscribe(connection, &[&queue], plan)?;
    }
    figures.push((" messages/s, each to itself", exchange_bursts(&mut open, &run, plan)?));
    open.into_iter().try_for_each(Connection::close)?;
    Ok(Outcome { figures, ..Outcome::default() })
}

/// What the broker there takes in MiB, when it has come to rest; `None` if it cannot be known.
fn resident_mib(uri: &Uri) -> Option<f64> {
    let pid = process::listening_at(&uri.address)?;
    process::settle(pid);
    process::resident_mib(pid)
}

/// Every connection sends its burst, then all wait for theirs; returns messages per second.
fn exchange_bursts(open: &mut [Connection], run: &str, plan: &Plan) -> Result<f64> {
    let share = open.len().div_ceil(THREADS);
    let start = Instant::now();
    let rounds = thread::scope(|scope| {
        let threads: Vec<_> = open
            .chunks_mut(share)
            .enumerate()
            .map(|(part, open)| scope.spawn(move || bursts(open, run, part * share, plan)))
            .collect();
        let failed = |_| Err(Error::from("a thread panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).sum::<Result<u64>>()
    })?;
    Ok(rounds as f64 / start.elapsed().as_secs_f64())
}

fn bursts(open: &mut [Connection], run: &str, first: usize, plan: &Plan) -> Result<u64> {
    let body = vec![b'x'; plan.size_bytes];
    let burst = |number: usize| {
        let route = Route { exchange: String::new(), key: format!("{run}.{number:05}"), persistent: false };
        let mut bytes = Vec::new();
        (0..BURST).for_each(|_| wire::publish(&mut bytes, &route, &body, plan.size_bytes + 1024));
        bytes
    };
    let bytes: Vec<_> = (0..open.len()).map(|number| burst(first + number)).collect();
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < plan.duration {
        for (connection, bytes) in open.iter_mut().zip(&bytes) {
            connection.stream.write_all(bytes)?;
        }
        for connection in &mut *open {
            come_back(connection)?;
        }
        count += (open.len() * BURST) as u64;
    }
    Ok(count)
}

fn come_back(connection: &mut Connection) -> Result<()> {
    let mut deliveries = Deliveries(0);
    let start = Instant::now();
    while deliveries.0 < BURST {
        let progress = connection.scanner.read(&mut connection.stream, &mut deliveries)?;
        if progress == Progress::Closed || start.elapsed() > BACK_MAX {
            return Err("a connection did not get its messages back".into());
        }
    }
    Ok(())
}

/// Counts deliveries.
struct Deliveries(usize);

impl Visit for Deliveries {
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        if id == wire::DELIVER {
            self.0 += 1;
            return Ok(());
        }
        refuse_closing(id, arguments)
    }
}

/// Declares queues and deletes them, one request after the other: transient, durable, and durable ones over
/// several connections at once, as when services start together.
pub fn declares(uri: &Uri, count: usize) -> Result<Outcome> {
    const TOGETHER: usize = 10;
    let run = unique();
    let mut figures = Figures::new();
    let cases = [
        (0, 1, " transient: declares/s", " transient: deletes/s"),
        (DURABLE, 1, " durable: declares/s", " durable: deletes/s"),
        (
            DURABLE,
            TOGETHER,
            " durable over 10 connections: declares/s",
            " durable over 10 connections: deletes/s",
        ),
    ];
    for (bits, connections, declares, deletes) in cases {
        let each = |request: fn(&mut Connection, &str, u8) -> Result<()>| {
            rate(uri, connections, count, |connection, number| {
                request(connection, &format!("{run}.{number:05}"), bits)
            })
        };
        let before = resident_mib(uri);
        figures.push((declares, each(declare)?));
        // The first ones: what comes later finds room that these had.
        if let (0, Some(before), Some(after)) = (bits, before, resident_mib(uri)) {
            figures.push((" KiB resident per idle queue", (after - before) * 1024.0 / count as f64));
        }
        figures.push((deletes, each(|connection, queue, _| delete(connection, queue))?));
    }
    Ok(Outcome { figures, ..Outcome::default() })
}

/// Requests per second, numbered and dealt out to so many connections.
fn rate(
    uri: &Uri,
    connections: usize,
    count: usize,
    request: impl Fn(&mut Connection, usize) -> Result<()> + Sync,
) -> Result<f64> {
    let open = (0..connections).map(|_| Connection::open(uri)).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let serve = |(first, mut connection): (usize, Connection)| {
        (first..count).step_by(connections).try_for_each(|number| request(&mut connection, number))?;
        Ok::<_, Error>(connection)
    };
    let serve = &serve;
    let open = thread::scope(|scope| {
        let threads: Vec<_> =
            open.into_iter().enumerate().map(|one| scope.spawn(move || serve(one))).collect();
        let failed = |_| Err(Error::from("a thread panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect::<Result<Vec<_>>>()
    })?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    open.into_iter().try_for_each(Connection::close)?;
    Ok(rate)
}

fn declare(connection: &mut Connection, queue: &str, bits: u8) -> Result<()> {
    let declared = connection.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(bits);
        out.extend_from_slice(&NO_TABLE);
    });
    declared.map(drop)
}

fn delete(connection: &mut Connection, queue: &str) -> Result<()> {
    let deleted = connection.request(wire::QUEUE_DELETE, wire::QUEUE_DELETE_OK, |out| {
        out.extend_from_slice(&[0; 2]);
        wire::short(out, queue);
        out.push(0);
    });
    deleted.map(drop)
}
