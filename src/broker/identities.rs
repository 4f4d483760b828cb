//! What a shard of a cluster takes from the meta shard: who may log in, who may do what, and which vhosts there are and where.

use std::collections::BTreeMap;

use super::definitions::{Definition, DefinitionError};
use super::vhost_settings::{MetaMark, VhostSettings};
use crate::auth::{Permission, User, UserTopicPermission};

/// All of it, as it was at one place of the meta shard's log, or a little later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// The place.
    pub mark: MetaMark,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// What they may do, by user and vhost.
    pub permissions: BTreeMap<(String, String), Permission>,
    /// Topic permissions.
    pub topics: Vec<UserTopicPermission>,
    /// Vhosts by name.
    pub vhosts: BTreeMap<String, VhostSettings>,
}

impl Identities {
    /// How the names of the definitions begin that it is made of.
    pub const KINDS: [&str; 5] =
        ["vhost\0", "vhost_settings\0", "user\0", "permission\0", "topic_permission\0"];

    /// Whether the definition of this name is part of it.
    #[must_use]
    pub fn is_made_of(name: &str) -> bool {
        Self::KINDS.iter().any(|kind| name.starts_with(kind))
    }

    /// Of the definitions of these [kinds](Self::KINDS), by name.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read(mark: MetaMark, records: &BTreeMap<String, Vec<u8>>) -> Result<Self, DefinitionError> {
        let mut all = Self { mark, ..Self::default() };
        let mut settings = BTreeMap::new();
        for definition in Definition::read_all(records)? {
            match definition {
                Definition::Vhost(name) => drop(all.vhosts.insert(name, VhostSettings::default())),
                Definition::VhostSettings(name, of_it) => drop(settings.insert(name, of_it)),
                Definition::User(user) => drop(all.users.insert(user.name.clone(), user)),
                Definition::Permission { user, vhost, permission } => {
                    all.permissions.insert((user, vhost), permission);
                }
                Definition::TopicPermission(permission) => all.topics.push(permission),
                _ => {}
            }
        }
        for (name, of_it) in settings {
            if let Some(vhost) = all.vhosts.get_mut(&name) {
                *vhost = of_it;
            }
        }
        Ok(all)
    }

    /// The shard that serves a vhost: 0, the meta shard, unless it was given to another. It tells those who ask for one that is not there.
    #[must_use]
    pub fn shard_of(&self, vhost: &str) -> u32 {
        self.vhosts.get(vhost).and_then(|settings| settings.home).map_or(0, |home| home.shard)
    }
}
