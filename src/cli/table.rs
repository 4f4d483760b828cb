//! Rows of JSON values as people and scripts want to read them: the forms of rabbitmqctl's formatters, and our own aligned columns.

use std::fmt::Write as _;

use serde_json::Value;

/// Between two columns of [`Table::aligned`].
const GAP: &str = "  ";

/// Columns, and rows that have a value for each.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// No rows yet.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Of objects: the column `a.b` is what `b` is in the object `a`. Null stands where there is nothing.
    pub fn of_objects(columns: impl IntoIterator<Item = impl Into<String>>, objects: &[Value]) -> Self {
        let mut table = Self::new(columns);
        for object in objects {
            let row = table.columns.iter().map(|column| at(object, column).cloned().unwrap_or_default());
            table.rows.push(row.collect());
        }
        table
    }

    /// Appends a row. What it lacks is null, and what it has too much is not shown.
    pub fn push(&mut self, row: Vec<Value>) {
        let mut row = row;
        row.resize(self.columns.len(), Value::Null);
        self.rows.push(row);
    }

    /// rabbitmqctl's `table`: tabs between the columns. Like its other forms, it has a header only where there are rows.
    pub fn tabs(&self, with_header: bool) -> String {
        self.lines(with_header, |cells| cells.join("\t"))
    }

    /// rabbitmqctl's `csv`: every value in quotes.
    pub fn csv(&self, with_header: bool) -> String {
        let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
        self.lines(with_header, |cells| cells.iter().map(quoted).collect::<Vec<_>>().join(","))
    }

    /// rabbitmqctl's `json`: a list with one object a line, its keys in the columns' order.
    pub fn json(&self) -> String {
        let objects: Vec<String> = self.rows.iter().map(|row| self.object(row) + "\n").collect();
        format!("[\n{}]\n", objects.join(","))
    }

    /// rabbitmqctl's `pretty_table`: boxes of lines. Nothing where there are no rows.
    pub fn boxes(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut rows = vec![self.columns.clone()];
        rows.extend(self.rows.iter().map(|row| texts(row)));
        let widths = widths(&rows);
        let rule = |left: &str, middle: &str, right: &str| {
            let lines: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
            format!("{left}{}{right}\n", lines.join(middle))
        };
        let row = |cells: &Vec<String>| {
            let cells: Vec<String> =
                cells.iter().zip(&widths).map(|(cell, width)| format!(" {cell:<width$} ")).collect();
            format!("│{}│\n", cells.join("│"))
        };
        let rows: Vec<String> = rows.iter().map(row).collect();
        rule("┌", "┬", "┐") + &rows.join(&rule("├", "┼", "┤")) + &rule("└", "┴", "┘")
    }

    /// Our own: columns below each other, numbers to the right, no lines.
    pub fn aligned(&self) -> String {
        let mut rows = vec![self.columns.clone()];
        rows.extend(self.rows.iter().map(|row| texts(row)));
        let widths = widths(&rows);
        let numbers: Vec<bool> = (0..self.columns.len()).map(|column| self.is_numeric(column)).collect();
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for ((cell, width), number) in row.iter().zip(&widths).zip(&numbers) {
                // Writing to a string does not fail.
                let _ = if *number {
                    write!(line, "{cell:>width$}{GAP}")
                } else {
                    write!(line, "{cell:<width$}{GAP}")
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    fn lines(&self, with_header: bool, line: impl Fn(&[String]) -> String) -> String {
        let header = (with_header && !self.rows.is_empty()).then(|| self.columns.clone());
        let rows = header.into_iter().chain(self.rows.iter().map(|row| texts(row)));
        rows.map(|row| line(&row) + "\n").collect()
    }

    fn object(&self, row: &[Value]) -> String {
        let fields = self.columns.iter().zip(row);
        let fields: Vec<String> =
            fields.map(|(name, value)| format!("{}:{value}", Value::from(&**name))).collect();
        format!("{{{}}}", fields.join(","))
    }

    fn is_numeric(&self, column: usize) -> bool {
        let mut cells =
            self.rows.iter().filter_map(|row| row.get(column)).filter(|value| !value.is_null()).peekable();
        cells.peek().is_some() && cells.all(Value::is_number)
    }
}

/// A value as rabbitmqctl shows it: texts as they are, nothing for null, lists and objects in Erlang's way.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<String> = items.iter().map(cell).collect();
            format!("[{}]", items.join(", "))
        }
        other => nested(other),
    }
}

/// The value at a path of keys with dots between them; a key that has dots itself is found, too.
pub fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    let dots = path.match_indices('.').map(|(dot, _)| path.split_at(dot));
    let mut found = dots.filter_map(|(first, rest)| at(object.get(first)?, rest.get(1..)?));
    found.next()
}

fn nested(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(nested).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{{{},{}}}", Value::from(&**name), nested(value));
            format!("[{}]", fields.iter().map(field).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

fn texts(row: &[Value]) -> Vec<String> {
    row.iter().map(cell).collect()
}

/// The longest cell of each column, in characters.
pub fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let mut widths = vec![0; columns];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queues() -> Table {
        let queues = [
            json!({"name": "ü\"q", "messages": 12, "arguments": {"l": ["a", 1, true], "x-max-length": 10}}),
            json!({"name": "long name", "messages": 7, "owner": {"pid": "p"}}),
        ];
        Table::of_objects(["name", "messages", "arguments", "owner.pid"], &queues)
    }

    #[test]
    fn tabs_show_lists_and_objects_as_rabbitmqctl_does() {
        let expected = "name\tmessages\targuments\towner.pid\n\
                        ü\"q\t12\t[{\"l\",[\"a\",1,true]},{\"x-max-length\",10}]\t\n\
                        long name\t7\t\tp\n";
        assert_eq!(queues().tabs(true), expected);
        let mut users = Table::new(["user", "tags"]);
        users.push(vec![json!("guest"), json!(["administrator", "monitoring"])]);
        users.push(vec![json!("none"), json!([])]);
        assert_eq!(users.tabs(false), "guest\t[administrator, monitoring]\nnone\t[]\n");
    }

    #[test]
    fn csv_doubles_quotes() {
        let mut table = Table::new(["name", "n"]);
        table.push(vec![json!("q\"1,\""), json!(1.5)]);
        assert_eq!(table.csv(true), "\"name\",\"n\"\n\"q\"\"1,\"\"\",\"1.5\"\n");
    }

    #[test]
    fn json_keeps_the_order_of_the_columns() {
        let mut table = Table::new(["z", "a"]);
        assert_eq!(table.json() + &table.tabs(true) + &table.boxes(), "[\n]\n");
        table.push(vec![json!("1\t"), json!([1, null])]);
        table.push(vec![json!(null)]);
        assert_eq!(table.json(), "[\n{\"z\":\"1\\t\",\"a\":[1,null]}\n,{\"z\":null,\"a\":null}\n]\n");
        assert!(serde_json::from_str::<Value>(&table.json()).is_ok());
    }

    #[test]
    fn boxes_are_as_wide_as_their_longest_text() {
        let mut table = Table::new(["name", "n"]);
        table.push(vec![json!("länger"), json!(true)]);
        let expected =
            "┌────────┬──────┐\n│ name   │ n    │\n├────────┼──────┤\n│ länger │ true │\n└────────┴──────┘\n";
        assert_eq!(table.boxes(), expected);
    }

    #[test]
    fn aligned_numbers_stand_to_the_right() {
        let mut table = Table::new(["name", "messages", "state"]);
        table.push(vec![json!("a"), json!(5), json!("running")]);
        table.push(vec![json!("longer"), json!(1234), json!(null)]);
        assert_eq!(table.aligned(), "name    messages  state\na              5  running\nlonger      1234\n");
    }

    #[test]
    fn a_path_may_have_keys_with_dots() {
        let object = json!({"a.b": {"c": 1}, "a": {"b": 2}});
        assert_eq!(at(&object, "a.b.c"), Some(&json!(1)));
        assert_eq!(at(&object, "a.b").and_then(Value::as_object).map(serde_json::Map::len), Some(1));
        assert_eq!(at(&object, "a.x"), None);
        assert_eq!(at(&json!({"a": {"b": 2}}), "a.b"), Some(&json!(2)));
    }
}
