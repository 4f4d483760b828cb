//! A virtual host with its world, for operations on worlds.

use std::sync::Arc;

use crate::broker::error::OperationError;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::world::World;

/// A virtual host and what it has as a world.
#[derive(Clone, Copy, Debug)]
pub struct InWorld<'a> {
    /// The virtual host.
    pub vhost: &'a Arc<Vhost>,
    /// Its world.
    pub world: &'a Arc<World>,
}

/// Refuses what only a broker for tests does.
///
/// # Errors
/// `NotTesting`.
pub fn require_test(shared: &Shared) -> Result<(), OperationError> {
    if shared.config.test { Ok(()) } else { Err(OperationError::NotTesting) }
}

/// The world of a vhost. Whoever asks uses it.
///
/// # Errors
/// `NotTesting`.
pub fn world_of<'a>(shared: &Shared, vhost: &'a Arc<Vhost>) -> Result<InWorld<'a>, OperationError> {
    let world = vhost.world.as_ref().ok_or(OperationError::NotTesting)?;
    world.touch(shared.clock.now());
    Ok(InWorld { vhost, world })
}
