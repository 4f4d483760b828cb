//! Many messages: ready, unacked, delayed, of many priorities; keys, cursors and events that are remembered.

use std::cell::{Cell, RefCell};

use crate::client::{
    CHANNEL_CLOSE_OK, Client, GET_OK, Properties, QUEUE_PURGE_OK, ack, close_channel, consume, declare,
    exchange, get, nack, open_channel, publish, purge,
};
use crate::definitions::Definitions;
use crate::table::{Rows, SIZES, Table, cpu_of};
use crate::wire::{self, Value};
use crate::world::World;

const OPS: u64 = 200;

pub fn measure(table: &Table) {
    table.group("ready messages", &[1, 100, 10_000, 100_000], |n, rows| {
        let mut world = with_queue(&[]);
        world.publish_to("q0", n);
        publish_get(&mut world, rows);
        looks(&mut world, rows);
        let client = &mut world.client;
        rows.set("purge, for a message", cpu_of(|| client.calls(0..1, QUEUE_PURGE_OK, |_| purge("q0"))), n);
    });
    table.group("unacked messages of a channel", &SIZES, |n, rows| {
        let mut world = with_queue(&[]);
        unacked(&mut world, n, rows);
    });
    table.group("priorities", &[1, 10, 100, 255], |n, rows| {
        let mut world = with_queue(&[("x-max-priority", Value::Number(n as i64))]);
        let message = |number: u64| {
            publish(
                "",
                "q0",
                Properties { priority: Some((number % (n + 1)) as u8), ..Properties::default() },
            )
        };
        world.publish(10_000, message);
        rows.row("publish, get and ack", OPS, || {
            let mut other = world.another();
            other.send(&message(7).repeat(OPS as usize));
            other.calls(0..OPS, GET_OK, |_| get("q0"));
            other.send(&ack(OPS, true));
            other.close();
        });
        looks(&mut world, rows);
    });
    table.group("delayed messages", &SIZES, delayed);
    table.group("keys of a dedup window", &SIZES, |n, rows| {
        let mut definitions = Definitions::default();
        let size = n.max(10);
        let arguments = format!(r#"{{"x-message-deduplication":true,"x-cache-size":{size}}}"#);
        definitions.queue_with("q0", &arguments);
        let mut world = World::of(&definitions.text());
        let keyed = |number: u64| {
            let headers = [("x-deduplication-header", Value::Number(number as i64))];
            publish("", "q0", Properties { headers: &headers, ..Properties::default() })
        };
        world.publish(n, keyed);
        let mut next = n;
        rows.row("publish what is new, forget the oldest", OPS, || {
            world.publish(OPS, |number| keyed(next + number));
            next += OPS;
        });
        rows.row("publish a duplicate", OPS, || {
            world.publish(OPS, |number| keyed(next - 1 - number % n.min(next)))
        });
        looks(&mut world, rows);
    });
    table.group("events in the journal", &SIZES, events);
    table.group("cursors of a stream", &[1, 100, 1000], cursors);
}

fn with_queue(arguments: &[(&str, Value<'_>)]) -> World {
    let mut world = World::new();
    world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, arguments));
    world
}

fn publish_get(world: &mut World, rows: &mut Rows) {
    rows.row("publish", OPS, || world.publish_to("q0", OPS));
    let client = &mut world.client;
    let mut tag = 0;
    rows.row("get and ack", OPS, || {
        for _ in 0..OPS / 50 {
            client.calls(0..50, GET_OK, |_| get("q0"));
            tag += 50;
            client.send(&ack(tag, true));
        }
        client.sync();
    });
    rows.row("get, requeue", OPS, || {
        for _ in 0..OPS {
            client.calls(0..1, GET_OK, |_| get("q0"));
            tag += 1;
            client.send(&nack(tag, 2));
        }
    });
}

fn looks(world: &mut World, rows: &mut Rows) {
    let http = &mut world.http;
    rows.row("GET /api/queues/%2F/q0", 1, || http.get("/api/queues/%2F/q0"));
    rows.row("/metrics", 1, || http.scrape("/metrics"));
    rows.row("/metrics/per-object", 1, || http.scrape("/metrics/per-object"));
    rows.row("peek at 10", 1, || http.get("/api/coney/queues/%2F/q0/messages?limit=10"));
}

fn unacked(world: &mut World, n: u64, rows: &mut Rows) {
    let mut holder = world.another();
    holder.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "holder", false, &[]));
    let given = Cell::new(0);
    let give = |holder: &mut Client, world: &mut World, count: u64| {
        world.publish_to("q0", count);
        holder.wait(wire::DELIVER, count);
        given.set(given.get() + count);
        given.get()
    };
    let last = give(&mut holder, world, n);
    looks(world, rows);
    rows.row("another connection consumes and goes", 20, || {
        for _ in 0..20 {
            let mut other = world.another();
            other.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "c", false, &[]));
            other.close();
        }
    });
    rows.row("another channel opens and closes", 20, || {
        for _ in 0..20 {
            holder.calls(2..3, wire::CHANNEL_OPEN_OK, |channel| open_channel(channel as u16));
            holder.calls(2..3, CHANNEL_CLOSE_OK, |channel| close_channel(channel as u16));
        }
    });
    let mut newest = last;
    rows.row("deliver, ack the newest", OPS, || {
        newest = give(&mut holder, world, OPS);
        let acks: Vec<u8> = (0..OPS).flat_map(|back| ack(newest - back, false)).collect();
        holder.send(&acks);
        holder.sync();
    });
    rows.row("deliver, nack the newest, get it again", OPS, || {
        newest = give(&mut holder, world, OPS);
        let nacks: Vec<u8> = (0..OPS).flat_map(|back| nack(newest - back, 2)).collect();
        holder.send(&nacks);
        holder.wait(wire::DELIVER, OPS);
        newest += OPS;
        given.set(newest);
        let acks: Vec<u8> = (0..OPS).flat_map(|back| ack(newest - back, false)).collect();
        holder.send(&acks);
        holder.sync();
    });
    let oldest = OPS.min(n);
    let acks: Vec<u8> = (1..=oldest).flat_map(|tag| ack(tag, false)).collect();
    let first = cpu_of(|| {
        holder.send(&acks);
        holder.sync();
    });
    rows.set("ack the oldest", first, oldest);
    let holder_ends = cpu_of(|| {
        holder.send(&close_channel(1));
        holder.wait(CHANNEL_CLOSE_OK, 1);
        world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| crate::world::passive("q0"));
    });
    rows.set("channel closes, for a message", holder_ends, n);
}

fn delayed(n: u64, rows: &mut Rows) {
    let mut world = with_queue(&[]);
    let kind = [("x-delayed-type", Value::Text("fanout"))];
    world.client.calls(0..1, wire::EXCHANGE_DECLARE_OK, |_| exchange("later", "x-delayed-message", &kind));
    world.client.calls(0..1, wire::QUEUE_BIND_OK, |_| crate::client::bind("q0", "later", ""));
    let later = |delay_ms: u64| {
        let headers = [("x-delay", Value::Number(delay_ms as i64))];
        publish("later", "", Properties { headers: &headers, ..Properties::default() })
    };
    world.publish(n, |number| later(1_000_000 + number * 7919 % 1_000_000));
    rows.row("publish another, in the middle", OPS, || {
        world.publish(OPS, |number| later(1_400_000 + number * 1000))
    });
    let mut other = world.another();
    other.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "c", true, &[]));
    let world = RefCell::new(&mut world);
    rows.row("one that is due in 1 ms, to its consumer", OPS, || {
        world.borrow_mut().publish(OPS, |_| later(1));
        other.wait(wire::DELIVER, OPS);
    });
    looks(&mut world.borrow_mut(), rows);
}

/// Messages that expire at once, which are what a journal keeps.
fn events(n: u64, rows: &mut Rows) {
    let mut world = with_queue(&[("x-message-ttl", Value::Number(0))]);
    world.publish_to("q0", n);
    rows.row("another failure", OPS, || world.publish_to("q0", OPS));
    let http = &mut world.http;
    rows.row("GET the newest 100", 1, || http.get("/api/coney/journal/%2F?limit=100"));
    rows.row("GET failures", 1, || http.get("/api/coney/failures/%2F"));
    rows.row("/metrics", 1, || http.scrape("/metrics"));
}

fn cursors(n: u64, rows: &mut Rows) {
    let mut world = with_queue(&[("x-queue-type", Value::Text("stream"))]);
    world.publish_to("q0", 10_000);
    for number in 0..n {
        world.http.send("PUT", &format!("/api/coney/queues/%2F/q0/cursors/c{number}"), r#"{"offset":0}"#);
    }
    rows.row("publish", OPS, || world.publish_to("q0", OPS));
    {
        let http = RefCell::new(&mut world.http);
        let path = "/api/coney/queues/%2F/q0/cursors/new";
        rows.pair(
            ["PUT another", "DELETE it"],
            1,
            || http.borrow_mut().send("PUT", path, r#"{"offset":0}"#),
            || http.borrow_mut().send("DELETE", path, ""),
        );
    }
    let mut other = world.another();
    other.calls(0..1, wire::QOS_OK, |_| crate::client::qos(1000, false));
    let arguments = [("x-stream-cursor", Value::Text("c0"))];
    other.calls(0..1, wire::CONSUME_OK, |_| consume(1, "q0", "c", false, &arguments));
    let mut tag = 0;
    rows.row("read and ack", 1000, || {
        other.wait(wire::DELIVER, 1000);
        tag += 1000;
        other.send(&ack(tag, true));
        other.sync();
    });
    let http = &mut world.http;
    rows.row("GET them, for a cursor", n, || http.get("/api/coney/queues/%2F/q0/cursors"));
    rows.row("/metrics", 1, || http.scrape("/metrics"));
}
