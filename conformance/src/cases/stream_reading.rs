//! Streams: what a consumer reads, from where, and how much at a time.

use crate::case::{Check, Ctx, ensure, same};
use crate::codec::{Props, Table, Value, strings, table};
use crate::methods::{self, c, q};
use crate::raw::Raw;

const REF: &str = "RabbitMQ: Streams and Super Streams (Consuming)";
const FILTER: &str = "RabbitMQ: Streams and Super Streams (Filtering)";

/// A stream with these messages, each confirmed before the next: so each is a chunk of its own.
async fn filled(ctx: &Ctx, arguments: Table, bodies: &[&str]) -> Check<(Raw, String)> {
    let q = ctx.name("q");
    let mut raw = ctx.raw().await?;
    let mut all = table([("x-queue-type", "stream".into())]);
    all.extend(arguments);
    raw.declare(&q, q::DURABLE, all).await?;
    raw.call(methods::confirm_select()).await?;
    for (number, body) in (1..).zip(bodies) {
        raw.publish("", &q, body).await;
        confirmed(&mut raw, number).await?;
    }
    Ok((raw, q))
}

/// A stream with a message of each of these filter values, and one without any.
async fn with_values(ctx: &Ctx, values: [&str; 3]) -> Check<(Raw, String)> {
    let (mut raw, q) = filled(ctx, table([]), &[]).await?;
    for (number, value) in (1..).zip(values) {
        let props = Props::headers([("x-stream-filter-value", value.into())]);
        raw.publish_with("", &q, 0, &props, value.as_bytes()).await;
        confirmed(&mut raw, number).await?;
    }
    raw.publish("", &q, "none").await;
    confirmed(&mut raw, 4).await?;
    Ok((raw, q))
}

async fn confirmed(raw: &mut Raw, number: u64) -> Check {
    raw.confirm()
        .await
        .map(|confirm| ensure(confirm == crate::raw::Confirm::Ack(number, false), format!("{confirm:?}")))?
}

/// What a new consumer gets: bodies and offsets.
async fn read(raw: &mut Raw, q: &str, offset: Option<Value>, count: usize) -> Check<Vec<(String, i64)>> {
    let arguments = offset.map(|offset| table([("x-stream-offset", offset)])).unwrap_or_default();
    raw.call(methods::basic_qos(0, 100, false)).await?;
    raw.consume_with(q, "c", c::NONE, arguments).await?;
    seen(raw, count).await
}

async fn seen(raw: &mut Raw, count: usize) -> Check<Vec<(String, i64)>> {
    let mut all = Vec::new();
    for _ in 0..count {
        let delivery = raw.delivery().await?;
        ensure(!delivery.redelivered, "nothing is redelivered")?;
        let Some(Value::I64(offset)) = delivery.props.header("x-stream-offset").cloned() else {
            return crate::case::fail(format!("no offset in {:?}", delivery.props));
        };
        all.push((delivery.text(), offset));
    }
    Ok(all)
}

fn numbered(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|(body, offset)| ((*body).to_owned(), *offset)).collect()
}

crate::cases! {
    "stream.read.first", "From the beginning", REF, "all messages, with their offsets from 0 on", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b", "c"]).await?;
        same("messages", read(&mut raw, &q, Some("first".into()), 3).await?, numbered(&[("a", 0), ("b", 1), ("c", 2)]))?;
    }
    "stream.read.again", "A second consumer", REF, "gets the same messages: reading takes nothing away", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        read(&mut raw, &q, Some("first".into()), 2).await?;
        raw.send(methods::basic_ack(2, true)).await;
        let mut other = ctx.raw().await?;
        same("messages", read(&mut other, &q, Some("first".into()), 2).await?, numbered(&[("a", 0), ("b", 1)]))?;
    }
    "stream.read.next", "Without an offset", REF, "what is published from now on", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        read(&mut raw, &q, None, 0).await?;
        let mut publisher = ctx.raw().await?;
        publisher.publish("", &q, "c").await;
        same("messages", seen(&mut raw, 1).await?, numbered(&[("c", 2)]))?;
    }
    "stream.read.last", "From the last chunk", REF, "the newest message, if each was published alone", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b", "c"]).await?;
        same("messages", read(&mut raw, &q, Some("last".into()), 1).await?, numbered(&[("c", 2)]))?;
    }
    "stream.read.number", "From a number", REF, "that offset, whatever the integer's width", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b", "c"]).await?;
        for value in [Value::I64(1), Value::I32(1), Value::I16(1)] {
            same("messages", read(&mut raw, &q, Some(value), 2).await?, numbered(&[("b", 1), ("c", 2)]))?;
            raw.call(methods::basic_cancel("c")).await?;
        }
    }
    "stream.read.number-beyond", "From a number that is not there yet", REF, "that offset, when it comes", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        read(&mut raw, &q, Some(Value::I64(3)), 0).await?;
        let mut publisher = ctx.raw().await?;
        for body in ["c", "d", "e"] {
            publisher.publish("", &q, body).await;
        }
        same("messages", seen(&mut raw, 2).await?, numbered(&[("d", 3), ("e", 4)]))?;
    }
    "stream.read.timestamp", "From a time long ago", REF, "the beginning", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        same("messages", read(&mut raw, &q, Some(Value::Time(1_000_000)), 2).await?, numbered(&[("a", 0), ("b", 1)]))?;
    }
    "stream.read.timestamp-ahead", "From a time to come", REF, "what is published from now on", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        read(&mut raw, &q, Some(Value::Time(4_000_000_000)), 0).await?;
        let mut publisher = ctx.raw().await?;
        publisher.publish("", &q, "c").await;
        same("messages", seen(&mut raw, 1).await?, numbered(&[("c", 2)]))?;
    }
    "stream.read.interval", "From an hour ago", REF, "the beginning of a young stream", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b"]).await?;
        same("messages", read(&mut raw, &q, Some("1h".into()), 2).await?, numbered(&[("a", 0), ("b", 1)]))?;
    }
    "stream.read.prefetch", "A prefetch", REF, "so many unacked messages, and an ack is worth one more", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b", "c", "d"]).await?;
        raw.call(methods::basic_qos(0, 2, false)).await?;
        raw.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        same("first", seen(&mut raw, 2).await?, numbered(&[("a", 0), ("b", 1)]))?;
        raw.send(methods::basic_ack(1, false)).await;
        same("next", seen(&mut raw, 1).await?, numbered(&[("c", 2)]))?;
    }
    "stream.read.nack", "A message that is nacked", REF, "is worth one more, and does not come back", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a", "b", "c"]).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        same("first", seen(&mut raw, 1).await?, numbered(&[("a", 0)]))?;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("next", seen(&mut raw, 1).await?, numbered(&[("b", 1)]))?;
        raw.send(methods::basic_reject(2, false)).await;
        same("last", seen(&mut raw, 1).await?, numbered(&[("c", 2)]))?;
    }
    "stream.read.properties", "Properties and headers", REF, "come as published, with the offset beside them", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &[]).await?;
        let props = Props {
            message_id: Some("m".into()),
            ..Props::headers([("x", "y".into()), ("x-stream-offset", Value::I64(99))])
        };
        raw.publish_with("", &q, 0, &props, b"a").await;
        confirmed(&mut raw, 1).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        let delivery = raw.delivery().await?;
        same("id", delivery.props.message_id.clone(), Some("m".to_owned()))?;
        same("x", delivery.props.header("x").cloned(), Some("y".into()))?;
        same("offset", delivery.props.header("x-stream-offset").cloned(), Some(Value::I64(0)))?;
    }
    "stream.declare.counts", "Declared again with consumers", REF, "no consumers are told of", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a"]).await?;
        read(&mut raw, &q, Some("first".into()), 1).await?;
        let mut other = ctx.raw().await?;
        let (_, _, consumers) = other.declare(&q, q::PASSIVE, table([])).await?;
        same("consumers", consumers, 0_u32)?;
    }
    "stream.delete", "Deleted while it is read and full, if unused and if empty", REF, "it goes, its consumer is cancelled, and no messages are told of", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &["a"]).await?;
        read(&mut raw, &q, Some("first".into()), 1).await?;
        let mut other = ctx.raw().await?;
        let answer = other.call(methods::queue_delete(&q, 3)).await?;
        same("messages", answer, [0_u8; 4])?;
        same("cancelled", raw.cancelled().await?, "c")?;
    }
    "stream.dead-letters", "A stream as the target of dead letters", REF, "they arrive with their history", |ctx| {
        let (mut raw, q) = filled(&ctx, table([]), &[]).await?;
        let source = ctx.name("source");
        raw.queue_with(&source, [
            ("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", q.as_str().into()),
        ]).await?;
        raw.publish("", &source, "a").await;
        confirmed(&mut raw, 1).await?;
        raw.get(&source, false).await?;
        raw.send(methods::basic_reject(1, false)).await;
        let mut reader = ctx.raw().await?;
        reader.call(methods::basic_qos(0, 10, false)).await?;
        reader.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        let delivery = reader.delivery().await?;
        same("body", delivery.text(), "a")?;
        ensure(delivery.props.header("x-death").is_some(), "it has no history")?;
    }
    "stream.transaction", "A transaction into a stream", REF, "nothing before the commit, all of it after", |ctx| {
        let (_, q) = filled(&ctx, table([]), &[]).await?;
        let (mut publisher, mut reader) = (ctx.raw().await?, ctx.raw().await?);
        reader.call(methods::basic_qos(0, 10, false)).await?;
        reader.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        publisher.call(methods::tx_select()).await?;
        publisher.publish("", &q, "a").await;
        publisher.call(methods::tx_rollback()).await?;
        publisher.publish("", &q, "b").await;
        publisher.publish("", &q, "c").await;
        publisher.call(methods::tx_commit()).await?;
        same("messages", seen(&mut reader, 2).await?, numbered(&[("b", 0), ("c", 1)]))?;
    }
    "stream.filter.value", "A consumer with a filter", FILTER, "gets messages of that value, each at its offset", |ctx| {
        let (mut raw, q) = with_values(&ctx, ["a", "b", "a"]).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        let arguments = table([("x-stream-offset", "first".into()), ("x-stream-filter", "a".into())]);
        raw.consume_with(&q, "c", c::NONE, arguments).await?;
        same("messages", seen(&mut raw, 2).await?, numbered(&[("a", 0), ("a", 2)]))?;
    }
    "stream.filter.any-or-none", "A filter of several values, and messages without one", FILTER, "any of them, and those without", |ctx| {
        let (mut raw, q) = with_values(&ctx, ["a", "b", "c"]).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        let arguments = table([
            ("x-stream-offset", "first".into()),
            ("x-stream-filter", strings(&["a", "c"])),
            ("x-stream-match-unfiltered", true.into()),
        ]);
        raw.consume_with(&q, "c", c::NONE, arguments).await?;
        same("messages", seen(&mut raw, 3).await?, numbered(&[("a", 0), ("c", 2), ("none", 3)]))?;
    }
    "stream.retention.bytes", "A greatest length with small segments", REF, "the oldest segments go", |ctx| {
        let arguments = table([
            ("x-max-length-bytes", 300.into()), ("x-stream-max-segment-size-bytes", 100.into()),
        ]);
        let bodies = ["x".repeat(80); 1];
        let bodies: Vec<&str> = bodies.iter().map(String::as_str).cycle().take(20).collect();
        let (mut raw, q) = filled(&ctx, arguments, &bodies).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume_with(&q, "c", c::NONE, table([("x-stream-offset", "first".into())])).await?;
        let first = seen(&mut raw, 1).await?;
        ensure(first.iter().all(|(_, offset)| *offset > 10), format!("the first is {first:?}"))?;
    }
}
