//! What RabbitMQ has because it is written in Erlang, or because it can be put out of service while it runs: refused, with what to
//! do instead.

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, DIAGNOSTICS, DIAGNOSTICS_AND_QUEUES, Section};
use super::failure::{Failure, SOFTWARE, UNAVAILABLE, USAGE};
use super::options::{Switch, flag, number, text};
use super::output::Output;

const ENCRYPTION: &[Switch] = &[text("cipher"), text("hash"), number("iterations")];
const ENCRYPTED: &str = "value passphrase [--cipher <cipher>] [--hash <hash>] [--iterations <iterations>]";

const fn encryption(name: &'static str) -> Command {
    let what = "Is refused: secrets are read from files";
    Command::new(name, CTL, Section::Configuration, what, no_encryption)
        .takes(ENCRYPTED, 0, 2)
        .with(ENCRYPTION)
}

pub const COMMANDS: &[Command] =
    &[
        Command::new("eval", CTL, Section::Operations, "Is refused: there is no Erlang to evaluate", eval)
            .takes("<expression>", 0, super::command::ANY),
        Command::new(
            "eval_file",
            CTL,
            Section::Operations,
            "Is refused: there is no Erlang to evaluate",
            eval_file,
        )
        .takes("<file path>", 1, 1),
        Command::new("exec", CTL, Section::Operations, "Is refused: there is no Elixir to evaluate", exec)
            .takes("<expression> [--offline]", 1, 1)
            .with(&[flag("offline")]),
        Command::new(
            "remote_shell",
            DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: there is no Erlang shell",
            no_shell,
        ),
        Command::new(
            "observer",
            DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: see the management API and the metrics",
            no_observer,
        )
        .takes("[--interval <seconds>]", 0, 0)
        .with(&[number("interval")]),
        Command::new(
            "runtime_thread_stats",
            DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: see the metrics",
            no_observer,
        )
        .takes("[--sample-interval <interval>]", 0, 0)
        .with(&[number("sample-interval")]),
        Command::new(
            "maybe_stuck",
            DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: there are no Erlang processes",
            no_observer,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "schema_info",
            CTL_AND_DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: there is no Mnesia",
            no_schema,
        )
        .takes("[--no-table-headers] [<column> ...] [--timeout <timeout>]", 0, super::command::ANY),
        Command::new(
            "stop_app",
            CTL,
            Section::Nodes,
            "Is refused: the broker and its process are one; use stop",
            stop_app,
        ),
        Command::new(
            "reset",
            CTL,
            Section::Nodes,
            "Is refused: stop the broker and remove its data directory",
            reset,
        ),
        Command::new(
            "force_reset",
            CTL,
            Section::Nodes,
            "Is refused: stop the broker and remove its data directory",
            reset,
        ),
        Command::new(
            "suspend_listeners",
            CTL,
            Section::Operations,
            "Is refused: listeners cannot be suspended",
            no_suspension,
        ),
        Command::new(
            "resume_listeners",
            CTL,
            Section::Operations,
            "Does nothing: listeners are never suspended",
            resumed,
        ),
        Command::new("rotate_logs", CTL, Section::Nodes, "Is refused, as in RabbitMQ", rotate_logs),
        Command::new(
            "activate_free_disk_space_monitoring",
            CTL_AND_DIAGNOSTICS,
            Section::Monitoring,
            "Does nothing: it is active",
            monitored,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "deactivate_free_disk_space_monitoring",
            CTL_AND_DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: set_disk_free_limit 0 does it",
            not_unmonitored,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "remove_classic_queue_mirroring_from_policies",
            CTL,
            Section::Operations,
            "Does nothing: there is no mirroring",
            nothing_mirrored,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "reset_stats_db",
            CTL,
            Section::Operations,
            "Does nothing: statistics are not sampled",
            nothing_sampled,
        )
        .takes("[--all]", 0, 0)
        .with(&[flag("all")]),
        encryption("encode"),
        encryption("decode"),
        encryption("encrypt_conf_value"),
        encryption("decrypt_conf_value"),
        Command::new(
            "list_ciphers",
            CTL_AND_DIAGNOSTICS,
            Section::Monitoring,
            "Lists ciphers of encode: none",
            no_ciphers,
        ),
        Command::new(
            "list_hashes",
            CTL_AND_DIAGNOSTICS,
            Section::Monitoring,
            "Lists the hashes of passwords",
            hashes,
        ),
        Command::new(
            "node_health_check",
            CTL_AND_DIAGNOSTICS,
            Section::Deprecated,
            "Does nothing, as in RabbitMQ",
            health_check,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "check_if_node_is_mirror_sync_critical",
            DIAGNOSTICS_AND_QUEUES,
            Section::Deprecated,
            "Does nothing, as in RabbitMQ",
            no_mirrors,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "coordinator_status",
            DIAGNOSTICS,
            Section::Monitoring,
            "Is refused: there is no coordinator of streams",
            no_coordinator,
        ),
        Command::new(
            "metadata_store_status",
            DIAGNOSTICS,
            Section::Monitoring,
            "Says where definitions are kept",
            metadata_store,
        ),
        Command::new(
            "erlang_cookie_hash",
            DIAGNOSTICS,
            Section::Configuration,
            "Is refused: there is no cookie",
            no_cookie,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "erlang_cookie_sources",
            DIAGNOSTICS,
            Section::Configuration,
            "Is refused: there is no cookie",
            no_cookie,
        )
        .takes("[--timeout <timeout>]", 0, 0),
        Command::new(
            "enable_auth_attempt_source_tracking",
            DIAGNOSTICS,
            Section::Configuration,
            "Is refused: the log has the sources",
            no_tracking,
        ),
        Command::new(
            "disable_auth_attempt_source_tracking",
            DIAGNOSTICS,
            Section::Configuration,
            "Does nothing: sources are not tracked",
            tracking_is_off,
        ),
    ];

/// What scripts evaluate to make statistics fresher and metrics more detailed, which they are here.
const HARMLESS: [&str; 2] = ["collect_statistics", "return_per_object_metrics"];
const NO_ERLANG: &str = "there is no Erlang in Coney, so nothing can be evaluated. \
    Most of what eval is used for has a command (see rabbitmqctl help) or a path of the management API";

fn eval(call: &Call) -> Result<Output, Failure> {
    let expression = call.arguments.join(" ");
    if expression.trim().is_empty() {
        return Err(Failure::argument(USAGE, "Expression must not be blank"));
    }
    if expression.contains("set_env") && HARMLESS.iter().any(|harmless| expression.contains(harmless)) {
        call.node()?;
        return Ok(Output::Text("ok".to_owned()));
    }
    Err(Failure::error(USAGE, NO_ERLANG))
}

fn eval_file(call: &Call) -> Result<Output, Failure> {
    let path = call.argument(0);
    if !std::path::Path::new(path).exists() {
        return Err(Failure::argument(USAGE, format!("File {path} does not exist")));
    }
    Err(Failure::error(USAGE, NO_ERLANG))
}

fn exec(_: &Call) -> Result<Output, Failure> {
    Err(Failure::error(USAGE, NO_ERLANG))
}

fn no_shell(_: &Call) -> Result<Output, Failure> {
    Err(Failure::error(USAGE, NO_ERLANG))
}

fn no_observer(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported(
        "there are no Erlang processes to look at: see `rabbitmqctl status`, /api/overview and the metrics on port 15692",
    ))
}

fn no_schema(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported("there is no Mnesia: `coney store check DIR` looks through a data directory"))
}

fn stop_app(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Stopping rabbit application on node {} ...", call.node()?))?;
    Err(Failure::unsupported(
        "the broker and its process are one, so the application cannot be stopped alone: \
         `rabbitmqctl stop` ends the broker, and whoever runs it starts it again",
    ))
}

fn reset(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Resetting node {} ...", call.node()?))?;
    Err(Failure::unsupported(
        "a broker that runs is not reset: stop it and remove its data directory, or delete the virtual hosts",
    ))
}

fn no_suspension(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    Err(Failure::unsupported("listeners cannot be suspended: `rabbitmqctl stop` stops the broker"))
}

fn resumed(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!(
        "Will resume client connection listeners on node {node}. The node will now accept client connections"
    ))?;
    Ok(Output::Done)
}

fn rotate_logs(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported("This command does not rotate logs anymore [deprecated]"))
}

fn monitored(call: &Call) -> Result<Output, Failure> {
    call.say(format!("[Re-]activating free disk space monitoring on node {}...", call.node()?))?;
    Ok(Output::Done)
}

fn not_unmonitored(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Deactivating free disk space monitoring on node {}...", call.node()?))?;
    Err(Failure::unsupported(
        "a full disk would stop the broker: `rabbitmqctl set_disk_free_limit 0` if that is wanted",
    ))
}

fn nothing_mirrored(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Will remove keys that enable classic queue mirroring from all regular and operator policies")?;
    Ok(Output::Done)
}

fn nothing_sampled(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Resetting statistics database on node {}", call.node()?))?;
    Ok(Output::Done)
}

fn no_encryption(_: &Call) -> Result<Output, Failure> {
    Err(Failure::error(
        USAGE,
        "values in a configuration file cannot be encrypted. Keep secrets in files of their own, or in the environment",
    ))
}

fn no_ciphers(call: &Call) -> Result<Output, Failure> {
    call.say("Listing supported ciphers ...")?;
    let value = serde_json::json!({ "result": "ok", "value": [] });
    Ok(Output::Both("[]".to_owned(), value))
}

fn hashes(call: &Call) -> Result<Output, Failure> {
    call.say("Listing supported hash algorithms ...")?;
    let value = serde_json::json!({ "result": "ok", "value": ["sha512", "sha256", "md5"] });
    Ok(Output::Both("[sha512,sha256,md5]".to_owned(), value))
}

const NOTHING: &str = "This command is DEPRECATED and is a no-op.";

fn health_check(_: &Call) -> Result<Output, Failure> {
    let text = format!("{NOTHING}\nUse rabbitmq-diagnostics check_running and its like instead.");
    Ok(Output::Text(text))
}

fn no_mirrors(call: &Call) -> Result<Output, Failure> {
    call.say(NOTHING)?;
    Ok(Output::Text("ok".to_owned()))
}

fn no_coordinator(_: &Call) -> Result<Output, Failure> {
    Err(Failure::error(UNAVAILABLE, "there is no coordinator of streams"))
}

fn metadata_store(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Status of metadata store on node {} ...", call.node()?))?;
    let mut table = crate::cli::table::Table::new(["Metadata Store"]);
    table.push(vec!["coney".into()]);
    Ok(Output::Table(table))
}

fn no_cookie(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported(
        "there is no Erlang cookie: whoever may open the control socket in the data directory may do everything",
    ))
}

fn no_tracking(_: &Call) -> Result<Output, Failure> {
    Err(Failure::error(
        SOFTWARE,
        "sources of logins are not counted; those that fail are in the log with their address",
    ))
}

fn tracking_is_off(call: &Call) -> Result<Output, Failure> {
    call.node()?;
    call.say("Disabling authentication attempt source tracking ...")?;
    Ok(Output::Done)
}
