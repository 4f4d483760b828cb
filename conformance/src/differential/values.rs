//! Field values as text: the wire's type letter, a colon, the value. `I:5`, `S:"text"`, `t:true`, `V:`, `A:[I:1, I:2]`,
//! `F:{key=I:1}`, `D:2/314`, `x:00ff`.

use crate::codec::{Props, Table, Value};

/// Writes a value.
pub fn write(value: &Value) -> String {
    match value {
        Value::Bool(v) => format!("t:{v}"),
        Value::I8(v) => format!("b:{v}"),
        Value::U8(v) => format!("B:{v}"),
        Value::I16(v) => format!("s:{v}"),
        Value::U16(v) => format!("u:{v}"),
        Value::I32(v) => format!("I:{v}"),
        Value::U32(v) => format!("i:{v}"),
        Value::I64(v) => format!("l:{v}"),
        Value::F32(v) => format!("f:{v:?}"),
        Value::F64(v) => format!("d:{v:?}"),
        Value::Decimal(scale, v) => format!("D:{scale}/{v}"),
        Value::Str(v) => format!("S:{}", quoted(&String::from_utf8_lossy(v))),
        Value::Array(v) => format!("A:[{}]", v.iter().map(write).collect::<Vec<_>>().join(", ")),
        Value::Time(v) => format!("T:{v}"),
        Value::Table(v) => format!("F:{}", write_table(v)),
        Value::Bytes(v) => format!("x:{}", v.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Value::Void => "V:".to_owned(),
    }
}

/// Writes a table in braces.
pub fn write_table(table: &Table) -> String {
    let entry = |(key, value): &(String, Value)| format!("{}={}", word(key), write(value));
    format!("{{{}}}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
}

/// A message's properties but its headers: each that is there, with its value as a word.
pub fn properties(props: &Props) -> Vec<(&'static str, String)> {
    let texts = [
        ("content-type", &props.content_type),
        ("content-encoding", &props.content_encoding),
        ("correlation-id", &props.correlation_id),
        ("reply-to", &props.reply_to),
        ("expiration", &props.expiration),
        ("message-id", &props.message_id),
        ("type", &props.kind),
        ("user-id", &props.user_id),
        ("app-id", &props.app_id),
        ("cluster-id", &props.cluster_id),
    ];
    let numbers = [
        ("delivery-mode", props.delivery_mode.map(u64::from)),
        ("priority", props.priority.map(u64::from)),
        ("timestamp", props.timestamp),
    ];
    let texts = texts.into_iter().filter_map(|(key, text)| Some((key, word(text.as_ref()?))));
    let numbers = numbers.into_iter().filter_map(|(key, number)| Some((key, number?.to_string())));
    texts.chain(numbers).collect()
}

/// A text, in quotes if it needs them.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.*#{}/".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Reads texts, values and tables from a line.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// Reads this line.
    pub fn new(line: &'a str) -> Self {
        Self { rest: line.trim() }
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// Takes this if it comes next, and the spaces after it.
    pub fn accept(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(format!("`{text}` expected before `{}`", self.rest)) }
    }

    /// The next word, quoted or not, up to a space or `=`.
    pub fn word(&mut self) -> Result<String, String> {
        if self.rest.starts_with('"') { self.quoted() } else { Ok(self.bare("= \t").to_owned()) }
    }

    /// What comes up to one of these characters.
    fn bare(&mut self, ends: &str) -> &'a str {
        let end = self.rest.find(|c| ends.contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default().trim_start();
                    return Ok(text);
                }
                '\\' => text.push(escape(&mut chars)?),
                c => text.push(c),
            }
        }
        Err(format!("a quote without an end: {}", self.rest))
    }

    /// The next value.
    pub fn value(&mut self) -> Result<Value, String> {
        let (kind, rest) = self.rest.split_once(':').ok_or_else(|| format!("no value at `{}`", self.rest))?;
        self.rest = rest;
        Ok(match kind {
            "S" => Value::Str(self.quoted()?.into_bytes()),
            "A" => Value::Array(self.array()?),
            "F" => Value::Table(self.table()?),
            kind => scalar(kind, self.bare(" ,]}"))?,
        })
    }

    fn array(&mut self) -> Result<Vec<Value>, String> {
        self.expect("[")?;
        let mut values = Vec::new();
        while !self.accept("]") {
            values.push(self.value()?);
            self.accept(",");
        }
        Ok(values)
    }

    /// A table in braces.
    pub fn table(&mut self) -> Result<Table, String> {
        self.expect("{")?;
        let mut table = Table::new();
        while !self.accept("}") {
            let key = self.word()?;
            self.expect("=")?;
            table.push((key, self.value()?));
            self.accept(",");
        }
        Ok(table)
    }
}

fn escape(chars: &mut impl Iterator<Item = (usize, char)>) -> Result<char, String> {
    match chars.next().map(|(_, c)| c) {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('0') => Ok('\0'),
        Some('u') => {
            let digits: String = chars.map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
            let code = u32::from_str_radix(&digits, 16).map_err(|error| error.to_string())?;
            char::from_u32(code).ok_or_else(|| format!("no character {digits}"))
        }
        Some(c) => Ok(c),
        None => Err("an escape without an end".to_owned()),
    }
}

fn scalar(kind: &str, text: &str) -> Result<Value, String> {
    fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
        text.parse().map_err(|_| format!("`{text}` is not a value of its type"))
    }
    Ok(match kind {
        "t" => Value::Bool(number(text)?),
        "b" => Value::I8(number(text)?),
        "B" => Value::U8(number(text)?),
        "s" => Value::I16(number(text)?),
        "u" => Value::U16(number(text)?),
        "I" => Value::I32(number(text)?),
        "i" => Value::U32(number(text)?),
        "l" => Value::I64(number(text)?),
        "f" => Value::F32(number(text)?),
        "d" => Value::F64(number(text)?),
        "T" => Value::Time(number(text)?),
        "V" => Value::Void,
        "x" => Value::Bytes(bytes(text)?),
        "D" => {
            let (scale, value) = text.split_once('/').ok_or("a decimal is SCALE/VALUE")?;
            Value::Decimal(number(scale)?, number(value)?)
        }
        other => return Err(format!("`{other}` is no type of values")),
    })
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digit = |c: char| c.to_digit(16).ok_or_else(|| format!("`{c}` is no hexadecimal digit"));
    let digits = text.chars().map(digit).collect::<Result<Vec<u32>, _>>()?;
    Ok(digits.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 16 + digit) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back() {
        let all = vec![
            Value::Bool(true),
            Value::I8(-1),
            Value::U8(255),
            Value::I16(-2),
            Value::U16(2),
            Value::I32(-3),
            Value::U32(3),
            Value::I64(i64::MIN),
            Value::F32(0.1),
            Value::F64(-1.5e300),
            Value::Decimal(2, 314),
            "a \"b\" \\ {q1} ü \n\u{1}, ]}".into(),
            Value::Array(vec![1.into(), "x, y".into(), Value::Array(vec![])]),
            Value::Time(7),
            Value::Table(vec![("k e=y".into(), Value::Void), ("".into(), Value::Table(vec![]))]),
            Value::Bytes(vec![0, 255]),
            Value::Void,
        ];
        for value in all.iter().chain([&Value::Array(all.clone())]) {
            let text = write(value);
            let mut scanner = Scanner::new(&text);
            assert_eq!(scanner.value().as_ref(), Ok(value), "{text}");
            assert!(scanner.is_done(), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "I", "I:", "I:x", "q:1", "S:a", "S:\"a", "A:[I:1", "F:{a}", "D:1"] {
            assert!(Scanner::new(text).value().is_err(), "{text}");
        }
    }
}
