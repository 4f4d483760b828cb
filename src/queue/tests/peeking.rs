//! Looking at messages, and that it changes nothing.

use super::super::attempts::WaitKind;
use super::super::failure_policy::{FailurePolicy, Parking};
use super::*;

const STATES: [PeekState; 4] = [PeekState::Ready, PeekState::Unacked, PeekState::Delayed, PeekState::Parked];
/// About as small as it gets: four messages at the head, two in a segment.
const TINY: Window = Window { start_bytes: 500, head_bytes: 300, segment_bytes: 100 };

/// Somebody who peeks within each batch of a bench, if told to.
#[derive(Default)]
pub(super) struct Peeker {
    offset: Option<usize>,
    tickets: BTreeSet<u64>,
}

impl Bench {
    pub(super) fn look(&mut self) {
        let Some(offset) = self.peeker.offset else { return };
        for state in STATES {
            let peek = Command::Peek(Peek { state, offset, limit: 3 });
            let Reply::Deferred(ticket) = self.queue.apply(self.now, peek, &mut self.effects) else {
                panic!("a peek is answered when the batch ends")
            };
            self.peeker.tickets.insert(ticket);
        }
    }

    pub(super) fn take_seen(&mut self) {
        let tickets = &mut self.peeker.tickets;
        if tickets.is_empty() {
            return;
        }
        let is_its = |(ticket, _): &mut (u64, Reply)| tickets.remove(ticket);
        for (_, reply) in self.effects.deferred_replies.extract_if(.., is_its) {
            assert!(matches!(&reply, Reply::Peeked(found) if found.len() <= 3), "{reply:?}");
        }
    }

    fn peek(&mut self, state: PeekState, offset: usize, limit: usize) -> Vec<Peeked> {
        let peek = Command::Peek(Peek { state, offset, limit });
        let Reply::Deferred(ticket) = self.queue.apply(self.now, peek, &mut self.effects) else {
            panic!("a peek is answered when the batch ends")
        };
        self.settle_once();
        let found = self.effects.deferred_replies.extract_if(.., |(its, _)| *its == ticket).next();
        let Some((_, Reply::Peeked(found))) = found else { panic!("{found:?}") };
        found
    }
}

fn positions(found: &[Peeked]) -> Vec<u64> {
    found.iter().map(|peeked| peeked.position.0).collect()
}

fn body(peeked: &Peeked) -> Option<&[u8]> {
    peeked.message.as_ref().map(Message::body)
}

fn holder(peeked: &Peeked) -> &Holder {
    match &peeked.place {
        PeekedPlace::Unacked(holder) => holder,
        other => panic!("{other:?}"),
    }
}

fn failing(failure: FailurePolicy) -> Bench {
    Bench::durable(|options| options.failure = failure)
}

#[test]
fn ready_ones_are_shown_in_the_order_of_delivery() {
    let mut bench = Bench::durable(|options| options.priority_max = Some(3));
    bench.publish_with("low", Some(500), 0);
    bench.publish_with("high", None, 9);
    bench.publish_with("high too", None, 3);
    let found = bench.peek(PeekState::Ready, 0, 10);
    assert_eq!(positions(&found), [2, 3, 1]);
    assert_eq!(found.iter().map(|peeked| peeked.priority).collect::<Vec<_>>(), [3, 3, 0]);
    assert_eq!(
        found.iter().map(|peeked| peeked.expires).collect::<Vec<_>>(),
        [Some(Time::NEVER), Some(Time::NEVER), Some(Time::ZERO.plus_ms(500))]
    );
    assert_eq!(body(&found[0]), Some(&b"high"[..]));
    assert!(found.iter().all(|peeked| !peeked.redelivered && peeked.attempts.is_none()));
    assert!(found.iter().all(|peeked| matches!(peeked.place, PeekedPlace::Ready)));
    assert_eq!(positions(&bench.peek(PeekState::Ready, 1, 1)), [3]);
    assert!(bench.peek(PeekState::Ready, 3, 10).is_empty());
    // It is no delivery.
    assert!(!bench.peek(PeekState::Ready, 0, 1)[0].redelivered);
    assert_eq!(bench.ready(), 3);
}

#[test]
fn no_more_than_a_hundred_are_shown() {
    let mut bench = Bench::new(QueueOptions::default());
    bench.publish(&["m"; 150]);
    assert_eq!(bench.peek(PeekState::Ready, 0, usize::MAX).len(), PEEK_MAX);
    assert_eq!(bench.peek(PeekState::Ready, 100, usize::MAX).len(), 50);
    assert!(bench.peek(PeekState::Ready, usize::MAX, usize::MAX).is_empty());
}

#[test]
fn what_is_not_in_memory_is_shown_without_its_message_and_stays_out() {
    let mut bench = Bench::durable(|options| options.window = TINY);
    bench.consume(1, 5);
    for number in 0..305_u32 {
        bench.publish_as(&number.to_string(), None, 0, number % 5 != 4);
    }
    // Five that were delivered return, to before all segments.
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.store.late = true;
    let in_memory = bench.queue.bytes_in_memory();
    let mut all = Vec::new();
    for offset in (0..320).step_by(40) {
        all.extend(bench.peek(PeekState::Ready, offset, 40));
    }
    assert_eq!(positions(&all), (1..=305).collect::<Vec<_>>());
    assert!(all.iter().enumerate().all(|(index, peeked)| peeked.redelivered == (index < 5)));
    let unread = all.iter().filter(|peeked| peeked.message.is_none()).count();
    assert!(unread > 250 && all[0].message.is_some(), "{unread} were not read");
    // Where those are is said, and of the others there is nothing to say.
    assert!(all.iter().all(|peeked| peeked.message.is_none() == peeked.on_disk.is_some()));
    let on_disk: Vec<OnDisk> = all.iter().filter_map(|peeked| peeked.on_disk).collect();
    assert!(on_disk.iter().any(|at| at.stored) && on_disk.iter().any(|at| at.paged));
    assert!(all.iter().all(|peeked| peeked.expires == Some(Time::NEVER)), "none has a TTL");
    assert!(bench.store.loads.is_empty() && bench.queue.bytes_in_memory() == in_memory);
}

#[test]
fn an_expiry_that_only_the_message_tells_is_not_known() {
    let mut bench = Bench::durable(|options| options.window = TINY);
    for ttl_ms in [None, None, None, None, None, None, None, None, None, Some(1000), Some(1000)] {
        bench.publish_with("m", ttl_ms, 0);
    }
    for _ in 0..20 {
        bench.publish_with("m", Some(1000), 0);
    }
    let found = bench.peek(PeekState::Ready, 0, 100);
    let unread: Vec<&Peeked> = found.iter().filter(|peeked| peeked.message.is_none()).collect();
    assert!(unread.iter().any(|peeked| peeked.expires.is_none()), "{unread:?}");
    assert_eq!((found[0].expires, found.len()), (Some(Time::NEVER), 31));
}

#[test]
fn those_that_return_stand_where_they_will_be_delivered() {
    let mut bench = Bench::durable(|options| options.window = TINY);
    bench.consume(1, 40);
    for number in 0..50_u32 {
        bench.publish(&[&number.to_string()]);
    }
    let unacked = bench.peek(PeekState::Unacked, 0, 100);
    assert_eq!(positions(&unacked), (1..=40).collect::<Vec<_>>());
    assert!(unacked[0].message.is_none() && unacked[39].message.is_some(), "the oldest left memory");
    assert!(unacked.iter().all(|peeked| peeked.message.is_none() == peeked.on_disk.is_some()));
    bench.store.late = true;
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    let found = bench.peek(PeekState::Ready, 0, 100);
    assert_eq!(positions(&found), (1..=50).collect::<Vec<_>>());
    assert!(found[..40].iter().all(|peeked| peeked.redelivered) && !found[40].redelivered);
    assert!(found[0].message.is_none(), "it is still on its way");
}

#[test]
fn unacked_ones_name_their_holders() {
    let mut bench = failing(FailurePolicy::default());
    bench.consume(1, 1);
    bench.publish(&["a"]);
    bench.advance_ms(10);
    bench.publish(&["b", "c"]);
    let get = Command::Get { connection: PUBLISHER, channel: 7, no_ack: false };
    assert!(matches!(bench.command(get), Reply::Got { .. }));
    let found = bench.peek(PeekState::Unacked, 0, 10);
    assert_eq!((positions(&found), body(&found[0])), (vec![1, 2], Some(&b"a"[..])));
    let (consumer, getter) = (holder(&found[0]), holder(&found[1]));
    assert_eq!((consumer.connection, consumer.channel, consumer.since), (CONSUMER, 1, Time::ZERO));
    assert_eq!(consumer.consumer.as_ref().map(|name| &*name.tag), Some("consumer 1"));
    assert_eq!((getter.connection, getter.channel, getter.since), (PUBLISHER, 7, bench.now));
    assert!(getter.consumer.is_none());
    assert_eq!(positions(&bench.peek(PeekState::Unacked, 1, 10)), [2]);
    // Who makes progress has it anew; who is cancelled keeps what it has, without a tag.
    bench.advance_ms(10);
    let handle = bench.got[0].1.handle;
    bench.command(Command::Dispose(handle, Disposition::Progress, None));
    bench.command(Command::Cancel(key(1)));
    let found = bench.peek(PeekState::Unacked, 0, 10);
    assert_eq!(positions(&found), [2, 1]);
    assert_eq!((holder(&found[1]).since, holder(&found[1]).consumer.is_none()), (bench.now, true));
}

#[test]
fn unacked_ones_of_several_timeouts_are_shown_by_age() {
    let mut bench = failing(FailurePolicy::default());
    bench.consume(1, 0);
    let own = Some(AckTimeout { ms: 60_000, action: TimeoutAction::Requeue });
    bench.consume_with(2, |consume| consume.ack_timeout = OwnTimeout::Own(own));
    for _ in 0..6 {
        bench.publish(&["m"]);
        bench.advance_ms(1);
    }
    assert_eq!(bench.takers(), [1, 2, 1, 2, 1, 2]);
    assert_eq!(positions(&bench.peek(PeekState::Unacked, 0, 10)), [1, 2, 3, 4, 5, 6]);
    assert_eq!(positions(&bench.peek(PeekState::Unacked, 3, 2)), [4, 5]);
}

#[test]
fn delayed_and_parked_ones_tell_until_when_and_why() {
    let parking = Some(Parking { after: 3, ttl_ms: 9000, limit: None });
    let mut bench = failing(FailurePolicy { retry: Some(retry(100)), parking, ..FailurePolicy::default() });
    bench.consume(1, 0);
    bench.publish(&["a", "b"]);
    let broken = || Some("broken".into());
    bench.command(Command::Dispose(bench.got[0].1.handle, Disposition::Park, broken()));
    bench.settle(Settlement::Fail, 1);
    assert!(bench.peek(PeekState::Ready, 0, 10).is_empty());
    for (state, position, wait, ms, error) in [
        (PeekState::Parked, 1, WaitKind::Parked, 9000, Some("broken")),
        (PeekState::Delayed, 2, WaitKind::Delayed, 100, None),
    ] {
        let found = bench.peek(state, 0, 10);
        let [peeked] = &found[..] else { panic!("{found:?}") };
        assert_eq!((peeked.position, peeked.redelivered), (Position(position), true));
        let PeekedPlace::Waiting { kind, due } = peeked.place else { panic!("{peeked:?}") };
        assert_eq!((kind, due), (wait, Time::ZERO.plus_ms(ms)));
        let attempts = peeked.attempts.as_ref().unwrap();
        assert_eq!((attempts.acquired, attempts.error.as_deref()), (1, error));
        assert!(peeked.message.is_some());
    }
    assert_eq!(bench.queue.counts().parked, 1);
}

#[test]
fn what_waits_out_of_memory_is_shown_by_when_it_is_due() {
    let mut bench = failing(FailurePolicy { retry: Some(retry(5000)), ..FailurePolicy::default() });
    bench.queue =
        Queue::new(QueueOptions { window: TINY, ..bench.queue.options().clone() }, Position(1), Time::ZERO);
    bench.consume(1, 0);
    bench.publish(&["m"; 60]);
    for index in (0..60).rev() {
        bench.settle(Settlement::Fail, index);
        bench.advance_ms(1);
    }
    let found = bench.peek(PeekState::Delayed, 0, 100);
    assert_eq!(positions(&found), (1..=60).rev().collect::<Vec<_>>());
    assert!(found.iter().any(|peeked| peeked.message.is_none()));
}

#[test]
fn a_peek_is_no_use_of_the_queue() {
    let mut bench = Bench::durable(|options| options.expires_ms = Some(100));
    bench.advance_ms(99);
    bench.peek(PeekState::Ready, 0, 1);
    bench.advance_ms(1);
    assert!(bench.effects.ended.is_some());
}

/// All that anybody can tell of a queue.
fn story(bench: &mut Bench) -> impl PartialEq + std::fmt::Debug + use<> {
    let queue = &bench.queue;
    let places = (queue.ready_positions(), queue.unacked_positions(), queue.dead_positions());
    let numbers = (queue.counts(), queue.poll_timeout(), queue.bytes_in_memory());
    let replies = std::mem::take(&mut bench.effects.deferred_replies);
    let without_tickets: Vec<&Reply> = replies.iter().map(|(_, reply)| reply).collect();
    let effects = format!("{:?}{without_tickets:?}{:?}{:?}", bench.effects, bench.got, bench.store.loads);
    bench.effects.deferred_replies = replies;
    (places, numbers, effects)
}

fn any_failure_policy() -> impl Strategy<Value = FailurePolicy> {
    (proptest::option::of(1..20_u32), proptest::option::of(1..3_u32)).prop_map(|(ms, after)| FailurePolicy {
        retry: ms.map(retry),
        parking: after.map(|after| Parking { after, ttl_ms: 30, limit: None }),
        ..FailurePolicy::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_can_tell_that_somebody_peeked(
        options in any_options(paging::any_window()),
        failure in any_failure_policy(),
        late: bool,
        offset in 0..6_usize,
        steps in steps(),
    ) {
        let options = QueueOptions { failure: failure.clone(), ..options };
        let (mut alone, mut watched) = (Bench::new(options.clone()), Bench::new(options));
        (alone.store.late, watched.store.late) = (late, late);
        watched.peeker.offset = Some(offset);
        let mut models = (Model::default(), Model::default());
        for mut step in steps {
            if let Step::Configure(options) = &mut step {
                options.failure = failure.clone();
            }
            models.0.step(&mut alone, step.clone());
            models.1.step(&mut watched, step);
            prop_assert_eq!(story(&mut alone), story(&mut watched));
            models.0.take(&mut alone);
            models.1.take(&mut watched);
        }
        let waits = watched.peeker.tickets.len();
        prop_assert!(late || waits == 0, "{} peeks without an answer", waits);
    }
}
