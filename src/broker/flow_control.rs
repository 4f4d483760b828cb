//! How far publishers may get ahead of consumers that keep up.
//!
//! A publisher is cheaper to serve than a consumer, so with both at full speed a queue grows, and what is beyond its window
//! goes through the disk and back: work that makes both slower. So when a queue has grown by more than a lead while its
//! consumers empty it fast, its publishers wait until the lead is half used up. Consumers that are slow, or do not
//! take anything, hold nobody: a backlog may grow as long as there is room for it.

use std::time::Duration;

use crate::queue::Flow;
use crate::time::Time;

/// By how much a queue may grow before its publishers wait: some milliseconds of the fastest consumers.
const LEAD_BYTES: usize = 2 * 1024 * 1024;
/// When no more than this much of it is left, they go on.
const LEAD_LEFT_BYTES: usize = LEAD_BYTES / 2;
/// By how much a backlog becomes smaller each time publishers waited: they go at seven eighths of the consumers' pace until
/// it is gone, and with it the way through the disk.
const SHRINK_BYTES: usize = LEAD_LEFT_BYTES / 8;
/// How often it is asked whether the consumers still empty the queue.
const LOOK: Duration = Duration::from_millis(5);
/// How much they have to take in that time: 32 MB/s, with small messages 400,000 a second.
const TAKEN_BYTES_MIN: u64 = 160 * 1024;
/// How long nobody waits after consumers turned out to be slow; doubled each time, up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_millis(20);
/// The longest such time. One look per second costs a publisher half a percent.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether one queue's publishers have to wait.
#[derive(Debug)]
pub(super) struct FlowControl {
    /// The smallest backlog since publishers last got ahead: a lead counts from there.
    lowest: usize,
    state: State,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    /// Publishers may send. Their lead is counted from this time on.
    Open(Time),
    /// Publishers wait, and are let go at this time unless consumers have taken enough by then.
    Held { look_at: Time, taken: u64 },
}

impl Default for FlowControl {
    fn default() -> Self {
        Self { lowest: 0, state: State::Open(Time::ZERO), pause: PAUSE }
    }
}

impl FlowControl {
    /// Whether publishers have to wait, seeing the queue as it is now.
    pub(super) fn look(&mut self, now: Time, flow: Flow) -> bool {
        match self.state {
            State::Open(counts_from) if now < counts_from || flow.consumers == 0 => {
                self.lowest = flow.backlog
            }
            State::Open(_) => {
                self.lowest = self.lowest.min(flow.backlog);
                if flow.backlog > self.lowest + LEAD_BYTES {
                    self.state = State::Held { look_at: now + LOOK, taken: flow.taken };
                }
            }
            State::Held { look_at, taken } => self.look_held(now, flow, look_at, taken),
        }
        self.is_held()
    }

    fn look_held(&mut self, now: Time, flow: Flow, look_at: Time, taken: u64) {
        self.lowest = self.lowest.min(flow.backlog);
        let is_fast = flow.taken - taken >= TAKEN_BYTES_MIN;
        if flow.backlog <= self.lowest + LEAD_LEFT_BYTES {
            self.state = State::Open(now);
            self.pause = PAUSE;
            self.lowest = self.lowest.saturating_sub(SHRINK_BYTES);
        } else if now >= look_at && is_fast {
            self.state = State::Held { look_at: now + LOOK, taken: flow.taken };
        } else if now >= look_at || flow.consumers == 0 {
            self.state = State::Open(now + self.pause);
            self.pause = (self.pause * 2).min(PAUSE_MAX);
            self.lowest = flow.backlog;
        }
    }

    /// Whether publishers wait.
    pub(super) const fn is_held(&self) -> bool {
        matches!(self.state, State::Held { .. })
    }

    /// When to [look](Self::look) at the latest.
    pub(super) const fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Held { look_at, .. } => Some(look_at),
            State::Open(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn at(ms: u64) -> Time {
        Time::ZERO.plus_ms(ms)
    }

    /// A queue with one consumer.
    fn flow(backlog_mib: usize, taken_mib: u64) -> Flow {
        Flow { backlog: backlog_mib * MIB, taken: taken_mib * MIB as u64, consumers: 1 }
    }

    #[test]
    fn publishers_wait_until_half_of_their_lead_is_used_up() {
        let mut pace = FlowControl::default();
        assert!(!pace.look(at(0), flow(2, 0)));
        assert!(pace.look(at(1), flow(3, 0)));
        assert!(pace.look(at(2), flow(2, 1)));
        assert!(!pace.look(at(3), flow(1, 2)));
        assert_eq!(pace.poll_timeout(), None);
        assert!(!pace.look(at(4), flow(2, 3)));
        assert!(pace.look(at(5), flow(3, 4)));
    }

    #[test]
    fn without_consumers_nobody_waits() {
        let mut pace = FlowControl::default();
        assert!(!pace.look(at(0), Flow { consumers: 0, ..flow(100, 0) }));
        // Nor for what came before the first consumer did.
        assert!(!pace.look(at(1), flow(102, 0)));
        assert!(pace.look(at(2), flow(103, 0)));
        assert!(!pace.look(at(3), Flow { consumers: 0, ..flow(103, 0) }));
    }

    #[test]
    fn slow_consumers_hold_nobody_for_longer_than_a_look() {
        let mut pace = FlowControl::default();
        let mut taken = 0;
        let (mut held_ms, mut ms) = (0, 0);
        // A consumer that takes 10 MB/s of a queue that grows ten times as fast.
        while ms < 10_000 {
            let backlog = 3 * MIB + ms as usize * 100_000;
            held_ms += u64::from(pace.look(at(ms), Flow { backlog, taken, consumers: 1 }));
            taken += 10_000;
            ms += 1;
        }
        assert!((5..=100).contains(&held_ms), "held for {held_ms} of {ms} ms");
    }

    #[test]
    fn fast_consumers_of_a_backlog_let_publishers_go_nearly_as_fast_as_they_are() {
        const STEP: usize = 64 * 1024;
        let mut pace = FlowControl::default();
        let mut flow = flow(1000, 0);
        pace.look(at(0), Flow { consumers: 0, ..flow });
        for step in 1..16_000 {
            // They would publish twice as much as is taken.
            flow.backlog += if pace.is_held() { 0 } else { 2 * STEP };
            flow.backlog -= STEP;
            flow.taken += STEP as u64;
            pace.look(at(step / 16), flow);
            assert!(flow.backlog <= 1003 * MIB, "{}", flow.backlog);
        }
        let left = flow.backlog / MIB;
        assert!((850..950).contains(&left), "{left} MiB are left of 1000 after 1000 were taken");
    }
}
