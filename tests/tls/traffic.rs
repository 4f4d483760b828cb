//! Messages over TLS.

use std::io::ErrorKind;
use std::sync::Arc;

use coney::Broker;
use coney::config::Config;
use coney::faults::Occasion;
use lapin::options::BasicConsumeOptions;
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::pki::Pki;
use super::support::{address, bridge, client, client_of, started};
use crate::support::client::{Bench, confirming, consume, next};

/// Of one record, of several, of several frames, and of such as are written from where they stand.
const SIZES: [usize; 6] = [0, 1, 16_384, 131_000, 300_000, 5_000_000];

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_sizes_come_as_they_went() {
    let (pki, broker) = started(|_| {}).await;
    for version in [&TLS12, &TLS13] {
        let at = bridge(address(&broker), client_of(&pki.der, None, &[version])).await;
        let uri = format!("amqp://guest:guest@{at}/%2f");
        let connect = || Connection::connect(&uri, ConnectionProperties::default());
        let connection = connect().await.unwrap();
        let channel = confirming(&connection).await;
        channel.queue_declare("q".into(), Default::default(), FieldTable::default()).await.unwrap();
        let consumer = connect().await.unwrap();
        let consuming = consumer.create_channel().await.unwrap();
        let mut deliveries =
            consume(&consuming, "q", "c", BasicConsumeOptions { no_ack: true, ..Default::default() }).await;
        for round in 0..3_u8 {
            for size in SIZES {
                let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8 ^ round).collect();
                let (options, properties) = (Default::default(), BasicProperties::default());
                let sent = channel.basic_publish("".into(), "q".into(), options, &body, properties).await;
                assert!(sent.unwrap().await.unwrap().is_ack());
                assert!(next(&mut deliveries).await.data == body, "{size} bytes");
            }
        }
        channel.queue_delete("q".into(), Default::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_messages_keep_their_order() {
    const MESSAGES: u32 = 20_000;
    let (pki, broker) = started(|_| {}).await;
    let at = bridge(address(&broker), client_of(&pki.der, None, rustls::ALL_VERSIONS)).await;
    let uri = format!("amqp://guest:guest@{at}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let bench = Bench::with(broker, connection).await;
    bench.declare("q", FieldTable::default()).await;
    let mut confirms = Vec::new();
    for number in 0..MESSAGES {
        let (exchange, options) = ("".into(), Default::default());
        let properties = BasicProperties::default();
        let sent = bench
            .channel
            .basic_publish(exchange, "q".into(), options, &number.to_be_bytes(), properties)
            .await;
        confirms.push(sent.unwrap());
    }
    for confirm in confirms {
        assert!(confirm.await.unwrap().is_ack());
    }
    let channel = bench.channel().await;
    let mut deliveries =
        consume(&channel, "q", "c", BasicConsumeOptions { no_ack: true, ..Default::default() }).await;
    for number in 0..MESSAGES {
        assert_eq!(next(&mut deliveries).await.data, number.to_be_bytes());
    }
    bench.connection.close(200, "".into()).await.unwrap();
}

/// An orderly end of TLS would tell the client that the broker meant it.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_a_rule_is_one_of_the_socket() {
    let (pki, any) = (Pki::new("authority"), "127.0.0.1:0".parse().unwrap());
    let config = Config { test: true, ..Config::default() };
    let builder = Broker::builder().config(config).ephemeral().listen(any).amqps(any).tls(pki.server());
    let broker = builder.start().await.unwrap();
    let _fault = broker.world_named("/").unwrap().on(Occasion::Publish).reset().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("amqp://guest:guest@{}/%2f", listener.local_addr().unwrap());
    let (to, config) = (address(&broker), client(&pki.der, None));
    let relay = tokio::spawn(async move {
        let (mut plain, _) = listener.accept().await?;
        let name = ServerName::try_from("localhost").unwrap();
        let socket = TcpStream::connect(to).await?;
        let mut secured = TlsConnector::from(Arc::clone(&config)).connect(name, socket).await?;
        tokio::io::copy_bidirectional(&mut plain, &mut secured).await
    });
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let (options, properties) = (Default::default(), BasicProperties::default());
    let sent = channel.basic_publish("".into(), "q".into(), options, b"m", properties).await;
    // The client may hear of the end before it has sent everything.
    drop(sent);
    assert_eq!(relay.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
}
