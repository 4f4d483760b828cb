//! Objects of the API as rows, in the Python program's seven formats.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::super::table::widths;
use super::python_json::{dumps, scalar};

/// How a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As it came.
    RawJson,
    PrettyJson,
    Tsv,
    Long,
    Table,
    Kvp,
    /// The names alone, for completion.
    Bash,
}

/// Names of the formats, in the order in which help shows them.
pub const FORMATS: [(&str, Format); 7] = [
    ("raw_json", Format::RawJson),
    ("pretty_json", Format::PrettyJson),
    ("tsv", Format::Tsv),
    ("long", Format::Long),
    ("table", Format::Table),
    ("kvp", Format::Kvp),
    ("bash", Format::Bash),
];

/// Columns that stand before the others, which follow in the order of their names.
const FIRST_COLUMNS: [&str; 7] =
    ["vhost", "name", "type", "source", "destination", "destination_type", "routing_key"];

/// Of one line of [`Format::Long`].
const LONG_RULE: usize = 80;

/// What to show of a list.
pub struct View<'a> {
    /// All where there are none.
    pub columns: Vec<String>,
    /// A column whose objects are shown as JSON.
    pub json: Option<&'a str>,
    /// How deep to go into objects; without limit where columns are named.
    pub depth: usize,
    /// Whether to say that there is nothing, and to head a [`Format::Tsv`].
    pub is_verbose: bool,
}

/// The text that is printed.
pub fn show(items: &[Value], view: &View<'_>, format: Format) -> String {
    let (columns, rows) = rows(items, view);
    if rows.is_empty() {
        return if view.is_verbose { "No items\n".to_owned() } else { String::new() };
    }
    match format {
        Format::RawJson | Format::PrettyJson => String::new(),
        Format::Tsv => tsv(&columns, &rows, view.is_verbose),
        Format::Long => long(&columns, &rows),
        Format::Table => table(columns, rows),
        Format::Kvp => kvp(&columns, &rows),
        Format::Bash => bash(&columns, &rows),
    }
}

/// A row has no text for what is null.
type Row = Vec<Option<String>>;

fn rows(items: &[Value], view: &View<'_>) -> (Vec<String>, Vec<Row>) {
    let depth = if view.columns.is_empty() { view.depth } else { usize::MAX };
    let flat: Vec<BTreeMap<String, Option<String>>> = items
        .iter()
        .map(|item| {
            let mut cells = BTreeMap::new();
            flatten(item, "", 1, depth, view.json, &mut cells);
            cells
        })
        .collect();
    let columns = if view.columns.is_empty() { all_columns(&flat) } else { view.columns.clone() };
    let row = |cells: &BTreeMap<String, Option<String>>| {
        let cell = |column: &String| cells.get(column).cloned().unwrap_or_else(|| Some(String::new()));
        columns.iter().map(cell).collect()
    };
    let rows = flat.iter().map(row).collect();
    (columns, rows)
}

fn flatten(
    item: &Value,
    prefix: &str,
    depth: usize,
    depth_max: usize,
    json: Option<&str>,
    cells: &mut BTreeMap<String, Option<String>>,
) {
    for (key, value) in item.as_object().into_iter().flatten() {
        let column = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Object(_) if json == Some(key) => drop(cells.insert(column, Some(dumps(value)))),
            Value::Object(_) if depth < depth_max => {
                flatten(value, &column, depth + 1, depth_max, json, cells)
            }
            Value::Object(_) => {}
            Value::Array(items) => drop(cells.insert(column, Some(list(items, value)))),
            Value::Null => drop(cells.insert(column, None)),
            other => drop(cells.insert(column, Some(scalar(other)))),
        }
    }
}

/// Texts with spaces between them; anything else as JSON.
fn list(items: &[Value], value: &Value) -> String {
    let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    texts.map_or_else(|| dumps(value), |texts| texts.join(" "))
}

fn all_columns(rows: &[BTreeMap<String, Option<String>>]) -> Vec<String> {
    let names: BTreeSet<&String> = rows.iter().flat_map(BTreeMap::keys).collect();
    let mut names: Vec<String> = names.into_iter().cloned().collect();
    let place =
        |name: &String| FIRST_COLUMNS.iter().position(|first| first == name).unwrap_or(FIRST_COLUMNS.len());
    names.sort_by_key(place);
    names
}

fn tsv(columns: &[String], rows: &[Row], has_header: bool) -> String {
    let header = if has_header { columns.join("\t") + "\n" } else { String::new() };
    let line = |row: &Row| {
        row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect::<Vec<_>>().join("\t") + "\n"
    };
    header + &rows.iter().map(line).collect::<String>()
}

fn long(columns: &[String], rows: &[Row]) -> String {
    let rule = format!("\n{}\n\n", "-".repeat(LONG_RULE));
    let width = columns.iter().map(|column| column.chars().count()).max().unwrap_or(0);
    let row = |row: &Row| {
        let line =
            |(column, cell): (&String, &Option<String>)| format!("{column:>width$}: {}\n", or_none(cell));
        columns.iter().zip(row).map(line).collect::<String>() + &rule
    };
    rule.clone() + &rows.iter().map(row).collect::<String>()
}

fn kvp(columns: &[String], rows: &[Row]) -> String {
    let row = |row: &Row| {
        let pair = |(column, cell): (&String, &Option<String>)| format!("{column}=\"{}\"", or_none(cell));
        columns.iter().zip(row).map(pair).collect::<Vec<_>>().join(" ") + "\n"
    };
    rows.iter().map(row).collect()
}

fn or_none(cell: &Option<String>) -> &str {
    cell.as_deref().unwrap_or("None")
}

fn table(columns: Vec<String>, rows: Vec<Row>) -> String {
    let mut lines = vec![columns];
    lines.extend(rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()));
    let widths = widths(&lines);
    let bar: String = widths.iter().map(|width| "-".repeat(width + 2) + "+").collect();
    let bar = format!("+{bar}\n");
    let mut text = bar.clone();
    for (number, line) in lines.iter().enumerate() {
        text.push('|');
        for (cell, width) in line.iter().zip(&widths) {
            text += &if number == 0 { format!(" {cell:^width$} |") } else { format!(" {cell:<width$} |") };
        }
        text.push('\n');
        if number == 0 {
            text += &bar;
        }
    }
    text + &bar
}

fn bash(columns: &[String], rows: &[Row]) -> String {
    let Some(name) = columns.iter().position(|column| column == "name") else { return String::new() };
    let names: Vec<&str> = rows.iter().filter_map(|row| row.get(name)?.as_deref()).collect();
    names.join(" ") + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(format: Format, columns: &[&str], depth: usize) -> String {
        let items = [
            json!({"name": "q1", "vhost": "/", "messages": 0, "durable": true, "arguments": {"x": 1}, "tags": ["a", "b"]}),
            json!({"name": "länger", "vhost": "/", "policy": null, "pids": [1], "value": {"max": 1}}),
        ];
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        show(&items, &View { columns, json: Some("value"), depth, is_verbose: true }, format)
    }

    #[test]
    fn columns_are_found_and_ordered() {
        let text = shown(Format::Tsv, &[], 1);
        let expected = "vhost\tname\tdurable\tmessages\tpids\tpolicy\ttags\tvalue\n\
                        /\tq1\tTrue\t0\t\t\ta b\t\n/\tlänger\t\t\t[1]\t\t\t{\"max\": 1}\n";
        assert_eq!(text, expected);
        assert!(shown(Format::Tsv, &[], 2).starts_with("vhost\tname\targuments.x\tdurable\t"));
    }

    #[test]
    fn a_table_has_its_header_in_the_middle() {
        let expected = "+--------+-------------+\n|  name  | arguments.x |\n+--------+-------------+\n\
                        | q1     | 1           |\n| länger |             |\n+--------+-------------+\n";
        assert_eq!(shown(Format::Table, &["name", "arguments.x"], 1), expected);
    }

    #[test]
    fn pairs_long_lines_and_names() {
        let columns = ["name", "policy"];
        assert_eq!(
            shown(Format::Kvp, &columns, 1),
            "name=\"q1\" policy=\"\"\nname=\"länger\" policy=\"None\"\n"
        );
        let rule = format!("\n{}\n\n", "-".repeat(80));
        let expected = format!("{rule}  name: q1\npolicy: \n{rule}  name: länger\npolicy: None\n{rule}");
        assert_eq!(shown(Format::Long, &columns, 1), expected);
        assert_eq!(shown(Format::Bash, &columns, 1), "q1 länger\n");
        assert_eq!(shown(Format::Bash, &["vhost"], 1), "");
    }

    #[test]
    fn nothing_is_said_in_words() {
        let view = |is_verbose| View { columns: Vec::new(), json: None, depth: 1, is_verbose };
        assert_eq!(show(&[], &view(true), Format::Table), "No items\n");
        assert_eq!(show(&[], &view(false), Format::Table), "");
    }
}
