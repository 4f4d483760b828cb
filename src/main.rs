//! The `coney` binary: settings, log, runtime; start the broker, say where it listens, wait for a reason to stop.
//!
//! Invariants: standard output gets the lines that say that the broker has started, and nothing else; an error is one line on
//! standard error; signals are caught before the store is opened, so none can end the process half-way through a start.

mod cli;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::CommandFactory as _;
use coney::config::{Config, LogFormat};
use coney::{Broker, Clock, telemetry};
use tokio::runtime::Runtime;

use crate::cli::{
    Args, Command, ConfigError, Inputs, Loaded, Man, Program, announce, as_toml, detach, load, parse,
    service_manager,
};

/// How long a graceful stop may take: half a second less than the 5 s promised, for the process to end in.
const SHUTDOWN_MAX: Duration = Duration::from_millis(4500);

/// A signal again within this time is the same wish: a terminal and a supervisor may both send it.
const REPEATS: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    // Every file that the process makes is its user's alone: messages and password hashes are among them.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let clock = Clock::system();
    let (arguments, is_server) = match Program::of(std::env::args_os()) {
        Program::Tool(tool, arguments) => return (tool.run)(arguments),
        Program::Server { arguments, is_detached: true } => return ended(detach(&arguments)),
        Program::Server { arguments, .. } => (arguments, true),
        Program::Coney(arguments) => (arguments, false),
    };
    let mut args = parse(arguments, is_server);
    args.inputs.as_rabbitmq_server |= is_server;
    let done = match args.command.take() {
        Some(Command::Store(command)) => command.run(),
        Some(Command::Config(command)) => command.run(),
        #[cfg(feature = "management")]
        Some(Command::Native(command)) => Ok(command.run()),
        #[cfg(feature = "cluster")]
        Some(Command::Cluster(command)) => command.run(),
        Some(Command::Completions(command)) => written(command.script(Args::command())),
        Some(Command::Man(command)) => write_manual(&command),
        None => run(args.inputs, &clock).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("coney: {error:#}");
            exit_code(&error)
        }
    }
}

fn written(text: Vec<u8>) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn write_manual(manual: &Man) -> anyhow::Result<ExitCode> {
    manual.write(Args::command()).context("cannot write the manual pages")?;
    Ok(ExitCode::SUCCESS)
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

fn run(inputs: Inputs, clock: &Clock) -> anyhow::Result<()> {
    let Loaded { config, pid_file, missing, warnings, given } = load(inputs)?;
    if let Some(missing) = missing {
        return Err(missing.into());
    }
    let config = Config { settings: as_toml(&given), ..config };
    let log_file = config.log_file.as_deref().map(|path| open_to_append("log file", path)).transpose()?;
    // It is there, if only to say that nothing was found.
    config.lint.as_deref().map(|path| open_to_append("file of the linter", path)).transpose()?;
    telemetry::init(&config.log, config.log_format == LogFormat::Json, log_file)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    coney::raise_descriptor_limit();
    let runtime = runtime()?;
    let _pid_file = pid_file.map(PidFile::write).transpose()?;
    let result = runtime.block_on(serve(config, clock));
    // A task that does not end must not hold up the exit: what had to be kept is synced by now.
    runtime.shutdown_background();
    result
}

/// A file that is written to at its end.
fn open_to_append(what: &str, path: &Path) -> anyhow::Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("cannot write the {what} {}", path.display()))
}

/// A file with the number of this process, while it runs.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> anyhow::Result<Self> {
        let written = fs::write(&path, format!("{}\n", std::process::id()));
        written.with_context(|| format!("cannot write the pid file {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Whoever waits for the process sees that it has gone.
        let _ = fs::remove_file(&self.0);
    }
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
    #[cfg(feature = "cluster")]
    if config.cluster.is_some() {
        return serve_as_node(config, clock).await;
    }
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let mut hangup = Hangup::catch().context("cannot catch signals")?;
    let mut handle = tokio::select! {
        started = Broker::builder().config(config).give_back_memory(give_back_memory).start() => started?,
        name = signals.next() => {
            tracing::info!("{name} before the start was complete, stopping");
            return Ok(());
        }
    };
    announce(&handle, clock);
    service_manager::ready();
    let mut stop_asked = std::pin::pin!(handle.stop_asked());
    loop {
        tokio::select! {
            name = signals.next() => {
                tracing::info!("{name}, stopping");
                return stop(handle.shutdown(), &mut signals, clock).await;
            }
            () = stop_asked.as_mut() => return stop(handle.shutdown(), &mut signals, clock).await,
            () = hangup.next() => handle.reload_tls().await,
            error = handle.failed() => return Err(anyhow!(error).context("the broker had to stop")),
        }
    }
}

/// The same as a node of a cluster, which leads or follows.
#[cfg(feature = "cluster")]
async fn serve_as_node(config: Config, clock: &Clock) -> anyhow::Result<()> {
    use coney::cluster::{Ended, Route};
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let starting =
        cli::node::start(config.clone(), clock, |broker| broker.give_back_memory(give_back_memory));
    let mut node = tokio::select! {
        started = starting => started?,
        name = signals.next() => {
            tracing::info!("{name} before the start was complete, stopping");
            return Ok(());
        }
    };
    service_manager::ready();
    let (mut route, mut is_announced) = (node.route(), false);
    let mut hangup = Hangup::catch().context("cannot catch signals")?;
    loop {
        tokio::select! {
            name = signals.next() => {
                tracing::info!("{name}, stopping");
                return stop(async { node.stop().await; anyhow::Ok(()) }, &mut signals, clock).await;
            }
            () = hangup.next() => node.reload_tls().await,
            Ok(now) = async { route.wait_for(|route| *route != Route::Nobody).await.map(|now| now.clone()) },
                if !is_announced =>
            {
                is_announced = true;
                cli::node::announce(&config, &node, &now, clock);
            }
            ended = node.ended() => return match ended {
                Ended::Asked => stop(async { node.stop().await; anyhow::Ok(()) }, &mut signals, clock).await,
                Ended::Failed(error) => Err(anyhow!(error).context("the node had to stop")),
            },
        }
    }
}

/// Whether there was anything to give back, the next look at the memory will tell.
fn give_back_memory() {
    let _ = malloc_trim::malloc_trim();
}

async fn stop<E: Into<anyhow::Error>>(
    stopping: impl Future<Output = Result<(), E>>,
    signals: &mut Signals,
    clock: &Clock,
) -> anyhow::Result<()> {
    service_manager::stopping();
    let repeats_end = clock.now() + REPEATS;
    let mut stopping = pin!(tokio::time::timeout(SHUTDOWN_MAX, stopping));
    loop {
        tokio::select! {
            stopped = &mut stopping => return match stopped {
                Ok(result) => result.map_err(Into::into),
                Err(_) => bail!("did not stop within {} ms", SHUTDOWN_MAX.as_millis()),
            },
            name = signals.next() => if clock.now() >= repeats_end {
                bail!("stopped at once by a second signal ({name})")
            },
        }
    }
}

/// The signals that ask for a stop.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

/// The signal that asks to read files again.
#[cfg(unix)]
struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// Waits for it.
    async fn next(&mut self) {
        // None comes when the process catches signals no more.
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }
}

/// There is none.
#[cfg(not(unix))]
struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for ever.
    async fn next(&mut self) {
        std::future::pending().await
    }
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
