//! Field tables (spec section 4.2.5.5, with RabbitMQ's type letters) as views over their bytes.
//!
//! Nothing is copied and nothing changes: keys keep their order and their duplicates, values their types.

use super::reader::Reader;

/// Tables and arrays may nest this deep. Real headers nest three or four deep (x-death); a parser that recurses needs some
/// limit, for 15 KiB of nested tables overflow a thread's stack.
pub const TABLE_DEPTH_MAX: u32 = 32;

/// Bytes that are no table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A length leads beyond the end.
    #[error("malformed table: it ends within a field")]
    Truncated,
    /// A type letter that is none.
    #[error("malformed table: unknown field type {0}")]
    UnknownType(u8),
    /// Nested deeper than [`TABLE_DEPTH_MAX`].
    #[error("malformed table: nested deeper than {TABLE_DEPTH_MAX}")]
    TooDeep,
}

/// Checks a table's content (without its length): every field in it, and how deep it nests.
pub fn validate(content: &[u8]) -> Result<(), TableError> {
    check(content, true, TABLE_DEPTH_MAX)
}

/// Recurses at most `depth` deep.
fn check(content: &[u8], keyed: bool, depth: u32) -> Result<(), TableError> {
    let mut reader = Reader::new(content);
    while !reader.is_empty() {
        if keyed {
            reader.short().ok_or(TableError::Truncated)?;
        }
        let tag = reader.u8().ok_or(TableError::Truncated)?;
        let value = value_bytes(&mut reader, tag)?;
        if matches!(tag, b'F' | b'A') {
            let depth = depth.checked_sub(1).ok_or(TableError::TooDeep)?;
            check(value, tag == b'F', depth)?;
        }
    }
    Ok(())
}

/// Takes a value's bytes, without the length of those that have one.
fn value_bytes<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<&'a [u8], TableError> {
    let size = match tag {
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'l' | b'L' | b'd' | b'T' => 8,
        b'D' => 5,
        b'V' => 0,
        b'S' | b'x' | b'A' | b'F' => return reader.long().ok_or(TableError::Truncated),
        other => return Err(TableError::UnknownType(other)),
    };
    reader.bytes(size).ok_or(TableError::Truncated)
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the types'")]
pub enum FieldValue<'a> {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    F32(f32),
    F64(f64),
    Decimal { scale: u8, value: u32 },
    LongString(&'a [u8]),
    Array(Array<'a>),
    Timestamp(u64),
    Table(Table<'a>),
    Bytes(&'a [u8]),
    Void,
}

impl FieldValue<'_> {
    /// The value of any integer type.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(n) => Some(n as i64),
            Self::U8(n) => Some(n as i64),
            Self::I16(n) => Some(n as i64),
            Self::U16(n) => Some(n as i64),
            Self::I32(n) => Some(n as i64),
            Self::U32(n) => Some(n as i64),
            Self::I64(n) => Some(n),
            _ => None,
        }
    }
}

/// A table that was [checked](validate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table<'a>(&'a [u8]);

impl<'a> Table<'a> {
    /// Checks a table's content (without its length).
    pub fn parse(content: &'a [u8]) -> Result<Self, TableError> {
        validate(content).map(|()| Self(content))
    }

    /// The content that was given.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Keys and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], FieldValue<'a>)> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Some((reader.short()?, next_value(&mut reader)?)))
    }

    /// Keys and encoded values (type letter and all), in order.
    pub fn iter_raw(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || {
            let key = reader.short()?;
            let before = reader.rest();
            next_value(&mut reader)?;
            let length = before.len() - reader.rest().len();
            Some((key, before.get(..length)?))
        })
    }

    /// The first value under a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<FieldValue<'a>> {
        self.iter().find(|(other, _)| *other == key).map(|(_, value)| value)
    }
}

/// An array within a table that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array<'a>(&'a [u8]);

impl<'a> Array<'a> {
    /// Its content, without its length.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Its values, in order.
    pub fn iter(&self) -> impl Iterator<Item = FieldValue<'a>> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || next_value(&mut reader))
    }
}

fn next_value<'a>(reader: &mut Reader<'a>) -> Option<FieldValue<'a>> {
    let tag = reader.u8()?;
    let bytes = value_bytes(reader, tag).ok()?;
    let mut value = Reader::new(bytes);
    Some(match tag {
        b't' => FieldValue::Bool(value.u8()? != 0),
        b'b' => FieldValue::I8(value.u8()?.cast_signed()),
        b'B' => FieldValue::U8(value.u8()?),
        b's' | b'U' => FieldValue::I16(value.u16()?.cast_signed()),
        b'u' => FieldValue::U16(value.u16()?),
        b'I' => FieldValue::I32(value.u32()?.cast_signed()),
        b'i' => FieldValue::U32(value.u32()?),
        b'l' | b'L' => FieldValue::I64(value.u64()?.cast_signed()),
        b'f' => FieldValue::F32(f32::from_bits(value.u32()?)),
        b'd' => FieldValue::F64(f64::from_bits(value.u64()?)),
        b'D' => FieldValue::Decimal { scale: value.u8()?, value: value.u32()? },
        b'S' => FieldValue::LongString(bytes),
        b'A' => FieldValue::Array(Array(bytes)),
        b'T' => FieldValue::Timestamp(value.u64()?),
        b'F' => FieldValue::Table(Table(bytes)),
        b'x' => FieldValue::Bytes(bytes),
        _ => FieldValue::Void,
    })
}

/// Writes a table's content to the end of a buffer.
#[derive(Debug)]
pub struct TableWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> TableWriter<'o> {
    /// Writes to the end of `out`.
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends an entry.
    pub fn entry(&mut self, key: &[u8], value: FieldValue<'_>) {
        self.key(key);
        write_value(self.out, value);
    }

    /// Appends an entry whose value is encoded already, type letter and all.
    pub fn entry_raw(&mut self, key: &[u8], value: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(value);
    }

    /// Keys are short strings: what is beyond 255 bytes is cut.
    fn key(&mut self, key: &[u8]) {
        let key = key.get(..255).unwrap_or(key);
        self.out.push(key.len() as u8);
        self.out.extend_from_slice(key);
    }
}

fn write_value(out: &mut Vec<u8>, value: FieldValue<'_>) {
    let mut put = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
    };
    match value {
        FieldValue::Bool(value) => put(b't', &[u8::from(value)]),
        FieldValue::I8(n) => put(b'b', &n.to_be_bytes()),
        FieldValue::U8(n) => put(b'B', &[n]),
        FieldValue::I16(n) => put(b's', &n.to_be_bytes()),
        FieldValue::U16(n) => put(b'u', &n.to_be_bytes()),
        FieldValue::I32(n) => put(b'I', &n.to_be_bytes()),
        FieldValue::U32(n) => put(b'i', &n.to_be_bytes()),
        FieldValue::I64(n) => put(b'l', &n.to_be_bytes()),
        FieldValue::F32(n) => put(b'f', &n.to_be_bytes()),
        FieldValue::F64(n) => put(b'd', &n.to_be_bytes()),
        FieldValue::Decimal { scale, value } => {
            put(b'D', &[scale]);
            out.extend_from_slice(&value.to_be_bytes());
        }
        FieldValue::Timestamp(n) => put(b'T', &n.to_be_bytes()),
        FieldValue::Void => put(b'V', &[]),
        FieldValue::LongString(bytes) => put_long(out, b'S', bytes),
        FieldValue::Bytes(bytes) => put_long(out, b'x', bytes),
        FieldValue::Array(array) => put_long(out, b'A', array.0),
        FieldValue::Table(table) => put_long(out, b'F', table.0),
    }
}

fn put_long(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}
