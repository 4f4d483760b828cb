//! Where a queue's task puts together what its batch asks for.
//!
//! Only while it is at work: thousands of queues are idle, and would each keep room for it. What one queue is done with the next one on
//! the same thread takes.

use std::cell::Cell;

use crate::queue::Effects;

thread_local! {
    static SPARE: Cell<Option<Box<Effects>>> = const { Cell::new(None) };
}

/// A queue's place to put effects.
#[derive(Debug, Default)]
pub(super) struct Desk(Option<Box<Effects>>);

impl Desk {
    /// What is on it.
    #[inline]
    pub(super) fn effects(&mut self) -> &mut Effects {
        self.0.get_or_insert_with(|| SPARE.take().unwrap_or_default())
    }

    /// The batch is carried out. What is not stays for the next batch.
    pub(super) fn leave(&mut self) {
        if let Some(effects) = self.0.take() {
            if effects.is_clear() {
                SPARE.set(Some(effects));
            } else {
                self.0 = Some(effects);
            }
        }
    }
}
