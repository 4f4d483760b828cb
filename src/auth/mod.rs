//! Who may connect and who may do what: users, their password hashes, SASL (spec section 2.2.4), and permissions
//! (<https://www.rabbitmq.com/docs/access-control>).
//!
//! Invariants: a password is never kept and never printed, only its salted hash; a user without a permission on a vhost
//! may not even enter it.

mod access;
mod guessing;
mod limits;
mod origin;
mod password;
mod permissions;
mod quota;
mod right;
mod sasl;
mod topics;
mod users;

pub use access::{Operation, Refusal, Resource};
pub use guessing::{Attempt, Guesses, WAIT_MAX};
pub use limits::{UserLimit, UserLimits, limit_in_words};
pub use origin::{Origin, canonical};
pub use password::{HashAlgorithm, PasswordHash};
pub use permissions::{Grant, Permission, Rights};
pub use quota::{Quota, QuotaReached, Seat};
pub use right::{PatternError, Right};
pub use sasl::{Credentials, EXTERNAL, External, MECHANISMS, MECHANISMS_WITH_EXTERNAL, Proof};
pub use topics::{TopicPermission, TopicRights};
pub use users::{
    ADMINISTRATOR, IMPERSONATOR, LoginRefusal, MANAGEMENT, MONITORING, POLICYMAKER, User, UserQuotas,
    UserTopicPermission, Users,
};
