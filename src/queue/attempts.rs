//! What a queue remembers of a message that was delivered and came back.
//!
//! Only queues with a failure policy (a delivery limit, delayed retries, parking) remember anything, and only of messages
//! that came back: a message that is acked at once costs nothing here.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::edited_headers::with_headers;
use super::sender_selected::without_bcc;
use crate::message::Message;
use crate::protocol::table::{FieldValue, TableWriter};
use crate::time::Timestamp;

/// Header of a redelivery: how often the message failed before (<https://www.rabbitmq.com/docs/quorum-queues#poison-message-handling>).
const DELIVERY_COUNT: &[u8] = b"x-delivery-count";
/// Header of a redelivery: how often it was delivered before.
const ACQUIRED_COUNT: &[u8] = b"x-acquired-count";

/// What [`Attempts::describe`] writes.
pub(super) const DESCRIBED: [&[u8]; 6] =
    [b"attempts", b"first-attempt", b"last-attempt", b"consumer-tag", b"connection", b"error"];

/// How a delivery ended without an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The consumer gave it back: nack with requeue, recover, a channel or connection closed in order.
    Returned,
    /// The consumer failed: reject with requeue, no ack in time, a connection lost.
    Failed,
}

/// Why a message that came back is not ready yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitKind {
    /// It waits for its next attempt.
    Delayed,
    /// It failed too often in a row and is set aside.
    Parked,
}

/// The deliveries of a message so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempts {
    /// Deliveries.
    pub acquired: u32,
    /// Those that count towards the delivery limit.
    pub counted: u32,
    /// Those of them since the message was last parked.
    pub counted_since_parked: u32,
    /// How often it was parked.
    pub parked: u32,
    /// When the first one ended.
    pub first: Timestamp,
    /// When the last one ended.
    pub last: Timestamp,
    /// Tag of the last consumer; none after basic.get.
    pub consumer: Option<Arc<str>>,
    /// Where the last consumer was connected from.
    pub peer: Option<Arc<str>>,
    /// The error text of the last consumer that gave one.
    pub error: Option<Arc<str>>,
    /// Why it waits, and until when.
    #[serde(rename = "pause")]
    pub wait: Option<(WaitKind, Timestamp)>,
}

impl Attempts {
    /// As bytes, for the store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Plain data: there is nothing in it that could not be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From bytes; `None` if they are not [encoded](Self::encode) attempts.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Notes the end of a delivery.
    pub(super) fn ended(&mut self, at: Timestamp, counts: bool) {
        if self.acquired == 0 {
            self.first = at;
        }
        self.last = at;
        self.acquired = self.acquired.saturating_add(1);
        self.counted = self.counted.saturating_add(u32::from(counts));
        self.counted_since_parked = self.counted_since_parked.saturating_add(u32::from(counts));
    }

    /// The message as its next consumer gets it: with the counts in its headers.
    #[must_use]
    pub fn mark(&self, message: &Message) -> Message {
        let counts = [(DELIVERY_COUNT, i64::from(self.counted)), (ACQUIRED_COUNT, i64::from(self.acquired))];
        with_headers(message, &[DELIVERY_COUNT, ACQUIRED_COUNT], |writer| {
            for (key, count) in counts {
                writer.entry(key, FieldValue::I64(count));
            }
        })
    }

    /// What a dead letter tells of them, into its newest `x-death` entry: for the person who has to find out why.
    pub(super) fn describe(&self, writer: &mut TableWriter<'_>) {
        let [attempts, first, last, tag, connection, error] = DESCRIBED;
        writer.entry(attempts, FieldValue::I64(i64::from(self.acquired)));
        writer.entry(first, FieldValue::Timestamp(self.first.as_secs()));
        writer.entry(last, FieldValue::Timestamp(self.last.as_secs()));
        for (key, text) in [(tag, &self.consumer), (connection, &self.peer), (error, &self.error)] {
            if let Some(text) = text {
                writer.entry(key, FieldValue::LongString(text.as_bytes()));
            }
        }
    }
}

/// A message as its consumer gets it, with what the queue knows of its attempts.
#[must_use]
pub fn as_delivered(message: &Message, attempts: Option<&Attempts>) -> Message {
    first_delivery(attempts.map_or_else(|| message.clone(), |attempts| attempts.mark(message)))
}

/// The same of one of which nothing is known.
#[inline]
pub fn first_delivery(message: Message) -> Message {
    if message.has_bcc() { without_bcc(&message) } else { message }
}
