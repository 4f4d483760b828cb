//! Three nodes, their disks, and what happens to them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::Clock;
use coney::cluster::{
    Follower, Frame, HandOverError, Kind, LocalEngine, Mark, Member, Node, NodeControl, Retention, Status,
};
use coney::store::{Engine, Space, WriteBatch};
use coney::time::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clients::{At, consume_all, drain, publisher, transactor, worker};
use crate::host::{Identified, Seat, SimulatedHost};
use crate::network::{NAMES, NODES, Network, NodesDirectory, Troubles, ms};
use crate::random::Random;
use crate::turns::{DamagedDisk, TurnDisk};
use crate::virtual_time::pass;

/// Virtual time with clients at work.
const LIFE_MS: u64 = 15_000;

/// What happened in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub confirmed: u64,
    pub deliveries: u64,
    pub gone: u64,
    pub terms: u64,
    pub frames: u64,
    pub unknown: u64,
    pub crashes: u64,
    pub hand_overs: u64,
    pub snapshots: u64,
    pub trimmed: u64,
    pub outlived: u64,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.confirmed += other.confirmed;
        self.deliveries += other.deliveries;
        self.gone += other.gone;
        self.terms += other.terms;
        self.frames += other.frames;
        self.unknown += other.unknown;
        self.crashes += other.crashes;
        self.hand_overs += other.hand_overs;
        self.snapshots += other.snapshots;
        self.trimmed += other.trimmed;
        self.outlived += other.outlived;
    }
}

pub struct World {
    /// Of which shard it is, and how many there are for vhosts.
    seat: Seat,
    pub network: Arc<Network>,
    pub at: At,
    pub nodes: [Option<JoinHandle<()>>; NODES],
    controls: [Option<NodeControl>; NODES],
    statuses: [Option<watch::Receiver<Status>>; NODES],
    /// What each node knows of the meta shard, if this is another.
    pub identities: [Option<watch::Receiver<Identified>>; NODES],
    /// Those of the nodes that were started last.
    pub engines: [Option<LocalEngine>; NODES],
    /// Whether its disk cannot be read any more.
    damaged: [bool; NODES],
    /// Why nodes have stopped: they should not, but those with a full disk.
    stopped: Arc<Mutex<Vec<String>>>,
    retention: Retention,
    random: Random,
    crashes: u64,
    hand_overs: Arc<Mutex<u64>>,
}

/// What one node may do, or what becomes of it.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Crash(usize),
    CrashAll,
    Start(usize),
    StartAll,
    CutOff(usize),
    StandStill(usize),
    SlowDisk(usize),
    HandOver(usize),
    LoseDisk(usize),
    FullDisk(usize),
    SeemGone(usize),
    Nothing,
}

impl World {
    pub fn new(random: Random) -> Self {
        let retention = Retention {
            retain: Duration::from_secs(2),
            frames_max: 3000,
            every: Duration::from_millis(300),
            ..Retention::default()
        };
        Self::with_retention(random, retention)
    }

    pub fn with_retention(random: Random, retention: Retention) -> Self {
        let clock = Clock::starting_at(Timestamp::from_millis(1_000_000));
        let mut world = Self::of_shard(random, retention, clock, Seat::ALONE);
        (0..NODES).for_each(|node| world.start(node));
        world
    }

    /// One of several that have their nodes in common: none of these has been started.
    pub fn of_shard(mut random: Random, retention: Retention, clock: Clock, seat: Seat) -> Self {
        let network = Network::new(random.fork(), clock);
        let (brokers, ledger) = (Arc::default(), Arc::default());
        let at =
            At { brokers, ledger, network: Arc::clone(&network), vhost: seat.vhost(), places: Arc::from([]) };
        Self {
            seat,
            identities: [const { None }; NODES],
            engines: [const { None }; NODES],
            network,
            at,
            nodes: [const { None }; NODES],
            controls: [const { None }; NODES],
            statuses: [const { None }; NODES],
            damaged: [false; NODES],
            stopped: Arc::default(),
            retention,
            random,
            crashes: 0,
            hand_overs: Arc::default(),
        }
    }

    pub fn start(&mut self, node: usize) {
        if self.nodes[node].is_some() {
            return;
        }
        let network = Arc::clone(&self.network);
        let (clock, disk) = (network.clock, network.disks[node].clone());
        let engine: Box<dyn Engine> =
            if self.damaged[node] { Box::new(DamagedDisk) } else { Box::new(TurnDisk(disk.engine())) };
        self.damaged[node] = false;
        let renew = move || {
            disk.wipe();
            Ok(Box::new(TurnDisk(disk.engine())) as Box<dyn Engine>)
        };
        let engine = LocalEngine::with_wipe(engine, move || clock.now(), renew);
        let directory = NodesDirectory { network: Arc::clone(&network), node };
        self.engines[node] = Some(engine.clone());
        let (brokers, seat) = (Arc::clone(&self.at.brokers), self.seat);
        let identities = self.identities[node].clone();
        let host = SimulatedHost { node, network, directory, brokers, seat, identities };
        let rank = seat.rank_of(node);
        let member = Member { name: NAMES[node].to_owned(), rank, ..Member::default() };
        let runs = Node::new(host, member, seat.log_id(), engine).retention(self.retention);
        (self.controls[node], self.statuses[node]) = (Some(runs.control()), Some(runs.status()));
        let (stopped, network) = (Arc::clone(&self.stopped), Arc::clone(&self.network));
        self.nodes[node] = Some(tokio::spawn(async move {
            let error = runs.run().await;
            let mut troubles = network.troubles.lock().unwrap();
            troubles.runs[node] = false;
            if !troubles.full_disk[node] {
                stopped.lock().unwrap().push(error.to_string());
            }
        }));
        self.trouble(|troubles| {
            troubles.runs[node] = true;
            troubles.starts[node] += 1;
        });
    }

    /// Power fails: of what the disk had not synced a random part is kept.
    pub fn crash(&mut self, node: usize) {
        let Some(running) = self.nodes[node].take() else { return };
        running.abort();
        self.at.brokers.crash(node);
        self.network.has_ended(node);
        let disk = &self.network.disks[node];
        let kept = self.random.below(disk.buffered() as u64 + 1);
        disk.crash(kept as usize);
        self.crashes += 1;
        self.trouble(|troubles| {
            troubles.stood_still[node] = false;
            troubles.full_disk[node] = false;
            troubles.runs[node] = false;
        });
    }

    /// Whether a node has all that the log has no more.
    pub fn is_whole(&self, node: usize) -> bool {
        let engine = self.network.disks[node].engine();
        let mark = Mark::read(&engine).unwrap().unwrap_or_default();
        // It may have met damage, and wait for another's snapshot.
        let is_rejoining = self.nodes[node].is_some()
            && self.statuses[node].as_ref().is_some_and(|status| status.borrow().is_rejoining);
        !self.damaged[node]
            && !is_rejoining
            && Follower::open(engine, self.seat.log_id()).is_ok()
            && mark.sequence.next() >= self.network.log.bounds().first
    }

    /// A disk is exchanged for an empty one, or cannot be read any more; not if the others need what it has.
    fn lose_disk(&mut self, node: usize) {
        if !(0..NODES).all(|other| other == node || self.is_whole(other)) {
            return;
        }
        self.crash(node);
        self.spoil_disk(node);
        self.start(node);
    }

    /// Of a node that does not run.
    pub fn spoil_disk(&mut self, node: usize) {
        if self.random.one_in(2) {
            self.network.disks[node].wipe();
        } else {
            self.damaged[node] = true;
        }
    }

    /// Whoever leads is to hand over, to whoever is best or to another.
    fn hand_over(&mut self, node: usize) {
        let Some(control) = self.controls[node].clone() else { return };
        let to = self.random.one_in(3).then(|| NAMES[self.random.below(NODES as u64) as usize].to_owned());
        let hand_overs = Arc::clone(&self.hand_overs);
        tokio::spawn(async move {
            if control.hand_over(to).await.is_ok() {
                *hand_overs.lock().unwrap() += 1;
            }
        });
    }

    pub fn trouble(&self, change: impl FnOnce(&mut Troubles)) {
        change(&mut self.network.troubles.lock().unwrap());
    }

    /// Clients at work, and one trouble after the other.
    pub async fn live(&mut self) {
        let clients = self.clients();
        let mut left = LIFE_MS;
        while left > 0 {
            let step = (100 + self.random.below(1500)).min(left);
            pass(step).await;
            left -= step;
            self.change();
            assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed");
            self.assert_running();
        }
        clients.iter().for_each(JoinHandle::abort);
    }

    /// All that a shard has.
    pub fn clients(&mut self) -> Vec<JoinHandle<()>> {
        let mut clients = Vec::new();
        for _ in 0..2 {
            clients.push(tokio::spawn(publisher(self.at.clone(), self.random.fork())));
            clients.push(tokio::spawn(worker(self.at.clone(), self.random.fork())));
        }
        clients.push(tokio::spawn(transactor(self.at.clone(), self.random.fork())));
        clients
    }

    pub fn assert_running(&self) {
        let stopped = self.stopped.lock().unwrap();
        assert!(stopped.is_empty(), "nodes have stopped: {stopped:?}");
        let full = self.network.troubles.lock().unwrap().full_disk;
        let has_failed =
            |node: usize| !full[node] && self.nodes[node].as_ref().is_some_and(JoinHandle::is_finished);
        assert!(!(0..NODES).any(has_failed), "a node has failed");
    }

    /// Something begins, or ends. Whoever leads is met more often than others.
    fn change(&mut self) {
        let change = pick(&mut self.random, self.at.brokers.first());
        self.apply(change);
        // What is wrong stays so for some seconds.
        if self.random.one_in(4) {
            self.relieve();
        }
    }

    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Crash(node) => self.crash(node),
            Change::CrashAll => (0..NODES).for_each(|node| self.crash(node)),
            Change::Start(node) => self.start(node),
            Change::StartAll => (0..NODES).for_each(|node| self.start(node)),
            Change::CutOff(node) => self.trouble(|troubles| troubles.cut_off[node] = true),
            Change::StandStill(node) => self.trouble(|troubles| {
                troubles.stands_still[node] = true;
                troubles.stood_still[node] = true;
                troubles.lapses[node] += 1;
            }),
            Change::SlowDisk(node) => self.trouble(|troubles| troubles.slow_disk[node] = true),
            Change::HandOver(node) => self.hand_over(node),
            Change::LoseDisk(node) => self.lose_disk(node),
            Change::FullDisk(node) if self.nodes[node].is_some() => {
                self.trouble(|troubles| troubles.full_disk[node] = true);
                self.network.disks[node].fail_after(self.random.below(20));
            }
            Change::SeemGone(node) => self.trouble(|troubles| troubles.seems_gone[node] = true),
            Change::FullDisk(_) | Change::Nothing => {}
        }
    }

    /// What is wrong with the network and the disks is over, but for those that are full.
    pub fn relieve(&self) {
        self.trouble(|troubles| {
            *troubles = Troubles {
                is_lossy: troubles.is_lossy,
                unknown: troubles.unknown,
                stood_still: troubles.stood_still,
                full_disk: troubles.full_disk,
                runs: troubles.runs,
                starts: troubles.starts,
                lapses: troubles.lapses,
                was_buried: troubles.was_buried,
                buried_at: troubles.buried_at,
                ..Troubles::default()
            };
        });
    }

    /// All is well again, and all that is left is taken out.
    pub async fn heal(&mut self) {
        self.calm();
        (0..NODES).for_each(|node| self.start(node));
        // Whatever was late has come, and whoever was to step down has.
        pass(12_000).await;
        self.take_out().await;
    }

    /// Nothing is wrong any more; whose disk was full has to be started again.
    pub fn calm(&mut self) {
        let full = self.network.troubles.lock().unwrap().full_disk;
        (0..NODES).filter(|node| full[*node]).for_each(|node| self.crash(node));
        self.trouble(|troubles| {
            *troubles = Troubles {
                unknown: troubles.unknown,
                runs: troubles.runs,
                starts: troubles.starts,
                was_buried: troubles.was_buried,
                buried_at: troubles.buried_at,
                ..Troubles::default()
            };
        });
    }

    /// All that is left, which has to be what clients know.
    pub async fn take_out(&mut self) {
        self.assert_running();
        let found = drain(&self.at, &mut self.random).await.expect("somebody leads, and goes on");
        self.at.ledger.lock().unwrap().check(&found);
    }

    /// The log and the disks, when nothing more happens.
    pub async fn check(&mut self) -> Summary {
        self.check_nobody_is_stuck();
        for node in self.nodes.iter_mut().filter_map(Option::take) {
            node.abort();
            drop(node.await);
        }
        (0..NODES).for_each(|node| self.at.brokers.crash(node));
        self.assert_running();
        let (frames, terms) = self.check_writers();
        let states = [0, 1, 2].map(|node| self.state(node));
        assert!(states[0] == states[1] && states[1] == states[2], "the nodes differ at the end of the log");
        let ledger = self.at.ledger.lock().unwrap();
        Summary {
            confirmed: ledger.confirmed.len() as u64,
            deliveries: ledger.deliveries,
            gone: ledger.gone.len() as u64,
            terms,
            frames,
            unknown: self.network.troubles.lock().unwrap().unknown,
            crashes: self.crashes,
            hand_overs: *self.hand_overs.lock().unwrap(),
            snapshots: self.network.snapshots.load(Relaxed),
            trimmed: self.network.log.bounds().first.0 - 1,
            outlived: self.network.outlived.load(Relaxed),
        }
    }

    /// All follow, without having missed more than what is just coming.
    fn check_nobody_is_stuck(&self) {
        let last = self.network.log.bounds().last;
        for ((name, disk), status) in NAMES.into_iter().zip(&self.network.disks).zip(&self.statuses) {
            let status = status.as_ref().map(|status| *status.borrow());
            let mark = Mark::read(&disk.engine()).unwrap().unwrap_or_default();
            assert!(
                mark.sequence.0 + 30 >= last.0,
                "node {name} is stuck at {mark:?}, {status:?}; the log has {:?}, nodes have said {:?}",
                self.network.log.bounds(),
                self.network.directory.members_at(self.network.now())
            );
        }
    }

    /// All frames of a term are from the one who fenced it.
    fn check_writers(&self) -> (u64, u64) {
        let (mut term, mut writer, mut terms) = (0, String::new(), 0);
        let entries = self.network.history.lock().unwrap();
        for entry in &*entries {
            let (frame, _) = Frame::decode(&entry.frame).unwrap();
            if frame.kind == Kind::Fence {
                assert!(frame.term > term, "terms go up");
                (term, writer, terms) = (frame.term, entry.writer.clone(), terms + 1);
            }
            assert_eq!((frame.term, &entry.writer), (term, &writer), "another has written in term {term}");
        }
        (entries.len() as u64, terms)
    }

    /// What a node has when it has applied all of the log, but for what is its own.
    fn state(&self, node: usize) -> Vec<(Space, Vec<u8>, Vec<u8>)> {
        let disk = &self.network.disks[node];
        let mut follower = Follower::open(disk.engine(), self.seat.log_id()).unwrap();
        let mut log = self.network.log.client(NAMES[node]);
        while follower.step(&mut log).unwrap().has_read {}
        let is_common = |space, key: &[u8]| !Mark::is_key(key) && !WriteBatch::is_numbers(space, key);
        let pairs = disk.contents().into_iter().filter(|((space, key), _)| is_common(*space, key));
        pairs.map(|((space, key), value)| (space, key, value)).collect()
    }

    /// Three nodes that are often away, but never for as long as the log is kept for them; how many snapshots that took.
    pub async fn lives_without_snapshots(&mut self) -> u64 {
        let clients = [(); 3].map(|()| tokio::spawn(publisher(self.at.clone(), self.random.fork())));
        for _ in 0..40 {
            pass(200 + self.random.below(600)).await;
            let node = self.random.below(NODES as u64) as usize;
            self.crash(node);
            if self.random.one_in(2) {
                pass(self.random.below(3000)).await;
            }
            self.start(node);
            self.assert_running();
        }
        clients.iter().for_each(JoinHandle::abort);
        assert!(self.network.log.bounds().first.0 > 50, "nothing was trimmed");
        self.network.snapshots.load(Relaxed)
    }

    /// Clients ack, and at once the lead is handed over, by a node whose disk is slow or not: what they acked does not come again.
    /// How long nobody led, in milliseconds.
    pub async fn hands_over(&mut self, is_slow: bool) -> u64 {
        self.trouble(|troubles| troubles.is_lossy = false);
        pass(6000).await;
        let leader = self.at.brokers.first().expect("one leads");
        consume_all(&self.at, &mut self.random, 30).await.expect("nobody keeps it from it");
        self.trouble(|troubles| troubles.slow_disk[leader] = is_slow);
        let control = self.controls[leader].clone().unwrap();
        assert_eq!(control.hand_over(Some("x".into())).await, Err(HandOverError::Absent("x".into())));
        let begin = self.network.now();
        let to = NAMES[(leader + 1) % NODES];
        let ordered = tokio::spawn(async move { control.hand_over(Some(to.to_owned())).await });
        let mut next = None;
        while next.is_none_or(|next| next == leader) {
            pass(1).await;
            next = self.at.brokers.first();
        }
        let took = ms(self.network.now().since(begin));
        assert_eq!(next, Some((leader + 1) % NODES));
        assert_eq!(ordered.await.unwrap(), Ok(()));
        let found = drain(&self.at, &mut self.random).await.expect("it goes on");
        assert_eq!(found, [], "acked, and there again");
        self.assert_running();
        took
    }

    /// The leader's process dies, or the others only think so. How long it took until another led, and until only that one did; `None` if
    /// nobody took the lease of one that is alive, because it wrote it again before it was another's turn.
    pub async fn loses_its_leader(&mut self, is_true: bool) -> Option<(u64, u64)> {
        self.trouble(|troubles| troubles.is_lossy = false);
        pass(6000).await;
        let publisher = tokio::spawn(publisher(self.at.clone(), self.random.fork()));
        pass(500).await;
        let leader = self.at.brokers.first().expect("one leads");
        let begin = self.network.now();
        if is_true {
            self.crash(leader);
        } else {
            self.trouble(|troubles| troubles.seems_gone[leader] = true);
        }
        let mut leads = self.at.brokers.leading();
        while leads.iter().all(|node| *node == leader) {
            pass(1).await;
            leads = self.at.brokers.leading();
            if !is_true && leads == [leader] && self.network.now().since(begin) > Duration::from_secs(10) {
                return None;
            }
        }
        let took = ms(self.network.now().since(begin));
        while leads.contains(&leader) {
            pass(1).await;
            leads = self.at.brokers.leading();
        }
        let alone = ms(self.network.now().since(begin));
        // Nobody else follows: it leads on.
        pass(5000).await;
        assert_eq!(self.at.brokers.leading(), leads);
        publisher.abort();
        self.trouble(|troubles| troubles.seems_gone[leader] = false);
        self.heal().await;
        assert_eq!(self.check().await.terms, 2);
        Some((took, alone))
    }

    /// A leader whose directory hangs stops before the lease can be another's.
    pub async fn ends_with_its_lease(&mut self) {
        self.trouble(|troubles| troubles.is_lossy = false);
        pass(6000).await;
        let leader = self.at.brokers.first().expect("one leads");
        self.trouble(|troubles| troubles.directory_hangs[leader] = true);
        pass(2600).await;
        // By now another may have it.
        assert!(!self.at.brokers.leading().contains(&leader));
        pass(3000).await;
        assert!(self.at.brokers.first().is_some_and(|other| other != leader));
        self.assert_running();
    }

    /// What a node says that follows a log which has lost something.
    pub async fn loses_the_end_of_its_log(&mut self) -> String {
        let client = tokio::spawn(publisher(self.at.clone(), self.random.fork()));
        pass(8000).await;
        assert!(self.network.log.bounds().last.0 > 20 && self.network.log.entries().len() > 3);
        self.network.log.lose_tail(3);
        pass(8000).await;
        client.abort();
        let stopped = self.stopped.lock().unwrap();
        stopped.first().expect("nobody has noticed").clone()
    }
}

/// What happens next. Whoever leads is met more often than others.
pub fn pick(random: &mut Random, leader: Option<usize>) -> Change {
    let any = random.below(NODES as u64) as usize;
    let node = leader.filter(|_| random.one_in(2)).unwrap_or(any);
    match random.below(16) {
        0 | 1 => Change::Crash(node),
        2 if random.one_in(4) => Change::CrashAll,
        2 | 3 => Change::StartAll,
        4 | 5 => Change::CutOff(node),
        6 => Change::StandStill(node),
        7 => Change::SlowDisk(node),
        8 => Change::Start(any),
        9 | 10 => Change::HandOver(node),
        11 => Change::LoseDisk(any),
        12 => Change::FullDisk(node),
        13 => Change::SeemGone(node),
        _ => Change::Nothing,
    }
}
