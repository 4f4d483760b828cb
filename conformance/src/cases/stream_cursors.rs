//! Streams, beyond RabbitMQ: cursors, filters by headers, and queues that are fed. A broker that does not look at the name of a cursor says
//! nothing here.

use crate::case::{Check, Ctx, Stop, ensure, same};
use crate::codec::{Props, Table, Value, table};
use crate::methods::{self, c, q};
use crate::raw::{Confirm, Raw, Scope};

const CURSORS: &str = "Coney: cursors of streams";
const HEADERS: &str = "Coney, LavinMQ: filters by headers";
const FED: &str = "Coney: queues that are fed from a stream (as Kafka's share groups)";

/// A stream with these messages, or a skip where cursors are unknown: their names are not looked at.
async fn stream(ctx: &Ctx, bodies: &[&str]) -> Check<(Raw, String)> {
    let q = ctx.name("s");
    let mut raw = ctx.raw().await?;
    raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
    let mut probe = ctx.raw().await?;
    probe.call(methods::basic_qos(0, 1, false)).await?;
    probe.send(methods::basic_consume(&q, "c", c::NONE, table([("x-stream-cursor", 5.into())]))).await;
    match probe.wait_for((60, 21)).await {
        Ok(_) => return Err(Stop::Skip("no cursors of streams".into())),
        Err(Stop::Fail(text)) if text.contains("x-stream-cursor") => {}
        Err(other) => return Err(other),
    }
    raw.call(methods::confirm_select()).await?;
    for (number, body) in (1..).zip(bodies) {
        raw.publish_with("", &q, 0, &Props::headers([("body", (*body).into())]), body.as_bytes()).await;
        let confirm = raw.confirm().await?;
        ensure(confirm == Confirm::Ack(number, false), format!("{confirm:?}"))?;
    }
    Ok((raw, q))
}

/// A consumer with a cursor, from the beginning if it is new.
fn cursor(name: &str) -> Table {
    table([("x-stream-cursor", name.into()), ("x-stream-offset", "first".into())])
}

async fn consume(ctx: &Ctx, q: &str, prefetch: u16, arguments: Table) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.call(methods::basic_qos(0, prefetch, false)).await?;
    raw.consume_with(q, "c", c::NONE, arguments).await?;
    Ok(raw)
}

/// The next so many: bodies, and whether they are redelivered.
async fn seen(raw: &mut Raw, count: usize) -> Check<Vec<(String, bool)>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let delivery = raw.delivery().await?;
        all.push((delivery.text(), delivery.redelivered));
    }
    Ok(all)
}

fn pairs(pairs: &[(&str, bool)]) -> Vec<(String, bool)> {
    pairs.iter().map(|(body, redelivered)| ((*body).to_owned(), *redelivered)).collect()
}

crate::cases! {
    "stream.cursor.goes-on", "A reader after another", CURSORS, "what the one before it did not ack, and what is new", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "c", "d"]).await?;
        let mut raw = consume(&ctx, &q, 3, cursor("x")).await?;
        same("messages", seen(&mut raw, 3).await?, pairs(&[("a", false), ("b", false), ("c", false)]))?;
        raw.send(methods::basic_ack(1, false)).await;
        seen(&mut raw, 1).await?;
        raw.call(methods::channel_close()).await?;
        let mut raw = consume(&ctx, &q, 10, cursor("x")).await?;
        same("messages", seen(&mut raw, 3).await?, pairs(&[("b", true), ("c", true), ("d", true)]))?;
    }
    "stream.cursor.out-of-order", "A reader that acked the second only", CURSORS, "the next one is given the first, and not the second", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "c"]).await?;
        let mut raw = consume(&ctx, &q, 2, cursor("x")).await?;
        seen(&mut raw, 2).await?;
        raw.send(methods::basic_ack(2, false)).await;
        seen(&mut raw, 1).await?;
        raw.call(methods::channel_close()).await?;
        let mut raw = consume(&ctx, &q, 10, cursor("x")).await?;
        same("messages", seen(&mut raw, 2).await?, pairs(&[("a", true), ("c", true)]))?;
    }
    "stream.cursor.requeue", "A message that is nacked with requeue", CURSORS, "comes again before anything new", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "c"]).await?;
        let mut raw = consume(&ctx, &q, 2, cursor("x")).await?;
        seen(&mut raw, 2).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("messages", seen(&mut raw, 1).await?, pairs(&[("a", true)]))?;
        raw.send(methods::basic_nack(2, false, false)).await;
        same("messages", seen(&mut raw, 1).await?, pairs(&[("c", false)]))?;
    }
    "stream.cursor.waits", "Two consumers with a cursor", CURSORS, "the second gets nothing until the first is gone, and then what that did not ack", |ctx| {
        let (mut publisher, q) = stream(&ctx, &["a", "b"]).await?;
        let mut first = consume(&ctx, &q, 10, cursor("x")).await?;
        seen(&mut first, 2).await?;
        let mut second = consume(&ctx, &q, 10, cursor("x")).await?;
        first.send(methods::basic_ack(1, false)).await;
        publisher.publish("", &q, "c").await;
        same("messages", seen(&mut first, 1).await?, pairs(&[("c", false)]))?;
        first.call(methods::channel_close()).await?;
        same("messages", seen(&mut second, 2).await?, pairs(&[("b", true), ("c", true)]))?;
    }
    "stream.cursor.cancelled", "A cancelled consumer that acks what it has", CURSORS, "counts: the next one begins behind it", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "c"]).await?;
        let mut raw = consume(&ctx, &q, 2, cursor("x")).await?;
        seen(&mut raw, 2).await?;
        raw.call(methods::basic_cancel("c")).await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.consume_with(&q, "c", c::NONE, cursor("x")).await?;
        same("messages", seen(&mut raw, 1).await?, pairs(&[("c", false)]))?;
    }
    "stream.cursor.tag", "LavinMQ's automatic tracking", CURSORS, "the consumer tag names the cursor", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b"]).await?;
        let tracking = || table([("x-stream-automatic-offset-tracking", true.into()), ("x-stream-offset", "first".into())]);
        let mut raw = consume(&ctx, &q, 1, tracking()).await?;
        seen(&mut raw, 1).await?;
        raw.send(methods::basic_ack(1, false)).await;
        seen(&mut raw, 1).await?;
        raw.call(methods::channel_close()).await?;
        let mut raw = consume(&ctx, &q, 1, tracking()).await?;
        same("messages", seen(&mut raw, 1).await?, pairs(&[("b", true)]))?;
    }
    "stream.cursor.commit", "The verb commit of the settle exchange", CURSORS, "all deliveries up to the one named are acked", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "c"]).await?;
        let mut raw = consume(&ctx, &q, 2, cursor("x")).await?;
        seen(&mut raw, 2).await?;
        let props = Props::headers([("delivery-tag", Value::I64(2)), ("verb", "commit".into())]);
        raw.publish_with("amq.settle", "", 0, &props, b"").await;
        same("messages", seen(&mut raw, 1).await?, pairs(&[("c", false)]))?;
    }
    "stream.filter.headers", "A filter by headers", HEADERS, "messages that have them", |ctx| {
        let (_, q) = stream(&ctx, &["a", "b", "a"]).await?;
        let wanted = Value::Table(table([("body", "a".into())]));
        let arguments = table([("x-stream-filter", wanted), ("x-stream-offset", "first".into())]);
        let mut raw = consume(&ctx, &q, 10, arguments).await?;
        same("messages", seen(&mut raw, 2).await?, pairs(&[("a", false), ("a", false)]))?;
    }
    "stream.fed.shared", "A queue that is fed", FED, "has the stream's messages from where it says, and the stream keeps them", |ctx| {
        let (mut raw, s) = stream(&ctx, &["a", "b"]).await?;
        let work = ctx.name("work");
        raw.declare(&work, q::DURABLE, table([("x-stream-source", s.as_str().into()), ("x-stream-offset", "first".into())])).await?;
        raw.publish("", &s, "c").await;
        let mut consumer = consume(&ctx, &work, 10, table([])).await?;
        same("messages", seen(&mut consumer, 3).await?, pairs(&[("a", false), ("b", false), ("c", false)]))?;
        let mut reader = consume(&ctx, &s, 10, table([("x-stream-offset", "first".into())])).await?;
        same("messages", seen(&mut reader, 3).await?, pairs(&[("a", false), ("b", false), ("c", false)]))?;
    }
    "stream.fed.next", "A queue that is fed and says no offset", FED, "what is published after it was declared", |ctx| {
        let (mut raw, s) = stream(&ctx, &["a"]).await?;
        let work = ctx.name("work");
        raw.declare(&work, q::DURABLE, table([("x-stream-source", s.as_str().into())])).await?;
        raw.publish("", &s, "b").await;
        let mut consumer = consume(&ctx, &work, 10, table([])).await?;
        same("messages", seen(&mut consumer, 1).await?, pairs(&[("b", false)]))?;
    }
    "stream.fed.no-source", "A queue that is fed from nothing", FED, "404, as for a queue that is not there", |ctx| {
        let (mut raw, _) = stream(&ctx, &[]).await?;
        raw.send(methods::queue_declare(&ctx.name("work"), q::DURABLE, table([("x-stream-source", ctx.name("none").as_str().into())]))).await;
        let text = format!("NOT_FOUND - no queue '{}' in vhost '/'", ctx.name("none"));
        raw.expect_closed(&Scope::channel(404, text, (50, 10))).await?;
    }
    "stream.fed.no-stream", "A queue that is fed from a queue", FED, "406 that says so", |ctx| {
        let (mut raw, _) = stream(&ctx, &[]).await?;
        let other = ctx.name("other");
        raw.queue(&other).await?;
        raw.send(methods::queue_declare(&ctx.name("work"), q::DURABLE, table([("x-stream-source", other.as_str().into())]))).await;
        let text = format!("PRECONDITION_FAILED - queue '{other}' in vhost '/' is not a stream");
        raw.expect_closed(&Scope::channel(406, text, (50, 10))).await?;
    }
}
