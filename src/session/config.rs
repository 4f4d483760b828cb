//! What a session is told to offer and to hold its client to, and what they agree on.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::exception::Exception;
use crate::auth::External;
use crate::protocol::method::MethodId;
use crate::protocol::reply::ReplyCode;

/// What a session is told about its broker.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// server-properties of connection.start.
    pub server_properties: Arc<FieldTable>,
    /// Who the client is by its transport, if it may log in so (EXTERNAL).
    pub external: Option<External>,
    /// Largest frame offered, in bytes.
    pub frame_bytes_max: u32,
    /// Channels open at a time.
    pub channels_max: u16,
    /// Heartbeat interval offered, in seconds; 0: none.
    pub heartbeat_s: u16,
    /// Largest message body, in bytes.
    pub message_bytes_max: u64,
    /// Whether the client may control its world by the test exchange.
    pub test: bool,
}

/// What client and server agreed on in connection.tune.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// Heartbeat interval in seconds; 0: none.
    pub heartbeat_s: u16,
    /// Largest frame, in bytes.
    pub frame_bytes_max: u32,
    /// Channels that may be open at a time.
    pub channels_max: u16,
}

/// Limits that a session holds its client to.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest frame, in bytes, as negotiated.
    pub frame_bytes: u32,
    /// Largest message body, in bytes.
    pub body_bytes: u64,
}

impl Limits {
    /// 311 for a body above the limit: refused when it is announced, before it is sent.
    pub(super) fn check_body(&self, bytes: u64) -> Result<(), Exception> {
        if bytes <= self.body_bytes {
            return Ok(());
        }
        let max = self.body_bytes;
        let text = format!("message size {bytes} is larger than configured max size {max}");
        Err(Exception::new(ReplyCode::ContentTooLarge, text).caused_by(Some(MethodId::BASIC_PUBLISH)))
    }
}
