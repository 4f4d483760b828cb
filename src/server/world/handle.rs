//! A world, as the program that embeds its broker has it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::broker::import::{self, Defaults, Target};
use crate::broker::names::percent_encoded;
use crate::broker::operations::{self, Caller, InWorld, PeekedMessage, Scope, WorldCounts};
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::world::{Snapshot, World};
use crate::broker::{ImportError, OperationError};
use crate::queue::PeekState;

/// A world.
#[derive(Clone, Debug)]
pub struct WorldHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) vhost: Arc<Vhost>,
    pub(super) world: Arc<World>,
    pub(super) address: Option<SocketAddr>,
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
        let (user, pass) = (percent_encoded(&config.default_user), percent_encoded(&config.default_pass));
        format!("amqp://{user}:{pass}@{address}/{}", percent_encoded(&self.vhost.name))
    }

    /// Where clients find it, if the broker listens.
    #[must_use]
    pub fn uri(&self) -> Option<String> {
        self.address.map(|address| self.uri_at(address))
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

    /// Takes a snapshot of it, which is kept in memory under this name, for `WorldBuilder::with_snapshot`.
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

    pub(super) const fn at(&self) -> InWorld<'_> {
        InWorld { vhost: &self.vhost, world: &self.world }
    }

    pub(super) fn world(&self) -> Result<InWorld<'_>, OperationError> {
        operations::world_of(&self.shared, &self.vhost)
    }
}
