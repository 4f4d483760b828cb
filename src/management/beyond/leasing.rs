//! Messages that a client takes, deals with, and settles: at least once, without AMQP.
//!
//! What is taken is unacked until it is settled. It goes back when its time is over, and when the client's connection ends if it asked for that.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::selecting::ids;
use crate::broker::operations::{self, Caller, HeldMessage, Take};
use crate::broker::properties_json;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::leases::{Owner, Settled};
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::management::serve::Connected;
use crate::management::views::message::{Encoding, payload};
use crate::queue::Settlement;

/// Messages of one lease.
const COUNT: u64 = 1;
const COUNT_MAX: u64 = 1000;
/// Bytes of bodies of one lease: no message more once they are reached.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long a request may wait for a first message. Connections are few, so they must not be kept for ever.
const WAIT_MS_MAX: u64 = 60_000;
/// How long a lease lasts, if the request does not say, and the limits. A queue takes back after half an hour what is not acked.
const LEASE_MS: u64 = 30_000;
const LEASE_MS_MIN: u64 = 100;
const LEASE_MS_MAX: u64 = 900_000;

/// `POST /api/coney/queues/{vhost}/{queue}/messages/take`.
pub(super) async fn take(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    connected: Option<Extension<Connected>>,
    body: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::missing("queue_not_found"))?;
    let count = number(&body, "count", COUNT, 1..=COUNT_MAX)?;
    let wait = number(&body, "wait_ms", 0, 0..=WAIT_MS_MAX)?;
    let lease_ms = number(&body, "lease_ms", LEASE_MS, LEASE_MS_MIN..=LEASE_MS_MAX)?;
    let gone = match body.flag("while_connected", false)? {
        true => connected.map(|Extension(connected)| connected.0),
        false => None,
    };
    let room = api.leases().room(&owner(&asker));
    let room = room.ok_or_else(|| ApiError::unavailable("too many leases: settle some of them"))?;
    let _waiting = match wait {
        0 => None,
        _ => Some(api.waiting().try_acquire().map_err(|_| ApiError::unavailable("too many wait already"))?),
    };
    let wait = Duration::from_millis(wait);
    let take = Take { count: usize::try_from(count).unwrap_or(usize::MAX), bytes: BYTES_MAX, wait };
    let taken = operations::take(scope, &queue, take).await?;
    let views: Vec<Value> = taken.messages.iter().map(view).collect();
    let lasts = Duration::from_millis(lease_ms);
    let id = (!views.is_empty()).then(|| room.fill(taken.held, lasts, api.shared().clock, gone));
    Ok(answer::json(&json!({ "lease": id, "lease_ms": lease_ms, "messages": views })))
}

fn view(held: &HeldMessage) -> Value {
    let HeldMessage { position, message, redelivered } = held;
    let (text, encoding) = payload(message.body(), Encoding::Auto);
    json!({
        "id": position.0,
        "redelivered": redelivered,
        "exchange": String::from_utf8_lossy(message.exchange()),
        "routing_key": String::from_utf8_lossy(message.routing_key()),
        "properties": properties_json::write(message),
        "payload_bytes": message.body().len(),
        "payload": text,
        "payload_encoding": encoding,
    })
}

/// `POST /api/coney/leases/{id}`: `action`: `ack`, `requeue`, `fail`, `reject` or `renew`; `ids`: those messages, else all.
pub(super) async fn settle(
    State(api): State<Api>,
    asker: Manager,
    At(id): At<u64>,
    body: Payload,
) -> Result<Response, ApiError> {
    let settlement = match body.text("action")?.as_deref() {
        Some("ack") => Settlement::Ack,
        Some("requeue") => Settlement::Requeue,
        Some("fail") => Settlement::Fail,
        Some("reject") => Settlement::Reject,
        Some("renew") => return renew(&api, &owner(&asker), id, &body),
        _ => return Err(ApiError::bad_request("needs an action: ack, requeue, fail, reject or renew")),
    };
    let positions = ids(&body)?;
    let settled = api.leases().settle(id, &owner(&asker), settlement, positions.as_deref());
    let Settled { settled, left } = settled.ok_or_else(over)?;
    Ok(answer::json(&json!({ "settled": settled, "left": left })))
}

fn renew(api: &Api, owner: &Owner, id: u64, body: &Payload) -> Result<Response, ApiError> {
    let lease_ms = number(body, "lease_ms", LEASE_MS, LEASE_MS_MIN..=LEASE_MS_MAX)?;
    let ends = api.shared().clock.now() + Duration::from_millis(lease_ms);
    let left = api.leases().renew(id, owner, ends).ok_or_else(over)?;
    Ok(answer::json(&json!({ "settled": 0, "left": left })))
}

fn owner(asker: &Asker) -> Owner {
    Owner { name: asker.name.clone(), is_operator: matches!(asker.caller(), Caller::Operator) }
}

/// Nobody learns of others' leases.
fn over() -> ApiError {
    ApiError::missing(
        "no such lease: it is settled, or its time is over and its messages are back in their queue",
    )
}

fn number(
    body: &Payload,
    key: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, ApiError> {
    let Some(number) = body.integer(key)? else { return Ok(default) };
    let number = u64::try_from(number).ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        ApiError::bad_request(format!("{key} is not within {} and {}", range.start(), range.end()))
    })
}
