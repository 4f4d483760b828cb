//! SASL mechanisms: PLAIN (RFC 4616), AMQPLAIN (PLAIN with a field table, from AMQP 0-8), and EXTERNAL (RFC 4422 appendix A), by which the
//! transport says who a client is.

use std::fmt;

use crate::protocol::table::{FieldValue, Table};

/// What connection.start offers, best first.
pub const MECHANISMS: &str = "PLAIN AMQPLAIN";
/// The same where the transport may say who a client is.
pub const MECHANISMS_WITH_EXTERNAL: &str = "PLAIN AMQPLAIN EXTERNAL";
/// That mechanism.
pub const EXTERNAL: &str = "EXTERNAL";

/// Who a client is by its transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum External {
    /// Its certificate, which was verified, names this user.
    User(String),
    /// It presented no certificate.
    NoCertificate,
    /// Its certificate has no name where the settings look for one.
    NoName,
}

/// Why a client should be whom it says.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// It knows the password.
    Password(Vec<u8>),
    /// Its transport says so.
    External(External),
}

/// Who a client says it is, and why that should be so.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The mechanism they came by, for the refusal's text.
    pub mechanism: &'static str,
    /// The user.
    pub user: String,
    /// What shows it.
    pub proof: Proof,
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

    /// By EXTERNAL: whatever the client says, it is who its transport says.
    #[must_use]
    pub fn external(external: External) -> Self {
        let user = match &external {
            External::User(name) => name.clone(),
            External::NoCertificate | External::NoName => String::new(),
        };
        Self { mechanism: EXTERNAL, user, proof: Proof::External(external) }
    }

    /// By name and password.
    #[must_use]
    pub const fn password(mechanism: &'static str, user: String, password: Vec<u8>) -> Self {
        Self { mechanism, user, proof: Proof::Password(password) }
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
        Some(Self::password(mechanism, user, password.to_vec()))
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
        assert_eq!(credentials, Credentials::password("PLAIN", "guest".to_owned(), b"se\0cret".to_vec()));
        assert!(!format!("{credentials:?}").contains("cret"));
    }

    #[test]
    fn amqplain_takes_a_table() {
        let response = b"\x05LOGINS\0\0\0\x05guest\x08PASSWORDS\0\0\0\x02pw";
        let credentials = Credentials::parse("AMQPLAIN", response).unwrap();
        assert_eq!(credentials, Credentials::password("AMQPLAIN", "guest".to_owned(), b"pw".to_vec()));
    }

    #[test]
    fn malformed_responses_are_refused() {
        for (mechanism, response) in [
            ("PLAIN", &b"guest"[..]),
            ("PLAIN", b"\0guest"),
            ("AMQPLAIN", b"\x05LOGI"),
            ("CRAM-MD5", b"\0a\0b"),
            ("EXTERNAL", b""),
        ] {
            assert_eq!(Credentials::parse(mechanism, response), None, "{mechanism}");
        }
    }
}
