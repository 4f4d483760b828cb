//! Why a command could not do what it was asked for, and what to do then.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::client::ClientError;
use crate::cli::client::find::NotFound;

/// `EX_UNAVAILABLE` of sysexits.h, as RabbitMQ's tools end when no broker answers.
const UNAVAILABLE: u8 = 69;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// No broker answers.
    #[error(transparent)]
    NoBroker(#[from] NotFound),
    /// The broker refused, or could not be asked.
    #[error("{what}: {}", explain(source, hint))]
    Request {
        /// What it was about.
        what: String,
        /// What the client says.
        source: Box<ClientError>,
        /// What to do when there is no such thing.
        hint: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// It was done, and did not lead to what was wanted.
    #[error("{0}")]
    Failed(String),
    /// Standard output or the terminal.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl NativeError {
    /// Says what is wrong; what the process ends with.
    pub fn report(&self) -> ExitCode {
        eprintln!("coney: {self}");
        ExitCode::from(self.exit_code())
    }

    const fn exit_code(&self) -> u8 {
        match self {
            Self::NoBroker(_) => UNAVAILABLE,
            Self::Usage(_) => 2,
            Self::Request { .. } | Self::File { .. } | Self::Failed(_) | Self::Output(_) => 1,
        }
    }
}

fn explain(error: &ClientError, hint: &str) -> String {
    match error.status() {
        Some(404) if !hint.is_empty() => format!("there is no such thing; {hint}"),
        Some(401) if error.is_login_refused() => {
            "the broker does not let this user in with this password (-u USER -p PASSWORD, or in the URL)"
                .to_owned()
        }
        Some(401) => format!(
            "{error} (who asks is said by -u USER -p PASSWORD; `coney ctl list_permissions` shows who may do what)"
        ),
        _ => error.to_string(),
    }
}
