//! What comes back: where it stands then, how it is marked, and who gets it.

use crate::case::{Check, ensure, same};
use crate::codec::{Reader, Table, Writer};
use crate::methods::{self, c, q};
use crate::raw::Raw;
use crate::steps::{all_seen, numbered};

const ACK: &str = "AMQP 0-9-1, 1.8.3.13 (basic.ack); RabbitMQ: Consumer Acknowledgements";
const NACK: &str = "RabbitMQ: Negative Acknowledgements";
const MARK: &str = "AMQP 0-9-1, 1.8.3.9.3 (redelivered)";
const RECOVER: &str = "AMQP 0-9-1, 1.8.3.16 (basic.recover)";
const GET: &str = "AMQP 0-9-1, 1.8.3.10 (basic.get)";

/// A queue with `count` numbered messages, all of them unacked; their tags are 1 to `count`.
async fn held(raw: &mut Raw, queue: &str, count: usize) -> Check {
    raw.queue(queue).await?;
    raw.fill_numbers(queue, 0..count).await;
    raw.hold(queue, count).await.map(|_| ())
}

crate::cases! {
    "basic.requeue.order.one-from-the-middle", "One message of many goes back to its own place", NACK,
    "before what came after it, though that came back earlier", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 5).await?;
        for tag in [5, 3] {
            raw.send(methods::basic_nack(tag, false, true)).await;
        }
        raw.send(methods::basic_nack(1, false, true)).await;
        same("queue", raw.drain_seen(&q).await?, all_seen(&["0", "2", "4"], true))?;
    }
    "basic.requeue.order.reversed", "Messages that come back in reverse stand in order", NACK,
    "0 to 9, all redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 10).await?;
        for tag in (1..=10).rev() {
            raw.send(methods::basic_reject(tag, true)).await;
        }
        let wanted: Vec<_> = numbered(0..10).into_iter().map(|text| (text, true)).collect();
        same("queue", raw.drain_seen(&q).await?, wanted)?;
    }
    "basic.requeue.order.shuffled", "Two hundred messages that come back in any order stand in order", NACK,
    "0 to 199", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 200).await?;
        // 77 and 200 have no common factor, so that this meets every tag once.
        for step in 0..200_u64 {
            raw.send(methods::basic_nack(step * 77 % 200 + 1, false, true)).await;
        }
        same("queue", raw.drain(&q).await?, numbered(0..200))?;
    }
    "basic.requeue.order.among-ready", "Messages come back between those that never left", NACK,
    "before the ready ones, which are not marked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 3).await?;
        raw.fill_numbers(&q, 3..5).await;
        raw.send(methods::basic_ack(2, false)).await;
        raw.send(methods::basic_nack(3, false, true)).await;
        raw.send(methods::basic_nack(1, false, true)).await;
        let mut wanted = all_seen(&["0", "2"], true);
        wanted.extend(all_seen(&["3", "4"], false));
        same("queue", raw.drain_seen(&q).await?, wanted)?;
    }
    "basic.requeue.order.of-two-channels", "Messages of two channels come back into one order", NACK,
    "as published, whichever channel had them", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_numbers(&q, 0..6).await;
        raw.open_channel(2).await?;
        for _ in 0..3 {
            raw.channel = 1;
            raw.hold(&q, 1).await?;
            raw.channel = 2;
            raw.hold(&q, 1).await?;
        }
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.until_ready(&q, 3).await?;
        raw.send(methods::basic_nack(0, true, true)).await;
        same("queue", raw.drain(&q).await?, numbered(0..6))?;
    }
    "basic.requeue.order.to-a-consumer", "A consumer gets what comes back in order", NACK,
    "all five again, in order, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_numbers(&q, 0..5).await;
        raw.consume(&q, "", 0).await?;
        raw.texts(5).await?;
        raw.send(methods::basic_nack(5, true, true)).await;
        same("again", raw.seen(5).await?, all_seen(&["0", "1", "2", "3", "4"], true))?;
        raw.quiet(&q).await?;
    }
    "basic.requeue.order.of-a-closed-channel", "Another client's consumer gets a closed channel's messages in order",
    ACK, "those that were not acked, redelivered, and then the others", |ctx| {
        let q = ctx.name("q");
        let (mut gone, mut stays) = (ctx.raw().await?, ctx.raw().await?);
        stays.declare(&q, q::NONE, Table::new()).await?;
        stays.fill_numbers(&q, 0..6).await;
        stays.until_ready(&q, 6).await?;
        gone.hold(&q, 5).await?;
        gone.send(methods::basic_ack(2, false)).await;
        stays.consume(&q, "", c::NO_ACK).await?;
        same("the one left", stays.seen(1).await?, all_seen(&["5"], false))?;
        gone.call(methods::channel_close()).await?;
        same("those back", stays.seen(4).await?, all_seen(&["0", "2", "3", "4"], true))?;
        stays.quiet(&q).await?;
    }
    "basic.requeue.lost-with-acks", "A lost connection's acks count as far as they were sent", ACK,
    "what was acked is gone, the rest comes back in order", |ctx| {
        let q = ctx.name("q");
        let (mut lost, mut stays) = (ctx.raw().await?, ctx.raw().await?);
        stays.declare(&q, q::NONE, Table::new()).await?;
        stays.fill_numbers(&q, 0..5).await;
        stays.until_ready(&q, 5).await?;
        lost.hold(&q, 4).await?;
        lost.send(methods::basic_ack(2, true)).await;
        lost.counts(&q).await?;
        drop(lost);
        stays.until_ready(&q, 3).await?;
        let mut wanted = all_seen(&["2", "3"], true);
        wanted.extend(all_seen(&["4"], false));
        same("queue", stays.drain_seen(&q).await?, wanted)?;
    }
    "basic.requeue.marked-again", "A message stays marked as redelivered", MARK,
    "unmarked at first, marked the second and the third time", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        for (tag, marked) in [(1, false), (2, true), (3, true)] {
            let message = raw.get(&q, false).await?;
            same("tag and mark", message.map(|m| (m.tag, m.redelivered)), Some((tag, marked)))?;
            raw.send(methods::basic_nack(tag, false, true)).await;
        }
    }
    "basic.requeue.only-the-returned-are-marked", "Only what came back is marked", MARK,
    "the others of the queue are not", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        raw.hold(&q, 2).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.send(methods::basic_nack(2, false, true)).await;
        let mut wanted = all_seen(&["b"], true);
        wanted.extend(all_seen(&["c"], false));
        same("queue", raw.drain_seen(&q).await?, wanted)?;
    }
    "basic.requeue.to-a-waiting-consumer", "What a get gives back goes to a waiting consumer", NACK,
    "at once, redelivered", |ctx| {
        let q = ctx.name("q");
        let (mut getter, mut waiter) = (ctx.raw().await?, ctx.raw().await?);
        waiter.declare(&q, q::NONE, Table::new()).await?;
        waiter.publish("", &q, "m").await;
        waiter.until_ready(&q, 1).await?;
        getter.hold(&q, 1).await?;
        waiter.consume(&q, "", c::NO_ACK).await?;
        waiter.quiet(&q).await?;
        getter.send(methods::basic_nack(1, false, true)).await;
        same("delivery", waiter.seen(1).await?, all_seen(&["m"], true))?;
    }
    "basic.recover.async", "The old recover without an answer does the same",
    "AMQP 0-9-1, 1.8.3.15 (basic.recover-async)", "no recover-ok; the unacked messages come again in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.consume(&q, "", 0).await?;
        raw.texts(2).await?;
        raw.send(methods::method(60, 100, Writer::default().u8(1))).await;
        same("again", raw.seen(2).await?, all_seen(&["a", "b"], true))?;
        raw.quiet(&q).await?;
    }
    "basic.recover.two-queues", "Recover gives back the messages of every queue", RECOVER,
    "each in its own queue and in order", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.fill_queue(&p, &["a", "b"]).await;
        raw.fill_queue(&q, &["x", "y"]).await;
        for queue in [&p, &q, &p, &q] {
            raw.hold(queue, 1).await?;
        }
        raw.call(methods::basic_recover(true)).await?;
        same("p", raw.drain_seen(&p).await?, all_seen(&["a", "b"], true))?;
        same("q", raw.drain_seen(&q).await?, all_seen(&["x", "y"], true))?;
    }
    "basic.recover.nothing", "Recover of nothing is answered", RECOVER,
    "recover-ok, and no deliveries", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_recover(true)).await?;
        raw.quiet(&q).await?;
    }
    "basic.recover.tags-are-spent", "After recover the old tags mean nothing", RECOVER,
    "an ack of one is 406", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 1).await?;
        raw.call(methods::basic_recover(true)).await?;
        raw.send(methods::basic_ack(1, false)).await;
        let text = "PRECONDITION_FAILED - unknown delivery tag 1".to_owned();
        raw.expect_closed(&crate::raw::Scope::channel(406, text, (60, 80))).await?;
    }
    "basic.ack.multiple-over-queues", "An ack with multiple settles messages of every queue", ACK,
    "of two gets and a consumer", |ctx| {
        let (p, q, r) = (ctx.name("p"), ctx.name("q"), ctx.name("r"));
        let mut raw = ctx.raw().await?;
        for queue in [&p, &q, &r] {
            raw.queue(queue).await?;
        }
        raw.publish("", &p, "a").await;
        raw.publish("", &q, "b").await;
        raw.hold(&p, 1).await?;
        raw.hold(&q, 1).await?;
        raw.consume(&r, "t", 0).await?;
        raw.fill_queue(&r, &["c", "d"]).await;
        raw.texts(2).await?;
        raw.send(methods::basic_ack(3, true)).await;
        raw.call(methods::basic_cancel("t")).await?;
        raw.call(methods::basic_recover(true)).await?;
        let mut left = Vec::new();
        for queue in [&p, &q, &r] {
            left.push(raw.drain(queue).await?);
        }
        same("left", left, [vec![], vec![], vec!["d".to_owned()]])?;
    }
    "basic.ack.multiple-after-singles", "An ack with multiple passes over what is settled", ACK,
    "no error, and all up to the tag are settled", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 5).await?;
        raw.send(methods::basic_ack(2, false)).await;
        raw.send(methods::basic_nack(3, false, false)).await;
        raw.send(methods::basic_ack(4, true)).await;
        raw.call(methods::basic_recover(true)).await?;
        same("left", raw.drain(&q).await?, ["4"])?;
    }
    "basic.ack.multiple-zero-of-nothing", "An ack of everything when there is nothing is no error", ACK,
    "the channel lives on", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_ack(0, true)).await;
        raw.send(methods::basic_nack(0, true, true)).await;
        raw.quiet(&q).await?;
    }
    "basic.ack.no-ack-tags-between", "Tags of deliveries without acks are no gap for an ack with multiple", ACK,
    "the message before such a delivery and the one after are both settled", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.fill_queue(&p, &["a", "b", "c"]).await;
        raw.publish("", &q, "no ack").await;
        raw.hold(&p, 1).await?;
        same("tag", raw.take(&q).await?.tag, 2_u64)?;
        same("tags", raw.hold(&p, 2).await?, [3_u64, 4])?;
        raw.send(methods::basic_ack(3, true)).await;
        raw.call(methods::basic_recover(true)).await?;
        same("left", raw.drain(&p).await?, ["c"])?;
    }
    "basic.ack.after-channel-reopened", "A channel opened anew counts its tags from 1 and knows none of the old", ACK,
    "the first delivery is 1, the old one's tag 2 is unknown", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 2).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 2).await?;
        same("tags", raw.hold(&q, 1).await?, [1_u64])?;
        raw.send(methods::basic_ack(2, false)).await;
        let text = "PRECONDITION_FAILED - unknown delivery tag 2".to_owned();
        raw.expect_closed(&crate::raw::Scope::channel(406, text, (60, 80))).await?;
    }
    "basic.get.empty-has-no-tag", "A get that finds nothing takes no tag", GET,
    "the first message after it has tag 1", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        ensure(raw.get(&q, false).await?.is_none(), "a message in an empty queue")?;
        raw.publish("", &q, "m").await;
        same("tags", raw.hold(&q, 1).await?, [1_u64])?;
    }
    "basic.get.unacked-not-counted", "A get counts the ready messages that are left", GET,
    "unacked ones are not among them, requeued ones are", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 3).await?;
        raw.fill_queue(&q, &["3", "4"]).await;
        let first = raw.take(&q).await?;
        same("with three unacked", (first.text().as_str(), first.remaining), ("3", 1))?;
        raw.send(methods::basic_nack(2, true, true)).await;
        let next = raw.take(&q).await?;
        same("with two back", (next.text().as_str(), next.remaining), ("0", 2))?;
    }
    "queue.purge.leaves-unacked", "A purge leaves unacked messages alone", "AMQP 0-9-1, 1.7.2.7 (queue.purge)",
    "only the ready ones are counted and gone; the others come back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 2).await?;
        raw.fill_queue(&q, &["2", "3", "4"]).await;
        let purged = raw.call(methods::queue_purge(&q)).await?;
        same("purged", Reader(&purged).u32()?, 3_u32)?;
        raw.send(methods::basic_nack(2, true, true)).await;
        same("queue", raw.drain_seen(&q).await?, all_seen(&["0", "1"], true))?;
    }
    "queue.delete.unacked-are-gone", "A queue that is deleted and declared again has nothing of the old one",
    "AMQP 0-9-1, 1.7.2.9 (queue.delete)",
    "a requeue of the old queue's message brings nothing into the new one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        held(&mut raw, &q, 2).await?;
        let deleted = raw.call(methods::queue_delete(&q, 0)).await?;
        ensure(Reader(&deleted).u32()? <= 2, "more messages deleted than there were")?;
        raw.queue(&q).await?;
        raw.send(methods::basic_nack(2, true, true)).await;
        raw.quiet(&q).await?;
        raw.publish("", &q, "new").await;
        same("queue", raw.drain(&q).await?, ["new"])?;
    }
}
