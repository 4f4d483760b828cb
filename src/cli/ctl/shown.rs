//! What several commands show: where the broker listens, and its alarms.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::fields::{Fields, number, text};

/// Where the broker listens, in the words of RabbitMQ's tools.
pub fn listeners(overview: &Value) -> Vec<Value> {
    let listed = overview.at("listeners").as_array().cloned().unwrap_or_default();
    let described = listed.into_iter().map(|listener| {
        let address = text(&listener, "ip_address");
        let interface = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        let protocol = text(&listener, "protocol");
        json!({
            "node": listener.at("node"), "protocol": protocol, "interface": interface, "port": listener.at("port"),
            "purpose": purpose(protocol),
        })
    });
    described.collect()
}

fn purpose(protocol: &str) -> &str {
    match protocol {
        "amqp" => "AMQP 0-9-1",
        "amqp/ssl" => "AMQP 0-9-1 over TLS",
        "http" => "HTTP API",
        "https" => "HTTP API over TLS",
        "http/prometheus" => "Prometheus exporter API over HTTP",
        "https/prometheus" => "Prometheus exporter API over TLS",
        other => other,
    }
}

/// A line for each.
pub fn listener_lines(listeners: &[Value]) -> String {
    listeners.iter().fold(String::new(), |mut lines, listener| {
        let (interface, protocol) = (text(listener, "interface"), text(listener, "protocol"));
        let (port, purpose) = (number(listener, "port"), text(listener, "purpose"));
        let _ =
            writeln!(lines, "Interface: {interface}, port: {port}, protocol: {protocol}, purpose: {purpose}");
        lines
    })
}

/// Those that are raised on a node.
pub fn alarms(node: &Value) -> Vec<Value> {
    let name = text(node, "name");
    let raised = [("mem_alarm", "memory"), ("disk_free_alarm", "disk")];
    let raised = raised.into_iter().filter(|(key, _)| *node.at(key) == true);
    raised
        .map(|(_, resource)| json!({ "type": "resource_limit", "resource": resource, "node": name }))
        .collect()
}
