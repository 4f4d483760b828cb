//! Contents and returns: properties one by one and all ways of combining them, routing keys, order, what comes back.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Props, Table, Writer, table};
use crate::frames::publish_bytes;
use crate::methods::{self, c, method};
use crate::raw::{Confirm, Event, Raw};

const PROPERTIES: &str = "AMQP 0-9-1, 1.8.1 (basic properties); 4.2.6.1 (the content header)";
const RETURN: &str = "AMQP 0-9-1, 1.8.3.8 (basic.return); RabbitMQ: Publishers";
const PUBLISH: &str = "AMQP 0-9-1, 1.8.3.7 (basic.publish)";
const CONTENT: &str = "AMQP 0-9-1, 4.2.6 (content framing)";

/// The properties of which a bit is set in `chosen`, from content-type at bit 0 to cluster-id at bit 13.
fn chosen(chosen: u16, user: &str) -> Props {
    let has = |bit: u16| chosen & (1 << bit) != 0;
    let text = |bit: u16, text: &str| has(bit).then(|| text.to_owned());
    Props {
        content_type: text(0, "text/plain"),
        content_encoding: text(1, "identity"),
        headers: has(2).then(|| table([("key", "value".into())])),
        delivery_mode: has(3).then_some(1),
        priority: has(4).then_some(9),
        correlation_id: text(5, "correlation"),
        reply_to: text(6, "reply"),
        expiration: text(7, "600000"),
        message_id: text(8, "message"),
        timestamp: has(9).then_some(1_700_000_000),
        kind: text(10, "kind"),
        user_id: text(11, user),
        app_id: text(12, "app"),
        cluster_id: text(13, "cluster"),
    }
}

/// Sends a message with each of these properties through a queue and compares them.
async fn round_trips(ctx: &Ctx, all: &[Props]) -> Check {
    let q = ctx.name("q");
    let mut raw = ctx.raw().await?;
    raw.queue(&q).await?;
    raw.consume(&q, "", c::NO_ACK).await?;
    for (number, props) in all.iter().enumerate() {
        raw.publish_with("", &q, 0, props, number.to_string().as_bytes()).await;
    }
    for (number, props) in all.iter().enumerate() {
        let message = raw.delivery().await?;
        same("body", message.text(), number.to_string())?;
        same("properties", &message.props, props)?;
    }
    Ok(())
}

/// Publishes a mandatory message to this exchange and checks that it comes back as it was.
async fn comes_back(raw: &mut Raw, exchange: &str, key: &str, props: &Props, body: &[u8]) -> Check {
    raw.publish_with(exchange, key, 1, props, body).await;
    let m = raw.returned().await?;
    same("code and text", (m.code, m.text.as_str()), (312_u16, "NO_ROUTE"))?;
    same("exchange and key", (m.exchange.as_str(), m.key.as_str()), (exchange, key))?;
    same("properties", &m.props, props)?;
    ensure(m.body == body, format!("a body of {} bytes came back as {} or changed", body.len(), m.body.len()))
}

crate::cases! {
    "content.properties.each-alone", "Each property alone", PROPERTIES,
    "it arrives, and no other", |ctx| {
        let all: Vec<Props> = (0..14).map(|bit| chosen(1 << bit, &ctx.target.user)).collect();
        round_trips(&ctx, &all).await?;
    }
    "content.properties.all-but-one", "All properties but one", PROPERTIES,
    "just that one is missing", |ctx| {
        let all: Vec<Props> = (0..14).map(|bit| chosen(!(1 << bit), &ctx.target.user)).collect();
        round_trips(&ctx, &all).await?;
    }
    "content.properties.combinations", "Two hundred combinations of properties", PROPERTIES,
    "each arrives as it was", |ctx| {
        // 5641 is odd and so runs through different combinations, spread over all of them.
        let all: Vec<Props> = (0..200_u16).map(|n| chosen(n.wrapping_mul(5641), &ctx.target.user)).collect();
        round_trips(&ctx, &all).await?;
    }
    "content.properties.longest-texts", "Texts of 255 bytes", PROPERTIES,
    "they arrive whole", |ctx| {
        let long = |letter: &str| Some(letter.repeat(255));
        let props = Props {
            content_type: long("a"), content_encoding: long("b"), correlation_id: long("c"), reply_to: long("d"),
            message_id: long("e"), kind: long("f"), app_id: long("g"), cluster_id: long("h"), ..Props::default()
        };
        round_trips(&ctx, &[props]).await?;
    }
    "content.properties.not-ascii", "Texts beyond ASCII", PROPERTIES,
    "the same octets arrive", |ctx| {
        let text = Some("Grüße, 世界, \u{0}".to_owned());
        let props = Props { content_type: text.clone(), message_id: text.clone(), app_id: text, ..Props::default() };
        round_trips(&ctx, &[props]).await?;
    }
    "content.properties.priorities", "Priorities on a queue without priorities", PROPERTIES,
    "0, 9, 10 and 255 arrive as they were, in the order of publishing", |ctx| {
        let all = [255, 0, 10, 9].map(|priority| Props { priority: Some(priority), ..Props::default() });
        round_trips(&ctx, &all).await?;
    }
    "content.properties.timestamps", "Timestamps from the first to the last", PROPERTIES,
    "0 and 2^63 - 1 arrive as they were", |ctx| {
        let all = [0, 1, u64::from(u32::MAX) + 1, i64::MAX as u64];
        round_trips(&ctx, &all.map(|time| Props { timestamp: Some(time), ..Props::default() })).await?;
    }
    "content.properties.same-from-get", "A get brings the same as a delivery", PROPERTIES,
    "all properties, exchange, key and body", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.direct", &q).await?;
        let sent = chosen(u16::MAX, &ctx.target.user);
        for _ in 0..2 {
            raw.publish_with("amq.direct", &q, 0, &sent, b"body").await;
        }
        let got = raw.take(&q).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        let delivered = raw.delivery().await?;
        for message in [&got, &delivered] {
            let found = (message.exchange.as_str(), message.key.as_str(), message.text());
            same("message", found, ("amq.direct", q.as_str(), "body".to_owned()))?;
            same("properties", &message.props, &sent)?;
        }
    }
    "content.properties.same-in-every-queue", "Each queue has the message whole", PROPERTIES,
    "three queues of a fanout, one after a requeue", |ctx| {
        let x = ctx.name("x");
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "fanout").await?;
        let sent = chosen(u16::MAX, &ctx.target.user);
        for queue in ["a", "b", "c"] {
            raw.queue(&ctx.name(queue)).await?;
            raw.bind(&ctx.name(queue), &x, "").await?;
        }
        raw.publish_with(&x, "key", 0, &sent, b"body").await;
        raw.get(&ctx.name("b"), false).await?;
        raw.send(methods::basic_reject(1, true)).await;
        raw.until_ready(&ctx.name("b"), 1).await?;
        for (queue, redelivered) in [("a", false), ("b", true), ("c", false)] {
            let message = raw.take(&ctx.name(queue)).await?;
            same("message", (message.key.as_str(), message.redelivered), ("key", redelivered))?;
            same("properties", message.props, sent.clone())?;
        }
    }
    "content.body.all-octets", "A body of all octets", CONTENT,
    "none is changed, the frame end's neither", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let body: Vec<u8> = (0..=255).chain([0xCE; 16]).collect();
        raw.publish_with("", &q, 0, &Props::default(), &body).await;
        same("body", raw.take(&q).await?.body, body)?;
    }
    "content.body.like-frames", "A body that looks like frames", CONTENT,
    "it is a body", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let body = crate::frames::connection_close();
        raw.publish_with("", &q, 0, &Props::default(), &body).await;
        same("body", raw.take(&q).await?.body, body)?;
    }
    "content.body.many-sizes", "Bodies of many sizes around powers of two", CONTENT,
    "each arrives as it was", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let sizes: Vec<usize> = (5..18).flat_map(|power| [(1 << power) - 1, 1 << power, (1 << power) + 1]).collect();
        for size in &sizes {
            let body: Vec<u8> = (0..*size).map(|index| (index % 241) as u8).collect();
            raw.publish_with("", &q, 0, &Props::default(), &body).await;
        }
        for size in sizes {
            let body: Vec<u8> = (0..size).map(|index| (index % 241) as u8).collect();
            ensure(raw.take(&q).await?.body == body, format!("the body of {size} bytes changed"))?;
        }
    }
    "content.body.odd-frames", "A body of 1 MiB in frames of odd sizes", CONTENT,
    "it arrives as sent", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let body: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 233) as u8).collect();
        let parts: Vec<&[u8]> = body.chunks(65_521).collect();
        raw.publish_parts(&q, 1 << 20, &parts).await;
        ensure(raw.take(&q).await?.body == body, "the body changed")?;
    }
    "content.body.frames-of-the-broker", "The broker's frames are no larger than agreed", CONTENT,
    "a body of 300,000 bytes in frames of at most frame_max", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::default(), &vec![7; 300_000]).await;
        raw.send(methods::basic_get(&q, true)).await;
        let frames = raw.content_frames().await?;
        let largest = frames.iter().map(|frame| frame.payload.len() + 8).max().unwrap_or_default();
        ensure(largest <= crate::raw::FRAME_MAX as usize, format!("a frame of {largest} bytes"))?;
        same("first frames", frames.iter().take(2).map(|frame| frame.kind).collect::<Vec<_>>(), [1, 2])?;
    }
    "content.body.none-has-no-frame", "A message without a body comes without a body frame", CONTENT,
    "a method and a header", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "").await;
        raw.send(methods::basic_get(&q, true)).await;
        let frames = raw.content_frames().await?;
        same("frames", frames.iter().map(|frame| frame.kind).collect::<Vec<_>>(), [1, 2])?;
        raw.round_trip().await?;
    }
    "publish.key.exact-octets", "The octets of a routing key do not change", PUBLISH,
    "those that are not UTF-8 are delivered as they were", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.fanout", "").await?;
        let key = [0xC3, 0x28, 0x00, 0xFF];
        raw.send(publish_bytes("amq.fanout", &key, 0)).await;
        raw.content_header(0, &[0, 0]).await;
        raw.until_ready(&q, 1).await?;
        raw.send(methods::basic_get(&q, true)).await;
        let frames = raw.content_frames().await?;
        let end = Writer::default().short("amq.fanout").u8(4).bytes(&key).u32(0).done();
        let method = frames.first().map(|frame| frame.payload.clone()).unwrap_or_default();
        ensure(method.ends_with(&end), format!("get-ok was {method:?}"))?;
    }
    "publish.key.long-in-topic", "A routing key of 255 bytes and 128 words", PUBLISH,
    "a topic pattern for its last word gets it whole", |ctx| {
        let (q, x) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&x, "topic").await?;
        raw.bind(&q, &x, "#.z").await?;
        let key = format!("{}z", "a.".repeat(127));
        same("length", key.len(), 255_usize)?;
        raw.publish(&x, &key, "m").await;
        raw.publish(&x, &key.replace('z', "y"), "other").await;
        same("key", raw.take(&q).await?.key, key)?;
        same("others", raw.drain(&q).await?, Vec::<String>::new())?;
    }
    "publish.reserved.ignored", "The reserved field of a publish means nothing", PUBLISH,
    "any number is accepted", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(method(60, 40, Writer::default().u16(77).short("").short(&q).u8(0))).await;
        raw.content_header(0, &[0, 0]).await;
        same("body", raw.take(&q).await?.body.len(), 0_usize)?;
    }
    "publish.default.every-queue", "The default exchange knows every queue by its name", PUBLISH,
    "also one with dots and stars, and only that one", |ctx| {
        let mut raw = ctx.raw().await?;
        let (plain, stars) = (ctx.name("a.b"), ctx.name("*.#"));
        raw.queue(&plain).await?;
        raw.queue(&stars).await?;
        raw.publish("", &plain, "plain").await;
        raw.publish("", &stars, "stars").await;
        same("first", raw.drain(&plain).await?, ["plain"])?;
        same("second", raw.drain(&stars).await?, ["stars"])?;
    }
    "publish.order.channels-interleaved", "Each channel's messages keep their order",
    "AMQP 0-9-1, 4.7 (content ordering)",
    "ten channels with fifty messages each, in turn", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        for channel in 2..=11 {
            raw.open_channel(channel).await?;
        }
        for number in 0..50_u8 {
            for channel in 2..=11_u8 {
                raw.channel = channel.into();
                raw.publish_with("", &q, 0, &Props::default(), &[channel, number]).await;
            }
        }
        let mut next = [0_u8; 12];
        for _ in 0..500 {
            let body = raw.delivery().await?.body;
            let [channel, number] = body.as_slice() else { return fail(format!("body {body:?}")) };
            let Some(next) = next.get_mut(usize::from(*channel)) else { return fail(format!("body {body:?}")) };
            same("number", *number, *next)?;
            *next += 1;
        }
    }
    "publish.return.default-exchange", "A mandatory message for a queue that is not there", RETURN,
    "it comes back from the default exchange", |ctx| {
        let mut raw = ctx.raw().await?;
        comes_back(&mut raw, "", &ctx.name("missing"), &Props::default(), b"m").await?;
    }
    "publish.return.every-kind", "Mandatory messages without a route come back from every kind of exchange", RETURN,
    "direct, fanout, topic and headers", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.queue(&ctx.name("q")).await?;
        for kind in ["direct", "fanout", "topic", "headers"] {
            let x = ctx.name(kind);
            raw.exchange(&x, kind).await?;
            comes_back(&mut raw, &x, "a.b", &Props::headers([("a", 1.into())]), kind.as_bytes()).await?;
        }
    }
    "publish.return.all-properties", "What comes back has all its properties", RETURN,
    "two hundred combinations", |ctx| {
        let mut raw = ctx.raw().await?;
        let key = ctx.name("missing");
        for number in 0..200_u16 {
            let props = chosen(number.wrapping_mul(5641), &ctx.target.user);
            comes_back(&mut raw, "", &key, &props, b"m").await?;
        }
    }
    "publish.return.any-size", "What comes back is whole, whatever its size", RETURN,
    "0, 1, 131,064, 131,065 and 1,000,003 bytes", |ctx| {
        let mut raw = ctx.raw().await?;
        let key = ctx.name("missing");
        for size in [0_usize, 1, 131_064, 131_065, 1_000_003] {
            let body: Vec<u8> = (0..size).map(|index| (index % 239) as u8).collect();
            comes_back(&mut raw, "", &key, &Props::default(), &body).await?;
        }
    }
    "publish.return.in-order", "Messages come back in the order of publishing", RETURN,
    "a hundred, each once", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for number in 0..100 {
            raw.publish_with("", &ctx.name("missing"), 1, &Props::default(), number.to_string().as_bytes()).await;
        }
        for number in 0..100 {
            same("message", raw.returned().await?.text(), number.to_string())?;
        }
        raw.quiet(&q).await?;
    }
    "publish.return.on-its-channel", "A message comes back on the channel of its publish", RETURN,
    "channels 3 and 2", |ctx| {
        let mut raw = ctx.raw().await?;
        for channel in [2, 3] {
            raw.open_channel(channel).await?;
        }
        for channel in [3, 2] {
            raw.channel = channel;
            raw.publish_with("", &ctx.name("missing"), 1, &Props::default(), b"m").await;
            same("channel", raw.returned().await?.channel, channel)?;
        }
    }
    "publish.return.after-unbind", "A route that was taken away is none", RETURN,
    "routed before unbind, returned after it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.direct", &q).await?;
        raw.publish_with("amq.direct", &q, 1, &Props::default(), b"routed").await;
        raw.call(methods::queue_unbind(&q, "amq.direct", &q, Table::new())).await?;
        comes_back(&mut raw, "amq.direct", &q, &Props::default(), b"back").await?;
        same("messages", raw.drain(&q).await?, ["routed"])?;
    }
    "publish.return.after-queue-delete", "The routes to a queue go with it", RETURN,
    "routed before the queue is deleted, returned after it", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.bind(&q, "amq.topic", &q).await?;
        raw.publish_with("amq.topic", &q, 1, &Props::default(), b"routed").await;
        raw.call(methods::queue_delete(&q, 0)).await?;
        comes_back(&mut raw, "amq.topic", &q, &Props::default(), b"back").await?;
        comes_back(&mut raw, "", &q, &Props::default(), b"back").await?;
    }
    "publish.return.no-consumer-is-no-reason", "A queue without consumers is a route", RETURN,
    "nothing comes back, the message waits", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for _ in 0..10 {
            raw.publish_with("", &q, 1, &Props::default(), b"m").await;
        }
        raw.until_ready(&q, 10).await?;
        raw.quiet(&q).await?;
    }
    "publish.return.among-confirms", "Returns and confirms among each other", RETURN,
    "each return before its confirm, nothing twice", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::confirm_select()).await?;
        for number in 1..=40 {
            let key = if number % 4 == 0 { ctx.name("missing") } else { q.clone() };
            raw.publish_with("", &key, 1, &Props::default(), number.to_string().as_bytes()).await;
        }
        let (mut returned, mut confirmed) = (Vec::new(), Vec::new());
        while confirmed.len() < 40 {
            match raw.event().await? {
                Event::Message(message) => returned.push(message.text().parse::<u64>()?),
                event => {
                    let Confirm::Ack(tag, multiple) = crate::frames::as_confirm(&event)? else {
                        return fail(format!("{event:?}"));
                    };
                    let covered = |open: &u64| *open == tag || (multiple && *open <= tag);
                    let now: Vec<u64> = (1..=40).filter(|open| covered(open) && !confirmed.contains(open)).collect();
                    ensure(!now.is_empty(), format!("tag {tag} is confirmed a second time"))?;
                    for tag in now.iter().filter(|tag| **tag % 4 == 0) {
                        ensure(returned.contains(tag), format!("{tag} was confirmed before it came back"))?;
                    }
                    confirmed.extend(now);
                }
            }
        }
        same("returned", returned, (1..=10).map(|number| number * 4).collect::<Vec<u64>>())?;
        raw.quiet(&q).await?;
    }
    "publish.return.own-message-to-own-consumer", "A consumer's channel can publish what comes back", RETURN,
    "a delivery and a return on one channel, each as itself", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.publish("", &q, "delivered").await;
        same("delivery", raw.delivery().await?.text(), "delivered")?;
        comes_back(&mut raw, "", &ctx.name("missing"), &Props::default(), b"returned").await?;
        raw.publish("", &q, "again").await;
        same("delivery", raw.delivery().await?.text(), "again")?;
    }
}
