//! What becomes of a message that came back: again, later, set aside, or dead. Pure arithmetic over its attempts.

use super::attempts::{Attempts, Ending, WaitKind};
use crate::message::Position;

/// A parked message of a queue that does not say waits an hour.
pub(super) const PARKING_TTL_MS: u32 = 3_600_000;

/// Which endings count towards the delivery limit (`x-delivery-count-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountMode {
    /// `all`: every one, as RabbitMQ's quorum queues count.
    #[default]
    All,
    /// `failed`: only failures, as RabbitMQ counts from 4.3.
    Failed,
}

/// Which endings are followed by a delay (`x-delayed-retry-type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryType {
    /// `all`
    All,
    /// `failed`
    Failed,
    /// `returned`
    Returned,
}

/// How long a message waits before its next attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// After which endings.
    pub on: RetryType,
    /// `x-delayed-retry-min`, in ms: the first delay.
    pub min_ms: u32,
    /// `x-delayed-retry-max`, in ms: no delay is longer.
    pub max_ms: u32,
    /// `x-delayed-retry-multiplier`, in hundredths: each delay is so many times the one before. Without it delays grow
    /// by `min_ms` each, as RabbitMQ's do.
    pub multiplier_percent: Option<u32>,
    /// `x-delayed-retry-steps`, in ms: these delays one after the other, then the last again and again. With steps, the
    /// minimum, the maximum and the multiplier do not count.
    pub steps_ms: Vec<u32>,
    /// `x-delayed-retry-jitter`, in percent: each delay is shortened by up to that much, so that messages that failed
    /// together don't come back together.
    pub jitter_percent: u8,
}

/// When messages are set aside (`x-parking-after`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parking {
    /// `x-parking-after`: attempts in a row.
    pub after: u32,
    /// `x-parking-ttl`, in ms: how long.
    pub ttl_ms: u32,
    /// `x-parking-limit`: how often; then the message is dead. Without it there is no end.
    pub limit: Option<u32>,
}

/// A queue's rules for messages that come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailurePolicy {
    /// `x-delivery-limit`: a message that came back more often than this is dead.
    pub delivery_limit: Option<u32>,
    /// `x-delivery-count-mode`
    pub count_mode: CountMode,
    /// Delays between attempts.
    pub retry: Option<RetryPolicy>,
    /// Setting messages aside.
    pub parking: Option<Parking>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is ready again, in its place.
    Ready,
    /// It waits that many milliseconds.
    Wait(WaitKind, u32),
    /// It was delivered too often.
    Dead,
}

impl FailurePolicy {
    /// Whether attempts have to be counted at all.
    pub(super) const fn is_any(&self) -> bool {
        self.delivery_limit.is_some() || self.retry.is_some() || self.parking.is_some()
    }

    /// Whether its limit of deliveries is reached.
    pub(super) fn is_exhausted(&self, attempts: &Attempts) -> bool {
        self.delivery_limit.is_some_and(|limit| attempts.counted > limit)
    }

    /// How long a message is set aside.
    pub(super) fn parking_ms(&self) -> u32 {
        self.parking.map_or(PARKING_TTL_MS, |parking| parking.ttl_ms)
    }

    pub(super) const fn counts(&self, ending: Ending) -> bool {
        matches!((self.count_mode, ending), (CountMode::All, _) | (_, Ending::Failed))
    }

    /// Decides, after `attempts` noted the ending.
    pub(super) fn outcome(&self, position: Position, ending: Ending, attempts: &mut Attempts) -> Outcome {
        if self.is_exhausted(attempts) {
            return Outcome::Dead;
        }
        if let Some(parking) = self.parking.filter(|parking| attempts.counted_since_parked >= parking.after) {
            if parking.limit.is_some_and(|limit| attempts.parked >= limit) {
                return Outcome::Dead;
            }
            attempts.parked += 1;
            attempts.counted_since_parked = 0;
            return Outcome::Wait(WaitKind::Parked, parking.ttl_ms);
        }
        match &self.retry {
            Some(retry) if retry.applies_to(ending) => {
                Outcome::Wait(WaitKind::Delayed, retry.delay_ms(position, attempts.acquired))
            }
            _ => Outcome::Ready,
        }
    }
}

impl RetryPolicy {
    const fn applies_to(&self, ending: Ending) -> bool {
        match self.on {
            RetryType::All => true,
            RetryType::Failed => matches!(ending, Ending::Failed),
            RetryType::Returned => matches!(ending, Ending::Returned),
        }
    }

    /// The delay after that many attempts, in ms.
    pub(super) fn delay_ms(&self, position: Position, attempts: u32) -> u32 {
        let attempts = attempts.max(1);
        let full = self.step_ms(attempts).unwrap_or_else(|| self.grown_ms(attempts));
        let most = u64::from(full) * u64::from(self.jitter_percent) / 100;
        let cut = spread(position, attempts) % (most + 1);
        full - u32::try_from(cut).unwrap_or(full)
    }

    fn step_ms(&self, attempts: u32) -> Option<u32> {
        self.steps_ms.get(attempts as usize - 1).or(self.steps_ms.last()).copied()
    }

    fn grown_ms(&self, attempts: u32) -> u32 {
        let Some(percent) = self.multiplier_percent else {
            return self.min_ms.saturating_mul(attempts).min(self.max_ms);
        };
        let (max, mut delay) = (u64::from(self.max_ms), u64::from(self.min_ms));
        for _ in 1..attempts {
            let next = delay * u64::from(percent) / 100;
            if next <= delay || delay >= max {
                break;
            }
            delay = next;
        }
        u32::try_from(delay.min(max)).unwrap_or(u32::MAX)
    }
}

/// A number that differs from message to message and from attempt to attempt, the same each time it is asked for: the
/// queue has no randomness of its own.
const fn spread(position: Position, attempts: u32) -> u64 {
    let mut x = position.0 ^ ((attempts as u64) << 48);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(min_ms: u32, max_ms: u32) -> RetryPolicy {
        RetryPolicy {
            on: RetryType::All,
            min_ms,
            max_ms,
            multiplier_percent: None,
            steps_ms: Vec::new(),
            jitter_percent: 0,
        }
    }

    fn delays(policy: &RetryPolicy, count: u32) -> Vec<u32> {
        (1..=count).map(|attempts| policy.delay_ms(Position(7), attempts)).collect()
    }

    #[test]
    fn delays_grow_to_their_maximum() {
        assert_eq!(delays(&policy(100, 250), 4), [100, 200, 250, 250]);
        let doubling = RetryPolicy { multiplier_percent: Some(200), ..policy(100, 1000) };
        assert_eq!(delays(&doubling, 6), [100, 200, 400, 800, 1000, 1000]);
        let constant = RetryPolicy { multiplier_percent: Some(100), ..policy(100, 1000) };
        assert_eq!(delays(&constant, 3), [100, 100, 100]);
        let steps = RetryPolicy { steps_ms: vec![5, 50, 500], ..policy(1, 2) };
        assert_eq!(delays(&steps, 5), [5, 50, 500, 500, 500]);
    }

    #[test]
    fn no_number_of_attempts_overflows() {
        let steep = RetryPolicy { multiplier_percent: Some(u32::MAX), ..policy(u32::MAX, u32::MAX) };
        assert_eq!(steep.delay_ms(Position(u64::MAX), u32::MAX), u32::MAX);
        assert_eq!(policy(u32::MAX, u32::MAX).delay_ms(Position(1), u32::MAX), u32::MAX);
    }

    #[test]
    fn jitter_shortens_within_its_share_and_spreads() {
        let jittery = RetryPolicy { jitter_percent: 20, ..policy(1000, 1000) };
        let all: Vec<u32> = (0..1000).map(|position| jittery.delay_ms(Position(position), 1)).collect();
        assert!(all.iter().all(|delay| (800..=1000).contains(delay)));
        let (low, high) =
            (all.iter().filter(|d| **d < 850).count(), all.iter().filter(|d| **d > 950).count());
        assert!(low > 150 && high > 150, "{low} {high}");
        assert_eq!(all[3], jittery.delay_ms(Position(3), 1));
    }

    fn fates(policy: &FailurePolicy, endings: &[Ending]) -> Vec<Outcome> {
        let mut attempts = Attempts::default();
        let mut all = Vec::new();
        for ending in endings {
            attempts.ended(crate::time::Timestamp::from_millis(1), policy.counts(*ending));
            all.push(policy.outcome(Position(1), *ending, &mut attempts));
        }
        all
    }

    #[test]
    fn the_limit_is_how_often_a_message_may_come_back() {
        let policy = FailurePolicy { delivery_limit: Some(2), ..FailurePolicy::default() };
        assert_eq!(fates(&policy, &[Ending::Returned; 3]), [Outcome::Ready, Outcome::Ready, Outcome::Dead]);
        let failed = FailurePolicy { count_mode: CountMode::Failed, ..policy };
        let endings = [Ending::Returned, Ending::Failed, Ending::Returned, Ending::Failed, Ending::Failed];
        let again = Outcome::Ready;
        assert_eq!(fates(&failed, &endings), [again, again, again, again, Outcome::Dead]);
    }

    #[test]
    fn parking_comes_after_so_many_attempts_and_so_many_times() {
        let parking = Some(Parking { after: 2, ttl_ms: 9, limit: Some(1) });
        let policy = FailurePolicy { parking, retry: Some(policy(5, 50)), ..FailurePolicy::default() };
        let delayed = |ms| Outcome::Wait(WaitKind::Delayed, ms);
        let wanted = [delayed(5), Outcome::Wait(WaitKind::Parked, 9), delayed(15), Outcome::Dead];
        assert_eq!(fates(&policy, &[Ending::Failed; 4]), wanted);
    }
}
