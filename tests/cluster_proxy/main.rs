//! A node that follows serves clients as the one that leads does: by leading them there.
//!
//! Three nodes in one process, with all that a node has but NATS.
#![cfg(feature = "cluster")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod moves;
mod nodes;
mod page;
#[path = "../tls/pki.rs"]
#[allow(dead_code, reason = "it is for other tests, too")]
mod pki;
mod shards;
#[path = "../tls/support.rs"]
#[allow(dead_code, reason = "it is for other tests, too")]
mod support;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use coney::cluster::ProxyHeader;
use coney::server::Door;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use nodes::{Cluster, Running, SECRET};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(at: SocketAddr) -> Result<Connection, lapin::Error> {
    connect_to(at, "%2f").await
}

async fn connect_to(at: SocketAddr, vhost: &str) -> Result<Connection, lapin::Error> {
    let uri = format!("amqp://guest:guest@{at}/{vhost}");
    Connection::connect(&uri, ConnectionProperties::default()).await
}

/// Two nodes: the first leads, the second leads its clients there.
async fn pair(cluster: &Cluster) -> (Running, Running) {
    let mut first = cluster.start("a", 0).await;
    first.leads().await;
    let mut second = cluster.start("b", 1).await;
    second.follows("a").await;
    (first, second)
}

/// A GET, and its body.
async fn get(at: SocketAddr, path: &str) -> (u16, String) {
    request(at, "GET", path, "").await
}

/// A request, and its answer.
async fn request(at: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let login = "Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n";
    let length = match method {
        "GET" => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    let head = format!("{method} {path} HTTP/1.0\r\n{login}{length}\r\n{body}");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Until it is closed, whatever comes.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_standby_declares_publishes_and_consumes_large_messages() {
    let cluster = Cluster::new();
    let (_first, second) = pair(&cluster).await;
    let connection = connect(second.at(Door::Amqp)).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("q".into(), durable, FieldTable::default()).await.unwrap();
    let bodies: Vec<Vec<u8>> = (0..16_u8).map(|n| vec![n; 1 << 20]).collect();
    let mut confirms = Vec::new();
    for body in &bodies {
        let (options, properties) =
            (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        confirms.push(channel.basic_publish("".into(), "q".into(), options, body, properties).await.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
    let options = BasicConsumeOptions::default();
    let mut consumer =
        channel.basic_consume("q".into(), "c".into(), options, FieldTable::default()).await.unwrap();
    for body in &bodies {
        let delivery = futures_lite::StreamExt::next(&mut consumer).await.unwrap().unwrap();
        assert!(delivery.data == *body);
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_sees_where_a_client_of_a_standby_is() {
    let cluster = Cluster::new();
    let (first, second) = pair(&cluster).await;
    let connection = connect(second.at(Door::Amqp)).await.unwrap();
    let (code, text) = get(first.at(Door::Http), "/api/connections").await;
    assert_eq!(code, 200);
    let connections: Value = serde_json::from_str(&text).unwrap();
    let (shown, port) = (&connections[0], second.at(Door::Amqp).port());
    assert_eq!((&shown["port"], &shown["peer_host"]), (&port.into(), &"127.0.0.1".into()));
    let name = shown["name"].as_str().unwrap();
    assert!(name.ends_with(&format!("-> 127.0.0.1:{port}")), "{name}");
    drop(connection);
}

/// What a client says at a peer port, in the name of one at that address; whether it is let in.
async fn logs_in_from(peer: &str, first: &Running, secret: [u8; 32]) -> bool {
    let address = first.process.status().nodes.iter().find_map(|node| node.address.clone()).unwrap();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let local = "203.0.113.1:5672".parse().unwrap();
    let peer = peer.parse().unwrap();
    let header = ProxyHeader { peer, local, door: Door::Amqp, shard: 0, is_again: false, tls: None };
    stream.write_all(&header.encode(&secret)).await.unwrap();
    if stream.read_u8().await.is_err() {
        return false;
    }
    stream.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
    let mut start = [0; 7];
    stream.read_exact(&mut start).await.unwrap();
    let mut rest = vec![0; u32::from_be_bytes(start[3..].try_into().unwrap()) as usize + 1];
    stream.read_exact(&mut rest).await.unwrap();
    stream.write_all(&start_ok()).await.unwrap();
    let mut answer = [0; 11];
    // connection.tune is 10, 30. Who is refused and has not said that it wants to be told is disconnected.
    stream.read_exact(&mut answer).await.is_ok() && answer[7..] == [0, 10, 0, 30]
}

/// `connection.start-ok` as guest.
fn start_ok() -> Vec<u8> {
    start_ok_by("PLAIN", b"\0guest\0guest")
}

fn start_ok_by(mechanism: &str, response: &[u8]) -> Vec<u8> {
    let mut method = vec![0, 10, 0, 11, 0, 0, 0, 0, mechanism.len() as u8];
    method.extend(mechanism.as_bytes());
    method.extend((response.len() as u32).to_be_bytes());
    method.extend(response);
    method.extend(b"\x05en_US");
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(method.len()).unwrap().to_be_bytes());
    frame.extend(method);
    frame.push(0xCE);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_is_let_in_by_where_the_client_is_and_only_nodes_say_where_that_is() {
    let cluster = Cluster::new();
    let (first, _second) = pair(&cluster).await;
    assert!(logs_in_from("127.0.0.1:1000", &first, SECRET).await);
    assert!(logs_in_from("[::1]:1000", &first, SECRET).await);
    assert!(!logs_in_from("198.51.100.7:1000", &first, SECRET).await, "guest from elsewhere");
    assert!(!logs_in_from("127.0.0.1:1000", &first, [1; 32]).await, "it does not know the secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_disconnected_when_the_leader_changes_and_find_the_new_one_at_the_same_address() {
    let cluster = Cluster::new();
    let (_first, mut second) = pair(&cluster).await;
    let mut third = cluster.start("c", 2).await;
    third.follows("a").await;
    let (to_second, to_third) = (second.at(Door::Amqp), third.at(Door::Amqp));
    let open = [TcpStream::connect(to_second).await.unwrap(), TcpStream::connect(to_third).await.unwrap()];
    cluster.log.cut_off("a", true);
    second.leads().await;
    third.follows("b").await;
    for stream in open {
        assert!(is_closed(stream).await);
    }
    for at in [to_second, to_third] {
        assert!(connect(at).await.unwrap().status().connected());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_process_is_gone_is_followed_though_its_lease_has_not_ended() {
    let cluster = Cluster { leases_end: false, ..Cluster::new() };
    let (first, mut second) = pair(&cluster).await;
    let mut third = cluster.start("c", 2).await;
    third.follows("a").await;
    let mut now = cluster.clock.now();
    while first.process.watched_by() < 2 {
        now = now + Duration::from_millis(10);
        cluster.clock.wait_for(Some(now)).await;
    }
    drop(first);
    second.leads().await;
    third.follows("b").await;
    assert!(connect(third.at(Door::Amqp)).await.unwrap().status().connected());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_held_until_somebody_leads() {
    let cluster = Cluster::new();
    cluster.log.cut_off("a", true);
    let mut first = cluster.start("a", 0).await;
    let connecting = tokio::spawn(connect(first.at(Door::Amqp)));
    // The client has been accepted, and waits.
    let held = TcpStream::connect(first.at(Door::Amqp)).await.unwrap();
    cluster.log.cut_off("a", false);
    first.leads().await;
    assert!(connecting.await.unwrap().unwrap().status().connected());
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_when_nobody_leads_in_time() {
    let cluster = Cluster::new();
    cluster.log.cut_off("a", true);
    let first = cluster.start("a", 0).await;
    let mut held = TcpStream::connect(first.at(Door::Amqp)).await.unwrap();
    held.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
    let began = cluster.clock.now();
    assert!(is_closed(held).await);
    let waited = cluster.clock.now().since(began);
    assert!((Duration::from_millis(4500)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_the_leaders_and_the_metrics_are_the_nodes_own() {
    let cluster = Cluster::new();
    let (first, second) = pair(&cluster).await;
    let (code, text) = get(second.at(Door::Http), "/api/coney/cluster").await;
    assert_eq!(code, 200, "{text}");
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&status["leader"], &status["node"]), (&"a".into(), &"a".into()));
    for (node, role) in [(&first, 1), (&second, 0)] {
        let (code, text) = get(node.at(Door::Metrics), "/metrics").await;
        assert_eq!(code, 200);
        assert!(text.contains(&format!("\nconey_cluster_role {role}\n")), "{text}");
    }
    for (node, name) in [(&first, "a"), (&second, "b")] {
        let (code, text) = get(node.at(Door::Metrics), "/api/coney/cluster").await;
        let status: Value = serde_json::from_str(&text).unwrap();
        let shown = (code, &status["node"], &status["leader"]);
        assert_eq!(shown, (200, &name.into(), &"a".into()), "{text}");
    }
}
