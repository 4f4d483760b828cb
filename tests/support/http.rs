//! A client of the management API: one request a connection, over HTTP/1.0, whose answers have no chunks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Who asks, and where.
#[derive(Clone, Debug)]
pub struct Http {
    place: Place,
    authorization: Option<String>,
}

#[derive(Clone, Debug)]
enum Place {
    Port(SocketAddr),
    #[cfg(unix)]
    Socket(PathBuf),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Http {
    /// As guest.
    pub fn new(address: SocketAddr) -> Self {
        Self { place: Place::Port(address), authorization: None }.user("guest", "guest")
    }

    /// Over a control socket, without a login.
    #[cfg(unix)]
    pub fn control(socket: &Path) -> Self {
        Self { place: Place::Socket(socket.to_owned()), authorization: None }
    }

    /// As this user.
    #[must_use]
    pub fn user(&self, name: &str, password: &str) -> Self {
        let encoded = STANDARD.encode(format!("{name}:{password}"));
        Self { authorization: Some(format!("authorization: Basic {encoded}\r\n")), ..self.clone() }
    }

    /// As nobody.
    #[must_use]
    pub fn nobody(&self) -> Self {
        Self { authorization: None, ..self.clone() }
    }

    /// Where it is asked, if by TCP.
    pub fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Port(address) => *address,
            #[cfg(unix)]
            Place::Socket(_) => panic!("it is not asked by TCP"),
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"")
    }

    /// What is there, which has to be JSON.
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, "", body.to_string().as_bytes())
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, "", body.to_string().as_bytes())
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, "", b"")
    }

    /// Any request; `headers` are whole lines.
    pub fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        Answer::parse(&self.exchange(method, path, headers, body).unwrap())
    }

    /// A request to a broker that may end before it answers.
    pub fn try_send(&self, method: &str, path: &str, body: &[u8]) -> Option<Answer> {
        let bytes = self.exchange(method, path, "", body).ok()?;
        (!bytes.is_empty()).then(|| Answer::parse(&bytes))
    }

    fn exchange(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let authorization = self.authorization.as_deref().unwrap_or_default();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nhost: test\r\n{authorization}{headers}content-length: {length}\r\n\r\n"
        );
        match &self.place {
            Place::Port(address) => ask(TcpStream::connect(address)?, head, body),
            #[cfg(unix)]
            Place::Socket(path) => ask(std::os::unix::net::UnixStream::connect(path)?, head, body),
        }
    }
}

fn ask(mut stream: impl Read + Write, head: String, body: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(head.as_bytes())?;
    // A request may be refused before its body is read.
    let _ = stream.write_all(body);
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status, error and reason, of a refusal.
    pub fn refusal(&self) -> (u16, String, Value) {
        let body = self.json();
        (self.status, body["error"].as_str().unwrap().to_owned(), body["reason"].clone())
    }
}
