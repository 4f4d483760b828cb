//! Messages that come with all that was known of them elsewhere: from a snapshot.

use super::queue::Queue;
use crate::queue::command::Restored;
use crate::queue::effects::{Effects, StoreAppend};
use crate::queue::entry::Entry;
use crate::queue::happening::{Happening, HappeningKind};

impl Queue {
    /// Takes them in as they are, whatever the queue's limits and without looking for duplicates.
    pub(super) fn take_restored(&mut self, restored: Vec<Restored>, effects: &mut Effects) {
        for message in restored {
            self.take_one_restored(message, effects);
        }
    }

    fn take_one_restored(&mut self, restored: Restored, effects: &mut Effects) {
        let Restored { message, priority, expires, redelivered, wait, attempts } = restored;
        effects.counted.published += 1;
        effects.counted.bytes_in += message.body_len() as u64;
        let position = self.next_position;
        self.next_position = position.next();
        if effects.is_recording {
            let kind = HappeningKind::Enqueued(None);
            let message = Some(message.clone());
            effects.happened.push(Happening { position: Some(position), message, ..Happening::new(kind) });
        }
        let stored = self.options.durable && message.is_persistent();
        if stored {
            let level = self.ready.level_of(priority);
            effects.appended.push(StoreAppend { position, message: message.clone(), level, expires });
        }
        if let Some(attempts) = attempts {
            effects.attempts.extend(stored.then(|| (position, attempts.clone())));
            self.attempts.insert(position, attempts);
        }
        let entry = Entry { message, position, expires, priority, redelivered, stored, bundle: 0 };
        match wait {
            Some((kind, due)) => self.set_aside(due, kind, entry),
            None if self.options.delays => self.schedule.insert(entry),
            None => self.ready.push_back(entry),
        }
    }
}
