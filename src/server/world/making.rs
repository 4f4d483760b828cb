//! Making worlds, and their end with their guard.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::handle::WorldHandle;
use crate::broker::OperationError;
use crate::broker::names::generated;
use crate::broker::operations::{self, Caller};
use crate::broker::shared::Shared;
use crate::broker::world::{ClockMode, WorldSettings};
use crate::persona::Persona;
use crate::server::handle::BrokerHandle;
use crate::time::Timestamp;

impl BrokerHandle {
    /// A world to be made.
    pub fn world(&self) -> WorldBuilder {
        let settings = WorldSettings { ttl_s: None, ..WorldSettings::default() };
        let (shared, address) = (Arc::clone(self.shared()), self.address());
        WorldBuilder { shared, address, name: None, settings, snapshot: None }
    }

    /// The virtual host of that name as a world: any of a broker with `--test`.
    ///
    /// # Errors
    /// `NotTesting`, `NoVhost`.
    pub fn world_named(&self, name: &str) -> Result<WorldHandle, OperationError> {
        let vhost = operations::vhost(self.shared(), name)?;
        let world = Arc::clone(operations::world_of(self.shared(), &vhost)?.world);
        Ok(WorldHandle { shared: Arc::clone(self.shared()), vhost, world, address: self.address() })
    }
}

/// A world that is not yet made.
#[derive(Debug)]
#[must_use = "it is made by create"]
pub struct WorldBuilder {
    shared: Arc<Shared>,
    address: Option<SocketAddr>,
    name: Option<String>,
    settings: WorldSettings,
    snapshot: Option<String>,
}

impl WorldBuilder {
    /// Calls it that, not by a name of the broker's. One that begins with `~` may be entered by every user.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Refuses what that broker refuses, and leaves other virtual hosts alone.
    pub const fn persona(mut self, persona: Persona) -> Self {
        self.settings.persona = Some(persona);
        self
    }

    /// Gives it a clock of its own, which stands still until it is moved.
    pub const fn virtual_clock(mut self) -> Self {
        self.settings.clock = ClockMode::Virtual;
        self
    }

    /// The same, which shows this at first.
    pub const fn starting_at(mut self, wall: Timestamp) -> Self {
        self.settings.start = Some(wall);
        self.virtual_clock()
    }

    /// Keeps failures alone in its journal, not everything.
    pub const fn without_journal(mut self) -> Self {
        self.settings.journal = false;
        self
    }

    /// Puts what this snapshot has into it. A clock of its own shows then what the other world's showed.
    pub fn with_snapshot(mut self, name: &str) -> Self {
        self.snapshot = Some(name.to_owned());
        self
    }

    /// Makes it. It goes when the guard is dropped.
    ///
    /// # Errors
    /// `NotTesting`, `InvalidName`, `NoSnapshot`; `WorldExists` if there is a virtual host of that name.
    pub async fn create(self) -> Result<World, OperationError> {
        let Self { shared, address, name: given, settings, snapshot } = self;
        // No name that a client which connects again after the end would make anew.
        let unnamed = || generated("world-").map_err(|_| OperationError::NoRandomness);
        let name = given.map_or_else(unnamed, Ok)?;
        let made =
            operations::make_world(&shared, Caller::Operator, &name, settings, snapshot.as_deref()).await?;
        let (vhost, true) = made else { return Err(OperationError::WorldExists(name)) };
        let world = Arc::clone(operations::world_of(&shared, &vhost)?.world);
        Ok(World(WorldHandle { shared, vhost, world, address }))
    }
}

/// A world that a program made: it goes, with its connections, when this is dropped.
#[derive(Debug)]
pub struct World(WorldHandle);

impl World {
    /// Deletes it now, and waits for that.
    ///
    /// # Errors
    /// `NoVhost`: somebody else did.
    pub async fn delete(self) -> Result<(), OperationError> {
        let handle = self.0.clone();
        operations::delete_world(&handle.shared, Caller::Operator, &handle.vhost).await
    }
}

impl Deref for World {
    type Target = WorldHandle;

    fn deref(&self) -> &WorldHandle {
        &self.0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let WorldHandle { shared, vhost, .. } = self.0.clone();
        if vhost.is_deleted() {
            return;
        }
        // Without a runtime the broker is gone as well.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // It may have been deleted otherwise.
                let _ = operations::delete_world(&shared, Caller::Operator, &vhost).await;
            });
        }
    }
}
