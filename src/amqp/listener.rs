//! Accepting connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::admission::{Admission, Admitted};
use super::connection::{self, Endpoints};
use super::handshake;
#[cfg(feature = "cluster")]
use super::replayed::Replayed;
use crate::auth::canonical;
use crate::broker::node::node_name;
use crate::broker::shared::{Shared, stopped};
use crate::config::Config;
use crate::persona::Persona;
use crate::session::SessionConfig;
use crate::tls::{Acceptor, Secured, Socket};

/// Connections that the system holds until they are accepted; it may have a lower limit. A client beyond it tries again after a
/// second, so a thousand that connect at once should find room.
const BACKLOG: u32 = 4096;

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection, and the addresses of its two ends as its client sees them: another may have accepted it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Socket,
    pub(crate) peer: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    /// How the client's connection is secured, if whoever accepted it has ended its TLS.
    pub(crate) secured: Option<Arc<Secured>>,
    /// What the client has said elsewhere, if it has been through the handshake there, as far as `connection.open`: perhaps nothing that
    /// does not come over the stream.
    pub(crate) again: Option<Vec<u8>>,
}

/// Where connections come from.
#[derive(Debug)]
pub(crate) enum Entrance {
    /// A listening socket.
    Bound(TcpListener),
    /// Somebody who accepts them elsewhere.
    Carried(Mutex<mpsc::Receiver<Accepted>>),
}

impl Entrance {
    async fn accept(&self) -> std::io::Result<Accepted> {
        match self {
            Self::Bound(listener) => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.local_addr().ok().map(canonical);
                let stream = Socket::Plain(stream);
                Ok(Accepted { stream, peer: canonical(peer), local, secured: None, again: None })
            }
            Self::Carried(connections) => match connections.lock().await.recv().await {
                Some(accepted) => Ok(accepted),
                None => std::future::pending().await,
            },
        }
    }
}

/// Accepts until the broker stops, then waits for the connections to end.
///
/// With an acceptor connections begin with TLS.
pub(crate) async fn run(
    shared: Arc<Shared>,
    listener: Entrance,
    admission: Arc<Admission>,
    acceptor: Option<Arc<Acceptor>>,
) {
    let mut stopping = shared.stopping.subscribe();
    let mut connections = JoinSet::new();
    let config = session_config(&shared.config);
    let mut accepting = Box::pin(accept(&shared, &listener, &admission));
    loop {
        tokio::select! {
            (Accepted { stream, peer, local, secured, again }, admitted) = &mut accepting => {
                let external = secured.as_ref().and_then(|secured| handshake::external(&shared, secured));
                let (of_broker, config) = (Arc::clone(&shared), SessionConfig { external, ..config.clone() });
                let is_secured = secured.is_some();
                let endpoints = Endpoints { peer, local, secured, is_again: again.is_some() };
                match (stream, acceptor.clone()) {
                    #[cfg(feature = "cluster")]
                    (stream, _) if again.is_some() => {
                        let stream = Replayed::new(stream, again.unwrap_or_default());
                        connections.spawn(connection::run(of_broker, stream, endpoints, config, Some(admitted)));
                    }
                    (Socket::Plain(stream), Some(acceptor)) if !is_secured => {
                        connections.spawn(handshake::run(of_broker, stream, endpoints, config, admitted, acceptor));
                    }
                    (Socket::Plain(stream), _) => {
                        connections.spawn(connection::run(of_broker, stream, endpoints, config, Some(admitted)));
                    }
                    // Who ends TLS says what the client has said.
                    (Socket::Tls(_), _) => {}
                }
                accepting.set(accept(&shared, &listener, &admission));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(accepting);
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection that is let in.
async fn accept(shared: &Shared, listener: &Entrance, admission: &Admission) -> (Accepted, Admitted) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                // Latency is worth more than fewer packets: a batch is one write already.
                if let Socket::Plain(stream) = &accepted.stream {
                    let _ = stream.set_nodelay(true);
                }
                let admitted = admission.admit(accepted.peer.ip()).await;
                return (accepted, admitted);
            }
            // That client has gone; the next may be there.
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                admission.accept_failed(&error);
                // Something has run out, most likely: it would fail again at once.
                shared.clock.wait_for(Some(shared.clock.now() + ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Binds a listening socket; the error says which address and why.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As tokio's own listeners: a broker that starts again has its port at once. Windows means something else by it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What sessions are told about the broker.
pub(crate) fn session_config(config: &Config) -> SessionConfig {
    SessionConfig {
        external: None,
        server_properties: Arc::new(server_properties(config)),
        frame_bytes_max: config.frame_bytes_max,
        channels_max: config.channels_max,
        heartbeat_s: config.heartbeat_s,
        message_bytes_max: config.message_bytes_max,
        test: config.test,
    }
}

/// RabbitMQ's names: clients look for them.
fn server_properties(config: &Config) -> FieldTable {
    let text = |value: &str| AMQPValue::LongString(value.into());
    let mut capabilities = FieldTable::default();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities.insert(name.into(), AMQPValue::Boolean(true));
    }
    let mut properties = FieldTable::default();
    properties.insert("capabilities".into(), AMQPValue::FieldTable(capabilities));
    properties.insert("product".into(), text(&config.server_product));
    properties.insert("version".into(), text(&config.server_version));
    properties.insert("platform".into(), text("Rust"));
    properties.insert("cluster_name".into(), text(&node_name(config)));
    properties.insert("copyright".into(), text("The Coney authors"));
    let information = concat!("Coney ", env!("CARGO_PKG_VERSION"), ", an AMQP 0-9-1 broker");
    properties.insert("information".into(), text(information));
    if config.persona != Persona::Coney {
        // For whoever has to know that it is not the real one.
        properties.insert("coney_persona".into(), text(config.persona.name()));
    }
    properties
}
