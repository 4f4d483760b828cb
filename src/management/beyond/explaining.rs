//! What would happen, and why: the way of a message, a user's rights, a policy, an import. Nothing is done.

use amq_protocol::protocol::basic::AMQPProperties;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::auth::Right;
use crate::broker::arguments_json::{plain, plain_value};
use crate::broker::operations::{
    self, Affected, Applied, Comparison, Difference, ImportRefusal, PolicyPreview, Standing, Wish,
};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Administrator, Manager, PolicyMaker};
use crate::management::definitions;
use crate::management::error::ApiError;
use crate::management::messages;
use crate::management::params::{At, Params};
use crate::management::payload::{Payload, RawBody};
use crate::management::policies;
use crate::policy::{InForce, Origin, PolicyKind};
use crate::topology::{Binding, Destination, ExchangeKind, Explained, Step, Via};

/// What the default exchange is called in paths.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// `POST /api/coney/routing/V/X`.
pub(super) async fn route(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, exchange)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let exchange = if exchange == DEFAULT_EXCHANGE { "" } else { &exchange };
    let headers = payload.get("headers").map(messages::headers).transpose()?;
    let properties = AMQPProperties::default().with_headers(headers.unwrap_or_default());
    let key = payload.text("routing_key")?.unwrap_or_default();
    let explained = operations::explain_route(asker.scope(&api, &vhost), exchange, &key, &properties)?;
    Ok(answer::json(&route_view(&explained)))
}

fn route_view(explained: &Explained) -> Value {
    let steps = &explained.steps;
    let matches = steps.iter().flat_map(|step| step.matched.iter().map(binding_view));
    let missed = steps.iter().flat_map(|step| &step.missed);
    let missed = missed.map(|(binding, why)| with(binding_view(binding), "why", why.clone().into()));
    let alternate = steps.iter().find_map(|step| step.alternate.as_ref());
    json!({
        "queues": explained.queues,
        "matches": matches.collect::<Vec<_>>(),
        "near_misses": missed.collect::<Vec<_>>(),
        "alternate_exchange": alternate.map(|(name, _)| name),
        "steps": steps.iter().map(step_view).collect::<Vec<_>>(),
    })
}

fn step_view(step: &Step) -> Value {
    let (via, from) = match &step.via {
        Via::Publish => ("publish", None),
        Via::Binding(from) => ("binding", Some(from)),
        Via::Alternate(from) => ("alternate-exchange", Some(from)),
    };
    let alternate =
        step.alternate.as_ref().map(|(name, is_there)| json!({ "name": name, "is_there": is_there }));
    json!({
        "exchange": step.exchange,
        "routes_as": step.routes_as.map(ExchangeKind::name),
        "via": via,
        "from": from,
        "waits_ms": step.waits_ms,
        "matched": step.matched.len(),
        "is_chance": step.is_chance,
        "unmatched": step.unmatched,
        "not_looked_at": step.left_out,
        "alternate": alternate,
    })
}

fn binding_view(binding: &Binding) -> Value {
    let (kind, name) = match &binding.destination {
        Destination::Queue(name) => ("queue", name),
        Destination::Exchange(name) => ("exchange", name),
    };
    json!({
        "source": binding.source,
        "destination": name,
        "destination_type": kind,
        "routing_key": binding.routing_key,
        "arguments": plain(&binding.arguments),
    })
}

/// `GET /api/coney/may`.
pub(super) async fn may(
    State(api): State<Api>,
    asker: Administrator,
    params: Params,
) -> Result<Response, ApiError> {
    let needed =
        |name: &str| params.get(name).ok_or_else(|| ApiError::bad_request(format!("{name} has to be given")));
    let right = match needed("operation")? {
        "configure" => Right::Configure,
        "write" => Right::Write,
        "read" => Right::Read,
        other => {
            return Err(ApiError::bad_request(format!("no operation '{other}': configure, write or read")));
        }
    };
    let wish = Wish {
        user: needed("user")?,
        vhost: needed("vhost")?,
        right,
        name: needed("name")?,
        routing_key: params.get("routing_key"),
    };
    let verdict = operations::may(api.shared(), asker.caller(), wish)?;
    Ok(answer::json(&json!({
        "may": verdict.may,
        "why": verdict.why,
        "permission": verdict.permission.map(|it| {
            json!({ "configure": it.configure, "write": it.write, "read": it.read })
        }),
        "topic_permission": verdict.topic_permission.map(|it| {
            json!({ "exchange": it.exchange, "write": it.permission.write, "read": it.permission.read })
        }),
    })))
}

/// `GET /api/coney/queues/V/Q/settings`.
pub(super) async fn settings(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let (vhost, record) = asker.queue(&api, &vhost, &queue)?;
    let in_force = operations::queue_settings(asker.scope(&api, &vhost), &queue)?;
    let mut views: Vec<Value> = in_force.iter().map(setting_view).collect();
    let mut by_default = |name: &str, value: Value| {
        if !in_force.iter().any(|setting| setting.argument == name) {
            views.push(said_view(Some(name), value, &Origin::Default));
        }
    };
    if !record.is_stream() {
        by_default("x-consumer-timeout", record.default_ack_timeout_ms.into());
    }
    if let Some(limit) = record.details().await.and_then(|details| details.delivery_limit) {
        by_default("x-delivery-limit", limit.into());
    }
    Ok(answer::json(&views))
}

fn setting_view(setting: &InForce) -> Value {
    let overruled = setting.overruled.iter();
    let overruled = overruled.map(|(value, origin)| said_view(None, plain_value(value), origin));
    let view = said_view(Some(&setting.argument), plain_value(&setting.value), &setting.origin);
    with(view, "overruled", overruled.collect())
}

fn said_view(name: Option<&str>, value: Value, origin: &Origin) -> Value {
    let view = json!({ "value": value, "origin": origin.name(), "policy": origin.policy() });
    match name {
        Some(name) => with(with(view, "name", name.into()), "overruled", json!([])),
        None => view,
    }
}

/// An object with one more field.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

/// `POST /api/coney/policies/V/preview`.
pub(super) async fn preview(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(vhost): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let kind = if payload.flag("operator", false)? { PolicyKind::Operator } else { PolicyKind::User };
    let name = payload.text("name")?.unwrap_or_default();
    let policy = policies::read(kind, name, &payload)?;
    let preview = operations::preview_policy(asker.scope(&api, &vhost), policy).await;
    Ok(answer::json(&preview_view(&preview.map_err(policies::refused)?)))
}

fn preview_view(preview: &PolicyPreview) -> Value {
    json!({
        "queues": preview.queues,
        "exchanges": preview.exchanges,
        "changed": preview.changed,
        "matches": preview.affected.iter().map(affected_view).collect::<Vec<_>>(),
        "left_out": preview.left_out,
    })
}

fn affected_view(affected: &Affected) -> Value {
    json!({
        "kind": if affected.is_queue { "queue" } else { "exchange" },
        "name": affected.name,
        "matches": affected.is_matched,
        "applies": affected.applies,
        "changes": affected.is_changed(),
        "old": applied_view(&affected.now),
        "new": applied_view(&affected.then),
    })
}

fn applied_view(applied: &Applied) -> Value {
    json!({
        "policy": applied.policy,
        "operator_policy": applied.operator_policy,
        "definition": plain(&applied.definition),
        "settings": applied.settings.iter().map(setting_view).collect::<Vec<_>>(),
    })
}

/// `POST /api/coney/definitions/diff`.
pub(super) async fn diff(
    State(api): State<Api>,
    asker: Administrator,
    params: Params,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let text = definitions::text(&headers, &body)?;
    let vhost = params.get("vhost");
    if let Some(vhost) = vhost {
        operations::vhost(api.shared(), vhost)?;
    }
    match operations::compare(api.shared(), asker.caller(), text, vhost).await {
        Ok(comparison) => Ok(answer::json(&comparison_view(&comparison, None))),
        Err(ImportRefusal::Operation(error)) => Err(error.into()),
        Err(ImportRefusal::Definitions(error)) => {
            Ok(answer::json(&comparison_view(&Comparison::default(), Some(error.to_string()))))
        }
    }
}

fn comparison_view(comparison: &Comparison, why: Option<String>) -> Value {
    let refused: Vec<Value> = why.into_iter().map(|why| json!({ "why": why })).collect();
    let Comparison { added, changed, same, notes, differences } = comparison;
    json!({
        "added": added,
        "changed": changed,
        "same": same,
        "refused": refused,
        "notes": notes,
        "differences": differences.iter().map(difference_view).collect::<Vec<_>>(),
    })
}

fn difference_view(difference: &Difference) -> Value {
    let change = match difference.standing {
        Standing::Added => "added",
        Standing::Changed => "changed",
    };
    json!({
        "change": change,
        "kind": difference.kind,
        "vhost": difference.vhost,
        "name": difference.name,
        "fields": difference.fields,
    })
}
