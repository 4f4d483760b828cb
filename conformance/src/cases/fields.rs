//! Field tables: every type, every edge, kept by messages, by dead-lettering and by bindings.

use crate::case::{Check, Ctx, fail, same};
use crate::codec::{Props, Table, Value, lookup, table};
use crate::methods::{self, basic_publish, q};

const FIELDS: &str = "AMQP 0-9-1, 4.2.5.5 (field tables); RabbitMQ: AMQP 0-9-1 Errata";
const HEADERS: &str = "AMQP 0-9-1, 3.1.3.4 (the headers exchange type)";

/// Sends headers through a queue and compares them, order and all.
async fn kept(ctx: &Ctx, headers: Table) -> Check {
    let queue = ctx.name("q");
    let mut raw = ctx.raw().await?;
    raw.queue(&queue).await?;
    let sent = Props { headers: Some(headers), ..Props::default() };
    raw.publish_with("", &queue, 0, &sent, b"m").await;
    same("headers", raw.take(&queue).await?.props.headers, sent.headers)
}

/// A value of each type.
fn every_type() -> Table {
    table([
        ("bool", true.into()),
        ("i8", Value::I8(-7)),
        ("u8", Value::U8(200)),
        ("i16", Value::I16(-300)),
        ("u16", Value::U16(60_000)),
        ("i32", Value::I32(-70_000)),
        ("u32", Value::U32(4_000_000_000)),
        ("i64", Value::I64(-5_000_000_000)),
        ("f32", Value::F32(0.25)),
        ("f64", Value::F64(-1e-200)),
        ("decimal", Value::Decimal(3, 12_345)),
        ("text", Value::Str(vec![b'a', 0, 0xC3, 0x28])),
        ("time", Value::Time(1_700_000_000)),
        ("bytes", Value::Bytes(vec![0, 255])),
        ("void", Value::Void),
        ("array", Value::Array(vec![1.into(), "two".into(), Value::Table(table([("three", Value::I8(3))]))])),
        ("table", Value::Table(table([("inner", Value::Array(vec![Value::Void, false.into()]))]))),
    ])
}

/// Checks that a headers exchange takes a message with just this value for a binding with it, and not with another.
async fn matches(ctx: &Ctx, value: Value, other: Value) -> Check {
    let (queue, exchange) = (ctx.name("q"), ctx.name("x"));
    let mut raw = ctx.raw().await?;
    raw.queue(&queue).await?;
    raw.exchange(&exchange, "headers").await?;
    let args = table([("x-match", "all".into()), ("k", value.clone())]);
    raw.call(methods::queue_bind(&queue, &exchange, "", args)).await?;
    raw.publish_with(&exchange, "", 0, &Props::headers([("k", other)]), b"other").await;
    raw.publish_with(&exchange, "", 0, &Props::headers([("k", value)]), b"same").await;
    same("messages", raw.drain(&queue).await?, ["same"])
}

crate::cases! {
    "field.integer.edges", "The least and the greatest number of each width", FIELDS,
    "as sent, with their widths", |ctx| {
        kept(&ctx, table([
            ("a", Value::I8(i8::MIN)), ("b", Value::I8(i8::MAX)), ("c", Value::U8(0)), ("d", Value::U8(u8::MAX)),
            ("e", Value::I16(i16::MIN)), ("f", Value::I16(i16::MAX)), ("g", Value::U16(0)), ("h", Value::U16(u16::MAX)),
            ("i", Value::I32(i32::MIN)), ("j", Value::I32(i32::MAX)), ("k", Value::U32(0)), ("l", Value::U32(u32::MAX)),
            ("m", Value::I64(i64::MIN)), ("n", Value::I64(i64::MAX)), ("o", Value::I64(0)), ("p", Value::I8(-1)),
        ])).await?;
    }
    "field.integer.same-number-other-width", "The same number in every width", FIELDS,
    "none becomes another", |ctx| {
        kept(&ctx, table([
            ("a", Value::I8(1)), ("b", Value::U8(1)), ("c", Value::I16(1)), ("d", Value::U16(1)),
            ("e", Value::I32(1)), ("f", Value::U32(1)), ("g", Value::I64(1)), ("h", Value::Time(1)),
        ])).await?;
    }
    "field.bool.both", "true and false", FIELDS,
    "as sent", |ctx| { kept(&ctx, table([("yes", true.into()), ("no", false.into())])).await?; }
    "field.float.edges", "Floats and doubles at their edges", FIELDS,
    "the same bits", |ctx| {
        kept(&ctx, table([
            ("a", Value::F32(f32::MAX)), ("b", Value::F32(f32::MIN_POSITIVE)), ("c", Value::F32(-0.0)),
            ("d", Value::F64(f64::MAX)), ("e", Value::F64(f64::MIN_POSITIVE)), ("f", Value::F64(0.1)),
        ])).await?;
    }
    "field.decimal.edges", "Decimals with the least and the greatest scale", FIELDS,
    "scale and value as sent", |ctx| {
        kept(&ctx, table([
            ("a", Value::Decimal(0, 0)), ("b", Value::Decimal(255, u32::MAX)), ("c", Value::Decimal(1, 10)),
        ])).await?;
    }
    "field.time.edges", "Timestamps at their edges", FIELDS,
    "as sent", |ctx| {
        kept(&ctx, table([("a", Value::Time(0)), ("b", Value::Time(i64::MAX as u64))])).await?;
    }
    "field.text.all-octets", "A text of all octets", FIELDS,
    "as sent", |ctx| { kept(&ctx, table([("k", Value::Str((0..=255).collect()))])).await?; }
    "field.text.empty-values", "Empty text, bytes, array and table", FIELDS,
    "each stays what it is", |ctx| {
        kept(&ctx, table([
            ("a", "".into()), ("b", Value::Bytes(Vec::new())), ("c", Value::Array(Vec::new())),
            ("d", Value::Table(Table::new())),
        ])).await?;
    }
    "field.key.order", "Keys keep their order", FIELDS,
    "not sorted in any way", |ctx| {
        kept(&ctx, table([("z", 1.into()), ("a", 2.into()), ("M", 3.into()), ("m", 4.into()), ("0", 5.into())])).await?;
    }
    "field.key.twice", "A key may be there twice", FIELDS,
    "both values, in order", |ctx| {
        kept(&ctx, table([("k", 1.into()), ("other", 2.into()), ("k", "again".into())])).await?;
    }
    "field.key.lengths", "Keys of 128 and 255 bytes, and an empty one", FIELDS,
    "as sent", |ctx| {
        kept(&ctx, vec![
            (String::new(), 0.into()), ("x".repeat(128), 128.into()), ("y".repeat(255), 255.into()),
        ]).await?;
    }
    "field.key.not-a-name", "Keys that are no names", FIELDS,
    "digits, blanks, dots and letters beyond ASCII", |ctx| {
        kept(&ctx, table([("1 . 2", 1.into()), ("Größe", 2.into()), ("世界", 3.into()), ("$#", 4.into())])).await?;
    }
    "field.array.large", "An array of ten thousand numbers", FIELDS,
    "all, in order", |ctx| {
        kept(&ctx, table([("k", Value::Array((0..10_000).map(Value::I32).collect()))])).await?;
    }
    "field.array.of-arrays", "Arrays in arrays, empty ones among them", FIELDS,
    "as sent", |ctx| {
        let inner = Value::Array(vec![Value::Array(Vec::new()), Value::Array(vec![Value::U8(1)]), Value::Void]);
        kept(&ctx, table([("k", Value::Array(vec![inner.clone(), inner]))])).await?;
    }
    "field.table.nested", "Twenty tables in each other", FIELDS,
    "as sent", |ctx| {
        let deep = (0..20).fold(Table::new(), |inner, level| {
            vec![("level".to_owned(), Value::I32(level)), ("inner".to_owned(), Value::Table(inner))]
        });
        kept(&ctx, deep).await?;
    }
    "field.table.every-type", "A value of each type at once", FIELDS,
    "as sent", |ctx| { kept(&ctx, every_type()).await?; }
    "field.octets.unchanged", "The octets of a content header do not change", FIELDS,
    "flags and properties octet by octet", |ctx| {
        let queue = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&queue).await?;
        let sent = Props { headers: Some(every_type()), delivery_mode: Some(1), ..Props::default() }.encode();
        raw.send(basic_publish("", &queue, 0)).await;
        raw.content_header(0, &sent).await;
        raw.send(methods::basic_get(&queue, true)).await;
        let frames = raw.content_frames().await?;
        let Some(found) = frames.get(1).and_then(|frame| frame.payload.get(12..)) else { return fail("no header") };
        same("octets", found, sent)?;
    }
    "field.dead-letter.every-type", "Dead-lettering adds headers and changes none", FIELDS,
    "a value of each type as before, and x-death", |ctx| {
        let (queue, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let args = [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", dead.as_str().into())];
        raw.queue_with(&queue, args).await?;
        raw.publish_with("", &queue, 0, &Props { headers: Some(every_type()), ..Props::default() }, b"m").await;
        raw.get(&queue, false).await?;
        raw.send(methods::basic_reject(1, false)).await;
        let Some(headers) = raw.arrival(&dead).await?.props.headers else { return fail("no headers") };
        for (key, value) in every_type() {
            same(&key, lookup(&headers, &key), Some(&value))?;
        }
        if lookup(&headers, "x-death").is_none() {
            return fail("no x-death");
        }
    }
    "field.requeue.every-type", "A requeue changes no header", FIELDS,
    "a value of each type as before, after two requeues", |ctx| {
        let queue = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&queue).await?;
        raw.publish_with("", &queue, 0, &Props { headers: Some(every_type()), ..Props::default() }, b"m").await;
        for tag in 1..=2 {
            raw.until_ready(&queue, 1).await?;
            raw.get(&queue, false).await?;
            raw.send(methods::basic_reject(tag, true)).await;
        }
        same("headers", raw.arrival(&queue).await?.props.headers, Some(every_type()))?;
    }
    "field.persistent.every-type", "A durable queue keeps persistent messages' headers", FIELDS,
    "a value of each type as sent, once it is confirmed", |ctx| {
        let queue = ctx.name("durable");
        let mut raw = ctx.raw().await?;
        raw.declare(&queue, q::DURABLE, Table::new()).await?;
        raw.call(methods::confirm_select()).await?;
        let sent = Props { headers: Some(every_type()), delivery_mode: Some(2), ..Props::default() };
        raw.publish_with("", &queue, 0, &sent, b"m").await;
        raw.confirms(1).await?;
        same("properties", raw.take(&queue).await?.props, sent)?;
    }
    "field.arguments.every-type", "A queue's unknown arguments may have any type",
    "RabbitMQ: Queues, Optional Arguments",
    "declare-ok, again with the same", |ctx| {
        let mut raw = ctx.raw().await?;
        for _ in 0..2 {
            raw.declare(&ctx.name("q"), q::EXCLUSIVE, every_type()).await?;
        }
    }
    "field.binding.every-type", "A binding's arguments may have any type", HEADERS,
    "bound, and taken away again by the same arguments only", |ctx| {
        let (queue, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.queue(&queue).await?;
        raw.exchange(&exchange, "fanout").await?;
        raw.call(methods::queue_bind(&queue, &exchange, "", every_type())).await?;
        raw.call(methods::queue_unbind(&queue, &exchange, "", table([("bool", false.into())]))).await?;
        raw.publish(&exchange, "", "bound").await;
        raw.call(methods::queue_unbind(&queue, &exchange, "", every_type())).await?;
        raw.publish(&exchange, "", "unbound").await;
        same("messages", raw.drain(&queue).await?, ["bound"])?;
    }
    "field.match.text", "A headers exchange compares texts", HEADERS,
    "upper and lower case are not the same", |ctx| { matches(&ctx, "value".into(), "Value".into()).await?; }
    "field.match.bool", "A headers exchange compares booleans", HEADERS,
    "true is not false", |ctx| { matches(&ctx, false.into(), true.into()).await?; }
    "field.match.number", "A headers exchange compares numbers", HEADERS,
    "5 is not 6", |ctx| { matches(&ctx, 5.into(), 6.into()).await?; }
    "field.match.long-number", "A headers exchange compares long numbers", HEADERS,
    "by all their bits", |ctx| { matches(&ctx, Value::I64(1), Value::I64((1 << 32) + 1)).await?; }
    "field.match.text-of-digits", "A number is not its digits", HEADERS,
    "a text does not match a number", |ctx| { matches(&ctx, 5.into(), "5".into()).await?; }
    "field.match.time", "A headers exchange compares timestamps", HEADERS,
    "by the second", |ctx| { matches(&ctx, Value::Time(10), Value::Time(11)).await?; }
    "field.match.array", "A headers exchange compares arrays", HEADERS,
    "by their order too", |ctx| {
        matches(&ctx, Value::Array(vec![1.into(), 2.into()]), Value::Array(vec![2.into(), 1.into()])).await?;
    }
}
