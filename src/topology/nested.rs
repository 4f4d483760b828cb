//! Compares an array or table of a message's headers, as it came off the wire, with the value a binding asks for,
//! without decoding it. Inside arrays and tables types have to be the same too; the order of a table's keys does not
//! matter. Malformed bytes equal nothing.

use amq_protocol::types::{AMQPValue, FieldArray, FieldTable};

use super::equivalence::{bytes, float, whole};

/// Whether the encoded value (`raw` begins after the type tag) equals `expected`. Recursion is as deep as `expected`,
/// whose depth was limited when it was decoded.
pub(super) fn equals(expected: &AMQPValue, tag: u8, mut raw: &[u8]) -> bool {
    take_equal(expected, tag, &mut raw).is_some() && raw.is_empty()
}

/// Takes one value off `raw` if it equals `expected`.
fn take_equal(expected: &AMQPValue, tag: u8, raw: &mut &[u8]) -> Option<()> {
    if canonical_tag(tag) != expected.get_type().get_id() as u8 {
        return None;
    }
    let equal = match expected {
        AMQPValue::FieldArray(items) => take_array(items, raw)?,
        AMQPValue::FieldTable(fields) => take_table(fields, raw)?,
        AMQPValue::Boolean(value) => (take_number(raw, 1)? != 0) == *value,
        AMQPValue::Void => true,
        AMQPValue::Float(value) => take_number(raw, 4)? == u64::from(value.to_bits()),
        AMQPValue::Double(value) => take_number(raw, 8)? == value.to_bits(),
        AMQPValue::DecimalValue(value) => {
            take_number(raw, 1)? == u64::from(value.scale) && take_number(raw, 4)? == u64::from(value.value)
        }
        _ => take_plain(expected, tag, raw)?,
    };
    equal.then_some(())
}

/// Two tags have two spellings on the wire.
const fn canonical_tag(tag: u8) -> u8 {
    match tag {
        b'U' => b's',
        b'L' => b'l',
        other => other,
    }
}

/// Strings and integers.
fn take_plain(expected: &AMQPValue, tag: u8, raw: &mut &[u8]) -> Option<bool> {
    debug_assert!(float(expected).is_none(), "floats are compared by their bits");
    if let Some(expected) = bytes(expected) {
        return Some(take_block(raw)? == expected);
    }
    let width = match tag {
        b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' => 4,
        _ => 8,
    };
    let expected = whole(expected)?;
    // Both are of the same type, so the low bits decide.
    let mask = u64::MAX >> (64 - 8 * width);
    Some(take_number(raw, width)? == (expected as u64) & mask)
}

fn take_array(items: &FieldArray, raw: &mut &[u8]) -> Option<bool> {
    let mut block = take_block(raw)?;
    for item in items.as_slice() {
        let tag = take_number(&mut block, 1)? as u8;
        take_equal(item, tag, &mut block)?;
    }
    Some(block.is_empty())
}

/// Keys given twice make a table unequal.
fn take_table(fields: &FieldTable, raw: &mut &[u8]) -> Option<bool> {
    let mut block = take_block(raw)?;
    let mut seen = Vec::new();
    while !block.is_empty() {
        let length = take_number(&mut block, 1)? as usize;
        let key = std::str::from_utf8(take(&mut block, length)?).ok()?;
        let tag = take_number(&mut block, 1)? as u8;
        take_equal(fields.inner().get(key)?, tag, &mut block)?;
        seen.push(key);
    }
    seen.sort_unstable();
    seen.dedup();
    Some(seen.len() == fields.inner().len())
}

/// A block of bytes behind its length.
fn take_block<'a>(raw: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = take_number(raw, 4)?;
    take(raw, usize::try_from(length).ok()?)
}

fn take<'a>(raw: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = raw.split_at_checked(length)?;
    *raw = rest;
    Some(taken)
}

/// A big-endian number of up to 8 bytes.
fn take_number(raw: &mut &[u8], width: usize) -> Option<u64> {
    Some(take(raw, width)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::DecimalValue;

    use super::*;

    fn table(fields: &[(&str, AMQPValue)]) -> AMQPValue {
        let mut table = FieldTable::default();
        for (key, value) in fields {
            table.insert((*key).into(), value.clone());
        }
        table.into()
    }

    fn block(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn tables_equal_whatever_the_order_of_keys() {
        let expected = table(&[("p", AMQPValue::LongInt(-1)), ("q", AMQPValue::Boolean(true))]);
        assert!(equals(&expected, b'F', &block(b"\x01pI\xff\xff\xff\xff\x01qt\x01")));
        assert!(equals(&expected, b'F', &block(b"\x01qt\x01\x01pI\xff\xff\xff\xff")));
        assert!(!equals(&expected, b'F', &block(b"\x01qt\x00\x01pI\xff\xff\xff\xff")));
        assert!(!equals(&expected, b'F', &block(b"\x01qt\x01")), "a key is missing");
        assert!(!equals(&expected, b'F', &block(b"\x01qt\x01\x01pI\xff\xff\xff\xff\x01zV")), "one too many");
        assert!(!equals(&expected, b'F', &block(b"\x01qt\x01\x01pi\xff\xff\xff\xff")), "another type");
        assert!(!equals(&expected, b'F', &block(b"\x01qt\x01\x01p")), "cut short");
        assert!(!equals(&expected, b'A', &block(b"")));
    }

    #[test]
    fn every_type_is_compared() {
        let cases: [(AMQPValue, &[u8]); 15] = [
            (AMQPValue::ShortShortInt(-2), b"b\xfe"),
            (AMQPValue::ShortShortUInt(254), b"B\xfe"),
            (AMQPValue::ShortInt(-2), b"s\xff\xfe"),
            (AMQPValue::ShortInt(-2), b"U\xff\xfe"),
            (AMQPValue::ShortUInt(65534), b"u\xff\xfe"),
            (AMQPValue::LongUInt(7), b"i\0\0\0\x07"),
            (AMQPValue::LongLongInt(-1), b"l\xff\xff\xff\xff\xff\xff\xff\xff"),
            (AMQPValue::LongLongInt(-1), b"L\xff\xff\xff\xff\xff\xff\xff\xff"),
            (AMQPValue::Timestamp(u64::MAX), b"T\xff\xff\xff\xff\xff\xff\xff\xff"),
            (AMQPValue::Float(1.0), b"f\x3f\x80\0\0"),
            (AMQPValue::Double(1.0), b"d\x3f\xf0\0\0\0\0\0\0"),
            (AMQPValue::DecimalValue(DecimalValue { scale: 1, value: 10 }), b"D\x01\0\0\0\x0a"),
            (AMQPValue::LongString(b"ab"[..].into()), b"S\0\0\0\x02ab"),
            (AMQPValue::ByteArray(b"ab"[..].into()), b"x\0\0\0\x02ab"),
            (AMQPValue::Void, b"V"),
        ];
        for (value, encoded) in cases {
            let array = FieldArray::from(vec![value.clone()]).into();
            assert!(equals(&array, b'A', &block(encoded)), "{value:?}");
            let mut other = encoded.to_vec();
            *other.last_mut().unwrap() ^= 1;
            assert!(!equals(&array, b'A', &block(&other)), "{value:?}");
            assert!(!equals(&array, b'A', &block(&[encoded, b"V"].concat())), "{value:?}");
        }
    }
}
