//! Clients that connect to whatever leads, and again when that ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};

use crate::client::{Client, Said, Settle};
use crate::host::Brokers;
use crate::ledger::{ARGUMENTS, Ledger, QUEUES, STREAM};
use crate::network::Network;
use crate::random::Random;
use crate::virtual_time::pass;

/// What every client has.
#[derive(Clone)]
pub struct At {
    pub brokers: Arc<Brokers>,
    pub ledger: Arc<Mutex<Ledger>>,
    pub network: Arc<Network>,
    pub vhost: &'static str,
    /// All shards, if there are several: the vhost may be in any of them.
    pub places: Arc<[Place]>,
}

/// So many messages a worker may have that it has not settled.
const PREFETCH: u16 = 4;

/// A shard, as clients see it.
#[derive(Clone)]
pub struct Place {
    pub brokers: Arc<Brokers>,
    pub network: Arc<Network>,
}

/// Who serves a client.
pub struct Served {
    node: usize,
    network: Arc<Network>,
}

impl Served {
    fn has_gone_on(&self) -> bool {
        self.network.has_gone_on(self.node)
    }

    fn lapses(&self) -> u64 {
        self.network.lapses(self.node)
    }
}

impl At {
    /// Connects so many times to one broker; `None` if it is gone, or nobody serves the vhost.
    pub async fn connect<const N: usize>(&self, random: &mut Random) -> Option<(Served, [Client; N])> {
        if self.places.is_empty() {
            let only = Place { brokers: Arc::clone(&self.brokers), network: Arc::clone(&self.network) };
            return self.connect_to(&only, random).await;
        }
        let first = random.below(self.places.len() as u64) as usize;
        for place in self.places.iter().cycle().skip(first).take(self.places.len()) {
            if let Some(found) = self.connect_to(place, random).await {
                return Some(found);
            }
        }
        None
    }

    async fn connect_to<const N: usize>(
        &self,
        place: &Place,
        random: &mut Random,
    ) -> Option<(Served, [Client; N])> {
        let (node, streams) = place.brokers.connect::<N>(random.below(1 << 32))?;
        let mut clients = Vec::new();
        for stream in streams {
            clients.push(match self.places.len() {
                0 => Client::connect(stream, self.vhost).await?,
                // It may be another's.
                _ => Client::open(stream, self.vhost, true).await?,
            });
        }
        Some((Served { node, network: Arc::clone(&place.network) }, clients.try_into().ok()?))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // Also after a panic: that is told elsewhere.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody stays for ever, least of all with a broker that has stopped answering.
async fn for_a_while(ms: u64, work: impl Future<Output = Option<()>>) {
    drop(tokio::time::timeout(Duration::from_millis(500 + ms), work).await);
}

async fn declare(client: &mut Client) -> Option<()> {
    for (queue, arguments) in QUEUES.into_iter().zip(ARGUMENTS) {
        client.declare(queue, arguments).await?;
    }
    Some(())
}

/// Publishes to two queues at once, in transactions.
pub async fn transactor(at: At, mut random: Random) {
    loop {
        if let Some((_, [client])) = at.connect(&mut random).await {
            for_a_while(random.below(8000), transact(&at, client, &mut random.fork())).await;
        }
        pass(20 + random.below(100)).await;
    }
}

async fn transact(at: &At, mut client: Client, random: &mut Random) -> Option<()> {
    declare(&mut client).await?;
    client.tx(false);
    loop {
        let pair = [0, 1].map(|queue| (at.ledger().new_id(), queue));
        for (id, queue) in pair {
            client.publish(QUEUES[queue], id);
        }
        at.ledger().pairs.push((pair[0].0, pair[1].0));
        client.commit().await?;
        at.ledger().confirmed.extend(pair);
        pass(20 + random.below(100)).await;
    }
}

/// Publishes, and writes down what was confirmed.
pub async fn publisher(at: At, mut random: Random) {
    loop {
        if let Some((_, [client])) = at.connect(&mut random).await {
            for_a_while(random.below(8000), publish(&at, client, &mut random.fork())).await;
        }
        pass(20 + random.below(100)).await;
    }
}

async fn publish(at: &At, mut client: Client, random: &mut Random) -> Option<()> {
    declare(&mut client).await?;
    client.confirm_select();
    let (mut open, mut sequence) = (BTreeMap::new(), 0);
    loop {
        for _ in 0..=random.below(6) {
            let (queue, id) = (random.below(3) as usize, at.ledger().new_id());
            client.publish(QUEUES[queue], id);
            sequence += 1;
            open.insert(sequence, (id, queue));
        }
        client.flush().await?;
        let keep = random.below(6) as usize;
        while open.len() > keep {
            let Said::Confirm { tag, multiple, ack } = client.next().await? else { continue };
            assert!(ack, "nothing is refused here");
            let first = if multiple { 0 } else { tag };
            for (_, (id, queue)) in open.extract_if(first..=tag, |_, _| true) {
                at.ledger().confirmed.insert(id, queue);
            }
        }
        pass(5 + random.below(30)).await;
    }
}

/// Consumes, acks, and now and then has something confirmed after the acks: then these may not be undone.
pub async fn worker(at: At, mut random: Random) {
    loop {
        if let Some((served, clients)) = at.connect(&mut random).await {
            for_a_while(random.below(4000), work(&at, &served, clients, &mut random.fork())).await;
        }
        pass(20 + random.below(100)).await;
    }
}

async fn work(
    at: &At,
    served: &Served,
    [mut consumer, mut prover]: [Client; 2],
    random: &mut Random,
) -> Option<()> {
    declare(&mut consumer).await?;
    prover.confirm_select();
    consumer.consume(QUEUES[0], PREFETCH).await?;
    let (mut unproved, mut rejected) = (Vec::new(), Vec::new());
    let (mut lapses, mut on_their_way) = (served.lapses(), 0);
    loop {
        let Said::Delivery { tag, body, .. } = consumer.next().await? else { continue };
        // What stands still here is the node's clock, not its broker: one that goes on must have had time to look.
        // And what was on its way to this client then may have been another's since.
        if served.lapses() != lapses || !served.has_gone_on() {
            (lapses, on_their_way) = (served.lapses(), PREFETCH);
        }
        if on_their_way > 0 {
            on_their_way -= 1;
        } else {
            at.ledger().delivered(body);
        }
        if random.one_in(8) {
            consumer.settle(tag, Settle::Requeue);
        } else if random.one_in(8) {
            consumer.settle(tag, Settle::Reject);
            rejected.push(body);
        } else {
            consumer.settle(tag, Settle::Ack);
            at.ledger().acked.insert(body);
            unproved.push(body);
        }
        consumer.flush().await?;
        pass(random.below(40)).await;
        if random.one_in(6) {
            // The acks have been heard before what follows.
            pass(1).await;
            let id = at.ledger().new_id();
            prover.publish(QUEUES[0], id);
            prover.flush().await?;
            prover.until(|said| matches!(said, Said::Confirm { .. }).then_some(())).await?;
            let mut ledger = at.ledger();
            ledger.confirmed.insert(id, 0);
            ledger.gone.extend(unproved.drain(..));
            ledger.dead.extend(rejected.drain(..));
        }
    }
}

/// Publishes so many, and consumes and acks all of them; the acks have arrived when this returns, but need not be on any disk.
pub async fn consume_all(at: &At, random: &mut Random, count: u64) -> Option<()> {
    let (_, [mut publisher, mut consumer]) = at.connect(random).await?;
    declare(&mut publisher).await?;
    publisher.confirm_select();
    for id in 0..count {
        publisher.publish(QUEUES[0], id);
        publisher.flush().await?;
        publisher.until(|said| matches!(said, Said::Confirm { .. }).then_some(())).await?;
    }
    consumer.consume(QUEUES[0], 0).await?;
    for _ in 0..count {
        let tag = consumer.until(|said| match said {
            Said::Delivery { tag, .. } => Some(tag),
            _ => None,
        });
        let tag = tag.await?;
        consumer.settle(tag, Settle::Ack);
    }
    consumer.flush().await?;
    // A broker answers in order.
    consumer.count(QUEUES[0]).await.map(drop)
}

/// Takes out all there is.
pub async fn drain(at: &At, random: &mut Random) -> Option<Vec<(usize, u64)>> {
    let (_, [mut client]) = at.connect(random).await?;
    declare(&mut client).await?;
    let mut found = Vec::new();
    let mut takers = Vec::new();
    for (index, queue) in QUEUES.into_iter().enumerate() {
        let left = client.count(queue).await?;
        let (_, [mut taker]) = at.connect(random).await?;
        if index == STREAM {
            let mut first = FieldTable::default();
            first.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
            taker.consume_with(queue, u16::MAX, first).await?;
        } else {
            taker.consume(queue, 0).await?;
        }
        for _ in 0..left {
            let id = taker.until(|said| match said {
                Said::Delivery { body, .. } => Some(body),
                _ => None,
            });
            found.push((index, id.await?));
        }
        takers.push(taker);
    }
    Some(found)
}
