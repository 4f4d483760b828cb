//! Sets of positions as ranges: what a chunk or a page holds, in a few bytes however many messages that are.
//!
//! Invariant: ranges are ascending, disjoint, and never touch.

use super::Position;
use super::packed::{Reader, push_varint};

/// Ascending, disjoint ranges of positions, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs(Vec<(u64, u64)>);

impl Runs {
    /// All positions from `first` to `last`.
    #[must_use]
    pub fn span(first: Position, last: Position) -> Self {
        Self(vec![(first.0, last.0)])
    }

    /// Adds a position above all others.
    pub fn push(&mut self, position: Position) {
        match self.0.last_mut() {
            Some((_, last)) if *last + 1 == position.0 => *last = position.0,
            _ => self.0.push((position.0, position.0)),
        }
    }

    /// Adds all positions from `first` to `last`, wherever they are; some may be in already.
    pub fn insert(&mut self, first: Position, last: Position) {
        let (first, last) = (first.0, last.0);
        // Those that it touches.
        let from = self.0.partition_point(|run| run.1 < first.saturating_sub(1));
        let to = self.0.partition_point(|run| run.0 <= last.saturating_add(1));
        match self.0.get_mut(from..to) {
            Some([run]) => *run = (run.0.min(first), run.1.max(last)),
            Some(touched) => {
                let together =
                    touched.iter().fold((first, last), |sum, run| (sum.0.min(run.0), sum.1.max(run.1)));
                self.0.splice(from..to, [together]);
            }
            None => {}
        }
    }

    /// Takes out all that is below a position, and what follows it without a gap. The lowest position that is not in, from there on.
    pub fn take_up_to(&mut self, position: Position) -> Position {
        let gone = self.0.partition_point(|run| run.0 <= position.0);
        let end =
            self.0.get(..gone).and_then(<[_]>::last).map_or(position.0, |run| position.0.max(run.1 + 1));
        self.0.drain(..gone);
        Position(end)
    }

    /// Of how many ranges it is made.
    #[must_use]
    pub const fn ranges(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest position.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        self.0.first().map(|run| Position(run.0))
    }

    /// The highest position.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.0.last().map(|run| Position(run.1))
    }

    /// Whether a position is in.
    #[must_use]
    pub fn contains(&self, position: Position) -> bool {
        self.find(position).is_some()
    }

    fn find(&self, position: Position) -> Option<(usize, (u64, u64))> {
        let at = self.0.partition_point(|run| run.1 < position.0);
        let run = *self.0.get(at)?;
        (run.0 <= position.0).then_some((at, run))
    }

    /// All positions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Position> {
        self.0.iter().flat_map(|(first, last)| (*first..=*last).map(Position))
    }

    /// Adds all positions of another set.
    pub fn merge(&mut self, other: &Self) {
        let sorted = self.0.last().zip(other.0.first()).is_none_or(|(mine, theirs)| mine.1 < theirs.0);
        let mut all = std::mem::take(&mut self.0);
        all.extend_from_slice(&other.0);
        if !sorted {
            all.sort_unstable();
        }
        for (first, last) in all {
            match self.0.last_mut() {
                Some((_, end)) if *end + 1 >= first => *end = last.max(*end),
                _ => self.0.push((first, last)),
            }
        }
    }

    /// The positions that both sets have.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = Vec::new();
        while let (Some(a), Some(b)) = (mine.peek(), theirs.peek()) {
            let (first, last) = (a.0.max(b.0), a.1.min(b.1));
            if first <= last {
                both.push((first, last));
            }
            if a.1 < b.1 {
                mine.next()
            } else {
                theirs.next()
            };
        }
        Self(both)
    }

    /// Takes a position out; `false` if it is not in.
    pub fn remove(&mut self, position: Position) -> bool {
        let Some((at, (first, last))) = self.find(position) else { return false };
        let position = position.0;
        let left = (first < position).then(|| (first, position - 1));
        let right = (position < last).then(|| (position + 1, last));
        match (left, right, self.0.get_mut(at)) {
            (Some(run), None, Some(slot)) | (None, Some(run), Some(slot)) => *slot = run,
            _ => drop(self.0.splice(at..=at, left.into_iter().chain(right))),
        }
        true
    }

    /// Takes all below `before` out except those of `keep` (ascending); says whether anything changed.
    pub fn purge(&mut self, before: Position, keep: &[Position]) -> bool {
        if self.first().is_none_or(|first| first >= before) {
            return false;
        }
        let mut kept = Self::default();
        let from = self.first().map_or(0, |first| keep.partition_point(|position| *position < first));
        for position in keep.iter().skip(from).take_while(|position| **position < before) {
            if self.last().is_some_and(|last| last < *position) {
                break;
            }
            if self.contains(*position) && kept.last() != Some(*position) {
                kept.push(*position);
            }
        }
        for (first, last) in self.0.iter().filter(|run| run.1 >= before.0) {
            let first = (*first).max(before.0);
            match kept.0.last_mut() {
                Some((_, end)) if *end + 1 == first => *end = *last,
                _ => kept.0.push((first, *last)),
            }
        }
        let changed = kept.len() != self.len();
        *self = kept;
        changed
    }

    /// How many positions.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// As bytes: for each run the gap to the one before (the first to `base`) and its length, as varints.
    #[must_use]
    pub fn encode(&self, base: Position) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len() * 3);
        let mut end = base.0;
        for (first, last) in &self.0 {
            push_varint(&mut out, first - end);
            push_varint(&mut out, last - first);
            end = *last;
        }
        out
    }

    /// From bytes; `None` if they are not [encoded](Self::encode) runs.
    #[must_use]
    pub fn decode(base: Position, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut runs = Vec::new();
        let mut end = base.0;
        while !reader.0.is_empty() {
            let first = end.checked_add(reader.varint()?)?;
            end = first.checked_add(reader.varint()?)?;
            runs.push((first, end));
        }
        Some(Self(runs))
    }
}

impl FromIterator<Position> for Runs {
    /// From ascending positions.
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut runs = Self::default();
        positions.into_iter().for_each(|position| runs.push(position));
        runs
    }
}

/// What is left of a set when all that is asked for is whether positions are in, in ascending order: a look per
/// position instead of a search.
#[derive(Debug)]
pub struct Ascending<'a> {
    runs: &'a [(u64, u64)],
}

impl Runs {
    /// For asking about ascending positions.
    #[must_use]
    pub fn ascending(&self) -> Ascending<'_> {
        Ascending { runs: &self.0 }
    }
}

impl Ascending<'_> {
    /// Whether a position, above all asked about before, is in.
    pub fn contains(&mut self, position: Position) -> bool {
        while let Some((run, rest)) = self.runs.split_first() {
            if position.0 <= run.1 {
                return run.0 <= position.0;
            }
            self.runs = rest;
        }
        false
    }
}
