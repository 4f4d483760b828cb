//! What became of each message of a flow.

use std::sync::{Mutex, MutexGuard};

/// Messages by their number.
#[derive(Default)]
pub struct Ledger {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    messages: Vec<Message>,
    confirmed: u64,
    done: u64,
    repeated: u64,
    /// Came again to whom it had been done with, not marked as redelivered, though the broker had not died: numbers, a few of them.
    twice: Vec<u64>,
}

/// In each place a message may come to its end.
const PLACES: usize = 3;

/// Whether it is confirmed, and in which of the broker's lives, from 1, it last came to its end in each place.
#[derive(Clone, Copy, Default)]
struct Message {
    is_confirmed: bool,
    ends: [u16; PLACES],
}

/// How many faulty numbers are kept to be shown.
const SHOWN: usize = 10;

impl Ledger {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics with it")
    }

    /// The number of a new message.
    pub fn issue(&self) -> u64 {
        let mut inner = self.inner();
        inner.messages.push(Message::default());
        inner.messages.len() as u64 - 1
    }

    /// The broker has it.
    pub fn confirm(&self, number: u64) {
        let mut inner = self.inner();
        let message = &mut inner.messages[number as usize];
        let is_new = !std::mem::replace(&mut message.is_confirmed, true);
        inner.confirmed += u64::from(is_new);
    }

    /// A consumer in this place, from 0 on, is done with it. `is_marked`: it came as redelivered, or may come again without.
    pub fn done(&self, number: u64, place: u8, life: u64, is_marked: bool) {
        let mut inner = self.inner();
        let life = life as u16;
        let message = &mut inner.messages[number as usize];
        let before = std::mem::replace(&mut message.ends[usize::from(place)], life);
        if before == 0 {
            inner.done += 1;
            return;
        }
        inner.repeated += 1;
        if !is_marked && before == life && inner.twice.len() < SHOWN {
            inner.twice.push(number);
        }
    }

    /// Confirmed messages that have not come to each of so many places: a few of their numbers, and how many there are.
    pub fn missing(&self, places: u8) -> (Vec<u64>, u64) {
        let inner = self.inner();
        let numbers = (0_u64..).zip(&inner.messages);
        let missing = numbers
            .filter(|(_, message)| message.is_confirmed && message.ends[..usize::from(places)].contains(&0));
        let mut count = 0;
        let mut shown = Vec::new();
        for (number, _) in missing {
            count += 1;
            if shown.len() < SHOWN {
                shown.push(number);
            }
        }
        (shown, count)
    }

    /// How many were confirmed, done with (once for each place), and done with again.
    pub fn counts(&self) -> (u64, u64, u64) {
        let inner = self.inner();
        (inner.confirmed, inner.done, inner.repeated)
    }

    /// Those that came twice and should not.
    pub fn twice(&self) -> Vec<u64> {
        self.inner().twice.clone()
    }
}
