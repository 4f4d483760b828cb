//! Time to live: what expires when, and what an expiry does to the rest of the queue.

use crate::case::{ensure, same};
use crate::codec::{Props, Value};
use crate::methods::{self, c};
use crate::raw::Confirm;

const TTL: &str = "RabbitMQ: Time-To-Live and Expiration";
const CAVEATS: &str = "RabbitMQ: Time-To-Live and Expiration, Caveats";

crate::cases! {
    "ttl.message.behind-a-live-one", "A message that expired behind a live one is never delivered", CAVEATS,
    "the live one is, and then the queue is empty", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "live").await;
        raw.publish_with("", &q, 0, &Props::expiring("20"), b"dead").await;
        raw.outlive(&ctx.name("clock"), 60).await?;
        same("messages", raw.drain(&q).await?, ["live"])?;
        raw.until_ready(&q, 0).await?;
    }
    "ttl.message.behind-a-live-one-consumed", "A consumer is not given what expired behind a live message", CAVEATS,
    "it gets the live ones before and after", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "before").await;
        raw.publish_with("", &q, 0, &Props::expiring("20"), b"dead").await;
        raw.publish("", &q, "after").await;
        raw.outlive(&ctx.name("clock"), 60).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        same("deliveries", raw.texts(2).await?, ["before", "after"])?;
        raw.quiet(&q).await?;
    }
    "ttl.message.only-the-expired-go", "Expired messages go, and those behind them stay", TTL,
    "two at the head are gone, the third is first", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for (body, expiration) in [("a", "30"), ("b", "40"), ("c", "600000")] {
            raw.publish_with("", &q, 0, &Props::expiring(expiration), body.as_bytes()).await;
        }
        raw.publish("", &q, "d").await;
        raw.outlive(&ctx.name("clock"), 70).await?;
        raw.until_ready(&q, 2).await?;
        same("messages", raw.drain(&q).await?, ["c", "d"])?;
    }
    "ttl.message.behind-unacked", "A message behind an unacked one expires", TTL,
    "the unacked one is no head of the queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "held").await;
        raw.publish_with("", &q, 0, &Props::expiring("40"), b"dead").await;
        raw.hold(&q, 1).await?;
        raw.outlive(&ctx.name("clock"), 70).await?;
        raw.until_ready(&q, 0).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("messages", raw.drain(&q).await?, ["held"])?;
    }
    "ttl.message.of-a-full-consumer", "A message that waits for a full consumer expires", TTL,
    "after its ack the consumer gets the next live one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume_few(&q, "", 1).await?;
        raw.publish("", &q, "first").await;
        raw.publish_with("", &q, 0, &Props::expiring("40"), b"dead").await;
        same("first", raw.texts(1).await?, ["first"])?;
        raw.outlive(&ctx.name("clock"), 70).await?;
        raw.until_ready(&q, 0).await?;
        raw.publish("", &q, "live").await;
        raw.send(methods::basic_ack(1, false)).await;
        same("next", raw.texts(1).await?, ["live"])?;
    }
    "ttl.message.in-each-queue", "A message expires in each queue by that queue's own rule", TTL,
    "it is gone from the queue with a TTL, and kept in the other", |ctx| {
        let (short, long, x) = (ctx.name("short"), ctx.name("long"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "fanout").await?;
        raw.queue_with(&short, [("x-message-ttl", 40.into())]).await?;
        raw.queue(&long).await?;
        for queue in [&short, &long] {
            raw.bind(queue, &x, "").await?;
        }
        raw.publish(&x, "", "m").await;
        raw.outlive(&ctx.name("clock"), 60).await?;
        same("gone", raw.drain(&short).await?, Vec::<String>::new())?;
        same("kept", raw.drain(&long).await?, ["m"])?;
    }
    "ttl.message.zero-confirmed", "A message that expires at once is confirmed", TTL,
    "an ack, as it was routed", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with("", &q, 1, &Props::expiring("0"), b"m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        raw.until_ready(&q, 0).await?;
    }
    "ttl.message.zero-in-order", "With a TTL of 0 and a consumer everything arrives in order", TTL,
    "ten of ten", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-message-ttl", 0.into())]).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.fill_numbers(&q, 0..10).await;
        same("deliveries", raw.texts(10).await?, crate::steps::numbered(0..10))?;
    }
    "ttl.message.long", "A message with a long expiration is there", TTL,
    "the queue's short neighbour has lost its own in the meantime", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("4000000000"), b"m").await;
        raw.outlive(&ctx.name("clock"), 50).await?;
        same("messages", raw.drain(&q).await?, ["m"])?;
    }
    "ttl.message.beyond-32-bits", "A TTL may be longer than 32 bits of milliseconds", TTL,
    "90 days, as the message's expiration, as the queue's TTL, and as the queue's own expiry", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let days = Value::I64(7_776_000_000);
        raw.queue_with(&q, [("x-message-ttl", days.clone()), ("x-expires", days)]).await?;
        raw.publish_with("", &q, 0, &Props::expiring("7776000000"), b"m").await;
        raw.outlive(&ctx.name("clock"), 50).await?;
        same("messages", raw.drain(&q).await?, ["m"])?;
    }
    "ttl.message.fresh-after-expiry", "A queue goes on after its messages expired", TTL,
    "a consumer gets the next message, and not the expired one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("20"), b"dead").await;
        raw.outlive(&ctx.name("clock"), 40).await?;
        raw.consume(&q, "", 0).await?;
        raw.publish("", &q, "live").await;
        same("deliveries", raw.texts(1).await?, ["live"])?;
        raw.quiet(&q).await?;
    }
    "ttl.queue.kept-over-requeue", "A queue's TTL is not started again by a requeue", TTL,
    "a message given back after its time is gone", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-message-ttl", 150.into())]).await?;
        raw.publish("", &q, "m").await;
        raw.hold(&q, 1).await?;
        raw.outlive(&ctx.name("clock"), 200).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        let got = raw.get(&q, true).await?;
        ensure(got.is_none(), format!("{got:?}, expected nothing"))?;
        raw.until_ready(&q, 0).await?;
    }
    "ttl.queue.each-in-its-time", "Each message has the queue's TTL from its own arrival", TTL,
    "when an older one has expired a younger one is there", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&q, [("x-message-ttl", 400.into()), ("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &q, "old").await;
        raw.outlive(&ctx.name("clock"), 300).await?;
        raw.publish("", &q, "young").await;
        same("expired", raw.arrival(&dead).await?.text(), "old")?;
        same("left", raw.drain(&q).await?, ["young"])?;
    }
    "ttl.queue.expiry-not-counted-by-get", "A get does not count what it finds expired", TTL,
    "the live message, with nothing left", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &Props::expiring("20"), b"dead").await;
        raw.publish("", &q, "live").await;
        raw.outlive(&ctx.name("clock"), 50).await?;
        let got = raw.take(&q).await?;
        same("got", (got.text().as_str(), got.remaining), ("live", 0))?;
    }
    "ttl.message.get-counts-what-lives", "Get counts what has expired only where something live stands before it", TTL,
    "what has expired right behind the message is not counted", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for (body, expiring) in [("a", false), ("b", true), ("c", true), ("d", false), ("e", false), ("f", true)] {
            let props = if expiring { Props::expiring("20") } else { Props::default() };
            raw.publish_with("", &q, 0, &props, body.as_bytes()).await;
        }
        raw.outlive(&ctx.name("clock"), 50).await?;
        same("declared", raw.counts(&q).await?.0, 6_u32)?;
        for wanted in [("a", 3), ("d", 2), ("e", 0)] {
            let got = raw.take(&q).await?;
            same("got", (got.text().as_str(), got.remaining), wanted)?;
        }
    }
}
