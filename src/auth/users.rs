//! Users, and what they may do where.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Credentials, Grant, PasswordHash, PatternError, Permission, Rights};

/// The tag of a user who may set another user's name as a message's `user-id`
/// (<https://www.rabbitmq.com/docs/validated-user-id>).
pub const IMPERSONATOR: &str = "impersonator";
/// The tag of a user who may manage everything.
pub const ADMINISTRATOR: &str = "administrator";

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password; without one the user cannot log in.
    pub password: Option<PasswordHash>,
    /// What the user is beside a client: `administrator`, `management`, `impersonator` and the like.
    #[serde(default)]
    pub tags: Vec<String>,
}

impl User {
    /// Whether the user has this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

/// All users of the broker with their permissions.
#[derive(Debug, Default)]
pub struct Users {
    by_name: HashMap<String, User>,
    /// By user, then by vhost.
    grants: HashMap<String, HashMap<String, (Permission, Arc<Grant>)>>,
    loopback_only: Vec<String>,
}

impl Users {
    /// No users yet; those named may connect over loopback only, whatever their password.
    #[must_use]
    pub fn new(loopback_only: Vec<String>) -> Self {
        Self { loopback_only, ..Self::default() }
    }

    /// Adds or replaces a user; permissions stay.
    pub fn put(&mut self, user: User) {
        self.by_name.insert(user.name.clone(), user);
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The user of that name.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.by_name.get(name)
    }

    /// Sets what a user may do on a vhost, also for sessions that are open. Routes they have cached are the caller's to
    /// make stale.
    ///
    /// # Errors
    /// A pattern is not a regular expression; then nothing changes.
    pub fn put_permission(
        &mut self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Result<(), PatternError> {
        let rights = Rights::parse(&permission)?;
        let vhosts = self.grants.entry(user.to_owned()).or_default();
        match vhosts.get_mut(vhost) {
            Some((current, grant)) => {
                *current = permission;
                grant.replace(rights);
            }
            None => {
                vhosts.insert(vhost.to_owned(), (permission, Arc::new(Grant::new(rights))));
            }
        }
        Ok(())
    }

    /// What a user may do on a vhost; `None`: not even enter it.
    #[must_use]
    pub fn permission(&self, user: &str, vhost: &str) -> Option<&Permission> {
        self.grants.get(user)?.get(vhost).map(|(permission, _)| permission)
    }

    /// The same for a session, which learns of changes through it.
    #[must_use]
    pub fn grant(&self, user: &str, vhost: &str) -> Option<Arc<Grant>> {
        self.grants.get(user)?.get(vhost).map(|(_, grant)| Arc::clone(grant))
    }

    /// Whether these credentials let their user in from this address.
    #[must_use]
    pub fn admits(&self, credentials: &Credentials, peer: IpAddr) -> bool {
        let password = self.by_name.get(&credentials.user).and_then(|user| user.password.as_ref());
        let right_password = password.is_some_and(|password| password.matches(&credentials.password));
        right_password
            && (peer.to_canonical().is_loopback() || !self.loopback_only.contains(&credentials.user))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Right;
    use super::*;

    fn users() -> Users {
        let mut users = Users::new(vec!["guest".to_owned()]);
        for name in ["guest", "ann"] {
            let password = Some(PasswordHash::new(b"pw", [1, 2, 3, 4]));
            users.put(User { name: name.to_owned(), password, tags: Vec::new() });
        }
        users.put(User { name: "cert".to_owned(), password: None, tags: vec![IMPERSONATOR.to_owned()] });
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
        assert!(!admits("cert", "", "127.0.0.1"), "a user without a password cannot log in");
    }

    #[test]
    fn guest_comes_over_loopback_only() {
        assert!(admits("guest", "pw", "127.0.0.1"));
        assert!(admits("guest", "pw", "::ffff:127.0.0.1"));
        assert!(!admits("guest", "pw", "192.0.2.1"));
    }

    #[test]
    fn permissions_are_per_user_and_vhost() {
        let mut users = users();
        users.put_permission("ann", "v", Permission::all()).unwrap();
        assert!(users.grant("ann", "/").is_none() && users.grant("guest", "v").is_none());
        let grant = users.grant("ann", "v").unwrap();
        let read_only = Permission { configure: String::new(), write: String::new(), read: "^r".to_owned() };
        users.put_permission("ann", "v", read_only.clone()).unwrap();
        assert_eq!(users.permission("ann", "v"), Some(&read_only));
        assert!(grant.rights().allow(Right::Read, "r") && !grant.rights().allow(Right::Write, "r"));
        let broken = Permission { read: "(".to_owned(), ..Permission::all() };
        assert!(users.put_permission("ann", "v", broken).is_err());
        assert_eq!(users.permission("ann", "v"), Some(&read_only));
    }

    #[test]
    fn a_user_of_an_earlier_version_has_no_tags() {
        let user: User = serde_json::from_str(r#"{"name":"ann","password":null}"#).unwrap();
        assert!(!user.has_tag(IMPERSONATOR) && users().user("cert").unwrap().has_tag(IMPERSONATOR));
    }
}
