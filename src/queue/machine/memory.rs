//! What of the queue is in memory, and what comes back to it.

use super::queue::Queue;
use crate::queue::command::LoadedMessage;
use crate::queue::effects::Effects;
use crate::queue::entry::Entry;
use crate::queue::options::Overflow;
use crate::queue::spilled::Destination;
use crate::time::Time;

impl Queue {
    /// Puts out of memory what is too much, and asks for what will be needed.
    pub(super) fn keep_window(&mut self, effects: &mut Effects) {
        let spilled = &self.spilled;
        self.ready.page_out(&|after, before| spilled.any_between(after, before), &mut effects.pages);
        if !self.ready.has_segments() || self.unreadable.is_some() {
            return;
        }
        let limited = self.options.overflow == Overflow::DropHead && !self.options.is_unlimited();
        let prefetch = limited || !self.consumers.is_empty() || self.deferred.any_get();
        if prefetch || self.ready.may_expire_unseen() {
            self.ready.load(prefetch, &mut effects.loads);
        }
    }

    /// Puts unacked messages, and those that wait for another attempt, out of memory if they are too many there, and asks for
    /// what is wanted.
    pub(super) fn keep_other_windows(&mut self, now: Time, effects: &mut Effects) {
        let window = self.options.window;
        while let Some(entries) = self.unacked.page_out(now, &window, self.spilled.next_bundle()) {
            self.spilled.add(entries, effects);
        }
        while let Some(entries) = self.waiting.page_out(&window, self.spilled.next_bundle()) {
            self.spilled.add(entries, effects);
        }
        if self.unreadable.is_none() {
            effects.loads.extend(self.spilled.ask());
        }
    }

    /// Messages came back to memory.
    pub(super) fn loaded(&mut self, id: u64, messages: Vec<LoadedMessage>, effects: &mut Effects) {
        let durable = self.options.durable;
        let entries = messages.into_iter().map(|restored| Entry {
            // As when it came in.
            stored: durable && restored.message.is_persistent(),
            message: restored.message,
            position: restored.position,
            expires: restored.expires,
            priority: restored.level,
            redelivered: false,
            bundle: 0,
        });
        let entries = entries.collect();
        effects.missing += if self.options.delays {
            self.schedule.loaded(id, entries)
        } else {
            self.ready.loaded(id, entries)
        };
    }

    /// Messages of a bundle came: those that waited for them go on.
    pub(super) fn bundle_loaded(&mut self, now: Time, messages: Vec<LoadedMessage>, effects: &mut Effects) {
        // After an end nobody waits for it.
        let Some(waiting) = self.spilled.take_loading() else { return };
        for (mut entry, destination) in waiting {
            let found = messages.binary_search_by_key(&entry.position, |restored| restored.position);
            let Some(restored) = found.ok().and_then(|at| messages.get(at)) else {
                effects.missing += 1;
                continue;
            };
            self.forget_spilled(&entry, effects);
            entry.message = restored.message.clone();
            entry.bundle = 0;
            match destination {
                Destination::Ready => {
                    let level = self.ready.level_of(entry.priority);
                    self.spilled.returned(level, entry.position);
                    self.ready.put_back(entry);
                }
                Destination::Dead(dead) => self.bury(entry, *dead, effects),
            }
        }
        self.drop_overflow(now, effects);
    }

    /// The message of this entry is not needed any more.
    #[inline]
    pub(super) fn forget_spilled(&mut self, entry: &Entry, effects: &mut Effects) {
        if !entry.is_in_memory() {
            effects.pages_forgotten.extend(self.spilled.release(entry.bundle));
        }
    }
}
