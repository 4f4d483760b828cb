//! The arguments that say what counts as a duplicate, of queues and of exchanges alike. Names are those of RabbitMQ's
//! message deduplication plugin and of LavinMQ.

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::protocol::value::{as_integer, type_name};

/// Arguments that are compared when a queue or an exchange is declared again.
pub const COMPARED: [&str; 4] = [ON, SIZE, TTL, HEADER];

const ON: &str = "x-message-deduplication";
const SIZE: &str = "x-cache-size";
const TTL: &str = "x-cache-ttl";
const HEADER: &str = "x-deduplication-header";

/// Messages that are remembered where no size is given.
const SIZE_DEFAULT: u32 = 10_000;
/// A remembered message takes some 50 bytes of memory, so this many take half a gigabyte.
const SIZE_MAX: u32 = 10_000_000;

/// Which messages are duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduplication {
    /// `x-cache-size`: how many messages are remembered, the newest ones.
    pub size: u32,
    /// `x-cache-ttl`: for how many milliseconds.
    pub ttl_ms: Option<u64>,
    /// `x-deduplication-header`: the header that has the key; without it the message-id property has.
    pub header: Box<str>,
}

/// An exchange that lets no duplicates through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeDedup {
    /// Its name: each exchange has keys of its own.
    pub exchange: Box<str>,
    /// What it takes for a duplicate.
    pub settings: Deduplication,
}

/// An argument that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// The argument.
    pub key: &'static str,
    /// What is wrong with it, and what is allowed.
    pub why: String,
}

impl Deduplication {
    /// From declare arguments; `None` unless `x-message-deduplication` is true, or `is_on` without it.
    ///
    /// # Errors
    /// A value that is not allowed.
    pub fn parse(arguments: &FieldTable, is_on: bool) -> Result<Option<Self>, SettingError> {
        let value = |key| arguments.inner().get(key);
        let is_on = match value(ON) {
            None => is_on,
            Some(AMQPValue::Boolean(on)) => *on,
            Some(other) => return Err(wrong_type(ON, "boolean", other)),
        };
        let size = value(SIZE).map(|size| number(SIZE, size, SIZE_MAX)).transpose()?;
        let ttl = value(TTL).map(|ttl| number(TTL, ttl, u32::MAX)).transpose()?;
        let header = match value(HEADER) {
            None => HEADER.into(),
            Some(AMQPValue::LongString(name)) => String::from_utf8_lossy(name.as_bytes()).into(),
            Some(other) => return Err(wrong_type(HEADER, "longstr", other)),
        };
        let (size, ttl_ms) = (size.unwrap_or(SIZE_DEFAULT), ttl.map(u64::from));
        Ok(is_on.then_some(Self { size, ttl_ms, header }))
    }
}

fn wrong_type(key: &'static str, expected: &str, value: &AMQPValue) -> SettingError {
    SettingError { key, why: format!("\"expected {expected}, got {}\"", type_name(value)) }
}

/// A number, also as text: the plugin takes both.
fn number(key: &'static str, value: &AMQPValue, most: u32) -> Result<u32, SettingError> {
    let text = match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        _ => None,
    };
    let number = text.map_or_else(|| as_integer(value), |text| text.parse().ok());
    let Some(number) = number else { return Err(wrong_type(key, "integer", value)) };
    let fits = u32::try_from(number).ok().filter(|number| (1..=most).contains(number));
    fits.ok_or_else(|| SettingError { key, why: format!("{number} is not a number from 1 to {most}") })
}
