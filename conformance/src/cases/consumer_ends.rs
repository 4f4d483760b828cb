//! How consumers begin and end: what is said in which order, who is told, and what becomes of their messages.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Reader, Table, Value, Writer, lookup, table};
use crate::methods::{self, c, q};
use crate::raw::{Event, PROTOCOL, Raw, client_properties, plain, start_ok};

const CONSUME: &str = "AMQP 0-9-1, 1.8.3.3 (basic.consume)";
const CANCEL: &str = "AMQP 0-9-1, 1.8.3.5 (basic.cancel)";
const NOTIFY: &str = "RabbitMQ: Consumer Cancellation Notifications";
const LIFE: &str = "RabbitMQ: Consumers";

/// `basic.cancel` that wants no answer.
fn cancel_nowait(tag: &str) -> methods::Method {
    methods::method(60, 30, Writer::default().short(tag).u8(1))
}

/// A connection whose client cannot be told of cancelled consumers.
async fn deaf(ctx: &Ctx) -> Check<Raw> {
    let mut properties = client_properties();
    if let Some((_, Value::Table(capabilities))) =
        properties.iter_mut().find(|(key, _)| key == "capabilities")
    {
        capabilities.retain(|(name, _)| name != "consumer_cancel_notify");
    }
    ensure(lookup(&properties, "capabilities").is_some(), "the suite announces no capabilities")?;
    let mut raw = ctx.socket().await?;
    raw.bytes(PROTOCOL).await;
    raw.wait_for((10, 10)).await?;
    let response = plain(&ctx.target.user, &ctx.target.password);
    raw.send_on(0, start_ok(&properties, "PLAIN", &response)).await;
    raw.tune(&ctx.target, 2047, crate::raw::FRAME_MAX, 0).await?;
    raw.open_channel(1).await?;
    Ok(raw)
}

crate::cases! {
    "basic.consume.ok-first", "A consumer hears that it is one before it gets its first message", CONSUME,
    "with a backlog in the queue, consume-ok comes before any delivery", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.until_ready(&q, 2).await?;
        raw.send(methods::basic_consume(&q, "t", c::NONE, Table::new())).await;
        let Event::Method(_, first, _) = raw.event().await? else { return fail("a delivery came first") };
        same("first answer", first, (60, 21))?;
        same("deliveries", raw.texts(2).await?, ["a", "b"])?;
    }
    "basic.consume.generated-tag-delivers", "The tag that a broker made up is the one on the deliveries", CONSUME,
    "both are the same, for each of two consumers", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        for queue in [&p, &q] {
            raw.queue(queue).await?;
            let tag = raw.consume(queue, "", c::NO_ACK).await?;
            raw.publish("", queue, "m").await;
            same("tag of the delivery", raw.delivery().await?.consumer, tag)?;
        }
    }
    "basic.consume.nowait-generated", "A nowait consumer without a tag gets one too", CONSUME,
    "its deliveries carry a tag, with which it can be cancelled", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_consume(&q, "", c::NOWAIT | c::NO_ACK, Table::new())).await;
        raw.publish("", &q, "m").await;
        let tag = raw.delivery().await?.consumer;
        ensure(!tag.is_empty(), "the delivery has an empty tag")?;
        raw.call(methods::basic_cancel(&tag)).await?;
        same("consumers", raw.counts(&q).await?.1, 0_u32)?;
    }
    "basic.consume.counted", "A queue's consumers are counted", "AMQP 0-9-1, 1.7.2.2 (queue.declare-ok)",
    "one more with each consume, one less with each cancel", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for (tag, count) in [("a", 1_u32), ("b", 2), ("c", 3)] {
            raw.consume(&q, tag, 0).await?;
            same("consumers", raw.counts(&q).await?.1, count)?;
        }
        for (tag, count) in [("b", 2_u32), ("a", 1), ("c", 0)] {
            raw.call(methods::basic_cancel(tag)).await?;
            same("consumers", raw.counts(&q).await?.1, count)?;
        }
    }
    "basic.consume.refused-changes-nothing", "A refused consumer leaves the exclusive one alone", CONSUME,
    "the queue has one consumer, which gets the next message", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "mine", c::EXCLUSIVE | c::NO_ACK).await?;
        raw.switch(2).await?;
        raw.send(methods::basic_consume(&q, "other", c::NO_ACK, Table::new())).await;
        let text = ctx.expand("ACCESS_REFUSED - queue '{q}' in vhost '/' in exclusive use");
        raw.expect_closed(&crate::raw::Scope::channel(403, text, (60, 20))).await?;
        raw.channel = 1;
        same("consumers", raw.counts(&q).await?.1, 1_u32)?;
        raw.publish("", &q, "m").await;
        same("taken by", raw.delivery().await?.consumer, "mine")?;
    }
    "basic.consume.exclusive-ends-with-connection", "An exclusive consumer's hold ends with its connection", CONSUME,
    "another client may consume once it is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        let mut lost = ctx.raw().await?;
        lost.consume(&q, "t", c::EXCLUSIVE).await?;
        same("consumers", raw.counts(&q).await?.1, 1_u32)?;
        drop(lost);
        while raw.counts(&q).await?.1 > 0 {
            crate::support::pause().await;
        }
        raw.consume(&q, "t", c::EXCLUSIVE | c::NO_ACK).await?;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "basic.cancel.nowait", "A nowait cancel is not answered, and ends the consumer", CANCEL,
    "no cancel-ok; the next message stays in the queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.send(cancel_nowait("t")).await;
        raw.publish("", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
        same("messages and consumers", raw.counts(&q).await?, (1, 0))?;
    }
    "basic.cancel.only-its-own", "A cancel ends one consumer of a queue and leaves the others", CANCEL,
    "all further messages go to the other", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "a", c::NO_ACK).await?;
        raw.consume(&q, "b", c::NO_ACK).await?;
        raw.call(methods::basic_cancel("a")).await?;
        raw.fill_queue(&q, &["1", "2", "3"]).await;
        same("taken by", raw.turns(3).await?, ["b", "b", "b"])?;
    }
    "basic.cancel.another-channels", "A cancel does not reach the consumers of another channel", CANCEL,
    "cancel-ok, and the other channel's consumer of that tag goes on", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.switch(2).await?;
        raw.call(methods::basic_cancel("t")).await?;
        raw.publish("", &q, "m").await;
        let delivery = raw.delivery().await?;
        same("delivered to", (delivery.channel, delivery.text()), (1, "m".to_owned()))?;
    }
    "basic.cancel.nothing-lost", "A cancel in full flow loses nothing", CANCEL,
    "what came before cancel-ok and what is left are all the messages, in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        let mut publisher = ctx.raw().await?;
        publisher.call(methods::confirm_select()).await?;
        publisher.fill_numbers(&q, 0..200).await;
        raw.delivery().await?;
        raw.send(methods::basic_cancel("t")).await;
        let mut texts = vec!["0".to_owned()];
        loop {
            match raw.event().await? {
                Event::Message(message) => texts.push(message.text()),
                Event::Method(_, id, _) => break same("answer", id, (60, 31))?,
            }
        }
        publisher.confirms(200).await?;
        texts.extend(raw.drain(&q).await?);
        raw.quiet(&q).await?;
        same("messages", texts, crate::steps::numbered(0..200))?;
    }
    "basic.cancel.unacked-requeued-later", "A cancelled consumer's message can be given back", CANCEL,
    "a nack with requeue puts it into the queue, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.publish("", &q, "m").await;
        let tag = raw.delivery().await?.tag;
        raw.call(methods::basic_cancel("t")).await?;
        raw.send(methods::basic_nack(tag, false, true)).await;
        same("queue", raw.drain_seen(&q).await?, [("m".to_owned(), true)])?;
    }
    "basic.cancel.auto-delete", "An auto-delete queue goes with its last consumer",
    "AMQP 0-9-1, 1.7.2.1.6 (auto-delete)", "not with the first of two", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::AUTO_DELETE, Table::new()).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        raw.call(methods::basic_cancel("a")).await?;
        same("consumers", raw.counts(&q).await?.1, 1_u32)?;
        raw.call(methods::basic_cancel("b")).await?;
        raw.until_gone(&q).await?;
    }
    "channel.close.ends-consumers", "A channel's consumers end with it", LIFE,
    "the next messages go to the consumer of another channel, and close-ok is the last on the channel", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "stays", c::NO_ACK).await?;
        raw.switch(2).await?;
        raw.consume(&q, "goes", c::NO_ACK).await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        same("consumers", raw.counts(&q).await?.1, 1_u32)?;
        raw.fill_queue(&q, &["1", "2", "3", "4"]).await;
        same("taken by", raw.turns(4).await?, ["stays", "stays", "stays", "stays"])?;
    }
    "channel.close.by-the-broker-ends-consumers", "An error on a channel ends its consumers", LIFE,
    "what they had unacked comes back, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.switch(2).await?;
        raw.consume(&q, "t", 0).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("deliveries", raw.texts(2).await?, ["a", "b"])?;
        raw.send(methods::basic_ack(99, false)).await;
        let text = "PRECONDITION_FAILED - unknown delivery tag 99".to_owned();
        raw.expect_closed(&crate::raw::Scope::channel(406, text, (60, 80))).await?;
        raw.channel = 1;
        raw.until_ready(&q, 2).await?;
        same("consumers", raw.counts(&q).await?.1, 0_u32)?;
        same("queue", raw.drain_seen(&q).await?, crate::steps::all_seen(&["a", "b"], true))?;
    }
    "basic.cancel.not-notified-without-capability", "A client that cannot be told of a cancel is not told", NOTIFY,
    "the queue's deletion is silent, and the consumer's tag is free", |ctx| {
        let (q, other) = (ctx.name("q"), ctx.name("other"));
        let mut raw = deaf(&ctx).await?;
        raw.queue(&other).await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        raw.consume(&q, "t", 0).await?;
        let mut deleter = ctx.raw().await?;
        deleter.call(methods::queue_delete(&q, 0)).await?;
        raw.quiet(&other).await?;
        raw.until_gone(&q).await?;
        raw.quiet(&other).await?;
        raw.consume(&other, "t", c::NO_ACK).await?;
        raw.publish("", &other, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "basic.cancel.notified-each", "Every consumer of a deleted queue is told", NOTIFY,
    "one basic.cancel for each, on its channel, in any order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        raw.switch(2).await?;
        raw.consume(&q, "c", 0).await?;
        let mut deleter = ctx.raw().await?;
        deleter.call(methods::queue_delete(&q, 0)).await?;
        let mut told = Vec::new();
        for _ in 0..3 {
            match raw.event().await? {
                Event::Method(channel, (60, 30), args) => told.push((channel, Reader(&args).short()?)),
                other => return fail(format!("{other:?}, expected basic.cancel")),
            }
        }
        told.sort();
        same("told", told, [(1, "a".to_owned()), (1, "b".to_owned()), (2, "c".to_owned())])?;
    }
    "basic.cancel.notified-by-own-delete", "A client that deletes its own queue is told too", NOTIFY,
    "delete-ok, and a basic.cancel for its consumer", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.call(methods::queue_delete(&q, 0)).await?;
        same("told", raw.cancelled().await?, "t")?;
    }
    "basic.cancel.not-notified-of-own", "A consumer that was cancelled is not told of its queue's end", NOTIFY,
    "nothing comes but what concerns the consumer that was left", |ctx| {
        let (q, other) = (ctx.name("q"), ctx.name("other"));
        let mut raw = ctx.raw().await?;
        raw.queue(&other).await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        raw.call(methods::basic_cancel("a")).await?;
        let mut deleter = ctx.raw().await?;
        deleter.call(methods::queue_delete(&q, 0)).await?;
        same("told", raw.cancelled().await?, "b")?;
        raw.quiet(&other).await?;
    }
    "basic.cancel.notified-acks-still-fine", "A deleted queue's messages can still be acked", NOTIFY,
    "neither their ack nor their nack is an error", |ctx| {
        let (q, other) = (ctx.name("q"), ctx.name("other"));
        let mut raw = ctx.raw().await?;
        raw.queue(&other).await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        raw.consume(&q, "t", 0).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.texts(2).await?;
        let mut deleter = ctx.raw().await?;
        deleter.call(methods::queue_delete(&q, 0)).await?;
        same("told", raw.cancelled().await?, "t")?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.send(methods::basic_nack(2, false, true)).await;
        raw.quiet(&other).await?;
        raw.send(methods::basic_ack(2, false)).await;
        let text = "PRECONDITION_FAILED - unknown delivery tag 2".to_owned();
        raw.expect_closed(&crate::raw::Scope::channel(406, text, (60, 80))).await?;
    }
    "basic.cancel.not-notified-on-purge", "A purge ends no consumer", "AMQP 0-9-1, 1.7.2.7 (queue.purge)",
    "the number of purged messages, and the consumer gets the next one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::EXCLUSIVE, table([])).await?;
        raw.consume_few(&q, "t", 1).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.until_ready(&q, 2).await?;
        let purged = raw.call(methods::queue_purge(&q)).await?;
        same("purged", Reader(&purged).u32()?, 2_u32)?;
        raw.publish("", &q, "d").await;
        same("first", raw.delivery().await?.text(), "a")?;
        raw.send(methods::basic_ack(1, false)).await;
        same("next", raw.delivery().await?.text(), "d")?;
    }
}
