//! Filters: a consumer names values, and gets the messages whose header `x-stream-filter-value` is one of them
//! (<https://www.rabbitmq.com/docs/streams#filtering>). The values are looked at in each message: nothing else comes.

use crate::message::Message;
use crate::protocol::content::Properties;
use crate::queue::filter_set;
use amq_protocol::types::{AMQPValue, FieldTable};

/// The header that has a message's value.
const VALUE_HEADER: &[u8] = b"x-stream-filter-value";
/// Values that a consumer can name; others are left out.
const VALUES_MAX: usize = 64;
/// A message's value, if it has one.
#[must_use]
pub fn filter_value(message: &Message) -> Option<&[u8]> {
    let headers = Properties::parse(message.properties()).ok()?.headers()?;
    headers.get(VALUE_HEADER)?.as_bytes()
}

/// What a consumer wants of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    values: Vec<Box<[u8]>>,
    hashes: Vec<u64>,
    with_unfiltered: bool,
}

impl Filter {
    /// Of a consumer's arguments `x-stream-filter`, a string or an array of strings of which any will do, and `x-stream-match-unfiltered`: messages
    /// without a value, too. `None`: it wants everything.
    #[must_use]
    pub fn parse(arguments: &FieldTable) -> Option<Self> {
        let mut values: Vec<Box<[u8]>> = match arguments.inner().get("x-stream-filter")? {
            AMQPValue::FieldArray(items) => items.as_slice().iter().filter_map(text).collect(),
            value => text(value).into_iter().collect(),
        };
        values.truncate(VALUES_MAX);
        if values.is_empty() {
            return None;
        }
        let unfiltered = arguments.inner().get("x-stream-match-unfiltered");
        let with_unfiltered = matches!(unfiltered, Some(AMQPValue::Boolean(true)));
        let hashes = values.iter().map(|value| filter_set::hash_of(value)).collect();
        Some(Self { values, hashes, with_unfiltered })
    }

    /// Whether a chunk with these values may have a message for it.
    #[must_use]
    pub fn may_match(&self, set: &[u8]) -> bool {
        filter_set::may_have(set, &self.hashes, self.with_unfiltered)
    }

    /// Whether a message is for it.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        filter_value(message)
            .map_or(self.with_unfiltered, |value| self.values.iter().any(|wanted| **wanted == *value))
    }
}

fn text(value: &AMQPValue) -> Option<Box<[u8]>> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes().into()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes().into()),
        _ => None,
    }
}
