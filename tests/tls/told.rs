//! What events say of a connection over TLS, by RabbitMQ's names.

use lapin::types::AMQPValue;
use lapin::{Connection, ConnectionProperties};
use rustls::version::{TLS12, TLS13};

use super::pki::{Pki, for_client};
use super::support::{address, bridge, client_of, start};
use crate::events::{expect, headers, listen, next};
use crate::support::client::{Bench, string};

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_login_and_a_connection_are_told_with_the_clients_certificate() {
    let pki = Pki::new("authority");
    let mut settings = pki.server();
    settings.verify_peer = true;
    let bench = Bench::on(start(settings).await).await;
    let events = &bench.channel;
    listen(events, "events").await;
    next(events).await;
    let own = pki.issue("ann", for_client);
    for (version, protocol, key_exchange) in [(&TLS12, "tlsv1.2", "ecdhe_ecdsa"), (&TLS13, "tlsv1.3", "any")]
    {
        let at = bridge(address(&bench.broker), client_of(&pki.der, Some(&own), &[version])).await;
        let uri = format!("amqp://guest:guest@{at}/%2f");
        let connection = Connection::connect(&uri, ConnectionProperties::default()).await.unwrap();
        let secure = ("ssl", AMQPValue::Boolean(true));
        expect(events, &[("user.authentication.success", &[secure.clone(), ("name", string("guest"))])])
            .await;
        let created = next(events).await;
        assert_eq!(created.delivery.routing_key.as_str(), "connection.created");
        let told = headers(&created);
        let expected = [
            secure,
            ("ssl_protocol", string(protocol)),
            ("ssl_key_exchange", string(key_exchange)),
            ("ssl_cipher", string("aes_256_gcm")),
            ("ssl_hash", string("aead")),
            ("peer_cert_subject", string("CN=ann")),
            ("peer_cert_issuer", string("CN=authority")),
            ("port", AMQPValue::LongLongInt(address(&bench.broker).port().into())),
        ];
        for (name, value) in &expected {
            assert_eq!(told.inner().get(*name), Some(value), "{name}");
        }
        let Some(AMQPValue::LongString(validity)) = told.inner().get("peer_cert_validity") else {
            panic!("{told:?}")
        };
        assert!(validity.to_string().contains("T00:00:00Z - "), "{validity}");
        connection.close(200, "".into()).await.unwrap();
        expect(events, &[("connection.closed", &[("name", told.inner()["name"].clone())])]).await;
    }
}
