//! A log that is lost, and made again from one node's data directory: the program itself, on real servers.

use std::path::Path;
use std::process::{Command, Output};

use coney::cluster::Nats;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::clients::VHOST;
use crate::programs::{NODES, Programs, SOON, drain, publish, put_vhost};
use crate::servers::{Servers, until};

/// Whether a store was put aside in a node's data directory.
fn asides(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("aside-"))
        .count()
}

#[test]
fn a_log_that_is_lost_is_made_again_from_the_node_that_has_most() {
    let Some(servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    let before = runtime.block_on(servers.init(3));
    let mut programs = Programs::new(&servers);
    (0..3).for_each(|node| programs.start(node));
    {
        let (_connection, channel) = programs.channel(&runtime, 0);
        runtime.block_on(publish(&channel, 0..300));
        // The last one misses what comes now.
        programs.kill(2);
    }
    {
        let (_connection, channel) = programs.channel(&runtime, 1);
        runtime.block_on(publish(&channel, 300..600));
    }
    let refused = programs.fails(2, &["restore"]);
    assert!(
        refused.contains("has said that it has applied") || refused.contains("its log is there"),
        "{refused}"
    );
    runtime.block_on(servers.delete_streams());
    for node in [0, 1] {
        let said = programs.ended(node);
        assert!(
            said.contains("the cluster's log is gone") && said.contains("coney cluster restore"),
            "{said}"
        );
    }
    assert!(programs.fails(2, &["rejoin"]).contains("there is no cluster"));
    let of = |mark: &Value| (mark["term"].as_u64().unwrap(), mark["frame"].as_u64().unwrap());
    let marks = [0, 1, 2].map(|node| programs.mark(node));
    assert!(marks.iter().all(|mark| mark["log"] == format!("{before:016x}")), "{marks:?}");
    let best = if of(&marks[1]) > of(&marks[0]) { 1 } else { 0 };
    let other = 1 - best;
    assert!(of(&marks[2]) < of(&marks[best]));
    goes_on(&mut programs, &runtime, best, other);
    everything_is_there_at_all(&mut programs, &runtime, [best, other, 2]);
}

/// Restores from the best one; the others do not go on by themselves.
fn goes_on(programs: &mut Programs<'_>, runtime: &Runtime, best: usize, other: usize) {
    let said = programs.succeeds(best, &["restore"]);
    assert!(said.contains("goes on after frame"), "{said}");
    // Again, as after a crash.
    programs.succeeds(best, &["restore"]);
    let refused = programs.fails(2, &["restore"]);
    assert!(refused.contains(&format!("restored from node {}", NODES[best])), "{refused}");
    programs.start(2);
    let said = programs.ended(2);
    assert!(said.contains("coney cluster rejoin"), "{said}");
    programs.start(best);
    let (_connection, channel) = programs.channel(runtime, best);
    runtime.block_on(publish(&channel, 600..650));
    for node in [other, 2] {
        let said = programs.succeeds(node, &["rejoin"]);
        let has_same = said.contains("has the same as");
        assert_eq!(asides(&programs.data(node)), usize::from(!has_same), "{said}");
        programs.start(node);
    }
    assert_eq!(asides(&programs.data(2)), 1, "what it had is kept");
}

/// Each of them leads once, the first one is gone for good.
fn everything_is_there_at_all(
    programs: &mut Programs<'_>,
    runtime: &Runtime,
    [best, other, last]: [usize; 3],
) {
    until("all are caught up", SOON, || {
        let Output { stdout, .. } = programs.cluster(best, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&stdout).ok()?;
        let nodes = status["nodes"].as_array()?;
        let is_near =
            |node: &Value| node["role"] != "silent" && node["lag"].as_u64().is_some_and(|lag| lag < 50);
        (nodes.len() == 3 && nodes.iter().all(is_near)).then_some(())
    });
    programs.kill(best);
    let (_connection, channel) = programs.channel(runtime, last);
    runtime.block_on(publish(&channel, 650..700));
    assert_eq!(runtime.block_on(drain(&channel)), (0..700).collect());
    drop((_connection, channel));
    programs.kill(other);
    assert!(programs.log(last).contains("snapshot"), "{}", programs.log(last));
}

#[test]
fn what_a_broker_by_itself_has_used_is_put_aside() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(1));
    let mut programs = Programs::new(&servers);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
    programs.kill(0);
    let mut alone = Command::new(env!("CARGO_BIN_EXE_coney"));
    alone.arg("--data-dir").arg(programs.data(0)).args(["--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    alone.args(["--amqp", &format!("127.0.0.1:{}", programs.doors[0])]);
    programs.running[0] = Some(alone.spawn().unwrap());
    drop(programs.channel(&runtime, 0));
    programs.kill(0);
    programs.start(0);
    let said = programs.ended(0);
    assert!(said.contains("a broker by itself has used this data directory"), "{said}");
    assert!(programs.fails(0, &["restore"]).contains("a broker by itself"));
    programs.succeeds(0, &["rejoin"]);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
}

#[test]
fn the_logs_of_all_shards_are_made_again_from_one_node_and_that_of_one_alone() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let nats = Nats::connect(&servers.options()).await.unwrap();
        nats.init_with_shards(1, 2).await.unwrap();
    });
    let mut programs = Programs::new(&servers);
    programs.start(0);
    drop(programs.channel(&runtime, 0));
    programs.start(1);
    let vhosts = [VHOST, "one", "two"];
    for (shard, vhost) in [(1, "one"), (2, "two")] {
        let url = format!("http://guest:guest@127.0.0.1:{}", programs.pages[0]);
        let mut made = Command::new(env!("CARGO_BIN_EXE_coney"));
        made.args(["cluster", "move", "--vhost", vhost, "--shard", &shard.to_string(), "--url", &url]);
        put_vhost(&runtime, programs.pages[0], vhost);
        assert!(made.output().unwrap().status.success(), "it is moved, or there");
    }
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, 1, vhost);
        runtime.block_on(publish(&channel, 0..100));
    }
    runtime.block_on(async {
        servers.delete_streams().await;
        servers.delete_streams_of("c-1").await;
        servers.delete_streams_of("c-2").await;
    });
    programs.ended(0);
    programs.ended(1);
    let best = {
        let of = |node: usize| {
            let said = programs.succeeds(node, &["mark", "--json"]);
            let marks: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(marks.len(), 3, "{said}");
            marks.iter().map(|mark| (mark["term"].as_u64(), mark["frame"].as_u64())).collect::<Vec<_>>()
        };
        usize::from(of(1) > of(0))
    };
    let said = programs.succeeds(best, &["restore", "--replicas", "1", "--behind"]);
    assert_eq!(said.matches("goes on after frame").count(), 3, "{said}");
    programs.succeeds(best, &["restore", "--replicas", "1", "--behind"]);
    programs.start(best);
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, best, vhost);
        runtime.block_on(publish(&channel, 100..150));
    }
    let other = 1 - best;
    programs.succeeds(other, &["rejoin"]);
    programs.start(other);
    drop(programs.channel(&runtime, other));
    // The log of one shard: the nodes go on in the others until they are stopped.
    runtime.block_on(servers.delete_streams_of("c-1"));
    until("a node has stopped in that shard", SOON, || {
        programs.log(best).contains("this node stops in a shard").then_some(())
    });
    drop(programs.channel_to(&runtime, best, "two"));
    programs.kill(best);
    programs.kill(other);
    let said = programs.succeeds(best, &["restore", "--shard", "1", "--replicas", "1", "--behind"]);
    assert!(said.contains("of shard 1"), "{said}");
    programs.start(best);
    for vhost in vhosts {
        let (_connection, channel) = programs.channel_to(&runtime, best, vhost);
        assert_eq!(runtime.block_on(drain(&channel)), (0..150).collect(), "{vhost}");
    }
    let refused = programs.fails(other, &["restore", "--shard", "3"]);
    assert!(refused.contains("no shard 3"), "{refused}");
}
