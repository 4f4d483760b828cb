//! A message in a queue.

use std::sync::LazyLock;

use crate::message::{Message, Parts, Position};
use crate::time::Time;

/// What a message costs in memory besides its encoded form: its entry, with some slack of the buffer around it.
pub(super) const ENTRY_BYTES: usize = 64;

/// Stands for a message that is not in memory.
static NOTHING: LazyLock<Message> = LazyLock::new(|| Message::new(Parts::default()));

/// A message in a queue.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) message: Message,
    pub(super) position: Position,
    /// When it expires; [`Time::NEVER`] if it doesn't.
    pub(super) expires: Time,
    pub(super) priority: u8,
    pub(super) redelivered: bool,
    /// Whether the store has it, so that its end has to be recorded.
    pub(super) stored: bool,
    /// The [bundle](super::spilled) that its message was put out of memory with; 0 if it is here.
    pub(super) bundle: u32,
}

/// Whether it stands for a message that is not in memory.
pub(super) fn is_nothing(message: &Message) -> bool {
    message.identity() == NOTHING.identity()
}

impl Entry {
    /// Whether its message is in memory.
    #[inline]
    pub(super) const fn is_in_memory(&self) -> bool {
        self.bundle == 0
    }

    /// Lets go of the message; gives the entry with it.
    pub(super) fn spill(&mut self, bundle: u32) -> Self {
        let with_message = self.clone();
        self.message = NOTHING.clone();
        self.bundle = bundle;
        with_message
    }
}

/// How many entries there are of a kind, and what their bodies sum up to, kept as they come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Those whose messages are in memory.
    pub(super) in_memory: usize,
    /// Bytes of their bodies.
    pub(super) bytes: usize,
    /// Those that the store has.
    pub(super) stored: Stored,
}

/// How many messages the store has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stored {
    /// How many.
    pub(super) count: usize,
    /// Bytes of the bodies, of those whose messages are in memory.
    pub(super) bytes: usize,
}

impl Stored {
    #[inline]
    pub(super) fn add(&mut self, entry: &Entry) {
        if entry.stored {
            self.count += 1;
            self.bytes += entry.message.body_len();
        }
    }

    #[inline]
    pub(super) fn take(&mut self, entry: &Entry) {
        if entry.stored {
            self.count -= 1;
            self.bytes -= entry.message.body_len();
        }
    }
}

impl Sums {
    #[inline]
    pub(super) fn add(&mut self, entry: &Entry) {
        self.in_memory += usize::from(entry.is_in_memory());
        self.bytes += entry.message.body_len();
        self.stored.add(entry);
    }

    #[inline]
    pub(super) fn take(&mut self, entry: &Entry) {
        self.in_memory -= usize::from(entry.is_in_memory());
        self.bytes -= entry.message.body_len();
        self.stored.take(entry);
    }

    /// Of these.
    #[cfg(test)]
    pub(super) fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Self {
        let mut sums = Self::default();
        entries.for_each(|entry| sums.add(entry));
        sums
    }
}

/// What an entry costs in memory.
pub(super) const fn cost(entry: &Entry) -> usize {
    entry.message.encoded_len() + ENTRY_BYTES
}
