//! Prefetch in the long run: what frees a place, what still counts, and what a change of it does.

use crate::case::same;
use crate::codec::Table;
use crate::methods::{self, q};
use crate::steps::{all_seen, numbered};

const EACH: &str = "RabbitMQ: Consumer Prefetch";
const QOS: &str = "AMQP 0-9-1, 1.8.3.1 (basic.qos)";
const GLOBAL: &str = "RabbitMQ: Consumer Prefetch (global)";

crate::cases! {
    "prefetch.consumer.two", "A prefetch of 2 keeps two messages in flight", EACH,
    "two of five, then one for each ack, of whichever message", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "", 2).await?;
        raw.fill_numbers(&q, 0..5).await;
        same("first", raw.texts(2).await?, ["0", "1"])?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(2, false)).await;
        same("after the ack of 2", raw.texts(1).await?, ["2"])?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("after the ack of 1", raw.texts(1).await?, ["3"])?;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 1).await?;
    }
    "prefetch.consumer.one-by-one", "With a prefetch of 1 a queue is worked off in order", EACH,
    "fifty messages, each after the ack of the one before", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_numbers(&q, 0..50).await;
        raw.consume_few(&q, "", 1).await?;
        let mut texts = Vec::new();
        for tag in 1..=50_u64 {
            let message = raw.delivery().await?;
            same("tag", message.tag, tag)?;
            texts.push(message.text());
            raw.send(methods::basic_ack(tag, false)).await;
        }
        same("texts", texts, numbered(0..50))?;
        raw.quiet(&q).await?;
    }
    "prefetch.consumer.requeue-frees", "A requeue frees its place", EACH,
    "the same message comes again, redelivered, and nothing else", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "", 1).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("first", raw.seen(1).await?, [("a".to_owned(), false)])?;
        raw.send(methods::basic_reject(1, true)).await;
        same("again", raw.seen(1).await?, [("a".to_owned(), true)])?;
        raw.quiet(&q).await?;
    }
    "prefetch.consumer.nack-multiple-frees", "A nack of several frees as many places", EACH,
    "three dropped, three more delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "", 4).await?;
        raw.fill_numbers(&q, 0..10).await;
        raw.texts(4).await?;
        raw.send(methods::basic_nack(3, true, false)).await;
        same("more", raw.texts(3).await?, ["4", "5", "6"])?;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 3).await?;
    }
    "prefetch.consumer.recover", "Recover gives back no more than the prefetch lets through", EACH,
    "the same two messages again, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "", 2).await?;
        raw.fill_numbers(&q, 0..4).await;
        same("first", raw.texts(2).await?, ["0", "1"])?;
        raw.call(methods::basic_recover(true)).await?;
        same("again", raw.seen(2).await?, all_seen(&["0", "1"], true))?;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 2).await?;
    }
    "prefetch.consumer.cancelled-does-not-count", "What a cancelled consumer has unacked is not the next one's", EACH,
    "a new consumer of the channel gets its full prefetch", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "old", 2).await?;
        raw.fill_numbers(&q, 0..6).await;
        same("old's", raw.texts(2).await?, ["0", "1"])?;
        raw.call(methods::basic_cancel("old")).await?;
        raw.consume(&q, "new", 0).await?;
        same("new's", raw.texts(2).await?, ["2", "3"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.consumer.channels-of-one-queue", "Consumers of several channels each have their prefetch of one queue",
    EACH, "two and three of ten in flight", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "two", 2).await?;
        raw.switch(2).await?;
        raw.consume_few(&q, "three", 3).await?;
        raw.fill_numbers(&q, 0..10).await;
        let mut turns = raw.turns(5).await?;
        turns.sort();
        same("in flight", turns, ["three", "three", "three", "two", "two"])?;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 5).await?;
    }
    "prefetch.consumer.lost-frees", "A lost consumer's messages go to others as far as they have room", EACH,
    "the one that is left gets two more, after its acks", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::NONE, Table::new()).await?;
        let mut lost = ctx.raw().await?;
        lost.consume_few(&q, "", 2).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("lost one's", lost.texts(2).await?, ["a", "b"])?;
        raw.consume_few(&q, "", 1).await?;
        drop(lost);
        same("first", raw.seen(1).await?, [("a".to_owned(), true)])?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("second", raw.seen(1).await?, [("b".to_owned(), true)])?;
    }
    "prefetch.consumer.ack-in-transaction", "An ack in a transaction frees its place with the commit",
    "RabbitMQ: Specification, tx; Consumer Prefetch", "nothing comes before it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::tx_select()).await?;
        raw.consume_few(&q, "", 1).await?;
        same("first", raw.texts(1).await?, ["a"])?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.quiet(&q).await?;
        raw.call(methods::tx_commit()).await?;
        same("second", raw.texts(1).await?, ["b"])?;
    }
    "prefetch.consumer.per-channel-setting", "A prefetch is for the channel it was set on", QOS,
    "a consumer of another channel is not limited", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.consume_few(&p, "limited", 1).await?;
        raw.switch(2).await?;
        raw.consume(&q, "free", 0).await?;
        raw.fill_numbers(&q, 0..20).await;
        raw.fill_numbers(&p, 0..5).await;
        let mut turns = raw.turns(21).await?;
        turns.retain(|tag| tag == "limited");
        same("limited one's", turns.len(), 1_usize)?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.set-later", "A global prefetch is for consumers that are there already too", GLOBAL,
    "a consumer of no limit is limited from then on", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "", 0).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.fill_numbers(&q, 0..5).await;
        same("in flight", raw.texts(2).await?, ["0", "1"])?;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 3).await?;
    }
    "prefetch.channel.lifted", "A global prefetch of 0 lifts the limit", GLOBAL,
    "the rest comes at once", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.fill_numbers(&q, 0..5).await;
        same("in flight", raw.texts(1).await?, ["0"])?;
        raw.quiet(&q).await?;
        raw.call(methods::basic_qos(0, 0, true)).await?;
        same("the rest", raw.texts(4).await?, numbered(1..5))?;
    }
    "prefetch.channel.lowered", "A lower global prefetch holds once so many are acked", GLOBAL,
    "five in flight, then two at a time", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.fill_numbers(&q, 0..10).await;
        same("in flight", raw.texts(5).await?, numbered(0..5))?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.send(methods::basic_ack(3, true)).await;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(4, false)).await;
        same("then", raw.texts(1).await?, ["5"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.gets-do-not-count", "What basic.get took does not count against a global prefetch", GLOBAL,
    "with two gets unacked the consumer still has its one message", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.fill_queue(&p, &["x", "y"]).await;
        raw.hold(&p, 2).await?;
        raw.consume(&q, "", 0).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("delivered", raw.texts(1).await?, ["a"])?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(3, false)).await;
        same("delivered", raw.texts(1).await?, ["b"])?;
    }
    "prefetch.channel.cancelled-still-counts", "What a cancelled consumer has unacked counts against a global prefetch",
    GLOBAL, "the next consumer gets something only after an ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&q, "old", 0).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("old's", raw.texts(1).await?, ["a"])?;
        raw.call(methods::basic_cancel("old")).await?;
        raw.consume(&q, "new", 0).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("new's", raw.texts(1).await?, ["b"])?;
    }
    "prefetch.channel.requeue-frees", "A requeue frees a place of a global prefetch", GLOBAL,
    "the message comes again, redelivered, and takes the place anew", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.publish("", &q, "a").await;
        same("first", raw.seen(1).await?, [("a".to_owned(), false)])?;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("again", raw.seen(1).await?, [("a".to_owned(), true)])?;
        raw.publish("", &q, "b").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(2, false)).await;
        same("next", raw.seen(1).await?, [("b".to_owned(), false)])?;
    }
}
