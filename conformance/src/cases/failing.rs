//! Messages that come back: delivery limits, delayed retries, parking, ack timeouts, the settle exchange, ack policies. A
//! broker that takes the arguments for any others says nothing here; delivery limits of quorum queues are RabbitMQ's too.

use std::time::Duration;

use crate::case::{Check, Ctx, Stop, ensure, fail, same};
use crate::codec::{Props, Table, Value, lookup, table};
use crate::methods::{self, q};
use crate::raw::{Message, Raw, Scope};
use crate::support::Stopwatch;

const LIMIT: &str = "RabbitMQ: Quorum Queues, Poison Message Handling; Coney: delivery limits on every queue";
const RETRY: &str = "RabbitMQ 4.3: Quorum Queues, delayed retries; LavinMQ: x-delayed-retry-multiplier";
const PARKING: &str = "Coney: parking";
const TIMEOUT: &str = "RabbitMQ: Consumers, Acknowledgement Timeout; Coney: per queue and consumer";
const SETTLE: &str = "Coney: the settle exchange (as NATS's ack verbs)";
const POLICY: &str = "Coney: x-ack-policy (as NATS's)";

/// A connection with the case's queue, or a skip on a broker that takes any text for a type of retries.
async fn failing<const N: usize>(ctx: &Ctx, args: [(&str, Value); N]) -> Check<(Raw, String)> {
    let mut probe = ctx.raw().await?;
    let wrong = table([("x-delayed-retry-type", "sometimes".into())]);
    probe.send(methods::queue_declare(&ctx.name("probe"), q::EXCLUSIVE, wrong)).await;
    match probe.wait_for((50, 11)).await {
        Ok(_) => return Err(Stop::Skip("no failure policies on queues".into())),
        Err(Stop::Fail(text)) if text.contains("x-delayed-retry-type") => {}
        Err(other) => return Err(other),
    }
    let mut raw = ctx.raw().await?;
    let queue = ctx.name("q");
    raw.queue_with(&queue, args).await?;
    Ok((raw, queue))
}

/// The same with a queue for its dead letters.
async fn mortal<const N: usize>(ctx: &Ctx, args: [(&str, Value); N]) -> Check<(Raw, String, String)> {
    let dead = ctx.name("dead");
    let mut all = table(args);
    all.extend(grave(&dead));
    let (mut raw, _) = failing(ctx, []).await?;
    raw.queue(&dead).await?;
    let queue = ctx.name("mortal");
    raw.declare(&queue, q::EXCLUSIVE, all).await?;
    Ok((raw, queue, dead))
}

fn grave(queue: &str) -> Table {
    table([("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", queue.into())])
}

async fn taken(raw: &mut Raw, queue: &str) -> Check<Message> {
    match raw.get(queue, false).await? {
        Some(message) => Ok(message),
        None => fail("no message"),
    }
}

fn number(message: &Message, key: &str) -> Option<i64> {
    message.props.header(key).and_then(Value::number)
}

/// The newest entry of a dead letter's history.
fn death(message: &Message) -> Check<Table> {
    match message.props.header("x-death") {
        Some(Value::Array(entries)) => match entries.first().and_then(Value::table) {
            Some(entry) => Ok(entry.clone()),
            None => fail("an empty x-death"),
        },
        other => fail(format!("x-death is {other:?}")),
    }
}

async fn settle<const N: usize>(raw: &mut Raw, tag: u64, verb: &str, more: [(&str, Value); N]) {
    let mut headers = table([("delivery-tag", Value::I64(tag as i64)), ("verb", verb.into())]);
    headers.extend(table(more));
    let props = Props { headers: Some(headers), ..Props::default() };
    raw.publish_with("amq.settle", "", 0, &props, b"").await;
}

/// The declare is refused with 406 and a text that has these words.
async fn refused<const N: usize>(ctx: &Ctx, args: [(&str, Value); N], words: &str) -> Check {
    drop(failing(ctx, []).await?);
    let mut raw = ctx.raw().await?;
    raw.send(methods::queue_declare(&ctx.name("bad"), q::EXCLUSIVE, table(args))).await;
    match raw.closed().await? {
        Scope::channel(406, text, (50, 10)) if text.contains(words) => Ok(()),
        other => fail(format!("{other:?}, expected 406 with {words:?}")),
    }
}

crate::cases! {
    "failing.limit.quorum", "delivery limit of a quorum queue", LIMIT,
    "a message that came back more often than the limit is dead-lettered for delivery_limit", |ctx| {
        let mut raw = ctx.raw().await?;
        let (queue, dead) = (ctx.name("q"), ctx.name("dead"));
        raw.queue(&dead).await?;
        let mut args = table([("x-queue-type", "quorum".into()), ("x-delivery-limit", Value::I32(2))]);
        args.extend(grave(&dead));
        raw.declare(&queue, q::DURABLE, args).await?;
        raw.publish("", &queue, "m").await;
        raw.consume(&queue, "c", 0).await?;
        for attempt in 0..3 {
            let message = raw.delivery().await?;
            let count = number(&message, "x-delivery-count").unwrap_or(0);
            same("x-delivery-count", count, attempt)?;
            raw.send(methods::basic_reject(message.tag, true)).await;
        }
        let letter = death(&raw.arrival(&dead).await?)?;
        same("reason", lookup(&letter, "reason").and_then(Value::text), Some("delivery_limit".to_owned()))?;
        raw.call(methods::queue_delete(&queue, 0)).await?;
    }
    "failing.limit.classic", "delivery limit of any queue", LIMIT,
    "it counts on every type of queue, and the headers tell", |ctx| {
        let (mut raw, queue, dead) = mortal(&ctx, [("x-delivery-limit", Value::I32(1))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let first = taken(&mut raw, &queue).await?;
        same("headers of the first delivery", first.props.header("x-delivery-count"), None)?;
        raw.send(methods::basic_nack(first.tag, false, true)).await;
        raw.until_ready(&queue, 1).await?;
        let second = taken(&mut raw, &queue).await?;
        let counts = ["x-delivery-count", "x-acquired-count"].map(|key| number(&second, key));
        same("counts", counts, [Some(1), Some(1)])?;
        ensure(second.redelivered, "not redelivered")?;
        raw.send(methods::basic_reject(second.tag, true)).await;
        let letter = death(&raw.arrival(&dead).await?)?;
        same("reason", lookup(&letter, "reason").and_then(Value::text), Some("delivery_limit".to_owned()))?;
        same("attempts", lookup(&letter, "attempts").and_then(Value::number), Some(2))?;
    }
    "failing.limit.none", "delivery limit of -1", LIMIT,
    "a message comes back as often as it is nacked", |ctx| {
        let (mut raw, queue) = failing(&ctx, [("x-delivery-limit", Value::I32(-1))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        for _ in 0..30 {
            let message = raw.delivery().await?;
            raw.send(methods::basic_nack(message.tag, false, true)).await;
        }
        same("text", raw.delivery().await?.text(), "m")?;
    }
    "failing.limit.failed-only", "delivery limit that counts failures only", LIMIT,
    "a nack does not count, a reject does", |ctx| {
        let args = [("x-delivery-limit", Value::I32(0)), ("x-delivery-count-mode", "failed".into())];
        let (mut raw, queue, dead) = mortal(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        for _ in 0..3 {
            let message = raw.delivery().await?;
            raw.send(methods::basic_nack(message.tag, false, true)).await;
        }
        let message = raw.delivery().await?;
        raw.send(methods::basic_reject(message.tag, true)).await;
        same("text", raw.arrival(&dead).await?.text(), "m")?;
    }
    "failing.limit.channel-close", "delivery limit: a closed channel counts", LIMIT,
    "what a channel had when it was closed came back once more", |ctx| {
        let (mut raw, queue, dead) = mortal(&ctx, [("x-delivery-limit", Value::I32(0))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let before = raw.channel;
        raw.channel = 2;
        raw.open_channel(2).await?;
        taken(&mut raw, &queue).await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = before;
        same("text", raw.arrival(&dead).await?.text(), "m")?;
    }
    "failing.retry.waits", "delayed retries: the wait", RETRY,
    "a nacked message is not ready before its delay is over, and others pass it", |ctx| {
        let args = [("x-delayed-retry-type", "all".into()), ("x-delayed-retry-min", Value::I32(300))];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["1", "2"]).await;
        let watch = Stopwatch::start();
        raw.consume(&queue, "c", 0).await?;
        let first = raw.delivery().await?;
        raw.send(methods::basic_nack(first.tag, false, true)).await;
        same("texts", raw.texts(2).await?, ["2", "1"].map(String::from).to_vec())?;
        ensure(watch.elapsed() >= Duration::from_millis(300), "it came too early")?;
    }
    "failing.retry.place", "delayed retries: the old place", RETRY,
    "a message whose wait is over stands before younger ones", |ctx| {
        let args = [("x-delayed-retry-type", "all".into()), ("x-delayed-retry-min", Value::I32(50))];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["1", "2"]).await;
        let first = taken(&mut raw, &queue).await?;
        raw.send(methods::basic_nack(first.tag, false, true)).await;
        raw.until_ready(&queue, 2).await?;
        same("messages", raw.drain(&queue).await?, ["1", "2"].map(String::from).to_vec())?;
    }
    "failing.retry.failed-type", "delayed retries for failures only", RETRY,
    "a nack comes back at once, a reject waits", |ctx| {
        let args = [("x-delayed-retry-type", "failed".into()), ("x-delayed-retry-min", Value::I32(300))];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        let first = raw.delivery().await?;
        raw.send(methods::basic_nack(first.tag, false, true)).await;
        let second = raw.delivery().await?;
        let watch = Stopwatch::start();
        raw.send(methods::basic_reject(second.tag, true)).await;
        raw.delivery().await?;
        ensure(watch.elapsed() >= Duration::from_millis(300), "it came too early")?;
    }
    "failing.retry.steps", "delayed retries in steps", RETRY,
    "each attempt waits for its own step", |ctx| {
        let steps = Value::Array(vec![Value::I32(50), Value::I32(250)]);
        let args = [("x-delayed-retry-type", "all".into()), ("x-delayed-retry-steps", steps)];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        let mut message = raw.delivery().await?;
        for least_ms in [50, 250] {
            let watch = Stopwatch::start();
            raw.send(methods::basic_nack(message.tag, false, true)).await;
            message = raw.delivery().await?;
            ensure(watch.elapsed() >= Duration::from_millis(least_ms), format!("{least_ms} ms are not over"))?;
        }
    }
    "failing.parking.after", "parking after some attempts", PARKING,
    "after so many attempts a message is set aside, and comes back when its time is over", |ctx| {
        let args = [("x-parking-after", Value::I32(2)), ("x-parking-ttl", Value::I32(300))];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        let first = raw.delivery().await?;
        raw.send(methods::basic_nack(first.tag, false, true)).await;
        let second = raw.delivery().await?;
        let watch = Stopwatch::start();
        raw.send(methods::basic_nack(second.tag, false, true)).await;
        same("text", raw.delivery().await?.text(), "m")?;
        ensure(watch.elapsed() >= Duration::from_millis(300), "it was not parked")?;
    }
    "failing.parking.limit", "parking: rounds", PARKING,
    "after so many rounds a message is dead", |ctx| {
        let args = [
            ("x-parking-after", Value::I32(1)), ("x-parking-ttl", Value::I32(30)), ("x-parking-limit", Value::I32(1)),
        ];
        let (mut raw, queue, dead) = mortal(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        for _ in 0..2 {
            let message = raw.delivery().await?;
            raw.send(methods::basic_nack(message.tag, false, true)).await;
        }
        let letter = death(&raw.arrival(&dead).await?)?;
        same("reason", lookup(&letter, "reason").and_then(Value::text), Some("delivery_limit".to_owned()))?;
    }
    "failing.timeout.requeue", "ack timeout: the message comes back", TIMEOUT,
    "it is redelivered, and a late ack of the first delivery is tolerated", |ctx| {
        let (mut raw, queue) = failing(&ctx, [("x-consumer-timeout", Value::I32(100))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        let first = raw.delivery().await?;
        let second = raw.delivery().await?;
        same("redelivered", (first.redelivered, second.redelivered), (false, true))?;
        raw.send(methods::basic_ack(first.tag, false)).await;
        raw.send(methods::basic_ack(second.tag, false)).await;
        raw.until_ready(&queue, 0).await?;
    }
    "failing.timeout.cancel", "ack timeout: the consumer is cancelled", TIMEOUT,
    "basic.cancel comes, and the message is ready again", |ctx| {
        let args = [("x-consumer-timeout", Value::I32(100)), ("x-consumer-timeout-action", "cancel".into())];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        raw.delivery().await?;
        raw.wait_for((60, 30)).await?;
        raw.until_ready(&queue, 1).await?;
    }
    "failing.timeout.close", "ack timeout: the channel is closed", TIMEOUT,
    "406, as RabbitMQ does after half an hour", |ctx| {
        let args = [("x-consumer-timeout", Value::I32(100)), ("x-consumer-timeout-action", "close".into())];
        let (mut raw, queue) = failing(&ctx, args).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        raw.delivery().await?;
        match raw.closed().await? {
            Scope::channel(406, text, _) if text.contains("timed out") => {}
            other => fail(format!("{other:?}"))?,
        }
    }
    "failing.settle.ack", "settle exchange: ack", SETTLE,
    "the message is gone", |ctx| {
        let (mut raw, queue) = failing(&ctx, []).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let message = taken(&mut raw, &queue).await?;
        settle(&mut raw, message.tag, "ack", []).await;
        raw.call(methods::basic_recover(true)).await?;
        same("messages", raw.drain(&queue).await?, Vec::<String>::new())?;
    }
    "failing.settle.nack-delay", "settle exchange: nack with a delay", SETTLE,
    "the message comes back, not before", |ctx| {
        let (mut raw, queue) = failing(&ctx, [("x-delivery-limit", Value::I32(10))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        raw.consume(&queue, "c", 0).await?;
        let first = raw.delivery().await?;
        let watch = Stopwatch::start();
        settle(&mut raw, first.tag, "nack", [("delay", Value::I32(250))]).await;
        ensure(raw.delivery().await?.redelivered, "not redelivered")?;
        ensure(watch.elapsed() >= Duration::from_millis(250), "it came too early")?;
    }
    "failing.settle.term", "settle exchange: term with an error", SETTLE,
    "the message is dead now, and the dead letter says why", |ctx| {
        let (mut raw, queue, dead) = mortal(&ctx, [("x-delivery-limit", Value::I32(10))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let message = taken(&mut raw, &queue).await?;
        settle(&mut raw, message.tag, "term", [("error", "no such customer".into())]).await;
        let letter = death(&raw.arrival(&dead).await?)?;
        same("reason", lookup(&letter, "reason").and_then(Value::text), Some("rejected".to_owned()))?;
        same("error", lookup(&letter, "error").and_then(Value::text), Some("no such customer".to_owned()))?;
    }
    "failing.settle.progress", "settle exchange: progress", SETTLE,
    "the ack timeout begins anew, so that a message outlives several of them", |ctx| {
        let (mut raw, queue) = failing(&ctx, [("x-consumer-timeout", Value::I32(2000))]).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let message = taken(&mut raw, &queue).await?;
        settle(&mut raw, message.tag, "progress", []).await;
        raw.send(methods::basic_ack(message.tag, false)).await;
        same("messages", raw.counts(&queue).await?.0, 0)?;
    }
    "failing.settle.unknown-tag", "settle exchange: a tag that is not unacked", SETTLE,
    "406, as with basic.ack", |ctx| {
        let (mut raw, _) = failing(&ctx, []).await?;
        settle(&mut raw, 7, "ack", []).await;
        match raw.closed().await? {
            Scope::channel(406, text, _) if text.contains("unknown delivery tag 7") => {}
            other => fail(format!("{other:?}"))?,
        }
    }
    "failing.settle.unknown-verb", "settle exchange: a verb that does not exist", SETTLE,
    "406 that names the verbs", |ctx| {
        let (mut raw, queue) = failing(&ctx, []).await?;
        raw.fill_queue(&queue, &["m"]).await;
        let message = taken(&mut raw, &queue).await?;
        settle(&mut raw, message.tag, "forget", []).await;
        match raw.closed().await? {
            Scope::channel(406, text, _) if text.contains("ack, commit, nack, term, park or progress") => {}
            other => fail(format!("{other:?}"))?,
        }
    }
    "failing.ack-policy.all", "ack policy all", POLICY,
    "one ack settles what came before it", |ctx| {
        let (mut raw, queue) = failing(&ctx, []).await?;
        raw.fill_queue(&queue, &["1", "2", "3"]).await;
        let args = table([("x-ack-policy", "all".into())]);
        raw.call(methods::basic_consume(&queue, "c", 0, args)).await?;
        let (_, second, _) = (raw.delivery().await?, raw.delivery().await?, raw.delivery().await?);
        raw.send(methods::basic_ack(second.tag, false)).await;
        raw.call(methods::basic_cancel("c")).await?;
        raw.call(methods::basic_recover(true)).await?;
        same("messages", raw.drain(&queue).await?, vec!["3".to_owned()])?;
    }
    "failing.combined", "priority, retries, limit, TTL and length together", LIMIT,
    "the higher priority goes first, comes back, and is dead after its limit; the queue keeps its length", |ctx| {
        let args = [
            ("x-max-priority", Value::I32(5)), ("x-delivery-limit", Value::I32(1)), ("x-max-length", Value::I32(2)),
            ("x-delayed-retry-type", "all".into()), ("x-delayed-retry-min", Value::I32(30)),
            ("x-message-ttl", Value::I32(60_000)),
        ];
        let (mut raw, queue, dead) = mortal(&ctx, args).await?;
        let props = |priority| Props { priority: Some(priority), ..Props::default() };
        for (body, priority) in [("low", 1), ("high", 5)] {
            raw.publish_with("", &queue, 0, &props(priority), body.as_bytes()).await;
        }
        raw.until_ready(&queue, 2).await?;
        for _ in 0..2 {
            raw.until_ready(&queue, 2).await?;
            let message = taken(&mut raw, &queue).await?;
            same("text", message.text(), "high")?;
            raw.send(methods::basic_nack(message.tag, false, true)).await;
        }
        same("dead", raw.arrival(&dead).await?.text(), "high")?;
        same("left", raw.drain(&queue).await?, vec!["low".to_owned()])?;
    }
    "failing.bad.limit", "a delivery limit of -2", LIMIT, "406 that says what is allowed", |ctx| {
        refused(&ctx, [("x-delivery-limit", Value::I32(-2))], "-2 is neither -1 (none) nor 0 to").await?;
    }
    "failing.bad.mode", "a count mode that does not exist", LIMIT, "406 that names the modes", |ctx| {
        refused(&ctx, [("x-delivery-count-mode", "some".into())], "'some' is none of all, failed").await?;
    }
    "failing.bad.retry-type", "a retry type that does not exist", RETRY, "406 that names the types", |ctx| {
        let words = "'some' is none of disabled, all, failed, returned";
        refused(&ctx, [("x-delayed-retry-type", "some".into())], words).await?;
    }
    "failing.bad.retry-range", "a least delay above the longest", RETRY, "406 that says so", |ctx| {
        let args = [
            ("x-delayed-retry-type", "all".into()),
            ("x-delayed-retry-min", Value::I32(10)), ("x-delayed-retry-max", Value::I32(5)),
        ];
        refused(&ctx, args, "10 is above x-delayed-retry-max, 5").await?;
    }
    "failing.bad.steps", "steps that are no numbers", RETRY, "406 that says what is allowed", |ctx| {
        let args = [
            ("x-delayed-retry-type", "all".into()),
            ("x-delayed-retry-steps", Value::Array(vec!["soon".into()])),
        ];
        refused(&ctx, args, "expected an array of 1 to 100 numbers").await?;
    }
    "failing.bad.parking", "parking after 0 attempts", PARKING, "406 that says what is allowed", |ctx| {
        refused(&ctx, [("x-parking-after", Value::I32(0))], "0 is not a number from 1 to").await?;
    }
    "failing.bad.timeout-action", "a timeout action that does not exist", TIMEOUT, "406 that names them", |ctx| {
        let args = [("x-consumer-timeout", Value::I32(1)), ("x-consumer-timeout-action", "wait".into())];
        refused(&ctx, args, "'wait' is none of requeue, cancel, close").await?;
    }
}
