//! Bytes in error texts, written as RabbitMQ (Erlang) writes a binary: `<<"ab">>` or `<<0,20>>`.

use std::fmt;

/// Bytes printed at most. Reply texts are cut at 255 bytes, and what follows the octets says what was wrong with them.
const PRINTED_MAX: usize = 40;

/// The first bytes of something that could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Octets {
    bytes: Box<[u8]>,
    cut: bool,
}

impl From<&[u8]> for Octets {
    fn from(bytes: &[u8]) -> Self {
        let shown = bytes.get(..PRINTED_MAX).unwrap_or(bytes);
        Self { bytes: shown.into(), cut: shown.len() < bytes.len() }
    }
}

impl Octets {
    fn is_text(&self) -> bool {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        !self.bytes.is_empty() && self.bytes.iter().all(is_plain)
    }

    fn write_numbers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.bytes.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{byte}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<<")?;
        match std::str::from_utf8(&self.bytes) {
            Ok(text) if self.is_text() => write!(f, "\"{text}\"")?,
            _ => self.write_numbers(f)?,
        }
        f.write_str(if self.cut { "...>>" } else { ">>" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_print_as_erlang_prints_them() {
        let cases: [(&[u8], &str); 5] = [
            (b"", "<<>>"),
            (b"ab", "<<\"ab\">>"),
            (b"a\"", "<<97,34>>"),
            (&[0, 20, 255], "<<0,20,255>>"),
            ("é".as_bytes(), "<<195,169>>"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Octets::from(bytes).to_string(), text);
        }
    }

    #[test]
    fn long_octets_are_cut() {
        let text = Octets::from(&[200; PRINTED_MAX + 1][..]).to_string();
        assert!(text.ends_with(",200...>>"));
        assert_eq!(text.matches("200").count(), PRINTED_MAX);
        assert!(!Octets::from(&[200; PRINTED_MAX][..]).to_string().contains("..."));
    }
}
