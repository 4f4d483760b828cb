//! What a node that does not lead serves by itself where its metrics are: its numbers, and the cluster as it sees it. Neither takes a login,
//! as metrics never do: who may log in only the leader knows. Where there are several shards each node does, whatever it leads.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::broker_metrics::merged;
use super::overview::Overview;
use super::route::Route;
use crate::broker::Clock;
use crate::broker::cluster_view::ClusterView as _;
use crate::server::{Carrier, Door, Front, Socket, Sockets};

/// A request's head has to come within this time.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// Connections at a time.
const CONNECTIONS_MAX: usize = 32;
/// After something failed.
const PAUSE: Duration = Duration::from_millis(100);

const TEXT: &str = "text/plain; version=0.0.4";
const JSON: &str = "application/json";

/// Serves them whenever the node does not lead, until it is gone.
pub(super) async fn run(
    sockets: Arc<Sockets>,
    mut route: watch::Receiver<Route>,
    overview: Arc<Overview>,
    front: Option<Arc<Front>>,
    brokers: Arc<[watch::Receiver<Option<Carrier>>]>,
    clock: Clock,
) {
    let pages = Pages { overview, front, brokers, clock };
    let overview = &pages.overview;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let has_shards = overview.data_shards() > 0;
    while route.wait_for(|route| has_shards || !route.is_own()).await.is_ok() {
        let mut accepting = JoinSet::new();
        for door in [Door::Metrics, Door::MetricsTls] {
            if door == Door::MetricsTls && pages.front.is_none() {
                continue;
            }
            let Ok(listeners) = sockets.listen(door) else {
                clock.wait_for(Some(clock.now() + PAUSE)).await;
                continue;
            };
            for listener in listeners {
                accepting.spawn(accept_all(listener, door, Arc::clone(&slots), pages.clone()));
            }
        }
        if route.wait_for(|route| !has_shards && route.is_own()).await.is_err() {
            return;
        }
    }
}

/// What is served, and what ends TLS before it, where there are several shards.
#[derive(Clone)]
struct Pages {
    overview: Arc<Overview>,
    front: Option<Arc<Front>>,
    /// The node's, of each shard, while it leads.
    brokers: Arc<[watch::Receiver<Option<Carrier>>]>,
    clock: Clock,
}

impl Pages {
    /// What the brokers of a node with several shards say there, those that it has.
    async fn of_brokers(&self, path: &str) -> Vec<(u16, String)> {
        let mut all = Vec::new();
        if self.front.is_none() {
            return all;
        }
        for (shard, broker) in (0..).zip(self.brokers.iter()) {
            let broker = broker.borrow().clone();
            let Some(broker) = broker else { continue };
            all.extend(broker.metrics(path).await.map(|page| (shard, page)));
        }
        all
    }

    async fn serve(self, door: Door, stream: TcpStream, peer: SocketAddr) {
        let socket = match (&self.front, door) {
            (Some(front), Door::MetricsTls) => front.shake(door, stream, peer).await.map(|shaken| shaken.0),
            _ => Some(Socket::Plain(stream)),
        };
        if let Some(socket) = socket {
            serve(socket, self).await;
        }
    }
}

async fn accept_all(listener: TcpListener, door: Door, slots: Arc<Semaphore>, pages: Pages) {
    // Whoever is served by this node as a standby is not served by it any longer.
    let mut served = JoinSet::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        while served.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let serving = pages.clone().serve(door, stream, peer);
                served.spawn(async move {
                    serving.await;
                    drop(slot);
                });
            }
            Err(_) => pages.clock.wait_for(Some(pages.clock.now() + PAUSE)).await,
        }
    }
}

async fn serve(stream: Socket, pages: Pages) {
    let pages = Arc::new(pages);
    let service = service_fn(move |request: Request<Incoming>| {
        let pages = Arc::clone(&pages);
        async move { Ok::<_, Infallible>(answer(&request, &pages).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX);
    // What clients do to their connections is no concern of the operator's.
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: &Request<Incoming>, pages: &Pages) -> Response<Body> {
    let overview = &pages.overview;
    let (code, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics" | "/metrics/per-object" | "/metrics/detailed") => {
            let path = request.uri().path_and_query().map_or("/metrics", |whole| whole.as_str());
            (StatusCode::OK, TEXT, metrics(overview) + &merged(&pages.of_brokers(path).await))
        }
        (&Method::GET, "/api/coney/cluster") => {
            (StatusCode::OK, JSON, serde_json::to_string(&overview.status()).unwrap_or_default())
        }
        _ => (StatusCode::NOT_FOUND, TEXT, "Not Found: this node does not lead\n".to_owned()),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// With a label where there are several shards.
fn metrics(overview: &Overview) -> String {
    let (shards, mut text) = (overview.metrics(), String::new());
    let named = shards.len() > 1;
    for (number, metric) in shards.first().map(|(_, metrics)| metrics).into_iter().flatten().enumerate() {
        let (name, help) = (metric.name, metric.help);
        // Writing to a string does not fail.
        let _ = write!(text, "# TYPE {name} gauge\n# HELP {name} {help}\n");
        for (shard, metrics) in &shards {
            let Some(metric) = metrics.get(number) else { continue };
            let label = if named { format!("{{shard=\"{shard}\"}}") } else { String::new() };
            let _ = writeln!(text, "{name}{label} {}", metric.value);
        }
    }
    text
}
