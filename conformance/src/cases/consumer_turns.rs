//! Which consumer gets the next message: turns, priorities, and the single active one.

use std::collections::BTreeMap;

use crate::check::{Check, ensure, same};
use crate::codec::{Table, Value, table};
use crate::methods::{self, c, q};
use crate::raw::Raw;
use crate::steps::{all_seen, numbered};

const TURNS: &str = "RabbitMQ: Consumers";
const ORDER: &str = "AMQP 0-9-1, 4.7 (content ordering guarantees)";
const PRIORITY: &str = "RabbitMQ: Consumer Priorities";
const SINGLE: &str = "RabbitMQ: Single Active Consumer";

fn priority(value: i32) -> Table {
    table([("x-priority", value.into())])
}

/// How many messages each consumer had.
fn shares(turns: &[String]) -> Vec<(&str, usize)> {
    let mut shares = BTreeMap::new();
    for tag in turns {
        *shares.entry(tag.as_str()).or_insert(0) += 1;
    }
    shares.into_iter().collect()
}

async fn quorum_single_active(raw: &mut Raw, queue: &str) -> Check {
    let arguments = table([("x-single-active-consumer", true.into()), ("x-queue-type", "quorum".into())]);
    raw.declare(queue, q::DURABLE, arguments).await?;
    Ok(())
}

/// Who is active, one after the other, of five consumers of which each is cancelled when it was.
async fn succession(raw: &mut Raw, queue: &str, wanted: &[&str]) -> Check {
    for (tag, priority) in [("first", 0), ("low", -1), ("old high", 5), ("young high", 5), ("middle", 1)] {
        raw.consume_with(queue, tag, c::NO_ACK, table([("x-priority", priority.into())])).await?;
    }
    for tag in wanted {
        raw.publish("", queue, "m").await;
        same("active", raw.turns(1).await?, [*tag])?;
        raw.call(methods::basic_cancel(tag)).await?;
    }
    Ok(())
}

crate::cases! {
    "basic.deliver.even", "Consumers of a channel get equal shares of a stream", TURNS,
    "ten messages each of thirty, published at once", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for tag in ["a", "b", "c"] {
            raw.consume(&q, tag, c::NO_ACK).await?;
        }
        raw.fill_numbers(&q, 0..30).await;
        same("shares", shares(&raw.turns(30).await?), [("a", 10), ("b", 10), ("c", 10)])?;
    }
    "basic.deliver.even-connections", "Consumers of different connections take turns", TURNS,
    "three messages each of nine", |ctx| {
        let q = ctx.name("q");
        let mut raws = [ctx.raw().await?, ctx.raw().await?, ctx.raw().await?];
        let mut publisher = ctx.raw().await?;
        publisher.declare(&q, q::NONE, Table::new()).await?;
        for raw in &mut raws {
            raw.consume(&q, "", 0).await?;
        }
        publisher.fill_numbers(&q, 0..9).await;
        publisher.until_ready(&q, 0).await?;
        for raw in &mut raws {
            raw.seen(3).await?;
            raw.quiet(&q).await?;
        }
    }
    "basic.deliver.full-passed-over", "A consumer without room is passed over", TURNS,
    "it keeps its one message, all others go to the other consumer", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "few", 1).await?;
        raw.publish("", &q, "0").await;
        same("first", raw.delivery().await?.consumer, "few")?;
        raw.switch(2).await?;
        raw.consume(&q, "many", c::NO_ACK).await?;
        raw.fill_numbers(&q, 1..8).await;
        same("shares", shares(&raw.turns(7).await?), [("many", 7)])?;
        raw.quiet(&q).await?;
    }
    "basic.deliver.late-joiner", "A consumer that comes later gets its turns", TURNS,
    "from then on half of the messages", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "a", c::NO_ACK).await?;
        raw.fill_numbers(&q, 0..5).await;
        same("alone", shares(&raw.turns(5).await?), [("a", 5)])?;
        raw.consume(&q, "b", c::NO_ACK).await?;
        raw.fill_numbers(&q, 0..10).await;
        same("together", shares(&raw.turns(10).await?), [("a", 5), ("b", 5)])?;
    }
    "basic.deliver.after-one-left", "When a consumer leaves the others go on taking turns", TURNS,
    "equal shares for the two that stay", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for tag in ["a", "b", "c"] {
            raw.consume(&q, tag, c::NO_ACK).await?;
        }
        raw.publish("", &q, "m").await;
        raw.delivery().await?;
        raw.call(methods::basic_cancel("b")).await?;
        raw.fill_numbers(&q, 0..10).await;
        same("shares", shares(&raw.turns(10).await?), [("a", 5), ("c", 5)])?;
    }
    "basic.deliver.order-of-one", "One consumer gets everything in the order of publishing", ORDER,
    "500 messages, and tags that count them", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_numbers(&q, 0..250).await;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.fill_numbers(&q, 250..500).await;
        let (mut texts, mut tags) = (Vec::new(), Vec::new());
        for _ in 0..500 {
            let message = raw.delivery().await?;
            texts.push(message.text());
            tags.push(message.tag);
        }
        same("texts", texts, numbered(0..500))?;
        same("tags", tags, (1..=500).collect::<Vec<u64>>())?;
    }
    "basic.deliver.order-per-consumer", "Each of two consumers gets its messages in order", ORDER,
    "the texts of each rise, and all come once", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "a", c::NO_ACK).await?;
        raw.switch(2).await?;
        raw.consume(&q, "b", c::NO_ACK).await?;
        raw.fill_numbers(&q, 100..200).await;
        let mut each: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for _ in 0..100 {
            let message = raw.delivery().await?;
            each.entry(message.consumer.clone()).or_default().push(message.text());
        }
        ensure(each.values().all(|texts| texts.is_sorted()), format!("out of order: {each:?}"))?;
        let mut all: Vec<String> = each.into_values().flatten().collect();
        all.sort();
        same("all", all, numbered(100..200))?;
    }
    "consumer.priority.default-is-zero", "A consumer without a priority has 0", PRIORITY,
    "one of 1 is served before it, one of -1 after it", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        raw.queue(&p).await?;
        raw.queue(&q).await?;
        raw.consume(&p, "none of p", c::NO_ACK).await?;
        raw.consume_with(&p, "one", c::NO_ACK, priority(1)).await?;
        raw.consume_with(&q, "minus one", c::NO_ACK, priority(-1)).await?;
        raw.consume(&q, "none of q", c::NO_ACK).await?;
        raw.fill_numbers(&p, 0..3).await;
        same("served of p", shares(&raw.turns(3).await?), [("one", 3)])?;
        raw.fill_numbers(&q, 0..3).await;
        same("served of q", shares(&raw.turns(3).await?), [("none of q", 3)])?;
    }
    "consumer.priority.equals-take-turns", "Consumers of equal priority take turns", PRIORITY,
    "the two highest share, the lowest gets nothing", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_with(&q, "low", c::NO_ACK, priority(1)).await?;
        raw.consume_with(&q, "high a", c::NO_ACK, priority(5)).await?;
        raw.consume_with(&q, "high b", c::NO_ACK, priority(5)).await?;
        raw.fill_numbers(&q, 0..10).await;
        same("shares", shares(&raw.turns(10).await?), [("high a", 5), ("high b", 5)])?;
    }
    "consumer.priority.comes-back-first", "A consumer of high priority that has room again is served again", PRIORITY,
    "high, low, and after high's ack high", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume_with(&q, "high", 0, priority(9)).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.consume_with(&q, "low", 0, priority(1)).await?;
        raw.fill_queue(&q, &["1", "2"]).await;
        same("served", raw.turns(2).await?, ["high", "low"])?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.publish("", &q, "3").await;
        same("served", raw.turns(1).await?, ["high"])?;
    }
    "consumer.priority.end-gives-way", "When the highest consumer ends the next lower is served", PRIORITY,
    "after a cancel, and after a channel's close", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_with(&q, "low", c::NO_ACK, priority(1)).await?;
        raw.consume_with(&q, "high", c::NO_ACK, priority(9)).await?;
        raw.switch(2).await?;
        raw.consume_with(&q, "middle", c::NO_ACK, priority(5)).await?;
        raw.channel = 1;
        raw.publish("", &q, "1").await;
        same("served", raw.turns(1).await?, ["high"])?;
        raw.call(methods::basic_cancel("high")).await?;
        raw.publish("", &q, "2").await;
        same("served", raw.turns(1).await?, ["middle"])?;
        raw.channel = 2;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.publish("", &q, "3").await;
        same("served", raw.turns(1).await?, ["low"])?;
    }
    "consumer.priority.any-integer", "A priority may be any type of integer", PRIORITY,
    "octet, short, long and long-long are compared as numbers", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let values = [("a", Value::I8(1)), ("d", Value::I64(40)), ("b", Value::I16(2)), ("c", Value::I32(3))];
        for (tag, value) in values {
            raw.consume_with(&q, tag, c::NO_ACK, table([("x-priority", value)])).await?;
        }
        for tag in ["d", "c", "b", "a"] {
            raw.publish("", &q, "m").await;
            same("served", raw.turns(1).await?, [tag])?;
            raw.call(methods::basic_cancel(tag)).await?;
        }
    }
    "consumer.priority.requeued-goes-to-highest", "A requeued message goes to the highest consumer with room", PRIORITY,
    "not back to the one that gave it up", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_with(&q, "low", 0, priority(1)).await?;
        raw.publish("", &q, "m").await;
        same("served", raw.turns(1).await?, ["low"])?;
        raw.consume_with(&q, "high", 0, priority(2)).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        let again = raw.delivery().await?;
        same("again", (again.consumer.as_str(), again.redelivered), ("high", true))?;
    }
    "consumer.single-active.connection-lost", "The next consumer takes over when the active one is lost", SINGLE,
    "it gets what the lost one had unacked, in order, and then the rest", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::NONE, table([("x-single-active-consumer", true.into())])).await?;
        let mut lost = ctx.raw().await?;
        lost.consume_few(&q, "first", 2).await?;
        raw.consume(&q, "second", 0).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        same("first's", lost.texts(2).await?, ["a", "b"])?;
        raw.quiet(&q).await?;
        drop(lost);
        let mut wanted = all_seen(&["a", "b"], true);
        wanted.extend(all_seen(&["c"], false));
        same("second's", raw.seen(3).await?, wanted)?;
    }
    "consumer.single-active.cancel-keeps-unacked", "A cancelled active consumer keeps what it has unacked", SINGLE,
    "the next gets only the others, and the first can still ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.consume_few(&q, "first", 2).await?;
        raw.consume(&q, "second", 0).await?;
        // None is left waiting: a queue of RabbitMQ 3.10 that has one then fails at the next publish.
        raw.fill_queue(&q, &["a", "b"]).await;
        same("first's", raw.turns(2).await?, ["first", "first"])?;
        raw.call(methods::basic_cancel("first")).await?;
        raw.publish("", &q, "c").await;
        let next = raw.delivery().await?;
        same("next", (next.consumer.as_str(), next.text().as_str()), ("second", "c"))?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.quiet(&q).await?;
        raw.until_ready(&q, 0).await?;
    }
    "consumer.single-active.full", "When the active consumer is full the others still wait", SINGLE,
    "the message stays in the queue until the active one acks", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.consume_few(&q, "first", 1).await?;
        raw.consume_few(&q, "second", 5).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("served", raw.turns(1).await?, ["first"])?;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("served", raw.turns(1).await?, ["first"])?;
    }
    "consumer.single-active.waiting-one-leaves", "A waiting consumer may leave without effect", SINGLE,
    "the active one goes on, and the third takes over from it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        for tag in ["first", "second", "third"] {
            raw.consume(&q, tag, c::NO_ACK).await?;
        }
        raw.call(methods::basic_cancel("second")).await?;
        raw.publish("", &q, "a").await;
        same("served", raw.turns(1).await?, ["first"])?;
        raw.call(methods::basic_cancel("first")).await?;
        raw.publish("", &q, "b").await;
        same("served", raw.turns(1).await?, ["third"])?;
    }
    "consumer.single-active.all-gone", "Without consumers the messages wait, and the next consumer is active", SINGLE,
    "it gets all in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.consume(&q, "first", c::NO_ACK).await?;
        raw.call(methods::basic_cancel("first")).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.until_ready(&q, 2).await?;
        raw.consume(&q, "next", c::NO_ACK).await?;
        same("next's", raw.texts(2).await?, ["a", "b"])?;
    }
    "consumer.single-active.exclusive", "A queue of a single active consumer has no exclusive ones", SINGLE,
    "403 for a consumer that wants to be exclusive", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        raw.send(methods::basic_consume(&q, "t", c::EXCLUSIVE, Table::new())).await;
        let text = ctx.expand("ACCESS_REFUSED - queue '{q}' in vhost '/' in exclusive use");
        raw.expect_closed(&crate::raw::Scope::channel(403, text, (60, 20))).await?;
    }
    "consumer.single-active.next-by-priority", "After the active consumer the next is the one with the highest priority, then the oldest",
    SINGLE, "whatever the order in which they came, and not before the active one goes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", true.into())]).await?;
        succession(&mut raw, &q, &["first", "old high", "young high", "middle", "low"]).await?;
    }
    "consumer.single-active.quorum-priority", "In a quorum queue the next active consumer is chosen in the same way",
    SINGLE, "a higher priority takes over at once from one that holds nothing", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        quorum_single_active(&mut raw, &q).await?;
        succession(&mut raw, &q, &["old high", "young high", "middle", "first", "low"]).await?;
    }
    "consumer.single-active.quorum-takeover", "In a quorum queue a consumer of higher priority takes over when the active one has settled all",
    SINGLE, "the next message is for it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        quorum_single_active(&mut raw, &q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.consume(&q, "low", 0).await?;
        same("low", raw.turns(1).await?, ["low"])?;
        raw.consume_with(&q, "high", 0, table([("x-priority", 5.into())])).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("high", raw.turns(1).await?, ["high"])?;
    }
}
