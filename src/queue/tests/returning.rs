//! Messages that come back: counted, delayed, parked, timed out, dead.

use super::super::attempts::{Attempts, WaitKind};
use super::super::failure_policy::{CountMode, FailurePolicy, Parking, RetryPolicy, RetryType};
use super::super::options::{AckTimeout, TimeoutAction};
use super::*;
use crate::protocol::content::Properties;
use crate::protocol::table::FieldValue;
use crate::time::Timestamp;

fn retry(on: RetryType, min_ms: u32) -> RetryPolicy {
    RetryPolicy {
        on,
        min_ms,
        max_ms: min_ms * 4,
        multiplier_percent: None,
        steps_ms: Vec::new(),
        jitter_percent: 0,
    }
}

fn failing(failure: FailurePolicy) -> Bench {
    let mut bench = Bench::durable(|options| {
        options.failure = failure;
        options.dead_letter_exchange = Some("dlx".into());
    });
    bench.queue = bench.queue.with_epoch(Timestamp::from_millis(1_000_000));
    bench
}

fn count(delivery: &Delivery, header: &[u8]) -> Option<i64> {
    let properties = Properties::parse(delivery.message.properties()).unwrap();
    properties.headers().and_then(|headers| headers.get(header)).map(|value| match value {
        FieldValue::I64(number) => number,
        other => panic!("{other:?}"),
    })
}

fn counts(bench: &Bench) -> Vec<(Option<i64>, Option<i64>)> {
    let both = |(_, delivery): &(u32, Delivery)| {
        (count(delivery, b"x-delivery-count"), count(delivery, b"x-acquired-count"))
    };
    bench.got.iter().map(both).collect()
}

fn settle_last(bench: &mut Bench, settlement: Settlement) {
    bench.settle(settlement, bench.got.len() - 1);
}

#[test]
fn without_a_failure_policy_nothing_is_counted() {
    let mut bench = Bench::durable(|_| ());
    bench.consume(1, 1);
    bench.publish(&["a"]);
    settle_last(&mut bench, Settlement::Fail);
    settle_last(&mut bench, Settlement::Requeue);
    assert_eq!(counts(&bench), [(None, None); 3]);
    assert!(bench.effects.attempts.is_empty());
}

#[test]
fn a_message_that_came_back_too_often_is_dead_and_says_why() {
    let mut bench = failing(FailurePolicy { delivery_limit: Some(2), ..FailurePolicy::default() });
    bench.consume(1, 1);
    bench.publish(&["a"]);
    for settlement in [Settlement::Requeue, Settlement::Fail, Settlement::Fail] {
        bench.advance_ms(1000);
        settle_last(&mut bench, settlement);
    }
    assert_eq!(counts(&bench), [(None, None), (Some(1), Some(1)), (Some(2), Some(2))]);
    let letters = std::mem::take(&mut bench.effects.dead_letters);
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.reason, letter.stored), (Reason::DeliveryLimit, Some(Position(1))));
    let attempts = letter.attempts.as_deref().unwrap();
    assert_eq!((attempts.acquired, attempts.counted), (3, 3));
    assert_eq!(attempts.first, Timestamp::from_millis(1_001_000));
    assert_eq!(attempts.last, Timestamp::from_millis(1_003_000));
    assert_eq!(attempts.consumer.as_deref(), Some("consumer 1"));
    let noted: Vec<u32> = bench.effects.attempts.iter().map(|(_, attempts)| attempts.acquired).collect();
    assert_eq!(noted, [1, 2], "the third is in the dead letter");
}

#[test]
fn counting_failures_only_forgives_what_was_returned() {
    let failure =
        FailurePolicy { delivery_limit: Some(0), count_mode: CountMode::Failed, ..FailurePolicy::default() };
    let mut bench = failing(failure);
    bench.consume(1, 1);
    bench.publish(&["a"]);
    settle_last(&mut bench, Settlement::Requeue);
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.consume(2, 1);
    assert_eq!(counts(&bench).last(), Some(&(Some(0), Some(2))));
    bench.command(Command::ConnectionGone(CONSUMER));
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::DeliveryLimit)]);
}

#[test]
fn a_delayed_message_waits_its_time_and_lets_others_pass() {
    let mut bench =
        failing(FailurePolicy { retry: Some(retry(RetryType::Failed, 100)), ..FailurePolicy::default() });
    bench.consume(1, 1);
    bench.publish(&["a", "b", "c"]);
    settle_last(&mut bench, Settlement::Fail);
    let delayed = bench.queue.counts();
    assert_eq!((delayed.delayed, delayed.ready, delayed.unacked), (1, 1, 1));
    assert_eq!(bench.bodies(), ["a", "b"]);
    bench.advance_ms(99);
    assert_eq!(bench.queue.counts().delayed, 1);
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(100)));
    bench.advance_ms(1);
    assert_eq!(bench.queue.counts().delayed, 0);
    // Back in its place, before the younger one.
    settle_last(&mut bench, Settlement::Ack);
    assert_eq!(bench.bodies(), ["a", "b", "a"]);
    assert!(bench.got[2].1.redelivered);
    settle_last(&mut bench, Settlement::Requeue);
    assert_eq!(bench.bodies(), ["a", "b", "a", "a"], "what is only returned does not wait");
}

#[test]
fn parked_messages_are_counted_released_and_dropped() {
    let parking = Some(Parking { after: 1, ttl_ms: 1000, limit: Some(2) });
    let mut bench = failing(FailurePolicy { parking, ..FailurePolicy::default() });
    bench.consume(1, 0);
    bench.publish(&["a", "b"]);
    bench.settle(Settlement::Fail, 0);
    bench.settle(Settlement::Fail, 1);
    assert_eq!(bench.queue.counts().parked, 2);
    assert!(matches!(bench.command(Command::ReleaseParked), Reply::Released(2)));
    assert_eq!(bench.bodies(), ["a", "b", "a", "b"]);
    bench.settle(Settlement::Fail, 2);
    bench.settle(Settlement::Ack, 3);
    bench.advance_ms(1000);
    assert_eq!(bench.queue.counts().parked, 0);
    settle_last(&mut bench, Settlement::Fail);
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::DeliveryLimit)]);
    bench.publish(&["c"]);
    settle_last(&mut bench, Settlement::Fail);
    bench.effects.removed.clear();
    assert!(matches!(bench.command(Command::DropParked), Reply::Dropped(1)));
    assert_eq!((bench.queue.counts().parked, bench.effects.removed.clone()), (0, vec![Position(3)]));
}

#[test]
fn a_purge_takes_what_waits_and_leaves_what_is_unacked() {
    let mut bench =
        failing(FailurePolicy { retry: Some(retry(RetryType::All, 100)), ..FailurePolicy::default() });
    bench.consume(1, 2);
    bench.publish(&["a", "b", "c", "d"]);
    bench.settle(Settlement::Requeue, 0);
    assert!(matches!(bench.command(Command::Delete { if_unused: false, if_empty: true }), Reply::NotEmpty));
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(2)));
    assert_eq!(bench.effects.purged, Some((Position(5), vec![Position(2), Position(3)])));
    bench.advance_ms(1000);
    assert_eq!(bench.bodies(), ["a", "b", "c"]);
}

#[test]
fn what_waits_expires_on_time() {
    let mut bench =
        failing(FailurePolicy { retry: Some(retry(RetryType::All, 1000)), ..FailurePolicy::default() });
    bench.consume(1, 1);
    bench.publish_with("a", Some(50), 0);
    settle_last(&mut bench, Settlement::Requeue);
    bench.advance_ms(51);
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::Expired)]);
}

#[test]
fn after_a_restart_attempts_go_on_and_waits_end_when_they_would_have() {
    let mut bench = failing(FailurePolicy { delivery_limit: Some(2), ..FailurePolicy::default() });
    let noted = Attempts {
        acquired: 2,
        counted: 2,
        wait: Some((WaitKind::Delayed, Timestamp::from_millis(1_000_500))),
        ..Attempts::default()
    };
    let noted = Attempts::decode(&noted.encode()).unwrap();
    bench.restore(vec![(1, "a".into(), Time::NEVER), (2, "b".into(), Time::NEVER)], 1);
    bench.queue.restore_attempts([(Position(1), noted)]);
    bench.consume(1, 1);
    assert_eq!(bench.bodies(), ["b"]);
    assert_eq!(bench.queue.counts().delayed, 1);
    bench.settle(Settlement::Ack, 0);
    bench.advance_ms(500);
    assert_eq!(bench.bodies(), ["b", "a"]);
    assert_eq!(counts(&bench)[1], (Some(2), Some(2)));
    settle_last(&mut bench, Settlement::Fail);
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::DeliveryLimit)]);
}

fn with_timeout(action: TimeoutAction) -> Bench {
    Bench::durable(|options| options.ack_timeout = Some(AckTimeout { ms: 100, action }))
}

#[test]
fn a_message_not_acked_in_time_comes_back_alone_and_its_late_ack_is_ignored() {
    let mut bench = with_timeout(TimeoutAction::Requeue);
    bench.consume(1, 1);
    bench.publish(&["a"]);
    bench.consume(2, 1);
    bench.advance_ms(50);
    bench.publish(&["b"]);
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(100)));
    bench.advance_ms(50);
    assert_eq!(bench.bodies(), ["a", "b", "a"]);
    assert!(bench.got[2].1.redelivered);
    bench.settle(Settlement::Ack, 0);
    assert_eq!(bench.queue.counts().unacked, 2, "the late ack was for a delivery that is over");
    assert!(bench.effects.removed.is_empty());
    bench.settle(Settlement::Ack, 2);
    assert_eq!(bench.effects.removed, [Position(1)]);
    assert_eq!((bench.queue.counts().unacked, bench.effects.timed_out_count), (1, 1));
}

#[test]
fn a_consumers_own_timeout_counts_before_the_queues() {
    let mut bench = with_timeout(TimeoutAction::Close);
    let own = AckTimeout { ms: 20, action: TimeoutAction::Requeue };
    bench.consume_with(1, |consume| {
        consume.ack_timeout = OwnTimeout::Own(Some(own));
        consume.prefetch = 1;
    });
    bench.publish(&["a"]);
    bench.advance_ms(20);
    assert_eq!(bench.bodies(), ["a", "a"]);
    assert!(bench.effects.timed_out.is_empty());
}

#[test]
fn a_queue_that_cancels_takes_everything_from_the_consumer() {
    let mut bench = with_timeout(TimeoutAction::Cancel);
    bench.consume(1, 0);
    bench.publish(&["a"]);
    bench.advance_ms(60);
    bench.publish(&["b"]);
    bench.advance_ms(40);
    assert_eq!(bench.effects.cancelled, [key(1)]);
    let counts = bench.queue.counts();
    assert_eq!((counts.ready, counts.unacked, counts.consumers), (2, 0, 0));
}

#[test]
fn a_queue_that_closes_says_so_once_and_takes_the_message_back() {
    let mut bench = with_timeout(TimeoutAction::Close);
    bench.consume(1, 2);
    bench.publish(&["a", "b"]);
    bench.command(Command::Cancel(key(1)));
    bench.advance_ms(100);
    let wanted = TimedOut { connection: CONSUMER, channel: 1, timeout_ms: 100 };
    assert_eq!(bench.effects.timed_out, [wanted]);
    assert_eq!((bench.queue.counts().ready, bench.queue.counts().unacked), (2, 0));
}

fn dispose(bench: &mut Bench, index: usize, disposition: Disposition, error: Option<&str>) {
    let handle = bench.got[index].1.handle;
    bench.command(Command::Dispose(handle, disposition, error.map(Into::into)));
}

#[test]
fn what_a_consumer_says_beyond_ack_and_nack_is_done() {
    let mut bench = with_timeout(TimeoutAction::Requeue);
    bench.consume(1, 0);
    bench.publish(&["progress", "later", "park", "end"]);
    bench.advance_ms(90);
    dispose(&mut bench, 0, Disposition::Progress, None);
    dispose(&mut bench, 1, Disposition::Retry(Some(30)), Some("not yet"));
    dispose(&mut bench, 2, Disposition::Park, None);
    dispose(&mut bench, 3, Disposition::Terminate, Some("cannot be"));
    let counts = bench.queue.counts();
    assert_eq!((counts.unacked, counts.delayed, counts.parked), (1, 1, 1));
    assert_eq!(bench.effects.dropped, [(Reason::Rejected, 1)]);
    bench.advance_ms(30);
    assert_eq!(bench.bodies()[4..], ["later"]);
    assert_eq!(bench.queue.counts().unacked, 2, "what makes progress is not overdue");
    dispose(&mut bench, 3, Disposition::Park, None);
    assert_eq!(bench.queue.counts().parked, 1, "what is gone is left alone");
}

#[test]
fn an_error_goes_with_the_dead_letter() {
    let mut bench = failing(FailurePolicy { delivery_limit: Some(0), ..FailurePolicy::default() });
    bench.consume(1, 1);
    bench.publish(&["a"]);
    dispose(&mut bench, 0, Disposition::Retry(Some(5)), Some("the database is away"));
    let letter = bench.effects.dead_letters.pop().unwrap();
    assert_eq!(letter.reason, Reason::DeliveryLimit);
    assert_eq!(letter.attempts.unwrap().error.as_deref(), Some("the database is away"));
}
