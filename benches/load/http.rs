//! Requests to Coney's management API, as `guest`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Result;

/// How long the management API may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// `guest:guest`.
const LOGIN: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// The answer's head and body; any but a 2xx is an error. `api` is `host:port`.
pub fn request(api: &str, method: &str, path: &str, body: &str) -> Result<String> {
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
