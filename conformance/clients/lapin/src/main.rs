//! What RabbitMQ's tutorials do, done with lapin and checked: `client-lapin URL`.
//!
//! With BROKER_RESTART (a command that kills the broker and starts it again) it also gets over a crash in the middle of
//! publishing: every message that was confirmed has to be there afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::*;
use lapin::types::FieldTable;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer, ExchangeKind,
};

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// Messages of the part that restarts the broker, and how many are confirmed before it.
const RESTART_MESSAGES: usize = 300;
const BEFORE_RESTART: usize = 100;

#[tokio::main]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("usage: client-lapin URL")?;
    tokio::time::timeout(LIMIT, run(&url)).await.context("it took too long")?
}

async fn run(url: &str) -> Result<()> {
    let id = format!("lapin-{}", std::process::id());
    let connection = connect(url).await?;
    hello(&connection, &id).await.context("hello")?;
    work(&connection, &id).await.context("work queues")?;
    publish_subscribe(&connection, &id).await.context("publish/subscribe")?;
    route(&connection, &id, ExchangeKind::Direct, "error", &["error"], &["info", "err"])
        .await
        .context("routing")?;
    route(
        &connection,
        &id,
        ExchangeKind::Topic,
        "*.critical.#",
        &["kern.critical", "a.critical.b.c"],
        &["critical", "kern.info"],
    )
    .await
    .context("topics")?;
    rpc(&connection, &id, false).await.context("RPC")?;
    rpc(&connection, &id, true).await.context("RPC with direct reply-to")?;
    confirms(&connection, &id).await.context("publisher confirms")?;
    // Channels that went out of scope are being closed, too: which of them comes first is all the same.
    drop(connection.close(200, "done".into()).await);
    let skipped = match std::env::var("BROKER_RESTART") {
        Ok(command) => {
            reconnect(url, &id, &command).await.context("reconnect")?;
            ""
        }
        Err(_) => " (reconnect skipped)",
    };
    println!("lapin 4.12.3: {} checks passed{skipped}", if skipped.is_empty() { 9 } else { 8 });
    Ok(())
}

async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// An exclusive queue; the broker names it if the name is empty.
async fn queue(channel: &Channel, name: &str) -> Result<String> {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    Ok(channel.queue_declare(name.into(), options, FieldTable::default()).await?.name().to_string())
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Result<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    Ok(channel
        .basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties)
        .await?
        .await?)
}

async fn consume(channel: &Channel, queue: &str) -> Result<Consumer> {
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

async fn next(consumer: &mut Consumer) -> Result<Delivery> {
    Ok(consumer.next().await.context("the consumer ended")??)
}

async fn next_text(consumer: &mut Consumer) -> Result<String> {
    let delivery = next(consumer).await?;
    delivery.ack(BasicAckOptions::default()).await?;
    Ok(String::from_utf8(delivery.data)?)
}

async fn hello(connection: &Connection, id: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel, id).await?;
    publish(&channel, "", &queue, "Hello World!", BasicProperties::default()).await?;
    let text = next_text(&mut consume(&channel, &queue).await?).await?;
    ensure!(text == "Hello World!", "got {text:?}");
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    Ok(())
}

/// Two workers with a prefetch of 1; what a worker had when its channel closed comes back to the other.
async fn work(connection: &Connection, id: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    let queue = queue(&channel, &format!("{id}-work")).await?;
    let (first, second) = (connection.create_channel().await?, connection.create_channel().await?);
    for worker in [&first, &second] {
        worker.basic_qos(1, BasicQosOptions::default()).await?;
    }
    let mut leaver = consume(&first, &queue).await?;
    for task in 0..10 {
        publish(&channel, "", &queue, &task.to_string(), BasicProperties::default()).await?;
    }
    let held = next(&mut leaver).await?;
    ensure!(held.data == b"0" && !held.redelivered, "first task {:?}", held.data);
    first.close(200, "gone".into()).await?;
    let mut worker = consume(&second, &queue).await?;
    for task in 0..10 {
        let delivery = next(&mut worker).await?;
        ensure!(delivery.data == task.to_string().as_bytes(), "task {:?} instead of {task}", delivery.data);
        ensure!(delivery.redelivered == (task == 0), "redelivered of task {task}");
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

async fn publish_subscribe(connection: &Connection, id: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    let exchange = format!("{id}-logs");
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    channel
        .exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, options, FieldTable::default())
        .await?;
    let mut subscribers = Vec::new();
    for _ in 0..2 {
        let queue = queue(&channel, "").await?;
        let bind = QueueBindOptions::default();
        channel
            .queue_bind(
                queue.as_str().into(),
                exchange.as_str().into(),
                "".into(),
                bind,
                FieldTable::default(),
            )
            .await?;
        subscribers.push(consume(&channel, &queue).await?);
    }
    publish(&channel, &exchange, "", "to all", BasicProperties::default()).await?;
    for subscriber in &mut subscribers {
        let text = next_text(subscriber).await?;
        ensure!(text == "to all", "got {text:?}");
    }
    channel.close(200, "done".into()).await?;
    Ok(())
}

/// Binds a queue by one key; `through` arrive in order, `not` don't.
async fn route(
    connection: &Connection,
    id: &str,
    kind: ExchangeKind,
    key: &str,
    through: &[&str],
    not: &[&str],
) -> Result<()> {
    let channel = connection.create_channel().await?;
    let exchange = format!("{id}-{kind:?}");
    let options = ExchangeDeclareOptions { auto_delete: true, ..Default::default() };
    channel.exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default()).await?;
    let queue = queue(&channel, "").await?;
    let bind = QueueBindOptions::default();
    channel
        .queue_bind(queue.as_str().into(), exchange.as_str().into(), key.into(), bind, FieldTable::default())
        .await?;
    for key in not.iter().chain(through) {
        publish(&channel, &exchange, key, key, BasicProperties::default()).await?;
    }
    let mut consumer = consume(&channel, &queue).await?;
    for key in through {
        let text = next_text(&mut consumer).await?;
        ensure!(text == *key, "got {text:?} instead of {key:?}");
    }
    channel.close(200, "done".into()).await?;
    Ok(())
}

/// Five calls to a server that doubles numbers; the replies come to a queue of the client's, or without one.
async fn rpc(connection: &Connection, id: &str, direct: bool) -> Result<()> {
    let (server, client) = (connection.create_channel().await?, connection.create_channel().await?);
    let requests = queue(&server, &format!("{id}-rpc-{direct}")).await?;
    let mut served = consume(&server, &requests).await?;
    let (replies, mut answers) = if direct {
        let options = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let name = "amq.rabbitmq.reply-to".to_owned();
        let consumer =
            client.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await?;
        (name, consumer)
    } else {
        let name = queue(&client, "").await?;
        let consumer = consume(&client, &name).await?;
        (name, consumer)
    };
    for number in 1..=5 {
        let properties = BasicProperties::default()
            .with_correlation_id(number.to_string().into())
            .with_reply_to(replies.as_str().into());
        publish(&client, "", &requests, &number.to_string(), properties).await?;
        let request = next(&mut served).await?;
        let address = request.properties.reply_to().clone().context("no reply-to")?.to_string();
        let correlation = request.properties.correlation_id().clone().context("no correlation id")?;
        let doubled = 2 * std::str::from_utf8(&request.data)?.parse::<i32>()?;
        publish(
            &server,
            "",
            &address,
            &doubled.to_string(),
            BasicProperties::default().with_correlation_id(correlation),
        )
        .await?;
        request.ack(BasicAckOptions::default()).await?;
        let answer = next(&mut answers).await?;
        ensure!(answer.data == (2 * number).to_string().as_bytes(), "answer {:?} to {number}", answer.data);
        let correlation = answer.properties.correlation_id().as_ref().map(ToString::to_string);
        ensure!(correlation == Some(number.to_string()), "correlation id {correlation:?}");
    }
    server.close(200, "done".into()).await?;
    client.close(200, "done".into()).await?;
    Ok(())
}

async fn confirms(connection: &Connection, id: &str) -> Result<()> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = format!("{id}-durable");
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
    let mut open = Vec::new();
    for _ in 0..200 {
        let (options, properties) =
            (BasicPublishOptions::default(), BasicProperties::default().with_delivery_mode(2));
        open.push(
            channel.basic_publish("".into(), queue.as_str().into(), options, b"kept", properties).await?,
        );
    }
    for confirm in open {
        ensure!(confirm.await?.is_ack(), "not confirmed");
    }
    match publish(&channel, "", &format!("{id}-nowhere"), "back", BasicProperties::default()).await? {
        Confirmation::Ack(Some(returned)) => {
            ensure!(returned.reply_code == 312, "returned with {}", returned.reply_code)
        }
        other => bail!("{other:?} instead of a return"),
    }
    let messages = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    ensure!(messages == 200, "{messages} messages of 200");
    Ok(())
}

/// A program that has to get its messages through, whatever happens to the broker.
async fn reconnect(url: &str, id: &str, restart: &str) -> Result<()> {
    let queue = format!("{id}-crash");
    let mut confirmed = BTreeSet::new();
    let mut restarted = false;
    while confirmed.len() < RESTART_MESSAGES {
        // Whatever fails here is answered by connecting again and publishing what is not confirmed.
        if publish_rest(url, &queue, restart, &mut confirmed, &mut restarted).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let connection = connect(url).await?;
    let channel = connection.create_channel().await?;
    let mut found = BTreeSet::new();
    while let Some(message) =
        channel.basic_get(queue.as_str().into(), BasicGetOptions { no_ack: true }).await?
    {
        let number = message.delivery.properties.message_id().clone().context("no message id")?;
        found.insert(number.as_str().parse::<usize>()?);
    }
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    let lost: Vec<_> = confirmed.difference(&found).collect();
    ensure!(lost.is_empty() && restarted, "confirmed and lost: {lost:?}");
    Ok(())
}

async fn publish_rest(
    url: &str,
    queue: &str,
    restart: &str,
    confirmed: &mut BTreeSet<usize>,
    restarted: &mut bool,
) -> Result<()> {
    let connection = connect(url).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    let missing: Vec<usize> = (0..RESTART_MESSAGES).filter(|number| !confirmed.contains(number)).collect();
    let mut open = Vec::new();
    for number in missing {
        let properties =
            BasicProperties::default().with_delivery_mode(2).with_message_id(number.to_string().into());
        let options = BasicPublishOptions::default();
        open.push((
            number,
            channel.basic_publish("".into(), queue.into(), options, b"kept", properties).await?,
        ));
        if open.len() < 10 {
            continue;
        }
        for (number, confirm) in open.drain(..) {
            ensure!(confirm.await?.is_ack(), "not confirmed");
            confirmed.insert(number);
        }
        if confirmed.len() >= BEFORE_RESTART && !*restarted {
            *restarted = true;
            let command = restart.to_owned();
            // In the middle of publishing: it goes on while the broker goes down.
            tokio::spawn(
                async move { tokio::process::Command::new("sh").args(["-c", &command]).status().await },
            );
        }
    }
    for (number, confirm) in open {
        ensure!(confirm.await?.is_ack(), "not confirmed");
        confirmed.insert(number);
    }
    Ok(())
}
