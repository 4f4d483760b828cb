//! Readers without a cursor, and consumers of queues that are fed.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::At;
use super::topology::{FED, STREAMS};
use crate::simulation::client::{Client, Said, Settle};
use crate::simulation::ledger::{Shared, lock};
use crate::simulation::random::Random;
use crate::support::virtual_time::pass;

/// Where a reader begins, and which offset its first message has at least.
fn beginning(ledger: &Shared, stream: usize, random: &mut Random) -> (AMQPValue, u64) {
    let known_next = lock(ledger).streams.logs[stream].known_next();
    let text = |text: &str| AMQPValue::LongString(text.into());
    match random.below(5) {
        0 => (text("first"), 0),
        1 => (text("next"), known_next),
        2 => (text("last"), 0),
        3 => (AMQPValue::LongLongInt(-1 - random.below(5) as i64), 0),
        _ => {
            let number = random.below(known_next + 4);
            (AMQPValue::LongLongInt(number as i64), number)
        }
    }
}

/// Reads on and on, from somewhere; what it says of a message is worth one more.
pub async fn reader(at: At, stream: usize, mut random: Random) {
    while let Some(mut client) = at.client().await {
        let messages = 10 + random.below(60);
        if read(&mut client, &at.ledger, stream, messages, &mut random).await.is_none() {
            return;
        }
    }
}

async fn read(
    client: &mut Client,
    ledger: &Shared,
    stream: usize,
    messages: u64,
    random: &mut Random,
) -> Option<()> {
    let prefetch = 1 + random.below(8);
    let (offset, least) = beginning(ledger, stream, random);
    let mut arguments = FieldTable::default();
    arguments.insert("x-stream-offset".into(), offset);
    client.consume_with(STREAMS[stream].0, prefetch as u16, arguments).await?;
    let (mut before, mut held) = (None, Vec::new());
    for _ in 0..messages {
        let Said::Delivery { tag, redelivered, body, offset } = client.next().await? else { continue };
        let offset = offset.expect("what comes from a stream has an offset");
        assert!(!redelivered, "nothing is redelivered without a cursor");
        assert!(before.is_some() || offset >= least, "a reader from {least} on had {offset}");
        lock(ledger).streams.read(stream, before, offset, body);
        before = Some(offset);
        held.push(tag);
        assert!(held.len() as u64 <= prefetch, "more unacked than the prefetch of {prefetch}");
        if held.len() as u64 == prefetch || random.one_in(3) {
            let tag = held.swap_remove(random.below(held.len() as u64) as usize);
            client.settle(tag, [Settle::Ack, Settle::Requeue, Settle::Reject][random.below(3) as usize]);
            client.flush().await?;
        }
        pass(random.below(2)).await;
    }
    Some(())
}

/// Acks most, requeues some, rejects some; holds a few back.
pub async fn worker(mut client: Client, fed: usize, number: usize, ledger: Shared, mut random: Random) {
    let prefetch = 1 + random.below(6);
    if client.consume(FED[fed].name, prefetch as u16).await.is_none() {
        return;
    }
    let mut held = Vec::new();
    while let Some(said) = client.next().await {
        let Said::Delivery { tag, redelivered, body, offset } = said else { continue };
        lock(&ledger).streams.delivered_from(fed, number, (offset, body, redelivered));
        held.push((tag, body));
        while held.len() as u64 == prefetch || (!held.is_empty() && random.one_in(2)) {
            let (tag, id) = held.swap_remove(random.below(held.len() as u64) as usize);
            let settle = match random.below(10) {
                0 | 1 => Settle::Requeue,
                2 => Settle::Reject,
                _ => Settle::Ack,
            };
            client.settle(tag, settle);
            lock(&ledger).streams.fed[fed].settled(number, id, settle);
        }
        if client.flush().await.is_none() {
            return;
        }
        pass(random.below(2)).await;
    }
}
