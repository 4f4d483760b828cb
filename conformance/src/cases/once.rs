//! Messages that come in once: deduplication by queue and by exchange, numbered publishers. A broker that takes the
//! arguments and headers for any others says nothing here.

use crate::case::{Check, Ctx, Stop, ensure, fail, same};
use crate::codec::{Props, Table, Value, table};
use crate::methods;
use crate::raw::{Event, Raw, Scope};

const QUEUES: &str = "RabbitMQ message deduplication plugin: queues; LavinMQ: x-message-deduplication";
const EXCHANGES: &str = "RabbitMQ message deduplication plugin: exchanges; LavinMQ: x-message-deduplication";
const NUMBERED: &str = "Coney: numbered publishers (as Kafka's idempotent producer)";

const ON: (&str, Value) = ("x-message-deduplication", Value::Bool(true));

/// A connection in confirm mode, or a skip on a broker that has no such argument: it takes a number for it.
async fn deduplicating(ctx: &Ctx) -> Check<Raw> {
    let mut probe = ctx.raw().await?;
    let wrong = table([("x-message-deduplication", Value::I32(3))]);
    probe.send(methods::queue_declare(&ctx.name("probe"), methods::q::EXCLUSIVE, wrong)).await;
    match probe.wait_for((50, 11)).await {
        Ok(_) => Err(Stop::Skip("no x-message-deduplication on queues".into())),
        Err(Stop::Fail(text)) if text.contains("x-message-deduplication") => confirming(ctx).await,
        Err(other) => Err(other),
    }
}

/// A connection in confirm mode, or a skip on a broker that takes a number for a publisher's name.
async fn numbering(ctx: &Ctx) -> Check<Raw> {
    let mut probe = confirming(ctx).await?;
    let wrong = Props::headers([("x-publisher-id", Value::I32(3))]);
    probe.publish_with("", "nowhere", 0, &wrong, b"").await;
    match probe.event().await? {
        Event::Method(_, (60, 80), _) => Err(Stop::Skip("no numbered publishers".into())),
        Event::Method(_, (20, 40), _) => confirming(ctx).await,
        other => fail(format!("{other:?}, expected a confirm or a close")),
    }
}

async fn confirming(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.call(methods::confirm_select()).await?;
    Ok(raw)
}

fn keyed(key: &str) -> Props {
    Props::headers([("x-deduplication-header", key.into())])
}

fn numbered(publisher: &str, epoch: i64, number: i64) -> Props {
    Props::headers([
        ("x-publisher-id", publisher.into()),
        ("x-publisher-epoch", Value::I64(epoch)),
        ("x-publishing-id", Value::I64(number)),
    ])
}

/// Publishes each body with its properties, all of which have to be acked, and expects these in the queue.
async fn only(
    raw: &mut Raw,
    exchange: &str,
    queue: &str,
    messages: &[(&str, Props)],
    expected: &[&str],
) -> Check {
    for (body, props) in messages {
        raw.publish_with(exchange, queue, 0, props, body.as_bytes()).await;
    }
    same("nacked", raw.confirms(messages.len() as u64).await?, Vec::<u64>::new())?;
    same("messages", raw.drain(queue).await?, expected.iter().map(ToString::to_string).collect::<Vec<_>>())
}

async fn refused(ctx: &Ctx, args: Table, text: &str) -> Check {
    drop(deduplicating(ctx).await?);
    let mut raw = ctx.raw().await?;
    raw.send(methods::queue_declare(&ctx.name("q"), methods::q::EXCLUSIVE, args)).await;
    let scope = raw.closed().await?;
    ensure(format!("{scope:?}").contains(text), format!("{scope:?}, expected {text}"))
}

crate::cases! {
    "once.queue.header", "deduplication: the header", QUEUES,
    "a message with a key that came before is confirmed and does not come in", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        raw.queue_with(&ctx.name("q"), [ON]).await?;
        let messages = [("1", keyed("a")), ("2", keyed("b")), ("x", keyed("a")), ("3", keyed("c")), ("x", keyed("b"))];
        only(&mut raw, "", &ctx.name("q"), &messages, &["1", "2", "3"]).await?;
    }
    "once.queue.message-id", "deduplication: the message-id", QUEUES,
    "without the header the message-id is the key, and without both a message is no duplicate", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        raw.queue_with(&ctx.name("q"), [ON]).await?;
        let id = || Props { message_id: Some("id".into()), ..Props::default() };
        let messages = [("1", id()), ("x", id()), ("2", Props::default()), ("3", Props::default())];
        only(&mut raw, "", &ctx.name("q"), &messages, &["1", "2", "3"]).await?;
    }
    "once.queue.other-header", "deduplication: a header of one's own", QUEUES,
    "the argument names the header", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        raw.queue_with(&ctx.name("q"), [ON, ("x-deduplication-header", "order".into())]).await?;
        let order = |number: i64| Props::headers([("order", Value::I64(number))]);
        let messages = [("1", order(1)), ("x", order(1)), ("2", order(2)), ("3", keyed("a")), ("4", keyed("a"))];
        only(&mut raw, "", &ctx.name("q"), &messages, &["1", "2", "3", "4"]).await?;
    }
    "once.queue.number-width", "deduplication: numbers as keys", QUEUES,
    "a number is the same key whatever its type, and no string", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        raw.queue_with(&ctx.name("q"), [ON]).await?;
        let key = |value| Props::headers([("x-deduplication-header", value)]);
        let messages = [("1", key(Value::I8(7))), ("x", key(Value::I64(7))), ("2", key("7".into()))];
        only(&mut raw, "", &ctx.name("q"), &messages, &["1", "2"]).await?;
    }
    "once.queue.consumed", "deduplication: after the ack", QUEUES,
    "what was consumed is remembered all the same", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let queue = ctx.name("q");
        raw.queue_with(&queue, [ON]).await?;
        only(&mut raw, "", &queue, &[("1", keyed("a"))], &["1"]).await?;
        raw.publish_with("", &queue, 0, &keyed("a"), b"x").await;
        raw.confirm().await?;
        same("messages", raw.drain(&queue).await?, Vec::<String>::new())?;
    }
    "once.queue.size", "deduplication: x-cache-size", QUEUES,
    "the oldest key makes room, and its message may come again", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        raw.queue_with(&ctx.name("q"), [ON, ("x-cache-size", Value::I32(2))]).await?;
        let messages = ["1", "2", "3", "2", "1", "3"].map(|key| (key, keyed(key)));
        only(&mut raw, "", &ctx.name("q"), &messages, &["1", "2", "3", "1"]).await?;
    }
    "once.queue.ttl", "deduplication: x-cache-ttl", QUEUES,
    "a key that is older than that is forgotten", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let queue = ctx.name("q");
        raw.queue_with(&queue, [ON, ("x-cache-ttl", Value::I32(100))]).await?;
        // A queue that would keep the key for ever would never have two.
        for tag in 1.. {
            raw.publish_with("", &queue, 0, &keyed("a"), b"m").await;
            raw.confirm().await?;
            match raw.counts(&queue).await?.0 {
                2 => break,
                1 => ensure(tag < 1_000_000, "the key is never forgotten")?,
                other => fail(format!("{other} messages"))?,
            }
        }
    }
    "once.queue.other-queue", "deduplication: each queue for itself", QUEUES,
    "a key that one queue knows is new to another", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        for queue in ["a", "b"] {
            raw.queue_with(&ctx.name(queue), [ON]).await?;
        }
        raw.publish_with("", &ctx.name("a"), 0, &keyed("k"), b"m").await;
        raw.publish_with("", &ctx.name("b"), 0, &keyed("k"), b"m").await;
        raw.confirms(2).await?;
        for queue in ["a", "b"] {
            same("messages", raw.drain(&ctx.name(queue)).await?, vec!["m".to_owned()])?;
        }
    }
    "once.queue.requeue", "deduplication: a message that comes back", QUEUES,
    "a nacked message is redelivered, although its key is known", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let queue = ctx.name("q");
        raw.queue_with(&queue, [ON]).await?;
        raw.publish_with("", &queue, 0, &keyed("a"), b"m").await;
        raw.confirm().await?;
        let Some(message) = raw.get(&queue, false).await? else { return fail("no message") };
        raw.send(methods::basic_nack(message.tag, false, true)).await;
        same("text", raw.arrival(&queue).await?.text(), "m")?;
    }
    "once.queue.transaction", "deduplication: in a transaction", QUEUES,
    "a commit with a duplicate succeeds, and the duplicate does not come in", |ctx| {
        drop(deduplicating(&ctx).await?);
        let mut raw = ctx.raw().await?;
        let queue = ctx.name("q");
        raw.queue_with(&queue, [ON]).await?;
        raw.call(methods::tx_select()).await?;
        for body in ["1", "x"] {
            raw.publish_with("", &queue, 0, &keyed("a"), body.as_bytes()).await;
        }
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&queue).await?, vec!["1".to_owned()])?;
    }
    "once.queue.bad-switch", "deduplication: a switch that is none", QUEUES,
    "406 that says boolean", |ctx| {
        refused(&ctx, table([("x-message-deduplication", "yes".into())]), "expected boolean").await?;
    }
    "once.queue.bad-size", "deduplication: a size of 0", QUEUES,
    "406 that says what is allowed", |ctx| {
        refused(&ctx, table([ON, ("x-cache-size", Value::I32(0))]), "0 is not a number from 1 to").await?;
    }
    "once.queue.bad-ttl", "deduplication: a TTL below 0", QUEUES,
    "406 that says what is allowed", |ctx| {
        refused(&ctx, table([ON, ("x-cache-ttl", Value::I32(-1))]), "-1 is not a number from 1 to").await?;
    }
    "once.exchange.all-queues", "deduplication by exchange: every queue", EXCHANGES,
    "each queue has the message once, and another exchange has keys of its own", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let exchange = ctx.name("x");
        raw.call(methods::exchange_declare(&exchange, "fanout", methods::x::AUTO_DELETE, table([ON]))).await?;
        for queue in ["a", "b"] {
            raw.queue(&ctx.name(queue)).await?;
            raw.bind(&ctx.name(queue), &exchange, "").await?;
        }
        for (body, key) in [("1", "k"), ("x", "k"), ("2", "l")] {
            raw.publish_with(&exchange, "", 0, &keyed(key), body.as_bytes()).await;
        }
        raw.publish_with("", &ctx.name("a"), 0, &keyed("k"), b"3").await;
        same("nacked", raw.confirms(4).await?, Vec::<u64>::new())?;
        same("messages of a", raw.drain(&ctx.name("a")).await?, ["1", "2", "3"].map(String::from).to_vec())?;
        same("messages of b", raw.drain(&ctx.name("b")).await?, ["1", "2"].map(String::from).to_vec())?;
    }
    "once.exchange.type", "deduplication by exchange: the plugin's type", EXCHANGES,
    "it routes to every binding whatever the keys, without duplicates", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let (exchange, queue) = (ctx.name("x"), ctx.name("q"));
        let args = table([("x-cache-size", Value::I32(10))]);
        let declare = methods::exchange_declare(&exchange, "x-message-deduplication", methods::x::AUTO_DELETE, args);
        raw.call(declare).await?;
        raw.queue(&queue).await?;
        raw.bind(&queue, &exchange, "another key").await?;
        let other = ctx.name("other");
        raw.queue(&other).await?;
        raw.bind(&other, &exchange, "").await?;
        only(&mut raw, &exchange, &queue, &[("1", keyed("a")), ("x", keyed("a"))], &["1"]).await?;
        same("messages of the other", raw.drain(&other).await?, vec!["1".to_owned()])?;
    }
    "once.exchange.text-arguments", "deduplication by exchange: arguments as text", EXCHANGES,
    "x-cache-size and x-cache-ttl may be numbers or text with one", |ctx| {
        let mut raw = deduplicating(&ctx).await?;
        let (exchange, queue) = (ctx.name("x"), ctx.name("q"));
        let args = table([("x-cache-size", "1".into()), ("x-cache-ttl", "60000".into())]);
        let declare = methods::exchange_declare(&exchange, "x-message-deduplication", methods::x::AUTO_DELETE, args);
        raw.call(declare).await?;
        raw.queue(&queue).await?;
        raw.bind(&queue, &exchange, "").await?;
        let messages = ["1", "1", "2", "1"].map(|key| (key, keyed(key)));
        only(&mut raw, &exchange, &queue, &messages, &["1", "2", "1"]).await?;
        for wrong in ["soon", ""] {
            let mut raw = ctx.raw().await?;
            let args = table([("x-cache-size", wrong.into())]);
            raw.send(methods::exchange_declare(&ctx.name("y"), "x-message-deduplication", 0, args)).await;
            let scope = raw.closed().await?;
            ensure(format!("{scope:?}").contains("x-cache-size"), format!("{scope:?}"))?;
        }
    }
    "once.publisher.resend", "numbered publishers: a resend", NUMBERED,
    "a number that came before is confirmed and does not come in, over a reconnect as well", |ctx| {
        let mut raw = numbering(&ctx).await?;
        let (queue, publisher) = (ctx.name("q"), ctx.name("p"));
        raw.declare(&queue, methods::q::AUTO_DELETE, vec![]).await?;
        for (body, number) in [("1", 1), ("2", 2), ("x", 1), ("x", 2)] {
            raw.publish_with("", &queue, 0, &numbered(&publisher, 0, number), body.as_bytes()).await;
        }
        same("nacked", raw.confirms(4).await?, Vec::<u64>::new())?;
        raw.close().await;
        let mut raw = confirming(&ctx).await?;
        for (body, number) in [("x", 2), ("3", 3)] {
            raw.publish_with("", &queue, 0, &numbered(&publisher, 0, number), body.as_bytes()).await;
        }
        same("nacked", raw.confirms(2).await?, Vec::<u64>::new())?;
        same("messages", raw.drain(&queue).await?, ["1", "2", "3"].map(String::from).to_vec())?;
        raw.call(methods::queue_delete(&queue, 0)).await?;
    }
    "once.publisher.gap", "numbered publishers: a gap", NUMBERED,
    "what comes after a gap is nacked until the gap is filled", |ctx| {
        let mut raw = numbering(&ctx).await?;
        let queue = ctx.name("q");
        raw.queue(&queue).await?;
        for number in [1, 3, 4, 2, 3] {
            raw.publish_with("", &queue, 0, &numbered("p", 0, number), number.to_string().as_bytes()).await;
        }
        same("nacked", raw.confirms(5).await?, vec![2, 3])?;
        same("messages", raw.drain(&queue).await?, ["1", "2", "3"].map(String::from).to_vec())?;
    }
    "once.publisher.epoch", "numbered publishers: epochs", NUMBERED,
    "a new epoch counts anew, and the old one is nacked from then on", |ctx| {
        let mut raw = numbering(&ctx).await?;
        let queue = ctx.name("q");
        raw.queue(&queue).await?;
        for (epoch, number) in [(1, 7), (2, 1), (1, 8), (2, 2)] {
            let body = format!("{epoch}.{number}");
            raw.publish_with("", &queue, 0, &numbered("p", epoch, number), body.as_bytes()).await;
        }
        same("nacked", raw.confirms(4).await?, vec![3])?;
        same("messages", raw.drain(&queue).await?, ["1.7", "2.1", "2.2"].map(String::from).to_vec())?;
    }
    "once.publisher.no-number", "numbered publishers: a name without a number", NUMBERED,
    "406 that says which header is missing", |ctx| {
        let mut raw = numbering(&ctx).await?;
        raw.publish_with("", "q", 0, &Props::headers([("x-publisher-id", "p".into())]), b"").await;
        let text = "PRECONDITION_FAILED - invalid header 'x-publishing-id': a message with x-publisher-id has to have it";
        raw.expect_closed(&Scope::channel(406, text.into(), (60, 40))).await?;
    }
}
