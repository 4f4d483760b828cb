//! Short names of programs, and the unique ones that a broker sees.

use crate::codec::{Props, Table, Value};

/// The names of one run of a program.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    /// Short names, and what the broker made up for them, the last one last: an older one may still come in a message.
    given: Vec<(String, String)>,
}

impl Names {
    /// Names that begin with this.
    pub fn new(prefix: String) -> Self {
        Self { prefix, given: Vec::new() }
    }

    /// What the broker knows it as.
    pub fn full(&self, name: &str) -> String {
        match self.given.iter().rfind(|(short, _)| short == name) {
            Some((_, given)) => given.clone(),
            None if is_short(name, "qxs") => format!("{}.{name}", self.prefix),
            None => name.to_owned(),
        }
    }

    /// Remembers what the broker made up for a short name.
    pub fn give(&mut self, name: &str, given: &str) {
        self.given.push((name.to_owned(), given.to_owned()));
    }

    /// A text with the full name of each short one in braces.
    pub fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            match after.split_once('}') {
                Some((name, after)) if is_short(name, "qxs") => {
                    out.push_str(&self.full(name));
                    rest = after;
                }
                _ => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out + rest
    }

    /// A table in which every text is expanded.
    pub fn expand_table(&self, table: &Table) -> Table {
        table.iter().map(|(key, value)| (key.clone(), self.expand_value(value))).collect()
    }

    fn expand_value(&self, value: &Value) -> Value {
        match value {
            Value::Str(text) => self.expand(&String::from_utf8_lossy(text)).into(),
            Value::Array(values) => {
                Value::Array(values.iter().map(|value| self.expand_value(value)).collect())
            }
            Value::Table(table) => Value::Table(self.expand_table(table)),
            other => other.clone(),
        }
    }

    /// Properties in which headers and addresses are expanded.
    pub fn expand_props(&self, props: &Props) -> Props {
        let headers = props.headers.as_ref().map(|headers| self.expand_table(headers));
        let reply_to = props.reply_to.as_ref().map(|text| self.expand(text));
        Props { headers, reply_to, ..props.clone() }
    }

    /// A text in which all full names are short again.
    pub fn shorten(&self, text: &str) -> String {
        let text = text.replace(&format!("{}.", self.prefix), "");
        self.given.iter().fold(text, |text, (name, given)| text.replace(given, name))
    }
}

/// Whether a name is one of these letters and a number.
pub fn is_short(name: &str, letters: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|first| letters.contains(first))
        && !chars.as_str().is_empty()
        && chars.all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_full_and_come_back_short() {
        let mut names = Names::new("p-1".into());
        names.give("s1", "amq.gen-AbC");
        assert_eq!(names.full("q1"), "p-1.q1");
        names.give("s1", "amq.gen-DeF");
        assert_eq!(names.full("s1"), "amq.gen-DeF");
        assert_eq!(names.full("amq.direct"), "amq.direct");
        assert_eq!(names.full(""), "");
        assert_eq!(names.expand("a.{q1}.{s1}.{no}.{"), "a.p-1.q1.amq.gen-DeF.{no}.{");
        assert_eq!(
            names.shorten("no queue 'p-1.q1' nor 'amq.gen-AbC' nor 'amq.gen-DeF'"),
            "no queue 'q1' nor 's1' nor 's1'"
        );
    }
}
