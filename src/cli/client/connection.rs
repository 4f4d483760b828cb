//! Asking, and waiting for the answer.

use std::cell::RefCell;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::error::{ClientError, Refusal};
use super::lines::Lines;
use super::target::Target;

/// How long to wait for a connection.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long to wait for an answer, unless [`Client::set_wait`] says otherwise; as RabbitMQ's rabbitmqadmin does.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(120);
/// The longest answer that is kept in memory: a list of some hundred thousand queues.
const ANSWER_BYTES_MAX: usize = 1 << 30;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Asks one broker, a request at a time.
pub struct Client {
    target: Target,
    authorization: Option<HeaderValue>,
    answer_wait: Duration,
    runtime: Runtime,
    connection: RefCell<Option<SendRequest<Body>>>,
}

/// An answer with a status below 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The body as it came.
    pub text: String,
    /// What was read from it, where there is a body and it is JSON; else null.
    pub body: Value,
}

impl Client {
    /// Does not connect yet. `login` is a user's name and password.
    pub fn new(target: Target, login: Option<(&str, &str)>) -> Result<Self, ClientError> {
        let authorization = login.map(|(user, password)| basic(user, password)).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ClientError::Unusable(format!("cannot start: {error}")))?;
        Ok(Self {
            target,
            authorization,
            answer_wait: ANSWER_WAIT_MAX,
            runtime,
            connection: RefCell::default(),
        })
    }

    /// The broker that is asked.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// How long an answer may take from now on.
    pub const fn set_wait(&mut self, wait: Duration) {
        self.answer_wait = wait;
    }

    /// Connects, if it is not connected: to know whether somebody listens there.
    pub fn connect(&self) -> Result<(), ClientError> {
        let sender = self.runtime.block_on(self.sender())?;
        self.connection.replace(Some(sender));
        Ok(())
    }

    /// What is at a path, as JSON. A path begins with `/api`: see [`super::path::api`].
    pub fn get(&self, path: &str) -> Result<Value, ClientError> {
        let response = self.send(Method::GET, path, None)?;
        self.json(&response.text)
    }

    /// What is at a path, as the text that came: metrics, and JSON that is shown unchanged.
    pub fn get_text(&self, path: &str) -> Result<String, ClientError> {
        self.send(Method::GET, path, None).map(|response| response.text)
    }

    /// Puts a value there.
    pub fn put(&self, path: &str, value: &Value) -> Result<Response, ClientError> {
        self.send(Method::PUT, path, Some(value.to_string()))
    }

    /// Posts a value.
    pub fn post(&self, path: &str, value: &Value) -> Result<Response, ClientError> {
        self.send(Method::POST, path, Some(value.to_string()))
    }

    /// Posts a text that is JSON, or lines of it, already.
    pub fn post_text(&self, path: &str, text: String) -> Result<Response, ClientError> {
        self.send(Method::POST, path, Some(text))
    }

    /// Deletes what is there.
    pub fn delete(&self, path: &str) -> Result<Response, ClientError> {
        self.send(Method::DELETE, path, None)
    }

    /// Any request, with a body that is JSON.
    pub fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Response, ClientError> {
        self.runtime.block_on(async {
            let answer = self.within(self.answer_wait, async {
                let (status, body) = self.exchange(&method, path, body).await?;
                Ok((status, self.text(body).await?))
            });
            let (status, text) = answer.await?;
            self.accepted(status, path, &text)?;
            let body = serde_json::from_str(&text).unwrap_or_default();
            Ok(Response { status, text, body })
        })
    }

    /// Asks for a body that comes a line at a time, for as long as it may take.
    pub fn stream(&self, path: &str) -> Result<Lines<'_>, ClientError> {
        self.runtime.block_on(async {
            let answer = self.within(self.answer_wait, self.exchange(&Method::GET, path, None));
            let (status, body) = answer.await?;
            if status >= 400 {
                let text = self.within(self.answer_wait, self.text(body)).await?;
                self.accepted(status, path, &text)?;
                return Err(self.broken("a refusal"));
            }
            // The connection is the stream's until it ends.
            self.connection.replace(None);
            Ok(Lines::new(&self.runtime, self.target.to_string(), Body::new(body)))
        })
    }

    fn json(&self, text: &str) -> Result<Value, ClientError> {
        let text = if text.is_empty() { "null" } else { text };
        serde_json::from_str(text).map_err(|_| ClientError::NotJson { target: self.target.to_string() })
    }

    fn accepted(&self, status: u16, path: &str, body: &str) -> Result<(), ClientError> {
        if status < 400 {
            return Ok(());
        }
        Err(Refusal::new(status, &self.target.full_path(path), body).into())
    }

    /// Sends a request and waits for the head of the answer. The connection is kept for the next one.
    async fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> Result<(u16, Incoming), ClientError> {
        let mut request = self.request(method, path, body)?;
        let (sender, answer) = loop {
            let mut sender = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(answer) => break (sender, answer),
                // The broker closed the connection before it took the request: a new one is made.
                Err(mut error) => request = error.take_message().ok_or_else(|| self.broken(error.error()))?,
            }
        };
        self.connection.replace(Some(sender));
        Ok((answer.status().as_u16(), answer.into_body()))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Request<Body>, ClientError> {
        let mut request = Request::builder().method(method).uri(self.target.full_path(path));
        request = request.header(header::HOST, self.target.host_header());
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, JSON);
        }
        let body = body.map_or_else(Body::empty, Body::from);
        request.body(body).map_err(|error| ClientError::Unusable(format!("{path}: {error}")))
    }

    /// The connection that is there and still takes requests, or a new one.
    async fn sender(&self) -> Result<SendRequest<Body>, ClientError> {
        let kept = self.connection.take();
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let connecting = async {
            let stream = self.target.connect().await?;
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))
        };
        let (sender, connection) = self.within(CONNECT_WAIT_MAX, connecting).await?;
        // It runs while we wait for an answer; what goes wrong with it shows there.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn text(&self, body: Incoming) -> Result<String, ClientError> {
        let bytes = axum::body::to_bytes(Body::new(body), ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|error| self.unread(&error))?;
        String::from_utf8(bytes.into()).map_err(|_| ClientError::NotJson { target: self.target.to_string() })
    }

    fn unread(&self, error: &axum::Error) -> ClientError {
        let reason = error.to_string();
        if reason.contains("length limit") {
            return ClientError::TooLong { target: self.target.to_string(), max_bytes: ANSWER_BYTES_MAX };
        }
        self.broken(reason)
    }

    async fn within<T>(
        &self,
        wait: Duration,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let late = |_| ClientError::Late { target: self.target.to_string(), seconds: wait.as_secs() };
        timeout(wait, work).await.map_err(late)?
    }

    fn broken(&self, reason: impl ToString) -> ClientError {
        ClientError::Broken { target: self.target.to_string(), reason: reason.to_string() }
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, ClientError> {
    let text = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let mut value = HeaderValue::try_from(text).map_err(|error| ClientError::Unusable(error.to_string()))?;
    value.set_sensitive(true);
    Ok(value)
}
