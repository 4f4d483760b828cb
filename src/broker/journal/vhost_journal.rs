//! The journal that queues and connections write to, and others read and follow.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::event::Event;
use super::filter::Filter;
use super::recording::Recordings;
use super::ring::Ring;
use super::run::Run;
use crate::ledger::{Kind, Ledger, Share};

/// Events that are looked at before others get at the ring in between: a tenth of a millisecond.
const LOOKED_AT_MAX: usize = 2000;

/// How much a journal keeps; 0 of either turns it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalLimits {
    /// Events.
    pub events: usize,
    /// Bytes of memory.
    pub bytes: usize,
}

/// The journal of a virtual host.
#[derive(Debug)]
pub struct Journal {
    kept: Mutex<Kept>,
    is_on: bool,
    last: watch::Sender<u64>,
    recordings: Recordings,
}

#[derive(Debug)]
struct Kept {
    ring: Ring,
    share: Share,
}

/// Some of the events, oldest first.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The events.
    pub events: Vec<Event>,
    /// How many events between the number that was asked for and the first one that is there had to make room.
    pub lost: u64,
    /// The number of the last event that was looked at: where to go on. It may be beyond the last of `events`.
    pub last: u64,
}

impl Journal {
    /// An empty journal, whose memory is entered in the ledger.
    #[must_use]
    pub fn new(limits: JournalLimits, ledger: &Arc<Ledger>) -> Self {
        let JournalLimits { events, bytes } = limits;
        let share = Share::new(Arc::clone(ledger), Kind::Journal);
        let kept = Mutex::new(Kept { ring: Ring::new(events, bytes), share });
        Self {
            kept,
            is_on: events > 0 && bytes > 0,
            last: watch::Sender::default(),
            recordings: Recordings::default(),
        }
    }

    /// Whether it keeps anything. If not, nobody need make events for it.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// What is recorded beside failures.
    #[must_use]
    pub const fn recordings(&self) -> &Recordings {
        &self.recordings
    }

    /// Adds events, in order, under one lock.
    pub(crate) fn note(&self, events: impl IntoIterator<Item = Event>) {
        self.note_runs(events.into_iter().map(Run::from));
    }

    /// The same with runs of events.
    pub(super) fn note_runs(&self, runs: impl IntoIterator<Item = Run>) {
        if !self.is_on {
            return;
        }
        let mut kept = self.kept();
        let before = kept.ring.last();
        runs.into_iter().for_each(|run| kept.ring.push(run));
        let (bytes, last) = (kept.ring.bytes(), kept.ring.last());
        kept.share.set(bytes);
        drop(kept);
        if last > before {
            // Others may have been here in between: it only grows.
            self.last.send_if_modified(|known| {
                let is_newer = *known < last;
                *known = last.max(*known);
                is_newer
            });
        }
    }

    /// The events with a higher number than this that the filter admits, the oldest `limit` of them.
    #[must_use]
    pub fn after(&self, number: u64, filter: &Filter, limit: usize) -> Slice {
        let first = self.kept().ring.first();
        let lost = first.saturating_sub(number + 1);
        let mut slice = Slice { events: Vec::new(), lost, last: number };
        while slice.events.len() < limit && self.look(&mut slice, filter, limit) {}
        slice
    }

    /// Looks at some more events; whether there may be others.
    fn look(&self, slice: &mut Slice, filter: &Filter, limit: usize) -> bool {
        let mut looked_at = 0;
        let looked = self.kept().ring.each_after(slice.last, |event| {
            if looked_at == LOOKED_AT_MAX || slice.events.len() == limit {
                return ControlFlow::Break(());
            }
            looked_at += 1;
            slice.last = event.number;
            if filter.admits(event) {
                slice.events.push(event.clone());
            }
            ControlFlow::Continue(())
        });
        looked.is_break()
    }

    /// Shows all events, oldest first. Others get at the ring in between.
    pub fn each(&self, mut see: impl FnMut(&Event)) {
        let mut last = 0;
        loop {
            let mut looked_at = 0;
            let looked = self.kept().ring.each_after(last, |event| {
                if looked_at == LOOKED_AT_MAX {
                    return ControlFlow::Break(());
                }
                looked_at += 1;
                last = event.number;
                see(event);
                ControlFlow::Continue(())
            });
            if looked.is_continue() {
                return;
            }
        }
    }

    /// How many events had to make room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.kept().ring.first() - 1
    }

    /// The number of the newest event; 0: there was none yet.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.kept().ring.last()
    }

    /// Tells of each change of [`last`](Self::last).
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// What a panic left behind is as good as any: each event is whole.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::event::EventKind;
    use crate::time::Timestamp;

    fn journal(events: usize) -> (Journal, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        (Journal::new(JournalLimits { events, bytes: 1 << 20 }, &ledger), ledger)
    }

    fn events(count: usize, kind: EventKind) -> impl Iterator<Item = Event> {
        std::iter::repeat_n(Event::new(Timestamp::default(), kind), count)
    }

    fn numbers(slice: &Slice) -> Vec<u64> {
        slice.events.iter().map(|event| event.number).collect()
    }

    #[test]
    fn it_is_read_in_pieces_and_says_what_is_lost() {
        let (journal, _) = journal(5);
        journal.note(events(3, EventKind::Dropped));
        journal.note(events(5, EventKind::Parked));
        let slice = journal.after(0, &Filter::default(), 2);
        assert_eq!((numbers(&slice), slice.lost, slice.last), (vec![4, 5], 3, 5));
        let slice = journal.after(slice.last, &Filter::default(), 10);
        assert_eq!((numbers(&slice), slice.lost, slice.last), (vec![6, 7, 8], 0, 8));
        let slice = journal.after(8, &Filter::default(), 10);
        assert_eq!((numbers(&slice), slice.lost, slice.last), (vec![], 0, 8));
    }

    #[test]
    fn a_filter_looks_through_all_of_it() {
        let (journal, _) = journal(usize::MAX);
        journal.note(events(LOOKED_AT_MAX + 10, EventKind::Dropped));
        journal.note(events(1, EventKind::Parked));
        journal.note(events(10, EventKind::Dropped));
        let filter = Filter { kinds: vec![EventKind::Parked], ..Filter::default() };
        let slice = journal.after(0, &filter, 10);
        assert_eq!(numbers(&slice), [LOOKED_AT_MAX as u64 + 11]);
        assert_eq!(slice.last, journal.last());
    }

    #[test]
    fn followers_hear_of_events_and_the_ledger_of_bytes() {
        let (journal, ledger) = journal(100);
        let mut follower = journal.follow();
        assert!(!follower.has_changed().unwrap());
        journal.note(events(0, EventKind::Dropped));
        assert!(!follower.has_changed().unwrap());
        journal.note(events(2, EventKind::Dropped));
        assert_eq!(*follower.borrow_and_update(), 2);
        assert_eq!(ledger.bytes(Kind::Journal), 2 * size_of::<Event>());
        drop(journal);
        assert_eq!(ledger.bytes(Kind::Journal), 0);
    }

    #[test]
    fn one_without_room_keeps_nothing() {
        let (journal, ledger) = journal(0);
        journal.note(events(2, EventKind::Dropped));
        assert!(!journal.is_on());
        assert_eq!((journal.last(), ledger.total()), (0, 0));
    }
}
