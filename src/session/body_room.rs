//! Where a socket's bytes come from, and may go at once.

use crate::protocol::Output;
use crate::protocol::frame::FRAME_OVERHEAD;

/// So many bytes may follow a frame's payload: its end, and the head of the next frame, which probably goes on with the body.
pub const BEYOND_BYTES: usize = FRAME_OVERHEAD;

/// What a session has for its socket.
#[derive(Debug)]
pub struct SocketSide<'a> {
    /// Bytes to write.
    pub out: &'a mut Output,
    /// Where the next bytes that are read go, if that is a message.
    pub body: Option<BodyRoom<'a>>,
}

/// Room for the rest of a body frame's payload, in the message that it belongs to.
#[derive(Debug)]
pub struct BodyRoom<'a> {
    /// The message so far. There is room for `left` bytes more behind it, and for [`BEYOND_BYTES`]; those are not the message's, and are to be taken off again.
    pub bytes: &'a mut Vec<u8>,
    /// Bytes of the payload that are yet to come, at least one.
    pub left: usize,
}
