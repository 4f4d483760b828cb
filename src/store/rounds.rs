//! When another round of maintenance is worth it while the disk is short of space: as long as the engine has much more in its files
//! than is live. A round may give nothing back because the engine was compacting by itself; so it is tried again, less and less
//! often, and never for the last time.

use crate::time::Time;

/// What lies in files beside live messages is not worth a round below this.
const EXCESS_BYTES_MIN: u64 = 4 * 1024 * 1024;
/// From round to round that give nothing back the pause doubles, from the first of these to the last, in ms.
const PAUSE_MS: (u64, u64) = (500, 60_000);

/// The rounds of one shortage.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    excess_before: u64,
    pause_ms: u64,
    next: Time,
}

impl Rounds {
    /// Whether to begin another, with so many bytes more in files than are live.
    pub(super) fn is_due(&mut self, excess: u64, now: Time) -> bool {
        if excess < EXCESS_BYTES_MIN {
            *self = Self::default();
            return false;
        }
        if now < self.next {
            return false;
        }
        let gave_back = self.excess_before == 0 || excess + EXCESS_BYTES_MIN / 4 <= self.excess_before;
        self.pause_ms = if gave_back { PAUSE_MS.0 } else { (self.pause_ms * 2).min(PAUSE_MS.1) };
        self.excess_before = excess;
        self.next = now.plus_ms(self.pause_ms);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn a_round_follows_while_they_give_back_and_seldom_when_they_do_not() {
        let at = |ms| Time::ZERO.plus_ms(ms);
        let mut rounds = Rounds::default();
        assert!(!rounds.is_due(3 * MIB, at(0)));
        assert!(rounds.is_due(50 * MIB, at(0)));
        assert!(!rounds.is_due(40 * MIB, at(499)));
        assert!(rounds.is_due(40 * MIB, at(500)));
        assert!(rounds.is_due(40 * MIB, at(1000)), "it gave nothing");
        assert!(!rounds.is_due(40 * MIB, at(1999)));
        let mut now = 2000;
        for _ in 0..100 {
            assert!(rounds.is_due(40 * MIB, at(now)));
            now += 60_000;
        }
        assert!(rounds.is_due(20 * MIB, at(now)));
        assert!(
            rounds.is_due(20 * MIB, at(now + 500)),
            "it gave something back, and then the pause is short"
        );
    }
}
