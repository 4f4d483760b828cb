//! Values of the management API's JSON, in the words of RabbitMQ's command line.

use serde_json::{Value, json};

/// Nothing.
const NULL: &Value = &Value::Null;

/// Fields of a JSON object by their names. What is no object has none.
pub trait Fields {
    /// The value; null where there is none.
    fn at(&self, key: &str) -> &Value;

    /// The value, which is null then.
    fn pull(&mut self, key: &str) -> Value;

    /// Sets the value.
    fn put(&mut self, key: &str, value: impl Into<Value>);

    /// Calls a field by another name.
    fn rename(&mut self, from: &str, to: &str);
}

impl Fields for Value {
    fn at(&self, key: &str) -> &Value {
        self.get(key).unwrap_or(NULL)
    }

    fn pull(&mut self, key: &str) -> Value {
        self.get_mut(key).map(Value::take).unwrap_or_default()
    }

    fn rename(&mut self, from: &str, to: &str) {
        let value = self.pull(from);
        self.put(to, value);
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(fields) = self.as_object_mut() {
            fields.insert(key.to_owned(), value.into());
        }
    }
}

/// A text of an object; empty where there is none.
pub fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A number of an object; 0 where there is none.
pub fn number(object: &Value, key: &str) -> u64 {
    object.get(key).and_then(Value::as_u64).unwrap_or_default()
}

/// The items of a list.
pub fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// An AMQP table: in JSON a list of name, type and value, as RabbitMQ's tools write it; for people as it is.
pub fn arguments(table: &Value, is_json: bool) -> Value {
    if !is_json {
        return table.clone();
    }
    let fields = table.as_object().into_iter().flatten();
    fields.map(|(name, value)| json!([name, type_of(value), value])).collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Number(number) if number.is_f64() => "double",
        Value::Number(number) if number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => {
            "signedint"
        }
        Value::Number(_) => "long",
        Value::Bool(_) => "bool",
        Value::Array(_) => "array",
        Value::Object(_) => "table",
        Value::String(_) => "longstr",
        Value::Null => "void",
    }
}

/// A channel, or the connection itself at 0, as a process identifier: a word that names it.
pub fn process(node: &str, peer_host: &str, peer_port: u64, channel: u64) -> String {
    format!("<{node}.{peer_host}:{peer_port}.{channel}>")
}
