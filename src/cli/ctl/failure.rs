//! Why a command failed, with the exit code that says so (those of sysexits.h, as RabbitMQ's tools use them).

use serde_json::Value;

use crate::cli::client::find::NotFound;
use crate::cli::client::{ClientError, Refusal};

/// The command line makes no sense.
pub const USAGE: u8 = 64;
/// What it names is not there, or is not what it should be.
pub const DATA: u8 = 65;
/// There is no such user.
pub const NO_USER: u8 = 67;
/// The broker cannot be reached, or refuses.
pub const UNAVAILABLE: u8 = 69;
/// It went wrong.
pub const SOFTWARE: u8 = 70;
/// It may go well later.
pub const TEMPORARY: u8 = 75;

/// Why a command failed.
#[derive(Debug, PartialEq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// What standard error gets.
    pub text: String,
    /// What it gets where JSON is asked for, if that is something else.
    pub value: Option<Value>,
    /// Whether the command line is wrong, so that its right form helps.
    pub is_usage: bool,
}

impl Failure {
    /// With a text that begins with "Error:", as most do.
    pub fn error(code: u8, text: impl AsRef<str>) -> Self {
        Self::plain(code, format!("Error:\n{}", text.as_ref()))
    }

    /// With a text as it is.
    pub fn plain(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), value: None, is_usage: false }
    }

    /// An argument is wrong.
    pub fn argument(code: u8, text: impl AsRef<str>) -> Self {
        let text = format!("Error (argument validation): {}", text.as_ref());
        Self { is_usage: true, ..Self::plain(code, text) }
    }

    /// An argument's value is wrong.
    pub fn bad_argument(text: impl AsRef<str>) -> Self {
        Self::argument(DATA, format!("Bad argument: {}", text.as_ref()))
    }

    /// With another form in JSON.
    pub fn with_value(self, value: Value) -> Self {
        Self { value: Some(value), ..self }
    }

    /// There is no such vhost.
    pub fn no_vhost(name: &str) -> Self {
        Self::plain(DATA, format!("Virtual host '{name}' does not exist"))
    }

    /// There is no such user.
    pub fn no_user(code: u8, name: &str) -> Self {
        Self::error(code, format!("User {name:?} does not exist"))
    }

    /// There is no such queue.
    pub fn no_object() -> Self {
        Self::plain(DATA, "Object (queue, stream, exchange, etc) was not found")
    }

    /// The broker cannot do that, whatever the arguments are.
    pub fn unsupported(why: impl AsRef<str>) -> Self {
        Self::error(UNAVAILABLE, why)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => refusal.into(),
            ClientError::Late { .. } => {
                Self::plain(TEMPORARY, format!("Error: operation timed out. {error}"))
            }
            other => Self::plain(UNAVAILABLE, format!("Error: {other}")),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::error(UNAVAILABLE, refusal.to_string())
    }
}

impl From<NotFound> for Failure {
    fn from(error: NotFound) -> Self {
        Self::plain(UNAVAILABLE, format!("Error: {error}"))
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::error(SOFTWARE, error.to_string())
    }
}

/// A refusal that one status means something to.
pub trait Means<T> {
    /// With this failure for this status.
    fn when(self, status: u16, failure: impl FnOnce() -> Failure) -> Result<T, Failure>;
}

impl<T> Means<T> for Result<T, ClientError> {
    fn when(self, status: u16, failure: impl FnOnce() -> Failure) -> Result<T, Failure> {
        self.map_err(|error| if error.status() == Some(status) { failure() } else { error.into() })
    }
}
