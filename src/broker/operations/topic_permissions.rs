//! What users may publish with, and bind by, on topic exchanges. All of it is for administrators.

use super::scope::{Caller, check_length};
use super::users::check_user_and_vhost;
use crate::auth::{TopicPermission, UserTopicPermission, Users};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::events::Event;
use crate::broker::removal::remove_topic_permission;
use crate::broker::shared::Shared;

/// Sets which keys a user may use with a topic exchange: durably, and at once also for connections that are open. The exchange need not
/// be there, nor be one of topics: then it has no effect. `true` if the user had no topic permission on the vhost.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`, `InvalidName`, `Pattern`.
pub async fn put_topic_permission(
    shared: &Shared,
    caller: Caller<'_>,
    new: UserTopicPermission,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let UserTopicPermission { user, vhost, exchange, permission } = &new;
    check_user_and_vhost(shared, user, vhost)?;
    check_length("the name of an exchange", exchange)?;
    permission.check()?;
    let is_new = of_user_on_vhost(shared, user, vhost).is_empty();
    shared.store_definitions(vec![Definition::TopicPermission(new.clone()).put()]).await;
    let TopicPermission { write, read } = permission;
    let by = caller.logged();
    tracing::info!(by, user, vhost, exchange, write, read, "a topic permission was set");
    shared.put_topic_permission(new.clone());
    caller.tell(shared, &Event::TopicPermissionCreated(&new));
    Ok(is_new)
}

/// Takes topic permissions of a user on a vhost away, for one exchange or for all: durably, and at once also from connections that are
/// open. As in RabbitMQ there need not be one for that exchange, if there is one for another.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`, `NoPermission`.
pub async fn remove_topic_permissions(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    vhost: &str,
    exchange: Option<&str>,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    check_user_and_vhost(shared, user, vhost)?;
    let mut removed = of_user_on_vhost(shared, user, vhost);
    if removed.is_empty() {
        return Err(OperationError::NoPermission { user: user.to_owned(), vhost: vhost.to_owned() });
    }
    removed.retain(|permission| exchange.is_none_or(|exchange| permission.exchange == exchange));
    shared.store_definitions(removed.iter().map(remove_topic_permission).collect()).await;
    for UserTopicPermission { exchange, .. } in &removed {
        shared.change_users(|users| users.remove_topic_permission(user, vhost, exchange));
        tracing::info!(by = caller.logged(), user, vhost, exchange, "a topic permission was removed");
    }
    shared.forget_permitted(vhost);
    caller.tell(shared, &Event::TopicPermissionDeleted { user, vhost });
    Ok(())
}

/// All topic permissions, by user, vhost and exchange.
///
/// # Errors
/// `NotTagged`.
pub fn topic_permissions(
    shared: &Shared,
    caller: Caller<'_>,
) -> Result<Vec<UserTopicPermission>, OperationError> {
    caller.require_administrator(shared)?;
    Ok(shared.users(Users::topic_permissions))
}

fn of_user_on_vhost(shared: &Shared, user: &str, vhost: &str) -> Vec<UserTopicPermission> {
    let mut all = shared.users(Users::topic_permissions);
    all.retain(|permission| permission.user == user && permission.vhost == vhost);
    all
}
