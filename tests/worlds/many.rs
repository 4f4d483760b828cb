//! Many worlds on one broker: they do not touch each other, leave nothing behind, and go on after a restart.

use std::time::Duration;

use coney::{Broker, Countable, OperationError};
use lapin::BasicProperties;
use lapin::types::AMQPValue;

use super::support::{Bench, broker, enter};
use crate::support::client::{confirming, string};

/// Each has a message whose TTL is its number, and moves its clock to just before that, in its own time.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_worlds_do_not_touch_each_other() {
    const WORLDS: u64 = 200;
    let broker = std::sync::Arc::new(broker().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=WORLDS {
        let broker = std::sync::Arc::clone(&broker);
        tasks.spawn(async move {
            let bench = Bench::on(&broker).await;
            bench.declare("end", &[]).await;
            bench.delay("q", i32::try_from(number).unwrap() * 1000, "end").await;
            bench.publish("q", "m", BasicProperties::default()).await;
            let begin = bench.world.clock().now();
            let early = bench.world.clock().advance(Duration::from_millis(number * 1000 - 1)).await.unwrap();
            assert!(early.steps.is_empty(), "{number}: {early:?}");
            let moved = bench.world.clock().advance(Duration::from_millis(1)).await.unwrap();
            assert_eq!(moved.steps.len(), 1, "{number}: {moved:?}");
            assert_eq!(moved.now.as_millis() - begin.as_millis(), number * 1000);
            let counts =
                bench.world.queue("end").wait(|counts| counts.get(Countable::Dead) == 1).await.unwrap();
            assert_eq!(counts.get(Countable::Ready), 1);
            assert_eq!(bench.world.counts().await.unwrap().get(Countable::Published), 1);
            bench.world.delete().await.unwrap();
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert_eq!(broker.vhosts(), ["/"]);
}

#[tokio::test]
async fn a_world_goes_on_after_a_restart_where_its_clock_was() {
    let dir = tempfile::tempdir().unwrap();
    let start = || {
        let builder = Broker::builder().data_dir(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        async move { builder.test().start().await.unwrap() }
    };
    let first = start().await;
    let uri = |broker: &coney::BrokerHandle| {
        format!("amqp://guest:guest@{}/~w%3Bclock%3Dvirtual%3Bttl_s%3D0", broker.address().unwrap())
    };
    let name = "~w;clock=virtual;ttl_s=0";
    let connection = enter(&uri(&first)).await;
    let channel = confirming(&connection).await;
    let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("end".into(), durable, Default::default()).await.unwrap();
    let ttl = crate::support::client::table(&[
        ("x-message-ttl", AMQPValue::LongInt(3_600_000)),
        ("x-dead-letter-exchange", string("")),
        ("x-dead-letter-routing-key", string("end")),
    ]);
    channel.queue_declare("q".into(), durable, ttl).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let sent = channel.basic_publish("".into(), "q".into(), Default::default(), b"m", persistent);
    assert!(sent.await.unwrap().await.unwrap().is_ack());
    let world = first.world_named(name).unwrap();
    let moved = world.clock().advance(Duration::from_secs(3599)).await.unwrap();
    drop(world);
    first.shutdown().await.unwrap();
    let second = start().await;
    let world = second.world_named(name).unwrap();
    assert_eq!(world.clock().now(), moved.now);
    assert_eq!(world.queue("q").counts().await.unwrap().get(Countable::Ready), 1);
    let moved = world.clock().advance(Duration::from_secs(1)).await.unwrap();
    assert_eq!(moved.steps.len(), 1, "{moved:?}");
    assert_eq!(world.queue("end").counts().await.unwrap().get(Countable::Ready), 1);
    drop(world);
    second.shutdown().await.unwrap();
    // Without --test it is a virtual host like others, and says so.
    let plain = Broker::builder().data_dir(dir.path()).detached().start().await.unwrap();
    assert!(plain.vhosts().contains(&name.to_owned()));
    assert_eq!(plain.world_named(name).unwrap_err(), OperationError::NotTesting);
    plain.shutdown().await.unwrap();
}

/// Worlds with a queue, a message and a connection each, made and deleted: memory and descriptors are where they were.
#[cfg(all(target_os = "linux", feature = "management"))]
#[test]
fn a_thousand_worlds_leave_nothing_behind() {
    use crate::support::http::Http;
    use crate::support::process::{Process, coney};
    use crate::support::raw::{Publish, Raw};
    const WORLDS: usize = 1000;
    let arguments =
        ["--test", "--ephemeral", "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "error"];
    let process = Process::run(coney().env_remove("CONEY_HTTP").args(arguments));
    let (address, http) = (process.address().parse().unwrap(), Http::new(process.http().parse().unwrap()));
    let come_and_go = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let name = format!("~{number};clock=virtual");
            let mut client = Raw::in_vhost(address, &name);
            client.declare("q", |_| {});
            client.send(&Publish { key: "q", ..Publish::default() }.with_body(b"body"));
            assert_eq!(client.count("q"), 1);
            assert_eq!(http.delete(&format!("/api/coney/worlds/{name}")).status, 204);
            // Its connection is told, and its socket goes with it.
            client.finish();
            client.rest();
        }
    };
    come_and_go(0..WORLDS);
    let (memory, descriptors) = (process.resident_memory(), process.descriptors());
    come_and_go(WORLDS..2 * WORLDS);
    let grown = process.resident_memory().saturating_sub(memory);
    println!("{} KiB more than {} KiB", grown / 1024, memory / 1024);
    assert!(grown < 4 << 20, "{grown} bytes are left of {WORLDS}");
    let now = process.descriptors();
    assert!(now <= descriptors + 4, "{now} descriptors, and {descriptors} before");
}
