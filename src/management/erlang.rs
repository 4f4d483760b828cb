//! JSON values as Erlang terms: RabbitMQ's error texts have them so.

use serde_json::Value;

/// A value as an Erlang term.
pub(super) fn term(value: &Value) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(","));
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("<<\"{}\">>", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::Array(items) => list(items.iter().map(term).collect()),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                format!("{} => {}", term(&Value::String(key.clone())), term(value))
            };
            format!("#{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_erlang_does() {
        let value = json!([null, true, 1.5, "a\"b", {"k": []}]);
        assert_eq!(term(&value), r#"[null,true,1.5,<<"a\"b">>,#{<<"k">> => []}]"#);
    }
}
