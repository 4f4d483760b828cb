//! Unpacks the LZ4 block format (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md>), in which older blocks of tables are.
//!
//! A block is a list of sequences: a token, literals, and then a copy of bytes that were there before.

use crate::message::packed::Reader;

/// The shortest copy; lengths count from here.
const COPY_BYTES_MIN: usize = 4;

/// What was packed, if it has exactly this many bytes.
pub(super) fn unpack(packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut reader = Reader(packed);
    // LZ4 packs at most 255 to 1: a damaged length must not allocate more.
    let mut out = Vec::with_capacity(bytes.min(packed.len().saturating_mul(255)));
    while !reader.0.is_empty() {
        let token = reader.u8()?;
        let literals = length(&mut reader, token >> 4)?;
        out.extend_from_slice(reader.take(literals)?);
        if reader.0.is_empty() {
            break;
        }
        let offset = usize::from(reader.u16_le()?);
        let len = length(&mut reader, token & 15)? + COPY_BYTES_MIN;
        if out.len() + len > bytes {
            return None;
        }
        copy(&mut out, offset, len)?;
    }
    (out.len() == bytes).then_some(out)
}

fn length(reader: &mut Reader<'_>, nibble: u8) -> Option<usize> {
    let mut len = usize::from(nibble);
    if nibble == 15 {
        loop {
            let more = reader.u8()?;
            len += usize::from(more);
            if more != 255 {
                break;
            }
        }
    }
    Some(len)
}

/// The copy may overlap its own end: it repeats what it has just written.
fn copy(out: &mut Vec<u8>, offset: usize, len: usize) -> Option<()> {
    let start = out.len().checked_sub(offset).filter(|_| offset > 0)?;
    for at in start..start + len {
        out.push(*out.get(at)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::unpack;

    #[test]
    fn literals_and_overlapping_copies_are_unpacked() {
        assert_eq!(unpack(&[0x30, b'a', b'b', b'c'], 3).unwrap(), b"abc");
        // Two literals, a copy of 4 + 4 from 2 back, and a last literal.
        let packed = [0x24, b'a', b'b', 2, 0, 0x10, b'!'];
        assert_eq!(unpack(&packed, 11).unwrap(), b"ababababab!");
        let long = [&[0xf0, 5][..], &[7; 20]].concat();
        assert_eq!(unpack(&long, 20).unwrap(), [7; 20]);
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for packed in [&[0x30, b'a'][..], &[0x10, b'a', 2, 0], &[0x10, b'a', 0, 0, 0x00], &[0xf0]] {
            assert_eq!(unpack(packed, 5), None, "{packed:?}");
        }
        assert_eq!(unpack(&[0x30, b'a', b'b', b'c'], 4), None, "another length");
    }
}
