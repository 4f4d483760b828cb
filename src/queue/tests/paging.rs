//! A queue whose middle is not in memory, against one that has everything.

use super::*;
use crate::message::runs::Runs;

/// Where messages are that are not in memory.
#[derive(Default)]
pub(super) struct PagedOut {
    stored: BTreeMap<Position, StoreAppend>,
    pages: BTreeMap<u64, Vec<StoreAppend>>,
    pub(super) loads: Vec<Load>,
    answers: BTreeMap<u64, Reply>,
    /// Loads wait until they are served.
    pub(super) late: bool,
    /// Messages of `appended` that were taken already.
    seen: Position,
    pub(super) paged_out: usize,
}

impl PagedOut {
    /// Pages that are there.
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Loads of unacked messages that wait.
    pub(super) fn asked(&self) -> usize {
        self.loads.iter().filter(|load| load.keeps_page).count()
    }

    pub(super) fn lose(&mut self, position: Position) {
        assert!(self.stored.remove(&position).is_some());
    }
}

impl Bench {
    /// Takes what the last batch put out of memory, and what it asked for.
    pub(super) fn shelve(&mut self) {
        for append in &self.effects.appended {
            if append.position > self.store.seen {
                self.store.stored.insert(append.position, append.clone());
                self.store.seen = append.position;
            }
        }
        for page in self.effects.pages_forgotten.drain(..) {
            assert!(self.store.pages.remove(&page).is_some(), "a page that is not there is forgotten");
        }
        if std::mem::take(&mut self.effects.all_pages_forgotten) {
            self.store.pages.clear();
        }
        for page in self.effects.pages.drain(..) {
            assert!(!page.entries.is_empty());
            self.store.paged_out += page.entries.len();
            self.store.pages.insert(page.id, page.entries);
        }
        self.store.loads.append(&mut self.effects.loads);
    }

    /// Gives the queue what an earlier run left, seven messages together, delivered up to a position.
    pub(super) fn restore(&mut self, messages: Vec<(u64, String, Time)>, delivered: u64) {
        let append = |(position, body, expires): (u64, String, Time)| StoreAppend {
            position: Position(position),
            message: message(&body),
            level: 0,
            expires,
        };
        let stored: Vec<StoreAppend> = messages.into_iter().map(append).collect();
        let segments = stored.chunks(7).map(|chunk| RecoveredSegment {
            level: 0,
            positions: chunk.iter().map(|append| append.position).collect(),
            body_bytes: chunk.iter().map(|append| append.message.body().len() as u64).sum(),
            encoded_bytes: chunk.iter().map(|append| append.message.encoded_len() as u64).sum(),
            may_expire: chunk.iter().any(|append| append.expires != Time::NEVER),
        });
        self.queue.restore(segments.collect(), Position(delivered));
        self.store.stored = stored.into_iter().map(|append| (append.position, append)).collect();
    }

    /// Loads so many segments.
    pub(super) fn serve(&mut self, count: usize) {
        for _ in 0..count {
            if self.store.loads.is_empty() {
                return;
            }
            // Not always in the order in which they were asked for.
            let at = if self.store.late { self.store.loads.len() / 2 } else { 0 };
            let load = self.store.loads.remove(at);
            let restored = self.restored(&load);
            self.queue.apply(self.now, Command::Loaded(load.id, restored), &mut self.effects);
            self.settle_once();
        }
    }

    fn restored(&mut self, load: &Load) -> Vec<LoadedMessage> {
        let page = match load.paged {
            true if load.keeps_page => self.store.pages.get(&load.id).cloned(),
            true => self.store.pages.remove(&load.id),
            false => None,
        };
        let mut entries = page.unwrap_or_default();
        entries.retain(|entry| load.positions.contains(entry.position));
        if load.stored {
            entries.extend(load.positions.iter().filter_map(|p| self.store.stored.get(&p).cloned()));
        }
        entries.sort_by_key(|entry| entry.position);
        let restore = |StoreAppend { position, message, level, expires }| LoadedMessage {
            position,
            message,
            expires,
            level,
        };
        entries.into_iter().map(restore).collect()
    }

    /// The answer that came later, if it came.
    pub(super) fn answer(&mut self, ticket: u64) -> Reply {
        if self.store.late {
            return Reply::Deferred(ticket);
        }
        self.store.answers.extend(self.effects.deferred_replies.drain(..));
        self.store.answers.remove(&ticket).expect("an answer")
    }
}

pub(super) fn any_window() -> impl Strategy<Value = Window> {
    let windows =
        (0..600_usize, 0..300_usize, 1..300_usize).prop_map(|(start_bytes, head_bytes, segment_bytes)| {
            Window { start_bytes, head_bytes, segment_bytes }
        });
    prop_oneof![1 => Just(Window::UNLIMITED), 4 => windows]
}

/// About as small as it gets: four messages at the head, two in a segment.
const TINY: Window = Window { start_bytes: 500, head_bytes: 300, segment_bytes: 100 };

fn paged(change: impl FnOnce(&mut QueueOptions)) -> Bench {
    let mut options = QueueOptions { durable: true, window: TINY, ..QueueOptions::default() };
    change(&mut options);
    Bench::new(options)
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn fill(bench: &mut Bench, count: u32) {
    for number in 0..count {
        bench.publish_as(&number.to_string(), None, 0, number % 5 != 4);
    }
}

#[test]
fn a_backlog_leaves_memory_and_comes_back_in_order() {
    let mut bench = paged(|_| ());
    fill(&mut bench, 1000);
    assert_eq!(bench.ready(), 1000);
    assert!(bench.queue.bytes_in_memory() < 1000, "{} bytes", bench.queue.bytes_in_memory());
    assert!(bench.store.paged_out > 100);
    bench.consume(1, 3);
    let mut next = 0;
    while next < bench.got.len() {
        bench.settle(Settlement::Ack, next);
        assert!(bench.queue.bytes_in_memory() < 1500);
        next += 1;
    }
    assert_eq!(bench.bodies(), numbers(0..1000));
    assert!(bench.store.pages.is_empty(), "pages are gone when they were read");
}

#[test]
fn a_queue_is_delivered_after_a_restart_as_before() {
    let mut bench = paged(|_| ());
    let messages = (1..=500).map(|number: u64| (number, (number - 1).to_string(), Time::NEVER)).collect();
    bench.restore(messages, 30);
    bench.settle_batch();
    assert!(bench.store.loads.is_empty() && bench.queue.bytes_in_memory() == 0, "nobody needs them yet");
    assert_eq!((bench.ready(), bench.queue.counts().ready_bytes), (500, 1390));
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), numbers(0..500));
    assert!(bench.got.iter().enumerate().all(|(index, got)| got.1.redelivered == (index < 30)));
}

#[test]
fn requeued_messages_return_before_and_between_segments() {
    let mut bench = paged(|_| ());
    bench.consume(1, 40);
    fill(&mut bench, 200);
    bench.command(Command::Cancel(key(1)));
    // All that are unacked return, most of them beyond the head: they are put out of memory again.
    for index in [3, 7, 30, 12, 0] {
        bench.settle(Settlement::Requeue, index);
    }
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    assert!(bench.queue.bytes_in_memory() < 1500, "{} bytes", bench.queue.bytes_in_memory());
    bench.got.clear();
    bench.consume(2, 0);
    assert_eq!(bench.bodies(), numbers(0..200));
    assert!(bench.got.iter().enumerate().all(|(index, got)| got.1.redelivered == (index < 40)));
}

#[test]
fn a_get_waits_for_its_message_and_a_gone_channel_gets_none() {
    let mut bench = paged(|_| ());
    fill(&mut bench, 100);
    bench.store.late = true;
    let get = |channel| Command::Get { connection: CONSUMER, channel, no_ack: true };
    let mut taken = 0;
    while let Reply::Got { .. } = bench.command(get(1)) {
        taken += 1;
    }
    assert!(matches!(bench.command(get(2)), Reply::Deferred(_)));
    assert!(matches!(bench.command(Command::Inspect), Reply::Counts(_)), "a count needs no message");
    bench.command(Command::ChannelGone(CONSUMER, 1, Ending::Returned));
    bench.serve(usize::MAX);
    let [(_, Reply::Got { delivery, remaining })] = &bench.effects.deferred_replies[..] else {
        panic!("{:?}", bench.effects.deferred_replies)
    };
    assert_eq!((delivery.message.body(), *remaining), (taken.to_string().as_bytes(), 100 - taken - 1));
}

#[test]
fn a_purge_forgets_what_is_on_its_way() {
    let mut bench = paged(|_| ());
    fill(&mut bench, 100);
    bench.store.late = true;
    bench.consume(1, 0);
    assert!(!bench.store.loads.is_empty());
    let (got, left) = (bench.got.len(), bench.ready());
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(count) if count == left));
    bench.serve(usize::MAX);
    assert_eq!((bench.got.len(), bench.ready(), bench.effects.missing), (got, 0, 0));
    assert!(bench.store.pages.is_empty());
    bench.publish(&["after"]);
    assert_eq!(bench.bodies().last().unwrap(), "after");
}

#[test]
fn a_length_limit_holds_and_whole_segments_are_dropped_unread() {
    let mut bench = paged(|options| options.length_max = Some(50));
    bench.store.late = true;
    fill(&mut bench, 400);
    bench.serve(usize::MAX);
    assert_eq!(bench.ready(), 50);
    let left = bench.store.stored.keys().filter(|position| !bench.effects.removed.contains(position)).count();
    assert_eq!(left, 40, "of five messages four are stored");
    bench.store.late = false;
    bench.consume(1, 0);
    assert_eq!(bench.bodies(), numbers(350..400));
    assert!(bench.store.pages.is_empty());
}

#[test]
fn what_does_not_come_back_is_noticed() {
    let mut bench = paged(|_| ());
    fill(&mut bench, 100);
    bench.store.stored.remove(&Position(61));
    bench.consume(1, 0);
    assert_eq!(bench.effects.missing, 1);
}

#[test]
fn alternating_priorities_cost_a_few_bytes_each() {
    let mut bench = paged(|options| options.priority_max = Some(9));
    for number in 0..1000_u32 {
        bench.publish_with(&number.to_string(), None, (number % 10) as u8);
    }
    assert!(bench.queue.bytes_in_memory() < 10_000);
    let runs: Runs = (0..100).map(|number| Position(number * 10)).collect();
    assert!(runs.encode(Position(0)).len() <= 200);
    bench.consume(1, 0);
    let mut expected = Vec::new();
    for priority in (0..10).rev() {
        expected.extend((0..1000_u32).filter(|n| n % 10 == priority).map(|n| n.to_string()));
    }
    assert_eq!(bench.bodies(), expected);
}

/// What comes to the head of its level dies there, whatever is in memory of that level and of others.
#[test]
fn what_has_expired_is_gone_when_all_before_it_was_taken() {
    let window = Window { start_bytes: 0, head_bytes: 0, segment_bytes: 1 };
    let mut bench = paged(|options| {
        options.priority_max = Some(3);
        options.window = window;
        options.durable = false;
    });
    bench.publish_with("low", None, 0);
    for body in ["a", "b", "c"] {
        bench.publish_with(body, None, 1);
    }
    let get = || Command::Get { connection: CONSUMER, channel: 1, no_ack: false };
    assert!(matches!(bench.command(get()), Reply::Got { .. }));
    bench.publish_with("late", Some(0), 1);
    for _ in 0..2 {
        assert!(matches!(bench.command(get()), Reply::Got { .. }));
    }
    assert_eq!((bench.ready(), &bench.effects.dropped[..]), (1, &[(Reason::Expired, 1)][..]));
}

/// What a client and the store can tell of a queue.
fn story(bench: &mut Bench, model: &Model) -> impl PartialEq + std::fmt::Debug + use<> {
    let counts = bench.queue.counts();
    let got: Vec<_> =
        bench.got.iter().map(|(number, got)| (*number, got.handle.position, got.redelivered)).collect();
    let effects = &mut bench.effects;
    // A segment that is dropped whole names its transient messages, too; the store has never heard of them.
    let appended = &effects.appended;
    let is_known = |at: Position| model.stored.contains(&at.0) || appended.iter().any(|a| a.position == at);
    let mut removed: Vec<_> = effects.removed.iter().copied().filter(|at| is_known(*at)).collect();
    removed.sort_unstable();
    // One that has expired and is one too many goes for either reason.
    let limited = bench.queue.options().length_max.is_some();
    let name = |reason: Reason| if limited && reason == Reason::Expired { "maxlen" } else { reason.name() };
    let mut dropped = BTreeMap::new();
    for (reason, count) in &effects.dropped {
        *dropped.entry(name(*reason)).or_insert(0) += count;
    }
    let dead = effects.dead_letters.iter().map(|letter| (name(letter.reason), letter.stored));
    let mut dead: Vec<_> = dead.collect();
    if bench.queue.options().priority_max.is_some() {
        // Nobody promises an order between levels.
        dead.sort_unstable();
    } else {
        // Nor between what a consumer rejects, which may have to be read first, and what dies in the queue.
        dead.sort_by_key(|(reason, _)| *reason != Reason::Rejected.name());
    }
    let rest = (removed, dropped, dead, effects.delivered_up_to);
    (counts, got, rest, format!("{:?} {:?}", effects.confirms, effects.refusals))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_can_tell_what_is_in_memory(
        options in any_options(any_window()),
        steps in steps(),
    ) {
        let unlimited = QueueOptions { window: Window::UNLIMITED, ..options.clone() };
        let (mut paged, mut whole) = (Bench::new(options), Bench::new(unlimited));
        let mut models = (Model::default(), Model::default());
        for step in steps {
            models.0.step(&mut paged, step.clone());
            models.1.step(&mut whole, step);
            prop_assert_eq!(story(&mut paged, &models.0), story(&mut whole, &models.1));
            models.0.take(&mut paged);
            models.1.take(&mut whole);
        }
    }
}
