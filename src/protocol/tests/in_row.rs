//! Deliveries in a row are those that one by one would be.

use proptest::prelude::*;

use super::super::in_row::InRow;
use super::super::{Output, encode};
use crate::message::{Message, Parts};

fn message() -> impl Strategy<Value = Message> {
    let properties: Vec<&'static [u8]> = vec![&[0, 0], &[0, 0], &[0x10, 0, 2]];
    let what = (prop::sample::select(vec!["", "e"]), prop::sample::select(vec!["k", "k", "key"]));
    let bytes = (prop::sample::select(properties), prop::sample::select(vec![0_usize, 3, 3, 3, 90, 140_000]));
    (what, bytes, any::<u8>()).prop_map(|((exchange, key), (properties, body_bytes), filling)| {
        let body = vec![filling; body_bytes];
        let (exchange, routing_key) = (exchange.as_bytes(), key.as_bytes());
        Message::new(Parts { exchange, routing_key, properties, body: &body, persistent: false })
    })
}

proptest! {
    #[test]
    fn deliveries_in_a_row_are_as_one_by_one(
        messages in prop::collection::vec((message(), any::<u64>(), any::<bool>()), 1..8),
        tag_bytes in prop::sample::select(vec![0_usize, 1, 255, 300]),
        (frame_max, channel) in (prop::sample::select(vec![0_u32, 64, 4096]), any::<u16>()),
        earlier in any::<bool>(),
    ) {
        let tag = vec![b't'; tag_bytes];
        let (mut in_row, mut single) = (Output::default(), Output::default());
        if earlier {
            [&mut in_row, &mut single].into_iter().for_each(encode::heartbeat);
        }
        let mut row = InRow::new(frame_max, channel, &tag);
        for (message, delivery_tag, redelivered) in &messages {
            row.deliver(&mut in_row, *delivery_tag, *redelivered, message);
            encode::deliver(&mut single, frame_max, channel, &tag, *delivery_tag, *redelivered, message);
        }
        prop_assert_eq!(in_row.frames, single.frames);
        prop_assert_eq!(in_row.take(), single.take());
    }
}
