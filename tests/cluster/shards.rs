//! A cluster with shards: a world for each, whose nodes are the same, and have all troubles in common. A node's brokers of data shards go by
//! what it reads in its own copy of the meta shard, as in a process.
//!
//! Checked beside what holds of each shard by itself: a vhost that was made is given to one shard, and no node, whatever its disk has lost, has
//! ever read anything else; no other shard has ever had it; and when all is well again the vhosts are those that operators were told of, each in
//! its shard alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::auth::Permission;
use coney::broker::identities::Identities;
use coney::cluster::{Retention, identities_in};
use coney::store::MemoryDisk;
use coney::time::Timestamp;
use coney::{BrokerHandle, Clock, OperationError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::host::{Identified, Seat, VHOSTS};
use crate::network::{NODES, Network};
use crate::random::Random;
use crate::virtual_time::pass;
use crate::world::{Change, Summary, World, pick};

/// The meta shard and two for vhosts.
const SHARDS: usize = VHOSTS.len();
/// Virtual time with clients at work.
const LIFE_MS: u64 = 15_000;
/// Vhosts that come and go.
const PASSING: [&str; 2] = ["a", "b"];

/// What was read of vhosts anywhere, and what operators were told.
#[derive(Debug, Default)]
struct Assignments {
    /// The shard of each vhost, by its name and the number that it was made with.
    homes: BTreeMap<(String, u64), u32>,
    /// Whether a vhost is there, as the last order says; `None` until it is answered.
    told: BTreeMap<&'static str, Option<bool>>,
    /// How many orders there were for each.
    orders: BTreeMap<&'static str, u64>,
    made: u64,
    deleted: u64,
}

impl Assignments {
    /// Somebody has read this, in a copy of that shard.
    fn read(&mut self, shard: u32, known: &Identities) {
        for (name, settings) in &known.vhosts {
            let Some(home) = settings.home else { continue };
            let first = *self.homes.entry((name.clone(), home.id)).or_insert(home.shard);
            assert_eq!(home.shard, first, "vhost {name} of number {} is in two shards", home.id);
            assert!(shard == 0 || home.shard == shard, "shard {shard} has vhost {name} of another");
            assert_eq!(home.made.is_some(), shard > 0, "vhost {name} in shard {shard}: {home:?}");
        }
    }

    fn is_told(&self, name: &str, is_there: bool) -> bool {
        self.told.get(name) == Some(&Some(is_there))
    }

    /// An order was given; its number.
    fn ordered(&mut self, name: &'static str) -> u64 {
        let number = self.orders.entry(name).or_default();
        *number += 1;
        self.told.insert(name, None);
        *number
    }

    fn answered(&mut self, name: &'static str, number: u64, is_there: bool) {
        *(if is_there { &mut self.made } else { &mut self.deleted }) += 1;
        if self.orders.get(name) == Some(&number) {
            self.told.insert(name, Some(is_there));
        }
    }
}

/// What happened in all shards together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    pub shards: [Summary; SHARDS],
    pub made: u64,
    pub deleted: u64,
}

impl std::ops::AddAssign for Total {
    fn add_assign(&mut self, other: Self) {
        for (own, other) in self.shards.iter_mut().zip(other.shards) {
            *own += other;
        }
        self.made += other.made;
        self.deleted += other.deleted;
    }
}

pub struct Cluster {
    /// The meta shard first.
    worlds: Vec<World>,
    assignments: Arc<Mutex<Assignments>>,
    /// What each node reads of the meta shard while it runs, and has read.
    readings: [Option<JoinHandle<()>>; NODES],
    known: [Option<watch::Receiver<Identified>>; NODES],
    random: Random,
}

impl Cluster {
    pub fn new(mut random: Random) -> Self {
        let retention = Retention {
            retain: Duration::from_secs(2),
            frames_max: 3000,
            every: Duration::from_millis(300),
            ..Retention::default()
        };
        let clock = Clock::starting_at(Timestamp::from_millis(1_000_000));
        let shards = SHARDS as u32 - 1;
        let seats = (0..=shards).map(|shard| Seat { shard, shards: if shard == 0 { shards } else { 0 } });
        let worlds =
            seats.map(|seat| World::of_shard(random.fork(), retention, clock, seat)).collect::<Vec<_>>();
        let (readings, known) = ([const { None }; NODES], [const { None }; NODES]);
        let mut cluster = Self { worlds, assignments: Arc::default(), readings, known, random };
        (0..NODES).for_each(|node| cluster.start(node));
        cluster
    }

    fn start(&mut self, node: usize) {
        let (meta, others) = self.worlds.split_first_mut().unwrap();
        if meta.nodes[node].is_some() {
            return;
        }
        meta.start(node);
        let (to, known) = watch::channel(None);
        let changes = meta.engines[node].as_ref().unwrap().identities();
        let (network, assignments) = (Arc::clone(&meta.network), Arc::clone(&self.assignments));
        self.readings[node] = Some(tokio::spawn(read(node, network, changes, to, assignments)));
        for world in others {
            world.identities[node] = Some(known.clone());
            world.start(node);
        }
        self.known[node] = Some(known);
    }

    fn crash(&mut self, node: usize) {
        self.worlds.iter_mut().for_each(|world| world.crash(node));
        self.readings[node].take().into_iter().for_each(|reading| reading.abort());
    }

    /// A node whose disk is full in one shard ends in all.
    fn end_those_who_failed(&mut self) {
        for node in 0..NODES {
            let has_failed = |world: &World| world.nodes[node].as_ref().is_some_and(JoinHandle::is_finished);
            if self.worlds.iter().any(has_failed) {
                self.crash(node);
            }
        }
    }

    fn lose_disk(&mut self, node: usize) {
        let is_whole = |other| self.worlds.iter().all(|world| world.is_whole(other));
        if !(0..NODES).all(|other| other == node || is_whole(other)) {
            return;
        }
        self.crash(node);
        self.worlds.iter_mut().for_each(|world| world.spoil_disk(node));
        self.start(node);
    }

    fn any_shard(&mut self) -> &mut World {
        let shard = self.random.below(SHARDS as u64) as usize;
        &mut self.worlds[shard]
    }

    fn change(&mut self) {
        let leader = self.any_shard().at.brokers.first();
        match pick(&mut self.random, leader) {
            Change::Crash(node) => self.crash(node),
            Change::CrashAll => (0..NODES).for_each(|node| self.crash(node)),
            Change::Start(node) => self.start(node),
            Change::StartAll => (0..NODES).for_each(|node| self.start(node)),
            Change::LoseDisk(node) => self.lose_disk(node),
            // Of one shard alone.
            change @ (Change::HandOver(_) | Change::FullDisk(_)) => self.any_shard().apply(change),
            change => self.worlds.iter_mut().for_each(|world| world.apply(change)),
        }
        if self.random.one_in(4) {
            self.worlds.iter().for_each(World::relieve);
        }
    }

    fn assignments(&self) -> std::sync::MutexGuard<'_, Assignments> {
        self.assignments.lock().unwrap()
    }

    /// An operator makes a vhost, or deletes it.
    fn order(&mut self, name: &'static str, is_to_be_there: bool) {
        let number = self.assignments().ordered(name);
        let assignments = Arc::clone(&self.assignments);
        self.worlds[0].at.brokers.order(self.random.below(1 << 32), move |broker| async move {
            let done = if is_to_be_there { make(&broker, name).await } else { delete(&broker, name).await };
            if done.is_ok() {
                assignments.lock().unwrap().answered(name, number, is_to_be_there);
            }
        });
    }

    /// One vhost for each shard that clients use all the time, so that nobody finds it missing.
    async fn make_those_that_stay(&mut self) {
        for name in VHOSTS.into_iter().skip(1) {
            while !self.assignments().is_told(name, true) {
                self.order(name, true);
                pass(1000).await;
            }
        }
    }

    /// Each shard's disks have what the meta shard says, and nothing else.
    fn look_at_disks(&self) {
        for (shard, world) in (0..).zip(&self.worlds) {
            for disk in &world.network.disks {
                if let Some(known) = identities_in(&disk.engine()).unwrap() {
                    self.assignments().read(shard, &known);
                }
            }
        }
    }

    /// Clients and operators at work, and one trouble after the other.
    pub async fn live(&mut self) {
        self.make_those_that_stay().await;
        let clients: Vec<_> = self.worlds.iter_mut().flat_map(World::clients).collect();
        let mut left = LIFE_MS;
        while left > 0 {
            let step = (100 + self.random.below(1500)).min(left);
            pass(step).await;
            left -= step;
            self.end_those_who_failed();
            self.change();
            let passing = PASSING[self.random.below(PASSING.len() as u64) as usize];
            // As long as nobody has said what came of the last order, either.
            let told = self.assignments().told.get(passing).copied().flatten();
            let is_to_be_there = told.map_or_else(|| self.random.one_in(2), |is_there| !is_there);
            self.order(passing, is_to_be_there);
            self.look_at_disks();
            assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed");
            self.worlds.iter().for_each(World::assert_running);
        }
        clients.iter().for_each(JoinHandle::abort);
    }

    /// All is well again.
    pub async fn heal(&mut self) {
        let full = |world: &World| world.network.troubles.lock().unwrap().full_disk;
        let full: Vec<_> = self.worlds.iter().map(full).collect();
        (0..NODES).filter(|node| full.iter().any(|full| full[*node])).for_each(|node| self.crash(node));
        self.worlds.iter_mut().for_each(World::calm);
        (0..NODES).for_each(|node| self.start(node));
        // A data shard's broker may wait for the meta shard, and after that follows it.
        pass(25_000).await;
        self.look_at_disks();
        self.check_assignments();
        for world in &mut self.worlds {
            world.take_out().await;
        }
    }

    /// All nodes know the same, which is what operators were told, and each shard's leader has its vhosts.
    fn check_assignments(&self) {
        let known = self.known.each_ref().map(|known| known.as_ref().unwrap().borrow().clone().unwrap());
        assert!(known.windows(2).all(|two| two[0].vhosts == two[1].vhosts), "nodes know different vhosts");
        assert!(known.windows(2).all(|two| two[0].permissions == two[1].permissions));
        let vhosts = &known[0].vhosts;
        for (name, told) in &self.assignments().told {
            if let Some(is_there) = told {
                assert_eq!(vhosts.contains_key(*name), *is_there, "vhost {name} after its operator was told");
            }
        }
        for (shard, world) in (0..).zip(&self.worlds).skip(1) {
            let own = vhosts.iter().filter(|(_, it)| it.home.is_some_and(|home| home.shard == shard));
            let own: Vec<String> = own.map(|(name, _)| name.clone()).collect();
            let led = world.at.brokers.vhosts();
            assert_eq!(led.len(), 1, "who leads shard {shard}");
            assert_eq!(led[0].1, own, "the vhosts of shard {shard} at its leader");
        }
    }

    pub async fn check(&mut self) -> Total {
        let mut shards = [Summary::default(); SHARDS];
        for (summary, world) in shards.iter_mut().zip(&mut self.worlds) {
            *summary = world.check().await;
        }
        self.readings.iter().flatten().for_each(JoinHandle::abort);
        let Assignments { made, deleted, .. } = *self.assignments();
        Total { shards, made, deleted }
    }
}

/// As a node's process does: it reads its copy of the meta shard again whenever that changes.
async fn read(
    node: usize,
    network: Arc<Network>,
    mut changes: watch::Receiver<u64>,
    to: watch::Sender<Identified>,
    assignments: Arc<Mutex<Assignments>>,
) {
    let disk: MemoryDisk = network.disks[node].clone();
    loop {
        changes.borrow_and_update();
        network.pass(node, network.below(3)).await;
        if let Some(known) = identities_in(&disk.engine()).unwrap() {
            assignments.lock().unwrap().read(0, &known);
            to.send_replace(Some(Arc::new(known)));
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn make(broker: &BrokerHandle, name: &str) -> Result<(), OperationError> {
    broker.put_vhost(name).await?;
    let all = || ".*".to_owned();
    broker.put_permission("guest", name, Permission { configure: all(), write: all(), read: all() }).await
}

async fn delete(broker: &BrokerHandle, name: &str) -> Result<(), OperationError> {
    match broker.delete_vhost(name).await {
        Err(OperationError::NoVhost(_)) => Ok(()),
        done => done,
    }
}
