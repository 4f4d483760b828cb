//! Policies, of users and of operators (<https://www.rabbitmq.com/docs/policies>).

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::Value;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Asker, Level, Manager, PolicyMaker};
use super::columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::policy::PolicyView;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::broker::{Kind, OperationError};
use crate::policy::{ApplyTo, Policy, PolicyError, PolicyFault, PolicyKind};

/// `/api/policies` and `/api/operator-policies`. Lists are for everybody who sees the vhost, as in RabbitMQ.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/policies", list_all(PolicyKind::User)),
        ("/api/policies/{vhost}", list_of_vhost(PolicyKind::User)),
        ("/api/policies/{vhost}/{policy}", one::<PolicyMaker>(PolicyKind::User)),
        ("/api/operator-policies", list_all(PolicyKind::Operator)),
        ("/api/operator-policies/{vhost}", list_of_vhost(PolicyKind::Operator)),
        ("/api/operator-policies/{vhost}/{policy}", one::<Administrator>(PolicyKind::Operator)),
    ]
}

fn list_all(kind: PolicyKind) -> MethodRouter<Api> {
    get(move |State(api): State<Api>, asker: Manager, params: Params| async move {
        let vhosts = asker.vhosts(&api);
        list(&api, &asker, vhosts, kind, &params).await
    })
}

fn list_of_vhost(kind: PolicyKind) -> MethodRouter<Api> {
    get(move |State(api): State<Api>, asker: Manager, At(vhost): At<String>, params: Params| async move {
        let vhost = asker.enter(&api, &vhost)?;
        list(&api, &asker, vec![vhost], kind, &params).await
    })
}

/// One of a kind, for users of this level.
fn one<L: Level>(kind: PolicyKind) -> MethodRouter<Api> {
    type Path = At<(String, String)>;
    get(move |State(api): State<Api>, asker: L, At(path): Path, params: Params| async move {
        show(&api, &asker, kind, &path, &params)
    })
    .put(move |State(api): State<Api>, asker: L, At(path): Path, payload: Payload| async move {
        put(&api, &asker, kind, path, &payload).await
    })
    .delete(move |State(api): State<Api>, asker: L, At(path): Path| async move {
        delete(&api, &asker, kind, &path).await
    })
}

async fn list(
    api: &Api,
    asker: &Asker,
    vhosts: Vec<Arc<Vhost>>,
    kind: PolicyKind,
    params: &Params,
) -> Result<Response, ApiError> {
    let mut policies = Vec::new();
    for vhost in vhosts {
        let all = operations::policies(asker.scope(api, &vhost)).into_iter();
        let of_kind = all.filter(|policy| policy.kind == kind);
        policies.extend(of_kind.map(|policy| Arc::new((Arc::clone(&vhost), policy))));
    }
    let view = |listed: Arc<(Arc<Vhost>, Policy)>| async move {
        let (vhost, policy) = &*listed;
        serde_json::to_value(PolicyView::of(&vhost.name, policy)).ok()
    };
    Listing::of(params)?.answer(policies, |listed| &listed.1.name, view).await
}

fn show(
    api: &Api,
    asker: &Asker,
    kind: PolicyKind,
    (vhost, name): &(String, String),
    params: &Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(api, vhost)?;
    let all = operations::policies(asker.scope(api, &vhost)).into_iter();
    let policy = { all }.find(|policy| policy.kind == kind && policy.name == *name);
    let policy = policy.ok_or_else(ApiError::not_found)?;
    Ok(columns::answer(params, &PolicyView::of(&vhost.name, &policy)))
}

/// Puts a policy as the body says.
///
/// # Errors
/// 400, 401, 404.
pub(super) async fn put(
    api: &Api,
    asker: &Asker,
    kind: PolicyKind,
    (vhost, name): (String, String),
    payload: &Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(api, &vhost).map_err(of_policies)?;
    let policy = read(kind, name, payload)?;
    operations::put_policy(asker.scope(api, &vhost), policy).await.map(answer::put).map_err(refused)
}

/// A policy as the body says.
///
/// # Errors
/// 400.
pub(super) fn read(kind: PolicyKind, name: String, payload: &Payload) -> Result<Policy, ApiError> {
    payload.require(&["pattern", "definition"])?;
    Ok(Policy {
        name,
        kind,
        pattern: pattern(payload)?,
        apply_to: apply_to(payload)?,
        priority: priority(payload)?,
        definition: payload.table("definition")?,
    })
}

/// Why a policy is not put, in RabbitMQ's words.
pub(super) fn refused(error: OperationError) -> ApiError {
    match error {
        OperationError::Policy(error) => refuse(&error),
        error => error.into(),
    }
}

fn pattern(payload: &Payload) -> Result<String, ApiError> {
    match payload.get("pattern") {
        Some(Value::String(pattern)) => Ok(pattern.clone()),
        other => Err(invalid(&format!("pattern should be a binary but was {}", term(other)))),
    }
}

fn priority(payload: &Payload) -> Result<i64, ApiError> {
    match payload.get("priority") {
        None => Ok(0),
        Some(value) => value.as_i64().ok_or_else(|| {
            invalid(&format!("priority should be a number, actually was {}", term(Some(value))))
        }),
    }
}

fn apply_to(payload: &Payload) -> Result<ApplyTo, ApiError> {
    let Some(value) = payload.get("apply-to") else { return Ok(ApplyTo::All) };
    let name = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    ApplyTo::from_name(&name).ok_or_else(|| {
        invalid(&format!(
            "apply-to '{name}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', \
             'streams', 'exchanges', or 'all'"
        ))
    })
}

/// A JSON value as Erlang prints it.
fn term(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => format!("<<\"{text}\">>"),
        other => other.cloned().unwrap_or_default().to_string(),
    }
}

/// What is wrong with a policy, in RabbitMQ's words.
fn refuse(error: &PolicyError) -> ApiError {
    match error.fault() {
        PolicyFault::Pattern { why, .. } => {
            invalid(&format!("pattern should be regular expression but is invalid: {{{why:?},0}}"))
        }
        PolicyFault::Empty => invalid("no policy provided"),
        PolicyFault::Unknown(settings) => {
            let settings: Vec<String> =
                settings.iter().map(|(key, term)| format!("{{<<\"{key}\">>,{term}}}")).collect();
            invalid(&format!("[{}] are not recognised policy settings", settings.join(",")))
        }
        PolicyFault::Value { key, term, .. } => {
            invalid(&format!("{term} is not a valid {}", description(key)))
        }
        _ => invalid(&error.why()),
    }
}

/// What RabbitMQ calls a setting.
fn description(key: &str) -> &str {
    match key {
        "alternate-exchange" => "alternate exchange name",
        "consumer-timeout" => "consumer timeout",
        "dead-letter-exchange" => "dead letter exchange name",
        "dead-letter-routing-key" => "dead letter routing key",
        "delivery-limit" => "delivery limit",
        "expires" => "queue expiry",
        "max-length" => "maximum length",
        "max-length-bytes" => "maximum length in bytes",
        "message-ttl" => "message TTL",
        "overflow" => "overflow value",
        other => other,
    }
}

/// RabbitMQ's words for whoever may change policies, and not in this vhost.
fn of_policies(refused: ApiError) -> ApiError {
    refused.reworded("User not authorised to access object")
}

fn invalid(why: &str) -> ApiError {
    ApiError::bad_request(format!("Validation failed\n\n{why}\n"))
}

async fn delete(
    api: &Api,
    asker: &Asker,
    kind: PolicyKind,
    (vhost, name): &(String, String),
) -> Result<Response, ApiError> {
    let vhost = asker.enter(api, vhost).map_err(of_policies)?;
    match operations::remove_policy(asker.scope(api, &vhost), kind, name).await {
        Ok(()) => Ok(answer::done()),
        Err(OperationError::NotFound { kind: Kind::Policy | Kind::OperatorPolicy, .. }) => {
            Err(ApiError::not_found())
        }
        Err(error) => Err(error.into()),
    }
}
