//! One connection with one channel: address, handshake, a request and its reply, a clean close. Everything here is
//! before or after the measuring; what is measured goes through the stream and the scanner directly.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::scan::{Progress, Scanner, Visit};
use crate::stream::Stream;
use crate::wire::{self, CHANNEL, NO_TABLE};
use crate::{Error, Result};

/// How long a broker may take over a request. A slow one first works off what it was sent before.
const REPLY_MAX: Duration = Duration::from_secs(60);
/// How long a broker may take over a close: before it comes whatever is left in the socket's buffers, which is a
/// minute's work for a slow broker and a hundred publishers.
const CLOSE_MAX: Duration = Duration::from_secs(300);
/// How long a broker may leave a socket unread before the run counts as failed.
const WRITE_MAX: Duration = Duration::from_secs(60);
/// Reads wake this often, so that a thread notices that it is to stop.
pub const TICK: Duration = Duration::from_millis(100);
/// A frame size that no broker has to refuse, when it names no limit.
const FRAME_BYTES_DEFAULT: usize = 131_072;

/// Where a broker is and who asks.
#[derive(Clone, Debug)]
pub struct Uri {
    /// `host:port`
    pub address: String,
    is_tls: bool,
    user: String,
    password: String,
    vhost: String,
}

impl Uri {
    /// Reads `amqp://[user:password@]host[:port][/vhost]`, or `amqps://` for TLS.
    pub fn parse(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("{text} is no URI"))?;
        let (is_tls, default_port) = match scheme {
            "amqp" => (false, 5672),
            "amqps" => (true, 5671),
            _ => return Err(format!("{text} does not begin with amqp:// or amqps://").into()),
        };
        let (authority, vhost) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = login.split_once(':').ok_or("a user needs a password")?;
        let port_follows = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let vhost = if vhost.is_empty() { "/".into() } else { percent_decoded(vhost) };
        Ok(Self {
            address: if port_follows { host.into() } else { format!("{host}:{default_port}") },
            is_tls,
            user: percent_decoded(user),
            password: percent_decoded(password),
            vhost,
        })
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%');
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// An open connection with channel 1 open on it.
pub struct Connection {
    /// The socket; reads time out after [`TICK`].
    pub stream: Stream,
    /// What was read from it.
    pub scanner: Scanner,
    /// The largest frame agreed on, in bytes.
    pub frame_bytes_max: usize,
}

impl Connection {
    /// Connects, logs in and opens channel 1.
    pub fn open(uri: &Uri) -> Result<Self> {
        let stream = TcpStream::connect(&uri.address).map_err(|error| format!("{}: {error}", uri.address))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(WRITE_MAX))?;
        let stream = if uri.is_tls { Stream::over_tls(stream)? } else { Stream::Plain(stream) };
        let mut connection = Self { stream, scanner: Scanner::new(), frame_bytes_max: FRAME_BYTES_DEFAULT };
        connection.log_in(uri)?;
        let open = wire::method(CHANNEL, wire::CHANNEL_OPEN, |out| wire::short(out, ""));
        connection.call(&open, wire::CHANNEL_OPEN_OK)?;
        Ok(connection)
    }

    fn log_in(&mut self, uri: &Uri) -> Result<()> {
        self.call(wire::PROTOCOL_HEADER, wire::START)?;
        let login = format!("\0{}\0{}", uri.user, uri.password);
        let start_ok = wire::method(0, wire::START_OK, |out| {
            out.extend_from_slice(&NO_TABLE);
            wire::short(out, "PLAIN");
            wire::long(out, login.as_bytes());
            wire::short(out, "en_US");
        });
        // A wrong password just ends the connection, for a client that does not ask to be told.
        let tune = self.call(&start_ok, wire::TUNE).map_err(|error| format!("logging in: {error}"))?;
        let limits = tune.get(..6).ok_or("connection.tune is too short")?;
        let frame_max = u32::from_be_bytes([limits[2], limits[3], limits[4], limits[5]]) as usize;
        self.frame_bytes_max = if frame_max == 0 { FRAME_BYTES_DEFAULT } else { frame_max };
        // The limits go back as they came, and without heartbeats: a measured connection is never silent for long.
        let tune_ok = wire::method(0, wire::TUNE_OK, |out| {
            out.extend_from_slice(&limits[..2]);
            out.extend_from_slice(&(self.frame_bytes_max as u32).to_be_bytes());
            out.extend_from_slice(&[0; 2]);
        });
        self.stream.write_all(&tune_ok)?;
        let open = wire::method(0, wire::OPEN, |out| {
            wire::short(out, &uri.vhost);
            out.extend_from_slice(&[0; 2]);
        });
        self.call(&open, wire::OPEN_OK).map(drop)
    }

    /// Sends a request and waits for the reply `expected`, whose arguments are returned. Other methods that come in
    /// before it are dropped, unless they say that something was closed.
    pub fn call(&mut self, request: &[u8], expected: u32) -> Result<Vec<u8>> {
        self.call_within(REPLY_MAX, request, expected)
    }

    fn call_within(&mut self, limit: Duration, request: &[u8], expected: u32) -> Result<Vec<u8>> {
        if let Err(error) = self.stream.write_all(request) {
            return Err(self.explained(error.into()));
        }
        let mut reply = Reply { expected, arguments: None };
        let deadline = Instant::now() + limit;
        loop {
            let progress = self.scanner.read(&mut self.stream, &mut reply)?;
            if let Some(arguments) = reply.arguments {
                return Ok(arguments);
            }
            if progress == Progress::Closed {
                return Err("the broker closed the connection".into());
            }
            if Instant::now() > deadline {
                return Err(format!("no reply within {} s", limit.as_secs()).into());
            }
        }
    }

    /// Sends a method with these arguments on channel 1 and waits for its reply.
    pub fn request(&mut self, id: u32, reply: u32, arguments: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>> {
        self.call(&wire::method(CHANNEL, id, arguments), reply)
    }

    /// The messages ready in a queue. As one channel's methods are worked off in order, the broker has taken every
    /// earlier publish on this channel when it answers.
    pub fn ready_messages(&mut self, queue: &str) -> Result<u64> {
        let reply = self.request(wire::QUEUE_DECLARE, wire::QUEUE_DECLARE_OK, |out| {
            out.extend_from_slice(&[0; 2]);
            wire::short(out, queue);
            out.push(1);
            out.extend_from_slice(&NO_TABLE);
        })?;
        match reply.get(1 + queue.len()..).and_then(|counts| counts.first_chunk()) {
            Some(ready) => Ok(u64::from(u32::from_be_bytes(*ready))),
            None => Err("queue.declare-ok is too short".into()),
        }
    }

    /// What the broker said before a write failed, if it said something.
    pub fn explained(&mut self, error: Error) -> Error {
        let mut reply = Reply { expected: 0, arguments: None };
        match self.scanner.read(&mut self.stream, &mut reply) {
            Err(reason) => format!("{reason} ({error})").into(),
            Ok(_) => error,
        }
    }

    /// Closes with a handshake, so that everything sent before has been taken.
    pub fn close(mut self) -> Result<()> {
        let close = wire::method(0, wire::CLOSE, |out| {
            out.extend_from_slice(&200u16.to_be_bytes());
            wire::short(out, "bye");
            out.extend_from_slice(&[0; 4]);
        });
        self.call_within(CLOSE_MAX, &close, wire::CLOSE_OK).map(drop)
    }
}

/// Waits for one method.
struct Reply {
    expected: u32,
    arguments: Option<Vec<u8>>,
}

impl Visit for Reply {
    fn method(&mut self, id: u32, arguments: &[u8]) -> Result<()> {
        if id == self.expected {
            self.arguments = Some(arguments.to_vec());
        }
        refuse_closing(id, arguments)
    }
}

/// An error if the method says that the broker closed something or took a consumer away.
pub fn refuse_closing(id: u32, arguments: &[u8]) -> Result<()> {
    match (id, arguments) {
        (wire::CLOSE | wire::CHANNEL_CLOSE, &[high, low, length, ref text @ ..]) => {
            let text = String::from_utf8_lossy(&text[..text.len().min(length.into())]);
            Err(format!("the broker closed: {} {text}", u16::from_be_bytes([high, low])).into())
        }
        (wire::CANCEL, _) => Err("the broker cancelled a consumer".into()),
        _ => Ok(()),
    }
}
