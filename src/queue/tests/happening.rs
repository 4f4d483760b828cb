//! What a queue says of what it did is what it counts, and tells who had what.

use super::super::failure_policy::{FailurePolicy, Parking, RetryPolicy, RetryType};
use super::super::options::{AckTimeout, TimeoutAction};
use super::*;
use crate::time::Timestamp;

/// How many messages something happened to.
fn sum(bench: &Bench, is_it: impl Fn(&HappeningKind) -> bool) -> u64 {
    let happened = bench.effects.happened.iter().filter(|happening| is_it(&happening.kind));
    happened.map(|happening| happening.count).sum()
}

/// What was counted since the beginning happened, and nothing else; with everything recorded.
pub(super) fn check_counted(bench: &Bench) {
    let counted = &bench.effects.counted;
    let dropped = |reason| sum(bench, |kind| *kind == HappeningKind::Dropped(reason));
    let refused = sum(bench, |kind| *kind == HappeningKind::Refused);
    let delivered = counted.delivered + counted.delivered_no_ack + counted.got + counted.got_no_ack;
    let ended = counted.acked + counted.delivered_no_ack + counted.got_no_ack;
    let is_return =
        |kind: &HappeningKind| matches!(kind, HappeningKind::CameBack(_) | HappeningKind::PutBack);
    let dead = counted.dropped_delivery_limit + counted.dead_lettered_delivery_limit;
    let pairs = [
        ("published", counted.published, sum(bench, |kind| matches!(kind, HappeningKind::Enqueued(_)))),
        ("delivered", delivered, sum(bench, |kind| *kind == HappeningKind::Delivered)),
        ("acked", ended, sum(bench, |kind| *kind == HappeningKind::Acked)),
        ("returned", counted.returned + dead, sum(bench, is_return)),
        ("delayed", counted.delayed, sum(bench, |kind| matches!(kind, HappeningKind::Delayed(_)))),
        ("parked", counted.parked, sum(bench, |kind| matches!(kind, HappeningKind::Parked(_)))),
        ("rejected", counted.dropped_rejected, dropped(Reason::Rejected)),
        ("expired", counted.dropped_expired, dropped(Reason::Expired)),
        ("maxlen", counted.dropped_maxlen, dropped(Reason::Maxlen) + refused),
        ("limit", counted.dropped_delivery_limit, dropped(Reason::DeliveryLimit)),
    ];
    for (name, counted, happened) in pairs {
        assert_eq!(counted, happened, "{name}: {:?}", bench.effects.happened);
    }
}

/// What happened since the last call, with first and last position, number and attempt.
fn take(bench: &mut Bench) -> Vec<(HappeningKind, Option<u64>, u64, u32)> {
    let happened = std::mem::take(&mut bench.effects.happened);
    let short = |happening: Happening| {
        (happening.kind, happening.position.map(|at| at.0), happening.count, happening.attempt)
    };
    happened.into_iter().map(short).collect()
}

fn failing(change: impl FnOnce(&mut QueueOptions)) -> Bench {
    let mut bench = Bench::durable(change);
    bench.queue = bench.queue.with_epoch(Timestamp::from_millis(0));
    bench
}

#[test]
fn without_a_recording_only_failures_are_said() {
    let mut bench = Bench::durable(|_| ());
    bench.consume(1, 0);
    bench.publish(&["a", "b"]);
    bench.settle(Settlement::Ack, 0);
    assert!(take(&mut bench).is_empty());
    bench.settle(Settlement::Undo, 1);
    assert!(take(&mut bench).is_empty());
    bench.settle(Settlement::Requeue, 2);
    assert_eq!(take(&mut bench), [(HappeningKind::CameBack(Cause::Requeued), Some(2), 1, 0)]);
}

#[test]
fn with_a_recording_all_is_said() {
    let mut bench = Bench::durable(|_| ());
    bench.effects.is_recording = true;
    bench.consume(1, 0);
    bench.publish(&["a"]);
    bench.settle(Settlement::Undo, 0);
    bench.settle(Settlement::Ack, 1);
    let kinds: Vec<HappeningKind> = take(&mut bench).into_iter().map(|(kind, ..)| kind).collect();
    use HappeningKind::{Acked, Delivered, Enqueued, PutBack};
    assert_eq!(kinds, [Enqueued(None), Delivered, PutBack, Delivered, Acked]);
    bench.consume_with(2, |consume| consume.no_ack = true);
    bench.command(Command::Cancel(key(1)));
    bench.publish(&["b"]);
    let happened = std::mem::take(&mut bench.effects.happened);
    let who: Vec<_> = happened.iter().map(|happening| happening.held_by.clone().unwrap()).collect();
    let consumer = HeldBy { connection: CONSUMER, channel: 1, tag: Some("consumer 2".into()) };
    let publisher = HeldBy { connection: PUBLISHER, channel: 1, tag: None };
    assert_eq!(who, [publisher, consumer.clone(), consumer]);
}

/// Each way in which a delivery ends without an ack.
#[test]
fn each_cause_has_its_name_and_its_holder() {
    let timeout = AckTimeout { ms: 50, action: TimeoutAction::Requeue };
    let mut bench = failing(|options| {
        options.ack_timeout = Some(timeout);
        options.failure.delivery_limit = Some(100);
    });
    bench.publish(&["a"]);
    let causes =
        [Cause::Requeued, Cause::Failed, Cause::TimedOut(50), Cause::ConsumerLost, Cause::ConnectionLost];
    for (number, cause) in (1..).zip(causes) {
        bench.consume(number, 1);
        let last = bench.got.len() - 1;
        match cause {
            Cause::Requeued => bench.settle(Settlement::Requeue, last),
            Cause::Failed => bench.settle(Settlement::Fail, last),
            Cause::TimedOut(_) => bench.advance_ms(50),
            Cause::ConsumerLost => drop(bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned))),
            Cause::ConnectionLost => drop(bench.command(Command::ConnectionGone(CONSUMER))),
        }
        let happened = std::mem::take(&mut bench.effects.happened);
        let first = happened.first().unwrap();
        assert_eq!((&first.kind, first.attempt), (&HappeningKind::CameBack(cause), number));
        let tag = first.held_by.as_ref().and_then(|held_by| held_by.tag.clone());
        assert_eq!(tag.as_deref(), Some(&*format!("consumer {number}")));
        assert_eq!(first.message.as_ref().map(Message::body), Some(&b"a"[..]));
        // So that the next one gets it.
        bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
        bench.effects.happened.clear();
        bench.queue.restore_attempts([(
            Position(1),
            Attempts { acquired: number, counted: number, ..Attempts::default() },
        )]);
    }
}

#[test]
fn a_failure_policy_tells_each_step() {
    let retry = RetryPolicy {
        on: RetryType::Failed,
        min_ms: 100,
        max_ms: 100,
        multiplier_percent: None,
        steps_ms: Vec::new(),
        jitter_percent: 0,
    };
    let parking = Some(Parking { after: 2, ttl_ms: 500, limit: Some(1) });
    let mut bench = failing(|options| {
        options.failure = FailurePolicy { retry: Some(retry), parking, ..FailurePolicy::default() };
    });
    bench.consume(1, 1);
    bench.publish(&["a"]);
    bench.settle(Settlement::Fail, 0);
    bench.advance_ms(100);
    bench.settle(Settlement::Fail, 1);
    bench.command(Command::ReleaseParked);
    bench.settle(Settlement::Fail, 2);
    bench.advance_ms(100);
    bench.settle(Settlement::Fail, 3);
    let failed = |attempt| (HappeningKind::CameBack(Cause::Failed), Some(1), 1, attempt);
    let at = |kind, attempt| (kind, Some(1), 1, attempt);
    let until = Timestamp::from_millis;
    assert_eq!(
        take(&mut bench),
        [
            failed(1),
            at(HappeningKind::Delayed(until(100)), 1),
            at(HappeningKind::Released { by_hand: false }, 0),
            failed(2),
            at(HappeningKind::Parked(until(600)), 2),
            at(HappeningKind::Released { by_hand: true }, 0),
            failed(3),
            at(HappeningKind::Delayed(until(200)), 3),
            at(HappeningKind::Released { by_hand: false }, 0),
            failed(4),
            at(HappeningKind::Dropped(Reason::DeliveryLimit), 4),
        ]
    );
}

#[test]
fn what_is_dropped_in_a_row_is_one_run() {
    let mut bench = Bench::durable(|options| options.length_max = Some(0));
    bench.publish(&["a"]);
    assert_eq!(take(&mut bench), [(HappeningKind::Dropped(Reason::Maxlen), Some(1), 1, 0)]);
    let publishes = (0..1000).map(|_| publish_of("b")).collect();
    bench.command(Command::Publish(PUBLISHER, publishes));
    assert_eq!(take(&mut bench), [(HappeningKind::Dropped(Reason::Maxlen), Some(2), 1000, 0)]);
}

#[test]
fn of_many_that_come_back_at_once_the_first_are_told_one_by_one() {
    let mut bench = Bench::durable(|_| ());
    bench.consume(1, 0);
    bench.command(Command::Publish(PUBLISHER, (0..1000).map(|_| publish_of("b")).collect()));
    bench.command(Command::ConnectionGone(CONSUMER));
    let happened = take(&mut bench);
    assert_eq!(happened.iter().map(|(_, _, count, _)| count).sum::<u64>(), 1000);
    assert!(happened.len() > 10 && happened.len() < 200, "{}", happened.len());
}

fn publish_of(body: &str) -> Publish {
    Publish { message: message(body), channel: 1, sequence: 0, ttl_ms: None, priority: 0 }
}

#[test]
fn what_does_not_come_in_and_what_goes_at_once_is_said() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(1);
        options.overflow = Overflow::RejectPublish;
    });
    bench.publish(&["a", "b"]);
    let happened = std::mem::take(&mut bench.effects.happened);
    let [refused] = &happened[..] else { panic!("{happened:?}") };
    assert_eq!((&refused.kind, refused.position), (&HappeningKind::Refused, None));
    assert_eq!(refused.held_by.as_ref().map(|held_by| held_by.connection), Some(PUBLISHER));
    bench.command(Command::Purge);
    assert_eq!(take(&mut bench), [(HappeningKind::Purged, Some(1), 1, 0)]);
    bench.publish(&["c"]);
    bench.command(Command::Delete { if_unused: false, if_empty: false });
    assert_eq!(take(&mut bench), [(HappeningKind::Ended(Ended::Deleted), Some(0), 1, 0)]);
}

#[test]
fn a_flood_of_refusals_is_a_run() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(0);
        options.overflow = Overflow::RejectPublish;
    });
    bench.command(Command::Publish(PUBLISHER, (0..1000).map(|_| publish_of("a")).collect()));
    let happened = take(&mut bench);
    assert!(happened.len() < 100 && happened.iter().all(|(kind, ..)| *kind == HappeningKind::Refused));
    assert_eq!(happened.iter().map(|(_, _, count, _)| count).sum::<u64>(), 1000);
}

#[test]
fn a_copy_says_where_it_comes_from() {
    let mut bench = Bench::durable(|_| ());
    let from = MessagePlace { queue: "before".into(), position: Position(77) };
    let publishes = vec![publish_of("a"), publish_of("b")];
    bench.command(Command::PublishDeadLettered(publishes, vec![Some(from.clone()), None]));
    assert_eq!(take(&mut bench), [(HappeningKind::Enqueued(Some(from)), Some(1), 1, 0)]);
}
