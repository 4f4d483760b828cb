//! Why a broker could not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::broker::recovery::RecoveryError;
use crate::broker::{ImportError, OperationError};
use crate::store;
use crate::tls::TlsError;

/// Why a broker could not start. Each text is one line for its user.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be bound.
    #[error("cannot listen on {address}{}", advice(setting, *address, source))]
    Listen {
        /// The setting that says so.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The control socket that was asked for could not be made.
    #[error("cannot make the control socket {}: {reason}", path.display())]
    ControlSocket {
        /// Where.
        path: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// There cannot be TLS with these settings and files.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The data directory could not be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It has another format.
    #[error("data directory {}: {source}", dir.display())]
    Format {
        /// The data directory.
        dir: PathBuf,
        /// Which format.
        source: store::Error,
    },
    /// What is in it could not be understood.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// Nothing is random enough for the cluster's id.
    #[error("cannot make the cluster's id: {0}")]
    ClusterId(OperationError),
    /// The definitions file could not be read.
    #[error("cannot read the definitions file {}", path.display())]
    DefinitionsFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The definitions could not be imported; nothing of them was.
    #[error("{}: {error}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// The object and what is wrong with it.
        error: ImportError,
    },
}

/// What to do, in brackets.
fn advice(setting: &str, address: SocketAddr, error: &io::Error) -> String {
    let next = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(1024));
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            " (is RabbitMQ or another broker running? stop it, or take another port: --{setting} {next})"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(
                " (this machine has no such address; every one it has: --{setting} [::]:{})",
                address.port()
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                " (ports below 1024 are the superuser's: take another, --{setting} {}:5672)",
                address.ip()
            )
        }
        _ => String::new(),
    }
}
