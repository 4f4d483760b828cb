//! A queue's consumers: who is served next, and who has credit.
//!
//! Consumers with credit stand in a rotation, highest priority first and round-robin within a priority; the others wait
//! outside it until credit comes back, so that serving a message never looks at a consumer that can't take it.
//! Those that only their channel's prefetch keeps from a message are held in the order in which that happened, and go on in
//! that order when it is the queue's turn: so the consumers of one channel share its prefetch.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use amq_protocol::types::FieldTable;
use foldhash::HashMap;
use slab::Slab;

use super::channel_prefetch::PrefetchShare;
use crate::queue::command::Consume;
use crate::queue::delivery::Delivery;
use crate::queue::details::ConsumerDetails;
use crate::queue::ids::{ConnectionId, ConsumerKey, ConsumerName};
use crate::queue::inbox::Inflow;
use crate::queue::unacked::TimeoutId;

/// Bytes of deliveries on their way to one consumer's socket: enough to keep it busy between two wake-ups, little enough
/// that a consumer that doesn't read holds no more than this outside its queue.
pub const WINDOW_BYTES: usize = 512 * 1024;

/// Room is made for so many deliveries at once, at most.
const EXPECTED_MAX: usize = 1024;

/// Up to so many consumers are looked through one by one.
const FEW: usize = 4;

#[derive(Debug)]
pub(in crate::queue) struct Consumer {
    pub(in crate::queue) key: ConsumerKey,
    /// How many consumers came before it.
    came: u64,
    pub(in crate::queue) no_ack: bool,
    pub(in crate::queue) exclusive: bool,
    prefetch: u32,
    priority: i32,
    share: Option<PrefetchShare>,
    inflow: Inflow,
    pub(in crate::queue) timeout: TimeoutId,
    name: ConsumerName,
    arguments: Arc<FieldTable>,
    unacked: u32,
    window_used: usize,
    place: Place,
    /// Deliveries of this batch, not yet handed over.
    pending: Vec<Delivery>,
}

impl Consumer {
    fn has_own_credit(&self) -> bool {
        let prefetch_free = self.no_ack || self.prefetch == 0 || self.unacked < self.prefetch;
        prefetch_free && self.window_used < WINDOW_BYTES
    }

    fn take(&mut self, delivery: Delivery) {
        let cost = delivery.cost();
        self.window_used += cost;
        self.inflow.give(cost);
        self.unacked += u32::from(!self.no_ack);
        self.pending.push(delivery);
    }

    fn takes_shared_credit(&self) -> bool {
        self.inflow.has_room() && self.has_channel_credit()
    }

    fn has_channel_credit(&self) -> bool {
        self.share.as_ref().is_none_or(|share| share.try_take(!self.no_ack))
    }

    /// Its deliveries of this batch are handed over now.
    pub(in crate::queue) fn take_pending(&mut self) -> Vec<Delivery> {
        self.inflow.end_batch();
        std::mem::take(&mut self.pending)
    }

    /// Its deliveries of this batch are not handed over at all.
    pub(in crate::queue) fn take_pending_back(&mut self) {
        self.inflow.take_back(self.pending.iter().map(Delivery::cost).sum());
    }

    fn is_of(&self, connection: ConnectionId, channel: u16) -> bool {
        (self.key.connection, self.key.channel) == (connection, channel)
    }

    fn details(&self, is_active: bool) -> ConsumerDetails {
        ConsumerDetails {
            key: self.key,
            name: self.name.clone(),
            no_ack: self.no_ack,
            exclusive: self.exclusive,
            prefetch: self.prefetch,
            unacked: self.unacked,
            missed: 0,
            priority: self.priority,
            is_active,
            ack_timeout_ms: None,
            arguments: Arc::clone(&self.arguments),
        }
    }

    /// The id of the channel's prefetch that its deliveries count for; 0: none.
    pub(in crate::queue) fn counted_by(&self) -> u32 {
        self.share.as_ref().filter(|_| !self.no_ack).map_or(0, PrefetchShare::id)
    }
}

/// Where a consumer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the rotation.
    Rotation,
    /// Held by its channel's prefetch, or by its connection's inbox.
    Held,
    /// Outside, until it has credit of its own again or is the active one.
    Outside,
}

#[derive(Debug, Default)]
pub(in crate::queue) struct Consumers {
    slots: Slab<Consumer>,
    /// Slots of the consumers that may have credit.
    rotation: VecDeque<usize>,
    /// Slots in the order in which consumers came.
    order: BTreeMap<u64, usize>,
    /// The same, the highest priority first.
    by_priority: BTreeSet<(Reverse<i32>, u64, usize)>,
    by_key: HashMap<ConsumerKey, usize>,
    /// How many consumers ever came.
    came: u64,
    /// Slots whose consumers have pending deliveries.
    touched: Vec<usize>,
    /// How many consumers each channel has here.
    channels: HashMap<(ConnectionId, u16), u32>,
    /// How many channels have more than one, and see the order of all their deliveries (spec section 4.7).
    shared_channels: usize,
    /// Slots in the order of the pending deliveries, while there are such channels.
    given: Vec<usize>,
    /// Slots of the consumers that only their channel's prefetch or their connection's inbox holds, in the order in which that
    /// stopped them.
    held: VecDeque<usize>,
    /// Channels whose turn it is in this batch.
    turns: Vec<(ConnectionId, u16, PrefetchShare)>,
    /// Channels that have to tell another queue that it is its turn.
    passed_on: Vec<(ConnectionId, u16)>,
    single_active: Option<Takeover>,
    /// The single active consumer.
    active: Option<usize>,
}

/// The one consumer that is served, while it is.
pub(in crate::queue) struct OnlyConsumer<'a> {
    consumer: &'a mut Consumer,
    slot: usize,
    /// Whether it had no deliveries of this batch.
    had_none: bool,
    touched: &'a mut Vec<usize>,
    rotation: &'a mut VecDeque<usize>,
}

impl OnlyConsumer<'_> {
    pub(in crate::queue) const fn consumer(&self) -> &Consumer {
        self.consumer
    }

    /// There are so many messages for it.
    pub(in crate::queue) fn expect(&mut self, messages: usize) {
        self.consumer.pending.reserve(messages.min(EXPECTED_MAX));
    }

    /// Whether it can take the message that is there for it: asked only if there is one.
    #[inline]
    pub(in crate::queue) fn has_credit(&self) -> bool {
        self.consumer.has_own_credit() && self.consumer.inflow.has_room()
    }

    #[inline]
    pub(in crate::queue) fn give(&mut self, delivery: Delivery) {
        self.consumer.take(delivery);
    }

    /// It is left where it stands if it can have more.
    pub(in crate::queue) fn end(self) {
        if self.had_none && !self.consumer.pending.is_empty() {
            self.touched.push(self.slot);
        }
        if !self.consumer.has_own_credit() {
            self.consumer.place = Place::Outside;
            self.rotation.pop_front();
        }
    }
}

/// Whether a consumer with a higher priority takes over from the single active one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Takeover {
    /// Not before that one goes: RabbitMQ's classic queues.
    Never,
    /// As soon as that one has settled what it has; it gets nothing more. RabbitMQ's quorum queues from 4.0.
    WhenSettled,
}

impl Consumers {
    pub(in crate::queue) fn new(single_active: Option<Takeover>) -> Self {
        Self { single_active, ..Self::default() }
    }

    pub(in crate::queue) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::queue) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether its only consumer wants to stay that.
    pub(in crate::queue) fn any_exclusive(&self) -> bool {
        self.len() == 1 && self.slots.iter().any(|(_, consumer)| consumer.exclusive)
    }

    pub(in crate::queue) fn add(&mut self, consume: Consume, timeout: TimeoutId) {
        let (key, priority) = (consume.key, consume.priority);
        let came = self.came;
        self.came += 1;
        let slot = self.slots.insert(Consumer {
            key,
            came,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: u32::from(consume.prefetch),
            priority,
            share: consume.channel_prefetch,
            inflow: Inflow::new(consume.inbox),
            timeout,
            name: consume.name,
            arguments: consume.arguments,
            unacked: 0,
            window_used: 0,
            place: Place::Outside,
            pending: Vec::new(),
        });
        self.order.insert(came, slot);
        self.by_priority.insert((Reverse(priority), came, slot));
        self.by_key.insert(key, slot);
        self.note_channel(key);
        if self.single_active.is_some() {
            self.choose_active();
        } else {
            self.enter_rotation(slot);
        }
    }

    pub(in crate::queue) fn remove(&mut self, key: ConsumerKey) -> Option<Consumer> {
        self.remove_each(&[key]).pop()
    }

    /// Takes the consumers of a connection out, or of just one of its channels.
    pub(in crate::queue) fn remove_of(
        &mut self,
        connection: ConnectionId,
        channel: Option<u16>,
    ) -> Vec<Consumer> {
        let keys = self.keys_of(connection, channel);
        self.remove_each(&keys)
    }

    /// Takes all out, in the order in which they came.
    pub(in crate::queue) fn remove_all(&mut self) -> Vec<Consumer> {
        let keys: Vec<_> = self.keys().collect();
        self.remove_each(&keys)
    }

    /// Each list of slots is gone through once, however many consumers go.
    fn remove_each(&mut self, keys: &[ConsumerKey]) -> Vec<Consumer> {
        let removed: Vec<(usize, Consumer)> = keys.iter().filter_map(|key| self.take(*key)).collect();
        let stays = |slot: &usize| self.slots.contains(*slot);
        let was = |place| removed.iter().any(|(_, consumer)| consumer.place == place);
        if was(Place::Rotation) {
            self.rotation.retain(stays);
        }
        if was(Place::Held) {
            self.held.retain(stays);
        }
        if removed.iter().any(|(_, consumer)| !consumer.pending.is_empty()) {
            self.touched.retain(stays);
            self.given.retain(stays);
        }
        if !removed.is_empty() {
            self.choose_active();
        }
        removed.into_iter().map(|(_, consumer)| consumer).collect()
    }

    /// Takes a consumer out of all but the lists of slots.
    fn take(&mut self, key: ConsumerKey) -> Option<(usize, Consumer)> {
        let slot = self.by_key.remove(&key)?;
        let consumer = self.slots.try_remove(slot)?;
        self.order.remove(&consumer.came);
        self.by_priority.remove(&(Reverse(consumer.priority), consumer.came, slot));
        self.forget_channel(key);
        let is_last = !self.channels.contains_key(&(key.connection, key.channel));
        if is_last && consumer.share.as_ref().is_some_and(PrefetchShare::leave) {
            self.passed_on.push((key.connection, key.channel));
        }
        if self.active == Some(slot) {
            self.active = None;
        }
        Some((slot, consumer))
    }

    /// Keys of a connection's consumers, or of just one of its channels.
    fn keys_of(&self, connection: ConnectionId, channel: Option<u16>) -> Vec<ConsumerKey> {
        let wanted = |key: &ConsumerKey| {
            key.connection == connection && channel.is_none_or(|channel| channel == key.channel)
        };
        self.keys().filter(wanted).collect()
    }

    /// Keys of all consumers, in the order in which they came.
    pub(in crate::queue) fn keys(&self) -> impl Iterator<Item = ConsumerKey> {
        self.order.values().filter_map(|slot| self.slots.get(*slot)).map(|consumer| consumer.key)
    }

    /// The consumer to serve next. It has credit, and shared credit was taken for it: the message must be given to it.
    pub(in crate::queue) fn next(&mut self) -> Option<&mut Consumer> {
        while let Some(&slot) = self.rotation.front() {
            let consumer = self.slots.get_mut(slot)?;
            if consumer.has_own_credit() && consumer.takes_shared_credit() {
                return self.slots.get_mut(slot);
            }
            let is_held = consumer.has_own_credit();
            consumer.place = if is_held { Place::Held } else { Place::Outside };
            self.rotation.pop_front();
            self.held.extend(is_held.then_some(slot));
        }
        None
    }

    /// The consumer in the rotation, if there is but one and nobody else has a say in what it gets.
    pub(in crate::queue) fn only(&mut self) -> Option<OnlyConsumer<'_>> {
        let slot = *self.rotation.front().filter(|_| self.rotation.len() == 1)?;
        let consumer = self.slots.get_mut(slot)?;
        if self.shared_channels > 0 || self.single_active.is_some() || consumer.share.is_some() {
            return None;
        }
        let (touched, rotation) = (&mut self.touched, &mut self.rotation);
        Some(OnlyConsumer { slot, had_none: consumer.pending.is_empty(), consumer, touched, rotation })
    }

    /// There is no message for the consumer that [`next`](Self::next) named after all: shared credit goes back.
    pub(in crate::queue) fn not_needed(&mut self) {
        let Some(consumer) = self.rotation.front().and_then(|slot| self.slots.get(*slot)) else { return };
        if let (Some(share), false) = (&consumer.share, consumer.no_ack)
            && share.return_unused(1)
        {
            self.passed_on.push((consumer.key.connection, consumer.key.channel));
        }
    }

    /// A consumer goes whose deliveries of this batch never reached their channel: the shared credit they took goes back.
    pub(in crate::queue) fn not_delivered(&mut self, consumer: &mut Consumer) {
        consumer.take_pending_back();
        let Some(share) = &consumer.share else { return };
        let counted = consumer.pending.iter().filter(|delivery| delivery.counted_by == share.id()).count();
        if counted > 0 && share.return_unused(counted) {
            self.passed_on.push((consumer.key.connection, consumer.key.channel));
        }
    }

    /// What people know a consumer by.
    /// All consumers in the order in which they came, with the names of their timeouts.
    pub(in crate::queue) fn details(&self) -> Vec<(ConsumerDetails, TimeoutId)> {
        let is_active = |slot| self.single_active.is_none() || self.active == Some(slot);
        let all = self.order.values().filter_map(|slot| Some((*slot, self.slots.get(*slot)?)));
        all.map(|(slot, consumer)| (consumer.details(is_active(slot)), consumer.timeout)).collect()
    }

    /// Whether one may have credit.
    pub(in crate::queue) fn any_in_rotation(&self) -> bool {
        self.rotation.iter().any(|slot| self.slots.get(*slot).is_some_and(Consumer::has_own_credit))
    }

    pub(in crate::queue) fn name(&self, key: ConsumerKey) -> Option<&ConsumerName> {
        self.slot_of(key).and_then(|slot| self.slots.get(slot)).map(|consumer| &consumer.name)
    }

    /// Gives the consumer that [`next`](Self::next) named its delivery, and makes it the next one's turn.
    pub(in crate::queue) fn give(&mut self, delivery: Delivery) {
        let Some(slot) = self.rotation.pop_front() else { return };
        let Some(consumer) = self.slots.get_mut(slot) else { return };
        if consumer.pending.is_empty() {
            self.touched.push(slot);
        }
        consumer.take(delivery);
        if self.shared_channels > 0 {
            self.given.push(slot);
        }
        consumer.place = Place::Outside;
        if consumer.has_own_credit() {
            self.enter_rotation(slot);
        }
    }

    /// Hands over what the batch gave to each consumer, as one piece; to consumers of one channel in pieces, so that the
    /// channel sees the deliveries in their order.
    pub(in crate::queue) fn drain_pending(&mut self, mut hand_over: impl FnMut(ConsumerKey, Vec<Delivery>)) {
        if !self.given.is_empty() {
            return self.drain_in_order(hand_over);
        }
        for slot in std::mem::take(&mut self.touched) {
            if let Some(consumer) = self.slots.get_mut(slot) {
                hand_over(consumer.key, consumer.take_pending());
            }
        }
    }

    fn drain_in_order(&mut self, mut hand_over: impl FnMut(ConsumerKey, Vec<Delivery>)) {
        let given = std::mem::take(&mut self.given);
        let mut counts: HashMap<usize, usize> = HashMap::default();
        given.iter().for_each(|slot| *counts.entry(*slot).or_default() += 1);
        let mut pending: HashMap<usize, (ConsumerKey, std::vec::IntoIter<Delivery>)> = HashMap::default();
        for slot in std::mem::take(&mut self.touched) {
            let Some(consumer) = self.slots.get_mut(slot) else { continue };
            let mut deliveries = consumer.take_pending();
            let ordered = counts.get(&slot).copied().unwrap_or(0);
            // Those before the first consumer that shares a channel came are not in `given`.
            let after = deliveries.split_off(deliveries.len().saturating_sub(ordered));
            if !deliveries.is_empty() {
                hand_over(consumer.key, deliveries);
            }
            pending.insert(slot, (consumer.key, after.into_iter()));
        }
        for run in given.chunk_by(|one, next| one == next) {
            let Some((key, left)) = run.first().and_then(|slot| pending.get_mut(slot)) else { continue };
            hand_over(*key, left.by_ref().take(run.len()).collect());
        }
    }

    /// Whether the order of deliveries to different consumers can be seen.
    pub(in crate::queue) const fn share_channels(&self) -> bool {
        self.shared_channels > 0
    }

    fn note_channel(&mut self, key: ConsumerKey) {
        let consumers = self.channels.entry((key.connection, key.channel)).or_default();
        *consumers += 1;
        self.shared_channels += usize::from(*consumers == 2);
    }

    fn forget_channel(&mut self, key: ConsumerKey) {
        let channel = (key.connection, key.channel);
        let Some(consumers) = self.channels.get_mut(&channel) else { return };
        *consumers -= 1;
        match *consumers {
            0 => drop(self.channels.remove(&channel)),
            1 => self.shared_channels -= 1,
            _ => {}
        }
    }

    /// A consumer's delivery was written to its socket.
    pub(in crate::queue) fn written(&mut self, key: ConsumerKey, bytes: usize) {
        self.with(key, |consumer| consumer.window_used = consumer.window_used.saturating_sub(bytes));
    }

    /// So many messages that went to the consumer were settled.
    pub(in crate::queue) fn settled(&mut self, key: ConsumerKey, count: u32) {
        self.with(key, |consumer| consumer.unacked = consumer.unacked.saturating_sub(count));
        if self.single_active == Some(Takeover::WhenSettled) {
            self.choose_active();
        }
    }

    /// From now on the channel's consumers share this prefetch, or none.
    pub(in crate::queue) fn set_channel_prefetch(
        &mut self,
        connection: ConnectionId,
        channel: u16,
        share: Option<&PrefetchShare>,
    ) {
        for (_, consumer) in self.slots.iter_mut().filter(|(_, consumer)| consumer.is_of(connection, channel))
        {
            consumer.share = share.cloned();
        }
        self.turns.retain(|(of, number, _)| (*of, *number) != (connection, channel));
        self.release_held(|consumer| consumer.is_of(connection, channel));
    }

    /// It is this queue's turn to take of the channel's prefetch.
    pub(in crate::queue) fn take_turn(&mut self, connection: ConnectionId, channel: u16) {
        let mut consumers = self.slots.iter().map(|(_, consumer)| consumer);
        let of_channel = consumers.find(|consumer| consumer.is_of(connection, channel));
        // Without one the queue has left the line, and the turn with it.
        let Some(share) = of_channel.and_then(|consumer| consumer.share.clone()) else { return };
        self.turns.push((connection, channel, share));
        self.release_held(|consumer| consumer.is_of(connection, channel));
    }

    /// The connection's inbox has room again.
    pub(in crate::queue) fn inbox_has_room(&mut self, connection: ConnectionId) {
        self.release_held(|consumer| consumer.key.connection == connection);
    }

    /// Ends the batch: credit that this queue's turns did not use goes to other queues. Returns the channels that have to tell
    /// them.
    pub(in crate::queue) fn end_turns(&mut self) -> Vec<(ConnectionId, u16)> {
        for (connection, channel, share) in self.turns.drain(..) {
            if share.end_turn() {
                self.passed_on.push((connection, channel));
            }
        }
        std::mem::take(&mut self.passed_on)
    }

    fn release_held(&mut self, is_released: impl Fn(&Consumer) -> bool) {
        for slot in std::mem::take(&mut self.held) {
            let Some(consumer) = self.slots.get_mut(slot) else { continue };
            if !is_released(consumer) {
                self.held.push_back(slot);
                continue;
            }
            consumer.place = Place::Outside;
            if consumer.has_own_credit() {
                self.enter_rotation(slot);
            }
        }
    }

    /// The queue is no more: others take its place in line.
    pub(in crate::queue) fn leave_all(&mut self) {
        for (_, consumer) in &self.slots {
            if consumer.share.as_ref().is_some_and(PrefetchShare::leave) {
                self.passed_on.push((consumer.key.connection, consumer.key.channel));
            }
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
        if consumer.place == Place::Outside && consumer.has_own_credit() {
            self.enter_rotation(slot);
        }
    }

    /// A queue has few consumers, nearly always one or two: for those a look at each costs less than the map.
    fn slot_of(&self, key: ConsumerKey) -> Option<usize> {
        if self.len() > FEW {
            return self.by_key.get(&key).copied();
        }
        self.slots.iter().find(|(_, consumer)| consumer.key == key).map(|(slot, _)| slot)
    }

    fn enter_rotation(&mut self, slot: usize) {
        if self.single_active.is_some() && (self.active != Some(slot) || self.successor().is_some()) {
            return;
        }
        let Some(consumer) = self.slots.get_mut(slot) else { return };
        consumer.place = Place::Rotation;
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

    /// With a single active consumer, the one with the highest priority, then the oldest, follows one that has gone or gives
    /// way.
    fn choose_active(&mut self) {
        if self.single_active.is_none() {
            return;
        }
        if let (Some(active), Some(successor)) = (self.active, self.successor()) {
            self.rotation.retain(|slot| *slot != active);
            self.held.retain(|slot| *slot != active);
            let Some(consumer) = self.slots.get_mut(active) else { return };
            consumer.place = Place::Outside;
            if consumer.unacked == 0 {
                self.active = Some(successor);
            }
        }
        self.active = self.active.or_else(|| self.first_by_priority());
        if let Some(active) = self.active
            && self.slots.get(active).is_some_and(|c| c.place == Place::Outside && c.has_own_credit())
        {
            self.enter_rotation(active);
        }
    }

    /// Who takes over from the active consumer although that one is still there.
    fn successor(&self) -> Option<usize> {
        let first = self.first_by_priority().filter(|_| self.single_active == Some(Takeover::WhenSettled))?;
        let priority = |slot: usize| self.slots.get(slot).map(|consumer| consumer.priority);
        (priority(first) > priority(self.active?)).then_some(first)
    }

    fn first_by_priority(&self) -> Option<usize> {
        self.by_priority.first().map(|(_, _, slot)| *slot)
    }
}
