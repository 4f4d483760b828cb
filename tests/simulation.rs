//! One seed drives clients, queues, the memory store and the virtual clock, with crashes between any two commits.
//!
//! The broker is the real one (sessions, connection tasks, queue tasks, committer); only its sockets are in-memory pipes, its
//! disk is a map, and its time is virtual. A crash drops the whole runtime, and of the disk keeps what was synced and a
//! random part of what was not. A seed that fails is printed; `CONEY_SEED=n` runs it alone, `CONEY_SEEDS=n` or
//! `CONEY_SEEDS=first..end` runs others.
//!
//! Checked: what was confirmed and not acked is there at the end, every message in at most one place, dead letters
//! included; nothing is delivered after its ack within a run; unacked never above the prefetch; first deliveries come in
//! order per publisher; a transaction is there whole or not at all; and the journal, with everything recorded, tells of each message the
//! way that it went.
//!
//! In worlds with streams, also: what anybody saw at an offset, and what was confirmed, is there after each crash, but for a beginning that
//! retention took; offsets have no gaps; readers get them ascending. Cursors pass over nothing that was not acked, bring back what is given
//! back, deliver nothing after its ack, also over crashes if the ack was on the disk, and to one reader at a time. What a queue is fed it has
//! once, or the graves have, or somebody was done with it; transactions over a queue and a stream are whole.

mod client;
mod ledger;
mod paths;
mod random;
mod streams;
mod world;

use random::Random;
use streams::Work;
use world::{Summary, Traits, World};

use crate::support::seeds::each_seed;

/// Seeds run each time.
const SEEDS: u64 = 200;

/// One world in so many has streams as well, which take as long as all the rest.
const STREAMS_EVERY: u64 = 4;

/// Half of them, with and without streams, have clocks of their own: so does the other half see that nothing changes by that.
const fn traits(seed: u64) -> Traits {
    Traits {
        streams: seed.is_multiple_of(STREAMS_EVERY),
        own_clock: (seed / STREAMS_EVERY).is_multiple_of(2),
    }
}

fn run(seed: u64) -> Summary {
    let mut random = Random::new(seed);
    let mut world = World::new(traits(seed));
    for _ in 0..=random.below(3) {
        world.live(random.fork());
        world.crash(&mut random);
    }
    world.settle(random.fork());
    world.check();
    world.summary()
}

#[test]
fn every_seed_keeps_its_promises() {
    let Some((seeds, total)) = each_seed("CONEY_SEED", SEEDS, run) else { return };
    // A world where nothing happens keeps every promise.
    assert!(total.confirmed > 50 * seeds && total.settled > 20 * seeds && total.dead > seeds, "{total:?}");
    let (Work { confirmed, trimmed, acked, redelivered, settled, dead }, worlds) =
        (total.streams, seeds / STREAMS_EVERY);
    assert!(confirmed > 50 * worlds && trimmed > 10 * worlds && acked > 20 * worlds, "{total:?}");
    assert!(redelivered > 10 * worlds && settled > 20 * worlds && dead > worlds, "{total:?}");
}

#[test]
fn a_seed_is_one_story() {
    let story = |seed| {
        let mut random = Random::new(seed);
        let mut world = World::new(Traits { streams: true, own_clock: true });
        world.live(random.fork());
        world.summary()
    };
    assert_eq!(story(7), story(7));
    assert_ne!(story(7), story(8));
}
