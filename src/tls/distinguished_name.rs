//! Names of certificates' subjects and issuers as text: RFC 4514 (the last first), with RabbitMQ's names for the attributes, for users are
//! called so.

use std::fmt::Write as _;

use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{BmpString, Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Any, Tag, Tagged as _};
use x509_cert::name::RdnSequence;

/// Attributes by their object identifiers (X.520, RFC 4519, RFC 2985). RabbitMQ writes others with their numbers.
const ATTRIBUTES: [(&str, &str); 17] = [
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "TITLE"),
    ("2.5.4.41", "NAME"),
    ("2.5.4.42", "GIVENNAME"),
    ("2.5.4.43", "INITIALS"),
    ("2.5.4.44", "GENERATIONQUALIFIER"),
    ("2.5.4.65", "PSEUDONYM"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "EMAILADDRESS"),
];

const COMMON_NAME: &str = "2.5.4.3";

/// `CN=ann,O=Example`.
pub(super) fn text(name: &RdnSequence) -> String {
    let parts = name.0.iter().rev().map(|part| {
        let attributes: Vec<String> = part.0.iter().map(attribute).collect();
        attributes.join("+")
    });
    parts.collect::<Vec<_>>().join(",")
}

/// The common names in a name, in its order.
pub(super) fn common_names(name: &RdnSequence) -> Vec<String> {
    let all = name.0.iter().flat_map(|part| part.0.iter());
    all.filter(|attribute| attribute.oid.to_string() == COMMON_NAME)
        .map(|attribute| value_text(&attribute.value))
        .collect()
}

fn attribute(attribute: &AttributeTypeAndValue) -> String {
    let oid = attribute.oid.to_string();
    let known = ATTRIBUTES.iter().find(|(number, _)| *number == oid);
    let name = known.map_or(oid.as_str(), |(_, name)| name);
    format!("{name}={}", escaped(&value_text(&attribute.value)))
}

fn value_text(value: &Any) -> String {
    let read = match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().map(|text| text.to_string()),
        Tag::PrintableString => value.decode_as::<PrintableStringRef<'_>>().map(|text| text.to_string()),
        Tag::Ia5String => value.decode_as::<Ia5StringRef<'_>>().map(|text| text.to_string()),
        Tag::TeletexString => value.decode_as::<TeletexStringRef<'_>>().map(|text| text.to_string()),
        Tag::BmpString => value.decode_as::<BmpString>().map(|text| text.to_string()),
        tag => Err(tag.value_error()),
    };
    read.unwrap_or_else(|_| String::from_utf8_lossy(value.value()).into_owned())
}

/// RFC 4514 section 2.4, and all that is not printable ASCII as the hexadecimal digits of its bytes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let last = text.len().saturating_sub(1);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => escaped.push('\\'),
            b'#' if at == 0 => escaped.push('\\'),
            b' ' if at == 0 || at == last => escaped.push('\\'),
            0x20..0x7f => {}
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\{byte:02X}");
                continue;
            }
        }
        escaped.push(char::from(byte));
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped() {
        for (value, expected) in [
            ("ann", "ann"),
            (" a b ", "\\ a b\\ "),
            ("#1#", "\\#1#"),
            ("a,b+c\"d\\e<f>g;h=i", "a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i"),
            ("é\n", "\\C3\\A9\\0A"),
            ("", ""),
        ] {
            assert_eq!(escaped(value), expected, "{value:?}");
        }
    }
}
