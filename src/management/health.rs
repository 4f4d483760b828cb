//! Health checks: 200 if all is well, 503 with what is not (<https://www.rabbitmq.com/docs/monitoring#health-checks>).

use std::path::Path;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use serde_json::{Value, json};

use super::answer;
use super::api::{Api, ListeningOn};
use super::asker::{Manager, Monitor};
use super::cluster;
use super::error::ApiError;
use super::params::At;
use super::route::Route;
use crate::broker::operations::{self, AckMode, DeclareQueue, NewMessage, Published};
use crate::time::Timestamp;
use crate::tls::Certificate;

/// `/api/health/checks`, and the older ones that many scripts still ask.
pub(super) fn routes() -> Vec<Route> {
    let mut routes: Vec<Route> =
        ALWAYS_WELL.iter().map(|path| (*path, get(well) as MethodRouter<Api>)).collect();
    routes.extend([
        ("/api/health/checks/alarms", get(alarms) as MethodRouter<Api>),
        ("/api/health/checks/local-alarms", get(alarms)),
        ("/api/health/checks/is-in-service", get(in_service)),
        ("/api/health/checks/ready-to-serve-clients", get(in_service)),
        ("/api/health/checks/node-is-quorum-critical", get(quorum)),
        ("/api/health/checks/node-is-mirror-sync-critical", get(quorum)),
        ("/api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}", get(led)),
        (
            "/api/health/checks/quorum-queues-without-elected-leaders/vhost/{vhost}/pattern/{pattern}",
            get(led_of_pattern),
        ),
        ("/api/health/checks/certificate-expiration/{within}/{unit}", get(certificates)),
        ("/api/health/checks/port-listener/{port}", get(port)),
        ("/api/health/checks/protocol-listener/{protocols}", get(protocols)),
        ("/api/healthchecks/node", get(alarms)),
        ("/api/healthchecks/node/{node}", get(node)),
        ("/api/aliveness-test/{vhost}", get(alive)),
    ]);
    routes
}

/// What can only be well: there is one node, which has all its vhosts open or does not run; its metadata is read before it listens; and
/// connections that are too many are not refused but wait.
const ALWAYS_WELL: [&str; 7] = [
    "/api/health/checks/virtual-hosts",
    "/api/health/checks/below-node-connection-limit",
    "/api/health/checks/reached-target-cluster-size",
    "/api/health/checks/metadata-store/initialized",
    "/api/health/checks/metadata-store/initialized/with-data",
    "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts",
    "/api/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/{pattern}",
];

fn ok() -> Response {
    answer::json(&json!({ "status": "ok" }))
}

fn failed(reason: &str, more: Value) -> Response {
    let mut body = json!({ "status": "failed", "reason": reason });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    answer::failed(&body)
}

async fn well(_: Manager) -> Response {
    ok()
}

/// All queues of a vhost are led, if it is there.
async fn led(State(api): State<Api>, asker: Manager, At(vhost): At<String>) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    Ok(ok())
}

async fn led_of_pattern(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, _)): At<(String, String)>,
) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    Ok(ok())
}

async fn alarms(State(api): State<Api>, _: Manager) -> Response {
    let alarms = api.shared().alarms.borrow().clone();
    if !alarms.is_raised() {
        return ok();
    }
    let node = api.node();
    let named = [(alarms.memory, "memory"), (alarms.disk, "disk"), (alarms.by_hand.is_some(), "by_hand")];
    let raised = named.into_iter().filter(|(is_raised, _)| *is_raised);
    let raised: Vec<Value> =
        raised.map(|(_, resource)| json!({ "node": node, "resource": resource })).collect();
    failed("resource alarm(s) in effect", json!({ "alarms": raised }))
}

async fn in_service(State(api): State<Api>, _: Manager) -> Response {
    if *api.shared().stopping.borrow() {
        return failed("the node is stopping", json!({}));
    }
    ok()
}

/// Whether nobody could take over at once if this node stopped. One that is alone is asked for nothing of the kind.
async fn quorum(State(api): State<Api>, _: Manager) -> Response {
    match cluster::status(&api) {
        None => answer::json(&json!({ "status": "ok", "reason": "single node cluster" })),
        Some(status) if status.is_critical() => {
            failed("no other node of the cluster has all that this one has", json!({}))
        }
        Some(_) => ok(),
    }
}

/// Units of time and their days, by the calendar on average.
const UNIT_DAYS: [(&str, f64); 4] = [("days", 1.0), ("weeks", 7.0), ("months", 30.44), ("years", 365.25)];
const DAY_MS: f64 = 86_400_000.0;

/// Certificates of all listeners with TLS that expire within a time.
async fn certificates(
    State(api): State<Api>,
    _: Manager,
    At((within, unit)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let within: u64 = within.parse().map_err(|_| ApiError::bad_request("Invalid expiration value."))?;
    let Some((_, days)) = UNIT_DAYS.iter().find(|(name, _)| *name == unit) else {
        let reason = "Time unit not recognised. Supported units: days, weeks, months, years.";
        return Err(ApiError::bad_request(reason));
    };
    let now = api.shared().clock.timestamp();
    let until = now.as_millis().saturating_add((within as f64 * days * DAY_MS) as u64);
    let until = Timestamp::from_millis(until);
    let expired: Vec<Value> =
        api.listeners().iter().filter_map(|on| expiring(api.node(), on, until)).collect();
    Ok(if expired.is_empty() { ok() } else { failed("Certificates expiring", json!({ "expired": expired })) })
}

/// What of a listener's certificates ends before a time, if something does.
fn expiring(node: &str, on: &ListeningOn, until: Timestamp) -> Option<Value> {
    let acceptor = on.acceptor.as_ref()?;
    let (own, authorities) = acceptor.ending_before(until);
    if own.is_empty() && authorities.is_empty() {
        return None;
    }
    let file = |path: Option<&Path>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let ends = |list: Vec<Certificate>| list.into_iter().map(|ending| ending.expires_on).collect::<Vec<_>>();
    Some(json!({
        "node": node,
        "port": on.address.port(),
        "protocol": on.protocol,
        "interface": on.address.ip().to_string(),
        "cacertfile": file(acceptor.ca_file()),
        "certfile": file(acceptor.cert_file()),
        "cacertfile_expires_on": ends(authorities),
        "certfile_expires_on": ends(own),
    }))
}

async fn port(State(api): State<Api>, _: Manager, At(port): At<String>) -> Result<Response, ApiError> {
    let port: u16 = port.parse().map_err(|_| ApiError::bad_request("Invalid port"))?;
    let mut ports: Vec<u16> = api.listeners().iter().map(|on| on.address.port()).collect();
    ports.dedup();
    if ports.contains(&port) {
        return Ok(answer::json(&json!({ "status": "ok", "port": port })));
    }
    Ok(failed("No active listener", json!({ "missing": port, "ports": ports })))
}

async fn protocols(State(api): State<Api>, _: Manager, At(asked): At<String>) -> Response {
    let mut active: Vec<&str> = api.listeners().iter().map(|on| on.protocol).collect();
    active.dedup();
    let is_active = |name: &str| canonical(name).is_some_and(|name| active.contains(&name));
    let missing: Vec<&str> = asked.split(',').map(str::trim).filter(|name| !is_active(name)).collect();
    if missing.is_empty() {
        return answer::json(&json!({ "status": "ok", "protocol": asked }));
    }
    failed("No active listener", json!({ "missing": missing.join(","), "protocols": active }))
}

/// A protocol under the name that listeners have, by RabbitMQ's aliases.
fn canonical(name: &str) -> Option<&'static str> {
    Some(match name.to_lowercase().as_str() {
        "amqp" | "amqp091" | "amqp0-9-1" | "amqp0.9.1" | "amqp-0-9-1" => "amqp",
        "amqps" | "amqp/ssl" | "amqp+ssl" | "amqps091" => "amqp/ssl",
        "http" | "management" | "ui" | "cli" => "http",
        "https" => "https",
        "http/prometheus" | "prometheus" => "http/prometheus",
        "https/prometheus" => "https/prometheus",
        _ => return None,
    })
}

async fn node(state: State<Api>, asker: Monitor, At(node): At<String>) -> Result<Response, ApiError> {
    if node != state.0.node() {
        return Err(ApiError::not_found());
    }
    Ok(alarms(state, Manager(asker.0)).await)
}

/// The queue that the test puts its message through.
const ALIVENESS_QUEUE: &str = "aliveness-test";

/// Declares a queue, publishes to it and gets the message back, with the user's rights.
async fn alive(State(api): State<Api>, asker: Manager, At(vhost): At<String>) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    let declare = DeclareQueue { name: ALIVENESS_QUEUE.to_owned(), ..DeclareQueue::default() };
    operations::declare_queue(scope, declare).await?;
    let message = NewMessage { routing_key: ALIVENESS_QUEUE, body: b"test_message", ..NewMessage::default() };
    let published = operations::publish(scope, message).await?;
    let got = operations::get_and_settle(scope, ALIVENESS_QUEUE, 1, AckMode::Ack).await?;
    if published == Published::Routed && !got.is_empty() {
        return Ok(ok());
    }
    // Another test at the same time may have got it.
    Ok(failed("the message did not come back", json!({})))
}
