//! Connections that somebody else accepted for a broker: another node, or this one before it had a broker.

use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use super::door::Door;
use crate::amqp::{Accepted, Entrance};

/// Connections that wait to be taken, for each door. Who has more waits.
const WAITING_MAX: usize = 64;

/// How a broker gets them. Each broker needs its own.
#[derive(Debug)]
pub struct Carried {
    pub(super) amqp: Entrance,
    pub(super) amqps: Entrance,
    pub(super) http: OfHttp,
    pub(super) https: OfHttp,
}

/// Of HTTP only the client's address matters.
pub(super) type OfHttp = Mutex<mpsc::Receiver<(TcpStream, SocketAddr)>>;

/// How they are given to it.
#[derive(Clone, Debug)]
pub struct Carrier {
    amqp: mpsc::Sender<Accepted>,
    amqps: mpsc::Sender<Accepted>,
    http: mpsc::Sender<(TcpStream, SocketAddr)>,
    https: mpsc::Sender<(TcpStream, SocketAddr)>,
}

/// Both ends, for one broker.
#[must_use]
pub fn carriage() -> (Carrier, Carried) {
    let (amqp, of_amqp) = mpsc::channel(WAITING_MAX);
    let (amqps, of_amqps) = mpsc::channel(WAITING_MAX);
    let (http, of_http) = mpsc::channel(WAITING_MAX);
    let (https, of_https) = mpsc::channel(WAITING_MAX);
    let entrance = |receiver| Entrance::Carried(Mutex::new(receiver));
    let carried = Carried {
        amqp: entrance(of_amqp),
        amqps: entrance(of_amqps),
        http: Mutex::new(of_http),
        https: Mutex::new(of_https),
    };
    (Carrier { amqp, amqps, http, https }, carried)
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

    /// Gives it a connection, whose client is at `peer` and sees `local` as the other end; waits while it has enough of them. A client of AMQP
    /// that has been told `connection.start` and `connection.tune` elsewhere is not told `again`: that is what it has said there, but
    /// for what is still to come over the stream.
    ///
    /// # Errors
    /// The connection, if the broker is gone or does not speak that.
    pub async fn carry(
        &self,
        door: Door,
        stream: TcpStream,
        peer: SocketAddr,
        local: SocketAddr,
        again: Option<Vec<u8>>,
    ) -> Result<(), TcpStream> {
        let accepted = |stream| Accepted { stream, peer, local: Some(local), again };
        match door {
            Door::Amqp => self.amqp.send(accepted(stream)).await.map_err(|back| back.0.stream),
            Door::Amqps => self.amqps.send(accepted(stream)).await.map_err(|back| back.0.stream),
            Door::Http => self.http.send((stream, peer)).await.map_err(|back| back.0.0),
            Door::Https => self.https.send((stream, peer)).await.map_err(|back| back.0.0),
            Door::Metrics | Door::MetricsTls => Err(stream),
        }
    }
}
