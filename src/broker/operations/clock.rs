//! Moving the clock of a world.

use std::time::Duration;

use super::in_world::InWorld;
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::world::{Step, VirtualClock};
use crate::store::Submission;
use crate::time::{Time, Timestamp};

/// Steps that one move may take, if nothing is said.
pub const STEPS_DEFAULT: usize = 10_000;
/// How long a world may take to be quiet after a step, in real time.
const QUIET_MAX: Duration = Duration::from_secs(60);

/// How far a clock is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// So far.
    By(Duration),
    /// To this time, which is not before the clock's.
    To(Timestamp),
    /// To the next time at which something happens by itself.
    ToNext,
    /// From one such time to the next, until nothing is to come.
    UntilIdle,
}

/// Where a clock was moved to, and what happened on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// What the clock shows now.
    pub now: Timestamp,
    /// What happened by itself, in order.
    pub steps: Vec<Step>,
}

/// Moves the clock of a world from one time at which something happens to the next, and waits each time until all that follows has
/// happened: deliveries are on their way to their clients then, and what those do takes real time. Moves of one world are made one
/// after the other.
///
/// # Errors
/// `RealClock`; `Clock` for a time that is past, for more than `steps_max` steps (the clock stays where it is then), and for a world that does
/// not come to rest.
pub async fn move_clock(
    shared: &Shared,
    InWorld { vhost, world }: InWorld<'_>,
    how: Move,
    steps_max: usize,
) -> Result<Moved, OperationError> {
    let real = || OperationError::RealClock(vhost.name.clone());
    let clock = vhost.clock.as_virtual().ok_or_else(real)?;
    let _moving = world.moving.lock().await;
    let noting = Noting::begin(world);
    let mover = Mover { shared, at: InWorld { vhost, world }, clock };
    mover.come_to_rest().await?;
    let target = mover.target(how)?;
    let mut steps = Vec::new();
    for taken in 0.. {
        let Some(next) = clock.next_alarm().filter(|next| next.time <= target) else { break };
        if taken == steps_max {
            return Err(too_many(&steps, steps_max, &next.queue));
        }
        mover.go_to(next.time).await?;
        steps.extend(world.steps.take(vhost.clock.epoch()));
    }
    if target != Time::NEVER {
        mover.go_to(target).await?;
    }
    drop(noting);
    Ok(Moved { now: vhost.clock.timestamp(), steps })
}

/// Steps are noted until it is dropped.
struct Noting<'a>(&'a crate::broker::world::World);

impl<'a> Noting<'a> {
    fn begin(world: &'a crate::broker::world::World) -> Self {
        world.steps.turn(true);
        Self(world)
    }
}

impl Drop for Noting<'_> {
    fn drop(&mut self) {
        self.0.steps.turn(false);
    }
}

struct Mover<'a> {
    shared: &'a Shared,
    at: InWorld<'a>,
    clock: &'a VirtualClock,
}

impl Mover<'_> {
    fn target(&self, how: Move) -> Result<Time, OperationError> {
        let now = self.clock.now();
        match how {
            Move::By(duration) => Ok(now + duration),
            Move::To(wall) if wall < self.at.vhost.clock.timestamp() => {
                Err(OperationError::Clock("a clock goes forward only: that time is past".to_owned()))
            }
            Move::To(wall) => Ok(self.clock.time_of(wall)),
            Move::ToNext => Ok(self.clock.next_alarm().map_or(now, |next| next.time)),
            Move::UntilIdle => Ok(Time::NEVER),
        }
    }

    /// What comes of it is written after the time itself, so that no restart finds it in the future.
    async fn go_to(&self, time: Time) -> Result<(), OperationError> {
        if time > self.clock.now() {
            let wall = self.at.vhost.clock.epoch().at(time);
            let op = Definition::WorldClock(self.at.vhost.name.clone(), wall).put();
            self.shared.store.submit(Submission::of(op));
        }
        self.clock.move_to(time);
        self.come_to_rest().await
    }

    async fn come_to_rest(&self) -> Result<(), OperationError> {
        let quiet = self.shared.clock.within(QUIET_MAX, self.at.world.activity.quiet()).await;
        quiet.ok_or_else(|| {
            let (name, seconds) = (&self.at.vhost.name, QUIET_MAX.as_secs());
            OperationError::Clock(format!(
                "world '{name}' did not come to rest within {seconds} s: something in it goes round, or somebody floods it"
            ))
        })
    }
}

/// Something comes again and again: what came last, and how often.
fn too_many(steps: &[Step], steps_max: usize, queue: &str) -> OperationError {
    let text = match steps {
        [.., one, other] if one.what == other.what && one.queue == other.queue => {
            let every_ms = other.at.as_millis() - one.at.as_millis();
            let (what, queue) = (other.what.name(), &other.queue);
            format!(
                "step limit of {steps_max} reached: '{what}' on queue '{queue}' comes every {every_ms} ms"
            )
        }
        [.., last] => {
            let (what, queue) = (last.what.name(), &last.queue);
            format!("step limit of {steps_max} reached: the last was '{what}' on queue '{queue}'")
        }
        [] => format!("step limit of {steps_max} reached: the next is for queue '{queue}'"),
    };
    OperationError::Clock(text)
}
