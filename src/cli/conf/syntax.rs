//! The format of `rabbitmq.conf`: `key = value` lines, as RabbitMQ reads them.
//!
//! What RabbitMQ 4.0.5 does where its documents are silent: `#` ends a value wherever it stands outside quotes; single
//! quotes hold a value together, double ones are part of it; there is no escape in quotes and no value that is empty
//! without them; of a key that is there twice the last one counts.

/// A line that says something.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// What it says.
    pub what: Statement,
}

/// What a line can say.
#[derive(Debug, PartialEq, Eq)]
pub enum Statement {
    /// `key = value`.
    Set { key: String, value: String },
    /// `include PATTERN`.
    Include(String),
}

/// A line that says nothing that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: &'static str,
}

/// Reads a text.
///
/// # Errors
/// The first line that is neither empty, a comment, a setting nor an include.
pub fn parse(text: &str) -> Result<Vec<Line>, SyntaxError> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let statement = statement(line.trim()).map_err(|reason| SyntaxError { line: number, reason })?;
        lines.extend(statement.map(|what| Line { number, what }));
    }
    Ok(lines)
}

fn statement(line: &str) -> Result<Option<Statement>, &'static str> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((key, rest)) = line.split_once('=').filter(|(key, _)| is_key(key.trim_end())) else {
        return match line.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t'])) {
            Some(rest) => plain(rest.trim_start()).map(|path| Some(Statement::Include(path.to_owned()))),
            None => Err("is not `key = value`"),
        };
    };
    let key = key.trim_end().replace('\\', "");
    let value = value(rest.trim_start())?.to_owned();
    Ok(Some(Statement::Set { key, value }))
}

/// Words of letters, digits, dashes and underscores with dots between them; `\.` is a dot within a word.
fn is_key(text: &str) -> bool {
    let dots_within = text.replace("\\.", "_");
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    dots_within.split('.').all(is_word)
}

fn value(text: &str) -> Result<&str, &'static str> {
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let Some((inner, after)) = quoted else { return plain(text) };
    let after = after.trim_start();
    if after.is_empty() || after.starts_with('#') {
        Ok(inner)
    } else {
        Err("has something after the closing quote")
    }
}

fn plain(text: &str) -> Result<&str, &'static str> {
    let value = text.split('#').next().unwrap_or_default().trim_end();
    if value.is_empty() { Err("has no value; an empty one is written ''") } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(line: &str) -> Result<(String, String), SyntaxError> {
        let lines = parse(line)?;
        match lines.as_slice() {
            [Line { what: Statement::Set { key, value }, .. }] => Ok((key.clone(), value.clone())),
            other => panic!("{other:?}"),
        }
    }

    /// What RabbitMQ 4.0.5 makes of each.
    #[test]
    fn values_are_read_as_rabbitmq_reads_them() {
        for (line, key, value) in [
            (" c = hello world   ", "c", "hello world"),
            ("d = 'quoted # value'", "d", "quoted # value"),
            ("e = \"dq\"", "e", "\"dq\""),
            ("f = val # trailing", "f", "val"),
            ("i = 'a' # c", "i", "a"),
            ("i = 'a'#c", "i", "a"),
            ("j = amqp://x#y", "j", "amqp://x"),
            ("o = foo'bar", "o", "foo'bar"),
            ("o = x 'y' z", "o", "x 'y' z"),
            ("n\\.x = 3", "n.x", "3"),
            ("a = x=y", "a", "x=y"),
            ("a=b=#c", "a", "b="),
            ("\ta-b_c.1\t=\t'x'\t", "a-b_c.1", "x"),
            ("a = ''", "a", ""),
            ("a = 'x", "a", "'x"),
            ("a = ü", "a", "ü"),
            ("a = x;y %z", "a", "x;y %z"),
            ("a = b\\", "a", "b\\"),
            ("include = 3", "include", "3"),
            ("includes = 3", "includes", "3"),
            ("a = 1\r", "a", "1"),
        ] {
            assert_eq!(one(line), Ok((key.to_owned(), value.to_owned())), "{line}");
        }
        for line in [
            "junk",
            "q = ",
            "q = #x",
            "k = 'it''s'",
            "s = 'a\\'b'",
            "a = 'x' y",
            "a b = 1",
            "a.$n = 1",
            "ä = 1",
            "a.b. = 3",
            "a..b = 3",
            "'a' = x",
            "a/b = 1",
            "default_users.b@c.password = x",
            "= x",
            "include",
        ] {
            assert_eq!(parse(&format!("\n{line}\n")).unwrap_err().line, 2, "{line}");
        }
    }

    #[test]
    fn an_include_names_a_file() {
        let lines = parse("# first\n\ninclude conf.d/*.conf # all\n").unwrap();
        assert_eq!(lines, [Line { number: 3, what: Statement::Include("conf.d/*.conf".into()) }]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_makes_it_panic(text in "[ -~\n\t'#=\\.ü]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_quoted_is_read_back(value in "[ -&(-~ü]{0,24}") {
            prop_assert_eq!(one(&format!("k = '{value}'  # comment")).unwrap().1, value);
        }
    }
}
