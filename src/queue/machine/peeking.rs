//! Looking at messages: nothing here changes the queue, and nothing is loaded.

use std::cmp::Reverse;

use super::queue::Queue;
use crate::message::Position;
use crate::queue::attempts::WaitKind;
use crate::queue::entry::Entry;
use crate::queue::merge::merge_by_key;
use crate::queue::peek::{Holder, LOOKED_THROUGH_MAX, PEEK_MAX, Peek, PeekState, Peeked, PeekedPlace};
use crate::queue::ready::ReadyMessage;
use crate::queue::reply::Reply;
use crate::queue::unacked::Unacked;
use crate::time::Time;

impl Queue {
    pub(super) fn peek(&self, Peek { state, offset, limit }: Peek) -> Reply {
        let limit = limit.min(PEEK_MAX);
        Reply::Peeked(match state {
            PeekState::Ready => self.peek_ready(offset, limit),
            PeekState::Unacked => self.peek_unacked(offset, limit),
            PeekState::Delayed => self.peek_waiting(WaitKind::Delayed, offset, limit),
            PeekState::Parked => self.peek_waiting(WaitKind::Parked, offset, limit),
            PeekState::Scheduled => self.peek_scheduled(offset, limit),
            PeekState::From(_) => Vec::new(),
            PeekState::At(position) => self.peek_at(position).into_iter().collect(),
        })
    }

    fn peek_at(&self, position: Position) -> Option<Peeked> {
        if let Some((since, unacked)) =
            self.unacked.by_age().find(|(_, unacked)| unacked.entry.position == position)
        {
            return Some(self.peeked(&unacked.entry, PeekedPlace::Unacked(self.holder(unacked, since))));
        }
        for kind in [WaitKind::Delayed, WaitKind::Parked] {
            if let Some((due, entry)) = self.waiting.of(kind).find(|(_, entry)| entry.position == position) {
                return Some(self.peeked(entry, PeekedPlace::Waiting { kind, due }));
            }
        }
        let returning = self.spilled.returning_turns().find(|(_, other, _)| *other == position);
        if let Some((level, position, bundle)) = returning {
            return self.peeked_ready(level, ReadyMessage::Returning { position, bundle });
        }
        let mut ready = self.ready.iter().take(LOOKED_THROUGH_MAX);
        let (level, seen) = ready.find(|(_, seen)| seen.position() == position)?;
        self.peeked_ready(level, seen)
    }

    /// Those that return and wait for their messages stand where they will be delivered.
    fn peek_ready(&self, offset: usize, limit: usize) -> Vec<Peeked> {
        let returning = self.spilled.returning_turns();
        let returning = returning
            .map(|(level, position, bundle)| (level, position, ReadyMessage::Returning { position, bundle }));
        let ready = self.ready.iter().map(|(level, seen)| (level, seen.position(), seen));
        let turn = |(level, position, _): &(u8, Position, ReadyMessage<'_>)| (Reverse(*level), *position);
        let all = merge_by_key(ready, returning, turn).skip(offset).take(limit);
        all.filter_map(|(level, _, seen)| self.peeked_ready(level, seen)).collect()
    }

    fn peeked_ready(&self, level: u8, seen: ReadyMessage<'_>) -> Option<Peeked> {
        match seen {
            ReadyMessage::InMemory(entry) => Some(self.peeked(entry, PeekedPlace::Ready)),
            ReadyMessage::Returning { position, bundle } => {
                let entry = self.spilled.waiting_entry(bundle, position)?;
                Some(self.peeked(entry, PeekedPlace::Ready))
            }
            ReadyMessage::PagedOut { position, redelivered, may_expire, on_disk } => Some(Peeked {
                position,
                message: None,
                on_disk: Some(on_disk),
                redelivered,
                expires: (!may_expire).then_some(Time::NEVER),
                priority: level,
                place: PeekedPlace::Ready,
                attempts: self.attempts.get(&position).cloned(),
            }),
        }
    }

    fn peek_unacked(&self, offset: usize, limit: usize) -> Vec<Peeked> {
        let held = self.unacked.by_age().skip(offset).take(limit);
        held.map(|(since, unacked)| {
            self.peeked(&unacked.entry, PeekedPlace::Unacked(self.holder(unacked, since)))
        })
        .collect()
    }

    fn holder(&self, unacked: &Unacked, since: Time) -> Holder {
        let consumer = unacked.key().and_then(|key| self.consumers.name(key)).cloned();
        Holder { connection: unacked.connection, channel: unacked.channel, consumer, since }
    }

    fn peek_waiting(&self, kind: WaitKind, offset: usize, limit: usize) -> Vec<Peeked> {
        let waiting = self.waiting.of(kind).skip(offset).take(limit);
        waiting.map(|(due, entry)| self.peeked(entry, PeekedPlace::Waiting { kind, due })).collect()
    }

    fn peek_scheduled(&self, offset: usize, limit: usize) -> Vec<Peeked> {
        let waiting = self.schedule.near().skip(offset).take(limit);
        waiting.map(|entry| self.peeked(entry, PeekedPlace::Ready)).collect()
    }

    fn peeked(&self, entry: &Entry, place: PeekedPlace) -> Peeked {
        Peeked {
            position: entry.position,
            message: entry.is_in_memory().then(|| self.as_delivered(entry)),
            on_disk: self.spilled.on_disk(entry.bundle),
            redelivered: entry.redelivered,
            expires: Some(entry.expires),
            priority: self.ready.level_of(entry.priority),
            place,
            attempts: self.attempts.get(&entry.position).cloned(),
        }
    }
}
