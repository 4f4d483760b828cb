//! Whether a redeclaration means the same thing, and how RabbitMQ says that it does not. Serves exchanges and queues.
//! Values are compared without their type (a byte 5 equals a long 5), but 5 is not 5.0. A queue without a type is classic.

use std::fmt::Write as _;
use std::sync::LazyLock;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::error::TopologyError;
use crate::protocol::value::{as_integer, type_name};

const QUEUE_TYPE: &str = "x-queue-type";

/// The type of a queue that does not say one.
static CLASSIC: LazyLock<AMQPValue> = LazyLock::new(|| AMQPValue::LongString("classic".into()));

/// A queue as a declare describes it, but for its exclusivity.
#[derive(Clone, Copy, Debug)]
pub struct QueueForm<'a> {
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The declare's arguments.
    pub arguments: &'a FieldTable,
}

/// Checks that a queue's redeclare means the queue that is there; of the arguments, the `keys` count.
///
/// # Errors
/// 406 with RabbitMQ's text for the first difference, in its order: durable, auto_delete, arguments.
pub fn check_queue(
    name: &str,
    vhost: &str,
    keys: &[&str],
    current: QueueForm<'_>,
    received: QueueForm<'_>,
) -> Result<(), TopologyError> {
    check_property("queue", name, vhost, "durable", current.durable, received.durable)?;
    check_property("queue", name, vhost, "auto_delete", current.auto_delete, received.auto_delete)?;
    check_arguments("queue", name, vhost, keys, current.arguments, received.arguments)
}

/// Checks that the `keys` of a redeclare's arguments equal the current ones. Other keys may differ.
///
/// # Errors
/// 406 with RabbitMQ's text for the first key that differs.
pub fn check_arguments(
    kind_of_thing: &str,
    name: &str,
    vhost: &str,
    keys: &[&str],
    current: &FieldTable,
    received: &FieldTable,
) -> Result<(), TopologyError> {
    for key in keys {
        let (now, new) = (argument(current, key), argument(received, key));
        if !same(now, new) {
            let (now, new) = describe(now, new);
            let place = format!("for {kind_of_thing} '{name}' in vhost '{vhost}'");
            return Err(inequivalent(key, &place, &new, &now));
        }
    }
    Ok(())
}

fn argument<'a>(table: &'a FieldTable, key: &str) -> Option<&'a AMQPValue> {
    let default: Option<&AMQPValue> = if key == QUEUE_TYPE { Some(&CLASSIC) } else { None };
    table.inner().get(key).or(default)
}

/// Checks a property that is not an argument, such as `durable`.
///
/// # Errors
/// 406 with RabbitMQ's text if the values differ.
pub fn check_property<T: PartialEq + std::fmt::Display>(
    kind_of_thing: &str,
    name: &str,
    vhost: &str,
    property: &str,
    current: T,
    received: T,
) -> Result<(), TopologyError> {
    if current == received {
        return Ok(());
    }
    let place = format!("for {kind_of_thing} '{name}' in vhost '{vhost}'");
    Err(inequivalent(property, &place, &format!("'{received}'"), &format!("'{current}'")))
}

/// A value as RabbitMQ prints it between the quotes of a reply text: strings bare, the rest as Erlang terms.
#[must_use]
pub fn value_text(value: &AMQPValue) -> String {
    bytes(value).map_or_else(|| term(value), |bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A value as an Erlang term: strings as `<<"abc">>`.
#[must_use]
pub fn term(value: &AMQPValue) -> String {
    if let Some(whole) = whole(value) {
        return whole.to_string();
    }
    if let Some(bytes) = bytes(value) {
        return binary_term(bytes);
    }
    match value {
        AMQPValue::Boolean(value) => value.to_string(),
        AMQPValue::Float(value) => float_term(f64::from(*value)),
        AMQPValue::Double(value) => float_term(*value),
        AMQPValue::DecimalValue(value) => format!("{{{},{}}}", value.scale, value.value),
        AMQPValue::FieldArray(items) => {
            listed(items.as_slice().iter().map(|item| format!("{{{},{}}}", type_name(item), term(item))))
        }
        AMQPValue::FieldTable(fields) => listed(fields.inner().iter().map(|(key, item)| {
            format!("{{{},{},{}}}", binary_term(key.as_str().as_bytes()), type_name(item), term(item))
        })),
        _ => "undefined".to_owned(),
    }
}

/// Integers and timestamps, whatever their width.
pub(super) fn whole(value: &AMQPValue) -> Option<i128> {
    match value {
        AMQPValue::Timestamp(value) => Some((*value).into()),
        value => as_integer(value).map(i128::from),
    }
}

/// Strings and byte arrays.
pub(super) fn bytes(value: &AMQPValue) -> Option<&[u8]> {
    match value {
        AMQPValue::ShortString(value) => Some(value.as_str().as_bytes()),
        AMQPValue::LongString(value) => Some(value.as_bytes()),
        AMQPValue::ByteArray(value) => Some(value.as_slice()),
        _ => None,
    }
}

/// Floats of either width.
pub(super) fn float(value: &AMQPValue) -> Option<f64> {
    match value {
        AMQPValue::Float(value) => Some((*value).into()),
        AMQPValue::Double(value) => Some(*value),
        _ => None,
    }
}

fn same(current: Option<&AMQPValue>, received: Option<&AMQPValue>) -> bool {
    match (current, received) {
        (None, None) => true,
        (Some(current), Some(received)) => same_value(current, received),
        _ => false,
    }
}

fn same_value(current: &AMQPValue, received: &AMQPValue) -> bool {
    let equal_plain = |a: Option<i128>, b: Option<i128>| a.is_some() && a == b;
    current == received
        || equal_plain(whole(current), whole(received))
        || (bytes(current).is_some() && bytes(current) == bytes(received))
        || (float(current).is_some() && float(current) == float(received))
}

/// Both sides of the text: types are named only when one side is missing.
fn describe(current: Option<&AMQPValue>, received: Option<&AMQPValue>) -> (String, String) {
    let plain = current.is_some() && received.is_some();
    let side = |value: Option<&AMQPValue>| match value {
        None => "none".to_owned(),
        Some(AMQPValue::Void) if plain => "none".to_owned(),
        Some(value) if plain => format!("'{}'", value_text(value)),
        Some(value) => format!("the value '{}' of type '{}'", value_text(value), type_name(value)),
    };
    (side(current), side(received))
}

fn inequivalent(key: &str, place: &str, received: &str, current: &str) -> TopologyError {
    TopologyError::PreconditionFailed(format!(
        "inequivalent arg '{key}' {place}: received {received} but current is {current}"
    ))
}

fn listed(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// Erlang always writes a fraction: `1.0e20`.
fn float_term(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

/// Printable bytes as text, others as numbers, as Erlang does.
fn binary_term(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "<<>>".to_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("<<\"{}\">>", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        _ => format!("<<{}>>", numbers(bytes)),
    }
}

fn numbers(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{byte}");
    }
    text
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::{DecimalValue, FieldArray, LongString};

    use super::*;

    fn table(value: Option<AMQPValue>) -> FieldTable {
        let mut table = FieldTable::default();
        if let Some(value) = value {
            table.insert("K".into(), value);
        }
        table
    }

    fn text(current: Option<AMQPValue>, received: Option<AMQPValue>) -> String {
        let (current, received) = (table(current), table(received));
        match check_arguments("queue", "Q", "V", &["K"], &current, &received) {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                let text = error.to_string();
                assert_eq!(error.code(), 406);
                text.strip_prefix("inequivalent arg 'K' for queue 'Q' in vhost 'V': ").unwrap().to_owned()
            }
        }
    }

    fn long_string(text: &str) -> AMQPValue {
        AMQPValue::LongString(LongString::from(text))
    }

    #[test]
    fn a_missing_side_names_the_type_of_the_other() {
        for (value, printed) in [
            (AMQPValue::ShortShortInt(5), "the value '5' of type 'byte'"),
            (AMQPValue::ShortShortUInt(5), "the value '5' of type 'unsignedbyte'"),
            (AMQPValue::ShortInt(5), "the value '5' of type 'short'"),
            (AMQPValue::ShortUInt(5), "the value '5' of type 'unsignedshort'"),
            (AMQPValue::LongInt(5), "the value '5' of type 'signedint'"),
            (AMQPValue::LongUInt(5), "the value '5' of type 'unsignedint'"),
            (AMQPValue::LongLongInt(5), "the value '5' of type 'long'"),
            (AMQPValue::Float(5.0), "the value '5.0' of type 'float'"),
            (AMQPValue::Double(1e20), "the value '1.0e20' of type 'double'"),
            (AMQPValue::Timestamp(5), "the value '5' of type 'timestamp'"),
            (long_string("abc"), "the value 'abc' of type 'longstr'"),
            (AMQPValue::ByteArray(b"abc"[..].into()), "the value 'abc' of type 'binary'"),
            (AMQPValue::Void, "the value 'undefined' of type 'void'"),
            (AMQPValue::Boolean(true), "the value 'true' of type 'bool'"),
            (
                AMQPValue::DecimalValue(DecimalValue { scale: 1, value: 55 }),
                "the value '{1,55}' of type 'decimal'",
            ),
        ] {
            assert_eq!(text(None, Some(value.clone())), format!("received {printed} but current is none"));
            assert_eq!(text(Some(value), None), format!("received none but current is {printed}"));
        }
    }

    #[test]
    fn nested_values_print_as_erlang_terms() {
        let array = FieldArray::from(vec![AMQPValue::LongInt(1), long_string("z")]);
        assert_eq!(value_text(&array.into()), "[{signedint,1},{longstr,<<\"z\">>}]");
        let mut table = FieldTable::default();
        table.insert("a".into(), AMQPValue::LongInt(1));
        table.insert("b".into(), long_string("x"));
        assert_eq!(value_text(&table.into()), "[{<<\"a\">>,signedint,1},{<<\"b\">>,longstr,<<\"x\">>}]");
        assert_eq!(term(&AMQPValue::LongString(LongString::from(&b"\x00\xff\""[..]))), "<<0,255,34>>");
    }

    #[test]
    fn two_present_values_print_without_types() {
        let five = || Some(AMQPValue::ShortShortUInt(5));
        assert_eq!(text(five(), Some(long_string("abc"))), "received 'abc' but current is '5'");
        assert_eq!(text(five(), Some(AMQPValue::Double(5.0))), "received '5.0' but current is '5'");
        assert_eq!(text(five(), Some(AMQPValue::Void)), "received none but current is '5'");
    }

    #[test]
    fn types_do_not_matter_when_values_are_equal() {
        assert_eq!(text(Some(AMQPValue::LongInt(5)), Some(AMQPValue::LongLongInt(5))), "ok");
        assert_eq!(text(Some(AMQPValue::LongInt(5)), Some(AMQPValue::Timestamp(5))), "ok");
        assert_eq!(text(Some(long_string("a")), Some(AMQPValue::ByteArray(b"a"[..].into()))), "ok");
        assert_eq!(text(None, None), "ok");
    }

    /// As RabbitMQ 4.0.5, whose texts these are.
    #[test]
    fn a_queue_without_a_type_is_classic() {
        let typed = |kind: AMQPValue| {
            let mut table = FieldTable::default();
            table.insert(QUEUE_TYPE.into(), kind);
            table
        };
        let check = |current: &FieldTable, received: &FieldTable| {
            let form = |arguments| QueueForm { durable: true, auto_delete: false, arguments };
            let checked = check_queue("Q", "V", &[QUEUE_TYPE], form(current), form(received));
            checked.map_err(|error| error.to_string().rsplit_once(": ").unwrap().1.to_owned())
        };
        let (none, classic, quorum) =
            (FieldTable::default(), typed(long_string("classic")), typed(long_string("quorum")));
        for (current, received) in [(&none, &classic), (&classic, &none), (&classic, &classic)] {
            assert_eq!(check(current, received), Ok(()));
        }
        let differs =
            |received: &str, current: &str| Err(format!("received {received} but current is '{current}'"));
        assert_eq!(check(&none, &quorum), differs("'quorum'", "classic"));
        assert_eq!(check(&quorum, &none), differs("'classic'", "quorum"));
        assert_eq!(check(&none, &typed(AMQPValue::Void)), differs("none", "classic"));
        assert_eq!(check(&none, &typed(AMQPValue::LongInt(5))), differs("'5'", "classic"));
    }

    #[test]
    fn properties_print_quoted() {
        let error = check_property("queue", "q", "/", "durable", true, false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
        );
        assert_eq!(check_property("queue", "q", "/", "durable", true, true), Ok(()));
    }
}
