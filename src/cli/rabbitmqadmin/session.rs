//! The broker that a command line of rabbitmqadmin means.
//!
//! It is asked over HTTP, as guest unless another user is named. Where nothing at all is named and that is refused, because the default
//! user is another one or the management port is closed, the control socket of a broker on this machine is asked instead.

use std::cell::RefCell;
use std::env;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;

use super::super::client::{Client, ClientError, Http, Response, Target, find};

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 15672;
const GUEST: &str = "guest";

/// What the command line, the environment and the configuration file name.
#[derive(Debug, Default, Clone)]
pub struct Reach {
    pub host: Option<String>,
    pub port: Option<u16>,
    /// What stands before `/api`.
    pub path_prefix: String,
    pub user: Option<String>,
    pub password: Option<String>,
    /// How long an answer may take, in seconds.
    pub timeout_s: Option<u64>,
}

impl Reach {
    /// Whether the broker of this machine is meant, whoever its users are.
    const fn is_default(&self) -> bool {
        self.host.is_none() && self.port.is_none() && self.user.is_none() && self.password.is_none()
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(DEFAULT_HOST)
    }

    fn client(&self) -> Result<Client, ClientError> {
        let mut http = Http::new(self.host(), self.port.unwrap_or(DEFAULT_PORT));
        http.path_prefix.clone_from(&self.path_prefix);
        let [user, password] = [&self.user, &self.password].map(|given| given.as_deref().unwrap_or(GUEST));
        self.limited(Client::new(Target::Http(http), Some((user, password)))?)
    }

    fn limited(&self, mut client: Client) -> Result<Client, ClientError> {
        if let Some(seconds) = self.timeout_s {
            client.set_wait(Duration::from_secs(seconds));
        }
        Ok(client)
    }
}

/// Asks that broker.
pub struct Session {
    reach: Reach,
    client: RefCell<Client>,
}

impl Session {
    /// Connects when the first request is made.
    pub fn new(reach: Reach) -> Result<Self, ClientError> {
        Ok(Self { client: RefCell::new(reach.client()?), reach })
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.reach.host()
    }

    /// The text at a path.
    pub fn get(&self, path: &str) -> Result<Response, ClientError> {
        self.send(Method::GET, path, None)
    }

    /// Puts a value.
    pub fn put(&self, path: &str, value: &Value) -> Result<Response, ClientError> {
        self.send(Method::PUT, path, Some(value.to_string()))
    }

    /// Posts a value.
    pub fn post(&self, path: &str, value: &Value) -> Result<Response, ClientError> {
        self.send(Method::POST, path, Some(value.to_string()))
    }

    /// Posts JSON.
    pub fn post_text(&self, path: &str, text: String) -> Result<Response, ClientError> {
        self.send(Method::POST, path, Some(text))
    }

    /// Deletes what is there.
    pub fn delete(&self, path: &str) -> Result<Response, ClientError> {
        self.send(Method::DELETE, path, None)
    }

    fn send(&self, method: Method, path: &str, body: Option<String>) -> Result<Response, ClientError> {
        let answer = self.client.borrow().send(method.clone(), path, body.clone());
        let Err(error) = answer else { return answer };
        let is_closed_to_us = error.status() == Some(401) || matches!(error, ClientError::Unreachable { .. });
        if !self.reach.is_default() || !is_closed_to_us || self.is_socket() {
            return Err(error);
        }
        let search = find::Search::default();
        let Some(socket) = find::find_socket(&search, |name| env::var_os(name)) else { return Err(error) };
        self.client.replace(self.reach.limited(socket)?);
        self.client.borrow().send(method, path, body)
    }

    fn is_socket(&self) -> bool {
        matches!(self.client.borrow().target(), Target::Socket(_))
    }
}
