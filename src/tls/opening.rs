//! What a client begins with, on a port that speaks TLS.

use std::io;

use tokio::net::TcpStream;

/// A handshake record of TLS (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
const HTTP_METHODS: [&[u8]; 7] = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PRI"];
/// A fatal alert (RFC 8446 section 6).
const UNEXPECTED_MESSAGE: [u8; 7] = [0x15, 3, 1, 0, 2, 2, 10];
/// Looked at; the first segment has at least as many.
const LOOKED_AT_BYTES: usize = 8;

/// What a client begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// TLS.
    Tls,
    /// AMQP, without TLS.
    Amqp,
    /// HTTP, without TLS.
    Http,
    /// Something else.
    Other,
    /// The end.
    Nothing,
}

impl Opening {
    /// Waits for the first bytes of a client and leaves them where they are.
    ///
    /// # Errors
    /// The socket's.
    pub(crate) async fn of(socket: &TcpStream) -> io::Result<Self> {
        let mut bytes = [0; LOOKED_AT_BYTES];
        let count = socket.peek(&mut bytes).await?;
        Ok(Self::by(bytes.get(..count).unwrap_or_default()))
    }

    fn by(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Nothing,
            [TLS_HANDSHAKE, ..] => Self::Tls,
            _ if bytes.starts_with(b"AMQP") => Self::Amqp,
            _ if HTTP_METHODS.iter().any(|method| bytes.starts_with(method)) => Self::Http,
            _ => Self::Other,
        }
    }

    /// Tells a client that does not speak TLS so, in TLS's words, as servers of TLS do.
    pub(crate) fn refuse(socket: &TcpStream) {
        // What it sent is taken out of the way: else its end would reach the client before the answer.
        let _ = socket.try_read(&mut [0; 4096]);
        let _ = socket.try_write(&UNEXPECTED_MESSAGE);
    }

    /// For the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Amqp => "plain AMQP",
            Self::Http => "plain HTTP",
            Self::Other => "something that is not TLS",
            Self::Nothing => "nothing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_first_bytes() {
        for (bytes, expected) in [
            (&b""[..], Opening::Nothing),
            (b"\x16", Opening::Tls),
            (b"\x16\x03\x01\x02\x00\x01", Opening::Tls),
            (b"AMQP\x00\x00\x09\x01", Opening::Amqp),
            (b"GET / HT", Opening::Http),
            (b"hello", Opening::Other),
        ] {
            assert_eq!(Opening::by(bytes), expected, "{bytes:?}");
        }
    }
}
