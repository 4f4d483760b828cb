//! The management API's door of a node where there are several shards: each request is led to the shards that can answer it, over
//! connections that the brokers take for the client's own. Who may ask is theirs to say.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::entry::ended;
use super::gather;
use super::moving::copy_vhost;
use super::proxy::{Client, accept_each};
use super::requests::{Answer, BODY_BYTES_MAX, Requests, refused, too_large, unavailable};
use super::shards::Shards;
use super::way::{Own, Way};
use crate::management::{ASKS_FOR, is_own_page};
use crate::server::{Door, Front};

/// A request's head has to come within this time.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);

/// What leads requests to shards.
#[derive(Clone)]
pub(super) struct HttpDoor {
    pub(super) shards: Shards,
    /// What ends clients' TLS.
    pub(super) front: Arc<Front>,
    /// What the API's paths begin with.
    pub(super) prefix: Arc<str>,
    pub(super) slots: Arc<Semaphore>,
}

impl HttpDoor {
    /// Takes what comes to the door's listeners, until the node is gone.
    pub(super) async fn run(self, door: Door, listeners: Vec<TcpListener>) {
        let (slots, clock) = (Arc::clone(&self.slots), self.shards.clock);
        let serve = move |client, slot| self.clone().serve(client, slot);
        match accept_each(listeners, door, &slots, clock, serve).await {}
    }

    async fn serve(self, client: Client, slot: OwnedSemaphorePermit) {
        let Some((stream, header)) = ended(&self.front, client).await else { return };
        let requests = Arc::new(Requests::new(self.shards, self.prefix, header));
        let service = service_fn(move |request: Request<Incoming>| {
            let requests = Arc::clone(&requests);
            async move { Ok::<_, Infallible>(requests.answer(request.map(Body::new)).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
        // What clients do to their connections is no concern of the operator's.
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
        drop(slot);
    }
}

impl Requests {
    async fn answer(self: &Arc<Self>, request: Request<Body>) -> Answer {
        let (mut parts, body) = request.into_parts();
        // Only a node says for whom it asks.
        parts.headers.remove(ASKS_FOR);
        let path = parts.uri.path();
        let way = Way::of(&parts.method, path.strip_prefix(&*self.prefix).unwrap_or(path));
        if way.leaves_meta()
            && is_of_session(&parts)
            && let Err(refusal) = self.ask_for_user(&mut parts).await
        {
            return refusal;
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
            Way::Own(Own::Journal) if is_followed(&parts) => missing(),
            Way::Own(own) => gather::own_pages(self, &parts, own).await,
            Way::Missing => missing(),
        }
    }

    /// The meta shard alone knows the page's sessions: it says whose this one is, and other shards are told that name.
    async fn ask_for_user(&self, parts: &mut Parts) -> Result<(), Answer> {
        if !is_own_page(&parts.method, &parts.headers) {
            // The meta shard's broker would say the same of whatever it is asked.
            let reason = "with a cookie alone, this has to be asked for by this broker's own page";
            return Err(refused(StatusCode::FORBIDDEN, "forbidden", reason));
        }
        let path = format!("{}/api/coney/session", self.prefix);
        let mut asking = parts.clone();
        asking.method = Method::GET;
        asking.uri = PathAndQuery::try_from(path).map(Uri::from).unwrap_or_default();
        let answer = self.ask(0, &asking).await;
        if answer.status() != StatusCode::OK {
            return Err(answer);
        }
        let bytes = to_bytes(answer.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
        let session: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let user = session.get("name").and_then(Value::as_str);
        let user = user.map(|user| utf8_percent_encode(user, NON_ALPHANUMERIC).to_string());
        let user = user.and_then(|user| HeaderValue::try_from(user).ok());
        let user = user.ok_or_else(|| unavailable(0, "it does not say whose the session is"))?;
        parts.headers.remove(header::COOKIE);
        parts.headers.insert(ASKS_FOR, user);
        Ok(())
    }

    async fn change(&self, parts: Parts, body: Body) -> Answer {
        let answer = self.forward(0, parts, body).await;
        if answer.status().is_success() {
            // Whoever does not know it yet learns of it later.
            let _ = self.settle().await;
        }
        answer
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
    async fn hand_over(self: &Arc<Self>, parts: Parts, body: Body) -> Answer {
        let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else { return too_large() };
        let wish: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if let Some(vhost) = wish.get("vhost").and_then(Value::as_str) {
            return self.move_vhost(parts, vhost, bytes.clone()).await;
        }
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

impl Requests {
    /// The meta shard is told to begin, and to end when the vhost was copied: whoever asks has to be allowed to.
    async fn move_vhost(self: &Arc<Self>, parts: Parts, vhost: &str, body: Bytes) -> Answer {
        let begun = self.forward(0, parts.clone(), Body::from(body)).await;
        if !begun.status().is_success() {
            return begun;
        }
        // It goes on whatever becomes of the client.
        let (requests, vhost) = (Arc::clone(self), vhost.to_owned());
        let moving = tokio::spawn(async move { requests.copy_vhost(parts, &vhost, begun).await });
        moving.await.unwrap_or_else(|error| unavailable(0, &error.to_string()))
    }

    async fn copy_vhost(&self, parts: Parts, vhost: &str, begun: Answer) -> Answer {
        if !self.settle().await {
            return again("this node does not know yet that it moves");
        }
        match copy_vhost(&self.shards, vhost).await {
            Ok(None) => begun,
            Ok(Some((shard, id))) => {
                let wish = json!({ "vhost": vhost, "shard": shard, "copied": id.to_string() });
                let wish = wish.as_object().cloned().unwrap_or_default();
                let ended = gather::post(self, &parts, 0, wish).await;
                // Whoever does not know it yet learns of it later.
                let _ = self.settle().await;
                ended
            }
            Err(why) => again(&why),
        }
    }
}

/// A move has begun, or was given up, and has not come to its end.
fn again(why: &str) -> Answer {
    let reason = format!("the vhost is closed, and could not be copied yet: {why}. Do it again");
    refused(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", &reason)
}

/// Nobody answers that.
fn missing() -> Answer {
    refused(
        StatusCode::NOT_IMPLEMENTED,
        "not_implemented",
        "not in a cluster with several shards: ask for one vhost, if that can be asked for",
    )
}

/// Whether it is to be answered with a stream.
fn is_followed(parts: &Parts) -> bool {
    parts.uri.query().unwrap_or_default().split('&').any(|field| field.split('=').next() == Some("follow"))
}

/// Whether the page asks, with what it was given at its login.
fn is_of_session(parts: &Parts) -> bool {
    parts.headers.contains_key(header::COOKIE) && !parts.headers.contains_key(header::AUTHORIZATION)
}
