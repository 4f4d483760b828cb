//! Many queues, and who is in the way of others while many are worked on.

use amq_protocol::types::AMQPValue;
use coney::policy::Policy;

use crate::client::{
    CANCEL_OK, GET_EMPTY, Properties, QUEUE_UNBIND_OK, bind, cancel, consume, declare, delete, get, publish,
    unbind,
};
use crate::definitions::{Definitions, queues_bound};
use crate::table::{FEWER, Rows, SIZES, Table, cpu_of};
use crate::wire;
use crate::world::World;

const OPS: u64 = 200;

pub fn measure(table: &Table) {
    table.group("queues", &SIZES, |n, rows| {
        let mut world = World::new();
        let text = queues_bound(n);
        rows.set("import, for a queue and a binding", cpu_of(|| world.import(&text)), n);
        operations(&mut world, rows);
        lists(&mut world, n, rows);
        whole(&world, n, rows);
    });
    table.group("exclusive queues of a connection", &FEWER, |n, rows| {
        let world = World::new();
        let mut client = world.another();
        client.calls(0..n, wire::QUEUE_DECLARE_OK, |number| declare(&format!("x{number}"), true, &[]));
        rows.set("connection ends, for a queue", cpu_of(|| client.close()), n);
    });
}

fn operations(world: &mut World, rows: &mut Rows) {
    let client = std::cell::RefCell::new(&mut world.client);
    let calls = |reply, request: &dyn Fn(u64) -> Vec<u8>| client.borrow_mut().calls(0..OPS, reply, request);
    rows.pair(
        ["declare", "delete"],
        OPS,
        || calls(wire::QUEUE_DECLARE_OK, &|number| declare(&format!("new{number}"), false, &[])),
        || calls(wire::QUEUE_DELETE_OK, &|number| delete(&format!("new{number}"))),
    );
    rows.row("declare again", OPS, || calls(wire::QUEUE_DECLARE_OK, &|_| declare("q0", false, &[])));
    rows.pair(
        ["bind", "unbind"],
        OPS,
        || calls(wire::QUEUE_BIND_OK, &|number| bind("q0", "amq.topic", &format!("new{number}"))),
        || calls(QUEUE_UNBIND_OK, &|number| unbind("q0", "amq.topic", &format!("new{number}"))),
    );
    rows.row("publish to another each time, get nothing", OPS, || {
        calls(GET_EMPTY, &|number| {
            [publish("amq.topic", &format!("none{number}"), Properties::default()), get("q0")].concat()
        });
    });
    rows.pair(
        ["consume", "cancel"],
        OPS,
        || calls(wire::CONSUME_OK, &|number| consume(1, "q0", &format!("c{number}"), true, &[])),
        || calls(CANCEL_OK, &|number| cancel(&format!("c{number}"))),
    );
}

fn lists(world: &mut World, n: u64, rows: &mut Rows) {
    let http = &mut world.http;
    rows.row("GET /api/overview, for a queue", n, || http.get("/api/overview"));
    rows.row("GET /api/queues/%2F/q0", 1, || http.get("/api/queues/%2F/q0"));
    rows.row("a page of 100", 1, || http.get("/api/queues?page=1&page_size=100"));
    rows.row("the last page of 100", 1, || {
        let last = n.div_ceil(100);
        http.get(&format!("/api/queues?page={last}&page_size=100"));
    });
    rows.row("a page of 100 by name=q1, for a queue", n, || {
        http.get("/api/queues?page=1&page_size=100&name=q1&columns=name")
    });
    rows.row("a page sorted by messages, for a queue", n, || {
        http.get("/api/queues?page=1&page_size=100&sort=messages")
    });
    rows.row("list of all names, for a queue", n, || http.get("/api/queues?columns=name"));
    rows.row("list of all, for a queue", n, || http.get("/api/queues"));
    rows.row("bindings of a queue", 1, || http.get("/api/queues/%2F/q0/bindings"));
    rows.row("/metrics, for a queue", n, || http.scrape("/metrics"));
    rows.row("/metrics/per-object, for a queue", n, || http.scrape("/metrics/per-object"));
}

fn whole(world: &World, n: u64, rows: &mut Rows) {
    let (runtime, broker) = (&world.runtime, &world.broker);
    rows.row("export, for a queue and a binding", n, || {
        drop(runtime.block_on(broker.export_definitions()).unwrap())
    });
    rows.row("a policy, for a queue", n, || {
        let policy = Policy::new("bounded", ".*", "max-length", AMQPValue::LongLongInt(10));
        runtime.block_on(broker.put_policy("/", policy)).unwrap();
    });
    let taken = cpu_of(|| runtime.block_on(broker.delete_vhost("/")).unwrap());
    rows.set("delete their vhost, for a queue", taken, n);
}

/// Vhosts, users, policies.
pub fn administration(table: &Table) {
    table.group("vhosts", &FEWER, |n, rows| {
        let mut definitions = Definitions::default();
        (0..n).for_each(|number| definitions.vhost(&format!("v{number}")));
        let mut world = World::of(&definitions.text());
        put_and_delete(&mut world, ["PUT a vhost", "DELETE it"], "/api/vhosts/new", "{}", rows);
        clients(&mut world, rows);
        let http = &mut world.http;
        rows.row("GET /api/vhosts, for a vhost", n, || http.get("/api/vhosts"));
        rows.row("a page of 100", 1, || http.get("/api/vhosts?page=1&page_size=100"));
        rows.row("a page of 100 queues", 1, || http.get("/api/queues?page=1&page_size=100"));
        rows.row("/metrics", 1, || http.scrape("/metrics"));
    });
    table.group("users with a permission each", &SIZES, |n, rows| {
        let mut definitions = Definitions::default();
        (0..n).for_each(|number| definitions.user(&format!("u{number}")));
        let mut world = World::of(&definitions.text());
        let user = r#"{"password":"p","tags":""}"#;
        put_and_delete(&mut world, ["PUT a user", "DELETE it"], "/api/users/new", user, rows);
        let permission = r#"{"configure":"","write":"","read":""}"#;
        let path = "/api/permissions/%2F/u0";
        put_and_delete(&mut world, ["PUT a permission", "DELETE it again"], path, permission, rows);
        clients(&mut world, rows);
        let http = &mut world.http;
        rows.row("GET /api/users, for a user", n, || http.get("/api/users"));
        rows.row("GET /api/users/u0", 1, || http.get("/api/users/guest"));
        rows.row("GET /api/users/u0/permissions", 1, || http.get("/api/users/guest/permissions"));
        rows.row("GET /api/permissions, for a user", n, || http.get("/api/permissions"));
    });
    table.group("policies that do not match", &FEWER, |n, rows| {
        let mut definitions = Definitions::default();
        (0..n).for_each(|number| definitions.policy(&format!("p{number}")));
        let mut world = World::of(&definitions.text());
        let policy = r#"{"pattern":"^new","definition":{"max-length":1}}"#;
        put_and_delete(&mut world, ["PUT a policy", "DELETE it"], "/api/policies/%2F/new", policy, rows);
        clients(&mut world, rows);
        operations(&mut world, rows);
        let http = &mut world.http;
        rows.row("GET /api/queues/%2F/q0", 1, || http.get("/api/queues/%2F/q0"));
        rows.row("GET /api/policies, for a policy", n, || http.get("/api/policies"));
    });
}

fn put_and_delete(world: &mut World, names: [&str; 2], path: &str, body: &str, rows: &mut Rows) {
    let http = std::cell::RefCell::new(&mut world.http);
    let put = || http.borrow_mut().send("PUT", path, body);
    rows.pair(names, 1, put, || http.borrow_mut().send("DELETE", path, ""));
}

fn clients(world: &mut World, rows: &mut Rows) {
    world.client.calls(0..1, wire::QUEUE_DECLARE_OK, |_| declare("q0", false, &[]));
    rows.row("a connection comes and goes", 20, || (0..20).for_each(|_| world.another().close()));
    let client = &mut world.client;
    rows.row("publish to a queue, purge", OPS, || {
        client.calls(0..OPS, crate::client::QUEUE_PURGE_OK, |_| {
            [publish("", "q0", Properties::default()), crate::client::purge("q0")].concat()
        });
    });
}
