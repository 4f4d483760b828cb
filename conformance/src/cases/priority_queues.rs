//! Priority queues together with everything else that a queue does.

use crate::case::{Check, same};
use crate::codec::{Props, Reader, table};
use crate::methods::{self, c, q};
use crate::raw::Raw;
use crate::steps::all_seen;

const REF: &str = "RabbitMQ: Priority Queues";

/// Publishes bodies with their priorities.
async fn publish_all(raw: &mut Raw, queue: &str, messages: &[(u8, &str)]) {
    for (priority, body) in messages {
        let props = Props { priority: Some(*priority), ..Props::default() };
        raw.publish_with("", queue, 0, &props, body.as_bytes()).await;
    }
}

/// A priority queue of five levels.
async fn five(raw: &mut Raw, queue: &str) -> Check {
    raw.queue_with(queue, [("x-max-priority", 5.into())]).await
}

crate::cases! {
    "priority.deliver.backlog", "A consumer gets a backlog by priority", REF,
    "3, 2, 1, and within each in order of publishing", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        five(&mut raw, &q).await?;
        publish_all(&mut raw, &q, &[(1, "1a"), (3, "3a"), (2, "2a"), (3, "3b"), (1, "1b")]).await;
        raw.until_ready(&q, 5).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        same("deliveries", raw.texts(5).await?, ["3a", "3b", "2a", "1a", "1b"])?;
    }
    "priority.deliver.overtakes-waiting", "A message of higher priority overtakes those that wait", REF,
    "not the one that is with the consumer already", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        five(&mut raw, &q).await?;
        raw.consume_few(&q, "", 1).await?;
        publish_all(&mut raw, &q, &[(1, "with the consumer"), (1, "waiting")]).await;
        same("first", raw.texts(1).await?, ["with the consumer"])?;
        publish_all(&mut raw, &q, &[(4, "urgent")]).await;
        raw.until_ready(&q, 2).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("second", raw.texts(1).await?, ["urgent"])?;
        raw.send(methods::basic_ack(2, false)).await;
        same("third", raw.texts(1).await?, ["waiting"])?;
    }
    "priority.order.all-levels", "Every level is its own", REF,
    "ten messages of ten priorities, highest first", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 10.into())]).await?;
        let sent = [(3, "3"), (9, "9"), (1, "1"), (7, "7"), (5, "5"), (2, "2"), (8, "8"), (4, "4"), (6, "6"), (0, "0")];
        publish_all(&mut raw, &q, &sent).await;
        same("messages", raw.drain(&q).await?, ["9", "8", "7", "6", "5", "4", "3", "2", "1", "0"])?;
    }
    "priority.order.two-levels", "A queue of one priority above 0 has two levels", REF,
    "1 and all above are equal and come before 0", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 1.into())]).await?;
        publish_all(&mut raw, &q, &[(0, "a"), (1, "b"), (200, "c"), (0, "d"), (1, "e")]).await;
        same("messages", raw.drain(&q).await?, ["b", "c", "e", "a", "d"])?;
    }
    "priority.order.most-levels", "A queue may have 255 priorities", REF,
    "254 comes before 253, 255 before both", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 255.into())]).await?;
        publish_all(&mut raw, &q, &[(253, "253"), (255, "255"), (254, "254")]).await;
        same("messages", raw.drain(&q).await?, ["255", "254", "253"])?;
    }
    "priority.count.all-levels", "Messages of all priorities are counted together", REF,
    "by declare, by get, and by purge", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        five(&mut raw, &q).await?;
        publish_all(&mut raw, &q, &[(1, "a"), (5, "b"), (3, "c"), (0, "d")]).await;
        raw.until_ready(&q, 4).await?;
        let got = raw.take(&q).await?;
        same("got", (got.text().as_str(), got.remaining), ("b", 3))?;
        let purged = raw.call(methods::queue_purge(&q)).await?;
        same("purged", Reader(&purged).u32()?, 3_u32)?;
        raw.until_ready(&q, 0).await?;
    }
    "priority.requeue.to-its-place", "Requeued messages go back to their places in their priorities", REF,
    "the order is as it was before they were taken", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        five(&mut raw, &q).await?;
        publish_all(&mut raw, &q, &[(1, "1a"), (5, "5a"), (5, "5b"), (1, "1b"), (5, "5c")]).await;
        raw.hold(&q, 4).await?;
        for tag in [3, 1, 4, 2] {
            raw.send(methods::basic_nack(tag, false, true)).await;
        }
        let mut wanted = all_seen(&["5a", "5b", "5c", "1a"], true);
        wanted.extend(all_seen(&["1b"], false));
        same("messages", raw.drain_seen(&q).await?, wanted)?;
    }
    "priority.requeue.connection-lost", "What a lost connection had comes back by priority", REF,
    "the higher first, redelivered", |ctx| {
        let q = ctx.name("q");
        let (mut lost, mut raw) = (ctx.raw().await?, ctx.raw().await?);
        raw.declare(&q, q::NONE, table([("x-max-priority", 5.into())])).await?;
        publish_all(&mut raw, &q, &[(1, "low"), (4, "high")]).await;
        raw.until_ready(&q, 2).await?;
        lost.hold(&q, 2).await?;
        drop(lost);
        raw.until_ready(&q, 2).await?;
        same("messages", raw.drain_seen(&q).await?, all_seen(&["high", "low"], true))?;
    }
    "priority.expiry.behind-a-higher", "A low message that expired behind a high one is never delivered",
    "RabbitMQ: Priority Queues, Interaction with Other Features",
    "a consumer gets the high one and the next low one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        five(&mut raw, &q).await?;
        publish_all(&mut raw, &q, &[(5, "high")]).await;
        let props = Props { priority: Some(1), ..Props::expiring("20") };
        raw.publish_with("", &q, 0, &props, b"dead").await;
        publish_all(&mut raw, &q, &[(1, "low")]).await;
        raw.outlive(&ctx.name("clock"), 60).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        same("deliveries", raw.texts(2).await?, ["high", "low"])?;
        raw.quiet(&q).await?;
    }
    "priority.full.refused", "A full priority queue refuses even the most urgent",
    "RabbitMQ: Priority Queues; Queue Length Limit",
    "with reject-publish the newest is nacked whatever its priority", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let limits = [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())];
        raw.declare(&q, q::EXCLUSIVE, [table(limits), table([("x-max-priority", 5.into())])].concat()).await?;
        raw.call(methods::confirm_select()).await?;
        publish_all(&mut raw, &q, &[(1, "low"), (5, "high")]).await;
        same("nacked", raw.confirms(2).await?, [2_u64])?;
        same("messages", raw.drain(&q).await?, ["low"])?;
    }
    "priority.dead-letter.kept", "A dead letter has its priority in the next priority queue",
    "RabbitMQ: Priority Queues; Dead Letter Exchanges", "the later one of higher priority comes first", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        five(&mut raw, &dead).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into()), key]).await?;
        publish_all(&mut raw, &q, &[(1, "low"), (5, "high")]).await;
        raw.hold(&q, 2).await?;
        raw.send(methods::basic_nack(2, true, false)).await;
        raw.until_ready(&dead, 2).await?;
        same("letters", raw.drain(&dead).await?, ["high", "low"])?;
    }
}
