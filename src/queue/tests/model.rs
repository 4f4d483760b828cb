//! Random logs of whole batches against a model of what anybody outside the queue can know: where each message is,
//! who has credit, what the store holds. After each batch nothing may be missing, doubled, out of order or held back.

use super::*;
use crate::message::QueueId;

const OTHER: ConnectionId = ConnectionId(3);
/// The channels that consume: two of one connection, one of another.
const CHANNELS: [(ConnectionId, u16); 3] = [(CONSUMER, 1), (CONSUMER, 2), (OTHER, 1)];

/// One command, or several that belong together.
#[derive(Clone, Debug)]
enum Step {
    Publish { count: usize, ttl_ms: Option<u64>, priority: u8, persistent: bool, confirm: bool, bulky: bool },
    DeadLetterIn(u8),
    Consume { channel: usize, prefetch: u16, no_ack: bool, priority: i32 },
    Cancel(usize),
    Settle(Settlement, Vec<usize>),
    Written(usize, usize),
    Get { channel: usize, no_ack: bool },
    Purge,
    ChannelGone(usize),
    ConnectionGone(usize),
}

/// Milliseconds that pass, then steps at one time.
type Batch = (u64, Vec<Step>);

fn step() -> impl Strategy<Value = Step> {
    let settlement = prop_oneof![3 => Just(Settlement::Ack), 2 => Just(Settlement::Requeue), 1 => Just(Settlement::Reject)];
    let publish = (1..4_usize, proptest::option::of(0..30_u64), 0..6_u8, any::<(bool, bool)>(), 0..10_u8);
    let consume = (0..3_usize, 0..4_u16, any::<bool>(), -1..2_i32);
    prop_oneof![
        8 => publish.prop_map(|(count, ttl_ms, priority, (persistent, confirm), bulky)| Step::Publish {
            count, ttl_ms, priority, persistent, confirm, bulky: bulky == 0
        }),
        1 => (0..6_u8).prop_map(Step::DeadLetterIn),
        3 => consume.prop_map(|(channel, prefetch, no_ack, priority)| Step::Consume {
            channel, prefetch, no_ack, priority
        }),
        1 => (0..8_usize).prop_map(Step::Cancel),
        8 => (settlement, proptest::collection::vec(0..64_usize, 1..4))
            .prop_map(|(settlement, which)| Step::Settle(settlement, which)),
        2 => (0..8_usize, 0..4_usize).prop_map(|(which, quarters)| Step::Written(which, quarters)),
        2 => (0..3_usize, any::<bool>()).prop_map(|(channel, no_ack)| Step::Get { channel, no_ack }),
        1 => Just(Step::Purge),
        1 => (0..3_usize).prop_map(Step::ChannelGone),
        1 => (0..3_usize).prop_map(Step::ConnectionGone),
    ]
}

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let passing = prop_oneof![3 => Just(0_u64), 1 => 1..15_u64];
    proptest::collection::vec((passing, proptest::collection::vec(step(), 1..6)), 1..40)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Ready,
    Unacked { channel: usize, consumer: Option<u32>, handle: Handle },
    Gone,
}

/// A message that the queue took.
#[derive(Debug)]
struct Known {
    body: String,
    place: Place,
    priority: u8,
    expires: Time,
    stored: bool,
    /// `None` if only the queue can know.
    redelivered: Option<bool>,
}

#[derive(Debug)]
struct Consumer {
    key: ConsumerKey,
    channel: usize,
    no_ack: bool,
    prefetch: usize,
    priority: i32,
    /// Bytes delivered and not yet written.
    window: usize,
    /// Its channel went in this batch: what it was given went back.
    void: bool,
}

/// A publish of the batch under way.
#[derive(Debug)]
struct Sent {
    sequence: u64,
    known: Known,
}

#[derive(Debug, Default)]
struct World {
    known: BTreeMap<u64, Known>,
    /// In the order in which they came.
    consumers: Vec<Consumer>,
    /// Those that went in this batch, and may have been given something before.
    leaving: Vec<Consumer>,
    /// The single active consumer, while it is there.
    active: Option<ConsumerKey>,
    limits: [Option<Arc<ChannelPrefetch>>; 3],
    limit: u16,
    numbers: u32,
    bodies: u64,
    sequence: u64,
    sent: Vec<Sent>,
    refused: usize,
    purged: usize,
    /// A channel with consumers went in this batch: what was on its way to it is known to the queue alone.
    lost_sight: bool,
    /// What the store is to be told of, and what it has.
    to_append: BTreeSet<u64>,
    in_store: BTreeSet<u64>,
    /// Sequence numbers that wait for an answer, with whether that waits for the store.
    asked: BTreeMap<u64, bool>,
}

impl World {
    fn new(limit: u16) -> Self {
        let mut world = Self { limit, ..Self::default() };
        (0..3).for_each(|channel| world.open(channel));
        world
    }

    /// The first channel has a shared limit.
    fn open(&mut self, channel: usize) {
        let limit = Arc::new(ChannelPrefetch::new(1, self.limit, 0));
        self.limits[channel] = (channel == 0 && self.limit > 0).then_some(limit);
    }

    fn run(&mut self, bench: &mut Bench, (ms, steps): Batch) {
        bench.now = bench.now.plus_ms(ms);
        (self.refused, self.purged, self.lost_sight) = (0, 0, false);
        for step in steps {
            for command in self.step(bench, step) {
                match bench.queue.apply(bench.now, command, &mut bench.effects) {
                    Reply::Purged(count) => self.purged += count,
                    Reply::Consuming | Reply::Done => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        bench.queue.settle_batch(bench.now, &mut bench.effects);
        self.take(bench);
        self.check(bench);
        self.leaving.clear();
    }

    // ---- What the clients do ----

    fn step(&mut self, bench: &mut Bench, step: Step) -> Vec<Command> {
        let commands = self.commands(bench, step);
        let is_there = self.consumers.iter().any(|consumer| self.active == Some(consumer.key));
        if !is_there {
            // The oldest of the highest priority.
            let next = self.consumers.iter().min_by_key(|consumer| std::cmp::Reverse(consumer.priority));
            self.active = next.map(|consumer| consumer.key);
        }
        commands
    }

    fn commands(&mut self, bench: &mut Bench, step: Step) -> Vec<Command> {
        match step {
            Step::Publish { count, ttl_ms, priority, persistent, confirm, bulky } => {
                let kind = (persistent, confirm, bulky);
                let publishes = (0..count).map(|_| self.publish(bench, ttl_ms, priority, kind)).collect();
                vec![Command::Publish(PUBLISHER, publishes)]
            }
            Step::DeadLetterIn(priority) => {
                vec![Command::PublishDeadLettered(
                    vec![self.dead_lettered(bench, priority)],
                    Provenance::new(),
                )]
            }
            Step::Consume { channel, prefetch, no_ack, priority } => {
                vec![Command::Consume(self.consume(channel, prefetch, no_ack, priority).into())]
            }
            Step::Cancel(which) => self.cancel(which).into_iter().collect(),
            Step::Settle(settlement, which) => self.settle(settlement, &which),
            Step::Written(which, quarters) => self.written(which, quarters).into_iter().collect(),
            Step::Get { channel, no_ack } => self.get(bench, channel, no_ack),
            Step::Purge => vec![Command::Purge],
            Step::ChannelGone(channel) => {
                self.gone(channel);
                vec![Command::ChannelGone(CHANNELS[channel].0, CHANNELS[channel].1, Ending::Returned)]
            }
            Step::ConnectionGone(channel) => {
                let connection = CHANNELS[channel].0;
                (0..3)
                    .filter(|other| CHANNELS[*other].0 == connection)
                    .for_each(|channel| self.gone(channel));
                vec![Command::ConnectionGone(connection)]
            }
        }
    }

    fn publish(
        &mut self,
        bench: &Bench,
        ttl_ms: Option<u64>,
        priority: u8,
        (persistent, confirm, bulky): (bool, bool, bool),
    ) -> Publish {
        let options = bench.queue.options();
        // What is refused without a confirm is refused in silence, and nobody could say which one it was.
        let confirm = confirm || options.overflow != Overflow::DropHead;
        self.sequence += u64::from(confirm);
        let sequence = if confirm { self.sequence } else { 0 };
        let publish = self.send(bench, ttl_ms, priority, persistent, sequence, bulky);
        if confirm {
            self.asked.insert(sequence, persistent && options.durable);
        }
        publish
    }

    /// A dead letter of another queue is never refused, so it may go without a confirm.
    fn dead_lettered(&mut self, bench: &Bench, priority: u8) -> Publish {
        self.send(bench, None, priority, true, 0, false)
    }

    fn send(
        &mut self,
        bench: &Bench,
        ttl_ms: Option<u64>,
        priority: u8,
        persistent: bool,
        sequence: u64,
        bulky: bool,
    ) -> Publish {
        let options = bench.queue.options();
        self.bodies += 1;
        let padding = if bulky { WINDOW_BYTES / 3 } else { self.bodies as usize % 5 };
        let body = format!("{}{}", self.bodies, "x".repeat(padding));
        let ttl = [ttl_ms, options.message_ttl_ms].into_iter().flatten().min();
        let message = message(&body).with_persistent(persistent);
        let known = Known {
            body,
            place: Place::Ready,
            priority: priority.min(options.priority_max.unwrap_or(0)),
            expires: ttl.map_or(Time::NEVER, |ms| bench.now.plus_ms(ms)),
            stored: persistent && options.durable,
            redelivered: Some(false),
        };
        self.sent.push(Sent { sequence, known });
        Publish { message, channel: 1, sequence, ttl_ms, priority }
    }

    fn consume(&mut self, channel: usize, prefetch: u16, no_ack: bool, priority: i32) -> Consume {
        self.numbers += 1;
        let (connection, number) = CHANNELS[channel];
        let key = ConsumerKey { connection, channel: number, number: self.numbers };
        let own = usize::from(prefetch);
        self.consumers.push(Consumer {
            key,
            channel,
            no_ack,
            prefetch: own,
            priority,
            window: 0,
            void: false,
        });
        Consume { no_ack, prefetch, priority, channel_prefetch: self.share(channel), ..consume_as(key) }
    }

    fn share(&self, channel: usize) -> Option<PrefetchShare> {
        self.limits[channel].clone().map(|limit| PrefetchShare::new(limit, QueueId(1)))
    }

    fn cancel(&mut self, which: usize) -> Option<Command> {
        let index = which.checked_rem(self.consumers.len())?;
        let consumer = self.consumers.remove(index);
        let key = consumer.key;
        self.leaving.push(consumer);
        Some(Command::Cancel(key))
    }

    /// As a session does it: the shared limit gets back what went to consumers, and the queue hears of it.
    fn settle(&mut self, settlement: Settlement, which: &[usize]) -> Vec<Command> {
        let (mut handles, mut turns) = (Vec::new(), Vec::new());
        for which in which {
            let is_unacked = |known: &&mut Known| matches!(known.place, Place::Unacked { .. });
            let mut unacked: Vec<_> = self.known.values_mut().filter(is_unacked).collect();
            let Some(index) = which.checked_rem(unacked.len()) else { break };
            let known = &mut unacked[index];
            let Place::Unacked { channel, consumer, handle } = known.place else { continue };
            known.place = if settlement == Settlement::Requeue { Place::Ready } else { Place::Gone };
            known.redelivered = Some(true);
            handles.push(handle);
            if let (Some(limit), true) = (&self.limits[channel], consumer.is_some()) {
                turns.extend(limit.give_back(1));
            }
        }
        let turns = turns.into_iter().map(|_| Command::TakeTurn(CHANNELS[0].0, CHANNELS[0].1));
        std::iter::once(Command::Settle(settlement, handles)).chain(turns).collect()
    }

    fn written(&mut self, which: usize, quarters: usize) -> Option<Command> {
        let index = which.checked_rem(self.consumers.len())?;
        let consumer = &mut self.consumers[index];
        let bytes = consumer.window * quarters / 4;
        consumer.window -= bytes;
        Some(Command::Written(consumer.key, bytes))
    }

    /// The answer comes at once, so the command is given here.
    fn get(&mut self, bench: &mut Bench, channel: usize, no_ack: bool) -> Vec<Command> {
        let (connection, number) = CHANNELS[channel];
        let get = Command::Get { connection, channel: number, no_ack };
        if let Reply::Got { delivery, .. } = bench.queue.apply(bench.now, get, &mut bench.effects) {
            self.accept(bench);
            self.delivered(channel, None, no_ack, &delivery);
        }
        Vec::new()
    }

    fn gone(&mut self, channel: usize) {
        self.open(channel);
        let is_its = |consumer: &Consumer| consumer.channel == channel;
        self.leaving.extend(self.consumers.extract_if(.., |consumer| is_its(consumer)));
        // Also those that were cancelled in this batch: what they were given comes back too.
        for consumer in self.leaving.iter_mut().filter(|consumer| is_its(consumer)) {
            (consumer.void, self.lost_sight) = (true, true);
        }
        for known in self.known.values_mut() {
            match known.place {
                Place::Unacked { channel: its, .. } if its == channel => {
                    (known.place, known.redelivered) = (Place::Ready, Some(true));
                }
                Place::Ready if self.lost_sight => known.redelivered = None,
                _ => {}
            }
        }
    }

    // ---- What the queue answers ----

    /// What was sent and not refused has the next positions, in order.
    fn accept(&mut self, bench: &Bench) {
        let refusals = &bench.effects.refusals;
        let is_refused = |sequence: u64| refusals.iter().any(|r| (r.first..=r.last).contains(&sequence));
        let mut position = self.known.keys().next_back().map_or(1, |last| last + 1);
        for Sent { sequence, mut known } in self.sent.drain(..) {
            if is_refused(sequence) {
                self.refused += 1;
                continue;
            }
            if self.lost_sight {
                known.redelivered = None;
            }
            self.to_append.extend(known.stored.then_some(position));
            self.known.insert(position, known);
            position += 1;
        }
    }

    fn take(&mut self, bench: &mut Bench) {
        assert!(bench.effects.turns_passed_on.is_empty(), "there is no other queue");
        self.accept(bench);
        self.take_store(bench);
        self.take_answers(bench);
        self.take_deliveries(bench);
        let dead = self.take_letters(bench);
        let dropped = bench.effects.dropped.drain(..).filter(|(reason, _)| *reason != Reason::Rejected);
        let dropped: usize = dropped.map(|(_, count)| count).sum();
        self.account(bench, dropped + self.purged + dead - self.refused);
    }

    fn take_store(&mut self, bench: &mut Bench) {
        for append in bench.effects.appended.drain(..) {
            let position = append.position.0;
            assert!(self.to_append.remove(&position), "{position} is stored for no reason");
            let known = &self.known[&position];
            assert_eq!((append.message.body(), append.expires), (known.body.as_bytes(), known.expires));
            self.in_store.insert(position);
        }
        assert!(self.to_append.is_empty(), "not stored: {:?}", self.to_append);
        for position in bench.effects.removed.drain(..) {
            assert!(self.in_store.remove(&position.0), "{position:?} is removed and was not there");
        }
        bench.effects.delivered_up_to = None;
        if let Some((before, keep)) = bench.effects.purged.take() {
            self.in_store.retain(|position| *position >= before.0 || keep.contains(&Position(*position)));
        }
        // Also after a purge: until their copies are stored, dead letters have only this record.
        for stored in bench.effects.dead_letters.iter().filter_map(|letter| letter.stored) {
            assert!(self.in_store.remove(&stored.0), "{stored:?} is dead-lettered and was not there");
        }
    }

    fn take_answers(&mut self, bench: &mut Bench) {
        let effects = &mut bench.effects;
        let now = effects.confirms.drain(..).map(|range| (range, Some(false)));
        let later = effects.append_confirms.drain(..).map(|range| (range, Some(true)));
        let refused = effects.refusals.drain(..).map(|range| (range, None));
        for (range, stored) in now.chain(later).chain(refused) {
            assert_eq!((range.connection, range.channel), (PUBLISHER, 1));
            for sequence in range.first..=range.last {
                let asked = self.asked.remove(&sequence).expect("an answer nobody waits for");
                assert!(stored.is_none_or(|stored| stored == asked), "{sequence} waits for the wrong thing");
            }
        }
        assert!(self.asked.is_empty(), "without an answer: {:?}", self.asked);
    }

    fn take_deliveries(&mut self, bench: &mut Bench) {
        let mut by_channel: BTreeMap<usize, Vec<Delivery>> = BTreeMap::new();
        for batch in std::mem::take(&mut bench.effects.deliveries) {
            let number = batch.consumer.number;
            let mut all = self.consumers.iter_mut().chain(&mut self.leaving);
            let consumer =
                all.find(|consumer| consumer.key == batch.consumer).expect("a consumer unheard of");
            consumer.window += batch.deliveries.iter().map(Delivery::cost).sum::<usize>();
            let (channel, no_ack, void) = (consumer.channel, consumer.no_ack, consumer.void);
            by_channel.entry(channel).or_default().extend(batch.deliveries.iter().filter(|_| !void).cloned());
            for delivery in batch.deliveries.iter().filter(|_| no_ack || !void) {
                self.delivered(channel, Some(number), no_ack, delivery);
            }
        }
        by_channel.values().for_each(|deliveries| self.check_order(deliveries));
    }

    /// New messages of one priority come to a channel in the order in which they were published, whichever consumers they are for.
    fn check_order(&self, deliveries: &[Delivery]) {
        let mut last = BTreeMap::new();
        for delivery in deliveries.iter().filter(|delivery| !delivery.redelivered) {
            let position = delivery.handle.position.0;
            let before = last.insert(self.known[&position].priority, position);
            assert!(before.is_none_or(|before| before < position), "{position} after {before:?}");
        }
    }

    fn delivered(&mut self, channel: usize, consumer: Option<u32>, no_ack: bool, delivery: &Delivery) {
        let handle = delivery.handle;
        let known = self.known.get_mut(&handle.position.0).expect("a message that nobody published");
        assert_eq!(known.place, Place::Ready, "{handle:?} was delivered from there");
        assert!(delivery.message.body() == known.body.as_bytes(), "{handle:?} is another message");
        if let Some(redelivered) = known.redelivered {
            assert_eq!(delivery.redelivered, redelivered, "{handle:?}");
        }
        known.redelivered = Some(true);
        known.place = if no_ack { Place::Gone } else { Place::Unacked { channel, consumer, handle } };
    }

    /// Gives the number of those that never were in the queue.
    fn take_letters(&mut self, bench: &mut Bench) -> usize {
        let mut refused = 0;
        for letter in bench.effects.dead_letters.drain(..) {
            let is_it = |(_, known): &(&u64, &mut Known)| known.body.as_bytes() == letter.message.body();
            let Some((position, known)) = self.known.iter_mut().find(is_it) else {
                refused += 1;
                continue;
            };
            assert_eq!(letter.stored, known.stored.then_some(Position(*position)));
            assert!(letter.reason == Reason::Rejected || known.place == Place::Ready, "{position}");
            known.place = Place::Gone;
        }
        refused
    }

    /// Whatever is no longer there was dropped or purged: nothing vanishes.
    fn account(&mut self, bench: &Bench, ended: usize) {
        let ready: BTreeSet<Position> = bench.queue.ready_positions().into_iter().collect();
        let missing = |(position, known): &(&u64, &mut Known)| {
            known.place == Place::Ready && !ready.contains(&Position(**position))
        };
        let missing =
            self.known.iter_mut().filter(missing).map(|(_, known)| known.place = Place::Gone).count();
        assert_eq!(missing, ended, "messages vanished, or were counted twice");
    }

    // ---- What has to hold after each batch ----

    fn check(&self, bench: &Bench) {
        self.check_places(bench);
        self.check_credit(bench);
        self.check_expiry(bench);
        let stored = self.known.iter().filter(|(_, known)| known.stored && known.place != Place::Gone);
        let stored: BTreeSet<u64> = stored.map(|(position, _)| *position).collect();
        assert_eq!(stored, self.in_store, "the store and the queue differ");
    }

    fn ready(&self) -> Vec<(u8, u64, &Known)> {
        let ready = self.known.iter().filter(|(_, known)| known.place == Place::Ready);
        let mut ready: Vec<_> = ready.map(|(position, known)| (known.priority, *position, known)).collect();
        ready.sort_unstable_by_key(|(priority, position, _)| (*priority, *position));
        ready
    }

    fn check_places(&self, bench: &Bench) {
        let ready = self.ready();
        let positions: Vec<_> = ready.iter().map(|(_, position, _)| Position(*position)).collect();
        assert_eq!(positions, bench.queue.ready_positions(), "by priority, then position");
        let unacked = self.known.iter().filter(|(_, known)| matches!(known.place, Place::Unacked { .. }));
        let unacked: BTreeSet<_> = unacked.map(|(position, _)| Position(*position)).collect();
        assert_eq!(unacked, bench.queue.unacked_positions().into_iter().collect());
        let counts = Counts {
            ready: ready.len(),
            unacked: unacked.len(),
            consumers: self.consumers.len(),
            ready_bytes: ready.iter().map(|(_, _, known)| known.body.len()).sum(),
            ..Counts::default()
        };
        assert_eq!(counts, bench.queue.counts());
        let options = bench.queue.options();
        if options.overflow == Overflow::DropHead {
            assert!(options.length_max.is_none_or(|max| counts.ready as u64 <= max), "too many");
            assert!(options.length_bytes_max.is_none_or(|max| counts.ready_bytes as u64 <= max), "too much");
        }
    }

    fn unacked(&self, has: impl Fn(usize, u32) -> bool) -> usize {
        let counts = |known: &&Known| match known.place {
            Place::Unacked { channel, consumer: Some(consumer), .. } => has(channel, consumer),
            _ => false,
        };
        self.known.values().filter(counts).count()
    }

    /// Nobody has more than allowed, and nothing waits while somebody who may take it has room.
    fn check_credit(&self, bench: &Bench) {
        let shared = self.unacked(|channel, _| channel == 0);
        let limit = usize::from(self.limit);
        assert!(limit == 0 || shared <= limit, "{shared} unacked on a channel with a limit of {limit}");
        let single = bench.queue.options().single_active_consumer;
        for consumer in self.consumers.iter().filter(|c| !single || self.active == Some(c.key)) {
            let own = self.unacked(|_, number| number == consumer.key.number);
            assert!(consumer.no_ack || consumer.prefetch == 0 || own <= consumer.prefetch);
            let has_own = consumer.no_ack || consumer.prefetch == 0 || own < consumer.prefetch;
            let has_shared = consumer.channel != 0 || limit == 0 || shared < limit;
            let has_room = consumer.window < WINDOW_BYTES;
            let starves = !self.ready().is_empty() && has_own && has_shared && has_room;
            assert!(!starves, "messages wait, and so does {consumer:?}");
        }
    }

    fn check_expiry(&self, bench: &Bench) {
        let mut heads = BTreeMap::new();
        for (priority, _, known) in self.ready() {
            heads.entry(priority).or_insert(known.expires);
        }
        let first = heads.into_values().min().filter(|expires| *expires != Time::NEVER);
        assert!(first.is_none_or(|expires| expires > bench.now), "an expired message stands at a head");
        assert_eq!(bench.queue.poll_timeout(), first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_lose_double_and_hold_back_nothing(
        mut options in any_options(Just(Window::UNLIMITED)),
        bytes_max in proptest::option::of(1..40_u64),
        limit in 0..5_u16,
        batches in batches(),
    ) {
        options.length_bytes_max = bytes_max;
        let mut bench = Bench::new(options);
        bench.effects.is_recording = true;
        let mut world = World::new(limit);
        for batch in batches {
            world.run(&mut bench, batch);
            happening::check_counted(&bench);
        }
    }
}
