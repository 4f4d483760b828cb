//! Three nodes, their disks, and what happens to them.

use std::sync::{Arc, Mutex};

use coney::cluster::{Follower, Frame, Kind, LocalEngine, Mark, Member, Node};
use coney::store::{MemoryDisk, Space};
use tokio::task::JoinHandle;

use crate::clients::{At, drain, publisher, worker};
use crate::host::SimulatedHost;
use crate::network::{NAMES, NODES, Network, NodesDirectory, Troubles};
use crate::random::Random;
use crate::turns::TurnDisk;
use crate::virtual_time::pass;

const LOG_ID: u64 = 1;
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
    }
}

pub struct World {
    network: Arc<Network>,
    at: At,
    disks: [MemoryDisk; NODES],
    nodes: [Option<JoinHandle<()>>; NODES],
    /// Why nodes have stopped: they should not.
    stopped: Arc<Mutex<Vec<String>>>,
    random: Random,
    crashes: u64,
}

impl World {
    pub fn new(mut random: Random) -> Self {
        let network = Network::new(random.fork());
        let at = At { brokers: Arc::default(), ledger: Arc::default(), network: Arc::clone(&network) };
        let mut world = Self {
            network,
            at,
            disks: [(); NODES].map(|()| MemoryDisk::new()),
            nodes: [const { None }; NODES],
            stopped: Arc::default(),
            random,
            crashes: 0,
        };
        (0..NODES).for_each(|node| world.start(node));
        world
    }

    fn start(&mut self, node: usize) {
        if self.nodes[node].is_some() {
            return;
        }
        let network = Arc::clone(&self.network);
        let clock = network.clock;
        let engine = TurnDisk(self.disks[node].engine());
        let engine = LocalEngine::new(Box::new(engine), move || clock.now());
        let directory = NodesDirectory { network: Arc::clone(&network), node };
        let host = SimulatedHost { node, network, directory, brokers: Arc::clone(&self.at.brokers) };
        let member = Member { name: NAMES[node].to_owned(), rank: node as u32, ..Member::default() };
        let run = Node::new(host, member, LOG_ID, engine).run();
        let stopped = Arc::clone(&self.stopped);
        self.nodes[node] = Some(tokio::spawn(async move {
            let error = run.await;
            stopped.lock().unwrap().push(error.to_string());
        }));
    }

    /// Power fails: of what the disk had not synced a random part is kept.
    fn crash(&mut self, node: usize) {
        let Some(running) = self.nodes[node].take() else { return };
        running.abort();
        self.at.brokers.crash(node);
        let kept = self.random.below(self.disks[node].buffered() as u64 + 1);
        self.disks[node].crash(kept as usize);
        self.crashes += 1;
        self.trouble(|troubles| troubles.stood_still[node] = false);
    }

    fn trouble(&self, change: impl FnOnce(&mut Troubles)) {
        change(&mut self.network.troubles.lock().unwrap());
    }

    /// Clients at work, and one trouble after the other.
    pub async fn live(&mut self) {
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(tokio::spawn(publisher(self.at.clone(), self.random.fork())));
            clients.push(tokio::spawn(worker(self.at.clone(), self.random.fork())));
        }
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

    fn assert_running(&self) {
        let stopped = self.stopped.lock().unwrap();
        assert!(stopped.is_empty(), "nodes have stopped: {stopped:?}");
        assert!(!self.nodes.iter().flatten().any(JoinHandle::is_finished), "a node has failed");
    }

    /// Something begins, or ends. Whoever leads is met more often than others.
    fn change(&mut self) {
        let any = self.random.below(NODES as u64) as usize;
        let node = self.at.brokers.first().filter(|_| self.random.one_in(2)).unwrap_or(any);
        match self.random.below(10) {
            0 | 1 => self.crash(node),
            2 if self.random.one_in(4) => (0..NODES).for_each(|node| self.crash(node)),
            2 | 3 => (0..NODES).for_each(|node| self.start(node)),
            4 | 5 => self.trouble(|troubles| troubles.cut_off[node] = true),
            6 => self.trouble(|troubles| {
                troubles.stands_still[node] = true;
                troubles.stood_still[node] = true;
            }),
            7 => self.trouble(|troubles| troubles.slow_disk[node] = true),
            8 => self.start(any),
            _ => {}
        }
        // What is wrong stays so for some seconds.
        if self.random.one_in(4) {
            self.trouble(|troubles| {
                *troubles = Troubles {
                    is_lossy: troubles.is_lossy,
                    unknown: troubles.unknown,
                    stood_still: troubles.stood_still,
                    ..Troubles::default()
                };
            });
        }
    }

    /// All is well again, and all that is left is taken out.
    pub async fn heal(&mut self) {
        self.trouble(|troubles| *troubles = Troubles { unknown: troubles.unknown, ..Troubles::default() });
        (0..NODES).for_each(|node| self.start(node));
        // Whatever was late has come, and whoever was to step down has.
        pass(12_000).await;
        self.assert_running();
        let found = drain(&self.at, &mut self.random).await.expect("somebody leads, and goes on");
        self.at.ledger.lock().unwrap().check(&found);
    }

    /// The log and the disks, when nothing more happens.
    pub async fn check(&mut self) -> Summary {
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
        }
    }

    /// All frames of a term are from the one who fenced it.
    fn check_writers(&self) -> (u64, u64) {
        let (mut term, mut writer, mut terms) = (0, String::new(), 0);
        let entries = self.network.log.entries();
        for entry in &entries {
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
        let disk = &self.disks[node];
        let mut follower = Follower::open(disk.engine(), LOG_ID).unwrap();
        let mut log = self.network.log.client(NAMES[node]);
        while follower.step(&mut log).unwrap().has_read {}
        let pairs = disk.contents().into_iter().filter(|((_, key), _)| !Mark::is_key(key));
        let mut pairs: Vec<_> = pairs.map(|((space, key), value)| (space, key, value)).collect();
        // The heartbeat also says what this disk has synced.
        let beat = pairs.iter_mut().find(|(space, key, _)| *space == Space::Messages && key == &[0]);
        beat.unwrap().2.truncate(8);
        pairs
    }

    /// A leader whose directory hangs stops before the lease can be another's.
    pub async fn ends_with_its_lease(&mut self) {
        self.trouble(|troubles| troubles.is_lossy = false);
        pass(6000).await;
        let leader = self.at.brokers.first().expect("one leads");
        self.trouble(|troubles| troubles.directory_hangs[leader] = true);
        pass(2600).await;
        assert_eq!(self.at.brokers.first(), None);
        pass(3000).await;
        assert!(self.at.brokers.first().is_some_and(|other| other != leader));
        self.assert_running();
    }

    /// What a node says that follows a log which has lost something.
    pub async fn loses_the_end_of_its_log(&mut self) -> String {
        let client = tokio::spawn(publisher(self.at.clone(), self.random.fork()));
        pass(8000).await;
        assert!(self.network.log.entries().len() > 20);
        self.network.log.lose_tail(3);
        pass(8000).await;
        client.abort();
        let stopped = self.stopped.lock().unwrap();
        stopped.first().expect("nobody has noticed").clone()
    }
}
