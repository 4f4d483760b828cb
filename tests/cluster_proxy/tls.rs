//! TLS at nodes with several shards: it ends at the node that a client comes to, and the client is who its certificate says, wherever its
//! vhost is served.

use coney::server::Door;
use lapin::ConnectionProperties;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::nodes::Cluster;
use super::pki::{Pki, for_client};
use super::shards::{Three, answers, confirming, declare, opens, publish, take};
use super::support::{bridge, client};
use super::{connect_to, start_ok, start_ok_by};

async fn three() -> (Pki, Three) {
    let pki = Pki::new("authority");
    let mut settings = pki.server();
    settings.verify_peer = true;
    let cluster = Cluster { tls: Some(settings), ..Cluster::with_shards(2) };
    (pki, Three::of(cluster).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vhost_is_reached_over_tls_through_every_node() {
    let (pki, three) = three().await;
    for node in 0..3 {
        let bridge = bridge(three.nodes[node].at(Door::Amqps), client(&pki.der, None)).await;
        for vhost in ["%2f", "one", "two"] {
            let uri = format!("amqp://guest:guest@{bridge}/{vhost}");
            let secured = lapin::Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
            let (channel, queue) = (confirming(&secured).await, format!("q{node}"));
            declare(&channel, &queue).await;
            assert!(publish(&channel, &queue, &vec![7; 300_000]).await, "{vhost} through node {node}");
            assert_eq!(take(&channel, &queue).await, Some(vec![7; 300_000]));
            let shown = three.json(node, "/api/connections").await;
            let shown: Vec<&Value> = shown.as_array().unwrap().iter().collect();
            let kinds: Vec<_> = shown.iter().map(|one| (&one["ssl"], &one["ssl_protocol"])).collect();
            assert_eq!(kinds, [(&true.into(), &"tlsv1.3".into())], "{vhost} through node {node}");
            secured.close(200, "".into()).await.unwrap();
            let gone = async { while three.json(node, "/api/connections").await != Value::Array(vec![]) {} };
            tokio::time::timeout(super::PATIENCE, gone).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_who_its_certificate_says_and_says_so_itself_in_vain() {
    let (pki, three) = three().await;
    for (user, vhost) in [("ann", "one"), ("ann", "%2F")] {
        assert!(matches!(
            three.ask(0, "PUT", &format!("/api/users/{user}"), r#"{"password_hash":"","tags":""}"#).await.0,
            201 | 204
        ));
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        assert_eq!(three.ask(1, "PUT", &format!("/api/permissions/{vhost}/{user}"), all).await.0, 201);
    }
    let (ann, eve) = (pki.issue("ann", for_client), pki.issue("eve", for_client));
    let external = start_ok_by("EXTERNAL", b"");
    for node in 0..3 {
        let at = three.nodes[node].at(Door::Amqps);
        let of_ann = bridge(at, client(&pki.der, Some(&ann))).await;
        let of_eve = bridge(at, client(&pki.der, Some(&eve))).await;
        let of_nobody = bridge(at, client(&pki.der, None)).await;
        for vhost in ["one", "/"] {
            assert_eq!(answers(of_ann, &external, &opens(vhost)).await, [10, 30, 41], "{vhost} at {node}");
            for other in [of_eve, of_nobody, three.amqp(node)] {
                assert_eq!(answers(other, &external, &opens(vhost)).await, [10], "{vhost} at {node}");
                let as_ann = start_ok_by("EXTERNAL", b"ann");
                assert_eq!(answers(other, &as_ann, &opens(vhost)).await, [10], "{vhost} at {node}");
            }
        }
        assert_eq!(answers(of_ann, &external, &opens("two")).await, [10, 30, 50], "no permission");
        assert_eq!(answers(of_eve, &start_ok(), &opens("two")).await, [10, 30, 41], "a password is as good");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_metrics_are_served_over_tls_and_who_speaks_none_is_turned_away() {
    let (pki, three) = three().await;
    for node in 0..3 {
        let running = &three.nodes[node];
        let https = bridge(running.at(Door::Https), client(&pki.der, None)).await;
        let (code, text) = super::get(https, "/api/vhosts/one").await;
        assert_eq!(code, 200, "{text}");
        let metrics = bridge(running.at(Door::MetricsTls), client(&pki.der, None)).await;
        let (code, text) = super::get(metrics, "/metrics").await;
        assert!(code == 200 && text.contains("coney_cluster_role{shard=\"2\"}"), "{text}");
        let mut plain = TcpStream::connect(running.at(Door::Amqps)).await.unwrap();
        plain.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        let mut told = Vec::new();
        plain.read_to_end(&mut told).await.unwrap();
        assert_eq!(told, [0x15, 3, 1, 0, 2, 2, 10], "an alert of TLS");
    }
    assert!(connect_to(three.amqp(0), "one").await.is_ok(), "without TLS as ever");
}
