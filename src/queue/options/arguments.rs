//! A table of arguments, and what is wrong with one of them.

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::protocol::value::{as_integer, type_name};

/// Why arguments were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A value is not allowed; the text says which and why, as RabbitMQ words it. Reply code 406.
    #[error("invalid arg '{key}' for {thing}: {why}")]
    Invalid {
        /// The argument.
        key: &'static str,
        /// The queue, as error texts name it.
        thing: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A value has a type that is not allowed, of the one argument where RabbitMQ words that so. Reply code 406.
    #[error("invalid type '{found}' for arg '{key}' in {thing}")]
    Type {
        /// The argument.
        key: &'static str,
        /// The queue, as error texts name it.
        thing: String,
        /// The type of its value.
        found: &'static str,
    },
    /// An argument does not go with the queue type. Reply code 406.
    #[error("invalid arg '{key}' for {thing} of queue type {kind}")]
    Foreign {
        /// The argument.
        key: &'static str,
        /// The queue, as error texts name it.
        thing: String,
        /// The type, as RabbitMQ names it.
        kind: &'static str,
    },
    /// A number is out of its limits. Reply code 406.
    #[error("{text}")]
    Limit {
        /// RabbitMQ's words.
        text: &'static str,
    },
    /// A property does not go with the queue type. Reply code 406.
    #[error("invalid property '{property}' for {thing}")]
    Property {
        /// The property.
        property: &'static str,
        /// The queue, as error texts name it.
        thing: String,
    },
}

/// The longest time that a timer is set for, in ms: ten years, RabbitMQ's limit for expiry and TTLs.
pub const EXPIRY_MS_MAX: u64 = 10 * 365 * 24 * 60 * 60 * 1000;

/// A queue's or a consumer's arguments, with the queue's name for error texts.
pub(in crate::queue) struct Arguments<'a> {
    pub(in crate::queue) thing: &'a str,
    pub(in crate::queue) table: &'a FieldTable,
}

impl Arguments<'_> {
    /// Void is a value like any other, and no argument allows it.
    pub(in crate::queue) fn value(&self, key: &str) -> Option<&AMQPValue> {
        self.table.inner().get(key)
    }

    pub(in crate::queue) fn invalid(&self, key: &'static str, why: impl Into<String>) -> OptionsError {
        OptionsError::Invalid { key, thing: self.thing.to_owned(), why: why.into() }
    }

    fn unacceptable(&self, key: &'static str, value: &AMQPValue) -> OptionsError {
        self.invalid(key, format!("{{unacceptable_type,{}}}", type_name(value)))
    }

    pub(in crate::queue) fn integer(&self, key: &'static str) -> Result<Option<i64>, OptionsError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let wrong = || self.invalid(key, format!("\"expected integer, got {}\"", type_name(value)));
        as_integer(value).map(Some).ok_or_else(wrong)
    }

    pub(super) fn non_negative(&self, key: &'static str) -> Result<Option<u64>, OptionsError> {
        let Some(number) = self.integer(key)? else { return Ok(None) };
        u64::try_from(number).map(Some).map_err(|_| self.invalid(key, format!("{{value_negative,{number}}}")))
    }

    /// A time in ms, at most [`EXPIRY_MS_MAX`].
    pub(super) fn milliseconds(&self, key: &'static str) -> Result<Option<u64>, OptionsError> {
        match self.non_negative(key)? {
            Some(ms) if ms > EXPIRY_MS_MAX => Err(self.invalid(key, format!("{{value_too_large,{ms}}}"))),
            ms => Ok(ms),
        }
    }

    pub(super) fn positive_number(&self, key: &'static str) -> Result<Option<u64>, OptionsError> {
        match self.non_negative(key)? {
            Some(0) => Err(self.invalid(key, "{value_zero,0}")),
            number => Ok(number),
        }
    }

    pub(in crate::queue) fn string(&self, key: &'static str) -> Result<Option<String>, OptionsError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value {
            AMQPValue::LongString(text) => Ok(Some(String::from_utf8_lossy(text.as_bytes()).into_owned())),
            AMQPValue::ShortString(text) => Ok(Some(text.as_str().to_owned())),
            other => Err(self.unacceptable(key, other)),
        }
    }

    pub(super) fn boolean(&self, key: &'static str) -> Result<bool, OptionsError> {
        match self.value(key) {
            None => Ok(false),
            Some(AMQPValue::Boolean(value)) => Ok(*value),
            Some(other) => Err(self.unacceptable(key, other)),
        }
    }
}
