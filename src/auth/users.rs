//! Users, and what they may do where.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Credentials, External, Grant, PasswordHash, PatternError, Permission, Proof, Quota, Rights,
    TopicPermission, TopicRights, UserLimits,
};

/// The tag of a user who may set another user's name as a message's `user-id`
/// (<https://www.rabbitmq.com/docs/validated-user-id>).
pub const IMPERSONATOR: &str = "impersonator";
/// The tag of a user who may manage everything.
pub const ADMINISTRATOR: &str = "administrator";

/// The tag of a user who may use the management API for the vhosts that they may enter.
pub const MANAGEMENT: &str = "management";
/// The tag of a user who may see everything.
pub const MONITORING: &str = "monitoring";
/// The tag of a user who may manage policies.
pub const POLICYMAKER: &str = "policymaker";

/// Why a login is refused. Clients are told that it is, and nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginRefusal {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The user cannot log in by password.
    #[error("the user has no password")]
    NoPassword,
    /// Another password is the right one.
    #[error("the password is wrong")]
    WrongPassword,
    /// The password is right, and the user may connect from this machine only.
    #[error("the user may connect over a loopback address only (--loopback-users)")]
    NotLocal,
    /// EXTERNAL, and the client has no certificate.
    #[error("the client presented no certificate")]
    NoCertificate,
    /// EXTERNAL, and the client's certificate names nobody.
    #[error("there is no name in the client's certificate where tls-login-from says")]
    NoName,
    /// More attempts from there wait for their turn than can be.
    #[error("too many failures from there lately")]
    TooManyFailures,
}

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
    /// How much the user may open.
    #[serde(default)]
    pub limits: UserLimits,
}

impl User {
    /// Whether the user has this tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }
}

/// A topic permission with whom it is for, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserTopicPermission {
    /// The user.
    pub user: String,
    /// The vhost.
    pub vhost: String,
    /// The exchange.
    pub exchange: String,
    /// What for.
    pub permission: TopicPermission,
}

/// A user's permission on a vhost. It stays when the permission is removed, because sessions that are open hold the grant and
/// have to learn of another permission.
#[derive(Debug, Default)]
struct Entry {
    permission: Option<Permission>,
    /// By exchange. They count for nothing without a permission, and outlast it, as in RabbitMQ.
    topics: BTreeMap<String, TopicPermission>,
    grant: Arc<Grant>,
}

impl Entry {
    /// The rights are what the permissions say.
    fn refresh(&self, user: &str, vhost: &str) -> Result<(), PatternError> {
        let Some(permission) = &self.permission else { return Ok(()) };
        let topics = self.topics.iter().map(|(exchange, permission)| {
            (exchange.clone(), Arc::new(TopicRights::of(permission, user, vhost)))
        });
        self.grant.replace(Rights::parse(permission)?.with_topics(topics.collect()));
        Ok(())
    }

    /// Whether there was a permission to take away.
    fn clear(&mut self) -> bool {
        self.grant.replace(Rights::NONE);
        self.permission.take().is_some()
    }
}

/// What a user has open, and may have.
#[derive(Clone, Debug, Default)]
pub struct UserQuotas {
    /// Connections.
    pub connections: Arc<Quota>,
    /// Channels, on all connections together.
    pub channels: Arc<Quota>,
}

/// All users of the broker with their permissions.
#[derive(Debug)]
pub struct Users {
    by_name: HashMap<String, User>,
    /// By user, then by vhost.
    grants: HashMap<String, HashMap<String, Entry>>,
    quotas: HashMap<String, UserQuotas>,
    loopback_only: Vec<String>,
    /// What is compared with the password of somebody who is not there.
    nobodys: PasswordHash,
}

impl Users {
    /// No users yet; those named may connect over loopback only, whatever their password.
    #[must_use]
    pub fn new(loopback_only: Vec<String>) -> Self {
        let nobodys = PasswordHash::new(b"", [0; 4]);
        Self {
            by_name: HashMap::new(),
            grants: HashMap::new(),
            quotas: HashMap::new(),
            loopback_only,
            nobodys,
        }
    }

    /// Adds or replaces a user; permissions stay, and what is open.
    pub fn put(&mut self, user: User) {
        let quotas = self.quotas.entry(user.name.clone()).or_default();
        quotas.connections.set_limit(user.limits.max_connections);
        quotas.channels.set_limit(user.limits.max_channels);
        self.by_name.insert(user.name.clone(), user);
    }

    /// Removes a user with all permissions, also from sessions that are open. Gives the vhosts that they were for; `None` if
    /// there is no such user.
    pub fn remove(&mut self, user: &str) -> Option<Vec<String>> {
        self.by_name.remove(user)?;
        // Connections that are open end, and count for nobody.
        self.quotas.remove(user);
        let entries = self.grants.remove(user).unwrap_or_default();
        let held = entries.into_iter().filter_map(|(vhost, mut entry)| entry.clear().then_some(vhost));
        Some(held.collect())
    }

    /// All users, by name.
    #[must_use]
    pub fn list(&self) -> Vec<User> {
        let mut users: Vec<User> = self.by_name.values().cloned().collect();
        users.sort_by(|one, other| one.name.cmp(&other.name));
        users
    }

    /// Those who have a permission on no vhost, by name.
    #[must_use]
    pub fn without_permissions(&self) -> Vec<User> {
        let mut users = self.list();
        users.retain(|user| {
            let vhosts = self.grants.get(&user.name);
            !vhosts.is_some_and(|vhosts| vhosts.values().any(|entry| entry.permission.is_some()))
        });
        users
    }

    /// What the user of that name has open, and may have.
    #[must_use]
    pub fn quotas(&self, user: &str) -> Option<UserQuotas> {
        self.quotas.get(user).cloned()
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
        Rights::parse(&permission)?;
        let vhosts = self.grants.entry(user.to_owned()).or_default();
        let entry = vhosts.entry(vhost.to_owned()).or_default();
        entry.permission = Some(permission);
        entry.refresh(user, vhost)
    }

    /// Sets which keys a user may use with a topic exchange, also for sessions that are open. As with
    /// [`put_permission`](Self::put_permission); the patterns were [checked](TopicPermission::check).
    pub fn put_topic_permission(&mut self, new: UserTopicPermission) {
        let UserTopicPermission { user, vhost, exchange, permission } = new;
        let entry = self.grants.entry(user.clone()).or_default().entry(vhost.clone()).or_default();
        entry.topics.insert(exchange, permission);
        // The permission was parsed when it was put.
        let _ = entry.refresh(&user, &vhost);
    }

    /// Removes a topic permission, also from sessions that are open; `false` if there was none.
    pub fn remove_topic_permission(&mut self, user: &str, vhost: &str, exchange: &str) -> bool {
        let entry = self.grants.get_mut(user).and_then(|vhosts| vhosts.get_mut(vhost));
        let Some(entry) = entry else { return false };
        let was_there = entry.topics.remove(exchange).is_some();
        let _ = entry.refresh(user, vhost);
        was_there
    }

    /// All topic permissions, by user, vhost and exchange.
    #[must_use]
    pub fn topic_permissions(&self) -> Vec<UserTopicPermission> {
        let mut all: Vec<UserTopicPermission> =
            self.grants.keys().flat_map(|user| self.topic_permissions_of(user)).collect();
        let key = |it: &UserTopicPermission| (it.user.clone(), it.vhost.clone(), it.exchange.clone());
        all.sort_by_cached_key(key);
        all
    }

    /// Those of a user, in no order.
    #[must_use]
    pub fn topic_permissions_of(&self, user: &str) -> Vec<UserTopicPermission> {
        let mut all = Vec::new();
        for (vhost, entry) in self.grants.get(user).into_iter().flatten() {
            all.extend(entry.topics.iter().map(|(exchange, permission)| UserTopicPermission {
                user: user.to_owned(),
                vhost: vhost.clone(),
                exchange: exchange.clone(),
                permission: permission.clone(),
            }));
        }
        all
    }

    /// Removes a permission, also from sessions that are open; `false` if there was none. As with
    /// [`put_permission`](Self::put_permission).
    pub fn remove_permission(&mut self, user: &str, vhost: &str) -> bool {
        let entry = self.grants.get_mut(user).and_then(|vhosts| vhosts.get_mut(vhost));
        entry.is_some_and(Entry::clear)
    }

    /// Removes all permissions on a vhost that is no more; gives the users who had one.
    pub fn remove_vhost(&mut self, vhost: &str) -> Vec<String> {
        let withdrawn = self
            .grants
            .iter_mut()
            .filter_map(|(user, vhosts)| vhosts.remove(vhost)?.clear().then(|| user.clone()));
        withdrawn.collect()
    }

    /// All permissions as (user, vhost, permission), by user and vhost.
    #[must_use]
    pub fn permissions(&self) -> Vec<(String, String, Permission)> {
        let mut all = Vec::new();
        for (user, vhosts) in &self.grants {
            let held = vhosts.iter().filter_map(|(vhost, entry)| Some((vhost, entry.permission.as_ref()?)));
            all.extend(held.map(|(vhost, permission)| (user.clone(), vhost.clone(), permission.clone())));
        }
        all.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        all
    }

    /// What a user may do on a vhost; `None`: not even enter it.
    #[must_use]
    pub fn permission(&self, user: &str, vhost: &str) -> Option<&Permission> {
        self.grants.get(user)?.get(vhost).and_then(|entry| entry.permission.as_ref())
    }

    /// The same for a session, which learns of changes through it.
    #[must_use]
    pub fn grant(&self, user: &str, vhost: &str) -> Option<Arc<Grant>> {
        let entry = self.grants.get(user)?.get(vhost)?;
        entry.permission.is_some().then(|| Arc::clone(&entry.grant))
    }

    /// Whether these credentials let their user in from this address. It takes as long for a user who is not there.
    ///
    /// # Errors
    /// Why not, for the log.
    pub fn admits(&self, credentials: &Credentials, peer: IpAddr) -> Result<(), LoginRefusal> {
        let user = self.by_name.get(&credentials.user);
        match &credentials.proof {
            Proof::Password(password) => self.check_password(user, password)?,
            Proof::External(External::NoCertificate) => return Err(LoginRefusal::NoCertificate),
            Proof::External(External::NoName) => return Err(LoginRefusal::NoName),
            Proof::External(External::User(_)) if user.is_none() => return Err(LoginRefusal::UnknownUser),
            Proof::External(External::User(_)) => {}
        }
        if self.may_come_from(&credentials.user, peer) { Ok(()) } else { Err(LoginRefusal::NotLocal) }
    }

    /// It takes as long for a user that there is not.
    fn check_password(&self, user: Option<&User>, given: &[u8]) -> Result<(), LoginRefusal> {
        let password = user.and_then(|user| user.password.as_ref());
        let is_right = password.unwrap_or(&self.nobodys).matches(given);
        match (user, password) {
            (None, _) => Err(LoginRefusal::UnknownUser),
            (_, None) => Err(LoginRefusal::NoPassword),
            _ if !is_right => Err(LoginRefusal::WrongPassword),
            _ => Ok(()),
        }
    }

    /// Whether a user of this name may connect from this address.
    #[must_use]
    pub fn may_come_from(&self, user: &str, peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback() || !self.is_local_only(user)
    }

    /// Whether a user of this name may connect from this machine only.
    #[must_use]
    pub fn is_local_only(&self, user: &str) -> bool {
        self.loopback_only.iter().any(|only| only == user)
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
            users.put(User {
                name: name.to_owned(),
                password,
                tags: Vec::new(),
                limits: UserLimits::default(),
            });
        }
        users.put(User {
            name: "cert".to_owned(),
            password: None,
            tags: vec![IMPERSONATOR.to_owned()],
            limits: UserLimits::default(),
        });
        users
    }

    fn admits(user: &str, password: &str, peer: &str) -> bool {
        let credentials = Credentials::parse("PLAIN", format!("\0{user}\0{password}").as_bytes()).unwrap();
        users().admits(&credentials, peer.parse().unwrap()).is_ok()
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
    fn the_transport_may_say_who_comes() {
        let admits = |external: External, peer: &str| {
            users().admits(&Credentials::external(external), peer.parse().unwrap())
        };
        let named = |name: &str| External::User(name.to_owned());
        assert_eq!(admits(named("cert"), "192.0.2.1"), Ok(()), "it takes no password");
        assert_eq!(admits(named("bob"), "192.0.2.1"), Err(LoginRefusal::UnknownUser));
        assert_eq!(admits(named("guest"), "192.0.2.1"), Err(LoginRefusal::NotLocal));
        assert_eq!(admits(External::NoCertificate, "127.0.0.1"), Err(LoginRefusal::NoCertificate));
        assert_eq!(admits(External::NoName, "127.0.0.1"), Err(LoginRefusal::NoName));
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
    fn topic_permissions_go_with_the_permission_and_come_back_with_it() {
        let mut users = users();
        let topic = |exchange: &str| UserTopicPermission {
            user: "ann".to_owned(),
            vhost: "v".to_owned(),
            exchange: exchange.to_owned(),
            permission: TopicPermission { write: "^{username}$".to_owned(), read: String::new() },
        };
        users.put_topic_permission(topic("x"));
        assert!(users.grant("ann", "v").is_none(), "a topic permission lets nobody in");
        users.put_permission("ann", "v", Permission::all()).unwrap();
        let held = users.grant("ann", "v").unwrap();
        let may_write =
            |key: &str| held.rights().topics("x").is_none_or(|topics| topics.allow(Right::Write, key));
        assert!(may_write("ann") && !may_write("bob"));
        users.put_topic_permission(topic("a"));
        assert_eq!(users.topic_permissions(), [topic("a"), topic("x")]);
        assert!(users.remove_topic_permission("ann", "v", "x"));
        assert!(!users.remove_topic_permission("ann", "v", "x"));
        assert!(may_write("bob"));
        assert!(users.remove_permission("ann", "v"));
        users.put_topic_permission(topic("x"));
        assert!(!held.rights().allow(Right::Write, "x"), "it gives no right back");
        users.put_permission("ann", "v", Permission::all()).unwrap();
        assert!(!may_write("bob"));
        users.remove_vhost("v");
        assert!(users.topic_permissions().is_empty());
    }

    #[test]
    fn a_removed_permission_leaves_open_sessions_and_comes_back_to_them() {
        let mut users = users();
        users.put_permission("ann", "v", Permission::all()).unwrap();
        let held = users.grant("ann", "v").unwrap();
        assert!(users.remove_permission("ann", "v") && !users.remove_permission("ann", "v"));
        assert!(users.grant("ann", "v").is_none() && users.permission("ann", "v").is_none());
        assert!(!held.rights().allow(Right::Read, "q"));
        users.put_permission("ann", "v", Permission::all()).unwrap();
        assert!(held.rights().allow(Right::Read, "q"));
        assert_eq!(users.remove_vhost("v"), ["ann"]);
        assert!(!held.rights().allow(Right::Read, "q"));
    }

    #[test]
    fn a_removed_user_takes_permissions_along() {
        let mut users = users();
        users.put_permission("ann", "v", Permission::all()).unwrap();
        users.put_permission("ann", "w", Permission::all()).unwrap();
        users.put_permission("guest", "v", Permission::all()).unwrap();
        users.remove_permission("ann", "w");
        assert_eq!(users.remove("ann"), Some(vec!["v".to_owned()]));
        assert_eq!(users.remove("ann"), None);
        let left = users.permissions();
        assert_eq!(left, [("guest".to_owned(), "v".to_owned(), Permission::all())]);
        assert_eq!(users.list().iter().map(|user| &user.name[..]).collect::<Vec<_>>(), ["cert", "guest"]);
    }

    #[test]
    fn a_user_of_an_earlier_version_has_no_tags() {
        let user: User = serde_json::from_str(r#"{"name":"ann","password":null}"#).unwrap();
        assert!(!user.has_tag(IMPERSONATOR) && users().user("cert").unwrap().has_tag(IMPERSONATOR));
    }
}
