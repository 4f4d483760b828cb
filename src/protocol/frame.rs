//! The frame envelope (spec section 4.2.3): `type u8 | channel u16 | payload length u32 | payload | 0xCE`.
//!
//! A frame borrows its payload from the read buffer. Nothing is trusted before the size was checked against `frame_max`.

use super::Octets;
use super::reply::ReplyCode;

/// The byte that ends each frame.
pub const FRAME_END: u8 = 0xCE;
/// Bytes of a frame beside its payload.
pub const FRAME_OVERHEAD: usize = HEAD + 1;
/// The least `frame_max` that may be negotiated, in bytes (spec section 4.2.2).
pub const FRAME_MIN_SIZE: u32 = 4096;
/// The first bytes that a client sends (spec section 4.2.2).
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\x00\x00\x09\x01";

/// Bytes before the payload.
const HEAD: usize = 7;

/// What a frame carries; `kind as u8` is its number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    /// A method.
    Method = 1,
    /// A content header.
    Header = 2,
    /// A piece of a content body.
    Body = 3,
    /// A sign of life.
    Heartbeat = 8,
}

impl FrameKind {
    const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Method),
            2 => Some(Self::Header),
            3 => Some(Self::Body),
            8 => Some(Self::Heartbeat),
            _ => None,
        }
    }
}

/// A whole frame. A heartbeat is on channel 0 and has no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it carries.
    pub kind: FrameKind,
    /// Its channel; 0 is the connection's.
    pub channel: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

/// Bytes that are no frame. The text is RabbitMQ's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The payload is not followed by [`FRAME_END`].
    #[error("type {kind}, all octets = {octets}: {{invalid_frame_end_marker,{end}}}")]
    BadEnd {
        /// The frame's type.
        kind: u8,
        /// The payload.
        octets: Octets,
        /// What stands in the place of the end.
        end: u8,
    },
    /// No frame type that we know, or a heartbeat with a payload.
    #[error("type {kind}, all octets = {octets}: unknown_frame")]
    UnknownType {
        /// The frame's type.
        kind: u8,
        /// The payload.
        octets: Octets,
    },
    /// The frame is larger than was negotiated. The text names the limit that the specification has.
    #[error("type {kind}, all octets = <<>>: {{frame_too_large,{payload_bytes},{payload_bytes_max}}}")]
    TooLarge {
        /// The frame's type.
        kind: u8,
        /// The payload's length.
        payload_bytes: u32,
        /// The most it should be.
        payload_bytes_max: u32,
    },
    /// A heartbeat on a channel other than 0.
    #[error("type 8, all octets = <<>>")]
    HeartbeatOnChannel,
}

impl FrameError {
    /// What connection.close says: the code, and the text without the code's name.
    #[must_use]
    pub fn reply(&self) -> (ReplyCode, String) {
        let code = match self {
            Self::HeartbeatOnChannel => ReplyCode::UnexpectedFrame,
            _ => ReplyCode::FrameError,
        };
        (code, self.to_string())
    }
}

/// Takes a frame off the front of `buffer`, with the number of bytes it used; `None` if it is not all there
/// ([`frame_bytes`] then says how much it will be).
///
/// `frame_max` is in bytes; 0 is no limit. By the specification it counts the whole frame, but some clients count only the
/// payload. So, as in RabbitMQ, a payload may have up to `frame_max` bytes, and what is written here always keeps the whole
/// frame within it ([`encode`](super::encode)).
///
/// # Errors
/// [`FrameError`]: nothing that follows in the buffer can be trusted to be a frame.
// Left to itself the compiler calls it, and a publish (three frames) costs 50 ns to decode instead of 21.
#[inline(always)]
pub fn decode_frame(buffer: &[u8], frame_max: u32) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(Head { kind, channel, payload_bytes: size, rest }) = Head::split(buffer) else {
        return Ok(None);
    };
    if frame_max != 0 && size > frame_max {
        return Err(too_large(kind, size, frame_max));
    }
    let Some((payload, [end, ..])) = rest.split_at_checked(size as usize) else {
        return incomplete(kind, rest);
    };
    if *end != FRAME_END {
        return Err(bad_end(kind, payload, *end));
    }
    let frame = frame(kind, channel, payload)?;
    Ok(Some((frame, payload.len() + FRAME_OVERHEAD)))
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Its type.
    pub kind: u8,
    /// Its channel.
    pub channel: u16,
    /// The payload's length.
    pub payload_bytes: u32,
    /// What follows: the payload, as far as it is there, and more.
    pub rest: &'a [u8],
}

impl<'a> Head<'a> {
    /// The head at the front of `buffer`; `None` if it is not all there. Nothing is checked.
    #[must_use]
    #[inline]
    pub fn split(buffer: &'a [u8]) -> Option<Self> {
        let (kind, rest) = buffer.split_first()?;
        let (channel, rest) = rest.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let (channel, payload_bytes) = (u16::from_be_bytes(*channel), u32::from_be_bytes(*size));
        Some(Self { kind: *kind, channel, payload_bytes, rest })
    }
}

/// The most bytes of payload in a frame of `frame_max` bytes, as the specification counts.
const fn payload_bytes_max(frame_max: u32) -> u32 {
    frame_max.saturating_sub(FRAME_OVERHEAD as u32)
}

#[inline(always)]
fn frame(number: u8, channel: u16, payload: &[u8]) -> Result<Frame<'_>, FrameError> {
    match FrameKind::of(number) {
        Some(FrameKind::Heartbeat) if payload.is_empty() && channel != 0 => {
            Err(FrameError::HeartbeatOnChannel)
        }
        Some(kind) if kind != FrameKind::Heartbeat || payload.is_empty() => {
            Ok(Frame { kind, channel, payload })
        }
        _ => Err(unknown_type(number, payload)),
    }
}

#[cold]
fn too_large(kind: u8, payload_bytes: u32, frame_max: u32) -> FrameError {
    FrameError::TooLarge { kind, payload_bytes, payload_bytes_max: payload_bytes_max(frame_max) }
}

/// A type that is none need not be waited for.
#[cold]
fn incomplete<'a>(kind: u8, payload: &[u8]) -> Result<Option<(Frame<'a>, usize)>, FrameError> {
    if FrameKind::of(kind).is_some() { Ok(None) } else { Err(unknown_type(kind, payload)) }
}

#[cold]
fn bad_end(kind: u8, payload: &[u8], end: u8) -> FrameError {
    FrameError::BadEnd { kind, octets: payload.into(), end }
}

#[cold]
fn unknown_type(kind: u8, payload: &[u8]) -> FrameError {
    FrameError::UnknownType { kind, octets: payload.into() }
}

/// How many bytes the frame at the front of `buffer` is long, its overhead included; `None` before its length came.
#[must_use]
pub fn frame_bytes(buffer: &[u8]) -> Option<usize> {
    let [_, _, _, size @ ..] = buffer.first_chunk::<HEAD>()?;
    Some(u32::from_be_bytes(*size) as usize + FRAME_OVERHEAD)
}
