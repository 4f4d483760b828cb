//! Connections and channels, as operators see them: list, close.

use std::sync::Arc;

use super::scope::Caller;
use crate::broker::connections::{ConnectionHandle, EndReason, Event};
use crate::broker::error::OperationError;
use crate::broker::overview::{ConnectionOverview, Handshake};
use crate::broker::shared::Shared;
use crate::queue::ConnectionId;

/// All open connections, by id. Their tasks are not asked.
#[must_use]
pub fn connections(shared: &Shared) -> Vec<Arc<ConnectionOverview>> {
    let mut all: Vec<Arc<ConnectionOverview>> =
        shared.connections.iter().filter_map(|handle| handle.overview.clone()).collect();
    all.sort_by_key(|overview| overview.id);
    all
}

/// Closes a connection: its client sees 320 `CONNECTION_FORCED` with the reason. Answers at once. For administrators, and
/// for users who close a connection of their own.
///
/// # Errors
/// `NoConnection`, `NotTagged`.
pub fn close_connection(
    shared: &Shared,
    caller: Caller<'_>,
    id: ConnectionId,
    reason: &str,
) -> Result<(), OperationError> {
    let (handle, overview) = find(shared, id)?;
    require_owner(shared, caller, &overview.handshake())?;
    handle.end(EndReason::Operator(reason.to_owned()));
    Ok(())
}

/// Closes a channel: its client sees 406 `PRECONDITION_FAILED` with the reason, as when a consumer takes too long to ack.
/// As with [`close_connection`].
///
/// # Errors
/// `NoConnection`, `NoChannel`, `NotTagged`.
pub fn close_channel(
    shared: &Shared,
    caller: Caller<'_>,
    id: ConnectionId,
    channel: u16,
    reason: &str,
) -> Result<(), OperationError> {
    let (handle, overview) = find(shared, id)?;
    require_owner(shared, caller, &overview.handshake())?;
    if overview.channel(channel).is_none() {
        return Err(OperationError::NoChannel { connection: id.0, channel });
    }
    // One that is gone has no channel either.
    let _ = handle.events.send(Event::CloseChannel(channel, reason.to_owned()));
    Ok(())
}

/// Closes all connections of a user; how many they are. As with [`close_connection`].
///
/// # Errors
/// `NotTagged`.
pub fn close_connections_of_user(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    reason: &str,
) -> Result<usize, OperationError> {
    require_owner(shared, caller, &Handshake { user: user.to_owned(), ..Handshake::default() })?;
    Ok(close_matching(shared, reason, |handshake| handshake.user == user))
}

/// Which connections are meant: those that all of it applies to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Their name.
    pub name: Option<&'a str>,
    /// Their user.
    pub user: Option<&'a str>,
    /// Their vhost.
    pub vhost: Option<&'a str>,
}

/// Closes connections, at most `limit`; how many they are. For administrators.
///
/// # Errors
/// `NotTagged`.
pub fn close_connections(
    shared: &Shared,
    caller: Caller<'_>,
    selection: Selection<'_>,
    limit: usize,
    reason: &str,
) -> Result<usize, OperationError> {
    caller.require_administrator(shared)?;
    let Selection { name, user, vhost } = selection;
    let is_meant = |overview: &ConnectionOverview| {
        let handshake = overview.handshake();
        name.is_none_or(|name| overview.name() == name)
            && user.is_none_or(|user| handshake.user == user)
            && vhost.is_none_or(|vhost| handshake.vhost.as_deref() == Some(vhost))
    };
    let meant = connections(shared).into_iter().filter(|overview| is_meant(overview)).take(limit);
    let mut closed = 0;
    for overview in meant {
        if close_connection(shared, caller, overview.id, reason).is_ok() {
            closed += 1;
        }
    }
    tracing::info!(by = caller.logged(), closed, connection = name, user, vhost, "connections were closed");
    Ok(closed)
}

fn find(
    shared: &Shared,
    id: ConnectionId,
) -> Result<(Arc<ConnectionHandle>, Arc<ConnectionOverview>), OperationError> {
    let handle = shared.connection(id);
    let found = handle.and_then(|handle| Some((Arc::clone(&handle), handle.overview.clone()?)));
    found.ok_or(OperationError::NoConnection(id.0))
}

/// For administrators, and for the user whose connection it is.
///
/// # Errors
/// `NoConnection`, `NotTagged`.
pub(super) fn require_owner_of(
    shared: &Shared,
    caller: Caller<'_>,
    id: ConnectionId,
) -> Result<(), OperationError> {
    let (_, overview) = find(shared, id)?;
    require_owner(shared, caller, &overview.handshake())
}

fn require_owner(shared: &Shared, caller: Caller<'_>, handshake: &Handshake) -> Result<(), OperationError> {
    match caller {
        Caller::Connection { user, .. } | Caller::User(user) if user == handshake.user => Ok(()),
        _ => caller.require_administrator(shared),
    }
}

/// Closes all connections that match; how many they are.
pub(super) fn close_matching(shared: &Shared, reason: &str, matches: impl Fn(&Handshake) -> bool) -> usize {
    let mut count = 0;
    for handle in &shared.connections {
        if handle.overview.as_ref().is_some_and(|overview| matches(&overview.handshake())) {
            handle.end(EndReason::Operator(reason.to_owned()));
            count += 1;
        }
    }
    count
}
