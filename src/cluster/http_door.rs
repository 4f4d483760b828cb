//! The management API's door of a node where there are several shards: each request is led to the shards that can answer it, over
//! connections that the brokers take for the client's own. Who may ask is theirs to say.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

use super::gather;
use super::proxy::{Client, accept};
use super::proxy_header::ProxyHeader;
use super::shards::Shards;
use super::way::Way;
use crate::server::Door;

/// A request's head has to come within this time.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest body that is looked into: of definitions.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What leads requests to shards.
#[derive(Clone)]
pub(super) struct HttpDoor {
    pub(super) shards: Shards,
    /// What the API's paths begin with.
    pub(super) prefix: Arc<str>,
    pub(super) slots: Arc<Semaphore>,
}

/// A client's connection, and those to brokers that are used for it.
pub(super) struct Requests {
    pub(super) shards: Shards,
    prefix: Arc<str>,
    header: ProxyHeader,
    senders: Mutex<BTreeMap<u32, SendRequest<Body>>>,
    last: Mutex<u32>,
}

pub(super) type Answer = Response<Body>;

impl HttpDoor {
    /// Takes what comes to the door's listeners, until the node is gone.
    pub(super) async fn run(self, listeners: Vec<TcpListener>) {
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(self.clone().accept_all(listener));
        }
        while accepting.join_next().await.is_some() {}
    }

    async fn accept_all(self, listener: TcpListener) {
        loop {
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
            match accept(&listener, Door::Http).await {
                Ok(client) => {
                    let door = self.clone();
                    tokio::spawn(async move {
                        door.serve(client).await;
                        drop(slot);
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::error!(%error, "an HTTP connection could not be accepted");
                    let clock = self.shards.clock;
                    clock.wait_for(Some(clock.now() + PAUSE)).await;
                }
            }
        }
    }

    async fn serve(self, client: Client) {
        let Client { stream, header } = client;
        let requests = Arc::new(Requests {
            shards: self.shards,
            prefix: self.prefix,
            header,
            senders: Mutex::default(),
            last: Mutex::default(),
        });
        let service = service_fn(move |request: Request<Incoming>| {
            let requests = Arc::clone(&requests);
            async move { Ok::<_, Infallible>(requests.answer(request.map(Body::new)).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
        // What clients do to their connections is no concern of the operator's.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
    }
}

impl Requests {
    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        let way = Way::of(&parts.method, path.strip_prefix(&*self.prefix).unwrap_or(path));
        if way.leaves_meta() && is_of_session(&parts) {
            let reason =
                "sessions of the page are known to the meta shard alone: use a login with each request";
            return refused(StatusCode::NOT_IMPLEMENTED, "not_implemented", reason);
        }
        match way {
            Way::Meta => self.forward(0, parts, body).await,
            Way::Change => self.change(parts, body).await,
            Way::Vhost(name) => {
                let shard = self.shards.known.shard_of(&name);
                *self.last.lock().await = shard;
                self.forward(shard, parts, body).await
            }
            Way::Same => self.forward(*self.last.lock().await, parts, body).await,
            Way::Any => self.any(&parts).await,
            Way::Each => self.each(&parts, false).await,
            Way::Checks => self.each(&parts, true).await,
            Way::Move => self.hand_over(parts, body).await,
            Way::Lists => gather::lists(self, &parts).await,
            Way::Vhosts => gather::vhosts(self, &parts).await,
            Way::Overview => gather::overview(self, &parts).await,
            Way::Export => gather::export(self, &parts).await,
            Way::Import => gather::import(self, parts, body).await,
            Way::Missing => refused(
                StatusCode::NOT_IMPLEMENTED,
                "not_implemented",
                "not in a cluster with several shards: ask for one vhost, if that can be asked for",
            ),
        }
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
        let header = ProxyHeader { shard: number, ..self.header };
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

    async fn change(&self, parts: Parts, body: Body) -> Answer {
        let answer = self.forward(0, parts, body).await;
        if answer.status().is_success() {
            self.settle().await;
        }
        answer
    }

    pub(super) async fn settle(&self) {
        if let Err(error) = self.shards.settle().await {
            tracing::warn!(%error, "a change was made, and other shards may not know of it yet");
        }
    }

    /// The first that has it.
    async fn any(&self, parts: &Parts) -> Answer {
        let mut answer = unavailable(0, "there is none");
        for shard in self.numbers() {
            answer = self.ask(shard, parts).await;
            if answer.status() != StatusCode::NOT_FOUND {
                break;
            }
        }
        answer
    }

    /// The first that fails, if there is any; else the last.
    async fn each(&self, parts: &Parts, stops: bool) -> Answer {
        let mut answer = unavailable(0, "there is none");
        for shard in self.numbers() {
            answer = self.ask(shard, parts).await;
            if !answer.status().is_success() && (stops || answer.status() == StatusCode::UNAUTHORIZED) {
                break;
            }
        }
        answer
    }

    /// The shard is told by the leader that is to hand over.
    async fn hand_over(&self, parts: Parts, body: Body) -> Answer {
        let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else { return too_large() };
        let wish: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let shard = wish
            .get("shard")
            .and_then(Value::as_u64)
            .and_then(|shard| u32::try_from(shard).ok())
            .unwrap_or(0);
        if shard as usize >= self.shards.all.len() {
            return refused(StatusCode::NOT_FOUND, "not_found", &format!("there is no shard {shard}"));
        }
        self.forward(shard, parts, Body::from(bytes)).await
    }
}

/// Whether the page asks, with what it was given at its login.
fn is_of_session(parts: &Parts) -> bool {
    parts.headers.contains_key(header::COOKIE) && !parts.headers.contains_key(header::AUTHORIZATION)
}

async fn connected(stream: TcpStream) -> io::Result<SendRequest<Body>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // It ends with the sender.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// An answer of the node's own, worded as brokers word theirs.
pub(super) fn refused(status: StatusCode, error: &str, reason: &str) -> Answer {
    let text = json!({ "error": error, "reason": reason }).to_string();
    let mut response = Response::new(Body::from(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn unavailable(shard: u32, why: &str) -> Answer {
    let reason = format!("shard {shard} does not answer: {why}");
    refused(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", &reason)
}

pub(super) fn too_large() -> Answer {
    refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too large, or did not come")
}
