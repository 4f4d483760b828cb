//! Field tables (spec section 4.2.5.5) as views over their bytes, with RabbitMQ's field types
//! (<https://www.rabbitmq.com/amqp-0-9-1-errata#section_3>).
//!
//! A [`Table`] or [`Array`] is only ever made of bytes that [`validate`] went through, so walking one cannot fail. Order,
//! duplicate keys and types are kept: a table that is rewritten with [`TableWriter`] differs only where it was meant to.

/// How deep tables and arrays may nest, the outermost counted. Whoever walks them recurses that deep at most (and
/// amq-protocol's parser overflows the stack at a few hundred); real tables nest three or four deep.
pub const TABLE_DEPTH_MAX: usize = 32;

/// Bytes of a value's tag and length before its content, if it has a length.
const LONG_HEAD: usize = 5;
/// A key is a short string (spec section 4.2.5.3).
const KEY_BYTES_MAX: usize = 255;

/// Bytes that are no field table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Something is longer than what holds it.
    #[error("a field is longer than its table")]
    Truncated,
    /// A field type that RabbitMQ does not know either.
    #[error("unknown field type {0}")]
    UnknownType(u8),
    /// Nested deeper than [`TABLE_DEPTH_MAX`].
    #[error("tables nested deeper than {TABLE_DEPTH_MAX}")]
    TooDeep,
    /// A key is not UTF-8: that passes in a message's headers, not in a method's arguments.
    #[error("a key is not UTF-8")]
    KeyNotUtf8,
}

/// Walks a table (its content, without the length before it) and all that is nested in it. Keys and strings may be any
/// bytes.
///
/// # Errors
/// [`TableError`]: what is wrong with the first field that is not as it should be.
pub fn validate(table: &[u8]) -> Result<(), TableError> {
    validate_table(table, TABLE_DEPTH_MAX)
}

fn validate_table(mut rest: &[u8], depth_left: usize) -> Result<(), TableError> {
    let depth_left = depth_left.checked_sub(1).ok_or(TableError::TooDeep)?;
    while !rest.is_empty() {
        let (_, value) = split_key(rest).ok_or(TableError::Truncated)?;
        rest = validate_value(value, depth_left)?;
    }
    Ok(())
}

fn validate_array(mut rest: &[u8], depth_left: usize) -> Result<(), TableError> {
    let depth_left = depth_left.checked_sub(1).ok_or(TableError::TooDeep)?;
    while !rest.is_empty() {
        rest = validate_value(rest, depth_left)?;
    }
    Ok(())
}

/// Returns what follows the value at the front.
fn validate_value(bytes: &[u8], depth_left: usize) -> Result<&[u8], TableError> {
    let (raw, rest) = split_value(bytes)?;
    match raw {
        [b'F', _, _, _, _, inner @ ..] => validate_table(inner, depth_left)?,
        [b'A', _, _, _, _, inner @ ..] => validate_array(inner, depth_left)?,
        _ => {}
    }
    Ok(rest)
}

#[inline]
fn split_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

/// Splits off the value at the front, tag included. Does not look into nested ones.
#[inline]
fn split_value(bytes: &[u8]) -> Result<(&[u8], &[u8]), TableError> {
    let tag = bytes.first().ok_or(TableError::Truncated)?;
    let length = match tag {
        b'S' | b'x' | b'A' | b'F' => long_length(bytes).ok_or(TableError::Truncated)?,
        b'V' => 1,
        b't' | b'b' | b'B' => 2,
        b's' | b'U' | b'u' => 3,
        b'I' | b'i' | b'f' => 5,
        b'D' => 6,
        b'l' | b'L' | b'd' | b'T' => 9,
        unknown => return Err(TableError::UnknownType(*unknown)),
    };
    bytes.split_at_checked(length).ok_or(TableError::Truncated)
}

#[inline]
fn long_length(bytes: &[u8]) -> Option<usize> {
    let [_, length @ ..] = bytes.first_chunk::<LONG_HEAD>()?;
    (u32::from_be_bytes(*length) as usize).checked_add(LONG_HEAD)
}

/// A validated table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table<'a>(&'a [u8]);

impl<'a> Table<'a> {
    /// A table from its content (without the length before it).
    ///
    /// # Errors
    /// As [`validate`].
    pub fn parse(content: &'a [u8]) -> Result<Self, TableError> {
        validate(content).map(|()| Self(content))
    }

    /// A table from content that [`validate`] went through before. With any other, walking it ends early.
    pub(super) const fn from_validated(content: &'a [u8]) -> Self {
        Self(content)
    }

    /// Its content, without the length before it.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether it has no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], FieldValue<'a>)> + use<'a> {
        self.iter_raw().filter_map(|(key, raw)| Some((key, FieldValue::from_raw(raw)?)))
    }

    /// Its entries in order, each value as its tag and bytes.
    #[must_use]
    pub const fn iter_raw(&self) -> RawEntries<'a> {
        RawEntries(self.0)
    }

    /// The value of the first entry with that key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<FieldValue<'a>> {
        let (_, raw) = self.iter_raw().find(|(name, _)| *name == key)?;
        FieldValue::from_raw(raw)
    }
}

/// Iterator of [`Table::iter_raw`].
#[derive(Clone, Debug)]
pub struct RawEntries<'a>(&'a [u8]);

impl<'a> Iterator for RawEntries<'a> {
    /// The key, and the value's tag and bytes.
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = split_key(self.0)?;
        let (raw, rest) = split_value(value).ok()?;
        self.0 = rest;
        Some((key, raw))
    }
}

/// A validated array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Array<'a>(&'a [u8]);

impl<'a> Array<'a> {
    /// Its content, without the length before it.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Its values in order.
    pub fn iter(&self) -> impl Iterator<Item = FieldValue<'a>> + use<'a> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (raw, after) = split_value(rest).ok()?;
            rest = after;
            FieldValue::from_raw(raw)
        })
    }
}

/// A value in a table or an array.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// `t`; any byte but 0 is true.
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`, and `U` when read
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`, and `L` when read
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: value / 10^scale
    Decimal {
        /// Decimal places.
        scale: u8,
        /// The digits.
        value: u32,
    },
    /// `S`; not necessarily UTF-8
    LongString(&'a [u8]),
    /// `A`
    Array(Array<'a>),
    /// `T`: seconds since 1970
    Timestamp(u64),
    /// `F`
    Table(Table<'a>),
    /// `x`
    Bytes(&'a [u8]),
    /// `V`
    Void,
}

impl<'a> FieldValue<'a> {
    /// RabbitMQ's name for the type.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Bytes(_) => "binary",
            Self::Void => "void",
        }
    }

    /// Reads a value from its tag and bytes, which are validated.
    fn from_raw(raw: &'a [u8]) -> Option<Self> {
        let (tag, bytes) = raw.split_first()?;
        Some(match tag {
            b't' => Self::Bool(bytes != [0]),
            b'b' => Self::I8(i8::from_be_bytes(fixed(bytes)?)),
            b'B' => Self::U8(u8::from_be_bytes(fixed(bytes)?)),
            b's' | b'U' => Self::I16(i16::from_be_bytes(fixed(bytes)?)),
            b'u' => Self::U16(u16::from_be_bytes(fixed(bytes)?)),
            b'I' => Self::I32(i32::from_be_bytes(fixed(bytes)?)),
            b'i' => Self::U32(u32::from_be_bytes(fixed(bytes)?)),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(fixed(bytes)?)),
            b'f' => Self::F32(f32::from_be_bytes(fixed(bytes)?)),
            b'd' => Self::F64(f64::from_be_bytes(fixed(bytes)?)),
            b'D' => Self::decimal(fixed(bytes)?),
            b'T' => Self::Timestamp(u64::from_be_bytes(fixed(bytes)?)),
            b'S' => Self::LongString(bytes.get(4..)?),
            b'x' => Self::Bytes(bytes.get(4..)?),
            b'A' => Self::Array(Array(bytes.get(4..)?)),
            b'F' => Self::Table(Table(bytes.get(4..)?)),
            b'V' => Self::Void,
            _ => return None,
        })
    }

    const fn decimal([scale, value @ ..]: [u8; 5]) -> Self {
        Self::Decimal { scale, value: u32::from_be_bytes(value) }
    }

    /// The number, of any integer type.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(value) => Some(value as i64),
            Self::U8(value) => Some(value as i64),
            Self::I16(value) => Some(value as i64),
            Self::U16(value) => Some(value as i64),
            Self::I32(value) => Some(value as i64),
            Self::U32(value) => Some(value as i64),
            Self::I64(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes of a long string or a byte array.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::LongString(bytes) | Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Appends the value's tag and bytes.
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Bool(value) => tagged(out, b't', &[u8::from(value)]),
            Self::I8(value) => tagged(out, b'b', &value.to_be_bytes()),
            Self::U8(value) => tagged(out, b'B', &value.to_be_bytes()),
            Self::I16(value) => tagged(out, b's', &value.to_be_bytes()),
            Self::U16(value) => tagged(out, b'u', &value.to_be_bytes()),
            Self::I32(value) => tagged(out, b'I', &value.to_be_bytes()),
            Self::U32(value) => tagged(out, b'i', &value.to_be_bytes()),
            Self::I64(value) => tagged(out, b'l', &value.to_be_bytes()),
            Self::F32(value) => tagged(out, b'f', &value.to_be_bytes()),
            Self::F64(value) => tagged(out, b'd', &value.to_be_bytes()),
            Self::Decimal { scale, value } => {
                tagged(out, b'D', &[scale]);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Timestamp(value) => tagged(out, b'T', &value.to_be_bytes()),
            Self::LongString(bytes) => long(out, b'S', bytes),
            Self::Bytes(bytes) => long(out, b'x', bytes),
            Self::Array(array) => long(out, b'A', array.0),
            Self::Table(table) => long(out, b'F', table.0),
            Self::Void => out.push(b'V'),
        }
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

fn long(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    nested(out, tag, |out| out.extend_from_slice(bytes));
}

/// Appends a tag, a length, and what `content` appends, which the length counts.
fn nested(out: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    tagged(out, tag, &[0; 4]);
    let start = out.len();
    content(out);
    let length = (out.len() - start) as u32;
    if let Some(place) = out.get_mut(start - 4..start) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes a table's content (without a length before it) to the end of a buffer.
#[derive(Debug)]
pub struct TableWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> TableWriter<'o> {
    /// A writer that appends to `out`.
    pub const fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Appends an entry. Of a key longer than 255 bytes only those are written: the wire cannot carry more.
    pub fn entry(&mut self, key: &[u8], value: FieldValue<'_>) {
        self.key(key);
        value.write(self.out);
    }

    /// Appends an entry whose value is `raw`: tag and bytes, as [`Table::iter_raw`] has them.
    pub fn entry_raw(&mut self, key: &[u8], raw: &[u8]) {
        self.key(key);
        self.out.extend_from_slice(raw);
    }

    /// Appends an entry whose value is a table of what `content` writes.
    pub fn table(&mut self, key: &[u8], content: impl FnOnce(&mut TableWriter<'_>)) {
        self.key(key);
        nested(self.out, b'F', |out| content(&mut TableWriter { out }));
    }

    /// Appends an entry whose value is an array of what `content` writes.
    pub fn array(&mut self, key: &[u8], content: impl FnOnce(&mut ArrayWriter<'_>)) {
        self.key(key);
        nested(self.out, b'A', |out| content(&mut ArrayWriter { out }));
    }

    fn key(&mut self, key: &[u8]) {
        let key = key.get(..KEY_BYTES_MAX).unwrap_or(key);
        self.out.push(key.len() as u8);
        self.out.extend_from_slice(key);
    }
}

/// Writes an array's content; from [`TableWriter::array`].
#[derive(Debug)]
pub struct ArrayWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl ArrayWriter<'_> {
    /// Appends a value.
    pub fn value(&mut self, value: FieldValue<'_>) {
        value.write(self.out);
    }

    /// Appends a table of what `content` writes.
    pub fn table(&mut self, content: impl FnOnce(&mut TableWriter<'_>)) {
        nested(self.out, b'F', |out| content(&mut TableWriter { out }));
    }
}
