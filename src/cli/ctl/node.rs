//! Stopping, and what is changed while the broker runs.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{Failure, TEMPORARY, UNAVAILABLE, USAGE};
use super::fields::{Fields, items};
use super::options::flag;
use super::output::Output;
use super::process::{Deadline, is_running, pause};
use crate::cli::table::Table;
use crate::cli::value::parse_bytes;

pub const COMMANDS: &[Command] = &[
    Command::new("stop", CTL, Section::Nodes, "Stops the broker", stop)
        .takes("[--idempotent] [<pidfile>]", 0, 1)
        .with(&[flag("idempotent")]),
    Command::new(
        "shutdown",
        CTL,
        Section::Nodes,
        "Stops the broker and waits until its process has ended",
        shutdown,
    )
    .takes("[--wait] [--timeout <timeout>]", 0, 0)
    .with(&[flag("wait"), flag("no-wait")]),
    Command::new("start_app", CTL, Section::Nodes, "Does nothing: a broker that runs has started", start_app),
    Command::new(
        "set_log_level",
        CTL,
        Section::Configuration,
        "Changes what is logged, until the broker stops",
        set_log_level,
    )
    .takes("<log_level>", 1, 1),
    Command::new(
        "set_vm_memory_high_watermark",
        CTL,
        Section::Configuration,
        "Changes the memory limit, until the broker stops",
        set_memory_limit,
    )
    .takes("<fraction> | absolute <value>", 1, 2),
    Command::new(
        "set_disk_free_limit",
        CTL,
        Section::Configuration,
        "Changes the limit of free disk space, until the broker stops",
        set_disk_limit,
    )
    .takes("<disk_limit> | mem_relative <fraction>", 1, 2),
    Command::new(
        "enable_feature_flag",
        CTL,
        Section::FeatureFlags,
        "Does nothing: all that there are are enabled",
        enable_feature_flag,
    )
    .takes("[--opt-in] <all | feature_flag>", 1, 1)
    .with(&[flag("opt-in"), flag("experimental")]),
    Command::new(
        "list_feature_flags",
        CTL_AND_DIAGNOSTICS,
        Section::FeatureFlags,
        "Lists feature flags",
        list_feature_flags,
    )
    .lists(
        "[<column> ...] [--timeout <timeout>]",
        &["name", "state", "stability", "provided_by", "desc", "doc_url"],
    ),
    Command::new(
        "list_deprecated_features",
        CTL_AND_DIAGNOSTICS,
        Section::FeatureFlags,
        "Lists features that RabbitMQ is to lose",
        list_deprecated_features,
    )
    .lists("[--used] [<column> ...]", &["name", "deprecation_phase", "provided_by", "desc", "doc_url"])
    .with(&[flag("used")]),
    Command::new(
        "force_gc",
        CTL,
        Section::Operations,
        "Does nothing: there is no garbage to collect",
        nothing_to_collect,
    )
    .takes("[--timeout <timeout>]", 0, 0),
];

/// How long to wait for the end, unless `--timeout` says otherwise.
const STOP_WAIT_MAX: Duration = Duration::from_secs(300);

fn ask_to_stop(call: &Call) -> Result<u64, Failure> {
    let pid = call.about()?.at("pid").as_u64().unwrap_or_default();
    call.client()?.post("/api/coney/node/stop", &json!({}))?;
    Ok(pid)
}

/// With a file, or where it is asked for, this waits for the end of the process.
fn stop(call: &Call) -> Result<Output, Failure> {
    if call.options.has("idempotent") && call.client().is_err() {
        return Ok(Output::Done);
    }
    call.say(format!("Stopping and halting node {} ...", call.node()?))?;
    let pid = ask_to_stop(call)?;
    if call.arguments.is_empty() {
        return Ok(Output::Done);
    }
    until_gone(call, pid)
}

fn shutdown(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?.to_owned();
    call.say(format!("Shutting down RabbitMQ node {node} ..."))?;
    let pid = ask_to_stop(call)?;
    if call.options.has("no-wait") {
        return Ok(Output::Done);
    }
    call.say(format!("Waiting for process {pid} to exit"))?;
    until_gone(call, pid)
}

fn until_gone(call: &Call, pid: u64) -> Result<Output, Failure> {
    let wait = call.timeout_s().map_or(STOP_WAIT_MAX, Duration::from_secs);
    let deadline = Deadline::after(wait);
    while is_running(pid) {
        if deadline.is_over() {
            let text = format!("Error: process {pid} has not ended within {} s", wait.as_secs());
            return Err(Failure::plain(TEMPORARY, text));
        }
        pause();
    }
    Ok(Output::Done)
}

/// The broker and its application are one.
fn start_app(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Starting node {} ...", call.node()?))?;
    Ok(Output::Done)
}

/// RabbitMQ's levels, and ours.
const LEVELS: [(&str, &str); 6] = [
    ("debug", "debug"),
    ("info", "info"),
    ("warning", "warn"),
    ("error", "error"),
    ("critical", "error"),
    ("none", "off"),
];

fn set_log_level(call: &Call) -> Result<Output, Failure> {
    let given = call.argument(0);
    let Some((_, level)) = LEVELS.iter().find(|(theirs, _)| *theirs == given) else {
        let known: Vec<&str> = LEVELS.iter().map(|(level, _)| *level).collect();
        let text = format!("level {given} is not supported. Try one of {}", known.join(", "));
        return Err(Failure::error(UNAVAILABLE, text));
    };
    call.say(format!("Setting log level to \"{given}\" ..."))?;
    call.client()?.put("/api/coney/node/log", &json!({ "filter": level }))?;
    Ok(Output::Done)
}

const NO_NUMBER: &str = "Bad argument.";

/// A size such as `2GB`, in bytes.
fn bytes(text: &str) -> Result<u64, Failure> {
    parse_bytes(text).map_err(|error| Failure::argument(super::failure::DATA, format!("{NO_NUMBER} {error}")))
}

fn fraction(text: &str) -> Result<f64, Failure> {
    let number: f64 = text.parse().map_err(|_| Failure::argument(super::failure::DATA, NO_NUMBER))?;
    if (0.0..=1.0).contains(&number) {
        return Ok(number);
    }
    Err(Failure::bad_argument("The threshold should be a fraction between 0.0 and 1.0"))
}

fn set_memory_limit(call: &Call) -> Result<Output, Failure> {
    let (what, limit) = match (call.argument(0), call.argument(1)) {
        ("absolute", "") => return Err(Failure::argument(USAGE, "not enough arguments.")),
        ("absolute", value) => (format!("{value} bytes"), json!({ "bytes": bytes(value)? })),
        (_, value) if !value.is_empty() => return Err(Failure::argument(USAGE, "too many arguments.")),
        (value, _) => (value.to_owned(), json!({ "fraction": fraction(value)? })),
    };
    call.say(format!("Setting memory threshold on {} to {what} ...", call.node()?))?;
    call.client()?.put("/api/coney/node/memory-limit", &limit)?;
    Ok(Output::Done)
}

fn set_disk_limit(call: &Call) -> Result<Output, Failure> {
    let (what, limit) = match (call.argument(0), call.argument(1)) {
        ("mem_relative", "") => return Err(Failure::argument(USAGE, "not enough arguments.")),
        ("mem_relative", value) => {
            let fraction: f64 =
                value.parse().map_err(|_| Failure::argument(super::failure::DATA, NO_NUMBER))?;
            (format!("{value} times the total RAM"), json!({ "memory_fraction": fraction }))
        }
        (_, value) if !value.is_empty() => return Err(Failure::argument(USAGE, "too many arguments.")),
        (value, _) => (format!("{value} bytes"), json!({ "bytes": bytes(value)? })),
    };
    call.say(format!("Setting disk free limit on {} to {what} ...", call.node()?))?;
    call.client()?.put("/api/coney/node/disk-free-limit", &limit)?;
    Ok(Output::Done)
}

fn enable_feature_flag(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    if name == "all" {
        call.node()?;
        call.say("Enabling all feature flags ...")?;
        if call.options.has("opt-in") || call.options.has("experimental") {
            return Err(Failure::error(USAGE, "`--opt-in` is for one feature flag, not for all"));
        }
        return Ok(Output::Done);
    }
    call.say(format!("Enabling feature flag \"{name}\" ..."))?;
    let flags = items(call.get(&["feature-flags"])?);
    if flags.iter().any(|flag| flag.at("name") == name) {
        return Ok(Output::Done);
    }
    Err(Failure::error(USAGE, format!("This feature flag is not supported by node {}", call.node()?)))
}

fn listed(call: &Call, usual: [&str; 2], rows: &[Value]) -> Output {
    let columns =
        if call.arguments.is_empty() { usual.map(str::to_owned).to_vec() } else { call.arguments.clone() };
    Output::Table(Table::of_objects(columns, rows))
}

fn list_feature_flags(call: &Call) -> Result<Output, Failure> {
    call.say("Listing feature flags ...")?;
    Ok(listed(call, ["name", "state"], &items(call.get(&["feature-flags"])?)))
}

fn list_deprecated_features(call: &Call) -> Result<Output, Failure> {
    let is_used = call.options.has("used");
    call.say(if is_used {
        "Listing deprecated features in use ..."
    } else {
        "Listing deprecated features ..."
    })?;
    let pieces: &[&str] = if is_used { &["deprecated-features", "used"] } else { &["deprecated-features"] };
    Ok(listed(call, ["name", "deprecation_phase"], &items(call.get(pieces)?)))
}

fn nothing_to_collect(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Will ask all processes on node {} to schedule a full sweep GC", call.node()?))?;
    Ok(Output::Done)
}
