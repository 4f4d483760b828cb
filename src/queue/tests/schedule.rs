//! Messages that wait for their time, in memory and out of it.

use super::*;

/// A queue of a delayed exchange, and what left it: when, and which.
struct Delays {
    bench: Bench,
    left: Vec<(u64, String)>,
}

impl Delays {
    fn new(window: Window) -> Self {
        let bench = Bench::durable(|options| {
            options.delays = true;
            options.window = window;
        });
        Self { bench, left: Vec::new() }
    }

    fn publish(&mut self, body: &str, delay_ms: u64) {
        self.bench.publish_with(body, Some(delay_ms), 0);
        self.collect();
    }

    fn collect(&mut self) {
        let at_ms = self.bench.now.as_micros() / 1000;
        for due in std::mem::take(&mut self.bench.effects.due) {
            assert!(due.stored.is_some());
            let body = String::from_utf8_lossy(due.message.body()).into_owned();
            self.left.push((at_ms, body));
        }
    }

    /// Goes on for so long, waking up when the queue wants to.
    fn advance_ms(&mut self, ms: u64) {
        let end = self.bench.now.plus_ms(ms);
        while let Some(time) = self.bench.queue.poll_timeout().filter(|time| *time <= end) {
            self.bench.now = self.bench.now.max(time);
            self.bench.settle_batch();
            self.collect();
        }
        self.bench.now = end;
        self.bench.settle_batch();
        self.collect();
    }

    fn waiting(&self) -> usize {
        self.bench.queue.counts().ready
    }
}

#[test]
fn each_leaves_when_its_time_has_come() {
    let mut delays = Delays::new(Window::UNLIMITED);
    for (body, delay_ms) in [("c", 300), ("a", 100), ("b", 200), ("also b", 200)] {
        delays.publish(body, delay_ms);
    }
    assert_eq!(delays.waiting(), 4);
    delays.advance_ms(99);
    assert_eq!(delays.left, []);
    delays.advance_ms(1000);
    let expected = [(100, "a"), (200, "b"), (200, "also b"), (300, "c")];
    assert_eq!(delays.left, expected.map(|(at, body)| (at, body.to_owned())));
    assert_eq!((delays.waiting(), delays.bench.queue.poll_timeout()), (0, None));
}

#[test]
fn a_delay_is_stored_and_its_confirm_waits_for_that() {
    let mut delays = Delays::new(Window::UNLIMITED);
    delays.publish("a", 100);
    let effects = &delays.bench.effects;
    assert_eq!((effects.appended.len(), effects.append_confirms.len(), effects.confirms.len()), (1, 1, 0));
    assert_eq!(effects.appended[0].expires, Time::ZERO.plus_ms(100));
}

#[test]
fn what_an_earlier_run_left_is_read_and_leaves_in_its_time() {
    let mut delays = Delays::new(Window::UNLIMITED);
    let left = (1..=20).map(|n| (n, format!("{n}"), Time::ZERO.plus_ms(1000 - 40 * n))).collect();
    delays.bench.restore(left, 0);
    // As each task begins.
    delays.bench.settle_batch();
    assert_eq!(delays.waiting(), 20);
    delays.advance_ms(5000);
    let expected: Vec<_> = (1..=20).rev().map(|n| (1000 - 40 * n, n.to_string())).collect();
    assert_eq!(delays.left, expected);
}

#[test]
fn memory_is_bounded_and_no_time_is_missed() {
    let mut delays = Delays::new(Window { start_bytes: 4000, head_bytes: 1000, segment_bytes: 500 });
    // Every seventh is due soon, the rest in no order over ten minutes.
    let due = |n: u64| if n.is_multiple_of(7) { 10_000 + n } else { 20_000 + (n * 7919) % 600_000 };
    for n in 0..2000 {
        delays.publish(&n.to_string(), due(n));
        assert!(delays.bench.queue.delayed_bytes() <= 4500);
    }
    assert!(delays.bench.store.paged_out > 1500);
    delays.advance_ms(700_000);
    assert_eq!(delays.left.len(), 2000);
    for (at, body) in &delays.left {
        assert_eq!(*at, due(body.parse().unwrap()), "{body}");
    }
}

#[test]
fn a_million_at_one_instant_leave_in_portions() {
    let mut delays = Delays::new(Window { start_bytes: 20_000, head_bytes: 1000, segment_bytes: 5000 });
    for n in 0..5000 {
        delays.publish(&n.to_string(), 5000 - n / 1000);
        delays.bench.advance_ms(u64::from(n % 1000 == 999));
    }
    assert!(delays.bench.store.paged_out > 0);
    delays.bench.advance_ms(4000);
    delays.collect();
    assert_eq!(delays.left.len(), 0);
    delays.bench.advance_ms(995);
    assert!(delays.bench.effects.due.len() <= 1000);
    assert!(delays.bench.queue.delayed_bytes() <= 26_000);
    delays.advance_ms(1);
    assert_eq!((delays.left.len(), delays.waiting()), (5000, 0));
}

#[test]
fn the_end_of_the_exchange_is_the_end_of_what_waits() {
    let mut delays = Delays::new(Window { start_bytes: 1000, head_bytes: 100, segment_bytes: 100 });
    for n in 0..50 {
        delays.publish(&n.to_string(), 1000 + n);
    }
    let reply = delays.bench.command(Command::Delete { if_unused: false, if_empty: false });
    assert!(matches!(reply, Reply::Deleted(50)));
    assert_eq!(delays.bench.effects.ended, Some(Ended::Deleted));
    assert_eq!(delays.waiting(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is out of memory, and however late it comes back: nothing leaves early, twice or never.
    #[test]
    fn all_leave_once_and_none_early(
        steps in proptest::collection::vec((0..20_000_u64, 0..3000_u64, 0..3_usize), 1..120),
        start_bytes in 100..3000_usize,
        late in any::<bool>(),
    ) {
        let window = Window { start_bytes, head_bytes: 100, segment_bytes: start_bytes / 4 };
        let mut delays = Delays::new(window);
        delays.bench.store.late = late;
        let mut due = BTreeMap::new();
        for (number, (delay_ms, pause_ms, serve)) in steps.into_iter().enumerate() {
            let body = number.to_string();
            due.insert(body.clone(), delays.bench.now.plus_ms(delay_ms).as_micros() / 1000);
            delays.publish(&body, delay_ms);
            delays.bench.now = delays.bench.now.plus_ms(pause_ms);
            delays.bench.settle_batch();
            delays.collect();
            delays.bench.serve(serve);
            delays.collect();
        }
        delays.bench.store.late = false;
        delays.bench.serve(usize::MAX);
        delays.collect();
        delays.advance_ms(30_000);
        prop_assert_eq!(delays.left.len(), due.len());
        for (at, body) in &delays.left {
            prop_assert!(due.remove(body).is_some_and(|due| due <= *at), "{} left too early or twice", body);
        }
        prop_assert_eq!(delays.waiting(), 0);
    }
}
