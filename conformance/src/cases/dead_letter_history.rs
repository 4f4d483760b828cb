//! The history that dead letters carry through several deaths, and what ends their way.

use crate::case::{Check, Stop, ensure, fail, same};
use crate::codec::{Props, Table, Value, lookup, strings, table};
use crate::methods::{self, c, q};
use crate::raw::{Message, Raw};

const REF: &str = "RabbitMQ: Dead Letter Exchanges, Dead-Lettered Effects on Messages";
const OWN: &str = "RabbitMQ 4.0: release notes, x-death is the broker's own";
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
    "dead-letter.history.republished", "A client that publishes a letter again starts a new history", OWN,
    "the new death stands alone, in all headers", |ctx| {
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
        let letter = raw.arrival(&dead).await?;
        same("story", story(&letter)?, [death(&b, "rejected", 1)])?;
        same("first death", letter.props.header("x-first-death-queue").and_then(Value::text), Some(b.clone()))?;
        same("last death", letter.props.header("x-last-death-queue").and_then(Value::text), Some(b))?;
    }
    "dead-letter.history.publishers-own", "What a publisher puts into x-death comes to consumers as it is", OWN,
    "a message that did not die keeps it, whatever it is", |ctx| {
        let queue = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&queue).await?;
        let count = table([("count", Value::I64(7)), ("queue", queue.as_str().into()), ("reason", "expired".into())]);
        for value in [Value::Array(vec![Value::Table(count)]), "x".into(), Value::Void, strings(&["x"])] {
            let mine = [("x-death", value), ("x-first-death-queue", "mine".into()), ("x-last-death-reason", "mine".into())];
            let props = Props::headers(mine);
            raw.publish_with("", &queue, 0, &props, b"m").await;
            same("headers", raw.arrival(&queue).await?.props.headers, props.headers)?;
        }
    }
    "dead-letter.history.publishers-own-forgotten", "What a publisher puts into x-death is no history", OWN,
    "at the first death it is gone, and nothing counts on from it", |ctx| {
        let (from, dead) = (ctx.name("from"), ctx.name("dead"));
        let mut raw = ctx.raw().await?;
        raw.queue(&dead).await?;
        leading(&mut raw, &from, &dead, []).await?;
        let entry = |queue: &str, reason: &str| {
            let fields = [("count", Value::I64(7)), ("queue", queue.into()), ("reason", reason.into())];
            Value::Table(table(fields))
        };
        let own = vec![entry(&from, "rejected"), entry("elsewhere", "expired"), entry(&dead, "expired")];
        let without_count = Value::Table(table([("queue", from.as_str().into()), ("reason", "rejected".into())]));
        for value in [Value::Array(own), Value::Array(vec![without_count]), "x".into(), Value::Void, strings(&["x"])] {
            let firsts = ["queue", "reason", "exchange"].map(|part| (format!("x-first-death-{part}"), "mine".into()));
            let lasts = ["queue", "reason", "exchange"].map(|part| (format!("x-last-death-{part}"), "mine".into()));
            let headers = [vec![("x-death".to_owned(), value)], firsts.to_vec(), lasts.to_vec()].concat();
            let props = Props { headers: Some(headers), ..Props::default() };
            raw.publish_with("", &from, 0, &props, b"m").await;
            reject(&mut raw, &from).await?;
            let letter = raw.arrival(&dead).await?;
            same("story", story(&letter)?, [death(&from, "rejected", 1)])?;
            for prefix in ["x-first-death", "x-last-death"] {
                let part = |part: &str| letter.props.header(&format!("{prefix}-{part}")).and_then(Value::text);
                let found = [part("queue"), part("reason"), part("exchange")];
                same(prefix, found, [&*from, "rejected", ""].map(|text| Some(text.to_owned())))?;
            }
        }
    }
    "dead-letter.history.delayed-retries", "A task that is published to a waiting queue again and again", OWN,
    "each time it comes back by expiry; its history of earlier times does not make that a cycle", |ctx| {
        let (wait, work) = (ctx.name("wait"), ctx.name("work"));
        let mut raw = ctx.raw().await?;
        raw.queue(&work).await?;
        leading(&mut raw, &wait, &work, [("x-message-ttl", 10.into())]).await?;
        raw.publish("", &wait, "m").await;
        for _ in 0..3 {
            let letter = raw.arrival(&work).await?;
            same("story", story(&letter)?, [death(&wait, "expired", 1)])?;
            // As a worker does that puts the headers it got, and its own history, into the retry.
            let mut props = letter.props.clone();
            let past = table([("queue", work.as_str().into()), ("reason", "expired".into()), ("count", Value::I64(1))]);
            let headers = props.headers.get_or_insert_default();
            headers.retain(|(key, _)| key != "x-death");
            headers.push(("x-death".to_owned(), Value::Array(vec![Value::Table(past)])));
            raw.publish_with("", &wait, 0, &props, b"m").await;
        }
    }
    "dead-letter.history.first-of-each", "The first exchange and key of a death stay with its entry", REF,
    "a second death by another way raises only the count", |ctx| {
        let (a, back) = (ctx.name("a"), ctx.name("back"));
        let mut raw = ctx.raw().await?;
        leading(&mut raw, &back, &a, []).await?;
        leading(&mut raw, &a, &back, []).await?;
        raw.bind(&a, "amq.topic", &format!("{a}.*")).await?;
        raw.publish("amq.topic", &format!("{a}.first"), "m").await;
        for queue in [&a, &back, &a] {
            reject(&mut raw, queue).await?;
        }
        let again = raw.arrival(&back).await?;
        same("story", story(&again)?, [death(&a, "rejected", 2), death(&back, "rejected", 1)])?;
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
