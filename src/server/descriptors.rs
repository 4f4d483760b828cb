//! File descriptors: how many the process may have, and who gets them.
//!
//! A store that finds none left fails, and the process with it, whereas a client that finds none left waits. So the store's share
//! is set aside, and connections share the rest.

/// Descriptors kept for the store and for the process itself (listeners, timers, the log), where there are enough: the
/// store's tables, blob files, journals and pages.
const RESERVED_MIN: u64 = 256;
/// Open tables and blob files that the store keeps for its next read, at most: its engine's own default.
const STORE_FILES_MAX: u64 = 900;
/// Connections, at most, whatever the limit of descriptors; each costs some 20 KiB when idle. RabbitMQ's limit is that of the
/// descriptors.
const CONNECTIONS_MAX: u64 = 65_536;

/// HTTP connections, at most. Each may have a request under way.
const HTTP_CONNECTIONS_MAX: u64 = 256;

/// Who gets how many descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Connections at a time.
    pub connections: usize,
    /// HTTP connections at a time, on top of those.
    pub http_connections: usize,
    /// Files that the store keeps open for its next read. What it opens for a while (compaction, journals, pages) comes on
    /// top, and has the other half of what is reserved.
    pub store_files: usize,
}

impl Budget {
    /// Of so many descriptors; `None`: of as many as anybody wants. A quarter of them is reserved, at least 256, but never
    /// more than half.
    fn of(limit: Option<u64>, serves_http: bool) -> Self {
        let limit = limit.unwrap_or(u64::MAX);
        let reserved = (limit / 4).max(RESERVED_MIN).min(limit / 2);
        let narrow = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let http = if serves_http { ((limit - reserved) / 16).clamp(1, HTTP_CONNECTIONS_MAX) } else { 0 };
        Self {
            connections: narrow((limit - reserved).saturating_sub(http).clamp(1, CONNECTIONS_MAX)),
            http_connections: narrow(http),
            store_files: narrow((reserved / 2).clamp(1, STORE_FILES_MAX)),
        }
    }

    /// By the process's limit as it is now.
    pub fn of_process(serves_http: bool) -> Self {
        Self::of(limit(), serves_http)
    }
}

/// How many connections of clients the process may have at a time, by its limit as it is now.
#[must_use]
pub fn connections_max() -> usize {
    Budget::of_process(true).connections
}

#[cfg(unix)]
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn limit() -> Option<u64> {
    None
}

/// Raises the process's limit of descriptors to what the system lets it have. The default of many systems, 1,024, is for programs
/// that use `select`. What is not to be had stays as it was.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, current, maximum, "the limit of file descriptors could not be raised");
    }
}

/// There is no such limit here.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_has_its_share_before_connections_have_any() {
        for (limit, connections, http_connections, store_files) in [
            (Some(64), 30, 2, 16),
            (Some(256), 120, 8, 64),
            (Some(1024), 720, 48, 128),
            (Some(20_000), 14_744, 256, 900),
            (Some(1_048_576), 65_536, 256, 900),
            (None, 65_536, 256, 900),
            (Some(0), 1, 1, 1),
        ] {
            let expected = Budget { connections, http_connections, store_files };
            assert_eq!(Budget::of(limit, true), expected, "{limit:?}");
        }
        let without = Budget { connections: 768, http_connections: 0, store_files: 128 };
        assert_eq!(Budget::of(Some(1024), false), without);
    }
}
