//! `columns=a,b.c`: which fields of an answer are wanted.

use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};

use super::answer;
use super::fields::Fields;
use super::params::Params;

/// The fields that are wanted, as paths; empty: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns(Vec<Vec<String>>);

impl Columns {
    /// As the request says.
    pub(super) fn of(params: &Params) -> Self {
        let all = params.get("columns").unwrap_or_default().split(',').filter(|path| !path.is_empty());
        Self(all.map(path).collect())
    }

    /// The fields at which they begin.
    pub(super) fn fields(&self) -> Fields {
        if self.is_everything() { Fields::All } else { Fields::of_paths(&self.0) }
    }

    /// Whether everything is wanted.
    pub(super) const fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wanted of a value. Paths go into lists, and what is not there is left out.
    pub(super) fn of_value(&self, value: Value) -> Value {
        if self.is_everything() {
            value
        } else {
            project(value, &self.0.iter().map(Vec::as_slice).collect::<Vec<_>>())
        }
    }
}

/// 200 with what the request wants of a value.
pub(super) fn answer(params: &Params, value: &impl Serialize) -> Response {
    let columns = Columns::of(params);
    if columns.is_everything() {
        return answer::json(value);
    }
    answer::json(&columns.fields().of(value).map(|value| columns.of_value(value)).unwrap_or_default())
}

/// A dotted path.
pub(super) fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

/// What is at the path.
pub(super) fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, step| value.get(step))
}

fn project(value: Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Object(fields) => {
            let wanted = fields.into_iter().filter_map(|(key, value)| {
                let begins = |path: &&&[String]| path.first() == Some(&key);
                let rests: Vec<&[String]> =
                    paths.iter().filter(begins).filter_map(|path| path.get(1..)).collect();
                if rests.is_empty() {
                    return None;
                }
                let is_whole = rests.iter().any(|rest| rest.is_empty());
                Some((key, if is_whole { value } else { project(value, &rests) }))
            });
            Value::Object(wanted.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| project(item, paths)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_wanted_is_left() {
        let columns = Columns::of(&Params::parse("columns=name,stats.publish,none,list.a"));
        let value =
            json!({ "name": "q", "x": 1, "stats": { "publish": 2, "ack": 3 }, "list": [{ "a": 1, "b": 2 }] });
        let wanted = json!({ "name": "q", "stats": { "publish": 2 }, "list": [{ "a": 1 }] });
        assert_eq!(columns.of_value(value.clone()), wanted);
        assert_eq!(Columns::of(&Params::parse("")).of_value(value.clone()), value);
        let both = Columns::of(&Params::parse("columns=stats,stats.ack"));
        assert_eq!(both.of_value(value), json!({ "stats": { "publish": 2, "ack": 3 } }));
    }
}
