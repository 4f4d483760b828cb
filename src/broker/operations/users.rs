//! Users and their permissions. All of it is for administrators.

use std::sync::Arc;

use super::connections::close_connections_of_user;
use super::scope::Caller;
use crate::auth::{
    ADMINISTRATOR, HashAlgorithm, MONITORING, PasswordHash, Permission, Rights, User, UserLimit, UserLimits,
    Users,
};
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::events::Event;
use crate::broker::removal::remove_topic_permission;
use crate::broker::shared::{Shared, random_bytes};

/// Longest name of a user or a vhost, in bytes: names travel as AMQP short strings.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// How a user's password is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// As it is.
    Plain(Vec<u8>),
    /// As a hash.
    Hash(PasswordHash),
    /// There is none: the user cannot log in by password.
    None,
}

/// A permission with whom it is for, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPermission {
    /// The user.
    pub user: String,
    /// The vhost.
    pub vhost: String,
    /// What for.
    pub permission: Permission,
}

/// Adds or replaces a user; permissions and limits stay, and so do connections, as in RabbitMQ. It is durable. `true` if the
/// user is new.
///
/// # Errors
/// `NotTagged`, `InvalidName`, `NoRandomness` for the password's salt.
pub async fn put_user(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    secret: Secret,
    tags: Vec<String>,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    check_name("user", name)?;
    let password = match secret {
        Secret::Plain(password) => Some(PasswordHash::new(&password, salt()?)),
        Secret::Hash(hash) => Some(hash),
        Secret::None => None,
    };
    let _changes = shared.changes.lock().await;
    let before = shared.users(|users| users.user(name).cloned());
    let is_new = before.is_none();
    let limits = before.as_ref().map(|user| user.limits).unwrap_or_default();
    let user = User { name: name.to_owned(), password, tags, limits };
    shared.store_definitions(vec![Definition::User(user.clone()).put()]).await;
    let done = if is_new { "made" } else { "changed" };
    shared.change_users(|users| users.put(user.clone()));
    caller.tell(shared, &Event::UserPut { before: before.as_ref(), user: &user });
    tracing::info!(by = caller.logged(), user = name, tags = user.tags.join(", "), "a user was {done}");
    Ok(is_new)
}

fn salt() -> Result<[u8; 4], OperationError> {
    random_bytes().map_err(|_| OperationError::NoRandomness)
}

/// A password's hash as RabbitMQ makes one, which can be put in a definitions file. For administrators.
///
/// # Errors
/// `NotTagged`, `NoRandomness` for the salt.
pub fn hash_password(
    shared: &Shared,
    caller: Caller<'_>,
    password: &[u8],
) -> Result<PasswordHash, OperationError> {
    caller.require_administrator(shared)?;
    Ok(PasswordHash::by(HashAlgorithm::Sha256, password, salt()?))
}

pub(super) fn check_name(what: &str, name: &str) -> Result<(), OperationError> {
    let why = match name.len() {
        0 => "may not be empty".to_owned(),
        1..=NAME_BYTES_MAX => return Ok(()),
        _ => format!("is longer than {NAME_BYTES_MAX} bytes"),
    };
    Err(OperationError::InvalidName(format!("the name of a {what} {why}")))
}

/// Sets one of a user's limits, durably, or takes it away. What is open already stays open, whatever the limit.
///
/// # Errors
/// `NotTagged`, `NoUser`.
pub async fn set_user_limit(
    shared: &Shared,
    caller: Caller<'_>,
    name: &str,
    limit: UserLimit,
    value: Option<i64>,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let user = shared.users(|users| users.user(name).cloned());
    let user = user.ok_or_else(|| OperationError::NoUser(name.to_owned()))?;
    let user = User { limits: user.limits.with(limit, value), ..user };
    shared.store_definitions(vec![Definition::User(user.clone()).put()]).await;
    tracing::info!(by = caller.logged(), user = name, limits = %user.limits, "the limits of a user were changed");
    shared.change_users(|users| users.put(user));
    let limits = UserLimits::default().with(limit, value);
    let event = match value {
        Some(_) => Event::UserLimitsSet { user: name, limits },
        None => Event::UserLimitsCleared { user: name },
    };
    caller.tell(shared, &event);
    Ok(())
}

/// Deletes a user with all permissions, durably, and closes the user's connections, as RabbitMQ does.
///
/// # Errors
/// `NotTagged`, `NoUser`.
pub async fn delete_user(shared: &Arc<Shared>, caller: Caller<'_>, name: &str) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    let topics = shared.users(|users| users.topic_permissions_of(name));
    let removed = shared.change_users(|users| users.remove(name));
    let vhosts = removed.ok_or_else(|| OperationError::NoUser(name.to_owned()))?;
    vhosts.iter().for_each(|vhost| shared.forget_permitted(vhost));
    let mut ops = vec![Definition::remove_user(name)];
    ops.extend(topics.iter().map(remove_topic_permission));
    ops.extend(vhosts.iter().map(|vhost| Definition::remove_permission(name, vhost)));
    shared.store_definitions(ops).await;
    close_connections_of_user(shared, Caller::Operator, name, &format!("user '{name}' is deleted"))?;
    caller.tell(shared, &Event::UserDeleted(name));
    tracing::info!(by = caller.logged(), user = name, "a user was deleted");
    Ok(())
}

/// All users, by name.
///
/// # Errors
/// `NotTagged`.
pub fn users(shared: &Shared, caller: Caller<'_>) -> Result<Vec<User>, OperationError> {
    caller.require_administrator(shared)?;
    Ok(shared.users(Users::list))
}

/// The user of this name.
///
/// # Errors
/// `NotTagged`, `NoUser`.
pub fn user(shared: &Shared, caller: Caller<'_>, name: &str) -> Result<User, OperationError> {
    caller.require_administrator(shared)?;
    let found = shared.users(|users| users.user(name).cloned());
    found.ok_or_else(|| OperationError::NoUser(name.to_owned()))
}

/// The limits of a user: no secret to anybody who may use the management API.
///
/// # Errors
/// `NoUser`.
pub fn user_limits(shared: &Shared, name: &str) -> Result<UserLimits, OperationError> {
    let limits = shared.users(|users| users.user(name).map(|user| user.limits));
    limits.ok_or_else(|| OperationError::NoUser(name.to_owned()))
}

/// All users who are limited with their limits, by name.
#[must_use]
pub fn limited_users(shared: &Shared) -> Vec<(String, UserLimits)> {
    let users = shared.users(Users::list).into_iter().filter(|user| !user.limits.is_empty());
    users.map(|user| (user.name, user.limits)).collect()
}

/// Users who have a permission on no vhost, by name.
///
/// # Errors
/// `NotTagged`.
pub fn users_without_permissions(shared: &Shared, caller: Caller<'_>) -> Result<Vec<User>, OperationError> {
    caller.require_administrator(shared)?;
    Ok(shared.users(Users::without_permissions))
}

/// Sets what a user may do on a vhost: durably, and at once also for connections that are open. `true` if there was none.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`, `Pattern`.
pub async fn put_permission(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    vhost: &str,
    permission: Permission,
) -> Result<bool, OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    check_user_and_vhost(shared, user, vhost)?;
    Rights::parse(&permission)?;
    let is_new = shared.users(|users| users.permission(user, vhost).is_none());
    let definition = Definition::Permission {
        user: user.to_owned(),
        vhost: vhost.to_owned(),
        permission: permission.clone(),
    };
    shared.store_definitions(vec![definition.put()]).await;
    shared.put_permission(user, vhost, permission.clone())?;
    caller.tell(shared, &Event::PermissionCreated { user, vhost, permission: &permission });
    let Permission { configure, write, read } = permission;
    let by = caller.logged();
    tracing::info!(by, user, vhost, configure, write, read, "a permission was set");
    Ok(is_new)
}

/// Refuses a user or a vhost that is not there.
///
/// # Errors
/// `NoUser`, `NoVhost`.
pub fn check_user_and_vhost(shared: &Shared, user: &str, vhost: &str) -> Result<(), OperationError> {
    if shared.vhost(vhost).is_none() {
        return Err(OperationError::NoVhost(vhost.to_owned()));
    }
    if shared.users(|users| users.user(user).is_none()) {
        return Err(OperationError::NoUser(user.to_owned()));
    }
    Ok(())
}

/// Takes a user's permission on a vhost away: durably, and at once also from connections that are open. They stay open, as
/// in RabbitMQ, and may do nothing more.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`, `NoPermission`.
pub async fn remove_permission(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    vhost: &str,
) -> Result<(), OperationError> {
    caller.require_administrator(shared)?;
    let _changes = shared.changes.lock().await;
    check_user_and_vhost(shared, user, vhost)?;
    if !shared.change_users(|users| users.remove_permission(user, vhost)) {
        return Err(OperationError::NoPermission { user: user.to_owned(), vhost: vhost.to_owned() });
    }
    shared.forget_permitted(vhost);
    shared.store_definitions(vec![Definition::remove_permission(user, vhost)]).await;
    caller.tell(shared, &Event::PermissionDeleted { user, vhost });
    tracing::info!(by = caller.logged(), user, vhost, "a permission was removed");
    Ok(())
}

/// What a user may do on a vhost.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`, `NoPermission`.
pub fn permission(
    shared: &Shared,
    caller: Caller<'_>,
    user: &str,
    vhost: &str,
) -> Result<UserPermission, OperationError> {
    caller.require_administrator(shared)?;
    check_user_and_vhost(shared, user, vhost)?;
    let (user, vhost) = (user.to_owned(), vhost.to_owned());
    match shared.users(|users| users.permission(&user, &vhost).cloned()) {
        Some(permission) => Ok(UserPermission { user, vhost, permission }),
        None => Err(OperationError::NoPermission { user, vhost }),
    }
}

/// All permissions, by user and vhost.
///
/// # Errors
/// `NotTagged`.
pub fn permissions(shared: &Shared, caller: Caller<'_>) -> Result<Vec<UserPermission>, OperationError> {
    caller.require_administrator(shared)?;
    let all = shared.users(Users::permissions).into_iter();
    Ok(all.map(|(user, vhost, permission)| UserPermission { user, vhost, permission }).collect())
}

/// Forgets how many attempts to log in there were. For those who may see the whole broker.
///
/// # Errors
/// `NotTagged`.
pub fn forget_login_attempts(shared: &Shared, caller: Caller<'_>) -> Result<(), OperationError> {
    caller.require_tag(shared, &[MONITORING, ADMINISTRATOR])?;
    shared.counters.logins.amqp.reset();
    shared.counters.logins.http.reset();
    tracing::info!(by = caller.logged(), "the counters of attempts to log in were reset");
    Ok(())
}
