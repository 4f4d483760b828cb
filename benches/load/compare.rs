//! Brokers side by side: the same rows for each in turn, several rounds, so that what changes on the machine meanwhile
//! meets both. While one is measured the other has nothing to do.

use std::time::Instant;

use crate::Result;
use crate::broker::{self, Broker};
use crate::options::{Comparison, Plan, Row};
use crate::process;
use crate::report::{figures, line, median};
use crate::run;

/// The figures of one broker in one row, a set for each round that worked.
type Rounds = Vec<Vec<(&'static str, f64)>>;

/// How many bytes a broker wrote to disk for a byte of body, in a row with persistent messages.
const WRITTEN: &str = "bytes written to disk per body byte";
/// Below this, the rate of such a row says nothing about a disk.
const WRITTEN_MIN: f64 = 0.05;

/// Starts the brokers, runs the rows and prints the table.
pub fn compare(comparison: &Comparison) -> Result<()> {
    let coney = broker::coney(comparison)?;
    let brokers: Vec<Broker> = std::iter::once(coney).chain(broker::rabbitmq(comparison)?).collect();
    let mut results: Vec<Vec<Rounds>> = vec![vec![Rounds::new(); brokers.len()]; comparison.rows.len()];
    let mut failures = Vec::new();
    let start = Instant::now();
    for round in 1..=comparison.rounds {
        for (row, results) in comparison.rows.iter().zip(&mut results) {
            if round > row.rounds_max {
                continue;
            }
            for (broker, results) in brokers.iter().zip(results) {
                if row.plan.is_coneys_alone() && !broker.is_coney {
                    continue;
                }
                let label = format!("round {round}, row {}, {}", row.name, broker.name);
                match measure(comparison, row, broker) {
                    Ok(figures) => {
                        eprintln!("{:>5} s  {label}: {figures:?}", start.elapsed().as_secs());
                        results.push(figures);
                    }
                    Err(error) => {
                        eprintln!("{:>5} s  {label} failed: {error}", start.elapsed().as_secs());
                        failures.push(label);
                    }
                }
            }
        }
    }
    print(comparison, &brokers, &results);
    if failures.is_empty() { Ok(()) } else { Err(format!("failed: {}", failures.join("; ")).into()) }
}

fn measure(comparison: &Comparison, row: &Row, broker: &Broker) -> Result<Vec<(&'static str, f64)>> {
    let count = comparison.count.unwrap_or(row.plan.count);
    let plan = Plan { duration: comparison.seconds, warmup: comparison.warmup, count, ..row.plan.clone() };
    let written = || broker.pid.filter(|_| plan.persistent).and_then(process::written_bytes);
    let before = written();
    let outcome = run::run(&broker.uri, &plan, broker.api.as_deref())?;
    if let Some(pid) = broker.pid {
        process::settle(pid);
    }
    if outcome.nacked > 0.0 {
        return Err(format!("{:.0} messages per second were refused", outcome.nacked).into());
    }
    let mut figures = figures(row.metric, &outcome);
    // Rows that fill a stream first tell only what follows.
    if let Some((after, before)) = written().zip(before).filter(|_| outcome.published > 0) {
        let bodies = outcome.published as f64 * plan.size_bytes as f64;
        figures.push((WRITTEN, (after - before) as f64 / bodies));
    }
    Ok(figures)
}

fn print(comparison: &Comparison, brokers: &[Broker], results: &[Vec<Rounds>]) {
    let (rounds, seconds) = (comparison.rounds, comparison.seconds.as_secs_f64());
    println!("| median of {rounds}, {seconds} s each | Coney | RabbitMQ | ratio |");
    println!("|---|---:|---:|---:|");
    for (row, results) in comparison.rows.iter().zip(results) {
        // A row that worked nowhere is still a line.
        let named = results.iter().flatten().next();
        let names = named.map_or_else(|| vec![""], |figures| figures.iter().map(|(name, _)| *name).collect());
        for name in names {
            let of = |broker: usize| middle(results.get(broker)?, name);
            let title = if name == WRITTEN { name.into() } else { format!("{}{name}", row.title) };
            println!("{}", line(&format!("{} {title}", row.name), of(0), of(1)));
        }
    }
    let of = |broker: usize, value: fn(&Broker) -> Option<f64>| brokers.get(broker).and_then(value);
    for (title, value) in [
        (
            "resident memory before the first row, MiB",
            (|broker| broker.idle_mib) as fn(&Broker) -> Option<f64>,
        ),
        ("start to first handshake, ms", |broker| broker.start_ms),
    ] {
        println!("{}", line(title, of(0, value), of(1, value)));
    }
    warn(comparison, brokers, results);
}

/// Says below the table, where it is copied along, which rates are not what their row is about.
fn warn(comparison: &Comparison, brokers: &[Broker], results: &[Vec<Rounds>]) {
    for (row, results) in comparison.rows.iter().zip(results) {
        for (broker, results) in brokers.iter().zip(results) {
            if middle(results, WRITTEN).is_some_and(|share| share < WRITTEN_MIN) {
                let (row, name) = (row.name, broker.name);
                println!("\nRow {row}: {name} wrote next to nothing to disk, so its rate is one of memory.");
            }
        }
    }
}

/// The median over the rounds of the figure with this name.
fn middle(rounds: &Rounds, name: &str) -> Option<f64> {
    let values = rounds.iter().flatten().filter(|(own, _)| *own == name).map(|(_, value)| *value);
    median(values.collect())
}
