//! The columns of the Rust program's lists: what it calls them, and where the API has them.

use serde_json::Value;

use super::super::super::table::at;

/// How a value is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Texts as they are, lists with commas.
    Plain,
    /// An object's fields, and a list's items, one a line.
    Lines,
}

/// A column: its title, the API's name, and how it is shown.
pub type Column = (&'static str, &'static str, Shown);

const fn plain(name: &'static str) -> Column {
    (name, name, Shown::Plain)
}

const fn named(title: &'static str, name: &'static str) -> Column {
    (title, name, Shown::Plain)
}

const fn lines(title: &'static str, name: &'static str) -> Column {
    (title, name, Shown::Lines)
}

const ARGUMENTS: Column = lines("arguments", "arguments");

pub const QUEUES: &[Column] = &[
    plain("name"),
    plain("vhost"),
    named("queue_type", "type"),
    plain("durable"),
    plain("auto_delete"),
    plain("exclusive"),
    ARGUMENTS,
    plain("node"),
    plain("state"),
    plain("leader"),
    plain("members"),
    plain("online"),
    plain("memory"),
    named("consumer_count", "consumers"),
    plain("consumer_utilisation"),
    plain("policy"),
    plain("operator_policy"),
    plain("message_bytes"),
    named("message_count", "messages"),
    named("unacknowledged_message_count", "messages_unacknowledged"),
];

pub const EXCHANGES: &[Column] = &[
    plain("name"),
    plain("vhost"),
    named("exchange_type", "type"),
    plain("durable"),
    plain("auto_delete"),
    ARGUMENTS,
];

pub const BINDINGS: &[Column] = &[
    plain("vhost"),
    plain("source"),
    plain("destination"),
    plain("destination_type"),
    plain("routing_key"),
    ARGUMENTS,
    plain("properties_key"),
];

pub const MESSAGES: &[Column] = &[
    plain("payload_bytes"),
    plain("redelivered"),
    plain("exchange"),
    plain("routing_key"),
    plain("message_count"),
    lines("properties", "properties"),
    plain("payload"),
    plain("payload_encoding"),
];

pub const PERMISSIONS: &[Column] =
    &[plain("user"), plain("vhost"), plain("configure"), plain("read"), plain("write")];

pub const USERS: &[Column] = &[plain("name"), plain("tags"), plain("password_hash")];

pub const VHOSTS: &[Column] = &[
    plain("name"),
    plain("tags"),
    plain("description"),
    plain("default_queue_type"),
    plain("protected_from_deletion"),
];

pub const POLICIES: &[Column] = &[
    plain("name"),
    plain("vhost"),
    plain("pattern"),
    named("apply_to", "apply-to"),
    plain("priority"),
    lines("definition", "definition"),
];

pub const VHOST_LIMITS: &[Column] = &[plain("vhost"), lines("limits", "value")];

pub const USER_LIMITS: &[Column] = &[named("username", "user"), lines("limits", "value")];

pub const PARAMETERS: &[Column] =
    &[plain("name"), plain("vhost"), plain("component"), lines("value", "value")];

pub const GLOBAL_PARAMETERS: &[Column] = &[plain("name"), plain("value")];

pub const NODES: &[Column] = &[
    plain("name"),
    plain("uptime"),
    plain("run_queue"),
    plain("processors"),
    plain("os_pid"),
    plain("fd_total"),
    named("total_erlang_processes", "proc_total"),
    named("memory_high_watermark", "mem_limit"),
    named("has_memory_alarm_in_effect", "mem_alarm"),
    named("free_disk_space_low_watermark", "disk_free_limit"),
    named("has_free_disk_space_alarm_in_effect", "disk_free_alarm"),
    plain("rates_mode"),
    lines("enabled_plugins", "enabled_plugins"),
    plain("being_drained"),
    plain("rabbitmq_version"),
    plain("erlang_version"),
    plain("erlang_full_version"),
    plain("crypto_lib_version"),
];

pub const CONNECTIONS: &[Column] = &[
    plain("name"),
    plain("node"),
    plain("state"),
    plain("protocol"),
    named("username", "user"),
    plain("connected_at"),
    named("server_hostname", "host"),
    named("server_port", "port"),
    named("client_hostname", "peer_host"),
    named("client_port", "peer_port"),
    plain("channel_max"),
    named("channel_count", "channels"),
];

pub const CHANNELS: &[Column] = &[
    named("id", "number"),
    plain("name"),
    plain("vhost"),
    plain("state"),
    plain("consumer_count"),
    named("has_publisher_confirms_enabled", "confirm"),
    plain("prefetch_count"),
    plain("messages_unacknowledged"),
    plain("messages_unconfirmed"),
];

pub const CONSUMERS: &[Column] = &[
    named("vhost", "queue.vhost"),
    named("queue", "queue.name"),
    plain("consumer_tag"),
    named("manual_ack", "ack_required"),
    plain("prefetch_count"),
    plain("active"),
    plain("exclusive"),
    ARGUMENTS,
    named("delivery_ack_timeout", "consumer_timeout"),
];

pub const FEATURE_FLAGS: &[Column] = &[
    plain("name"),
    plain("state"),
    named("description", "desc"),
    plain("doc_url"),
    plain("stability"),
    plain("provided_by"),
];

pub const DEPRECATED: &[Column] = &[
    plain("name"),
    named("description", "desc"),
    plain("deprecation_phase"),
    plain("doc_url"),
    plain("provided_by"),
    plain("state"),
];

/// Titles and rows of objects. `wanted` names columns, with commas: by their titles, or by the API's names.
pub fn rows(objects: &[Value], known: &[Column], wanted: Option<&str>) -> (Vec<String>, Vec<Vec<String>>) {
    let chosen: Vec<(&str, &str, Shown)> = match wanted {
        None => known.to_vec(),
        Some(wanted) => wanted.split(',').map(str::trim).map(|name| chosen(name, known)).collect(),
    };
    let row = |object: &Value| {
        chosen
            .iter()
            .map(|(_, name, shown)| at(object, name).map_or_else(String::new, |value| text(value, *shown)))
            .collect()
    };
    (chosen.iter().map(|(title, ..)| (*title).to_owned()).collect(), objects.iter().map(row).collect())
}

fn chosen<'a>(name: &'a str, known: &[Column]) -> (&'a str, &'a str, Shown) {
    let column = known.iter().find(|(title, ..)| *title == name);
    column.map_or((name, name, Shown::Plain), |(_, api, shown)| (name, *api, *shown))
}

fn text(value: &Value, shown: Shown) -> String {
    match (value, shown) {
        (Value::Null, _) => String::new(),
        (Value::String(text), _) => text.clone(),
        (Value::Number(number), _) if number.as_f64() == Some(0.0) => "0".to_owned(),
        (Value::Object(fields), Shown::Lines) => {
            fields.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
        }
        (Value::Array(items), Shown::Lines) => {
            items.iter().map(|item| format!("* {}", text(item, Shown::Plain))).collect::<Vec<_>>().join("\n")
        }
        (Value::Array(items), Shown::Plain) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        (other, _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_have_titles_of_their_own() {
        let queue = json!({"name": "q", "type": "classic", "messages": 3, "consumer_utilisation": 0.0, "policy": null,
            "arguments": {"a": "x", "b": 1}, "members": ["m", "n"]});
        let wanted =
            Some("name, queue_type,message_count,messages,arguments,members,policy,consumer_utilisation");
        let (titles, rows) = rows(&[queue], QUEUES, wanted);
        assert_eq!(
            titles.join(" "),
            "name queue_type message_count messages arguments members policy consumer_utilisation"
        );
        assert_eq!(rows, [["q", "classic", "3", "3", "a: \"x\"\nb: 1", "m, n", "", "0"]]);
        assert_eq!(text(&json!(["a", "b"]), Shown::Lines), "* a\n* b");
        assert_eq!(text(&json!([1]), Shown::Plain), "[1]");
    }
}
