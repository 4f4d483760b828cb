//! What makes messages leave a queue without a consumer: time to live, and length limits.

use crate::case::same;
use crate::codec::{Props, table};
use crate::methods::{self, c};

const TTL: &str = "RabbitMQ: Time-To-Live and Expiration";
const LENGTH: &str = "RabbitMQ: Queue Length Limit";

crate::cases! {
    "ttl.queue.expires", "Messages older than the queue's TTL are gone", TTL,
    "the queue is empty again by itself", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-message-ttl", 50.into())]).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.outlive(&ctx.name("clock"), 80).await?;
        raw.until_ready(&q, 0).await?;
        same("messages", raw.drain(&q).await?, Vec::<String>::new())?;
    }
    "ttl.message.expires", "A message older than its own expiration is gone", TTL,
    "the queue is empty again by itself", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("50"), b"a").await;
        raw.outlive(&ctx.name("clock"), 80).await?;
        raw.until_ready(&q, 0).await?;
        same("messages", raw.drain(&q).await?, Vec::<String>::new())?;
    }
    "ttl.message.lower-wins", "The lower of the queue's and the message's TTL counts", TTL,
    "a short expiration in a queue of long TTL, and the reverse", |ctx| {
        let (short, long) = (ctx.name("short"), ctx.name("long"));
        let mut raw = ctx.raw().await?;
        raw.queue_with(&short, [("x-message-ttl", 50.into())]).await?;
        raw.queue_with(&long, [("x-message-ttl", 3_600_000.into())]).await?;
        raw.publish_with("", &short, 0, &Props::expiring("3600000"), b"a").await;
        raw.publish_with("", &long, 0, &Props::expiring("50"), b"b").await;
        raw.outlive(&ctx.name("clock"), 80).await?;
        for queue in [&short, &long] {
            raw.until_ready(queue, 0).await?;
            same("messages", raw.drain(queue).await?, Vec::<String>::new())?;
        }
    }
    "ttl.queue.zero", "With a TTL of 0 a message is delivered now or never", TTL,
    "a waiting consumer gets it, nobody else does", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-message-ttl", 0.into())]).await?;
        raw.publish("", &q, "lost").await;
        raw.until_ready(&q, 0).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.publish("", &q, "taken").await;
        same("delivery", raw.delivery().await?.text(), "taken")?;
    }
    "ttl.message.zero", "A message of expiration 0 is delivered now or never", TTL,
    "a waiting consumer gets it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("0"), b"lost").await;
        raw.until_ready(&q, 0).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.publish_with("", &q, 0, &Props::expiring("0"), b"taken").await;
        same("delivery", raw.delivery().await?.text(), "taken")?;
    }
    "ttl.message.kept-over-requeue", "A requeued message keeps its expiry", TTL,
    "it is gone when it would have been", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("200"), b"a").await;
        same("got", raw.get(&q, false).await?.map(|m| m.text()), Some("a".to_owned()))?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.until_ready(&q, 0).await?;
    }
    "ttl.message.unacked-stays", "An unacked message does not expire", TTL,
    "it can be acked after its time, and is dead when it comes back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("150"), b"a").await;
        raw.hold(&q, 1).await?;
        raw.outlive(&ctx.name("clock"), 200).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.until_ready(&q, 0).await?;
        same("got", raw.get(&q, true).await?.map(|m| m.text()), None::<String>)?;
    }
    "ttl.message.delivered-as-sent", "The expiration property is delivered as it was sent", TTL,
    "the same text", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("60000"), b"a").await;
        same("expiration", raw.take(&q).await?.props.expiration, Some("60000".to_owned()))?;
    }
    "ttl.queue-expiry.unused", "An unused queue expires", "RabbitMQ: Queue TTL",
    "the queue is gone by itself", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, table([("x-expires", 80.into())])).await?;
        // Looking for it would be a use of it.
        raw.outlive(&ctx.name("clock"), 400).await?;
        raw.until_gone(&q).await?;
    }
    "length.drop-head.newest-stay", "Above x-max-length the oldest go", LENGTH,
    "the newest three are left, in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 3.into())]).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d", "e"]).await;
        same("messages", raw.drain(&q).await?, ["c", "d", "e"])?;
    }
    "length.drop-head.bytes", "Above x-max-length-bytes the oldest go", LENGTH,
    "only bodies count", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length-bytes", 10.into())]).await?;
        raw.fill_queue(&q, &["aaaa", "bbbb", "cccc"]).await;
        same("messages", raw.drain(&q).await?, ["bbbb", "cccc"])?;
    }
    "length.drop-head.both", "With both limits the first that is reached counts", LENGTH,
    "by number, then by bytes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 3.into()), ("x-max-length-bytes", 8.into())]).await?;
        raw.fill_queue(&q, &["1", "2", "3", "4"]).await;
        same("by number", raw.drain(&q).await?, ["2", "3", "4"])?;
        raw.fill_queue(&q, &["aaaaa", "bbbbb"]).await;
        same("by bytes", raw.drain(&q).await?, ["bbbbb"])?;
    }
    "length.drop-head.zero", "A queue of length 0 keeps nothing", LENGTH,
    "a message goes to a waiting consumer or is lost", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 0.into())]).await?;
        raw.publish("", &q, "lost").await;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.publish("", &q, "taken").await;
        same("delivery", raw.delivery().await?.text(), "taken")?;
    }
    "length.drop-head.unacked-not-counted", "Unacked messages do not count", LENGTH,
    "two unacked and two ready ones in a queue of two", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 2.into())]).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.get(&q, false).await?;
        raw.get(&q, false).await?;
        raw.fill_queue(&q, &["c", "d"]).await;
        raw.until_ready(&q, 2).await?;
        same("messages", raw.drain(&q).await?, ["c", "d"])?;
    }
    "length.drop-head.confirmed", "A message that pushes another out is confirmed", LENGTH,
    "acks for all", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        same("nacked", raw.confirms(3).await?, Vec::<u64>::new())?;
        same("messages", raw.drain(&q).await?, ["c"])?;
    }
    "length.reject-publish.nacked", "With reject-publish a message too many is refused", LENGTH,
    "the oldest two stay, the others are nacked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 2.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["a", "b", "c", "d"]).await;
        same("nacked", raw.confirms(4).await?, [3_u64, 4])?;
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "length.reject-publish.room-again", "A consumer makes room again", LENGTH,
    "the next message is taken", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("nacked", raw.confirms(2).await?, [2_u64])?;
        raw.take(&q).await?;
        raw.publish("", &q, "c").await;
        same("confirm", raw.confirm().await?, crate::raw::Confirm::Ack(3, false))?;
        same("messages", raw.drain(&q).await?, ["c"])?;
    }
    "length.reject-publish.other-queue-takes", "A message that one of two queues refuses is nacked", LENGTH,
    "the other queue has it all the same", |ctx| {
        let (full, open, x) = (ctx.name("full"), ctx.name("open"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.queue_with(&full, [("x-max-length", 0.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.queue(&open).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&full, &x, "").await?;
        raw.bind(&open, &x, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&x, "", "m").await;
        same("nacked", raw.confirms(1).await?, [1_u64])?;
        raw.until_ready(&open, 1).await?;
        same("messages in the full one", raw.counts(&full).await?.0, 0_u32)?;
    }
    "length.reject-publish-dlx.dead-lettered", "With reject-publish-dlx what is refused is dead-lettered", LENGTH,
    "with reason maxlen, and nacked", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        raw.queue_with(&q, [
            ("x-max-length", 1.into()),
            ("x-overflow", "reject-publish-dlx".into()),
            ("x-dead-letter-exchange", "".into()),
            ("x-dead-letter-routing-key", dead.clone().into()),
        ]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("nacked", raw.confirms(2).await?, [2_u64])?;
        let letter = raw.arrival(&dead).await?;
        same("dead letter", letter.text(), "b")?;
        same("messages", raw.drain(&q).await?, ["a"])?;
    }
}
