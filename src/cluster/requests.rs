//! Requests of one client to the brokers of shards, over connections that these take for the client's own.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use super::proxy_header::ProxyHeader;
use super::shards::Shards;

/// The largest body that is looked into: of definitions.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A client's connection, and those to brokers that are used for it.
pub(super) struct Requests {
    pub(super) shards: Shards,
    /// What the API's paths begin with.
    pub(super) prefix: Arc<str>,
    header: ProxyHeader,
    senders: Mutex<BTreeMap<u32, SendRequest<Body>>>,
    /// The shard that was asked last for what is of one vhost.
    pub(super) last: Mutex<u32>,
}

pub(super) type Answer = Response<Body>;

impl Requests {
    /// Of a client that came like this.
    pub(super) fn new(shards: Shards, prefix: Arc<str>, header: ProxyHeader) -> Self {
        Self { shards, prefix, header, senders: Mutex::default(), last: Mutex::default() }
    }

    /// All shards.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.shards.all.len() as u32
    }

    /// Asks the broker of a shard, and answers what it answers.
    pub(super) async fn forward(&self, shard: u32, parts: Parts, body: Body) -> Answer {
        let mut sender = match self.sender(shard).await {
            Ok(sender) => sender,
            Err(error) => return unavailable(shard, &error.to_string()),
        };
        match sender.send_request(Request::from_parts(parts, body)).await {
            Ok(response) => {
                self.senders.lock().await.insert(shard, sender);
                let mut response = response.map(Body::new);
                response.headers_mut().remove(header::CONNECTION);
                response
            }
            Err(error) => unavailable(shard, &error.to_string()),
        }
    }

    /// The connection that was used before, if it is still there.
    async fn sender(&self, shard: u32) -> io::Result<SendRequest<Body>> {
        let kept = self.senders.lock().await.remove(&shard);
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let number = u16::try_from(shard).map_err(io::Error::other)?;
        let header = ProxyHeader { shard: number, is_again: true, ..self.header.clone() };
        let (stream, _) = self.shards.dial(&header).await.map_err(io::Error::other)?;
        connected(stream).await
    }

    /// The same request without a body.
    pub(super) async fn ask(&self, shard: u32, parts: &Parts) -> Answer {
        let mut parts = parts.clone();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::TRANSFER_ENCODING);
        parts.headers.remove(header::CONNECTION);
        self.forward(shard, parts, Body::empty()).await
    }

    /// Whether this node knows of what was changed, and others have had time to.
    pub(super) async fn settle(&self) -> bool {
        let settled = self.shards.settle().await;
        if let Err(error) = &settled {
            tracing::warn!(%error, "a change was made, and other shards may not know of it yet");
        }
        settled.is_ok()
    }
}

async fn connected(stream: TcpStream) -> io::Result<SendRequest<Body>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// An answer of the node's own, worded as brokers word theirs.
pub(super) fn refused(status: StatusCode, error: &str, reason: &str) -> Answer {
    let mut answer = json_answer(&json!({ "error": error, "reason": reason }));
    *answer.status_mut() = status;
    answer
}

pub(super) fn json_answer(value: &Value) -> Answer {
    let mut answer = Answer::new(Body::from(value.to_string()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

pub(super) fn unavailable(shard: u32, why: &str) -> Answer {
    let reason = format!("shard {shard} does not answer: {why}");
    refused(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", &reason)
}

pub(super) fn too_large() -> Answer {
    refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large, or did not come")
}
