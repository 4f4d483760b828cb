//! The prefetch of a channel (basic.qos with global): who shares it, what counts, and when it changes.

use crate::check::{Check, ensure, same};
use crate::codec::{Value, table};
use crate::methods::{self, c};
use crate::raw::Raw;
use crate::steps::numbered;

const REF: &str = "RabbitMQ: Consumer Prefetch (global)";

/// Acks deliveries one after the other as they come, oldest first; the consumers that they went to.
async fn ack_one_by_one(raw: &mut Raw, count: usize) -> Check<Vec<String>> {
    let mut consumers = Vec::new();
    for _ in 0..count {
        let delivery = raw.delivery().await?;
        consumers.push(delivery.consumer);
        raw.send(methods::basic_ack(delivery.tag, false)).await;
    }
    Ok(consumers)
}

/// A queue with so many messages, numbered.
async fn filled(raw: &mut Raw, queue: &str, count: usize) -> Check {
    raw.queue(queue).await?;
    raw.fill_numbers(queue, 0..count).await;
    raw.until_ready(queue, u32::try_from(count).unwrap_or(u32::MAX)).await
}

fn of(consumers: &[String], tag: &str) -> usize {
    consumers.iter().filter(|consumer| *consumer == tag).count()
}

crate::cases! {
    "prefetch.channel.turns", "Consumers of one channel on one queue take turns under its prefetch", REF,
    "each has about half of the messages", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 20).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        let consumers = ack_one_by_one(&mut raw, 20).await?;
        same("first", of(consumers.get(..3).unwrap_or_default(), "a"), 2)?;
        ensure((9..=11).contains(&of(&consumers, "a")), format!("{consumers:?}"))?;
    }
    "prefetch.channel.no-queue-starves", "Queues that share a channel's prefetch take turns", REF,
    "of 45 acks each of three queues gets some", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        for tag in ["a", "b", "c"] {
            let q = ctx.name(tag);
            filled(&mut raw, &q, 45).await?;
        }
        for tag in ["a", "b", "c"] {
            raw.consume(&ctx.name(tag), tag, 0).await?;
        }
        let consumers = ack_one_by_one(&mut raw, 45).await?;
        for tag in ["a", "b", "c"] {
            ensure(of(&consumers, tag) >= 3, format!("{tag} starves: {consumers:?}"))?;
        }
    }
    "prefetch.channel.holds-no-ack", "A channel whose prefetch is used up delivers nothing without acks either", REF,
    "held until something is acked", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 2).await?;
        filled(&mut raw, &q, 3).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&p, "acks", 0).await?;
        same("acks", raw.texts(2).await?, ["0", "1"])?;
        raw.consume(&q, "none", c::NO_ACK).await?;
        raw.quiet(&q).await?;
        same("held", raw.counts(&q).await?.0, 3_u32)?;
        raw.send(methods::basic_ack(1, false)).await;
        same("then", raw.texts(3).await?, ["0", "1", "2"])?;
    }
    "prefetch.channel.no-ack-counts-not", "Deliveries without acks take nothing of a channel's prefetch", REF,
    "all come, and then as many as may be unacked", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 5).await?;
        filled(&mut raw, &q, 5).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&p, "none", c::NO_ACK).await?;
        same("none", raw.texts(5).await?, numbered(0..5))?;
        raw.consume(&q, "acks", 0).await?;
        same("acks", raw.texts(2).await?, ["0", "1"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.counts-unacked", "What is unacked when a channel's prefetch is set counts", REF,
    "twenty are out with a limit of 5: nothing more before the sixteenth ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 40).await?;
        raw.call(methods::basic_qos(0, 20, false)).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(20).await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        for tag in 1..=15 {
            raw.send(methods::basic_ack(tag, false)).await;
        }
        raw.quiet(&q).await?;
        for tag in 16..=20 {
            raw.send(methods::basic_ack(tag, false)).await;
            same("next", raw.delivery().await?.tag, tag + 5)?;
            raw.quiet(&q).await?;
        }
    }
    "prefetch.channel.counts-gets", "Unacked gets count when a channel's prefetch is set, later ones do not", REF,
    "three are got, two more come with a limit of 5", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 8).await?;
        filled(&mut raw, &q, 8).await?;
        raw.hold(&p, 3).await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        raw.hold(&p, 3).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(2).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(7, false)).await;
        same("next", raw.delivery().await?.tag, 9_u64)?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(4, false)).await;
        raw.send(methods::basic_ack(5, false)).await;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.gets-give-no-credit", "What was got before a channel's prefetch was set gives no credit", REF,
    "its ack lets nothing through before the limit is lifted", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 2).await?;
        filled(&mut raw, &q, 8).await?;
        raw.hold(&p, 2).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.delivery().await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.quiet(&q).await?;
        raw.call(methods::basic_qos(0, 0, true)).await?;
        same("all", raw.texts(7).await?.len(), 7_usize)?;
    }
    "prefetch.channel.lifted-by-consumers", "basic.qos without global lifts the channel's prefetch", REF,
    "everything comes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 10).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(2).await?;
        raw.quiet(&q).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        same("rest", raw.texts(8).await?, numbered(2..10))?;
    }
    "prefetch.channel.lifted-by-0", "A global prefetch of 0 lifts the limit, and one set later counts what is out", REF,
    "everything comes, then nothing before enough is acked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 6).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(2).await?;
        raw.call(methods::basic_qos(0, 0, true)).await?;
        raw.texts(4).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.fill_numbers(&q, 6..8).await;
        raw.until_ready(&q, 2).await?;
        raw.send(methods::basic_ack(4, true)).await;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(5, false)).await;
        same("next", raw.delivery().await?.text(), "6")?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.lowered-and-raised", "A lower limit holds once less than that is out", REF,
    "ten are out, four after it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 30).await?;
        raw.call(methods::basic_qos(0, 10, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(10).await?;
        raw.call(methods::basic_qos(0, 4, true)).await?;
        raw.send(methods::basic_ack(6, true)).await;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(8, true)).await;
        same("two", raw.texts(2).await?, ["10", "11"])?;
        raw.quiet(&q).await?;
        raw.call(methods::basic_qos(0, 6, true)).await?;
        same("two more", raw.texts(2).await?, ["12", "13"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.later-consumers", "A global prefetch holds for consumers that are there already", REF,
    "the first keeps its own limit, the second gets what is left of the channel's", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 20).await?;
        raw.call(methods::basic_qos(0, 2, false)).await?;
        raw.consume(&q, "a", 0).await?;
        same("a", raw.turns(2).await?, ["a", "a"])?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        raw.consume(&q, "b", 0).await?;
        same("b", raw.turns(2).await?, ["b", "b"])?;
        raw.consume(&q, "c", 0).await?;
        same("c", raw.turns(1).await?, ["c"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.nack-and-recover", "Whatever ends a delivery frees a place of the channel's prefetch", REF,
    "nack with and without requeue, recover", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 5).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "", 0).await?;
        same("first", raw.texts(2).await?, ["0", "1"])?;
        // Which message comes next depends on whether its place or its return is there first.
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.texts(1).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_nack(2, false, false)).await;
        raw.texts(1).await?;
        raw.quiet(&q).await?;
        raw.call(methods::basic_recover(true)).await?;
        // The same again: two of those that came back and those that were behind them.
        let mut recovered = raw.texts(2).await?;
        recovered.sort_unstable();
        let expected = if recovered == ["3", "4"] { ["3", "4"] } else { ["0", "2"] };
        same("recovered", recovered, expected)?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.cancel", "What a cancelled consumer holds counts on", REF,
    "the other one gets a message for each that is acked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 6).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        same("a", raw.turns(3).await?, ["a", "a", "a"])?;
        raw.call(methods::basic_cancel("a")).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("b", raw.turns(1).await?, ["b"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.cancelled-queue", "A queue whose consumer was cancelled keeps nothing of a channel's prefetch", REF,
    "the other queue gets a message for each that is acked", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 6).await?;
        filled(&mut raw, &q, 6).await?;
        raw.call(methods::basic_qos(0, 1, true)).await?;
        raw.consume(&p, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        // Whichever is next, b has waited for its turn when it goes.
        ack_one_by_one(&mut raw, 2).await?;
        let last = raw.delivery().await?;
        raw.call(methods::basic_cancel("b")).await?;
        raw.send(methods::basic_ack(last.tag, false)).await;
        same("a", ack_one_by_one(&mut raw, 3).await?, ["a", "a", "a"])?;
    }
    "prefetch.channel.priorities", "Under a channel's prefetch the consumer with the higher priority comes first", REF,
    "what is freed goes to it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 10).await?;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "low", 0).await?;
        same("low", raw.turns(2).await?, ["low", "low"])?;
        raw.consume_with(&q, "high", 0, table([("x-priority", Value::I32(5))])).await?;
        for tag in 1..=6 {
            raw.send(methods::basic_ack(tag, false)).await;
            same("high", raw.turns(1).await?, ["high"])?;
        }
        raw.quiet(&q).await?;
    }
    "prefetch.channel.single-active", "The next single active consumer of a channel waits for room, too", REF,
    "nothing before an ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-single-active-consumer", Value::Bool(true))]).await?;
        raw.fill_numbers(&q, 0..8).await;
        raw.call(methods::basic_qos(0, 2, true)).await?;
        raw.consume(&q, "a", 0).await?;
        raw.consume(&q, "b", 0).await?;
        same("a", raw.turns(2).await?, ["a", "a"])?;
        raw.call(methods::basic_cancel("a")).await?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(2, true)).await;
        same("b", raw.turns(2).await?, ["b", "b"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.deleted-queue", "Messages of a deleted queue count until they are acked", REF,
    "the other queue goes on with the first ack", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 5).await?;
        filled(&mut raw, &q, 5).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&p, "a", 0).await?;
        raw.texts(3).await?;
        raw.consume(&q, "b", 0).await?;
        raw.call(methods::queue_delete(&p, 0)).await?;
        same("cancelled", raw.cancelled().await?, "a".to_owned())?;
        raw.quiet(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("b", raw.turns(1).await?, ["b"])?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.transaction", "Acks of a transaction free places at its commit", REF,
    "not before, and not by a rollback", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &q, 9).await?;
        raw.call(methods::tx_select()).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&q, "", 0).await?;
        raw.texts(3).await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.quiet(&q).await?;
        raw.call(methods::tx_commit()).await?;
        same("committed", raw.texts(2).await?, ["3", "4"])?;
        raw.send(methods::basic_ack(3, false)).await;
        raw.call(methods::tx_rollback()).await?;
        raw.quiet(&q).await?;
    }
    "prefetch.channel.closed", "What a closed channel held of several queues is delivered again", REF,
    "to the next channel, flagged, under its own limit", |ctx| {
        let (p, q) = (ctx.name("p"), ctx.name("q"));
        let mut raw = ctx.raw().await?;
        filled(&mut raw, &p, 2).await?;
        filled(&mut raw, &q, 2).await?;
        raw.call(methods::basic_qos(0, 3, true)).await?;
        raw.consume(&p, "a", 0).await?;
        raw.texts(2).await?;
        raw.consume(&q, "b", 0).await?;
        raw.texts(1).await?;
        raw.call(methods::channel_close()).await?;
        raw.switch(2).await?;
        raw.until_ready(&p, 2).await?;
        raw.until_ready(&q, 2).await?;
        raw.call(methods::basic_qos(0, 4, true)).await?;
        raw.consume(&p, "a", 0).await?;
        same("p", raw.seen(2).await?, [("0".into(), true), ("1".into(), true)])?;
        raw.consume(&q, "b", 0).await?;
        same("q", raw.seen(2).await?, [("0".into(), true), ("1".into(), false)])?;
    }
}
