//! Channels that hold unacked messages, each with the list of what it holds.

use std::collections::BTreeMap;

use slab::Slab;

use crate::queue::ids::ConnectionId;

/// No slot: the end of a list.
pub(super) const NONE: u32 = u32::MAX;
/// Channels that hold nothing are forgotten when they are most of all, and more than so many.
const IDLE_MAX: usize = 16;

/// Names a channel that holds messages, or did a moment ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HolderId(u32);

#[derive(Debug)]
struct Holder {
    connection: ConnectionId,
    channel: u16,
    first: u32,
    last: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Holders {
    all: Slab<Holder>,
    ids: BTreeMap<(ConnectionId, u16), HolderId>,
    /// How many hold something.
    busy: usize,
    /// The one that was asked for last: nearly always it is the next as well.
    latest: HolderId,
}

impl Holders {
    /// The name of a channel.
    #[inline]
    pub(super) fn id(&mut self, connection: ConnectionId, channel: u16) -> HolderId {
        match self.all.get(self.latest.0 as usize) {
            Some(latest) if (latest.connection, latest.channel) == (connection, channel) => self.latest,
            _ => self.look_up(connection, channel),
        }
    }

    fn look_up(&mut self, connection: ConnectionId, channel: u16) -> HolderId {
        let key = (connection, channel);
        if !self.ids.contains_key(&key) {
            self.forget_idle();
        }
        let all = &mut self.all;
        self.latest = *self.ids.entry(key).or_insert_with(|| {
            HolderId(all.insert(Holder { connection, channel, first: NONE, last: NONE }) as u32)
        });
        self.latest
    }

    fn forget_idle(&mut self) {
        if self.all.len() <= 2 * self.busy + IDLE_MAX {
            return;
        }
        let all = &mut self.all;
        self.ids.retain(|_, id| {
            let is_busy = all.get(id.0 as usize).is_some_and(|holder| holder.first != NONE);
            if !is_busy {
                all.try_remove(id.0 as usize);
            }
            is_busy
        });
    }

    /// Those of a connection, or just one of its channels.
    pub(super) fn of(&self, connection: ConnectionId, channel: Option<u16>) -> Vec<HolderId> {
        let (first, last) = channel.map_or((0, u16::MAX), |channel| (channel, channel));
        self.ids.range((connection, first)..=(connection, last)).map(|(_, id)| *id).collect()
    }

    /// They hold nothing, and will not.
    pub(super) fn forget(&mut self, connection: ConnectionId, channel: Option<u16>) {
        let (first, last) = channel.map_or((0, u16::MAX), |channel| (channel, channel));
        let gone = self.ids.extract_if((connection, first)..=(connection, last), |_, _| true);
        for (_, id) in gone {
            self.all.try_remove(id.0 as usize);
        }
    }

    /// The slot that it has held for longest.
    pub(super) fn first(&self, id: HolderId) -> u32 {
        self.all.get(id.0 as usize).map_or(NONE, |holder| holder.first)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.all.len(), self.ids.len());
        self.all.len()
    }

    /// Its newest slot; gives the one before.
    #[inline]
    pub(super) fn replace_last(&mut self, id: HolderId, last: u32) -> u32 {
        let Some(holder) = self.all.get_mut(id.0 as usize) else { return NONE };
        if holder.first == NONE {
            holder.first = last;
            self.busy += 1;
        }
        std::mem::replace(&mut holder.last, last)
    }

    #[inline]
    pub(super) fn set_first(&mut self, id: HolderId, first: u32) {
        let Some(holder) = self.all.get_mut(id.0 as usize) else { return };
        holder.first = first;
        self.busy -= usize::from(first == NONE);
    }

    #[inline]
    pub(super) fn set_last(&mut self, id: HolderId, last: u32) {
        if let Some(holder) = self.all.get_mut(id.0 as usize) {
            holder.last = last;
        }
    }
}
