//! Direct reply-to: a request names a consumer on its own connection instead of a queue
//! (<https://www.rabbitmq.com/docs/direct-reply-to>).
//!
//! The address that a request carries names connection and consumer, and holds a secret of the connection's, so that nobody
//! can make one up.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::queue::ConnectionId;

/// The pseudo-queue to consume from, and the reply-to to publish with.
pub const NAME: &str = "amq.rabbitmq.reply-to";

/// Where a direct reply goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The connection that waits for it.
    pub connection: ConnectionId,
    /// The number of its consumer there.
    pub consumer: u32,
    /// The connection's secret.
    pub secret: u64,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}.g1.{:x}.{:x}.{:016x}", self.connection.0, self.consumer, self.secret)
    }
}

/// The numbers of a connection's direct reply-to consumers, for whoever looks for an address: it is there while its
/// consumer is.
#[derive(Clone, Debug, Default)]
pub struct ReplyConsumers(Arc<Mutex<BTreeSet<u32>>>);

impl ReplyConsumers {
    /// Whether the consumer with this number is there.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.numbers().contains(&number)
    }

    pub(super) fn add(&self, number: u32) {
        self.numbers().insert(number);
    }

    pub(super) fn remove(&self, number: u32) {
        self.numbers().remove(&number);
    }

    /// Numbers that a panic left behind are as good as any.
    fn numbers(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address in a routing key or queue name, if it is one.
#[must_use]
#[inline]
pub fn parse(name: &[u8]) -> Option<Address> {
    // Few are as long, and begin like that.
    if name.len() <= NAME.len() { None } else { parse_long(name) }
}

#[inline(never)]
fn parse_long(name: &[u8]) -> Option<Address> {
    let rest = name.strip_prefix(NAME.as_bytes())?.strip_prefix(b".g1.")?;
    let mut numbers = std::str::from_utf8(rest).ok()?.split('.').map(|part| u64::from_str_radix(part, 16));
    let (connection, consumer, secret) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    if numbers.next().is_some() {
        return None;
    }
    Some(Address { connection: ConnectionId(connection), consumer: u32::try_from(consumer).ok()?, secret })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_round_trips() {
        let address = Address { connection: ConnectionId(77), consumer: 3, secret: u64::MAX };
        assert_eq!(parse(address.to_string().as_bytes()), Some(address));
    }

    #[test]
    fn anything_else_is_none() {
        for name in [NAME, "amq.rabbitmq.reply-to.g1.1.2", "amq.rabbitmq.reply-to.g1.1.2.3.4", "q", ""] {
            assert_eq!(parse(name.as_bytes()), None, "{name}");
        }
    }
}
