//! Length limits in full: what counts, what is dropped or refused, and what the publisher hears of it.

use crate::case::{Check, fail, same};
use crate::codec::{Props, Value, lookup, table};
use crate::methods::{self, c, q};
use crate::raw::{Confirm, Raw};
use crate::steps::{all_seen, numbered};

const LENGTH: &str = "RabbitMQ: Queue Length Limit";
const REJECT: &str = "RabbitMQ: Queue Length Limit, Overflow Behaviour";

/// A queue that takes at most `length` messages and refuses more, in the given way; its dead letters go to `dead`.
async fn refusing(raw: &mut Raw, queue: &str, length: i32, overflow: &str, dead: &str) -> Check {
    raw.queue(dead).await?;
    let limits = [("x-max-length", length.into()), ("x-overflow", overflow.into())];
    let letters = [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", dead.into())];
    let args = [table(limits), table(letters)].concat();
    raw.declare(queue, q::EXCLUSIVE, args).await.map(|_| ())
}

/// Whether the publish with this number, the only one that is open, is taken.
async fn taken(raw: &mut Raw, number: u64) -> Check<bool> {
    match raw.confirm().await? {
        Confirm::Ack(tag, _) if tag == number => Ok(true),
        Confirm::Nack(tag, _) if tag == number => Ok(false),
        other => fail(format!("{other:?}, expected a confirm of {number}")),
    }
}

/// Why and where a message died last.
fn last_death(props: &Props) -> Option<(String, String)> {
    let Some(Value::Array(entries)) = props.header("x-death") else { return None };
    let entry = entries.first()?.table()?;
    Some((lookup(entry, "reason")?.text()?, lookup(entry, "queue")?.text()?))
}

crate::cases! {
    "length.drop-head.named", "drop-head by name is what happens without a name", LENGTH,
    "the newest two stay", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 2.into()), ("x-overflow", "drop-head".into())]).await?;
        raw.fill_numbers(&q, 0..5).await;
        same("messages", raw.drain(&q).await?, ["3", "4"])?;
    }
    "length.drop-head.at-the-limit", "A queue holds as many messages as its limit says", LENGTH,
    "three of three, and none is dropped", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        refusing(&mut raw, &q, 3, "drop-head", &dead).await?;
        raw.fill_numbers(&q, 0..3).await;
        raw.until_ready(&q, 3).await?;
        same("messages", raw.drain(&q).await?, numbered(0..3))?;
        same("dead letters", raw.counts(&dead).await?.0, 0_u32)?;
    }
    "length.drop-head.bytes-at-the-limit", "A queue holds as many bytes as its limit says", LENGTH,
    "ten of ten stay; one byte more, and the oldest goes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length-bytes", 10.into())]).await?;
        raw.fill_queue(&q, &["aaaaa", "bbbbb"]).await;
        raw.until_ready(&q, 2).await?;
        raw.fill_queue(&q, &["c"]).await;
        same("messages", raw.drain(&q).await?, ["bbbbb", "c"])?;
    }
    "length.drop-head.bytes-of-bodies", "Properties do not count as bytes", LENGTH,
    "two messages with long headers and short bodies stay", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length-bytes", 10.into())]).await?;
        let props = Props::headers([("long", "x".repeat(1000).into())]);
        for body in ["aaaaa", "bbbbb"] {
            raw.publish_with("", &q, 0, &props, body.as_bytes()).await;
        }
        same("messages", raw.drain(&q).await?, ["aaaaa", "bbbbb"])?;
    }
    "length.drop-head.too-large-alone", "A message larger than its queue may be is dropped itself", LENGTH,
    "the queue is empty, and takes a smaller one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length-bytes", 4.into())]).await?;
        raw.publish("", &q, "too large").await;
        same("messages", raw.drain(&q).await?, Vec::<String>::new())?;
        raw.publish("", &q, "fits").await;
        same("messages", raw.drain(&q).await?, ["fits"])?;
    }
    "length.drop-head.consumer-keeps-up", "What goes straight to a consumer is not dropped", LENGTH,
    "fifty of fifty through a queue of one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into())]).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.fill_numbers(&q, 0..50).await;
        same("deliveries", raw.texts(50).await?, numbered(0..50))?;
    }
    "length.drop-head.full-consumer", "Behind a full consumer the oldest waiting ones go", LENGTH,
    "the first is with the consumer, the last two are in the queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 2.into())]).await?;
        raw.consume_few(&q, "t", 1).await?;
        raw.fill_numbers(&q, 0..8).await;
        same("first", raw.texts(1).await?, ["0"])?;
        raw.until_ready(&q, 2).await?;
        raw.send(methods::basic_ack(1, false)).await;
        same("second", raw.texts(1).await?, ["6"])?;
        raw.send(methods::basic_ack(2, false)).await;
        same("third", raw.texts(1).await?, ["7"])?;
    }
    "length.drop-head.requeue", "A requeue into a full queue drops from the head", LENGTH,
    "what came back is the oldest, and goes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 2.into())]).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.hold(&q, 2).await?;
        raw.fill_queue(&q, &["c", "d"]).await;
        raw.until_ready(&q, 2).await?;
        raw.send(methods::basic_nack(2, true, true)).await;
        raw.until_ready(&q, 2).await?;
        same("messages", raw.drain_seen(&q).await?, all_seen(&["c", "d"], false))?;
    }
    "length.drop-head.dead-letters-in-order", "What is dropped is dead-lettered in order", LENGTH,
    "0, 1, 2, each with reason maxlen", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        refusing(&mut raw, &q, 2, "drop-head", &dead).await?;
        raw.fill_numbers(&q, 0..5).await;
        raw.until_ready(&dead, 3).await?;
        for text in ["0", "1", "2"] {
            let letter = raw.take(&dead).await?;
            same("letter", letter.text(), text)?;
            same("death", last_death(&letter.props), Some(("maxlen".to_owned(), q.clone())))?;
        }
        same("messages", raw.drain(&q).await?, ["3", "4"])?;
    }
    "length.drop-head.zero-dead-letters", "A queue of length 0 dead-letters everything", LENGTH,
    "in order, and is empty", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        refusing(&mut raw, &q, 0, "drop-head", &dead).await?;
        raw.fill_numbers(&q, 0..3).await;
        raw.until_ready(&dead, 3).await?;
        same("letters", raw.drain(&dead).await?, numbered(0..3))?;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
    }
    "length.reject-publish.silent-without-confirms", "Without confirms what is refused is lost in silence", REJECT,
    "nothing comes back, not even of a mandatory one, and nothing is dead-lettered", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        refusing(&mut raw, &q, 1, "reject-publish", &dead).await?;
        raw.publish("", &q, "kept").await;
        raw.publish_with("", &q, 1, &Props::default(), b"refused").await;
        raw.quiet(&q).await?;
        same("messages", raw.drain(&q).await?, ["kept"])?;
        same("dead letters", raw.counts(&dead).await?.0, 0_u32)?;
    }
    "length.reject-publish.bytes", "Too many bytes are refused as too many messages are", REJECT,
    "a nack for what comes when the queue is full, acks before", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length-bytes", 10.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["aaaaa", "bbbbb", "c"]).await;
        same("nacked", raw.confirms(3).await?, [3_u64])?;
        same("messages", raw.drain(&q).await?, ["aaaaa", "bbbbb"])?;
    }
    "length.reject-publish.mandatory-not-returned", "A refused message is nacked, not returned", REJECT,
    "a nack and no basic.return, as it was routed", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 0.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with("", &q, 1, &Props::default(), b"m").await;
        same("taken", taken(&mut raw, 1).await?, false)?;
        raw.quiet(&q).await?;
    }
    "length.reject-publish.unacked-not-counted", "Unacked messages leave room for others", REJECT,
    "and what comes back into a full queue stays", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish("", &q, "a").await;
        same("taken", taken(&mut raw, 1).await?, true)?;
        raw.hold(&q, 1).await?;
        raw.publish("", &q, "b").await;
        same("taken", taken(&mut raw, 2).await?, true)?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.publish("", &q, "c").await;
        same("taken", taken(&mut raw, 3).await?, false)?;
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "length.reject-publish-dlx.without-confirms", "reject-publish-dlx needs no confirms", REJECT,
    "what is refused is dead-lettered with reason maxlen, in order", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        refusing(&mut raw, &q, 1, "reject-publish-dlx", &dead).await?;
        raw.fill_numbers(&q, 0..3).await;
        raw.until_ready(&dead, 2).await?;
        for text in ["1", "2"] {
            let letter = raw.take(&dead).await?;
            same("letter", letter.text(), text)?;
            same("death", last_death(&letter.props), Some(("maxlen".to_owned(), q.clone())))?;
        }
        same("messages", raw.drain(&q).await?, ["0"])?;
    }
    "length.purge-makes-room", "A purge makes room", REJECT,
    "a full queue refuses, and takes the next message after a purge", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("nacked", raw.confirms(2).await?, [2_u64])?;
        raw.call(methods::queue_purge(&q)).await?;
        raw.publish("", &q, "c").await;
        same("taken", taken(&mut raw, 3).await?, true)?;
        same("messages", raw.drain(&q).await?, ["c"])?;
    }
    "length.expiry-makes-room", "Expired messages make room", "RabbitMQ: Queue Length Limit; Time-To-Live",
    "a full queue takes the next message once the first is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with("", &q, 0, &Props::expiring("250"), b"a").await;
        raw.publish("", &q, "b").await;
        same("nacked", raw.confirms(2).await?, [2_u64])?;
        raw.until_ready(&q, 0).await?;
        raw.publish("", &q, "c").await;
        same("taken", taken(&mut raw, 3).await?, true)?;
    }
}
