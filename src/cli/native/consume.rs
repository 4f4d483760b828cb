//! `coney consume` and `coney get`: at least once. A message is settled only after it was printed, or its command ended well; whatever ends this process
//! before, the broker takes the message back as soon as it sees the connection end.

use std::io::{IsTerminal as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::{Value, json};

use super::broker::{Broker, Place, Vhost};
use super::error::NativeError;
use super::human;
use super::message::{Format, payload, write};
use super::values::duration;
use crate::cli::client::path;
use crate::cli::out::say_bytes;

/// Messages taken at a time.
const BATCH: u64 = 100;
/// How long one request waits; the broker ends idle connections after 30 s, and with them the lease.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// A lease that is not renewed ends by itself after this time.
const LEASE: Duration = Duration::from_secs(60);
/// How often it is renewed while a command runs.
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// Messages that are given back at the end, all leases together: a user has 64 leases.
const REQUEUED_MAX: u64 = 60 * BATCH;

/// The arguments of `coney consume`.
#[derive(Args)]
#[command(group = ArgGroup::new("settlement").args(["ack", "requeue", "reject", "exec"]))]
#[command(
    after_help = "A message is acked after it was printed: what is lost on the way is delivered again.\n\nExamples:\n  coney consume orders\n  coney consume orders --follow --format raw | while read -r line; do ..; done\n  coney consume orders --follow --exec './handle.sh'    # the payload on standard input; exit status 0 acks\n  coney consume dead-letters --count 100 --requeue"
)]
pub struct Consume {
    /// The queue
    queue: String,
    /// How many messages at most
    #[arg(short = 'n', long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Go on until stopped
    #[arg(short, long, conflicts_with_all = ["count", "requeue"])]
    follow: bool,
    /// How long to wait for a next message
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    wait: Duration,
    /// Ack what was printed (the default)
    #[arg(long)]
    ack: bool,
    /// Put all back at the end
    #[arg(long)]
    requeue: bool,
    /// Reject what was printed: it is dead-lettered, or dropped
    #[arg(long)]
    reject: bool,
    /// Run this command for each message: it is acked if that ends with 0, and fails else
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// The arguments of `coney get`.
#[derive(Args)]
#[command(group = ArgGroup::new("settlement").args(["requeue", "reject"]))]
#[command(
    after_help = "Ends with 1 if there is no message.\n\nExamples:\n  coney get orders --format raw | jq .\n  coney get orders --requeue"
)]
pub struct Get {
    /// The queue
    queue: String,
    /// Put it back
    #[arg(long)]
    requeue: bool,
    /// Reject it: it is dead-lettered, or dropped
    #[arg(long)]
    reject: bool,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// How messages are written.
#[derive(Args, Clone, Copy)]
struct Writing {
    /// How they are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
}

impl Writing {
    const fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// What becomes of messages that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Settling {
    /// `ack` or `reject`, as soon as they are.
    AtOnce(&'static str),
    /// Put back, at the end.
    Requeue,
    /// What a command says for each.
    Exec(String),
}

impl Consume {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let settling = match (&self.exec, self.requeue, self.reject) {
            (Some(command), ..) => Settling::Exec(command.clone()),
            (None, true, _) => Settling::Requeue,
            (None, false, true) => Settling::AtOnce("reject"),
            (None, false, false) => Settling::AtOnce("ack"),
        };
        if settling == Settling::Requeue && self.count > REQUEUED_MAX {
            return Err(NativeError::Usage(format!(
                "--requeue holds all messages until the end, so --count may be {REQUEUED_MAX} at most; `coney save` copies a whole queue"
            )));
        }
        let count = if self.follow { u64::MAX } else { self.count };
        // The stream of what follows has no end: only a wait for each next message.
        let wait = if self.follow { Duration::MAX } else { self.wait };
        let format = self.writing.format();
        let (queue, vhost) = (&self.queue, &self.vhost.name);
        Taking { broker: self.place.find()?, vhost, queue, count, wait, settling, format }.run().map(drop)
    }
}

impl Get {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let settling = match (self.requeue, self.reject) {
            (true, _) => Settling::Requeue,
            (_, true) => Settling::AtOnce("reject"),
            _ => Settling::AtOnce("ack"),
        };
        let (format, wait) = (self.writing.format(), Duration::ZERO);
        let (queue, vhost) = (&self.queue, &self.vhost.name);
        match (Taking { broker: self.place.find()?, vhost, queue, count: 1, wait, settling, format }).run()? {
            0 => Err(NativeError::Failed(format!(
                "queue {queue} has no ready message; `coney peek {queue} --state unacked` shows those that consumers have"
            ))),
            _ => Ok(()),
        }
    }
}

struct Taking<'a> {
    broker: Broker,
    vhost: &'a str,
    queue: &'a str,
    count: u64,
    wait: Duration,
    settling: Settling,
    format: Format,
}

impl Taking<'_> {
    /// How many messages there were.
    fn run(mut self) -> Result<u64, NativeError> {
        self.broker.set_wait(WAIT_MAX + Duration::from_secs(30));
        let (mut taken, mut waited, mut held) = (0, Duration::ZERO, Vec::new());
        // What is there comes at once, and only then a wait is worth a word.
        let mut wait = Duration::ZERO;
        while taken < self.count {
            let (lease, messages) = self.take(self.count - taken, wait)?;
            let Some(lease) = lease else {
                waited = waited.saturating_add(wait);
                if waited >= self.wait {
                    break;
                }
                if wait.is_zero() {
                    self.tell_of_wait();
                }
                wait = WAIT_MAX.min(self.wait.saturating_sub(waited));
                continue;
            };
            (wait, waited) = (Duration::ZERO, Duration::ZERO);
            taken += messages.len() as u64;
            if let Settling::Exec(command) = &self.settling {
                for message in &messages {
                    self.exec(command, lease, message)?;
                }
                continue;
            }
            for message in &messages {
                say_bytes(&write(message, self.format, None))?;
            }
            match self.settling {
                Settling::AtOnce(action) => self.settle(lease, &json!({ "action": action }))?,
                Settling::Requeue | Settling::Exec(_) => held.push(lease),
            }
        }
        held.into_iter().try_for_each(|lease| self.settle(lease, &json!({ "action": "requeue" })))?;
        Ok(taken)
    }

    /// So that nobody at a terminal wonders.
    fn tell_of_wait(&self) {
        if std::io::stderr().is_terminal() {
            let span = match self.wait {
                Duration::MAX => String::new(),
                wait => format!(" up to {}", human::span(wait)),
            };
            eprintln!("coney: waiting{span} for more (Ctrl-C stops)");
        }
    }

    fn take(&self, count: u64, wait: Duration) -> Result<(Option<u64>, Vec<Value>), NativeError> {
        let path = path::api(&["coney", "queues", self.vhost, self.queue, "messages", "take"]);
        // A command has one message at a time: the others are for those who are free.
        let count = if matches!(self.settling, Settling::Exec(_)) { 1 } else { count.min(BATCH) };
        let body = json!({
            "count": count,
            "wait_ms": u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
            "lease_ms": u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX),
            "while_connected": true,
        });
        let hint = "`coney queues` lists queues";
        let mut answer = self.broker.post(&path, &body, &format!("queue {}", self.queue), hint)?;
        let messages = answer.get_mut("messages").map(Value::take).unwrap_or_default();
        let lease = answer.get("lease").and_then(Value::as_u64);
        Ok((lease, messages.as_array().cloned().unwrap_or_default()))
    }

    fn settle(&self, lease: u64, body: &Value) -> Result<(), NativeError> {
        let path = path::api(&["coney", "leases", &lease.to_string()]);
        let hint = "they took too long, and are back in the queue: they will come again";
        self.broker.post(&path, body, "settling messages", hint).map(drop)
    }

    /// Runs a command with a message, and settles it as the command ends.
    fn exec(&self, command: &str, lease: u64, message: &Value) -> Result<(), NativeError> {
        let failed = |error: std::io::Error| NativeError::Failed(format!("cannot run {command}: {error}"));
        let child = start(command, message).map_err(failed)?;
        let (sender, ended) = mpsc::channel();
        let body = payload(message);
        std::thread::spawn(move || sender.send(feed(child, &body)));
        let is_success = loop {
            match ended.recv_timeout(RENEWED_EVERY) {
                Ok(ended) => break ended.map_err(failed)?,
                Err(RecvTimeoutError::Timeout) => self.settle(lease, &renewal())?,
                Err(RecvTimeoutError::Disconnected) => break false,
            }
        };
        if !is_success {
            let id = message.get("id").and_then(Value::as_u64).unwrap_or_default();
            eprintln!("coney: {} failed for message #{id}, which goes back", human::harmless(command));
        }
        self.settle(lease, &json!({ "action": if is_success { "ack" } else { "fail" } }))
    }
}

fn renewal() -> Value {
    json!({ "action": "renew", "lease_ms": u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX) })
}

/// Starts a shell's command, which finds what it may want to know of the message in its environment.
fn start(command: &str, message: &Value) -> std::io::Result<Child> {
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let mut process = Command::new(shell);
    process.arg(flag).arg(command).stdin(Stdio::piped());
    for (variable, key) in [
        ("CONEY_MESSAGE_ID", "/properties/message_id"),
        ("CONEY_MESSAGE_EXCHANGE", "/exchange"),
        ("CONEY_MESSAGE_ROUTING_KEY", "/routing_key"),
        ("CONEY_MESSAGE_CONTENT_TYPE", "/properties/content_type"),
        ("CONEY_MESSAGE_CORRELATION_ID", "/properties/correlation_id"),
    ] {
        let text = message.pointer(key).and_then(Value::as_str).unwrap_or_default();
        process.env(variable, text.replace('\0', ""));
    }
    let is_redelivered = message.get("redelivered") == Some(&Value::Bool(true));
    process.env("CONEY_MESSAGE_REDELIVERED", is_redelivered.to_string());
    process.env("CONEY_MESSAGE_POSITION", message.get("id").map(Value::to_string).unwrap_or_default());
    process.spawn()
}

/// Gives it the payload and waits for its end; whether that was a good one.
fn feed(mut child: Child, body: &[u8]) -> std::io::Result<bool> {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read its input may be right all the same.
        let _ = stdin.write_all(body);
    }
    Ok(child.wait()?.success())
}
