//! The events themselves: the newest ones, as many as there is room for.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::event::Event;
use super::run::Run;

/// Runs of events are kept in pages, so that the ring grows without moving what is in it.
const PAGE_RUNS: usize = 256;

/// A bounded ring of events.
#[derive(Debug)]
pub(super) struct Ring {
    /// Oldest first. None is empty.
    pages: VecDeque<VecDeque<Run>>,
    /// An empty page to be used again.
    spare: Option<VecDeque<Run>>,
    /// What all of them take.
    bytes: usize,
    /// The number of the oldest event that is there; older ones of its run are not.
    first: u64,
    /// The number of the next event.
    next: u64,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    /// An empty ring with room for so many events and bytes.
    pub(super) const fn new(events_max: usize, bytes_max: usize) -> Self {
        let pages = VecDeque::new();
        Self { pages, spare: None, bytes: 0, first: 1, next: 1, events_max, bytes_max }
    }

    /// Adds events, under the next numbers; the oldest ones make room for them.
    pub(super) fn push(&mut self, mut run: Run) {
        run.number(self.next);
        self.next += run.len() as u64;
        self.bytes += run.bytes();
        match self.pages.back_mut().filter(|page| page.len() < PAGE_RUNS) {
            Some(page) => page.push_back(run),
            None => {
                let page = self.spare.take();
                let mut page = page.unwrap_or_else(|| VecDeque::with_capacity(PAGE_RUNS));
                page.push_back(run);
                self.pages.push_back(page);
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        self.first = self.first.max(self.next.saturating_sub(self.events_max as u64));
        while let Some(oldest) = self.pages.front().and_then(VecDeque::front)
            && (oldest.last() < self.first || self.bytes > self.bytes_max)
        {
            self.first = self.first.max(oldest.last() + 1);
            self.bytes -= oldest.bytes();
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(page) = self.pages.front_mut() else { return };
        page.pop_front();
        if page.is_empty() {
            self.spare = self.pages.pop_front();
        }
    }

    /// The number of the oldest event that is there; of the next one if there is none.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// The number of the newest event that there ever was; 0: none yet.
    pub(super) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// What is in it, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Shows the events with a higher number than this, oldest first, until one is enough.
    pub(super) fn each_after(
        &self,
        number: u64,
        mut see: impl FnMut(&Event) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let number = number.max(self.first - 1);
        let page = self.pages.partition_point(|page| page.back().is_none_or(|run| run.last() <= number));
        let Some(newer) = self.pages.get(page) else { return ControlFlow::Continue(()) };
        let skipped = newer.partition_point(|run| run.last() <= number);
        let runs = self.pages.iter().skip(page).flatten().skip(skipped);
        runs.into_iter().try_for_each(|run| run.each_after(number, &mut see))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::event::EventKind;
    use crate::broker::journal::run::Another;
    use crate::time::Timestamp;

    fn event() -> Event {
        Event::new(Timestamp::default(), EventKind::Dropped)
    }

    fn numbers(ring: &Ring, after: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        let _ = ring.each_after(after, |event| {
            numbers.push(event.number);
            ControlFlow::Continue(())
        });
        numbers
    }

    fn run(events: u64) -> Run {
        let mut run = Run::from(event());
        (1..events).for_each(|_| run.push(Another::default()));
        run
    }

    #[test]
    fn the_oldest_go_and_numbers_go_on() {
        let mut ring = Ring::new(1000, usize::MAX);
        assert_eq!((ring.first(), ring.last()), (1, 0));
        for pushed in 1..=3000_u64 {
            ring.push(event().into());
            let first = pushed.saturating_sub(999).max(1);
            assert_eq!((ring.first(), ring.last()), (first, pushed));
            for after in [0, first.saturating_sub(2), first, first + 255, pushed - 1, pushed, pushed + 5] {
                let wanted: Vec<u64> = (first.max(after + 1)..=pushed).collect();
                assert_eq!(numbers(&ring, after), wanted, "after {after} of {pushed}");
            }
        }
        assert_eq!(ring.bytes(), 1000 * event().bytes());
    }

    /// Runs of all lengths in between: numbers are without gaps, and no more events are kept than are allowed.
    #[test]
    fn runs_are_counted_by_their_events() {
        let mut ring = Ring::new(100, usize::MAX);
        let mut pushed = 0;
        for events in (1..=50).cycle().take(2000) {
            ring.push(run(events));
            pushed += events;
            let first = pushed.saturating_sub(99).max(1);
            assert_eq!((ring.first(), ring.last()), (first, pushed));
            for after in [0, first, first + 30, pushed - 1, pushed] {
                let wanted: Vec<u64> = (first.max(after + 1)..=pushed).collect();
                assert_eq!(numbers(&ring, after), wanted, "after {after} of {pushed}");
            }
        }
        assert!(ring.bytes() < 100 * event().bytes(), "{}", ring.bytes());
        let mut ring = Ring::new(usize::MAX, 3 * run(10).bytes());
        (0..10).for_each(|_| ring.push(run(10)));
        assert_eq!((ring.first(), ring.last()), (71, 100), "a run goes as a whole when bytes are short");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut ring = Ring::new(usize::MAX, 10 * event().bytes());
        (0..100).for_each(|_| ring.push(event().into()));
        assert_eq!((ring.first(), ring.last()), (91, 100));
        let error = Some("x".repeat(5 * event().bytes()).into());
        ring.push(Event { error, ..event() }.into());
        assert!(ring.bytes() <= 10 * event().bytes() && ring.last() == 101);
        let error = Some("x".repeat(50 * event().bytes()).into());
        ring.push(Event { error, ..event() }.into());
        assert_eq!(
            (ring.first(), ring.last(), ring.bytes()),
            (103, 102, 0),
            "what is larger than all is lost"
        );
        ring.push(event().into());
        assert_eq!(numbers(&ring, 0), [103]);
    }
}
