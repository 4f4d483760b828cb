//! Many consumers, channels and connections.

use std::cell::RefCell;

use crate::client::{
    CANCEL_OK, CHANNEL_CLOSE_OK, Client, Idle, Properties, cancel, close_channel, consume, declare,
    open_channel, publish, qos,
};
use crate::table::{FEWER, Rows, SIZES, Table, cpu_of};
use crate::wire::{self, Value};
use crate::world::World;

const OPS: u64 = 200;

pub fn measure(table: &Table) {
    table.group("consumers on a queue, of one channel", &SIZES, |n, rows| {
        let mut world = with_consumers(n, true, &[]);
        come_and_go(&mut world, &[], rows);
        rows.row("publish and deliver, no ack", OPS, || deliver(&mut world.client, OPS));
        lists(&mut world, n, rows);
        rows.row("/metrics", 1, || world.http.scrape("/metrics"));
        let closed = cpu_of(|| {
            world.client.send(&close_channel(1));
            world.client.wait(CHANNEL_CLOSE_OK, 1);
        });
        rows.set("channel closes, for a consumer", closed, n);
    });
    table.group("consumers on a queue, each another priority", &SIZES, |n, rows| {
        let mut world = with_consumers(n, true, &[]);
        // Half of the first above those that are there, half below.
        for (tag, priority) in [("above", 5), ("below", -5)] {
            let arguments = [("x-priority", Value::Number(priority))];
            world.client.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", tag, true, &arguments));
        }
        rows.row("publish and deliver, no ack", OPS, || deliver(&mut world.client, OPS));
        come_and_go(&mut world, &[("x-priority", Value::Number(3))], rows);
    });
    table.group("consumers on a queue without credit", &SIZES, |n, rows| {
        let mut world = World::new();
        let client = &mut world.client;
        client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
        client.calls(0..1, wire::QOS_OK, |_| qos(1, false));
        client.calls(0..n, wire::CONSUME_OK, |number| consume(1, "q0", &number.to_string(), false, &[]));
        deliver(client, n);
        come_and_go(&mut world, &[], rows);
        let client = &mut world.client;
        let mut acked = 0;
        rows.row("ack the oldest, publish, deliver", OPS.min(n), || {
            for _ in 0..OPS.min(n) {
                acked += 1;
                let next =
                    [crate::client::ack(acked, false), publish("", "q0", Properties::default())].concat();
                client.send(&next);
                client.wait(wire::DELIVER, 1);
            }
        });
        rows.row("a connection with a consumer comes and goes", 20, || comes_and_goes(&world, 20));
    });
    table.group("connections with a consumer each on a queue", &FEWER, |n, rows| {
        let mut world = World::new();
        world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
        let held = idle(&world, n, &consume(1, "q0", "c", false, &[]), wire::CONSUME_OK);
        rows.row("a connection with a consumer comes and goes", 20, || comes_and_goes(&world, 20));
        lists(&mut world, n, rows);
        rows.set("all end, for one", cpu_of(|| end(&mut world, held)), n);
    });
    channels(table);
    connections(table);
}

fn channels(table: &Table) {
    table.group("channels of a connection", &FEWER, |n, rows| {
        let mut world = World::new();
        world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
        let mut other = world.another();
        other.calls(2..n + 1, wire::CHANNEL_OPEN_OK, |number| open_channel(number as u16));
        {
            let (first, client) = (30_000, RefCell::new(&mut other));
            rows.pair(
                ["open", "close"],
                OPS,
                || {
                    client.borrow_mut().calls(first..first + OPS, wire::CHANNEL_OPEN_OK, |number| {
                        open_channel(number as u16)
                    })
                },
                || {
                    client
                        .borrow_mut()
                        .calls(first..first + OPS, CHANNEL_CLOSE_OK, |number| close_channel(number as u16))
                },
            );
        }
        rows.row("publish and deliver", OPS, || {
            other.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "c", true, &[]));
            deliver(&mut other, OPS);
            other.calls(0..1, CANCEL_OK, |_| cancel("c"));
        });
        let http = &mut world.http;
        rows.row("GET /api/channels, for a channel", n, || http.get("/api/channels"));
        rows.row("a page of 100", 1, || http.get("/api/channels?page=1&page_size=100"));
        rows.row("/metrics, for a channel", n, || http.scrape("/metrics"));
        rows.row("/metrics/per-object, for a channel", n, || http.scrape("/metrics/per-object"));
        rows.set("connection ends, for a channel", cpu_of(|| other.close()), n);
    });
    table.group("channels with a consumer each on a queue", &FEWER, |n, rows| {
        let mut world = World::new();
        world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
        let mut other = world.another();
        other.calls(2..n + 2, wire::CHANNEL_OPEN_OK, |number| open_channel(number as u16));
        let global = |number: u64| {
            wire::method(number as u16, wire::QOS, |out| out.extend_from_slice(&[0, 0, 0, 0, 0, 1, 1]))
        };
        other.calls(2..n + 2, wire::QOS_OK, global);
        other.calls(2..n + 2, wire::CONSUME_OK, |number| consume(number as u16, "q0", "c", false, &[]));
        world.publish_to("q0", n);
        other.wait(wire::DELIVER, n);
        // The first channels have their only delivery still.
        let count = OPS.min(n);
        let mut acked = 1;
        rows.row("ack, publish, deliver: a prefetch for each channel", count, || {
            for number in 2..2 + count {
                other.send(&wire::method(number as u16, wire::ACK, |out| {
                    out.extend_from_slice(&u64::to_be_bytes(acked));
                    out.push(0);
                }));
            }
            acked += 1;
            world.publish_to("q0", count);
            other.wait(wire::DELIVER, count);
        });
        rows.set("connection ends, for a channel", cpu_of(|| other.close()), n);
    });
}

fn connections(table: &Table) {
    table.group("connections", &FEWER, |n, rows| {
        let mut world = World::new();
        world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
        let held = idle(&world, n, &[], wire::CHANNEL_OPEN_OK);
        rows.row("another comes and goes", 20, || (0..20).for_each(|_| world.another().close()));
        rows.row("publish", OPS, || world.publish_to("q0", OPS));
        let http = &mut world.http;
        rows.row("GET /api/connections, for a connection", n, || http.get("/api/connections"));
        rows.row("a page of 100", 1, || http.get("/api/connections?page=1&page_size=100"));
        rows.row("/metrics, for a connection", n, || http.scrape("/metrics"));
        rows.row("/metrics/per-object, for a connection", n, || http.scrape("/metrics/per-object"));
        rows.set("all end, for one", cpu_of(|| end(&mut world, held)), n);
    });
}

fn idle(world: &World, n: u64, more: &[u8], reply: u32) -> Vec<Idle> {
    world.runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..n {
            held.push(Idle::open(&world.broker, more, reply).await);
        }
        held
    })
}

/// Ends connections, and waits until only that of the world is there.
fn end(world: &mut World, held: Vec<Idle>) {
    drop(held);
    while world.broker.connections().len() > 1 {
        std::thread::yield_now();
        world.client.sync();
    }
}

fn with_consumers(n: u64, is_no_ack: bool, arguments: &[(&str, Value<'_>)]) -> World {
    let mut world = World::new();
    let client = &mut world.client;
    client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
    client
        .calls(0..n, wire::CONSUME_OK, |number| consume(1, "q0", &number.to_string(), is_no_ack, arguments));
    world
}

fn come_and_go(world: &mut World, arguments: &[(&str, Value<'_>)], rows: &mut Rows) {
    let client = RefCell::new(&mut world.client);
    rows.pair(
        ["consume", "cancel"],
        OPS,
        || {
            client.borrow_mut().calls(0..OPS, wire::CONSUME_OK, |number| {
                consume(1, "q0", &format!("c{number}"), true, arguments)
            })
        },
        || client.borrow_mut().calls(0..OPS, CANCEL_OK, |number| cancel(&format!("c{number}"))),
    );
}

fn comes_and_goes(world: &World, times: u64) {
    for _ in 0..times {
        let mut other = world.another();
        other.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "c", false, &[]));
        other.close();
    }
}

fn deliver(client: &mut Client, count: u64) {
    let mut left = count;
    while left > 0 {
        let some = left.min(5000);
        client.send(&publish("", "q0", Properties::default()).repeat(some as usize));
        client.wait(wire::DELIVER, some);
        left -= some;
    }
}

fn lists(world: &mut World, n: u64, rows: &mut Rows) {
    let http = &mut world.http;
    rows.row("GET /api/queues/%2F/q0, for a consumer", n, || http.get("/api/queues/%2F/q0"));
    rows.row("GET /api/consumers, for a consumer", n, || http.get("/api/consumers"));
    rows.row("a page of 100 queues", 1, || http.get("/api/queues?page=1&page_size=100"));
}
