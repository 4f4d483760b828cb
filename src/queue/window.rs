//! How much of a queue is kept in memory.

/// The parts of a backlog that are in memory, in bytes of what messages cost there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// A queue starts to put messages out of memory when it has more than this.
    pub start_bytes: usize,
    /// Then this much stays at its head.
    pub head_bytes: usize,
    /// The rest goes in segments of this size; less than two of them stay at its tail.
    pub segment_bytes: usize,
}

impl Window {
    /// Everything stays in memory.
    pub const UNLIMITED: Self = Self { start_bytes: usize::MAX, ..Self::of(16 * 1024 * 1024) };

    /// About so many bytes are in memory. A backlog begins there; of one, a quarter stays at the head: of 16 MiB that is
    /// some ten milliseconds of the fastest consumers, longer than a segment takes to come. A sixteenth is a segment: of
    /// 16 MiB enough to make a read or a write cheap per message, and its share of an index nothing.
    #[must_use]
    pub const fn of(bytes: usize) -> Self {
        Self { start_bytes: bytes, head_bytes: bytes / 4, segment_bytes: bytes / 16 }
    }

    /// The share of one of so many priority levels.
    pub(super) fn share(self, levels: usize) -> Self {
        let levels = levels.max(1);
        Self {
            head_bytes: self.head_bytes / levels,
            segment_bytes: self.segment_bytes / levels.min(8),
            ..self
        }
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::UNLIMITED
    }
}
