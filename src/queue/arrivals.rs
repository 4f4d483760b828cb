//! When messages came, roughly: what it takes to tell how long the oldest ready one has been there.
//!
//! A message does not carry the time of its arrival, which would cost memory for each. Instead a queue remembers from which
//! position on messages came after which time, once a second at most; an old backlog is remembered in coarser steps, so that a
//! time is wrong by a second, or by a sixteenth of the time that the marks span.

use std::collections::VecDeque;

use crate::message::Position;
use crate::time::Time;

/// Marks that a queue keeps.
const MARKS_MAX: usize = 64;
/// Messages that come within this time share a mark.
const STEP_MS: u64 = 1000;

/// Marks: messages from a position on came at a time, or after it.
#[derive(Debug)]
pub(super) struct Arrivals {
    /// Ascending.
    marks: VecDeque<(Position, Time)>,
    /// Where the next message's position was at the end of the last batch.
    end: Position,
    step_ms: u64,
    /// When the next mark is due.
    next: Time,
    /// Since when the queue is there: what came before is older.
    since: Time,
}

impl Arrivals {
    /// Of a queue whose first message will have this position.
    pub(super) const fn new(end: Position, now: Time) -> Self {
        Self { marks: VecDeque::new(), end, step_ms: STEP_MS, next: Time::ZERO, since: now }
    }

    /// A batch has ended. `oldest` is asked for the position of the oldest ready message.
    #[inline]
    pub(super) fn note(&mut self, now: Time, end: Position, oldest: impl FnOnce() -> Option<Position>) {
        if end == self.end {
            return;
        }
        let first = std::mem::replace(&mut self.end, end);
        if now >= self.next {
            self.mark(now, first, oldest());
        }
    }

    /// When the message came: not before, unless an earlier run left it, and not long after.
    pub(super) fn time(&self, position: Position) -> Time {
        let after = self.marks.partition_point(|(first, _)| *first <= position);
        let mark = after.checked_sub(1).and_then(|index| self.marks.get(index));
        mark.map_or(self.since, |(_, time)| *time)
    }

    #[cold]
    fn mark(&mut self, now: Time, first: Position, oldest: Option<Position>) {
        let oldest = oldest.unwrap_or(first);
        while self.marks.get(1).is_some_and(|(next, _)| *next <= oldest) {
            self.marks.pop_front();
        }
        if self.marks.len() < MARKS_MAX / 4 {
            self.step_ms = STEP_MS;
        } else if self.marks.len() >= MARKS_MAX {
            let mut index = 0_usize;
            self.marks.retain(|_| {
                index += 1;
                !index.is_multiple_of(2)
            });
            self.step_ms *= 2;
        }
        self.marks.push_back((first, now));
        self.next = now.plus_ms(self.step_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::ZERO.plus_ms(ms)
    }

    #[test]
    fn a_message_came_when_its_mark_says() {
        let mut arrivals = Arrivals::new(Position(5), at(100));
        arrivals.note(at(5000), Position(7), || Some(Position(5)));
        arrivals.note(at(5400), Position(8), || Some(Position(5)));
        arrivals.note(at(9000), Position(9), || Some(Position(5)));
        let times = [4, 5, 6, 7, 8].map(|position| arrivals.time(Position(position)));
        assert_eq!(times, [at(100), at(5000), at(5000), at(5000), at(9000)]);
    }

    #[test]
    fn a_long_backlog_is_remembered_in_coarser_steps() {
        let mut arrivals = Arrivals::new(Position(0), at(0));
        for second in 1..=10_000 {
            arrivals.note(at(second * 1000), Position(second), || Some(Position(0)));
            assert!(arrivals.marks.len() <= MARKS_MAX);
            for position in (0..second).step_by(199) {
                let (real, told) = (at((position + 1) * 1000), arrivals.time(Position(position)));
                let wrong_ms = real.since(told).max(told.since(real)).as_millis() as u64;
                assert!(wrong_ms <= 1000 + second * 1000 / 16, "{second} {position}: {wrong_ms}");
            }
        }
    }

    #[test]
    fn what_is_delivered_leaves_no_marks() {
        let mut arrivals = Arrivals::new(Position(0), at(0));
        for second in 1..=1000 {
            arrivals.note(at(second * 1000), Position(second), || None);
            assert!(arrivals.marks.len() <= 2);
            assert_eq!(arrivals.time(Position(second - 1)), at(second * 1000));
        }
    }
}
