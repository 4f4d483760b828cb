//! What a session is told to offer and to hold its client to, and what they agree on.

use std::sync::Arc;

use amq_protocol::types::FieldTable;

use super::exception::Exception;
use crate::auth::External;
use crate::persona::{LARGE_BODY_BYTES, Persona};
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
    /// A body with more bytes is noted, if it is not refused.
    body_noted_bytes: u64,
    /// How a body above the limit is refused.
    too_large: ReplyCode,
}

impl Limits {
    /// Limits of Coney's own.
    #[must_use]
    pub fn new(frame_bytes: u32, body_bytes: u64) -> Self {
        let body_noted_bytes = body_bytes.min(LARGE_BODY_BYTES);
        Self { frame_bytes, body_bytes, body_noted_bytes, too_large: ReplyCode::ContentTooLarge }
    }

    /// The same with what a persona takes.
    #[must_use]
    pub fn of(self, persona: Persona) -> Self {
        let Some(most) = persona.body_bytes_max() else { return self };
        let too_large = ReplyCode::PreconditionFailed;
        Self { too_large, ..Self::new(self.frame_bytes, self.body_bytes.min(most)) }
    }

    /// Whether a body of so many bytes is as most are.
    #[inline]
    pub(super) const fn is_usual(&self, bytes: u64) -> bool {
        bytes <= self.body_noted_bytes
    }

    /// The most bytes of a body that is as most are, and in one frame.
    pub(super) fn usual_body_in_a_frame(&self) -> u32 {
        let frame_bytes = if self.frame_bytes == 0 { u32::MAX } else { self.frame_bytes };
        u32::try_from(self.body_noted_bytes).unwrap_or(u32::MAX).min(frame_bytes)
    }

    /// 311 for a body above the limit, or what the persona says: refused when it is announced, before it is sent.
    pub(super) fn check_body(&self, bytes: u64) -> Result<(), Exception> {
        if bytes <= self.body_bytes {
            return Ok(());
        }
        let max = self.body_bytes;
        let text = format!("message size {bytes} is larger than configured max size {max}");
        Err(Exception::new(self.too_large, text).caused_by(Some(MethodId::BASIC_PUBLISH)))
    }
}
