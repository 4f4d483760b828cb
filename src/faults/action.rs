//! What a rule does.

use serde_json::{Map, Value};

use crate::protocol::reply::ReplyCode;

/// A reply code with its text, as a close says them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: ReplyCode,
    /// The text, without the code's name before it.
    pub text: String,
}

/// What a rule does to what it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The error with this code: of a channel or a connection, as the code says.
    Refuse(Refusal),
    /// The connection is closed with connection.close.
    Close(Refusal),
    /// The connection's socket is reset, without a word.
    Reset,
    /// The socket stays open, and nothing is read or written any more.
    Silence,
    /// It goes on so many milliseconds later, by the system's clock.
    Delay(u64),
    /// It does not happen, and nobody is told.
    Drop,
    /// The publisher is told that the message was refused.
    Nack,
    /// The message goes back to its publisher, as one that cannot be routed.
    Return,
    /// It happens twice.
    Duplicate,
    /// A byte of the body is another.
    Corrupt,
    /// It comes after the deliveries that follow it, so that the first of so many is the last.
    Reorder(u32),
    /// The ack is lost behind the client's back: the message is delivered again.
    Redeliver,
    /// All connections of the virtual host are closed with connection.close.
    CloseAll(Refusal),
    /// The virtual host starts again after a crash.
    Restart,
    /// Publishers are blocked, for this reason.
    Block(String),
    /// They are not any more.
    Unblock,
    /// The queue delivers nothing.
    Pause,
    /// No more than so many bytes a second are read and written.
    Slow(u64),
}

/// How long a delay may be, in ms.
pub(super) const DELAY_MS_MAX: u64 = 3_600_000;

impl Action {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Refuse(_) => "refuse",
            Self::Close(_) => "close",
            Self::Reset => "reset",
            Self::Silence => "silence",
            Self::Delay(_) => "delay",
            Self::Drop => "drop",
            Self::Nack => "nack",
            Self::Return => "return",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Reorder(_) => "reorder",
            Self::Redeliver => "redeliver",
            Self::CloseAll(_) => "close-all",
            Self::Restart => "restart",
            Self::Block(_) => "block",
            Self::Unblock => "unblock",
            Self::Pause => "pause",
            Self::Slow(_) => "slow",
        }
    }

    /// Adds what it was made of.
    pub(super) fn describe(&self, fields: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
        put("do", self.name().into());
        match self {
            Self::Refuse(refusal) | Self::Close(refusal) | Self::CloseAll(refusal) => {
                put("code", (refusal.code as u16).into());
                put("text", refusal.text.as_str().into());
            }
            Self::Delay(ms) => put("delay_ms", (*ms).into()),
            Self::Reorder(count) => put("count", (*count).into()),
            Self::Block(reason) => put("reason", reason.as_str().into()),
            Self::Slow(bytes) => put("bytes_per_s", (*bytes).into()),
            _ => {}
        }
    }
}
