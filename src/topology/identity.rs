//! The identity of a binding as bytes, so that finding one among many is one look-up. Two bindings have the same bytes
//! exactly if their source, destination, key and arguments are the same, the types of values included.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::spec::{Binding, Destination};

/// The identity of a binding.
pub(super) fn identity(binding: &Binding) -> Box<[u8]> {
    let (kind, destination) = match &binding.destination {
        Destination::Queue(name) => (b'q', name),
        Destination::Exchange(name) => (b'e', name),
    };
    let mut out = vec![kind];
    for text in [&binding.source, destination, &binding.routing_key] {
        put_bytes(&mut out, text.as_bytes());
    }
    put_table(&mut out, &binding.arguments);
    out.into_boxed_slice()
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The keys of a table are sorted, so their order on the wire does not matter.
fn put_table(out: &mut Vec<u8>, table: &FieldTable) {
    out.extend_from_slice(&(table.inner().len() as u64).to_be_bytes());
    for (key, value) in table {
        put_bytes(out, key.as_str().as_bytes());
        put_value(out, value);
    }
}

/// Recursion is as deep as the value, whose depth was limited when it was decoded.
fn put_value(out: &mut Vec<u8>, value: &AMQPValue) {
    out.push(value.get_type().get_id() as u8);
    match value {
        AMQPValue::Boolean(value) => out.push(u8::from(*value)),
        AMQPValue::ShortShortInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::ShortShortUInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::ShortInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::ShortUInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::LongInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::LongUInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::LongLongInt(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::Float(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::Double(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::Timestamp(value) => out.extend_from_slice(&value.to_be_bytes()),
        AMQPValue::DecimalValue(value) => {
            out.push(value.scale);
            out.extend_from_slice(&value.value.to_be_bytes());
        }
        AMQPValue::ShortString(value) => put_bytes(out, value.as_str().as_bytes()),
        AMQPValue::LongString(value) => put_bytes(out, value.as_bytes()),
        AMQPValue::ByteArray(value) => put_bytes(out, value.as_slice()),
        AMQPValue::FieldArray(items) => {
            out.extend_from_slice(&(items.as_slice().len() as u64).to_be_bytes());
            items.as_slice().iter().for_each(|item| put_value(out, item));
        }
        AMQPValue::FieldTable(fields) => put_table(out, fields),
        AMQPValue::Void => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding(key: &str, arguments: &[(&str, AMQPValue)]) -> Binding {
        let mut table = FieldTable::default();
        for (key, value) in arguments {
            table.insert((*key).into(), value.clone());
        }
        Binding {
            source: "s".to_owned(),
            destination: Destination::Queue("d".to_owned()),
            routing_key: key.to_owned(),
            arguments: table,
        }
    }

    #[test]
    fn every_part_counts_and_so_do_types() {
        let one = binding("k", &[("a", AMQPValue::LongInt(1))]);
        let to_exchange = Binding { destination: Destination::Exchange("d".to_owned()), ..one.clone() };
        let others = [
            to_exchange,
            Binding { source: "t".to_owned(), ..one.clone() },
            binding("l", &[("a", AMQPValue::LongInt(1))]),
            binding("k", &[("a", AMQPValue::LongLongInt(1))]),
            binding("k", &[("a", AMQPValue::LongInt(2))]),
            binding("k", &[("b", AMQPValue::LongInt(1))]),
            binding("k", &[]),
        ];
        assert_eq!(identity(&one), identity(&one.clone()));
        for other in others {
            assert_ne!(identity(&one), identity(&other));
        }
    }
}
