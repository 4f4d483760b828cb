//! Vhosts as shards, led by different nodes.

use std::net::SocketAddr;
use std::time::Duration;

use coney::server::Door;
use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::nodes::{Cluster, Running};
use super::{PATIENCE, connect_to, get, is_closed, request, start_ok};

/// Three nodes: `a` leads the meta shard, `b` shard 1 and `c` shard 2. Their vhosts are `one` and `two`, and `/` is the meta shard's.
pub struct Three {
    pub cluster: Cluster,
    pub nodes: [Running; 3],
}

impl Three {
    pub async fn new() -> Self {
        Self::of(Cluster::with_shards(2)).await
    }

    pub async fn of(cluster: Cluster) -> Self {
        let mut first = cluster.start("a", 0).await;
        first.leads().await;
        first.leads_shard(1).await.leads_shard(2).await;
        let second = cluster.start("b", 1).await;
        let third = cluster.start("c", 2).await;
        let three = Self { cluster, nodes: [first, second, third] };
        three.hand_over(1, 1).await;
        three.hand_over(2, 2).await;
        for (vhost, shard) in [("one", 1), ("two", 2)] {
            let made =
                three.ask(0, "PUT", &format!("/api/vhosts/{vhost}"), &format!("{{\"shard\":{shard}}}")).await;
            assert_eq!(made.0, 201, "{}", made.1);
        }
        three
    }

    pub fn amqp(&self, node: usize) -> SocketAddr {
        self.nodes[node].at(Door::Amqp)
    }

    pub async fn ask(&self, node: usize, method: &str, path: &str, body: &str) -> (u16, String) {
        request(self.nodes[node].at(Door::Http), method, path, body).await
    }

    pub async fn json(&self, node: usize, path: &str) -> Value {
        let (code, text) = get(self.nodes[node].at(Door::Http), path).await;
        assert_eq!(code, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Lets a node lead a shard, as soon as it can.
    pub async fn hand_over(&self, shard: usize, node: usize) {
        let name = ["a", "b", "c"][node];
        let wish = format!("{{\"node\":\"{name}\",\"shard\":{shard}}}");
        let moved =
            async { while self.ask(node, "POST", "/api/coney/cluster/move", &wish).await.0 != 202 {} };
        timeout(PATIENCE, moved).await.unwrap();
        self.nodes[node].leads_shard(shard).await;
        for other in (0..3).filter(|other| *other != node) {
            self.nodes[other].sees_leader(shard, name).await;
        }
    }
}

pub async fn confirming(connection: &Connection) -> Channel {
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

pub async fn declare(channel: &Channel, queue: &str) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await.unwrap();
}

pub async fn publish(channel: &Channel, queue: &str, body: &[u8]) -> bool {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let published =
        channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), body, properties);
    match published.await {
        Ok(confirm) => confirm.await.is_ok_and(|confirm| confirm.is_ack()),
        Err(_) => false,
    }
}

pub async fn take(channel: &Channel, queue: &str) -> Option<Vec<u8>> {
    let options = BasicGetOptions { no_ack: true };
    channel.basic_get(queue.into(), options).await.unwrap().map(|message| message.delivery.data)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vhost_is_reached_through_every_node_and_is_in_its_shard_alone() {
    let three = Three::new().await;
    for vhost in ["%2f", "one", "two"] {
        for node in 0..3 {
            let connection = connect_to(three.amqp(node), vhost).await.unwrap();
            let (channel, queue) = (confirming(&connection).await, format!("q{node}"));
            declare(&channel, &queue).await;
            assert!(publish(&channel, &queue, &vec![7; 300_000]).await, "{vhost} through node {node}");
            assert!(publish(&channel, &queue, vhost.as_bytes()).await);
            let elsewhere = connect_to(three.amqp((node + 1) % 3), vhost).await.unwrap();
            let elsewhere = confirming(&elsewhere).await;
            assert_eq!(take(&elsewhere, &queue).await, Some(vec![7; 300_000]));
            assert_eq!(take(&elsewhere, &queue).await.as_deref(), Some(vhost.as_bytes()));
            assert!(publish(&channel, &queue, b"stays").await);
        }
    }
    for node in 0..3 {
        assert_eq!(three.json(node, "/api/vhosts/two").await["shard"], 2);
        let queues = three.json(node, "/api/queues?columns=vhost,name,messages&sort=name").await;
        let shown: Vec<String> = queues
            .as_array()
            .unwrap()
            .iter()
            .map(|queue| {
                format!(
                    "{}/{} {}",
                    queue["vhost"].as_str().unwrap(),
                    queue["name"].as_str().unwrap(),
                    queue["messages"]
                )
            })
            .collect();
        let expected = (0..3)
            .flat_map(|n| ["/", "one", "two"].map(|vhost| format!("{vhost}/q{n} 1")))
            .collect::<Vec<_>>();
        assert_eq!(shown, expected, "as node {node} tells it");
        let page = three.json(node, "/api/queues?page=2&page_size=4&name=q").await;
        let counts = ["total_count", "page_count", "item_count"].map(|count| page[count].as_u64().unwrap());
        assert_eq!(counts, [9, 3, 4]);
        let of_one = three.json(node, "/api/queues/one").await;
        assert_eq!(of_one.as_array().unwrap().len(), 3);
        let overview = three.json(node, "/api/overview").await;
        let exchanges = three.json(node, "/api/exchanges").await.as_array().unwrap().len();
        let totals = ["queues", "exchanges"].map(|total| overview["object_totals"][total].as_u64().unwrap());
        assert_eq!(totals, [9, exchanges as u64]);
        assert_eq!(overview["queue_totals"]["messages"], 9);
        let vhosts = three.json(node, "/api/vhosts?columns=name,messages").await;
        let messages =
            |vhost: &Value| (vhost["name"].as_str().unwrap().to_owned(), vhost["messages"].as_u64());
        let messages: Vec<_> = vhosts.as_array().unwrap().iter().map(messages).collect();
        assert_eq!(messages, ["/", "one", "two"].map(|vhost| (vhost.to_owned(), Some(3))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_without_a_leader_holds_up_no_other() {
    let three = Three::new().await;
    let (one, two) =
        (connect_to(three.amqp(0), "one").await.unwrap(), connect_to(three.amqp(1), "two").await.unwrap());
    let (of_one, of_two) = (confirming(&one).await, confirming(&two).await);
    declare(&of_one, "q").await;
    declare(&of_two, "q").await;
    assert!(publish(&of_one, "q", b"before").await);
    three.cluster.shards[0].0.cut_off("b", true);
    // Somebody else leads shard 1 before long; shard 2 knows nothing of it.
    let others = async {
        tokio::select! {
            _ = three.nodes[0].leads_shard(1) => {}
            _ = three.nodes[2].leads_shard(1) => {}
        }
    };
    let goes_on = async { while publish(&of_two, "q", b"meanwhile").await {} };
    tokio::select! {
        led = timeout(PATIENCE, others) => led.unwrap(),
        () = goes_on => panic!("shard 2 confirms no more"),
    }
    assert!(publish(&of_two, "q", b"after").await, "the same connection");
    for node in 0..3 {
        let again = timeout(PATIENCE, async {
            loop {
                // Whoever is led to the node that led is turned away.
                if let Ok(connection) = connect_to(three.amqp(node), "one").await {
                    return connection;
                }
            }
        });
        let channel = confirming(&again.await.unwrap()).await;
        if node == 0 {
            assert_eq!(take(&channel, "q").await.as_deref(), Some(&b"before"[..]));
        }
        assert!(publish(&channel, "q", b"again").await, "through node {node}");
    }
}

/// What a broker answers to a login as guest, up to the end: the methods of class `connection`, and whether it is closed then.
pub async fn answers(at: SocketAddr, start_ok: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(&[b"AMQP\0\0\x09\x01", start_ok, rest].concat()).await.unwrap();
    let mut methods = Vec::new();
    loop {
        let mut head = [0; 7];
        if stream.read_exact(&mut head).await.is_err() {
            return methods;
        }
        let mut payload = vec![0; u32::from_be_bytes(head[3..].try_into().unwrap()) as usize + 1];
        stream.read_exact(&mut payload).await.unwrap();
        methods.push(payload[3]);
        if payload[3] == 41 || payload[3] == 50 {
            return methods;
        }
    }
}

fn method(id: u8, arguments: &[u8]) -> Vec<u8> {
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(arguments.len() + 4).unwrap().to_be_bytes());
    frame.extend([0, 10, 0, id]);
    frame.extend(arguments);
    frame.push(0xCE);
    frame
}

/// `connection.tune-ok` and `connection.open`.
pub fn opens(vhost: &str) -> Vec<u8> {
    let name = [&[vhost.len() as u8], vhost.as_bytes(), &[0, 0]].concat();
    [method(31, &[7, 255, 0, 2, 0, 0, 0, 0]), method(40, &name)].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_refused_as_by_a_broker_alone() {
    let three = Three::new().await;
    let alone = Cluster::new();
    let mut single = alone.start("a", 0).await;
    let plain = single.leads().await.at(Door::Amqp);
    let mut wrong = start_ok();
    let place = wrong.windows(5).rposition(|bytes| bytes == b"guest").unwrap();
    wrong[place] = b'x';
    for node in 0..3 {
        let at = three.amqp(node);
        for vhost in ["/", "one", "two"] {
            assert_eq!(answers(at, &start_ok(), &opens(vhost)).await, [10, 30, 41], "{vhost}");
        }
        for (start_ok, vhost) in [(start_ok(), "nowhere"), (wrong.clone(), "one"), (wrong.clone(), "/")] {
            let expected = answers(plain, &start_ok, &opens(vhost)).await;
            assert_eq!(answers(at, &start_ok, &opens(vhost)).await, expected, "{vhost}");
        }
        let mut other = TcpStream::connect(at).await.unwrap();
        other.write_all(b"AMQP\0\x01\0\0").await.unwrap();
        let mut told = [0; 8];
        other.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"AMQP\0\0\x09\x01", "what is spoken here");
        assert!(is_closed(other).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_permissions_of_the_meta_shard_hold_in_every_shard_when_they_are_answered() {
    let three = Three::new().await;
    let user = r#"{"password":"secret","tags":""}"#;
    let uri = |node: usize| format!("amqp://ann:secret@{}/one", three.amqp(node));
    let connect = |node: usize| {
        let uri = uri(node);
        async move { Connection::connect(&uri, lapin::ConnectionProperties::default()).await }
    };
    assert_eq!(three.ask(2, "PUT", "/api/users/ann", user).await.0, 201);
    assert!(connect(0).await.is_err(), "there is no permission");
    let all = r#"{"configure":".*","write":".*","read":".*"}"#;
    assert_eq!(three.ask(1, "PUT", "/api/permissions/one/ann", all).await.0, 201);
    let connection = connect(0).await.unwrap();
    let channel = confirming(&connection).await;
    declare(&channel, "q").await;
    let none = r#"{"configure":"","write":"","read":".*"}"#;
    assert_eq!(three.ask(0, "PUT", "/api/permissions/one/ann", none).await.0, 204);
    assert!(!publish(&channel, "q", b"refused").await, "the permission was taken away");
    let watched = TcpStream::connect(three.amqp(2)).await.unwrap();
    let mut watched = watched;
    let mut login = start_ok();
    let place = login.windows(12).position(|bytes| bytes == b"\0guest\0guest").unwrap();
    login.splice(place - 4..place + 12, [&[0, 0, 0, 11][..], b"\0ann\0secret"].concat());
    let size = u32::from_be_bytes(login[3..7].try_into().unwrap()) - 1;
    login[3..7].copy_from_slice(&size.to_be_bytes());
    watched.write_all(&[b"AMQP\0\0\x09\x01", &login[..], &opens("one")].concat()).await.unwrap();
    let mut first = [0; 1];
    watched.read_exact(&mut first).await.unwrap();
    assert_eq!(three.ask(1, "DELETE", "/api/users/ann", "").await.0, 204);
    assert!(connect(0).await.is_err(), "the user is gone");
    let gone =
        async { while three.json(0, "/api/connections?columns=user").await.to_string().contains("ann") {} };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vhost_is_made_where_there_are_fewest_and_deleted_with_all_that_is_in_it() {
    let three = Three::new().await;
    for (node, name, shard) in [(2, "three", 1), (0, "four", 2)] {
        assert_eq!(three.ask(node, "PUT", &format!("/api/vhosts/{name}"), "{}").await.0, 201);
        assert_eq!(three.json(1, &format!("/api/vhosts/{name}")).await["shard"], shard);
    }
    let moved = three.ask(0, "PUT", "/api/vhosts/three", r#"{"shard":2}"#).await;
    assert!(moved.0 == 400 && moved.1.contains("coney cluster move"), "{moved:?}");
    assert_eq!(three.ask(0, "PUT", "/api/vhosts/none", r#"{"shard":3}"#).await.0, 400);
    let connection = connect_to(three.amqp(0), "three").await.unwrap();
    let channel = confirming(&connection).await;
    declare(&channel, "q").await;
    assert!(publish(&channel, "q", b"goes").await);
    assert_eq!(three.ask(0, "DELETE", "/api/vhosts/three", "").await.0, 204);
    assert!(!publish(&channel, "q", b"too late").await);
    assert!(connect_to(three.amqp(1), "three").await.is_err());
    assert_eq!(three.ask(2, "PUT", "/api/vhosts/three", r#"{"shard":1}"#).await.0, 201);
    let again = connect_to(three.amqp(1), "three").await.unwrap();
    assert!(again.status().connected());
    assert_eq!(three.json(0, "/api/queues/three").await, serde_json::json!([]), "it is another vhost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_s_vhosts_and_rights_are_there_after_another_node_took_it_over() {
    let three = Three::new().await;
    let connection = connect_to(three.amqp(0), "one").await.unwrap();
    let channel = confirming(&connection).await;
    declare(&channel, "q").await;
    assert!(publish(&channel, "q", b"kept").await);
    three.hand_over(1, 2).await;
    for node in 0..3 {
        let connection = connect_to(three.amqp(node), "one").await.unwrap();
        let channel = confirming(&connection).await;
        assert!(publish(&channel, "q", b"more").await, "through node {node}");
    }
    let queue = three.json(1, "/api/queues/one/q").await;
    assert_eq!(queue["messages"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_exported_whole_and_imported_where_they_belong() {
    let three = Three::new().await;
    let definitions = r#"{
        "vhosts": [{"name": "made"}, {"name": "two"}],
        "users": [{"name": "bob", "password": "b", "tags": ""}],
        "permissions": [{"user": "guest", "vhost": "made", "configure": ".*", "write": ".*", "read": ".*"}],
        "queues": [
            {"name": "m", "vhost": "made", "durable": true, "auto_delete": false, "arguments": {}},
            {"name": "t", "vhost": "two", "durable": true, "auto_delete": false, "arguments": {}},
            {"name": "r", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {}}
        ],
        "policies": [{"name": "p", "vhost": "two", "pattern": ".*", "apply-to": "queues", "priority": 0, "definition": {"max-length": 9}}]
    }"#;
    let imported = three.ask(1, "POST", "/api/definitions", definitions).await;
    assert!((200..300).contains(&imported.0), "{imported:?}");
    assert!(three.json(0, "/api/vhosts/made").await["shard"].as_u64().is_some());
    for (vhost, queue) in [("made", "m"), ("two", "t"), ("%2F", "r")] {
        assert_eq!(three.json(2, &format!("/api/queues/{vhost}/{queue}")).await["name"], queue);
    }
    let exported = three.json(2, "/api/definitions").await;
    let names = |key: &str| -> Vec<String> {
        let list = exported[key].as_array().unwrap().iter();
        let mut names: Vec<_> = list.map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("queues"), ["m", "r", "t"]);
    assert_eq!(names("vhosts"), ["/", "made", "one", "two"]);
    assert_eq!(names("policies"), ["p"]);
    assert_eq!(names("users"), ["bob", "guest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_names_each_shard_and_what_cannot_be_shown_says_so() {
    let three = Three::new().await;
    let status = three.json(1, "/api/coney/cluster").await;
    let leaders = [&status["leader"], &status["shards"][0]["leader"], &status["shards"][1]["leader"]];
    assert_eq!(leaders.map(|leader| leader.as_str().unwrap()), ["a", "b", "c"]);
    let (code, text) = get(three.nodes[1].at(Door::Metrics), "/metrics").await;
    assert_eq!(code, 200);
    for line in ["{shard=\"0\"} 0", "{shard=\"1\"} 1", "{shard=\"2\"} 0"] {
        assert!(text.contains(&format!("\nconey_cluster_role{line}\n")), "{text}");
    }
    // Each node has the metrics of the brokers that it leads with, and no others.
    let connection = connect_to(three.amqp(0), "one").await.unwrap();
    declare(&connection.create_channel().await.unwrap(), "counted").await;
    for (node, queues) in [(0, [Some(0), None, None]), (1, [None, Some(1), None]), (2, [None, None, Some(0)])]
    {
        let (_, text) = get(three.nodes[node].at(Door::Metrics), "/metrics").await;
        for (shard, count) in queues.iter().enumerate() {
            let found = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("rabbitmq_queues{{shard=\"{shard}\"}} ")));
            assert_eq!(found, count.map(|count: u8| count.to_string()).as_deref(), "node {node}: {text}");
        }
    }
    drop(connection);
    for own in ["/api/coney/failures", "/api/coney/lint"] {
        assert!(three.json(0, own).await.is_array(), "{own}");
    }
    assert!(three.json(1, "/api/coney/problems").await["counts"]["critical"].is_u64());
    let journal = three.json(2, "/api/coney/journal?newest=true&limit=1000").await;
    let vhosts = |vhost: &str| journal["cursor"].as_str().unwrap().contains(&format!("{vhost}="));
    assert!(vhosts("one") && vhosts("two") && vhosts("%2F"), "{journal}");
    let missing = three.ask(0, "GET", "/api/coney/journal?follow=sse", "").await;
    assert!(missing.0 == 501 && missing.1.contains("several shards"), "{missing:?}");
    let checked = async {
        while get(three.nodes[2].at(Door::Http), "/api/health/checks/node-is-quorum-critical").await.0 != 200
        {
        }
    };
    timeout(PATIENCE, checked).await.unwrap();
    let connection = connect_to(three.amqp(0), "one").await.unwrap();
    let shown = three.json(2, "/api/connections").await;
    let name = shown[0]["name"].as_str().unwrap().replace(' ', "%20").replace('>', "%3E");
    assert_eq!(three.ask(0, "DELETE", &format!("/api/connections/{name}"), "").await.0, 204);
    let closed = async {
        while connection.status().connected() {
            tokio::task::yield_now().await
        }
    };
    timeout(Duration::from_secs(20), closed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_are_spread_by_themselves_and_stay_where_they_are_then() {
    let cluster = Cluster { spread_after_s: 2, ..Cluster::with_shards(2) };
    let first = cluster.start("a", 0).await;
    first.leads_shard(0).await.leads_shard(1).await.leads_shard(2).await;
    let nodes = [first, cluster.start("b", 1).await, cluster.start("c", 2).await];
    let spread = async {
        nodes[1].leads_shard(1).await;
        nodes[2].leads_shard(2).await;
    };
    timeout(PATIENCE, spread).await.unwrap();
    let terms = || {
        (0..3).map(|shard| nodes[shard].process.route_of(shard).unwrap().borrow().clone()).collect::<Vec<_>>()
    };
    let (before, end) = (terms(), cluster.clock.now() + Duration::from_secs(6));
    cluster.clock.wait_for(Some(end)).await;
    assert_eq!(terms(), before, "nobody gives back what it was given");
}
