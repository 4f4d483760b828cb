//! Declaring a queue again: what is compared, in which order, and what is not looked at. And the values that arguments may
//! have.

use crate::case::{Check, Ctx, Stop, ensure, same};
use crate::codec::{Table, Value, Writer, table};
use crate::methods::{self, q};
use crate::raw::{Raw, Scope};

const AGAIN: &str = "RabbitMQ: Queues, Declaration and Property Equivalence";
const VALUES: &str = "RabbitMQ: Queues, Optional Arguments";

/// Every argument that RabbitMQ compares on classic queues, in its order.
const CLASSIC: [&str; 13] = [
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
];

/// The same on quorum queues.
const QUORUM: [&str; 15] = [
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
];

/// Declares a queue: `ok`, or the text of the refusal without the queue's name. The channel is open again afterwards.
async fn declare(raw: &mut Raw, name: &str, bits: u8, args: Table) -> Check<String> {
    raw.send(methods::queue_declare(name, bits, args)).await;
    match raw.wait_for((50, 11)).await {
        Ok(_) => Ok("ok".to_owned()),
        Err(Stop::Fail(text)) => {
            raw.send(methods::method(20, 41, Writer::default())).await;
            let channel = raw.channel;
            raw.open_channel(channel).await?;
            // It is quoted.
            let text = text.replace("\\\"", "\"");
            Ok(text.replace(&format!(" for queue '{name}' in vhost '/'"), ""))
        }
        Err(other) => Err(other),
    }
}

fn typed(kind: &str) -> Table {
    table([("x-queue-type", kind.into())])
}

fn one(key: &str, value: Value) -> Table {
    vec![(key.to_owned(), value)]
}

async fn expect(raw: &mut Raw, name: &str, bits: u8, args: Table, text: &str) -> Check {
    let what = format!("declare with {args:?}");
    let found = declare(raw, name, bits, args).await?;
    let fits = if text == "ok" { found == "ok" } else { found.contains(text) };
    ensure(fits, format!("{what}: {found}, expected {text}"))
}

/// Declares again with all arguments there are, and without the one that is complained about, until none is left.
async fn complaints(raw: &mut Raw, name: &str, own: &str, args: &[(&str, Value)]) -> Check<Vec<String>> {
    let mut args: Vec<(String, Value)> =
        args.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let mut order = Vec::new();
    loop {
        let text = declare(raw, name, q::DURABLE, args.clone()).await?;
        let Some((_, rest)) = text.split_once("inequivalent arg '") else { break };
        let key = rest.split('\'').next().unwrap_or_default().to_owned();
        args.retain(|(other, _)| *other != key);
        if key == "x-queue-type" {
            args.push((key.clone(), own.into()));
        }
        order.push(key);
    }
    Ok(order)
}

fn every_argument() -> Vec<(&'static str, Value)> {
    vec![
        ("x-queue-type", "other".into()),
        ("x-expires", 60_000.into()),
        ("x-message-ttl", 6000.into()),
        ("x-dead-letter-exchange", "d".into()),
        ("x-dead-letter-routing-key", "k".into()),
        ("x-dead-letter-strategy", "at-most-once".into()),
        ("x-max-length", 5.into()),
        ("x-max-length-bytes", 5.into()),
        ("x-max-in-memory-length", 5.into()),
        ("x-max-in-memory-bytes", 5.into()),
        ("x-max-priority", 5.into()),
        ("x-overflow", "drop-head".into()),
        ("x-queue-mode", "lazy".into()),
        ("x-queue-version", 2.into()),
        ("x-single-active-consumer", true.into()),
        ("x-queue-master-locator", "min-masters".into()),
        ("x-quorum-initial-group-size", 1.into()),
        ("x-consumer-timeout", 60_000.into()),
        ("x-max-age", "1h".into()),
    ]
}

/// A durable queue of this type that is gone afterwards, whatever the check finds.
async fn order_of(ctx: &Ctx, kind: &str, more: &[(&'static str, Value)], expected: &[&str]) -> Check {
    let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
    raw.declare(&name, q::DURABLE, typed(kind)).await?;
    let found = complaints(&mut raw, &name, kind, &[every_argument().as_slice(), more].concat()).await;
    raw.call(methods::queue_delete(&name, 0)).await?;
    same("complaints", found?, expected.iter().map(ToString::to_string).collect::<Vec<_>>())
}

crate::cases! {
    "queue.redeclare.classic-unsaid", "Declared again without, or with, the type classic", AGAIN,
    "a queue without a type is a classic one", |ctx| {
        let mut raw = ctx.raw().await?;
        let (plain, typed_) = (ctx.name("plain"), ctx.name("typed"));
        for (name, first, second) in [(&plain, vec![], typed("classic")), (&typed_, typed("classic"), vec![])] {
            raw.declare(name, q::EXCLUSIVE, first).await?;
            expect(&mut raw, name, q::EXCLUSIVE, second, "ok").await?;
        }
    }
    "queue.redeclare.type-text", "Declared again with another type", AGAIN,
    "406 that says classic for a queue without a type", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        raw.declare(&name, q::EXCLUSIVE, vec![]).await?;
        for (value, said) in [("quorum".into(), "'quorum'"), ("odd".into(), "'odd'"), (Value::I32(5), "'5'"), (Value::Void, "none")] {
            let text = format!("inequivalent arg 'x-queue-type': received {said} but current is 'classic'");
            expect(&mut raw, &name, q::EXCLUSIVE, one("x-queue-type", value), &text).await?;
        }
    }
    "queue.redeclare.quorum-unsaid", "A quorum queue declared again without a type", AGAIN,
    "406 that says classic", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        raw.declare(&name, q::DURABLE, typed("quorum")).await?;
        let text = "inequivalent arg 'x-queue-type': received 'classic' but current is 'quorum'";
        let found = expect(&mut raw, &name, q::DURABLE, vec![], text).await;
        raw.call(methods::queue_delete(&name, 0)).await?;
        found?;
    }
    "queue.redeclare.order.properties", "Properties are compared before arguments", AGAIN,
    "exclusive, durable, auto-delete, then the arguments, also where no new queue could be so", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        raw.declare(&name, q::AUTO_DELETE, vec![]).await?;
        let bad = || [typed("quorum"), one("x-max-length", Value::I32(-1))].concat();
        let locked = "cannot obtain exclusive access";
        expect(&mut raw, &name, q::DURABLE | q::EXCLUSIVE, bad(), locked).await?;
        expect(&mut raw, &name, q::DURABLE, bad(), "inequivalent arg 'durable': received 'true' but current is 'false'").await?;
        expect(&mut raw, &name, 0, bad(), "inequivalent arg 'auto_delete': received 'false' but current is 'true'").await?;
        expect(&mut raw, &name, q::AUTO_DELETE, bad(), "inequivalent arg 'x-max-length': received").await?;
        expect(&mut raw, &name, q::AUTO_DELETE, typed("quorum"), "inequivalent arg 'x-queue-type'").await?;
        expect(&mut raw, &name, q::AUTO_DELETE, vec![], "ok").await?;
        raw.call(methods::queue_delete(&name, 0)).await?;
    }
    "queue.redeclare.order.classic", "The arguments of a classic queue, in the order in which they are compared", AGAIN,
    "arguments of other types are not looked at", |ctx| {
        order_of(&ctx, "classic", &[], &CLASSIC).await?;
    }
    "queue.redeclare.order.quorum", "The arguments of a quorum queue, in the order in which they are compared", AGAIN,
    "arguments of other types are not looked at", |ctx| {
        let more = [("x-delivery-limit", 5.into()), ("x-queue-leader-locator", "balanced".into())];
        order_of(&ctx, "quorum", &more, &QUORUM).await?;
    }
    "queue.redeclare.number-types", "The same number of another type", AGAIN,
    "integers and timestamps are equal whatever their width; floats and text are not", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        raw.declare(&name, q::EXCLUSIVE, table([("x-max-length", Value::I32(5))])).await?;
        let equal = [Value::I8(5), Value::U8(5), Value::I16(5), Value::U16(5), Value::U32(5), Value::I64(5), Value::Time(5)];
        for value in equal {
            expect(&mut raw, &name, q::EXCLUSIVE, one("x-max-length", value), "ok").await?;
        }
        for (value, said) in [
            (Value::F64(5.0), "'5.0'"), (Value::F32(5.0), "'5.0'"), ("5".into(), "'5'"), (Value::Void, "none"),
            (Value::I64(6), "'6'"), (Value::Bool(true), "'true'"), (Value::I32(-1), "'-1'"),
        ] {
            let text = format!("inequivalent arg 'x-max-length': received {said} but current is '5'");
            expect(&mut raw, &name, q::EXCLUSIVE, one("x-max-length", value), &text).await?;
        }
    }
    "queue.redeclare.unknown-arguments", "Arguments that are not compared", AGAIN,
    "one that nobody knows, or that sets no property of the queue, may differ", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        raw.declare(&name, q::EXCLUSIVE, vec![]).await?;
        for (key, value) in [("x-nobody-knows", Value::I32(5)), ("x-consumer-timeout", Value::I32(60_000))] {
            expect(&mut raw, &name, q::EXCLUSIVE, one(key, value), "ok").await?;
        }
    }
    "queue.declare.value-types", "Arguments of a type that they cannot have", VALUES,
    "406 that says which", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        let numbers = ["x-expires", "x-message-ttl", "x-max-length", "x-max-length-bytes", "x-max-priority", "x-queue-version"];
        for key in numbers {
            for (value, kind) in [(Value::Void, "void"), ("5".into(), "longstr"), (Value::F64(5.0), "double"), (Value::Bool(true), "bool"), (Value::Time(5), "timestamp")] {
                let text = format!("invalid arg '{key}': \"expected integer, got {kind}\"");
                expect(&mut raw, &name, q::EXCLUSIVE, one(key, value), &text).await?;
            }
        }
        for key in ["x-overflow", "x-queue-mode", "x-queue-type", "x-dead-letter-routing-key"] {
            for (value, kind) in [(Value::Void, "void"), (5.into(), "signedint"), (Value::Bytes(b"drop-head".to_vec()), "binary")] {
                let args = [one(key, value), one("x-dead-letter-exchange", "d".into())].concat();
                let text = format!("invalid arg '{key}': {{unacceptable_type,{kind}}}");
                expect(&mut raw, &name, q::EXCLUSIVE, args, &text).await?;
            }
        }
        for (value, kind) in [(Value::Void, "void"), ("true".into(), "longstr"), (1.into(), "signedint")] {
            let text = format!("invalid arg 'x-single-active-consumer': {{unacceptable_type,{kind}}}");
            expect(&mut raw, &name, q::EXCLUSIVE, one("x-single-active-consumer", value), &text).await?;
        }
        for (value, kind) in [(Value::Void, "void"), (1.into(), "signedint")] {
            let text = format!("invalid type '{kind}' for arg 'x-dead-letter-exchange' in queue '{name}' in vhost '/'");
            expect(&mut raw, &name, q::EXCLUSIVE, one("x-dead-letter-exchange", value), &text).await?;
        }
    }
    "queue.declare.values", "Values that arguments cannot have", VALUES,
    "406 that says why", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        for (key, value, why) in [
            ("x-expires", Value::I32(0), "{value_zero,0}"),
            ("x-expires", Value::I32(-1), "{value_negative,-1}"),
            ("x-message-ttl", Value::I32(-1), "{value_negative,-1}"),
            ("x-max-length", Value::I32(-1), "{value_negative,-1}"),
            ("x-max-length-bytes", Value::I32(-1), "{value_negative,-1}"),
            ("x-max-priority", Value::I32(256), "{max_value_exceeded,256}"),
            ("x-max-priority", Value::I32(-1), "{value_negative,-1}"),
            ("x-queue-mode", "odd".into(), "\"unsupported queue mode 'odd'\""),
            ("x-queue-version", Value::I32(3), "\"unsupported queue version '3'\""),
            ("x-overflow", "odd".into(), "invalid_overflow"),
        ] {
            let text = format!("invalid arg '{key}': {why}");
            expect(&mut raw, &name, q::EXCLUSIVE, one(key, value), &text).await?;
        }
    }
    "queue.declare.values.quorum", "Values that arguments of a quorum queue cannot have", VALUES,
    "406 that says why", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        for (key, value, why) in [
            ("x-dead-letter-strategy", "odd".into(), "invalid_dlx_strategy"),
            ("x-dead-letter-strategy", Value::I32(1), "{unacceptable_type,signedint}"),
            ("x-queue-leader-locator", "odd".into(), "invalid_queue_locator_arg"),
            ("x-quorum-initial-group-size", Value::I32(0), "{value_zero,0}"),
            ("x-quorum-initial-group-size", "1".into(), "\"expected integer, got longstr\""),
            ("x-max-in-memory-length", "5".into(), "\"expected integer, got longstr\""),
        ] {
            let args = [typed("quorum"), one(key, value)].concat();
            expect(&mut raw, &name, q::DURABLE, args, &format!("invalid arg '{key}': {why}")).await?;
        }
        expect(&mut raw, &name, q::EXCLUSIVE, typed("quorum"), "invalid property 'exclusive-owner'").await?;
    }
    "queue.declare.values.later-wins", "Arguments are checked before the queue's type", VALUES,
    "a quorum queue that is not durable and has a wrong argument is refused for the argument", |ctx| {
        let (mut raw, name) = (ctx.raw().await?, ctx.name("q"));
        let args = [typed("quorum"), one("x-max-length", Value::I32(-1))].concat();
        expect(&mut raw, &name, 0, args, "invalid arg 'x-max-length': {value_negative,-1}").await?;
        raw.send(methods::queue_declare(&name, 0, typed("quorum"))).await;
        let text = format!("PRECONDITION_FAILED - invalid property 'non-durable' for queue '{name}' in vhost '/'");
        raw.expect_closed(&Scope::channel(406, text, (50, 10))).await?;
    }
}
