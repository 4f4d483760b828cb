//! A cluster with shards: a world for each, whose nodes are the same, and have all troubles in common. A node's brokers of data shards go by
//! what it reads in its own copy of the meta shard, as in a process.
//!
//! Checked beside what holds of each shard by itself: a vhost that was made is given to one shard, and no node, whatever its disk has lost, has
//! ever read anything else; no other shard has ever had it; and when all is well again the vhosts are those that operators were told of, each in
//! its shard alone. Vhosts move from shard to shard meanwhile, also those that clients use: no two shards let clients in at once, and a move that
//! was interrupted ends when it is asked for again, or is given up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::auth::Permission;
use coney::broker::Home;
use coney::broker::identities::Identities;
use coney::cluster::{Copying as _, Retention, identities_in};
use coney::store::MemoryDisk;
use coney::time::Timestamp;
use coney::{BrokerHandle, Clock, OperationError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clients::Place;
use crate::host::{Identified, Seat, VHOSTS};
use crate::moves::{KnownByNodes, Mover};
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
/// All that move.
const MOVING: [&str; 5] = [VHOSTS[0], VHOSTS[1], VHOSTS[2], PASSING[0], PASSING[1]];

/// Who crashes while a vhost moves: whoever leads the shard that has it, the one that gets it, or the meta shard; or all.
#[derive(Clone, Copy, Debug)]
pub enum Victim {
    From,
    To,
    Meta,
    All,
}

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Asked,
    Begun,
    Closed,
    Copied,
    Ended,
}

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
    moved: u64,
    /// Moves of which nobody was told that they ended.
    unmoved: u64,
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
    pub moved: u64,
    pub unmoved: u64,
}

impl std::ops::AddAssign for Total {
    fn add_assign(&mut self, other: Self) {
        for (own, other) in self.shards.iter_mut().zip(other.shards) {
            *own += other;
        }
        self.made += other.made;
        self.deleted += other.deleted;
        self.moved += other.moved;
        self.unmoved += other.unmoved;
    }
}

pub struct Cluster {
    /// The meta shard first.
    worlds: Vec<World>,
    assignments: Arc<Mutex<Assignments>>,
    /// What each node reads of the meta shard while it runs, and has read.
    readings: [Option<JoinHandle<()>>; NODES],
    known: KnownByNodes,
    /// All shards, as clients see them.
    places: Arc<[Place]>,
    /// What operators have asked nodes for, by node.
    asked: Vec<(usize, JoinHandle<()>)>,
    clock: Clock,
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
        let mut worlds =
            seats.map(|seat| World::of_shard(random.fork(), retention, clock, seat)).collect::<Vec<_>>();
        let place = |World { at, .. }: &World| Place {
            brokers: Arc::clone(&at.brokers),
            network: Arc::clone(&at.network),
        };
        let places: Arc<[Place]> = worlds.iter().map(place).collect();
        worlds.iter_mut().for_each(|world| world.at.places = Arc::clone(&places));
        let mut cluster = Self {
            worlds,
            assignments: Arc::default(),
            readings: [const { None }; NODES],
            known: Arc::default(),
            places,
            asked: Vec::new(),
            clock,
            random,
        };
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
        self.known.lock().unwrap()[node] = Some(known);
    }

    fn crash(&mut self, node: usize) {
        self.worlds.iter_mut().for_each(|world| world.crash(node));
        self.readings[node].take().into_iter().for_each(|reading| reading.abort());
        self.asked.extract_if(.., |(at, _)| *at == node).for_each(|(_, asked)| asked.abort());
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
        self.worlds[0].at.brokers.order(self.random.below(1 << 32), move |asked| async move {
            let broker = asked.broker;
            let done = if is_to_be_there { make(&broker, name).await } else { delete(&broker, name).await };
            if done.is_ok() {
                assignments.lock().unwrap().answered(name, number, is_to_be_there);
            }
        });
    }

    /// An operator asks a node to have a vhost moved.
    fn order_move(&mut self) {
        let vhost = MOVING[self.random.below(MOVING.len() as u64) as usize];
        let (shard, node) =
            (self.random.below(SHARDS as u64) as u32, self.random.below(NODES as u64) as usize);
        if self.worlds[0].nodes[node].is_none() {
            return;
        }
        let (mover, assignments) = (self.mover(node), Arc::clone(&self.assignments));
        self.assignments().unmoved += 1;
        let asked = tokio::spawn(async move {
            if mover.move_to(vhost, shard).await.is_ok() {
                let mut assignments = assignments.lock().unwrap();
                assignments.unmoved -= 1;
                assignments.moved += 1;
            }
        });
        self.asked.push((node, asked));
    }

    fn mover(&mut self, node: usize) -> Mover {
        let (places, known) = (Arc::clone(&self.places), Arc::clone(&self.known));
        Mover { places, known, node, random: Arc::new(Mutex::new(self.random.fork())), clock: self.clock }
    }

    /// No two shards let clients into a vhost.
    fn assert_served_once(&self) {
        for vhost in MOVING {
            let serve = |(_, place): &(usize, &Place)| place.brokers.serve(vhost, &place.network);
            let shards: Vec<_> =
                self.places.iter().enumerate().filter(serve).map(|(shard, _)| shard).collect();
            assert!(shards.len() < 2, "vhost {vhost} is served by the shards {shards:?}");
        }
    }

    /// As time passes.
    async fn pass(&self, mut ms: u64) {
        while ms > 0 {
            let step = ms.min(7);
            pass(step).await;
            self.assert_served_once();
            ms -= step;
        }
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
            self.pass(step).await;
            left -= step;
            self.end_those_who_failed();
            self.change();
            let passing = PASSING[self.random.below(PASSING.len() as u64) as usize];
            // As long as nobody has said what came of the last order, either.
            let told = self.assignments().told.get(passing).copied().flatten();
            let is_to_be_there = told.map_or_else(|| self.random.one_in(2), |is_there| !is_there);
            self.order(passing, is_to_be_there);
            if self.random.one_in(2) {
                self.order_move();
            }
            self.look_at_disks();
            assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed");
            self.worlds.iter().for_each(World::assert_running);
        }
        clients.iter().for_each(JoinHandle::abort);
    }

    /// All is well again.
    pub async fn heal(&mut self) {
        // A data shard's broker may wait for the meta shard, and after that follows it.
        self.heal_within(25_000).await;
    }

    async fn heal_within(&mut self, ms: u64) {
        let full = |world: &World| world.network.troubles.lock().unwrap().full_disk;
        let full: Vec<_> = self.worlds.iter().map(full).collect();
        (0..NODES).filter(|node| full.iter().any(|full| full[*node])).for_each(|node| self.crash(node));
        self.worlds.iter_mut().for_each(World::calm);
        (0..NODES).for_each(|node| self.start(node));
        self.pass(ms).await;
        self.asked.drain(..).for_each(|(_, asked)| asked.abort());
        self.end_moves().await;
        self.look_at_disks();
        self.check_assignments();
        for world in &mut self.worlds {
            world.take_out().await;
        }
    }

    /// Moves that were interrupted are asked for again, or given up.
    async fn end_moves(&mut self) {
        for vhost in MOVING {
            let mover = self.mover(self.random.clone().below(NODES as u64) as usize);
            let home = mover.home(vhost);
            let Some(moving) = home.moving else { continue };
            let shard = if self.random.one_in(3) { home.shard } else { moving.shard };
            let moved = mover.move_to(vhost, shard).await;
            assert_eq!(moved, Ok(()), "vhost {vhost}, from {home:?}, to shard {shard}");
            assert_eq!((mover.home(vhost).shard, mover.home(vhost).moving), (shard, None), "vhost {vhost}");
        }
        self.pass(3000).await;
    }

    /// All nodes know the same, which is what operators were told, and each shard's leader has its vhosts.
    fn check_assignments(&self) {
        let known = self.known.lock().unwrap();
        let known = known.each_ref().map(|known| known.as_ref().unwrap().borrow().clone().unwrap());
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

    /// A vhost that clients use moves, and when it has come so far, or a little farther, somebody crashes.
    pub async fn moves_through_a_crash(&mut self, victim: Victim, when: Phase) -> Total {
        self.worlds.iter().for_each(|world| world.trouble(|troubles| troubles.is_lossy = false));
        self.make_those_that_stay().await;
        let clients: Vec<_> = self.worlds.iter_mut().flat_map(World::clients).collect();
        self.pass(1000).await;
        let (vhost, from, to) = (VHOSTS[1], 1, 2);
        let leader = |shard: usize| self.worlds[shard].at.brokers.first().expect("one leads");
        let victims = match victim {
            Victim::From => vec![leader(from)],
            Victim::To => vec![leader(to)],
            Victim::Meta => vec![leader(0)],
            Victim::All => (0..NODES).collect(),
        };
        let node = (0..NODES).find(|node| !victims.contains(node)).unwrap_or(0);
        let mover = self.mover(node);
        assert_eq!(mover.home(vhost).shard, from as u32);
        let ask = || {
            let mover = mover.clone();
            tokio::spawn(async move {
                if let Err(why) = mover.move_to(vhost, to as u32).await {
                    println!("it was not moved: {why}");
                }
            })
        };
        let mut asked = ask();
        let mut looks = 0_u64;
        // A look at all disks takes real time.
        while !(self.is_in(when, vhost, from, to)
            || looks.is_multiple_of(16) && self.phase(vhost, from, to) >= when)
        {
            looks += 1;
            if asked.is_finished() {
                asked = ask();
            }
            self.pass(10).await;
        }
        println!("it is {:?}", self.phase(vhost, from, to));
        victims.iter().for_each(|victim| self.crash(*victim));
        // Whoever was asked goes on with it, or is gone as well.
        if self.random.one_in(2) {
            asked.abort();
        }
        self.asked.push((node, asked));
        let away_ms = 100 + self.random.below(4000);
        self.pass(away_ms).await;
        (0..NODES).for_each(|node| self.start(node));
        self.pass(2000).await;
        clients.iter().for_each(JoinHandle::abort);
        self.heal_within(13_000).await;
        self.check().await
    }

    /// Whether the disks of one shard say that it has come so far.
    fn is_in(&self, phase: Phase, vhost: &str, from: usize, to: usize) -> bool {
        let any = |shard: usize, says: &dyn Fn(Home) -> bool| {
            let read = |disk: &MemoryDisk| identities_in(&disk.engine()).unwrap()?.vhosts.get(vhost)?.home;
            self.worlds[shard].network.disks.iter().filter_map(read).any(says)
        };
        match phase {
            Phase::Asked => true,
            Phase::Begun => any(0, &|home| home.moving.is_some()),
            Phase::Closed => any(from, &|home| home.moving.is_some_and(|moving| moving.is_closed)),
            Phase::Copied => any(to, &|_| true),
            Phase::Ended => any(0, &|home| home.shard == to as u32),
        }
    }

    fn phase(&self, vhost: &str, from: usize, to: usize) -> Phase {
        let phases = [Phase::Ended, Phase::Copied, Phase::Closed, Phase::Begun];
        phases.into_iter().find(|phase| self.is_in(*phase, vhost, from, to)).unwrap_or(Phase::Asked)
    }

    pub async fn check(&mut self) -> Total {
        let mut shards = [Summary::default(); SHARDS];
        for (summary, world) in shards.iter_mut().zip(&mut self.worlds) {
            *summary = world.check().await;
        }
        self.readings.iter().flatten().for_each(JoinHandle::abort);
        let Assignments { made, deleted, moved, unmoved, .. } = *self.assignments();
        Total { shards, made, deleted, moved, unmoved }
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
