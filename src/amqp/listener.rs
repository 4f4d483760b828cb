//! Accepting connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::connection::{self, Endpoints};
use crate::broker::shared::{Shared, stopped};
use crate::config::Config;
use crate::session::SessionConfig;

/// Connections accepted at a time; each costs some 20 KiB when idle. RabbitMQ's default limit is the file descriptors'.
const CONNECTIONS_MAX: usize = 65_536;

/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the broker stops, then waits for the connections to end.
pub(crate) async fn run(shared: Arc<Shared>, listener: TcpListener) {
    let mut stopping = shared.stopping.subscribe();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Latency is worth more than fewer packets: a batch is one write already.
                    let _ = stream.set_nodelay(true);
                    if connections.len() < CONNECTIONS_MAX {
                        let config = session_config(&shared.config);
                        let endpoints = Endpoints { peer, local: stream.local_addr().ok() };
                        connections.spawn(connection::run(Arc::clone(&shared), stream, endpoints, config));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: it would fail again at once.
                    shared.clock.wait_for(Some(shared.clock.now() + ACCEPT_PAUSE)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Binds a listening socket; the error says which address and why.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address).await
}

/// What sessions are told about the broker.
pub(crate) fn session_config(config: &Config) -> SessionConfig {
    SessionConfig {
        server_properties: server_properties(config),
        frame_bytes_max: config.frame_bytes_max,
        channels_max: config.channels_max,
        heartbeat_s: config.heartbeat_s,
        message_bytes_max: config.message_bytes_max,
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
    properties.insert("cluster_name".into(), text("coney@localhost"));
    properties.insert("copyright".into(), text("The Coney authors"));
    let information = concat!("Coney ", env!("CARGO_PKG_VERSION"), ", an AMQP 0-9-1 broker");
    properties.insert("information".into(), text(information));
    properties
}
