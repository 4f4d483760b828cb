//! Clients of a broker that is killed under them.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::task::JoinSet;

use super::process::{Process, coney};

/// Publishes in flight per publisher.
pub const WINDOW: usize = 50;

/// A broker that keeps next to nothing of a queue in memory: a handful of messages at the head, the rest on disk.
pub fn start(dir: &Path) -> Process {
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "error", "--queue-memory", "2k", "--data-dir"];
    Process::run(coney().args(arguments).arg(dir))
}

pub async fn channel_to(process: &Process) -> Channel {
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    // The connection lives as long as its channel.
    connection.create_channel().await.unwrap()
}

/// A channel in confirm mode.
pub async fn confirming(process: &Process) -> Channel {
    let channel = channel_to(process).await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    channel
}

/// A message to be.
pub struct Publication {
    pub id: u64,
    pub exchange: &'static str,
    pub key: &'static str,
    pub properties: BasicProperties,
    /// Bytes of the body, at least the eight of the id.
    pub bytes: usize,
}

impl Publication {
    /// A small persistent message.
    pub fn new(id: u64, exchange: &'static str, key: &'static str) -> Self {
        Self { id, exchange, key, properties: BasicProperties::default().with_delivery_mode(2), bytes: 8 }
    }
}

pub fn id_of(body: &[u8]) -> u64 {
    u64::from_be_bytes(body[..8].try_into().unwrap())
}

/// Sends a message; what its confirm will be, or none if the broker is gone.
pub async fn send(
    channel: &Channel,
    publication: Publication,
) -> Option<impl Future<Output = lapin::Result<Confirmation>> + use<>> {
    let Publication { id, exchange, key, properties, bytes } = publication;
    let mut body = id.to_be_bytes().to_vec();
    body.resize(bytes, 0);
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, &body, properties).await.ok()
}

/// Publishes messages, `WINDOW` in flight, until there are no more or the broker is gone; tells which were confirmed.
pub async fn publish(
    channel: Channel,
    mut messages: impl FnMut() -> Option<Publication>,
    mut confirmed: impl FnMut(u64),
) {
    loop {
        let mut window = Vec::new();
        while window.len() < WINDOW {
            let Some(message) = messages() else { break };
            let id = message.id;
            match send(&channel, message).await {
                Some(confirm) => window.push((id, confirm)),
                None => break,
            }
        }
        if window.is_empty() {
            return;
        }
        for (id, confirm) in window {
            match confirm.await {
                Ok(confirmation) if confirmation.is_ack() => confirmed(id),
                Ok(other) => panic!("{id} is not acked: {other:?}"),
                Err(_) => return,
            }
        }
    }
}

/// What became of the messages of publishers that number theirs together.
#[derive(Default)]
pub struct Published {
    count: u64,
    pub confirmed: HashSet<u64>,
}

/// Publishes such messages to a queue until the broker is gone.
pub async fn publish_to(queue: &'static str, channel: Channel, published: Arc<Mutex<Published>>) {
    let next = || {
        let mut published = published.lock().unwrap();
        published.count += 1;
        Some(Publication::new(published.count, "", queue))
    };
    let confirmed = |id| {
        published.lock().unwrap().confirmed.insert(id);
    };
    publish(channel, next, confirmed).await;
}

/// [`kill_under`] clients of which some publish so, at a moment of this round's.
pub async fn kill_publishers(
    process: Process,
    clients: JoinSet<()>,
    round: u64,
    published: &Mutex<Published>,
) {
    let confirmed = || published.lock().unwrap().confirmed.len();
    let before = confirmed();
    let after = moment(round, Duration::from_millis(60), Duration::from_millis(300));
    kill_under(process, clients, after, || confirmed() > before).await;
}

/// What a consumer does with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Ack,
    Reject {
        requeue: bool,
    },
    /// It never says.
    Nothing,
}

/// Takes messages, 20 at a time, and settles them until the broker is gone.
pub async fn consume(channel: Channel, queue: &'static str, mut verdict: impl FnMut(&Delivery) -> Verdict) {
    const PREFETCH: u16 = 20;
    if channel.basic_qos(PREFETCH, BasicQosOptions::default()).await.is_err() {
        return;
    }
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let Ok(mut consumer) = consuming else { return };
    while let Some(Ok(delivery)) = consumer.next().await {
        let settled = match verdict(&delivery) {
            Verdict::Ack => delivery.ack(BasicAckOptions::default()).await,
            Verdict::Reject { requeue } => delivery.reject(BasicRejectOptions { requeue }).await,
            Verdict::Nothing => continue,
        };
        if settled.is_err() {
            return;
        }
    }
}

/// Random moments between these two, the same in every run.
pub fn moment(round: u64, from: Duration, to: Duration) -> Duration {
    from + Duration::from_millis((round * 7919 + 13) % (to - from).as_millis() as u64)
}

/// Lets clients run for a while, and at least until there is some progress; kills the broker, and ends the clients. What they have not
/// heard by then they cannot hear any more.
pub async fn kill_under(
    process: Process,
    mut clients: JoinSet<()>,
    after: Duration,
    is_progress: impl Fn() -> bool,
) {
    let _ = tokio::time::timeout(after, std::future::pending::<()>()).await;
    while !is_progress() {
        tokio::task::yield_now().await;
    }
    process.kill();
    clients.abort_all();
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
