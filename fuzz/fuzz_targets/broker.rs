//! A client of a whole broker in memory: what it says reaches topologies, queues, policies of failure, dedup.
#![no_main]

use std::time::Duration;

use coney::{Broker, Readings};
use coney_fuzz::client::{Step, handshake};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// Nothing takes that long.
const PATIENCE: Duration = Duration::from_secs(10);

fuzz_target!(|steps: Vec<Step>| {
    let mut bytes = handshake();
    steps.iter().for_each(|step| step.write(&mut bytes));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, run(&bytes)).await.expect("the broker does not answer");
    });
});

async fn run(bytes: &[u8]) {
    let nothing = || Readings { memory_used: None, known_bytes: 0, disk_free: None };
    let broker = Broker::builder().ephemeral().detached().meter(nothing).start().await.unwrap();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let connection = broker.attach(server);
    converse(client, bytes).await;
    connection.await.unwrap();
    // What it left behind is in order.
    let definitions = broker.export_definitions().await.unwrap();
    broker.import_definitions(&definitions).await.unwrap();
    assert_eq!(broker.export_definitions().await.unwrap(), definitions);
    broker.shutdown().await.unwrap();
}

/// Says all, then no more, and reads to the end.
async fn converse(client: DuplexStream, bytes: &[u8]) {
    let (mut reader, mut writer) = tokio::io::split(client);
    let say = async {
        // A broker that has closed the connection does not listen.
        let _ = writer.write_all(bytes).await;
        let _ = writer.shutdown().await;
    };
    let hear = async {
        let mut buffer = vec![0; 64 * 1024];
        while reader.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
    };
    tokio::join!(say, hear);
}
