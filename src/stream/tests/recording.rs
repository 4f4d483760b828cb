//! What a stream says for the journal.

use super::*;
use crate::message::Position;
use crate::queue::{Cause, HappeningKind, MessagePlace};

/// What happened since the last time, where, and by whose tag.
fn told(bench: &mut Bench) -> Vec<(HappeningKind, u64, Option<String>)> {
    let happened = std::mem::take(&mut bench.happened);
    let tell = |happening: Happening| {
        let tag = happening.held_by.and_then(|held_by| held_by.tag).map(|tag| tag.to_string());
        (happening.kind, happening.position.unwrap().0, tag)
    };
    happened.into_iter().map(tell).collect()
}

#[test]
fn all_of_a_message_is_told_while_it_is_recorded() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..1);
    bench.is_recording = true;
    bench.fill(1..3);
    let arrived = |offset| (HappeningKind::Enqueued(None), offset, None);
    assert_eq!(told(&mut bench), [arrived(1), arrived(2)]);
    bench.consume(7, 10, from(AMQPValue::LongInt(1)));
    let handles = bench.got(7);
    let tag = || Some("7".to_owned());
    let delivered = |offset| (HappeningKind::Delivered, offset, tag());
    assert_eq!(told(&mut bench), [delivered(1), delivered(2)]);
    let settle = |bench: &mut Bench, settlement, index: usize| {
        bench.command(Command::Settle(settlement, vec![handles[index].1]));
        told(bench)
    };
    let acked = |offset| (HappeningKind::Acked, offset, tag());
    assert_eq!(settle(&mut bench, Settlement::Ack, 0), [acked(1)]);
    // Nothing comes back without a cursor.
    assert_eq!(settle(&mut bench, Settlement::Requeue, 1), [acked(2)]);
    bench.is_recording = false;
    bench.fill(3..4);
    assert_eq!(bench.got(7).len(), 1);
    assert_eq!(told(&mut bench), []);
}

#[test]
fn what_comes_back_to_a_cursor_is_always_told() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..2);
    let cursor = arguments(&[("x-stream-cursor", text("c")), ("x-stream-offset", text("first"))]);
    bench.consume(7, 10, cursor);
    let handles = bench.got(7);
    for (settlement, cause) in [(Settlement::Requeue, Cause::Requeued), (Settlement::Fail, Cause::Failed)] {
        bench.command(Command::Settle(settlement, vec![handles[usize::from(cause == Cause::Failed)].1]));
        let offset = u64::from(cause == Cause::Failed);
        assert_eq!(told(&mut bench), [(HappeningKind::CameBack(cause), offset, Some("7".to_owned()))]);
    }
}

#[test]
fn copies_tell_where_they_come_from() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    let place = |position| MessagePlace { queue: "work".into(), position: Position(position) };
    let publish = |body: &str| Publish {
        message: message(body, false),
        channel: 0,
        sequence: 0,
        ttl_ms: None,
        priority: 0,
    };
    let publishes = ["a", "b", "c"].map(publish).to_vec();
    bench.command(Command::PublishDeadLettered(publishes, vec![Some(place(5)), None, Some(place(9))]));
    bench.commit_all();
    let from = |offset, position| (HappeningKind::Enqueued(Some(place(position))), offset, None);
    assert_eq!(told(&mut bench), [from(0, 5), from(2, 9)]);
}
