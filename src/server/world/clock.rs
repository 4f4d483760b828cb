//! The clock of a world.

use std::time::Duration;

use super::handle::WorldHandle;
use crate::broker::OperationError;
use crate::broker::operations::{Move, Moved, STEPS_DEFAULT, move_clock};
use crate::time::Timestamp;

/// The clock of a world. See [`ClockMove`] for how it is moved.
#[derive(Clone, Copy, Debug)]
pub struct WorldClock<'a>(&'a WorldHandle);

impl WorldHandle {
    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> WorldClock<'_> {
        WorldClock(self)
    }
}

impl WorldClock<'_> {
    /// What it shows.
    #[must_use]
    pub fn now(self) -> Timestamp {
        self.0.vhost.clock.timestamp()
    }

    /// When something happens next by itself, and for which queue; `None` if nothing is to come, or it is the system's clock.
    #[must_use]
    pub fn next(self) -> Option<(Timestamp, String)> {
        let next = self.0.vhost.clock.as_virtual()?.next_alarm()?;
        Some((self.0.vhost.clock.epoch().at(next.time), next.queue.to_string()))
    }

    /// Moves it so far.
    ///
    /// # Errors
    /// `RealClock`; `Clock` for more than 10,000 steps, or a world that does not come to rest.
    pub async fn advance(self, by: Duration) -> Result<Moved, OperationError> {
        self.moving(Move::By(by)).await
    }

    /// Moves it to that time.
    ///
    /// # Errors
    /// As [`advance`](Self::advance), and `Clock` for a time that is past.
    pub async fn advance_to(self, wall: Timestamp) -> Result<Moved, OperationError> {
        self.moving(Move::To(wall)).await
    }

    /// Moves it to the next time at which something happens by itself.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn advance_to_next(self) -> Result<Moved, OperationError> {
        self.moving(Move::ToNext).await
    }

    /// Moves it until nothing is to come by itself. With consumers that do not ack that is when their messages have timed out.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn advance_until_idle(self) -> Result<Moved, OperationError> {
        self.moving(Move::UntilIdle).await
    }

    /// Moves it, in at most so many steps.
    ///
    /// # Errors
    /// As [`advance`](Self::advance).
    pub async fn advance_in_steps(self, how: ClockMove, steps_max: usize) -> Result<Moved, OperationError> {
        move_clock(&self.0.shared, self.0.world()?, how, steps_max).await
    }

    async fn moving(self, how: Move) -> Result<Moved, OperationError> {
        self.advance_in_steps(how, STEPS_DEFAULT).await
    }
}

/// How far a clock is moved.
pub use crate::broker::operations::Move as ClockMove;
