//! Exchange types that RabbitMQ has from plugins: each message goes to one of the bindings. A broker without a type
//! says nothing here.

use crate::case::{Check, Ctx, Stop, ensure, fail, same};
use crate::codec::{Props, Table, table};
use crate::methods;
use crate::raw::{Raw, Scope};

const HASH: &str = "rabbitmq_consistent_hash_exchange";
const SHARDING: &str = "rabbitmq_sharding; modulus-hash-exchange";
const RANDOM: &str = "rabbitmq_random_exchange; local-random-exchange";

/// Enough that no queue of a few stays empty by chance.
const MESSAGES: u64 = 120;

/// A connection with the case's exchange of this type, or a skip.
async fn declared(ctx: &Ctx, kind: &str, args: Table) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.send(methods::exchange_declare(&ctx.name("x"), kind, 0, args)).await;
    match raw.wait_for((40, 11)).await {
        Ok(_) => {
            raw.call(methods::confirm_select()).await?;
            Ok(raw)
        }
        Err(Stop::Fail(text)) if text.contains("exchange type '") => {
            Err(Stop::Skip(format!("no exchanges of type {kind}")))
        }
        Err(other) => Err(other),
    }
}

/// Binds so many queues with these keys.
async fn bound(ctx: &Ctx, raw: &mut Raw, keys: &[&str]) -> Check<Vec<String>> {
    let mut queues = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        let queue = ctx.name(&format!("q{number}"));
        raw.queue(&queue).await?;
        raw.bind(&queue, &ctx.name("x"), key).await?;
        queues.push(queue);
    }
    Ok(queues)
}

/// Publishes messages made from numbers and says which came to each queue.
async fn spread(
    ctx: &Ctx,
    raw: &mut Raw,
    queues: &[String],
    message: impl Fn(u64) -> (String, Props) + Send,
) -> Check<Vec<Vec<String>>> {
    for number in 0..MESSAGES {
        let (key, props) = message(number);
        raw.publish_with(&ctx.name("x"), &key, 0, &props, number.to_string().as_bytes()).await;
    }
    raw.confirms(MESSAGES).await?;
    let mut found = Vec::new();
    for queue in queues {
        found.push(raw.drain(queue).await?);
    }
    same("messages in all queues", found.iter().map(Vec::len).sum::<usize>() as u64, MESSAGES)?;
    Ok(found)
}

fn keyed(number: u64) -> (String, Props) {
    (format!("key.{number}"), Props::default())
}

fn all_used(found: &[Vec<String>]) -> Check {
    ensure(found.iter().all(|texts| !texts.is_empty()), format!("a queue got nothing: {found:?}"))
}

fn one_used(found: &[Vec<String>]) -> Check {
    same("queues with messages", found.iter().filter(|texts| !texts.is_empty()).count(), 1)
}

/// Publishes with the same key (or without what decides) and expects one queue to get all.
async fn together(ctx: &Ctx, raw: &mut Raw, message: impl Fn(u64) -> (String, Props) + Send) -> Check {
    let queues = bound(ctx, raw, &["1", "2", "3"]).await?;
    one_used(&spread(ctx, raw, &queues, message).await?)
}

/// Publishes with what decides differing and expects every queue to get some.
async fn apart(ctx: &Ctx, raw: &mut Raw, message: impl Fn(u64) -> (String, Props) + Send) -> Check {
    let queues = bound(ctx, raw, &["2", "2", "2"]).await?;
    all_used(&spread(ctx, raw, &queues, message).await?)
}

async fn weight_refused(ctx: &Ctx, key: &str, text: &str) -> Check {
    let mut raw = declared(ctx, "x-consistent-hash", vec![]).await?;
    let queue = ctx.name("q");
    raw.queue(&queue).await?;
    raw.send(methods::queue_bind(&queue, &ctx.name("x"), key, vec![])).await;
    raw.expect_closed(&Scope::channel(406, format!("PRECONDITION_FAILED - {text}"), (50, 20))).await
}

async fn arguments_refused(ctx: &Ctx, args: Table, text: &str) -> Check {
    match declared(ctx, "x-consistent-hash", args).await {
        Err(Stop::Fail(found)) => ensure(found.contains(text), format!("{found}, expected {text}")),
        Err(other) => Err(other),
        Ok(_) => fail("the exchange was declared"),
    }
}

/// Nothing is bound: the alternate exchange gets the message.
async fn alternate(ctx: &Ctx, kind: &str) -> Check {
    let (rest, queue) = (ctx.name("rest"), ctx.name("q"));
    let mut raw = declared(ctx, kind, table([("alternate-exchange", rest.as_str().into())])).await?;
    raw.exchange(&rest, "fanout").await?;
    raw.queue(&queue).await?;
    raw.bind(&queue, &rest, "").await?;
    raw.publish(&ctx.name("x"), "k", "m").await;
    raw.confirms(1).await?;
    same("text", raw.take(&queue).await?.text(), "m")
}

crate::cases! {
    "exchange.consistent-hash.one-queue-each", "consistent hash: keys are spread", HASH,
    "each message is in one queue, and every queue gets some", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", vec![]).await?;
        apart(&ctx, &mut raw, keyed).await?;
    }
    "exchange.consistent-hash.same-key", "consistent hash: a key keeps its queue", HASH,
    "messages with the same key are in the same queue", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", vec![]).await?;
        together(&ctx, &mut raw, |_| ("k".into(), Props::default())).await?;
    }
    "exchange.consistent-hash.weights", "consistent hash: weights", HASH,
    "a queue with twenty times the weight gets more", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", vec![]).await?;
        let queues = bound(&ctx, &mut raw, &["1", "20"]).await?;
        let found = spread(&ctx, &mut raw, &queues, keyed).await?;
        let counts: Vec<_> = found.iter().map(Vec::len).collect();
        ensure(matches!(counts.as_slice(), [light, heavy] if light * 3 < *heavy), format!("{counts:?}"))?;
    }
    "exchange.consistent-hash.unbind", "consistent hash: unbind", HASH,
    "the queue that is left gets every message", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", vec![]).await?;
        let queues = bound(&ctx, &mut raw, &["1", "1"]).await?;
        raw.call(methods::queue_unbind(&ctx.name("q0"), &ctx.name("x"), "1", vec![])).await?;
        let found = spread(&ctx, &mut raw, &queues, keyed).await?;
        same("messages by queue", found.iter().map(Vec::len).collect::<Vec<_>>(), vec![0, MESSAGES as usize])?;
    }
    "exchange.consistent-hash.exchange-to-exchange", "consistent hash: a bound exchange", HASH,
    "the messages of an exchange that is bound go through it, the others do not", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", vec![]).await?;
        let mut queues = bound(&ctx, &mut raw, &["5"]).await?;
        let (behind, fanout) = (ctx.name("behind"), ctx.name("fanout"));
        raw.exchange(&fanout, "fanout").await?;
        raw.queue(&behind).await?;
        raw.bind(&behind, &fanout, "").await?;
        raw.call(methods::exchange_bind(&fanout, &ctx.name("x"), "5", vec![])).await?;
        queues.push(behind);
        all_used(&spread(&ctx, &mut raw, &queues, keyed).await?)?;
    }
    "exchange.consistent-hash.header", "consistent hash: hash-header", HASH,
    "the header decides, not the key", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", table([("hash-header", "h".into())])).await?;
        let with = |number: u64| {
            let value = format!("value.{number}");
            ("k".to_owned(), Props::headers([("h", value.as_str().into())]))
        };
        apart(&ctx, &mut raw, with).await?;
    }
    "exchange.consistent-hash.header-missing", "consistent hash: without the header", HASH,
    "messages without the header are in the same queue", |ctx| {
        let mut raw = declared(&ctx, "x-consistent-hash", table([("hash-header", "h".into())])).await?;
        together(&ctx, &mut raw, keyed).await?;
    }
    "exchange.consistent-hash.message-id", "consistent hash: message_id", HASH,
    "the property decides, not the key", |ctx| {
        let args = table([("hash-property", "message_id".into())]);
        let mut raw = declared(&ctx, "x-consistent-hash", args).await?;
        let with = |number: u64| {
            ("k".to_owned(), Props { message_id: Some(format!("id.{number}")), ..Props::default() })
        };
        apart(&ctx, &mut raw, with).await?;
    }
    "exchange.consistent-hash.correlation-id", "consistent hash: correlation_id", HASH,
    "the property decides, not the key", |ctx| {
        let args = table([("hash-property", "correlation_id".into())]);
        let mut raw = declared(&ctx, "x-consistent-hash", args).await?;
        let with = |number: u64| {
            ("k".to_owned(), Props { correlation_id: Some(format!("id.{number}")), ..Props::default() })
        };
        apart(&ctx, &mut raw, with).await?;
    }
    "exchange.consistent-hash.timestamp", "consistent hash: timestamp", HASH,
    "the property decides, not the key", |ctx| {
        let args = table([("hash-property", "timestamp".into())]);
        let mut raw = declared(&ctx, "x-consistent-hash", args).await?;
        apart(&ctx, &mut raw, |number| ("k".to_owned(), Props { timestamp: Some(number), ..Props::default() }))
            .await?;
    }
    "exchange.consistent-hash.property-missing", "consistent hash: without the property", HASH,
    "messages without the property are in the same queue", |ctx| {
        let args = table([("hash-property", "message_id".into())]);
        let mut raw = declared(&ctx, "x-consistent-hash", args).await?;
        together(&ctx, &mut raw, keyed).await?;
    }
    "exchange.consistent-hash.property-unknown", "consistent hash: another property", HASH,
    "the channel is closed: 406 Unsupported property: user_id", |ctx| {
        arguments_refused(&ctx, table([("hash-property", "user_id".into())]), "Unsupported property: user_id")
            .await?;
    }
    "exchange.consistent-hash.header-and-property", "consistent hash: header and property", HASH,
    "the channel is closed: 406 hash-header and hash-property are mutually exclusive", |ctx| {
        let args = table([("hash-header", "h".into()), ("hash-property", "message_id".into())]);
        arguments_refused(&ctx, args, "hash-header and hash-property are mutually exclusive").await?;
    }
    "exchange.consistent-hash.weight-no-number", "consistent hash: a binding key that is no number", HASH,
    "the channel is closed: 406 The binding key must be an integer", |ctx| {
        weight_refused(&ctx, "abc", "The binding key must be an integer: <<\"abc\">>").await?;
    }
    "exchange.consistent-hash.weight-empty", "consistent hash: an empty binding key", HASH,
    "the channel is closed: 406 The binding key must be an integer", |ctx| {
        weight_refused(&ctx, "", "The binding key must be an integer: <<>>").await?;
    }
    "exchange.consistent-hash.weight-zero", "consistent hash: weight 0", HASH,
    "the channel is closed: 406 The binding key must be greater than 0", |ctx| {
        weight_refused(&ctx, "0", "The binding key must be greater than 0").await?;
    }
    "exchange.consistent-hash.weight-negative", "consistent hash: a negative weight", HASH,
    "the channel is closed: 406 The binding key must be greater than 0", |ctx| {
        weight_refused(&ctx, "-1", "The binding key must be greater than 0").await?;
    }
    "exchange.consistent-hash.alternate", "consistent hash: nothing bound", HASH,
    "the alternate exchange gets the message", |ctx| { alternate(&ctx, "x-consistent-hash").await?; }
    "exchange.modulus-hash.one-queue-each", "modulus hash: keys are spread", SHARDING,
    "each message is in one queue, and every queue gets some", |ctx| {
        let mut raw = declared(&ctx, "x-modulus-hash", vec![]).await?;
        apart(&ctx, &mut raw, keyed).await?;
    }
    "exchange.modulus-hash.same-key", "modulus hash: a key keeps its queue", SHARDING,
    "messages with the same key are in the same queue", |ctx| {
        let mut raw = declared(&ctx, "x-modulus-hash", vec![]).await?;
        together(&ctx, &mut raw, |_| ("k".into(), Props::default())).await?;
    }
    "exchange.modulus-hash.alternate", "modulus hash: nothing bound", SHARDING,
    "the alternate exchange gets the message", |ctx| { alternate(&ctx, "x-modulus-hash").await?; }
    "exchange.random.one-queue-each", "random: one key is spread", RANDOM,
    "each message is in one queue, and every queue gets some", |ctx| {
        let mut raw = declared(&ctx, "x-random", vec![]).await?;
        apart(&ctx, &mut raw, |_| ("k".into(), Props::default())).await?;
    }
    "exchange.random.alternate", "random: nothing bound", RANDOM,
    "the alternate exchange gets the message", |ctx| { alternate(&ctx, "x-random").await?; }
    "exchange.local-random.one-queue-each", "local random: one key is spread", RANDOM,
    "each message is in one queue, and every queue gets some", |ctx| {
        let mut raw = declared(&ctx, "x-local-random", vec![]).await?;
        let queues = bound(&ctx, &mut raw, &["", "", ""]).await?;
        all_used(&spread(&ctx, &mut raw, &queues, |_| ("k".into(), Props::default())).await?)?;
    }
    "exchange.local-random.key", "local random: a binding with a key", RANDOM,
    "the channel is closed: 406", |ctx| {
        let mut raw = declared(&ctx, "x-local-random", vec![]).await?;
        raw.queue(&ctx.name("q")).await?;
        raw.send(methods::queue_bind(&ctx.name("q"), &ctx.name("x"), "k", vec![])).await;
        let text = "PRECONDITION_FAILED - Non empty binding 'k' key not permitted";
        raw.expect_closed(&Scope::channel(406, text.into(), (50, 20))).await?;
    }
    "exchange.local-random.exchange", "local random: a binding to an exchange", RANDOM,
    "the channel is closed: 406", |ctx| {
        let mut raw = declared(&ctx, "x-local-random", vec![]).await?;
        raw.exchange(&ctx.name("to"), "fanout").await?;
        raw.send(methods::exchange_bind(&ctx.name("to"), &ctx.name("x"), "", vec![])).await;
        let text = "PRECONDITION_FAILED - Destination not found";
        raw.expect_closed(&Scope::channel(406, text.into(), (40, 30))).await?;
    }
}
