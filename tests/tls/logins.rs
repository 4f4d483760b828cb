//! Logging in by a certificate: SASL EXTERNAL.

use std::net::SocketAddr;

use coney::BrokerHandle;
use coney::config::{AlternativeNameKind, Config, TlsLogin};
use rcgen::{DnType, SanType};

use super::pki::{Issued, Pki, for_client};
use super::support::{address, bridge, client};
use crate::support::raw::{Closed, Raw, start_ok};

const SAN_DNS: TlsLogin = TlsLogin::AlternativeName { kind: AlternativeNameKind::Dns, index: 1 };
const SAN_IP: TlsLogin = TlsLogin::AlternativeName { kind: AlternativeNameKind::Ip, index: 0 };
const SAN_EMAIL: TlsLogin = TlsLogin::AlternativeName { kind: AlternativeNameKind::Email, index: 0 };
const SAN_URI: TlsLogin = TlsLogin::AlternativeName { kind: AlternativeNameKind::Uri, index: 0 };

/// A broker that lets in by certificate, with a user of this name.
async fn started(pki: &Pki, login: TlsLogin, user: &str) -> BrokerHandle {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut tls = pki.server();
    tls.verify_peer = true;
    let config = Config { tls_login: Some(login), data_dir: None, ..Config::default() };
    let builder = coney::Broker::builder().config(config).listen(any).amqps(any).tls(tls);
    let broker = builder.start().await.unwrap();
    let definitions = format!(
        r#"{{"users": [{{"name": {user:?}, "password_hash": "", "tags": ""}}],
             "permissions": [{{"user": {user:?}, "vhost": "/", "configure": "", "write": "", "read": ""}}]}}"#
    );
    broker.import_definitions(&definitions).await.unwrap();
    broker
}

fn ann(pki: &Pki) -> Issued {
    pki.issue("ann", |params| {
        for_client(params);
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.subject_alt_names = vec![
            SanType::DnsName("first.example".try_into().unwrap()),
            SanType::DnsName("second.example".try_into().unwrap()),
            SanType::IpAddress([192, 0, 2, 1].into()),
            SanType::Rfc822Name("ann@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example/ann".try_into().unwrap()),
        ];
    })
}

/// What becomes of a login by EXTERNAL through an address: `None` if it succeeds.
async fn log_in(at: SocketAddr) -> (String, Option<Closed>) {
    let tried = tokio::task::spawn_blocking(move || {
        let mut raw = Raw::connect(at);
        raw.send(super::support::HEADER);
        let offered = raw.expect_start().mechanisms.to_string();
        raw.method(0, start_ok("EXTERNAL", b"whatever", true));
        let next = raw.next();
        match next {
            Some(amq_protocol::frame::AMQPFrame::Method(
                0,
                amq_protocol::protocol::AMQPClass::Connection(
                    amq_protocol::protocol::connection::AMQPMethod::Tune(_),
                ),
            )) => (offered, None),
            Some(amq_protocol::frame::AMQPFrame::Method(
                0,
                amq_protocol::protocol::AMQPClass::Connection(
                    amq_protocol::protocol::connection::AMQPMethod::Close(close),
                ),
            )) => (offered, Some(Closed::Connection(close.reply_code, close.reply_text.to_string(), (0, 0)))),
            None => (offered, Some(Closed::Socket)),
            other => panic!("{other:?}"),
        }
    });
    tried.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_is_whom_the_certificate_names() {
    let pki = Pki::new("authority");
    let own = ann(&pki);
    for (login, user) in [
        (TlsLogin::CommonName, "ann"),
        (TlsLogin::DistinguishedName, "O=Example,CN=ann"),
        (SAN_DNS, "second.example"),
        (SAN_IP, "192.0.2.1"),
        (SAN_EMAIL, "ann@example.org"),
        (SAN_URI, "spiffe://example/ann"),
    ] {
        let broker = started(&pki, login, user).await;
        let at = bridge(address(&broker), client(&pki.der, Some(&own))).await;
        assert_eq!(log_in(at).await, ("PLAIN AMQPLAIN EXTERNAL".to_owned(), None), "{login:?}");
        let names: Vec<String> = broker.connections().iter().map(|c| c.handshake().user.clone()).collect();
        assert!(names.iter().all(|name| name == user), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_let_in() {
    let refused = Some(Closed::Connection(
        403,
        "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. For details see the broker logfile."
            .to_owned(),
        (0, 0),
    ));
    let pki = Pki::new("authority");
    let (own, nameless) = (ann(&pki), pki.issue("bob", for_client));
    let unknown = started(&pki, TlsLogin::CommonName, "somebody").await;
    let by_address = started(&pki, SAN_URI, "bob").await;
    for (broker, own) in [(&unknown, Some(&own)), (&unknown, None), (&by_address, Some(&nameless))] {
        let at = bridge(address(broker), client(&pki.der, own)).await;
        assert_eq!(log_in(at).await.1, refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tls_or_the_setting_it_is_not_offered() {
    let pki = Pki::new("authority");
    let broker = started(&pki, TlsLogin::CommonName, "ann").await;
    let plain = broker.address().unwrap();
    assert_eq!(log_in(plain).await, ("PLAIN AMQPLAIN".to_owned(), Some(Closed::Socket)));
    let mut settings = pki.server();
    settings.verify_peer = true;
    let broker = super::support::start(settings).await;
    let at = bridge(address(&broker), client(&pki.der, Some(&ann(&pki)))).await;
    assert_eq!(log_in(at).await, ("PLAIN AMQPLAIN".to_owned(), Some(Closed::Socket)));
}
