//! Connections that have not opened a vhost yet: how many there may be, and who has to go when another comes.
//!
//! A stranger can hold such a connection without saying a word. So they are limited, in all and for each origin, and the
//! one that has been there longest makes room for the next. A client that logs in is done in a few round trips and is never
//! among the oldest for long; one that is through is no longer in here, and nothing of this closes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::auth::Origin;

/// In all, at most; each costs some KiB.
const ALL_MAX: usize = 8192;

/// The half-open connections of a broker.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    all_max: usize,
    /// For one origin: two thirds of all, so that others find room whatever it does.
    origin_max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// Numbers go up, so the least is the oldest.
    next: u64,
    members: BTreeMap<u64, Member>,
    by_origin: HashMap<Origin, BTreeSet<u64>>,
    /// How many had to go since this was asked last.
    evicted: u64,
}

#[derive(Debug)]
struct Member {
    origin: Origin,
    evict: oneshot::Sender<()>,
}

/// A half-open connection's place; it is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    half_open: Arc<HalfOpen>,
    number: u64,
}

/// Resolves with `Ok` when the connection has to make room; with an error when it is out of danger.
pub(crate) type Eviction = oneshot::Receiver<()>;

impl HalfOpen {
    /// For a broker that can have so many connections: three quarters of them may be half-open.
    pub(crate) fn new(connections_max: usize) -> Self {
        let all_max = (connections_max / 4 * 3).clamp(1, ALL_MAX);
        Self { all_max, origin_max: (all_max / 3 * 2).max(1), table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody has to go for a newcomer from there.
    pub(crate) fn is_full_for(&self, peer: IpAddr) -> bool {
        self.table().victim(Origin::of(peer), self).is_some()
    }

    /// A place for a newcomer. Whoever has to go for it is told.
    pub(crate) fn enter(self: &Arc<Self>, peer: IpAddr) -> (Place, Eviction) {
        let origin = Origin::of(peer);
        let (evict, eviction) = oneshot::channel();
        let mut table = self.table();
        if let Some(victim) = table.victim(origin, self) {
            table.evict(victim);
        }
        let number = table.next;
        table.next += 1;
        table.members.insert(number, Member { origin, evict });
        table.by_origin.entry(origin).or_default().insert(number);
        (Place { half_open: Arc::clone(self), number }, eviction)
    }

    /// Tells the oldest one to go; `false` if there is none.
    pub(crate) fn evict_oldest(&self) -> bool {
        let mut table = self.table();
        let oldest = table.oldest();
        oldest.is_some_and(|oldest| table.evict(oldest))
    }

    /// How many had to go since the last call.
    pub(crate) fn take_evicted(&self) -> u64 {
        std::mem::take(&mut self.table().evicted)
    }
}

impl Table {
    fn oldest(&self) -> Option<u64> {
        self.members.keys().next().copied()
    }

    /// Who has to go for a newcomer from there: the oldest from there if they are too many, else the oldest of all if all are.
    fn victim(&self, origin: Origin, limits: &HalfOpen) -> Option<u64> {
        let of_origin = self.by_origin.get(&origin).filter(|numbers| numbers.len() >= limits.origin_max);
        let of_all = || self.oldest().filter(|_| self.members.len() >= limits.all_max);
        of_origin.and_then(|numbers| numbers.first().copied()).or_else(of_all)
    }

    fn evict(&mut self, number: u64) -> bool {
        let Some(member) = self.remove(number) else { return false };
        self.evicted += 1;
        // One that ended just now is as good.
        let _ = member.evict.send(());
        true
    }

    fn remove(&mut self, number: u64) -> Option<Member> {
        let member = self.members.remove(&number)?;
        if let Some(numbers) = self.by_origin.get_mut(&member.origin) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.by_origin.remove(&member.origin);
            }
        }
        Some(member)
    }
}

impl Place {
    /// The connection is logged in and has its vhost. `false`: it had to make room just before.
    pub(crate) fn leave(self) -> bool {
        self.half_open.table().remove(self.number).is_some()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.half_open.table().remove(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_evicted(eviction: &mut Eviction) -> bool {
        eviction.try_recv().is_ok()
    }

    #[test]
    fn the_oldest_of_an_origin_goes_for_the_next_of_it() {
        // 6 in all, 4 of one origin.
        let half_open = Arc::new(HalfOpen::new(8));
        let mut other = half_open.enter(address(2));
        let mut own: Vec<_> = (0..4).map(|_| half_open.enter(address(1))).collect();
        assert!(half_open.is_full_for(address(1)) && !half_open.is_full_for(address(2)));
        let _newcomer = half_open.enter(address(1));
        assert_eq!(
            own.iter_mut().map(|(_, eviction)| is_evicted(eviction)).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert!(!is_evicted(&mut other.1), "what one origin does costs no other its place");
        assert_eq!((half_open.take_evicted(), half_open.take_evicted()), (1, 0));
    }

    #[test]
    fn the_oldest_of_all_goes_when_all_are_too_many() {
        let half_open = Arc::new(HalfOpen::new(8));
        let mut all: Vec<_> = (0..6).map(|last| half_open.enter(address(last))).collect();
        assert!(half_open.is_full_for(address(9)));
        let _newcomer = half_open.enter(address(9));
        assert!(is_evicted(&mut all[0].1) && !is_evicted(&mut all[1].1));
    }

    #[test]
    fn whoever_is_through_or_gone_counts_no_more() {
        let half_open = Arc::new(HalfOpen::new(8));
        let (place, mut eviction) = half_open.enter(address(1));
        assert!(place.leave());
        assert!(matches!(eviction.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        drop(half_open.enter(address(1)));
        assert!(!half_open.evict_oldest());
        assert!(half_open.table().by_origin.is_empty());
    }

    #[test]
    fn whoever_had_to_go_is_not_let_in() {
        let half_open = Arc::new(HalfOpen::new(8));
        let (place, mut eviction) = half_open.enter(address(1));
        assert!(half_open.evict_oldest() && is_evicted(&mut eviction));
        assert!(!place.leave());
    }
}
