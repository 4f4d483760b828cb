//! The prefetch that the consumers of one channel share, over all their queues: basic.qos with global = true (RabbitMQ's
//! meaning of it, <https://www.rabbitmq.com/docs/consumer-prefetch>).
//!
//! It is the one piece of state that a session and several queues look into. A queue takes credit for each message that it
//! delivers on the channel; the session gives it back when the client settles one. A queue that finds none stands in line.
//! Free credit is kept for those who wait longest, one for each, and the session tells them that it is their turn. So
//! queues take turns, however their tasks are scheduled. A queue that has no use for its turn passes it on.
//!
//! Invariant: while there is free credit and a queue in line, some queue is about to be told. Each call that may make this so returns
//! which queues to tell, or whether there is one.
//!
//! What counts is what RabbitMQ's limiter counts: deliveries that wait for an ack, and whatever else was unacked when the limit
//! was set, so also what basic.get had by then (and that credit does not come back before the limit is lifted).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::message::QueueId;

/// Unacked messages a channel may have over all of its consumers.
#[derive(Debug)]
pub struct ChannelPrefetch {
    id: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limit: usize,
    used: usize,
    /// Queues whose turn it is: credit for one message is kept for each.
    turns: Vec<QueueId>,
    /// Queues that found no credit, the one that waits longest first.
    line: VecDeque<QueueId>,
}

impl State {
    fn free(&self) -> usize {
        self.limit.saturating_sub(self.used + self.turns.len())
    }

    fn is_turn_due(&self) -> bool {
        self.free() > 0 && !self.line.is_empty()
    }

    fn next_turns(&mut self) -> Vec<QueueId> {
        let count = self.free().min(self.line.len());
        let next: Vec<QueueId> = self.line.drain(..count).collect();
        self.turns.extend(&next);
        next
    }

    /// After credit became less: queues whose kept credit is gone go back to the head of the line.
    fn revoke(&mut self) {
        while self.used + self.turns.len() > self.limit
            && let Some(queue) = self.turns.pop()
        {
            self.line.push_front(queue);
        }
    }
}

impl ChannelPrefetch {
    /// A limit of so many messages, of which `used` are unacked already. `id` is not 0 and differs from those of the channel's
    /// former limits.
    #[must_use]
    pub fn new(id: u32, limit: u16, used: usize) -> Self {
        let state = State { limit: usize::from(limit), used, ..State::default() };
        Self { id, state: Mutex::new(state) }
    }

    /// Its number among the channel's limits.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> u16 {
        u16::try_from(self.lock().limit).unwrap_or(u16::MAX)
    }

    /// Changes the limit. Returns the queues whose turn it is now.
    #[must_use]
    pub fn set(&self, limit: u16) -> Vec<QueueId> {
        let mut state = self.lock();
        state.limit = usize::from(limit);
        state.revoke();
        state.next_turns()
    }

    /// Counts deliveries that were under way when the limit was set, whatever the limit.
    pub fn count(&self, count: usize) {
        let mut state = self.lock();
        state.used += count;
        state.revoke();
    }

    /// Gives credit for settled deliveries back. Returns the queues whose turn it is now.
    #[must_use]
    pub fn give_back(&self, count: usize) -> Vec<QueueId> {
        let mut state = self.lock();
        state.used = state.used.saturating_sub(count);
        state.next_turns()
    }

    /// Returns the queues whose turn it is because another one passed its turn on.
    #[must_use]
    pub fn next_turns(&self) -> Vec<QueueId> {
        self.lock().next_turns()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No call leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue's part in a channel's prefetch.
#[derive(Clone, Debug)]
pub struct PrefetchShare {
    prefetch: Arc<ChannelPrefetch>,
    queue: QueueId,
}

impl PrefetchShare {
    /// The part of the queue with this id.
    #[must_use]
    pub const fn new(prefetch: Arc<ChannelPrefetch>, queue: QueueId) -> Self {
        Self { prefetch, queue }
    }

    pub(in crate::queue) fn id(&self) -> u32 {
        self.prefetch.id
    }

    /// Whether a message may be delivered; if not, the queue stands in line. What needs no ack waits for credit as well, but
    /// takes none.
    #[must_use]
    pub fn try_take(&self, needs_ack: bool) -> bool {
        let mut state = self.prefetch.lock();
        let turn = state.turns.iter().position(|queue| *queue == self.queue);
        if turn.is_none() && (state.free() == 0 || !state.line.is_empty()) {
            if !state.line.contains(&self.queue) {
                state.line.push_back(self.queue);
            }
            return false;
        }
        if needs_ack {
            state.used += 1;
            turn.map(|turn| state.turns.remove(turn));
        }
        true
    }

    /// Credit that was taken for messages that were not delivered after all. Whether another queue's turn is due.
    #[must_use]
    pub(in crate::queue) fn return_unused(&self, count: usize) -> bool {
        let mut state = self.prefetch.lock();
        state.used = state.used.saturating_sub(count);
        state.is_turn_due()
    }

    /// The queue has done in its turn what it could. Whether another queue's turn is due.
    #[must_use]
    pub fn end_turn(&self) -> bool {
        let mut state = self.prefetch.lock();
        state.turns.retain(|queue| *queue != self.queue);
        state.is_turn_due()
    }

    /// The queue has no consumer of the channel any more. Whether another queue's turn is due.
    #[must_use]
    pub(in crate::queue) fn leave(&self) -> bool {
        let mut state = self.prefetch.lock();
        state.turns.retain(|queue| *queue != self.queue);
        state.line.retain(|queue| *queue != self.queue);
        state.is_turn_due()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(limit: u16, used: usize) -> (Arc<ChannelPrefetch>, impl Fn(u64) -> PrefetchShare) {
        let prefetch = Arc::new(ChannelPrefetch::new(1, limit, used));
        let of = Arc::clone(&prefetch);
        (prefetch, move |queue| PrefetchShare::new(Arc::clone(&of), QueueId(queue)))
    }

    #[test]
    fn takes_up_to_the_limit() {
        let (prefetch, share) = shared(3, 1);
        let queue = share(1);
        assert!(
            queue.try_take(true) && queue.try_take(true) && !queue.try_take(true) && !queue.try_take(false)
        );
        assert_eq!(prefetch.give_back(1), [QueueId(1)]);
        assert!(queue.try_take(false) && queue.try_take(true) && !queue.try_take(true));
        assert_eq!(prefetch.set(4), [QueueId(1)]);
        assert!(queue.try_take(true) && !queue.try_take(true));
    }

    #[test]
    fn queues_take_turns_whoever_is_faster() {
        let (prefetch, share) = shared(1, 0);
        let mut taken = Vec::new();
        assert!(share(1).try_take(true) && !share(1).try_take(true) && !share(2).try_take(true));
        for _ in 0..4 {
            let told = prefetch.give_back(1);
            // All try, the others first.
            taken.extend([3, 2, 1].into_iter().filter(|queue| share(*queue).try_take(true)));
            assert_eq!(told.len(), 1);
            assert!(!share(taken[taken.len() - 1]).try_take(true));
        }
        assert_eq!(taken, [1, 2, 3, 1]);
    }

    #[test]
    fn a_turn_that_nobody_needs_is_passed_on() {
        let (prefetch, share) = shared(1, 1);
        assert!(!share(1).try_take(true) && !share(2).try_take(true) && !share(3).try_take(true));
        assert_eq!(prefetch.give_back(1), [QueueId(1)]);
        assert!(share(1).end_turn());
        assert_eq!(prefetch.next_turns(), [QueueId(2)]);
        assert!(share(2).leave());
        assert_eq!(prefetch.next_turns(), [QueueId(3)]);
        assert!(share(3).try_take(true) && !share(3).end_turn());
    }

    #[test]
    fn a_lower_limit_takes_turns_back() {
        let (prefetch, share) = shared(3, 3);
        assert!(!share(1).try_take(true) && !share(2).try_take(true));
        assert_eq!(prefetch.give_back(2), [QueueId(1), QueueId(2)]);
        assert_eq!(prefetch.set(2), []);
        assert!(!share(2).try_take(true) && share(1).try_take(true));
        assert_eq!(prefetch.give_back(1), [QueueId(2)]);
    }
}
