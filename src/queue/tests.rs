//! The queue machine, by example and by property.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

mod returning;

use super::dead_letter::Reason;
use super::failure_policy::{RetryPolicy, RetryType};
use super::*;
use crate::message::{Message, Parts, Position};
use crate::time::Time;

mod channel_prefetch;
mod dead_letter;
mod deduplicating;
mod happening;
mod inbox;
mod machine;
mod model;
mod moving;
mod paging;
mod peeking;
mod schedule;
mod spilled;
mod unreadable;

const PUBLISHER: ConnectionId = ConnectionId(1);
const CONSUMER: ConnectionId = ConnectionId(2);

fn key(number: u32) -> ConsumerKey {
    ConsumerKey { connection: CONSUMER, channel: 1, number }
}

fn message(body: &str) -> Message {
    Message::new(Parts {
        routing_key: b"q",
        properties: &[0, 0],
        body: body.as_bytes(),
        persistent: true,
        ..Parts::default()
    })
}

fn consume(number: u32) -> Consume {
    consume_as(key(number))
}

fn consume_as(key: ConsumerKey) -> Consume {
    Consume {
        key,
        no_ack: false,
        exclusive: false,
        prefetch: 0,
        priority: 0,
        channel_prefetch: None,
        inbox: None,
        ack_timeout: OwnTimeout::TheQueues,
        name: ConsumerName { tag: format!("consumer {}", key.number).into(), peer: "here".into() },
        arguments: Arc::default(),
        is_passing: false,
    }
}

/// A queue with its clients: what they got, in order.
struct Bench {
    queue: Queue,
    now: Time,
    sequence: u64,
    effects: Effects,
    got: Vec<(u32, Delivery)>,
    store: paging::PagedOut,
    peeker: peeking::Peeker,
}

impl Bench {
    fn new(options: QueueOptions) -> Self {
        let queue = Queue::new(options, Position(1), Time::ZERO);
        let (now, effects, store) = (Time::ZERO, Effects::default(), paging::PagedOut::default());
        let peeker = peeking::Peeker::default();
        Self { queue, now, sequence: 0, effects, got: Vec::new(), store, peeker }
    }

    fn durable(change: impl FnOnce(&mut QueueOptions)) -> Self {
        let mut options = QueueOptions { durable: true, ..QueueOptions::default() };
        change(&mut options);
        Self::new(options)
    }

    fn command(&mut self, command: Command) -> Reply {
        self.look();
        let reply = self.queue.apply(self.now, command, &mut self.effects);
        self.settle_batch();
        match reply {
            Reply::Deferred(ticket) => self.answer(ticket),
            reply => reply,
        }
    }

    /// All commands in one batch, as from one drain of the mailbox.
    fn batch(&mut self, commands: Vec<Command>) -> Vec<Reply> {
        let apply = |command| self.queue.apply(self.now, command, &mut self.effects);
        let replies: Vec<Reply> = commands.into_iter().map(apply).collect();
        self.settle_batch();
        let answer = |reply| match reply {
            Reply::Deferred(ticket) => self.answer(ticket),
            reply => reply,
        };
        replies.into_iter().map(answer).collect()
    }

    fn settle_batch(&mut self) {
        self.settle_once();
        if !self.store.late {
            self.serve(usize::MAX);
        }
    }

    fn settle_once(&mut self) {
        self.look();
        self.queue.settle_batch(self.now, &mut self.effects);
        self.take_seen();
        self.queue.check_window();
        self.shelve();
        self.collect();
    }

    fn collect(&mut self) {
        for batch in self.effects.deliveries.drain(..) {
            let number = batch.consumer.number;
            self.got.extend(batch.deliveries.into_iter().map(|delivery| (number, delivery)));
        }
    }

    fn publish_with(&mut self, body: &str, ttl_ms: Option<u64>, priority: u8) {
        self.publish_as(body, ttl_ms, priority, true);
    }

    fn publish_as(&mut self, body: &str, ttl_ms: Option<u64>, priority: u8, persistent: bool) {
        self.sequence += 1;
        let message = message(body).with_persistent(persistent);
        let publish = Publish { message, channel: 1, sequence: self.sequence, ttl_ms, priority };
        self.command(Command::Publish(PUBLISHER, vec![publish]));
    }

    fn publish(&mut self, bodies: &[&str]) {
        for body in bodies {
            self.publish_with(body, None, 0);
        }
    }

    fn consume_with(&mut self, number: u32, change: impl FnOnce(&mut Consume)) -> Reply {
        let mut consume = consume(number);
        change(&mut consume);
        self.command(Command::Consume(consume.into()))
    }

    fn consume(&mut self, number: u32, prefetch: u16) {
        assert!(matches!(self.consume_with(number, |consume| consume.prefetch = prefetch), Reply::Consuming));
    }

    fn settle(&mut self, settlement: Settlement, index: usize) {
        let handle = self.got[index].1.handle;
        self.command(Command::Settle(settlement, vec![handle]));
    }

    fn advance_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.settle_batch();
    }

    /// As policies do: what only a declare can set stays.
    fn configure(&mut self, options: QueueOptions) {
        let QueueOptions { durable, auto_delete, priority_max, single_active_consumer, .. } =
            *self.queue.options();
        let fixed = QueueOptions { durable, auto_delete, priority_max, single_active_consumer, ..options };
        self.command(Command::Configure(Box::new(fixed)));
    }

    fn bodies(&self) -> Vec<String> {
        self.got
            .iter()
            .map(|(_, delivery)| String::from_utf8_lossy(delivery.message.body()).into_owned())
            .collect()
    }

    fn takers(&self) -> Vec<u32> {
        self.got.iter().map(|(number, _)| *number).collect()
    }

    fn ready(&self) -> usize {
        self.queue.counts().ready
    }

    fn dead(&mut self) -> Vec<(String, Reason)> {
        let letters = std::mem::take(&mut self.effects.dead_letters);
        letters.iter().map(|l| (String::from_utf8_lossy(l.message.body()).into_owned(), l.reason)).collect()
    }
}

#[test]
fn consumers_take_turns_within_their_prefetch() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 2);
    bench.consume(2, 1);
    bench.publish(&["a", "b", "c", "d"]);
    assert_eq!((bench.takers(), bench.ready()), (vec![1, 2, 1], 1));
    bench.settle(Settlement::Ack, 1);
    assert_eq!((bench.takers(), bench.bodies()[3].as_str()), (vec![1, 2, 1, 2], "d"));
}

#[test]
fn a_requeued_message_returns_to_its_position_redelivered() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 2);
    bench.publish(&["a", "b", "c"]);
    bench.command(Command::Cancel(key(1)));
    bench.settle(Settlement::Requeue, 1);
    bench.settle(Settlement::Requeue, 0);
    bench.consume(2, 0);
    assert_eq!(bench.bodies(), ["a", "b", "a", "b", "c"]);
    let redelivered: Vec<bool> = bench.got.iter().map(|(_, delivery)| delivery.redelivered).collect();
    assert_eq!(redelivered, [false, false, true, true, false]);
}

#[test]
fn a_window_of_bytes_bounds_what_is_on_its_way() {
    let mut bench = Bench::new(QueueOptions::default());
    let large = "x".repeat(WINDOW_BYTES / 2);
    bench.consume_with(1, |consume| consume.no_ack = true);
    bench.publish(&[&large, &large, &large]);
    assert_eq!((bench.got.len(), bench.ready()), (2, 1));
    bench.command(Command::Written(key(1), WINDOW_BYTES / 2));
    assert_eq!((bench.got.len(), bench.ready()), (3, 0));
}

#[test]
fn higher_consumer_priorities_are_served_first() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume_with(1, |consume| consume.prefetch = 1);
    bench.consume_with(2, |consume| (consume.priority, consume.prefetch) = (5, 2));
    bench.publish(&["a", "b", "c", "d"]);
    assert_eq!(bench.takers(), [2, 2, 1]);
}

#[test]
fn one_consumer_is_active_and_the_next_takes_over() {
    let mut bench = Bench::new(QueueOptions { single_active_consumer: true, ..QueueOptions::default() });
    bench.consume(1, 0);
    bench.consume(2, 0);
    bench.publish(&["a", "b"]);
    assert_eq!(bench.takers(), [1, 1]);
    bench.command(Command::Cancel(key(1)));
    bench.publish(&["c"]);
    assert_eq!(bench.takers(), [1, 1, 2]);
}

#[test]
fn a_dismissed_consumer_is_told_and_its_messages_stay_with_its_channel() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 2);
    bench.publish(&["a", "b", "c"]);
    assert!(matches!(bench.command(Command::Dismiss(key(1))), Reply::Done));
    assert_eq!(std::mem::take(&mut bench.effects.dismissed), [key(1)]);
    let counts = bench.queue.counts();
    assert_eq!((counts.ready, counts.unacked, counts.consumers), (1, 2, 0));
    assert!(matches!(bench.command(Command::Dismiss(key(1))), Reply::NoConsumer));
    assert!(bench.effects.dismissed.is_empty() && bench.effects.cancelled.is_empty());
    bench.settle(Settlement::Requeue, 0);
    assert_eq!(bench.ready(), 2);
}

#[test]
fn exclusive_consumers_stand_alone() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    assert!(matches!(bench.consume_with(2, |consume| consume.exclusive = true), Reply::InExclusiveUse));
    bench.command(Command::Cancel(key(1)));
    assert!(matches!(bench.consume_with(2, |consume| consume.exclusive = true), Reply::Consuming));
    assert!(matches!(bench.consume_with(3, |_| ()), Reply::InExclusiveUse));
}

#[test]
fn with_a_single_active_consumer_none_is_exclusive() {
    let mut bench = Bench::new(QueueOptions { single_active_consumer: true, ..QueueOptions::default() });
    assert!(matches!(bench.consume_with(1, |consume| consume.exclusive = true), Reply::InExclusiveUse));
    assert!(matches!(bench.consume_with(1, |_| ()), Reply::Consuming));
}

#[test]
fn what_expired_behind_a_live_message_is_not_delivered() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["before"]);
    bench.publish_with("dead", Some(10), 0);
    bench.publish(&["after"]);
    bench.advance_ms(20);
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), ["before", "after"]);
}

#[test]
fn priorities_are_delivered_highest_first() {
    let mut bench = Bench::new(QueueOptions { priority_max: Some(5), ..QueueOptions::default() });
    for (body, priority) in [("low", 0), ("high", 4), ("above", 200), ("mid", 2)] {
        bench.publish_with(body, None, priority);
    }
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), ["above", "high", "mid", "low"]);
}

#[test]
fn messages_expire_at_the_head() {
    let mut bench = Bench::durable(|options| options.dead_letter_exchange = Some("dlx".to_owned()));
    bench.publish_with("long", Some(100), 0);
    bench.publish_with("short", Some(10), 0);
    assert_eq!(bench.queue.poll_timeout(), Some(Time::ZERO.plus_ms(100)));
    bench.advance_ms(50);
    assert_eq!((bench.ready(), bench.dead()), (2, vec![]));
    bench.advance_ms(50);
    let expired = |body: &str| (body.to_owned(), Reason::Expired);
    assert_eq!(bench.dead(), [expired("long"), expired("short")]);
    assert_eq!(bench.queue.poll_timeout(), None);
}

#[test]
fn a_ttl_of_zero_is_deliver_now_or_die() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish_with("dies", Some(0), 0);
    assert_eq!((bench.ready(), std::mem::take(&mut bench.effects.dropped)), (0, vec![(Reason::Expired, 1)]));
    bench.consume(1, 0);
    bench.publish_with("lives", Some(0), 0);
    assert_eq!(bench.bodies(), ["lives"]);
}

#[test]
fn the_lower_ttl_wins_and_survives_a_requeue() {
    let mut bench = Bench::new(QueueOptions { message_ttl_ms: Some(50), ..QueueOptions::default() });
    bench.publish_with("a", Some(1000), 0);
    bench.consume(1, 1);
    bench.advance_ms(40);
    bench.command(Command::ConnectionGone(CONSUMER));
    assert_eq!(bench.ready(), 1);
    bench.advance_ms(10);
    assert_eq!(bench.ready(), 0);
}

#[test]
fn an_unused_queue_expires_and_a_used_one_does_not() {
    let mut bench = Bench::new(QueueOptions { expires_ms: Some(100), ..QueueOptions::default() });
    bench.advance_ms(60);
    bench.command(Command::Inspect);
    bench.advance_ms(60);
    assert_eq!(bench.effects.ended, None);
    bench.consume(1, 0);
    bench.advance_ms(500);
    assert_eq!(bench.effects.ended, None);
    bench.command(Command::Cancel(key(1)));
    bench.advance_ms(100);
    assert_eq!(bench.effects.ended, Some(Ended::Expired));
}

#[test]
fn new_settings_hold_at_once_but_for_the_ttl() {
    let mut bench = Bench::durable(|_| {});
    bench.publish(&["a", "b", "c"]);
    bench.configure(QueueOptions {
        length_max: Some(2),
        message_ttl_ms: Some(10),
        dead_letter_exchange: Some("dlx".to_owned()),
        ..QueueOptions::default()
    });
    assert_eq!(bench.ready(), 2);
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::Maxlen)]);
    bench.advance_ms(1000);
    assert_eq!(bench.ready(), 2, "messages that were there keep their time");
    bench.configure(QueueOptions {
        overflow: Overflow::RejectPublish,
        length_max: Some(1),
        ..QueueOptions::default()
    });
    assert_eq!(bench.ready(), 2, "only drop-head drops what is there");
    bench.configure(QueueOptions { expires_ms: Some(100), ..QueueOptions::default() });
    bench.advance_ms(99);
    assert_eq!(bench.effects.ended, None, "a new expiry runs from when it is set");
    bench.advance_ms(1);
    assert_eq!(bench.effects.ended, Some(Ended::Expired));
}

#[test]
fn a_new_ack_timeout_is_for_messages_that_are_out_already_but_not_for_a_consumers_own() {
    use super::options::{AckTimeout, OwnTimeout, TimeoutAction};
    let timeout = |ms| Some(AckTimeout { ms, action: TimeoutAction::Requeue });
    let mut bench = Bench::durable(|options| options.ack_timeout = timeout(5000));
    bench.publish(&["a", "b"]);
    bench.consume(1, 1);
    bench.consume_with(2, |consume| {
        consume.prefetch = 1;
        consume.ack_timeout = OwnTimeout::Own(timeout(5000));
    });
    assert_eq!(bench.ready(), 0);
    // Neither gets another: what comes back stays ready.
    bench.configure(QueueOptions { ack_timeout: timeout(100), ..QueueOptions::default() });
    bench.command(Command::Cancel(key(1)));
    bench.advance_ms(100);
    assert_eq!(bench.ready(), 1, "the queue's timeout is the new one, the consumer's own is its own");
    bench.advance_ms(4899);
    assert_eq!(bench.ready(), 1);
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer() {
    let mut bench = Bench::new(QueueOptions { auto_delete: true, ..QueueOptions::default() });
    bench.command(Command::ConnectionGone(CONSUMER));
    assert_eq!(bench.effects.ended, None);
    bench.consume(1, 0);
    bench.consume(2, 0);
    bench.command(Command::Cancel(key(1)));
    assert_eq!(bench.effects.ended, None);
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    assert_eq!(bench.effects.ended, Some(Ended::AutoDeleted));
}

#[test]
fn drop_head_drops_the_oldest_ready_messages() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(2);
        options.dead_letter_exchange = Some("dlx".to_owned());
    });
    bench.consume(1, 1);
    bench.publish(&["taken", "a", "b", "c"]);
    assert_eq!((bench.bodies(), bench.ready()), (vec!["taken".to_owned()], 2));
    assert_eq!(bench.dead(), [("a".to_owned(), Reason::Maxlen)]);
}

#[test]
fn bytes_limit_counts_bodies() {
    let mut bench = Bench::new(QueueOptions { length_bytes_max: Some(5), ..QueueOptions::default() });
    bench.publish(&["123", "45", "6"]);
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), ["45", "6"]);
}

#[test]
fn reject_publish_refuses_and_the_dlx_variant_dead_letters_too() {
    for (overflow, dead) in [(Overflow::RejectPublish, 0), (Overflow::RejectPublishDlx, 1)] {
        let mut bench = Bench::durable(|options| {
            options.length_max = Some(1);
            options.overflow = overflow;
            options.dead_letter_exchange = Some("dlx".to_owned());
        });
        bench.publish(&["a", "b"]);
        let range = |sequence| Range { connection: PUBLISHER, channel: 1, first: sequence, last: sequence };
        assert_eq!(bench.effects.append_confirms, [range(1)]);
        assert_eq!(bench.effects.refusals, [range(2)]);
        assert_eq!((bench.ready(), bench.dead().len()), (1, dead));
    }
}

#[test]
fn a_dead_letter_is_taken_above_the_limit() {
    let mut bench = Bench::durable(|options| {
        options.length_max = Some(1);
        options.overflow = Overflow::RejectPublish;
    });
    bench.publish(&["a"]);
    let letter = Publish { message: message("dead"), channel: 0, sequence: 0, ttl_ms: None, priority: 0 };
    bench.command(Command::PublishDeadLettered(vec![letter], Provenance::new()));
    assert_eq!(bench.ready(), 2);
}

#[test]
fn the_store_hears_of_every_begin_and_end() {
    let mut bench = Bench::durable(|_| ());
    bench.publish(&["a", "b", "c"]);
    let positions: Vec<u64> = bench.effects.appended.iter().map(|append| append.position.0).collect();
    assert_eq!(positions, [1, 2, 3]);
    bench.consume(1, 2);
    assert_eq!(bench.effects.delivered_up_to, Some(Position(2)));
    bench.settle(Settlement::Ack, 0);
    bench.settle(Settlement::Reject, 1);
    assert_eq!(bench.effects.removed, [Position(1), Position(2)]);
    bench.command(Command::Purge);
    // The third was delivered when there was room, so the purge has to spare it.
    assert_eq!(bench.effects.purged, None);
    bench.command(Command::Cancel(key(1)));
    bench.publish(&["d"]);
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(1)));
    assert_eq!(bench.effects.purged, Some((Position(5), vec![Position(3)])));
}

#[test]
fn consumers_of_one_channel_get_their_deliveries_in_the_order_of_the_queue() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 0);
    bench.publish(&["a"]);
    bench.consume(2, 0);
    bench.publish(&["b", "c", "d", "e"]);
    assert_eq!(bench.bodies(), ["a", "b", "c", "d", "e"]);
    assert_eq!(bench.takers(), [1, 1, 2, 1, 2]);
    bench.command(Command::Cancel(key(1)));
    bench.publish(&["f", "g"]);
    assert_eq!(bench.got.len(), 7);
}

#[test]
fn get_takes_the_head_and_counts_what_is_left() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["a", "b"]);
    let get = |no_ack| Command::Get { connection: CONSUMER, channel: 1, no_ack };
    let Reply::Got { delivery, remaining } = bench.command(get(false)) else { panic!("nothing got") };
    assert_eq!((delivery.message.body(), remaining), (&b"a"[..], 1));
    assert!(matches!(bench.command(get(true)), Reply::Got { remaining: 0, .. }));
    assert!(matches!(bench.command(get(true)), Reply::Empty));
    assert_eq!(bench.queue.counts().unacked, 1);
}

#[test]
fn delete_looks_at_consumers_and_messages() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["a"]);
    let delete = |if_unused, if_empty| Command::Delete { if_unused, if_empty };
    assert!(matches!(bench.command(delete(false, true)), Reply::NotEmpty));
    bench.consume(1, 0);
    assert!(matches!(bench.command(delete(true, false)), Reply::InUse));
    assert!(matches!(bench.command(delete(false, false)), Reply::Deleted(0)));
    assert_eq!(bench.effects.cancelled, [key(1)]);
}

#[test]
fn a_settled_handle_means_nothing() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.consume(1, 1);
    bench.publish(&["a", "b"]);
    bench.settle(Settlement::Ack, 0);
    bench.settle(Settlement::Requeue, 0);
    assert_eq!((bench.bodies(), bench.ready()), (vec!["a".to_owned(), "b".to_owned()], 0));
}

/// Every message that comes back waits so long.
fn retry(ms: u32) -> RetryPolicy {
    RetryPolicy {
        on: RetryType::All,
        min_ms: ms,
        max_ms: ms,
        multiplier_percent: None,
        steps_ms: Vec::new(),
        jitter_percent: 0,
    }
}

/// A random command.
#[derive(Clone, Debug)]
enum Step {
    Publish { count: u8, ttl_ms: Option<u64>, priority: u8 },
    Consume { number: u32, prefetch: u16, no_ack: bool },
    Cancel(u32),
    Settle(Settlement, usize),
    Get(bool),
    Purge,
    ChannelGone,
    Configure(Box<QueueOptions>),
    Advance(u64),
    Serve(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let settlement = prop_oneof![3 => Just(Settlement::Ack), 1 => Just(Settlement::Requeue), 1 => Just(Settlement::Reject)];
    let step = prop_oneof![
        6 => (1..5_u8, proptest::option::of(0..40_u64), 0..4_u8)
            .prop_map(|(count, ttl_ms, priority)| Step::Publish { count, ttl_ms, priority }),
        2 => (1..5_u32, 0..4_u16, any::<bool>())
            .prop_map(|(number, prefetch, no_ack)| Step::Consume { number, prefetch, no_ack }),
        1 => (1..5_u32).prop_map(Step::Cancel),
        8 => (settlement, any::<prop::sample::Index>()).prop_map(|(settlement, index)| Step::Settle(settlement, index.index(1 << 16))),
        1 => any::<bool>().prop_map(Step::Get),
        1 => Just(Step::Purge),
        1 => Just(Step::ChannelGone),
        1 => any_options(Just(Window::UNLIMITED)).prop_map(|options| Step::Configure(Box::new(options))),
        2 => (0..30_u64).prop_map(Step::Advance),
        3 => (1..4_usize).prop_map(Step::Serve),
    ];
    proptest::collection::vec(step, 1..120)
}

fn any_options(window: impl Strategy<Value = Window>) -> impl Strategy<Value = QueueOptions> {
    let overflow = prop_oneof![
        Just(Overflow::DropHead),
        Just(Overflow::RejectPublish),
        Just(Overflow::RejectPublishDlx)
    ];
    let limits = (proptest::option::of(1..8_u64), overflow, proptest::option::of(5..50_u64));
    (limits, any::<[bool; 4]>(), window).prop_map(
        |((length_max, overflow, message_ttl_ms), [durable, dlx, priorities, single], window)| QueueOptions {
            durable,
            length_max,
            overflow,
            message_ttl_ms,
            dead_letter_exchange: dlx.then(|| "dlx".to_owned()),
            priority_max: priorities.then_some(3),
            single_active_consumer: single,
            window,
            ..QueueOptions::default()
        },
    )
}

/// What the outside knows of the messages: positions that went in, and where each one went out.
#[derive(Default)]
struct Model {
    unacked: BTreeMap<u64, Delivery>,
    gone: BTreeSet<u64>,
    stored: BTreeSet<u64>,
    stored_ended: BTreeSet<u64>,
    confirmed: BTreeSet<u64>,
    consumers: BTreeMap<u32, bool>,
    /// Gets that wait, by ticket.
    gets: BTreeMap<u64, bool>,
    purged: u64,
}

impl Model {
    fn delivered(&mut self, no_ack: bool, delivery: Delivery) {
        let position = delivery.handle.position.0;
        assert!(!self.gone.contains(&position), "{position} was delivered after its end");
        if no_ack {
            self.end(position);
        } else {
            assert!(self.unacked.insert(position, delivery).is_none(), "{position} is delivered twice");
        }
    }

    fn end(&mut self, position: u64) {
        assert!(self.gone.insert(position), "{position} ends twice");
    }

    /// Takes in what a batch asked the outside to do.
    fn take(&mut self, bench: &mut Bench) {
        let effects = &mut bench.effects;
        self.stored.extend(effects.appended.drain(..).map(|append| append.position.0));
        for position in effects.removed.drain(..) {
            assert!(self.stored_ended.insert(position.0), "{position:?} is removed twice");
        }
        for letter in effects.dead_letters.drain(..) {
            if let Some(position) = letter.stored {
                assert!(self.stored_ended.insert(position.0), "{position:?} ends twice in the store");
            }
        }
        if let Some((before, keep)) = effects.purged.take() {
            let kept = |position: &u64| keep.contains(&Position(*position));
            let purged = self.stored.iter().filter(|position| **position < before.0 && !kept(position));
            self.stored_ended.extend(purged.copied().collect::<Vec<_>>());
        }
        for range in effects
            .confirms
            .drain(..)
            .chain(effects.append_confirms.drain(..))
            .chain(effects.refusals.drain(..))
        {
            for sequence in range.first..=range.last {
                assert!(self.confirmed.insert(sequence), "{sequence} is confirmed twice");
            }
        }
        effects.dropped.clear();
        effects.delivered_up_to = None;
        assert_eq!(effects.missing, 0);
        for (ticket, reply) in std::mem::take(&mut effects.deferred_replies) {
            let no_ack = self.gets.remove(&ticket);
            match reply {
                Reply::Got { delivery, .. } => self.delivered(no_ack.expect("a get"), delivery),
                Reply::Purged(count) => self.purged += count as u64,
                _ => {}
            }
        }
        for (number, delivery) in std::mem::take(&mut bench.got) {
            let no_ack = self.consumers.get(&number).copied().unwrap_or(false);
            self.delivered(no_ack, delivery);
        }
    }

    fn check(&self, bench: &Bench) {
        let ready = bench.queue.ready_positions();
        let unacked: BTreeSet<u64> =
            bench.queue.unacked_positions().iter().map(|position| position.0).collect();
        assert_eq!(unacked, self.unacked.keys().copied().collect(), "unacked");
        let mut seen = BTreeSet::new();
        for position in ready.iter().map(|position| position.0) {
            assert!(seen.insert(position) && !unacked.contains(&position), "{position} is in two places");
            assert!(!self.gone.contains(&position), "{position} came back after its end");
        }
        let counts = bench.queue.counts();
        assert_eq!((counts.ready, counts.unacked), (ready.len(), unacked.len()));
        assert!(bench.queue.within_prefetch());
        assert_eq!(self.confirmed.len() as u64, bench.sequence, "every publish is confirmed or refused");
        self.check_counters(bench);
        // What the store still has is exactly what the queue still has.
        let live: BTreeSet<u64> = self.stored.difference(&self.stored_ended).copied().collect();
        let dead = bench.queue.dead_positions().into_iter().map(|position| position.0);
        let here = seen.union(&unacked).copied().chain(dead);
        let here: BTreeSet<u64> = here.filter(|position| self.stored.contains(position)).collect();
        assert_eq!(live, here, "the store and the queue differ");
        if bench.queue.options().priority_max.is_none() {
            assert!(ready.is_sorted(), "{ready:?}");
        }
    }

    /// The counters account for every message that was published.
    fn check_counters(&self, bench: &Bench) {
        happening::check_counted(bench);
        let counted = &bench.effects.counted;
        let taken = counted.acked + counted.delivered_no_ack + counted.got_no_ack + self.purged;
        let dropped = counted.dropped_rejected + counted.dropped_expired + counted.dropped_maxlen;
        let lettered =
            counted.dead_lettered_rejected + counted.dead_lettered_expired + counted.dead_lettered_maxlen;
        let counts = bench.queue.counts();
        let left = counts.ready + counts.unacked + bench.queue.dead_positions().len();
        assert_eq!(taken + dropped + lettered + left as u64, bench.sequence, "{counted:?}");
    }

    fn step(&mut self, bench: &mut Bench, step: Step) {
        match step {
            Step::Publish { count, ttl_ms, priority } => {
                for number in 0..count {
                    bench.publish_as("m", ttl_ms, priority, number % 3 != 2);
                }
            }
            Step::Consume { number, prefetch, no_ack } => {
                if self.consumers.contains_key(&number) {
                    return;
                }
                self.consumers.insert(number, no_ack);
                bench.consume_with(number, |consume| (consume.prefetch, consume.no_ack) = (prefetch, no_ack));
            }
            Step::Cancel(number) => {
                bench.command(Command::Cancel(key(number)));
                self.take(bench);
                self.consumers.remove(&number);
            }
            Step::Settle(settlement, index) => self.settle(bench, settlement, index),
            Step::Get(no_ack) => {
                let get = Command::Get { connection: CONSUMER, channel: 1, no_ack };
                match bench.command(get) {
                    Reply::Got { delivery, .. } => self.delivered(no_ack, delivery),
                    Reply::Deferred(ticket) => drop(self.gets.insert(ticket, no_ack)),
                    _ => {}
                }
            }
            Step::Purge => {
                if let Reply::Purged(count) = bench.command(Command::Purge) {
                    self.purged += count as u64;
                }
            }
            Step::ChannelGone => {
                // Commands before it have been taken in, so nothing is on its way.
                self.unacked.clear();
                self.consumers.clear();
                bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
            }
            Step::Configure(options) => bench.configure(*options),
            Step::Advance(ms) => bench.advance_ms(ms),
            Step::Serve(count) => bench.serve(count),
        }
    }

    fn settle(&mut self, bench: &mut Bench, settlement: Settlement, index: usize) {
        let Some(position) = self.unacked.keys().nth(index % self.unacked.len().max(1)).copied() else {
            return;
        };
        let Some(delivery) = self.unacked.remove(&position) else { return };
        if settlement != Settlement::Requeue {
            self.end(position);
        }
        bench.command(Command::Settle(settlement, vec![delivery.handle]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_message_is_in_one_place(
        options in any_options(paging::any_window()),
        late: bool,
        steps in steps(),
    ) {
        let mut bench = Bench::new(options);
        bench.effects.is_recording = true;
        bench.store.late = late;
        let mut model = Model::default();
        for step in steps {
            model.step(&mut bench, step);
            model.take(&mut bench);
            model.check(&bench);
        }
    }
}
