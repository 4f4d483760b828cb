//! The AMQP 0-9-1 wire format, as far as a suite needs it: field values, arguments, content properties.
//!
//! It writes whatever it is told, right or wrong, and refuses what it cannot read.

use crate::check::{Check, fail};

/// A field value with its exact wire type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`
    Bool(bool),
    /// `b`
    I8(i8),
    /// `B`
    U8(u8),
    /// `s`
    I16(i16),
    /// `u`
    U16(u16),
    /// `I`
    I32(i32),
    /// `i`
    U32(u32),
    /// `l`
    I64(i64),
    /// `f`
    F32(f32),
    /// `d`
    F64(f64),
    /// `D`: scale and value.
    Decimal(u8, u32),
    /// `S`
    Str(Vec<u8>),
    /// `A`
    Array(Vec<Value>),
    /// `T`: seconds since 1970.
    Time(u64),
    /// `F`
    Table(Table),
    /// `x`
    Bytes(Vec<u8>),
    /// `V`
    Void,
}

/// A field table, in wire order.
pub type Table = Vec<(String, Value)>;

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into_bytes())
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::I32(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl Value {
    /// The number in any integer type.
    pub fn number(&self) -> Option<i64> {
        match self {
            Self::I8(n) => Some((*n).into()),
            Self::U8(n) => Some((*n).into()),
            Self::I16(n) => Some((*n).into()),
            Self::U16(n) => Some((*n).into()),
            Self::I32(n) => Some((*n).into()),
            Self::U32(n) => Some((*n).into()),
            Self::I64(n) => Some(*n),
            _ => None,
        }
    }

    /// The text of a long string.
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Str(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The entries of a table.
    pub fn table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }
}

/// A table from pairs.
pub fn table<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An array of long strings.
pub fn strings(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|&text| text.into()).collect())
}

/// The value of a key.
pub fn lookup<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    table.iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Writes arguments.
#[derive(Clone, Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// The bytes written.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    /// An octet.
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// A short.
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A long.
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A long-long.
    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A short string; the length octet is cut, not checked.
    pub fn short(mut self, text: &str) -> Self {
        self.0.push(text.len() as u8);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A long string.
    pub fn long(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Bytes as they are.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A table.
    pub fn table(self, table: &Table) -> Self {
        let inner = table.iter().fold(Self::default(), |out, (key, value)| out.short(key).value(value));
        self.long(&inner.0)
    }

    fn value(self, value: &Value) -> Self {
        match value {
            Value::Bool(v) => self.u8(b't').u8((*v).into()),
            Value::I8(v) => self.u8(b'b').bytes(&v.to_be_bytes()),
            Value::U8(v) => self.u8(b'B').u8(*v),
            Value::I16(v) => self.u8(b's').bytes(&v.to_be_bytes()),
            Value::U16(v) => self.u8(b'u').u16(*v),
            Value::I32(v) => self.u8(b'I').bytes(&v.to_be_bytes()),
            Value::U32(v) => self.u8(b'i').u32(*v),
            Value::I64(v) => self.u8(b'l').bytes(&v.to_be_bytes()),
            Value::F32(v) => self.u8(b'f').bytes(&v.to_be_bytes()),
            Value::F64(v) => self.u8(b'd').bytes(&v.to_be_bytes()),
            Value::Decimal(scale, v) => self.u8(b'D').u8(*scale).u32(*v),
            Value::Str(v) => self.u8(b'S').long(v),
            Value::Array(v) => {
                let inner = v.iter().fold(Self::default(), Self::value);
                self.u8(b'A').long(&inner.0)
            }
            Value::Time(v) => self.u8(b'T').u64(*v),
            Value::Table(v) => self.u8(b'F').table(v),
            Value::Bytes(v) => self.u8(b'x').long(v),
            Value::Void => self.u8(b'V'),
        }
    }
}

/// Reads arguments.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Bytes, `count` of them.
    pub fn take(&mut self, count: usize) -> Check<&'a [u8]> {
        match self.0.split_at_checked(count) {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => fail(format!("the broker sent truncated data: {count} bytes wanted of {}", self.0.len())),
        }
    }

    fn number(&mut self, count: usize) -> Check<u64> {
        Ok(self.take(count)?.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }

    /// An octet.
    pub fn u8(&mut self) -> Check<u8> {
        Ok(self.number(1)? as u8)
    }

    /// A short.
    pub fn u16(&mut self) -> Check<u16> {
        Ok(self.number(2)? as u16)
    }

    /// A long.
    pub fn u32(&mut self) -> Check<u32> {
        Ok(self.number(4)? as u32)
    }

    /// A long-long.
    pub fn u64(&mut self) -> Check<u64> {
        self.number(8)
    }

    /// A short string.
    pub fn short(&mut self) -> Check<String> {
        let length = self.u8()?;
        Ok(String::from_utf8_lossy(self.take(length.into())?).into_owned())
    }

    /// A long string.
    pub fn long(&mut self) -> Check<&'a [u8]> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    /// A table.
    pub fn table(&mut self) -> Check<Table> {
        let mut inner = Reader(self.long()?);
        let mut table = Table::new();
        while !inner.0.is_empty() {
            table.push((inner.short()?, inner.value()?));
        }
        Ok(table)
    }

    fn value(&mut self) -> Check<Value> {
        Ok(match self.u8()? {
            b't' => Value::Bool(self.u8()? != 0),
            b'b' => Value::I8(self.u8()? as i8),
            b'B' => Value::U8(self.u8()?),
            b's' => Value::I16(self.u16()? as i16),
            b'u' => Value::U16(self.u16()?),
            b'I' => Value::I32(self.u32()? as i32),
            b'i' => Value::U32(self.u32()?),
            b'l' => Value::I64(self.u64()? as i64),
            b'f' => Value::F32(f32::from_bits(self.u32()?)),
            b'd' => Value::F64(f64::from_bits(self.u64()?)),
            b'D' => Value::Decimal(self.u8()?, self.u32()?),
            b'S' => Value::Str(self.long()?.to_vec()),
            b'A' => Value::Array(self.array()?),
            b'T' => Value::Time(self.u64()?),
            b'F' => Value::Table(self.table()?),
            b'x' => Value::Bytes(self.long()?.to_vec()),
            b'V' => Value::Void,
            other => return fail(format!("the broker sent a field of unknown type {:?}", other as char)),
        })
    }

    fn array(&mut self) -> Check<Vec<Value>> {
        let mut inner = Reader(self.long()?);
        let mut values = Vec::new();
        while !inner.0.is_empty() {
            values.push(inner.value()?);
        }
        Ok(values)
    }
}

/// The properties of a message.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub struct Props {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub headers: Option<Table>,
    pub delivery_mode: Option<u8>,
    pub priority: Option<u8>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    pub expiration: Option<String>,
    pub message_id: Option<String>,
    pub timestamp: Option<u64>,
    pub kind: Option<String>,
    pub user_id: Option<String>,
    pub app_id: Option<String>,
    pub cluster_id: Option<String>,
}

impl Props {
    /// With these headers only.
    pub fn headers<const N: usize>(entries: [(&str, Value); N]) -> Self {
        Self { headers: Some(table(entries)), ..Self::default() }
    }

    /// With this expiration only.
    pub fn expiring(expiration: &str) -> Self {
        Self { expiration: Some(expiration.into()), ..Self::default() }
    }

    /// A header.
    pub fn header(&self, key: &str) -> Option<&Value> {
        self.headers.as_ref().and_then(|headers| lookup(headers, key))
    }

    /// The flags and the values.
    pub fn encode(&self) -> Vec<u8> {
        let mut flags = 0;
        let mut out = Writer::default();
        let shorts = |out: Writer, flags: &mut u16, bit: u32, value: &Option<String>| match value {
            Some(text) => {
                *flags |= 1 << bit;
                out.short(text)
            }
            None => out,
        };
        out = shorts(out, &mut flags, 15, &self.content_type);
        out = shorts(out, &mut flags, 14, &self.content_encoding);
        if let Some(headers) = &self.headers {
            flags |= 1 << 13;
            out = out.table(headers);
        }
        for (bit, octet) in [(12, self.delivery_mode), (11, self.priority)] {
            if let Some(octet) = octet {
                flags |= 1 << bit;
                out = out.u8(octet);
            }
        }
        out = shorts(out, &mut flags, 10, &self.correlation_id);
        out = shorts(out, &mut flags, 9, &self.reply_to);
        out = shorts(out, &mut flags, 8, &self.expiration);
        out = shorts(out, &mut flags, 7, &self.message_id);
        if let Some(timestamp) = self.timestamp {
            flags |= 1 << 6;
            out = out.u64(timestamp);
        }
        let last = [(5, &self.kind), (4, &self.user_id), (3, &self.app_id), (2, &self.cluster_id)];
        out = last.into_iter().fold(out, |out, (bit, value)| shorts(out, &mut flags, bit, value));
        Writer::default().u16(flags).bytes(&out.done()).done()
    }

    /// Reads flags and values.
    pub fn decode(input: &mut Reader<'_>) -> Check<Self> {
        let flags = input.u16()?;
        let has = |bit: u32| flags & (1 << bit) != 0;
        let short = |input: &mut Reader<'_>, bit| if has(bit) { input.short().map(Some) } else { Ok(None) };
        Ok(Self {
            content_type: short(input, 15)?,
            content_encoding: short(input, 14)?,
            headers: if has(13) { Some(input.table()?) } else { None },
            delivery_mode: if has(12) { Some(input.u8()?) } else { None },
            priority: if has(11) { Some(input.u8()?) } else { None },
            correlation_id: short(input, 10)?,
            reply_to: short(input, 9)?,
            expiration: short(input, 8)?,
            message_id: short(input, 7)?,
            timestamp: if has(6) { Some(input.u64()?) } else { None },
            kind: short(input, 5)?,
            user_id: short(input, 4)?,
            app_id: short(input, 3)?,
            cluster_id: short(input, 2)?,
        })
    }
}
