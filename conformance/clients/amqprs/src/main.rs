//! What RabbitMQ's tutorials do, done with amqprs and checked: `client-amqprs URL`.

use std::collections::BTreeSet;
use std::time::Duration;

use amqprs::callbacks::{DefaultChannelCallback, DefaultConnectionCallback};
use amqprs::channel::*;
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{BasicProperties, DELIVERY_MODE_PERSISTENT};
use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc::UnboundedReceiver;

/// Nothing here takes longer.
const LIMIT: Duration = Duration::from_secs(60);
const RESTART_MESSAGES: usize = 300;
const BEFORE_RESTART: usize = 100;

// One thread: amqprs panics if the answer to a get is there before its own note of who waits for it, which are two tasks.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args().nth(1).context("usage: client-amqprs URL")?;
    tokio::time::timeout(LIMIT, run(&url)).await.context("it took too long")?
}

async fn run(url: &str) -> Result<()> {
    let id = format!("amqprs-{}", std::process::id());
    let connection = connect(url).await?;
    hello(&connection, &id).await.context("hello")?;
    work(&connection, &id).await.context("work queues")?;
    publish_subscribe(&connection, &id).await.context("publish/subscribe")?;
    route(&connection, &id, "direct", "error", &["error"], &["info", "err"]).await.context("routing")?;
    let through = ["kern.critical", "a.critical.b.c"];
    route(&connection, &id, "topic", "*.critical.#", &through, &["critical", "kern.info"])
        .await
        .context("topics")?;
    rpc(&connection, &id).await.context("RPC")?;
    connection.close().await?;
    let skipped = match std::env::var("BROKER_RESTART") {
        Ok(command) => {
            reconnect(url, &id, &command).await.context("reconnect")?;
            ""
        }
        Err(_) => " (reconnect skipped)",
    };
    println!("amqprs 2.1.5: {} checks passed{skipped}", if skipped.is_empty() { 7 } else { 6 });
    Ok(())
}

async fn connect(url: &str) -> Result<Connection> {
    let rest = url.strip_prefix("amqp://").context("not an amqp:// address")?;
    let (login, place) = rest.split_once('@').context("no user")?;
    let (user, password) = login.split_once(':').context("no password")?;
    let (host, port) = place.trim_end_matches('/').rsplit_once(':').context("no port")?;
    let connection =
        Connection::open(&OpenConnectionArguments::new(host, port.parse()?, user, password)).await?;
    connection.register_callback(DefaultConnectionCallback).await?;
    Ok(connection)
}

async fn open(connection: &Connection) -> Result<Channel> {
    let channel = connection.open_channel(None).await?;
    channel.register_callback(DefaultChannelCallback).await?;
    Ok(channel)
}

/// An exclusive queue; the broker names it if the name is empty.
async fn queue(channel: &Channel, name: &str) -> Result<String> {
    let args = QueueDeclareArguments::new(name).exclusive(true).finish();
    let (name, ..) = channel.queue_declare(args).await?.context("no answer")?;
    Ok(name)
}

async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &str,
    properties: BasicProperties,
) -> Result<()> {
    let args = BasicPublishArguments::new(exchange, key);
    Ok(channel.basic_publish(properties, body.as_bytes().to_vec(), args).await?)
}

async fn consume(channel: &Channel, queue: &str) -> Result<UnboundedReceiver<ConsumerMessage>> {
    let (_, receiver) = channel.basic_consume_rx(BasicConsumeArguments::new(queue, "")).await?;
    Ok(receiver)
}

/// The next delivery, acked: its text, whether it was delivered before, and its properties.
async fn next(
    channel: &Channel,
    consumer: &mut UnboundedReceiver<ConsumerMessage>,
) -> Result<(String, bool, BasicProperties)> {
    let message = consumer.recv().await.context("the consumer ended")?;
    let deliver = message.deliver.context("no deliver")?;
    channel.basic_ack(BasicAckArguments::new(deliver.delivery_tag(), false)).await?;
    let body = String::from_utf8(message.content.context("no content")?)?;
    Ok((body, deliver.redelivered(), message.basic_properties.context("no properties")?))
}

async fn hello(connection: &Connection, id: &str) -> Result<()> {
    let channel = open(connection).await?;
    let queue = queue(&channel, id).await?;
    publish(&channel, "", &queue, "Hello World!", BasicProperties::default()).await?;
    let mut consumer = consume(&channel, &queue).await?;
    let (text, ..) = next(&channel, &mut consumer).await?;
    ensure!(text == "Hello World!", "got {text:?}");
    channel.close().await?;
    Ok(())
}

/// Two workers with a prefetch of 1; what a worker had when its channel closed comes back to the other.
async fn work(connection: &Connection, id: &str) -> Result<()> {
    let (channel, first, second) =
        (open(connection).await?, open(connection).await?, open(connection).await?);
    let queue = queue(&channel, &format!("{id}-work")).await?;
    for worker in [&first, &second] {
        worker.basic_qos(BasicQosArguments::new(0, 1, false)).await?;
    }
    let mut leaver = consume(&first, &queue).await?;
    for task in 0..10 {
        publish(&channel, "", &queue, &task.to_string(), BasicProperties::default()).await?;
    }
    let held = leaver.recv().await.context("no task")?;
    ensure!(held.content.as_deref() == Some(b"0"), "first task {:?}", held.content);
    first.close().await?;
    let mut worker = consume(&second, &queue).await?;
    for task in 0..10 {
        let (text, redelivered, _) = next(&second, &mut worker).await?;
        ensure!(
            text == task.to_string() && redelivered == (task == 0),
            "task {text} ({redelivered}) instead of {task}"
        );
    }
    Ok(())
}

async fn publish_subscribe(connection: &Connection, id: &str) -> Result<()> {
    let channel = open(connection).await?;
    let exchange = format!("{id}-logs");
    channel
        .exchange_declare(ExchangeDeclareArguments::new(&exchange, "fanout").auto_delete(true).finish())
        .await?;
    let mut subscribers = Vec::new();
    for _ in 0..2 {
        let queue = queue(&channel, "").await?;
        channel.queue_bind(QueueBindArguments::new(&queue, &exchange, "")).await?;
        subscribers.push(consume(&channel, &queue).await?);
    }
    publish(&channel, &exchange, "", "to all", BasicProperties::default()).await?;
    for subscriber in &mut subscribers {
        let (text, ..) = next(&channel, subscriber).await?;
        ensure!(text == "to all", "got {text:?}");
    }
    channel.close().await?;
    Ok(())
}

/// Binds a queue by one key; `through` arrive in order, `not` don't.
async fn route(
    connection: &Connection,
    id: &str,
    kind: &str,
    key: &str,
    through: &[&str],
    not: &[&str],
) -> Result<()> {
    let channel = open(connection).await?;
    let exchange = format!("{id}-{kind}");
    channel
        .exchange_declare(ExchangeDeclareArguments::new(&exchange, kind).auto_delete(true).finish())
        .await?;
    let queue = queue(&channel, "").await?;
    channel.queue_bind(QueueBindArguments::new(&queue, &exchange, key)).await?;
    for key in not.iter().chain(through) {
        publish(&channel, &exchange, key, key, BasicProperties::default()).await?;
    }
    let mut consumer = consume(&channel, &queue).await?;
    for key in through {
        let (text, ..) = next(&channel, &mut consumer).await?;
        ensure!(text == *key, "got {text:?} instead of {key:?}");
    }
    channel.close().await?;
    Ok(())
}

/// Five calls to a server that doubles numbers.
async fn rpc(connection: &Connection, id: &str) -> Result<()> {
    let (server, client) = (open(connection).await?, open(connection).await?);
    let requests = queue(&server, &format!("{id}-rpc")).await?;
    let replies = queue(&client, "").await?;
    let mut served = consume(&server, &requests).await?;
    let mut answers = consume(&client, &replies).await?;
    for number in 1..=5 {
        let properties = BasicProperties::default()
            .with_correlation_id(&number.to_string())
            .with_reply_to(&replies)
            .finish();
        publish(&client, "", &requests, &number.to_string(), properties).await?;
        let (text, _, properties) = next(&server, &mut served).await?;
        let address = properties.reply_to().context("no reply-to")?.clone();
        let correlation = properties.correlation_id().context("no correlation id")?.clone();
        let doubled = (2 * text.parse::<i32>()?).to_string();
        let reply = BasicProperties::default().with_correlation_id(&correlation).finish();
        publish(&server, "", &address, &doubled, reply).await?;
        let (text, _, properties) = next(&client, &mut answers).await?;
        ensure!(text == (2 * number).to_string(), "answer {text} to {number}");
        ensure!(properties.correlation_id() == Some(&number.to_string()), "another correlation id");
    }
    server.close().await?;
    client.close().await?;
    Ok(())
}

/// amqprs hands confirms to a callback that cannot tell publishes apart by itself, so each batch here ends with a commit:
/// what was committed has to be there, whatever happens to the broker.
async fn reconnect(url: &str, id: &str, restart: &str) -> Result<()> {
    let queue = format!("{id}-crash");
    let mut safe = BTreeSet::new();
    let mut restarted = false;
    while safe.len() < RESTART_MESSAGES {
        if publish_rest(url, &queue, restart, &mut safe, &mut restarted).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let connection = connect(url).await?;
    let channel = open(&connection).await?;
    let mut found = BTreeSet::new();
    while let Some((_, properties, _)) =
        channel.basic_get(BasicGetArguments::new(&queue).no_ack(true).finish()).await?
    {
        found.insert(properties.message_id().context("no message id")?.parse::<usize>()?);
    }
    channel.queue_delete(QueueDeleteArguments::new(&queue)).await?;
    let lost: Vec<_> = safe.difference(&found).collect();
    ensure!(lost.is_empty() && restarted, "committed and lost: {lost:?}");
    connection.close().await?;
    Ok(())
}

async fn publish_rest(
    url: &str,
    queue: &str,
    restart: &str,
    safe: &mut BTreeSet<usize>,
    restarted: &mut bool,
) -> Result<()> {
    let connection = connect(url).await?;
    let channel = open(&connection).await?;
    channel.queue_declare(QueueDeclareArguments::new(queue).durable(true).finish()).await?;
    channel.tx_select().await?;
    let missing: Vec<usize> = (0..RESTART_MESSAGES).filter(|number| !safe.contains(number)).collect();
    for batch in missing.chunks(10) {
        for number in batch {
            let properties = BasicProperties::default()
                .with_delivery_mode(DELIVERY_MODE_PERSISTENT)
                .with_message_id(&number.to_string())
                .finish();
            publish(&channel, "", queue, "kept", properties).await?;
        }
        tokio::time::timeout(Duration::from_secs(5), channel.tx_commit()).await??;
        safe.extend(batch);
        if safe.len() >= BEFORE_RESTART && !*restarted {
            *restarted = true;
            let command = restart.to_owned();
            // In the middle of publishing: it goes on while the broker goes down.
            tokio::spawn(
                async move { tokio::process::Command::new("sh").args(["-c", &command]).status().await },
            );
        }
    }
    Ok(())
}
