//! A world's state beside its virtual host.

use std::sync::{Arc, Mutex, PoisonError};

use super::activity::Activity;
use super::clock::{VhostClock, VirtualClock};
use super::dead::Dead;
use super::faults::WorldFaults;
use super::settings::{ClockMode, WorldSettings};
use super::steps::Steps;
use crate::broker::clock::Clock;
use crate::time::{Time, Timestamp};

/// What a virtual host has beside the usual when tests control it.
#[derive(Debug)]
pub struct World {
    /// What it was made with; `None` if it is a virtual host of the usual kind.
    pub settings: Option<WorldSettings>,
    /// Its clock.
    pub clock: VhostClock,
    /// What is under way in it.
    pub activity: Arc<Activity>,
    /// What came to its queues by dead-lettering.
    pub dead: Dead,
    /// What happens by itself while the clock is moved.
    pub steps: Steps,
    /// What goes wrong in it on purpose.
    pub faults: Arc<WorldFaults>,
    /// Held by whoever moves the clock: one at a time.
    pub moving: tokio::sync::Mutex<()>,
    /// When somebody asked for it last, by the system's clock.
    used: Mutex<Time>,
}

impl World {
    /// A world whose own clock, if it has one, shows `wall`, or else what the settings say, or the system's time.
    pub fn new(settings: Option<WorldSettings>, system: Clock, wall: Option<Timestamp>) -> Self {
        let activity = Arc::<Activity>::default();
        let mut settings = settings;
        let clock = match &mut settings {
            Some(WorldSettings { clock: ClockMode::Virtual, start, .. }) => {
                let begins = *start.get_or_insert_with(|| system.timestamp());
                let wall = wall.unwrap_or(begins);
                VhostClock::Virtual(Arc::new(VirtualClock::new(wall, &activity)))
            }
            _ => VhostClock::System(system),
        };
        let used = Mutex::new(system.now());
        let (dead, steps, moving) = (Dead::default(), Steps::default(), tokio::sync::Mutex::default());
        let faults = Arc::default();
        Self { settings, clock, activity, dead, steps, faults, moving, used }
    }

    /// Whether it was made with these settings; what a clock shows at first may be left unsaid.
    pub fn is_made_with(&self, settings: &WorldSettings) -> bool {
        let Some(own) = &self.settings else { return false };
        let start = settings.start.or(own.start);
        *own == WorldSettings { start, ..settings.clone() }
    }

    /// Somebody uses it: it is not looked on as left alone before its time to live has passed again.
    pub fn touch(&self, now: Time) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// When nobody will have used it for its time to live; `None` if that is for ever.
    pub fn ends(&self) -> Option<Time> {
        let ttl_s = self.settings.as_ref()?.ttl_s?;
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        Some(used.plus_ms(u64::from(ttl_s) * 1000))
    }
}
