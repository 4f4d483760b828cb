//! What a client speaks that does not speak AMQP 0-9-1.

/// What came in place of the protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// A TLS client hello.
    #[error("the client speaks TLS, and this port does not")]
    Tls,
    /// A request.
    #[error("the client speaks HTTP, and this port is AMQP's")]
    Http,
    /// AMQP 1.0, with or without its layers for TLS and SASL.
    #[error("the client speaks AMQP 1.0, and the broker speaks AMQP 0-9-1")]
    Amqp1,
    /// Another version of AMQP, by the bytes after its name.
    #[error("the client speaks another version of AMQP ({0:?}), and the broker speaks 0-9-1")]
    Version([u8; 4]),
    /// Something else.
    #[error("the client does not speak AMQP")]
    Unknown,
}

const HTTP_METHODS: [&[u8]; 7] = [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"OPTIONS ", b"DELETE ", b"PRI "];
/// A handshake record of TLS (RFC 8446 section 5.1).
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];

impl Mismatch {
    /// By the first bytes that a client sent.
    pub(super) fn of(input: &[u8]) -> Self {
        if input.starts_with(&TLS_HANDSHAKE) {
            return Self::Tls;
        }
        if HTTP_METHODS.iter().any(|method| input.starts_with(method)) {
            return Self::Http;
        }
        match input {
            [b'A', b'M', b'Q', b'P', _, 1, 0, 0, ..] => Self::Amqp1,
            [b'A', b'M', b'Q', b'P', a, b, c, d, ..] => Self::Version([*a, *b, *c, *d]),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_first_bytes() {
        for (input, expected) in [
            (&b"\x16\x03\x01\x02\x00\x01"[..], Mismatch::Tls),
            (b"GET / HTTP/1.1\r\n", Mismatch::Http),
            (b"AMQP\x00\x01\x00\x00", Mismatch::Amqp1),
            (b"AMQP\x03\x01\x00\x00", Mismatch::Amqp1),
            (b"AMQP\x01\x01\x08\x00", Mismatch::Version([1, 1, 8, 0])),
            (b"\x10\x10\x00\x04MQTT", Mismatch::Unknown),
        ] {
            assert_eq!(Mismatch::of(input), expected, "{input:?}");
        }
    }
}
