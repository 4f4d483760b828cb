//! JSON and numbers as Python writes them.

use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{Formatter, Serializer};

/// As `json.dumps`: spaces after commas and colons, and nothing but ASCII.
pub fn dumps(value: &Value) -> String {
    let mut bytes = Vec::new();
    // Writing to memory does not fail, and every key is a text.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut bytes, Dumps));
    String::from_utf8(bytes).unwrap_or_default()
}

/// As `str` shows a value that is no list and no object.
pub fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => float_text(float),
            None => number.to_string(),
        },
        other => dumps(other),
    }
}

/// Python writes very large and very small numbers with a sign and two digits in the exponent.
fn float_text(float: f64) -> String {
    let is_plain = float == 0.0 || (1e-4..1e16).contains(&float.abs());
    if is_plain {
        return format!("{float:?}");
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let sign = if exponent.starts_with('-') { '-' } else { '+' };
            format!("{digits}e{sign}{:0>2}", exponent.trim_start_matches('-'))
        }
        None => text,
    }
}

struct Dumps;

impl Formatter for Dumps {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(float_text(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for character in fragment.chars() {
            if character.is_ascii() && character != '\u{7f}' {
                writer.write_all(&[character as u8])?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_in_python() {
        let value = json!({"a": [1, 2.0, "ü😀\n"], "b": {"c": null, "d": true}});
        assert_eq!(dumps(&value), r#"{"a": [1, 2.0, "\u00fc\ud83d\ude00\n"], "b": {"c": null, "d": true}}"#);
        let shown: Vec<String> =
            [json!(null), json!(true), json!("x"), json!(-3), json!(0.0)].iter().map(scalar).collect();
        assert_eq!(shown, ["None", "True", "x", "-3", "0.0"]);
        let floats = [json!(1e16), json!(1.5e-7), json!(123_456.75), json!(0.0001)];
        assert_eq!(
            floats.iter().map(scalar).collect::<Vec<_>>(),
            ["1e+16", "1.5e-07", "123456.75", "0.0001"]
        );
    }
}
