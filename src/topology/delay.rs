//! The header `x-delay`: how long a message waits in a delayed exchange, in milliseconds.
//!
//! It is read as RabbitMQ's plugin reads it: any integer, text with an integer, a float without its fraction. Of the values that
//! the plugin cannot read, some are routed at once and some end the connection with an internal error. Here all of them are an
//! error of the publisher's, so that no message comes early unnoticed.

use super::header_value::HeaderValue;

/// The header's name.
pub const DELAY: &[u8] = b"x-delay";

/// Past this a float has no exact integer, and no clock runs so long.
const FLOAT_MAX: f64 = 9e15;

/// A value of `x-delay` that is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid header 'x-delay': expected a number of milliseconds, got {0}")]
pub struct InvalidDelay(String);

/// How long a message with this header has to wait. Zero and negative numbers are no delay: the plugin negates the
/// header of a message that has waited.
///
/// # Errors
/// The value is no number, or too large for one.
pub(super) fn delay_ms(value: HeaderValue<'_>) -> Result<Option<u64>, InvalidDelay> {
    let number = match value {
        HeaderValue::Int(number) => Ok(number),
        HeaderValue::Uint(number) => i64::try_from(number).map_err(|_| number.to_string()),
        HeaderValue::Float(number) if number.abs() <= FLOAT_MAX => Ok(number as i64),
        HeaderValue::Float(number) => Err(number.to_string()),
        HeaderValue::Bytes(text) => integer(text).ok_or_else(|| quoted(text)),
        HeaderValue::Bool(value) => Err(value.to_string()),
        HeaderValue::Decimal { .. } => Err("a decimal".to_owned()),
        HeaderValue::Timestamp(_) => Err("a timestamp".to_owned()),
        HeaderValue::Void => Err("void".to_owned()),
        HeaderValue::Other { tag: b'A', .. } => Err("an array".to_owned()),
        HeaderValue::Other { .. } => Err("a table".to_owned()),
    };
    let number = number.map_err(InvalidDelay)?;
    Ok(u64::try_from(number).ok().filter(|ms| *ms > 0))
}

/// Digits after an optional sign, as Erlang reads them.
fn integer(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Text for an error; a reply text has room for 255 bytes.
fn quoted(text: &[u8]) -> String {
    const SHOWN_MAX: usize = 40;
    let text = String::from_utf8_lossy(text);
    let shown: String = text.chars().take(SHOWN_MAX).collect();
    let rest = if shown.len() < text.len() { "..." } else { "" };
    format!("'{shown}{rest}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_kinds_delay() {
        for (value, ms) in [
            (HeaderValue::Int(1500), Some(1500)),
            (HeaderValue::Uint(1500), Some(1500)),
            (HeaderValue::Float(1500.9), Some(1500)),
            (HeaderValue::Bytes(b"1500"), Some(1500)),
            (HeaderValue::Bytes(b"+1500"), Some(1500)),
            (HeaderValue::Bytes(b"0015"), Some(15)),
            (HeaderValue::Int(5_000_000_000), Some(5_000_000_000)),
            (HeaderValue::Int(0), None),
            (HeaderValue::Int(-1500), None),
            (HeaderValue::Float(0.9), None),
            (HeaderValue::Float(-7.0), None),
            (HeaderValue::Bytes(b"-1500"), None),
            (HeaderValue::Bytes(b"0"), None),
        ] {
            assert_eq!(delay_ms(value), Ok(ms), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_an_error_that_shows_it() {
        for (value, shown) in [
            (HeaderValue::Bytes(b"soon"), "'soon'"),
            (HeaderValue::Bytes(b""), "''"),
            (HeaderValue::Bytes(b" 5"), "' 5'"),
            (HeaderValue::Bytes(b"1.5"), "'1.5'"),
            (HeaderValue::Bytes(b"99999999999999999999"), "'99999999999999999999'"),
            (HeaderValue::Uint(u64::MAX), "18446744073709551615"),
            (HeaderValue::Float(f64::NAN), "NaN"),
            (HeaderValue::Float(1e300), "1000000000"),
            (HeaderValue::Bool(true), "true"),
            (HeaderValue::Timestamp(5), "a timestamp"),
            (HeaderValue::Decimal { scale: 0, value: 5 }, "a decimal"),
            (HeaderValue::Void, "void"),
            (HeaderValue::Other { tag: b'A', raw: b"\0\0\0\0" }, "an array"),
            (HeaderValue::Other { tag: b'F', raw: b"\0\0\0\0" }, "a table"),
        ] {
            let error = delay_ms(value).unwrap_err().to_string();
            assert!(error.contains(&format!("got {shown}")), "{value:?}: {error}");
        }
        let long = delay_ms(HeaderValue::Bytes(&[b'x'; 1000])).unwrap_err().to_string();
        assert!(long.len() < 200 && long.ends_with("x...'"), "{long}");
    }
}
