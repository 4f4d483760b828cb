//! Requests by the test exchange: each is one to the management API about the client's own world, and so is its answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

use crate::broker::api_hook::{ApiAnswer, ApiRequest};
use crate::broker::names::percent_encoded;
use crate::broker::operations::{self, Caller, NewMessage, Scope};
use crate::broker::properties_json;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::message::Message;
use crate::protocol::content::Properties;

/// A routing key: the method, the path below that of the world, and the names by which headers are known there.
struct Known {
    key: &'static str,
    method: &'static str,
    path: &'static str,
}

/// What can be asked for.
const KNOWN: [Known; 13] = [
    Known { key: "world", method: "GET", path: "" },
    Known { key: "clock", method: "GET", path: "/clock" },
    Known { key: "clock.advance", method: "POST", path: "/clock" },
    Known { key: "counts", method: "GET", path: "/counts" },
    Known { key: "wait", method: "GET", path: "/wait" },
    Known { key: "faults", method: "GET", path: "/faults" },
    Known { key: "faults.add", method: "POST", path: "/faults" },
    Known { key: "faults.get", method: "GET", path: "/faults/{id}" },
    Known { key: "faults.remove", method: "DELETE", path: "/faults/{id}" },
    Known { key: "faults.clear", method: "DELETE", path: "/faults" },
    Known { key: "lint", method: "GET", path: "/lint" },
    Known { key: "restart", method: "POST", path: "/restart" },
    Known { key: "snapshots.take", method: "POST", path: "/snapshots/{id}" },
];

/// Serves a request, and answers where it says, if it does.
pub(super) async fn serve(shared: Arc<Shared>, vhost: Arc<Vhost>, message: Message) {
    let Ok(properties) = Properties::parse(message.properties()) else { return };
    let key = String::from_utf8_lossy(message.routing_key()).into_owned();
    let headers = match properties_json::write(&message).remove("headers") {
        Some(Value::Object(headers)) => headers,
        _ => Map::new(),
    };
    let answer = match request(&vhost.name, &key, headers, message.body()) {
        Ok(request) => shared.api.ask(request).await,
        Err(reason) => {
            let body = json!({ "error": "bad_request", "reason": reason }).to_string().into_bytes();
            ApiAnswer { status: 400, body }
        }
    };
    let Some(reply_to) = properties.reply_to() else { return };
    let correlation_id = properties.correlation_id().map(String::from_utf8_lossy);
    let scope = Scope { shared: &shared, vhost: &vhost, caller: Caller::Operator };
    let reply_to = String::from_utf8_lossy(reply_to);
    // Nobody may wait for it any more.
    let _ = operations::publish(scope, reply(&reply_to, correlation_id.as_deref(), &answer)).await;
}

fn reply<'a>(reply_to: &'a str, correlation_id: Option<&str>, answer: &'a ApiAnswer) -> NewMessage<'a> {
    let mut headers = FieldTable::default();
    headers.insert("status".into(), AMQPValue::ShortInt(answer.status.cast_signed()));
    let mut properties =
        AMQPProperties::default().with_content_type("application/json".into()).with_headers(headers);
    if let Some(id) = correlation_id {
        properties = properties.with_correlation_id(id.into());
    }
    NewMessage { exchange: "", routing_key: reply_to, properties, body: &answer.body }
}

/// What a message asks for: headers are the query of a GET, and what a body would say that is not there.
fn request(vhost: &str, key: &str, headers: Map<String, Value>, body: &[u8]) -> Result<ApiRequest, String> {
    let known = KNOWN.iter().find(|known| known.key == key).ok_or_else(|| {
        let keys: Vec<&str> = KNOWN.iter().map(|known| known.key).collect();
        format!("there is no request '{key}': expected {}", keys.join(", "))
    })?;
    let mut said = headers;
    let mut path = format!("/api/coney/worlds/{}", percent_encoded(vhost));
    match known.path.strip_suffix("{id}") {
        None => path.push_str(known.path),
        Some(before) => {
            let id = said.remove("id").map(|id| text(&id)).ok_or("needs a header 'id'")?;
            path.push_str(before);
            path.push_str(&percent_encoded(&id));
        }
    }
    if known.method == "GET" {
        path.push_str(&query(&said));
        return Ok(ApiRequest { method: known.method, path, body: Vec::new() });
    }
    let body = if body.is_empty() { said_as_body(said) } else { body.to_vec() };
    Ok(ApiRequest { method: known.method, path, body })
}

fn said_as_body(said: Map<String, Value>) -> Vec<u8> {
    if said.is_empty() { Vec::new() } else { Value::Object(said).to_string().into_bytes() }
}

fn query(said: &Map<String, Value>) -> String {
    // In a fixed order, whatever the order of a table's entries.
    let said: BTreeMap<&String, &Value> = said.iter().collect();
    let mut query = String::new();
    for (key, value) in said {
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values {
            let mark = if query.is_empty() { '?' } else { '&' };
            // Writing to a string never fails.
            let _ = write!(query, "{mark}{}={}", percent_encoded(key), percent_encoded(&text(value)));
        }
    }
    query
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(entries: &[(&str, Value)]) -> Map<String, Value> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    }

    #[test]
    fn headers_are_the_query_or_the_body() {
        let said = headers(&[("queue", json!("a b")), ("acked", json!(">=3"))]);
        let asked = request("~w;x", "wait", said, b"").unwrap();
        assert_eq!(
            (asked.method, &asked.path[..]),
            ("GET", "/api/coney/worlds/%7Ew%3Bx/wait?acked=%3E%3D3&queue=a%20b")
        );
        let said = headers(&[("advance_ms", json!(5))]);
        let asked = request("w", "clock.advance", said, b"").unwrap();
        assert_eq!(
            (&asked.path[..], &asked.body[..]),
            ("/api/coney/worlds/w/clock", &br#"{"advance_ms":5}"#[..])
        );
        let asked = request("w", "faults.add", Map::new(), b"{}").unwrap();
        assert_eq!((asked.method, &asked.body[..]), ("POST", &b"{}"[..]));
        let said = headers(&[("id", json!("f/1"))]);
        assert_eq!(
            request("w", "faults.remove", said, b"").unwrap().path,
            "/api/coney/worlds/w/faults/f%2F1"
        );
        assert!(request("w", "faults.remove", Map::new(), b"").is_err());
        assert!(request("w", "what", Map::new(), b"").unwrap_err().contains("clock.advance"));
    }
}
