//! The listeners of the management API and of the metrics: bound with the others, served when the broker is there.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[cfg(feature = "management")]
use super::binding::bind_all;
use super::control::ControlListener;
use super::error::StartError;
use crate::broker::shared::Shared;
use crate::config::{Config, HTTP_DEFAULT, METRICS_DEFAULT};

/// Bound, and not yet served.
#[derive(Debug)]
pub(super) struct HttpListeners {
    api: Vec<TcpListener>,
    metrics: Vec<TcpListener>,
}

impl HttpListeners {
    /// Binds what the settings say.
    ///
    /// # Errors
    /// An address that is taken, or not this machine's; for a default one a line in the log is enough.
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let api = bind(&config.http, HTTP_DEFAULT, "http", "the management API")?;
        let metrics = bind(&config.metrics, METRICS_DEFAULT, "metrics", "metrics")?;
        Ok(Self { api, metrics })
    }

    /// The addresses of the management API.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.api.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// The addresses of the metrics.
    pub(super) fn metrics_addresses(&self) -> Vec<SocketAddr> {
        self.metrics.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Serves them until the broker stops.
    #[cfg(feature = "management")]
    pub(super) fn serve(
        self,
        shared: &Arc<Shared>,
        amqp: &[SocketAddr],
        connections_max: usize,
        control: ControlListener,
    ) -> Vec<JoinHandle<()>> {
        use crate::management::{Api, ListeningOn, metrics_router, router, run};
        let on = |protocol| move |address: SocketAddr| ListeningOn { protocol, address };
        let mut listening: Vec<ListeningOn> = amqp.iter().copied().map(on("amqp")).collect();
        listening.extend(self.addresses().into_iter().map(on("http")));
        listening.extend(self.metrics_addresses().into_iter().map(on("http/prometheus")));
        let slots = Arc::new(tokio::sync::Semaphore::new(connections_max));
        let api = Api::new(Arc::clone(shared), listening);
        let spawn = |listener, router: &axum::Router| {
            tokio::spawn(run(Arc::clone(shared), listener, router.clone(), Arc::clone(&slots)))
        };
        let (of_api, of_metrics) = (router(api.clone()), metrics_router(api));
        let for_api = self.api.into_iter().map(|listener| spawn(listener, &of_api));
        let for_metrics = self.metrics.into_iter().map(|listener| spawn(listener, &of_metrics));
        for_api.chain(for_metrics).chain(control.serve(shared, &of_api)).collect()
    }

    /// Nothing to serve: bind refused whatever was asked for.
    #[cfg(not(feature = "management"))]
    pub(super) fn serve(
        self,
        _: &Arc<Shared>,
        _: &[SocketAddr],
        _: usize,
        _: ControlListener,
    ) -> Vec<JoinHandle<()>> {
        Vec::new()
    }
}

#[cfg(feature = "management")]
fn bind(
    addresses: &[SocketAddr],
    default: [SocketAddr; 2],
    setting: &'static str,
    what: &str,
) -> Result<Vec<TcpListener>, StartError> {
    match bind_all(addresses) {
        Ok(bound) => Ok(bound),
        Err((address, source)) if addresses == default => {
            tracing::warn!("{address} cannot be listened on ({source}): the broker starts without {what}");
            Ok(Vec::new())
        }
        Err((address, source)) => Err(StartError::Listen { setting, address, source }),
    }
}

#[cfg(not(feature = "management"))]
fn bind(
    addresses: &[SocketAddr],
    default: [SocketAddr; 2],
    setting: &'static str,
    _: &str,
) -> Result<Vec<TcpListener>, StartError> {
    match addresses.first().filter(|_| addresses != default) {
        Some(address) => {
            let source = std::io::Error::new(
                std::io::ErrorKind::Unsupported,
                "this broker was built without its feature `management`",
            );
            Err(StartError::Listen { setting, address: *address, source })
        }
        None => Ok(Vec::new()),
    }
}
