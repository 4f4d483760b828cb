//! Frames and writes as bytes.

use super::*;
use crate::store::Write;
use proptest::prelude::*;

fn frame() -> impl Strategy<Value = (bool, u64, u64, u16, u16, u64, Vec<u8>)> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    (any::<bool>(), any::<u64>(), any::<u64>(), 0_u16..100, 1_u16..100, any::<u64>(), bytes).prop_map(
        |(fence, term, number, part, more, before, payload)| {
            (fence, term, number, part, part + more, before, payload)
        },
    )
}

fn write() -> impl Strategy<Value = Write> {
    let space = prop_oneof![Just(Space::Messages), Just(Space::Definitions), Just(Space::Streams)];
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    (space, 0..3, bytes(), bytes()).prop_map(|(space, op, key, value)| match op {
        0 => Write::Put { space, key, value },
        1 => Write::Remove { space, key },
        _ => Write::RemoveWeak { space, key },
    })
}

fn batch_of(writes: Vec<Write>) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for write in writes {
        match write {
            Write::Put { space, key, value } => batch.put(space, key, value),
            Write::Remove { space, key } => batch.remove(space, key),
            Write::RemoveWeak { space, key } => batch.remove_weak(space, key),
        }
    }
    batch
}

proptest! {
    #[test]
    fn a_frame_is_read_as_it_was_written((fence, term, number, part, parts, before, payload) in frame()) {
        let kind = if fence { Kind::Fence } else { Kind::Batch };
        let frame = Frame { kind, term, number, part, parts, before, payload: &payload };
        let (bytes, hash) = frame.encode();
        prop_assert_eq!(Frame::decode(&bytes), Ok((frame, hash)));
    }

    #[test]
    fn writes_are_read_as_they_were_written(writes in prop::collection::vec(write(), 0..20)) {
        let batch = batch_of(writes);
        let bytes = encode_writes(&batch);
        let decoded = decode_writes(&bytes).unwrap();
        prop_assert_eq!(format!("{decoded:?}"), format!("{batch:?}"));
        for len in 0..bytes.len() {
            // A shorter piece may be fewer writes, never others.
            if let Ok(decoded) = decode_writes(&bytes[..len]) {
                prop_assert_eq!(&encode_writes(&decoded), &bytes[..len]);
            }
        }
    }

    #[test]
    fn any_bytes_are_a_batch_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_writes(&bytes);
        prop_assert!(Frame::decode(&bytes).is_err());
    }
}

#[test]
fn any_other_bit_and_any_missing_byte_is_noticed() {
    let payload = encode_writes(&batch(1, b"value"));
    let frame =
        Frame { kind: Kind::Batch, term: 3, number: 9, part: 0, parts: 2, before: 5, payload: &payload };
    let (bytes, _) = frame.encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Frame::decode(&flipped).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(Frame::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_later_version_is_named() {
    let (mut bytes, _) =
        Frame { kind: Kind::Fence, term: 1, number: 0, part: 0, parts: 1, before: 0, payload: b"a" }.encode();
    bytes[4] = 2;
    let hash = xxhash_rust::xxh3::xxh3_64(&[&bytes[..34], &bytes[42..]].concat());
    bytes[34..42].copy_from_slice(&hash.to_le_bytes());
    assert_eq!(Frame::decode(&bytes), Err(BadFrame::Version(2)));
}
