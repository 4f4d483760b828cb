//! Why a broker's answer is not there, or is not the one that was hoped for.

use std::fmt;
use std::io;

use serde_json::Value;

/// What went wrong between a tool and a broker.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there, or lets us in.
    #[error("cannot connect to {target}: {source}")]
    Unreachable {
        /// The URL or the path of the socket.
        target: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nothing came within the time.
    #[error("{target} did not answer within {seconds} s")]
    Late {
        /// The URL or the path of the socket.
        target: String,
        /// How long we waited.
        seconds: u64,
    },
    /// The connection ended before the answer did.
    #[error("the connection to {target} broke: {reason}")]
    Broken {
        /// The URL or the path of the socket.
        target: String,
        /// What the HTTP library says.
        reason: String,
    },
    /// The broker said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It may be something else than a broker that answers there.
    #[error("{target} answered what is not JSON; is it the management API of a broker that listens there?")]
    NotJson {
        /// The URL or the path of the socket.
        target: String,
    },
    /// More than a tool keeps in memory.
    #[error("an answer of {target} is longer than {max_bytes} bytes")]
    TooLong {
        /// The URL or the path of the socket.
        target: String,
        /// The limit.
        max_bytes: usize,
    },
    /// A name or a password that cannot stand in a header, a host that cannot be one.
    #[error("{0}")]
    Unusable(String),
}

impl ClientError {
    /// The status of a refusal.
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// Whether the user is not known, or has another password: the broker gives no other reason then.
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 401 && refusal.reason == "Not_Authorized")
    }
}

/// A status of 400 or more, and what the body says about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The kind, such as `bad_request`; empty where the body has none.
    pub error: String,
    /// For people; the body as it is, where it has no reason.
    pub reason: String,
    /// What was asked for, with the query.
    pub path: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, self.reason.as_str()) {
            (404, "Not Found" | "") => write!(f, "not found: {}", self.path),
            (status, "") => write!(f, "HTTP status {status} for {}", self.path),
            (_, reason) => f.write_str(reason),
        }
    }
}

impl Refusal {
    /// Reads `{"error": .., "reason": ..}`; any other body is the reason itself.
    pub(super) fn new(status: u16, path: &str, body: &str) -> Self {
        let parsed: Value = serde_json::from_str(body).unwrap_or_default();
        let field = |name: &str| parsed.get(name).map(text_of);
        Self {
            status,
            error: field("error").unwrap_or_default(),
            reason: field("reason").unwrap_or_else(|| body.trim().to_owned()),
            path: path.to_owned(),
        }
    }
}

/// A text as it is; other values, such as a list of missing keys, as JSON.
fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_broker_says() {
        let refusal =
            Refusal::new(400, "/api/x", r#"{"error": "bad_request", "reason": "inequivalent arg"}"#);
        assert_eq!(
            (refusal.error.as_str(), refusal.to_string().as_str()),
            ("bad_request", "inequivalent arg")
        );
        let refusal =
            Refusal::new(400, "/api/x", r#"{"error": "bad_request", "reason": ["key_missing", "a"]}"#);
        assert_eq!(refusal.to_string(), r#"["key_missing","a"]"#);
        let refusal =
            Refusal::new(404, "/api/x?y", r#"{"error": "Object Not Found", "reason": "Not Found"}"#);
        assert_eq!(refusal.to_string(), "not found: /api/x?y");
        assert_eq!(Refusal::new(502, "/api/x", "Bad gateway\n").to_string(), "Bad gateway");
        assert_eq!(Refusal::new(500, "/api/x", "").to_string(), "HTTP status 500 for /api/x");
    }
}
