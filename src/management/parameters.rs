//! Runtime parameters (<https://www.rabbitmq.com/docs/parameters>): policies, operator policies and limits of vhosts are some of
//! RabbitMQ's; and global parameters, the cluster's name among them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Manager, PolicyMaker};
use super::erlang::term;
use super::error::ApiError;
use super::limits::{no_number, unrecognised};
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::policies;
use super::route::Route;
use crate::broker::arguments_json::plain;
use crate::broker::global_parameters::CLUSTER_NAME;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{VhostChange, VhostLimit, VhostLimits};
use crate::policy::{Policy, PolicyKind};

/// The component that limits of vhosts belong to, and the only name in it.
pub(super) const VHOST_LIMITS: &str = "vhost-limits";
const LIMITS: &str = "limits";
const POLICY: &str = "policy";
const OPERATOR_POLICY: &str = "operator_policy";

/// `/api/parameters`, `/api/global-parameters` and `/api/cluster-name`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/parameters", get(list)),
        ("/api/parameters/{component}", get(of_component)),
        ("/api/parameters/{component}/{vhost}", get(of_vhost)),
        ("/api/parameters/{component}/{vhost}/{name}", get(show).put(put).delete(delete)),
        ("/api/global-parameters", get(list_global)),
        ("/api/global-parameters/{name}", get(show_global).put(put_global).delete(delete_global)),
        ("/api/cluster-name", get(show_cluster_name).put(put_cluster_name)),
    ]
}

/// Policies are listed when they are asked for only.
async fn list(State(api): State<Api>, asker: PolicyMaker, params: Params) -> Result<Response, ApiError> {
    let parameters = all(&asker.vhosts(&api), |component| component != POLICY);
    listed(parameters, &params).await
}

async fn of_component(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(component): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    listed(all(&asker.vhosts(&api), |own| own == component), &params).await
}

async fn of_vhost(
    State(api): State<Api>,
    asker: PolicyMaker,
    At((component, vhost)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    listed(all(&[vhost], |own| own == component), &params).await
}

async fn listed(parameters: Vec<Value>, params: &Params) -> Result<Response, ApiError> {
    let view = |parameter: Value| async move { Some(parameter) };
    Listing::of(params)?.answer(parameters, name, view).await
}

fn name(parameter: &Value) -> &str {
    parameter.get("name").and_then(Value::as_str).unwrap_or_default()
}

async fn show(
    State(api): State<Api>,
    asker: PolicyMaker,
    At((component, vhost, name)): At<(String, String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let mut found = all(&[vhost], |own| own == component);
    found.retain(|parameter| self::name(parameter) == name);
    found.first().map(answer::json).ok_or_else(ApiError::not_found)
}

/// Limits first, then policies; in each vhost by name.
fn all(vhosts: &[Arc<Vhost>], wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let mut parameters = Vec::new();
    for vhost in vhosts {
        let limits = vhost.settings().limits.map(|limits| json!(limits));
        let limits = limits.into_iter().map(|limits| (VHOST_LIMITS, LIMITS.to_owned(), limits));
        let policies = vhost.policies();
        let policies = policies.iter().map(|policy| {
            let component = match policy.kind {
                PolicyKind::User => POLICY,
                PolicyKind::Operator => OPERATOR_POLICY,
            };
            (component, policy.name.clone(), policy_value(policy))
        });
        let here = limits.chain(policies).filter(|(component, ..)| wanted(component));
        parameters.extend(here.map(|(component, name, value)| {
            json!({ "value": value, "vhost": vhost.name, "component": component, "name": name })
        }));
    }
    parameters
}

fn policy_value(policy: &Policy) -> Value {
    json!({
        "pattern": policy.pattern,
        "definition": plain(&policy.definition),
        "priority": policy.priority,
        "apply-to": policy.apply_to.name(),
    })
}

async fn put(
    State(api): State<Api>,
    asker: PolicyMaker,
    At((component, vhost, name)): At<(String, String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = operations::vhost(api.shared(), &vhost)?;
    asker.enter(&api, &vhost.name)?;
    let value = payload.value("value")?;
    let invalid = |why: String| ApiError::bad_request(format!("Validation failed\n\n{why}\n"));
    match component.as_str() {
        VHOST_LIMITS if name == LIMITS => {
            let limits = parse_limits(value).map_err(invalid)?;
            let was = vhost.settings().limits;
            set_limits(&api, &asker, &vhost.name, Some(limits)).await?;
            Ok(answer::put(was.is_none()))
        }
        VHOST_LIMITS => Err(invalid(format!("the limits of a virtual host are called {LIMITS}"))),
        POLICY => Err(ApiError::bad_request("policies may not be set using this method")),
        OPERATOR_POLICY => {
            let policy = Payload::parse(value.to_string().as_bytes())?;
            policies::put(&api, &asker, PolicyKind::Operator, (vhost.name.clone(), name), &policy).await
        }
        _ => Err(invalid(format!("component {component} not found"))),
    }
}

fn parse_limits(value: &Value) -> Result<VhostLimits, String> {
    let fields = value.as_object().ok_or_else(|| format!("limits not a list {}", term(value)))?;
    fields.iter().try_fold(VhostLimits::default(), |limits, (name, value)| {
        let limit = VhostLimit::from_name(name).ok_or_else(|| unrecognised(name, value, LIMITS))?;
        let number = value.as_i64().ok_or_else(|| no_number(name, value))?;
        Ok(limits.with(limit, Some(number)))
    })
}

async fn set_limits(
    api: &Api,
    asker: &PolicyMaker,
    vhost: &str,
    limits: Option<VhostLimits>,
) -> Result<(), ApiError> {
    let change = VhostChange { limits: Some(limits), ..VhostChange::default() };
    Ok(operations::change_vhost(api.shared(), asker.caller(), vhost, change).await?)
}

async fn delete(
    State(api): State<Api>,
    asker: PolicyMaker,
    At((component, vhost, name)): At<(String, String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let found = all(&[Arc::clone(&vhost)], |own| own == component);
    if !found.iter().any(|parameter| self::name(parameter) == name) {
        return Err(ApiError::not_found());
    }
    match component.as_str() {
        VHOST_LIMITS => set_limits(&api, &asker, &vhost.name, None).await?,
        OPERATOR_POLICY => {
            operations::remove_policy(asker.scope(&api, &vhost), PolicyKind::Operator, &name).await?;
        }
        _ => return Err(ApiError::bad_request("policies may not be cleared using this method")),
    }
    Ok(answer::done())
}

async fn list_global(
    State(api): State<Api>,
    asker: PolicyMaker,
    params: Params,
) -> Result<Response, ApiError> {
    let all = operations::global_parameters(api.shared(), asker.caller())?;
    let views = all.into_iter().map(|(name, value)| json!({ "name": name, "value": value }));
    listed(views.collect(), &params).await
}

async fn show_global(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    let mut all = operations::global_parameters(api.shared(), asker.caller())?;
    let value = all.remove(&name).ok_or_else(ApiError::not_found)?;
    Ok(answer::json(&json!({ "name": name, "value": value })))
}

async fn put_global(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(name): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let value = payload.value("value")?.clone();
    let is_new = operations::put_global_parameter(api.shared(), asker.caller(), &name, value).await?;
    Ok(answer::put(is_new))
}

async fn delete_global(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    operations::remove_global_parameter(api.shared(), asker.caller(), &name).await?;
    Ok(answer::done())
}

async fn show_cluster_name(State(api): State<Api>, _: Manager) -> Response {
    answer::json(&json!({ "name": api.cluster_name() }))
}

async fn put_cluster_name(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    payload.require(&["name"])?;
    let name = payload.text("name")?.unwrap_or_default();
    operations::put_global_parameter(api.shared(), asker.caller(), CLUSTER_NAME, name.into()).await?;
    Ok(answer::done())
}
