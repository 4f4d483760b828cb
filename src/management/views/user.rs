//! Users, their permissions, and their attempts to log in.

use serde::Serialize;

use crate::auth::{HashAlgorithm, PasswordHash, User, UserLimits, UserTopicPermission};
use crate::broker::operations::UserPermission;
use crate::telemetry::Attempts;

/// `/api/users/U`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct UserView {
    pub name: String,
    /// Empty: the user cannot log in by password.
    pub password_hash: String,
    pub hashing_algorithm: &'static str,
    pub tags: Vec<String>,
    pub limits: UserLimits,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        let password = user.password.as_ref();
        Self {
            password_hash: password.map(PasswordHash::to_base64).unwrap_or_default(),
            hashing_algorithm: password.map_or_else(HashAlgorithm::default, PasswordHash::algorithm).name(),
            name: user.name,
            tags: user.tags,
            limits: user.limits,
        }
    }
}

/// `/api/permissions/V/U`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct PermissionView {
    pub user: String,
    pub vhost: String,
    pub configure: String,
    pub write: String,
    pub read: String,
}

impl From<UserPermission> for PermissionView {
    fn from(UserPermission { user, vhost, permission }: UserPermission) -> Self {
        let (configure, write, read) = (permission.configure, permission.write, permission.read);
        Self { user, vhost, configure, write, read }
    }
}

/// An element of `/api/topic-permissions`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct TopicPermissionView {
    pub user: String,
    pub vhost: String,
    pub exchange: String,
    pub write: String,
    pub read: String,
}

impl From<UserTopicPermission> for TopicPermissionView {
    fn from(UserTopicPermission { user, vhost, exchange, permission }: UserTopicPermission) -> Self {
        Self { user, vhost, exchange, write: permission.write, read: permission.read }
    }
}

/// An element of `/api/auth/attempts/N`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct AttemptsView {
    pub protocol: &'static str,
    pub auth_attempts: u64,
    pub auth_attempts_failed: u64,
    pub auth_attempts_succeeded: u64,
}

impl AttemptsView {
    /// Of a protocol.
    pub(in crate::management) fn of(protocol: &'static str, attempts: &Attempts) -> Self {
        let (failed, succeeded) = (attempts.failed.value(), attempts.succeeded.value());
        Self {
            protocol,
            auth_attempts: failed + succeeded,
            auth_attempts_failed: failed,
            auth_attempts_succeeded: succeeded,
        }
    }
}
