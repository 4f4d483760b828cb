//! What exchanges may look at of a message besides its routing key.

use super::delay::{self, DELAY, InvalidDelay};
use super::header_value::HeaderValue;

/// A property that an exchange can hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashProperty {
    /// `message_id`
    MessageId,
    /// `correlation_id`
    CorrelationId,
    /// `timestamp`
    Timestamp,
}

impl HashProperty {
    pub(super) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"message_id" => Some(Self::MessageId),
            b"correlation_id" => Some(Self::CorrelationId),
            b"timestamp" => Some(Self::Timestamp),
            _ => None,
        }
    }
}

/// What exchanges may look at besides the routing key: a message's headers and some of its properties.
pub trait HeaderSource {
    /// Visits each top-level header in order; stops when `f` returns false. Of a name that comes twice, the first
    /// counts.
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool);

    /// A property, if the message has it.
    fn property(&self, property: HashProperty) -> Option<HeaderValue<'_>> {
        let _ = property;
        None
    }

    /// How long the message has to wait in a delayed exchange, in ms, if at all: its header `x-delay`.
    ///
    /// # Errors
    /// The header is no number.
    fn delay_ms(&self) -> Result<Option<u64>, InvalidDelay> {
        let mut delay = Ok(None);
        self.visit(&mut |name, value| {
            let found = name == DELAY;
            if found {
                delay = delay::delay_ms(value);
            }
            !found
        });
        delay
    }
}

/// A message that does not wait, whatever its `x-delay` says: because it has waited, or because nobody can be told that
/// the header is no number.
#[derive(Clone, Copy, Debug)]
pub struct Undelayed<T>(pub T);

impl<T: HeaderSource> HeaderSource for Undelayed<T> {
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        self.0.visit(f);
    }

    fn property(&self, property: HashProperty) -> Option<HeaderValue<'_>> {
        self.0.property(property)
    }

    fn delay_ms(&self) -> Result<Option<u64>, InvalidDelay> {
        Ok(None)
    }
}
