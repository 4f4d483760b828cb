//! Messages as people and programs read them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::human;

/// Bytes of a payload that is no text which are shown.
const HEX_BYTES_MAX: usize = 256;
const HEX_COLUMNS: usize = 16;

/// How messages are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people: properties, headers and the payload, JSON indented, bytes as hex
    #[default]
    Pretty,
    /// A JSON object a line, as the API has it
    Json,
    /// The payload alone and a line end
    Raw,
}

/// A message of the API, in a state if that has to be said.
pub fn write(message: &Value, format: Format, state: Option<&str>) -> Vec<u8> {
    match format {
        Format::Json => format!("{message}\n").into_bytes(),
        Format::Raw => {
            let mut bytes = payload(message);
            bytes.push(b'\n');
            bytes
        }
        Format::Pretty => pretty(message, state).into_bytes(),
    }
}

/// The bytes of a message's payload.
pub fn payload(message: &Value) -> Vec<u8> {
    let text = string(message, "payload");
    if string(message, "payload_encoding") == "base64" {
        return STANDARD.decode(text).unwrap_or_default();
    }
    text.as_bytes().to_vec()
}

fn pretty(message: &Value, state: Option<&str>) -> String {
    let mut text = head(message, state);
    let mut line = |indent: usize, key: &str, value: &str| {
        let line = format!("{:indent$}{}: {}", "", human::harmless(key), human::harmless(value));
        text.push_str(line.trim_end());
        text.push('\n');
    };
    for (key, value) in fields(message, "properties").filter(|(key, _)| *key != "headers") {
        line(2, key, &shown(value));
    }
    let headers =
        message.get("properties").map_or_else(Vec::new, |properties| fields(properties, "headers").collect());
    if !headers.is_empty() {
        line(2, "headers", "");
    }
    for (key, value) in headers {
        line(4, key, &shown(value));
    }
    if let Some(holder) = message.get("holder") {
        let name = holder.get("connection_name").and_then(Value::as_str).unwrap_or("the broker itself");
        let tag = string(holder, "consumer_tag");
        let tag = if tag.is_empty() { String::new() } else { format!(", consumer {tag}") };
        line(2, "held by", &format!("{name}{tag}, since {}", string(holder, "since")));
    }
    if let Some(attempts) = message.get("attempts") {
        let number = |key: &str| attempts.get(key).and_then(Value::as_u64).unwrap_or_default();
        let error = string(attempts, "last_error");
        let error = if error.is_empty() { String::new() } else { format!(", last error: {error}") };
        line(2, "attempts", &format!("{} ({} count){error}", number("deliveries"), number("counted")));
    }
    text.push_str(&body(message));
    text.push('\n');
    text
}

/// `#42 ready, redelivered, 5 B, to the default exchange with key q`.
fn head(message: &Value, state: Option<&str>) -> String {
    let mut head = format!("#{}", message.get("id").and_then(Value::as_u64).unwrap_or_default());
    if let Some(state) = state {
        let _ = write!(head, " {state}");
    }
    if message.get("redelivered") == Some(&Value::Bool(true)) {
        head += ", redelivered";
    }
    if let Some(bytes) = message.get("payload_bytes").and_then(Value::as_u64) {
        let _ = write!(head, ", {}", human::bytes(bytes));
    }
    if message.get("exchange").is_some() {
        let exchange = match string(message, "exchange") {
            "" => "the default exchange".to_owned(),
            exchange => format!("exchange {}", human::harmless(exchange)),
        };
        let _ = write!(head, ", to {exchange} with key {}", human::harmless(string(message, "routing_key")));
    }
    for (key, what) in [("due_at", "due"), ("expires_at", "expires")] {
        match string(message, key) {
            "" => {}
            at => {
                let _ = write!(head, ", {what} {at}");
            }
        }
    }
    head + "\n"
}

fn body(message: &Value) -> String {
    if message.get("in_memory") == Some(&Value::Bool(false)) {
        return "  (on disk: what it is like is not shown without taking it)\n".to_owned();
    }
    let bytes = payload(message);
    let is_whole =
        message.get("payload_bytes").and_then(Value::as_u64).is_none_or(|whole| whole == bytes.len() as u64);
    let Ok(text) = std::str::from_utf8(&bytes) else { return hex(&bytes) };
    let is_json = text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok();
    let indented = if is_json { indented(text) } else { text.to_owned() };
    let lines = human::harmless_lines(&indented);
    let mut shown: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    if !is_whole {
        shown += "  .. (there is more of it)\n";
    }
    shown
}

/// JSON, a member a line; numbers, texts and the order of keys are as they were written.
fn indented(json: &str) -> String {
    let (mut text, mut depth, mut is_text, mut is_escaped) = (String::new(), 0_usize, false, false);
    let mut characters = json.chars().peekable();
    while let Some(c) = characters.next() {
        if is_text {
            text.push(c);
            is_text = is_escaped || c != '"';
            is_escaped = c == '\\' && !is_escaped;
            continue;
        }
        match c {
            '{' | '[' => {
                text.push(c);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                // Nothing in it stays on the line.
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                is_text = c == '"';
                text.push(c);
            }
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    let some = bytes.get(..HEX_BYTES_MAX).unwrap_or(bytes);
    for (number, row) in some.chunks(HEX_COLUMNS).enumerate() {
        let digits: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
        let seen: String =
            row.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        let width = 3 * HEX_COLUMNS;
        let _ = writeln!(text, "  {:06x}  {digits:<width$} {seen}", number * HEX_COLUMNS);
    }
    if some.len() < bytes.len() {
        let _ = writeln!(text, "  .. {} more", human::bytes((bytes.len() - some.len()) as u64));
    }
    text
}

fn fields<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let fields = value.get(key).and_then(Value::as_object);
    fields.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> Value {
        json!({
            "id": 42, "redelivered": true, "exchange": "", "routing_key": "q", "payload_bytes": 7,
            "properties": { "content_type": "application/json", "headers": { "n": 1, "t": "x\u{1b}" } },
            "payload": r#"{"a":1}"#, "payload_encoding": "string",
        })
    }

    #[test]
    fn people_see_properties_headers_and_json() {
        let expected = "#42 ready, redelivered, 7 B, to the default exchange with key q\n  \
            content_type: application/json\n  headers:\n    n: 1\n    t: x\\u{1b}\n  {\n    \"a\": 1\n  }\n\n";
        assert_eq!(String::from_utf8(write(&message(), Format::Pretty, Some("ready"))).unwrap(), expected);
    }

    #[test]
    fn programs_get_the_payload_as_it_is() {
        let mut binary = message();
        binary["payload"] = json!("/wA=");
        binary["payload_encoding"] = json!("base64");
        assert_eq!(write(&binary, Format::Raw, None), b"\xff\x00\n");
        assert_eq!(write(&message(), Format::Raw, None), b"{\"a\":1}\n");
        let line = write(&message(), Format::Json, None);
        assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), message());
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    }

    #[test]
    fn json_is_indented_and_otherwise_as_it_was() {
        let json = r#" { "b" : 1.50, "a":[ ], "t":"  x\\\"{,:} y", "l":[1,{"k":null}], "e":{} } "#;
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [],\n  \"t\": \"  x\\\\\\\"{,:} y\",\n  \"l\": [\n    1,\n    {\n      \"k\": null\n    }\n  ],\n  \"e\": {}\n}";
        assert_eq!(indented(json.trim()), expected);
        let value: Value = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&indented(json.trim())).unwrap(), value);
        let again = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(indented(&value.to_string()), again, "as serde_json does it");
    }

    #[test]
    fn what_is_no_text_or_not_there_is_told() {
        let hexed = hex(&[0x41; 300]);
        assert!(hexed.starts_with("  000000  41 41 ") && hexed.ends_with("  .. 44 B more\n"), "{hexed}");
        let mut spilled = message();
        spilled["in_memory"] = json!(false);
        assert!(body(&spilled).contains("on disk"));
        let mut cut = message();
        cut["payload_bytes"] = json!(100);
        assert!(body(&cut).ends_with("(there is more of it)\n"));
    }

    #[test]
    fn who_has_it_and_how_often_it_failed_are_told() {
        let mut held = message();
        held["holder"] =
            json!({ "connection_name": "a -> b", "channel": 1, "consumer_tag": "ct", "since": "now" });
        held["attempts"] = json!({ "deliveries": 3, "counted": 2, "last_error": "boom" });
        let text = pretty(&held, Some("unacked"));
        assert!(text.contains("  held by: a -> b, consumer ct, since now\n"), "{text}");
        assert!(text.contains("  attempts: 3 (2 count), last error: boom\n"), "{text}");
    }
}
