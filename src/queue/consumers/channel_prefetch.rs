//! The limit that consumers of one channel share: basic.qos with global = true (RabbitMQ's meaning of it).
//!
//! It is the one piece of state that several queues look into, so it is made of atomics; whoever settles messages gives
//! the credit back and then sends [`Command::ChannelPrefetch`](crate::queue::Command::ChannelPrefetch) to the queues concerned.

use std::sync::atomic::{AtomicU32, Ordering};

/// Unacked messages a channel may have over all of its consumers.
#[derive(Debug, Default)]
pub struct ChannelPrefetch {
    limit: AtomicU32,
    used: AtomicU32,
}

impl ChannelPrefetch {
    /// Sets the limit; 0: none.
    pub fn set(&self, limit: u16) {
        self.limit.store(u32::from(limit), Ordering::Relaxed);
    }

    /// The limit; 0: none.
    #[must_use]
    pub fn limit(&self) -> u16 {
        u16::try_from(self.limit.load(Ordering::Relaxed)).unwrap_or(u16::MAX)
    }

    /// Takes credit for one message, if there is any.
    #[must_use]
    pub fn try_take(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let take = |used: u32| (limit == 0 || used < limit).then_some(used.saturating_add(1));
        self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, take).is_ok()
    }

    /// Gives back credit for `count` messages.
    pub fn give_back(&self, count: u32) {
        let give = |used: u32| Some(used.saturating_sub(count));
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Relaxed, give);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_up_to_the_limit() {
        let limit = ChannelPrefetch::default();
        limit.set(2);
        assert!(limit.try_take() && limit.try_take() && !limit.try_take());
        limit.give_back(1);
        assert!(limit.try_take() && !limit.try_take());
        limit.set(0);
        assert!(limit.try_take());
    }
}
