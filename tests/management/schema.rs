//! What of JSON Schema the API's document uses, checked strictly: a field that no schema names is a fault, too, where a schema names any.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// An OpenAPI document.
pub struct Document(pub Value);

impl Document {
    /// An operation of a path.
    pub fn operations(&self) -> impl Iterator<Item = (&String, &String, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        })
    }

    /// What a reference stands for, or the thing itself.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        self.0.pointer(pointer).unwrap_or_else(|| panic!("nothing at {reference}"))
    }

    /// What is wrong with a value, a line each.
    pub fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(schema, value, "", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        self.check_rules(schema, value, at, faults);
        let mut known = BTreeSet::new();
        if let Some(fields) = value.as_object()
            && self.names_all(schema, &mut known)
            && !known.is_empty()
        {
            let unknown = fields.keys().filter(|key| !known.contains(key.as_str()));
            faults.extend(unknown.map(|key| format!("{at}/{key}: not in the schema")));
        }
    }

    /// The fields that a schema names; `false` if there may be others.
    fn names_all<'a>(&'a self, schema: &'a Value, known: &mut BTreeSet<&'a str>) -> bool {
        let schema = self.resolve(schema);
        let is_open = schema.get("additionalProperties").is_some_and(|more| more != false)
            || ["anyOf", "oneOf"].iter().any(|choice| schema.get(*choice).is_some());
        let properties = schema["properties"].as_object();
        known.extend(properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)));
        let parts = schema["allOf"].as_array().into_iter().flatten();
        { parts }.fold(!is_open, |all, part| self.names_all(part, known) && all)
    }

    fn check_rules(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().expect("a schema") {
            match keyword.as_str() {
                "description" | "additionalProperties" if rule.is_string() || rule.is_boolean() => {}
                "$ref" => self.check_rules(self.resolve(schema), value, at, faults),
                "allOf" => list(rule).iter().for_each(|part| self.check_rules(part, value, at, faults)),
                "anyOf" | "oneOf" => self.check_choice(list(rule), keyword == "oneOf", value, at, faults),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{at}/{index}"), faults);
                    }
                }
                "properties" => self.check_fields(rule, value, at, faults),
                "additionalProperties" => {
                    let named = schema["properties"].as_object();
                    let is_other = |key: &String| named.is_none_or(|named| !named.contains_key(key));
                    let others = value.as_object().into_iter().flatten().filter(|(key, _)| is_other(key));
                    others.for_each(|(key, value)| self.check(rule, value, &format!("{at}/{key}"), faults));
                }
                _ if holds(keyword, rule, value) => {}
                _ => faults.push(format!("{at}: {value} is not as {keyword} {rule} says")),
            }
        }
    }

    fn check_fields(&self, properties: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let none = Map::new();
        let fields = value.as_object().unwrap_or(&none);
        for (key, schema) in properties.as_object().expect("properties") {
            if let Some(value) = fields.get(key) {
                self.check(schema, value, &format!("{at}/{key}"), faults);
            }
        }
    }

    /// If none is right, what is wrong with the nearest.
    fn check_choice(
        &self,
        choices: &[Value],
        is_only: bool,
        value: &Value,
        at: &str,
        faults: &mut Vec<String>,
    ) {
        let tried = choices.iter().map(|choice| {
            let mut faults = Vec::new();
            self.check(choice, value, at, &mut faults);
            faults
        });
        let tried: Vec<Vec<String>> = tried.collect();
        let right = tried.iter().filter(|faults| faults.is_empty()).count();
        if right == 0 {
            faults.extend(tried.into_iter().min_by_key(Vec::len).expect("choices"));
        } else if is_only && right > 1 {
            faults.push(format!("{at}: {right} of oneOf are right"));
        }
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

/// Rules about the value alone.
fn holds(keyword: &str, rule: &Value, value: &Value) -> bool {
    let number = |rule: &Value| rule.as_f64().expect("a number");
    match keyword {
        "type" => match rule {
            Value::Array(types) => types.iter().any(|kind| is_of(kind, value)),
            kind => is_of(kind, value),
        },
        "required" => {
            let fields = value.as_object();
            list(rule)
                .iter()
                .all(|key| fields.is_none_or(|fields| fields.contains_key(key.as_str().unwrap())))
        }
        "enum" => list(rule).contains(value),
        "const" => rule == value,
        "minimum" => value.as_f64().is_none_or(|value| value >= number(rule)),
        "maximum" => value.as_f64().is_none_or(|value| value <= number(rule)),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as f64 <= number(rule)),
        "maxProperties" => value.as_object().is_none_or(|fields| fields.len() as f64 <= number(rule)),
        other => panic!("the keyword {other} is not checked"),
    }
}

fn is_of(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("a type") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_is_found() {
        let document = Document(json!({ "s": {
            "base": { "type": "object", "required": ["a"], "properties": { "a": { "type": ["integer", "null"], "minimum": 1 } } },
            "more": { "allOf": [{ "$ref": "#/s/base" }, { "properties": { "b": { "enum": ["x", "y"] } } }] },
            "list": { "type": "array", "items": { "anyOf": [{ "$ref": "#/s/more" }, { "const": 7 }] } },
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
        }}));
        let faults = |name: &str, value: Value| {
            let reference = json!({ "$ref": format!("#/s/{name}") });
            document.faults(&reference, &value).len()
        };
        assert_eq!(faults("list", json!([{ "a": 1, "b": "x" }, { "a": null }, 7])), 0);
        for wrong in [
            json!({}),
            json!({ "a": 0 }),
            json!({ "a": 1.5 }),
            json!({ "a": 1, "c": 1 }),
            json!({ "a": 1, "b": "z" }),
        ] {
            assert_eq!(faults("more", wrong.clone()), 1, "{wrong}");
            assert_eq!(faults("list", json!([wrong])), 1);
        }
        assert_eq!(faults("list", json!([8])), 1);
        assert_eq!(faults("list", json!({})), 1);
        assert_eq!((faults("map", json!({ "k": "v" })), faults("map", json!({ "k": 1, "l": [] }))), (0, 2));
    }
}
