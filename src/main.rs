//! The `coney` binary: settings, log, runtime; start the broker, say where it listens, wait for a reason to stop.
//!
//! Invariants: standard output gets the start-up line and nothing else; an error is one line on standard error;
//! signals are caught before the store is opened, so none can end the process half-way through a start.

mod cli;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser as _;
use coney::config::{Config, LogFormat};
use coney::{Broker, BrokerHandle, Clock, telemetry};
use tokio::runtime::Runtime;

use crate::cli::{
    Args, Command, ConfigError, Program, detach, load_config, service_manager, warn_of_misspelt_env,
};

/// How long a graceful stop may take: half a second less than the 5 s promised, for the process to end in.
const SHUTDOWN_MAX: Duration = Duration::from_millis(4500);

fn main() -> ExitCode {
    // Every file that the process makes is its user's alone: messages and password hashes are among them.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let clock = Clock::system();
    let arguments = match Program::of(std::env::args_os()) {
        Program::Tool(tool, arguments) => return (tool.run)(arguments),
        Program::Server { arguments, is_detached: true } => return ended(detach(&arguments)),
        Program::Server { arguments, .. } | Program::Coney(arguments) => arguments,
    };
    let mut args = Args::parse_from(arguments);
    let done = match args.command.take() {
        Some(Command::Store(command)) => command.run(),
        None => run(args, &clock).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("coney: {error:#}");
            exit_code(&error)
        }
    }
}

/// Of a broker that goes on by itself.
fn ended(started: io::Result<()>) -> ExitCode {
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coney: cannot start a broker in the background: {error}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let usage = error.downcast_ref::<ConfigError>().is_some_and(ConfigError::is_usage);
    ExitCode::from(if usage { 2 } else { 1 })
}

fn run(args: Args, clock: &Clock) -> anyhow::Result<()> {
    let config = load_config(args)?;
    telemetry::init(&config.log, config.log_format == LogFormat::Json)?;
    coney::raise_descriptor_limit();
    warn_of_misspelt_env();
    let runtime = runtime()?;
    let result = runtime.block_on(serve(config, clock));
    // A task that does not end must not hold up the exit: what had to be kept is synced by now.
    runtime.shutdown_background();
    result
}

/// Task polls between two looks at the sockets. A poll here is a batch that may take a millisecond, so tokio's default of 61
/// would let a fast publisher keep the broker from seeing for a long time that a consumer has acked.
const EVENT_INTERVAL: u32 = 7;

/// A worker per core, tokio's default.
fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.thread_name("coney").event_interval(EVENT_INTERVAL).enable_all().build();
    runtime.context("cannot start the worker threads")
}

async fn serve(config: Config, clock: &Clock) -> anyhow::Result<()> {
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let mut handle = tokio::select! {
        started = Broker::builder().config(config).give_back_memory(give_back_memory).start() => started?,
        name = signals.next() => {
            tracing::info!("{name} before the start was complete, stopping");
            return Ok(());
        }
    };
    announce(&handle, clock);
    service_manager::ready();
    tokio::select! {
        name = signals.next() => {
            tracing::info!("{name}, stopping");
            stop(handle, &mut signals).await
        }
        error = handle.failed() => Err(anyhow!(error).context("the broker had to stop")),
    }
}

/// Whether there was anything to give back, the next look at the memory will tell.
fn give_back_memory() {
    let _ = malloc_trim::malloc_trim();
}

/// The one line on standard output, for people and for scripts that wait for it. Nobody reading is no reason to stop.
fn announce(handle: &BrokerHandle, clock: &Clock) {
    let urls = |scheme: &str, addresses: &[SocketAddr]| {
        let urls: Vec<String> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
        urls.join(", ")
    };
    let amqp = urls("amqp", handle.addresses());
    let http = |what: &str, addresses: &[SocketAddr]| match addresses {
        [] => String::new(),
        addresses => format!("; {what} on {}", urls("http", addresses)),
    };
    let http = http("management API", handle.http_addresses()) + &http("metrics", handle.metrics_addresses());
    let (version, ms) = (env!("CARGO_PKG_VERSION"), clock.now().as_micros() / 1000);
    let line = format!("Coney {version} on {amqp}: Server startup complete in {ms} ms{http}\n");
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
        tracing::warn!("cannot write the start-up line to standard output: {error}");
    }
}

async fn stop(handle: BrokerHandle, signals: &mut Signals) -> anyhow::Result<()> {
    service_manager::stopping();
    tokio::select! {
        stopped = tokio::time::timeout(SHUTDOWN_MAX, handle.shutdown()) => match stopped {
            Ok(result) => Ok(result?),
            Err(_) => bail!("did not stop within {} ms", SHUTDOWN_MAX.as_millis()),
        },
        name = signals.next() => bail!("stopped at once by a second signal ({name})"),
    }
}

/// The signals that ask for a stop.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one and answers its name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Where there are no Unix signals: Ctrl-C.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for it and answers its name.
    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}
