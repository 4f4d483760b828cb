//! What the broker keeps in memory, by kind: one ledger, which whoever keeps something enters it in.
//!
//! Figures are what the allocator was asked for where that is known, and estimates where many small things make up one
//! that is counted (a binding, a consumer). Resident memory is more than their sum: the allocator's own, code, and the
//! storage engine's tables.
//!
//! Of what clients make the broker *hold* for them alone (bodies that are not all there, transactions, answers that they do
//! not read, messages that they do not ack) each gets a part of what is left, so that nobody can use it up: with `n` clients that want all they can get, each
//! comes to `2 / (2 n + 1)` of the whole. That is how switches share their buffers among ports (Choudhury and Hahne, Dynamic
//! Queue Length Thresholds for Shared-Memory Packet Switches, 1998). Parts shrink as clients come, and what one holds already may
//! not; so when little is left, whoever holds most is sent away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What memory is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bodies of messages that are being received.
    Bodies,
    /// Messages and acks of transactions that are not committed.
    Transactions,
    /// What is to be written to sockets.
    Output,
    /// Direct replies that wait for their connection.
    Replies,
    /// Deliveries that wait for their connection.
    Inboxes,
    /// What was read from sockets and is not yet a whole frame.
    Input,
    /// What is noted about messages that clients have yet to ack, by their channels and their queues.
    Deliveries,
    /// Connections, their channels and consumers.
    Clients,
    /// Exchanges, bindings, and the names of queues.
    Definitions,
    /// Queues, with what they note about their messages, their consumers, and the keys by which they know duplicates.
    Queues,
    /// Journals: what happened lately.
    Journal,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Bodies,
        Self::Transactions,
        Self::Output,
        Self::Replies,
        Self::Inboxes,
        Self::Input,
        Self::Deliveries,
        Self::Clients,
        Self::Definitions,
        Self::Queues,
        Self::Journal,
    ];

    /// Its name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bodies => "unfinished_bodies",
            Self::Transactions => "transactions",
            Self::Output => "output_buffers",
            Self::Replies => "direct_replies",
            Self::Inboxes => "inboxes",
            Self::Input => "input_buffers",
            Self::Deliveries => "deliveries",
            Self::Clients => "clients",
            Self::Definitions => "definitions",
            Self::Queues => "queues",
            Self::Journal => "journal",
        }
    }

    /// Whether it is held for one client alone.
    const fn is_held(self) -> bool {
        matches!(
            self,
            Self::Bodies
                | Self::Transactions
                | Self::Output
                | Self::Replies
                | Self::Inboxes
                | Self::Deliveries
        )
    }
}

/// How many times what is left a client may hold.
const PART_OF_THE_REST: usize = 2;
/// What a client may hold in any case: a frame of the default size.
const PART_MIN_BYTES: usize = 128 * 1024;

/// Of the memory limit, what may be held for clients alone: the rest is for messages.
const HELD_PART: usize = 2;
/// With less than this part of what may be held left, somebody has to go.
const CROWDED_PART: usize = 8;
/// Who holds more than this part of what may be held holds much.
const MUCH_PART: usize = 16;
/// Of the memory limit, what a kind may take when memory is short: beyond, there is no more of it.
const KIND_PART: usize = 4;

/// Bytes by kind.
#[derive(Debug)]
pub struct Ledger {
    bytes: [AtomicUsize; Kind::ALL.len()],
    /// Bytes of all kinds that are held for clients.
    held: AtomicUsize,
    /// The memory limit.
    limit: usize,
    /// Whether the process is near it.
    is_short: AtomicBool,
}

impl Default for Ledger {
    /// One without a limit.
    fn default() -> Self {
        Self::new(None)
    }
}

impl Ledger {
    /// An empty ledger of a process that is to stay below so many bytes of memory. What is held for clients stays below half of
    /// that, but for [the least that each may hold](Self::part).
    #[must_use]
    pub fn new(memory_limit: Option<u64>) -> Self {
        let limit = memory_limit.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        Self { bytes: Default::default(), held: AtomicUsize::new(0), limit, is_short: AtomicBool::new(false) }
    }

    /// Notes whether the process is near its memory limit.
    pub fn set_short(&self, is_short: bool) {
        self.is_short.store(is_short, Ordering::Relaxed);
    }

    /// Whether there may be no more of a kind: memory is short, and this takes a quarter of it or more.
    #[must_use]
    pub fn refuses(&self, kind: Kind) -> bool {
        self.is_short.load(Ordering::Relaxed) && self.bytes(kind) >= self.limit / KIND_PART
    }

    /// Bytes of one kind.
    #[must_use]
    pub fn bytes(&self, kind: Kind) -> usize {
        self.place(kind).load(Ordering::Relaxed)
    }

    /// Bytes of all kinds.
    #[must_use]
    pub fn total(&self) -> usize {
        Kind::ALL.into_iter().map(|kind| self.bytes(kind)).sum()
    }

    /// How many bytes one client may make the broker hold now; at least a frame of the default size.
    #[must_use]
    pub fn part(&self) -> usize {
        if self.limit == usize::MAX {
            return usize::MAX;
        }
        let left = (self.limit / HELD_PART).saturating_sub(self.held.load(Ordering::Relaxed));
        left.saturating_mul(PART_OF_THE_REST).max(PART_MIN_BYTES)
    }

    /// Whether so little is left for those who come that [whoever holds most](Self::is_much) has to go.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        let max = self.limit / HELD_PART;
        max.saturating_sub(self.held.load(Ordering::Relaxed)) < max / CROWDED_PART
    }

    /// Whether a client that makes the broker hold so many bytes is one to be sent away rather than one that waits.
    #[must_use]
    pub const fn is_much(&self, bytes: usize) -> bool {
        bytes > self.limit / HELD_PART / MUCH_PART
    }

    fn place(&self, kind: Kind) -> &AtomicUsize {
        let [held @ .., clients, definitions, queues, journal] = &self.bytes;
        let [bodies, transactions, output, replies, inboxes, input, deliveries] = held;
        match kind {
            Kind::Bodies => bodies,
            Kind::Transactions => transactions,
            Kind::Output => output,
            Kind::Replies => replies,
            Kind::Inboxes => inboxes,
            Kind::Input => input,
            Kind::Deliveries => deliveries,
            Kind::Clients => clients,
            Kind::Definitions => definitions,
            Kind::Queues => queues,
            Kind::Journal => journal,
        }
    }

    /// What was `before` is `after` now. Wraps on the way, as many such changes at once may.
    fn change(&self, kind: Kind, before: usize, after: usize) {
        let difference = after.wrapping_sub(before);
        self.place(kind).fetch_add(difference, Ordering::Relaxed);
        if kind.is_held() {
            self.held.fetch_add(difference, Ordering::Relaxed);
        }
    }
}

/// What one keeper has in the ledger, of one kind; taken out when it is dropped.
#[derive(Debug)]
pub struct Share {
    ledger: Arc<Ledger>,
    kind: Kind,
    bytes: usize,
}

impl Share {
    /// A share of nothing yet.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, kind: Kind) -> Self {
        Self { ledger, kind, bytes: 0 }
    }

    /// Enters how many bytes it is now. Costs nothing if that is what it was.
    #[inline]
    pub fn set(&mut self, bytes: usize) {
        if bytes != self.bytes {
            self.ledger.change(self.kind, self.bytes, bytes);
            self.bytes = bytes;
        }
    }

    /// How many bytes it is.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_and_go() {
        let ledger = Arc::new(Ledger::default());
        let mut bodies = Share::new(Arc::clone(&ledger), Kind::Bodies);
        let mut queues = Share::new(Arc::clone(&ledger), Kind::Queues);
        bodies.set(100);
        bodies.set(70);
        queues.set(5);
        assert_eq!([Kind::Bodies, Kind::Queues, Kind::Output].map(|kind| ledger.bytes(kind)), [70, 5, 0]);
        assert_eq!((ledger.total(), ledger.held.load(Ordering::Relaxed)), (75, 70));
        drop(bodies);
        drop(queues);
        assert_eq!((ledger.total(), ledger.held.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn clients_that_want_all_get_equal_parts_and_never_more_than_there_is() {
        const MAX: usize = 100 << 20;
        for clients in 1..40 {
            let ledger = Arc::new(Ledger::new(Some(2 * MAX as u64)));
            let kinds = [Kind::Bodies, Kind::Transactions, Kind::Output, Kind::Replies];
            let mut shares: Vec<_> = (0..clients)
                .map(|client| Share::new(Arc::clone(&ledger), kinds[client % kinds.len()]))
                .collect();
            let mut grew = true;
            while grew {
                grew = false;
                for share in &mut shares {
                    if share.bytes() + 1000 <= ledger.part() {
                        share.set(share.bytes() + 1000);
                        grew = true;
                    }
                }
            }
            let fair = 2 * MAX / (2 * clients + 1);
            for share in &shares {
                assert!(share.bytes().abs_diff(fair) < fair / 20, "{clients}: {} of {fair}", share.bytes());
            }
            assert!(ledger.total() <= MAX, "{clients}");
        }
    }

    #[test]
    fn what_takes_a_quarter_is_refused_while_memory_is_short() {
        let ledger = Arc::new(Ledger::new(Some(400)));
        let mut clients = Share::new(Arc::clone(&ledger), Kind::Clients);
        clients.set(100);
        assert!(!ledger.refuses(Kind::Clients));
        ledger.set_short(true);
        assert_eq!([Kind::Clients, Kind::Queues].map(|kind| ledger.refuses(kind)), [true, false]);
        clients.set(99);
        assert!(!ledger.refuses(Kind::Clients));
    }

    #[test]
    fn everybody_may_hold_a_frame() {
        let ledger = Arc::new(Ledger::new(Some(0)));
        assert_eq!(ledger.part(), PART_MIN_BYTES);
        assert_eq!(Ledger::default().part(), usize::MAX);
    }
}
