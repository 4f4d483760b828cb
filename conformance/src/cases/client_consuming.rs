//! Consuming as a usual client library does it.

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions,
    BasicQosOptions, BasicRejectOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Consumer};

use crate::case::{Check, Ctx, Stop, ensure, fail, same};

const ACKS: &str = "RabbitMQ: Consumer Acknowledgements";

/// An exclusive queue with arguments; its channel.
async fn with_queue(ctx: &Ctx, queue: &str, args: FieldTable) -> Check<(lapin::Connection, Channel)> {
    let connection = ctx.lapin().await?;
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, args).await?;
    Ok((connection, channel))
}

async fn publish(channel: &Channel, key: &str, body: &str, props: BasicProperties) -> Check<Confirmation> {
    let options = BasicPublishOptions::default();
    Ok(channel.basic_publish("".into(), key.into(), options, body.as_bytes(), props).await?.await?)
}

async fn fill(channel: &Channel, queue: &str, bodies: &[&str]) -> Check {
    for body in bodies {
        publish(channel, queue, body, BasicProperties::default()).await?;
    }
    Ok(())
}

async fn consume(channel: &Channel, queue: &str, no_ack: bool) -> Check<Consumer> {
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// The next delivery of a consumer.
async fn next(ctx: &Ctx, consumer: &mut Consumer) -> Check<Delivery> {
    match tokio::time::timeout(ctx.target.patience, consumer.next()).await {
        Ok(Some(delivery)) => Ok(delivery?),
        Ok(None) => fail("the consumer ended"),
        Err(_) => fail("no delivery in time"),
    }
}

fn text(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).into_owned()
}

/// Messages and consumers of a queue.
async fn counts(channel: &Channel, queue: &str) -> Check<(u32, u32)> {
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    Ok((found.message_count(), found.consumer_count()))
}

async fn until_ready(ctx: &Ctx, channel: &Channel, queue: &str, messages: u32) -> Check {
    let wait = async {
        while counts(channel, queue).await?.0 != messages {
            crate::support::pause().await;
        }
        Ok::<(), Stop>(())
    };
    match tokio::time::timeout(ctx.target.patience, wait).await {
        Ok(done) => done,
        Err(_) => fail(format!("{queue} did not come to {messages} messages in time")),
    }
}

fn arguments<const N: usize>(entries: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert(key.into(), value);
    }
    table
}

fn long_text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

crate::cases! {
    "client.consume.acked-stream", "A client works off a queue with acks", ACKS,
    "every message once and in order, and none is left when its channel is closed", |ctx| {
        let q = ctx.name("q");
        let (connection, channel) = with_queue(&ctx, &q, FieldTable::default()).await?;
        let worker = connection.create_channel().await?;
        let mut consumer = consume(&worker, &q, false).await?;
        let bodies = crate::steps::numbered(0..20);
        fill(&channel, &q, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut seen = Vec::new();
        for _ in 0..20 {
            let delivery = next(&ctx, &mut consumer).await?;
            ensure(!delivery.redelivered, "a fresh message is marked as redelivered")?;
            seen.push(text(&delivery));
            delivery.ack(BasicAckOptions::default()).await?;
        }
        worker.close(200, "done".into()).await?;
        same("messages", seen, bodies)?;
        same("left", counts(&channel, &q).await?, (0, 0))?;
    }
    "client.consume.prefetch", "A client's prefetch holds", "RabbitMQ: Consumer Prefetch",
    "three of five are taken, and the others after an ack of them all", |ctx| {
        let q = ctx.name("q");
        let (_connection, channel) = with_queue(&ctx, &q, FieldTable::default()).await?;
        channel.basic_qos(3, BasicQosOptions::default()).await?;
        let mut consumer = consume(&channel, &q, false).await?;
        fill(&channel, &q, &["a", "b", "c", "d", "e"]).await?;
        for wanted in ["a", "b"] {
            same("delivery", text(&next(&ctx, &mut consumer).await?), wanted)?;
        }
        let third = next(&ctx, &mut consumer).await?;
        until_ready(&ctx, &channel, &q, 2).await?;
        third.ack(BasicAckOptions { multiple: true }).await?;
        for wanted in ["d", "e"] {
            same("delivery", text(&next(&ctx, &mut consumer).await?), wanted)?;
        }
    }
    "client.consume.requeued", "A client that nacks with requeue gets the message again",
    "RabbitMQ: Negative Acknowledgements", "marked as redelivered, with a higher tag", |ctx| {
        let q = ctx.name("q");
        let (_connection, channel) = with_queue(&ctx, &q, FieldTable::default()).await?;
        let mut consumer = consume(&channel, &q, false).await?;
        fill(&channel, &q, &["a"]).await?;
        let first = next(&ctx, &mut consumer).await?;
        first.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
        let again = next(&ctx, &mut consumer).await?;
        same("again", (text(&again).as_str(), again.redelivered, again.delivery_tag), ("a", true, 2))?;
    }
    "client.consume.lost-channel", "What a client's closed channel had unacked goes to its other consumer", ACKS,
    "in order, redelivered", |ctx| {
        let q = ctx.name("q");
        let (connection, channel) = with_queue(&ctx, &q, FieldTable::default()).await?;
        let leaving = connection.create_channel().await?;
        let mut first = consume(&leaving, &q, false).await?;
        fill(&channel, &q, &["a", "b"]).await?;
        for wanted in ["a", "b"] {
            same("first's", text(&next(&ctx, &mut first).await?), wanted)?;
        }
        let mut second = consume(&channel, &q, true).await?;
        leaving.close(200, "leaving".into()).await?;
        for wanted in ["a", "b"] {
            let delivery = next(&ctx, &mut second).await?;
            same("second's", (text(&delivery).as_str(), delivery.redelivered), (wanted, true))?;
        }
    }
    "client.get.acked", "A client gets messages one by one", "AMQP 0-9-1, 1.8.3.10 (basic.get)",
    "with the number of those left, and nothing at the end", |ctx| {
        let q = ctx.name("q");
        let (_connection, channel) = with_queue(&ctx, &q, FieldTable::default()).await?;
        fill(&channel, &q, &["a", "b"]).await?;
        until_ready(&ctx, &channel, &q, 2).await?;
        for (wanted, left) in [("a", 1_u32), ("b", 0)] {
            let Some(got) = channel.basic_get(q.as_str().into(), BasicGetOptions::default()).await? else {
                return fail("the queue is empty");
            };
            same("got", (text(&got.delivery).as_str(), got.message_count), (wanted, left))?;
            got.delivery.ack(BasicAckOptions::default()).await?;
        }
        let none = channel.basic_get(q.as_str().into(), BasicGetOptions::default()).await?;
        ensure(none.is_none(), format!("{none:?}, expected nothing"))?;
    }
    "client.publish.refused", "A client hears that a full queue refused its message",
    "RabbitMQ: Queue Length Limit, Overflow Behaviour", "an ack, then a nack", |ctx| {
        let q = ctx.name("q");
        let limits = arguments([("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", long_text("reject-publish"))]);
        let (_connection, channel) = with_queue(&ctx, &q, limits).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let first = publish(&channel, &q, "a", BasicProperties::default()).await?;
        ensure(first == Confirmation::Ack(None), format!("{first:?}, expected an ack"))?;
        let second = publish(&channel, &q, "b", BasicProperties::default()).await?;
        ensure(second == Confirmation::Nack(None), format!("{second:?}, expected a nack"))?;
    }
    "client.consume.dead-letters", "A client reads why its rejected message died", "RabbitMQ: Dead Letter Exchanges",
    "the dead letter's x-death holds a table of queue and reason", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let args = arguments([
            ("x-dead-letter-exchange", long_text("")),
            ("x-dead-letter-routing-key", long_text(&dead)),
        ]);
        let (_connection, channel) = with_queue(&ctx, &q, args).await?;
        let options = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(dead.as_str().into(), options, FieldTable::default()).await?;
        let (mut living, mut letters) = (consume(&channel, &q, false).await?, consume(&channel, &dead, true).await?);
        fill(&channel, &q, &["m"]).await?;
        next(&ctx, &mut living).await?.reject(BasicRejectOptions { requeue: false }).await?;
        let letter = next(&ctx, &mut letters).await?;
        let headers = letter.properties.headers().clone().unwrap_or_default();
        let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else {
            return fail(format!("no x-death in {headers:?}"));
        };
        let Some(AMQPValue::FieldTable(entry)) = deaths.as_slice().first() else { return fail("x-death is empty") };
        let told = ["queue", "reason"].map(|key| entry.inner().get(key).cloned());
        same("queue and reason", told, [Some(long_text(&q)), Some(long_text("rejected"))])?;
    }
    "client.rpc.direct-reply-to", "A client makes remote calls without a reply queue", "RabbitMQ: Direct Reply-to",
    "each of three requests has its own answer", |ctx| {
        let q = ctx.name("q");
        let (connection, server) = with_queue(&ctx, &q, FieldTable::default()).await?;
        let caller = connection.create_channel().await?;
        let mut replies = consume(&caller, "amq.rabbitmq.reply-to", true).await?;
        let mut requests = consume(&server, &q, true).await?;
        for number in ["1", "2", "3"] {
            let id = ShortString::from(number);
            let props =
                BasicProperties::default().with_reply_to("amq.rabbitmq.reply-to".into()).with_correlation_id(id);
            publish(&caller, &q, number, props).await?;
        }
        for _ in 0..3 {
            let request = next(&ctx, &mut requests).await?;
            let Some(address) = request.properties.reply_to().clone() else { return fail("no address to reply to") };
            let id = request.properties.correlation_id().clone().unwrap_or_default();
            let answer = format!("{} answered", text(&request));
            let props = BasicProperties::default().with_correlation_id(id);
            publish(&server, address.as_str(), &answer, props).await?;
        }
        for number in ["1", "2", "3"] {
            let reply = next(&ctx, &mut replies).await?;
            let id = reply.properties.correlation_id().as_ref().map(ShortString::to_string);
            same("reply", (text(&reply), id), (format!("{number} answered"), Some(number.to_owned())))?;
        }
    }
    "client.consume.two-workers", "Two clients share a queue", "RabbitMQ: Consumers",
    "each message is with one of them, and all are there", |ctx| {
        let q = ctx.name("q");
        let connection = ctx.lapin().await?;
        let channel = connection.create_channel().await?;
        channel.queue_declare(q.as_str().into(), QueueDeclareOptions::default(), FieldTable::default()).await?;
        let other = ctx.lapin().await?;
        let theirs = other.create_channel().await?;
        let (mut a, mut b) = (consume(&channel, &q, false).await?, consume(&theirs, &q, false).await?);
        fill(&channel, &q, &["0", "1", "2", "3", "4", "5", "6", "7"]).await?;
        let mut all = Vec::new();
        for _ in 0..4 {
            all.push(text(&next(&ctx, &mut a).await?));
            all.push(text(&next(&ctx, &mut b).await?));
        }
        all.sort();
        same("messages", all, crate::steps::numbered(0..8))?;
    }
}
