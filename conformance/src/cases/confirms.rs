//! Publisher confirms: each publish exactly once, whatever becomes of the message.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Props, Table, Value};
use crate::frames::as_confirm;
use crate::methods::{self, c, q};
use crate::raw::{Confirm, Event, Raw};

const CONFIRM: &str = "RabbitMQ: Publisher Confirms";

async fn in_confirm_mode(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.call(methods::confirm_select()).await?;
    Ok(raw)
}

/// A message that is to survive.
fn persistent() -> Props {
    Props { delivery_mode: Some(2), ..Props::default() }
}

/// Publishes so many messages, checks that each is acked once and nothing more comes, and that the queue holds `kept`.
async fn all_acked(raw: &mut Raw, exchange: &str, key: &str, count: u64, queue: &str, kept: u32) -> Check {
    for number in 0..count {
        raw.publish(exchange, key, &number.to_string()).await;
    }
    same("nacked", raw.confirms(count).await?, Vec::<u64>::new())?;
    raw.quiet(queue).await?;
    same("messages", raw.counts(queue).await?.0, kept)
}

/// The next confirm has to be a nack of this tag, the only one that is open.
async fn refused(raw: &mut Raw, tag: u64) -> Check {
    let confirm = raw.confirm().await?;
    ensure(
        matches!(confirm, Confirm::Nack(found, _) if found == tag),
        format!("{confirm:?}, expected a nack of {tag}"),
    )
}

crate::cases! {
    "confirm.select.ok", "confirm.select is answered on its channel", CONFIRM,
    "select-ok without arguments", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(methods::confirm_select()).await;
        same("arguments", raw.expect_on(1, (85, 11)).await?, Vec::<u8>::new())?;
    }
    "confirm.select.one-channel-only", "Confirms are of the channel that asked for them", CONFIRM,
    "another channel's publishes are not confirmed", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
    }
    "confirm.ack.several-queues", "A message for three queues is confirmed once", CONFIRM,
    "one ack for each publish, and each queue has the messages", |ctx| {
        let x = ctx.name("x");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.exchange(&x, "fanout").await?;
        for queue in ["a", "b", "c"] {
            raw.queue(&ctx.name(queue)).await?;
            raw.bind(&ctx.name(queue), &x, "").await?;
        }
        for queue in ["a", "b", "c"] {
            same("before", raw.counts(&ctx.name(queue)).await?.0, 0_u32)?;
        }
        all_acked(&mut raw, &x, "", 50, &ctx.name("a"), 50).await?;
        same("second", raw.counts(&ctx.name("b")).await?.0, 50_u32)?;
        same("third", raw.counts(&ctx.name("c")).await?.0, 50_u32)?;
    }
    "confirm.ack.durable-and-transient", "A message for a durable and a transient queue is confirmed once", CONFIRM,
    "one ack for each, in both queues", |ctx| {
        let (x, durable, transient) = (ctx.name("x"), ctx.name("durable"), ctx.name("transient"));
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.exchange(&x, "fanout").await?;
        raw.declare(&durable, q::DURABLE, Table::new()).await?;
        raw.queue(&transient).await?;
        raw.bind(&durable, &x, "").await?;
        raw.bind(&transient, &x, "").await?;
        for _ in 0..20 {
            raw.publish_with(&x, "", 0, &persistent(), b"m").await;
        }
        same("nacked", raw.confirms(20).await?, Vec::<u64>::new())?;
        raw.quiet(&transient).await?;
        same("durable", raw.counts(&durable).await?.0, 20_u32)?;
        same("transient", raw.counts(&transient).await?.0, 20_u32)?;
    }
    "confirm.ack.no-bindings", "An exchange without bindings confirms", CONFIRM,
    "an ack for each", |ctx| {
        let (x, q) = (ctx.name("x"), ctx.name("q"));
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.exchange(&x, "topic").await?;
        raw.queue(&q).await?;
        all_acked(&mut raw, &x, "a.b", 30, &q, 0).await?;
    }
    "confirm.ack.mixed", "Routed, unroutable, transient and persistent messages in turn", CONFIRM,
    "two thousand, each confirmed once", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        for number in 0..2000 {
            let key = if number % 3 == 0 { ctx.name("missing") } else { q.clone() };
            let props = if number % 2 == 0 { persistent() } else { Props::default() };
            raw.publish_with("", &key, 0, &props, b"m").await;
        }
        same("nacked", raw.confirms(2000).await?, Vec::<u64>::new())?;
        raw.quiet(&q).await?;
        same("messages", raw.counts(&q).await?.0, 1333_u32)?;
    }
    "confirm.ack.before-consumer-acks", "A confirm does not wait for the consumer", CONFIRM,
    "confirmed while the delivery is unacked", |ctx| {
        let q = ctx.name("durable");
        let mut consumer = ctx.raw().await?;
        consumer.declare(&q, q::DURABLE, Table::new()).await?;
        consumer.consume(&q, "t", c::NONE).await?;
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.publish_with("", &q, 0, &persistent(), b"m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        same("delivery", consumer.delivery().await?.text(), "m")?;
    }
    "confirm.ack.consumed-at-once", "Messages that are consumed at once are confirmed", CONFIRM,
    "two hundred persistent ones to a consumer without acks", |ctx| {
        let q = ctx.name("durable");
        let mut consumer = ctx.raw().await?;
        consumer.declare(&q, q::DURABLE, Table::new()).await?;
        consumer.consume(&q, "t", c::NO_ACK).await?;
        let mut raw = in_confirm_mode(&ctx).await?;
        for number in 0..200 {
            raw.publish_with("", &q, 0, &persistent(), number.to_string().as_bytes()).await;
        }
        same("nacked", raw.confirms(200).await?, Vec::<u64>::new())?;
        let sent: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        same("deliveries", consumer.texts(200).await?, sent)?;
    }
    "confirm.ack.expired", "A message that expires at once is confirmed", CONFIRM,
    "an ack for each, and an empty queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue_with(&q, [("x-message-ttl", 0.into())]).await?;
        all_acked(&mut raw, "", &q, 20, &q, 0).await?;
    }
    "confirm.ack.dropped", "A message that a limit drops is confirmed", CONFIRM,
    "an ack for each, and only the last is there", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue_with(&q, [("x-max-length", 1.into())]).await?;
        all_acked(&mut raw, "", &q, 20, &q, 1).await?;
        same("message", raw.take(&q).await?.text(), "19")?;
    }
    "confirm.ack.purged", "Messages that are purged are confirmed", CONFIRM,
    "an ack for each", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        for _ in 0..50 {
            raw.publish_with("", &q, 0, &persistent(), b"m").await;
        }
        raw.send(methods::queue_purge(&q)).await;
        raw.wait_for((50, 31)).await?;
        same("nacked", raw.confirms(50).await?, Vec::<u64>::new())?;
        raw.quiet(&q).await?;
    }
    "confirm.ack.queue-deleted", "Messages of a queue that is deleted are confirmed", CONFIRM,
    "each once, with an ack or a nack", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        raw.queue(&ctx.name("other")).await?;
        for _ in 0..50 {
            raw.publish_with("", &q, 0, &persistent(), b"m").await;
        }
        raw.call(methods::queue_delete(&q, 0)).await?;
        raw.confirms(50).await?;
        raw.quiet(&ctx.name("other")).await?;
    }
    "confirm.ack.large", "A large persistent message is confirmed", CONFIRM,
    "an ack, and 2 MB in the queue", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        raw.publish_with("", &q, 0, &persistent(), &vec![7; 2_000_000]).await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        same("length", raw.take(&q).await?.body.len(), 2_000_000_usize)?;
    }
    "confirm.ack.through-exchanges", "A message that goes through several exchanges is confirmed once", CONFIRM,
    "one ack each, though two ways lead to the queue", |ctx| {
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue(&q).await?;
        raw.exchange(&a, "fanout").await?;
        raw.exchange(&b, "fanout").await?;
        raw.call(methods::exchange_bind(&b, &a, "", Table::new())).await?;
        raw.bind(&q, &a, "").await?;
        raw.bind(&q, &b, "").await?;
        all_acked(&mut raw, &a, "", 20, &q, 20).await?;
    }
    "confirm.ack.message-is-there", "What was confirmed can be got", CONFIRM,
    "by another connection, at once, a hundred times", |ctx| {
        let q = ctx.name("q");
        let mut other = ctx.raw().await?;
        other.declare(&q, 0, Table::new()).await?;
        let mut raw = in_confirm_mode(&ctx).await?;
        for number in 1..=100_u64 {
            raw.publish("", &q, &number.to_string()).await;
            same("confirm", raw.confirm().await?, Confirm::Ack(number, false))?;
            same("message", other.take(&q).await?.text(), number.to_string())?;
        }
    }
    "confirm.channels.at-once", "Three channels publish in turn", CONFIRM,
    "each channel's publishes are confirmed on it, each once", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue(&q).await?;
        for channel in [2, 3] {
            raw.open_channel(channel).await?;
            raw.channel = channel;
            raw.call(methods::confirm_select()).await?;
        }
        for _ in 0..100 {
            for channel in [1, 2, 3] {
                raw.channel = channel;
                raw.publish("", &q, "m").await;
            }
        }
        let mut open: Vec<(u16, u64)> = [1, 2, 3].iter().flat_map(|on| (1..=100).map(|tag| (*on, tag))).collect();
        while !open.is_empty() {
            let event = raw.event().await?;
            let Event::Method(on, ..) = event else { return fail(format!("{event:?}")) };
            let Confirm::Ack(tag, multiple) = as_confirm(&event)? else { return fail(format!("{event:?}")) };
            let before = open.len();
            open.retain(|(channel, other)| *channel != on || (*other != tag && (!multiple || *other > tag)));
            ensure(open.len() < before, format!("tag {tag} of channel {on} is confirmed a second time"))?;
        }
        raw.quiet(&q).await?;
    }
    "confirm.nack.then-acks", "A refused message does not disturb the others", CONFIRM,
    "ack, nack, and after a get ack again", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue_with(&q, [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())]).await?;
        raw.publish("", &q, "a").await;
        same("first", raw.confirm().await?, Confirm::Ack(1, false))?;
        raw.publish("", &q, "b").await;
        refused(&mut raw, 2).await?;
        same("message", raw.take(&q).await?.text(), "a")?;
        raw.until_ready(&q, 0).await?;
        raw.publish("", &q, "c").await;
        same("third", raw.confirm().await?, Confirm::Ack(3, false))?;
        same("messages", raw.drain(&q).await?, ["c"])?;
    }
    "confirm.nack.not-returned", "A message that a full queue refuses is nacked and not returned", CONFIRM,
    "mandatory or not", |ctx| {
        let q = ctx.name("q");
        let mut raw = in_confirm_mode(&ctx).await?;
        let args = [("x-max-length", Value::I32(0)), ("x-overflow", "reject-publish".into())];
        raw.queue_with(&q, args).await?;
        raw.publish_with("", &q, 1, &Props::default(), b"m").await;
        refused(&mut raw, 1).await?;
        raw.quiet(&q).await?;
    }
    "confirm.error.unknown-exchange", "A publish to an exchange that is gone closes the channel", CONFIRM,
    "404, and what was published before is confirmed or there", |ctx| {
        let (q, x) = (ctx.name("q"), ctx.name("x"));
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.queue(&q).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&q, &x, "").await?;
        raw.publish(&x, "", "before").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        raw.call(methods::exchange_delete(&x, 0)).await?;
        raw.publish(&x, "", "after").await;
        raw.expect_channel_code(404, (60, 40)).await?;
        same("messages", raw.drain(&q).await?, ["before"])?;
    }
    "confirm.close.unconfirmed", "Messages count even if the channel is closed before their confirms", CONFIRM,
    "a hundred persistent ones are in the queue", |ctx| {
        let q = ctx.name("durable");
        let mut raw = in_confirm_mode(&ctx).await?;
        raw.declare(&q, q::DURABLE, Table::new()).await?;
        for _ in 0..100 {
            raw.publish_with("", &q, 0, &persistent(), b"m").await;
        }
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_ready(&q, 100).await?;
    }
}
