//! A queue's consumers: who is served next, and who has credit.
//!
//! Consumers with credit stand in a rotation, highest priority first and round-robin within a priority; the others wait
//! outside it until credit comes back, so that serving a message never looks at a consumer that can't take it.

use std::collections::VecDeque;
use std::sync::Arc;

use slab::Slab;

use super::channel_prefetch::ChannelPrefetch;
use crate::queue::command::{Consume, ConsumerName};
use crate::queue::delivery::Delivery;
use crate::queue::ids::{ConnectionId, ConsumerKey};
use crate::queue::unacked::TimeoutId;

/// Bytes of deliveries on their way to one consumer's socket: enough to keep it busy between two wake-ups, little enough
/// that a consumer that doesn't read holds no more than this outside its queue.
pub const WINDOW_BYTES: usize = 512 * 1024;

#[derive(Debug)]
pub(in crate::queue) struct Consumer {
    pub(in crate::queue) key: ConsumerKey,
    pub(in crate::queue) no_ack: bool,
    pub(in crate::queue) exclusive: bool,
    prefetch: u32,
    priority: i32,
    limit: Option<Arc<ChannelPrefetch>>,
    pub(in crate::queue) timeout: TimeoutId,
    name: ConsumerName,
    unacked: u32,
    window_used: usize,
    in_rotation: bool,
    /// Deliveries of this batch, not yet handed over.
    pub(in crate::queue) pending: Vec<Delivery>,
}

impl Consumer {
    fn has_own_credit(&self) -> bool {
        let prefetch_free = self.no_ack || self.prefetch == 0 || self.unacked < self.prefetch;
        prefetch_free && self.window_used < WINDOW_BYTES
    }

    fn takes_shared_credit(&self) -> bool {
        self.no_ack || self.limit.as_ref().is_none_or(|limit| limit.try_take())
    }
}

#[derive(Debug, Default)]
pub(in crate::queue) struct Consumers {
    slots: Slab<Consumer>,
    /// Slots of the consumers that may have credit.
    rotation: VecDeque<usize>,
    /// Slots in the order in which consumers came: with a single active consumer the first is the active one.
    order: Vec<usize>,
    /// Slots whose consumers have pending deliveries.
    touched: Vec<usize>,
    single_active: bool,
}

impl Consumers {
    pub(in crate::queue) fn new(single_active: bool) -> Self {
        Self { single_active, ..Self::default() }
    }

    pub(in crate::queue) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::queue) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(in crate::queue) fn any_exclusive(&self) -> bool {
        self.slots.iter().any(|(_, consumer)| consumer.exclusive)
    }

    pub(in crate::queue) fn add(&mut self, consume: Consume, timeout: TimeoutId) {
        let slot = self.slots.insert(Consumer {
            key: consume.key,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: u32::from(consume.prefetch),
            priority: consume.priority,
            limit: consume.limit,
            timeout,
            name: consume.name,
            unacked: 0,
            window_used: 0,
            in_rotation: false,
            pending: Vec::new(),
        });
        self.order.push(slot);
        self.enter_rotation(slot);
    }

    pub(in crate::queue) fn remove(&mut self, key: ConsumerKey) -> Option<Consumer> {
        let slot = self.slot_of(key)?;
        self.rotation.retain(|other| *other != slot);
        self.order.retain(|other| *other != slot);
        self.touched.retain(|other| *other != slot);
        let removed = self.slots.try_remove(slot);
        self.activate_first();
        removed
    }

    /// Keys of a connection's consumers, or of just one of its channels.
    pub(in crate::queue) fn keys_of(
        &self,
        connection: ConnectionId,
        channel: Option<u16>,
    ) -> Vec<ConsumerKey> {
        let wanted = |key: &ConsumerKey| {
            key.connection == connection && channel.is_none_or(|channel| channel == key.channel)
        };
        self.keys().filter(wanted).collect()
    }

    /// Keys of all consumers, in the order in which they came.
    pub(in crate::queue) fn keys(&self) -> impl Iterator<Item = ConsumerKey> {
        self.order.iter().filter_map(|slot| self.slots.get(*slot)).map(|consumer| consumer.key)
    }

    /// The consumer to serve next. It has credit, and shared credit was taken for it: the message must be given to it.
    pub(in crate::queue) fn next(&mut self) -> Option<&mut Consumer> {
        while let Some(&slot) = self.rotation.front() {
            let consumer = self.slots.get_mut(slot)?;
            if consumer.has_own_credit() && consumer.takes_shared_credit() {
                return self.slots.get_mut(slot);
            }
            consumer.in_rotation = false;
            self.rotation.pop_front();
        }
        None
    }

    /// There is no message for the consumer that [`next`](Self::next) named after all: shared credit goes back.
    pub(in crate::queue) fn not_needed(&mut self) {
        let Some(consumer) = self.rotation.front().and_then(|slot| self.slots.get(*slot)) else { return };
        if let (Some(limit), false) = (&consumer.limit, consumer.no_ack) {
            limit.give_back(1);
        }
    }

    /// What people know a consumer by.
    pub(in crate::queue) fn name(&self, key: ConsumerKey) -> Option<&ConsumerName> {
        self.slot_of(key).and_then(|slot| self.slots.get(slot)).map(|consumer| &consumer.name)
    }

    /// Gives the consumer that [`next`](Self::next) named its delivery, and makes it the next one's turn.
    pub(in crate::queue) fn give(&mut self, delivery: Delivery) {
        let Some(slot) = self.rotation.pop_front() else { return };
        let Some(consumer) = self.slots.get_mut(slot) else { return };
        consumer.window_used += delivery.cost();
        consumer.unacked += u32::from(!consumer.no_ack);
        if consumer.pending.is_empty() {
            self.touched.push(slot);
        }
        consumer.pending.push(delivery);
        consumer.in_rotation = false;
        if consumer.has_own_credit() {
            self.enter_rotation(slot);
        }
    }

    /// Hands over what the batch gave to each consumer.
    pub(in crate::queue) fn drain_pending(&mut self, mut hand_over: impl FnMut(ConsumerKey, Vec<Delivery>)) {
        for slot in std::mem::take(&mut self.touched) {
            if let Some(consumer) = self.slots.get_mut(slot) {
                hand_over(consumer.key, std::mem::take(&mut consumer.pending));
            }
        }
    }

    /// A consumer's delivery was written to its socket.
    pub(in crate::queue) fn written(&mut self, key: ConsumerKey, bytes: usize) {
        self.with(key, |consumer| consumer.window_used = consumer.window_used.saturating_sub(bytes));
    }

    /// A message that went to the consumer was settled.
    pub(in crate::queue) fn settled(&mut self, key: ConsumerKey) {
        self.with(key, |consumer| consumer.unacked = consumer.unacked.saturating_sub(1));
    }

    /// A channel's consumers share a limit, and it has room.
    pub(in crate::queue) fn limit(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        limit: &Arc<ChannelPrefetch>,
    ) {
        for key in self.keys_of(connection, Some(channel)) {
            self.with(key, |consumer| consumer.limit = Some(Arc::clone(limit)));
        }
    }

    #[cfg(test)]
    pub(in crate::queue) fn within_prefetch(&self) -> bool {
        self.slots.iter().all(|(_, c)| c.no_ack || c.prefetch == 0 || c.unacked <= c.prefetch)
    }

    fn with(&mut self, key: ConsumerKey, change: impl FnOnce(&mut Consumer)) {
        let Some(slot) = self.slot_of(key) else { return };
        let Some(consumer) = self.slots.get_mut(slot) else { return };
        change(consumer);
        if !consumer.in_rotation && consumer.has_own_credit() {
            self.enter_rotation(slot);
        }
    }

    /// A queue has few consumers, nearly always one or two; a map would cost more than this look.
    fn slot_of(&self, key: ConsumerKey) -> Option<usize> {
        self.order.iter().copied().find(|slot| self.slots.get(*slot).is_some_and(|c| c.key == key))
    }

    fn enter_rotation(&mut self, slot: usize) {
        if self.single_active && self.order.first() != Some(&slot) {
            return;
        }
        let Some(consumer) = self.slots.get_mut(slot) else { return };
        consumer.in_rotation = true;
        let priority = consumer.priority;
        let behind = |other: &usize| self.slots.get(*other).is_some_and(|other| other.priority >= priority);
        // Nearly always all priorities are the same, and the place is the end.
        match self.rotation.back() {
            Some(last) if !behind(last) => {
                let at = self.rotation.partition_point(behind);
                self.rotation.insert(at, slot);
            }
            _ => self.rotation.push_back(slot),
        }
    }

    /// With a single active consumer, the next in line takes over when the first has gone.
    fn activate_first(&mut self) {
        if let (true, Some(&first)) = (self.single_active, self.order.first())
            && self.slots.get(first).is_some_and(|consumer| !consumer.in_rotation)
        {
            self.enter_rotation(first);
        }
    }
}
