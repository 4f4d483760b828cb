//! Content headers and message properties (spec sections 2.3.5.2 and 4.2.6.1).
//!
//! Properties stay the bytes that came: this is a view that knows where each one stands.

use super::reader::Reader;
use super::table::{Table, TableError};

/// A content header frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentHeader<'a> {
    /// The class it belongs to.
    pub class: u16,
    /// Always 0 in AMQP 0-9-1.
    pub weight: u16,
    /// Size of the body to come, in bytes.
    pub body_size: u64,
    /// Property flags and values.
    pub properties: &'a [u8],
}

/// Takes a content header apart; `None` if it is too short.
#[must_use]
pub fn decode_content_header(payload: &[u8]) -> Option<ContentHeader<'_>> {
    let mut reader = Reader::new(payload);
    let (class, weight, body_size) = (reader.u16()?, reader.u16()?, reader.u64()?);
    Some(ContentHeader { class, weight, body_size, properties: reader.rest() })
}

/// Bytes that are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// A value leads beyond the end.
    #[error("malformed properties: they end within a value")]
    Truncated,
    /// Flags that class basic does not have.
    #[error("malformed properties: unknown flags")]
    UnknownFlags,
    /// Bytes after the last value.
    #[error("malformed properties: {0} bytes too many")]
    Trailing(usize),
    /// The headers are no table.
    #[error("malformed properties: {0}")]
    Headers(#[from] TableError),
}

/// The two lowest flag bits: further flags follow, and a reserved one.
const FLAGS_UNKNOWN: u16 = 0b11;

/// The forms that properties take, from the highest flag bit down.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    Table,
    Octet,
    Timestamp,
}

const FORMS: [(u16, Form); 14] = [
    (1 << 15, Form::Short),    // content-type
    (1 << 14, Form::Short),    // content-encoding
    (HEADERS, Form::Table),    // headers
    (1 << 12, Form::Octet),    // delivery-mode
    (1 << 11, Form::Octet),    // priority
    (1 << 10, Form::Short),    // correlation-id
    (REPLY_TO, Form::Short),   // reply-to
    (EXPIRATION, Form::Short), // expiration
    (1 << 7, Form::Short),     // message-id
    (1 << 6, Form::Timestamp), // timestamp
    (1 << 5, Form::Short),     // type
    (1 << 4, Form::Short),     // user-id
    (1 << 3, Form::Short),     // app-id
    (1 << 2, Form::Short),     // cluster-id
];
const HEADERS: u16 = 1 << 13;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;

/// A message's properties, checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Properties<'a> {
    headers: Option<Table<'a>>,
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    timestamp: Option<u64>,
    content_type: Option<&'a [u8]>,
    content_encoding: Option<&'a [u8]>,
    correlation_id: Option<&'a [u8]>,
    reply_to: Option<&'a [u8]>,
    expiration: Option<&'a [u8]>,
    message_id: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
    user_id: Option<&'a [u8]>,
    app_id: Option<&'a [u8]>,
    cluster_id: Option<&'a [u8]>,
}

macro_rules! accessors {
    ($($name:ident: $type:ty,)*) => {
        $(
            /// The property of that name.
            #[must_use]
            pub const fn $name(&self) -> Option<$type> {
                self.$name
            }
        )*
    };
}

impl<'a> Properties<'a> {
    accessors! {
        headers: Table<'a>,
        delivery_mode: u8,
        priority: u8,
        timestamp: u64,
        content_type: &'a [u8],
        content_encoding: &'a [u8],
        correlation_id: &'a [u8],
        reply_to: &'a [u8],
        expiration: &'a [u8],
        message_id: &'a [u8],
        kind: &'a [u8],
        user_id: &'a [u8],
        app_id: &'a [u8],
        cluster_id: &'a [u8],
    }

    /// Checks flags and values.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PropertiesError> {
        let mut reader = Reader::new(bytes);
        let mut properties = Self::default();
        let flags = reader.u16().ok_or(PropertiesError::Truncated)?;
        if flags & FLAGS_UNKNOWN != 0 {
            return Err(PropertiesError::UnknownFlags);
        }
        let mut left = flags;
        while left != 0 {
            let flag = 1 << (15 - left.leading_zeros());
            left &= !flag;
            properties.read(&mut reader, flag)?;
        }
        match reader.rest().len() {
            0 => Ok(properties),
            trailing => Err(PropertiesError::Trailing(trailing)),
        }
    }

    fn read(&mut self, reader: &mut Reader<'a>, flag: u16) -> Result<(), PropertiesError> {
        let place = match flag {
            HEADERS => {
                self.headers = Some(Table::parse(reader.long().ok_or(PropertiesError::Truncated)?)?);
                return Ok(());
            }
            0x1000 | 0x0800 => {
                let octet = reader.u8().ok_or(PropertiesError::Truncated)?;
                *(if flag == 0x1000 { &mut self.delivery_mode } else { &mut self.priority }) = Some(octet);
                return Ok(());
            }
            0x0040 => {
                self.timestamp = Some(reader.u64().ok_or(PropertiesError::Truncated)?);
                return Ok(());
            }
            0x8000 => &mut self.content_type,
            0x4000 => &mut self.content_encoding,
            0x0400 => &mut self.correlation_id,
            REPLY_TO => &mut self.reply_to,
            EXPIRATION => &mut self.expiration,
            0x0080 => &mut self.message_id,
            0x0020 => &mut self.kind,
            0x0010 => &mut self.user_id,
            0x0008 => &mut self.app_id,
            _ => &mut self.cluster_id,
        };
        *place = Some(reader.short().ok_or(PropertiesError::Truncated)?);
        Ok(())
    }
}

/// What becomes of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadersEdit<'a> {
    /// This table content (without its length) takes their place.
    Replace(&'a [u8]),
    /// They go.
    Remove,
}

/// A change of some properties.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropertiesEdit<'a> {
    /// What becomes of the headers; nothing: they stay.
    pub headers: Option<HeadersEdit<'a>>,
    /// The expiration goes.
    pub drop_expiration: bool,
    /// A new reply-to, at most 255 bytes.
    pub reply_to: Option<&'a [u8]>,
}

/// Appends the properties with the change made; what it doesn't name stays as it is to the byte.
pub fn edit_properties(
    properties: &[u8],
    edit: &PropertiesEdit<'_>,
    out: &mut Vec<u8>,
) -> Result<(), PropertiesError> {
    Properties::parse(properties)?;
    let mut reader = Reader::new(properties);
    let flags = reader.u16().ok_or(PropertiesError::Truncated)?;
    let new_flags = edited_flags(flags, edit);
    out.extend_from_slice(&new_flags.to_be_bytes());
    for (flag, form) in FORMS {
        let before = reader.rest();
        if flags & flag != 0 {
            skip(&mut reader, form).ok_or(PropertiesError::Truncated)?;
        }
        if new_flags & flag == 0 {
            continue;
        }
        let length = before.len() - reader.rest().len();
        match (flag, edit.headers, edit.reply_to) {
            (HEADERS, Some(HeadersEdit::Replace(table)), _) => {
                out.extend_from_slice(&(table.len() as u32).to_be_bytes());
                out.extend_from_slice(table);
            }
            (REPLY_TO, _, Some(reply_to)) => {
                let reply_to = reply_to.get(..255).unwrap_or(reply_to);
                out.push(reply_to.len() as u8);
                out.extend_from_slice(reply_to);
            }
            _ => out.extend_from_slice(before.get(..length).unwrap_or_default()),
        }
    }
    Ok(())
}

const fn edited_flags(flags: u16, edit: &PropertiesEdit<'_>) -> u16 {
    let mut flags = flags;
    match edit.headers {
        Some(HeadersEdit::Replace(_)) => flags |= HEADERS,
        Some(HeadersEdit::Remove) => flags &= !HEADERS,
        None => {}
    }
    if edit.drop_expiration {
        flags &= !EXPIRATION;
    }
    if edit.reply_to.is_some() {
        flags |= REPLY_TO;
    }
    flags
}

fn skip(reader: &mut Reader<'_>, form: Form) -> Option<()> {
    match form {
        Form::Short => reader.short().map(|_| ()),
        Form::Table => reader.long().map(|_| ()),
        Form::Octet => reader.u8().map(|_| ()),
        Form::Timestamp => reader.u64().map(|_| ()),
    }
}
