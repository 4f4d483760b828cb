//! Global parameters: put, remove, list. For those who may change policies, as in RabbitMQ.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::scope::Caller;
use super::users::check_name;
use crate::auth::{ADMINISTRATOR, POLICYMAKER};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::events::{Event, Parameter};
use crate::broker::global_parameters::{CLUSTER_NAME, INTERNAL_CLUSTER_ID};
use crate::broker::shared::{Shared, random_bytes};

/// All global parameters, by name.
///
/// # Errors
/// `NotTagged`.
pub fn global_parameters(
    shared: &Shared,
    caller: Caller<'_>,
) -> Result<BTreeMap<String, Value>, OperationError> {
    caller.require_tag(shared, &[POLICYMAKER, ADMINISTRATOR])?;
    Ok(shared.global_parameters.all())
}

/// The cluster's name, if it was given one: no secret to anybody.
#[must_use]
pub fn cluster_name(shared: &Shared) -> Option<String> {
    match shared.global_parameters.value(CLUSTER_NAME)? {
        Value::String(name) => Some(name),
        _ => None,
    }
}

/// What no other cluster has, whatever its name; it is made at the first start.
#[must_use]
pub fn internal_cluster_id(shared: &Shared) -> Option<String> {
    match shared.global_parameters.value(INTERNAL_CLUSTER_ID)? {
        Value::String(id) => Some(id),
        _ => None,
    }
}

/// Puts a global parameter, durably. `true` if it is new.
///
/// # Errors
/// `NotTagged`, `InvalidName`.
pub async fn put_global_parameter(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    value: Value,
) -> Result<bool, OperationError> {
    caller.require_tag(shared, &[POLICYMAKER, ADMINISTRATOR])?;
    check_name("global parameter", name)?;
    let _changes = shared.changes.lock().await;
    let definition = Definition::GlobalParameter(name.to_owned(), value.clone());
    shared.store_definitions(vec![definition.put()]).await;
    caller.tell(shared, &Event::ParameterSet { parameter: Parameter::global(name), value: &value });
    tracing::info!(by = caller.logged(), parameter = name, "a global parameter was set");
    Ok(shared.global_parameters.put(name, value))
}

/// Removes a global parameter, durably.
///
/// # Errors
/// `NotTagged`, `NoGlobalParameter`.
pub async fn remove_global_parameter(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
) -> Result<(), OperationError> {
    caller.require_tag(shared, &[POLICYMAKER, ADMINISTRATOR])?;
    let _changes = shared.changes.lock().await;
    if shared.global_parameters.value(name).is_none() {
        return Err(OperationError::NoGlobalParameter(name.to_owned()));
    }
    shared.store_definitions(vec![Definition::remove_global_parameter(name)]).await;
    shared.global_parameters.remove(name);
    caller.tell(shared, &Event::ParameterCleared(Parameter::global(name)));
    tracing::info!(by = caller.logged(), parameter = name, "a global parameter was removed");
    Ok(())
}

/// Makes the parameter by which the cluster is known whatever its name, unless there is one already.
///
/// # Errors
/// `NoRandomness`.
pub(crate) async fn ensure_cluster_id(shared: &Shared) -> Result<(), OperationError> {
    if shared.global_parameters.value(INTERNAL_CLUSTER_ID).is_some() {
        return Ok(());
    }
    let id: [u8; 16] = random_bytes().map_err(|_| OperationError::NoRandomness)?;
    let id = format!("rabbitmq-cluster-id-{}", URL_SAFE_NO_PAD.encode(id));
    put_global_parameter(shared, Caller::Operator, INTERNAL_CLUSTER_ID, id.into()).await.map(drop)
}
