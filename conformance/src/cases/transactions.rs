//! Transactions: what is visible when, acks and nacks that wait for the commit, and what undoes them.

use crate::case::{Check, Ctx, fail, same};
use crate::codec::{Props, Table, Writer};
use crate::methods::{self, c, q};
use crate::raw::{Raw, Scope};

const TX: &str = "AMQP 0-9-1, 1.9 (tx); RabbitMQ: Broker Semantics";

/// A channel in a transaction, with an exclusive queue.
async fn in_transaction(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.queue(&ctx.name("q")).await?;
    raw.call(methods::tx_select()).await?;
    Ok(raw)
}

/// A channel in a transaction that has got these messages of its queue, tags 1 and up.
async fn holding(ctx: &Ctx, bodies: &[&str]) -> Check<Raw> {
    let q = ctx.name("q");
    let mut raw = ctx.raw().await?;
    raw.queue(&q).await?;
    raw.fill_queue(&q, bodies).await;
    raw.call(methods::tx_select()).await?;
    for _ in bodies {
        if raw.get(&q, false).await?.is_none() {
            return fail("a message is missing");
        }
    }
    Ok(raw)
}

/// Closes the channel and tells what is in the queue then.
async fn left(ctx: &Ctx, raw: &mut Raw, count: u32) -> Check<Vec<String>> {
    raw.call(methods::channel_close()).await?;
    raw.open_channel(raw.channel).await?;
    raw.until_ready(&ctx.name("q"), count).await?;
    raw.drain(&ctx.name("q")).await
}

/// The bit of basic.publish.
const MANDATORY: u8 = 1;

/// A transaction with a message for `q`, which is there, and one for a queue of which the name is returned.
async fn publish_to_two(ctx: &Ctx, bits: u8) -> Check<(Raw, String)> {
    let gone = ctx.name(&format!("gone{bits}"));
    let mut raw = ctx.raw().await?;
    raw.declare(&ctx.name("q"), 0, Table::new()).await?;
    raw.declare(&gone, 0, Table::new()).await?;
    raw.call(methods::tx_select()).await?;
    raw.publish_with("", &gone, bits, &Props::default(), b"lost").await;
    raw.publish_with("", &ctx.name("q"), bits, &Props::default(), b"kept").await;
    Ok((raw, gone))
}

/// A commit that not all queues took part in. The channel is opened again after it.
async fn partial(raw: &mut Raw) -> Check {
    raw.send(methods::tx_commit()).await;
    let text = "PRECONDITION_FAILED - partial tx completion".to_owned();
    same("answer to the commit", raw.closed().await?, Scope::channel(406, text, (90, 20)))?;
    raw.send(methods::method(20, 41, Writer::default())).await;
    raw.open_channel(raw.channel).await
}

impl Raw {
    /// What was sent before has been looked at; then another connection deletes the queue.
    async fn delete_elsewhere(&mut self, ctx: &Ctx, queue: &str) -> Check {
        self.round_trip().await?;
        let mut other = ctx.raw().await?;
        other.call(methods::queue_delete(queue, 0)).await?;
        Ok(())
    }
}

crate::cases! {
    "tx.select.ok", "tx.select, tx.commit and tx.rollback are answered", TX,
    "select-ok, commit-ok and rollback-ok without arguments, on the channel", |ctx| {
        let mut raw = ctx.raw().await?;
        for (method, ok) in [
            (methods::tx_select(), (90, 11)), (methods::tx_commit(), (90, 21)), (methods::tx_rollback(), (90, 31)),
            (methods::tx_commit(), (90, 21)),
        ] {
            raw.send(method).await;
            same("arguments", raw.expect_on(1, ok).await?, Vec::<u8>::new())?;
        }
    }
    "tx.commit.order", "A commit keeps the order of publishing", TX,
    "three hundred messages for two queues in turn", |ctx| {
        let mut raw = in_transaction(&ctx).await?;
        raw.queue(&ctx.name("other")).await?;
        for number in 0..300 {
            let queue = if number % 2 == 0 { ctx.name("q") } else { ctx.name("other") };
            raw.publish("", &queue, &number.to_string()).await;
        }
        raw.call(methods::tx_commit()).await?;
        for (queue, odd) in [("q", 0), ("other", 1)] {
            let sent: Vec<String> = (0..150).map(|number| (number * 2 + odd).to_string()).collect();
            same("messages", raw.drain(&ctx.name(queue)).await?, sent)?;
        }
    }
    "tx.commit.next-begins", "After a commit the next transaction begins by itself", TX,
    "what is published then is not visible before its own commit, and nothing twice", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish("", &q, "first").await;
        raw.call(methods::tx_commit()).await?;
        raw.publish("", &q, "second").await;
        raw.round_trip().await?;
        same("messages before", raw.counts(&q).await?.0, 1_u32)?;
        raw.call(methods::tx_commit()).await?;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&q).await?, ["first", "second"])?;
    }
    "tx.commit.each-channel", "Each channel has its own transaction", TX,
    "one channel's commit or publishes leave the other's alone", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.open_channel(2).await?;
        raw.open_channel(3).await?;
        raw.publish("", &q, "one").await;
        raw.channel = 2;
        raw.call(methods::tx_select()).await?;
        raw.publish("", &q, "two").await;
        raw.call(methods::tx_commit()).await?;
        raw.channel = 3;
        raw.publish("", &q, "three").await;
        same("messages", raw.drain(&q).await?, ["two", "three"])?;
        raw.channel = 1;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&q).await?, ["one"])?;
    }
    "tx.commit.delivers", "A consumer gets messages when they are committed", TX,
    "nothing before, then all in order", |ctx| {
        let q = ctx.name("q");
        let mut consumer = ctx.raw().await?;
        consumer.declare(&q, 0, Table::new()).await?;
        consumer.consume(&q, "t", c::NO_ACK).await?;
        let mut raw = ctx.raw().await?;
        raw.call(methods::tx_select()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.round_trip().await?;
        consumer.quiet(&q).await?;
        raw.call(methods::tx_commit()).await?;
        same("deliveries", consumer.texts(2).await?, ["a", "b"])?;
    }
    "tx.commit.persistent", "Persistent messages in a durable queue", TX,
    "visible after commit-ok, with their properties", |ctx| {
        let q = ctx.name("durable");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        raw.call(methods::tx_select()).await?;
        let props = Props { delivery_mode: Some(2), message_id: Some("id".into()), ..Props::default() };
        for _ in 0..10 {
            raw.publish_with("", &q, 0, &props, b"m").await;
        }
        same("before", raw.counts(&q).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        same("after", raw.counts(&q).await?.0, 10_u32)?;
        same("properties", raw.take(&q).await?.props, props)?;
    }
    "tx.commit.large", "A large message in a transaction", TX,
    "1 MB after the commit", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish_with("", &q, 0, &Props::default(), &vec![7; 1_000_000]).await;
        same("before", raw.counts(&q).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        same("length", raw.take(&q).await?.body.len(), 1_000_000_usize)?;
    }
    "tx.commit.fanout", "A message for several queues is in none before the commit", TX,
    "and in each after it", |ctx| {
        let (q, other, x) = (ctx.name("q"), ctx.name("other"), ctx.name("x"));
        let mut raw = in_transaction(&ctx).await?;
        raw.queue(&other).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&q, &x, "").await?;
        raw.bind(&other, &x, "").await?;
        raw.publish(&x, "", "m").await;
        same("before", (raw.counts(&q).await?.0, raw.counts(&other).await?.0), (0_u32, 0_u32))?;
        raw.call(methods::tx_commit()).await?;
        same("first", raw.drain(&q).await?, ["m"])?;
        same("second", raw.drain(&other).await?, ["m"])?;
    }
    "tx.commit.multiple-ack", "An ack of several counts at the commit", TX,
    "three are gone, the fourth comes back", |ctx| {
        let mut raw = holding(&ctx, &["a", "b", "c", "d"]).await?;
        raw.send(methods::basic_ack(3, true)).await;
        raw.call(methods::tx_commit()).await?;
        same("left", left(&ctx, &mut raw, 1).await?, ["d"])?;
    }
    "tx.commit.acks-and-publishes", "A commit takes acks and publishes together", TX,
    "the old message is gone and the new one there", |ctx| {
        let mut raw = holding(&ctx, &["old"]).await?;
        raw.publish("", &ctx.name("q"), "new").await;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::tx_commit()).await?;
        same("left", left(&ctx, &mut raw, 1).await?, ["new"])?;
    }
    "tx.commit.reject-discards", "A reject without requeue counts at the commit", TX,
    "dead-lettered by the commit, not before", |ctx| {
        let (work, dead) = (ctx.name("work"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let args = [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", dead.as_str().into())];
        raw.queue_with(&work, args).await?;
        raw.publish("", &work, "m").await;
        raw.call(methods::tx_select()).await?;
        raw.get(&work, false).await?;
        raw.send(methods::basic_reject(1, false)).await;
        raw.round_trip().await?;
        same("before", raw.counts(&dead).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        raw.until_ready(&dead, 1).await?;
        same("message", raw.take(&dead).await?.text(), "m")?;
    }
    "tx.commit.nack-several", "A nack of several counts at the commit", TX,
    "all three are requeued by it, in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = holding(&ctx, &["a", "b", "c"]).await?;
        raw.send(methods::basic_nack(3, true, true)).await;
        raw.round_trip().await?;
        same("before", raw.counts(&q).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        raw.until_ready(&q, 3).await?;
        same("messages", raw.drain(&q).await?, ["a", "b", "c"])?;
    }
    "tx.commit.publishes-first", "A commit of a publish and a nack for one queue", TX,
    "a consumer gets what was published before what was requeued, whichever came first in the transaction", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.publish("", &q, "old").await;
        let old = raw.delivery().await?;
        raw.call(methods::tx_select()).await?;
        raw.send(methods::basic_nack(old.tag, false, true)).await;
        raw.publish("", &q, "new").await;
        raw.call(methods::tx_commit()).await?;
        let texts = [raw.delivery().await?.text(), raw.delivery().await?.text()];
        same("deliveries", texts, ["new", "old"].map(String::from))?;
    }
    "tx.commit.prefetch", "Acks make room for more at the commit", TX,
    "with a prefetch of 1 the second message comes after commit-ok, not after the ack", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.call(methods::tx_select()).await?;
        raw.consume(&q, "t", 0).await?;
        let first = raw.delivery().await?;
        same("first", first.text(), "a")?;
        raw.send(methods::basic_ack(first.tag, false)).await;
        raw.round_trip().await?;
        raw.quiet(&q).await?;
        raw.call(methods::tx_commit()).await?;
        same("second", raw.delivery().await?.text(), "b")?;
    }
    "tx.commit.returns-in-order", "Messages without a route come back at the commit, in order", TX,
    "none before, ten before commit-ok, and the routed ones are in their queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        for number in 0..20 {
            let key = if number % 2 == 0 { ctx.name("missing") } else { q.clone() };
            raw.publish_with("", &key, 1, &Props::default(), number.to_string().as_bytes()).await;
        }
        raw.quiet(&q).await?;
        raw.send(methods::tx_commit()).await;
        for number in 0..10 {
            same("returned", raw.returned().await?.text(), (number * 2).to_string())?;
        }
        raw.expect_on(1, (90, 21)).await?;
        same("messages", raw.counts(&q).await?.0, 10_u32)?;
    }
    "tx.rollback.no-returns", "A rollback returns nothing", TX,
    "a mandatory message without a route is just forgotten", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish_with("", &ctx.name("missing"), 1, &Props::default(), b"m").await;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::tx_commit()).await?;
        raw.quiet(&q).await?;
    }
    "tx.rollback.acks", "A rollback undoes acks", TX,
    "the messages stay unacked, and come back when the channel is closed", |ctx| {
        let q = ctx.name("q");
        let mut raw = holding(&ctx, &["a", "b"]).await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.call(methods::tx_rollback()).await?;
        same("before the close", raw.counts(&q).await?.0, 0_u32)?;
        same("left", left(&ctx, &mut raw, 2).await?, ["a", "b"])?;
    }
    "tx.rollback.nacks", "A rollback undoes nacks", TX,
    "the message is not requeued, and can be acked", |ctx| {
        let q = ctx.name("q");
        let mut raw = holding(&ctx, &["a"]).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.call(methods::tx_rollback()).await?;
        same("after the rollback", raw.counts(&q).await?.0, 0_u32)?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::tx_commit()).await?;
        same("left", left(&ctx, &mut raw, 0).await?, Vec::<String>::new())?;
    }
    "tx.rollback.committed-stays", "A rollback does not reach behind the last commit", TX,
    "what was committed is there", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish("", &q, "committed").await;
        raw.call(methods::tx_commit()).await?;
        raw.publish("", &q, "rolled back").await;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&q).await?, ["committed"])?;
    }
    "tx.rollback.several-queues", "A rollback is over all queues", TX,
    "none has anything", |ctx| {
        let (q, other) = (ctx.name("q"), ctx.name("other"));
        let mut raw = in_transaction(&ctx).await?;
        raw.declare(&other, q::DURABLE, Table::new()).await?;
        raw.publish("", &q, "a").await;
        raw.publish_with("", &other, 0, &Props { delivery_mode: Some(2), ..Props::default() }, b"b").await;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::tx_commit()).await?;
        same("messages", (raw.counts(&q).await?.0, raw.counts(&other).await?.0), (0_u32, 0_u32))?;
    }
    "tx.close.connection", "Closing the connection discards the transaction", TX,
    "publishes are not there, and what was acked in it comes back", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.publish("", &q, "old").await;
        keeper.until_ready(&q, 1).await?;
        let mut raw = ctx.raw().await?;
        raw.call(methods::tx_select()).await?;
        raw.publish("", &q, "new").await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.round_trip().await?;
        raw.close().await;
        keeper.until_ready(&q, 1).await?;
        same("messages", keeper.drain(&q).await?, ["old"])?;
    }
    "tx.close.lost", "Losing the connection discards the transaction", TX,
    "publishes are not there, and what was acked in it comes back", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.publish("", &q, "old").await;
        keeper.until_ready(&q, 1).await?;
        let mut raw = ctx.raw().await?;
        raw.call(methods::tx_select()).await?;
        raw.publish("", &q, "new").await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.round_trip().await?;
        drop(raw);
        keeper.until_ready(&q, 1).await?;
        same("messages", keeper.drain(&q).await?, ["old"])?;
    }
    "tx.error.discards", "A channel that fails discards its transaction", TX,
    "404 at the publish, and nothing of the transaction is there", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish("", &q, "a").await;
        raw.publish("no exchange of that name", "k", "b").await;
        raw.send(methods::tx_commit()).await;
        raw.expect_channel_code(404, (60, 40)).await?;
        same("messages", raw.drain(&q).await?, Vec::<String>::new())?;
    }
    "tx.commit.queue-gone", "A queue that is gone at the commit", TX,
    "406 partial tx completion, mandatory or not; the other queue has its message", |ctx| {
        for bits in [0, MANDATORY] {
            let (mut raw, gone) = publish_to_two(&ctx, bits).await?;
            raw.delete_elsewhere(&ctx, &gone).await?;
            partial(&mut raw).await?;
            same("messages of the queue that is there", raw.drain(&ctx.name("q")).await?, ["kept"])?;
        }
    }
    "tx.commit.queue-made-again", "A queue that was deleted and made again before the commit", TX,
    "it is another queue: 406 partial tx completion, and it is empty", |ctx| {
        let (mut raw, gone) = publish_to_two(&ctx, 0).await?;
        raw.delete_elsewhere(&ctx, &gone).await?;
        let mut other = ctx.raw().await?;
        other.queue(&gone).await?;
        partial(&mut raw).await?;
        same("messages of the new queue", other.counts(&gone).await?.0, 0_u32)?;
    }
    "tx.commit.queue-of-several-gone", "One of a message's queues is gone at the commit", TX,
    "406 partial tx completion, and the other has it", |ctx| {
        let (x, gone) = (ctx.name("x"), ctx.name("gone"));
        let mut raw = in_transaction(&ctx).await?;
        raw.declare(&gone, 0, Table::new()).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&ctx.name("q"), &x, "").await?;
        raw.bind(&gone, &x, "").await?;
        raw.publish_with(&x, "", MANDATORY, &Props::default(), b"m").await;
        raw.delete_elsewhere(&ctx, &gone).await?;
        partial(&mut raw).await?;
        same("messages", raw.drain(&ctx.name("q")).await?, ["m"])?;
    }
    "tx.commit.gone-with-its-connection", "A queue that went with the connection that owned it", TX,
    "406 partial tx completion", |ctx| {
        let mut owner = ctx.raw().await?;
        owner.queue(&ctx.name("owned")).await?;
        let mut raw = in_transaction(&ctx).await?;
        raw.publish_with("", &ctx.name("owned"), MANDATORY, &Props::default(), b"m").await;
        raw.round_trip().await?;
        owner.close().await;
        ctx.open().await?.until_gone(&ctx.name("owned")).await?;
        partial(&mut raw).await?;
    }
    "tx.commit.gone-and-acked", "An ack in a transaction that a queue makes partial", TX,
    "the ack counts all the same", |ctx| {
        let q = ctx.name("q");
        let mut raw = holding(&ctx, &["m"]).await?;
        raw.declare(&ctx.name("gone"), 0, Table::new()).await?;
        raw.publish("", &ctx.name("gone"), "lost").await;
        raw.send(methods::basic_ack(1, false)).await;
        raw.delete_elsewhere(&ctx, &ctx.name("gone")).await?;
        partial(&mut raw).await?;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
    }
    "tx.commit.exchange-gone", "An exchange that is deleted, or unbound, before the commit", TX,
    "messages were routed when they were published: they arrive, mandatory or not", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        let mut other = ctx.raw().await?;
        for (number, bits) in [(1, 0), (2, MANDATORY)] {
            let x = ctx.name(&format!("x{number}"));
            raw.exchange(&x, "fanout").await?;
            raw.bind(&q, &x, "").await?;
            raw.publish_with(&x, "", bits, &Props::default(), b"m").await;
            raw.round_trip().await?;
            other.call(methods::exchange_delete(&x, 0)).await?;
            raw.call(methods::tx_commit()).await?;
            same("messages", raw.drain(&q).await?, ["m"])?;
        }
    }
    "tx.commit.queue-made-later", "A queue that is made between publish and commit", TX,
    "messages were routed when they were published: it is empty, and a mandatory one returns before commit-ok", |ctx| {
        let later = ctx.name("later");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish_with("", &later, MANDATORY, &Props::default(), b"early").await;
        raw.round_trip().await?;
        raw.queue(&later).await?;
        raw.call(methods::tx_commit()).await?;
        let returned = raw.returned().await?;
        same("returned", (returned.code, returned.text().as_str()), (312, "early"))?;
        same("messages", raw.counts(&later).await?.0, 0_u32)?;
    }
    "tx.rollback.queue-gone", "A rollback after a queue of a publish is gone", TX,
    "rollback-ok, and the next commit is whole", |ctx| {
        let (mut raw, gone) = publish_to_two(&ctx, MANDATORY).await?;
        raw.delete_elsewhere(&ctx, &gone).await?;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.counts(&ctx.name("q")).await?.0, 0_u32)?;
    }
    "tx.commit.acked-queue-gone", "A queue whose message was acked is gone at the commit", TX,
    "commit-ok: there is nothing left to ack", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.declare(&ctx.name("gone"), 0, Table::new()).await?;
        raw.publish("", &ctx.name("gone"), "m").await;
        raw.call(methods::tx_select()).await?;
        raw.hold(&ctx.name("gone"), 1).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.delete_elsewhere(&ctx, &ctx.name("gone")).await?;
        raw.call(methods::tx_commit()).await?;
    }
    "tx.select.topology-at-once", "Queues and bindings are not part of a transaction", TX,
    "what was declared is there after a rollback", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.call(methods::tx_select()).await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.direct", &q).await?;
        raw.call(methods::tx_rollback()).await?;
        raw.publish("amq.direct", &q, "m").await;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&q).await?, ["m"])?;
    }
    "tx.select.deliveries-go-on", "Deliveries do not wait for a commit", TX,
    "a consumer in a transaction gets what others publish", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.consume(&q, "t", 0).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("deliveries", raw.texts(2).await?, ["a", "b"])?;
    }
}
