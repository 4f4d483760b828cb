//! Messages that are unacked, or wait for another attempt, and are not in memory.

use super::super::failure_policy::{FailurePolicy, Parking};
use super::*;

/// Some eight messages unacked in memory, two in a bundle.
const TINY: Window = Window { start_bytes: 600, head_bytes: 300, segment_bytes: 100 };
/// So many, at most, whatever is unacked.
const BYTES_MAX: usize = 600 + 100 + 100;

fn bench(change: impl FnOnce(&mut QueueOptions)) -> Bench {
    let mut options = QueueOptions { durable: true, window: TINY, ..QueueOptions::default() };
    change(&mut options);
    Bench::new(options)
}

/// A consumer that has so many messages.
fn hoard(bench: &mut Bench, count: u32, persistent: bool) {
    bench.consume(1, 0);
    for number in 0..count {
        bench.publish_as(&number.to_string(), None, 0, persistent);
    }
    assert_eq!(bench.got.len(), count as usize);
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[test]
fn stored_messages_that_nobody_acks_leave_memory_and_need_nothing_to_be_acked() {
    let mut bench = bench(|_| ());
    hoard(&mut bench, 500, true);
    assert!(bench.queue.bytes_in_memory() < BYTES_MAX, "{} bytes", bench.queue.bytes_in_memory());
    assert_eq!(bench.store.paged_out, 0, "the store has them");
    for index in 0..500 {
        bench.settle(Settlement::Ack, (index * 7) % 500);
    }
    assert_eq!((bench.effects.removed.len(), bench.queue.bytes_in_memory()), (500, 0));
    assert_eq!(bench.queue.counts(), Counts { consumers: 1, ..Counts::default() });
}

#[test]
fn others_go_to_pages_when_they_are_a_second_old_and_the_pages_go_with_the_last_ack() {
    let mut bench = bench(|_| ());
    hoard(&mut bench, 50, false);
    assert_eq!(bench.store.paged_out, 0, "most are acked before it would be worth it");
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(1000)));
    bench.advance_ms(1000);
    assert!(bench.queue.bytes_in_memory() < BYTES_MAX, "{} bytes", bench.queue.bytes_in_memory());
    assert!(bench.store.paged_out > 35 && bench.store.pages() > 15);
    assert_eq!(bench.queue.poll_timeout(), None, "there is nothing more to put out");
    for index in 0..50 {
        bench.settle(Settlement::Ack, (index * 7) % 50);
    }
    assert_eq!((bench.store.pages(), bench.queue.bytes_in_memory()), (0, 0));
}

#[test]
fn very_many_go_at_once() {
    let mut bench = bench(|_| ());
    hoard(&mut bench, 500, false);
    assert!(bench.queue.bytes_in_memory() < 8 * BYTES_MAX, "{} bytes", bench.queue.bytes_in_memory());
    assert!(bench.store.paged_out > 400);
}

#[test]
fn what_returns_comes_in_its_order_and_nothing_overtakes_it() {
    for persistent in [true, false] {
        let mut bench = bench(|_| ());
        hoard(&mut bench, 100, persistent);
        bench.advance_ms(2000);
        bench.command(Command::Cancel(key(1)));
        bench.publish(&["100", "101"]);
        bench.store.late = true;
        bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
        assert_eq!(bench.ready(), 102);
        bench.got.clear();
        bench.consume(2, 0);
        assert!(bench.got.is_empty(), "the first are not here");
        let mut loads = 0;
        while !bench.store.loads.is_empty() {
            assert!(bench.store.asked() <= 1, "one bundle at a time");
            bench.serve(1);
            loads += 1;
            assert_eq!(bench.bodies(), numbers(0..bench.got.len() as u32));
        }
        assert!(loads > 40);
        assert_eq!(bench.bodies(), numbers(0..102));
        assert!(bench.got.iter().enumerate().all(|(index, got)| got.1.redelivered == (index < 100)));
    }
}

#[test]
fn what_returns_and_is_not_taken_leaves_memory_again() {
    for persistent in [true, false] {
        let mut bench = bench(|_| ());
        hoard(&mut bench, 500, persistent);
        bench.advance_ms(2000);
        bench.store.late = true;
        bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
        while !bench.store.loads.is_empty() {
            bench.serve(1);
            assert!(bench.queue.bytes_in_memory() < 2 * BYTES_MAX, "{}", bench.queue.bytes_in_memory());
        }
        assert_eq!(bench.ready(), 500);
        bench.store.late = false;
        bench.got.clear();
        bench.consume(2, 0);
        assert_eq!(bench.bodies(), numbers(0..500));
    }
}

#[test]
fn one_that_returns_goes_before_what_is_ready() {
    let mut bench = bench(|_| ());
    bench.consume(1, 50);
    for number in 0..60 {
        bench.publish_as(&number.to_string(), None, 0, true);
    }
    bench.settle(Settlement::Requeue, 3);
    assert_eq!((bench.bodies().last().unwrap().as_str(), bench.ready()), ("3", 10));
}

#[test]
fn a_get_a_purge_and_a_limit_wait_for_what_returns() {
    let mut bench = bench(|options| options.length_max = Some(5));
    hoard(&mut bench, 100, true);
    bench.command(Command::Cancel(key(1)));
    bench.store.late = true;
    for index in 0..8 {
        bench.settle(Settlement::Requeue, index);
    }
    let get = Command::Get { connection: CONSUMER, channel: 1, no_ack: true };
    assert!(matches!(bench.command(get), Reply::Deferred(_)));
    assert!(matches!(bench.command(Command::Purge), Reply::Deferred(_)));
    bench.serve(usize::MAX);
    let answers = std::mem::take(&mut bench.effects.deferred_replies);
    let [(_, Reply::Got { delivery, .. }), (_, Reply::Purged(4))] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(delivery.message.body(), b"3", "the oldest three were too many");
    assert_eq!(bench.effects.dropped, [(Reason::Maxlen, 3)]);
    assert_eq!(bench.queue.counts(), Counts { unacked: 92, ..Counts::default() });
}

#[test]
fn a_purge_leaves_the_pages_of_what_is_unacked() {
    let mut bench = bench(|_| ());
    hoard(&mut bench, 100, false);
    bench.advance_ms(1000);
    bench.command(Command::Cancel(key(1)));
    for number in 100..200 {
        bench.publish_as(&number.to_string(), None, 0, false);
    }
    let pages = bench.store.pages();
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(100)));
    assert!((40..pages).contains(&bench.store.pages()), "{} of {pages}", bench.store.pages());
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.got.clear();
    bench.consume(2, 0);
    assert_eq!(bench.bodies(), numbers(0..100));
    assert_eq!(bench.effects.missing, 0);
}

#[test]
fn a_dead_one_is_read_if_it_has_somewhere_to_go() {
    for exchange in [Some("dlx"), None] {
        let mut bench = bench(|options| options.dead_letter_exchange = exchange.map(Into::into));
        hoard(&mut bench, 100, true);
        bench.store.late = true;
        bench.settle(Settlement::Reject, 4);
        bench.settle(Settlement::Reject, 3);
        assert_eq!(bench.store.asked(), usize::from(exchange.is_some()));
        bench.serve(usize::MAX);
        let letters = bench.effects.dead_letters.iter().map(|letter| letter.stored).collect::<Vec<_>>();
        let dead = bench.dead();
        if exchange.is_some() {
            let expected = [("4".to_owned(), Reason::Rejected), ("3".to_owned(), Reason::Rejected)];
            assert_eq!((dead, letters), (expected.to_vec(), vec![Some(Position(5)), Some(Position(4))]));
        } else {
            assert_eq!((dead, &bench.effects.removed[..]), (vec![], &[Position(5), Position(4)][..]));
        }
    }
}

#[test]
fn one_that_is_retried_later_is_read_when_its_time_comes() {
    let mut bench = bench(|options| {
        options.failure = FailurePolicy { retry: Some(retry(5000)), ..FailurePolicy::default() };
    });
    hoard(&mut bench, 100, true);
    bench.settle(Settlement::Fail, 2);
    assert_eq!((bench.store.asked(), bench.queue.counts().delayed), (0, 1));
    bench.advance_ms(5000);
    assert_eq!(bench.bodies().last().unwrap(), "2");
    bench.settle(Settlement::Ack, 100);
    assert_eq!(bench.effects.removed, [Position(3)]);
}

#[test]
fn what_waits_leaves_memory_and_is_there_when_its_time_comes() {
    for persistent in [true, false] {
        let mut bench = bench(|options| {
            options.failure = FailurePolicy { retry: Some(retry(5000)), ..FailurePolicy::default() };
        });
        hoard(&mut bench, 500, persistent);
        for index in 0..500 {
            bench.settle(Settlement::Fail, (index * 7) % 500);
        }
        assert!(bench.queue.bytes_in_memory() < BYTES_MAX, "{} bytes", bench.queue.bytes_in_memory());
        assert_eq!(bench.queue.counts().delayed, 500);
        bench.got.clear();
        bench.command(Command::Cancel(key(1)));
        bench.advance_ms(5000);
        assert_eq!(bench.queue.counts(), Counts { ready: 500, ready_bytes: 1390, ..Counts::default() });
        bench.consume(2, 0);
        assert_eq!(bench.bodies(), numbers(0..500));
        for index in 0..500 {
            bench.settle(Settlement::Ack, index);
        }
        assert_eq!((bench.store.pages(), bench.queue.bytes_in_memory()), (0, 0));
    }
}

#[test]
fn parked_ones_are_released_or_dropped_from_where_they_are() {
    for release in [true, false] {
        let mut bench = bench(|options| {
            let parking = Parking { after: 1, ttl_ms: 60_000, limit: None };
            options.failure = FailurePolicy { parking: Some(parking), ..FailurePolicy::default() };
        });
        hoard(&mut bench, 100, false);
        for index in 0..100 {
            bench.settle(Settlement::Fail, index);
        }
        assert!(bench.store.pages() > 30 && bench.queue.counts().parked == 100);
        bench.got.clear();
        if release {
            assert!(matches!(bench.command(Command::ReleaseParked), Reply::Released(100)));
            assert_eq!(bench.bodies(), numbers(0..100));
        } else {
            assert!(matches!(bench.command(Command::DropParked), Reply::Dropped(100)));
            assert_eq!((bench.store.pages(), bench.got.len()), (0, 0));
        }
    }
}

#[test]
fn an_ack_that_is_late_is_none_for_one_that_returns() {
    let mut bench = bench(|options| {
        options.ack_timeout = Some(AckTimeout { ms: 3000, action: TimeoutAction::Requeue });
    });
    hoard(&mut bench, 30, true);
    bench.command(Command::Cancel(key(1)));
    bench.store.late = true;
    bench.advance_ms(3000);
    assert_eq!((bench.ready(), bench.queue.counts().unacked), (30, 0));
    bench.settle(Settlement::Ack, 0);
    assert!(bench.effects.removed.is_empty());
    bench.store.late = false;
    bench.got.clear();
    bench.consume(2, 0);
    bench.serve(usize::MAX);
    assert_eq!(bench.bodies(), numbers(0..30));
}

#[test]
fn one_that_does_not_come_back_is_noticed() {
    let mut bench = bench(|_| ());
    hoard(&mut bench, 100, true);
    bench.store.lose(Position(3));
    bench.settle(Settlement::Requeue, 2);
    assert_eq!(bench.effects.missing, 1);
}
