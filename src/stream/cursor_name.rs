//! Which cursor a consumer reads with.

use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

/// Names the cursor.
const NAME: &str = "x-stream-cursor";
/// LavinMQ's: the cursor has the name of the consumer tag.
const TRACKING: &str = "x-stream-automatic-offset-tracking";
/// A name is not longer, in bytes; as of queues.
const NAME_BYTES_MAX: usize = 255;
/// Cursors whose names begin so belong to the broker.
pub(super) const RESERVED_PREFIX: &str = "amq.";
/// What the broker's own consumer tags begin with. They are others each time.
const GENERATED: &str = "amq.ctag-";

const EXPECTED: &str = "a name of 1 to 255 bytes that does not begin with 'amq.'";

/// What is wrong with an argument, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongCursor {
    /// The argument.
    pub key: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

/// The cursor that a consumer with these arguments and this tag reads with, if any: `x-stream-cursor` names it; with
/// `x-stream-automatic-offset-tracking` it has the name of the tag.
///
/// # Errors
/// A name that is no text of 1 to 255 bytes; a switch that is no boolean; tracking with a tag that the broker made up.
pub fn cursor_name(arguments: &FieldTable, tag: &str) -> Result<Option<Arc<str>>, WrongCursor> {
    let value = |key: &str| arguments.inner().get(key);
    if let Some(value) = value(NAME) {
        let name = text(value).filter(|name| is_name(name));
        return name.map(|name| Some(name.into())).ok_or_else(|| wrong(NAME, EXPECTED));
    }
    match value(TRACKING) {
        None | Some(AMQPValue::Boolean(false)) => Ok(None),
        Some(AMQPValue::Boolean(true)) if tag.starts_with(GENERATED) => {
            Err(wrong(TRACKING, "a consumer tag of its own, which names the cursor"))
        }
        Some(AMQPValue::Boolean(true)) if !is_name(tag) => Err(wrong(TRACKING, EXPECTED)),
        Some(AMQPValue::Boolean(true)) => Ok(Some(tag.into())),
        Some(_) => Err(wrong(TRACKING, "a boolean")),
    }
}

/// Whether a client may give a cursor this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with(RESERVED_PREFIX)
}

const fn wrong(key: &'static str, expected: &'static str) -> WrongCursor {
    WrongCursor { key, expected }
}

fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}
