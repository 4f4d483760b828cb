//! The time of a virtual host: the system's, or one that stands still until a test moves it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::activity::{Activity, InFlight};
use crate::broker::clock::Clock;
use crate::time::{Time, Timestamp};

/// Completes once, at its time. With a virtual clock what it gives is under way until it is dropped.
pub type Alarm = Pin<Box<dyn Future<Output = Option<InFlight>> + Send>>;

/// What queues of a virtual host are told the time by.
#[derive(Clone, Debug)]
pub enum VhostClock {
    /// The system's.
    System(Clock),
    /// A world's own.
    Virtual(Arc<VirtualClock>),
}

impl VhostClock {
    /// The time.
    #[inline]
    pub fn now(&self) -> Time {
        match self {
            Self::System(clock) => clock.now(),
            Self::Virtual(clock) => clock.now(),
        }
    }

    /// The wall-clock time.
    pub fn timestamp(&self) -> Timestamp {
        match self {
            Self::System(clock) => clock.timestamp(),
            Self::Virtual(clock) => clock.epoch.at(clock.now()),
        }
    }

    /// The same rounded up: what is said to be due so long after it is never early.
    pub fn timestamp_rounded_up(&self) -> Timestamp {
        match self {
            Self::System(clock) => clock.timestamp_rounded_up(),
            Self::Virtual(_) => self.timestamp(),
        }
    }

    /// What the wall clock shows, or showed, at [`Time::ZERO`].
    pub fn epoch(&self) -> Timestamp {
        match self {
            Self::System(clock) => clock.epoch(),
            Self::Virtual(clock) => clock.epoch,
        }
    }

    /// Whether it is a world's own.
    #[inline]
    pub const fn is_virtual(&self) -> bool {
        matches!(self, Self::Virtual(_))
    }

    /// It, if it is a world's own.
    pub const fn as_virtual(&self) -> Option<&Arc<VirtualClock>> {
        match self {
            Self::System(_) => None,
            Self::Virtual(clock) => Some(clock),
        }
    }

    /// Rings at that time, for the queue that the label names.
    pub fn alarm(&self, time: Time, label: &Arc<str>) -> Alarm {
        match self {
            Self::System(clock) => {
                let clock = *clock;
                Box::pin(async move {
                    clock.wait_for(Some(time)).await;
                    None
                })
            }
            Self::Virtual(clock) => clock.alarm(time, label),
        }
    }
}

/// A clock that stands still until it is moved, forward alone.
#[derive(Debug)]
pub struct VirtualClock {
    /// What its wall clock showed at [`Time::ZERO`].
    epoch: Timestamp,
    now_us: AtomicU64,
    alarms: Mutex<Alarms>,
    activity: Arc<Activity>,
}

#[derive(Debug, Default)]
struct Alarms {
    next_id: u64,
    set: BTreeMap<(Time, u64), (Arc<str>, oneshot::Sender<InFlight>)>,
}

/// The alarm that rings next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextAlarm {
    /// When.
    pub time: Time,
    /// For which queue.
    pub queue: Arc<str>,
}

impl VirtualClock {
    /// A clock whose wall shows `epoch` now.
    pub fn new(epoch: Timestamp, activity: &Arc<Activity>) -> Self {
        Self { epoch, now_us: AtomicU64::new(0), alarms: Mutex::default(), activity: Arc::clone(activity) }
    }

    /// The time.
    pub fn now(&self) -> Time {
        Time::from_micros(self.now_us.load(Ordering::Acquire))
    }

    /// The time at which its wall clock shows this; the origin if that was before it.
    pub fn time_of(&self, wall: Timestamp) -> Time {
        Time::ZERO.plus_ms(wall.as_millis().saturating_sub(self.epoch.as_millis()))
    }

    fn alarm(self: &Arc<Self>, time: Time, label: &Arc<str>) -> Alarm {
        let (rings, rung) = oneshot::channel();
        let mut alarms = self.alarms();
        if time <= self.now() {
            // Nobody waits yet: it is there when somebody does.
            let _ = rings.send(self.activity.begin());
            return Box::pin(async move { rung.await.ok() });
        }
        let key = (time, alarms.next_id);
        alarms.next_id += 1;
        alarms.set.insert(key, (Arc::clone(label), rings));
        drop(alarms);
        let set = SetAlarm { clock: Arc::clone(self), key };
        Box::pin(async move {
            let in_flight = rung.await.ok();
            drop(set);
            in_flight
        })
    }

    /// The alarm that rings next.
    pub fn next_alarm(&self) -> Option<NextAlarm> {
        let alarms = self.alarms();
        let ((time, _), (queue, _)) = alarms.set.first_key_value()?;
        Some(NextAlarm { time: *time, queue: Arc::clone(queue) })
    }

    /// Moves it to that time, if that is later, and rings all alarms up to there. What follows is under way when this returns.
    pub fn move_to(&self, time: Time) {
        let mut alarms = self.alarms();
        self.now_us.fetch_max(time.as_micros(), Ordering::AcqRel);
        let later = alarms.set.split_off(&(time, u64::MAX));
        let due = std::mem::replace(&mut alarms.set, later);
        for (_, rings) in due.into_values() {
            // A queue that is gone needs no waking.
            let _ = rings.send(self.activity.begin());
        }
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the alarm away with the future that waits for it.
struct SetAlarm {
    clock: Arc<VirtualClock>,
    key: (Time, u64),
}

impl Drop for SetAlarm {
    fn drop(&mut self) {
        self.clock.alarms().set.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> (Arc<Activity>, Arc<VirtualClock>) {
        let activity = Arc::<Activity>::default();
        let clock = Arc::new(VirtualClock::new(Timestamp::from_millis(1000), &activity));
        (activity, clock)
    }

    #[tokio::test]
    async fn alarms_ring_in_time_and_what_they_give_is_under_way() {
        let (activity, clock) = clock();
        let label: Arc<str> = "q".into();
        let [first, second] = [10, 20].map(|ms| clock.alarm(Time::ZERO.plus_ms(ms), &label));
        assert_eq!(clock.next_alarm().map(|next| next.time), Some(Time::ZERO.plus_ms(10)));
        clock.move_to(Time::ZERO.plus_ms(10));
        assert!(!activity.is_quiet());
        drop(first.await);
        assert!(activity.is_quiet());
        assert_eq!(VhostClock::Virtual(Arc::clone(&clock)).timestamp().as_millis(), 1010);
        drop(second);
        assert_eq!(clock.next_alarm(), None, "one that nobody waits for is taken away");
    }

    #[tokio::test]
    async fn an_alarm_of_the_past_has_rung_and_the_clock_never_goes_back() {
        let (activity, clock) = clock();
        clock.move_to(Time::ZERO.plus_ms(5));
        clock.move_to(Time::ZERO.plus_ms(3));
        assert_eq!(clock.now(), Time::ZERO.plus_ms(5));
        let late = clock.alarm(Time::ZERO.plus_ms(5), &"q".into());
        assert!(!activity.is_quiet());
        drop(late);
        assert!(activity.is_quiet(), "one that is given up is done with");
    }
}
