//! Prefetch: how many messages a consumer, or a channel, may have unacked.

use crate::case::Check;
use crate::case::same;
use crate::codec::Table;
use crate::methods::{self, c};
use crate::raw::Raw;

const REF: &str = "AMQP 0-9-1, 1.8.3.1 (basic.qos); RabbitMQ: Consumer Prefetch";

/// Publishes `count` messages and waits until the queue has taken them all; `taken` of them are with consumers then.
async fn publish_and_count(raw: &mut Raw, queue: &str, count: u32, taken: u32) -> Check {
    for number in 0..count {
        raw.publish("", queue, &number.to_string()).await;
    }
    raw.until_ready(queue, count - taken).await
}

crate::cases! {
    "prefetch.consumer.one", "A prefetch of 1 keeps one message in flight", REF,
    "one delivery, and the next only after its ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 3, 1).await?;
        for (text, left) in [("0", 1_u32), ("1", 0)] {
            let delivery = raw.delivery().await?;
            same("delivery", delivery.text(), text)?;
            raw.quiet(&q).await?;
            raw.send(methods::basic_ack(delivery.tag, false)).await;
            raw.until_ready(&q, left).await?;
        }
        same("last", raw.delivery().await?.text(), "2")?;
    }
    "prefetch.consumer.ten", "A prefetch of 10 is exact", REF,
    "ten deliveries of fifteen, and as many more as are acked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 15, 10).await?;
        raw.texts(10).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(3, true)).await;
        same("three more", raw.texts(3).await?, ["10", "11", "12"])?;
        raw.quiet(&q).await?;
        same("left", raw.counts(&q).await?.0, 2_u32)?;
    }
    "prefetch.consumer.unlimited", "A prefetch of 0 is no limit", REF,
    "everything is delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 0, false)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 200, 200).await?;
        same("deliveries", raw.texts(200).await?.len(), 200_usize)?;
    }
    "prefetch.consumer.each-its-own", "Each consumer of a channel has the prefetch for itself", REF,
    "two consumers with a prefetch of 2 have four messages", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 2, false)).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        publish_and_count(&mut raw, &q, 6, 4).await?;
        let mut consumers = Vec::new();
        for _ in 0..4 {
            consumers.push(raw.delivery().await?.consumer);
        }
        consumers.sort_unstable();
        same("consumers", consumers, ["a", "a", "b", "b"])?;
    }
    "prefetch.consumer.later-qos", "A later qos is for later consumers", REF,
    "the first consumer keeps its prefetch", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&p, "", 0).await?;
        raw.call(methods::basic_qos(0, 3, false)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &p, 5, 1).await?;
        publish_and_count(&mut raw, &q, 5, 3).await?;
    }
    "prefetch.consumer.no-ack", "A consumer without acks has no prefetch", REF,
    "everything is delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        publish_and_count(&mut raw, &q, 20, 20).await?;
        same("deliveries", raw.texts(20).await?.len(), 20_usize)?;
    }
    "prefetch.consumer.nack-frees", "A nack frees a place as an ack does", REF,
    "the next message comes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 2, 1).await?;
        raw.delivery().await?;
        raw.send(methods::basic_nack(1, false, false)).await;
        same("next", raw.delivery().await?.text(), "1")?;
    }
    "prefetch.consumer.gets-do-not-count", "basic.get is not limited by prefetch", REF,
    "gets go on, and the consumer still gets its one", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.fill_queue(&p, &["a", "b", "c"]).await;
        for text in ["a", "b", "c"] {
            same("got", raw.get(&p, false).await?.map(|m| m.text()), Some(text.to_owned()))?;
        }
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 2, 1).await?;
        same("delivered", raw.delivery().await?.text(), "0")?;
    }
    "prefetch.channel.shared", "A global prefetch is for all consumers of the channel together", REF,
    "three messages for two consumers", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        publish_and_count(&mut raw, &q, 8, 3).await?;
        raw.texts(3).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.texts(2).await?;
        raw.quiet(&q).await?;
        same("left", raw.counts(&q).await?.0, 3_u32)?;
    }
    "prefetch.channel.over-queues", "A global prefetch counts over queues", REF,
    "two messages of two queues", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&p, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        publish_and_count(&mut raw, &p, 2, 2).await?;
        raw.texts(2).await?;
        publish_and_count(&mut raw, &q, 2, 0).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("delivery", raw.delivery().await?.consumer, "b")?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.with-own", "The lower of a consumer's and the channel's prefetch holds", REF,
    "one consumer has its own two, both together the channel's three", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 2, false)).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&p, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        publish_and_count(&mut raw, &p, 4, 2).await?;
        publish_and_count(&mut raw, &q, 4, 1).await?;
    }
    "prefetch.channel.raised", "Raising a global prefetch lets more through at once", REF,
    "two, then five", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 8, 2).await?;
        raw.texts(2).await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        same("more", raw.texts(3).await?, ["2", "3", "4"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.another-channel", "Each channel has its own limit", REF,
    "a full channel does not stop another", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&q, "a", 0).await?;
        publish_and_count(&mut raw, &q, 4, 1).await?;
        raw.delivery().await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "b", 0).await?;
        let got = [raw.delivery().await?, raw.delivery().await?];
        same("consumers", got.map(|m| m.consumer), ["b", "b"])?;
        raw.quiet(&q).await?;
        same("left", raw.counts(&q).await?.0, 1_u32)?;
    }
    "prefetch.queue.reopened-channel", "A channel opened anew has no prefetch", REF,
    "everything is delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.consume(&q, "", 0).await?;
        publish_and_count(&mut raw, &q, 5, 5).await?;
    }
}
