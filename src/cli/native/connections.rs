//! `coney connections`.

use clap::Args;
use serde_json::{Value, json};

use super::broker::Place;
use super::error::NativeError;
use super::human;
use crate::cli::out::say;
use crate::cli::table::{Table, at};

/// The arguments of `coney connections`.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  coney connections\n  coney connections celery\n  coney ctl close_connection NAME REASON"
)]
pub struct Connections {
    /// Those that have this in their name, user, vhost or product
    #[arg(default_value = "")]
    pattern: String,
    /// As JSON: what /api/connections answers
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

impl Connections {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let broker = self.place.find()?;
        let mut found = broker.get("/api/connections", "connections", "")?;
        if let Some(connections) = found.as_array_mut() {
            connections.retain(|connection| {
                ["name", "user", "vhost", "client_properties.product", "client_properties.connection_name"]
                    .iter()
                    .any(|key| string(connection, key).contains(&self.pattern))
            });
        }
        if self.json {
            return Ok(say(&format!("{found}\n"))?);
        }
        Ok(say(&text(found.as_array().map(Vec::as_slice).unwrap_or_default()))?)
    }
}

fn text(connections: &[Value]) -> String {
    if connections.is_empty() {
        return "no connections\n".to_owned();
    }
    let columns = ["CLIENT", "USER", "VHOST", "STATE", "CHANNELS", "IN/S", "OUT/S", "PRODUCT", "NAME"];
    let mut table = Table::new(columns);
    for connection in connections {
        let text = |key: &str| json!(human::harmless(&string(connection, key)));
        let client = format!("{}:{}", string(connection, "peer_host"), number(connection, "peer_port"));
        let product =
            ["product", "version"].map(|key| string(connection, &format!("client_properties.{key}")));
        let rate = |key: &str| {
            let rate = at(connection, key).and_then(Value::as_f64).unwrap_or_default();
            json!(format!("{}", human::bytes(rate.max(0.0).round() as u64)))
        };
        table.push(vec![
            json!(client),
            text("user"),
            text("vhost"),
            text("state"),
            json!(number(connection, "channels")),
            rate("recv_oct_details.rate"),
            rate("send_oct_details.rate"),
            json!(human::harmless(product.join(" ").trim())),
            text("client_properties.connection_name"),
        ]);
    }
    table.aligned()
}

fn string(value: &Value, key: &str) -> String {
    at(value, key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn number(value: &Value, key: &str) -> u64 {
    at(value, key).and_then(Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_of_themselves_does_nothing_to_the_terminal() {
        let connection = json!({
            "peer_host": "127.0.0.1", "peer_port": 4, "user": "guest", "vhost": "/", "state": "running", "channels": 2,
            "recv_oct_details": { "rate": 2048.0 }, "client_properties": { "product": "pika\u{1b}c", "version": "1.3" },
        });
        let shown = text(&[connection]);
        let line = shown.lines().nth(1).unwrap();
        let cells: Vec<&str> = line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect();
        assert_eq!(
            cells,
            ["127.0.0.1:4", "guest", "/", "running", "2", "2.0 KiB", "0 B", "pika\\u{1b}c 1.3"]
        );
        assert_eq!(text(&[]), "no connections\n");
    }
}
