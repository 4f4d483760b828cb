//! The broker as a whole, while it runs: stopping it, its limits, and whether a password is right.

use std::net::{IpAddr, Ipv4Addr};

use super::scope::Caller;
use crate::auth::Credentials;
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;

/// Refuses users without the tag `administrator`, for what is done outside of the broker's own state.
///
/// # Errors
/// `NotTagged`.
pub fn require_operator(shared: &Shared, caller: Caller<'_>) -> Result<(), OperationError> {
    caller.require_administrator(shared)
}

/// Asks whoever runs the broker to stop it. Answers at once.
///
/// # Errors
/// `NotTagged`.
pub fn ask_to_stop(shared: &Shared, caller: Caller<'_>) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    tracing::info!(by = caller.logged(), "the broker is asked to stop");
    shared.stop_asked.send_replace(true);
    if let Some(cluster) = &shared.cluster {
        cluster.stop();
    }
    Ok(())
}

/// Sets the memory above which publishers are blocked, in bytes, until the broker stops; `None`: as much as there is.
///
/// # Errors
/// `NotTagged`.
pub fn set_memory_limit(
    shared: &Shared,
    caller: Caller<'_>,
    bytes: Option<u64>,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    shared.change_limits(|limits| limits.memory = bytes.filter(|bytes| *bytes > 0));
    match bytes {
        Some(bytes) => tracing::info!(by = caller.logged(), bytes, "the memory limit was changed"),
        None => tracing::info!(by = caller.logged(), "the memory limit was taken away"),
    }
    Ok(())
}

/// Sets the free disk space below which publishers are blocked, in bytes, until the broker stops; `None` never. A broker that keeps
/// everything in memory has none.
///
/// # Errors
/// `NotTagged`.
pub fn set_disk_free_limit(
    shared: &Shared,
    caller: Caller<'_>,
    bytes: Option<u64>,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let has_disk = shared.config.data_dir.is_some();
    shared.change_limits(|limits| limits.disk_free = bytes.filter(|bytes| has_disk && *bytes > 0));
    match bytes {
        Some(bytes) => {
            tracing::info!(by = caller.logged(), bytes, "the limit of free disk space was changed")
        }
        None => tracing::info!(by = caller.logged(), "the limit of free disk space was taken away"),
    }
    Ok(())
}

/// Whether a password lets a user in from this machine. It is no attempt to log in: nothing is counted, and nobody has to wait for it.
///
/// # Errors
/// `NotTagged`.
pub fn authenticate(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    password: &str,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    let credentials = Credentials::password("PLAIN", user.to_owned(), password.as_bytes().to_vec());
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Ok(shared.users(|users| users.admits(&credentials, local)).is_ok())
}
