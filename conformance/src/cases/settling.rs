//! Acks, nacks, rejects and recover: what is settled, what comes back, and in which order.

use crate::case::{fail, same};
use crate::codec::Table;
use crate::methods::{self, c};

const ACK: &str = "AMQP 0-9-1, 1.8.3.13 (basic.ack); RabbitMQ: Consumer Acknowledgements";
const NACK: &str = "RabbitMQ: Negative Acknowledgements";
const REJECT: &str = "AMQP 0-9-1, 1.8.3.14 (basic.reject)";
const RECOVER: &str = "AMQP 0-9-1, 1.8.3.16 (basic.recover)";

crate::cases! {
    "basic.ack.one", "An ack settles its message and no other", ACK,
    "the acked message is gone, the others come back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.consume(&q, "", 0).await?;
        same("deliveries", raw.texts(3).await?, ["a", "b", "c"])?;
        raw.send(methods::basic_ack(2, false)).await;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 2).await?;
        same("what came back", raw.drain(&q).await?, ["a", "c"])?;
    }
    "basic.ack.multiple", "An ack with multiple settles all up to its tag", ACK,
    "only what was delivered after the tag comes back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d"]).await;
        raw.consume(&q, "", 0).await?;
        raw.texts(4).await?;
        raw.send(methods::basic_ack(3, true)).await;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 1).await?;
        same("what came back", raw.drain(&q).await?, ["d"])?;
    }
    "basic.ack.multiple-zero", "An ack of tag 0 with multiple settles everything", ACK,
    "nothing comes back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.consume(&q, "t", 0).await?;
        raw.texts(2).await?;
        raw.send(methods::basic_ack(0, true)).await;
        raw.call(methods::basic_cancel("t")).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        same("messages and consumers", raw.counts(&q).await?, (0, 0))?;
    }
    "basic.ack.out-of-order", "Acks come in any order", ACK,
    "each settles its own message", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d"]).await;
        raw.consume(&q, "", 0).await?;
        raw.texts(4).await?;
        for tag in [4, 1, 3] {
            raw.send(methods::basic_ack(tag, false)).await;
        }
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 1).await?;
        same("what came back", raw.drain(&q).await?, ["b"])?;
    }
    "basic.ack.tags-per-channel", "Delivery tags count a channel's deliveries from 1", "AMQP 0-9-1, 1.8.3 (delivery-tag)",
    "consumers and gets of one channel share the count, another channel has its own", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.consume(&p, "", c::NO_ACK).await?;
        raw.consume(&q, "", 0).await?;
        raw.publish("", &p, "a").await;
        same("first tag", raw.delivery().await?.tag, 1_u64)?;
        raw.publish("", &q, "b").await;
        same("second tag", raw.delivery().await?.tag, 2_u64)?;
        raw.call(methods::queue_declare(&ctx.name("r"), 4, Table::new())).await?;
        raw.publish("", &ctx.name("r"), "c").await;
        let got = raw.get(&ctx.name("r"), true).await?;
        same("tag of a get", got.map(|m| m.tag), Some(3_u64))?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.publish("", &ctx.name("r"), "d").await;
        let got = raw.get(&ctx.name("r"), true).await?;
        same("first tag of another channel", got.map(|m| m.tag), Some(1_u64))?;
    }
    "basic.nack.requeue", "A nack with requeue puts a message back to its place, redelivered", NACK,
    "it is the next to be delivered, with redelivered set", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        let first = raw.get(&q, false).await?;
        same("redelivered at first", first.map(|m| m.redelivered), Some(false))?;
        raw.send(methods::basic_nack(1, false, true)).await;
        let again = raw.take(&q).await?;
        same("message and redelivered", (again.text().as_str(), again.redelivered), ("a", true))?;
        let other = raw.take(&q).await?;
        same("the other", (other.text().as_str(), other.redelivered), ("b", false))?;
    }
    "basic.nack.multiple-requeue", "A nack of many puts all back in order", NACK,
    "the order is as it was, whatever the order of the tags", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d"]).await;
        for _ in 0..3 {
            raw.get(&q, false).await?;
        }
        raw.send(methods::basic_nack(3, true, true)).await;
        same("messages", raw.drain(&q).await?, ["a", "b", "c", "d"])?;
    }
    "basic.nack.order-of-several", "Messages nacked one by one in any order stand in their old order", NACK,
    "1, 2, 3, 4 again", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["1", "2", "3", "4"]).await;
        for _ in 0..4 {
            raw.get(&q, false).await?;
        }
        for tag in [2, 4, 1, 3] {
            raw.send(methods::basic_nack(tag, false, true)).await;
        }
        same("messages", raw.drain(&q).await?, ["1", "2", "3", "4"])?;
    }
    "basic.nack.discard", "A nack without requeue drops the message where there is no dead letter exchange", NACK,
    "it is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.get(&q, false).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_nack(2, true, false)).await;
        same("messages", raw.drain(&q).await?, ["c"])?;
    }
    "basic.nack.multiple-zero", "A nack of tag 0 with multiple is of all", NACK,
    "all come back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_nack(0, true, true)).await;
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "basic.reject.requeue", "A reject with requeue puts a message back", REJECT,
    "it is delivered again, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_reject(1, true)).await;
        let again = raw.take(&q).await?;
        same("message and redelivered", (again.text().as_str(), again.redelivered), ("a", true))?;
    }
    "basic.reject.discard", "A reject without requeue drops the message", REJECT,
    "it is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_reject(1, false)).await;
        same("messages", raw.drain(&q).await?, ["b"])?;
    }
    "basic.reject.to-another-consumer", "What one consumer rejects another may get", REJECT,
    "the consumer with room gets it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.open_channel(2).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "first", 0).await?;
        raw.publish("", &q, "a").await;
        same("taken by", raw.delivery().await?.consumer, "first")?;
        raw.publish("", &q, "b").await;
        raw.counts(&q).await?;
        raw.channel = 2;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "second", 0).await?;
        let second = raw.delivery().await?;
        same("second's", (second.consumer.as_str(), second.text().as_str()), ("second", "b"))?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.counts(&q).await?;
        raw.send_on(1, methods::basic_cancel("first")).await;
        raw.wait_for((60, 31)).await?;
        raw.send_on(1, methods::basic_reject(1, true)).await;
        let moved = raw.delivery().await?;
        same("moved", (moved.consumer.as_str(), moved.text().as_str(), moved.redelivered), ("second", "a", true))?;
    }
    "basic.recover.redelivers", "Recover gives all unacked messages of the channel back", RECOVER,
    "they come again in order, redelivered, with new tags", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.consume(&q, "", 0).await?;
        raw.texts(3).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::basic_recover(true)).await?;
        for (text, tag) in [("b", 4_u64), ("c", 5)] {
            let again = raw.delivery().await?;
            same("again", (again.text().as_str(), again.tag, again.redelivered), (text, tag, true))?;
        }
    }
    "basic.recover.of-gets", "Recover gives back what basic.get took", RECOVER,
    "the messages are ready again", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.call(methods::basic_recover(true)).await?;
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "basic.recover.other-channel", "Recover leaves other channels alone", RECOVER,
    "their unacked messages stay unacked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.call(methods::basic_recover(true)).await?;
        same("messages", raw.drain(&q).await?, ["b"])?;
    }
    "basic.requeue.channel-close", "A channel's unacked messages come back when it is closed", ACK,
    "in order and redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.get(&q, false).await?;
        raw.get(&q, false).await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.until_ready(&q, 3).await?;
        let back = [raw.take(&q).await?, raw.take(&q).await?, raw.take(&q).await?];
        let seen: Vec<(String, bool)> = back.iter().map(|m| (m.text(), m.redelivered)).collect();
        same("messages", seen, [("a".into(), true), ("b".into(), true), ("c".to_owned(), false)])?;
    }
    "basic.requeue.connection-lost", "Unacked messages come back when the connection is lost", ACK,
    "another client gets them, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.fill_queue(&q, &["a", "b"]).await;
        let mut lost = ctx.raw().await?;
        lost.consume(&q, "", 0).await?;
        same("deliveries", lost.texts(2).await?, ["a", "b"])?;
        drop(lost);
        keeper.until_ready(&q, 2).await?;
        let back = keeper.take(&q).await?;
        same("first", (back.text().as_str(), back.redelivered), ("a", true))?;
    }
    "basic.requeue.before-younger", "A requeued message stands before those that came later", NACK,
    "it is delivered before messages published meanwhile", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a"]).await;
        raw.get(&q, false).await?;
        raw.fill_queue(&q, &["b", "c"]).await;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("messages", raw.drain(&q).await?, ["a", "b", "c"])?;
    }
    "basic.get.empty", "Get of an empty queue", "AMQP 0-9-1, 1.8.3.12 (basic.get-empty)",
    "get-empty", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        if let Some(message) = raw.get(&q, true).await? {
            return fail(format!("got {message:?} from an empty queue"));
        }
    }
    "basic.get.message-count", "Get says how many messages are left", "AMQP 0-9-1, 1.8.3.11 (basic.get-ok)",
    "2, 1, 0, and exchange and key as published", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.direct", &q).await?;
        for body in ["a", "b", "c"] {
            raw.publish("amq.direct", &q, body).await;
        }
        for (left, body) in [(2_u32, "a"), (1, "b"), (0, "c")] {
            let got = raw.take(&q).await?;
            let found = (got.remaining, got.text(), got.exchange, got.key);
            same("got", found, (left, body.to_owned(), "amq.direct".to_owned(), q.clone()))?;
        }
    }
    "basic.get.beside-exclusive-consumer", "An exclusive consumer keeps other consumers out, not gets", "RabbitMQ: Consumers, Exclusivity",
    "get-ok with what the consumer has no room for", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&q, "t", c::EXCLUSIVE).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("delivery", raw.delivery().await?.text(), "a")?;
        same("got", raw.take(&q).await?.text(), "b")?;
    }
    "basic.get.no-ack", "A get with no-ack settles at once", "AMQP 0-9-1, 1.8.3.10 (basic.get)",
    "the message does not come back with the channel's close", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.take(&q).await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        same("messages", raw.drain(&q).await?, ["b"])?;
    }
    "basic.get.by-last-declared", "An empty queue name is the queue declared last on the channel", "AMQP 0-9-1, 1.8.3.10",
    "get takes from it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&ctx.name("other")).await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "a").await;
        same("message", raw.take("").await?.text(), "a")?;
    }
}
