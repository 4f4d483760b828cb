//! What a command works with: its arguments, the broker, and where its output goes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::super::client::path::{api, with_query};
use super::super::super::out::say;
use super::super::failure::Failure;
use super::super::session::Session;
use super::columns::{Column, rows};
use super::style::{Style, bare};

/// The values of a command's arguments; of those without one, that they are there.
pub type Given = BTreeMap<&'static str, String>;

/// How results are shown.
pub struct Output {
    pub style: &'static Style,
    /// No header and no lines: for scripts.
    pub is_bare: bool,
}

/// A command under way.
pub struct Work<'a> {
    pub session: &'a Session,
    pub given: &'a Given,
    pub vhost: &'a str,
    pub output: &'a Output,
}

impl Work<'_> {
    /// An argument's value.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.given.get(flag).map(String::as_str)
    }

    /// The value of an argument that has one, be it the default.
    pub fn text(&self, flag: &str) -> &str {
        self.value(flag).unwrap_or_default()
    }

    /// Whether a switch is given.
    pub fn is_given(&self, flag: &str) -> bool {
        self.given.contains_key(flag)
    }

    /// The value of an argument that is JSON.
    pub fn json(&self, flag: &str) -> Result<Value, Failure> {
        json_of(flag, self.text(flag))
    }

    /// Of these pieces, in which `{flag}` is an argument's value.
    pub fn path(&self, pieces: &[&str]) -> String {
        let piece = |piece: &&str| -> String {
            match piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')) {
                Some("vhost") => self.vhost.to_owned(),
                Some(flag) => self.text(flag).to_owned(),
                None => (*piece).to_owned(),
            }
        };
        let pieces: Vec<String> = pieces.iter().map(piece).collect();
        api(&pieces.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The objects at a path; a page of them where one is asked for. A single object is a list of one.
    pub fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let size = self.value("page-size").unwrap_or("100");
        let path = match self.value("page") {
            Some(page) => with_query(path, [("page", page), ("page_size", size)]),
            None => path.to_owned(),
        };
        Ok(match self.session.get_json(&path)? {
            Value::Array(items) => items,
            Value::Object(mut page) if self.is_given("page") => match page.remove("items") {
                Some(Value::Array(items)) => items,
                _ => Vec::new(),
            },
            object => vec![object],
        })
    }

    /// Shows objects as a table.
    pub fn show(&self, objects: &[Value], known: &[Column]) -> Result<(), Failure> {
        let (titles, rows) = rows(objects, known, self.value("columns"));
        self.show_rows(&titles, &rows)
    }

    /// Shows rows as a table.
    pub fn show_rows(&self, titles: &[String], rows: &[Vec<String>]) -> Result<(), Failure> {
        Ok(say(&self.table(titles, rows))?)
    }

    /// Shows names and values as a table.
    pub fn show_pairs(&self, pairs: &[(String, String)]) -> Result<(), Failure> {
        Ok(say(&self.pairs(pairs))?)
    }

    /// Names and values as a table.
    pub fn pairs(&self, pairs: &[(String, String)]) -> String {
        let rows: Vec<Vec<String>> =
            pairs.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        self.table(&["key".to_owned(), "value".to_owned()], &rows)
    }

    fn table(&self, titles: &[String], rows: &[Vec<String>]) -> String {
        if self.output.is_bare { bare(rows) } else { self.output.style.table(titles, rows) }
    }

    /// The definition of an error that the API did not make itself.
    pub fn not_found() -> Failure {
        Failure::Other("API responded with a 404 Not Found".to_owned())
    }
}

/// Reads an argument that is JSON.
pub fn json_of(flag: &str, text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("--{flag}: {text} is not JSON: {error}")))
}

/// Puts a value into a body, under the name that the API has for a flag.
pub fn put_field(fields: &mut Map<String, Value>, flag: &str, value: Value) {
    let name = if flag == "apply-to" { flag.to_owned() } else { flag.replace('-', "_") };
    fields.insert(name, value);
}

/// An object with one more field.
pub fn with_field(object: Value, name: &str, value: &str) -> Value {
    match object {
        Value::Object(mut fields) => {
            fields.insert(name.to_owned(), value.into());
            Value::Object(fields)
        }
        _ => json!({ name: value }),
    }
}
