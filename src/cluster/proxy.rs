//! A node's doors while it does not lead: whoever comes is led to the node that does, byte by byte, both ways.
//!
//! A node that leads serves its doors itself, without a copy. What was accepted just before and is still held goes to its broker, too.
//!
//! Invariants:
//! - What waits to be written is one read at most in each direction: who does not read is not read for.
//! - A connection ends when the node that it leads to leads no more, whatever its sockets say.
//! - Connections have a permit each, of as many as there are pairs of descriptors; whoever comes then waits in the system's queue.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, copy_bidirectional_with_sizes};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::proxy_header::{ProxyHeader, Secret, WELCOME};
use super::route::{Leader, Route};
use crate::broker::Clock;
use crate::server::{Came, Carrier, Door, Socket};

/// So long a connection is held when nobody leads.
pub const HELD_MAX: Duration = Duration::from_secs(5);
/// A leader that does not answer in time may be another's soon.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Between two attempts, and after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// Read at a time. A buffer is there only while there is something in it.
const CHUNK_BYTES: usize = 64 * 1024;
/// The same with TLS, where a buffer is there for as long as the connection: a record's worth.
const TLS_CHUNK_BYTES: usize = 16 * 1024;

/// What all doors of a node have in common.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) clock: Clock,
    pub(super) secret: Secret,
    pub(super) route: watch::Receiver<Route>,
    /// This node's broker, while it has one.
    pub(super) broker: watch::Receiver<Option<Carrier>>,
    /// For connections that are carried.
    pub(super) slots: Arc<Semaphore>,
}

/// A client that has been accepted.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    pub(super) header: ProxyHeader,
}

impl ProxyHeader {
    /// The same for a broker of this process, to which the client says this again.
    pub(super) fn came(&self, again: Option<Vec<u8>>) -> Came {
        let Self { peer, local, door, .. } = *self;
        let secured = self.tls.as_ref().map(|tls| Arc::new(tls.secured()));
        Came { door, peer, local, secured, again }
    }
}

impl Proxy {
    /// Takes what comes to a door whenever this node does not lead, until the node is gone.
    pub(super) async fn run(self, door: Door, listeners: impl Fn() -> io::Result<Vec<TcpListener>>) {
        let mut route = self.route.clone();
        while route.wait_for(|route| !route.is_own()).await.is_ok() {
            let Ok(listeners) = listeners() else {
                self.pause().await;
                continue;
            };
            let proxy = self.clone();
            let lead = move |client, slot| proxy.clone().lead(client, slot);
            tokio::select! {
                never = accept_each(listeners, door, &self.slots, self.clock, lead) => match never {},
                led = route.wait_for(Route::is_own) => if led.is_err() {
                    return;
                },
            }
        }
    }

    async fn pause(&self) {
        self.clock.wait_for(Some(self.clock.now() + PAUSE)).await;
    }

    async fn lead(self, client: Client, slot: OwnedSemaphorePermit) {
        let peer = client.header.peer;
        match timeout(HELD_MAX, self.find(client)).await {
            Ok(Some((client, upstream, leader))) => {
                let (client, leads) = (Socket::Plain(client), self.route.clone());
                if let Err(error) = copy(client, upstream, Some(&leader.name), leads).await {
                    tracing::debug!(%peer, leader = leader.name, %error, "a connection that was led there ended");
                }
            }
            Ok(None) => {}
            Err(_) => tracing::info!(%peer, "a connection was closed: nobody leads"),
        }
        drop(slot);
    }

    /// A connection to who leads; `None` if the client is in this node's broker's hands.
    async fn find(&self, mut client: Client) -> Option<(TcpStream, TcpStream, Leader)> {
        let mut route = self.route.clone();
        loop {
            let now = route.borrow_and_update().clone();
            match now {
                Route::To(leader) => match dial(&leader.address, &client.header, &self.secret).await {
                    Ok(upstream) => return Some((client.stream, upstream, leader)),
                    Err(error) => {
                        tracing::debug!(leader = leader.name, %error, "the leader cannot be reached")
                    }
                },
                Route::Own { .. } => client = self.give(client).await?,
                Route::Nobody => {}
            }
            tokio::select! {
                changed = route.changed() => changed.ok()?,
                () = self.pause() => {}
            }
        }
    }

    /// Gives a client to this node's own broker; gives it back if there is none yet.
    async fn give(&self, client: Client) -> Option<Client> {
        let Client { stream, header } = client;
        let broker = self.broker.borrow().clone();
        let stream = match broker {
            Some(broker) => broker.carry(header.came(None), Socket::Plain(stream)).await.err()?,
            None => Socket::Plain(stream),
        };
        match stream {
            Socket::Plain(stream) => Some(Client { stream, header }),
            Socket::Tls(_) => None,
        }
    }
}

/// A connection to a node's peer port that its broker has taken.
///
/// # Errors
/// There is nobody, or it does not lead.
pub(super) async fn dial(address: &str, header: &ProxyHeader, secret: &Secret) -> io::Result<TcpStream> {
    let dialling = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&header.encode(secret)).await?;
        match stream.read_u8().await? {
            WELCOME => Ok(stream),
            _ => Err(io::Error::other("it answers something else than a node does")),
        }
    };
    timeout(CONNECT_MAX, dialling).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Copies until both have nothing more to say, one of them fails, or the leader leads no more, if that is another node.
///
/// # Errors
/// See above.
pub(super) async fn copy(
    client: Socket,
    mut upstream: TcpStream,
    leader: Option<&str>,
    mut route: watch::Receiver<Route>,
) -> io::Result<()> {
    let is_over = |route: &Route| match (leader, route) {
        (Some(leader), Route::To(now)) => now.name != leader,
        (Some(_), _) => true,
        (None, route) => !route.is_own(),
    };
    tokio::select! {
        copied = copy_both(client, &mut upstream) => copied,
        _ = route.wait_for(is_over) => Err(io::Error::other("it leads no more")),
    }
}

async fn copy_both(client: Socket, upstream: &mut TcpStream) -> io::Result<()> {
    match client {
        Socket::Plain(mut client) => {
            let ((client_in, client_out), (leader_in, leader_out)) = (client.split(), upstream.split());
            tokio::try_join!(pump(client_in, leader_out), pump(leader_in, client_out)).map(|_| ())
        }
        Socket::Tls(mut client) => {
            copy_bidirectional_with_sizes(&mut *client, upstream, TLS_CHUNK_BYTES, TLS_CHUNK_BYTES)
                .await
                .map(|_| ())
        }
    }
}

/// Takes what comes to a door's listeners, each client with a slot, as long as this is polled.
pub(super) async fn accept_each<F: Future<Output = ()> + Send + 'static>(
    listeners: Vec<TcpListener>,
    door: Door,
    slots: &Arc<Semaphore>,
    clock: Clock,
    take: impl Fn(Client, OwnedSemaphorePermit) -> F + Clone + Send + 'static,
) -> Infallible {
    // They end when this is dropped.
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept_all(listener, door, Arc::clone(slots), clock, take.clone()));
    }
    while accepting.join_next().await.is_some() {}
    std::future::pending().await
}

async fn accept_all<F: Future<Output = ()> + Send + 'static>(
    listener: TcpListener,
    door: Door,
    slots: Arc<Semaphore>,
    clock: Clock,
    take: impl Fn(Client, OwnedSemaphorePermit) -> F,
) {
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match accept(&listener, door).await {
            Ok(client) => drop(tokio::spawn(take(client, slot))),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted");
                clock.wait_for(Some(clock.now() + PAUSE)).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener, door: Door) -> io::Result<Client> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let canonical = |at: SocketAddr| SocketAddr::new(at.ip().to_canonical(), at.port());
    let (peer, local) = (canonical(peer), canonical(stream.local_addr()?));
    Ok(Client { stream, header: ProxyHeader { peer, local, door, shard: 0, is_again: false, tls: None } })
}

/// Copies one direction, and passes its end on.
async fn pump(from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
    loop {
        from.ready(Interest::READABLE).await?;
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        match from.try_read_buf(&mut chunk) {
            Ok(0) => return to.shutdown().await,
            Ok(_) => to.write_all(&chunk).await?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret = [3; 32];

    struct World {
        /// Where clients go in.
        door: SocketAddr,
        /// Who leads, and where connections come out.
        leader: TcpListener,
        route: watch::Sender<Route>,
    }

    impl World {
        async fn new() -> Self {
            let listen = || TcpListener::bind("127.0.0.1:0");
            let (leader, doors) = (listen().await.unwrap(), listen().await.unwrap());
            let door = doors.local_addr().unwrap();
            let (route, of_proxy) = watch::channel(Route::Nobody);
            let (slots, broker) = (Arc::new(Semaphore::new(8)), watch::channel(None).1);
            let proxy = Proxy { clock: Clock::system(), secret: SECRET, route: of_proxy, broker, slots };
            let doors = doors.into_std().unwrap();
            let again = move || Ok(vec![TcpListener::from_std(doors.try_clone()?)?]);
            tokio::spawn(proxy.run(Door::Amqp, again));
            let world = Self { door, leader, route };
            world.lead("a");
            world
        }

        fn lead(&self, name: &str) {
            let address = self.leader.local_addr().unwrap().to_string();
            self.route.send_replace(Route::To(Leader { name: name.to_owned(), term: 1, address }));
        }

        /// A client, and what the leader has of it.
        async fn connect(&self) -> (TcpStream, TcpStream) {
            let client = TcpStream::connect(self.door).await.unwrap();
            let (mut carried, _) = self.leader.accept().await.unwrap();
            let header = ProxyHeader::read(&mut carried, &SECRET).await.unwrap();
            assert_eq!((header.peer, header.local), (client.local_addr().unwrap(), self.door));
            carried.write_all(&[WELCOME]).await.unwrap();
            (client, carried)
        }
    }

    async fn rest(stream: &mut TcpStream) -> Vec<u8> {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let world = World::new().await;
        let (mut client, mut carried) = world.connect().await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut carried).await, b"question");
        carried.write_all(b"answer").await.unwrap();
        drop(carried);
        assert_eq!(rest(&mut client).await, b"answer");
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_read_for() {
        let world = World::new().await;
        let (mut client, mut carried) = world.connect().await;
        // What the system's buffers hold is a few MiB.
        let (chunk, mut sent) = (vec![7; 1 << 20], 0);
        while let Ok(written) = timeout(Duration::from_millis(500), client.write(&chunk)).await {
            sent += written.unwrap();
            assert!(sent < 64 << 20, "somebody keeps all of it");
        }
        let read = tokio::spawn(async move { rest(&mut carried).await.len() });
        client.shutdown().await.unwrap();
        assert_eq!(read.await.unwrap(), sent);
    }

    #[tokio::test]
    async fn who_says_no_is_asked_again_and_who_leads_no_more_loses_its_clients() {
        let world = World::new().await;
        let mut client = TcpStream::connect(world.door).await.unwrap();
        client.write_all(b"first").await.unwrap();
        // It does not lead yet, whatever others know.
        drop(world.leader.accept().await.unwrap());
        let (mut carried, _) = world.leader.accept().await.unwrap();
        ProxyHeader::read(&mut carried, &SECRET).await.unwrap();
        carried.write_all(&[WELCOME]).await.unwrap();
        let mut said = [0; 5];
        carried.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"first");
        world.lead("b");
        assert_eq!((rest(&mut client).await, rest(&mut carried).await), (vec![], vec![]));
    }
}
