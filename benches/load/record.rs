//! Coney's journal records everything while this lives: what a recording costs is the difference to a run without.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;

/// How long the management API may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// The default virtual host's recordings.
const PATH: &str = "/api/coney/recordings/%2F";
/// `guest:guest`.
const LOGIN: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// A recording of everything in the default virtual host; it ends when this is dropped.
pub struct Recording {
    api: String,
    id: u64,
}

impl Recording {
    /// Begins one. `api` is `host:port` of the management API.
    pub fn begin(api: &str) -> Result<Self> {
        let answer = request(api, "POST", PATH, r#"{"all":true}"#)?;
        let id = answer.split_once("\"id\":").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()));
        let id = id.and_then(|mut digits| digits.next()?.parse().ok());
        Ok(Self { api: api.to_owned(), id: id.ok_or_else(|| format!("{api} answered {answer}"))? })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It ends by itself after an hour.
        let _ = request(&self.api, "DELETE", &format!("{PATH}/{}", self.id), "");
    }
}

/// The answer's head and body.
fn request(api: &str, method: &str, path: &str, body: &str) -> Result<String> {
    let mut socket = TcpStream::connect(api).map_err(|error| format!("management API {api}: {error}"))?;
    socket.set_read_timeout(Some(ANSWER_MAX))?;
    write!(
        socket,
        "{method} {path} HTTP/1.1\r\nhost: {api}\r\nauthorization: {LOGIN}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 2") {
        Ok(answer)
    } else {
        Err(format!("{method} {path}: {answer}").into())
    }
}
