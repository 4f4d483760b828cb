//! A connection enters a vhost: whether there is room for it, and what its user may do there.

use std::sync::Arc;

use super::shared::Shared;
use super::vhost::Vhost;
use crate::auth::{Grant, Quota, Seat};

/// What a connection has when it is in.
#[derive(Debug)]
pub struct Entry {
    /// The vhost.
    pub vhost: Arc<Vhost>,
    /// What its user may do there.
    pub grant: Arc<Grant>,
    /// How many channels the user may have.
    pub channels: Arc<Quota>,
    /// Its places among the connections of the vhost and of the user.
    pub seats: [Seat; 2],
}

/// Why a connection may not enter, in RabbitMQ's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryRefusal {
    /// There is no such vhost.
    #[error("vhost {0} not found")]
    NoVhost(String),
    /// Another shard of the cluster serves it: whoever led the client here did not know yet.
    #[error("vhost {0} is served by another shard of the cluster: try again")]
    Elsewhere(String),
    /// It moves to another shard of the cluster.
    #[error("vhost {0} moves to another shard of the cluster: try again")]
    Moving(String),
    /// There are as many connections on the vhost as there may be.
    #[error("access to vhost '{vhost}' refused for user '{user}': connection limit ({limit}) is reached")]
    VhostLimit {
        /// The vhost.
        vhost: String,
        /// The user.
        user: String,
        /// How many that is.
        limit: i64,
    },
    /// The user has as many connections as there may be.
    #[error("connection refused for user '{user}': user connection limit ({limit}) is reached")]
    UserLimit {
        /// The user.
        user: String,
        /// How many that is.
        limit: i64,
    },
    /// The user has no permission on the vhost.
    #[error("access to vhost '{vhost}' refused for user '{user}'")]
    NoPermission {
        /// The vhost.
        vhost: String,
        /// The user.
        user: String,
    },
}

/// Lets a user's connection into a vhost. What is in the way is looked for in RabbitMQ's order.
///
/// # Errors
/// Why not.
pub fn enter(shared: &Shared, user: &str, name: &str) -> Result<Entry, EntryRefusal> {
    let vhost = shared.vhost(name).ok_or_else(|| EntryRefusal::NoVhost(name.to_owned()))?;
    if vhost.settings().home.is_some_and(|home| home.is_elsewhere()) {
        return Err(EntryRefusal::Elsewhere(name.to_owned()));
    }
    if vhost.is_leaving() {
        return Err(EntryRefusal::Moving(name.to_owned()));
    }
    let in_vhost = vhost.connections().take().map_err(|reached| EntryRefusal::VhostLimit {
        vhost: name.to_owned(),
        user: user.to_owned(),
        limit: reached.limit,
    })?;
    let no_permission = || EntryRefusal::NoPermission { vhost: name.to_owned(), user: user.to_owned() };
    // A user who was deleted just now has no permission any more.
    let quotas = shared.users(|users| users.quotas(user)).ok_or_else(no_permission)?;
    let of_user = quotas
        .connections
        .take()
        .map_err(|reached| EntryRefusal::UserLimit { user: user.to_owned(), limit: reached.limit })?;
    let grant = shared.users(|users| users.grant(user, name)).ok_or_else(no_permission)?;
    Ok(Entry { vhost, grant, channels: quotas.channels, seats: [in_vhost, of_user] })
}
