//! A message of one queue is damaged on the disk: that queue says so, others have nothing to do with it.

use std::fs;
use std::path::Path;

use coney::{Broker, BrokerHandle};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel};

use super::victims;
use crate::support::client;

const COUNT: usize = 20;
/// More than fjall keeps in memory before it writes a table.
const PASSED_BYTES: usize = 26 << 20;
const NO_ACK: BasicGetOptions = BasicGetOptions { no_ack: true };

async fn start(dir: &Path) -> BrokerHandle {
    let builder = Broker::builder().data_dir(dir).listen("127.0.0.1:0".parse().unwrap());
    builder.start().await.unwrap()
}

async fn connect(broker: &BrokerHandle) -> Channel {
    client::confirming(&client::connect(broker).await).await
}

async fn declare(channel: &Channel, queue: &str) {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap();
}

async fn publish(channel: &Channel, queue: &str, body: &[u8]) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish("".into(), queue.into(), options, body, properties).await;
    assert!(sent.unwrap().await.unwrap().is_ack());
}

async fn get(channel: &Channel, queue: &str) -> Result<Option<Vec<u8>>, lapin::Error> {
    Ok(channel.basic_get(queue.into(), NO_ACK).await?.map(|got| got.data.clone()))
}

/// A store whose messages are in blob files.
async fn fill(dir: &Path) {
    let broker = start(dir).await;
    let channel = connect(&broker).await;
    for queue in ["broken", "whole", "passing"] {
        declare(&channel, queue).await;
    }
    for queue in ["broken", "whole"] {
        for _ in 0..COUNT {
            publish(&channel, queue, queue.repeat(500).as_bytes()).await;
        }
    }
    let body = vec![7; 1 << 20];
    for _ in 0..PASSED_BYTES / body.len() {
        publish(&channel, "passing", &body).await;
        assert!(get(&channel, "passing").await.unwrap().is_some());
    }
    let blobs = dir.join("keyspaces/1/blobs");
    while fs::read_dir(&blobs).unwrap().next().is_none() {
        tokio::task::yield_now().await;
    }
    broker.shutdown().await.unwrap();
}

/// Flips a bit in the body of a message of the queue; the name of the file.
fn damage(dir: &Path, queue: &str) -> String {
    let needle = queue.repeat(3);
    for path in victims::files(&dir.join("keyspaces/1/blobs")) {
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle.as_bytes()) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            return path.display().to_string();
        }
    }
    panic!("no blob file has a message of {queue}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_queue_is_set_aside_and_a_purge_brings_it_back() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path()).await;
    let file = damage(dir.path(), "broken");
    let broker = start(dir.path()).await;

    let error = get(&connect(&broker).await, "broken").await.unwrap_err().to_string();
    assert!(error.contains("queue 'broken'") && error.contains(&file), "{error}");
    let consume = BasicConsumeOptions::default();
    let channel = connect(&broker).await;
    let error = channel.basic_consume("broken".into(), "".into(), consume, FieldTable::default()).await;
    assert!(error.unwrap_err().to_string().contains("INTERNAL_ERROR"));

    let channel = connect(&broker).await;
    for _ in 0..COUNT {
        assert_eq!(get(&channel, "whole").await.unwrap().unwrap(), "whole".repeat(500).as_bytes());
    }
    publish(&channel, "broken", b"it takes more").await;
    let purged = channel.queue_purge("broken".into(), QueuePurgeOptions::default()).await.unwrap();
    assert_eq!(purged as usize, COUNT + 1);
    publish(&channel, "broken", b"after").await;
    assert_eq!(get(&channel, "broken").await.unwrap().unwrap(), b"after");
    broker.shutdown().await.unwrap();

    let broker = start(dir.path()).await;
    assert_eq!(get(&connect(&broker).await, "broken").await.unwrap(), None);
    broker.shutdown().await.unwrap();
}
