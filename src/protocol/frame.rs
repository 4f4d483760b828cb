//! The frame envelope (spec section 2.3.5): type, channel, size, payload, end.

use std::fmt::Write as _;

use super::reader::Reader;
use super::reply::ReplyCode;

/// The byte every frame ends with.
pub const FRAME_END: u8 = 0xCE;
/// Bytes of a frame beside its payload; frame_max counts them.
pub const FRAME_OVERHEAD: usize = 8;
/// Every peer takes frames of this size (spec section 4.2.3).
pub const FRAME_MIN_SIZE: u32 = 4096;
/// What a client says first (spec section 4.2.2).
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

const HEADER_BYTES: usize = 7;
/// Bytes of a bad frame that an error text shows.
const SHOWN_BYTES: usize = 64;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A method.
    Method = 1,
    /// A content header.
    Header = 2,
    /// A piece of a content body.
    Body = 3,
    /// A heartbeat.
    Heartbeat = 8,
}

/// A frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Its channel.
    pub channel: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

/// A frame that is none. After it the stream cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The last byte is not [`FRAME_END`].
    #[error("type {kind}, all octets = {octets}: {{invalid_frame_end_marker,{end}}}")]
    BadEnd {
        /// The frame's type byte.
        kind: u8,
        /// Its payload, as texts show it.
        octets: String,
        /// The byte that stands in place of the end.
        end: u8,
    },
    /// A type that AMQP does not have, or a heartbeat with a payload.
    #[error("type {kind}, all octets = {octets}: unknown_frame")]
    Unknown {
        /// The frame's type byte.
        kind: u8,
        /// Its payload, as texts show it.
        octets: String,
    },
    /// Larger than was negotiated.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{size},{max}}}")]
    TooLarge {
        /// The frame's type byte.
        kind: u8,
        /// Its payload's size.
        size: u32,
        /// The largest payload allowed.
        max: u32,
    },
    /// A heartbeat on a channel other than 0.
    #[error("type 8, all octets = <<>>")]
    HeartbeatOnChannel,
}

impl FrameError {
    /// The reply code and text that the connection is closed with.
    #[must_use]
    pub fn reply(&self) -> (ReplyCode, String) {
        let code = match self {
            Self::HeartbeatOnChannel => ReplyCode::UnexpectedFrame,
            _ => ReplyCode::FrameError,
        };
        (code, self.to_string())
    }
}

/// Takes the first frame of a buffer: it and the bytes it uses, or nothing if it is not all there. `frame_max` is in bytes
/// of the whole frame; 0: no limit.
pub fn decode_frame(buffer: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let mut reader = Reader::new(buffer);
    let (Some(kind), Some(channel), Some(size)) = (reader.u8(), reader.u16(), reader.u32()) else {
        return Ok(None);
    };
    let known = known_kind(kind);
    let max = frame_max.saturating_sub(FRAME_OVERHEAD as u32);
    if frame_max != 0 && size > max {
        return Err(FrameError::TooLarge { kind, size, max });
    }
    let Some(payload) = reader.bytes(size as usize) else {
        // A type that is none need not be waited for.
        return if known.is_some() { Ok(None) } else { Err(unknown(kind, reader.rest())) };
    };
    let Some(end) = reader.u8() else { return Ok(None) };
    let kind = known.ok_or_else(|| unknown(kind, payload))?;
    if end != FRAME_END {
        return Err(FrameError::BadEnd { kind: kind as u8, octets: octets(payload), end });
    }
    if kind == FrameKind::Heartbeat && (channel != 0 || size != 0) {
        return Err(if size != 0 { unknown(kind as u8, payload) } else { FrameError::HeartbeatOnChannel });
    }
    Ok(Some((Frame { kind, channel, payload }, HEADER_BYTES + size as usize + 1)))
}

const fn known_kind(kind: u8) -> Option<FrameKind> {
    match kind {
        1 => Some(FrameKind::Method),
        2 => Some(FrameKind::Header),
        3 => Some(FrameKind::Body),
        8 => Some(FrameKind::Heartbeat),
        _ => None,
    }
}

fn unknown(kind: u8, payload: &[u8]) -> FrameError {
    FrameError::Unknown { kind, octets: octets(payload) }
}

/// Bytes as RabbitMQ's texts show them: a string if they are printable, else numbers; cut, for a reply text is short.
pub(super) fn octets(bytes: &[u8]) -> String {
    let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let dots = if shown.len() < bytes.len() { "..." } else { "" };
    if !shown.is_empty() && shown.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return format!("<<\"{}\"{dots}>>", String::from_utf8_lossy(shown));
    }
    let mut text = String::from("<<");
    for (index, byte) in shown.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{byte}");
    }
    text + dots + ">>"
}
