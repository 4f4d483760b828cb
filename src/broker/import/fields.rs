//! Reading the fields of one JSON object, with errors that name the object and the field.

use amq_protocol::types::{FieldTable, ShortString};
use serde_json::{Map, Value};

use crate::broker::arguments_json::{EXACT_ARGUMENTS, read_exact, read_value};
use crate::broker::error::ImportError;

/// Names travel as AMQP short strings.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// One object of the file.
pub(super) struct Object<'a> {
    /// As errors name it: `queue 'q' in vhost '/'`, or its place in the file as long as it has no name.
    pub(super) label: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The object at a place of the file.
    pub(super) fn new(value: &'a Value, label: String) -> Result<Self, ImportError> {
        match value {
            Value::Object(fields) => Ok(Self { label, fields }),
            other => Err(ImportError::new(label, format!("expected an object, got {}", describe(other)))),
        }
    }

    /// The same under a better name.
    pub(super) fn labelled(mut self, label: String) -> Self {
        self.label = label;
        self
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.fields.keys().map(String::as_str)
    }

    /// What is wrong with one of its fields.
    pub(super) fn error(&self, field: &str, why: impl std::fmt::Display) -> ImportError {
        ImportError::new(self.label.clone(), format!("{field}: {why}"))
    }

    /// A field that is there and not null.
    pub(super) fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn wrong_type(&self, field: &str, expected: &str, value: &Value) -> ImportError {
        self.error(field, format!("expected {expected}, got {}", describe(value)))
    }

    pub(super) fn text(&self, field: &str) -> Result<&'a str, ImportError> {
        self.optional_text(field)?.ok_or_else(|| self.error(field, "is missing"))
    }

    pub(super) fn optional_text(&self, field: &str) -> Result<Option<&'a str>, ImportError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(field, "a string", other)),
        }
    }

    /// A text that fits a short string; line breaks go, as they do in names that come over the wire.
    pub(super) fn name(&self, field: &str) -> Result<String, ImportError> {
        let name = self.text(field)?.replace(['\r', '\n'], "");
        if name.len() > NAME_BYTES_MAX {
            return Err(self.error(field, format!("is longer than {NAME_BYTES_MAX} bytes")));
        }
        Ok(name)
    }

    pub(super) fn full_name(&self, field: &str) -> Result<String, ImportError> {
        let name = self.name(field)?;
        if name.is_empty() { Err(self.error(field, "may not be empty")) } else { Ok(name) }
    }

    pub(super) fn flag(&self, field: &str, default: bool) -> Result<bool, ImportError> {
        match self.value(field) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong_type(field, "true or false", other)),
        }
    }

    pub(super) fn optional_flag(&self, field: &str) -> Result<Option<bool>, ImportError> {
        self.value(field).map(|_| self.flag(field, false)).transpose()
    }

    /// Limits by name: an object, or the empty list that old versions of RabbitMQ wrote for one.
    pub(super) fn limits(&self, field: &str) -> Result<Option<Vec<(&'a str, i64)>>, ImportError> {
        let limit = |(name, value): (&'a String, &Value)| match value.as_i64() {
            Some(limit) => Ok((name.as_str(), limit)),
            None => Err(self.wrong_type(field, &format!("an integer for {name}"), value)),
        };
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(limits)) => limits.iter().map(limit).collect::<Result<_, _>>().map(Some),
            Some(Value::Array(limits)) if limits.is_empty() => Ok(Some(Vec::new())),
            Some(other) => Err(self.wrong_type(field, "an object", other)),
        }
    }

    pub(super) fn integer(&self, field: &str, default: i64) -> Result<i64, ImportError> {
        match self.value(field) {
            None => Ok(default),
            Some(value) => value.as_i64().ok_or_else(|| self.wrong_type(field, "an integer", value)),
        }
    }

    /// Elements of a list; none if it is not there.
    pub(super) fn list(&self, field: &str) -> Result<&'a [Value], ImportError> {
        match self.value(field) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.wrong_type(field, "a list", other)),
        }
    }

    /// Tags: a list, or one string with commas, as RabbitMQ wrote them before 3.9.
    pub(super) fn tags(&self, field: &str) -> Result<Vec<String>, ImportError> {
        if let Some(Value::String(text)) = self.value(field) {
            let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
            return Ok(tags.map(str::to_owned).collect());
        }
        let tag = |value: &Value| match value {
            Value::String(tag) => Ok(tag.clone()),
            other => Err(self.wrong_type(field, "a list of strings", other)),
        };
        self.list(field)?.iter().map(tag).collect()
    }

    /// A table under `arguments`, with the types that an export kept beside it.
    pub(super) fn arguments(&self) -> Result<FieldTable, ImportError> {
        let table = self.table("arguments")?;
        let exact = self.value(EXACT_ARGUMENTS).zip(self.value("arguments"));
        Ok(exact.and_then(|(exact, plain)| read_exact(exact, plain)).unwrap_or(table))
    }

    /// A table of AMQP values; an empty list stands for an empty table, and so does a list of pairs for one that is not
    /// empty: old versions of RabbitMQ export operator policies so.
    pub(super) fn table(&self, field: &str) -> Result<FieldTable, ImportError> {
        let mut table = FieldTable::default();
        let mut insert = |key: &str, value: &Value| {
            let key = ShortString::try_new(key)
                .map_err(|_| self.error(field, format!("a key is longer than {NAME_BYTES_MAX} bytes")))?;
            let value = read_value(value).map_err(|why| self.error(field, format!("{key}: {why}")))?;
            table.insert(key, value);
            Ok(())
        };
        match self.value(field) {
            None => {}
            Some(Value::Object(fields)) => {
                fields.iter().try_for_each(|(key, value)| insert(key, value))?;
            }
            Some(Value::Array(pairs)) => {
                for pair in pairs {
                    let Some([Value::String(key), value]) = pair.as_array().map(Vec::as_slice) else {
                        return Err(self.wrong_type(field, "pairs of a key and a value", pair));
                    };
                    insert(key, value)?;
                }
            }
            Some(other) => return Err(self.wrong_type(field, "an object", other)),
        }
        Ok(table)
    }
}

/// A value in an error: short ones as they are, but never what may be long.
fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
