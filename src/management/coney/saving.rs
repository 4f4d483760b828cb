//! Messages as JSON lines, out and in, without loss; and a purge that can be undone for a while.
//!
//! A line has the message as people read it, and `exact`, the encoded properties in base64, from which it is made again: JSON cannot tell an
//! integer's width. If somebody changed the readable properties, those count.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::FieldTable;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::broker::operations::{self, Held};
use crate::broker::properties_json;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Administrator, Manager};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::{Payload, RawBody, table};
use crate::management::views::message::{Encoding, payload};
use crate::message::{Message, Parts};
use crate::protocol::content::Properties;
use crate::protocol::encode;

/// How long a purge can be undone, if the request does not say, and at most.
const UNDO_S: u64 = 60;
const UNDO_S_MAX: u64 = 3600;
/// Messages that are put in together.
const BATCH: usize = 500;
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// All ready messages, one a line. While they are sent consumers do not get them; afterwards they are as they were.
pub(super) async fn export(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    let held = operations::hold(scope, &queue).await?;
    let lines = stream::unfold(held, |mut held| async move {
        let message = held.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(line(&message))), held))
    });
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

fn line(message: &Message) -> Vec<u8> {
    let (text, encoding) = payload(message.body(), Encoding::Auto);
    let mut line = json!({
        "exchange": String::from_utf8_lossy(message.exchange()),
        "routing_key": String::from_utf8_lossy(message.routing_key()),
        "properties": properties_json::write(message),
        "payload": text,
        "payload_encoding": encoding,
        "dead_lettered": message.is_dead_lettered(),
        "exact": STANDARD.encode(message.properties()),
    })
    .to_string()
    .into_bytes();
    line.push(b'\n');
    line
}

/// Puts the lines of the body into the queue as messages. They are safe when the answer comes; it says how many they are.
pub(super) async fn import(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, queue)): At<(String, String)>,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    // All lines are read before anything is put in: a fault changes nothing.
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    let lines = lines.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace));
    let messages = lines.map(|(number, line)| {
        read(line).map_err(|why| ApiError::bad_request(format!("line {}: {why}", number + 1)))
    });
    let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
    let count = messages.len();
    while !messages.is_empty() {
        let rest = messages.split_off(messages.len().min(BATCH));
        let batch = std::mem::replace(&mut messages, rest);
        if !operations::put_in(scope, &queue, batch).await? {
            let done = count - messages.len();
            return Err(ApiError::bad_request(format!(
                "the queue is full: of the first {done} messages not all came in"
            )));
        }
    }
    tracing::info!(queue = ?queue, vhost = ?vhost.name, by = ?asker.name, count, "messages put in over HTTP");
    Ok(answer::json(&json!({ "imported": count })))
}

fn read(line: &[u8]) -> Result<Message, String> {
    let line: Map<String, Value> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = |key: &str| match line.get(key) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(format!("{key} is not a string")),
    };
    let (exchange, routing_key) = (text("exchange")?, text("routing_key")?);
    if exchange.len() > 255 || routing_key.len() > 255 {
        return Err("exchange or routing_key is longer than 255 bytes".to_owned());
    }
    let body = match text("payload_encoding")? {
        "base64" => STANDARD.decode(text("payload")?).map_err(|_| "payload is not base64")?,
        "" | "string" => text("payload")?.as_bytes().to_vec(),
        other => return Err(format!("payload_encoding '{other}' is not string or base64")),
    };
    let properties = properties(&line, text("exact")?)?;
    let persistent =
        Properties::parse(&properties).map_err(|error| error.to_string())?.delivery_mode() == Some(2);
    let parts = Parts {
        exchange: exchange.as_bytes(),
        routing_key: routing_key.as_bytes(),
        properties: &properties,
        body: &body,
        persistent,
    };
    Ok(Message::new(parts).with_dead_lettered(line.get("dead_lettered") == Some(&Value::Bool(true))))
}

/// The exact ones, unless somebody changed those beside them.
fn properties(line: &Map<String, Value>, exact: &str) -> Result<Vec<u8>, String> {
    let fields = match line.get("properties") {
        None => Map::new(),
        Some(Value::Object(fields)) => fields.clone(),
        Some(_) => return Err("properties is not an object".to_owned()),
    };
    if !exact.is_empty() {
        let bytes = STANDARD.decode(exact).map_err(|_| "exact is not base64")?;
        let valid = Properties::parse(&bytes).is_ok();
        let as_read = Message::new(Parts { properties: &bytes, ..Parts::default() });
        if valid && properties_json::write(&as_read) == fields {
            return Ok(bytes);
        }
    }
    let headers: Option<FieldTable> = match fields.get("headers") {
        None => None,
        Some(Value::Object(headers)) => Some(table(headers).map_err(|_| "headers cannot be a table")?),
        Some(_) => return Err("headers is not an object".to_owned()),
    };
    let properties = properties_json::read(&fields, headers).map_err(|error| error.to_string())?;
    Ok(encode::properties(&properties))
}

/// Takes all ready messages out, and drops them after `undo_s` seconds unless that is undone. Meanwhile they count as unacked; if the broker
/// ends, they are back.
pub(super) async fn purge(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue)): At<(String, String)>,
    body: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::not_found())?;
    let undo_s = body.integer("undo_s")?.map(u64::try_from).transpose();
    let undo_s = undo_s.map_err(|_| ApiError::bad_request("undo_s is negative"))?.unwrap_or(UNDO_S);
    if undo_s > UNDO_S_MAX {
        return Err(ApiError::bad_request(format!("undo_s is more than {UNDO_S_MAX}")));
    }
    let mut held = operations::hold(scope, &queue).await?;
    while held.next().await.is_some() {}
    let count = held.count();
    let id = api.purges().add(held, Duration::from_secs(undo_s), api.shared().clock);
    tracing::info!(queue = ?queue, vhost = ?vhost.name, by = ?asker.name, count, undo_s, "purged over HTTP");
    Ok(answer::json(&json!({ "purged": count, "id": id, "undo_s": undo_s })))
}

/// Puts back what a purge took out.
pub(super) async fn undo(
    State(api): State<Api>,
    asker: Manager,
    At(id): At<u64>,
) -> Result<Response, ApiError> {
    if !api.purges().undo(id) {
        return Err(ApiError::not_found());
    }
    tracing::info!(by = ?asker.name, id, "a purge was undone");
    Ok(answer::done())
}

/// Purges that can be undone.
#[derive(Clone, Debug, Default)]
pub(in crate::management) struct Purges(Arc<std::sync::Mutex<PurgesInner>>);

#[derive(Debug, Default)]
struct PurgesInner {
    last: u64,
    waiting: std::collections::HashMap<u64, oneshot::Sender<()>>,
}

impl Purges {
    fn lock(&self) -> std::sync::MutexGuard<'_, PurgesInner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn add(&self, held: Held, wait: Duration, clock: crate::broker::Clock) -> u64 {
        let (sender, undone) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            inner.last += 1;
            let id = inner.last;
            inner.waiting.insert(id, sender);
            id
        };
        let purges = self.clone();
        tokio::spawn(async move {
            let end = clock.now() + wait;
            tokio::select! {
                // Dropping it puts all back.
                _ = undone => drop(held),
                () = clock.wait_for(Some(end)) => {
                    purges.lock().waiting.remove(&id);
                    held.discard();
                }
            }
        });
        id
    }

    fn undo(&self, id: u64) -> bool {
        self.lock().waiting.remove(&id).is_some_and(|sender| sender.send(()).is_ok())
    }
}
