//! Numbered publishers: each message says who published it and as which one of its messages, so that a resend is known for
//! what it is, after a reconnect and after a crash of the broker as well. The idea is that of Kafka's idempotent producer.

use std::sync::Arc;

use crate::protocol::table::{FieldValue, Table};

const ID: &str = "x-publisher-id";
const EPOCH: &str = "x-publisher-epoch";
const NUMBER: &str = "x-publishing-id";

/// Names longer than this are surely a mistake; each is remembered by every queue it publishes to.
const ID_BYTES_MAX: usize = 255;

/// A message's place among its publisher's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublisherSequence {
    /// `x-publisher-id`: the publisher's name, which it keeps over reconnects and restarts.
    pub id: Arc<[u8]>,
    /// `x-publisher-epoch`: raised by a publisher that begins to count anew; what has a lower one is a leftover. 0 without
    /// it.
    pub epoch: u64,
    /// `x-publishing-id`: its number, one more than that of the message before.
    pub number: u64,
}

/// Headers that look like a number of a publisher and are none. Reply code 406.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid header '{header}': {why}")]
pub struct SequenceError {
    header: &'static str,
    why: String,
}

impl PublisherSequence {
    /// From a message's headers; `None` if they name no publisher.
    ///
    /// # Errors
    /// A name that is no string of 1 to 255 bytes, or numbers that are none or missing.
    pub fn parse(headers: Table<'_>) -> Result<Option<Self>, SequenceError> {
        let id = match headers.get(ID.as_bytes()) {
            None | Some(FieldValue::Void) => return Ok(None),
            Some(FieldValue::LongString(id)) if (1..=ID_BYTES_MAX).contains(&id.len()) => id,
            Some(_) => {
                return Err(SequenceError {
                    header: ID,
                    why: format!("expected a string of 1 to {ID_BYTES_MAX} bytes"),
                });
            }
        };
        let epoch = number(headers, EPOCH)?.unwrap_or(0);
        let number = number(headers, NUMBER)?.ok_or_else(|| SequenceError {
            header: NUMBER,
            why: format!("a message with {ID} has to have it"),
        })?;
        Ok(Some(Self { id: id.into(), epoch, number }))
    }
}

fn number(headers: Table<'_>, header: &'static str) -> Result<Option<u64>, SequenceError> {
    let value = match headers.get(header.as_bytes()) {
        None | Some(FieldValue::Void) => return Ok(None),
        Some(value) => value,
    };
    let number = value.as_i64().and_then(|number| u64::try_from(number).ok());
    number
        .map(Some)
        .ok_or_else(|| SequenceError { header, why: format!("expected an integer from 0 to {}", i64::MAX) })
}
