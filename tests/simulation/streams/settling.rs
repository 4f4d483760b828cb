//! Streams are read from their beginnings, and at the end everything is.

use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::At;
use super::topology::{CURSORS, FED, LOG, SHORT, STREAMS, cursor_arguments, filter_value, is_even};
use crate::simulation::client::{Client, Said};
use crate::simulation::ledger::lock;
use crate::support::virtual_time::pass;

/// More than a stream ever has here.
const PREFETCH: u16 = 10_000;
/// Virtual time without a delivery after which there are none to come.
const QUIET: Duration = Duration::from_secs(5);

/// Reads each stream from its beginning.
pub async fn audit(at: &At) {
    for (stream, (name, ..)) in STREAMS.iter().enumerate() {
        let mut client = at.client().await.unwrap();
        let count = client.count(name).await.unwrap();
        let mut arguments = FieldTable::default();
        arguments.insert("x-stream-offset".into(), AMQPValue::LongString("first".into()));
        client.consume_with(name, PREFETCH, arguments).await.unwrap();
        let mut found = Vec::new();
        while found.len() < count as usize {
            if let Said::Delivery { body, offset, .. } = client.next().await.unwrap() {
                found.push((offset.unwrap(), body));
            }
        }
        lock(&at.ledger).streams.audited(stream, &found);
    }
}

/// The last life's work: everything is read, and nothing acked. The clients have to stay until its end.
pub async fn settle(at: &At) -> Vec<Client> {
    let marks = [publish_last(at, LOG).await, publish_last(at, SHORT).await];
    audit(at).await;
    let mut clients = Vec::new();
    for (index, cursor) in CURSORS.iter().enumerate() {
        clients.push(read_all(at, index, marks[cursor.stream]).await);
    }
    for fed in 0..FED.len() {
        clients.push(empty(at, fed).await);
    }
    audit(at).await;
    clients
}

/// An even message that is the last of a stream.
async fn publish_last(at: &At, stream: usize) -> u64 {
    let mut client = at.client().await.unwrap();
    client.confirm_select();
    let id = {
        let mut ledger = lock(&at.ledger);
        std::iter::repeat_with(|| ledger.new_id()).find(|id| is_even(*id)).unwrap()
    };
    client.publish_filtered(STREAMS[stream].0, id, filter_value(id));
    client.flush().await.unwrap();
    client.until(|said| matches!(said, Said::Confirm { ack: true, .. }).then_some(())).await.unwrap();
    id
}

async fn read_all(at: &At, cursor: usize, mark: u64) -> Client {
    let named = &CURSORS[cursor];
    let mut client = at.client().await.unwrap();
    let reader = lock(&at.ledger).streams.cursors[cursor].new_reader();
    client.consume_with(STREAMS[named.stream].0, PREFETCH, cursor_arguments(named)).await.unwrap();
    loop {
        let Said::Delivery { redelivered, body, offset, .. } = client.next().await.unwrap() else { continue };
        let (streams, offset) = (&mut lock(&at.ledger).streams, offset.unwrap());
        streams.logs[named.stream].saw(offset, body);
        streams.cursors[cursor].delivered(reader, PREFETCH.into(), (offset, body, redelivered));
        if body == mark {
            break;
        }
    }
    client
}

/// Takes all out of a queue that is fed until it has had everything, and has nothing more.
async fn empty(at: &At, fed: usize) -> Client {
    let mut client = at.client().await.unwrap();
    client.consume(FED[fed].name, 0).await.unwrap();
    while !has_all(at, fed)
        && let Ok(said) = tokio::time::timeout(QUIET, client.next()).await
    {
        note(at, fed, said.unwrap(), None);
    }
    // What would come twice has to come now.
    pass(50).await;
    let end = lock(&at.ledger).new_id();
    client.publish(FED[fed].name, end);
    client.flush().await.unwrap();
    while !note(at, fed, client.next().await.unwrap(), Some(end)) {}
    client
}

fn has_all(at: &At, fed: usize) -> bool {
    let streams = &lock(&at.ledger).streams;
    streams.has_all(fed)
}

/// Whether it is the end.
fn note(at: &At, fed: usize, said: Said, end: Option<u64>) -> bool {
    let Said::Delivery { body, offset, redelivered, .. } = said else { return false };
    let is_end = end == Some(body);
    if !is_end {
        let streams = &mut lock(&at.ledger).streams;
        streams.delivered_from(fed, 0, (offset, body, redelivered));
        streams.fed[fed].found(body);
    }
    is_end
}
