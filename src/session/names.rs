//! Names of queues and exchanges, as clients give them.

use std::borrow::Cow;

/// Names lose CR and LF, as RabbitMQ strips them.
#[must_use]
pub fn strip_crlf(name: &str) -> Cow<'_, str> {
    if name.contains(['\r', '\n']) { Cow::Owned(name.replace(['\r', '\n'], "")) } else { Cow::Borrowed(name) }
}

pub(super) fn strip_crlf_bytes(name: &[u8]) -> Cow<'_, [u8]> {
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    if name.iter().any(is_break) {
        return Cow::Owned(name.iter().copied().filter(|byte| !is_break(byte)).collect());
    }
    Cow::Borrowed(name)
}
