//! The broker that a command line of rabbitmqadmin means.
//!
//! It is asked over HTTP, as guest unless another user is named. Where nothing at all is named and that is refused, because the default
//! user is another one or the management port is closed, the control socket of a broker on this machine is asked instead.

use std::cell::RefCell;
use std::env;
use std::time::Duration;

use axum::http::Method;
use serde_json::Value;

use super::super::client::{Client, ClientError, Http, Response, Target, Tls, find};

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 15672;
const DEFAULT_TLS_PORT: u16 = 15671;
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
    /// HTTPS, and how.
    pub tls: Option<Tls>,
    /// How long an answer may take, in seconds.
    pub timeout_s: Option<u64>,
}

impl Reach {
    /// Whether the broker of this machine is meant, whoever its users are.
    const fn is_default(&self) -> bool {
        let Self { host, port, user, password, tls, .. } = self;
        host.is_none() && port.is_none() && user.is_none() && password.is_none() && tls.is_none()
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(DEFAULT_HOST)
    }

    fn client(&self) -> Result<Client, ClientError> {
        let usual_port = if self.tls.is_some() { DEFAULT_TLS_PORT } else { DEFAULT_PORT };
        let mut http = Http::new(self.host(), self.port.unwrap_or(usual_port));
        http.tls.clone_from(&self.tls);
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
    /// Where to look for a control socket if we are not let in.
    otherwise: Option<find::Search>,
}

impl Session {
    /// Connects when the first request is made.
    pub fn new(reach: Reach) -> Result<Self, ClientError> {
        let otherwise = reach.is_default().then(find::Search::default);
        Ok(Self { client: RefCell::new(reach.client()?), reach, otherwise })
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        self.reach.host()
    }

    /// The broker that is asked, as a URL or a socket's path.
    pub fn target(&self) -> String {
        self.client.borrow().target().to_string()
    }

    /// The JSON at a path.
    pub fn get_json(&self, path: &str) -> Result<Value, ClientError> {
        let text = self.get(path)?.text;
        serde_json::from_str(&text).map_err(|_| ClientError::NotJson { target: self.target() })
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
        let search = self.otherwise.as_ref().filter(|_| is_closed_to_us && !self.is_socket());
        let socket = search.and_then(|search| find::find_socket(search, |name| env::var_os(name)));
        let Some(socket) = socket else { return Err(error) };
        self.client.replace(self.reach.limited(socket)?);
        self.client.borrow().send(method, path, body)
    }

    fn is_socket(&self) -> bool {
        matches!(self.client.borrow().target(), Target::Socket(_))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::io;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread;

    use super::*;

    /// Answers one request with this status.
    fn answer(stream: &mut (impl io::Read + io::Write), status: &str) {
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
    }

    /// A session with a management API that refuses every login, and perhaps a socket.
    fn session(socket: Option<PathBuf>) -> Session {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = Some(listener.local_addr().unwrap().port());
        thread::spawn(move || answer(&mut listener.accept().unwrap().0, "401 Unauthorized"));
        let reach = Reach { host: Some("127.0.0.1".into()), port, ..Reach::default() };
        let otherwise = socket.map(|socket| find::Search { socket: Some(socket), ..find::Search::default() });
        Session { client: RefCell::new(reach.client().unwrap()), reach, otherwise }
    }

    #[test]
    fn the_control_socket_is_asked_where_the_login_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            answer(&mut listener.accept().unwrap().0, "200 OK");
        });
        let found = session(Some(path)).get("/api/users");
        assert_eq!(found.map(|answer| answer.status).unwrap(), 200);
    }

    #[test]
    fn a_broker_that_was_named_is_the_one_that_is_meant() {
        assert_eq!(session(None).get("/api/users").unwrap_err().status(), Some(401));
        let named = Reach { user: Some("u".into()), ..Reach::default() };
        assert!(Session::new(named).unwrap().otherwise.is_none());
        assert!(Session::new(Reach::default()).unwrap().otherwise.is_some());
    }
}
