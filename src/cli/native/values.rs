//! Values on command lines: `key=text`, `key:=JSON`, durations.

use std::time::Duration;

use serde_json::{Map, Value};

/// `30s`, `1m30s`, `250ms`; a number alone counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(seconds.into()));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error} (30s and 1m30s are durations)"))
}

/// A key and its value: `k=text` is a text, `k:=JSON` any value.
pub fn pair(text: &str) -> Result<(String, Value), String> {
    let equals = text.find('=').ok_or("needs KEY=TEXT, or KEY:=JSON for numbers and others")?;
    let (key, value) = (text.get(..equals).unwrap_or_default(), text.get(equals + 1..).unwrap_or_default());
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => {
            let parsed = serde_json::from_str(value);
            (key, parsed.map_err(|error| format!("what is behind := is no JSON: {error}"))?)
        }
        None => (key, Value::from(value)),
    };
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value)) }
}

/// Pairs as an object.
pub fn object(pairs: &[(String, Value)]) -> Map<String, Value> {
    pairs.iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_are_seconds_if_nothing_else_is_said() {
        assert_eq!(duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert!(duration("soon").unwrap_err().contains("30s"));
    }

    #[test]
    fn a_pair_is_a_text_or_json() {
        for (text, key, value) in [
            ("a=1", "a", json!("1")),
            ("a:=1", "a", json!(1)),
            ("a:={\"b\":[true]}", "a", json!({ "b": [true] })),
            ("a==b=c", "a", json!("=b=c")),
            ("a=", "a", json!("")),
        ] {
            assert_eq!(pair(text), Ok((key.to_owned(), value)), "{text}");
        }
        for wrong in ["a", "=1", ":=1", "a:=x"] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
