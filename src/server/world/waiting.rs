//! Waiting for what happens in a world.

use std::time::Duration;

use super::handle::WorldHandle;
use crate::broker::OperationError;
use crate::broker::operations::{self, Predicate, Unmet, WaitFor, WorldCounts};

/// How long a wait lasts that does not say.
const WITHIN: Duration = Duration::from_secs(5);

impl WorldHandle {
    /// A queue of it, which may have yet to be declared.
    #[must_use]
    pub const fn queue<'a>(&'a self, name: &'a str) -> WorldQueue<'a> {
        WorldQueue { world: self, name }
    }

    /// Waits until nothing is ready, unacked or on its way between queues in the whole world.
    pub fn idle(&self) -> WorldWait<'_> {
        WorldWait::of(self, WaitFor { idle: true, ..WaitFor::default() })
    }

    /// Waits until the sums of all queues, and what was done on channels, are as the predicate says.
    pub fn wait(&self, holds: impl Fn(&WorldCounts) -> bool + Send + Sync + 'static) -> WorldWait<'_> {
        WorldWait::of(self, WaitFor { predicate: Predicate::new(holds), ..WaitFor::default() })
    }
}

/// A queue of a world, which may have yet to be declared.
#[derive(Clone, Copy, Debug)]
pub struct WorldQueue<'a> {
    world: &'a WorldHandle,
    name: &'a str,
}

impl<'a> WorldQueue<'a> {
    /// Exact numbers of it; all 0 if it is not there.
    ///
    /// # Errors
    /// None for a world that is there.
    pub async fn counts(self) -> Result<WorldCounts, OperationError> {
        let counts = operations::world_counts(self.world.scope(), &[self.name.to_owned()]).await?;
        Ok(counts.first().map(|(_, counts)| *counts).unwrap_or_default())
    }

    /// Waits until its numbers are as the predicate says.
    pub fn wait(self, holds: impl Fn(&WorldCounts) -> bool + Send + Sync + 'static) -> WorldWait<'a> {
        let predicate = Predicate::new(holds);
        WorldWait::of(
            self.world,
            WaitFor { queues: vec![self.name.to_owned()], predicate, ..WaitFor::default() },
        )
    }

    /// Waits until it has nothing ready or unacked.
    pub fn idle(self) -> WorldWait<'a> {
        WorldWait::of(
            self.world,
            WaitFor { queues: vec![self.name.to_owned()], idle: true, ..WaitFor::default() },
        )
    }
}

/// A wait that has yet to begin: until its time is [over](Self::within), which is 5 s of real time if nothing is said.
#[derive(Debug)]
#[must_use = "it waits when it is awaited"]
pub struct WorldWait<'a> {
    world: &'a WorldHandle,
    wanted: WaitFor,
    within: Duration,
}

/// Why a wait ended without what was waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// It did not come in time: the counts as they were, and what is in the way.
    #[error("{}", .0.why.join("\n"))]
    Unmet(Unmet),
    /// The world is no more.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl<'a> WorldWait<'a> {
    const fn of(world: &'a WorldHandle, wanted: WaitFor) -> Self {
        Self { world, wanted, within: WITHIN }
    }

    /// Waits so long at most, in real time.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// It has to stay so for that long, in real time, with nothing happening in the world.
    pub const fn quiet(mut self, quiet: Duration) -> Self {
        self.wanted.quiet = quiet;
        self
    }

    async fn wait(self) -> Result<WorldCounts, WaitError> {
        let counts = operations::wait_for(self.world.scope(), &self.wanted, self.within).await?;
        let counts = counts.map_err(WaitError::Unmet)?;
        Ok(counts.first().map(|(_, counts)| *counts).unwrap_or_default())
    }
}

impl<'a> IntoFuture for WorldWait<'a> {
    type Output = Result<WorldCounts, WaitError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.wait())
    }
}
