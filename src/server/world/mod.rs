//! Worlds, for the program that embeds a broker with `--test`: made, waited for, their clocks moved, deleted with their guard.

mod clock;
mod faults;
mod waiting;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::clock::{ClockMove, WorldClock};
pub use self::faults::{Fault, FaultBuilder};
pub use self::waiting::{WaitError, WorldQueue, WorldWait};
use super::handle::BrokerHandle;
use crate::broker::import::{self, Defaults, Target};
use crate::broker::operations::{self, Caller, InWorld, PeekedMessage, Scope, WorldCounts};
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::world::{self, ClockMode, Snapshot, WorldSettings};
use crate::broker::{ImportError, OperationError};
use crate::queue::PeekState;
use crate::time::Timestamp;

/// Numbers for worlds that are given no name.
static NEXT_NAME: AtomicU64 = AtomicU64::new(1);

impl BrokerHandle {
    /// A world to be made.
    pub fn world(&self) -> WorldBuilder {
        let number = NEXT_NAME.fetch_add(1, Ordering::Relaxed);
        let settings = WorldSettings { ttl_s: None, ..WorldSettings::default() };
        let (shared, address) = (Arc::clone(self.shared()), self.address());
        WorldBuilder { shared, address, name: format!("~world-{number}"), settings, snapshot: None }
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
    name: String,
    settings: WorldSettings,
    snapshot: Option<String>,
}

impl WorldBuilder {
    /// Calls it that, not by a name of the broker's. One that begins with `~` may be entered by every user.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
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
        let Self { shared, address, name, settings, snapshot } = self;
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

/// A world.
#[derive(Clone, Debug)]
pub struct WorldHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) vhost: Arc<Vhost>,
    world: Arc<world::World>,
    address: Option<SocketAddr>,
}

impl WorldHandle {
    /// Its name, which is that of its virtual host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.vhost.name
    }

    /// Where clients find it at the broker at this address: `amqp://guest:guest@ADDRESS/NAME`, with the default user and its password.
    #[must_use]
    pub fn uri_at(&self, address: SocketAddr) -> String {
        let config = &self.shared.config;
        let (user, pass) = (escaped(&config.default_user), escaped(&config.default_pass));
        format!("amqp://{user}:{pass}@{address}/{}", escaped(&self.vhost.name))
    }

    /// Where clients find it, if the broker listens.
    #[must_use]
    pub fn uri(&self) -> Option<String> {
        self.address.map(|address| self.uri_at(address))
    }

    /// Its clock.
    #[must_use]
    pub const fn clock(&self) -> WorldClock<'_> {
        WorldClock::of(self)
    }

    /// A queue of it, which may have yet to be declared.
    #[must_use]
    pub const fn queue<'a>(&'a self, name: &'a str) -> WorldQueue<'a> {
        WorldQueue::of(self, name)
    }

    /// Exact numbers of the whole world: the sum of its queues, and what was done on its channels.
    ///
    /// # Errors
    /// None for a world that is there.
    pub async fn counts(&self) -> Result<WorldCounts, OperationError> {
        let counts = operations::world_counts(self.scope(), &[]).await?;
        Ok(counts.first().map(|(_, counts)| *counts).unwrap_or_default())
    }

    /// Makes what definitions in RabbitMQ's JSON format say, all of it in this world.
    ///
    /// # Errors
    /// The first fault found: then nothing was changed.
    pub async fn import_definitions(&self, json: &str) -> Result<(), ImportError> {
        let target = Target::Vhost(&self.vhost.name);
        import::import(&self.shared, json, target, Defaults::None)
            .await?
            .log("the embedding program", Caller::Operator.logged());
        Ok(())
    }

    /// Waits until the broker has done what it has to do in this world: messages are where they go, and what clients are to be told is on
    /// its way to them. What they do with it takes its own time: see [`idle`](Self::idle).
    pub async fn settled(&self) {
        if let Some(world) = &self.vhost.world {
            world.activity.quiet().await;
        }
    }

    /// Takes a snapshot of it, which is kept in memory under this name, for [`WorldBuilder::with_snapshot`].
    ///
    /// # Errors
    /// `Snapshot`: it does not come to rest, or has more than 256 MiB of messages.
    pub async fn take_snapshot(&self, name: &str) -> Result<Arc<Snapshot>, OperationError> {
        operations::take_snapshot(self.scope(), name).await
    }

    /// Shows up to 100 messages of a queue in a state. Nothing changes.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn messages(
        &self,
        queue: &str,
        state: PeekState,
    ) -> Result<Vec<PeekedMessage>, OperationError> {
        operations::peek_and_read(self.scope(), queue, state, 0, crate::queue::PEEK_MAX).await
    }

    pub(super) const fn scope(&self) -> Scope<'_> {
        Scope { shared: &self.shared, vhost: &self.vhost, caller: Caller::Operator }
    }

    const fn at(&self) -> InWorld<'_> {
        InWorld { vhost: &self.vhost, world: &self.world }
    }

    fn world(&self) -> Result<InWorld<'_>, OperationError> {
        operations::world_of(&self.shared, &self.vhost)
    }
}

/// For a part of a URI.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => escaped.push(char::from(byte)),
            // Writing to a string never fails.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}
