//! Dead letters: who dies of what, what the letter tells, and where it goes.

use crate::case::{Check, Stop, ensure, fail, same};
use crate::codec::{Props, Table, Value, lookup, strings, table};
use crate::methods;
use crate::raw::{Message, Raw};

const REF: &str = "RabbitMQ: Dead Letter Exchanges";

/// A queue whose dead letters go to another by the default exchange.
async fn mortal<const N: usize>(raw: &mut Raw, queue: &str, dead: &str, more: [(&str, Value); N]) -> Check {
    let mut args = table([("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", dead.into())]);
    args.extend(table(more));
    raw.queue(dead).await?;
    raw.declare(queue, methods::q::EXCLUSIVE, args).await.map(|_| ())
}

/// Two queues, each of which dead-letters to the other; the first has these arguments as well.
async fn pair<const N: usize>(raw: &mut Raw, one: &str, other: &str, more: [(&str, Value); N]) -> Check {
    let leading =
        |to: &str| table([("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", to.into())]);
    raw.declare(one, methods::q::EXCLUSIVE, [leading(other), table(more)].concat()).await?;
    raw.declare(other, methods::q::EXCLUSIVE, leading(one)).await.map(|_| ())
}

/// The entries of x-death, newest first.
fn deaths(message: &Message) -> Check<Vec<Table>> {
    let Some(Value::Array(entries)) = message.props.header("x-death") else {
        return fail(format!("no x-death in {:?}", message.props.headers));
    };
    let tables = entries.iter().map(|entry| entry.table().cloned());
    tables.collect::<Option<Vec<Table>>>().ok_or_else(|| Stop::Fail("x-death holds more than tables".into()))
}

fn text(entry: &Table, key: &str) -> String {
    lookup(entry, key).and_then(Value::text).unwrap_or_default()
}

fn count(entry: &Table) -> i64 {
    lookup(entry, "count").and_then(Value::number).unwrap_or_default()
}

/// Queue, reason and count of each death.
fn story(message: &Message) -> Check<Vec<(String, String, i64)>> {
    let tell = |entry: &Table| (text(entry, "queue"), text(entry, "reason"), count(entry));
    Ok(deaths(message)?.iter().map(tell).collect())
}

/// Takes a message and rejects it.
async fn reject(raw: &mut Raw, queue: &str) -> Check {
    match raw.get(queue, false).await? {
        Some(message) => {
            raw.send(methods::basic_reject(message.tag, false)).await;
            Ok(())
        }
        None => fail(format!("{queue} is empty")),
    }
}

crate::cases! {
    "dead-letter.reason.rejected", "A rejected message is dead-lettered", REF,
    "its x-death tells queue, reason, exchange, keys, a time and a count of 1", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.bind(&q, "amq.direct", &q).await?;
        raw.publish("amq.direct", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("story", story(&letter)?, [(q.clone(), "rejected".to_owned(), 1_i64)])?;
        let [entry] = &deaths(&letter)?[..] else { return fail("more than one death") };
        same("exchange", text(entry, "exchange"), "amq.direct")?;
        same("routing-keys", lookup(entry, "routing-keys"), Some(&strings(&[&q])))?;
        ensure(matches!(lookup(entry, "time"), Some(Value::Time(time)) if *time > 1_600_000_000), "no time")?;
        ensure(matches!(lookup(entry, "count"), Some(Value::I64(1))), "count is not a long of 1")?;
    }
    "dead-letter.reason.nacked", "A message nacked without requeue is dead-lettered", REF,
    "with reason rejected", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.publish("", &q, "m").await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_nack(1, false, false)).await;
        same("story", story(&raw.arrival(&dead).await?)?, [(q, "rejected".to_owned(), 1_i64)])?;
    }
    "dead-letter.reason.nacked-in-order", "Messages nacked together are dead-lettered in order", REF,
    "1, 2, 3", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.fill_queue(&q, &["1", "2", "3"]).await;
        for _ in 0..3 {
            raw.get(&q, false).await?;
        }
        raw.send(methods::basic_nack(3, true, false)).await;
        raw.until_ready(&dead, 3).await?;
        same("letters", raw.drain(&dead).await?, ["1", "2", "3"])?;
    }
    "dead-letter.reason.requeue-is-no-death", "A message that is requeued is not dead-lettered", REF,
    "it is in its queue, without x-death", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.publish("", &q, "m").await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        let again = raw.take(&q).await?;
        same("x-death", again.props.header("x-death"), None)?;
        same("dead letters", raw.counts(&dead).await?.0, 0_u32)?;
    }
    "dead-letter.reason.expired-in-queue", "A message past the queue's TTL is dead-lettered", REF,
    "with reason expired and no original-expiration", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, [("x-message-ttl", 30.into())]).await?;
        raw.publish("", &q, "m").await;
        let letter = raw.arrival(&dead).await?;
        same("story", story(&letter)?, [(q, "expired".to_owned(), 1_i64)])?;
        let first = deaths(&letter)?;
        same("original-expiration", first.first().and_then(|entry| lookup(entry, "original-expiration")), None)?;
    }
    "dead-letter.reason.expired-by-itself", "A message past its own expiration is dead-lettered without it", REF,
    "the property is gone, original-expiration tells it", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.publish_with("", &q, 0, &Props::expiring("30"), b"m").await;
        let letter = raw.arrival(&dead).await?;
        same("expiration", letter.props.expiration.clone(), None)?;
        let original: Vec<String> = deaths(&letter)?.iter().map(|entry| text(entry, "original-expiration")).collect();
        same("original-expiration", original, ["30"])?;
    }
    "dead-letter.reason.maxlen", "A message that had to make room is dead-lettered", REF,
    "the oldest, with reason maxlen", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, [("x-max-length", 1.into())]).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        let letter = raw.arrival(&dead).await?;
        same("letter", letter.text(), "a")?;
        same("story", story(&letter)?, [(q, "maxlen".to_owned(), 1_i64)])?;
    }
    "dead-letter.headers.first-death", "The first death is told in headers of its own", REF,
    "x-first-death-queue, -reason and -exchange, which a second death leaves alone", |ctx| {
        let (q, second, dead) = (ctx.name("q"), ctx.name("second"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &second, &dead, []).await?;
        let key = ("x-dead-letter-routing-key", second.as_str().into());
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        raw.until_ready(&second, 1).await?;
        reject(&mut raw, &second).await?;
        let letter = raw.arrival(&dead).await?;
        let header = |key| letter.props.header(key).and_then(Value::text).unwrap_or_default();
        let found = ["x-first-death-queue", "x-first-death-reason", "x-first-death-exchange"].map(header);
        same("first death", found, [q.clone(), "rejected".to_owned(), String::new()])?;
        let both = [(second, "rejected".to_owned(), 1_i64), (q, "rejected".to_owned(), 1_i64)];
        same("story, newest first", story(&letter)?, both)?;
    }
    "dead-letter.headers.counted", "A second death of the same kind in the same queue raises the count", REF,
    "one entry with a count of 2", |ctx| {
        let (q, back) = (ctx.name("q"), ctx.name("back"));
        let mut raw = ctx.raw().await?;
        pair(&mut raw, &q, &back, []).await?;
        raw.publish("", &q, "m").await;
        for queue in [&q, &back, &q] {
            raw.until_ready(queue, 1).await?;
            reject(&mut raw, queue).await?;
        }
        let wanted = [(q, "rejected".to_owned(), 2_i64), (back.clone(), "rejected".to_owned(), 1)];
        same("story", story(&raw.arrival(&back).await?)?, wanted)?;
    }
    "dead-letter.headers.reasons-apart", "Deaths of different kinds in one queue are told apart", REF,
    "an entry for each, the newest first", |ctx| {
        let (q, back) = (ctx.name("q"), ctx.name("back"));
        let mut raw = ctx.raw().await?;
        pair(&mut raw, &q, &back, [("x-max-length", 1.into())]).await?;
        raw.publish("", &q, "m").await;
        for queue in [&q, &back] {
            raw.until_ready(queue, 1).await?;
            reject(&mut raw, queue).await?;
        }
        raw.until_ready(&q, 1).await?;
        raw.publish("", &q, "takes its place").await;
        let story = story(&raw.arrival(&back).await?)?;
        let of_q: Vec<_> = story.iter().filter(|(queue, ..)| *queue == q).cloned().collect();
        same("story", of_q, [(q.clone(), "maxlen".to_owned(), 1_i64), (q, "rejected".to_owned(), 1)])?;
        same("deaths", story.len(), 3)?;
    }
    "dead-letter.headers.others-kept", "Everything else of a message is as it was", REF,
    "properties, other headers and body", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        let sent = Props {
            content_type: Some("text/plain".into()),
            correlation_id: Some("c".into()),
            message_id: Some("id".into()),
            priority: Some(3),
            delivery_mode: Some(2),
            timestamp: Some(77),
            ..Props::headers([("mine", 5.into())])
        };
        raw.publish_with("", &q, 0, &sent, b"body").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("own header", letter.props.header("mine"), Some(&Value::I32(5)))?;
        same("properties", Props { headers: None, ..letter.props.clone() }, Props { headers: None, ..sent })?;
        same("body", letter.text(), "body")?;
    }
    "dead-letter.routing.original-key", "Without a key of the queue's a letter keeps its own", REF,
    "it is routed by it, from the dead letter exchange", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "direct").await?;
        raw.queue(&dead).await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        raw.bind(&dead, &x, &q).await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&dead).await?;
        same("exchange and key", (letter.exchange, letter.key), (x, q))?;
    }
    "dead-letter.routing.queues-key", "With a key of the queue's a letter has that", REF,
    "it is routed by it", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "topic").await?;
        raw.queue(&dead).await?;
        let key = ("x-dead-letter-routing-key", "the.dead".into());
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into()), key]).await?;
        raw.bind(&dead, &x, "the.*").await?;
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        same("key", raw.arrival(&dead).await?.key, "the.dead")?;
    }
    "dead-letter.routing.fanout", "A letter goes wherever its exchange leads", REF,
    "to two queues of a fanout", |ctx| {
        let (q, a, b, x) = (ctx.name("q"), ctx.name("a"), ctx.name("b"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "fanout").await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        for dead in [&a, &b] {
            raw.queue(dead).await?;
            raw.bind(dead, &x, "").await?;
        }
        raw.publish("", &q, "m").await;
        reject(&mut raw, &q).await?;
        for dead in [&a, &b] {
            same("letter", raw.arrival(dead).await?.text(), "m")?;
        }
    }
    "dead-letter.routing.no-exchange", "Without its exchange a dead message is dropped", REF,
    "and once the exchange is there letters arrive", |ctx| {
        let (q, dead, x) = (ctx.name("q"), ctx.name("dead"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        raw.publish("", &q, "lost").await;
        reject(&mut raw, &q).await?;
        raw.until_ready(&q, 0).await?;
        raw.exchange(&x, "fanout").await?;
        raw.bind(&dead, &x, "").await?;
        raw.publish("", &q, "kept").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "kept")?;
        same("more", raw.counts(&dead).await?.0, 0_u32)?;
    }
    "dead-letter.routing.cc-kept", "A letter with its own key keeps its CC", REF,
    "it is routed by both, and x-death tells both", |ctx| {
        let (q, a, b, x) = (ctx.name("q"), ctx.name("a"), ctx.name("b"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "direct").await?;
        raw.queue_with(&q, [("x-dead-letter-exchange", x.as_str().into())]).await?;
        for (dead, key) in [(&a, q.as_str()), (&b, "copy")] {
            raw.queue(dead).await?;
            raw.bind(dead, &x, key).await?;
        }
        raw.publish_with("", &q, 0, &Props::headers([("CC", strings(&["copy"]))]), b"m").await;
        reject(&mut raw, &q).await?;
        let letter = raw.arrival(&a).await?;
        same("copy", raw.arrival(&b).await?.text(), "m")?;
        let keys: Vec<Option<Value>> = deaths(&letter)?.iter().map(|e| lookup(e, "routing-keys").cloned()).collect();
        same("routing-keys", keys, [Some(strings(&[&q, "copy"]))])?;
    }
    "dead-letter.cycle.expiry-is-dropped", "A letter that would go round by itself is dropped", REF,
    "a queue whose expired messages come back to it ends empty", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let key = ("x-dead-letter-routing-key", q.as_str().into());
        raw.queue_with(&q, [("x-message-ttl", 30.into()), ("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &q, "m").await;
        raw.outlive(&ctx.name("clock"), 80).await?;
        raw.until_ready(&q, 0).await?;
        same("messages", raw.drain(&q).await?, Vec::<String>::new())?;
    }
    "dead-letter.cycle.rejection-goes-on", "A letter that someone rejects may go round", REF,
    "it comes back to its queue with a count of 1, then 2", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let key = ("x-dead-letter-routing-key", q.as_str().into());
        raw.queue_with(&q, [("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &q, "m").await;
        for round in [1_i64, 2] {
            raw.until_ready(&q, 1).await?;
            reject(&mut raw, &q).await?;
            raw.until_ready(&q, 1).await?;
            let Some(message) = raw.get(&q, false).await? else { return fail("nothing came back") };
            same("story", story(&message)?, [(q.clone(), "rejected".to_owned(), round)])?;
            raw.send(methods::basic_nack(message.tag, false, true)).await;
        }
    }
    "dead-letter.none.purge", "A purge is no death", REF,
    "no letters", |ctx| {
        let (q, dead) = (ctx.name("q"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::queue_purge(&q)).await?;
        raw.publish("", &q, "c").await;
        reject(&mut raw, &q).await?;
        same("letter", raw.arrival(&dead).await?.text(), "c")?;
        same("others", raw.counts(&dead).await?.0, 0_u32)?;
    }
    "dead-letter.none.delete", "A queue's deletion is no death", REF,
    "no letters", |ctx| {
        let (q, other, dead) = (ctx.name("q"), ctx.name("other"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        mortal(&mut raw, &q, &dead, []).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.call(methods::queue_delete(&q, 0)).await?;
        let key = ("x-dead-letter-routing-key", dead.as_str().into());
        raw.queue_with(&other, [("x-dead-letter-exchange", "".into()), key]).await?;
        raw.publish("", &other, "c").await;
        reject(&mut raw, &other).await?;
        same("letter", raw.arrival(&dead).await?.text(), "c")?;
        same("others", raw.counts(&dead).await?.0, 0_u32)?;
    }
}
