//! Earlier values of counters, so that a rate over a window can be told whenever somebody asks.
//!
//! Values are kept about four a second for the last second, one a second for the last five, one in five seconds for the last
//! minute: a few dozen at most. Nothing is kept of idle times but where they begin and end, so that a burst before one is not
//! spread over it. In between counters are taken to have grown evenly.

use std::collections::VecDeque;
use std::time::Duration;

use super::counters::Counters;
use crate::time::Time;

/// The longest window: what is older is kept once, as the value before it.
const WINDOW_MAX: Duration = Duration::from_secs(60);
/// Changes within this time are one step.
const STEP_MIN: Duration = Duration::from_millis(240);
/// Steps between values, each up to an age.
const STEPS: [(Duration, Duration); 3] = [
    (Duration::from_millis(1250), STEP_MIN),
    (Duration::from_secs(6), Duration::from_millis(980)),
    (Duration::from_secs(66), Duration::from_millis(4900)),
];

/// Counters that did not change for a while, however short.
#[derive(Clone, Copy, Debug)]
struct Plateau<const N: usize> {
    from: Time,
    until: Time,
    counts: [u64; N],
}

/// Earlier values of a set of counters.
#[derive(Debug)]
pub(super) struct History<const N: usize> {
    /// Ascending; between two of them the counters grew.
    plateaus: VecDeque<Plateau<N>>,
    /// When the counters changed last.
    changed: Time,
}

impl<const N: usize> History<N> {
    /// Of counters that are all 0 now.
    pub(super) const fn new(now: Time) -> Self {
        Self { plateaus: VecDeque::new(), changed: now }
    }

    /// The counters, which were `before` until now, change. Gives the time from which on the next change is to be noted.
    pub(super) fn note<C: Counters<N>>(&mut self, now: Time, before: C) -> Time {
        self.plateaus.push_back(Plateau { from: self.changed, until: now, counts: before.to_array() });
        self.changed = now;
        self.thin(now);
        now + STEP_MIN
    }

    /// The counters changed, within a step.
    pub(super) const fn changed(&mut self, at: Time) {
        self.changed = at;
    }

    /// The counters as they were at a time, not long before now. `current` is what they are.
    pub(super) fn at<C: Counters<N>>(&self, time: Time, current: C) -> C {
        if time >= self.changed {
            return current;
        }
        let now = Plateau { from: self.changed, until: Time::NEVER, counts: current.to_array() };
        let next = self.plateaus.partition_point(|plateau| plateau.from <= time);
        let after = self.plateaus.get(next).copied().unwrap_or(now);
        match next.checked_sub(1).and_then(|before| self.plateaus.get(before)) {
            Some(before) => C::from_array(between(before, &after, time)),
            None => C::default(),
        }
    }

    /// Drops what stands too close together for its age, and what is too old, but for the last of that.
    fn thin(&mut self, now: Time) {
        let mut kept: VecDeque<Plateau<N>> = VecDeque::with_capacity(self.plateaus.len());
        for plateau in self.plateaus.drain(..) {
            let age = now.since(plateau.until);
            if age > WINDOW_MAX {
                kept.clear();
            }
            let step =
                STEPS.iter().find(|(until, _)| age <= *until).map_or(Duration::ZERO, |(_, step)| *step);
            let is_apart = kept.back().is_none_or(|last| plateau.until.since(last.until) >= step);
            if is_apart || age < STEP_MIN {
                kept.push_back(plateau);
            }
        }
        self.plateaus = kept;
    }
}

/// The counters at a time that is within the first, or between the two.
fn between<const N: usize>(before: &Plateau<N>, after: &Plateau<N>, time: Time) -> [u64; N] {
    let span = after.from.since(before.until).as_micros().max(1);
    let part = time.since(before.until).as_micros().min(span);
    let mut counts = before.counts;
    for (count, after) in counts.iter_mut().zip(after.counts) {
        let grown = u128::from(after.saturating_sub(*count)) * part / span;
        *count += u64::try_from(grown).unwrap_or(u64::MAX);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::super::counters::ExchangeCounters;
    use super::*;
    use proptest::prelude::*;

    type Counts = ExchangeCounters;

    fn counts(published_in: u64) -> Counts {
        Counts { published_in, ..Counts::default() }
    }

    fn at(ms: u64) -> Time {
        Time::ZERO.plus_ms(ms)
    }

    /// Counters that grow by `each` at every time given, noted as a recorder does it.
    fn grown(times_ms: impl IntoIterator<Item = u64>, each: u64) -> (History<3>, u64) {
        let mut history = History::new(Time::ZERO);
        let (mut sum, mut due) = (0, Time::ZERO);
        for ms in times_ms {
            if at(ms) >= due {
                due = history.note(at(ms), counts(sum));
            } else {
                history.changed(at(ms));
            }
            sum += each;
        }
        (history, sum)
    }

    fn grown_within(history: &History<3>, sum: u64, now_ms: u64, window_ms: u64) -> u64 {
        sum - history.at(at(now_ms - window_ms), counts(sum)).published_in
    }

    #[test]
    fn a_steady_rate_is_the_same_in_every_window() {
        let (history, sum) = grown((0..120_000).step_by(10), 5);
        for (window_ms, expected) in [(1000, 500), (5000, 2500), (60_000, 30_000)] {
            let within = grown_within(&history, sum, 120_000, window_ms);
            assert!(within.abs_diff(expected) <= expected / 50, "{within} in {window_ms} ms");
        }
        assert!(history.plateaus.len() <= 40, "{} samples", history.plateaus.len());
    }

    #[test]
    fn a_burst_counts_until_it_is_older_than_the_window() {
        let (history, sum) = grown([1000], 700);
        assert_eq!(grown_within(&history, sum, 1500, 1000), 700);
        assert_eq!(grown_within(&history, sum, 2001, 1000), 0);
        assert_eq!(grown_within(&history, sum, 5999, 5000), 700);
        assert_eq!(grown_within(&history, sum, 70_000, 60_000), 0);
    }

    #[test]
    fn a_burst_is_not_spread_over_the_idle_time_after_it() {
        let (history, sum) = grown([1000, 41_000], 100);
        assert_eq!(grown_within(&history, sum, 41_500, 1000), 100);
        assert_eq!(grown_within(&history, sum, 41_500, 20_000), 100);
        assert_eq!(grown_within(&history, sum, 41_500, 40_600), 200);
    }

    proptest! {
        #[test]
        fn what_a_window_tells_is_what_happened_within_it_give_or_take_a_step(
            gaps in proptest::collection::vec(prop_oneof![0u64..30, 0u64..3000, 0u64..50_000], 1..200),
            window_ms in prop_oneof![Just(1000u64), Just(5000), Just(60_000)],
            after_ms in 0u64..2000,
        ) {
            let mut ms = 0;
            let times: Vec<u64> = gaps.iter().map(|gap| { ms += gap; ms }).collect();
            let now = ms + after_ms.max(1);
            let (history, sum) = grown(times.iter().copied(), 1);
            let from = now.saturating_sub(window_ms);
            let within = sum - history.at(at(from), counts(sum)).published_in;
            let step_ms = match window_ms { 1000 => 500, 5000 => 2000, _ => 10_000 };
            let count = |from: u64| times.iter().filter(|time| **time > from).count() as u64;
            let (least, most) = (count(from + step_ms), count(from.saturating_sub(step_ms)));
            let most = if from < step_ms { sum } else { most };
            prop_assert!((least..=most).contains(&within), "{within} of {least}..={most}");
            prop_assert!(history.plateaus.len() <= 64);
        }
    }
}
