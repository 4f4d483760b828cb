//! What clients send most, by its bytes: acks, and publishes that are as the one before on the same channel, with the same names and
//! properties.

use super::frame::{FRAME_END, FrameKind};

/// Class basic, method publish, and the reserved short before the names (spec section 1.8.3.7).
const PUBLISH: [u8; 6] = [0, 60, 0, 40, 0, 0];
/// Class basic and a weight of 0 (spec section 4.2.6.1).
const BASIC_CONTENT: [u8; 4] = [0, 60, 0, 0];

/// A frame with basic.ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The channel.
    pub channel: u16,
    /// The delivery.
    pub delivery_tag: u64,
    /// Whether all up to it are meant.
    pub multiple: bool,
}

impl Ack {
    /// Bytes of the frame.
    pub const BYTES: usize = 21;

    /// The one at the front of the input; `None` if that is something else, not all there, or not in order.
    #[must_use]
    #[inline]
    pub fn next(input: &[u8]) -> Option<Self> {
        let [1, c1, c0, 0, 0, 0, 13, 0, 60, 0, 80, t7, t6, t5, t4, t3, t2, t1, t0, bits, FRAME_END] =
            *input.first_chunk::<{ Self::BYTES }>()?
        else {
            return None;
        };
        let delivery_tag = u64::from_be_bytes([t7, t6, t5, t4, t3, t2, t1, t0]);
        Some(Self { channel: u16::from_be_bytes([c1, c0]), delivery_tag, multiple: bits & 1 != 0 })
    }
}

/// The frames of a publish whose body is in one frame, but for that body and its length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatedPublish {
    /// The method frame, and the header frame up to the body's length.
    before_size: Vec<u8>,
    /// The rest of the header frame, and the body frame up to its length.
    after_size: Vec<u8>,
}

impl RepeatedPublish {
    /// As clients write it: a publish that says the same in other bytes (a ticket, unused bits) is not recognised. `None` if a name is
    /// longer than 255 bytes.
    #[must_use]
    pub fn new(
        channel: u16,
        exchange: &[u8],
        routing_key: &[u8],
        mandatory: bool,
        properties: &[u8],
    ) -> Option<Self> {
        let (exchange_length, key_length) =
            (u8::try_from(exchange.len()).ok()?, u8::try_from(routing_key.len()).ok()?);
        let arguments =
            [&PUBLISH[..], &[exchange_length], exchange, &[key_length], routing_key, &[u8::from(mandatory)]]
                .concat();
        let content_bytes = BASIC_CONTENT.len() + size_of::<u64>() + properties.len();
        let before_size = [
            &head(FrameKind::Method, channel)[..],
            &u32::try_from(arguments.len()).ok()?.to_be_bytes(),
            &arguments,
            &[FRAME_END],
            &head(FrameKind::Header, channel),
            &u32::try_from(content_bytes).ok()?.to_be_bytes(),
            &BASIC_CONTENT,
        ];
        let after_size = [properties, &[FRAME_END], &head(FrameKind::Body, channel)];
        Some(Self { before_size: before_size.concat(), after_size: after_size.concat() })
    }

    /// The body of the next publish, and how many bytes all of it takes; `None` if what is at the front of the input is another, not all
    /// there, not in order, or has no body of 1 to `body_bytes_max` bytes in one frame.
    #[must_use]
    #[inline]
    pub fn next<'a>(&self, input: &'a [u8], body_bytes_max: u32) -> Option<(&'a [u8], usize)> {
        let rest = input.strip_prefix(&self.before_size[..])?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let rest = rest.strip_prefix(&self.after_size[..])?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        if u64::from_be_bytes(*size) != u64::from(length) || length == 0 || length > body_bytes_max {
            return None;
        }
        let (body, [FRAME_END, rest @ ..]) = rest.split_at_checked(length as usize)? else { return None };
        Some((body, input.len() - rest.len()))
    }
}

/// Type and channel of a frame.
const fn head(kind: FrameKind, channel: u16) -> [u8; 3] {
    let [high, low] = channel.to_be_bytes();
    [kind as u8, high, low]
}

#[cfg(test)]
mod tests {
    use super::super::{Output, encode};
    use super::*;

    fn repeated() -> RepeatedPublish {
        RepeatedPublish::new(7, b"e", b"key", true, &[0x10, 0, 2]).unwrap()
    }

    /// Written out by hand, from the specification.
    fn publish(body: &[u8]) -> Vec<u8> {
        let length = body.len() as u8;
        [
            &[1, 0, 7, 0, 0, 0, 13, 0, 60, 0, 40, 0, 0, 1, b'e', 3][..],
            b"key",
            &[1, 0xCE],
            &[2, 0, 7, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, length, 0x10, 0, 2, 0xCE],
            &[3, 0, 7, 0, 0, 0, length],
            body,
            &[0xCE],
        ]
        .concat()
    }

    #[test]
    fn bodies_of_any_length_follow() {
        let input = [publish(b"one"), publish(b"second")].concat();
        let (body, used) = repeated().next(&input, 6).unwrap();
        assert_eq!((body, used), (&b"one"[..], publish(b"one").len()));
        assert_eq!(repeated().next(&input[used..], 6), Some((&b"second"[..], input.len() - used)));
        assert_eq!(repeated().next(&input[used..], 5), None);
    }

    #[test]
    fn an_ack_is_known_by_all_of_its_bytes() {
        let mut out = Output::default();
        encode::ack(&mut out, 7, 0x0102_0304_0506_0708, true);
        let bytes = out.take();
        let ack = Ack { channel: 7, delivery_tag: 0x0102_0304_0506_0708, multiple: true };
        assert_eq!((Ack::next(&bytes), bytes.len()), (Some(ack), Ack::BYTES));
        assert_eq!(Ack::next(&bytes[..20]), None);
        for at in (0..11).filter(|at| !(1..3).contains(at)).chain([20]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Ack::next(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn nothing_else_is_taken_for_one() {
        let whole = publish(b"body");
        for length in 0..whole.len() {
            assert_eq!(repeated().next(&whole[..length], 100), None, "{length} bytes");
        }
        let body = whole.len() - 5..whole.len() - 1;
        for at in (0..whole.len()).filter(|at| !body.contains(at)) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert_eq!(repeated().next(&changed, 100), None, "byte {at}");
        }
        assert_eq!(repeated().next(&publish(b""), 100), None);
    }
}
