//! Filters: a consumer names values, and gets the messages whose header `x-stream-filter-value` is one of them
//! (<https://www.rabbitmq.com/docs/streams#filtering>); or it names headers. Each message is looked at: nothing else comes.

use super::header_filter::HeaderFilter;
use crate::message::Message;
use crate::protocol::content::{Properties, has_headers};
use crate::queue::filter_set;
use amq_protocol::types::{AMQPValue, FieldTable};

/// The header that has a message's value.
const VALUE_HEADER: &[u8] = b"x-stream-filter-value";
/// Values that a consumer can name; others are left out.
const VALUES_MAX: usize = 64;
/// Names what is wanted.
const FILTER: &str = "x-stream-filter";
/// Whether all headers are wanted or any; LavinMQ's.
const MATCH_TYPE: &str = "x-filter-match-type";

/// A message's value, if it has one.
#[must_use]
pub fn filter_value(message: &Message) -> Option<&[u8]> {
    // Most messages have none, and each that is published is looked at.
    let properties = Some(message.properties()).filter(|properties| has_headers(properties))?;
    let headers = Properties::parse(properties).ok()?.headers()?;
    headers.get(VALUE_HEADER)?.as_bytes()
}

/// An argument that says no filter, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFilter {
    /// The argument.
    pub key: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

/// What a consumer wants of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Values { values: Vec<Box<[u8]>>, hashes: Vec<u64>, with_unfiltered: bool },
    Headers(HeaderFilter),
}

impl Filter {
    /// Of a consumer's arguments. `x-stream-filter` is a string or an array of strings of which any will do, and with `x-stream-match-unfiltered` it
    /// gets messages without a value, too. Or it is a table of headers with their values: messages that have all of them, or with
    /// `x-filter-match-type: any` one. `None`: it wants everything.
    ///
    /// # Errors
    /// Headers that cannot be compared, or a way to match that is neither.
    pub fn parse(arguments: &FieldTable) -> Result<Option<Self>, WrongFilter> {
        match arguments.inner().get(FILTER) {
            None => Ok(None),
            Some(AMQPValue::FieldTable(headers)) => {
                let any = matches_any(arguments)?;
                let expected =
                    "a table of at most 64 headers with texts, numbers, booleans or void as values";
                let filter =
                    HeaderFilter::parse(headers, any).ok_or(WrongFilter { key: FILTER, expected })?;
                Ok((!headers.inner().is_empty()).then_some(Self(Kind::Headers(filter))))
            }
            Some(AMQPValue::FieldArray(items)) => {
                Ok(Self::of_values(items.as_slice().iter().filter_map(text), arguments))
            }
            Some(value) => Ok(Self::of_values(text(value).into_iter(), arguments)),
        }
    }

    fn of_values(values: impl Iterator<Item = Box<[u8]>>, arguments: &FieldTable) -> Option<Self> {
        let values: Vec<_> = values.take(VALUES_MAX).collect();
        let unfiltered = arguments.inner().get("x-stream-match-unfiltered");
        let with_unfiltered = matches!(unfiltered, Some(AMQPValue::Boolean(true)));
        let hashes = values.iter().map(|value| filter_set::hash_of(value)).collect();
        (!values.is_empty()).then_some(Self(Kind::Values { values, hashes, with_unfiltered }))
    }

    /// Whether a chunk with these values may have a message for it.
    #[must_use]
    pub fn may_match(&self, set: &[u8]) -> bool {
        match &self.0 {
            Kind::Values { hashes, with_unfiltered, .. } => {
                filter_set::may_have(set, hashes, *with_unfiltered)
            }
            Kind::Headers(_) => true,
        }
    }

    /// Whether a message is for it.
    #[must_use]
    pub fn matches(&self, message: &Message) -> bool {
        match &self.0 {
            Kind::Values { values, with_unfiltered, .. } => filter_value(message)
                .map_or(*with_unfiltered, |value| values.iter().any(|wanted| **wanted == *value)),
            Kind::Headers(filter) => filter.matches(message),
        }
    }
}

fn matches_any(arguments: &FieldTable) -> Result<bool, WrongFilter> {
    match arguments.inner().get(MATCH_TYPE) {
        None => Ok(false),
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"all" => Ok(false),
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"any" => Ok(true),
        Some(_) => Err(WrongFilter { key: MATCH_TYPE, expected: "all or any" }),
    }
}

fn text(value: &AMQPValue) -> Option<Box<[u8]>> {
    match value {
        AMQPValue::LongString(text) => Some(text.as_bytes().into()),
        AMQPValue::ShortString(text) => Some(text.as_str().as_bytes().into()),
        _ => None,
    }
}
