//! testcontainers for Rust, with nothing but the image's name changed: it waits for RabbitMQ's exact line on standard output.

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use testcontainers_modules::rabbitmq::RabbitMq;
use testcontainers_modules::testcontainers::ImageExt as _;
use testcontainers_modules::testcontainers::runners::AsyncRunner as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let container = RabbitMq::default().with_name("coney").with_tag("latest").start().await?;
    let (host, port) = (container.get_host().await?, container.get_host_port_ipv4(5672).await?);
    let uri = format!("amqp://guest:guest@{host}:{port}/%2f");
    let connection = Connection::connect(&uri, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await?;
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), "q".into(), options, b"hello", BasicProperties::default()).await?;
    let message = channel.basic_get("q".into(), BasicGetOptions { no_ack: true }).await?;
    assert_eq!(message.ok_or("no message")?.data, b"hello");
    println!("testcontainers for Rust: passed");
    Ok(())
}
