//! Sockets: accepting, HTTP/1.1, and what is the same for every answer.
//!
//! No client holds others up: there is a number of connections that are served at a time, a head has to come within some seconds,
//! and bodies wait for their turn (see [`payload`](super::payload)).

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::page::{cookie, origin};
use super::site::Site;
use crate::auth::canonical;
use crate::broker::Clock;
use crate::broker::http_client::HttpClient;
use crate::broker::shared::{Shared, stopped};
use crate::tls::{Acceptor, Opening, TlsStream};

/// A request's head has to come within this time, and so has the next one on an idle connection.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(30);
/// For the handshake of TLS.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// To whoever speaks HTTP where HTTPS is spoken.
const SPEAKS_HTTPS: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
    This port speaks HTTPS: the URL has to begin with https://\n";
/// After a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const VARY: HeaderValue = HeaderValue::from_static("accept, accept-encoding, origin");
/// What pages of ours may do in a browser.
const POLICY: HeaderValue = HeaderValue::from_static("script-src 'self'; object-src 'self'");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const CONTENT_TYPE_OPTIONS: HeaderName = HeaderName::from_static("x-content-type-options");

/// Where a request comes from. It is told by the listener, so that nothing in a request can pretend another.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Peer {
    /// A client on the network.
    Network(SocketAddr),
    /// The same, over TLS.
    OverTls(SocketAddr),
    /// A client that a node of the cluster asks for, who may say who that is.
    Led(HttpClient),
    /// Whoever may open the control socket: the operator.
    ControlSocket,
}

impl Peer {
    /// The address, for rules about addresses: whoever opens the control socket is on this machine.
    pub(super) const fn ip(&self) -> IpAddr {
        match self {
            Self::Network(address) | Self::OverTls(address) => address.ip(),
            Self::Led(client) => client.address.ip(),
            Self::ControlSocket => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// Whether nobody between can read what is said.
    pub(super) const fn is_encrypted(&self) -> bool {
        match self {
            Self::OverTls(_) => true,
            Self::Led(client) => client.is_over_tls,
            Self::Network(_) | Self::ControlSocket => false,
        }
    }

    const fn over_tls(self) -> Self {
        match self {
            Self::Network(address) => Self::OverTls(address),
            other => other,
        }
    }
}

/// For the log.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) | Self::OverTls(address) => address.fmt(f),
            Self::Led(client) => client.address.fmt(f),
            Self::ControlSocket => f.write_str("control socket"),
        }
    }
}

/// The connection that a request came over. What it waits for never comes; it is an error when the connection has ended.
#[derive(Clone, Debug)]
pub(super) struct Connected(pub watch::Receiver<()>);

/// All that can be asked for, for a handler that asks in its client's name.
#[derive(Clone, Debug)]
pub(super) struct Everything(pub Router);

/// What HTTP connections come from.
pub(crate) trait Listener: Send {
    /// A connection.
    type Stream: Send;

    /// The next one, and where it comes from.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Network(canonical(peer))))
    }
}

/// Connections that were accepted elsewhere, with the client of each.
impl Listener for Mutex<mpsc::Receiver<(TcpStream, HttpClient)>> {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        match self.lock().await.recv().await {
            Some((stream, client)) => {
                let client = HttpClient { address: canonical(client.address), ..client };
                let of_network = || Peer::Network(client.address);
                Ok((stream, if client.is_led { Peer::Led(client) } else { of_network() }))
            }
            None => std::future::pending().await,
        }
    }
}

/// Serves a listener on the network until the broker stops. `slots` has a permit for each connection that may be open, on all HTTP
/// listeners together.
///
/// With an acceptor connections begin with TLS.
pub(crate) async fn run(
    shared: Arc<Shared>,
    listener: impl Listener<Stream = TcpStream>,
    site: Site,
    slots: Arc<Semaphore>,
    acceptor: Option<Arc<Acceptor>>,
) {
    let of_connections = Arc::clone(&shared);
    accept_all(&shared, listener, &slots, |stream, peer| {
        let (site, acceptor, shared) = (site.clone(), acceptor.clone(), Arc::clone(&of_connections));
        async move {
            let mut stopping = shared.stopping.subscribe();
            match acceptor {
                None => serve(stream, peer, site, stopped(&mut stopping)).await,
                Some(acceptor) => serve_over_tls(&shared, stream, peer, site, &acceptor).await,
            }
        }
    })
    .await;
}

/// Accepts until the broker stops, then waits for what became of each connection. There are as many at a time as there are slots.
pub(super) async fn accept_all<L: Listener, Served: Future<Output = ()> + Send + 'static>(
    shared: &Shared,
    listener: L,
    slots: &Arc<Semaphore>,
    serve: impl Fn(L::Stream, Peer) -> Served,
) {
    let mut stopping = shared.stopping.subscribe();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer, slot) = accept(shared, &listener, slots) => {
                let served = serve(stream, peer);
                connections.spawn(async move {
                    served.await;
                    drop(slot);
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = stopped(&mut stopping) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection. As long as there is no slot none is accepted: the system holds them.
async fn accept<L: Listener>(
    shared: &Shared,
    listener: &L,
    slots: &Arc<Semaphore>,
) -> (L::Stream, Peer, OwnedSemaphorePermit) {
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
        // It is never closed.
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "an HTTP connection could not be accepted");
                shared.clock.wait_for(Some(shared.clock.now() + ACCEPT_PAUSE)).await;
            }
        }
    }
}

async fn serve_over_tls(shared: &Shared, socket: TcpStream, peer: Peer, site: Site, acceptor: &Acceptor) {
    let mut stopping = shared.stopping.subscribe();
    let shaken = tokio::select! {
        shaken = shake(shared.clock, socket, &peer, acceptor) => shaken,
        () = stopped(&mut stopping) => None,
    };
    if let Some(stream) = shaken {
        serve(stream, peer.over_tls(), site, stopped(&mut stopping)).await;
    }
}

/// Makes the handshake of TLS. Who speaks HTTP without is told.
pub(crate) async fn shake(
    clock: Clock,
    socket: TcpStream,
    peer: &impl fmt::Display,
    acceptor: &Acceptor,
) -> Option<TlsStream<TcpStream>> {
    let handshake = async {
        match Opening::of(&socket).await? {
            Opening::Tls => acceptor.accept(socket).await.map(Some),
            Opening::Http => {
                let _ = socket.try_read(&mut [0; 4096]);
                let _ = socket.try_write(SPEAKS_HTTPS);
                Ok(None)
            }
            _ => Ok(None),
        }
    };
    match clock.within(HANDSHAKE_MAX, Box::pin(handshake)).await {
        Some(Ok(shaken)) => return shaken.map(|(stream, _)| stream),
        Some(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake of an HTTP connection failed"),
        None => tracing::debug!(%peer, "the TLS handshake of an HTTP connection was not over in time"),
    }
    None
}

/// Answers the requests of one connection until its client ends it, or until `stop`.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    site: Site,
    stop: impl Future<Output = ()>,
) {
    // Dropped when the connection has ended.
    let (_open, connected) = watch::channel(());
    let connected = Connected(connected);
    let service = service_fn(move |request| answer(site.clone(), peer, connected.clone(), request));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX).max_buf_size(HEAD_BYTES_MAX);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // What clients do to their connections is no concern of the operator's.
        tracing::debug!(%peer, %error, "an HTTP connection ended");
    }
}

async fn answer(
    site: Site,
    peer: Peer,
    connected: Connected,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    use tower_service::Service as _;
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(connected);
    request.extensions_mut().insert(Everything(site.router.clone()));
    let is_of_page = origin::is_of_page(request.headers()) || cookie::is_there(request.headers());
    let method = request.method().clone();
    let grant = site.cors.grant(&method, request.headers());
    let response = match site.find(request.uri()) {
        Ok(uri) => {
            *request.uri_mut() = uri;
            let mut router = site.router.clone();
            let Ok(response) = router.call(request).await;
            site.with_prefix(response)
        }
        Err(instead) => *instead,
    };
    let response = if is_of_page { without_challenge(response) } else { response };
    let mut response = site.with_headers(with_headers(with_options(&method, response)));
    grant.put(&mut response);
    Ok(response)
}

/// Pages have a login of their own: a browser that is challenged opens a dialog over it.
fn without_challenge(mut response: Response) -> Response {
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    response
}

/// What may be done at a path is asked for with OPTIONS, by anybody; the router says it of each method that it does not know.
fn with_options(method: &Method, mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allowed = response.headers().get(header::ALLOW).and_then(|allowed| allowed.to_str().ok());
    let allowed = format!("{}, OPTIONS", allowed.unwrap_or_default().replace(',', ", "));
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    if method == Method::OPTIONS {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

pub(super) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, NO_CACHE),
        (header::VARY, VARY),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (CONTENT_TYPE_OPTIONS, NO_SNIFF),
    ] {
        headers.entry(name).or_insert(value);
    }
    response
}
