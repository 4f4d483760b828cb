//! Waiting for a broker.

use std::time::Duration;

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, Section, UPGRADE};
use super::failure::{Failure, TEMPORARY, UNAVAILABLE, USAGE};
use super::options::number;
use super::output::Output;
use super::process::{Deadline, is_running, pause, read_pid};

pub const COMMANDS: &[Command] = &[
    Command::new("await_startup", CTL, Section::Nodes, "Waits until the broker takes clients", await_startup),
    Command::new(
        "await_online_nodes",
        CTL,
        Section::Cluster,
        "The same, for a number of nodes: there is one",
        await_online_nodes,
    )
    .takes("<count> [--timeout <timeout>]", 1, 1),
    Command::new(
        "wait",
        CTL_AND_DIAGNOSTICS,
        Section::Nodes,
        "Waits for the broker whose process id is in a file",
        wait,
    )
    .takes("[<pidfile>] [--pid|-P <pid>] [--timeout <timeout>]", 0, 1)
    .with(&[number("pid").short('P')]),
    Command::new(
        "await_online_quorum_plus_one",
        UPGRADE,
        Section::Upgrade,
        "Does nothing: there is one node",
        await_quorum,
    ),
];

/// How long to wait, unless `--timeout` says otherwise.
const STARTUP_WAIT: Duration = Duration::from_secs(300);
const PID_WAIT: Duration = Duration::from_secs(10);

/// Looks again until a broker answers. `go_on` may give up earlier.
fn until_answered(
    call: &Call,
    wait: Duration,
    go_on: impl Fn() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let deadline = Deadline::after(wait);
    loop {
        let Err(failure) = call.node() else { return Ok(()) };
        go_on()?;
        if deadline.is_over() {
            return Err(failure);
        }
        pause();
    }
}

fn await_startup(call: &Call) -> Result<Output, Failure> {
    let wait = call.timeout_s().map_or(STARTUP_WAIT, Duration::from_secs);
    until_answered(call, wait, || Ok(()))?;
    Ok(Output::Done)
}

fn await_online_nodes(call: &Call) -> Result<Output, Failure> {
    let count: u64 = call.argument(0).parse().unwrap_or_default();
    if count == 0 {
        return Err(Failure::bad_argument("Argument must be a positive integer"));
    }
    let wait = call.timeout_s().map_or(STARTUP_WAIT, Duration::from_secs);
    until_answered(call, wait, || Ok(()))?;
    let (node, seconds) = (call.node()?, wait.as_secs());
    call.say(format!(
        "Will wait for at least {count} nodes to join the cluster of {node}. Timeout: {seconds} seconds."
    ))?;
    if count > 1 {
        let text =
            format!("there is one node, {node}, and there are never {count}: Coney does not cluster yet");
        return Err(Failure::error(UNAVAILABLE, text));
    }
    Ok(Output::Done)
}

fn wait(call: &Call) -> Result<Output, Failure> {
    let wait = call.timeout_s().map_or(PID_WAIT, Duration::from_secs);
    let pid = match (call.arguments.first(), call.options.value("pid")) {
        (None, None) => return Err(Failure::argument(USAGE, "No pid or pidfile specified")),
        (Some(_), Some(_)) => return Err(Failure::argument(USAGE, "Cannot specify both pid and pidfile")),
        (_, Some(pid)) => pid.parse().unwrap_or_default(),
        (Some(path), None) => {
            call.say(format!("Waiting for pid file '{path}' to appear"))?;
            let pid = pid_in(path, wait)?;
            call.say(format!("pid is {pid}"))?;
            pid
        }
    };
    call.say(format!("Waiting for the broker while OS process '{pid}' is running"))?;
    until_answered(call, wait, || {
        if is_running(pid) { Ok(()) } else { Err(Failure::error(UNAVAILABLE, "process_not_running")) }
    })?;
    if !is_running(pid) {
        return Err(Failure::error(UNAVAILABLE, "process_not_running"));
    }
    call.say(format!("The broker on node '{}' is running", call.node()?))?;
    Ok(Output::Done)
}

fn pid_in(path: &str, wait: Duration) -> Result<u64, Failure> {
    let deadline = Deadline::after(wait);
    loop {
        if let Some(pid) = read_pid(path)? {
            return Ok(pid);
        }
        if deadline.is_over() {
            let text = format!("Error: there is no file {path} after {} s", wait.as_secs());
            return Err(Failure::plain(TEMPORARY, text));
        }
        pause();
    }
}

const QUORUM_WAIT_S: u64 = 120;

fn await_quorum(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    let seconds = call.timeout_s().unwrap_or(QUORUM_WAIT_S);
    call.say(format!(
        "Will wait for a quorum + 1 of nodes to be online for all quorum queues and streams for {seconds} seconds..."
    ))?;
    let text = "Target node seems to be the only one in a single node cluster, the command does not apply";
    Ok(Output::Text(text.to_owned()))
}
