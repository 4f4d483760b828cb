//! Worlds: make, find, delete, and the end of those that nobody uses any more.

use std::sync::Arc;
use std::time::Duration;

use super::in_world::{require_test, world_of};
use super::scope::Caller;
use super::snapshots::{restore_snapshot, snapshot};
use super::vhosts::{delete_as, make_vhost};
use crate::auth::Permission;
use crate::broker::error::OperationError;
use crate::broker::events::BROKER;
use crate::broker::shared::{Shared, stopped};
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::VhostChange;
use crate::broker::world::{ClockMode, WorldSettings};

/// What the names of worlds begin with that come to be when a client opens them.
pub const WORLD_PREFIX: char = '~';

/// How often worlds are looked through for those that nobody uses any more.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Makes a world, durably, with what a snapshot has in it; the caller may do everything in it. `false` if it is there already, made with the same
/// settings.
///
/// # Errors
/// `NotTesting`, `InvalidName`, `NoSnapshot`, `Snapshot`; `WorldExists` if it was made with others, or is a virtual host of the usual kind.
pub async fn make_world(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    name: &str,
    settings: WorldSettings,
    restored: Option<&str>,
) -> Result<(Arc<Vhost>, bool), OperationError> {
    require_test(shared)?;
    let from = restored.map(|name| snapshot(shared, name)).transpose()?;
    let settings = match &from {
        Some(snapshot) if settings.clock == ClockMode::Virtual => {
            WorldSettings { start: settings.start.or(Some(snapshot.taken)), ..settings }
        }
        _ => settings,
    };
    let made = make_vhost(shared, caller, name, VhostChange::default(), Some(&settings)).await?;
    let is_same = made.vhost.world.as_ref().is_some_and(|world| world.is_made_with(&settings));
    if !made.is_new && !is_same {
        return Err(OperationError::WorldExists(name.to_owned()));
    }
    if let Some(snapshot) = from.filter(|_| made.is_new)
        && let Err(error) = restore_snapshot(shared, &made.vhost, &snapshot).await
    {
        delete_as(shared, name, caller.name()).await?;
        return Err(error);
    }
    Ok((made.vhost, made.is_new))
}

/// A client opens a virtual host: one whose name says so comes to be with that, as a world whose options follow in the name, and
/// its user may do everything in it.
///
/// # Errors
/// `InvalidName`: options that make no sense.
pub async fn open_world(shared: &Arc<Shared>, user: &str, name: &str) -> Result<(), OperationError> {
    if !shared.config.test || !name.starts_with(WORLD_PREFIX) {
        return Ok(());
    }
    let caller = Caller::User(user);
    if shared.vhost(name).is_none() {
        let (settings, restored) = WorldSettings::of_name(name)?;
        make_world(shared, caller, name, settings, restored.as_deref()).await?;
    }
    if shared.users(|users| users.permission(user, name).is_none()) {
        let all = Permission::all();
        super::users::put_permission(shared, Caller::Operator, user, name, all).await?;
    }
    Ok(())
}

/// Deletes a world with everything in it, durably, and closes its connections. Whoever may enter it may do that.
///
/// # Errors
/// `NotTesting`, `NoVhost`, `ProtectedVhost`; `NoWorld` if it was not made as one.
pub async fn delete_world(
    shared: &Arc<Shared>,
    caller: Caller<'_>,
    vhost: &Arc<Vhost>,
) -> Result<(), OperationError> {
    let world = world_of(shared, vhost)?.world;
    if world.settings.is_none() {
        return Err(OperationError::NoWorld(vhost.name.clone()));
    }
    delete_as(shared, &vhost.name, caller.name()).await?;
    tracing::info!(world = vhost.name, by = caller.logged(), "a world was deleted");
    Ok(())
}

/// Deletes worlds that nobody used for as long as they say, until the broker stops.
pub async fn keep_worlds(shared: Arc<Shared>) {
    let mut stopping = shared.stopping.subscribe();
    loop {
        tokio::select! {
            () = shared.clock.wait_for(Some(shared.clock.now() + LOOK_AGAIN)) => {}
            () = stopped(&mut stopping) => break,
        }
        for vhost in super::vhosts::vhosts(&shared) {
            if is_left(&shared, &vhost) {
                tracing::info!(world = vhost.name, "a world that nobody uses any more is deleted");
                if let Err(error) = delete_as(&shared, &vhost.name, BROKER).await {
                    tracing::warn!(world = vhost.name, %error, "a world cannot be deleted");
                }
            }
        }
    }
    shared.api.clear();
}

fn is_left(shared: &Shared, vhost: &Vhost) -> bool {
    let Some(world) = &vhost.world else { return false };
    let now = shared.clock.now();
    if vhost.connections().taken() > 0 || world.activity.is_waited_for() {
        world.touch(now);
    }
    world.ends().is_some_and(|ends| ends <= now)
}
