//! The table of all settings: each is one entry, from which its flag, its variables, its key in a file, its help and its
//! check come. A new setting is a new entry in the file of its heading.

mod cluster;
mod diagnostics;
mod limits;
mod network;
pub mod new_users;
mod setting;
mod storage;
mod testing;
mod tls;
mod users;

pub use cluster::missing;
pub use setting::{Draft, ENV_PREFIX, Group, Kind, Setting, env_name};

/// All settings, in the order of the help. Each is applied before those that follow it.
pub const GROUPS: [Group; 8] = [
    network::NETWORK,
    tls::TLS,
    storage::STORAGE,
    users::USERS,
    limits::LIMITS,
    diagnostics::DIAGNOSTICS,
    testing::TESTING,
    cluster::CLUSTER,
];

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// The setting with this key.
pub fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}
