//! Cursors, by example.

use super::examples::all;
use super::*;
use crate::queue::{CursorChange, Disposition, Ending, OffsetSpec};

fn with_cursor(name: &str, from: AMQPValue) -> FieldTable {
    arguments(&[("x-stream-cursor", text(name)), ("x-stream-offset", from)])
}

fn handles(got: &[(u64, Handle)]) -> Vec<Handle> {
    got.iter().map(|(_, handle)| *handle).collect()
}

fn floor(bench: &mut Bench, name: &str) -> Option<u64> {
    let Reply::Described(details) = bench.command(Command::Describe) else { panic!("no details") };
    let cursors = details.log.unwrap().cursors;
    cursors.iter().find(|cursor| *cursor.name == *name).map(|cursor| cursor.offset)
}

fn filled(count: u64) -> Bench {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..count);
    bench
}

#[test]
fn a_reader_goes_on_where_the_one_before_it_acked() {
    let mut bench = filled(10);
    bench.consume(1, 4, with_cursor("c", text("first")));
    let got = bench.got(1);
    bench.ack(handles(&got[..2]));
    assert_eq!(bench.offsets(1), [4, 5]);
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    // What it says of its own counts only for a cursor that is nowhere.
    bench.consume(2, 100, with_cursor("c", text("next")));
    let deliveries: Vec<_> = bench.deliveries.drain(..).map(|(_, delivery)| delivery).collect();
    let seen: Vec<_> = deliveries.iter().map(|d| (d.handle.position.0, d.redelivered)).collect();
    let expected: Vec<_> = (2..10).map(|offset| (offset, offset < 6)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_restart_begins_at_the_floor_and_passes_over_what_was_acked_above_it() {
    let mut bench = filled(10);
    bench.consume(1, 10, with_cursor("c", text("first")));
    let got = bench.got(1);
    let acked: Vec<_> = got.iter().filter(|(offset, _)| [0, 1, 3, 4, 7].contains(offset)).copied().collect();
    bench.ack(handles(&acked));
    bench.sync(usize::MAX);
    bench.restart();
    assert_eq!(floor(&mut bench, "c"), Some(2));
    bench.consume(1, 10, with_cursor("c", text("first")));
    assert_eq!(bench.offsets(1), [2, 5, 6, 8, 9]);
}

#[test]
fn a_new_cursor_is_written_before_what_comes_after_it() {
    let mut bench = filled(3);
    bench.consume(1, 10, with_cursor("c", text("next")));
    bench.fill(3..6);
    bench.restart();
    bench.consume(1, 10, with_cursor("c", text("next")));
    assert_eq!(bench.offsets(1), [3, 4, 5]);
}

#[test]
fn one_reader_at_a_time_and_the_next_takes_over_at_the_floor() {
    let mut bench = filled(6);
    bench.consume(1, 3, with_cursor("c", text("first")));
    bench.consume(2, 3, with_cursor("c", text("first")));
    let got = bench.got(1);
    assert_eq!(got.len(), 3);
    assert!(bench.offsets(2).is_empty());
    bench.ack(handles(&got[..1]));
    bench.got(1);
    bench.command(Command::Cancel(key(1)));
    // What the first one still has is not given to another, and counts when it acks it.
    assert_eq!(bench.offsets(2), [4, 5]);
    bench.ack(handles(&got[1..]));
    assert_eq!(floor(&mut bench, "c"), Some(3));
    // Offset 3 was under way to the first one.
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.consume(3, 10, with_cursor("c", text("first")));
    assert_eq!(bench.offsets(3), [3, 4, 5]);
}

#[test]
fn what_comes_back_is_delivered_again_before_anything_new() {
    let mut bench = filled(6);
    bench.consume(1, 2, with_cursor("c", text("first")));
    let got = bench.got(1);
    bench.command(Command::Settle(Settlement::Requeue, vec![got[0].1]));
    let again = bench.got(1);
    assert_eq!(again.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0]);
    bench.ack(vec![again[0].1]);
    assert_eq!(bench.offsets(1), [2]);
    assert_eq!(floor(&mut bench, "c"), Some(1));
    // A reject is as good as an ack.
    bench.command(Command::Settle(Settlement::Reject, vec![got[1].1]));
    assert_eq!(floor(&mut bench, "c"), Some(2));
}

#[test]
fn progress_gives_no_credit_and_moves_no_cursor() {
    let mut bench = filled(6);
    bench.consume(1, 2, with_cursor("c", text("first")));
    let got = bench.got(1);
    bench.command(Command::Dispose(got[0].1, Disposition::Progress, None));
    assert!(bench.offsets(1).is_empty());
    assert_eq!(floor(&mut bench, "c"), Some(0));
}

#[test]
fn what_a_filter_passes_over_moves_the_floor() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    let bodies = ["a", "b", "b", "a", "b"];
    bench.publish_all(bodies.map(|body| message(body, true)));
    bench.commit_all();
    let mut wanted = with_cursor("c", text("first"));
    wanted.insert("x-stream-filter".into(), text("a"));
    bench.consume(1, 10, wanted);
    let got = bench.got(1);
    assert_eq!(got.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 3]);
    bench.ack(vec![got[0].1]);
    assert_eq!(floor(&mut bench, "c"), Some(3));
    bench.ack(vec![got[1].1]);
    assert_eq!(floor(&mut bench, "c"), Some(5));
}

#[test]
fn a_cursor_is_moved_and_deleted_by_hand() {
    let mut bench = filled(10);
    let moved = |bench: &mut Bench, to| {
        let change = CursorChange::Move { name: "c".into(), to };
        bench.command(Command::Cursor(change))
    };
    assert!(matches!(moved(&mut bench, OffsetSpec::Number(7)), Reply::Located(7)));
    bench.consume(1, 10, with_cursor("c", text("first")));
    let got = bench.got(1);
    assert_eq!(got.len(), 3);
    // Its reader goes there with it, and what that acks of earlier counts for nothing.
    assert!(matches!(moved(&mut bench, OffsetSpec::First), Reply::Located(0)));
    bench.ack(handles(&got));
    assert_eq!(bench.offsets(1), all(0..10));
    assert_eq!(floor(&mut bench, "c"), Some(0));
    let delete = || Command::Cursor(CursorChange::Delete { name: "c".into() });
    assert!(matches!(bench.command(delete()), Reply::InUse));
    bench.command(Command::ConnectionGone(CONSUMER));
    assert!(matches!(bench.command(delete()), Reply::Done));
    assert!(matches!(bench.command(delete()), Reply::NoCursor));
    bench.sync(usize::MAX);
    assert!(bench.records.is_empty());
}

#[test]
fn a_time_is_looked_for_in_the_store() {
    let mut bench = Bench::new(StreamOptions::default(), 1);
    for second in 0..5 {
        bench.now = Time::from_micros(second * 1_000_000);
        bench.fill(second * 2..second * 2 + 2);
    }
    let to = OffsetSpec::At(EPOCH.plus_ms(2_500));
    let reply = bench.command(Command::Cursor(CursorChange::Move { name: "c".into(), to }));
    let Reply::Deferred(ticket) = reply else { panic!("{reply:?}") };
    bench.serve_all();
    assert!(
        matches!(bench.late.pop(), Some((late, Reply::Located(6))) if late == ticket),
        "{:?}",
        bench.late
    );
    assert_eq!(floor(&mut bench, "c"), Some(6));
}

#[test]
fn there_are_so_many_cursors_and_no_more() {
    let mut bench = filled(1);
    for number in 0..1000 {
        bench.consume(number, 1, with_cursor(&format!("c{number}"), text("first")));
    }
    let reply = bench.try_to_consume(1000, 1, with_cursor("one more", text("first")));
    assert!(matches!(reply, Reply::TooManyCursors(1000)), "{reply:?}");
    bench.consume(1001, 1, with_cursor("c7", text("first")));
}

#[test]
fn a_cursor_that_nobody_uses_goes_with_the_messages_of_its_time() {
    let settings = StreamOptions { age_max_ms: Some(10_000), segment_bytes: 10, ..StreamOptions::default() };
    let mut bench = Bench::new(settings, 1 << 20);
    bench.fill(0..4);
    bench.consume(1, 10, with_cursor("old", text("first")));
    bench.command(Command::ConnectionGone(CONSUMER));
    bench.consume(2, 10, with_cursor("kept", text("first")));
    bench.got(1);
    for second in 1..30 {
        bench.now = Time::from_micros(second * 1_000_000);
        bench.fill(second * 4..second * 4 + 4);
    }
    assert_eq!(floor(&mut bench, "old"), None);
    assert!(floor(&mut bench, "kept").is_some());
    bench.sync(usize::MAX);
    assert_eq!(bench.records.len(), 1);
}
