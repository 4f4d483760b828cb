//! Names that the broker makes up: of queues, of consumers.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::shared::random_bytes;

/// The prefix and 16 random bytes in URL-safe base64, 22 characters, as RabbitMQ makes them: `amq.gen-hPI986ocAIdW-Ggk3Hhv3g`.
/// Unique on the broker, and nobody can guess it.
///
/// # Errors
/// The system has no random numbers.
pub fn generated(prefix: &str) -> std::io::Result<String> {
    let bytes: [u8; 16] = random_bytes()?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// For a part of a URI (RFC 3986, section 2.1): all but letters, digits, `-`, `.` and `_` is escaped.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            // Writing to a string never fails.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_22_characters_of_its_own() {
        let names = [generated("amq.gen-").unwrap(), generated("amq.gen-").unwrap()];
        assert_ne!(names[0], names[1]);
        for name in names {
            let random = name.strip_prefix("amq.gen-").unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 16, "{name}");
        }
    }
}
