//! The value of a message's header, as exchanges see it: what it means, not how wide it was on the wire.

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeaderValue<'a> {
    /// `t`
    Bool(bool),
    /// `b`, `s`, `U`, `I`, `l`, `L`
    Int(i64),
    /// `B`, `u`, `i`
    Uint(u64),
    /// `f`, `d`
    Float(f64),
    /// `D`
    Decimal {
        /// Digits after the point.
        scale: u8,
        /// All digits.
        value: u32,
    },
    /// `S`, `x`
    Bytes(&'a [u8]),
    /// `T`, in seconds
    Timestamp(u64),
    /// `V`
    Void,
    /// `A` and `F`
    Other {
        /// The type tag.
        tag: u8,
        /// The encoded value after its type tag, beginning with its length (u32).
        raw: &'a [u8],
    },
}
