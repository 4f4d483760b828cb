//! What the broker is like at a moment.

use std::time::Duration;

use serde_json::Value;

use crate::cli::native::queue_row::QueueRow;
use crate::cli::table::at;

/// What the broker is like at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The node's name.
    pub node: String,
    /// How long it runs; what a node says is not known to everybody.
    pub uptime: Option<Duration>,
    /// Bytes of memory that are used, and the limit; 0: none.
    pub memory: Option<(u64, u64)>,
    /// What blocks publishers.
    pub alarms: Vec<&'static str>,
    /// Connections.
    pub connections: u64,
    /// Channels.
    pub channels: u64,
    /// Consumers.
    pub consumers: u64,
    /// Ready messages in all queues.
    pub ready: u64,
    /// Unacked messages in all queues.
    pub unacked: u64,
    /// Messages published, a second.
    pub in_rate: f64,
    /// Messages delivered, a second.
    pub out_rate: f64,
    /// The queues.
    pub queues: Vec<QueueRow>,
    /// Why this is not how it is now.
    pub problem: Option<String>,
}

impl Snapshot {
    /// Of what the API answers.
    pub fn of(overview: &Value, node: Option<&Value>, queues: &Value) -> Self {
        let total = |key: &str| at(overview, key).and_then(Value::as_u64).unwrap_or_default();
        let rate = |key: &str| at(overview, key).and_then(Value::as_f64).unwrap_or_default();
        let number = |key: &str| node.and_then(|node| node.get(key)).and_then(Value::as_u64);
        let is_set = |key: &str| node.and_then(|node| node.get(key)) == Some(&Value::Bool(true));
        let alarms = [("mem_alarm", "memory"), ("disk_free_alarm", "disk")];
        Self {
            node: at(overview, "node").and_then(Value::as_str).unwrap_or_default().to_owned(),
            uptime: number("uptime").map(Duration::from_millis),
            memory: number("mem_used").map(|used| (used, number("mem_limit").unwrap_or_default())),
            alarms: alarms.into_iter().filter(|(key, _)| is_set(key)).map(|(_, name)| name).collect(),
            connections: total("object_totals.connections"),
            channels: total("object_totals.channels"),
            consumers: total("object_totals.consumers"),
            ready: total("queue_totals.messages_ready"),
            unacked: total("queue_totals.messages_unacknowledged"),
            in_rate: rate("message_stats.publish_details.rate"),
            out_rate: rate("message_stats.deliver_get_details.rate"),
            queues: QueueRow::all_of(queues),
            problem: None,
        }
    }
}
