//! A worker: it reads parcels from a queue and books each one in a ledger. What it has booked it acks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

/// Where parcels come from.
pub const QUEUE: &str = "parcels";
/// Longer than it takes to book a parcel and to write an ack.
const LIMIT: Duration = Duration::from_secs(1);

/// What was booked: the weight of all parcels of a customer, in grams.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    weights: BTreeMap<String, u64>,
    booked: Vec<String>,
}

impl Ledger {
    /// The weight of all parcels of this customer.
    pub fn weight_of(&self, customer: &str) -> u64 {
        self.0.lock().unwrap().weights.get(customer).copied().unwrap_or(0)
    }

    /// Books a parcel, once.
    fn book(&self, id: &str, customer: &str, grams: u64) {
        let mut books = self.0.lock().unwrap();
        // With PLANTED=1 the worker has the bug that its tests are there to find: a parcel that comes twice counts twice.
        let is_planted = std::env::var("PLANTED").is_ok_and(|value| value == "1");
        if books.booked.iter().any(|booked| booked == id) && !is_planted {
            return;
        }
        books.booked.push(id.to_owned());
        *books.weights.entry(customer.to_owned()).or_default() += grams;
    }
}

/// Works for ever, and connects again whenever the connection is lost.
pub async fn run(uri: String, ledger: Ledger) {
    loop {
        // It is tried again in any case: the broker comes back, or somebody stops this worker.
        let _ = work(&uri, &ledger).await;
        tokio::task::yield_now().await;
    }
}

async fn work(uri: &str, ledger: &Ledger) -> lapin::Result<()> {
    let connection = Connection::connect(uri, ConnectionProperties::default()).await?;
    let channel: Channel = connection.create_channel().await?;
    channel.basic_qos(10, BasicQosOptions::default()).await?;
    let (queue, tag) = (QUEUE.into(), "worker".into());
    let mut parcels =
        channel.basic_consume(queue, tag, BasicConsumeOptions::default(), FieldTable::default()).await?;
    while let Some(parcel) = parcels.next().await {
        // If the connection is lost just then, lapin waits for ever. The parcel comes again on the next one.
        let Ok(handled) = tokio::time::timeout(LIMIT, handle(parcel?, ledger)).await else { break };
        handled?;
    }
    Ok(())
}

/// A parcel is `CUSTOMER GRAMS`, with an id.
async fn handle(parcel: Delivery, ledger: &Ledger) -> lapin::Result<()> {
    let text = String::from_utf8_lossy(&parcel.data).into_owned();
    let read = text.split_once(' ').and_then(|(customer, grams)| Some((customer, grams.parse().ok()?)));
    let (Some((customer, grams)), Some(id)) = (read, parcel.properties.message_id()) else {
        parcel.acker.reject(BasicRejectOptions { requeue: false }).await?;
        return Ok(());
    };
    ledger.book(id.as_str(), customer, grams);
    parcel.acker.ack(BasicAckOptions::default()).await?;
    Ok(())
}
