//! What waits in a connection's inbox: counted, in the ledger, and bounded.
//!
//! A connection that writes nothing, because its client does not read, takes in nothing either. Each of its consumers may have a
//! window's worth in the inbox; thousands of consumers would make that more than there is memory for. So all of them share a
//! window, which is larger the more memory is left for clients. A queue that finds it full stands in line and is told when half of
//! it is free.
//!
//! None waits for ever: whoever stands in line found something waiting, and looked again when it stood there. When that is taken in,
//! or taken back, the line is looked at after it; an empty inbox has room in any case.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ledger::{Kind, Ledger, Share};
use crate::message::QueueId;
use crate::queue::Inbox;

/// What may wait in any case: the least that a client may make the broker hold.
const WINDOW_MIN_BYTES: usize = 128 * 1024;
/// Of what a client may hold, what may wait here. Little, because deliveries that wait in their queues cost nothing, and others need
/// the memory; still far more than a client that reads lets wait.
const WINDOW_PART: usize = 16;
/// The ledger has it as exactly as this: most connections never have so much waiting, and cost nothing here.
const ENTRY_BYTES: usize = 64 * 1024;

/// Has the connection look at the line.
pub struct Wake(pub Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}

/// Deliveries that wait for a connection, in bytes.
#[derive(Debug)]
pub struct DeliveryInbox {
    waiting: AtomicUsize,
    /// What of it is in the ledger.
    entered: AtomicUsize,
    /// Whether queues stand in line.
    has_line: AtomicBool,
    state: Mutex<State>,
    ledger: Arc<Ledger>,
    wake: Wake,
}

#[derive(Debug)]
struct State {
    share: Share,
    /// Queues that found no room.
    line: BTreeSet<QueueId>,
    is_closed: bool,
}

impl DeliveryInbox {
    /// An empty one. Woken, its connection says that it [took](Self::took) nothing.
    #[must_use]
    pub fn new(ledger: &Arc<Ledger>, wake: Wake) -> Self {
        let share = Share::new(Arc::clone(ledger), Kind::Inboxes);
        Self {
            waiting: AtomicUsize::new(0),
            entered: AtomicUsize::new(0),
            has_line: AtomicBool::new(false),
            state: Mutex::new(State { share, line: BTreeSet::new(), is_closed: false }),
            ledger: Arc::clone(ledger),
            wake,
        }
    }

    /// Bytes that wait.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The connection took in deliveries of so many bytes. Gives the queues that stood in line, if there is room for them now: they
    /// have to be told.
    #[must_use]
    pub fn took(&self, bytes: usize) -> BTreeSet<QueueId> {
        if bytes > 0 {
            self.leave(bytes);
        }
        let has_room = || self.waiting.load(Ordering::SeqCst) <= self.window() / 2;
        if !self.has_line.load(Ordering::SeqCst) || !has_room() {
            return BTreeSet::new();
        }
        let mut state = self.lock();
        self.has_line.store(false, Ordering::SeqCst);
        std::mem::take(&mut state.line)
    }

    /// The connection takes in nothing more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.share.set(0);
    }

    fn window(&self) -> usize {
        (self.ledger.part() / WINDOW_PART).max(WINDOW_MIN_BYTES)
    }

    fn has_room_now(&self) -> bool {
        let waiting = self.waiting.load(Ordering::SeqCst);
        waiting < WINDOW_MIN_BYTES || waiting < self.window()
    }

    fn leave(&self, bytes: usize) {
        let left = self.waiting.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        let entered = self.entered.load(Ordering::Relaxed);
        if left + ENTRY_BYTES < entered || (left == 0 && entered > 0) {
            self.write_down();
        }
    }

    /// Enters in the ledger what waits now.
    #[cold]
    fn write_down(&self) {
        let mut state = self.lock();
        if !state.is_closed {
            let waiting = self.waiting.load(Ordering::SeqCst);
            self.entered.store(waiting, Ordering::Relaxed);
            state.share.set(waiting);
        }
    }

    /// What a panic left behind is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox for DeliveryInbox {
    fn has_room(&self, queue: QueueId) -> bool {
        if self.has_room_now() {
            return true;
        }
        let mut state = self.lock();
        state.line.insert(queue);
        self.has_line.store(true, Ordering::SeqCst);
        drop(state);
        // It may have been emptied meanwhile by somebody who saw no line.
        self.has_room_now()
    }

    fn enter(&self, bytes: usize) {
        let waiting = self.waiting.fetch_add(bytes, Ordering::SeqCst) + bytes;
        if waiting > self.entered.load(Ordering::Relaxed) + ENTRY_BYTES {
            self.write_down();
        }
    }

    fn take_back(&self, bytes: usize) {
        self.leave(bytes);
        if self.has_line.load(Ordering::SeqCst) {
            (self.wake.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    /// An inbox, its ledger, and how often it has woken its connection.
    fn inbox(limit: usize) -> (DeliveryInbox, Arc<Ledger>, Arc<AtomicUsize>) {
        let ledger = Arc::new(Ledger::new(Some(limit as u64)));
        let woken = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&woken);
        let wake = Wake(Box::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        }));
        (DeliveryInbox::new(&ledger, wake), ledger, woken)
    }

    /// Enters as much as there is room for, a message at a time; tells how much that was.
    fn fill(inbox: &DeliveryInbox, queue: u64) -> usize {
        let before = inbox.bytes();
        while inbox.has_room(QueueId(queue)) {
            inbox.enter(KIB);
        }
        inbox.bytes() - before
    }

    #[test]
    fn it_takes_a_small_part_of_what_is_left_for_clients() {
        let (inbox, ledger, _) = inbox(200 * MIB);
        let filled = fill(&inbox, 1);
        // An eighth of the rest.
        assert!((11 * MIB..12 * MIB).contains(&filled), "{filled}");
        assert!(ledger.bytes(Kind::Inboxes).abs_diff(filled) <= ENTRY_BYTES);
        let mut other = Share::new(Arc::clone(&ledger), Kind::Bodies);
        other.set(100 * MIB - filled);
        assert!(!inbox.has_room(QueueId(1)));
        assert_eq!(inbox.took(filled), [QueueId(1)].into());
        assert_eq!(ledger.bytes(Kind::Inboxes), 0);
        // Nothing is left, but for what may always wait.
        other.set(100 * MIB);
        assert_eq!(fill(&inbox, 1), WINDOW_MIN_BYTES);
    }

    #[test]
    fn those_in_line_are_told_once_when_half_of_it_is_free() {
        let (inbox, ..) = inbox(0);
        assert_eq!(fill(&inbox, 1), WINDOW_MIN_BYTES);
        assert!(!inbox.has_room(QueueId(2)) && !inbox.has_room(QueueId(1)));
        assert_eq!(inbox.took(WINDOW_MIN_BYTES / 2 - KIB), [].into());
        assert_eq!(inbox.took(KIB), [QueueId(1), QueueId(2)].into());
        assert_eq!(inbox.took(KIB), [].into());
    }

    #[test]
    fn what_does_not_come_after_all_makes_room_too() {
        let (inbox, _ledger, woken) = inbox(0);
        fill(&inbox, 1);
        inbox.take_back(WINDOW_MIN_BYTES);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert_eq!(inbox.took(0), [QueueId(1)].into());
    }

    #[test]
    fn one_of_a_connection_that_is_gone_is_in_no_ledger() {
        let (inbox, ledger, _) = inbox(200 * MIB);
        fill(&inbox, 1);
        inbox.close();
        inbox.enter(MIB);
        assert_eq!(ledger.bytes(Kind::Inboxes), 0);
    }
}
