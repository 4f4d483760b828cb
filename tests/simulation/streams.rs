//! Streams in the simulation: what is declared, the clients that are at work on them, and what the clients know.

pub mod books;
pub mod cursor_book;
mod cursor_reader;
pub mod fed_book;
mod publishing;
mod reading;
mod settling;
pub mod topology;

use std::sync::Arc;

use coney::BrokerHandle;
use tokio::task::JoinSet;

use super::client::Client;
use super::ledger::{Shared, lock};
use super::random::Random;
pub use books::Work;
pub use settling::settle;
use topology::{CURSORS, FED, LOG, SHORT, STREAMS};

/// Bytes in a pipe between client and broker: small, so that both feel back-pressure.
const PIPE_BYTES: usize = 4096;

/// What every client has.
#[derive(Clone)]
pub struct At {
    pub broker: Arc<BrokerHandle>,
    pub ledger: Shared,
    /// Where everything happens.
    pub vhost: &'static str,
}

impl At {
    /// Connects; `None` if the broker is gone.
    pub async fn client(&self) -> Option<Client> {
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        self.broker.attach(far);
        Client::connect(near, self.vhost).await
    }
}

/// What an earlier life left is as clients know it.
pub async fn begin_life(at: &At, client: &mut Client) {
    let streams = STREAMS.map(|(name, arguments, _)| (name, arguments));
    for (name, arguments) in streams.into_iter().chain(FED.map(|fed| (fed.name, fed.arguments))) {
        client.declare(name, arguments).await.unwrap();
    }
    settling::audit(at).await;
    lock(&at.ledger).streams.begin_life();
}

/// Starts clients at random, and each of them often.
pub async fn begin(clients: &mut JoinSet<()>, at: &At, random: &mut Random) {
    for _ in 0..2 {
        clients.spawn(publishing::publisher(at.client().await.unwrap(), at.ledger.clone(), random.fork()));
    }
    if random.one_in(2) {
        clients.spawn(publishing::transactions(at.client().await.unwrap(), at.ledger.clone(), random.fork()));
    }
    for stream in [LOG, SHORT] {
        if random.one_in(2) {
            clients.spawn(reading::reader(at.clone(), stream, random.fork()));
        }
    }
    for (index, cursor) in CURSORS.iter().enumerate() {
        for _ in 0..cursor.readers {
            if !random.one_in(3) {
                clients.spawn(cursor_reader::reader(at.clone(), index, random.fork()));
            }
        }
    }
    for (index, fed) in FED.iter().enumerate() {
        for consumer in 0..fed.consumers {
            let client = at.client().await.unwrap();
            let number = index * 10 + consumer;
            clients.spawn(reading::worker(client, index, number, at.ledger.clone(), random.fork()));
        }
    }
}
