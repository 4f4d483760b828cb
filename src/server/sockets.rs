//! Listening sockets that outlive a broker: whoever runs one broker after the other in a process, with something else in between, keeps them.

use std::io;
use std::net::{self, SocketAddr};

use tokio::net::TcpListener;

use super::binding::bind_all;
use super::door::Door;
use super::error::StartError;
use super::http::HttpListeners;
use crate::config::Config;

/// Listening sockets, all that the settings name.
#[derive(Debug)]
pub struct Sockets {
    amqp: Vec<net::TcpListener>,
    amqps: Vec<net::TcpListener>,
    http: Vec<net::TcpListener>,
    https: Vec<net::TcpListener>,
    metrics: Vec<net::TcpListener>,
    metrics_tls: Vec<net::TcpListener>,
}

/// The same as a broker listens on them.
pub(super) struct Listeners {
    pub(super) amqp: Vec<TcpListener>,
    pub(super) amqps: Vec<TcpListener>,
    pub(super) http: HttpListeners,
}

impl Sockets {
    /// Binds them, within a tokio runtime.
    ///
    /// # Errors
    /// `Listen` for an address that is taken, or not this machine's.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        let Listeners { amqp, amqps, http } = Listeners::bind(config)?;
        let kept = |listeners: Vec<TcpListener>| {
            listeners.into_iter().map(TcpListener::into_std).collect::<io::Result<Vec<_>>>()
        };
        let all = || -> io::Result<Self> {
            let HttpListeners { api, metrics, api_tls, metrics_tls, shown: _ } = http;
            Ok(Self {
                amqp: kept(amqp)?,
                amqps: kept(amqps)?,
                http: kept(api)?,
                https: kept(api_tls)?,
                metrics: kept(metrics)?,
                metrics_tls: kept(metrics_tls)?,
            })
        };
        all().map_err(|source| failed(config, source))
    }

    /// Those of a door.
    #[must_use]
    pub fn of(&self, door: Door) -> &[net::TcpListener] {
        match door {
            Door::Amqp => &self.amqp,
            Door::Amqps => &self.amqps,
            Door::Http => &self.http,
            Door::Https => &self.https,
            Door::Metrics => &self.metrics,
            Door::MetricsTls => &self.metrics_tls,
        }
    }

    /// Where those of a door are, with the ports that were picked.
    #[must_use]
    pub fn addresses(&self, door: Door) -> Vec<SocketAddr> {
        self.of(door).iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// More handles of the same sockets, within a tokio runtime. A connection goes to whoever accepts it first.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn listen(&self, door: Door) -> io::Result<Vec<TcpListener>> {
        self.of(door).iter().map(|listener| TcpListener::from_std(listener.try_clone()?)).collect()
    }

    pub(super) fn listeners(&self, config: &Config) -> Result<Listeners, StartError> {
        let all = || -> io::Result<Listeners> {
            let http = HttpListeners {
                api: self.listen(Door::Http)?,
                metrics: self.listen(Door::Metrics)?,
                api_tls: self.listen(Door::Https)?,
                metrics_tls: self.listen(Door::MetricsTls)?,
                shown: None,
            };
            Ok(Listeners { amqp: self.listen(Door::Amqp)?, amqps: self.listen(Door::Amqps)?, http })
        };
        all().map_err(|source| failed(config, source))
    }
}

impl Listeners {
    /// None: others listen there.
    pub(super) fn none(front: &Sockets) -> Self {
        let doors = [Door::Http, Door::Metrics, Door::Https, Door::MetricsTls];
        let http = HttpListeners {
            api: Vec::new(),
            metrics: Vec::new(),
            api_tls: Vec::new(),
            metrics_tls: Vec::new(),
            shown: Some(doors.map(|door| front.addresses(door))),
        };
        Self { amqp: Vec::new(), amqps: Vec::new(), http }
    }

    /// Binds them.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let bind = |addresses: &[SocketAddr], setting| {
            bind_all(addresses).map_err(|(address, source)| StartError::Listen { setting, address, source })
        };
        let amqp = bind(&config.listen, "amqp")?;
        let amqps = bind(&config.amqps, "amqps")?;
        Ok(Self { amqp, amqps, http: HttpListeners::bind(config)? })
    }
}

/// Handles of sockets cannot be had.
fn failed(config: &Config, source: io::Error) -> StartError {
    let unspecified = SocketAddr::from((net::Ipv4Addr::UNSPECIFIED, 0));
    let address = config.listen.first().copied().unwrap_or(unspecified);
    StartError::Listen { setting: "amqp", address, source }
}
