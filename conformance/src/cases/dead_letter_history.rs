//! The history that dead letters carry through several deaths, and what ends their way.

use crate::case::{Check, Stop, ensure, fail, same};
use crate::codec::{Props, Table, Value, lookup, strings, table};
use crate::methods::{self, c, q};
use crate::raw::{Message, Raw};

const REF: &str = "RabbitMQ: Dead Letter Exchanges, Dead-Lettered Effects on Messages";
const CYCLE: &str = "RabbitMQ: Dead Letter Exchanges, Automatically Dead-Lettered Messages in Cycles";

/// A queue whose dead letters go straight to another one.
async fn leading<const N: usize>(raw: &mut Raw, from: &str, to: &str, more: [(&str, Value); N]) -> Check {
    let letters = [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", to.into())];
    let args = [table(letters), table(more)].concat();
    raw.declare(from, q::EXCLUSIVE, args).await.map(|_| ())
}

fn deaths(message: &Message) -> Check<Vec<Table>> {
    let Some(Value::Array(entries)) = message.props.header("x-death") else {
        return fail(format!("no x-death in {:?}", message.props.headers));
    };
    let tables = entries.iter().map(|entry| entry.table().cloned());
    tables.collect::<Option<Vec<Table>>>().ok_or_else(|| Stop::Fail("x-death holds more than tables".into()))
}

/// The first entry of x-death.
fn newest(message: &Message) -> Check<Table> {
    deaths(message)?.into_iter().next().ok_or_else(|| Stop::Fail("x-death is empty".into()))
}

/// Queue, reason and count of each death, as they stand in x-death.
fn story(message: &Message) -> Check<Vec<(String, String, i64)>> {
    let text = |entry: &Table, key: &str| lookup(entry, key).and_then(Value::text).unwrap_or_default();
    let count = |entry: &Table| lookup(entry, "count").and_then(Value::number).unwrap_or_default();
    Ok(deaths(message)?.iter().map(|e| (text(e, "queue"), text(e, "reason"), count(e))).collect())
}

fn death(queue: &str, reason: &str, count: i64) -> (String, String, i64) {
    (queue.to_owned(), reason.to_owned(), count)
}

/// Waits for a message of a queue and rejects it.
async fn reject(raw: &mut Raw, queue: &str) -> Check<Message> {
    raw.until_ready(queue, 1).await?;
    let Some(message) = raw.get(queue, false).await? else { return fail(format!("{queue} is empty")) };
    raw.send(methods::basic_reject(message.tag, false)).await;
    Ok(message)
}

crate::cases! {
    "dead-letter.history.three-queues", "A letter tells of each queue it died in", REF,
    "three entries, the newest first, each counted once", |ctx| {
        let (a, b, c, dead) = (ctx.name("a"), ctx.name("b"), ctx.name("c"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        for (from, to) in [(&c, &dead), (&b, &c), (&a, &b)] {
            leading(&mut raw, from, to, []).await?;
        }
        raw.publish("", &a, "m").await;
        for queue in [&a, &b, &c] {
            reject(&mut raw, queue).await?;
        }
        let wanted = [death(&c, "rejected", 1), death(&b, "rejected", 1), death(&a, "rejected", 1)];
        same("story", story(&raw.arrival(&dead).await?)?, wanted)?;
    }
    "dead-letter.history.to-the-front", "A queue in which a letter dies again stands first in its history", REF,
    "with a higher count, before the queue where it died in between", |ctx| {
        let (a, b) = (ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        leading(&mut raw, &a, &b, []).await?;
        leading(&mut raw, &b, &a, []).await?;
        raw.publish("", &a, "m").await;
        for queue in [&a, &b, &a] {
            reject(&mut raw, queue).await?;
        }
        let letter = raw.arrival(&b).await?;
        same("story", story(&letter)?, [death(&a, "rejected", 2), death(&b, "rejected", 1)])?;
        let header = |key| letter.props.header(key).and_then(Value::text).unwrap_or_default();
        same("first death", (header("x-first-death-queue"), header("x-first-death-reason")), (a, "rejected".into()))?;
    }
    "dead-letter.history.retry-loop", "A worker's rejects and a waiting queue's expiries count side by side", CYCLE,
    "after three rounds each stands with 3, and the message is alive", |ctx| {
        let (work, wait) = (ctx.name("work"), ctx.name("wait"));
        let mut raw = ctx.raw().await?;
        leading(&mut raw, &work, &wait, []).await?;
        leading(&mut raw, &wait, &work, [("x-message-ttl", 20.into())]).await?;
        raw.publish("", &work, "m").await;
        for round in 0..3_i64 {
            let message = reject(&mut raw, &work).await?;
            if round > 0 {
                let wanted = [death(&wait, "expired", round), death(&work, "rejected", round)];
                same("story", story(&message)?, wanted)?;
            }
        }
        let letter = raw.arrival(&work).await?;
        same("story", story(&letter)?, [death(&wait, "expired", 3), death(&work, "rejected", 3)])?;
        same("body", letter.text(), "m")?;
    }
    "dead-letter.history.kept-by-a-republish", "A client that publishes a letter again goes on with its history", REF,
    "the new death stands before the old ones", |ctx| {
        let (a, b, dead) = (ctx.name("a"), ctx.name("b"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        leading(&mut raw, &b, &dead, []).await?;
        raw.publish("", &a, "m").await;
        reject(&mut raw, &a).await?;
        let letter = raw.arrival(&dead).await?;
        raw.publish_with("", &b, 0, &letter.props, b"m").await;
        reject(&mut raw, &b).await?;
        let wanted = [death(&b, "rejected", 1), death(&a, "rejected", 1)];
        same("story", story(&raw.arrival(&dead).await?)?, wanted)?;
    }
    "dead-letter.history.first-of-each", "The first exchange and key of a death stay with its entry", REF,
    "a second death by another way raises only the count", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        raw.bind(&a, "amq.topic", &format!("{a}.*")).await?;
        raw.publish("amq.topic", &format!("{a}.first"), "m").await;
        reject(&mut raw, &a).await?;
        let letter = raw.arrival(&dead).await?;
        raw.publish_with("", &a, 0, &letter.props, b"m").await;
        reject(&mut raw, &a).await?;
        let again = raw.arrival(&dead).await?;
        same("story", story(&again)?, [death(&a, "rejected", 2)])?;
        let entry = newest(&again)?;
        same("exchange", lookup(&entry, "exchange").and_then(Value::text), Some("amq.topic".to_owned()))?;
        let first_key = format!("{a}.first");
        same("routing-keys", lookup(&entry, "routing-keys"), Some(&strings(&[&first_key])))?;
    }
    "dead-letter.history.own-key-beside-queues-key", "A letter's history tells the key it was published with", REF,
    "though it travels under the queue's dead letter key", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        raw.publish("", &a, "m").await;
        reject(&mut raw, &a).await?;
        let letter = raw.arrival(&dead).await?;
        same("exchange and key", (letter.exchange.as_str(), letter.key.as_str()), ("", dead.as_str()))?;
        same("routing-keys", lookup(&newest(&letter)?, "routing-keys"), Some(&strings(&[&a])))?;
    }
    "dead-letter.history.expiration-of-rejected", "A rejected message loses its expiration too", REF,
    "so that the letter does not expire; original-expiration tells it", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        raw.publish_with("", &a, 0, &Props::expiring("60000"), b"m").await;
        reject(&mut raw, &a).await?;
        let letter = raw.arrival(&dead).await?;
        same("expiration", letter.props.expiration.clone(), None)?;
        let original = lookup(&newest(&letter)?, "original-expiration").and_then(Value::text);
        same("original-expiration", original, Some("60000".to_owned()))?;
    }
    "dead-letter.history.time-of-death", "The time of death is when it died", REF,
    "the same within a minute as another letter's, and a timestamp", |ctx| {
        let (a, b, dead) = (ctx.name("a"), ctx.name("b"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        leading(&mut raw, &b, &dead, [("x-message-ttl", 20.into())]).await?;
        let mut times = Vec::new();
        raw.publish("", &a, "m").await;
        reject(&mut raw, &a).await?;
        raw.publish_with("", &b, 0, &Props { timestamp: Some(7), ..Props::default() }, b"m").await;
        for _ in 0..2 {
            match lookup(&newest(&raw.arrival(&dead).await?)?, "time") {
                Some(Value::Time(time)) => times.push(*time),
                other => return fail(format!("time is {other:?}")),
            }
        }
        let [first, second] = times[..] else { return fail("not two letters") };
        ensure(first > 1_600_000_000 && second >= first && second - first < 60, format!("times {times:?}"))?;
    }
    "dead-letter.history.no-death-no-history", "A message that lives has no history", REF,
    "one that was requeued and delivered again carries no header of the broker", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        raw.publish_with("", &a, 0, &Props::headers([("mine", 1.into())]), b"m").await;
        raw.hold(&a, 1).await?;
        raw.call(methods::basic_recover(true)).await?;
        same("headers", raw.take(&a).await?.props.headers, Some(table([("mine", 1.into())])))?;
    }
    "dead-letter.cycle.two-queues-expire", "A letter that would go round between two queues is dropped", CYCLE,
    "it dies once in each and is gone", |ctx| {
        let (a, b) = (ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        leading(&mut raw, &a, &b, [("x-message-ttl", 30.into())]).await?;
        leading(&mut raw, &b, &a, [("x-message-ttl", 60.into())]).await?;
        raw.publish("", &a, "m").await;
        raw.outlive(&ctx.name("clock"), 200).await?;
        same("a", raw.drain(&a).await?, Vec::<String>::new())?;
        same("b", raw.drain(&b).await?, Vec::<String>::new())?;
    }
    "dead-letter.cycle.maxlen-to-itself", "What a full queue drops does not come back into it", CYCLE,
    "the newest stays, the others are gone", |ctx| {
        let a = ctx.name("a");
        let mut raw = ctx.raw().await?;
        leading(&mut raw, &a, &a, [("x-max-length", 1.into())]).await?;
        raw.fill_queue(&a, &["1", "2", "3"]).await;
        raw.until_ready(&a, 1).await?;
        same("messages", raw.drain(&a).await?, ["3"])?;
    }
    "dead-letter.cycle.others-get-it", "A letter that is dropped for one queue reaches the others", CYCLE,
    "of a fanout that leads back to its queue and to another, only the other has it", |ctx| {
        let (a, b, x) = (ctx.name("a"), ctx.name("b"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "fanout").await?;
        raw.queue_with(&a, [("x-dead-letter-exchange", x.as_str().into()), ("x-message-ttl", 30.into())]).await?;
        raw.queue(&b).await?;
        raw.bind(&a, &x, "").await?;
        raw.bind(&b, &x, "").await?;
        raw.publish("", &a, "m").await;
        same("letter", story(&raw.arrival(&b).await?)?, [death(&a, "expired", 1)])?;
        same("back", raw.drain(&a).await?, Vec::<String>::new())?;
    }
    "dead-letter.none.no-ack", "What was delivered without acks cannot die any more", REF,
    "no letter after the consumer's channel is closed", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, [("x-message-ttl", 30.into())]).await?;
        raw.switch(2).await?;
        raw.consume(&a, "", c::NO_ACK).await?;
        raw.publish("", &a, "taken").await;
        same("taken", raw.texts(1).await?, ["taken"])?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.publish("", &a, "dies").await;
        same("letter", raw.arrival(&dead).await?.text(), "dies")?;
        same("more", raw.drain(&dead).await?, Vec::<String>::new())?;
    }
    "dead-letter.none.rolled-back", "A reject that is rolled back is no death",
    "RabbitMQ: Specification, tx; Dead Letter Exchanges", "the letter comes with the commit of a second reject", |ctx| {
        let (a, dead) = (ctx.name("a"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, []).await?;
        raw.publish("", &a, "m").await;
        raw.until_ready(&a, 1).await?;
        raw.call(methods::tx_select()).await?;
        raw.hold(&a, 1).await?;
        raw.send(methods::basic_reject(1, false)).await;
        raw.call(methods::tx_rollback()).await?;
        same("letters", raw.drain(&dead).await?, Vec::<String>::new())?;
        raw.send(methods::basic_reject(1, false)).await;
        raw.call(methods::tx_commit()).await?;
        same("story", story(&raw.arrival(&dead).await?)?, [death(&a, "rejected", 1)])?;
    }
    "dead-letter.none.queue-expiry", "A queue's expiry is no death of its messages", "RabbitMQ: Queue TTL",
    "no letters of what was in it", |ctx| {
        let (a, b, dead) = (ctx.name("a"), ctx.name("b"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &a, &dead, [("x-expires", 60.into())]).await?;
        leading(&mut raw, &b, &dead, [("x-message-ttl", 300.into())]).await?;
        raw.publish("", &a, "lost").await;
        raw.publish("", &b, "dies").await;
        same("letter", raw.arrival(&dead).await?.text(), "dies")?;
        raw.until_gone(&a).await?;
        same("more", raw.drain(&dead).await?, Vec::<String>::new())?;
    }
}
