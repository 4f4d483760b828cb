//! A shard of a cluster follows the meta shard: its broker has the users and permissions of that one, in memory, and the vhosts that
//! were given to the shard.
//!
//! Vhosts are made and deleted in the meta shard first. What is missing here is made; what is there no more is deleted, but only on
//! proof: this node's copy of the meta shard's log must have come at least as far as it was when the vhost was made here. A copy that is
//! behind, or was just wiped, knows nothing of a vhost, and takes nothing away. The same holds of what is said of one that is here: a vhost that was
//! closed for a move is not opened again by who has not heard of the move yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::connections::close_connections_of_user;
#[cfg(feature = "cluster")]
use super::moving_vhosts::close;
use super::scope::Caller;
use super::vhosts::{change_vhost, delete_as, make_vhost, vhosts};
use crate::auth::Users;
use crate::broker::error::OperationError;
use crate::broker::identities::Identities;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{Home, MetaMark, Moving, VhostChange, VhostSettings};

/// In whose name it is done.
const META: &str = "the meta shard";

/// Makes the broker of this shard have what the meta shard has. What cannot be done is told in the log, and tried again with the next
/// change.
pub async fn follow(shared: &Arc<Shared>, shard: u32, now: &Identities) {
    let gone = {
        let _changes = shared.changes.lock().await;
        follow_permissions(shared, now);
        follow_topics(shared, now);
        follow_users(shared, now)
    };
    for user in gone {
        // By whoever runs the broker: nothing is asked for.
        let _ =
            close_connections_of_user(shared, Caller::Operator, &user, &format!("user '{user}' is deleted"));
    }
    for vhost in vhosts(shared) {
        if let Err(error) = follow_vhost(shared, &vhost, now).await {
            tracing::error!(vhost = vhost.name, %error, "a vhost cannot be made as the meta shard has it");
        }
    }
    for (name, settings) in &now.vhosts {
        let Some(home) = settings.home.filter(|home| home.shard == shard) else { continue };
        if shared.vhost(name).is_some() {
            continue;
        }
        let change = as_in(settings, Home { made: Some(now.mark), ..home });
        if let Err(error) = make_vhost(shared, Caller::Operator, name, change, None).await {
            tracing::error!(vhost = name, %error, "a vhost of this shard cannot be made");
        }
    }
}

/// Those who are gone.
fn follow_users(shared: &Shared, now: &Identities) -> Vec<String> {
    let before = shared.users(Users::list);
    for user in now.users.values() {
        if !before.contains(user) {
            shared.change_users(|users| users.put(user.clone()));
        }
    }
    let gone = before.into_iter().map(|user| user.name).filter(|name| !now.users.contains_key(name));
    let gone: Vec<String> = gone.collect();
    for name in &gone {
        let vhosts = shared.change_users(|users| users.remove(name)).unwrap_or_default();
        vhosts.iter().for_each(|vhost| shared.forget_permitted(vhost));
    }
    gone
}

fn follow_permissions(shared: &Shared, now: &Identities) {
    let before = shared.users(Users::permissions).into_iter();
    let before: BTreeMap<_, _> =
        before.map(|(user, vhost, permission)| ((user, vhost), permission)).collect();
    for ((user, vhost), permission) in &now.permissions {
        let is_same = before.get(&(user.clone(), vhost.clone())) == Some(permission);
        if !is_same && let Err(error) = shared.put_permission(user, vhost, permission.clone()) {
            tracing::error!(user, vhost, %error, "a permission cannot be used");
        }
    }
    for (user, vhost) in before.keys().filter(|key| !now.permissions.contains_key(*key)) {
        shared.change_users(|users| users.remove_permission(user, vhost));
        shared.forget_permitted(vhost);
    }
}

fn follow_topics(shared: &Shared, now: &Identities) {
    let before = shared.users(Users::topic_permissions);
    for permission in now.topics.iter().filter(|permission| !before.contains(permission)) {
        shared.put_topic_permission(permission.clone());
    }
    for gone in &before {
        let is_there = |it: &&crate::auth::UserTopicPermission| {
            (&it.user, &it.vhost, &it.exchange) == (&gone.user, &gone.vhost, &gone.exchange)
        };
        if !now.topics.iter().any(|it| is_there(&it)) {
            shared
                .change_users(|users| users.remove_topic_permission(&gone.user, &gone.vhost, &gone.exchange));
            shared.forget_permitted(&gone.vhost);
        }
    }
}

/// A vhost that is here.
async fn follow_vhost(
    shared: &Arc<Shared>,
    vhost: &Arc<Vhost>,
    now: &Identities,
) -> Result<(), OperationError> {
    let own = vhost.settings();
    let Some(Home { id, made: Some(made), .. }) = own.home else { return Ok(()) };
    let (found, known) =
        (now.vhosts.get(&vhost.name), |home: &Home| home.id == id || home.copy_id() == Some(id));
    match found.and_then(|settings| Some((settings, settings.home.filter(known)?))) {
        // After the meta shard's log was restored, places in the one before say nothing any more.
        Some(_) if made.log_id == now.mark.log_id && now.mark.sequence < made.sequence => Ok(()),
        Some((settings, home)) => {
            let before = own.home.and_then(|own| own.moving);
            // What is known only as a copy stays closed.
            let moving = if home.id == id { noted(before, home.moving) } else { before };
            let is_old = made.log_id != now.mark.log_id;
            let made = if is_old || moving != before { now.mark } else { made };
            let home = own.home.map(|own| Home { moving, made: Some(made), ..own });
            let same = VhostSettings { home, ..settings.clone() };
            if let (Some(home), false) = (home, same == *own) {
                change_vhost(shared, Caller::Operator, &vhost.name, as_in(settings, home)).await?;
            }
            #[cfg(feature = "cluster")]
            if let Some(moving) = home.and_then(|home| home.moving) {
                close(shared, vhost, moving);
            }
            Ok(())
        }
        _ if !is_after(now.mark, made) => Ok(()),
        _ => {
            // Whoever deleted it there was allowed to.
            vhost.set_settings(VhostSettings { is_protected: false, ..(*own).clone() });
            delete_as(shared, &vhost.name, META).await?;
            tracing::info!(vhost = vhost.name, "a vhost was deleted, as in the meta shard");
            Ok(())
        }
    }
}

/// A move as it is noted here: whether the vhost is closed is for this shard to say.
fn noted(own: Option<Moving>, now: Option<Moving>) -> Option<Moving> {
    let same = |moving: &Moving| own.is_some_and(|own| own.id == moving.id && own.is_closed);
    now.map(|moving| Moving { is_closed: same(&moving), ..moving })
}

/// Whether what is known at a place of the meta shard's log says something of what was made at another.
fn is_after(now: MetaMark, made: MetaMark) -> bool {
    now.log_id == made.log_id && now.sequence >= made.sequence
}

fn as_in(settings: &VhostSettings, home: Home) -> VhostChange {
    VhostChange {
        description: Some(settings.description.clone()),
        tags: Some(settings.tags.clone()),
        default_queue_type: Some(settings.default_queue_type),
        tracing: Some(settings.tracing),
        is_protected: Some(settings.is_protected),
        limits: Some(settings.limits),
        shard: None,
        home: Some(home),
    }
}
