//! Where dead letters go: through every kind of exchange, with which keys, in which order.

use crate::case::{Check, fail, same};
use crate::codec::{Props, Table, Value, lookup, strings, table};
use crate::methods::{self, c, q};
use crate::raw::{Message, Raw};
use crate::steps::{all_seen, numbered};

const REF: &str = "RabbitMQ: Dead Letter Exchanges, Routing Dead-Lettered Messages";
const CC: &str = "RabbitMQ: Sender-selected Distribution; Dead Letter Exchanges";

/// An exchange and a queue whose dead letters go there.
async fn mortal(raw: &mut Raw, queue: &str, exchange: &str, kind: &str) -> Check {
    raw.exchange(exchange, kind).await?;
    raw.queue_with(queue, [("x-dead-letter-exchange", exchange.into())]).await
}

/// Takes the one message of a queue and rejects it.
async fn reject(raw: &mut Raw, queue: &str) -> Check {
    raw.until_ready(queue, 1).await?;
    let tags = raw.hold(queue, 1).await?;
    raw.send(methods::basic_reject(tags.first().copied().unwrap_or_default(), false)).await;
    Ok(())
}

/// The keys that the newest entry of x-death tells.
fn keys(message: &Message) -> Option<Value> {
    let Some(Value::Array(entries)) = message.props.header("x-death") else { return None };
    lookup(entries.first()?.table()?, "routing-keys").cloned()
}

crate::cases! {
    "dead-letter.way.topic", "A letter goes through a topic exchange by its key", REF,
    "to the queue whose pattern fits, not to the other", |ctx| {
        let (q, fits, not, x) = (ctx.name("q"), ctx.name("fits"), ctx.name("not"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "topic").await?;
        let key = format!("{q}.news.today");
        raw.bind(&q, "amq.topic", &key).await?;
        for (queue, pattern) in [(&fits, "#.news.*"), (&not, "#.sport.*")] {
            raw.queue(queue).await?;
            raw.bind(queue, &x, pattern).await?;
        }
        raw.publish("amq.topic", &key, "m").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&fits).await?;
        same("letter", (letter.text().as_str(), letter.key), ("m", key))?;
        same("the other", raw.drain(&not).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.headers", "A letter goes through a headers exchange by its headers", REF,
    "to the queue whose arguments fit, not to the other", |ctx| {
        let (q, fits, not, x) = (ctx.name("q"), ctx.name("fits"), ctx.name("not"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "headers").await?;
        for (queue, color) in [(&fits, "red"), (&not, "blue")] {
            raw.queue(queue).await?;
            let args = table([("x-match", "all".into()), ("color", color.into())]);
            raw.call(methods::queue_bind(queue, &x, "", args)).await?;
        }
        raw.publish_with("", &q, 0, &Props::headers([("color", "red".into())]), b"m").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&fits).await?.text(), "m")?;
        same("the other", raw.drain(&not).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.default-exchange", "Through the default exchange a letter goes to the queue of its key", REF,
    "without a key of the queue's, back to the queue it came from", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into())]).await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        let back = raw.arrival(&q).await?;
        same("back", (back.exchange.as_str(), back.key.as_str(), back.redelivered), ("", q.as_str(), false))?;
    }
    "dead-letter.way.alternate-exchange", "A letter that finds no queue takes the alternate exchange",
    "RabbitMQ: Alternate Exchanges; Dead Letter Exchanges", "as any other message", |ctx| {
        let (q, dead, x, other) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"), ctx.name("other"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&other, "fanout").await?;
        let args = table([("alternate-exchange", other.as_str().into())]);
        raw.call(methods::exchange_declare(&x, "direct", 0, args)).await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        raw.queue(&dead).await?;
        raw.bind(&dead, &other, "").await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "m")?;
    }
    "dead-letter.way.exchange-to-exchange", "A letter follows the bindings between exchanges",
    "RabbitMQ: Exchange to Exchange Bindings; Dead Letter Exchanges", "to a queue of the second exchange", |ctx| {
        let (q, dead, x, second) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"), ctx.name("second"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "fanout").await?;
        raw.exchange(&second, "direct").await?;
        raw.call(methods::exchange_bind(&second, &x, "", Table::new())).await?;
        raw.queue(&dead).await?;
        raw.bind(&dead, &second, &q).await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("letter", (letter.text().as_str(), letter.exchange), ("m", x))?;
    }
    "dead-letter.way.internal-exchange", "A dead letter exchange may be internal",
    "RabbitMQ: Exchanges; Dead Letter Exchanges", "though no client may publish to it", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.call(methods::exchange_declare(&x, "fanout", methods::x::INTERNAL, Table::new())).await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        raw.queue(&dead).await?;
        raw.bind(&dead, &x, "").await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "m")?;
    }
    "dead-letter.way.unroutable", "A letter that finds no queue is gone", REF,
    "it is not returned, though it was mandatory, and its queue goes on", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "direct").await?;
        raw.queue(&dead).await?;
        raw.publish_with("", &q, 1, &Props::default(), b"lost").await;
        reject(&mut raw, &q).await?;
        raw.quiet(&q).await?;
        raw.bind(&dead, &x, &q).await?;
        raw.publish("", &q, "kept").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "kept")?;
        same("more", raw.drain(&dead).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.exchange-deleted", "When its exchange is deleted a queue's letters are dropped", REF,
    "and arrive again once the exchange is declared again", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "fanout").await?;
        raw.queue(&dead).await?;
        raw.bind(&dead, &x, "").await?;
        raw.publish("", &q, "first").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "first")?;
        raw.call(methods::exchange_delete(&x, 0)).await?;
        raw.publish("", &q, "lost").await;
        reject(&mut raw, &q).await?;
        // The queue has seen to the lost one when it answers this.
        raw.publish("", &q, "next").await;
        same("next", raw.take(&q).await?.text(), "next")?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&dead, &x, "").await?;
        raw.publish("", &q, "third").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "third")?;
        same("more", raw.drain(&dead).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.cc-and-queues-key", "With a key of the queue's a letter's CC no longer counts", CC,
    "the letter goes by the queue's key alone, and its header is gone", |ctx| {
        let (q, dead, copy, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("copy"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "direct").await?;
        let key = ("x-dead-letter-routing-key", "the key".into());
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into()), key]).await?;
        for (queue, key) in [(&dead, "the key"), (&copy, "copy")] {
            raw.queue(queue).await?;
            raw.bind(queue, &x, key).await?;
        }
        raw.publish_with("", &q, 0, &Props::headers([("CC", strings(&["copy"]))]), b"m").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("CC", letter.props.header("CC"), None)?;
        same("routing-keys", keys(&letter), Some(strings(&[&q, "copy"])))?;
        same("the copy", raw.drain(&copy).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.bcc-not-told", "A letter does not tell its BCC", CC,
    "neither as a header nor among its routing keys", |ctx| {
        let (q, dead, copy, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("copy"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "fanout").await?;
        raw.queue(&dead).await?;
        raw.queue(&copy).await?;
        raw.bind(&dead, &x, "").await?;
        raw.publish_with("", &q, 0, &Props::headers([("BCC", strings(&[&copy]))]), b"m").await;
        same("the blind copy", raw.arrival(&copy).await?.text(), "m")?;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("BCC", letter.props.header("BCC"), None)?;
        same("routing-keys", keys(&letter), Some(strings(&[&q])))?;
    }
    "dead-letter.way.bcc", "A letter goes by its BCC, too", CC,
    "to the queue that is bound with that key alone, again after a second death; nobody is told", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &x, "direct").await?;
        raw.queue_with(&dead, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        raw.bind(&dead, &x, "hidden").await?;
        raw.publish_with("", &q, 0, &Props::headers([("BCC", strings(&["hidden"]))]), b"m").await;
        reject(&mut raw, &q).await?;
        for _ in 0..2 {
            raw.until_ready(&dead, 1).await?;
            let Some(letter) = raw.get(&dead, false).await? else { return fail("there is no letter") };
            same("letter", letter.text(), "m")?;
            same("BCC", letter.props.header("BCC"), None)?;
            raw.send(methods::basic_reject(letter.tag, false)).await;
        }
    }
    "dead-letter.way.bcc-queues-key", "With a key of the queue's a letter's BCC no longer counts", CC,
    "the letter goes by the queue's key alone", |ctx| {
        let (q, dead, copy, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("copy"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "direct").await?;
        let key = ("x-dead-letter-routing-key", "the key".into());
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into()), key]).await?;
        for (queue, key) in [(&dead, "the key"), (&copy, "hidden")] {
            raw.queue(queue).await?;
            raw.bind(queue, &x, key).await?;
        }
        raw.publish_with("", &q, 0, &Props::headers([("BCC", strings(&["hidden"]))]), b"m").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.props.header("BCC"), None)?;
        same("the copy", raw.drain(&copy).await?, Vec::<String>::new())?;
    }
    "dead-letter.way.expired-in-order", "Messages that expire together are dead-lettered in order", REF,
    "0 to 19", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&q, [("x-message-ttl", 40.into()), ("x-dead-letter-exchange", "".into()), key]).await?;
        raw.fill_numbers(&q, 0..20).await;
        raw.until_ready(&dead, 20).await?;
        same("letters", raw.drain(&dead).await?, numbered(0..20))?;
    }
    "dead-letter.way.behind-a-live-one", "What expired behind a live message is dead-lettered once it is at the head",
    "RabbitMQ: Time-To-Live and Expiration, Caveats", "once the live one is taken", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &q, "live").await;
        raw.publish_with("", &q, 0, &Props::expiring("20"), b"dead").await;
        raw.outlive(&ctx.name("clock"), 60).await?;
        raw.consume(&q, "", c::NO_ACK).await?;
        same("delivery", raw.texts(1).await?, ["live"])?;
        raw.until_ready(&dead, 1).await?;
        same("letters", raw.drain(&dead).await?, ["dead"])?;
        raw.quiet(&q).await?;
    }
    "dead-letter.way.nack-over-two-queues", "A nack of several dead-letters each by its own queue's rule", REF,
    "the letters of each in order", |ctx| {
        let (p, q, dead_p, dead_q) = (ctx.name("p"), ctx.name("q"), ctx.name("dead p"), ctx.name("dead q"));
        let mut raw = ctx.raw().await?;
        for (queue, dead) in [(&p, &dead_p), (&q, &dead_q)] {
            raw.queue(dead).await?;
            let key = ("x-dead-letter-routing-key", dead.as_str().into());
            raw.queue_with(queue, [("x-dead-letter-exchange", "".into()), key]).await?;
        }
        raw.fill_queue(&p, &["p1", "p2"]).await;
        raw.fill_queue(&q, &["q1", "q2"]).await;
        for queue in [&p, &q, &p, &q] {
            raw.hold(queue, 1).await?;
        }
        raw.send(methods::basic_nack(0, true, false)).await;
        raw.until_ready(&dead_p, 2).await?;
        raw.until_ready(&dead_q, 2).await?;
        same("of p", raw.drain_seen(&dead_p).await?, all_seen(&["p1", "p2"], false))?;
        same("of q", raw.drain_seen(&dead_q).await?, all_seen(&["q1", "q2"], false))?;
    }
    "dead-letter.way.large", "A large message is dead-lettered whole", REF,
    "300,000 bytes in several frames", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into()), key]).await?;
        let body: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
        raw.publish_with("", &q, 0, &Props::default(), &body).await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        if letter.body != body {
            return fail(format!("{} bytes, not those that were sent", letter.body.len()));
        }
    }
    "dead-letter.way.ttl-of-the-next", "A letter lives by the rules of the queue it comes to",
    "RabbitMQ: Time-To-Live and Expiration; Dead Letter Exchanges",
    "it expires there after that queue's TTL and goes on", |ctx| {
        let (q, second, dead) = (ctx.name("q"), ctx.name("second"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        for (from, to, ttl) in [(&second, &dead, 60), (&q, &second, 30)] {
            let args = [
                ("x-message-ttl", ttl.into()),
                ("x-dead-letter-exchange", "".into()),
                ("x-dead-letter-routing-key", to.as_str().into()),
            ];
            raw.declare(from, q::EXCLUSIVE, table(args)).await?;
        }
        raw.publish("", &q, "m").await;
        let letter = raw.arrival(&dead).await?;
        let Some(Value::Array(entries)) = letter.props.header("x-death") else { return fail("no x-death") };
        let queues: Vec<Option<String>> =
            entries.iter().map(|e| e.table().and_then(|e| lookup(e, "queue")).and_then(Value::text)).collect();
        same("died in", queues, [Some(second), Some(q)])?;
    }
}
