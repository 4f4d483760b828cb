//! What the management API shows of TLS, and the API over TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use super::pki::{Pki, for_client};
use super::support::{address, builder, client, client_of, connect};
use crate::support::http::Http;

fn find(list: &Value, protocol: &str) -> Value {
    let found = list.as_array().unwrap().iter().find(|on| on["protocol"] == protocol);
    found.unwrap_or_else(|| panic!("no {protocol} in {list}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_listeners_are_shown_as_they_are() {
    let pki = Pki::new("authority");
    let mut settings = pki.server();
    settings.verify_peer = true;
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let broker = builder(settings).http(any).https(any).start().await.unwrap();
    let http = Http::new(broker.http_addresses()[0]);
    let own = pki.issue("ann", for_client);
    let versions = [&rustls::version::TLS13];
    let secret = connect(address(&broker), &client_of(&pki.der, Some(&own), &versions)).unwrap();
    let connections = loop {
        let connections = http.json("/api/connections");
        if connections.as_array().is_some_and(|list| !list.is_empty()) {
            break connections;
        }
        tokio::task::yield_now().await;
    };
    let shown = &connections[0];
    assert_eq!(shown["ssl"], true);
    assert_eq!(shown["ssl_protocol"], "tlsv1.3");
    assert_eq!((&shown["ssl_key_exchange"], &shown["ssl_hash"]), (&json!("any"), &json!("aead")));
    assert_eq!(shown["ssl_cipher"], "aes_256_gcm");
    assert_eq!(shown["peer_cert_subject"], "CN=ann");
    assert_eq!(shown["peer_cert_issuer"], "CN=authority");
    assert!(shown["peer_cert_validity"].as_str().unwrap().contains("T00:00:00Z - "), "{shown}");
    drop(secret);
    let overview = http.json("/api/overview");
    assert_eq!(find(&overview["listeners"], "amqp/ssl")["port"], address(&broker).port());
    assert_eq!(find(&overview["listeners"], "https")["port"], broker.https_addresses()[0].port());
    let contexts = overview["contexts"].as_array().unwrap();
    let secure: Vec<_> = contexts.iter().filter(|context| context["ssl"] == "true").collect();
    assert_eq!(secure.len(), 1, "{contexts:?}");
    let checks = |path: &str| http.get(&format!("/api/health/checks/{path}")).status;
    for path in ["protocol-listener/amqps", "protocol-listener/https", "certificate-expiration/1/days"] {
        assert_eq!(checks(path), 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_told_of() {
    let pki = Pki::new("authority");
    let issued = pki.issue("server", |params| params.not_after = rcgen::date_time_ymd(2500, 6, 17));
    let mut settings = pki.server();
    pki.issue("server", |params| params.not_after = rcgen::date_time_ymd(2500, 6, 17));
    settings.ca = None;
    drop(issued);
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let broker = builder(settings).http(any).start().await.unwrap();
    let http = Http::new(broker.http_addresses()[0]);
    assert_eq!(http.get("/api/health/checks/certificate-expiration/10/years").status, 200);
    let answer = http.get("/api/health/checks/certificate-expiration/1000/years");
    assert_eq!(answer.status, 503);
    let expired = &answer.json()["expired"][0];
    assert_eq!(expired["protocol"], "amqp/ssl");
    assert_eq!(expired["port"], address(&broker).port());
    assert_eq!(expired["certfile_expires_on"], json!(["2500-06-17 0:00:00"]));
    assert_eq!(expired["cacertfile_expires_on"], json!([]));
    let protocol = http.get("/api/health/checks/protocol-listener/https");
    assert_eq!(protocol.status, 503, "there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_over_tls() {
    let pki = Pki::new("authority");
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let broker = builder(pki.server()).https(any).start().await.unwrap();
    let at = broker.https_addresses()[0];
    let request = b"GET /api/whoami HTTP/1.1\r\nhost: localhost\r\nauthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\
                    connection: close\r\n\r\n";
    let mut secure = connect(at, &client(&pki.der, None)).unwrap();
    secure.write_all(request).unwrap();
    let mut answer = Vec::new();
    secure.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""name":"guest""#), "{answer}");
    let mut plain = TcpStream::connect(at).unwrap();
    plain.write_all(request).unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
}
