//! The listeners of the management API and of the metrics: bound with the others, served when the broker is there.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[cfg(feature = "management")]
use super::binding::bind_all;
use super::carried::OfApi;
use super::control::ControlListener;
use super::error::StartError;
use super::tls::Tls;
use crate::broker::shared::Shared;
use crate::config::{Config, HTTP_DEFAULT, METRICS_DEFAULT};
#[cfg(feature = "management")]
use crate::tls::Acceptor;

/// Bound, and not yet served.
#[derive(Debug)]
pub(super) struct HttpListeners {
    pub(super) api: Vec<TcpListener>,
    pub(super) metrics: Vec<TcpListener>,
    /// The same over TLS.
    pub(super) api_tls: Vec<TcpListener>,
    pub(super) metrics_tls: Vec<TcpListener>,
    /// Where others listen for this broker, in the same order.
    pub(super) shown: Option<[Vec<SocketAddr>; 4]>,
}

impl HttpListeners {
    /// Binds what the settings say.
    ///
    /// # Errors
    /// An address that is taken, or not this machine's; for a default one a line in the log is enough.
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            api: bind(&config.http, &HTTP_DEFAULT, "http", "the management API")?,
            metrics: bind(&config.metrics, &METRICS_DEFAULT, "metrics", "metrics")?,
            api_tls: bind(&config.https, &[], "https", "the management API")?,
            metrics_tls: bind(&config.metrics_tls, &[], "metrics-tls", "metrics")?,
            shown: None,
        })
    }

    /// Whether there are any.
    pub(super) fn is_there(&self) -> bool {
        [&self.api, &self.metrics, &self.api_tls, &self.metrics_tls].into_iter().any(|list| !list.is_empty())
    }

    /// The addresses of the management API.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.shown(0, &self.api)
    }

    /// The addresses of the management API over TLS.
    pub(super) fn tls_addresses(&self) -> Vec<SocketAddr> {
        self.shown(2, &self.api_tls)
    }

    /// The addresses of the metrics.
    pub(super) fn metrics_addresses(&self) -> Vec<SocketAddr> {
        self.shown(1, &self.metrics)
    }

    /// The addresses of the metrics over TLS.
    pub(super) fn metrics_tls_addresses(&self) -> Vec<SocketAddr> {
        self.shown(3, &self.metrics_tls)
    }

    fn shown(&self, number: usize, listeners: &[TcpListener]) -> Vec<SocketAddr> {
        match &self.shown {
            Some(shown) => shown.get(number).cloned().unwrap_or_default(),
            None => addresses(listeners),
        }
    }

    /// Serves them until the broker stops.
    #[cfg(feature = "management")]
    pub(super) fn serve(
        self,
        shared: &Arc<Shared>,
        amqp: &AmqpAddresses<'_>,
        tls: &Tls,
        connections_max: usize,
        control: ControlListener,
        carried: Option<OfApi>,
    ) -> Vec<JoinHandle<()>> {
        use crate::management::{Api, ListeningOn, Site, answer_inside, metrics_router, router, run};
        let (plain, amqps, https) = (&None, &tls.amqp, &tls.http);
        let https_acceptor = https.clone().filter(|_| !self.api_tls.is_empty());
        let listening = [
            ("amqp", amqp.plain.to_vec(), plain),
            ("amqp/ssl", amqp.tls.to_vec(), amqps),
            ("http", self.addresses(), plain),
            ("http/prometheus", self.metrics_addresses(), plain),
            ("https", self.tls_addresses(), https),
            ("https/prometheus", self.metrics_tls_addresses(), https),
        ];
        let listening = listening.into_iter().flat_map(|(protocol, addresses, acceptor)| {
            addresses.into_iter().map(move |address| ListeningOn {
                protocol,
                address,
                acceptor: acceptor.clone(),
            })
        });
        let api = Api::new(Arc::clone(shared), listening.collect());
        let slots = Arc::new(tokio::sync::Semaphore::new(connections_max));
        let metrics = metrics_router(api.clone());
        #[cfg(feature = "cluster")]
        let pages = crate::management::MetricsPages::new(metrics.clone());
        let (of_api, of_metrics) = (router(api), Site::plain(metrics));
        if shared.config.test {
            let inside = of_api.clone();
            shared.api.set(move |request| Box::pin(answer_inside(inside.clone(), request)));
        }
        let of_tools = Site::plain(of_api.clone());
        let of_api = Site::of(of_api, &shared.config);
        let served = [
            (self.api, &of_api, plain),
            (self.metrics, &of_metrics, plain),
            (self.api_tls, &of_api, https),
            (self.metrics_tls, &of_metrics, https),
        ];
        let spawn = |listener, site: &Site, acceptor: &Option<Arc<Acceptor>>| {
            let (shared, site, slots) = (Arc::clone(shared), site.clone(), Arc::clone(&slots));
            tokio::spawn(run(shared, listener, site, slots, acceptor.clone()))
        };
        let spawn_all = |(listeners, site, acceptor): (Vec<TcpListener>, _, _)| {
            listeners.into_iter().map(|listener| spawn(listener, site, acceptor)).collect::<Vec<_>>()
        };
        let mut tasks: Vec<_> = served.into_iter().flat_map(spawn_all).collect();
        #[cfg(feature = "cluster")]
        if let Some(carried) = &carried {
            // It is this broker's alone.
            drop(carried.metrics.set(pages));
        }
        tasks.extend(control.serve(shared, of_tools));
        if let Some(OfApi { http, https, .. }) = carried {
            let carry = |listener, acceptor| {
                let (shared, site, slots) = (Arc::clone(shared), of_api.clone(), Arc::clone(&slots));
                tokio::spawn(run(shared, listener, site, slots, acceptor))
            };
            tasks.push(carry(http, None));
            tasks.extend(https_acceptor.map(|acceptor| carry(https, Some(acceptor))));
        }
        tasks
    }

    /// Nothing to serve: bind refused whatever was asked for.
    #[cfg(not(feature = "management"))]
    pub(super) fn serve(
        self,
        _: &Arc<Shared>,
        _: &AmqpAddresses<'_>,
        _: &Tls,
        _: usize,
        _: ControlListener,
        _: Option<OfApi>,
    ) -> Vec<JoinHandle<()>> {
        Vec::new()
    }
}

/// Where AMQP is spoken.
#[cfg_attr(not(feature = "management"), expect(dead_code, reason = "nobody asks"))]
pub(super) struct AmqpAddresses<'a> {
    pub(super) plain: &'a [SocketAddr],
    pub(super) tls: &'a [SocketAddr],
}

/// Where they listen.
pub(super) fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
}

#[cfg(feature = "management")]
fn bind(
    addresses: &[SocketAddr],
    default: &[SocketAddr],
    setting: &'static str,
    what: &str,
) -> Result<Vec<TcpListener>, StartError> {
    match bind_all(addresses) {
        Ok(bound) => Ok(bound),
        Err((address, source)) if !addresses.is_empty() && addresses == default => {
            tracing::warn!("{address} cannot be listened on ({source}): the broker starts without {what}");
            Ok(Vec::new())
        }
        Err((address, source)) => Err(StartError::Listen { setting, address, source }),
    }
}

#[cfg(not(feature = "management"))]
fn bind(
    addresses: &[SocketAddr],
    default: &[SocketAddr],
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
