//! Which handshakes succeed, and what becomes of those that do not.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use coney::config::{TlsSettings, TlsVersion};
use coney::{Broker, StartError};
use rustls::version::{TLS12, TLS13};

use super::pki::{Pki, for_client};
use super::support::{
    HEADER, address, builder, client, client_of, connect, greeted, is_let_in, start, started,
};

/// More than a handshake may take.
const LONGER_THAN_A_HANDSHAKE: Duration = Duration::from_secs(11);
/// More than between two looks at the files.
const LONGER_THAN_BETWEEN_LOOKS: Duration = Duration::from_secs(11);

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_those_of_the_settings() {
    for versions in [vec![TlsVersion::V1_2], vec![TlsVersion::V1_3], vec![TlsVersion::V1_2, TlsVersion::V1_3]]
    {
        let (pki, broker) = started(|settings| settings.versions.clone_from(&versions)).await;
        for (version, supported) in [(TlsVersion::V1_2, &TLS12), (TlsVersion::V1_3, &TLS13)] {
            let config = client_of(&pki.der, None, &[supported]);
            assert_eq!(
                is_let_in(address(&broker), &config),
                versions.contains(&version),
                "{version:?} of {versions:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_certificates_are_asked_for_as_the_settings_say() {
    let other = Pki::new("another authority");
    for (verify_peer, require_client_cert, [without, with_ours, with_another]) in [
        (false, false, [true, true, true]),
        (true, false, [true, true, false]),
        (true, true, [false, true, false]),
    ] {
        let edit = |settings: &mut TlsSettings| {
            (settings.verify_peer, settings.require_client_cert) = (verify_peer, require_client_cert);
        };
        let (pki, broker) = started(edit).await;
        let (ours, others) = (pki.issue("ann", for_client), other.issue("ann", for_client));
        for versions in [[&TLS12], [&TLS13]] {
            let comes_in = |own| is_let_in(address(&broker), &client_of(&pki.der, own, &versions));
            let come_in = [comes_in(None), comes_in(Some(&ours)), comes_in(Some(&others))];
            assert_eq!(
                come_in,
                [without, with_ours, with_another],
                "{verify_peer} {require_client_cert} {versions:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_no_longer_than_it_may_be() {
    for (depth, is_fine) in [(0, false), (1, true), (10, true)] {
        let (pki, broker) = started(|settings| (settings.verify_peer, settings.depth) = (true, depth)).await;
        let below = client(&pki.der, Some(&pki.issue_below("ann")));
        assert_eq!(is_let_in(address(&broker), &below), is_fine, "depth {depth}");
        let direct = client(&pki.der, Some(&pki.issue("ann", for_client)));
        assert!(is_let_in(address(&broker), &direct));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_whose_time_is_over_is_refused() {
    let (pki, broker) = started(|settings| settings.verify_peer = true).await;
    let old = pki.issue("ann", |params| {
        for_client(params);
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    });
    assert!(!is_let_in(address(&broker), &client(&pki.der, Some(&old))));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_another_language_is_told_so() {
    let (_pki, broker) = started(|_| {}).await;
    for first in [HEADER, b"GET / HTTP/1.1\r\n\r\n", b"hello"] {
        let mut socket = TcpStream::connect(address(&broker)).unwrap();
        socket.write_all(first).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 10], "an alert: {first:?}");
    }
}

/// What the broker writes to a socket that it leaves open for so long at most.
fn until_closed(mut socket: TcpStream) {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut rest = Vec::new();
    match socket.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_ended() {
    let (_pki, broker) = started(|_| {}).await;
    let open = |first: &[u8]| {
        let mut socket = TcpStream::connect(address(&broker)).unwrap();
        socket.write_all(first).unwrap();
        socket
    };
    let sockets = [open(b""), open(b"\x16"), open(b"\x16\x03\x01\x02\x00\x01\x00")];
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(LONGER_THAN_A_HANDSHAKE).await;
    tokio::time::resume();
    let closed = tokio::task::spawn_blocking(|| sockets.map(until_closed));
    closed.await.unwrap();
}

fn owner(broker: SocketAddr, pki: &Pki) -> Vec<u8> {
    let stream = connect(broker, &client(&pki.der, None)).unwrap();
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_for_new_connections() {
    let (pki, broker) = started(|_| {}).await;
    let mut old = connect(address(&broker), &client(&pki.der, None)).unwrap();
    let first = owner(address(&broker), &pki);
    broker.reload_tls().await;
    assert_eq!(owner(address(&broker), &pki), first);
    let second = pki.issue("server", |_| {});
    broker.reload_tls().await;
    assert_eq!(owner(address(&broker), &pki), second.chain[0].to_vec());
    old.write_all(HEADER).unwrap();
    assert_eq!(old.read(&mut [0; 1]).unwrap(), 1, "whoever is there stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_changes_nothing() {
    let (pki, broker) = started(|_| {}).await;
    let first = owner(address(&broker), &pki);
    let (cert, key) = (pki.path().join("server.pem"), pki.path().join("server-key.pem"));
    let texts = [fs::read(&cert).unwrap(), fs::read(&key).unwrap()];
    for (file, text) in [(&cert, &b"nothing"[..]), (&key, b""), (&cert, &texts[1])] {
        fs::write(file, text).unwrap();
        broker.reload_tls().await;
        assert_eq!(owner(address(&broker), &pki), first, "{file:?}");
        fs::write(&cert, &texts[0]).unwrap();
        fs::write(&key, &texts[1]).unwrap();
    }
    fs::remove_file(&key).unwrap();
    broker.reload_tls().await;
    assert_eq!(owner(address(&broker), &pki), first);
}

/// As Kubernetes does it: the files are links into a directory that is exchanged.
#[cfg(unix)]
#[tokio::test]
async fn files_that_change_are_seen() {
    let pki = Pki::new("authority");
    let now = pki.path().join("now");
    let put = |version: &str| {
        let issued = pki.issue(version, |_| {});
        let dir = pki.path().join(format!("dir-{version}"));
        fs::create_dir(&dir).unwrap();
        fs::copy(&issued.cert, dir.join("tls.crt")).unwrap();
        fs::copy(&issued.key, dir.join("tls.key")).unwrap();
        let link = pki.path().join("new");
        std::os::unix::fs::symlink(&dir, &link).unwrap();
        fs::rename(&link, &now).unwrap();
        issued.chain[0].to_vec()
    };
    put("one");
    let (cert, key) = (Some(now.join("tls.crt")), Some(now.join("tls.key")));
    let broker = start(TlsSettings { cert, key, ..TlsSettings::default() }).await;
    let second = put("two");
    let address = address(&broker);
    let pki = std::sync::Arc::new(pki);
    for _ in 0..1000 {
        tokio::time::pause();
        tokio::time::advance(LONGER_THAN_BETWEEN_LOOKS).await;
        tokio::time::resume();
        let pki = std::sync::Arc::clone(&pki);
        if tokio::task::spawn_blocking(move || owner(address, &pki)).await.unwrap() == second {
            return;
        }
    }
    panic!("the new certificate was not seen");
}

async fn refusal(settings: TlsSettings) -> String {
    match builder(settings).start().await {
        Err(StartError::Tls(error)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it started"),
    }
}

#[tokio::test]
async fn what_is_wrong_with_files_is_told_before_anything_begins() {
    let pki = Pki::new("authority");
    let good = pki.server();
    let other = pki.issue("other", |_| {});
    let missing = Some(pki.path().join("missing.pem"));
    for (settings, expected) in [
        (TlsSettings::default(), "give tls-cert and tls-key"),
        (TlsSettings { cert: missing.clone(), ..good.clone() }, "missing.pem (tls-cert)"),
        (TlsSettings { key: missing.clone(), ..good.clone() }, "missing.pem (tls-key)"),
        (TlsSettings { ca: missing, ..good.clone() }, "missing.pem (tls-ca)"),
        (TlsSettings { key: Some(other.key), ..good.clone() }, "does not belong to the first certificate"),
        (TlsSettings { cert: good.key.clone(), ..good.clone() }, "there is no certificate in"),
        (TlsSettings { key: good.cert.clone(), ..good.clone() }, "there is no private key in"),
        (TlsSettings { key: None, ..good.clone() }, "there is no private key in"),
        (TlsSettings { verify_peer: true, ca: None, ..good.clone() }, "give its certificate with tls-ca"),
        (TlsSettings { require_client_cert: true, ..good.clone() }, "set tls-verify to peer"),
        (
            TlsSettings { key: Some("tests/data/keys/rsa-pkcs8-aes256.pem".into()), ..good.clone() },
            "give its password (tls-key-password)",
        ),
        (
            TlsSettings { key: Some("tests/data/keys/ec-p521.pem".into()), ..good.clone() },
            "of a kind that is not supported",
        ),
    ] {
        let text = refusal(settings).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_be_in_the_certificates_file() {
    let pki = Pki::new("authority");
    let settings = pki.server();
    let (cert, key) = (settings.cert.clone().unwrap(), settings.key.clone().unwrap());
    let both = [fs::read(&cert).unwrap(), fs::read(key).unwrap()].concat();
    fs::write(&cert, both).unwrap();
    let broker = start(TlsSettings { key: None, ..settings }).await;
    assert!(is_let_in(address(&broker), &client(&pki.der, None)));
}

fn certificate_in(file: &std::path::Path) -> rustls::pki_types::CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject as _;
    rustls::pki_types::CertificateDer::from_pem_file(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_can_make_its_certificate_itself() {
    let any = "127.0.0.1:0".parse().unwrap();
    let in_memory = || Broker::builder().ephemeral().listen(any).amqps(any).tls_auto();
    let broker = in_memory().start().await.unwrap();
    let file = broker.development_ca().unwrap().to_owned();
    assert!(is_let_in(address(&broker), &client(&certificate_in(&file), None)));
    broker.shutdown().await.unwrap();
    assert!(!file.exists());
    let dir = tempfile::tempdir().unwrap();
    let on_disk = || Broker::builder().data_dir(dir.path()).listen(any).amqps(any).tls_auto();
    let broker = on_disk().start().await.unwrap();
    let authority = certificate_in(broker.development_ca().unwrap());
    assert!(greeted(address(&broker), &client(&authority, None)).is_ok());
    broker.shutdown().await.unwrap();
    let broker = on_disk().start().await.unwrap();
    assert_eq!(certificate_in(broker.development_ca().unwrap()), authority);
    assert!(is_let_in(address(&broker), &client(&authority, None)));
}
