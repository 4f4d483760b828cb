//! `coney status`.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::broker::Place;
use super::error::NativeError;
use super::human;
use crate::cli::out::say;
use crate::cli::table::at;

/// The arguments of `coney status`.
#[derive(Args)]
#[command(after_help = "Example:\n  coney status --json | jq .node.mem_used")]
pub struct Status {
    /// As JSON: what /api/overview and /api/nodes answer
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Status {
    /// Does it. Who may not see nodes sees the rest.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let overview = broker.get("/api/overview", "the overview", "")?;
        let nodes = broker.get("/api/nodes", "the node", "").unwrap_or_default();
        let node = nodes.get(0).cloned().unwrap_or_default();
        if self.json {
            return Ok(say(&format!("{}\n", json!({ "overview": overview, "node": node })))?);
        }
        Ok(say(&text(&overview, &node))?)
    }
}

fn text(overview: &Value, node: &Value) -> String {
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{what:<12}{value}");
        }
    };
    line("broker", broker(overview, node));
    line("node", string(overview, "node"));
    line("listeners", listeners(overview));
    if !node.is_null() {
        line("memory", amount(node, "mem_used", "mem_limit", "of a limit of"));
        line("disk", amount(node, "disk_free", "disk_free_limit", "free, publishers are blocked below"));
        line("files", format!("{} of {} descriptors", number(node, "fd_used"), number(node, "fd_total")));
        line("alarms", alarms(node));
    }
    line("clients", counts(overview, "object_totals", &["connections", "channels", "consumers"]));
    line("objects", counts(overview, "object_totals", &["queues", "exchanges"]));
    line("messages", messages(overview));
    text
}

fn broker(overview: &Value, node: &Value) -> String {
    let product = string(overview, "product_name");
    let version = string(overview, "product_version");
    let announced = string(overview, "rabbitmq_version");
    let mut text = format!("{product} {version}");
    if announced != version {
        let _ = write!(text, ", which clients take for RabbitMQ {announced}");
    }
    if let Some(uptime_ms) = node.get("uptime").and_then(Value::as_u64) {
        let _ = write!(text, ", up {}", human::span(Duration::from_millis(uptime_ms)));
    }
    text
}

fn listeners(overview: &Value) -> String {
    let listeners = overview.get("listeners").and_then(Value::as_array).into_iter().flatten();
    let one = |listener: &Value| {
        let (protocol, address) = (string(listener, "protocol"), string(listener, "ip_address"));
        let address = if address.contains(':') { format!("[{address}]") } else { address };
        format!("{protocol} {address}:{}", number(listener, "port"))
    };
    listeners.map(one).collect::<Vec<_>>().join(", ")
}

fn amount(node: &Value, used: &str, limit: &str, between: &str) -> String {
    let size = |key: &str| human::bytes(number(node, key));
    match number(node, limit) {
        0 => size(used),
        _ => format!("{} {between} {}", size(used), size(limit)),
    }
}

fn alarms(node: &Value) -> String {
    let is_set = |key: &str| node.get(key) == Some(&Value::Bool(true));
    let alarms: Vec<&str> = [("mem_alarm", "memory"), ("disk_free_alarm", "disk")]
        .into_iter()
        .filter(|(key, _)| is_set(key))
        .map(|(_, name)| name)
        .collect();
    if alarms.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: publishers are blocked", alarms.join(", "))
    }
}

fn counts(overview: &Value, of: &str, keys: &[&str]) -> String {
    let totals = overview.get(of).cloned().unwrap_or_default();
    let one = |key: &&str| human::counted(number(&totals, key), key.trim_end_matches('s'));
    keys.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn messages(overview: &Value) -> String {
    let total = |key: &str| number(overview, &format!("queue_totals.{key}"));
    let rate = |key: &str| {
        let rate = at(overview, &format!("message_stats.{key}_details.rate")).and_then(Value::as_f64);
        human::rate(rate.unwrap_or_default())
    };
    format!(
        "{} ready, {} unacked; {} in and {} out a second",
        human::count(total("messages_ready")),
        human::count(total("messages_unacknowledged")),
        rate("publish"),
        rate("deliver_get"),
    )
}

fn string(value: &Value, key: &str) -> String {
    human::harmless(at(value, key).and_then(Value::as_str).unwrap_or_default())
}

fn number(value: &Value, key: &str) -> u64 {
    at(value, key).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_told_and_what_is_not_known_is_left_out() {
        let overview = json!({
            "product_name": "Coney", "product_version": "0.1.0", "rabbitmq_version": "3.13.7", "node": "rabbit@h",
            "listeners": [{ "protocol": "amqp", "ip_address": "::1", "port": 5672 }],
            "object_totals": { "connections": 1, "channels": 2, "consumers": 0, "queues": 3, "exchanges": 7 },
            "queue_totals": { "messages_ready": 1500, "messages_unacknowledged": 2 },
            "message_stats": { "publish_details": { "rate": 10.5 } },
        });
        let node = json!({
            "uptime": 61_000, "mem_used": 1024, "mem_limit": 0, "disk_free": 2048, "disk_free_limit": 1024,
            "fd_used": 3, "fd_total": 100, "mem_alarm": true, "disk_free_alarm": false,
        });
        assert_eq!(
            text(&overview, &node),
            "broker      Coney 0.1.0, which clients take for RabbitMQ 3.13.7, up 1m 1s\n\
             node        rabbit@h\n\
             listeners   amqp [::1]:5672\n\
             memory      1.0 KiB\n\
             disk        2.0 KiB free, publishers are blocked below 1.0 KiB\n\
             files       3 of 100 descriptors\n\
             alarms      memory: publishers are blocked\n\
             clients     1 connection, 2 channels, 0 consumers\n\
             objects     3 queues, 7 exchanges\n\
             messages    1,500 ready, 2 unacked; 10.5 in and 0 out a second\n"
        );
        assert!(!text(&overview, &Value::Null).contains("memory"));
    }
}
