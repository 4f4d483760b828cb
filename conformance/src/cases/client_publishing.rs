//! What a client library does, here lapin: managing queues and exchanges, publishing, and errors as programs see them.

use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions,
    ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    ExchangeUnbindOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ErrorKind, ExchangeKind,
};

use crate::case::{Check, Ctx, Stop, ensure, fail, same};

const QUEUES: &str = "AMQP 0-9-1, 1.7 (queue)";
const EXCHANGES: &str = "AMQP 0-9-1, 1.6 (exchange)";
const CONFIRMS: &str = "RabbitMQ: Tutorials, Publisher Confirms";
const ERRORS: &str = "AMQP 0-9-1, 1.2 (reply codes); RabbitMQ: Channels, Errors";

/// A channel with an exclusive queue.
async fn channel(ctx: &Ctx, connection: &Connection) -> Check<Channel> {
    let channel = connection.create_channel().await?;
    declare(&channel, &ctx.name("q")).await?;
    Ok(channel)
}

async fn declare(channel: &Channel, queue: &str) -> Check {
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok(())
}

async fn publish(channel: &Channel, exchange: &str, key: &str, body: &[u8]) -> Check<Confirmation> {
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    Ok(channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await?)
}

/// The bodies in a queue.
async fn drain(channel: &Channel, queue: &str) -> Check<Vec<String>> {
    let mut bodies = Vec::new();
    while let Some(got) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await? {
        bodies.push(String::from_utf8_lossy(&got.delivery.data).into_owned());
    }
    Ok(bodies)
}

/// The code of the error that a broker closed a channel or a connection with.
fn code<T>(result: Result<T, lapin::Error>) -> Check<u16> {
    let Err(error) = result else { return fail("it was accepted") };
    match error.kind() {
        ErrorKind::ProtocolError(error) => Ok(error.get_id()),
        other => fail(format!("{other:?}, expected an AMQP error")),
    }
}

/// Connects to this address and tells the code of the refusal.
async fn refused(uri: &str) -> Check<u16> {
    code(Connection::connect(uri, ConnectionProperties::default()).await)
}

crate::cases! {
    "client.get.empty", "A get of an empty queue", "AMQP 0-9-1, 1.8.3.11 (basic.get)",
    "nothing, and the next get still works", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let got = channel.basic_get(q.as_str().into(), BasicGetOptions::default()).await?;
        ensure(got.is_none(), "there was a message")?;
        publish(&channel, "", &q, b"m").await?;
        same("bodies", drain(&channel, &q).await?, ["m"])?;
    }
    "client.get.counts-and-acks", "Gets with acks", "AMQP 0-9-1, 1.8.3.11 (basic.get)",
    "the number of messages left, and what was rejected comes again, redelivered", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let q = ctx.name("q");
        for body in [b"a", b"b", b"c"] {
            publish(&channel, "", &q, body).await?;
        }
        let Some(first) = channel.basic_get(q.as_str().into(), BasicGetOptions::default()).await? else {
            return fail("the queue is empty");
        };
        same("first", (first.delivery.data.as_slice(), first.message_count), (&b"a"[..], 2))?;
        first.delivery.reject(BasicRejectOptions { requeue: true }).await?;
        let Some(again) = channel.basic_get(q.as_str().into(), BasicGetOptions::default()).await? else {
            return fail("the queue is empty");
        };
        same("again", (again.delivery.data.as_slice(), again.delivery.redelivered), (&b"a"[..], true))?;
        again.delivery.ack(BasicAckOptions::default()).await?;
        same("bodies", drain(&channel, &q).await?, ["b", "c"])?;
    }
    "client.queue.management", "Declaring, binding, purging, unbinding and deleting a queue", QUEUES,
    "with the counts of messages", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let q = ctx.name("q");
        let none = FieldTable::default;
        let declared = channel.queue_declare(q.as_str().into(), QueueDeclareOptions::default(), none()).await?;
        same("declared", (declared.message_count(), declared.consumer_count()), (0, 0))?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(q.as_str().into(), "amq.topic".into(), "*.k".into(), bind, none()).await?;
        for _ in 0..3 {
            publish(&channel, "amq.topic", "a.k", b"m").await?;
        }
        same("purged", channel.queue_purge(q.as_str().into(), QueuePurgeOptions::default()).await?, 3)?;
        publish(&channel, "amq.topic", "b.k", b"m").await?;
        channel.queue_unbind(q.as_str().into(), "amq.topic".into(), "*.k".into(), none()).await?;
        publish(&channel, "amq.topic", "c.k", b"m").await?;
        same("deleted", channel.queue_delete(q.as_str().into(), QueueDeleteOptions::default()).await?, 1)?;
    }
    "client.exchange.management", "Declaring, binding, unbinding and deleting exchanges", EXCHANGES,
    "messages go through while they are bound", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let none = FieldTable::default;
        for (name, kind) in [(&a, ExchangeKind::Direct), (&b, ExchangeKind::Fanout)] {
            let options = ExchangeDeclareOptions { auto_delete: false, ..Default::default() };
            channel.exchange_declare(name.as_str().into(), kind, options, none()).await?;
        }
        let (source, target) = (a.as_str(), b.as_str());
        let bind = ExchangeBindOptions::default();
        channel.exchange_bind(target.into(), source.into(), "k".into(), bind, none()).await?;
        channel.queue_bind(q.as_str().into(), target.into(), "".into(), QueueBindOptions::default(), none()).await?;
        publish(&channel, &a, "k", b"through").await?;
        let unbind = ExchangeUnbindOptions::default();
        channel.exchange_unbind(target.into(), source.into(), "k".into(), unbind, none()).await?;
        publish(&channel, &a, "k", b"not through").await?;
        channel.exchange_delete(source.into(), ExchangeDeleteOptions::default()).await?;
        same("bodies", drain(&channel, &q).await?, ["through"])?;
        let passive = ExchangeDeclareOptions { passive: true, ..Default::default() };
        let gone = channel.exchange_declare(source.into(), ExchangeKind::Direct, passive, none()).await;
        same("code", code(gone)?, 404)?;
    }
    "client.publish.confirms", "A thousand publishes with confirms", CONFIRMS,
    "each is acked, and the queue has them in order", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let q = ctx.name("q");
        let mut confirms = Vec::new();
        for number in 0..1000 {
            let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
            let body = number.to_string();
            let key = q.as_str().into();
            confirms.push(channel.basic_publish("".into(), key, options, body.as_bytes(), properties).await?);
        }
        for confirm in confirms {
            same("confirm", confirm.await?, Confirmation::Ack(None))?;
        }
        same("bodies", drain(&channel, &q).await?, (0..1000).map(|number| number.to_string()).collect::<Vec<_>>())?;
    }
    "client.publish.nacked", "A full queue that refuses publishes", "RabbitMQ: Queue Length Limit",
    "the program sees a nack", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let mut args = FieldTable::default();
        args.insert("x-max-length".into(), AMQPValue::LongInt(1));
        args.insert("x-overflow".into(), AMQPValue::LongString(LongString::from("reject-publish")));
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        channel.queue_declare(ctx.name("q").into(), options, args).await?;
        ensure(publish(&channel, "", &ctx.name("q"), b"a").await?.is_ack(), "the first was not acked")?;
        ensure(publish(&channel, "", &ctx.name("q"), b"b").await?.is_nack(), "the second was not nacked")?;
        same("bodies", drain(&channel, &ctx.name("q")).await?, ["a"])?;
    }
    "client.publish.headers", "Headers and properties through a client library", "AMQP 0-9-1, 1.8.1 (basic properties)",
    "as they were, with their types", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let mut headers = FieldTable::default();
        headers.insert("number".into(), AMQPValue::LongLongInt(-1));
        headers.insert("text".into(), AMQPValue::LongString(LongString::from("text")));
        headers.insert("time".into(), AMQPValue::Timestamp(1_700_000_000));
        headers.insert("none".into(), AMQPValue::Void);
        headers.insert("double".into(), AMQPValue::Double(0.5));
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_correlation_id("correlation".into())
            .with_reply_to("reply".into())
            .with_timestamp(1_700_000_000)
            .with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), q.as_str().into(), options, b"m", properties.clone()).await?.await?;
        let consume = BasicConsumeOptions { no_ack: true, ..Default::default() };
        let mut consumer = channel.basic_consume(q.as_str().into(), "t".into(), consume, FieldTable::default()).await?;
        let Some(delivery) = consumer.next().await else { return fail("the consumer ended") };
        same("properties", delivery?.properties, properties)?;
    }
    "client.error.not-found", "404 is what a program sees", ERRORS,
    "of a passive declare, and the channel is closed", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let missing = ctx.name("missing");
        let declared = channel.queue_declare(missing.as_str().into(), passive, FieldTable::default()).await;
        same("code", code(declared)?, 404)?;
        ensure(!channel.status().connected(), "the channel is still open")?;
        ensure(connection.status().connected(), "the connection is closed")?;
    }
    "client.error.precondition", "406 is what a program sees", ERRORS,
    "of a declaration that is not equivalent", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let mut args = FieldTable::default();
        args.insert("x-max-length".into(), AMQPValue::LongInt(5));
        let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
        let declared = channel.queue_declare(ctx.name("q").into(), options, args).await;
        same("code", code(declared)?, 406)?;
    }
    "client.error.access-refused", "403 is what a program sees", ERRORS,
    "of a reserved name", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions::default();
        let declared = channel.queue_declare("amq.mine".into(), options, FieldTable::default()).await;
        same("code", code(declared)?, 403)?;
    }
    "client.error.locked", "405 is what a program sees", ERRORS,
    "of another connection's exclusive queue", |ctx| {
        let owner = ctx.lapin().await?;
        let _channel = channel(&ctx, &owner).await?;
        let connection = ctx.lapin().await?;
        let other = connection.create_channel().await?;
        let deleted = other.queue_delete(ctx.name("q").into(), QueueDeleteOptions::default()).await;
        same("code", code(deleted)?, 405)?;
    }
    "client.error.unknown-exchange", "Publishing to an exchange that is not there", ERRORS,
    "404 at the confirm or the next call", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let exchange = ctx.name("missing");
        let published = channel.basic_publish(exchange.as_str().into(), "k".into(), options, b"m", properties).await?;
        same("code", code(published.await)?, 404)?;
    }
    "client.error.wrong-password", "A wrong password", "RabbitMQ: Authentication",
    "403 is what a program sees", |ctx| {
        let target = &ctx.target;
        let path = target.vhost.replace('/', "%2f");
        same("code", refused(&format!("amqp://{}:wrong@{}/{path}", target.user, target.address)).await?, 403)?;
    }
    "client.error.unknown-vhost", "A vhost that is not there", "AMQP 0-9-1, 1.4.2.7 (connection.open)",
    "530 is what a program sees", |ctx| {
        let target = &ctx.target;
        let uri = format!("amqp://{}:{}@{}/{}", target.user, target.password, target.address, ctx.name("v"));
        same("code", refused(&uri).await?, 530)?;
    }
    "client.channel.ten-tasks", "Ten tasks, each with a channel, a queue and a consumer", "AMQP 0-9-1, 1.5 (channel)",
    "each gets its own fifty messages in order", |ctx| {
        let connection = std::sync::Arc::new(ctx.lapin().await?);
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..10 {
            let (connection, q) = (std::sync::Arc::clone(&connection), ctx.name(&format!("q{task}")));
            tasks.spawn(async move {
                let channel = connection.create_channel().await?;
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                declare(&channel, &q).await?;
                let options = BasicConsumeOptions::default();
                let args = FieldTable::default();
                let mut consumer = channel.basic_consume(q.as_str().into(), "t".into(), options, args).await?;
                for number in 0..50_u8 {
                    ensure(publish(&channel, "", &q, &[task, number]).await?.is_ack(), "not confirmed")?;
                    let Some(delivery) = consumer.next().await else { return fail("the consumer ended") };
                    let delivery = delivery?;
                    same("body", delivery.data.as_slice(), [task, number])?;
                    delivery.ack(BasicAckOptions::default()).await?;
                }
                Ok::<(), Stop>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
    }
    "client.connection.close", "A closed connection is closed", "AMQP 0-9-1, 1.4.2.9 (connection.close)",
    "its channels are closed, and its exclusive queue is gone", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        connection.close(200, "bye".into()).await?;
        ensure(!channel.status().connected(), "the channel is still open")?;
        let mut raw = ctx.raw().await?;
        raw.until_gone(&ctx.name("q")).await?;
    }
}
