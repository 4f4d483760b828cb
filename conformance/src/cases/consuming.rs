//! Consumers: their tags, what they get and in which turn, and how they end.

use crate::case::{Check, ensure, fail, same};
use crate::codec::{Reader, Table, table};
use crate::methods::{self, c, q};
use crate::raw::{Event, Raw};
use crate::steps::is_generated;

const CONSUME: &str = "AMQP 0-9-1, 1.8.3.3 (basic.consume)";
const DELIVER: &str = "AMQP 0-9-1, 1.8.3.9 (basic.deliver)";
const CANCEL: &str = "AMQP 0-9-1, 1.8.3.5 (basic.cancel)";
const NOTIFY: &str = "RabbitMQ: Consumer Cancellation Notifications";
const PRIORITY: &str = "RabbitMQ: Consumer Priorities";
const SINGLE: &str = "RabbitMQ: Single Active Consumer";

/// Starts a consumer with a priority.
async fn consume_with_priority(raw: &mut Raw, queue: &str, tag: &str, priority: i32) -> Check {
    let args = table([("x-priority", priority.into())]);
    raw.call(methods::basic_consume(queue, tag, 0, args)).await.map(|_| ())
}

/// The tag of the consumer that the broker cancels next.
async fn cancelled(raw: &mut Raw) -> Check<String> {
    match raw.event().await? {
        Event::Method(_, (60, 30), args) => Reader(&args).short(),
        other => fail(format!("{other:?}, expected basic.cancel")),
    }
}

crate::cases! {
    "basic.consume.tag-chosen", "A consumer has the tag that the client chose", CONSUME,
    "consume-ok and deliveries carry it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        same("tag", raw.consume(&q, "my tag", c::NO_ACK).await?, "my tag")?;
        raw.publish("", &q, "m").await;
        same("tag of the delivery", raw.delivery().await?.consumer, "my tag")?;
    }
    "basic.consume.tag-generated", "A consumer without a tag gets one of the broker's", CONSUME,
    "amq.ctag- and 22 characters of URL-safe base64, unique on the broker", |ctx| {
        let q = ctx.name("q");
        let mut tags = std::collections::BTreeSet::new();
        let mut connections = [ctx.raw().await?, ctx.raw().await?];
        connections[0].declare(&q, q::NONE, Table::new()).await?;
        for raw in &mut connections {
            for channel in [1, 2] {
                if channel == 2 {
                    raw.switch(channel).await?;
                }
                for _ in 0..2 {
                    let tag = raw.consume(&q, "", c::NO_ACK).await?;
                    ensure(is_generated("amq.ctag-", &tag), format!("tag {tag}"))?;
                    tags.insert(tag);
                }
            }
        }
        same("different tags", tags.len(), 8_usize)?;
    }
    "basic.consume.tag-of-each-channel", "A tag is a channel's own", CONSUME,
    "another channel may use the same", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        same("tag", raw.consume(&q, "t", 0).await?, "t")?;
        same("consumers", raw.counts(&q).await?.1, 2_u32)?;
    }
    "basic.consume.tag-free-again", "A cancelled consumer's tag can be used again", CONSUME,
    "consume-ok", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.call(methods::basic_cancel("t")).await?;
        same("tag", raw.consume(&q, "t", 0).await?, "t")?;
    }
    "basic.consume.nowait", "A consumer started with nowait is there without an answer", CONSUME,
    "deliveries come, no consume-ok", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_consume(&q, "t", c::NOWAIT | c::NO_ACK, Table::new())).await;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "basic.consume.backlog", "A consumer gets what is in the queue before what comes", CONSUME,
    "in order of publishing", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.fill_queue(&q, &["c"]).await;
        same("deliveries", raw.texts(3).await?, ["a", "b", "c"])?;
    }
    "basic.consume.exclusive-then-free", "The end of an exclusive consumer lets others in", CONSUME,
    "another consumer may start", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "a", c::EXCLUSIVE).await?;
        raw.call(methods::basic_cancel("a")).await?;
        raw.consume(&q, "b", 0).await?;
        raw.publish("", &q, "m").await;
        same("taken by", raw.delivery().await?.consumer, "b")?;
    }
    "basic.consume.empty-name", "An empty queue name is the queue declared last", CONSUME,
    "its messages come", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume("", "", c::NO_ACK).await?;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "basic.consume.no-local-ignored", "no-local changes nothing, as in RabbitMQ", "RabbitMQ: Specification, basic.consume",
    "a connection gets its own messages", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "", c::NO_ACK | 1).await?;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "basic.deliver.fields", "A delivery says where the message was published", DELIVER,
    "exchange, routing key, tag 1, not redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.topic", &format!("{q}.#")).await?;
        raw.consume(&q, "t", 0).await?;
        let key = format!("{q}.some.key");
        raw.publish("amq.topic", &key, "m").await;
        let m = raw.delivery().await?;
        same("delivery", (m.exchange.as_str(), m.key, m.tag, m.redelivered), ("amq.topic", key, 1_u64, false))?;
    }
    "basic.deliver.round-robin", "Consumers take turns", "RabbitMQ: Consumers",
    "three consumers get every third message each", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for tag in ["a", "b", "c"] {
            raw.consume(&q, tag, c::NO_ACK).await?;
        }
        let mut turns = Vec::new();
        for _ in 0..9 {
            raw.publish("", &q, "m").await;
            turns.push(raw.delivery().await?.consumer);
        }
        for (turn, tag) in turns.iter().enumerate() {
            let before = turns.get(turn.wrapping_sub(3));
            ensure(before.is_none_or(|before| before == tag), format!("not in turn: {turns:?}"))?;
        }
        turns.sort_unstable();
        turns.dedup();
        same("consumers served", turns, ["a", "b", "c"])?;
    }
    "basic.deliver.no-ack-settles", "A delivery without acks is settled at once", CONSUME,
    "nothing comes back with the channel's close", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.publish("", &q, "m").await;
        raw.delivery().await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        same("messages and consumers", raw.counts(&q).await?, (0, 0))?;
    }
    "basic.cancel.stops", "A cancelled consumer gets nothing more", CANCEL,
    "messages stay in the queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.call(methods::basic_cancel("t")).await?;
        raw.publish("", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
        same("messages and consumers", raw.counts(&q).await?, (1, 0))?;
    }
    "basic.cancel.keeps-unacked", "A cancelled consumer's messages can still be acked", CANCEL,
    "they are not requeued, and the ack settles them", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.consume(&q, "t", 0).await?;
        let tag = raw.delivery().await?.tag;
        raw.call(methods::basic_cancel("t")).await?;
        same("ready", raw.counts(&q).await?.0, 0_u32)?;
        raw.send(methods::basic_ack(tag, false)).await;
        raw.call(methods::basic_recover(true)).await?;
        same("ready after recover", raw.counts(&q).await?.0, 0_u32)?;
    }
    "basic.cancel.unknown-tag", "Cancelling a consumer that is not there is no error", CANCEL,
    "cancel-ok with the tag", |ctx| {
        let mut raw = ctx.raw().await?;
        let ok = raw.call(methods::basic_cancel("nobody")).await?;
        same("tag", Reader(&ok).short()?, "nobody")?;
    }
    "basic.cancel.notified", "A consumer is told when its queue is deleted", NOTIFY,
    "basic.cancel with its tag", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.consume(&q, "t", 0).await?;
        let mut other = ctx.raw().await?;
        other.call(methods::queue_delete(&q, 0)).await?;
        same("tag", cancelled(&mut raw).await?, "t")?;
        same("tag", raw.consume("amq.rabbitmq.reply-to", "t", c::NO_ACK).await?, "t")?;
    }
    "basic.cancel.notified-on-expiry", "A queue's expiry is for queues without consumers", "RabbitMQ: Queue TTL",
    "a queue with a consumer outlives its x-expires", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::NONE, table([("x-expires", 60.into())])).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.outlive(&ctx.name("clock"), 200).await?;
        same("consumers", raw.counts(&q).await?.1, 1_u32)?;
    }
    "consumer.priority.higher-first", "A consumer of higher priority is served first", PRIORITY,
    "all messages go to it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        consume_with_priority(&mut raw, &q, "low", 1).await?;
        consume_with_priority(&mut raw, &q, "high", 10).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        for _ in 0..3 {
            same("taken by", raw.delivery().await?.consumer, "high")?;
        }
    }
    "consumer.priority.blocked-gives-way", "A consumer of lower priority is served when the higher is full", PRIORITY,
    "the first goes to the higher, the second to the lower", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        consume_with_priority(&mut raw, &q, "low", -5).await?;
        consume_with_priority(&mut raw, &q, "high", 5).await?;
        for tag in ["high", "low"] {
            raw.publish("", &q, "m").await;
            same("taken by", raw.delivery().await?.consumer, tag)?;
        }
    }
    "consumer.single-active.one", "With a single active consumer only the first is served", SINGLE,
    "all messages go to it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.consume(&q, "first", c::NO_ACK).await?;
        raw.consume(&q, "second", c::NO_ACK).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d"]).await;
        for _ in 0..4 {
            same("taken by", raw.delivery().await?.consumer, "first")?;
        }
    }
    "consumer.single-active.take-over", "The next consumer takes over", SINGLE,
    "after a cancel, and after a channel's close", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.consume(&q, "first", c::NO_ACK).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.consume(&q, "second", c::NO_ACK).await?;
        raw.channel = 1;
        raw.consume(&q, "third", c::NO_ACK).await?;
        raw.call(methods::basic_cancel("first")).await?;
        raw.publish("", &q, "a").await;
        same("taken by", raw.delivery().await?.consumer, "second")?;
        raw.channel = 2;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.publish("", &q, "b").await;
        same("taken by", raw.delivery().await?.consumer, "third")?;
    }
}
