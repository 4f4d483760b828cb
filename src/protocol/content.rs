//! Content headers (spec section 4.2.6.1): `class u16 | weight u16 | body size u64 | property flags u16 | values`.
//!
//! Properties are passed through as they came and looked into where they stand: [`Properties`] is a view over validated
//! bytes, [`edit_properties`] copies all but what it is to change.

use super::table::{self, Table, TableError};

/// A content header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The content's class.
    pub class: u16,
    /// Must be 0.
    pub weight: u16,
    /// The body's length in bytes.
    pub body_size: u64,
    /// Property flags and values: what [`Properties::parse`] takes.
    pub properties: &'a [u8],
}

/// Decodes a header frame's payload but for its properties; `None` if it is too short.
#[must_use]
#[inline]
pub fn decode_content_header(payload: &[u8]) -> Option<ContentHeader<'_>> {
    let (class, rest) = payload.split_first_chunk::<2>()?;
    let (weight, rest) = rest.split_first_chunk::<2>()?;
    let (size, properties) = rest.split_first_chunk::<8>()?;
    Some(ContentHeader {
        class: u16::from_be_bytes(*class),
        weight: u16::from_be_bytes(*weight),
        body_size: u64::from_be_bytes(*size),
        properties,
    })
}

/// Bytes that are no properties of class basic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A value is longer than what is there.
    #[error("malformed properties: truncated")]
    Truncated,
    /// Something follows the last value.
    #[error("malformed properties: trailing bytes")]
    Trailing,
    /// A flag of no property, or the one for a second word of flags: class basic has neither.
    #[error("malformed properties: unknown flags {0:#06x}")]
    UnknownFlags(u16),
    /// The header table is malformed.
    #[error("malformed headers: {0}")]
    Headers(TableError),
    /// A new value does not fit a short string.
    #[error("reply-to longer than 255 bytes")]
    ReplyToTooLong,
}

const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const KIND: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;

/// The flag that class basic has left free, in the second byte.
const RESERVED: u8 = 1 << 1;

/// Takes back the reserved flag, which RabbitMQ ignores and does not pass on.
#[inline]
pub fn clear_reserved_flag(properties: &mut [u8]) {
    if let [_, flags, ..] = properties {
        *flags &= !RESERVED;
    }
}

/// Flags of no property.
const UNKNOWN: u16 = 0b11;

/// The flag and the bytes of the property that comes first in `values`, which are taken off; `None` if none or not all of
/// it is there.
#[inline]
fn take_first<'a>(flags: &mut u16, values: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let flag = 0x8000_u16.checked_shr(flags.leading_zeros())?;
    let (value, rest) = values.split_at_checked(value_bytes(flag, values)?)?;
    *flags ^= flag;
    *values = rest;
    Some((flag, value))
}

/// How long the property at the front of `values` is.
#[inline]
fn value_bytes(flag: u16, values: &[u8]) -> Option<usize> {
    match flag {
        DELIVERY_MODE | PRIORITY => Some(1),
        TIMESTAMP => Some(8),
        HEADERS => (u32::from_be_bytes(*values.first_chunk()?) as usize).checked_add(4),
        _ => values.first().map(|length| usize::from(*length) + 1),
    }
}

/// A message's properties, as a view over their bytes. Strings may be any bytes, as in RabbitMQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties<'a> {
    flags: u16,
    /// The values of all properties in `flags`, and nothing else.
    values: &'a [u8],
}

impl<'a> Properties<'a> {
    /// Goes through flags and values, nested tables and all.
    ///
    /// # Errors
    /// [`PropertiesError`] if anything is not in its place.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PropertiesError> {
        let (flags, values) = bytes.split_first_chunk::<2>().ok_or(PropertiesError::Truncated)?;
        let properties = Self { flags: u16::from_be_bytes(*flags), values };
        if properties.flags & UNKNOWN != 0 {
            return Err(PropertiesError::UnknownFlags(properties.flags & UNKNOWN));
        }
        properties.validate()?;
        Ok(properties)
    }

    #[inline]
    fn validate(&self) -> Result<(), PropertiesError> {
        let (mut flags, mut values) = (self.flags, self.values);
        while flags != 0 {
            let (flag, value) = take_first(&mut flags, &mut values).ok_or(PropertiesError::Truncated)?;
            if flag == HEADERS {
                table::validate(value.get(4..).unwrap_or_default()).map_err(PropertiesError::Headers)?;
            }
        }
        if values.is_empty() { Ok(()) } else { Err(PropertiesError::Trailing) }
    }

    /// The bytes of a property, with its length if it has one.
    #[inline]
    fn find(&self, wanted: u16) -> Option<&'a [u8]> {
        if self.flags & wanted == 0 {
            return None;
        }
        let (mut flags, mut values) = (self.flags, self.values);
        loop {
            let (flag, value) = take_first(&mut flags, &mut values)?;
            if flag == wanted {
                return Some(value);
            }
        }
    }

    #[inline]
    fn short_string(&self, flag: u16) -> Option<&'a [u8]> {
        self.find(flag)?.split_first().map(|(_, string)| string)
    }

    #[inline]
    fn octet(&self, flag: u16) -> Option<u8> {
        self.find(flag)?.first().copied()
    }

    /// MIME type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.short_string(CONTENT_TYPE)
    }

    /// MIME encoding of the body.
    #[must_use]
    pub fn content_encoding(&self) -> Option<&'a [u8]> {
        self.short_string(CONTENT_ENCODING)
    }

    /// The header table.
    #[must_use]
    pub fn headers(&self) -> Option<Table<'a>> {
        self.find(HEADERS)?.get(4..).map(Table::from_validated)
    }

    /// 2 for a persistent message.
    #[must_use]
    pub fn delivery_mode(&self) -> Option<u8> {
        self.octet(DELIVERY_MODE)
    }

    /// Priority, 0 to 9 in the spec, to 255 in RabbitMQ.
    #[must_use]
    pub fn priority(&self) -> Option<u8> {
        self.octet(PRIORITY)
    }

    /// What it is an answer to.
    #[must_use]
    pub fn correlation_id(&self) -> Option<&'a [u8]> {
        self.short_string(CORRELATION_ID)
    }

    /// Where answers go.
    #[must_use]
    pub fn reply_to(&self) -> Option<&'a [u8]> {
        self.short_string(REPLY_TO)
    }

    /// TTL: milliseconds, in decimal digits if the client is right.
    #[must_use]
    pub fn expiration(&self) -> Option<&'a [u8]> {
        self.short_string(EXPIRATION)
    }

    /// The application's name for the message.
    #[must_use]
    pub fn message_id(&self) -> Option<&'a [u8]> {
        self.short_string(MESSAGE_ID)
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        self.find(TIMESTAMP)?.first_chunk().copied().map(u64::from_be_bytes)
    }

    /// The property `type`: the application's kind of message.
    #[must_use]
    pub fn kind(&self) -> Option<&'a [u8]> {
        self.short_string(KIND)
    }

    /// The user that publishes.
    #[must_use]
    pub fn user_id(&self) -> Option<&'a [u8]> {
        self.short_string(USER_ID)
    }

    /// The application that publishes.
    #[must_use]
    pub fn app_id(&self) -> Option<&'a [u8]> {
        self.short_string(APP_ID)
    }

    /// Reserved in the spec.
    #[must_use]
    pub fn cluster_id(&self) -> Option<&'a [u8]> {
        self.short_string(CLUSTER_ID)
    }
}

/// What becomes of the header table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadersEdit<'a> {
    /// This is the table from now on: its content, without a length, as [`table::TableWriter`] writes it.
    Replace(&'a [u8]),
    /// There is none.
    Remove,
}

/// What is to change in a message's properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertiesEdit<'a> {
    /// Headers; `None` keeps them.
    pub headers: Option<HeadersEdit<'a>>,
    /// Whether the expiration goes.
    pub drop_expiration: bool,
    /// The new reply-to, at most 255 bytes; `None` keeps it.
    pub reply_to: Option<&'a [u8]>,
}

/// Appends `properties` (flags and values) to `out` with that changed and all else byte for byte as it was.
///
/// # Errors
/// [`PropertiesError`] if they are malformed or the reply-to is too long; `out` is as it was, then.
pub fn edit_properties(
    properties: &[u8],
    edit: &PropertiesEdit<'_>,
    out: &mut Vec<u8>,
) -> Result<(), PropertiesError> {
    let Properties { flags, mut values } = Properties::parse(properties)?;
    if edit.reply_to.is_some_and(|reply_to| reply_to.len() > 255) {
        return Err(PropertiesError::ReplyToTooLong);
    }
    let edited = edit.flags(flags);
    out.extend_from_slice(&edited.to_be_bytes());
    for flag in in_order(flags | edited) {
        let mut this = flags & flag;
        let value = take_first(&mut this, &mut values).map(|(_, value)| value).unwrap_or_default();
        if edited & flag != 0 {
            edit.write(flag, value, out);
        }
    }
    Ok(())
}

/// The properties with these headers, the body of a field table, in place of their own.
///
/// # Errors
/// [`PropertiesError`] if they are malformed.
pub fn replace_headers(properties: &[u8], table: &[u8]) -> Result<Vec<u8>, PropertiesError> {
    let edit = PropertiesEdit { headers: Some(HeadersEdit::Replace(table)), ..PropertiesEdit::default() };
    let mut edited = Vec::with_capacity(properties.len() + table.len());
    edit_properties(properties, &edit, &mut edited)?;
    Ok(edited)
}

/// Whether there are headers, by the flag alone: nothing is validated. `false` for what is too short for flags.
#[must_use]
#[inline]
pub fn has_headers(properties: &[u8]) -> bool {
    properties.first_chunk().is_some_and(|flags| u16::from_be_bytes(*flags) & HEADERS != 0)
}

/// Appends properties with an encoded table entry behind the headers that there are. `None`, and nothing is appended, if they are malformed.
pub fn add_header(properties: &[u8], entry: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (flags, values) = properties.split_first_chunk::<2>()?;
    let flags = u16::from_be_bytes(*flags);
    let (mut before, mut rest) = (flags & (CONTENT_TYPE | CONTENT_ENCODING), values);
    while before != 0 {
        take_first(&mut before, &mut rest)?;
    }
    let before = values.get(..values.len() - rest.len())?;
    let (table, after) = match flags & HEADERS {
        0 => (&[][..], rest),
        _ => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            rest.split_at_checked(u32::from_be_bytes(*length) as usize)?
        }
    };
    out.reserve(properties.len() + 4 + entry.len());
    out.extend_from_slice(&(flags | HEADERS).to_be_bytes());
    out.extend_from_slice(before);
    out.extend_from_slice(&((table.len() + entry.len()) as u32).to_be_bytes());
    out.extend_from_slice(table);
    out.extend_from_slice(entry);
    out.extend_from_slice(after);
    Some(())
}

/// The single flags in a word of them, in the order of their values.
fn in_order(mut flags: u16) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let flag = 0x8000_u16.checked_shr(flags.leading_zeros())?;
        flags ^= flag;
        Some(flag)
    })
}

impl PropertiesEdit<'_> {
    const fn flags(&self, flags: u16) -> u16 {
        let flags = match self.headers {
            Some(HeadersEdit::Replace(_)) => flags | HEADERS,
            Some(HeadersEdit::Remove) => flags & !HEADERS,
            None => flags,
        };
        let flags = if self.drop_expiration { flags & !EXPIRATION } else { flags };
        if self.reply_to.is_some() { flags | REPLY_TO } else { flags }
    }

    /// Appends a property: its new value or the one it had.
    fn write(&self, flag: u16, value: &[u8], out: &mut Vec<u8>) {
        match (flag, self.headers, self.reply_to) {
            (HEADERS, Some(HeadersEdit::Replace(table)), _) => {
                out.extend_from_slice(&(table.len() as u32).to_be_bytes());
                out.extend_from_slice(table);
            }
            (REPLY_TO, _, Some(reply_to)) => {
                out.push(reply_to.len() as u8);
                out.extend_from_slice(reply_to);
            }
            _ => out.extend_from_slice(value),
        }
    }
}
