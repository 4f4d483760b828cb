//! Messages: publish, get, purge.

use std::borrow::Cow;

use amq_protocol::types::FieldTable;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::Manager;
use super::error::ApiError;
use super::exchanges::named;
use super::params::At;
use super::payload::{Payload, table};
use super::route::Route;
use super::views::message::{Encoding, MessageView};
use crate::broker::OperationError;
use crate::broker::operations::{self, AckMode, NewMessage, Published};
use crate::broker::properties_json::{self, PropertyError};

/// What is done with messages of exchanges and queues.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/exchanges/{vhost}/{exchange}/publish", post(publish)),
        ("/api/queues/{vhost}/{queue}/get", post(get)),
        ("/api/queues/{vhost}/{queue}/contents", delete(purge)),
        ("/api/queues/{vhost}/{queue}/actions", post(act)),
    ]
}

async fn publish(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, exchange)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    let exchange = named(&exchange);
    operations::exchange(scope, &exchange).map_err(|_| ApiError::missing("exchange_not_found"))?;
    payload.require(&["routing_key", "properties", "payload", "payload_encoding"])?;
    let fields = payload.object("properties")?;
    let headers = fields.get("headers").map(headers).transpose()?;
    let properties = properties_json::read(&fields, headers).map_err(|error| refuse_property(&error))?;
    let Some(Value::String(routing_key)) = payload.get("routing_key") else {
        return Err(ApiError::bad_request("routing_key is not a string"));
    };
    let message = NewMessage { exchange: &exchange, routing_key, properties, body: &body(&payload)? };
    match operations::publish(scope, message).await {
        Ok(Published::Refused) => {
            Err(ApiError::bad_request("rejected Unable to publish message. Check queue limits."))
        }
        Ok(published) => Ok(answer::json(&json!({ "routed": published == Published::Routed }))),
        Err(OperationError::Publish(exception)) => {
            let reason = format!("{} {}", exception.code as u16, exception.reply_text());
            Err(ApiError::bad_request(reason))
        }
        Err(error) => Err(error.into()),
    }
}

/// Some languages write an empty list for an empty map.
pub(super) fn headers(value: &Value) -> Result<FieldTable, ApiError> {
    match value {
        Value::Object(fields) => table(fields),
        Value::Array(items) if items.is_empty() => Ok(FieldTable::default()),
        other => Err(ApiError::wrong_kind("not_a_json_object", other.clone())),
    }
}

fn refuse_property(error: &PropertyError) -> ApiError {
    match *error {
        PropertyError::NotString(key) => ApiError::wrong_kind("not_string", key),
        PropertyError::NotInteger(key) => ApiError::wrong_kind("not_int", key),
        PropertyError::TooLong(_) | PropertyError::OutOfRange(_) => ApiError::bad_request(error.to_string()),
    }
}

fn body(payload: &Payload) -> Result<Cow<'_, [u8]>, ApiError> {
    let Some(Value::String(text)) = payload.get("payload") else {
        return Err(ApiError::bad_request("payload_not_string"));
    };
    match payload.get("payload_encoding") {
        Some(Value::String(encoding)) if encoding == "string" => Ok(text.as_bytes().into()),
        Some(Value::String(encoding)) if encoding == "base64" => {
            let decoded = STANDARD.decode(text);
            decoded.map(Cow::from).map_err(|_| ApiError::wrong_kind("not_base64", text.as_str()))
        }
        other => Err(ApiError::wrong_kind("unsupported_encoding", other.cloned().unwrap_or_default())),
    }
}

async fn get(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::missing("queue_not_found"))?;
    let ack_mode = ack_mode(&payload)?;
    payload.require(&["count", "encoding"])?;
    // As in RabbitMQ, less than none is all of them.
    let count = usize::try_from(payload.integer("count")?.unwrap_or_default()).unwrap_or(usize::MAX);
    let truncate = payload.integer("truncate")?.map(usize::try_from).transpose();
    let truncate = truncate.map_err(|_| ApiError::bad_request("truncate is negative"))?;
    let encoding = match payload.text("encoding")?.as_deref() {
        Some("auto") => Encoding::Auto,
        Some("base64") => Encoding::Base64,
        _ => return Err(ApiError::bad_request("Unsupported encoding. Please use auto or base64.")),
    };
    let messages = operations::get_and_settle(scope, &queue, count, ack_mode).await?;
    let views = messages.iter().map(|got| MessageView::of(got, encoding, truncate));
    Ok(answer::json(&views.collect::<Vec<_>>()))
}

/// How messages are settled; old clients say `requeue` instead.
fn ack_mode(payload: &Payload) -> Result<AckMode, ApiError> {
    if payload.get("ackmode").is_none() && payload.get("requeue").is_some() {
        let requeues = payload.flag("requeue", true)?;
        return Ok(if requeues { AckMode::Requeue } else { AckMode::Ack });
    }
    payload.require(&["ackmode", "count", "encoding"])?;
    match payload.text("ackmode")?.as_deref() {
        Some("ack_requeue_true") => Ok(AckMode::Requeue),
        Some("ack_requeue_false") => Ok(AckMode::Ack),
        Some("reject_requeue_true") => Ok(AckMode::Fail),
        Some("reject_requeue_false") => Ok(AckMode::Reject),
        _ => Err(ApiError::bad_request(
            "Unsupported ackmode. Please use ack_requeue_true, ack_requeue_false, reject_requeue_true or \
             reject_requeue_false.",
        )),
    }
}

async fn purge(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    let count = operations::purge(scope, &queue).await?;
    tracing::info!(user = asker.name, vhost = vhost.name, queue, count, "a queue was purged over HTTP");
    Ok(answer::done())
}

/// RabbitMQ 4 knows no action for classic queues: they were for mirrors.
async fn act(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    operations::queue(asker.scope(&api, &vhost), &queue).map_err(|_| ApiError::missing("queue_not_found"))?;
    payload.require(&["action"])?;
    Err(ApiError::wrong_kind("unknown", payload.get("action").cloned().unwrap_or_default()))
}
