//! Definitions: export and import, in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>).

use std::sync::Arc;

use serde_json::Value;

use super::scope::{Caller, Scope};
use super::vhosts::vhosts;
use crate::broker::error::{ImportError, OperationError};
use crate::broker::export;
use crate::broker::import::{self, Comparison, Defaults, Target};
use crate::broker::shared::Shared;

/// Why definitions were not imported; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportRefusal {
    /// Not for this caller.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// They have a fault.
    #[error(transparent)]
    Definitions(#[from] ImportError),
}

/// All definitions of the broker, passwords as hashes. [`import()`] makes the same of them, but for queues with names of
/// the broker's own (`amq.gen-`), which RabbitMQ's imports skip as well. For administrators.
///
/// # Errors
/// `NotTagged`.
pub async fn export(shared: &Shared, caller: Caller<'_>) -> Result<Value, OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    Ok(export::all(shared, &vhosts(shared)))
}

/// The definitions of one vhost, without its name and without users: they can be imported into any vhost. For
/// administrators.
///
/// # Errors
/// `NotTagged`, `NoVhost`.
pub async fn export_vhost(scope: Scope<'_>) -> Result<Value, OperationError> {
    scope.caller.require_administrator(scope.shared)?;
    let _lock = scope.lock().await?;
    Ok(export::of_vhost(scope.shared, scope.vhost))
}

/// Imports definitions, which are durable then and in use. Users, permissions and policies are overwritten; vhosts, exchanges,
/// queues and bindings are made if they are not there. Objects without a vhost belong to the default one. With a `vhost` all of
/// them belong to it, and what belongs to no vhost is passed over.
/// `source` is for the log: where the definitions came from. For administrators.
///
/// # Errors
/// `NotTagged`; the first fault of the definitions.
pub async fn import(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    json: &str,
    vhost: Option<&str>,
    source: &str,
) -> Result<(), ImportRefusal> {
    caller.require_administrator(shared)?;
    let target = vhost.map_or_else(|| Target::of(&shared.config), Target::Vhost);
    let defaults = caller.user().map_or(Defaults::None, Defaults::Creator);
    import::import(shared, json, target, defaults).await?.log(source, caller.logged());
    Ok(())
}

/// What [`import()`] would do with definitions; nothing is changed. For administrators.
///
/// # Errors
/// `NotTagged`; the first fault of the definitions, for which an import would be refused.
pub async fn compare(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    json: &str,
    vhost: Option<&str>,
) -> Result<Comparison, ImportRefusal> {
    caller.require_administrator(shared)?;
    let target = vhost.map_or_else(|| Target::of(&shared.config), Target::Vhost);
    let defaults = caller.user().map_or(Defaults::None, Defaults::Creator);
    Ok(import::compare(shared, json, target, defaults).await?)
}
