//! Clients of AMQP.

use std::net::SocketAddr;

use lapin::options::{ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};

/// The one that is there from the beginning.
pub const VHOST: &str = "%2f";

/// A channel that confirms, and the durable queue `q`, in a vhost as it stands in URIs.
pub async fn open(at: SocketAddr, vhost: &str) -> lapin::Result<(Connection, Channel)> {
    let uri = format!("amqp://guest:guest@{at}/{vhost}");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("q".into(), durable, FieldTable::default()).await?;
    Ok((connection, channel))
}
