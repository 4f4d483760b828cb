//! Which messages are meant.

use clap::Args;
use serde_json::{Map, Value, json};

use super::values::duration;

/// Which messages.
#[derive(Args, Clone, Debug, Default)]
pub struct Filter {
    /// Those of which this holds: body=TEXT, header.NAME=TEXT, property.NAME=TEXT, json.PATH=VALUE, reason=REASON (of a dead letter), older=TIME, id=POSITION.
    /// May be repeated: all has to hold; of several ids, one
    #[arg(short, long = "filter", value_name = "WHAT=VALUE", value_parser = condition)]
    filters: Vec<Condition>,
    /// So many at most
    #[arg(short = 'n', long)]
    limit: Option<u64>,
    /// Only tell how many there are
    #[arg(long)]
    dry_run: bool,
}

/// What has to hold of a message.
#[derive(Clone, Debug, PartialEq)]
enum Condition {
    /// A key of the filter with its value.
    Is(&'static str, Value),
    /// A key within an object of the filter.
    Has(&'static str, String, Value),
    /// A position.
    Id(u64),
}

impl Filter {
    /// The body of a request that acts on them.
    pub fn body(&self) -> Map<String, Value> {
        let (mut filter, mut ids) = (Map::new(), Vec::new());
        for condition in self.filters.iter().cloned() {
            match condition {
                Condition::Is(key, value) => drop(filter.insert(key.to_owned(), value)),
                Condition::Has(key, name, value) => {
                    let object = filter.entry(key).or_insert_with(|| Value::Object(Map::new()));
                    if let Some(object) = object.as_object_mut() {
                        object.insert(name, value);
                    }
                }
                Condition::Id(id) => ids.push(id),
            }
        }
        let mut body = Map::new();
        if !filter.is_empty() {
            body.insert("filter".to_owned(), Value::Object(filter));
        }
        if !ids.is_empty() {
            body.insert("ids".to_owned(), json!(ids));
        }
        if let Some(limit) = self.limit {
            body.insert("limit".to_owned(), json!(limit));
        }
        if self.dry_run {
            body.insert("dry_run".to_owned(), json!(true));
        }
        body
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    let (what, value) =
        text.split_once('=').ok_or("needs WHAT=VALUE, such as body=order or json.customer.id=7")?;
    let (what, name) = what.split_once('.').map_or((what, None), |(what, name)| (what, Some(name)));
    let text = Value::from(value);
    Ok(match (what, name) {
        ("body", None) => Condition::Is("body", text),
        ("reason", None) => Condition::Is("reason", text),
        ("older", None) => Condition::Is("older_than_s", json!(duration(value)?.as_secs())),
        ("id", None) => {
            let id = value.trim_start_matches('#').parse();
            Condition::Id(
                id.map_err(|_| format!("{value} is no position: the number behind # in `coney peek`"))?,
            )
        }
        ("header", Some(name)) => Condition::Has("headers", name.to_owned(), text),
        ("property", Some(name)) => Condition::Has("properties", name.to_owned(), text),
        // A number is a number; what is no JSON is a text.
        ("json", Some(name)) => {
            Condition::Has("json", name.to_owned(), serde_json::from_str(value).unwrap_or(text))
        }
        _ => {
            return Err(format!(
                "{what} is nothing that can be looked for; there are body, header.NAME, property.NAME, json.PATH, reason, older and id"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_make_the_apis_filter() {
        let texts = [
            "body=a=b",
            "header.x=1",
            "header.y=z",
            "property.message_id=m",
            "json.a.b=7",
            "json.c=d",
            "reason=rejected",
            "older=2m",
            "id=5",
            "id=#6",
        ];
        let filters = texts.iter().map(|text| condition(text).unwrap()).collect();
        let body = Filter { filters, limit: Some(3), dry_run: true }.body();
        let expected = json!({
            "filter": {
                "body": "a=b", "headers": { "x": "1", "y": "z" }, "properties": { "message_id": "m" },
                "json": { "a.b": 7, "c": "d" }, "reason": "rejected", "older_than_s": 120,
            },
            "ids": [5, 6], "limit": 3, "dry_run": true,
        });
        assert_eq!(Value::Object(body), expected);
        assert!(Filter::default().body().is_empty());
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for wrong in ["body", "bodies=x", "header=x", "older=soon", "id=x", "json=1"] {
            assert!(condition(wrong).is_err(), "{wrong}");
        }
    }
}
