//! Deliveries to one consumer, one after the other: what is as in the one before is copied from there.

use super::encode::{self, body_bytes_max, tag_and_bits};
use super::frame::{FRAME_END, FRAME_OVERHEAD};
use super::output::{LARGE_BODY_BYTES, Output};
use crate::message::Message;

/// Bytes of a basic.deliver before the consumer tag: the frame's head, class and method, the tag's length.
const BEFORE_TAG: usize = FRAME_OVERHEAD - 1 + 4 + 1;

/// Writes deliveries to one consumer. Nothing may be taken out of the output meanwhile.
#[derive(Debug)]
pub struct InRow<'a> {
    frame_max: u32,
    channel: u16,
    consumer_tag: &'a [u8],
    last: Option<Written<'a>>,
}

/// A delivery in the output.
#[derive(Clone, Copy, Debug)]
struct Written<'a> {
    /// The message but for its body.
    head: &'a [u8],
    body_bytes: usize,
    /// Where all before its body begins, and how many bytes that is.
    at: usize,
    bytes: usize,
}

impl<'a> InRow<'a> {
    /// To the consumer with this tag; see [`encode::deliver`].
    #[must_use]
    pub const fn new(frame_max: u32, channel: u16, consumer_tag: &'a [u8]) -> Self {
        Self { frame_max, channel, consumer_tag, last: None }
    }

    /// Appends basic.deliver with its content.
    #[inline]
    pub fn deliver(&mut self, out: &mut Output, delivery_tag: u64, redelivered: bool, message: &'a Message) {
        let (head, body_bytes) = (message.head(), message.body_len());
        match self.last {
            Some(last) if last.body_bytes == body_bytes && last.head == head => {
                let tag = tag_and_bits(delivery_tag, u8::from(redelivered));
                out.extend_from_within(
                    last.at,
                    last.bytes,
                    BEFORE_TAG + self.consumer_tag.len().min(255),
                    &tag,
                );
                out.extend_from_slice(message.body());
                out.push(FRAME_END);
                out.frames += 3;
            }
            _ => self.deliver_another(out, delivery_tag, redelivered, message),
        }
    }

    #[inline(never)]
    fn deliver_another(
        &mut self,
        out: &mut Output,
        delivery_tag: u64,
        redelivered: bool,
        message: &'a Message,
    ) {
        let (at, body_bytes) = (out.end(), message.body_len());
        encode::deliver(
            out,
            self.frame_max,
            self.channel,
            self.consumer_tag,
            delivery_tag,
            redelivered,
            message,
        );
        let is_in_one_frame =
            (1..=body_bytes_max(self.frame_max).min(LARGE_BODY_BYTES - 1)).contains(&body_bytes);
        self.last = is_in_one_frame.then(|| {
            let bytes = out.end() - at - body_bytes - 1;
            Written { head: message.head(), body_bytes, at, bytes }
        });
    }
}
