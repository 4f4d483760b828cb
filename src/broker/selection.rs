//! Which messages of a queue somebody means: by their positions, or by what they are like.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::message::{Message, Position};
use crate::protocol::content::Properties;
use crate::protocol::table::{FieldValue, Table};
use crate::time::Timestamp;

/// Messages that somebody means: all conditions have to hold. Without any all messages are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// At one of these positions.
    pub positions: Option<BTreeSet<Position>>,
    /// Headers with these values, written as text: numbers in decimal, booleans `true` and `false`.
    pub headers: Vec<(String, String)>,
    /// Properties with these values, written as text, under the names of the specification (`message_id`, `type`, ..).
    pub properties: Vec<(String, String)>,
    /// The body has this text in it.
    pub body: Option<String>,
    /// The body is JSON, and has this value at this path, whose steps are keys or indices with dots between them.
    pub json: Vec<(String, Value)>,
    /// It died last for this reason, in the words of `x-death`.
    pub reason: Option<String>,
    /// It died last, or was made (`timestamp`), before this time. A message that tells neither is not meant.
    pub before: Option<Timestamp>,
}

impl Selection {
    /// Whether a message is meant.
    #[must_use]
    pub fn covers(&self, position: Position, message: &Message) -> bool {
        if self.positions.as_ref().is_some_and(|wanted| !wanted.contains(&position)) {
            return false;
        }
        let Ok(properties) = Properties::parse(message.properties()) else { return self.is_everything() };
        self.covers_properties(&properties) && self.covers_body(message.body())
    }

    fn is_everything(&self) -> bool {
        *self == Self { positions: self.positions.clone(), ..Self::default() }
    }

    fn covers_properties(&self, properties: &Properties<'_>) -> bool {
        let headers = properties.headers();
        let header = |name: &str| headers.as_ref().and_then(|headers| headers.get(name.as_bytes()));
        self.headers.iter().all(|(name, wanted)| header(name).is_some_and(|value| text(value) == *wanted))
            && self
                .properties
                .iter()
                .all(|(name, wanted)| property(properties, name).as_ref() == Some(wanted))
            && self.reason.as_ref().is_none_or(|wanted| {
                header("x-last-death-reason").or_else(|| header("x-first-death-reason")).map(text).as_ref()
                    == Some(wanted)
            })
            && self.before.is_none_or(|before| {
                let died_s = headers.as_ref().and_then(last_death_s);
                let since_s = died_s.or_else(|| properties.timestamp());
                since_s.is_some_and(|since_s| since_s.saturating_mul(1000) < before.as_millis())
            })
    }

    fn covers_body(&self, body: &[u8]) -> bool {
        if self.body.as_ref().is_some_and(|wanted| !contains(body, wanted.as_bytes())) {
            return false;
        }
        if self.json.is_empty() {
            return true;
        }
        let Ok(value) = serde_json::from_slice::<Value>(body) else { return false };
        self.json.iter().all(|(path, wanted)| at_path(&value, path) == Some(wanted))
    }
}

fn contains(body: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || body.windows(wanted.len()).any(|window| window == wanted)
}

fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, step| match value {
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        value => value.get(step),
    })
}

fn property(properties: &Properties<'_>, name: &str) -> Option<String> {
    let bytes = match name {
        "content_type" => properties.content_type(),
        "content_encoding" => properties.content_encoding(),
        "correlation_id" => properties.correlation_id(),
        "reply_to" => properties.reply_to(),
        "expiration" => properties.expiration(),
        "message_id" => properties.message_id(),
        "type" => properties.kind(),
        "user_id" => properties.user_id(),
        "app_id" => properties.app_id(),
        "cluster_id" => properties.cluster_id(),
        "delivery_mode" => return properties.delivery_mode().map(|mode| mode.to_string()),
        "priority" => return properties.priority().map(|priority| priority.to_string()),
        "timestamp" => return properties.timestamp().map(|timestamp| timestamp.to_string()),
        _ => None,
    };
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Seconds since the Unix epoch.
fn last_death_s(headers: &Table<'_>) -> Option<u64> {
    match last_death(headers)?.get(b"time")? {
        FieldValue::Timestamp(seconds) => Some(seconds),
        _ => None,
    }
}

/// The newest entry of `x-death`.
#[must_use]
pub fn last_death<'a>(headers: &Table<'a>) -> Option<Table<'a>> {
    deaths(headers).into_iter().next()
}

/// The oldest entry of `x-death`: where the message was first.
#[must_use]
pub fn first_death<'a>(headers: &Table<'a>) -> Option<Table<'a>> {
    deaths(headers).pop()
}

fn deaths<'a>(headers: &Table<'a>) -> Vec<Table<'a>> {
    let Some(FieldValue::Array(deaths)) = headers.get(b"x-death") else { return Vec::new() };
    let tables = deaths.iter().filter_map(|death| match death {
        FieldValue::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

/// A header's value as text; tables and arrays have none.
fn text(value: FieldValue<'_>) -> String {
    if let Some(number) = value.as_i64() {
        return number.to_string();
    }
    match value {
        FieldValue::Bool(value) => value.to_string(),
        FieldValue::F32(value) => value.to_string(),
        FieldValue::F64(value) => value.to_string(),
        FieldValue::LongString(bytes) | FieldValue::Bytes(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        FieldValue::Timestamp(seconds) => seconds.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use amq_protocol::protocol::basic::AMQPProperties;
    use amq_protocol::types::{AMQPValue, FieldTable};
    use serde_json::json;

    use super::*;
    use crate::message::Parts;
    use crate::protocol::encode;

    fn message(body: &[u8]) -> Message {
        let mut headers = FieldTable::default();
        headers.insert("n".into(), AMQPValue::LongInt(7));
        headers.insert("x-last-death-reason".into(), AMQPValue::LongString("rejected".into()));
        let properties = AMQPProperties::default()
            .with_headers(headers)
            .with_message_id("m1".into())
            .with_priority(3)
            .with_timestamp(1000);
        Message::new(Parts { properties: &encode::properties(&properties), body, ..Parts::default() })
    }

    #[test]
    fn all_conditions_have_to_hold() {
        let message = message(br#"{"a":{"b":[1,{"c":"x"}]}}"#);
        let one = |change: fn(&mut Selection)| {
            let mut selection = Selection::default();
            change(&mut selection);
            selection.covers(Position(5), &message)
        };
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        assert!(one(|_| {}));
        assert!(
            one(|s| s.positions = Some([Position(5)].into()))
                && !one(|s| s.positions = Some([Position(6)].into()))
        );
        assert!(Selection { headers: pair("n", "7"), ..Selection::default() }.covers(Position(1), &message));
        assert!(!Selection { headers: pair("n", "8"), ..Selection::default() }.covers(Position(1), &message));
        for (name, value, expected) in
            [("message_id", "m1", true), ("priority", "3", true), ("nope", "", false)]
        {
            let selection = Selection { properties: pair(name, value), ..Selection::default() };
            assert_eq!(selection.covers(Position(1), &message), expected, "{name}");
        }
        assert!(one(|s| s.body = Some("\"c\"".to_owned())) && !one(|s| s.body = Some("zz".to_owned())));
        assert!(one(|s| s.json = vec![("a.b.1.c".to_owned(), json!("x"))]));
        assert!(!one(|s| s.json = vec![("a.b.0".to_owned(), json!("1"))]));
        assert!(
            one(|s| s.reason = Some("rejected".to_owned()))
                && !one(|s| s.reason = Some("expired".to_owned()))
        );
        assert!(one(|s| s.before = Some(Timestamp::from_millis(1_000_001))));
        assert!(!one(|s| s.before = Some(Timestamp::from_millis(1_000_000))));
    }

    #[test]
    fn a_body_that_is_no_json_has_no_path() {
        let selection = Selection { json: vec![("a".to_owned(), json!(1))], ..Selection::default() };
        assert!(!selection.covers(Position(1), &message(b"not json")));
        assert!(Selection::default().covers(Position(1), &message(b"\xff")));
    }
}
