//! Who may connect: users, their password hashes, and SASL (spec section 2.2.4, <https://www.rabbitmq.com/docs/access-control>).
//!
//! Invariant: a password is never kept and never printed, only its salted hash.

mod sasl;
mod users;

pub use sasl::{Credentials, MECHANISMS};
pub use users::{PasswordHash, User, Users};
