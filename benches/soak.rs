//! A broker's life, squeezed: everything that clients do, at a moderate rate, while operators change policies, raise alarms and close
//! connections, clients come and go, and the process is killed again and again. Each message is accounted for, memory and
//! descriptors have to stay as they are once nobody kills it any more.
//!
//! `cargo bench --bench soak -- [--minutes 30] [--seed N] [--coney BINARY]`. In the first half of the time the broker is killed every 5 to
//! 25 s; in the second it runs on, and is measured. A line each half minute; the exit status is 0 if nothing was found.

#![allow(clippy::print_stdout, reason = "the report is what this program is for")]
#![allow(clippy::disallowed_methods, reason = "it paces itself, and measures, by the clock")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is seen, and fails the run"
)]

#[path = "soak/broker.rs"]
mod broker;
#[path = "soak/clients.rs"]
mod clients;
#[path = "soak/flows.rs"]
mod flows;
#[path = "load/http.rs"]
mod http;
#[path = "soak/ledger.rs"]
mod ledger;
#[path = "soak/operator.rs"]
mod operator;
#[path = "soak/passing.rs"]
mod passing;
#[path = "../tests/simulation/random.rs"]
mod random;
#[path = "soak/watch.rs"]
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Broker;
use clients::Shared;
use random::Random;
use watch::Watch;

/// What can go wrong is only ever shown to a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How long the broker lives between two kills, in seconds.
const LIFE: std::ops::Range<u64> = 5..25;
/// How long what is left may stand still before it is lost.
const STILL_MAX: Duration = Duration::from_secs(60);

struct Options {
    minutes: f64,
    seed: u64,
    coney: PathBuf,
}

fn options() -> Result<Options> {
    let mut options = Options { minutes: 30.0, seed: 1, coney: env!("CARGO_BIN_EXE_coney").into() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--bench" => {}
            "--minutes" => options.minutes = value()?.parse()?,
            "--seed" => options.seed = value()?.parse()?,
            "--coney" => options.coney = value()?.into(),
            _ => return Err(format!("there is no {name}: --minutes N, --seed N, --coney BINARY").into()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let outcome = options().and_then(|options| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?
            .block_on(soak(options))
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was found.
async fn soak(options: Options) -> Result<bool> {
    let mut random = Random::new(options.seed);
    let dir = tempfile::tempdir()?;
    let broker = Arc::new(Broker::start(&options.coney, dir.path())?);
    let shared = Arc::new(Shared::new(Arc::clone(&broker)));
    shared.declare().await?;
    let mut watch = Watch::new(dir.path());
    println!("seed {}, {} minutes; seconds, MiB:\n{}", options.seed, options.minutes, Watch::HEAD);
    let clients = shared.spawn(&mut random);
    let half = Duration::from_secs_f64(options.minutes * 60.0 / 2.0);
    let begun = Instant::now();
    let mut kills = 0_u64;
    while begun.elapsed() < half {
        let life = Duration::from_secs(LIFE.start + random.below(LIFE.end - LIFE.start));
        let next = Instant::now() + life.min(half.saturating_sub(begun.elapsed()));
        while Instant::now() < next {
            tokio::time::sleep(Duration::from_secs(1)).await;
            watch.look(&shared, false);
        }
        broker.kill_and_start().await?;
        kills += 1;
    }
    println!("killed {kills} times; from now on it lives");
    while begun.elapsed() < 2 * half {
        tokio::time::sleep(Duration::from_secs(1)).await;
        watch.look(&shared, true);
    }
    shared.stop_publishing();
    let mut found = settle(&shared).await;
    clients.end().await;
    found.extend(watch.findings());
    found.extend(broker.stop().await);
    found.extend(shared.findings());
    println!("\n{}\nkilled {kills} times", shared.summary());
    for finding in &found {
        println!("FOUND {finding}");
    }
    Ok(found.is_empty())
}

/// Waits for what is on its way, and tells what did not come.
async fn settle(shared: &Shared) -> Vec<String> {
    let mut missing = shared.missing();
    let mut progress = Instant::now();
    while missing > 0 && progress.elapsed() < STILL_MAX {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = shared.missing();
        if now < missing {
            (missing, progress) = (now, Instant::now());
        }
    }
    shared.lost()
}
