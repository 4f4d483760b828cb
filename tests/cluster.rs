//! Three nodes in one process on a virtual clock: the real brokers, stores and nodes, over a log and a directory in memory that lose
//! answers, are slow and are cut off. Nodes crash, with what their disk had not synced, and stand still. A seed says all of it; one
//! that fails is printed, and `CONEY_SEED=n` runs it alone. `CONEY_SEEDS=n` runs so many, and
//! `CONEY_SEEDS=first..end` those.
//!
//! Checked, when all is well again: what was confirmed and not acked is there, once; what was acked, and after which something was
//! confirmed, was never delivered again; what the log has of a term is from the one node that fenced it; and the nodes are equal at the
//! end of the log. The same of each shard where there are several, whose vhosts come and go: `CONEY_SHARDED_SEED=n`, `CONEY_SHARDED_SEEDS=n`.
#![cfg(feature = "cluster")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets what it does not expect has failed"
)]

#[allow(dead_code, reason = "the simulation of one node has more kinds of clients")]
#[path = "simulation/client.rs"]
mod client;
#[path = "simulation/random.rs"]
mod random;
#[path = "support/virtual_time.rs"]
mod virtual_time;

#[path = "cluster/clients.rs"]
mod clients;
#[path = "cluster/host.rs"]
mod host;
#[path = "cluster/ledger.rs"]
mod ledger;
#[path = "cluster/moves.rs"]
mod moves;
#[path = "cluster/network.rs"]
mod network;
#[path = "cluster/processes.rs"]
mod processes;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "cluster/shards.rs"]
mod shards;
#[path = "cluster/timed.rs"]
mod timed;
#[path = "cluster/turns.rs"]
mod turns;
#[path = "cluster/world.rs"]
mod world;

use coney::cluster::Retention;
use random::Random;
use seeds::each_seed;
use shards::{Cluster, Phase, Victim};
use std::time::Duration;
use world::{Summary, World};

/// Seeds run each time.
const SEEDS: u64 = 60;
/// Of those with shards, of which each takes three times as long.
const SHARDED_SEEDS: u64 = 8;

/// How often somebody crashes while a vhost moves; with 16 everybody does in every phase.
const MOMENTS: u64 = 4;

fn run(seed: u64) -> Summary {
    run_in(move || World::new(Random::new(seed)))
}

fn run_in(world: impl FnOnce() -> World) -> Summary {
    in_virtual_time(async move {
        let mut world = world();
        world.live().await;
        world.heal().await;
        world.check().await
    })
}

/// Runs on one thread, on a clock that jumps to the next timer when there is nothing to do.
fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let within = std::time::Duration::from_secs(1200);
    let ended = runtime.block_on(async { tokio::time::timeout(within, work).await });
    ended.expect("the world stood still")
}

#[test]
fn every_seed_keeps_its_promises() {
    let Some((seeds, total)) = each_seed("CONEY_SEED", SEEDS, run) else { return };
    // A world where nothing happens keeps every promise.
    assert!(total.confirmed > 50 * seeds && total.gone > 20 * seeds && total.terms > 2 * seeds, "{total:?}");
    assert!(total.unknown > 5 * seeds && total.crashes > seeds, "{total:?}");
    assert!(
        total.trimmed > 50 * seeds && total.snapshots > seeds && total.hand_overs > seeds / 4,
        "{total:?}"
    );
    assert!(total.outlived > seeds, "{total:?}");
}

#[test]
fn every_seed_keeps_its_promises_in_all_shards() {
    let run = |seed| {
        in_virtual_time(async move {
            let mut cluster = Cluster::new(Random::new(seed));
            cluster.live().await;
            cluster.heal().await;
            cluster.check().await
        })
    };
    let Some((seeds, total)) = each_seed("CONEY_SHARDED_SEED", SHARDED_SEEDS, run) else { return };
    for shard in total.shards {
        assert!(shard.confirmed > 30 * seeds && shard.gone > 10 * seeds && shard.terms > seeds, "{total:?}");
        assert!(shard.crashes > seeds && shard.snapshots > seeds / 2, "{total:?}");
    }
    assert!(total.made > 3 * seeds && total.deleted > seeds, "{total:?}");
    assert!(total.moved > seeds && total.unmoved > seeds, "{total:?}");
}

#[test]
#[ignore = "it takes minutes; CONEY_MOMENTS=16 has everybody crash in each phase"]
fn a_vhost_moves_as_a_whole_whoever_crashes_in_the_midst_of_it() {
    let victims = [Victim::From, Victim::To, Victim::Meta, Victim::All];
    let phases = [Phase::Begun, Phase::Closed, Phase::Copied, Phase::Ended];
    let run = |moment: u64| {
        // Whoever it is, in each phase, before anybody is met in the same phase again.
        let (phase, victim) = (moment as usize % 4, (moment + moment / 4) as usize % 4);
        let (phase, victim) = (phases[phase], victims[victim]);
        println!("moment {moment}: {victim:?} crashes when it is {phase:?}");
        in_virtual_time(async move {
            let mut cluster = Cluster::new(Random::new(moment));
            cluster.moves_through_a_crash(victim, phase).await
        })
    };
    each_seed("CONEY_MOMENT", MOMENTS, run);
}

#[test]
fn a_seed_is_one_story() {
    let run = |seed| run_in(move || World::new(Random::new(seed)));
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn a_log_that_loses_its_end_stops_nodes() {
    let noticed = in_virtual_time(async {
        let mut world = World::new(Random::new(1));
        world.loses_the_end_of_its_log().await
    });
    assert!(noticed.contains("of the log") || noticed.contains("the log ends"), "{noticed}");
}

#[test]
fn a_leader_whose_directory_hangs_ends_with_its_lease() {
    in_virtual_time(async { World::new(Random::new(2)).ends_with_its_lease().await });
}

#[test]
fn nobody_needs_a_snapshot_who_was_heard_of_lately() {
    let retention = Retention { every: Duration::from_millis(100), ..Retention::default() };
    for seed in 0..6 {
        let snapshots = in_virtual_time(async {
            World::with_retention(Random::new(seed), retention).lives_without_snapshots().await
        });
        assert_eq!(snapshots, 0, "seed {seed}");
    }
}

#[test]
fn what_was_acked_before_the_lead_is_handed_over_does_not_come_again() {
    for seed in 0..20 {
        let is_slow = seed % 2 == 0;
        let took = in_virtual_time(async { World::new(Random::new(seed)).hands_over(is_slow).await });
        // The directory and the log are a few milliseconds away, and now and then half a second.
        assert!(is_slow || took < 2000, "it took {took} ms with seed {seed}");
        println!("handed over in {took} ms");
    }
}

#[test]
fn a_leader_whose_process_dies_is_followed_before_its_lease_ends() {
    for seed in 0..20 {
        let lost = in_virtual_time(async { World::new(Random::new(seed)).loses_its_leader(true).await });
        let (took, _) = lost.expect("another led");
        // As above; the second in rank waits for the first for 200 ms. The lease ends after 2 s at the least.
        assert!(took < 1500, "it took {took} ms with seed {seed}");
        println!("another led after {took} ms");
    }
}

#[test]
fn a_leader_that_only_seems_to_be_gone_is_followed_once_and_stops() {
    let mut followed = 0;
    for seed in 0..20 {
        let lost = in_virtual_time(async { World::new(Random::new(seed)).loses_its_leader(false).await });
        let Some((took, alone)) = lost else { continue };
        followed += 1;
        assert!(took < 1500 && alone < took + 2500, "it took {took} ms and {alone} ms with seed {seed}");
        println!("another led after {took} ms, and it alone after {alone} ms");
    }
    assert!((5..20).contains(&followed), "{followed} of 20 were followed");
}
