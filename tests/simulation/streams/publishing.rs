//! Publishers of streams.

use std::collections::BTreeMap;

use super::topology::{LOG, SHORT, STREAMS, filter_value};
use crate::simulation::client::Client;
use crate::simulation::ledger::{Shared, confirmed, lock};
use crate::simulation::random::Random;
use crate::support::virtual_time::pass;

/// The plain queue of the other simulations.
const PLAIN: (usize, &str) = (1, "plain");

/// Queues a publish of a new message; its id.
pub fn publish(client: &mut Client, ledger: &Shared, stream: usize, publisher: usize) -> u64 {
    let mut ledger = lock(ledger);
    let id = ledger.new_id();
    ledger.streams.logs[stream].sent(publisher, id);
    client.publish_filtered(STREAMS[stream].0, id, filter_value(id));
    id
}

/// A publisher of two streams, with confirms.
pub async fn publisher(mut client: Client, ledger: Shared, mut random: Random) {
    client.confirm_select();
    let numbers = [LOG, SHORT].map(|stream| lock(&ledger).streams.logs[stream].new_publisher());
    let (mut open, mut sequence, mut streams) = (BTreeMap::new(), 0, BTreeMap::new());
    loop {
        for _ in 0..=random.below(5) {
            let stream = if random.one_in(3) { SHORT } else { LOG };
            let id = publish(&mut client, &ledger, stream, numbers[stream]);
            sequence += 1;
            open.insert(sequence, id);
            streams.insert(id, stream);
        }
        if client.flush().await.is_none() {
            return;
        }
        let keep = random.below(8) as usize;
        let Some(told) = confirmed(&mut client, &mut open, keep).await else { return };
        for id in told {
            lock(&ledger).streams.logs[streams[&id]].confirmed(id);
        }
        pass(random.below(5)).await;
    }
}

/// Pairs of messages, one for a queue and one for the log, each pair one transaction.
pub async fn transactions(mut client: Client, ledger: Shared, mut random: Random) {
    client.tx(false);
    let number = lock(&ledger).streams.logs[LOG].new_publisher();
    loop {
        let queued = lock(&ledger).new_id();
        client.publish(PLAIN.1, queued);
        let logged = publish(&mut client, &ledger, LOG, number);
        lock(&ledger).streams.pairs.push((queued, logged));
        if client.commit().await.is_none() {
            return;
        }
        {
            let mut ledger = lock(&ledger);
            ledger.confirm(queued, PLAIN.0);
            ledger.streams.logs[LOG].confirmed(logged);
        }
        pass(random.below(8)).await;
    }
}
