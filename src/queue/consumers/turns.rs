//! Lines of consumers. Whoever leaves the queue leaves its place in line behind, which is passed over when it comes up, so that nobody
//! looks through a line for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// Places that nobody has any more are cleared away when they are most of the line and more than so many.
const LEFT_MAX: usize = 16;

/// A consumer's place in line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// Where it is kept.
    pub(super) slot: usize,
    /// How many consumers came before it: another one in the same slot has another number.
    pub(super) came: u64,
}

/// Whether the consumer of a place is still there.
pub(super) trait IsThere: Fn(Turn) -> bool {}
impl<F: Fn(Turn) -> bool> IsThere for F {}

/// First in, first out.
#[derive(Debug, Default)]
pub(super) struct Line {
    turns: VecDeque<Turn>,
    /// How many of them are somebody's.
    len: usize,
}

impl Line {
    pub(super) fn push(&mut self, turn: Turn) {
        self.turns.push_back(turn);
        self.len += 1;
    }

    /// Who is first.
    #[inline]
    fn first(&mut self, is_there: impl IsThere) -> Option<Turn> {
        while let Some(turn) = self.turns.front().copied() {
            if is_there(turn) {
                return Some(turn);
            }
            self.turns.pop_front();
        }
        None
    }

    /// Takes out who was found [first](Self::first).
    #[inline]
    fn pop_first(&mut self) -> Option<Turn> {
        let first = self.turns.pop_front()?;
        self.len -= 1;
        Some(first)
    }

    /// Somebody in it is there no more.
    fn left(&mut self, is_there: impl IsThere) {
        self.len -= 1;
        if self.turns.len() > 2 * self.len + LEFT_MAX {
            self.turns.retain(|turn| is_there(*turn));
        }
    }

    /// All of them, in order.
    fn iter(&self) -> impl Iterator<Item = Turn> {
        self.turns.iter().copied()
    }
}

/// Consumers that may be served: those of the highest priority first, in turn.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// The priority of `line`.
    priority: i32,
    /// Those of the highest priority that anybody has.
    line: Line,
    /// The others.
    lower: BTreeMap<Reverse<i32>, Line>,
    len: usize,
}

impl Rotation {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Who is served next.
    #[inline]
    pub(super) fn first(&mut self, is_there: impl IsThere) -> Option<Turn> {
        loop {
            let first = self.line.first(&is_there);
            if first.is_some() || self.lower.is_empty() {
                return first;
            }
            let (Reverse(priority), line) = self.lower.pop_first()?;
            (self.priority, self.line) = (priority, line);
        }
    }

    /// Takes out who was found [first](Self::first).
    #[inline]
    pub(super) fn pop_first(&mut self) -> Option<Turn> {
        let first = self.line.pop_first()?;
        self.len -= 1;
        Some(first)
    }

    /// Puts one behind all others of its priority.
    #[inline]
    pub(super) fn push(&mut self, turn: Turn, priority: i32) {
        self.len += 1;
        // Nearly always all priorities are the same.
        if priority != self.priority {
            return self.push_to_other(turn, priority);
        }
        self.line.push(turn);
    }

    #[cold]
    fn push_to_other(&mut self, turn: Turn, priority: i32) {
        if priority > self.priority || self.line.turns.is_empty() {
            let line = std::mem::take(&mut self.line);
            if !line.turns.is_empty() {
                self.lower.insert(Reverse(self.priority), line);
            }
            let highest = self.lower.first_key_value().map_or(i32::MIN, |(Reverse(highest), _)| *highest);
            self.priority = priority.max(highest);
            self.line = self.lower.remove(&Reverse(self.priority)).unwrap_or_default();
        }
        if priority == self.priority {
            self.line.push(turn);
        } else {
            self.lower.entry(Reverse(priority)).or_default().push(turn);
        }
    }

    /// One of this priority is there no more.
    pub(super) fn left(&mut self, priority: i32, is_there: impl IsThere) {
        self.len -= 1;
        if priority == self.priority {
            return self.line.left(is_there);
        }
        let Some(line) = self.lower.get_mut(&Reverse(priority)) else { return };
        line.left(is_there);
        if line.len == 0 {
            self.lower.remove(&Reverse(priority));
        }
    }

    /// Takes one out that is still there: looks at all.
    pub(super) fn take_out(&mut self, slot: usize) {
        for line in std::iter::once(&mut self.line).chain(self.lower.values_mut()) {
            let before = line.turns.len();
            line.turns.retain(|turn| turn.slot != slot);
            let out = before - line.turns.len();
            line.len -= out;
            self.len -= out;
        }
    }

    /// All of them, in order, with places that nobody has.
    pub(super) fn iter(&self) -> impl Iterator<Item = Turn> {
        self.line.iter().chain(self.lower.values().flat_map(Line::iter))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn turn(came: u64) -> Turn {
        Turn { slot: came as usize % 7, came }
    }

    #[test]
    fn leaving_looks_at_no_others_but_now_and_then() {
        const MANY: u64 = 10_000;
        let (mut rotation, looks) = (Rotation::default(), Cell::new(0));
        (0..MANY).for_each(|came| rotation.push(turn(came), (came % 2) as i32));
        for left in 0..MANY {
            let is_there = |turn: Turn| {
                looks.set(looks.get() + 1);
                turn.came > left
            };
            rotation.left((left % 2) as i32, is_there);
        }
        assert_eq!(rotation.len(), 0);
        assert!(looks.get() < 3 * MANY, "{} looks", looks.get());
        assert!(rotation.iter().count() <= 2 * LEFT_MAX, "places that nobody has stay for ever");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Come(i32),
        Serve,
        Leave(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step =
            prop_oneof![(-2..3).prop_map(Step::Come), Just(Step::Serve), (0..50_usize).prop_map(Step::Leave)];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        #[test]
        fn the_highest_priority_is_served_in_turn_whoever_leaves(steps in steps()) {
            let mut rotation = Rotation::default();
            // By priority and place: the order in which they are to be served.
            let mut model: BTreeSet<(Reverse<i32>, u64, u64)> = BTreeSet::new();
            let (mut came, mut place) = (0, 0);
            for step in steps {
                place += 1;
                match step {
                    Step::Come(priority) => {
                        rotation.push(turn(came), priority);
                        model.insert((Reverse(priority), place, came));
                        came += 1;
                    }
                    Step::Serve => {
                        let there: BTreeSet<u64> = model.iter().map(|(_, _, came)| *came).collect();
                        let first = rotation.first(|turn| there.contains(&turn.came));
                        let expected = model.pop_first();
                        prop_assert_eq!(first, expected.map(|(_, _, came)| turn(came)));
                        if let Some((Reverse(priority), _, came)) = expected {
                            prop_assert_eq!(rotation.pop_first(), first);
                            rotation.push(turn(came), priority);
                            model.insert((Reverse(priority), place, came));
                        }
                    }
                    Step::Leave(index) => {
                        let Some(left) = model.iter().nth(index).copied() else { continue };
                        model.remove(&left);
                        let there: BTreeSet<u64> = model.iter().map(|(_, _, came)| *came).collect();
                        rotation.left(left.0.0, |turn| there.contains(&turn.came));
                    }
                }
                prop_assert_eq!(rotation.len(), model.len());
            }
        }
    }
}
