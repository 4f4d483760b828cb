//! A load generator for any AMQP 0-9-1 broker, made to be faster than the broker it measures: raw frames on blocking
//! sockets, one thread per connection, publishes encoded before the clock starts, deliveries counted by walking
//! frame headers. It shares no code with the broker, so it cannot share a mistake with it either.
//!
//! `cargo bench --bench load -- --help` lists the options. `--row a` measures one broker, `--compare` starts Coney
//! and RabbitMQ and prints a table of both, `--loopback` tells what the wire and this generator can do at most.
//!
//! Invariants: a rate is counted over a window that begins after the warm-up and whose length is measured, not
//! assumed; bytes that only sit in a socket buffer never count as accepted; every queue and exchange made is deleted,
//! also when a run fails.

#![allow(clippy::print_stdout, reason = "the report is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock, and paces itself by it")]
#![allow(
    clippy::indexing_slicing,
    reason = "offsets into buffers, checked by the loop around them; a panic is seen"
)]

#[path = "load/broker.rs"]
mod broker;
#[path = "load/client.rs"]
mod client;
#[path = "load/compare.rs"]
mod compare;
#[path = "load/consume.rs"]
mod consume;
#[path = "load/http.rs"]
mod http;
#[path = "load/log.rs"]
mod log;
#[path = "load/loopback.rs"]
mod loopback;
#[path = "load/many.rs"]
mod many;
#[path = "load/options.rs"]
mod options;
#[path = "load/process.rs"]
mod process;
#[path = "load/publish.rs"]
mod publish;
#[path = "load/record.rs"]
mod record;
#[path = "load/report.rs"]
mod report;
#[path = "load/run.rs"]
mod run;
#[path = "load/scan.rs"]
mod scan;
#[path = "load/stream.rs"]
mod stream;
#[path = "load/wire.rs"]
mod wire;

use std::process::ExitCode;

use options::Task;

/// What can go wrong is only ever shown to a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = options::parse(&arguments).and_then(|task| match task {
        Task::Help => {
            println!("{}", options::HELP);
            Ok(())
        }
        Task::Run { uri, plan, record, is_json } => {
            let outcome = run::run(&uri, &plan, record.as_deref());
            let print = if is_json { report::print_json } else { report::print };
            outcome.map(|outcome| print(&plan, &outcome))
        }
        Task::Compare(comparison) => compare::compare(&comparison),
        Task::Loopback { seconds } => loopback::print(seconds),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
