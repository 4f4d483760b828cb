//! Those who pass by: requests with direct replies, and connections, channels and queues that live for a moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::clients::Shared;
use crate::random::Random;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
const SERVER: &str = "soak.server";
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// A server and its client, over direct reply-to.
pub async fn requests(shared: Arc<Shared>, mut random: Random) {
    while shared.is_publishing() {
        let (life, name) = (shared.broker.life(), shared.name("requests"));
        let outcome = request_for_a_while(&shared, &name, 20 + random.below(200)).await;
        shared.judge(&name, life, outcome);
        sleep(Duration::from_millis(100)).await;
    }
}

async fn request_for_a_while(shared: &Shared, name: &str, count: u64) -> Result<()> {
    let connection = shared.connect(name).await?;
    let (server, client) = (connection.create_channel().await?, connection.create_channel().await?);
    let exclusive = QueueDeclareOptions { exclusive: true, ..Default::default() };
    server.queue_declare(SERVER.into(), exclusive, FieldTable::default()).await?;
    let no_ack = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut asked = server.basic_consume(SERVER.into(), "".into(), no_ack, FieldTable::default()).await?;
    let mut answered =
        client.basic_consume(REPLY_TO.into(), "".into(), no_ack, FieldTable::default()).await?;
    for number in 0..count {
        let body = number.to_be_bytes();
        let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
        let options = BasicPublishOptions::default();
        client.basic_publish("".into(), SERVER.into(), options, &body, properties).await?;
        let request = timeout(ANSWER_MAX, asked.next()).await?.ok_or("the server's consumer ended")??;
        let to = request.properties.reply_to().clone().ok_or("no reply-to")?;
        server.basic_publish("".into(), to, options, &request.data, BasicProperties::default()).await?;
        let answer = timeout(ANSWER_MAX, answered.next()).await?.ok_or("the client's consumer ended")??;
        if answer.data != body {
            return Err(format!("request {number} was answered {:?}", answer.data).into());
        }
        shared.passed.fetch_add(1, Ordering::Relaxed);
    }
    connection.close(200, "".into()).await?;
    Ok(())
}

/// Comes, makes something, uses it, and goes.
pub async fn churn(shared: Arc<Shared>, mut random: Random) {
    while shared.is_publishing() {
        let (life, name) = (shared.broker.life(), shared.name("passing by"));
        let outcome = pass(&shared, &name, &mut random).await;
        shared.judge(&name, life, outcome);
        sleep(Duration::from_millis(50)).await;
    }
}

async fn pass(shared: &Shared, name: &str, random: &mut Random) -> Result<()> {
    let connection = shared.connect(name).await?;
    for _ in 0..=random.below(3) {
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            exclusive: random.one_in(2),
            auto_delete: true,
            durable: random.one_in(2),
            ..Default::default()
        };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        let properties = BasicProperties::default();
        let publish = BasicPublishOptions::default();
        channel.basic_publish("".into(), queue.name().clone(), publish, b"one more", properties).await?;
        // The publish is before the get in the channel's order.
        let got = channel.basic_get(queue.name().clone(), BasicGetOptions { no_ack: true }).await?;
        if got.is_none() {
            return Err("a message on its own queue was not there".into());
        }
        channel.queue_delete(queue.name().clone(), Default::default()).await?;
        // Going out of scope, the client closes it.
        shared.passed.fetch_add(1, Ordering::Relaxed);
    }
    // lapin may tell here that it was about to close a channel that had gone out of scope.
    drop(connection.close(200, "".into()).await);
    Ok(())
}
