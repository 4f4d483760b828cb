//! The simulated world: a disk that outlives crashes, and a broker with its clients for each life between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable};
use coney::broker::journal::{Rule, Selector};
use coney::store::{ManualCommitter, MemoryDisk, open_manual};
use coney::time::Timestamp;
use coney::{Broker, BrokerHandle, Clock, JournalHandle, Window};
use tokio::task::JoinSet;

use super::client::{Client, Said, Settle};
use super::ledger::{Found, Now, Shared, confirmed, lock};
use super::paths;
use super::random::Random;
use super::streams::{self, At, Work};
use crate::support::virtual_time::pass;

/// Queue 0 dead-letters to queue 2, also what fails too often; before that its messages wait, and are set aside. Queue 1 has no
/// dead-lettering, and gets messages late from an exchange that delays them; queue 2 is where dead letters end. Queue 3 has a
/// numbered publisher, and queue 4 a window; nobody consumes from these two, so that what came in twice is there twice.
const QUEUES: [(&str, &[(&str, &str)]); 5] = [
    (
        "work",
        &[
            ("x-dead-letter-exchange", ""),
            ("x-dead-letter-routing-key", "dead"),
            ("x-delivery-limit", "5"),
            ("x-delayed-retry-type", "all"),
            ("x-delayed-retry-min", "2"),
            ("x-delayed-retry-max", "8"),
            ("x-parking-after", "3"),
            ("x-parking-ttl", "15"),
        ],
    ),
    ("plain", &[]),
    ("dead", &[]),
    ("numbered", &[]),
    ("window", &[("x-message-deduplication", "true"), ("x-cache-size", "200")]),
];
const LATE: &str = "late";
const PLAIN: usize = 1;
const NUMBERED: usize = 3;
const ONCE: usize = 4;
/// Ids of the numbered publisher's messages begin here.
const NUMBERED_IDS: u64 = 1 << 32;
/// The longest delay.
const DELAY_MAX_MS: u64 = 60;
const DEAD: usize = 2;
/// Virtual time from one life's begin to its end.
const LIFE_MS: u64 = 120;
/// So little of a queue is in memory that messages are put out of it all the time: some three at the head, then pairs.
const WINDOW: Window = Window { start_bytes: 600, head_bytes: 250, segment_bytes: 150 };

/// What outlives a crash.
pub struct World {
    disk: MemoryDisk,
    ledger: Shared,
    /// That of the present life.
    journal: Slot,
    traits: Traits,
}

/// What a simulated world has.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Streams as well.
    pub streams: bool,
    /// A clock of its own, which somebody moves as time passes.
    pub own_clock: bool,
}

/// Where everything happens in one with a clock of its own.
const WORLD: &str = "~simulated;clock=virtual;ttl_s=0;journal=false";

type Slot = Arc<Mutex<Option<JournalHandle>>>;

impl World {
    pub fn new(traits: Traits) -> Self {
        Self { disk: MemoryDisk::new(), ledger: Shared::default(), journal: Slot::default(), traits }
    }

    /// One life of the broker, which ends in the middle of things.
    pub fn live(&mut self, random: Random) {
        self.begin_life();
        let (disk, ledger, journal) =
            (self.disk.clone(), Arc::clone(&self.ledger), Arc::clone(&self.journal));
        let traits = self.traits;
        in_virtual_time(async move {
            let mut life = Life::begin(&disk, ledger, &journal, random, traits).await;
            life.load().await;
        });
        self.check_journal();
    }

    /// Of what was not synced a random part is kept.
    pub fn crash(&mut self, random: &mut Random) {
        let kept = random.below(self.disk.buffered() as u64 + 1);
        self.disk.crash(kept as usize);
    }

    /// The last life: everything that is left is taken out.
    pub fn settle(&mut self, random: Random) {
        self.begin_life();
        let (disk, ledger, journal) =
            (self.disk.clone(), Arc::clone(&self.ledger), Arc::clone(&self.journal));
        let traits = self.traits;
        in_virtual_time(async move {
            Life::begin(&disk, ledger, &journal, random, traits).await.drain().await;
        });
        self.check_journal();
    }

    fn begin_life(&self) {
        let mut ledger = lock(&self.ledger);
        ledger.acked_now.clear();
        ledger.now = Now::default();
    }

    /// What the broker's journal says of this life is what clients know of it.
    fn check_journal(&self) {
        let journal = self.journal.lock().unwrap().take().expect("a broker has a journal");
        paths::check(&journal, &lock(&self.ledger).now, &QUEUES.map(|(name, _)| name));
    }

    pub fn check(&self) {
        lock(&self.ledger).check();
    }

    /// Enough of the story to tell it from another.
    pub fn summary(&self) -> Summary {
        let ledger = lock(&self.ledger);
        Summary {
            published: ledger.next_id,
            deliveries: ledger.deliveries,
            confirmed: ledger.confirmed.len() as u64,
            settled: ledger.settled.len() as u64,
            dead: ledger.found.iter().filter(|found| found.queue == DEAD).count() as u64,
            streams: ledger.streams.work(),
        }
    }
}

/// What happened in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub published: u64,
    pub deliveries: u64,
    pub confirmed: u64,
    pub settled: u64,
    pub dead: u64,
    pub streams: Work,
}

impl std::ops::AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.published += other.published;
        self.deliveries += other.deliveries;
        self.confirmed += other.confirmed;
        self.settled += other.settled;
        self.dead += other.dead;
        self.streams += other.streams;
    }
}

/// Runs on one thread, on a clock that jumps to the next timer when there is nothing to do. What still runs at the end is
/// dropped where it stands.
fn in_virtual_time(work: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let within = tokio::time::Duration::from_secs(600);
    let ended = runtime.block_on(async { tokio::time::timeout(within, work).await });
    assert!(ended.is_ok(), "the world stood still");
}

struct Life {
    at: At,
    ledger: Shared,
    random: Random,
    traits: Traits,
}

impl Life {
    async fn begin(
        disk: &MemoryDisk,
        ledger: Shared,
        journal: &Slot,
        mut random: Random,
        traits: Traits,
    ) -> Self {
        let (handle, committer, recovered) = open_manual(disk.clone()).unwrap();
        tokio::spawn(commit_now_and_then(committer, random.fork()));
        let builder =
            Broker::builder().detached().clock(Clock::starting_at(Timestamp::from_millis(1_000_000)));
        let builder = if traits.own_clock { builder.test() } else { builder };
        let broker = Arc::new(builder.store(handle, recovered).window(WINDOW).start().await.unwrap());
        let vhost = if traits.own_clock { WORLD } else { "/" };
        let at = At { broker: Arc::clone(&broker), ledger: Arc::clone(&ledger), vhost };
        let mut client = at.client().await.unwrap();
        if traits.own_clock {
            tokio::spawn(move_clock(Arc::clone(&broker)));
        }
        let own = broker.journal(vhost).unwrap();
        let rule = Rule { selector: Selector::All, next: None, until: Timestamp::from_millis(u64::MAX) };
        own.recordings().begin(rule, Timestamp::default()).unwrap();
        *journal.lock().unwrap() = Some(own);
        let life = Self { at, ledger, random, traits };
        for (name, arguments) in QUEUES {
            client.declare(name, arguments).await.unwrap();
        }
        client.declare_delays(LATE, QUEUES[PLAIN].0).await.unwrap();
        if traits.streams {
            streams::begin_life(&life.at, &mut client).await;
        }
        life
    }

    async fn client(&self) -> Client {
        self.at.client().await.unwrap()
    }

    /// Clients at work until the life ends.
    async fn load(&mut self) {
        let mut clients = JoinSet::new();
        for _ in 0..2 {
            let (client, ledger, random) =
                (self.client().await, Arc::clone(&self.ledger), self.random.fork());
            clients.spawn(publisher(client, ledger, random));
        }
        let (client, ledger, random) = (self.client().await, Arc::clone(&self.ledger), self.random.fork());
        clients.spawn(transactions(client, ledger, random));
        let (client, ledger, random) = (self.client().await, Arc::clone(&self.ledger), self.random.fork());
        clients.spawn(numbered(client, ledger, random));
        let (client, ledger, random) = (self.client().await, Arc::clone(&self.ledger), self.random.fork());
        clients.spawn(once(client, ledger, random));
        for queue in [0, 1] {
            let (client, ledger, random) =
                (self.client().await, Arc::clone(&self.ledger), self.random.fork());
            clients.spawn(consumer(client, queue, ledger, random));
        }
        if self.traits.streams {
            streams::begin(&mut clients, &self.at, &mut self.random).await;
        }
        let life = Duration::from_millis(1 + self.random.below(LIFE_MS));
        // Whatever a client finds wrong ends the simulation here.
        let _ = tokio::time::timeout(life, async {
            while let Some(ended) = clients.join_next().await {
                ended.unwrap();
            }
        })
        .await;
    }

    /// Takes everything out of every queue.
    async fn drain(&mut self) {
        let mut client = self.client().await;
        // What is delayed has to arrive, also by way of the committer.
        pass(10 * DELAY_MAX_MS).await;
        // They stay: what they have would fail with them, and may be dead then.
        let mut takers = Vec::new();
        for (index, (name, arguments)) in QUEUES.into_iter().enumerate() {
            let mut left = client.count(name).await.unwrap();
            let mut taker = self.client().await;
            // Declared already; only its answer's order matters.
            taker.declare(name, arguments).await.unwrap();
            taker.consume(name, 0).await.unwrap();
            while left > 0 {
                if let Some(Said::Delivery { body, .. }) = taker.next().await {
                    let mut ledger = lock(&self.ledger);
                    ledger.found.push(Found { queue: index, id: body });
                    *ledger.now.delivered.entry((index, body)).or_default() += 1;
                    left -= 1;
                }
            }
            takers.push(taker);
        }
        if self.traits.streams {
            takers.extend(streams::settle(&self.at).await);
        }
    }
}

/// Moves the world's clock as time passes, a step at a time, as a test would.
async fn move_clock(broker: Arc<BrokerHandle>) {
    let world = broker.world_named(WORLD).unwrap();
    let (begun, wall) = (broker.now(), world.clock().now());
    loop {
        pass(1).await;
        let passed = broker.now().since(begun).as_millis();
        world.clock().advance_to(wall.plus_ms(passed.try_into().unwrap())).await.unwrap();
    }
}

/// The committer at a random pace, in random pieces.
async fn commit_now_and_then(mut committer: ManualCommitter, mut random: Random) {
    loop {
        pass(random.below(3)).await;
        let most = if random.one_in(3) { usize::MAX } else { 1 + random.below(4) as usize };
        committer.commit_some(most);
    }
}

async fn publisher(mut client: Client, ledger: Shared, mut random: Random) {
    client.confirm_select();
    let mut open = BTreeMap::new();
    let mut sequence = 0;
    loop {
        for _ in 0..=random.below(8) {
            let queue = random.below(2) as usize;
            let id = lock(&ledger).new_id();
            if queue == PLAIN && random.one_in(3) {
                client.publish_to(LATE, QUEUES[PLAIN].0, id, delayed(1 + random.below(DELAY_MAX_MS)));
            } else {
                client.publish(QUEUES[queue].0, id);
            }
            sequence += 1;
            open.insert(sequence, (id, queue));
        }
        if client.flush().await.is_none() {
            return;
        }
        let keep = random.below(10) as usize;
        while open.len() > keep {
            let Some(said) = client.next().await else { return };
            let Said::Confirm { tag, multiple, ack } = said else { continue };
            assert!(ack, "nothing is refused here");
            let first = if multiple { 0 } else { tag };
            let told: Vec<u64> = open.range(first..=tag).map(|(sequence, _)| *sequence).collect();
            assert!(!told.is_empty(), "confirmed twice: {tag}");
            for (id, queue) in told.iter().filter_map(|sequence| open.remove(sequence)) {
                lock(&ledger).confirm(id, queue);
            }
        }
        pass(random.below(3)).await;
    }
}

fn delayed(ms: u64) -> AMQPProperties {
    let mut headers = FieldTable::default();
    headers.insert("x-delay".into(), AMQPValue::LongInt(ms as i32));
    AMQPProperties::default().with_headers(headers)
}

fn mark(number: u64) -> AMQPProperties {
    let mut headers = FieldTable::default();
    headers.insert("x-publisher-id".into(), AMQPValue::LongString("publisher".into()));
    headers.insert("x-publishing-id".into(), AMQPValue::LongLongInt(number as i64));
    AMQPProperties::default().with_headers(headers)
}

/// Goes on after a crash where its confirms ended, and repeats itself now and then.
async fn numbered(mut client: Client, ledger: Shared, mut random: Random) {
    client.confirm_select();
    let (mut open, mut sequence) = (BTreeMap::new(), 0);
    let mut next = lock(&ledger).numbered + 1;
    loop {
        for _ in 0..=random.below(4) {
            let number =
                if random.one_in(5) { 1 + random.below(next - 1 + u64::from(next == 1)) } else { next };
            client.publish_to("", QUEUES[NUMBERED].0, NUMBERED_IDS + number, mark(number));
            sequence += 1;
            open.insert(sequence, number);
            next = next.max(number + 1);
        }
        if client.flush().await.is_none() {
            return;
        }
        let keep = random.below(6) as usize;
        let Some(told) = confirmed(&mut client, &mut open, keep).await else { return };
        {
            let mut ledger = lock(&ledger);
            told.into_iter().for_each(|number| ledger.confirm(NUMBERED_IDS + number, NUMBERED));
            let last = open.values().min().map_or(next - 1, |number| number - 1);
            ledger.numbered = ledger.numbered.max(last);
        }
        pass(random.below(4)).await;
    }
}

/// Publishes again after a crash what was not confirmed, and now and then what was.
async fn once(mut client: Client, ledger: Shared, mut random: Random) {
    client.confirm_select();
    let (mut open, mut sequence) = (BTreeMap::new(), 0);
    let mut again: Vec<u64> = lock(&ledger).unconfirmed.iter().copied().collect();
    loop {
        for _ in 0..=random.below(4) {
            let id = again.pop().unwrap_or_else(|| lock(&ledger).new_id());
            lock(&ledger).unconfirmed.insert(id);
            client.publish(QUEUES[ONCE].0, id);
            sequence += 1;
            open.insert(sequence, id);
        }
        if client.flush().await.is_none() {
            return;
        }
        let keep = random.below(6) as usize;
        let Some(told) = confirmed(&mut client, &mut open, keep).await else { return };
        if let Some(id) = told.first().filter(|_| random.one_in(3)) {
            again.push(*id);
        }
        {
            let mut ledger = lock(&ledger);
            for id in told {
                ledger.unconfirmed.remove(&id);
                ledger.confirm(id, ONCE);
            }
        }
        pass(random.below(4)).await;
    }
}

/// Pairs of messages to two queues, each pair one transaction.
async fn transactions(mut client: Client, ledger: Shared, mut random: Random) {
    client.tx(false);
    loop {
        let (first, second) = {
            let mut ledger = lock(&ledger);
            let pair = (ledger.new_id(), ledger.new_id());
            ledger.pairs.push(pair);
            pair
        };
        client.publish(QUEUES[0].0, first);
        client.publish(QUEUES[1].0, second);
        if client.commit().await.is_none() {
            return;
        }
        for (id, queue) in [(first, 0), (second, 1)] {
            lock(&ledger).confirm(id, queue);
        }
        pass(random.below(6)).await;
    }
}

/// Acks most, requeues some, rejects some; holds a few back.
async fn consumer(mut client: Client, queue: usize, ledger: Shared, mut random: Random) {
    let prefetch = 1 + random.below(6);
    if client.consume(QUEUES[queue].0, prefetch as u16).await.is_none() {
        return;
    }
    let mut held: Vec<(u64, u64)> = Vec::new();
    let mut newest = BTreeMap::new();
    loop {
        let Some(said) = client.next().await else { return };
        let Said::Delivery { tag, redelivered, body, .. } = said else { continue };
        lock(&ledger).delivered(queue, body);
        if !redelivered {
            let before = newest.insert(queue, tag);
            assert!(before.is_none_or(|before| before < tag), "tags go up");
        }
        held.push((tag, body));
        assert!(held.len() as u64 <= prefetch, "more unacked than the prefetch of {prefetch}");
        if held.len() as u64 == prefetch || random.one_in(3) {
            settle_some(&mut client, queue, &ledger, &mut held, &mut random);
            if client.flush().await.is_none() {
                return;
            }
        }
        pass(random.below(2)).await;
    }
}

fn settle_some(
    client: &mut Client,
    queue: usize,
    ledger: &Shared,
    held: &mut Vec<(u64, u64)>,
    random: &mut Random,
) {
    let count = 1 + random.below(held.len() as u64) as usize;
    for _ in 0..count {
        let (tag, id) = held.swap_remove(random.below(held.len() as u64) as usize);
        let settle = match random.below(10) {
            0 | 1 => Settle::Requeue,
            2 => Settle::Reject,
            _ => Settle::Ack,
        };
        client.settle(tag, settle);
        let mut ledger = lock(ledger);
        let now = &mut ledger.now;
        let said = match settle {
            Settle::Ack => &mut now.acked,
            Settle::Requeue => &mut now.requeued,
            Settle::Reject => &mut now.rejected,
        };
        *said.entry((queue, id)).or_default() += 1;
        // Rejected from 'work' it goes on living among the dead letters.
        if settle == Settle::Ack || (settle == Settle::Reject && queue != 0) {
            ledger.settled.insert(id);
        }
        if settle == Settle::Ack {
            ledger.acked_now.insert((queue, id));
        }
    }
}
