//! What is between nodes, the log and the directory, and what goes wrong there.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::Clock;
use coney::cluster::{
    AppendError, Claim, Directory, Entry, Member, MemoryDirectory, MemoryLog, PieceVisitor, Pieces, Sequence,
    Told, Unreachable, VhostMove, read_snapshot, read_vhost,
};
use coney::store::{Engine, Error, MemoryDisk, Snapshot};
use coney::time::Time;

use crate::random::Random;
use crate::turns::{Answer, Ask};
use crate::virtual_time::pass;

pub const NODES: usize = 3;
pub const NAMES: [&str; NODES] = ["a", "b", "c"];
/// Who asks and hears nothing gives up after so long at most.
const GIVES_UP_MS: u64 = 900;

/// A leader whose lease was taken from it has found that out after so long.
const FINDS_OUT: Duration = Duration::from_millis(2500);

/// Shared by all nodes.
pub struct Network {
    pub log: MemoryLog,
    pub directory: MemoryDirectory,
    pub clock: Clock,
    pub random: Mutex<Random>,
    pub troubles: Mutex<Troubles>,
    pub disks: [MemoryDisk; NODES],
    /// All frames that were ever appended.
    pub history: Mutex<Vec<Entry>>,
    /// Snapshots that were begun.
    pub snapshots: AtomicU64,
    /// How often a node was told that another's process is gone.
    pub outlived: AtomicU64,
}

/// What is wrong now, by node.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    pub cut_off: [bool; NODES],
    pub stands_still: [bool; NODES],
    /// Whether it stood still since it last looked at the time.
    pub stood_still: [bool; NODES],
    /// How often it began to stand still, or not to know that another leads.
    pub lapses: [u64; NODES],
    pub slow_disk: [bool; NODES],
    /// Whether its disk is, or soon will be, full: then it stops.
    pub full_disk: [bool; NODES],
    /// Whether it is there at all.
    pub runs: [bool; NODES],
    /// How often it was started.
    pub starts: [u64; NODES],
    /// Whether others take its process for gone, whatever is true.
    pub seems_gone: [bool; NODES],
    /// Whether somebody was told so, of the process that is there.
    pub was_buried: [bool; NODES],
    /// When another began to lead after that.
    pub buried_at: [Option<Time>; NODES],
    /// Whether the directory does not even fail.
    pub directory_hangs: [bool; NODES],
    /// Whether answers and requests are lost now and then.
    pub is_lossy: bool,
    /// Appends of which a client did not hear.
    pub unknown: u64,
}

impl Network {
    pub fn new(random: Random, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            log: MemoryLog::default(),
            directory: MemoryDirectory::default(),
            clock,
            random: Mutex::new(random),
            troubles: Mutex::new(Troubles { is_lossy: true, ..Troubles::default() }),
            disks: [(); NODES].map(|()| MemoryDisk::new()),
            history: Mutex::default(),
            snapshots: AtomicU64::new(0),
            outlived: AtomicU64::new(0),
        })
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    pub fn below(&self, limit: u64) -> u64 {
        self.random.lock().unwrap().below(limit)
    }

    fn has(&self, of: impl Fn(&Troubles) -> bool) -> bool {
        of(&self.troubles.lock().unwrap())
    }

    /// Takes that long, and longer while the node stands still.
    pub async fn pass(&self, node: usize, ms: u64) {
        pass(ms).await;
        while self.has(|troubles| troubles.stands_still[node]) {
            pass(10).await;
        }
    }

    /// The node looks at the time, and does what it has to; a broker that is to end has told its clients a little later.
    pub fn looks_at_the_time(&self, node: usize) {
        let mut troubles = self.troubles.lock().unwrap();
        if !troubles.stands_still[node] {
            troubles.stood_still[node] = false;
        }
    }

    /// Whether it does not stand still, and has not just stood still; and whether it had time to find out that another leads, if
    /// that one was told that this one is gone.
    pub fn has_gone_on(&self, node: usize) -> bool {
        let now = self.now();
        !self.has(|troubles| {
            let is_unaware = troubles.buried_at[node].is_some_and(|at| now.since(at) < FINDS_OUT);
            troubles.stands_still[node] || troubles.stood_still[node] || is_unaware
        })
    }

    /// How often it began to stand still, or not to know that another leads.
    pub fn lapses(&self, node: usize) -> u64 {
        self.troubles.lock().unwrap().lapses[node]
    }

    /// Another begins to lead; whether this one, which still does, was said to be gone.
    pub fn is_buried(&self, node: usize) -> bool {
        let (now, mut troubles) = (self.now(), self.troubles.lock().unwrap());
        let was_buried = troubles.was_buried[node];
        if was_buried {
            troubles.buried_at[node] = Some(now);
            troubles.lapses[node] += 1;
        }
        was_buried
    }

    /// It leads no more.
    pub fn has_ended(&self, node: usize) {
        let mut troubles = self.troubles.lock().unwrap();
        (troubles.was_buried[node], troubles.buried_at[node]) = (false, None);
    }

    /// As a connection to another's process tells.
    pub async fn outlive(&self, node: usize, other: usize) -> Result<(), Unreachable> {
        let is_cut_off = |troubles: &Troubles| troubles.cut_off[node] || troubles.cut_off[other];
        let is_there = |troubles: &Troubles| troubles.runs[other] && !troubles.stands_still[other];
        if self.has(|troubles| is_cut_off(troubles) || !is_there(troubles)) || !self.travel(node).await {
            return Err(self.gives_up(node).await);
        }
        let starts = |troubles: &Troubles| (troubles.runs[other], troubles.starts[other]);
        let met = starts(&self.troubles.lock().unwrap());
        let has_ended = |troubles: &Troubles| starts(troubles) != met || troubles.seems_gone[other];
        while self.has(is_cut_off) || !self.has(has_ended) {
            self.pass(node, 1 + self.below(5)).await;
        }
        let mut troubles = self.troubles.lock().unwrap();
        if troubles.runs[other] && !troubles.seems_gone[other] {
            return Err(Unreachable("it is there again".into()));
        }
        troubles.was_buried[other] = troubles.runs[other];
        self.outlived.fetch_add(1, Relaxed);
        Ok(())
    }

    /// On the way there or back; whether it arrives.
    async fn travel(&self, node: usize) -> bool {
        let ms = if self.below(50) == 0 { 50 + self.below(400) } else { self.below(3) };
        self.pass(node, ms).await;
        let is_lost = self.has(|troubles| troubles.is_lossy) && self.below(40) == 0;
        !is_lost && !self.has(|troubles| troubles.cut_off[node])
    }

    async fn gives_up(&self, node: usize) -> Unreachable {
        self.pass(node, 100 + self.below(GIVES_UP_MS - 100)).await;
        Unreachable("no answer".into())
    }

    /// Answers what a thread of a node waits for.
    pub async fn serve(self: Arc<Self>, node: usize, ask: Ask) -> Answer {
        match ask {
            Ask::Append(after, frame) => Answer::Append(self.append(node, after, frame).await),
            Ask::Read(after, bytes_max) => Answer::Read(
                self.ask(node, |network| {
                    // Some replica may be behind.
                    let is_behind = network.below(10) == 0;
                    let mut frames = network.log.read(after, bytes_max);
                    if is_behind {
                        frames.truncate(frames.len() / 2);
                    }
                    frames
                })
                .await,
            ),
            Ask::Bounds => Answer::Bounds(self.ask(node, |network| network.log.bounds()).await),
            Ask::Trim(before) => Answer::Trim(self.ask(node, |network| network.log.trim(before)).await),
            Ask::Wait(after) => {
                self.wait(node, after).await;
                Answer::Nothing
            }
            Ask::Disk => {
                if self.has(|troubles| troubles.slow_disk[node]) {
                    self.pass(node, 100 + self.below(900)).await;
                } else if self.below(3) == 0 {
                    self.pass(node, 1).await;
                }
                Answer::Nothing
            }
        }
    }

    async fn ask<T>(&self, node: usize, what: impl FnOnce(&Self) -> T) -> Result<T, Unreachable> {
        if !self.travel(node).await {
            return Err(self.gives_up(node).await);
        }
        let answer = what(self);
        if !self.travel(node).await {
            return Err(self.gives_up(node).await);
        }
        Ok(answer)
    }

    async fn append(
        self: Arc<Self>,
        node: usize,
        after: Sequence,
        frame: Vec<u8>,
    ) -> Result<Sequence, AppendError> {
        // Who is cut off, or crashes, may have something on its way that comes much later.
        let one_in = if self.has(|troubles| troubles.cut_off[node]) { 3 } else { 30 };
        let late_ms =
            if self.has(|troubles| troubles.is_lossy) && self.below(one_in) == 0 { 6000 } else { 3 };
        let arrives = Arc::clone(&self).arrive(node, after, frame, self.below(late_ms));
        let arrived = tokio::spawn(arrives);
        if late_ms > 3 || self.has(|troubles| troubles.cut_off[node]) {
            return Err(self.unknown(node).await);
        }
        let Some(appended) = arrived.await.unwrap() else { return Err(self.unknown(node).await) };
        if !self.travel(node).await {
            return Err(self.unknown(node).await);
        }
        appended
    }

    /// What was sent arrives, or not, whatever has become of the node.
    async fn arrive(
        self: Arc<Self>,
        node: usize,
        after: Sequence,
        frame: Vec<u8>,
        ms: u64,
    ) -> Option<Result<Sequence, AppendError>> {
        pass(ms).await;
        let is_lost = self.has(|troubles| troubles.is_lossy) && self.below(40) == 0;
        if is_lost {
            return None;
        }
        let appended = self.log.append(NAMES[node], after, &frame);
        if appended.is_ok() {
            self.history.lock().unwrap().push(Entry { writer: NAMES[node].to_owned(), frame });
        }
        Some(appended)
    }

    async fn unknown(&self, node: usize) -> AppendError {
        self.troubles.lock().unwrap().unknown += 1;
        AppendError::Unknown(self.gives_up(node).await.0)
    }

    async fn wait(&self, node: usize, after: Sequence) {
        for _ in 0..20 {
            self.pass(node, 5 + self.below(40)).await;
            if self.log.bounds().last > after {
                return;
            }
        }
    }
}

/// A snapshot that one node takes of another.
pub struct SimulatedPieces {
    network: Arc<Network>,
    node: usize,
    from: usize,
    left: VecDeque<Vec<u8>>,
}

impl SimulatedPieces {
    pub async fn ask(network: Arc<Network>, node: usize, from: &str) -> Result<Self, Unreachable> {
        /// Small, so that there are many.
        /// Each pair by itself: a random salt may be longer or shorter, and a seed has one story.
        const PIECE_BYTES: usize = 1;
        let from = NAMES.iter().position(|name| *name == from).unwrap();
        let pieces =
            Self::read(network, node, from, |snapshot, visit| read_snapshot(snapshot, PIECE_BYTES, visit));
        let pieces = pieces.await?;
        pieces.network.snapshots.fetch_add(1, Relaxed);
        Ok(pieces)
    }

    /// What another node has of a vhost that was closed for the move of this id.
    pub async fn of_vhost(
        network: Arc<Network>,
        node: usize,
        from: usize,
        wish: &VhostMove,
    ) -> Result<Self, Unreachable> {
        const PIECE_BYTES: usize = 500;
        Self::read(network, node, from, |snapshot, visit| {
            read_vhost(snapshot, &wish.vhost, wish.id, PIECE_BYTES, visit)
        })
        .await
    }

    async fn read(
        network: Arc<Network>,
        node: usize,
        from: usize,
        read: impl FnOnce(&dyn Snapshot, &mut PieceVisitor<'_>) -> Result<(), Error>,
    ) -> Result<Self, Unreachable> {
        let mut pieces = Self { network, node, from, left: VecDeque::new() };
        pieces.arrives().await?;
        let snapshot = pieces.network.disks[from].engine().snapshot();
        let mut left = VecDeque::new();
        let read = read(&*snapshot, &mut |piece| {
            left.push_back(piece);
            Ok(())
        });
        read.map_err(|error| Unreachable(error.to_string()))?;
        pieces.left = left;
        Ok(pieces)
    }

    async fn arrives(&self) -> Result<(), Unreachable> {
        let is_there = self.network.has(|troubles| {
            troubles.runs[self.from] && !troubles.stands_still[self.from] && !troubles.cut_off[self.from]
        });
        let is_cut = self.network.has(|troubles| troubles.is_lossy) && self.network.below(200) == 0;
        if !is_there || is_cut || !self.network.travel(self.node).await {
            return Err(self.network.gives_up(self.node).await);
        }
        Ok(())
    }
}

impl Pieces for SimulatedPieces {
    async fn next(&mut self) -> Result<Vec<u8>, Unreachable> {
        if self.network.below(4) == 0 {
            self.arrives().await?;
        }
        let piece = self.left.pop_front();
        let mut piece = piece.ok_or_else(|| Unreachable("there is no more".into()))?;
        if self.network.has(|troubles| troubles.is_lossy) && self.network.below(500) == 0 {
            match self.network.below(3) {
                0 => piece = self.left.pop_front().unwrap_or_default(),
                1 => piece.truncate(piece.len() / 2),
                _ => piece[self.network.below(40) as usize] ^= 1,
            }
        }
        Ok(piece)
    }
}

/// The directory, as a node sees it.
#[derive(Clone)]
pub struct NodesDirectory {
    pub network: Arc<Network>,
    pub node: usize,
}

impl Directory for NodesDirectory {
    async fn read(&self) -> Result<Option<Claim>, Unreachable> {
        let now = self.network.clock;
        self.network.ask(self.node, |network| network.directory.read_at(now.now())).await
    }

    async fn write(&self, holder: &str, revision: u64) -> Result<Option<u64>, Unreachable> {
        let now = self.network.clock;
        while self.network.has(|troubles| troubles.directory_hangs[self.node]) {
            pass(10).await;
        }
        let write = |network: &Network| network.directory.write_at(now.now(), holder, revision);
        self.network.ask(self.node, write).await
    }

    async fn tell(&self, member: &Member) -> Result<(), Unreachable> {
        let now = self.network.clock;
        self.network.ask(self.node, |network| network.directory.tell_at(now.now(), member)).await
    }

    async fn members(&self) -> Result<Vec<Told>, Unreachable> {
        let now = self.network.clock;
        self.network.ask(self.node, |network| network.directory.members_at(now.now())).await
    }
}

/// As a number of milliseconds, rounded up.
pub fn ms(time: Duration) -> u64 {
    time.as_micros().div_ceil(1000).try_into().unwrap()
}
