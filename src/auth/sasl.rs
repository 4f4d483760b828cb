//! SASL mechanisms: PLAIN (RFC 4616) and AMQPLAIN (PLAIN with a field table, from AMQP 0-8).

use std::fmt;

use crate::protocol::table::{FieldValue, Table};

/// What connection.start offers, best first.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN";

/// A user name and password as a client gave them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The mechanism they came by, for the refusal's text.
    pub mechanism: &'static str,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Vec<u8>,
}

impl Credentials {
    /// Takes apart the response of connection.start-ok; `None` if it is malformed or the mechanism is not offered.
    #[must_use]
    pub fn parse(mechanism: &str, response: &[u8]) -> Option<Self> {
        match mechanism {
            "PLAIN" => Self::plain(response),
            "AMQPLAIN" => Self::amqplain(response),
            _ => None,
        }
    }

    /// `authzid NUL user NUL password`; the authzid is ignored, as RabbitMQ does.
    fn plain(response: &[u8]) -> Option<Self> {
        let mut parts = response.splitn(3, |byte| *byte == 0);
        let (_, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        Self::new("PLAIN", user, password)
    }

    /// A field table without its length, with LOGIN and PASSWORD.
    fn amqplain(response: &[u8]) -> Option<Self> {
        let table = Table::parse(response).ok()?;
        let text = |key: &[u8]| match table.get(key) {
            Some(FieldValue::LongString(bytes)) => Some(bytes),
            _ => None,
        };
        Self::new("AMQPLAIN", text(b"LOGIN")?, text(b"PASSWORD")?)
    }

    fn new(mechanism: &'static str, user: &[u8], password: &[u8]) -> Option<Self> {
        let user = std::str::from_utf8(user).ok()?.to_owned();
        Some(Self { mechanism, user, password: password.to_vec() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("mechanism", &self.mechanism)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_takes_user_and_password() {
        let credentials = Credentials::parse("PLAIN", b"\0guest\0se\0cret").unwrap();
        assert_eq!((credentials.user.as_str(), &credentials.password[..]), ("guest", &b"se\0cret"[..]));
        assert!(!format!("{credentials:?}").contains("cret"));
    }

    #[test]
    fn amqplain_takes_a_table() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02pw";
        let credentials = Credentials::parse("AMQPLAIN", response).unwrap();
        assert_eq!((credentials.user.as_str(), &credentials.password[..]), ("guest", &b"pw"[..]));
    }

    #[test]
    fn malformed_responses_are_refused() {
        for (mechanism, response) in [
            ("PLAIN", &b"guest"[..]),
            ("PLAIN", b"\0guest"),
            ("AMQPLAIN", b"\x05LOGI"),
            ("CRAM-MD5", b"\0a\0b"),
        ] {
            assert_eq!(Credentials::parse(mechanism, response), None, "{mechanism}");
        }
    }
}
