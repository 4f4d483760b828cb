//! The queue machine, one behaviour a test: credit, order, limits, ends, and what the store is told.

use super::*;
use crate::message::QueueId;

fn priority_queue(max: u8) -> Bench {
    Bench::new(QueueOptions { priority_max: Some(max), ..QueueOptions::default() })
}

fn publish(sequence: u64, channel: u16, persistent: bool) -> Publish {
    let message = message("m").with_persistent(persistent);
    Publish { message, channel, sequence, ttl_ms: None, priority: 0 }
}

fn range(channel: u16, first: u64, last: u64) -> Range {
    Range { connection: PUBLISHER, channel, first, last }
}

fn positions(bench: &Bench) -> Vec<u64> {
    bench.got.iter().map(|(_, delivery)| delivery.handle.position.0).collect()
}

fn got(reply: Reply) -> Delivery {
    let Reply::Got { delivery, .. } = reply else { panic!("{reply:?}") };
    delivery
}

fn get(no_ack: bool) -> Command {
    Command::Get { connection: CONSUMER, channel: 1, no_ack }
}

impl Bench {
    fn letters(&mut self) -> Vec<(Reason, Option<u64>)> {
        let letters = self.effects.dead_letters.drain(..);
        letters.map(|letter| (letter.reason, letter.stored.map(|position| position.0))).collect()
    }
}

// ---- Positions and order ----

#[test]
fn a_position_is_never_used_again() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 1);
    bench.publish(&["a", "b"]);
    bench.settle(Settlement::Ack, 0);
    bench.settle(Settlement::Requeue, 1);
    bench.settle(Settlement::Reject, 2);
    bench.command(Command::Purge);
    bench.publish(&["c"]);
    assert_eq!(positions(&bench), [1, 2, 2, 3]);
}

#[test]
fn a_message_returns_between_its_neighbours_of_the_same_priority() {
    let mut bench = priority_queue(3);
    for (body, priority) in [("a", 1), ("b", 1), ("high", 2), ("c", 1)] {
        bench.publish_with(body, None, priority);
    }
    bench.consume(1, 3);
    assert_eq!(bench.bodies(), ["high", "a", "b"]);
    bench.command(Command::Cancel(key(1)));
    bench.settle(Settlement::Requeue, 2);
    bench.settle(Settlement::Requeue, 0);
    bench.settle(Settlement::Requeue, 1);
    bench.consume(2, 0);
    assert_eq!(bench.bodies()[3..], ["high", "a", "b", "c"]);
}

#[test]
fn what_a_lost_channel_had_returns_in_order_and_redelivered() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 2);
    bench.publish(&["a", "b", "c", "d"]);
    bench.settle(Settlement::Ack, 0);
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    assert_eq!(
        bench.queue.counts(),
        Counts { ready: 3, unacked: 0, consumers: 0, ready_bytes: 3, ..Counts::default() }
    );
    bench.consume(2, 0);
    let again: Vec<_> = bench.got[3..].iter().map(|(_, delivery)| delivery.redelivered).collect();
    assert_eq!((bench.bodies()[3..].join(""), again), ("bcd".to_owned(), vec![true, true, false]));
}

#[test]
fn one_channels_end_leaves_the_others_theirs() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 1);
    bench.consume_with(2, |consume| (consume.key.channel, consume.prefetch) = (2, 1));
    bench.publish(&["a", "b"]);
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.command(Command::ConnectionGone(PUBLISHER));
    assert_eq!(bench.queue.unacked_positions(), [Position(2)]);
    assert_eq!((bench.ready(), bench.queue.counts().consumers), (1, 1));
}

#[test]
fn a_got_message_is_requeued_to_its_place() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["a", "b"]);
    let first = got(bench.command(get(false)));
    bench.command(Command::Settle(Settlement::Requeue, vec![first.handle]));
    let again = got(bench.command(get(false)));
    assert_eq!((again.handle.position, again.redelivered), (Position(1), true));
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    assert_eq!(bench.ready(), 2);
}

// ---- Credit ----

#[test]
fn turns_go_on_from_batch_to_batch() {
    let mut bench = Bench::new(QueueOptions::default());
    (1..=3).for_each(|number| bench.consume(number, 0));
    bench.publish(&["a", "b"]);
    bench.publish(&["c", "d"]);
    assert_eq!(bench.takers(), [1, 2, 3, 1]);
}

#[test]
fn a_consumer_without_credit_is_passed_over_and_comes_back_with_it() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 1);
    bench.consume(2, 0);
    bench.publish(&["a", "b", "c"]);
    assert_eq!(bench.takers(), [1, 2, 2]);
    bench.settle(Settlement::Ack, 0);
    bench.publish(&["d", "e"]);
    assert_eq!(bench.takers()[3..], [2, 1]);
}

#[test]
fn each_way_to_settle_gives_prefetch_back() {
    for settlement in [Settlement::Ack, Settlement::Reject, Settlement::Requeue] {
        let mut bench = Bench::new(QueueOptions::default());
        bench.consume(1, 1);
        bench.publish(&["a", "b"]);
        bench.settle(settlement, 0);
        assert_eq!(bench.bodies()[1], if settlement == Settlement::Requeue { "a" } else { "b" });
        assert_eq!(bench.queue.counts().unacked, 1, "{settlement:?}");
    }
}

#[test]
fn a_got_message_takes_none_of_the_prefetch() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["got"]);
    let first = got(bench.command(get(false)));
    bench.consume(1, 1);
    bench.publish(&["a", "b"]);
    bench.command(Command::Settle(Settlement::Ack, vec![first.handle]));
    assert_eq!((bench.bodies(), bench.ready()), (vec!["a".to_owned()], 1));
}

#[test]
fn prefetch_means_nothing_without_acks() {
    let mut bench = Bench::durable(|_| ());
    bench.consume_with(1, |consume| (consume.no_ack, consume.prefetch) = (true, 1));
    bench.publish(&["a", "b"]);
    assert_eq!((bench.got.len(), bench.queue.counts().unacked), (2, 0));
    assert_eq!(bench.effects.removed, [Position(1), Position(2)]);
    assert_eq!(bench.effects.delivered_up_to, None);
    bench.settle(Settlement::Requeue, 0);
    assert_eq!(bench.ready(), 0, "what needs no ack cannot be settled");
}

#[test]
fn a_window_is_one_consumers_and_credit_comes_in_pieces() {
    let mut bench = Bench::new(QueueOptions::default());
    let large = "x".repeat(WINDOW_BYTES);
    bench.consume(1, 0);
    bench.publish(&[&large, "a"]);
    assert_eq!((bench.got.len(), bench.ready()), (1, 1));
    let cost = bench.got[0].1.cost();
    let over = cost - WINDOW_BYTES;
    bench.command(Command::Written(key(9), cost));
    bench.command(Command::Written(key(1), over));
    assert_eq!(bench.ready(), 1, "the window is just full");
    bench.command(Command::Written(key(1), 1));
    assert_eq!(bench.bodies()[1], "a");
    bench.consume(2, 0);
    bench.publish(&["b"]);
    assert_eq!(bench.takers(), [1, 1, 2]);
}

#[test]
fn acks_give_no_window_back() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    bench.publish(&[&"x".repeat(WINDOW_BYTES), "a"]);
    bench.settle(Settlement::Ack, 0);
    assert_eq!(bench.got.len(), 1);
}

fn share(limit: u16, queue: u64) -> (Arc<ChannelPrefetch>, PrefetchShare) {
    let prefetch = Arc::new(ChannelPrefetch::new(1, limit, 0));
    (Arc::clone(&prefetch), PrefetchShare::new(prefetch, QueueId(queue)))
}

#[test]
fn a_channels_prefetch_counts_over_queues_and_holds_consumers_without_acks() {
    let (mut one, mut two) = (Bench::new(QueueOptions::default()), Bench::new(QueueOptions::default()));
    let (prefetch, first) = share(3, 1);
    let second = PrefetchShare::new(Arc::clone(&prefetch), QueueId(2));
    one.consume_with(1, |consume| consume.channel_prefetch = Some(first));
    two.consume_with(1, |consume| consume.channel_prefetch = Some(second.clone()));
    one.publish(&["a", "b"]);
    two.publish(&["c", "d", "e"]);
    assert_eq!((one.got.len(), two.got.len()), (2, 1));
    two.consume_with(2, |consume| (consume.no_ack, consume.channel_prefetch) = (true, Some(second)));
    assert_eq!(two.bodies(), ["c"]);
    assert_eq!(prefetch.give_back(1), [QueueId(2)]);
    two.command(Command::TakeTurn(CONSUMER, 1));
    assert_eq!(two.bodies(), ["c", "d"]);
    assert_eq!(prefetch.give_back(2), [QueueId(2)]);
    two.command(Command::TakeTurn(CONSUMER, 1));
    assert_eq!(two.takers(), [1, 1, 2]);
}

#[test]
fn a_channels_prefetch_that_is_raised_or_comes_later_counts_at_once() {
    let mut bench = Bench::new(QueueOptions::default());
    let (prefetch, share) = share(1, 1);
    bench.consume(1, 0);
    bench.command(Command::SetChannelPrefetch(CONSUMER, 1, Some(share)));
    bench.publish(&["a", "b", "c", "d", "e"]);
    assert_eq!(bench.got.len(), 1);
    assert_eq!(prefetch.set(3), [QueueId(1)]);
    bench.command(Command::TakeTurn(CONSUMER, 2));
    assert_eq!(bench.got.len(), 1, "that is another channel's");
    bench.command(Command::TakeTurn(CONSUMER, 1));
    assert_eq!((bench.got.len(), bench.ready()), (3, 2));
    bench.command(Command::SetChannelPrefetch(CONSUMER, 1, None));
    assert_eq!((bench.got.len(), bench.ready()), (5, 0));
}

#[test]
fn own_prefetch_and_the_channels_both_hold() {
    let mut bench = Bench::new(QueueOptions::default());
    let (_, share) = share(3, 1);
    for number in [1, 2] {
        let share = Some(share.clone());
        bench.consume_with(number, |consume| (consume.prefetch, consume.channel_prefetch) = (2, share));
    }
    bench.publish(&["a", "b", "c", "d", "e"]);
    assert_eq!(bench.takers(), [1, 2, 1]);
}

#[test]
fn a_consumer_that_leaves_its_channels_line_lets_others_go_first() {
    let mut bench = Bench::new(QueueOptions::default());
    let (prefetch, own) = share(1, 1);
    let other = PrefetchShare::new(Arc::clone(&prefetch), QueueId(2));
    bench.consume_with(1, |consume| consume.channel_prefetch = Some(own));
    bench.publish(&["a", "b"]);
    assert!(!other.try_take(true));
    assert_eq!(prefetch.give_back(1), [QueueId(1)]);
    bench.command(Command::Cancel(key(1)));
    assert_eq!(bench.effects.turns_passed_on, [(CONSUMER, 1)]);
    assert_eq!(prefetch.next_turns(), [QueueId(2)]);
    assert!(other.try_take(true));
}

#[test]
fn a_consumer_of_higher_priority_is_first_again_when_it_has_credit() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    bench.consume_with(2, |consume| (consume.priority, consume.prefetch) = (1, 1));
    bench.consume_with(3, |consume| consume.priority = -1);
    bench.publish(&["a", "b"]);
    bench.settle(Settlement::Ack, 0);
    bench.publish(&["c", "d"]);
    assert_eq!(bench.takers(), [2, 1, 2, 1]);
}

#[test]
fn consumers_of_equal_priority_take_turns_above_others() {
    let mut bench = Bench::new(QueueOptions::default());
    for (number, priority) in [(1, 0), (2, 7), (3, 7)] {
        bench.consume_with(number, |consume| consume.priority = priority);
    }
    bench.publish(&["a", "b", "c"]);
    assert_eq!(bench.takers(), [2, 3, 2]);
}

// ---- Single active, exclusive ----

#[test]
fn the_active_consumer_is_waited_for() {
    let mut bench = Bench::new(QueueOptions { single_active_consumer: true, ..QueueOptions::default() });
    bench.consume(1, 1);
    bench.consume(2, 0);
    bench.publish(&["a", "b"]);
    assert_eq!((bench.takers(), bench.ready()), (vec![1], 1));
    bench.settle(Settlement::Ack, 0);
    assert_eq!(bench.takers(), [1, 1]);
}

#[test]
fn the_next_active_consumer_gets_what_the_first_had() {
    let mut bench = Bench::new(QueueOptions { single_active_consumer: true, ..QueueOptions::default() });
    for number in [1, 2, 3] {
        bench.consume_with(number, |consume| consume.key.channel = number as u16);
    }
    bench.publish(&["a"]);
    let second = ConsumerKey { channel: 2, ..key(2) };
    bench.command(Command::Cancel(second));
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.publish(&["b"]);
    assert_eq!((bench.takers(), bench.bodies().concat()), (vec![1, 3, 3], "aab".to_owned()));
}

#[test]
fn an_exclusive_consumers_end_frees_the_queue() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume_with(1, |consume| consume.exclusive = true);
    assert!(matches!(bench.consume_with(2, |_| ()), Reply::InExclusiveUse));
    bench.publish(&["a"]);
    assert_eq!(bench.takers(), [1], "the refused one is not there");
    bench.command(Command::ConnectionGone(CONSUMER));
    assert!(matches!(bench.consume_with(2, |_| ()), Reply::Consuming));
}

// ---- Expiry ----

#[test]
fn each_priority_has_a_head_where_messages_expire() {
    let mut bench = priority_queue(2);
    for (body, ttl_ms, priority) in [("a", 30, 0), ("b", 20, 1), ("c", 10, 1)] {
        bench.publish_with(body, Some(ttl_ms), priority);
    }
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(20)));
    bench.advance_ms(20);
    assert_eq!(bench.ready(), 1, "the head of priority 1 and the one behind it");
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(30)));
}

#[test]
fn a_message_lives_to_its_last_millisecond() {
    let mut bench = Bench::new(QueueOptions { message_ttl_ms: Some(10), ..QueueOptions::default() });
    bench.publish(&["a"]);
    bench.advance_ms(9);
    assert_eq!(bench.ready(), 1);
    bench.advance_ms(1);
    assert_eq!(bench.ready(), 0);
}

#[test]
fn an_unacked_message_expires_when_it_comes_back() {
    let mut bench = Bench::durable(|options| options.dead_letter_exchange = Some(String::new()));
    bench.publish_with("a", Some(10), 0);
    let delivery = got(bench.command(get(false)));
    bench.advance_ms(50);
    assert_eq!((bench.letters(), bench.queue.poll_timeout()), (vec![], None));
    bench.command(Command::Settle(Settlement::Requeue, vec![delivery.handle]));
    assert_eq!(bench.letters(), [(Reason::Expired, Some(1))]);
}

#[test]
fn an_expired_message_is_not_got() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish_with("a", Some(10), 0);
    bench.publish(&["b"]);
    bench.now = bench.now.plus_ms(11);
    let delivery = got(bench.command(get(true)));
    assert_eq!(delivery.message.body(), b"b");
    assert_eq!(bench.effects.dropped, [(Reason::Expired, 1)]);
}

#[test]
fn a_message_that_expired_in_the_meantime_is_not_delivered() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish_with("late", Some(10), 0);
    bench.publish_with("in time", Some(12), 0);
    bench.now = bench.now.plus_ms(11);
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), ["in time"]);
    assert_eq!(bench.effects.dropped, [(Reason::Expired, 1)]);
}

#[test]
fn a_queue_ttl_of_zero_needs_a_consumer_with_credit() {
    let mut bench = Bench::new(QueueOptions { message_ttl_ms: Some(0), ..QueueOptions::default() });
    bench.consume(1, 1);
    bench.publish(&["a", "b"]);
    assert_eq!((bench.bodies(), bench.ready()), (vec!["a".to_owned()], 0));
    assert_eq!(bench.effects.dropped, [(Reason::Expired, 1)]);
}

#[test]
fn consuming_and_getting_are_uses_of_a_queue() {
    let mut bench = Bench::new(QueueOptions { expires_ms: Some(100), ..QueueOptions::default() });
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(100)));
    bench.advance_ms(90);
    bench.command(get(true));
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(190)));
    bench.advance_ms(90);
    bench.consume(1, 0);
    assert_eq!(bench.queue.poll_timeout(), None);
    bench.advance_ms(10);
    bench.command(Command::Cancel(key(1)));
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(290)));
    bench.consume(2, 0);
    bench.advance_ms(10);
    bench.command(Command::ConnectionGone(CONSUMER));
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(300)));
    bench.publish(&["publishing is none"]);
    bench.advance_ms(100);
    assert_eq!(bench.effects.ended, Some(Ended::Expired));
    assert!(bench.effects.dead_letters.is_empty());
}

// ---- Length limits ----

#[test]
fn the_lowest_priority_gives_way() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(2);
        options.priority_max = Some(5);
    });
    for (body, priority) in [("high", 5), ("low", 1), ("mid", 3)] {
        bench.publish_with(body, None, priority);
    }
    assert_eq!(bench.effects.removed, [Position(2)]);
    bench.publish_with("lowest", None, 0);
    assert_eq!(bench.effects.removed, [Position(2), Position(4)], "a new one that is lowest goes itself");
}

#[test]
fn a_length_of_zero_is_deliver_now_or_drop() {
    let mut bench = Bench::new(QueueOptions { length_max: Some(0), ..QueueOptions::default() });
    bench.publish(&["dropped"]);
    assert_eq!((bench.ready(), std::mem::take(&mut bench.effects.dropped)), (0, vec![(Reason::Maxlen, 1)]));
    bench.consume(1, 0);
    bench.publish(&["delivered"]);
    assert_eq!((bench.bodies(), bench.effects.dropped.len()), (vec!["delivered".to_owned()], 0));
}

#[test]
fn one_large_message_drops_many_small_ones() {
    let mut bench = Bench::durable(|options| {
        options.length_bytes_max = Some(6);
        options.dead_letter_exchange = Some("dlx".to_owned());
    });
    bench.publish(&["11", "22", "33", "44444"]);
    assert_eq!(bench.queue.counts().ready_bytes, 5);
    assert_eq!(bench.letters(), [1, 2, 3].map(|position| (Reason::Maxlen, Some(position))));
    assert!(bench.effects.removed.is_empty(), "a dead letter's record goes when its copies are stored");
}

/// As RabbitMQ: the limit looks at a message first, and its TTL before the next one comes.
#[test]
fn in_one_batch_or_in_several_a_message_dies_of_the_same() {
    for (length_max, reason) in [(2, Reason::Expired), (0, Reason::Maxlen)] {
        let mut bench = Bench::durable(|options| {
            options.length_max = Some(length_max);
            options.message_ttl_ms = Some(0);
            options.dead_letter_exchange = Some("dlx".to_owned());
        });
        let publishes = (1..=4).map(|sequence| publish(sequence, 1, true)).collect();
        bench.command(Command::Publish(PUBLISHER, publishes));
        assert_eq!(bench.letters(), [1, 2, 3, 4].map(|position| (reason, Some(position))));
    }
}

#[test]
fn a_refused_publish_has_no_position_and_no_record() {
    for (overflow, letters) in
        [(Overflow::RejectPublish, vec![]), (Overflow::RejectPublishDlx, vec![(Reason::Maxlen, None)])]
    {
        let mut bench = Bench::durable(|options| {
            options.length_max = Some(1);
            options.overflow = overflow;
            options.dead_letter_exchange = Some("dlx".to_owned());
        });
        bench.publish(&["a", "refused"]);
        assert_eq!((bench.effects.appended.len(), bench.letters()), (1, letters));
        bench.command(Command::Purge);
        bench.publish(&["b"]);
        assert_eq!(bench.queue.ready_positions(), [Position(2)]);
        assert_eq!(bench.effects.refusals, [range(1, 2, 2)]);
    }
}

#[test]
fn room_that_a_consumer_makes_counts_within_a_batch() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(1);
        options.overflow = Overflow::RejectPublish;
    });
    bench.consume(1, 2);
    let publishes = (1..=4).map(|sequence| publish(sequence, 1, true)).collect();
    bench.command(Command::Publish(PUBLISHER, publishes));
    assert_eq!((bench.got.len(), bench.ready()), (2, 1));
    assert_eq!(
        (&bench.effects.append_confirms[..], &bench.effects.refusals[..]),
        (&[range(1, 1, 3)][..], &[range(1, 4, 4)][..])
    );
}

#[test]
fn dead_letters_push_out_the_oldest_as_publishes_do() {
    let mut bench = Bench::durable(|options| options.length_max = Some(1));
    bench.command(Command::PublishDeadLettered(
        vec![publish(0, 0, true), publish(0, 0, true)],
        Provenance::new(),
    ));
    assert_eq!(bench.effects.removed, [Position(1)]);
    assert!(bench.effects.append_confirms.is_empty() && bench.effects.confirms.is_empty());
}

// ---- Confirms ----

#[test]
fn confirms_of_a_run_are_one_range() {
    let mut bench = Bench::durable(|_| ());
    let command = |publishes: &[(u64, u16, bool)]| {
        let publishes =
            publishes.iter().map(|(sequence, channel, stored)| publish(*sequence, *channel, *stored));
        Command::Publish(PUBLISHER, publishes.collect())
    };
    let first = command(&[(1, 1, true), (2, 1, true), (1, 2, true), (2, 2, true), (3, 1, true)]);
    bench.batch(vec![first, command(&[(4, 1, true), (6, 1, true), (0, 1, true)])]);
    let expected = [range(1, 1, 2), range(2, 1, 2), range(1, 3, 4), range(1, 6, 6)];
    assert_eq!((&bench.effects.append_confirms[..], bench.effects.confirms.len()), (&expected[..], 0));
}

#[test]
fn only_what_is_stored_waits_for_the_store() {
    for durable in [true, false] {
        let mut bench = Bench::new(QueueOptions { durable, ..QueueOptions::default() });
        let publishes = vec![publish(1, 1, true), publish(2, 1, false), publish(0, 1, false)];
        bench.command(Command::Publish(PUBLISHER, publishes));
        let stored = if durable { vec![range(1, 1, 1)] } else { vec![] };
        let other = if durable { range(1, 2, 2) } else { range(1, 1, 2) };
        assert_eq!((&bench.effects.append_confirms, &bench.effects.confirms), (&stored, &vec![other]));
        assert_eq!(bench.effects.appended.len(), stored.len());
    }
}

#[test]
fn a_message_that_dies_at_once_is_confirmed_all_the_same() {
    let mut bench = Bench::durable(|_| ());
    bench.publish_with("a", Some(0), 0);
    assert_eq!(bench.effects.append_confirms, [range(1, 1, 1)]);
    assert_eq!(bench.effects.removed, [Position(1)]);
}

// ---- The store ----

#[test]
fn transient_messages_leave_no_trace_in_the_store() {
    let mut bench = Bench::durable(|_| ());
    bench.consume(1, 1);
    bench.command(Command::Publish(PUBLISHER, vec![publish(1, 1, false), publish(2, 1, false)]));
    bench.settle(Settlement::Ack, 0);
    bench.settle(Settlement::Requeue, 1);
    bench.command(Command::Cancel(key(1)));
    bench.settle(Settlement::Reject, 2);
    bench.command(Command::Publish(PUBLISHER, vec![publish(3, 1, false)]));
    bench.command(Command::Purge);
    let effects = &bench.effects;
    assert!(effects.appended.is_empty() && effects.removed.is_empty());
    assert_eq!((effects.delivered_up_to, &effects.purged), (None, &None));
}

#[test]
fn the_store_learns_when_a_message_expires() {
    let mut bench = Bench::durable(|options| options.message_ttl_ms = Some(50));
    bench.advance_ms(5);
    bench.publish_with("a", Some(7), 0);
    bench.publish_with("b", None, 0);
    let expires: Vec<_> = bench.effects.appended.iter().map(|append| append.expires).collect();
    assert_eq!(expires, [12, 55].map(|ms| Time::ZERO.plus_ms(ms)));
    let mut without = Bench::durable(|_| ());
    without.publish(&["c"]);
    assert_eq!(without.effects.appended[0].expires, Time::NEVER);
}

#[test]
fn delivered_up_to_is_the_highest_position_given_out() {
    let mut bench = Bench::durable(|options| options.priority_max = Some(1));
    bench.publish_with("low", None, 0);
    bench.publish_with("high", None, 1);
    bench.consume(1, 1);
    assert_eq!(bench.effects.delivered_up_to, Some(Position(2)));
    bench.settle(Settlement::Ack, 0);
    assert_eq!(bench.effects.delivered_up_to, Some(Position(2)), "it never goes back");
}

#[test]
fn a_purge_spares_what_is_unacked() {
    let mut bench = Bench::durable(|_| ());
    bench.publish(&["a", "b", "c"]);
    let first = got(bench.command(get(false)));
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(2)));
    assert_eq!(bench.effects.purged.take(), Some((Position(4), vec![Position(1)])));
    assert_eq!(bench.queue.counts(), Counts { unacked: 1, ..Counts::default() });
    bench.command(Command::Settle(Settlement::Requeue, vec![first.handle]));
    assert_eq!(bench.queue.ready_positions(), [Position(1)]);
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(1)));
    assert_eq!(bench.effects.purged, Some((Position(4), vec![])));
    assert!(bench.effects.removed.is_empty() && bench.effects.dead_letters.is_empty());
}

#[test]
fn messages_from_an_earlier_run_go_on_where_they_were() {
    let mut bench = Bench::durable(|_| ());
    bench.queue = Queue::new(bench.queue.options().clone(), Position(10), Time::ZERO);
    bench.restore(vec![(4, "old".into(), Time::NEVER), (7, "old".into(), Time::ZERO.plus_ms(5))], 6);
    bench.publish(&["new"]);
    assert_eq!(bench.queue.ready_positions(), [4, 7, 10].map(Position));
    let first = got(bench.command(get(false)));
    assert_eq!((first.handle.position, first.redelivered), (Position(4), true));
    bench.command(Command::Settle(Settlement::Ack, vec![first.handle]));
    bench.advance_ms(5);
    assert_eq!(bench.effects.removed, [Position(4), Position(7)]);
}

#[test]
fn a_rejected_message_is_dead_lettered_with_its_record() {
    let mut bench = Bench::durable(|options| options.dead_letter_exchange = Some("dlx".to_owned()));
    bench.consume(1, 0);
    bench.command(Command::Publish(PUBLISHER, vec![publish(1, 1, true), publish(2, 1, false)]));
    bench.settle(Settlement::Reject, 0);
    bench.settle(Settlement::Reject, 1);
    assert_eq!(bench.letters(), [(Reason::Rejected, Some(1)), (Reason::Rejected, None)]);
    assert!(bench.effects.removed.is_empty() && bench.effects.dropped.is_empty());
}

// ---- Ends ----

#[test]
fn a_delete_looks_at_ready_messages_only() {
    let mut bench = Bench::durable(|options| options.dead_letter_exchange = Some("dlx".to_owned()));
    bench.publish(&["a"]);
    got(bench.command(get(false)));
    assert!(matches!(bench.command(Command::Delete { if_unused: true, if_empty: true }), Reply::Deleted(0)));
    assert_eq!((bench.effects.ended, bench.letters()), (Some(Ended::Deleted), vec![]));
}

#[test]
fn a_deleted_queue_counts_what_it_had_and_tells_its_consumers() {
    let mut bench = Bench::new(QueueOptions { expires_ms: Some(10), ..QueueOptions::default() });
    bench.consume(1, 1);
    bench.consume(2, 1);
    bench.publish(&["a", "b", "c"]);
    let delete = Command::Delete { if_unused: false, if_empty: false };
    assert!(matches!(bench.command(delete), Reply::Deleted(1)));
    assert_eq!(bench.effects.cancelled, [key(1), key(2)]);
    bench.effects.ended = None;
    bench.advance_ms(100);
    assert_eq!(bench.effects.ended, None, "it ends once");
}

#[test]
fn an_auto_delete_queue_ends_with_the_connection_of_its_last_consumer() {
    let mut bench = Bench::new(QueueOptions { auto_delete: true, ..QueueOptions::default() });
    bench.command(get(true));
    bench.command(Command::Cancel(key(1)));
    assert_eq!(bench.effects.ended, None, "it never had a consumer");
    bench.consume(1, 0);
    bench.command(Command::ConnectionGone(PUBLISHER));
    assert_eq!(bench.effects.ended, None);
    bench.command(Command::ConnectionGone(CONSUMER));
    assert_eq!(bench.effects.ended, Some(Ended::AutoDeleted));
}

// ---- Batches ----

#[test]
fn a_batch_makes_one_run_of_deliveries_a_consumer() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    bench.consume_with(2, |consume| consume.key.channel = 2);
    let publishes = (1..=5).map(|sequence| publish(sequence, 1, true)).collect();
    bench.queue.apply(bench.now, Command::Publish(PUBLISHER, publishes), &mut bench.effects);
    assert!(bench.effects.deliveries.is_empty(), "they leave with the batch");
    bench.queue.settle_batch(bench.now, &mut bench.effects);
    let lengths: Vec<_> = bench.effects.deliveries.iter().map(|batch| batch.deliveries.len()).collect();
    assert_eq!(lengths, [3, 2]);
}

#[test]
fn deliveries_made_before_a_cancel_leave_before_its_answer() {
    let mut bench = Bench::new(QueueOptions { length_max: Some(1), ..QueueOptions::default() });
    bench.consume(1, 0);
    let publishes = Command::Publish(PUBLISHER, vec![publish(1, 1, true), publish(2, 1, true)]);
    bench.queue.apply(bench.now, publishes, &mut bench.effects);
    bench.queue.apply(bench.now, Command::Cancel(key(1)), &mut bench.effects);
    bench.collect();
    assert_eq!((bench.got.len(), bench.queue.counts().unacked), (2, 2));
}

#[test]
fn counts_are_those_of_the_moment() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 1);
    bench.publish(&["aa", "bbb"]);
    let Reply::Counts(counts) = bench.command(Command::Inspect) else { panic!("no counts") };
    assert_eq!(counts, Counts { ready: 1, unacked: 1, consumers: 1, ready_bytes: 3, ..Counts::default() });
}

// ---- Each command as if alone ----

#[test]
fn questions_are_answered_as_if_each_command_were_a_batch() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume_with(1, |consume| consume.no_ack = true);
    let p = Command::Publish(PUBLISHER, vec![publish(1, 1, true)]);
    let replies = bench.batch(vec![p, Command::Inspect, Command::Purge]);
    assert!(matches!(replies[1], Reply::Counts(Counts { ready: 0, .. })), "{replies:?}");
    assert!(matches!(replies[2], Reply::Purged(0)), "{replies:?}");
    assert_eq!(bench.got.len(), 1);
}

#[test]
fn what_came_before_a_delete_is_delivered() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume_with(1, |consume| consume.no_ack = true);
    let p = Command::Publish(PUBLISHER, vec![publish(1, 1, true)]);
    let replies = bench.batch(vec![p, Command::Delete { if_unused: false, if_empty: true }]);
    assert!(matches!(replies[1], Reply::Deleted(0)), "{replies:?}");
    assert_eq!(bench.got.len(), 1);
}

#[test]
fn a_get_does_not_overtake_a_consumer_that_waits() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    let p = Command::Publish(PUBLISHER, vec![publish(1, 1, true)]);
    let replies = bench.batch(vec![p, get(true)]);
    assert!(matches!(replies[1], Reply::Empty), "{replies:?}");
    assert_eq!(bench.got.len(), 1);
}

#[test]
fn what_lives_for_no_time_is_gone_before_the_next_command() {
    let now_or_never =
        || Command::Publish(PUBLISHER, vec![Publish { ttl_ms: Some(0), ..publish(0, 1, false) }]);
    let mut bench = Bench::new(QueueOptions::default());
    let replies = bench.batch(vec![now_or_never(), get(true)]);
    assert!(matches!(replies[1], Reply::Empty), "{replies:?}");
    bench.batch(vec![now_or_never(), Command::Consume(consume(1).into())]);
    assert_eq!((bench.got.len(), &bench.effects.dropped[..]), (0, &[(Reason::Expired, 2)][..]));
}

#[test]
fn an_auto_delete_queue_delivers_before_its_consumer_leaves() {
    let mut bench = Bench::new(QueueOptions { auto_delete: true, ..QueueOptions::default() });
    bench.consume(1, 0);
    let p = Command::Publish(PUBLISHER, vec![publish(1, 1, true)]);
    bench.batch(vec![p, Command::Cancel(key(1))]);
    assert_eq!((bench.got.len(), bench.effects.ended), (1, Some(Ended::AutoDeleted)));
}

#[test]
fn a_purge_spares_dead_letters_on_their_way() {
    let mut bench = Bench::durable(|options| options.dead_letter_exchange = Some("dlx".to_owned()));
    bench.publish(&["a", "b"]);
    let first = got(bench.command(get(false)));
    bench.batch(vec![Command::Settle(Settlement::Reject, vec![first.handle]), Command::Purge]);
    assert_eq!(bench.letters(), [(Reason::Rejected, Some(1))]);
    assert_eq!(bench.effects.purged, Some((Position(3), vec![Position(1)])));
}

#[test]
fn deliveries_without_ack_leave_before_their_channel_goes() {
    let mut bench = Bench::durable(|options| options.length_max = Some(1));
    bench.consume_with(1, |consume| consume.no_ack = true);
    let p = Command::Publish(PUBLISHER, vec![publish(1, 1, true), publish(2, 1, true)]);
    bench.batch(vec![p, Command::ChannelGone(CONSUMER, 1, Ending::Returned)]);
    assert_eq!(bench.got.len() + bench.ready(), 2);
}

#[test]
fn a_requeue_above_the_limit_drops_the_oldest() {
    let mut bench = Bench::new(QueueOptions { length_max: Some(2), ..QueueOptions::default() });
    bench.publish(&["a", "b"]);
    let first = got(bench.command(get(false)));
    bench.publish(&["c"]);
    bench.command(Command::Settle(Settlement::Requeue, vec![first.handle]));
    assert_eq!(bench.queue.ready_positions(), [2, 3].map(Position));
}

#[test]
fn reject_publish_counts_the_new_body() {
    let mut bench = Bench::durable(|options| {
        options.length_bytes_max = Some(5);
        options.overflow = Overflow::RejectPublish;
    });
    bench.publish(&["123", "456", "45", ""]);
    assert_eq!((bench.ready(), bench.queue.counts().ready_bytes), (3, 5));
    assert_eq!(bench.effects.refusals, [range(1, 2, 2)]);
}

/// One message after the other, each acked; who gets it.
fn next_taker(bench: &mut Bench) -> u32 {
    bench.publish(&["m"]);
    let taker = bench.takers().last().copied().unwrap();
    bench.settle(Settlement::Ack, bench.got.len() - 1);
    taker
}

#[test]
fn after_the_active_consumer_the_oldest_of_the_highest_priority_follows() {
    for is_quorum in [false, true] {
        let options = QueueOptions { single_active_consumer: true, is_quorum, ..QueueOptions::default() };
        let mut bench = Bench::new(options);
        for (number, priority) in [(1, 5), (2, -1), (3, 5), (4, 1), (5, 5)] {
            bench.consume_with(number, |consume| consume.priority = priority);
        }
        for number in [1, 3, 5, 4, 2] {
            assert_eq!(next_taker(&mut bench), number);
            bench.command(Command::Cancel(key(number)));
        }
    }
}

#[test]
fn in_a_quorum_queue_a_higher_priority_takes_over_when_the_active_one_has_settled_all() {
    for (is_quorum, takers) in [(false, [1, 1, 1]), (true, [1, 2, 2])] {
        let options = QueueOptions { single_active_consumer: true, is_quorum, ..QueueOptions::default() };
        let mut bench = Bench::new(options);
        bench.consume_with(1, |consume| consume.prefetch = 1);
        bench.publish(&["a", "b", "c"]);
        bench.consume_with(2, |consume| (consume.priority, consume.prefetch) = (5, 1));
        assert_eq!(bench.takers(), [1]);
        bench.settle(Settlement::Ack, 0);
        bench.settle(Settlement::Ack, 1);
        assert_eq!(bench.takers(), takers);
    }
}

#[test]
fn a_get_does_not_count_what_has_expired_behind_it() {
    let mut bench = Bench::new(QueueOptions::default());
    for (body, ttl_ms) in [("a", None), ("b", Some(5)), ("c", Some(5)), ("d", None), ("e", Some(5))] {
        let publish = Publish { message: message(body), channel: 1, sequence: 0, ttl_ms, priority: 0 };
        bench.command(Command::Publish(PUBLISHER, vec![publish]));
    }
    bench.now = bench.now.plus_ms(10);
    let get = || Command::Get { connection: CONSUMER, channel: 1, no_ack: true };
    assert!(matches!(bench.command(get()), Reply::Got { remaining: 2, .. }));
    assert!(matches!(bench.command(get()), Reply::Got { remaining: 0, .. }));
    assert!(matches!(bench.command(get()), Reply::Empty));
}
