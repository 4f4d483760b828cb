//! The longest that another connection waits for an answer, in a vhost of its own, while something is done with many queues. By the
//! clock on the wall, because waiting is what it is about.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use amq_protocol::types::AMQPValue;
use coney::auth::Permission;
use coney::policy::Policy;

use crate::client::{Client, declare};
use crate::definitions::queues_bound;
use crate::table::{Rows, Table};
use crate::wire;
use crate::world::World;

pub fn measure(table: &Table) {
    table.group("queues: others wait for", &[100, 10_000, 40_000], |n, rows| {
        let text = RefCell::new(queues_bound(n));
        let filled = || World::of(&text.borrow());
        stall(rows, "an import", World::new(), async |world: &World| {
            let text = text.borrow().clone();
            world.broker.import_definitions(&text).await.unwrap();
        });
        stall(rows, "an export", filled(), async |world: &World| {
            drop(world.broker.export_definitions().await.unwrap());
        });
        stall(rows, "a policy for all", filled(), async |world: &World| {
            let policy = Policy::new("bounded", ".*", "max-length", AMQPValue::LongLongInt(10));
            world.broker.put_policy("/", policy).await.unwrap();
        });
        stall(rows, "the end of their vhost", filled(), async |world: &World| {
            world.broker.delete_vhost("/").await.unwrap();
        });
    });
}

fn stall(rows: &mut Rows, name: &str, world: World, work: impl AsyncFn(&World)) {
    let mut probe = world.runtime.block_on(async {
        world.broker.put_vhost("other").await.unwrap();
        world.broker.put_permission("guest", "other", Permission::all()).await.unwrap();
        Client::open(world.broker.address().unwrap(), "guest", "other")
    });
    let ended = Arc::new(AtomicBool::new(false));
    let probe_ends = Arc::clone(&ended);
    let probing = std::thread::spawn(move || {
        let mut longest = Duration::ZERO;
        while !probe_ends.load(Ordering::Relaxed) {
            let begun = Instant::now();
            probe.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("probe", false, &[]));
            longest = longest.max(begun.elapsed());
        }
        longest
    });
    world.runtime.block_on(work(&world));
    ended.store(true, Ordering::Relaxed);
    rows.set(name, probing.join().unwrap(), 1);
}
