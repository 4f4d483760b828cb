//! A message that was got from a queue.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::broker::operations::GotMessage;
use crate::broker::properties_json;

/// How payloads are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::management) enum Encoding {
    /// Text if it is UTF-8, else base64.
    Auto,
    /// Always base64.
    Base64,
}

/// One of the answer to `/api/queues/V/Q/get`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct MessageView<'a> {
    pub payload_bytes: usize,
    pub redelivered: bool,
    pub exchange: Cow<'a, str>,
    pub routing_key: Cow<'a, str>,
    pub message_count: usize,
    pub properties: Map<String, Value>,
    pub payload: Cow<'a, str>,
    pub payload_encoding: &'static str,
}

impl<'a> MessageView<'a> {
    /// Of a message, with no more than `truncate` bytes of its payload.
    pub(in crate::management) fn of(
        got: &'a GotMessage,
        encoding: Encoding,
        truncate: Option<usize>,
    ) -> Self {
        let GotMessage { message, redelivered, remaining } = got;
        let body = message.body();
        let (payload, payload_encoding) =
            payload(truncate.and_then(|bytes| body.get(..bytes)).unwrap_or(body), encoding);
        Self {
            payload_bytes: body.len(),
            redelivered: *redelivered,
            exchange: String::from_utf8_lossy(message.exchange()),
            routing_key: String::from_utf8_lossy(message.routing_key()),
            message_count: *remaining,
            properties: properties_json::write(message),
            payload,
            payload_encoding,
        }
    }
}

/// Bytes as text, and how they are encoded.
pub(in crate::management) fn payload(bytes: &[u8], encoding: Encoding) -> (Cow<'_, str>, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) if encoding == Encoding::Auto => (text.into(), "string"),
        _ => (STANDARD.encode(bytes).into(), "base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_it_is_unless_base64_is_wanted() {
        assert_eq!(payload("h\u{e4}".as_bytes(), Encoding::Auto), ("h\u{e4}".into(), "string"));
        assert_eq!(payload(b"\xff", Encoding::Auto), ("/w==".into(), "base64"));
        assert_eq!(payload(b"he", Encoding::Base64), ("aGU=".into(), "base64"));
    }
}
