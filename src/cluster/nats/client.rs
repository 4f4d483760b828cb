//! A connection to NATS on a thread of its own, and JetStream's requests over it.

use super::error::NatsError;
use super::names::shown_all;
use async_nats::{ConnectOptions, Event, HeaderMap, Message, Request, ServerAddr, Subscriber};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

/// Until there is a connection at all.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Until one server has answered.
const SERVER_MAX: Duration = Duration::from_secs(1);
/// A server that does not answer two of these is given up.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Between attempts to connect again, but for the first two.
const RECONNECT_EVERY: Duration = Duration::from_millis(100);

/// Error codes of JetStream: the last sequence is another, as it is told to all or to one of several at once.
const WRONG_LAST: [u64; 2] = [10071, 10164];
/// There is no such message.
pub(super) const NO_MESSAGE: u64 = 10037;
/// There is no such stream.
pub(super) const NO_STREAM: u64 = 10059;

/// A connection; clones are the same one. It is made again for ever when it is lost.
#[derive(Clone)]
pub(super) struct Client(Arc<Inner>);

struct Inner {
    threads: Threads,
    client: async_nats::Client,
    is_connected: watch::Receiver<bool>,
}

/// A runtime that may end within another.
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What JetStream said instead of what was asked; the code is 0 if it said nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(default, rename = "err_code")]
    pub(super) code: u64,
    #[serde(default, rename = "description")]
    pub(super) why: String,
}

impl Refusal {
    fn silent(why: impl ToString) -> Self {
        Self { code: 0, why: why.to_string() }
    }

    /// Whether the last sequence is another.
    pub(super) fn is_wrong_last(&self) -> bool {
        WRONG_LAST.contains(&self.code)
    }
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Published {
    seq: u64,
}

fn options(name: &str, is_connected: watch::Sender<bool>) -> ConnectOptions {
    ConnectOptions::new()
        .name(name)
        .connection_timeout(SERVER_MAX)
        .ping_interval(PING_EVERY)
        .retain_servers_order()
        .reconnect_delay_callback(|attempt| if attempt <= 2 { Duration::ZERO } else { RECONNECT_EVERY })
        .event_callback(move |event| {
            match event {
                Event::Connected => drop(is_connected.send_replace(true)),
                Event::Disconnected | Event::Closed => drop(is_connected.send_replace(false)),
                _ => {}
            }
            tracing::debug!("NATS: {event}");
            async {}
        })
}

/// Options with what gives rights: a file of credentials if there is one, or else the user, or the token, in the first address that has
/// one. async-nats makes nothing of those.
pub(super) async fn with_rights(
    options: ConnectOptions,
    servers: &[String],
    file: Option<&Path>,
) -> Result<ConnectOptions, NatsError> {
    if let Some(path) = file {
        let failed = |why: std::io::Error| NatsError::Credentials {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        return options.credentials_file(path).await.map_err(failed);
    }
    let addresses = servers.iter().filter_map(|server| server.parse::<ServerAddr>().ok());
    let Some(address) = addresses.into_iter().find(ServerAddr::has_user_pass) else { return Ok(options) };
    let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Ok(match (address.username(), address.password()) {
        (Some(user), Some(password)) => options.user_and_password(plain(user), plain(password)),
        (Some(token), None) => options.token(plain(token)),
        (None, _) => options,
    })
}

impl Client {
    /// # Errors
    /// [`NatsError::Credentials`], [`NatsError::Connect`].
    pub(super) async fn connect(
        servers: &[String],
        credentials: Option<&Path>,
        name: &str,
    ) -> Result<Self, NatsError> {
        let failed = |why: String| NatsError::Connect { servers: shown_all(servers), why };
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("nats").enable_all().build();
        let threads = Threads(Some(runtime.map_err(|error| failed(error.to_string()))?));
        let (sender, is_connected) = watch::channel(true);
        let options = with_rights(options(name, sender), servers, credentials).await?;
        let addresses = servers.to_vec();
        let connecting = async move { timeout(CONNECT_MAX, options.connect(addresses.as_slice())).await };
        let runtime = threads.0.as_ref().ok_or_else(|| failed("no threads".into()))?;
        let connected = runtime.spawn(connecting).await.map_err(|error| failed(error.to_string()))?;
        let client =
            connected.map_err(|_| failed("no answer".into()))?.map_err(|error| failed(error.to_string()))?;
        Ok(Self(Arc::new(Inner { threads, client, is_connected })))
    }

    pub(super) fn raw(&self) -> &async_nats::Client {
        &self.0.client
    }

    /// Runs something on this connection's thread.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        self.0.threads.0.as_ref().map(|runtime| runtime.spawn(work))
    }

    /// Waits for something on the thread of the caller, which must not be one of a runtime's own.
    pub(super) fn block<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.threads.0.as_ref().map(|runtime| runtime.handle().block_on(work))
    }

    /// The most bytes that a message may have, headers counted, on the server that it is connected to.
    pub(super) fn payload_bytes_max(&self) -> usize {
        self.0.client.max_payload()
    }

    /// Asks, and waits for one answer. What was asked without a connection is never sent.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        within: Duration,
    ) -> Result<Message, String> {
        let mut request = Request::new().payload(payload);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let mut is_connected = self.0.is_connected.clone();
        let asked = async {
            let connected = is_connected.wait_for(|is_connected| *is_connected).await;
            connected.map_err(|_| "the connection was closed".to_owned())?;
            self.0.client.send_request(subject, request).await.map_err(|error| error.to_string())
        };
        timeout(within, asked).await.unwrap_or_else(|_| Err("no answer".into()))
    }

    /// Asks JetStream's API.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        what: String,
        body: serde_json::Value,
        within: Duration,
    ) -> Result<T, Refusal> {
        let subject = format!("$JS.API.{what}");
        let answer = self.request(subject, None, Bytes::from(body.to_string()), within).await;
        decode(&answer.map_err(Refusal::silent)?)
    }

    /// Publishes to a stream; the sequence there. `expected` is a header that says what has to be the last sequence, and that.
    pub(super) async fn publish(
        &self,
        subject: String,
        expected: Option<(&'static str, u64)>,
        payload: Bytes,
        within: Duration,
    ) -> Result<u64, Refusal> {
        let headers = expected.map(|(name, sequence)| {
            let mut headers = HeaderMap::new();
            headers.insert(name, sequence.to_string().as_str());
            headers
        });
        let answer = self.request(subject, headers, payload, within).await.map_err(Refusal::silent)?;
        decode(&answer).map(|Published { seq }| seq)
    }

    /// Says something to whoever listens, or to nobody.
    pub(super) async fn say(&self, subject: String, what: String) {
        // Nobody relies on it.
        drop(timeout(SERVER_MAX, self.0.client.publish(subject, what.into())).await);
    }

    /// # Errors
    /// [`NatsError::Request`].
    pub(super) async fn subscribe(&self, subject: String) -> Result<Subscriber, NatsError> {
        let doing = format!("subscribing to {subject}");
        self.0
            .client
            .subscribe(subject)
            .await
            .map_err(|error| NatsError::Request { doing, why: error.to_string() })
    }
}

fn decode<T: DeserializeOwned>(answer: &Message) -> Result<T, Refusal> {
    let decoded: Answer = serde_json::from_slice(&answer.payload).map_err(Refusal::silent)?;
    match decoded.error {
        Some(refusal) => Err(refusal),
        None => serde_json::from_slice(&answer.payload).map_err(Refusal::silent),
    }
}
