//! The settle exchange, by which a consumer says about a delivery what basic.ack and basic.nack cannot say.
//!
//! A consumer publishes to `amq.settle` on the channel that the delivery came on. The routing key and the body mean
//! nothing; the headers say it all:
//! - `delivery-tag`, an integer;
//! - `verb`: `ack`, `commit` (all deliveries of the channel up to this one are acked), `nack` (it comes back as a failed attempt; with `delay`, in ms, not before), `term` (it is dead now),
//!   `park` (it is set aside), or `progress` (the time for its ack begins anew);
//! - `error`, optional: what is wrong with the message, for its dead letter.
//!
//! The verbs are those of NATS JetStream (+ACK, -NAK with delay, +TERM, +WPI). With publisher confirms the publish is
//! confirmed when the channel has taken it, as an ack would be.

use std::sync::Arc;

use super::exception::Exception;
use crate::protocol::table::{FieldValue, Table};
use crate::queue::Disposition;

/// Its name.
pub const NAME: &str = "amq.settle";
/// A longer error is cut: it travels with every later copy of the message.
const ERROR_BYTES_MAX: usize = 1024;

/// What a message to the exchange says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SettleMessage {
    pub(super) tag: u64,
    pub(super) verb: Verb,
    pub(super) error: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Ack,
    /// It and all before it on the channel.
    Commit,
    Disposition(Disposition),
}

/// Reads a message's headers.
pub(super) fn parse(headers: Option<Table<'_>>) -> Result<SettleMessage, Exception> {
    let value = |key: &[u8]| headers.and_then(|headers| headers.get(key));
    let number = |key: &[u8]| value(key).and_then(|value| value.as_i64()).and_then(|n| u64::try_from(n).ok());
    let tag = number(b"delivery-tag")
        .ok_or_else(|| wrong("delivery-tag", "the tag of a delivery on this channel"))?;
    let delay = match value(b"delay") {
        None => None,
        Some(_) => {
            let ms = number(b"delay").and_then(|ms| u32::try_from(ms).ok());
            Some(ms.ok_or_else(|| wrong("delay", "a number of ms from 0 to 4294967295"))?)
        }
    };
    let verb = match value(b"verb") {
        Some(FieldValue::LongString(b"ack")) => Verb::Ack,
        Some(FieldValue::LongString(b"commit")) => Verb::Commit,
        Some(FieldValue::LongString(b"nack")) => Verb::Disposition(Disposition::Retry(delay)),
        Some(FieldValue::LongString(b"term")) => Verb::Disposition(Disposition::Terminate),
        Some(FieldValue::LongString(b"park")) => Verb::Disposition(Disposition::Park),
        Some(FieldValue::LongString(b"progress")) => Verb::Disposition(Disposition::Progress),
        _ => return Err(wrong("verb", "ack, commit, nack, term, park or progress")),
    };
    let error = match value(b"error") {
        None => None,
        Some(FieldValue::LongString(text)) => Some(cut(text)),
        Some(_) => return Err(wrong("error", "a text")),
    };
    Ok(SettleMessage { tag, verb, error })
}

fn cut(text: &[u8]) -> Arc<str> {
    String::from_utf8_lossy(text.get(..ERROR_BYTES_MAX).unwrap_or(text)).into()
}

fn wrong(header: &str, expected: &str) -> Exception {
    Exception::precondition_failed(format!(
        "invalid header '{header}' for exchange '{NAME}': expected {expected}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::table::TableWriter;

    fn said(entries: &[(&str, FieldValue<'_>)]) -> Result<SettleMessage, String> {
        let mut bytes = Vec::new();
        let mut writer = TableWriter::new(&mut bytes);
        for (key, value) in entries {
            writer.entry(key.as_bytes(), *value);
        }
        parse(Table::parse(&bytes).ok()).map_err(|exception| exception.to_string())
    }

    #[test]
    fn each_verb_is_understood() {
        let tag = ("delivery-tag", FieldValue::I64(7));
        let text = |text: &'static str| FieldValue::LongString(text.as_bytes());
        let rows = [
            ("ack", None, Verb::Ack),
            ("commit", None, Verb::Commit),
            ("nack", None, Verb::Disposition(Disposition::Retry(None))),
            ("nack", Some(250), Verb::Disposition(Disposition::Retry(Some(250)))),
            ("term", None, Verb::Disposition(Disposition::Terminate)),
            ("park", None, Verb::Disposition(Disposition::Park)),
            ("progress", None, Verb::Disposition(Disposition::Progress)),
        ];
        for (word, delay, verb) in rows {
            let mut entries = vec![tag, ("verb", text(word)), ("error", text("why"))];
            entries.extend(delay.map(|ms| ("delay", FieldValue::I32(ms))));
            let wanted = SettleMessage { tag: 7, verb, error: Some("why".into()) };
            assert_eq!(said(&entries), Ok(wanted), "{word}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        let tag = ("delivery-tag", FieldValue::I32(1));
        let nack = ("verb", FieldValue::LongString(b"nack"));
        let rows: [(&[(&str, FieldValue<'_>)], &str); 6] = [
            (&[], "delivery-tag"),
            (&[("delivery-tag", FieldValue::I32(-1)), nack], "delivery-tag"),
            (&[tag], "'verb' for exchange 'amq.settle': expected ack, commit, nack, term, park or progress"),
            (&[tag, ("verb", FieldValue::LongString(b"nak"))], "'verb'"),
            (
                &[tag, nack, ("delay", FieldValue::I64(-5))],
                "'delay' for exchange 'amq.settle': expected a number of ms",
            ),
            (&[tag, nack, ("error", FieldValue::I32(5))], "'error'"),
        ];
        for (entries, part) in rows {
            let error = said(entries).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_long_error_is_cut() {
        assert_eq!(cut(&[b'x'; 5000]).len(), ERROR_BYTES_MAX);
    }
}
