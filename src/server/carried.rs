//! Connections that somebody else accepted for a broker: another node, or this one before it had a broker.

#[cfg(feature = "cluster")]
use std::net::SocketAddr;
#[cfg(feature = "cluster")]
use std::sync::{Arc, OnceLock};

use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use super::door::Door;
use crate::amqp::{Accepted, Entrance};
use crate::broker::http_client::HttpClient;
#[cfg(feature = "cluster")]
use crate::broker::operations::VhostCopy;
#[cfg(feature = "cluster")]
use crate::broker::shared::{Shared, stopped};
#[cfg(feature = "cluster")]
use crate::management::MetricsPages;
#[cfg(feature = "cluster")]
use crate::tls::{Secured, Socket};

/// Connections that wait to be taken, for each door. Who has more waits.
const WAITING_MAX: usize = 64;

/// How a broker gets them. Each broker needs its own.
#[derive(Debug)]
pub struct Carried {
    pub(super) amqp: Entrance,
    pub(super) amqps: Entrance,
    pub(super) api: OfApi,
    #[cfg(feature = "cluster")]
    pub(super) copies: mpsc::Receiver<VhostCopy>,
}

/// What is HTTP's of it.
#[cfg_attr(not(feature = "management"), expect(dead_code, reason = "nobody serves HTTP then"))]
#[derive(Debug)]
pub(super) struct OfApi {
    pub(super) http: OfHttp,
    pub(super) https: OfHttp,
    /// Gets what answers for metrics.
    #[cfg(feature = "cluster")]
    pub(super) metrics: Arc<OnceLock<MetricsPages>>,
}

/// Of HTTP only the client matters.
pub(super) type OfHttp = Mutex<mpsc::Receiver<(TcpStream, HttpClient)>>;

/// Takes in copies of vhosts until the broker stops.
#[cfg(feature = "cluster")]
pub(super) fn take_copies(
    shared: &Arc<Shared>,
    mut copies: mpsc::Receiver<VhostCopy>,
) -> tokio::task::JoinHandle<()> {
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        let mut stopping = shared.stopping.subscribe();
        loop {
            let copy = tokio::select! {
                copy = copies.recv() => copy,
                () = stopped(&mut stopping) => None,
            };
            let Some(copy) = copy else { return };
            tokio::select! {
                () = copy.take(&shared) => {}
                () = stopped(&mut stopping) => return,
            }
        }
    })
}

/// How they are given to it.
#[derive(Clone, Debug)]
pub struct Carrier {
    amqp: mpsc::Sender<Accepted>,
    amqps: mpsc::Sender<Accepted>,
    http: mpsc::Sender<(TcpStream, HttpClient)>,
    https: mpsc::Sender<(TcpStream, HttpClient)>,
    #[cfg(feature = "cluster")]
    copies: mpsc::Sender<VhostCopy>,
    #[cfg(feature = "cluster")]
    metrics: Arc<OnceLock<MetricsPages>>,
}

/// Both ends, for one broker.
#[must_use]
pub fn carriage() -> (Carrier, Carried) {
    let (amqp, of_amqp) = mpsc::channel(WAITING_MAX);
    let (amqps, of_amqps) = mpsc::channel(WAITING_MAX);
    let (http, of_http) = mpsc::channel(WAITING_MAX);
    let (https, of_https) = mpsc::channel(WAITING_MAX);
    #[cfg(feature = "cluster")]
    let (copies, of_copies) = mpsc::channel(1);
    #[cfg(feature = "cluster")]
    let metrics = Arc::<OnceLock<MetricsPages>>::default();
    let entrance = |receiver| Entrance::Carried(Mutex::new(receiver));
    let carried = Carried {
        amqp: entrance(of_amqp),
        amqps: entrance(of_amqps),
        api: OfApi {
            http: Mutex::new(of_http),
            https: Mutex::new(of_https),
            #[cfg(feature = "cluster")]
            metrics: Arc::clone(&metrics),
        },
        #[cfg(feature = "cluster")]
        copies: of_copies,
    };
    let carrier = Carrier {
        amqp,
        amqps,
        http,
        https,
        #[cfg(feature = "cluster")]
        copies,
        #[cfg(feature = "cluster")]
        metrics,
    };
    (carrier, carried)
}

impl Carrier {
    /// Whether nobody takes connections of that kind any more.
    #[must_use]
    pub fn is_gone(&self, door: Door) -> bool {
        match door {
            Door::Amqp => self.amqp.is_closed(),
            Door::Amqps => self.amqps.is_closed(),
            Door::Http => self.http.is_closed(),
            Door::Https => self.https.is_closed(),
            Door::Metrics | Door::MetricsTls => true,
        }
    }

    /// Its metrics at a path, with a query perhaps; `None` if it has none, or is gone.
    #[cfg(feature = "cluster")]
    pub(crate) async fn metrics(&self, path: &str) -> Option<String> {
        self.metrics.get().filter(|_| !self.amqp.is_closed())?.page(path).await
    }

    /// Gives it a copy of a vhost; waits while it takes in another.
    ///
    /// # Errors
    /// The broker is gone.
    #[cfg(feature = "cluster")]
    pub(crate) async fn give_copy(&self, copy: VhostCopy) -> Result<(), &'static str> {
        self.copies.send(copy).await.map_err(|_| "the broker is gone")
    }

    /// Gives it a connection; waits while it has enough of them.
    ///
    /// # Errors
    /// The connection, if the broker is gone or does not speak that.
    #[cfg(feature = "cluster")]
    pub(crate) async fn carry(&self, came: Came, stream: Socket) -> Result<(), Socket> {
        let Came { door, peer, local, secured, again } = came;
        let client = HttpClient {
            address: peer,
            is_over_tls: secured.is_some(),
            is_led: again.is_some() && matches!(door, Door::Http | Door::Https),
        };
        let accepted = |stream| Accepted { stream, peer, local: Some(local), secured, again };
        match (door, stream) {
            (Door::Amqp, stream) => self.amqp.send(accepted(stream)).await.map_err(|back| back.0.stream),
            (Door::Amqps, stream) => self.amqps.send(accepted(stream)).await.map_err(|back| back.0.stream),
            (Door::Http, Socket::Plain(stream)) => {
                self.http.send((stream, client)).await.map_err(|back| Socket::Plain(back.0.0))
            }
            (Door::Https, Socket::Plain(stream)) => {
                self.https.send((stream, client)).await.map_err(|back| Socket::Plain(back.0.0))
            }
            (_, stream) => Err(stream),
        }
    }
}

/// A connection that another accepted.
#[cfg(feature = "cluster")]
pub(crate) struct Came {
    /// What is spoken.
    pub(crate) door: Door,
    /// Where the client is.
    pub(crate) peer: SocketAddr,
    /// What the client is connected to.
    pub(crate) local: SocketAddr,
    /// How it is secured, if whoever accepted it has ended its TLS.
    pub(crate) secured: Option<Arc<Secured>>,
    /// A client of AMQP that has been told `connection.start` and `connection.tune` elsewhere is not told again: this is what it has said
    /// there, but for what is still to come over the stream. For HTTP, that requests may say for whom they are.
    pub(crate) again: Option<Vec<u8>>,
}
