//! Publishing: contents that arrive as they were sent, returns, confirms and transactions.

use crate::case::{Check, Ctx, fail, same};
use crate::codec::{Props, Table, Value, Writer, table};
use crate::methods;
use crate::raw::{Confirm, Event, FRAME_MAX, Raw, header};

const CONTENT: &str = "AMQP 0-9-1, 4.2.6 (content framing)";
const FIELDS: &str = "AMQP 0-9-1, 4.2.5.5 (field tables); RabbitMQ: AMQP 0-9-1 Errata";
const RETURN: &str = "AMQP 0-9-1, 1.8.3.8 (basic.return)";
const CONFIRM: &str = "RabbitMQ: Publisher Confirms";
const TX: &str = "AMQP 0-9-1, 1.9 (tx); RabbitMQ: Broker Semantics";

/// What fits into one body frame.
const FRAME_BODY: usize = FRAME_MAX as usize - 8;

/// Sends a body through a queue and compares it.
async fn body_round_trip(ctx: &Ctx, size: usize) -> Check {
    let q = ctx.name("q");
    let mut raw = ctx.raw().await?;
    raw.queue(&q).await?;
    let body: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
    raw.publish_with("", &q, 0, &Props::default(), &body).await;
    let found = raw.arrival(&q).await?.body;
    crate::case::ensure(found == body, format!("a body of {size} bytes came as {} or changed", found.len()))
}

/// Sends a header through a queue and compares it.
async fn field_round_trip(ctx: &Ctx, value: Value) -> Check {
    let q = ctx.name("q");
    let mut raw = ctx.raw().await?;
    raw.queue(&q).await?;
    let sent = Props::headers([("before", 1.into()), ("field", value), ("after", "x".into())]);
    raw.publish_with("", &q, 0, &sent, b"").await;
    same("headers", raw.take(&q).await?.props.headers, sent.headers)
}

async fn in_confirm_mode(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.call(methods::confirm_select()).await?;
    raw.queue(&ctx.name("q")).await?;
    Ok(raw)
}

async fn in_transaction(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.queue(&ctx.name("q")).await?;
    raw.call(methods::tx_select()).await?;
    Ok(raw)
}

fn all_properties() -> Props {
    let text = |text: &str| Some(text.to_owned());
    Props {
        content_type: text("text/plain"),
        content_encoding: text("gzip"),
        headers: Some(table([("a", 1.into())])),
        delivery_mode: Some(2),
        priority: Some(7),
        correlation_id: text("correlation"),
        reply_to: text("reply"),
        expiration: text("60000"),
        message_id: text("message"),
        timestamp: Some(1_234_567_890),
        kind: text("type"),
        user_id: None,
        app_id: text("app"),
        cluster_id: text("cluster"),
    }
}

crate::cases! {
    "content.body.empty", "A message may have no body", CONTENT,
    "it arrives with none", |ctx| { body_round_trip(&ctx, 0).await?; }
    "content.body.one-byte", "A body of one byte", CONTENT,
    "it arrives as sent", |ctx| { body_round_trip(&ctx, 1).await?; }
    "content.body.one-frame", "A body that fills a frame exactly", CONTENT,
    "it arrives as sent", |ctx| { body_round_trip(&ctx, FRAME_BODY).await?; }
    "content.body.one-byte-more", "A body one byte longer than a frame", CONTENT,
    "it arrives as sent", |ctx| { body_round_trip(&ctx, FRAME_BODY + 1).await?; }
    "content.body.megabytes", "A body of 3 MB", CONTENT,
    "it arrives as sent", |ctx| { body_round_trip(&ctx, 3_000_001).await?; }
    "content.body.small-frames", "A body in many small frames of different sizes", CONTENT,
    "it arrives as one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let body: Vec<u8> = (0..1000).map(|index| (index % 251) as u8).collect();
        raw.send(methods::basic_publish("", &q, 0)).await;
        raw.frame(2, 1, &header(60, 0, 1000, &[0, 0])).await;
        let mut rest = &body[..];
        for size in (1_usize..).take_while(|size| size * (size + 1) / 2 <= 990).chain([1000]) {
            let (frame, others) = rest.split_at(size.min(rest.len()));
            raw.frame(3, 1, frame).await;
            rest = others;
        }
        same("body", raw.take(&q).await?.body, body)?;
    }
    "content.body.channels-interleaved", "Contents of two channels may be interleaved", "AMQP 0-9-1, 4.2.6",
    "each arrives whole", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.open_channel(2).await?;
        for channel in [1, 2] {
            raw.send_on(channel, methods::basic_publish("", &q, 0)).await;
            raw.frame(2, channel, &header(60, 0, 4, &[0, 0])).await;
        }
        for (channel, part) in [(2, b"aa"), (1, b"xx"), (1, b"yy"), (2, b"bb")] {
            raw.frame(3, channel, part).await;
        }
        raw.until_ready(&q, 2).await?;
        let mut texts = raw.drain(&q).await?;
        texts.sort_unstable();
        same("messages", texts, ["aabb", "xxyy"])?;
    }
    "content.body.heartbeat-between", "A heartbeat may come in the middle of a content", "AMQP 0-9-1, 4.2.7",
    "the message arrives", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_publish("", &q, 0)).await;
        raw.frame(2, 1, &header(60, 0, 2, &[0, 0])).await;
        raw.frame(3, 1, b"a").await;
        raw.frame(8, 0, b"").await;
        raw.frame(3, 1, b"b").await;
        same("message", raw.take(&q).await?.text(), "ab")?;
    }
    "content.properties.all", "All properties arrive as they were sent", "AMQP 0-9-1, 1.8.1 (basic properties)",
    "each with its value", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let sent = Props { user_id: Some(ctx.target.user.clone()), ..all_properties() };
        raw.publish_with("", &q, 0, &sent, b"m").await;
        same("properties", raw.take(&q).await?.props, sent)?;
    }
    "content.properties.none", "No properties are none", "AMQP 0-9-1, 4.2.6.1 (property flags)",
    "no empty texts or tables instead", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        same("properties", raw.take(&q).await?.props, Props::default())?;
    }
    "content.properties.empty-headers", "An empty table of headers is a table", "AMQP 0-9-1, 4.2.6.1 (property flags)",
    "it arrives", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props { headers: Some(Table::new()), ..Props::default() }, b"m").await;
        same("headers", raw.take(&q).await?.props.headers, Some(Table::new()))?;
    }
    "content.properties.empty-texts", "Empty properties are sent on as such", "AMQP 0-9-1, 4.2.6.1 (property flags)",
    "empty content type and message id", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let sent = Props { content_type: Some(String::new()), message_id: Some(String::new()), ..Props::default() };
        raw.publish_with("", &q, 0, &sent, b"m").await;
        same("properties", raw.take(&q).await?.props, sent)?;
    }
    "content.field.bool", "A boolean header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::Bool(true)).await?; }
    "content.field.i8", "A signed octet header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::I8(-128)).await?; }
    "content.field.u8", "An unsigned octet header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::U8(255)).await?; }
    "content.field.i16", "A short header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::I16(-32_768)).await?; }
    "content.field.u16", "An unsigned short header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::U16(65_535)).await?; }
    "content.field.i32", "A long header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::I32(i32::MIN)).await?; }
    "content.field.u32", "An unsigned long header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::U32(u32::MAX)).await?; }
    "content.field.i64", "A long-long header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::I64(i64::MIN)).await?; }
    "content.field.f32", "A float header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::F32(-1.5)).await?; }
    "content.field.f64", "A double header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::F64(1e300)).await?; }
    "content.field.decimal", "A decimal header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::Decimal(2, 314)).await?; }
    "content.field.text", "A text header, also one that is not UTF-8", FIELDS, "as sent", |ctx| {
        field_round_trip(&ctx, Value::Str(vec![0xC3, 0x28, 0, 255])).await?;
    }
    "content.field.long-text", "A text header of 100,000 bytes", FIELDS, "as sent", |ctx| {
        field_round_trip(&ctx, Value::Str(vec![b'x'; 100_000])).await?;
    }
    "content.field.time", "A timestamp header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::Time(4_000_000_000)).await?; }
    "content.field.bytes", "A byte array header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::Bytes(vec![0, 1, 255])).await?; }
    "content.field.void", "A void header", FIELDS, "as sent", |ctx| { field_round_trip(&ctx, Value::Void).await?; }
    "content.field.array", "An array of different types", FIELDS, "as sent", |ctx| {
        let values = vec![1.into(), "two".into(), Value::Bool(false), Value::Void, Value::Array(vec![Value::I64(3)])];
        field_round_trip(&ctx, Value::Array(values)).await?;
    }
    "content.field.table", "A table in a table in an array", FIELDS, "as sent", |ctx| {
        let inner = table([("deep", Value::Array(vec![Value::Table(table([("deeper", 1.into())]))]))]);
        field_round_trip(&ctx, Value::Table(inner)).await?;
    }
    "content.field.many", "A thousand headers", FIELDS, "all, in order", |ctx| {
        let many = (0..1000).map(|number| (format!("key {number}"), Value::I32(number))).collect();
        field_round_trip(&ctx, Value::Table(many)).await?;
    }
    "publish.return.fields", "A mandatory message without a route is returned whole", RETURN,
    "312 NO_ROUTE, exchange, key, properties and body", |ctx| {
        let mut raw = ctx.raw().await?;
        let key = ctx.name("nowhere");
        raw.publish_with("amq.direct", &key, 1, &all_properties(), b"body").await;
        let m = raw.returned().await?;
        let found = (m.code, m.text.as_str(), m.exchange.as_str(), m.key.as_str());
        same("return", found, (312_u16, "NO_ROUTE", "amq.direct", key.as_str()))?;
        same("properties", m.props.clone(), all_properties())?;
        same("body", m.body, b"body")?;
    }
    "publish.return.not-when-routed", "A mandatory message with a route is not returned", RETURN,
    "it is in its queue, and nothing comes back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 1, &Props::default(), b"m").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
    }
    "publish.return.not-unless-mandatory", "A message without a route is dropped", RETURN,
    "nothing comes back", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &ctx.name("nowhere"), "m").await;
        raw.quiet(&q).await?;
    }
    "publish.return.before-confirm", "A return comes before its confirm", CONFIRM,
    "basic.return, then basic.ack", |ctx| {
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.publish_with("", &ctx.name("nowhere"), 1, &Props::default(), b"m").await;
        same("return", raw.returned().await?.body, b"m")?;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "publish.key.not-utf8", "A routing key need not be UTF-8", "RabbitMQ: Specification, basic.publish",
    "a fanout delivers it with its key", |ctx| {
        let (q, x) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&q, &x, "").await?;
        let args = Writer::default().u16(0).short(&x).u8(2).bytes(&[0xC3, 0x28]).u8(0);
        raw.send(methods::method(60, 40, args)).await;
        raw.frame(2, 1, &header(60, 0, 1, &[0, 0])).await;
        raw.frame(3, 1, b"m").await;
        same("message", raw.arrival(&q).await?.text(), "m")?;
    }
    "publish.order.one-channel", "Messages of one channel keep their order", "AMQP 0-9-1, 4.7 (content ordering)",
    "a thousand in a row", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "", methods::c::NO_ACK).await?;
        let sent: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        for body in &sent {
            raw.publish("", &q, body).await;
        }
        same("messages", raw.texts(1000).await?, sent)?;
    }
    "confirm.select.twice", "Selecting confirms again is no error", CONFIRM,
    "select-ok, and counting goes on", |ctx| {
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.publish("", &ctx.name("q"), "a").await;
        same("first", raw.confirm().await?, Confirm::Ack(1, false))?;
        raw.call(methods::confirm_select()).await?;
        raw.publish("", &ctx.name("q"), "b").await;
        same("second", raw.confirm().await?, Confirm::Ack(2, false))?;
    }
    "confirm.ack.every-one-once", "Each publish is confirmed once", CONFIRM,
    "five hundred, singly or by multiple", |ctx| {
        let mut raw = in_confirm_mode(&ctx).await?;
        for _ in 0..500 {
            raw.publish("", &ctx.name("q"), "m").await;
        }
        same("nacked", raw.confirms(500).await?, Vec::<u64>::new())?;
        raw.quiet(&ctx.name("q")).await?;
        same("messages", raw.counts(&ctx.name("q")).await?.0, 500_u32)?;
    }
    "confirm.ack.unroutable", "What leads nowhere is confirmed", CONFIRM,
    "an ack", |ctx| {
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.publish("", &ctx.name("nowhere"), "m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "confirm.ack.persistent", "Persistent messages in a durable queue are confirmed", CONFIRM,
    "acks", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, methods::q::DURABLE, Table::new()).await?;
        for _ in 0..20 {
            raw.publish_with("", &q, 0, &Props { delivery_mode: Some(2), ..Props::default() }, b"m").await;
        }
        same("nacked", raw.confirms(20).await?, Vec::<u64>::new())?;
        same("messages", raw.counts(&q).await?.0, 20_u32)?;
    }
    "confirm.ack.of-each-channel", "Each channel counts its own publishes", CONFIRM,
    "both begin with 1", |ctx| {
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.publish("", &ctx.name("q"), "m").await;
        same("first channel", raw.confirm().await?, Confirm::Ack(1, false))?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.call(methods::confirm_select()).await?;
        raw.publish("", &ctx.name("q"), "m").await;
        same("second channel", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "confirm.ack.only-after-select", "Publishes before the selection are not counted", CONFIRM,
    "the first after it is 1", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::confirm_select()).await?;
        raw.publish("", &q, "c").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "confirm.select.nowait", "Selecting with nowait has no answer", CONFIRM,
    "confirms come", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::method(85, 10, Writer::default().u8(1))).await;
        raw.publish("", &q, "m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "tx.commit.publishes", "A commit makes publishes visible, not before", TX,
    "nothing, then all in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        same("before", raw.counts(&q).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        same("after", raw.drain(&q).await?, ["a", "b"])?;
    }
    "tx.rollback.publishes", "A rollback forgets publishes", TX,
    "only what comes after it is there", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish("", &q, "a").await;
        raw.call(methods::tx_rollback()).await?;
        raw.publish("", &q, "b").await;
        raw.call(methods::tx_commit()).await?;
        same("messages", raw.drain(&q).await?, ["b"])?;
    }
    "tx.commit.acks", "Acks count at the commit", TX,
    "a message acked in a rolled back transaction comes back, a committed one does not", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::tx_select()).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::tx_commit()).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(2, false)).await;
        raw.call(methods::tx_rollback()).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 1).await?;
        same("messages", raw.drain(&q).await?, ["b"])?;
    }
    "tx.rollback.acks-can-be-repeated", "What a rollback undid can be acked again", TX,
    "no error, and the message is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&q, 0, Table::new()).await?;
        raw.publish("", &q, "a").await;
        raw.call(methods::tx_select()).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::tx_rollback()).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.call(methods::tx_commit()).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
    }
    "tx.commit.several-queues", "A commit is over all queues", TX,
    "each has its message", |ctx| {
        let (q, other) = (ctx.name("q"), ctx.name("other"));
        let mut raw = in_transaction(&ctx).await?;
        raw.queue(&other).await?;
        raw.publish("", &q, "a").await;
        raw.publish("", &other, "b").await;
        raw.call(methods::tx_commit()).await?;
        same("first", raw.drain(&q).await?, ["a"])?;
        same("second", raw.drain(&other).await?, ["b"])?;
    }
    "tx.commit.returns", "A mandatory message is returned by the commit", TX,
    "basic.return before commit-ok", |ctx| {
        let mut raw = in_transaction(&ctx).await?;
        raw.publish_with("", &ctx.name("nowhere"), 1, &Props::default(), b"m").await;
        raw.send(methods::tx_commit()).await;
        match raw.event().await? {
            Event::Message(message) => same("code", message.code, 312_u16)?,
            other => return fail(format!("{other:?}, expected basic.return")),
        }
        raw.wait_for((90, 21)).await?;
    }
    "tx.close.discards", "Closing the channel discards the transaction", TX,
    "publishes are not there", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_transaction(&ctx).await?;
        raw.publish("", &q, "a").await;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
    }
    "tx.select.twice", "Selecting transactions again is no error", TX,
    "select-ok", |ctx| {
        let mut raw = in_transaction(&ctx).await?;
        raw.call(methods::tx_select()).await?;
    }
    "tx.commit.nacks", "Nacks count at the commit", TX,
    "the message is requeued by it, not before", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "a").await;
        raw.call(methods::tx_select()).await?;
        raw.get(&q, false).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("before", raw.counts(&q).await?.0, 0_u32)?;
        raw.call(methods::tx_commit()).await?;
        raw.until_ready(&q, 1).await?;
    }
}
