//! Users and their passwords.

use std::collections::HashMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Credentials;

/// A salted password hash in RabbitMQ's format: 4 bytes of salt, then SHA-256 of salt and password
/// (<https://www.rabbitmq.com/docs/passwords>), so that users can be brought along from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash {
    salt: [u8; 4],
    digest: [u8; 32],
}

impl PasswordHash {
    /// Hashes a password. The salt is the caller's randomness.
    #[must_use]
    pub fn new(password: &[u8], salt: [u8; 4]) -> Self {
        Self { salt, digest: digest(salt, password) }
    }

    /// Whether this is the password. Compares all bytes whatever they are, so that the time taken tells nothing.
    #[must_use]
    pub fn matches(&self, password: &[u8]) -> bool {
        let other = digest(self.salt, password);
        self.digest.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

fn digest(salt: [u8; 4], password: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(password).finalize().into()
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: PasswordHash,
}

/// All users of the broker.
#[derive(Clone, Debug, Default)]
pub struct Users {
    by_name: HashMap<String, User>,
    loopback_only: Vec<String>,
}

impl Users {
    /// No users yet; those named may connect over loopback only, whatever their password.
    #[must_use]
    pub fn new(loopback_only: Vec<String>) -> Self {
        Self { by_name: HashMap::new(), loopback_only }
    }

    /// Adds or replaces a user.
    pub fn put(&mut self, user: User) {
        self.by_name.insert(user.name.clone(), user);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Whether these credentials let their user in from this address.
    #[must_use]
    pub fn admits(&self, credentials: &Credentials, peer: IpAddr) -> bool {
        let known = self.by_name.get(&credentials.user);
        let right_password = known.is_some_and(|user| user.password.matches(&credentials.password));
        right_password
            && (peer.to_canonical().is_loopback() || !self.loopback_only.contains(&credentials.user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let mut users = Users::new(vec!["guest".to_owned()]);
        for name in ["guest", "ann"] {
            users.put(User { name: name.to_owned(), password: PasswordHash::new(b"pw", [1, 2, 3, 4]) });
        }
        users
    }

    fn admits(user: &str, password: &str, peer: &str) -> bool {
        let credentials = Credentials::parse("PLAIN", format!("\0{user}\0{password}").as_bytes()).unwrap();
        users().admits(&credentials, peer.parse().unwrap())
    }

    #[test]
    fn the_password_has_to_match() {
        assert!(admits("ann", "pw", "192.0.2.1"));
        assert!(!admits("ann", "PW", "192.0.2.1"));
        assert!(!admits("bob", "pw", "127.0.0.1"));
    }

    #[test]
    fn guest_comes_over_loopback_only() {
        assert!(admits("guest", "pw", "127.0.0.1"));
        assert!(admits("guest", "pw", "::ffff:127.0.0.1"));
        assert!(!admits("guest", "pw", "192.0.2.1"));
    }
}
