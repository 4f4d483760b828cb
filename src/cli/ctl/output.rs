//! What a command answers, and how it is printed.

use serde_json::{Value, json};

use super::failure::{Failure, USAGE};
use crate::cli::table::Table;

/// What a command answers.
#[derive(Debug)]
pub enum Output {
    /// It is done, and there is nothing to say.
    Done,
    /// A text for people; a message in JSON.
    Text(String),
    /// A text for people, and something else in JSON.
    Both(String, Value),
    /// Rows.
    Table(Table),
    /// Rows that have no header as a table.
    Bare(Table),
    /// What goes out as it is, whatever the form.
    Raw(String),
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people and simple scripts: tabs between columns.
    Table,
    /// With lines around.
    PrettyTable,
    /// Commas between values.
    Csv,
    /// JSON.
    Json,
    /// A JSON object a line.
    JsonStream,
}

impl Form {
    /// The one of this name.
    pub fn of(name: &str) -> Result<Self, Failure> {
        match name.to_lowercase().as_str() {
            "table" | "string" => Ok(Self::Table),
            "pretty_table" => Ok(Self::PrettyTable),
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "json_stream" => Ok(Self::JsonStream),
            "erlang" => Err(Failure::argument(USAGE, "there is no Erlang here: ask for --formatter json")),
            _ => Err(Failure::argument(
                USAGE,
                format!("there is no formatter {name:?}: use table, pretty_table, csv, json or json_stream"),
            )),
        }
    }

    /// Whether a program reads it: then nothing but the answer goes out.
    pub const fn is_for_programs(self) -> bool {
        matches!(self, Self::Csv | Self::Json | Self::JsonStream)
    }

    /// Whether values are JSON.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonStream)
    }
}

impl Output {
    /// As text, with its last line break.
    pub fn print(&self, form: Form, with_header: bool, node: impl FnOnce() -> String) -> String {
        match self {
            Self::Raw(text) => text.clone(),
            Self::Done if form.is_json() => format!("{}\n", json!({ "node": node(), "result": "ok" })),
            Self::Done => String::new(),
            Self::Text(text) if form.is_json() => format!("{}\n", json!({ "message": text })),
            Self::Both(_, value) if form.is_json() => format!("{value}\n"),
            Self::Text(text) | Self::Both(text, _) if form == Form::PrettyTable && !text.contains('\n') => {
                let mut table = Table::new(["Output"]);
                table.push(vec![text.as_str().into()]);
                table.boxes()
            }
            Self::Text(text) | Self::Both(text, _) if text.is_empty() => String::new(),
            Self::Text(text) | Self::Both(text, _) => format!("{}\n", text.trim_end_matches('\n')),
            Self::Table(table) => rows(table, form, with_header),
            Self::Bare(table) => rows(table, form, with_header && form != Form::Table),
        }
    }
}

fn rows(table: &Table, form: Form, with_header: bool) -> String {
    match form {
        Form::Table => table.tabs(with_header),
        Form::PrettyTable => table.boxes(),
        Form::Csv => table.csv(with_header),
        Form::Json => table.json(),
        Form::JsonStream => {
            let objects = table.json();
            let lines = objects.lines().filter(|line| *line != "[" && *line != "]");
            lines.map(|line| format!("{}\n", line.strip_prefix(',').unwrap_or(line))).collect()
        }
    }
}
