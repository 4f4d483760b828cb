//! Delayed exchanges. A broker without the type says nothing here.

use std::time::Duration;

use crate::case::{Check, Ctx, Stop, ensure, same};
use crate::codec::{Props, Value, strings, table};
use crate::methods;
use crate::raw::{Raw, Scope};
use crate::support::Stopwatch;

const DELAYED: &str = "rabbitmq_delayed_message_exchange: x-delayed-message, x-delayed-type, x-delay";

/// A connection in confirm mode with the case's exchange and a queue bound to it, or a skip.
async fn delaying(ctx: &Ctx, inner: &str) -> Check<(Raw, String, String)> {
    let mut raw = ctx.raw().await?;
    let (exchange, queue) = (ctx.name("x"), ctx.name("q"));
    let args = table([("x-delayed-type", inner.into())]);
    let declare = methods::exchange_declare(&exchange, "x-delayed-message", methods::x::AUTO_DELETE, args);
    raw.send(declare).await;
    match raw.wait_for((40, 11)).await {
        Ok(_) => {}
        Err(Stop::Fail(text)) if text.contains("exchange type '") => {
            return Err(Stop::Skip("no exchanges of type x-delayed-message".into()));
        }
        Err(other) => return Err(other),
    }
    raw.queue(&queue).await?;
    raw.bind(&queue, &exchange, "k").await?;
    raw.call(methods::confirm_select()).await?;
    Ok((raw, exchange, queue))
}

fn delayed(ms: i32) -> Props {
    Props::headers([("x-delay", Value::I32(ms))])
}

/// Publishes with this delay and says whether the message came late enough, and with which header.
async fn waits(ctx: &Ctx, delay: Value, ms: i64) -> Check {
    let (mut raw, exchange, queue) = delaying(ctx, "direct").await?;
    waits_on(&mut raw, &exchange, &queue, delay, ms).await
}

async fn waits_on(raw: &mut Raw, exchange: &str, queue: &str, delay: Value, ms: i64) -> Check {
    let watch = Stopwatch::start();
    raw.publish_with(exchange, "k", 0, &Props::headers([("x-delay", delay)]), b"m").await;
    raw.confirm().await?;
    let message = raw.arrival(queue).await?;
    ensure(watch.elapsed() >= Duration::from_millis(ms.unsigned_abs()), "it is early")?;
    same("x-delay", message.props.header("x-delay").and_then(Value::number), Some(-ms))
}

/// The broker closes something rather than let a message with such a delay come early. All on one connection, a channel each: the queue
/// is its own, and may still be there for a moment when a connection has gone.
async fn unreadable(ctx: &Ctx, delays: impl IntoIterator<Item = Value>) -> Check {
    let (mut raw, exchange, queue) = delaying(ctx, "direct").await?;
    for (delay, next_channel) in delays.into_iter().zip(2..) {
        raw.publish_with(&exchange, "k", 0, &Props::headers([("x-delay", delay)]), b"m").await;
        let scope = raw.closed().await?;
        ensure(
            matches!(scope, Scope::channel(406, ..)) && format!("{scope:?}").contains("x-delay"),
            format!("{scope:?}"),
        )?;
        raw.open_channel(next_channel).await?;
        raw.channel = next_channel;
        same("messages", raw.drain(&queue).await?, Vec::<String>::new())?;
        raw.call(methods::confirm_select()).await?;
    }
    Ok(())
}

crate::cases! {
    "delayed.due", "delayed messages: when they are due", DELAYED,
    "each comes when its delay is over, not before, and a shorter delay overtakes a longer one", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        let watch = Stopwatch::start();
        for (body, ms) in [("late", 400), ("soon", 150)] {
            raw.publish_with(&exchange, "k", 0, &delayed(ms), body.as_bytes()).await;
        }
        same("nacked", raw.confirms(2).await?, Vec::<u64>::new())?;
        for (body, ms) in [("soon", 150), ("late", 400)] {
            same("text", raw.arrival(&queue).await?.text(), body)?;
            ensure(watch.elapsed() >= Duration::from_millis(ms), format!("{body} is early"))?;
        }
    }
    "delayed.none", "delayed messages: no delay", DELAYED,
    "without the header, or with 0, a message is routed at once", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        raw.publish(&exchange, "k", "1").await;
        raw.publish_with(&exchange, "k", 0, &delayed(0), b"2").await;
        same("nacked", raw.confirms(2).await?, Vec::<u64>::new())?;
        same("messages", raw.drain(&queue).await?, ["1", "2"].map(String::from).to_vec())?;
    }
    "delayed.header", "delayed messages: the header afterwards", DELAYED,
    "the delay is negated, so that the message is delayed once", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        raw.publish_with(&exchange, "k", 0, &delayed(50), b"m").await;
        raw.confirm().await?;
        let message = raw.arrival(&queue).await?;
        same("x-delay", message.props.header("x-delay").and_then(Value::number), Some(-50))?;
    }
    "delayed.text", "delayed messages: a delay as text", DELAYED,
    "digits delay as the number does, and the header is a negative number afterwards", |ctx| {
        waits(&ctx, "120".into(), 120).await?;
    }
    "delayed.float", "delayed messages: a delay with a fraction", DELAYED,
    "the fraction does not count", |ctx| {
        waits(&ctx, Value::F64(120.9), 120).await?;
    }
    "delayed.widths", "delayed messages: integers of every width", DELAYED,
    "each delays", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        for value in [Value::U8(30), Value::I16(30), Value::U16(30), Value::U32(30), Value::I64(30)] {
            waits_on(&mut raw, &exchange, &queue, value, 30).await?;
        }
    }
    "delayed.negative-text", "delayed messages: negative text", DELAYED,
    "a negative delay is none, as text as well", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        for value in [Value::I32(-60_000), "-60000".into(), Value::F64(-60_000.0), "0".into()] {
            raw.publish_with(&exchange, "k", 0, &Props::headers([("x-delay", value)]), b"m").await;
        }
        raw.confirms(4).await?;
        same("messages", raw.drain(&queue).await?.len(), 4)?;
    }
    "delayed.unreadable.text", "delayed messages: text that is no number", DELAYED,
    "the message is refused", |ctx| {
        unreadable(&ctx, ["soon", "", "1.5", " 5"].map(Value::from)).await?;
    }
    "delayed.unreadable.void", "delayed messages: a delay without a value", DELAYED,
    "the message is refused", |ctx| {
        unreadable(&ctx, [Value::Void]).await?;
    }
    "delayed.unreadable.type", "delayed messages: a delay of another type", DELAYED,
    "the message is refused: it does not come early without a word", |ctx| {
        let values = [Value::Bool(true), Value::Time(60_000), strings(&["60000"]), Value::Table(vec![])];
        unreadable(&ctx, values).await?;
    }
    "delayed.by-binding", "delayed messages: by a binding from another exchange", DELAYED,
    "what comes from another exchange waits, too, and is routed by the delayed exchange; what goes elsewhere does not wait", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        let (source, direct) = (ctx.name("source"), ctx.name("direct"));
        raw.exchange(&source, "fanout").await?;
        raw.queue(&direct).await?;
        raw.bind(&direct, &source, "").await?;
        raw.call(methods::exchange_bind(&exchange, &source, "", vec![])).await?;
        let watch = Stopwatch::start();
        let props = Props::headers([("x-delay", Value::I32(200)), ("BCC", strings(&["other"]))]);
        raw.publish_with(&source, "k", 1, &props, b"m").await;
        raw.confirm().await?;
        let at_once = raw.arrival(&direct).await?;
        same("x-delay at once", at_once.props.header("x-delay").and_then(Value::number), Some(200))?;
        let later = raw.arrival(&queue).await?;
        ensure(watch.elapsed() >= Duration::from_millis(200), "it is early")?;
        same("x-delay later", later.props.header("x-delay").and_then(Value::number), Some(-200))?;
        same("exchange", later.exchange, source)?;
        ensure(at_once.props.header("BCC").is_none() && later.props.header("BCC").is_none(), "BCC is told")?;
    }
    "delayed.by-binding.tx", "delayed messages: by a binding, in a transaction", DELAYED,
    "the commit takes both the message that goes on and the one that waits", |ctx| {
        let (mut tx, exchange, queue) = delaying(&ctx, "direct").await?;
        let (source, direct) = (ctx.name("source"), ctx.name("direct"));
        tx.open_channel(2).await?;
        tx.channel = 2;
        tx.exchange(&source, "fanout").await?;
        tx.queue(&direct).await?;
        tx.bind(&direct, &source, "").await?;
        tx.call(methods::exchange_bind(&exchange, &source, "", vec![])).await?;
        tx.call(methods::tx_select()).await?;
        tx.publish_with(&source, "k", 0, &delayed(30), b"m").await;
        same("before the commit", tx.counts(&direct).await?.0, 0)?;
        tx.call(methods::tx_commit()).await?;
        for queue in [&direct, &queue] {
            same("text", tx.arrival(queue).await?.text(), "m")?;
        }
    }
    "delayed.chain", "delayed messages: two delayed exchanges in a row", DELAYED,
    "a message waits once", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        let first = ctx.name("first");
        let args = table([("x-delayed-type", "fanout".into())]);
        raw.call(methods::exchange_declare(&first, "x-delayed-message", methods::x::AUTO_DELETE, args)).await?;
        raw.call(methods::exchange_bind(&exchange, &first, "", vec![])).await?;
        raw.publish_with(&first, "k", 0, &delayed(50), b"m").await;
        raw.confirm().await?;
        let message = raw.arrival(&queue).await?;
        same("x-delay", message.props.header("x-delay").and_then(Value::number), Some(-50))?;
    }
    "delayed.inner-type", "delayed messages: the inner type routes", DELAYED,
    "a topic pattern decides when the delay is over", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "topic").await?;
        raw.bind(&queue, &exchange, "a.*").await?;
        raw.publish_with(&exchange, "b.c", 0, &delayed(20), b"x").await;
        raw.publish_with(&exchange, "a.b", 0, &delayed(40), b"m").await;
        raw.confirms(2).await?;
        let message = raw.arrival(&queue).await?;
        same("text", message.text(), "m")?;
        same("routing key", message.key, "a.b".to_owned())?;
    }
    "delayed.cc", "delayed messages: CC and BCC", DELAYED,
    "all of its keys count when the delay is over", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        let copies = ["cc", "bcc"].map(|key| ctx.name(key));
        for (copy, key) in copies.iter().zip(["cc", "bcc"]) {
            raw.queue(copy).await?;
            raw.bind(copy, &exchange, key).await?;
        }
        let props = Props::headers([
            ("x-delay", Value::I32(30)), ("CC", strings(&["cc"])), ("BCC", strings(&["bcc"])),
        ]);
        raw.publish_with(&exchange, "k", 0, &props, b"m").await;
        raw.confirm().await?;
        for queue in [&queue, &copies[0], &copies[1]] {
            let message = raw.arrival(queue).await?;
            ensure(message.props.header("BCC").is_none(), "BCC is told")?;
        }
    }
    "delayed.unbound-meanwhile", "delayed messages: a binding that went", DELAYED,
    "what is not bound any more when the delay is over gets nothing", |ctx| {
        let (mut raw, exchange, queue) = delaying(&ctx, "direct").await?;
        let other = ctx.name("other");
        raw.queue(&other).await?;
        raw.bind(&other, &exchange, "k").await?;
        raw.publish_with(&exchange, "k", 0, &delayed(1000), b"m").await;
        raw.confirm().await?;
        raw.call(methods::queue_unbind(&queue, &exchange, "k", vec![])).await?;
        same("text", raw.arrival(&other).await?.text(), "m")?;
        same("messages", raw.drain(&queue).await?, Vec::<String>::new())?;
    }
    "delayed.no-type", "delayed messages: no inner type", DELAYED,
    "406 that says what is missing", |ctx| {
        drop(delaying(&ctx, "direct").await?);
        let mut raw = ctx.raw().await?;
        raw.send(methods::exchange_declare(&ctx.name("y"), "x-delayed-message", 0, vec![])).await;
        let scope = raw.closed().await?;
        ensure(format!("{scope:?}").contains("x-delayed-type"), format!("{scope:?}"))?;
    }
    "delayed.other-type", "delayed messages: declared again with another inner type", DELAYED,
    "406", |ctx| {
        let (mut raw, exchange, _) = delaying(&ctx, "direct").await?;
        let args = table([("x-delayed-type", "topic".into())]);
        raw.send(methods::exchange_declare(&exchange, "x-delayed-message", methods::x::AUTO_DELETE, args)).await;
        let scope = raw.closed().await?;
        let name = format!("exchange '{exchange}'");
        ensure(matches!(scope, Scope::channel(406, ..)) && format!("{scope:?}").contains(&name), format!("{scope:?}"))?;
    }
}
