//! Messages that are moved, put back as they were, or no longer wait.

use super::super::failure_policy::{FailurePolicy, Parking};
use super::*;
use crate::message::QueueId;

/// Gets the next message, as an operation does.
fn got(bench: &mut Bench) -> Delivery {
    match bench.command(Command::Get { connection: ConnectionId(77), channel: 1, no_ack: false }) {
        Reply::Got { delivery, .. } => delivery,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_only_looked_at_is_as_it_was() {
    let failure = FailurePolicy { delivery_limit: Some(1), ..FailurePolicy::default() };
    let mut bench = Bench::durable(|options| options.failure = failure);
    bench.publish(&["a", "b", "c"]);
    for _ in 0..5 {
        let handles: Vec<Handle> = (0..3).map(|_| got(&mut bench).handle).collect();
        assert_eq!(bench.ready(), 0);
        bench.command(Command::Settle(Settlement::Undo, handles));
        assert_eq!(bench.ready(), 3);
    }
    let bodies: Vec<(Vec<u8>, bool)> =
        (0..3).map(|_| got(&mut bench)).map(|got| (got.message.body().to_vec(), got.redelivered)).collect();
    assert_eq!(bodies, [b"a", b"b", b"c"].map(|body| (body.to_vec(), false)));
    assert!(bench.dead().is_empty(), "nothing counts as an attempt");
}

#[test]
fn what_is_moved_leaves_with_its_record() {
    let mut bench = Bench::durable(|_| {});
    bench.publish(&["a"]);
    bench.publish_as("b", None, 0, false);
    bench.effects.removed.clear();
    let moves = (0..2).map(|_| got(&mut bench)).map(|got| MoveOut {
        handle: got.handle,
        message: got.message,
        queues: vec![QueueId(5), QueueId(6)],
    });
    let moves: Vec<MoveOut> = moves.collect();
    bench.command(Command::MoveOut(moves.clone()));
    // Once more has no effect: they are there no more.
    bench.command(Command::MoveOut(moves));
    let moved = std::mem::take(&mut bench.effects.moved);
    let seen: Vec<(&[u8], Option<Position>)> =
        moved.iter().map(|moved| (moved.message.body(), moved.stored)).collect();
    assert_eq!(seen, [(&b"a"[..], Some(Position(1))), (b"b", None)]);
    assert!(bench.effects.removed.is_empty(), "the removal is part of the move's unit");
    assert_eq!((bench.ready(), bench.queue.counts().unacked), (0, 0));
}

#[test]
fn those_that_wait_are_released_and_dropped_one_by_one() {
    let failure = FailurePolicy {
        parking: Some(Parking { after: 1, ttl_ms: 1_000_000, limit: None }),
        ..FailurePolicy::default()
    };
    let mut bench = Bench::durable(|options| options.failure = failure);
    bench.publish(&["a", "b", "c"]);
    let handles: Vec<Handle> = (0..3).map(|_| got(&mut bench).handle).collect();
    bench.command(Command::Settle(Settlement::Fail, handles));
    assert_eq!((bench.ready(), bench.queue.counts().parked), (0, 3));
    bench.effects.removed.clear();
    let dropped = bench.command(Command::DropWaiting(vec![Position(2), Position(9)]));
    assert!(matches!(dropped, Reply::Dropped(1)), "{dropped:?}");
    assert_eq!(bench.effects.removed, [Position(2)]);
    let released = bench.command(Command::ReleaseWaiting(vec![Position(3), Position(2)]));
    assert!(matches!(released, Reply::Released(1)), "{released:?}");
    assert_eq!((bench.ready(), bench.queue.counts().parked), (1, 1));
    assert_eq!(got(&mut bench).message.body(), b"c");
}

#[test]
fn what_is_done_by_hand_is_not_counted() {
    let mut bench = Bench::durable(|_| {});
    bench.publish(&["a", "b", "c"]);
    let hold = || Command::Hold { connection: ConnectionId(77), channel: 1 };
    let held: Vec<Delivery> = (0..3)
        .map(|_| match bench.command(hold()) {
            Reply::Got { delivery, .. } => delivery,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(bench.command(hold()), Reply::Empty));
    let moved =
        MoveOut { handle: held[2].handle, message: held[2].message.clone(), queues: vec![QueueId(5)] };
    bench.command(Command::Settle(Settlement::Undo, vec![held[0].handle]));
    bench.command(Command::Settle(Settlement::Ack, vec![held[1].handle]));
    bench.command(Command::MoveOut(vec![moved]));
    assert_eq!((bench.ready(), bench.queue.counts().unacked), (1, 0));
    let counted = &bench.effects.counted;
    let deliveries = counted.got + counted.got_empty + counted.redelivered + counted.bytes_out;
    assert_eq!((deliveries, counted.acked, counted.returned), (0, 0, 0));
    got(&mut bench);
    assert_eq!(bench.effects.counted.got, 1);
}
