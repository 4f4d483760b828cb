//! The grammar of an old RabbitMQ `.config`: one Erlang term, made of lists, tuples, atoms, strings, binaries and numbers, and a
//! dot. Functions, maps, variables and whatever else Erlang has are refused.

use std::iter::Peekable;
use std::str::Chars;

/// How deep terms may be in each other; real files have four levels.
const DEPTH_MAX: usize = 32;

/// A term, with the line that it begins on, from 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    pub line: usize,
    pub value: Value,
}

/// What a term is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Also a quoted one.
    Atom(String),
    /// A string or a binary of text.
    Text(String),
    /// A number as it was written, without underscores.
    Number(String),
    Tuple(Vec<Term>),
    List(Vec<Term>),
}

/// Where the text stops to be a term.
#[derive(Debug, PartialEq, Eq)]
pub struct TermError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// Reads a text that is one term and a dot.
///
/// # Errors
/// The first thing that is not in the grammar.
pub fn parse(text: &str) -> Result<Term, TermError> {
    let mut reader = Reader { chars: text.chars().peekable(), line: 1 };
    let term = reader.term(0)?;
    reader.expect('.')?;
    reader.skip_blanks();
    match reader.chars.peek() {
        None => Ok(term),
        Some(_) => Err(reader.error("there is something after the dot that ends the list")),
    }
}

struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
}

impl Reader<'_> {
    fn term(&mut self, depth: usize) -> Result<Term, TermError> {
        self.skip_blanks();
        if depth > DEPTH_MAX {
            return Err(self.error("lists and tuples are too deep in each other"));
        }
        let line = self.line;
        let value = match self.chars.peek().copied() {
            Some('[') => self.several('[', ']', depth).map(Value::List)?,
            Some('{') => self.several('{', '}', depth).map(Value::Tuple)?,
            Some('"') => self.text()?,
            Some('\'') => Value::Atom(self.quoted('\'')?),
            Some('<') => self.binary()?,
            Some(c) if c.is_ascii_lowercase() => Value::Atom(self.word(is_word)),
            Some(c) if c.is_ascii_digit() || c == '-' => self.number()?,
            Some(c) => return Err(self.error(format!("{c:?} begins no list, tuple, atom, text or number"))),
            None => return Err(self.error("the file ends in the middle of a term")),
        };
        Ok(Term { line, value })
    }

    fn several(&mut self, open: char, close: char, depth: usize) -> Result<Vec<Term>, TermError> {
        self.expect(open)?;
        let mut terms = Vec::new();
        if self.takes(close) {
            return Ok(terms);
        }
        loop {
            terms.push(self.term(depth + 1)?);
            if self.takes(close) {
                return Ok(terms);
            }
            self.expect(',')?;
        }
    }

    /// Strings that follow each other are one, as in Erlang.
    fn text(&mut self) -> Result<Value, TermError> {
        let mut all = String::new();
        while self.peeks('"') {
            all += &self.quoted('"')?;
        }
        Ok(Value::Text(all))
    }

    fn binary(&mut self) -> Result<Value, TermError> {
        self.expect('<')?;
        self.expect('<')?;
        let text = if self.peeks('"') { self.text()? } else { Value::Text(String::new()) };
        if self.takes('/') {
            self.word(is_word);
        }
        self.expect('>')?;
        self.expect('>')?;
        Ok(text)
    }

    fn quoted(&mut self, quote: char) -> Result<String, TermError> {
        self.expect(quote)?;
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => text.push(self.escaped()?),
                c if c == quote => return Ok(text),
                c => text.push(c),
            }
        }
        Err(self.error(format!("the file ends before a closing {quote}")))
    }

    fn escaped(&mut self) -> Result<char, TermError> {
        Ok(match self.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('s') => ' ',
            Some(c) if !c.is_ascii_alphanumeric() => c,
            _ => return Err(self.error("is an escape that is not understood")),
        })
    }

    fn number(&mut self) -> Result<Value, TermError> {
        let text = self.word(|c| c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | 'e' | 'E' | '+' | '#'));
        // The dot after the last number is the end of the file.
        let digits = text.replace('_', "");
        if digits.parse::<f64>().is_ok() {
            Ok(Value::Number(digits))
        } else {
            Err(self.error(format!("{text:?} is not a number")))
        }
    }

    fn word(&mut self, belongs: fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some(c) = self.chars.next_if(|c| belongs(*c)) {
            word.push(c);
        }
        word
    }

    fn skip_blanks(&mut self) {
        while let Some(c) = self.chars.peek().copied() {
            match c {
                '%' => while self.next().is_some_and(|c| c != '\n') {},
                c if c.is_whitespace() => drop(self.next()),
                _ => break,
            }
        }
    }

    fn peeks(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        self.chars.peek() == Some(&wanted)
    }

    fn takes(&mut self, wanted: char) -> bool {
        let found = self.peeks(wanted);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), TermError> {
        if self.takes(wanted) {
            return Ok(());
        }
        let found = self.chars.peek().map_or("the end of the file".to_owned(), |c| format!("{c:?}"));
        Err(self.error(format!("{wanted:?} is expected, not {found}")))
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn error(&self, reason: impl Into<String>) -> TermError {
        TermError { line: self.line, reason: reason.into() }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(term: &Term) -> String {
        let several = |terms: &[Term]| terms.iter().map(plain).collect::<Vec<_>>().join(",");
        match &term.value {
            Value::Atom(name) => name.clone(),
            Value::Text(text) => format!("{text:?}"),
            Value::Number(number) => number.clone(),
            Value::Tuple(terms) => format!("{{{}}}", several(terms)),
            Value::List(terms) => format!("[{}]", several(terms)),
        }
    }

    #[test]
    fn a_file_of_the_wild_is_read() {
        let text = "%% a comment\n[\n {rabbit, [\n   {tcp_listeners, [{\"::\", 5672}, 5673]},\n   {'default_user', <<\"gu\\\"est\">>},\
                    \n   {vm_memory_high_watermark, 0.4}, {heartbeat, 1_0}, {x, <<>>}, {e, []}]}\n].\n% end";
        assert_eq!(
            plain(&parse(text).unwrap()),
            "[{rabbit,[{tcp_listeners,[{\"::\",5672},5673]},{default_user,\"gu\\\"est\"},{vm_memory_high_watermark,0.4},\
             {heartbeat,10},{x,\"\"},{e,[]}]}]"
        );
        let Value::List(apps) = parse(text).unwrap().value else { panic!() };
        assert_eq!(apps[0].line, 3);
    }

    #[test]
    fn what_is_not_in_the_grammar_is_refused_with_its_line() {
        for (text, line) in [
            ("[\n{a, fun() -> ok end}].", 2),
            ("[{a, #{b => c}}].", 1),
            ("[{a, Variable}].", 1),
            ("[{a, b}]", 1),
            ("[{a, \"b}].\n", 2),
            ("[{a b}].", 1),
            ("", 1),
            ("[]. [].", 1),
            ("[{a, 16#ff}].", 1),
        ] {
            assert_eq!(parse(text).map_err(|error| error.line), Err(line), "{text}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err(), "no stack runs out");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_makes_it_panic(text in "[\\[\\]{}<>\"',.%a-z0-9 \n\\\\-]{0,80}") {
            let _ = parse(&text);
        }
    }
}
