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

/// What an entry costs in memory.
pub(super) const fn cost(entry: &Entry) -> usize {
    entry.message.encoded_len() + ENTRY_BYTES
}
