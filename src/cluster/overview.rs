//! The cluster as a node sees it: for the management API, the metrics and the command line.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::directory::{Member, Told};
use super::status::{Role, Status};
use crate::broker::Clock;
use crate::broker::cluster_view::{
    ClusterMetric, ClusterNode, ClusterStatus, ClusterView, MoveError, Moving, ShardStatus,
};
use crate::config::ClusterSettings;
use crate::time::Time;

/// A node that has said nothing for so long is silent.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// A node is caught up if it has what the farthest had so long ago: what they say of themselves is that old, too.
const BEHIND_MAX: Duration = Duration::from_secs(2);

/// What makes a node hand over.
pub type HandOver = Arc<dyn Fn(Option<String>) -> Moving + Send + Sync>;

/// What is the same for as long as the process runs.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) cluster: String,
    pub(super) node: String,
    pub(super) log: Vec<String>,
    pub(super) is_log_unsafe: bool,
    /// Which shard it is about.
    pub(super) shard: u16,
}

impl Identity {
    pub(super) fn of(settings: &ClusterSettings, shard: u16) -> Self {
        let ClusterSettings { name, node, log, is_log_unsafe, .. } = settings.clone();
        Self { cluster: name, node, log, is_log_unsafe, shard }
    }
}

/// Follows the directory.
pub struct Overview {
    identity: Identity,
    clock: Clock,
    heard: Mutex<Heard>,
    /// What the node is, and what makes it hand over, when it is there.
    node: OnceLock<(watch::Receiver<Status>, HandOver)>,
    stop: Arc<Notify>,
    /// Whether the node has stopped in this shard, and runs in others.
    is_stopped: AtomicBool,
    /// Of the data shards, if this is the meta shard.
    others: OnceLock<Vec<Arc<Overview>>>,
}

#[derive(Debug, Default)]
pub(super) struct Heard {
    nodes: BTreeMap<String, (Told, Time)>,
    /// How far the farthest was, and when that was heard; the newest last.
    farthest: VecDeque<(Time, u64)>,
}

impl Heard {
    pub(super) fn hear(&mut self, now: Time, members: &[Told]) {
        self.nodes.retain(|name, _| members.iter().any(|told| told.member.name == *name));
        for told in members {
            let known =
                self.nodes.get(&told.member.name).filter(|(known, _)| known.revision == told.revision);
            if known.is_none() {
                self.nodes.insert(told.member.name.clone(), (told.clone(), now));
            }
        }
        self.farthest.push_back((now, self.last()));
        while self.farthest.get(1).is_some_and(|(at, _)| now.since(*at) >= BEHIND_MAX) {
            self.farthest.pop_front();
        }
    }

    fn last(&self) -> u64 {
        self.nodes.values().map(|(told, _)| told.member.applied).max().unwrap_or(0)
    }

    fn node(&self, now: Time, told: &Told, heard: Time) -> ClusterNode {
        let Member { name, rank, peer, is_leader, term, applied, synced, version, .. } = told.member.clone();
        let is_silent = now.since(heard) >= SILENT_AFTER;
        let needed = self.farthest.front().map_or(0, |(_, applied)| *applied);
        let role = match (is_silent, is_leader) {
            (true, _) => "silent",
            (false, true) => "leader",
            (false, false) => "standby",
        };
        let (lag, is_caught_up) = (self.last().saturating_sub(applied), !is_silent && applied >= needed);
        ClusterNode { name, role, rank, address: peer, term, applied, synced, lag, is_caught_up, version }
    }

    pub(super) fn nodes(&self, now: Time) -> Vec<ClusterNode> {
        self.nodes.values().map(|(told, heard)| self.node(now, told, *heard)).collect()
    }
}

impl std::fmt::Debug for Overview {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overview").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Overview {
    /// `stop` is notified when somebody asks for the process to be stopped.
    pub(super) fn new(identity: Identity, clock: Clock, stop: Arc<Notify>) -> Self {
        let (heard, node, others) = (Mutex::default(), OnceLock::new(), OnceLock::new());
        Self { identity, clock, heard, node, stop, is_stopped: AtomicBool::new(false), others }
    }

    /// The node has stopped in this shard.
    pub(super) fn stopped(&self) {
        self.is_stopped.store(true, Relaxed);
    }

    /// Is told of the data shards, once.
    pub(super) fn attach_shards(&self, others: Vec<Arc<Self>>) {
        drop(self.others.set(others));
    }

    fn others(&self) -> &[Arc<Self>] {
        self.others.get().map(Vec::as_slice).unwrap_or_default()
    }

    fn shard_status(&self) -> ShardStatus {
        let ClusterStatus { leader, term, nodes, .. } = self.status();
        ShardStatus { shard: self.identity.shard, leader, term, nodes }
    }

    /// What is watched of the node, in each shard.
    pub(super) fn metrics(&self) -> Vec<(u16, Vec<ClusterMetric>)> {
        let of = |overview: &Self| (overview.identity.shard, overview.status().metrics().to_vec());
        std::iter::once(of(self)).chain(self.others().iter().map(|other| of(other))).collect()
    }

    /// Is told of the node, once.
    pub(super) fn attach(&self, status: watch::Receiver<Status>, hand_over: HandOver) {
        // A second one there is not.
        drop(self.node.set((status, hand_over)));
    }

    /// Follows what all say of themselves, until the node is gone.
    pub(super) async fn follow(self: Arc<Self>, mut members: watch::Receiver<Vec<Told>>) {
        while members.changed().await.is_ok() {
            let now = self.clock.now();
            self.heard().hear(now, &members.borrow_and_update());
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClusterView for Overview {
    fn status(&self) -> ClusterStatus {
        let Identity { cluster, node, log, is_log_unsafe, .. } = self.identity.clone();
        let mut nodes = self.heard().nodes(self.clock.now());
        let Status { role, term, .. } =
            self.node.get().map(|(status, _)| *status.borrow()).unwrap_or_default();
        // Of itself a node knows at once.
        for own in nodes.iter_mut().filter(|own| own.name == node) {
            own.role = match role {
                _ if self.is_stopped.load(Relaxed) => "stopped",
                Role::Leader => "leader",
                Role::Follower => "standby",
            };
            own.is_caught_up &= own.role != "stopped";
            own.term = term;
        }
        let leaders = nodes.iter().filter(|node| node.role == "leader" && node.term >= term);
        let leader = leaders.max_by_key(|node| node.term).map(|node| node.name.clone());
        let shards = self.others().iter().map(|other| other.shard_status()).collect();
        ClusterStatus { name: cluster, node, leader, term, log, is_log_unsafe, nodes, shards }
    }

    fn data_shards(&self) -> u32 {
        self.others().len() as u32
    }

    fn can_hand_over(&self, to: Option<&str>) -> Result<(), MoveError> {
        let ClusterStatus { name: cluster, node: own, nodes, .. } = self.status();
        let refused = |why: String| Err(MoveError::Refused(why));
        let Some(to) = to else {
            let is_there = nodes.iter().any(|node| node.name != own && node.is_caught_up);
            return if is_there { Ok(()) } else { refused("no other node has caught up".to_owned()) };
        };
        match nodes.iter().find(|node| node.name == to) {
            None => refused(format!("there is no node {to:?} in cluster {cluster:?}")),
            Some(_) if to == own => refused(format!("node {to:?} leads already")),
            Some(node) if node.role == "silent" => {
                refused(format!("node {to:?} has not been heard for a while"))
            }
            Some(node) if !node.is_caught_up => {
                refused(format!("node {to:?} is {} frames behind: wait until it has caught up", node.lag))
            }
            Some(_) => Ok(()),
        }
    }

    fn hand_over(&self, to: Option<String>) -> Moving {
        let hand_over = self.node.get().map(|(_, hand_over)| Arc::clone(hand_over));
        let can = self.can_hand_over(to.as_deref());
        Box::pin(async move {
            can?;
            match hand_over {
                Some(hand_over) => hand_over(to).await,
                None => Err(MoveError::Failed("the node is not there yet".to_owned())),
            }
        })
    }

    fn stop(&self) {
        self.stop.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, applied: u64, revision: u64) -> Told {
        let member = Member { name: name.to_owned(), applied, is_leader: name == "a", ..Member::default() };
        Told { member, revision }
    }

    #[test]
    fn who_says_nothing_new_is_silent_and_who_has_what_the_leader_had_is_caught_up() {
        let at = |ms| Time::ZERO + Duration::from_millis(ms);
        let mut heard = Heard::default();
        let said = |heard: &mut Heard, ms: u64, a: u64, b: u64, c: u64| {
            heard.hear(at(ms), &[told("a", a, ms), told("b", b, ms), told("c", c, 7)]);
        };
        said(&mut heard, 0, 100, 90, 100);
        said(&mut heard, 2500, 300, 90, 100);
        let state = |heard: &Heard, ms| {
            let nodes = heard.nodes(at(ms));
            nodes.into_iter().map(|node| (node.role, node.lag, node.is_caught_up)).collect::<Vec<_>>()
        };
        assert_eq!(
            state(&heard, 2500),
            [("leader", 0, true), ("standby", 210, false), ("standby", 200, true)]
        );
        said(&mut heard, 5000, 300, 300, 100);
        assert_eq!(state(&heard, 5000), [("leader", 0, true), ("standby", 0, true), ("silent", 200, false)]);
    }
}
