//! Connections that never log in, on a broker with few file descriptors.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use crate::support::process::{Process, coney};
use crate::support::raw::Raw;

/// How long a client waits for its login, whatever others do.
const LOGIN_MAX: Duration = Duration::from_secs(1);

/// How long a thousand connections may take to be accepted.
const ACCEPTED_MAX: Duration = Duration::from_secs(30);

/// A broker that has so many descriptors and cannot have more.
fn with_descriptors(limit: u32, dir: &std::path::Path) -> Process {
    with_descriptors_and(limit, dir, &[])
}

fn with_descriptors_and(limit: u32, dir: &std::path::Path, more: &[&str]) -> Process {
    let broker = coney();
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")]).arg(broker.get_program());
    for (name, value) in broker.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited.args(["--amqp", "127.0.0.1:0", "--log", "error"]).args(more);
    Process::run(limited.arg("--data-dir").arg(dir))
}

/// Connects and never logs in: every second one says that it will, the others nothing.
fn half_open(address: &str, count: usize) -> Vec<TcpStream> {
    half_open_with(address, count, b"AMQP\x00\x00\x09\x01")
}

fn half_open_with(address: &str, count: usize, first: &[u8]) -> Vec<TcpStream> {
    let connect = |number: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        if number.is_multiple_of(2) {
            // The broker may have closed it already.
            let _ = stream.write_all(first);
        }
        stream
    };
    (0..count).map(connect).collect()
}

async fn publish_durably(uri: &str, count: u32) {
    let login = Connection::connect(uri, ConnectionProperties::default());
    let connection = tokio::time::timeout(LOGIN_MAX, login).await.expect("no login").unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("kept".into(), durable, FieldTable::default()).await.unwrap();
    for _ in 0..count {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let (exchange, options) = ("".into(), BasicPublishOptions::default());
        let sent = channel.basic_publish(exchange, "kept".into(), options, &[7; 10_000], properties).await;
        assert!(sent.unwrap().await.unwrap().is_ack());
    }
}

async fn ready(uri: &str) -> u32 {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let passive = QueueDeclareOptions { passive: true, ..Default::default() };
    channel.queue_declare("kept".into(), passive, FieldTable::default()).await.unwrap().message_count()
}

#[tokio::test]
async fn a_thousand_silent_connections_keep_nobody_out_and_the_store_alive() {
    coney::raise_descriptor_limit();
    let dir = tempfile::tempdir().unwrap();
    let broker = with_descriptors(256, dir.path());
    let silent = half_open(broker.address(), 1000);
    publish_durably(&broker.uri(), 50).await;
    let more = half_open(broker.address(), 300);
    publish_durably(&broker.uri(), 50).await;
    assert!(broker.signal("TERM").success());
    drop((silent, more));
    let again = with_descriptors(256, dir.path());
    assert_eq!(ready(&again.uri()).await, 100);
}

/// Waits until the broker has accepted all that came before on a port with TLS: whoever comes later is answered later. Clients of another
/// port do not stand in that line, and as long as it is long they are soon the oldest of this address.
fn all_are_accepted(secure: &str) {
    let mut last = TcpStream::connect(secure).unwrap();
    last.set_read_timeout(Some(ACCEPTED_MAX)).unwrap();
    last.write_all(b"AMQP\x00\x00\x09\x01").unwrap();
    // It is told that this is no handshake.
    let mut answer = Vec::new();
    let ended = last.read_to_end(&mut answer);
    assert!(!answer.is_empty(), "{ended:?}");
}

/// Every second one begins a handshake of TLS and says no more.
#[tokio::test]
async fn silent_connections_with_tls_make_room_as_others_do() {
    coney::raise_descriptor_limit();
    let dir = tempfile::tempdir().unwrap();
    let tls = ["--tls", "auto", "--amqps", "127.0.0.1:0", "--https", "none"];
    let broker = with_descriptors_and(256, dir.path(), &tls);
    let mut listeners =
        broker.started().iter().filter_map(|line| line.strip_prefix("started TLS (SSL) listener on "));
    let secure = listeners.next_back().unwrap().to_owned();
    let silent = half_open_with(&secure, 1000, b"\x16\x03\x01\x02\x00\x01\x00");
    all_are_accepted(&secure);
    publish_durably(&broker.uri(), 50).await;
    assert_eq!(ready(&broker.uri()).await, 50);
    drop(silent);
}

#[test]
fn clients_that_are_logged_in_stay_and_a_newcomer_waits_for_one_to_leave() {
    let dir = tempfile::tempdir().unwrap();
    let broker = with_descriptors(128, dir.path());
    let address: SocketAddr = broker.address().parse().unwrap();
    // Half of the descriptors are kept for the store.
    let mut clients: Vec<Raw> = (0..64).map(|_| Raw::open(address)).collect();
    let waiting = half_open(broker.address(), 100);
    let mut newcomer = Raw::connect(address);
    clients[1].open_channel(1);
    clients[1].declare("kept", |declare| declare.durable = true);
    for client in &mut clients {
        client.assert_alive();
    }
    drop(clients.remove(0));
    newcomer.send(b"AMQP\x00\x00\x09\x01");
    newcomer.expect_start();
    drop(waiting);
    for client in &mut clients {
        client.open_channel(901);
    }
}
