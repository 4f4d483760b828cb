//! Dead letters: the history they carry, and when they stop going round
//! (<https://www.rabbitmq.com/docs/dlx#effects>).
//!
//! Only the broker writes the history. As in RabbitMQ since 4.0, headers of these names that a publisher set do not count:
//! consumers get them as they were sent, and the first death replaces them. So a client that publishes a dead letter again
//! starts a new history, and the broker does not take that for a cycle.

use super::attempts::{Attempts, DESCRIBED};
use super::sender_selected::extra_keys;
use crate::message::{Message, Parts};
use crate::protocol::content::{HeadersEdit, Properties, PropertiesEdit, edit_properties};
use crate::protocol::table::{FieldValue, Table, TableWriter};
use crate::time::Timestamp;

/// Why a message died.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A consumer rejected it without requeue.
    Rejected,
    /// Its TTL ran out.
    Expired,
    /// The queue was at its length limit.
    Maxlen,
    /// It was delivered too often.
    DeliveryLimit,
}

impl Reason {
    /// As x-death has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Maxlen => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// A death: where and why.
#[derive(Clone, Copy, Debug)]
pub struct Death<'a> {
    /// The queue it died in.
    pub queue: &'a str,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Timestamp,
    /// The queue's dead-letter exchange.
    pub exchange: &'a str,
    /// The queue's dead-letter routing key.
    pub routing_key: Option<&'a str>,
    /// The deliveries before, if the queue counts them.
    pub attempts: Option<&'a Attempts>,
}

/// Headers that are made anew with each death.
const REWRITTEN: &[&[u8]] =
    &[b"x-death", b"x-last-death-exchange", b"x-last-death-queue", b"x-last-death-reason"];

/// Headers that are made with the first death.
const OF_FIRST: &[&[u8]] = &[b"x-first-death-exchange", b"x-first-death-queue", b"x-first-death-reason"];

/// The message as its dead-letter exchange gets it.
#[must_use]
pub fn with_death(message: &Message, death: &Death<'_>) -> Message {
    let parts = message.parts();
    let properties = Properties::parse(parts.properties).ok();
    let headers = properties.as_ref().and_then(Properties::headers);
    let expiration = properties.as_ref().and_then(Properties::expiration);
    let former = if message.is_dead_lettered() { history(headers) } else { Vec::new() };
    let table = new_headers(&parts, headers, &former, expiration, death);
    let edit =
        PropertiesEdit { headers: Some(HeadersEdit::Replace(&table)), drop_expiration: true, reply_to: None };
    let mut edited = Vec::with_capacity(parts.properties.len() + table.len() + 8);
    if edit_properties(parts.properties, &edit, &mut edited).is_err() {
        // They were checked when they came in; a message is worth more than its history.
        edited = parts.properties.to_vec();
    }
    let routing_key = death.routing_key.map_or(parts.routing_key, str::as_bytes);
    Message::new(Parts { exchange: death.exchange.as_bytes(), routing_key, properties: &edited, ..parts })
        .with_dead_lettered(true)
        .with_bcc(message.has_bcc() && death.routing_key.is_none())
}

fn new_headers(
    parts: &Parts<'_>,
    headers: Option<Table<'_>>,
    former: &[Table<'_>],
    expiration: Option<&[u8]>,
    death: &Death<'_>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    let is_first = former.is_empty();
    for (key, raw) in headers.iter().flat_map(Table::iter_raw) {
        // With a routing key of the queue's own, the keys in CC and BCC no longer count.
        let dropped = REWRITTEN.contains(&key)
            || (is_first && OF_FIRST.contains(&key))
            || (death.routing_key.is_some() && [&b"CC"[..], b"BCC"].contains(&key));
        if !dropped {
            writer.entry_raw(key, raw);
        }
    }
    writer.entry_raw(b"x-death", &deaths(parts, headers, former, expiration, death));
    let mut stamp = |prefix: &str| {
        let pairs = [("exchange", parts.exchange), ("queue", death.queue.as_bytes())];
        for (name, value) in pairs.into_iter().chain([("reason", death.reason.name().as_bytes())]) {
            writer.entry(format!("{prefix}-{name}").as_bytes(), FieldValue::LongString(value));
        }
    };
    if is_first {
        stamp("x-first-death");
    }
    stamp("x-last-death");
    bytes
}

/// The x-death array: newest first, one entry per queue and reason. A repeat raises the count and comes to the front;
/// time, exchange and keys stay those of the first.
fn deaths(
    parts: &Parts<'_>,
    headers: Option<Table<'_>>,
    former: &[Table<'_>],
    expiration: Option<&[u8]>,
    death: &Death<'_>,
) -> Vec<u8> {
    let same = |table: &Table<'_>| {
        bytes_of(table, b"queue") == death.queue.as_bytes()
            && bytes_of(table, b"reason") == death.reason.name().as_bytes()
    };
    let first = match former.iter().find(|table| same(table)) {
        Some(again) => counted_once_more(again, death),
        None => first_death(parts, headers, expiration, death),
    };
    let mut items = Vec::new();
    push_table(&mut items, &first);
    for table in former.iter().filter(|table| !same(table)) {
        push_table(&mut items, table.bytes());
    }
    encoded_array(&items)
}

/// An array's value, type letter and length before its items.
fn encoded_array(items: &[u8]) -> Vec<u8> {
    let length = (items.len() as u32).to_be_bytes();
    [b"A", &length[..], items].concat()
}

fn push_table(items: &mut Vec<u8>, table: &[u8]) {
    items.push(b'F');
    items.extend_from_slice(&(table.len() as u32).to_be_bytes());
    items.extend_from_slice(table);
}

fn counted_once_more(table: &Table<'_>, death: &Death<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    if table.get(b"count").is_none() {
        writer.entry(b"count", FieldValue::I64(1));
    }
    for (key, raw) in table.iter_raw() {
        if death.attempts.is_some() && DESCRIBED.contains(&key) {
            continue;
        }
        if key == b"count" {
            let count = table.get(key).and_then(|value| value.as_i64()).unwrap_or(0);
            writer.entry(key, FieldValue::I64(count.saturating_add(1)));
        } else {
            writer.entry_raw(key, raw);
        }
    }
    if let Some(attempts) = death.attempts {
        attempts.describe(&mut writer);
    }
    bytes
}

fn first_death(
    parts: &Parts<'_>,
    headers: Option<Table<'_>>,
    expiration: Option<&[u8]>,
    death: &Death<'_>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    writer.entry(b"count", FieldValue::I64(1));
    writer.entry(b"reason", FieldValue::LongString(death.reason.name().as_bytes()));
    writer.entry(b"queue", FieldValue::LongString(death.queue.as_bytes()));
    writer.entry(b"time", FieldValue::Timestamp(death.at.as_secs()));
    writer.entry(b"exchange", FieldValue::LongString(parts.exchange));
    let cc = headers.into_iter().flat_map(|headers| extra_keys(headers, b"CC"));
    writer.entry_raw(b"routing-keys", &string_array(std::iter::once(parts.routing_key).chain(cc)));
    if let Some(expiration) = expiration {
        writer.entry(b"original-expiration", FieldValue::LongString(expiration));
    }
    if let Some(attempts) = death.attempts {
        attempts.describe(&mut writer);
    }
    bytes
}

fn string_array<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut items = Vec::new();
    for string in strings {
        items.push(b'S');
        items.extend_from_slice(&(string.len() as u32).to_be_bytes());
        items.extend_from_slice(string);
    }
    encoded_array(&items)
}

/// The deaths so far, newest first.
fn history(headers: Option<Table<'_>>) -> Vec<Table<'_>> {
    let Some(FieldValue::Array(deaths)) = headers.and_then(|headers| headers.get(b"x-death")) else {
        return Vec::new();
    };
    let as_table = |value| match value {
        FieldValue::Table(table) => Some(table),
        _ => None,
    };
    deaths.iter().filter_map(as_table).collect()
}

fn bytes_of<'a>(table: &Table<'a>, key: &[u8]) -> &'a [u8] {
    match table.get(key) {
        Some(FieldValue::LongString(bytes)) => bytes,
        _ => &[],
    }
}

/// Whether a dead letter would go round for ever by this queue: it died there before, and no consumer has rejected it since,
/// so that all its deaths were the broker's own doing.
#[must_use]
pub fn is_cycle(letter: &Message, queue: &str) -> bool {
    let Ok(properties) = Properties::parse(letter.properties()) else { return false };
    for table in history(properties.headers()) {
        if bytes_of(&table, b"reason") == Reason::Rejected.name().as_bytes() {
            return false;
        }
        if bytes_of(&table, b"queue") == queue.as_bytes() {
            return true;
        }
    }
    false
}
