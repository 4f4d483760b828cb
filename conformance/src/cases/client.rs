//! What a usual client library does, here lapin: several features together, as programs use them.

use futures_lite::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions,
    BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Consumer, ExchangeKind};

use crate::case::{Check, Ctx, ensure, fail, same};

const REF: &str = "RabbitMQ: Tutorials";

/// A channel in confirm mode with an exclusive queue.
async fn channel(ctx: &Ctx, connection: &lapin::Connection) -> Check<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare(ctx.name("q").into(), options, FieldTable::default()).await?;
    Ok(channel)
}

async fn publish(
    channel: &Channel,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Check<Confirmation> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    Ok(channel.basic_publish("".into(), key.into(), options, body, properties).await?.await?)
}

async fn consume(channel: &Channel, queue: &str, tag: &str) -> Check<Consumer> {
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), tag.into(), options, FieldTable::default()).await?)
}

async fn next(consumer: &mut Consumer) -> Check<lapin::message::Delivery> {
    match consumer.next().await {
        Some(delivery) => Ok(delivery?),
        None => fail("the consumer ended"),
    }
}

crate::cases! {
    "client.hello.round-trip", "Publish, consume, ack", REF,
    "the message with its properties", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let mut consumer = consume(&channel, &q, "c").await?;
        let properties = BasicProperties::default().with_content_type("text/plain".into()).with_priority(3);
        ensure(publish(&channel, &q, b"hello", properties.clone()).await?.is_ack(), "not confirmed")?;
        let delivery = next(&mut consumer).await?;
        same("body", delivery.data.as_slice(), b"hello")?;
        same("properties", &delivery.properties, &properties)?;
        delivery.ack(BasicAckOptions::default()).await?;
        connection.close(200, "bye".into()).await?;
    }
    "client.work.fair-dispatch", "Two workers with a prefetch of 1", REF,
    "a busy worker gets nothing more, the other gets the rest", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let (busy, idle) = (connection.create_channel().await?, connection.create_channel().await?);
        busy.basic_qos(1, BasicQosOptions::default()).await?;
        idle.basic_qos(1, BasicQosOptions::default()).await?;
        let mut first = consume(&busy, &q, "busy").await?;
        publish(&channel, &q, b"0", BasicProperties::default()).await?;
        let held = next(&mut first).await?;
        let mut second = consume(&idle, &q, "idle").await?;
        for number in 1..10_u8 {
            publish(&channel, &q, &[number], BasicProperties::default()).await?;
        }
        for number in 1..10_u8 {
            let delivery = next(&mut second).await?;
            same("task", delivery.data.as_slice(), [number])?;
            delivery.ack(BasicAckOptions::default()).await?;
        }
        held.ack(BasicAckOptions::default()).await?;
    }
    "client.work.nack-moves-on", "A task that is nacked goes to another worker", REF,
    "redelivered there", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let failing = connection.create_channel().await?;
        let mut first = consume(&failing, &q, "failing").await?;
        publish(&channel, &q, b"task", BasicProperties::default()).await?;
        let task = next(&mut first).await?;
        failing.basic_cancel("failing".into(), BasicCancelOptions::default()).await?;
        let mut second = consume(&channel, &q, "other").await?;
        task.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
        let again = next(&mut second).await?;
        same("task", (again.data.as_slice(), again.redelivered), (&b"task"[..], true))?;
        again.ack(BasicAckOptions::default()).await?;
    }
    "client.publish.large-message", "A message of 5 MB", REF,
    "it arrives as sent", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let body: Vec<u8> = (0..5_000_000_u32).map(|index| (index % 253) as u8).collect();
        ensure(publish(&channel, &q, &body, BasicProperties::default()).await?.is_ack(), "not confirmed")?;
        let Some(got) = channel.basic_get(q.into(), BasicGetOptions { no_ack: true }).await? else {
            return fail("the queue is empty");
        };
        ensure(got.delivery.data == body, "the body changed")?;
    }
    "client.publish.returned", "A message without a queue comes back with its confirm", REF,
    "the message in the confirmation", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        match publish(&channel, &ctx.name("nowhere"), b"m", BasicProperties::default()).await? {
            Confirmation::Ack(Some(returned)) => {
                same("return", (returned.reply_code, returned.delivery.data.as_slice()), (312, &b"m"[..]))?;
            }
            other => return fail(format!("{other:?}, expected an ack with the returned message")),
        }
    }
    "client.publish.many-channels", "Ten channels publish at the same time", REF,
    "everything arrives", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let q = ctx.name("q");
        let (mut channels, mut confirms) = (Vec::new(), Vec::new());
        for _ in 0..10 {
            let other = connection.create_channel().await?;
            other.confirm_select(ConfirmSelectOptions::default()).await?;
            for number in 0..50_u8 {
                let options = BasicPublishOptions::default();
                let key = q.as_str().into();
                confirms.push(other.basic_publish("".into(), key, options, &[number], BasicProperties::default()).await?);
            }
            channels.push(other);
        }
        for confirm in confirms {
            ensure(confirm.await?.is_ack(), "not confirmed")?;
        }
        let passive = QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(q.into(), passive, FieldTable::default()).await?;
        same("messages", queue.message_count(), 500_u32)?;
    }
    "client.error.channel", "An error is told to the program, and the connection lives on", "AMQP 0-9-1, 1.5.2.5 (channel.close)",
    "404 on one channel, another works", |ctx| {
        let connection = ctx.lapin().await?;
        let broken = connection.create_channel().await?;
        let options = QueueDeleteOptions::default();
        let bound = broken.queue_bind(
            ctx.name("missing").into(), "amq.direct".into(), "k".into(), QueueBindOptions::default(), FieldTable::default(),
        );
        let Err(error) = bound.await else { return fail("binding a missing queue was accepted") };
        ensure(error.to_string().contains("NOT_FOUND"), error.to_string())?;
        let channel = channel(&ctx, &connection).await?;
        channel.queue_delete(ctx.name("q").into(), options).await?;
    }
    "client.topology.publish-subscribe", "A fanout to two subscribers", REF,
    "each gets each message", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let x = ctx.name("x");
        let kind = ExchangeKind::Fanout;
        channel.exchange_declare(x.as_str().into(), kind, ExchangeDeclareOptions::default(), FieldTable::default()).await?;
        let mut subscribers = Vec::new();
        for _ in 0..2 {
            let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
            let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?.name().to_string();
            let bind = QueueBindOptions::default();
            channel.queue_bind(queue.as_str().into(), x.as_str().into(), "".into(), bind, FieldTable::default()).await?;
            subscribers.push(consume(&channel, &queue, "").await?);
        }
        for body in [b"1", b"2"] {
            let options = BasicPublishOptions::default();
            channel.basic_publish(x.as_str().into(), "".into(), options, body, BasicProperties::default()).await?.await?;
        }
        for subscriber in &mut subscribers {
            for body in [b"1", b"2"] {
                same("message", next(subscriber).await?.data.as_slice(), body)?;
            }
        }
    }
    "client.cancel.by-broker", "A consumer ends when its queue is deleted", "RabbitMQ: Consumer Cancellation Notifications",
    "the stream ends", |ctx| {
        let connection = ctx.lapin().await?;
        let channel = channel(&ctx, &connection).await?;
        let mut consumer = consume(&channel, &ctx.name("q"), "c").await?;
        let other = connection.create_channel().await?;
        other.queue_delete(ctx.name("q").into(), QueueDeleteOptions::default()).await?;
        ensure(consumer.next().await.is_none_or(|delivery| delivery.is_err()), "a delivery came")?;
    }
}
