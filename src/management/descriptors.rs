//! File descriptors: how many are open, and how many may be.

/// File descriptors of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Descriptors {
    /// Those that are open.
    pub used: u64,
    /// The limit; what is above 32 bits, and none at all, is the highest number that clients read.
    pub total: u32,
}

impl Descriptors {
    /// As they are now.
    #[cfg(unix)]
    pub(super) fn of_process() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let total = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(u32::MAX);
        // Where there is no such directory nothing is known.
        let used = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        Self { used, total }
    }

    /// Nothing is known of them here.
    #[cfg(not(unix))]
    pub(super) fn of_process() -> Self {
        Self::default()
    }
}
