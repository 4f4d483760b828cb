//! A vhost with something in it moves to and fro, and whoever has a part in that is killed in its midst.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coney::cluster::Nats;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Channel};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::clients;
use crate::programs::{NODES, Programs, SOON, put_vhost};
use crate::servers::{Servers, until};

const VHOST: &str = "orders";
/// Put there before anything moves.
const FILLED: u32 = 3000;
/// Of them, those that a client has and does not ack.
const UNACKED: u32 = 50;
/// Sent before any confirm is awaited.
const WINDOW: usize = 20;
const BODY_BYTES: usize = 2000;
/// A client that hears nothing for so long connects again.
const PATIENCE: Duration = Duration::from_secs(3);

/// What publishers know.
#[derive(Default)]
struct Known {
    /// Where to connect.
    door: AtomicU16,
    next: Mutex<u32>,
    confirmed: Mutex<BTreeSet<u32>>,
    is_over: AtomicBool,
}

fn body(number: u32) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(BODY_BYTES, b'.');
    body
}

async fn publish(channel: &Channel, known: &Known, count: usize) -> lapin::Result<()> {
    let mut sent = Vec::new();
    for _ in 0..count {
        let number = {
            let mut next = known.next.lock().unwrap();
            *next += 1;
            *next - 1
        };
        let (options, properties) =
            (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        let confirm =
            channel.basic_publish("".into(), "q".into(), options, &body(number), properties).await?;
        sent.push((number, confirm));
    }
    for (number, confirm) in sent {
        assert!(confirm.await?.is_ack());
        known.confirmed.lock().unwrap().insert(number);
    }
    Ok(())
}

/// Publishes through whatever node it is told, until it is over.
async fn publisher(known: Arc<Known>) {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    while !known.is_over.load(Relaxed) {
        look.tick().await;
        let at = (Ipv4Addr::LOCALHOST, known.door.load(Relaxed)).into();
        let Ok(Ok((_connection, channel))) = timeout(PATIENCE * 3, clients::open(at, VHOST)).await else {
            continue;
        };
        while !known.is_over.load(Relaxed) {
            let published = timeout(PATIENCE, publish(&channel, &known, WINDOW)).await;
            if !matches!(published, Ok(Ok(()))) {
                break;
            }
            look.tick().await;
        }
    }
}

/// What is in the queue, and what of it came again.
async fn drain(channel: &Channel) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let (mut found, mut again) = (BTreeSet::new(), BTreeSet::new());
    while let Some(got) = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        let number = u32::from_be_bytes(got.delivery.data[..4].try_into().unwrap());
        assert_eq!(got.delivery.data, body(number));
        assert!(found.insert(number), "message {number} is there twice");
        if got.delivery.redelivered {
            again.insert(number);
        }
    }
    (found, again)
}

/// Has the vhost moved by the command, through a node.
fn mover(programs: &Programs<'_>, node: usize, shard: usize) -> Child {
    let url = format!("http://guest:guest@127.0.0.1:{}", programs.pages[node]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
    command.args(["cluster", "move", "--vhost", VHOST, "--shard", &shard.to_string(), "--url", &url]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn moved(mover: Child) -> Result<(), String> {
    let Output { status, stdout, stderr } = mover.wait_with_output().unwrap();
    let said = [stdout, stderr].concat();
    status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&said).into_owned())
}

/// Which node leads each shard, if all are led by nodes that were heard just now.
fn leaders(programs: &Programs<'_>, shards: usize) -> Option<Vec<usize>> {
    let node = (0..NODES.len()).find(|node| programs.running[*node].is_some())?;
    let Output { stdout, .. } = programs.cluster(node, &["status", "--json"]);
    let status: Value = serde_json::from_slice(&stdout).ok()?;
    let others = status["shards"].as_array()?.iter().map(|shard| &shard["nodes"]);
    let leader = |nodes: &Value| {
        let name = nodes.as_array()?.iter().find(|node| node["role"] == "leader")?["name"].as_str()?;
        NODES.iter().position(|node| *node == name)
    };
    let all: Option<Vec<_>> = std::iter::once(&status["nodes"]).chain(others).map(leader).collect();
    all.filter(|all| all.len() == shards)
}

/// Each shard to a node of its own, as far as that goes.
fn spread(programs: &Programs<'_>) -> Vec<usize> {
    until("each node leads a shard", SOON, || {
        let all = leaders(programs, NODES.len())?;
        let Some(shard) = (0..all.len()).find(|shard| all[*shard] != *shard) else { return Some(all) };
        let url = format!("http://guest:guest@127.0.0.1:{}", programs.pages[shard]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
        command.args(["cluster", "move", NODES[shard], "--shard", &shard.to_string(), "--url", &url]);
        drop(command.output().unwrap());
        None
    })
}

#[test]
fn a_vhost_is_whole_whoever_is_killed_while_it_moves() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        Nats::connect(&servers.options()).await.unwrap().init_with_shards(1, 2).await.unwrap();
    });
    let mut programs = Programs::new(&servers);
    (0..3).for_each(|node| programs.start(node));
    drop(programs.channel(&runtime, 0));
    put_vhost(&runtime, programs.pages[0], VHOST);
    until("it moves, or is there", SOON, || moved(mover(&programs, 0, 1)).ok());
    let known = Arc::<Known>::default();
    let (held, channel) = programs.channel_to(&runtime, 0, VHOST);
    runtime.block_on(async {
        for _ in 0..FILLED / 100 {
            publish(&channel, &known, 100).await.unwrap();
        }
        for _ in 0..UNACKED {
            assert!(channel.basic_get("q".into(), BasicGetOptions::default()).await.unwrap().is_some());
        }
    });
    known.door.store(programs.doors[0], Relaxed);
    let publishing = runtime.spawn(publisher(Arc::clone(&known)));
    let mut interrupted = 0;
    // Who has it, who gets it, the meta shard, and all of them.
    for (round, shard) in [2, 1, 2, 1].into_iter().enumerate() {
        let led = spread(&programs);
        let victims = match round {
            0 => vec![led[3 - shard]],
            1 => vec![led[shard]],
            2 => vec![led[0]],
            _ => vec![0, 1, 2],
        };
        // A node that lives is asked, unless none does.
        let node = (0..3).find(|node| !victims.contains(node)).unwrap_or(0);
        known.door.store(programs.doors[node], Relaxed);
        let mover_of_it = mover(&programs, node, shard);
        until("the vhost is closed", SOON, || {
            let path = format!("/api/queues/{VHOST}");
            (runtime.block_on(programs.status_of(node, &path)) != Some(200)).then_some(())
        });
        victims.iter().for_each(|victim| programs.kill(*victim));
        if victims.len() == 3 {
            victims.iter().for_each(|victim| programs.start(*victim));
        }
        let first = moved(mover_of_it);
        interrupted += usize::from(first.is_err());
        println!("round {round}: {first:?}");
        until("it is moved when that is asked for again", SOON * 2, || {
            moved(mover(&programs, node, shard)).ok()
        });
        let before = known.confirmed.lock().unwrap().len();
        until("clients go on", SOON, || {
            (known.confirmed.lock().unwrap().len() > before + WINDOW).then_some(())
        });
        let path = format!("/api/vhosts/{VHOST}");
        let vhost: Value =
            serde_json::from_str(&runtime.block_on(programs.get(node, &path)).unwrap()).unwrap();
        assert_eq!(vhost["shard"], shard);
        victims.iter().filter(|_| victims.len() < 3).for_each(|victim| programs.start(*victim));
    }
    println!("{interrupted} of 4 were interrupted");
    known.is_over.store(true, Relaxed);
    runtime.block_on(publishing).unwrap();
    drop((held, channel));
    everything_is_there_once(&mut programs, &runtime, &known);
}

fn everything_is_there_once(programs: &mut Programs<'_>, runtime: &Runtime, known: &Known) {
    let (_connection, channel) = programs.channel_to(runtime, 1, VHOST);
    let (found, again) = runtime.block_on(drain(&channel));
    let confirmed = known.confirmed.lock().unwrap();
    let lost: Vec<_> = confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "{} of {} that were confirmed are lost: {lost:?}", lost.len(), confirmed.len());
    assert!((0..UNACKED).all(|number| again.contains(&number)), "what was not acked comes again");
    println!("{} confirmed, {} found", confirmed.len(), found.len());
}
