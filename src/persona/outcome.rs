//! What a broker does with a call.

use super::call::Call;
use crate::protocol::reply::{REPLY_TEXT_BYTES_MAX, ReplyCode};

/// What a broker does with a call that Coney takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What Coney does.
    Same,
    /// It takes the call and does not look at the thing.
    Ignored,
    /// It takes the call and does something else.
    Differs(&'static str),
    /// It refuses the call.
    Refused(Refusal),
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reply code, which also says whether the channel or the connection is closed.
    pub code: ReplyCode,
    /// The text, with `{thing}` for the queue or exchange, `{type}` for the module of its type, `{found}` for what the rule found.
    pub text: &'static str,
}

/// 406, which closes the channel.
pub(super) const fn precondition_failed(text: &'static str) -> Outcome {
    Outcome::Refused(Refusal { code: ReplyCode::PreconditionFailed, text })
}

/// 541, which closes the connection.
pub(super) const fn internal_error(text: &'static str) -> Outcome {
    Outcome::Refused(Refusal { code: ReplyCode::InternalError, text })
}

/// 540, which closes the connection.
pub(super) const fn not_implemented(text: &'static str) -> Outcome {
    Outcome::Refused(Refusal { code: ReplyCode::NotImplemented, text })
}

/// 404, which closes the channel.
pub(super) const fn not_found(text: &'static str) -> Outcome {
    Outcome::Refused(Refusal { code: ReplyCode::NotFound, text })
}

/// A call that is refused, in that broker's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reply code.
    pub code: ReplyCode,
    /// The text without the code's name.
    pub text: String,
    /// The argument or the like that is to blame.
    pub found: String,
}

impl Refusal {
    pub(super) fn of(self, call: &Call<'_>, found: &str) -> Refused {
        let text = filled(self.text, call, found);
        Refused { code: self.code, text: cut(self.code, text), found: found.to_owned() }
    }
}

/// A text with its placeholders filled in.
pub(super) fn filled(text: &str, call: &Call<'_>, found: &str) -> String {
    let text = text.replace("{type}", call.module());
    // Names come last: what looks like a placeholder in one stays as it is.
    let text = text.replace("{found}", found);
    if text.contains("{thing}") { text.replace("{thing}", &call.thing()) } else { text }
}

/// What RabbitMQ puts where it cuts a text that is too long for AMQP.
const ELLIPSIS: &str = "...";

/// Cuts a text as RabbitMQ does, so that it fits with the code's name before it.
fn cut(code: ReplyCode, mut text: String) -> String {
    let room = REPLY_TEXT_BYTES_MAX - code.text("").len() - " - ".len();
    if text.len() <= room {
        return text;
    }
    let mut end = room - ELLIPSIS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text + ELLIPSIS
}
