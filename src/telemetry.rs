//! What the broker tells its operator: the log, on standard error, and counters of what happened since the start.
//!
//! Invariants: a counter only grows, and counting is one relaxed addition, done per batch where there is one;
//! counters are for people and metrics, nothing decides by them. The log never goes to standard output, which is
//! for the lines that say where the broker listens.

mod recent;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tracing_subscriber::EnvFilter;

pub use recent::{LogLine, recent};

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not in `tracing`'s syntax.
    #[error("log filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The process already has a log.
    #[error("log: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
    /// The log is another program's.
    #[error("the log is not the broker's own, so what is logged is not for it to change")]
    NotOurs,
    /// It could not be changed.
    #[error("log filter: {0}")]
    Reload(#[from] tracing_subscriber::reload::Error),
}

/// Gives the process's log another filter.
type ChangeFilter = Box<dyn Fn(EnvFilter) -> Result<(), tracing_subscriber::reload::Error> + Send + Sync>;

/// Set by whoever sets up the log.
static CHANGE_FILTER: OnceLock<ChangeFilter> = OnceLock::new();

/// Logs what passes this filter from now on.
///
/// # Errors
/// A filter that cannot be parsed, or a log that is another program's.
pub fn change_filter(filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)?;
    let change = CHANGE_FILTER.get().ok_or(TelemetryError::NotOurs)?;
    Ok(change(filter)?)
}

/// Sends the process's log to standard error or to the end of a file, one line an event, plain or a JSON object, coloured on a terminal
/// unless `NO_COLOR` is set. For the binary: an embedding program has its own subscriber.
///
/// # Errors
/// A filter that cannot be parsed, or a process that has a subscriber already.
pub fn init(filter: &str, is_json: bool, file: Option<File>) -> Result<(), TelemetryError> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;
    let filter = EnvFilter::try_new(filter)?;
    let file = file.map(Arc::new);
    let colour =
        !is_json && file.is_none() && io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || OneLine(Sink(file.clone())))
        .with_ansi(colour);
    if is_json {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = builder.reload_handle();
        builder.finish().with(recent::Keeper).try_init()?;
        let _ = CHANGE_FILTER.set(Box::new(move |filter| handle.reload(filter)));
        return Ok(());
    }
    let builder = builder.with_filter_reloading();
    let handle = builder.reload_handle();
    builder.finish().with(recent::Keeper).try_init()?;
    let _ = CHANGE_FILTER.set(Box::new(move |filter| handle.reload(filter)));
    Ok(())
}

/// The file, or standard error.
struct Sink(Option<Arc<File>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(file) => file.write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Some(file) => file.flush(),
            None => io::stderr().flush(),
        }
    }
}

/// Writes each event as one line, whatever is in it: the text of a client cannot begin another.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = event.strip_suffix(b"\n").unwrap_or(event);
        if !line.iter().any(u8::is_ascii_control) {
            self.0.write_all(event)?;
            return Ok(event.len());
        }
        let mut written = Vec::with_capacity(event.len() + 16);
        for byte in line {
            match byte {
                b'\n' => written.extend_from_slice(b"\\n"),
                b'\r' => written.extend_from_slice(b"\\r"),
                // Colours begin with it; in what clients say it is escaped before.
                b'\x1b' | b'\t' => written.push(*byte),
                byte if byte.is_ascii_control() => written.push(b'?'),
                byte => written.push(*byte),
            }
        }
        written.extend_from_slice(event.get(line.len()..).unwrap_or_default());
        self.0.write_all(&written)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A number that only grows, until it wraps at 2^64 or is reset.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts `n` more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Begins at 0 again.
    pub fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The count so far. Two counters read one after the other need not fit together.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything counted for the whole broker.
#[derive(Debug, Default)]
pub struct Counters {
    /// Deliveries that were not acked in time.
    pub ack_timeouts: Counter,
    /// Messages sent on to a dead letter exchange.
    pub dead_lettered: Reasons,
    /// Messages that ended in no queue.
    pub dropped: Dropped,
    /// Attempts to log in.
    pub logins: Logins,
}

/// Attempts to log in, by protocol.
#[derive(Debug, Default)]
pub struct Logins {
    /// Over AMQP: one a connection.
    pub amqp: Attempts,
    /// Over HTTP: one a request.
    pub http: Attempts,
}

/// Attempts that succeeded, and others.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Let in.
    pub succeeded: Counter,
    /// Refused.
    pub failed: Counter,
}

impl Attempts {
    /// Counts one.
    pub fn count(&self, succeeded: bool) {
        if succeeded { &self.succeeded } else { &self.failed }.add(1);
    }

    /// Forgets all.
    pub fn reset(&self) {
        self.succeeded.reset();
        self.failed.reset();
    }
}

/// Messages that left a queue without being acked, by reason.
#[derive(Debug, Default)]
pub struct Reasons {
    /// Rejected or nacked without requeue.
    pub rejected: Counter,
    /// Older than their time to live.
    pub expired: Counter,
    /// Over a length limit.
    pub maxlen: Counter,
    /// Delivered too often.
    pub delivery_limit: Counter,
}

/// Messages that ended in no queue, by reason.
#[derive(Debug, Default)]
pub struct Dropped {
    /// Published to an exchange with no matching binding, and not mandatory.
    pub unroutable: Counter,
    /// Dead, on a queue that has no dead letter exchange or whose exchange led nowhere.
    pub dead: Reasons,
    /// Dead letters that would have gone round in a circle.
    pub cycle: Counter,
    /// Duplicates, which were confirmed; counted by each queue that did not take them in again.
    pub duplicate: Counter,
    /// Nacked: a numbered publisher's message that came out of turn, or with an old epoch.
    pub out_of_turn: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_adds_up_over_threads() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| counters.ack_timeouts.add(2)));
            }
        });
        assert_eq!(counters.ack_timeouts.value(), 8000);
        assert_eq!(counters.dropped.dead.expired.value(), 0);
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let mut written = Vec::new();
        OneLine(&mut written).write_all(b"WARN user=a\r\n2026 INFO forged \x00\n").unwrap();
        OneLine(&mut written).write_all("INFO plain \u{e9}\n".as_bytes()).unwrap();
        assert_eq!(written, "WARN user=a\\r\\n2026 INFO forged ?\nINFO plain \u{e9}\n".as_bytes());
    }

    #[test]
    fn a_bad_filter_is_refused_before_anything_is_installed() {
        assert!(matches!(init("coney=loud", false, None), Err(TelemetryError::Filter(_))));
    }
}
