//! The events themselves: the newest ones, as many as there is room for.

use std::collections::VecDeque;

use super::event::Event;

/// Events are kept in pages, so that the ring grows without moving what is in it.
const PAGE_EVENTS: usize = 256;

/// A bounded ring of events.
#[derive(Debug)]
pub(super) struct Ring {
    /// Oldest first. None is empty.
    pages: VecDeque<VecDeque<Event>>,
    /// An empty page to be used again.
    spare: Option<VecDeque<Event>>,
    len: usize,
    /// What all of them take.
    bytes: usize,
    /// The number of the next event.
    next: u64,
    events_max: usize,
    bytes_max: usize,
}

impl Ring {
    /// An empty ring with room for so many events and bytes.
    pub(super) const fn new(events_max: usize, bytes_max: usize) -> Self {
        let pages = VecDeque::new();
        Self { pages, spare: None, len: 0, bytes: 0, next: 1, events_max, bytes_max }
    }

    /// Adds an event, under the next number; the oldest ones make room for it.
    pub(super) fn push(&mut self, mut event: Event) {
        event.number = self.next;
        self.next += 1;
        self.bytes += event.bytes();
        self.len += 1;
        match self.pages.back_mut().filter(|page| page.len() < PAGE_EVENTS) {
            Some(page) => page.push_back(event),
            None => {
                let page = self.spare.take();
                let mut page = page.unwrap_or_else(|| VecDeque::with_capacity(PAGE_EVENTS));
                page.push_back(event);
                self.pages.push_back(page);
            }
        }
        while self.len > self.events_max || self.bytes > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(page) = self.pages.front_mut() else { return };
        if let Some(oldest) = page.pop_front() {
            self.bytes -= oldest.bytes();
            self.len -= 1;
        }
        if page.is_empty() {
            self.spare = self.pages.pop_front();
        }
    }

    /// The number of the oldest event that is there; of the next one if there is none.
    pub(super) fn first(&self) -> u64 {
        self.pages.front().and_then(VecDeque::front).map_or(self.next, |event| event.number)
    }

    /// The number of the newest event that there ever was; 0: none yet.
    pub(super) const fn last(&self) -> u64 {
        self.next - 1
    }

    /// What is in it, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events with a higher number than this, oldest first.
    pub(super) fn after(&self, number: u64) -> impl Iterator<Item = &Event> {
        let skip = usize::try_from((number + 1).saturating_sub(self.first())).unwrap_or(usize::MAX);
        // All pages but the first and the last are full; the first has lost its oldest events.
        let first_len = self.pages.front().map_or(0, VecDeque::len);
        let (page, skip) = match skip.checked_sub(first_len) {
            Some(beyond) => (1 + beyond / PAGE_EVENTS, beyond % PAGE_EVENTS),
            None => (0, skip),
        };
        self.pages.iter().skip(page).flatten().skip(skip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::event::EventKind;
    use crate::time::Timestamp;

    fn event() -> Event {
        Event::new(Timestamp::default(), EventKind::Dropped)
    }

    fn numbers(ring: &Ring, after: u64) -> Vec<u64> {
        ring.after(after).map(|event| event.number).collect()
    }

    #[test]
    fn the_oldest_go_and_numbers_go_on() {
        let mut ring = Ring::new(1000, usize::MAX);
        assert_eq!((ring.first(), ring.last()), (1, 0));
        for pushed in 1..=3000_u64 {
            ring.push(event());
            let first = pushed.saturating_sub(999).max(1);
            assert_eq!((ring.first(), ring.last()), (first, pushed));
            for after in [0, first.saturating_sub(2), first, first + 255, pushed - 1, pushed, pushed + 5] {
                let wanted: Vec<u64> = (first.max(after + 1)..=pushed).collect();
                assert_eq!(numbers(&ring, after), wanted, "after {after} of {pushed}");
            }
        }
        assert_eq!(ring.bytes(), 1000 * event().bytes());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut ring = Ring::new(usize::MAX, 10 * event().bytes());
        (0..100).for_each(|_| ring.push(event()));
        assert_eq!((ring.first(), ring.last()), (91, 100));
        let error = Some("x".repeat(5 * event().bytes()).into());
        ring.push(Event { error, ..event() });
        assert!(ring.bytes() <= 10 * event().bytes() && ring.last() == 101);
        let error = Some("x".repeat(50 * event().bytes()).into());
        ring.push(Event { error, ..event() });
        assert_eq!(
            (ring.first(), ring.last(), ring.bytes()),
            (103, 102, 0),
            "what is larger than all is lost"
        );
        ring.push(event());
        assert_eq!(numbers(&ring, 0), [103]);
    }
}
