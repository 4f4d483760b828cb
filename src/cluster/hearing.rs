//! Who has been heard of lately in the directory, by this node's own clock, and what follows from that: how much of the log is needed
//! by nobody any more, and who can be handed the lead.

use super::directory::{Member, Told};
use super::log::{Bounds, Sequence};
use crate::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// Who said something within this time is there.
const PRESENT: Duration = Duration::from_secs(3);
/// Who says that it has applied all but so many frames is caught up: what it says is half a second old or so.
const BEHIND_MAX: u64 = 2000;

/// How much of the log is kept, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// What a member has yet to put on its disk is kept for it so long after it was last heard of. After that it has to take a
    /// snapshot. A dead member would fill the log otherwise.
    pub retain: Duration,
    /// Whoever needs it, no more frames are kept than this, but for those that the leader itself needs.
    pub frames_max: u64,
    /// The same in bytes. How many frames that is follows from the mean size of those that there are.
    pub bytes_max: u64,
    /// So often the leader looks.
    pub every: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            retain: Duration::from_secs(3600),
            frames_max: 20_000,
            bytes_max: 10 << 30,
            every: Duration::from_secs(10),
        }
    }
}

impl Retention {
    /// The first frame that is within both limits.
    fn first_within(&self, bounds: Bounds) -> Sequence {
        let by_count = bounds.last.0.saturating_sub(self.frames_max);
        let frames = u128::from(bounds.last.next().0.saturating_sub(bounds.first.0));
        let over = u128::from(bounds.bytes.saturating_sub(self.bytes_max));
        let too_many = (frames * over).div_ceil(u128::from(bounds.bytes).max(1));
        let by_bytes = bounds.first.0.saturating_add(u64::try_from(too_many).unwrap_or(u64::MAX));
        Sequence(by_count.max(by_bytes))
    }
}

/// What was heard, by the names of those who said it.
#[derive(Debug, Default)]
pub(super) struct Hearing(BTreeMap<String, Heard>);

#[derive(Debug)]
struct Heard {
    told: Told,
    at: Time,
}

/// Why nobody can be handed the lead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// This node does not lead.
    #[error("this node does not lead the cluster")]
    NotLeader,
    /// Nobody else is there and has all of the log.
    #[error("no other node is there and caught up")]
    NoSuccessor,
    /// It is not known, or has not been heard of lately.
    #[error("node {0} has not been heard of lately")]
    Absent(String),
    /// It lags behind.
    #[error("node {0} lags behind")]
    Behind(String),
    /// This node has stopped leading, but the directory did not take the successor's name: whoever is first leads.
    #[error("this node leads no more, but the lease was not handed over: {0}")]
    Unwritten(String),
}

impl Hearing {
    /// Takes in what the directory says now. Who says something new is there; so is whoever was never heard of before.
    pub(super) fn hear(&mut self, now: Time, members: &[Told]) {
        for told in members {
            let is_new = |heard: &Heard| heard.told.revision != told.revision;
            if self.0.get(&told.member.name).is_none_or(is_new) {
                self.0.insert(told.member.name.clone(), Heard { told: told.clone(), at: now });
            }
        }
    }

    fn within(&self, now: Time, time: Duration) -> impl Iterator<Item = &Member> {
        let heard = self.0.values().filter(move |heard| now.since(heard.at) < time);
        heard.map(|heard| &heard.told.member)
    }

    /// The frame before which the log may be trimmed, now that it has this much and this node, which leads, has synced that much.
    pub(super) fn trim_before(
        &self,
        now: Time,
        (name, synced): (&str, Sequence),
        bounds: Bounds,
        retention: Retention,
    ) -> Option<Sequence> {
        // Before it has heard of anybody it knows nothing of others. And if it dies now, others go by what it has said of itself.
        let said = Sequence(self.0.get(name)?.told.member.synced);
        let synced = synced.min(said);
        let others = self.within(now, retention.retain).filter(|member| member.name != name);
        // Whoever needs what is gone already has to take a snapshot anyway.
        let needed =
            others.map(|member| Sequence(member.synced)).filter(|synced| synced.next() >= bounds.first);
        let needed = needed.min().unwrap_or(synced);
        let most = retention.first_within(bounds);
        // The last frame that all have stays: by that they can tell that the log is the one they know.
        let before = needed.max(most).min(synced);
        (before > bounds.first).then_some(before)
    }

    /// Who is to lead after this node, which has applied that much: whoever is asked for, or else of those who are there and caught up
    /// the one of the lowest rank, those whose disk is short of space last.
    pub(super) fn successor(
        &self,
        now: Time,
        (name, applied): (&str, Sequence),
        wanted: Option<&str>,
    ) -> Result<String, HandOverError> {
        let is_caught_up = |member: &&Member| member.applied + BEHIND_MAX >= applied.0;
        let present = || self.within(now, PRESENT).filter(|member| member.name != name);
        match wanted {
            Some(wanted) => {
                let member = present().find(|member| member.name == wanted);
                let member = member.ok_or_else(|| HandOverError::Absent(wanted.to_owned()))?;
                is_caught_up(&member)
                    .then(|| member.name.clone())
                    .ok_or(HandOverError::Behind(wanted.to_owned()))
            }
            None => {
                let best = present()
                    .filter(is_caught_up)
                    .min_by_key(|member| (member.is_short_of_disk, member.rank));
                best.map(|member| member.name.clone()).ok_or(HandOverError::NoSuccessor)
            }
        }
    }

    /// The same, but only who has room on the disk.
    pub(super) fn successor_with_room(&self, now: Time, own: (&str, Sequence)) -> Option<String> {
        let best = self.successor(now, own, None).ok()?;
        self.0.get(&best).filter(|heard| !heard.told.member.is_short_of_disk).map(|_| best)
    }

    /// Who may have a snapshot of which the rest is in a log that begins there: those that are there, those who do not lead first.
    pub(super) fn sources(&self, now: Time, name: &str, first: Sequence) -> Vec<Member> {
        let present = self.within(now, PRESENT).filter(|member| member.name != name);
        let mut sources: Vec<_> = present
            .filter(|member| member.applied > 0 && Sequence(member.applied).next() >= first)
            .cloned()
            .collect();
        sources.sort_by_key(|member| (member.is_leader, member.rank));
        sources
    }
}
