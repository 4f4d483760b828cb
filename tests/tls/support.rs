//! Clients of TLS.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use coney::config::TlsSettings;
use coney::{Broker, BrokerBuilder, BrokerHandle};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::pki::{Issued, Pki};

pub const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";
/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A client that trusts an authority, perhaps with a certificate of its own.
pub fn client(authority: &CertificateDer<'static>, own: Option<&Issued>) -> Arc<ClientConfig> {
    client_of(authority, own, rustls::ALL_VERSIONS)
}

pub fn client_of(
    authority: &CertificateDer<'static>,
    own: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match own {
        Some(own) => builder.with_client_auth_cert(own.chain.clone(), own.key_der.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    })
}

/// Makes a handshake.
pub fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// Makes a handshake, begins with AMQP, and reads what comes first: with TLS 1.3 a client learns only then that it is refused.
pub fn greeted(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Vec<u8>> {
    let mut stream = connect(address, config)?;
    stream.write_all(HEADER)?;
    stream.flush()?;
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer)?;
    answer.truncate(count);
    Ok(answer)
}

/// Whether a client comes as far as connection.start.
pub fn is_let_in(address: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    greeted(address, config).is_ok_and(|answer| answer.first() == Some(&1))
}

/// A broker in memory that speaks AMQP with TLS and without, and what it is set to.
pub fn builder(settings: TlsSettings) -> BrokerBuilder {
    let any = "127.0.0.1:0".parse().unwrap();
    Broker::builder().ephemeral().listen(any).amqps(any).tls(settings)
}

pub async fn start(settings: TlsSettings) -> BrokerHandle {
    builder(settings).start().await.unwrap()
}

pub fn address(broker: &BrokerHandle) -> SocketAddr {
    broker.tls_addresses()[0]
}

/// An address at which plain connections are led to a TLS one, for clients that speak none.
pub async fn bridge(to: SocketAddr, config: Arc<ClientConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut plain, _)) = listener.accept().await {
            let connector = TlsConnector::from(Arc::clone(&config));
            tokio::spawn(async move {
                let socket = tokio::net::TcpStream::connect(to).await?;
                let name = ServerName::try_from("localhost").unwrap();
                let mut stream = connector.connect(name, socket).await?;
                tokio::io::copy_bidirectional(&mut plain, &mut stream).await
            });
        }
    });
    here
}

/// An authority, and a broker with a certificate of it.
pub async fn started(edit: impl FnOnce(&mut TlsSettings)) -> (Pki, BrokerHandle) {
    let pki = Pki::new("authority");
    let mut settings = pki.server();
    edit(&mut settings);
    let broker = start(settings).await;
    (pki, broker)
}
