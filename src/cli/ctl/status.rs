//! The state of the node, in one page.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL_AND_DIAGNOSTICS, Command, DIAGNOSTICS, Section};
use super::failure::{Failure, USAGE};
use super::fields::{Fields, items, number, text};
use super::options::text as text_option;
use super::output::Output;
use super::shown::{alarms, listener_lines, listeners};

pub const COMMANDS: &[Command] = &[
    Command::new("status", CTL_AND_DIAGNOSTICS, Section::Monitoring, "Shows how the broker is", status)
        .takes("[--unit <unit>] [--timeout <timeout>]", 0, 0)
        .with(&[text_option("unit")]),
    Command::new(
        "memory_breakdown",
        DIAGNOSTICS,
        Section::Monitoring,
        "Shows what takes memory",
        memory_breakdown,
    )
    .takes("[--unit <unit>] [--timeout <timeout>]", 0, 0)
    .with(&[text_option("unit")]),
    Command::new(
        "environment",
        CTL_AND_DIAGNOSTICS,
        Section::Configuration,
        "Shows what the broker is told, as far as it tells",
        environment,
    ),
    Command::new(
        "report",
        CTL_AND_DIAGNOSTICS,
        Section::Monitoring,
        "Shows all that helps to find out what is wrong",
        report,
    ),
    Command::new(
        "listeners",
        DIAGNOSTICS,
        Section::Monitoring,
        "Lists where the broker listens, and what for",
        list_listeners,
    )
    .takes("[--timeout <timeout>]", 0, 0),
];

/// Units of sizes, by their names.
const UNITS: [(&str, f64); 9] = [
    ("bytes", 1.0),
    ("kb", 1e3),
    ("kib", 1024.0),
    ("mb", 1e6),
    ("mib", 1_048_576.0),
    ("gb", 1e9),
    ("gib", 1_073_741_824.0),
    ("tb", 1e12),
    ("tib", 1_099_511_627_776.0),
];

/// A unit of sizes.
#[derive(Clone, Copy)]
struct Unit(&'static str, f64);

impl Unit {
    fn of(call: &Call) -> Result<Self, Failure> {
        let wanted = call.options.value("unit").unwrap_or("gb").to_lowercase();
        let found = UNITS.iter().find(|(name, _)| *name == wanted).map(|(name, bytes)| Self(name, *bytes));
        found.ok_or_else(|| {
            Failure::argument(
                USAGE,
                format!("unit {wanted:?} is not supported. Use one of bytes, kb, mb, gb .."),
            )
        })
    }

    fn show(self, bytes: u64) -> String {
        #[allow(clippy::cast_precision_loss, reason = "shown with four digits")]
        let size = bytes as f64 / self.1;
        format!("{} {}", (size * 1e4).round() / 1e4, self.0)
    }
}

fn list_listeners(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} to report its protocol listeners ..."))?;
    let listeners = listeners(&call.get(&["overview"])?);
    let value = json!({ "result": "ok", "node": node, "listeners": listeners });
    Ok(Output::Both(listener_lines(&listeners), value))
}

fn status(call: &Call) -> Result<Output, Failure> {
    let unit = Unit::of(call)?;
    call.say(format!("Status of node {} ...", call.node()?))?;
    let seen = Seen::of(call)?;
    Ok(Output::Both(seen.text(unit), seen.value()))
}

/// What a status is made of.
struct Seen {
    about: Value,
    node: Value,
    overview: Value,
    memory: Value,
}

impl Seen {
    fn of(call: &Call) -> Result<Self, Failure> {
        let name = call.node()?.to_owned();
        Ok(Self {
            about: call.about()?.clone(),
            node: call.get(&["nodes", &name])?,
            overview: call.get(&["overview"])?,
            memory: call.get(&["nodes", &name, "memory"])?.pull("memory"),
        })
    }

    fn value(&self) -> Value {
        let Self { about, node, overview, memory } = self;
        json!({
            "os": std::env::consts::OS, "pid": about.at("pid"), "uptime": number(node, "uptime") / 1000,
            "is_under_maintenance": false, "product_name": overview.at("product_name"),
            "product_version": overview.at("product_version"), "rabbitmq_version": overview.at("rabbitmq_version"),
            "erlang_version": "none", "crypto_lib_version": "none", "run_queue": 0,
            "processes": { "used": node.at("proc_used"), "limit": node.at("proc_total") },
            "net_ticktime": 0, "alarms": alarms(node), "tags": [], "memory": memory,
            "active_plugins": node.at("enabled_plugins"), "enabled_plugin_file": about.at("enabled_plugins_file"),
            "data_directory": node.at("db_dir"), "raft_data_directory": node.at("db_dir"),
            "config_files": node.at("config_files"), "log_files": node.at("log_files"),
            "vm_memory_calculation_strategy": "rss", "vm_memory_high_watermark_limit": node.at("mem_limit"),
            "vm_memory_high_watermark_setting": { "absolute": node.at("mem_limit") },
            "disk_free": node.at("disk_free"), "disk_free_limit": node.at("disk_free_limit"),
            "file_descriptors": {
                "total_used": node.at("fd_used"), "total_limit": node.at("fd_total"),
                "sockets_used": node.at("sockets_used"), "sockets_limit": node.at("sockets_total"),
            },
            "totals": {
                "connection_count": overview.at("object_totals").at("connections"),
                "queue_count": overview.at("object_totals").at("queues"),
                "virtual_host_count": about.at("vhosts"),
            },
            "listeners": listeners(overview),
        })
    }

    fn text(&self, unit: Unit) -> String {
        let Self { about, node, overview, memory } = self;
        let totals = overview.at("object_totals");
        let rows = [
            ("Runtime", self.runtime()),
            ("Plugins", format!("Enabled plugins:\n\n{}", bullets(node.at("enabled_plugins")))),
            (
                "Data directory",
                format!("Node data directory: {}", or(text(node, "db_dir"), "none: everything is in memory")),
            ),
            ("Config files", bullets(node.at("config_files"))),
            ("Log file(s)", bullets(node.at("log_files"))),
            ("Alarms", raised(node)),
            ("Tags", "(none)".to_owned()),
            (
                "Memory",
                format!(
                    "Total memory used: {}\nCalculation strategy: rss\nMemory high watermark: {}\n\n{}",
                    unit.show(number(node, "mem_used")),
                    limit(unit, number(node, "mem_limit")),
                    breakdown(memory, unit).trim_end(),
                ),
            ),
            (
                "File Descriptors",
                format!("Total: {}, limit: {}", number(node, "fd_used"), number(node, "fd_total")),
            ),
            (
                "Free Disk Space",
                format!(
                    "Low free disk space watermark: {}\nFree disk space: {}",
                    limit(unit, number(node, "disk_free_limit")),
                    unit.show(number(node, "disk_free")),
                ),
            ),
            (
                "Totals",
                format!(
                    "Connection count: {}\nQueue count: {}\nVirtual host count: {}",
                    totals.at("connections"),
                    totals.at("queues"),
                    about.at("vhosts"),
                ),
            ),
            ("Listeners", listener_lines(&listeners(overview))),
        ];
        rows.iter().map(|(heading, content)| format!("{heading}\n\n{}\n\n", content.trim_end())).collect()
    }

    fn runtime(&self) -> String {
        let Self { about, node, overview, .. } = self;
        format!(
            "OS PID: {}\nOS: {}\nUptime (seconds): {}\nIs under maintenance?: false\nRabbitMQ version: {}\n\
             Product: {} {}\nNode name: {}\nErlang configuration: none",
            about.at("pid"),
            std::env::consts::OS,
            number(node, "uptime") / 1000,
            text(overview, "rabbitmq_version"),
            text(overview, "product_name"),
            text(overview, "product_version"),
            text(node, "name"),
        )
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn limit(unit: Unit, bytes: u64) -> String {
    if bytes == 0 { "none".to_owned() } else { unit.show(bytes) }
}

fn bullets(names: &Value) -> String {
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return "(none)".to_owned();
    }
    names.iter().map(|name| format!(" * {name}\n")).collect()
}

fn raised(node: &Value) -> String {
    let raised = alarms(node);
    if raised.is_empty() {
        return "(none)".to_owned();
    }
    let line = |alarm: &Value| format!("{} alarm on node {}\n", text(alarm, "resource"), text(node, "name"));
    raised.iter().map(line).collect()
}

/// What takes most first.
fn parts(memory: &Value) -> Vec<(&str, u64, f64)> {
    let parts = memory.as_object().into_iter().flatten().filter(|(_, bytes)| bytes.is_u64());
    let mut parts: Vec<(&str, u64)> =
        parts.map(|(name, bytes)| (name.as_str(), bytes.as_u64().unwrap_or_default())).collect();
    parts.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let total: u64 = parts.iter().map(|(_, bytes)| bytes).sum();
    let percent = |bytes: u64| {
        #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
        let percent = bytes as f64 * 100.0 / total.max(1) as f64;
        (percent * 100.0).round() / 100.0
    };
    parts.into_iter().map(|(name, bytes)| (name, bytes, percent(bytes))).collect()
}

fn breakdown(memory: &Value, unit: Unit) -> String {
    parts(memory)
        .iter()
        .map(|(name, bytes, percent)| format!("{name}: {} ({percent}%)\n", unit.show(*bytes)))
        .collect()
}

fn memory_breakdown(call: &Call) -> Result<Output, Failure> {
    let unit = Unit::of(call)?;
    let node = call.node()?;
    call.say(format!("Reporting memory breakdown on node {node}..."))?;
    let memory = call.get(&["nodes", node, "memory"])?.pull("memory");
    let value: serde_json::Map<String, Value> = parts(&memory)
        .into_iter()
        .map(|(name, bytes, percent)| (name.to_owned(), json!({ "bytes": bytes, "percentage": percent })))
        .collect();
    Ok(Output::Both(breakdown(&memory, unit), value.into()))
}

/// RabbitMQ shows what each Erlang application is configured with.
fn environment(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Application environment of node {node} ..."))?;
    let value = json!({ "coney": call.about()? });
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    Ok(Output::Both(text, value))
}

/// Everything that is listed, with headings.
fn report(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Reporting server status of node {node} ...\n"))?;
    let mut text = format!("Status of node {node} ...\n\n{}", Seen::of(call)?.text(Unit("gb", 1e9)));
    let mut value = json!({ "node": call.about()? });
    for kind in [
        "connections",
        "channels",
        "queues",
        "exchanges",
        "bindings",
        "consumers",
        "users",
        "vhosts",
        "permissions",
        "policies",
        "parameters",
        "global-parameters",
        "feature-flags",
    ] {
        let listed = items(call.get(&[kind])?);
        let _ = write!(text, "{kind}: {}\n\n", listed.len());
        for item in &listed {
            let _ = writeln!(text, "{}", without_secrets(item.clone()));
        }
        text.push('\n');
        value.put(kind, listed.into_iter().map(without_secrets).collect::<Value>());
    }
    Ok(Output::Both(text, value))
}

fn without_secrets(mut item: Value) -> Value {
    if let Some(item) = item.as_object_mut() {
        item.remove("password_hash");
    }
    item
}
