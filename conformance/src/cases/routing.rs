//! Where messages go: the four exchange types, bindings between exchanges, alternate exchanges, CC and BCC.

use crate::case::{Check, Ctx, same};
use crate::codec::{Props, Table, Value, strings, table};
use crate::methods::{self, x};
use crate::raw::{Confirm, Raw};

const DIRECT: &str = "AMQP 0-9-1, 3.1.3.1 (direct exchange)";
const FANOUT: &str = "AMQP 0-9-1, 3.1.3.2 (fanout exchange)";
const TOPIC: &str = "AMQP 0-9-1, 3.1.3.3 (topic exchange)";
const HEADERS: &str = "AMQP 0-9-1, 3.1.3.4 (headers exchange)";
const DEFAULT: &str = "AMQP 0-9-1, 3.1.3.1 (default exchange)";
const BETWEEN: &str = "RabbitMQ: Exchange to Exchange Bindings";
const ALTERNATE: &str = "RabbitMQ: Alternate Exchanges";
const SENDER: &str = "RabbitMQ: Sender-selected Distribution";

/// A connection with an exchange and a queue bound to it by each of these keys.
async fn bound(ctx: &Ctx, kind: &str, keys: &[&str]) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.call(methods::confirm_select()).await?;
    raw.exchange(&ctx.name("x"), kind).await?;
    raw.queue(&ctx.name("q")).await?;
    for key in keys {
        raw.bind(&ctx.name("q"), &ctx.name("x"), key).await?;
    }
    Ok(raw)
}

/// Publishes a message for each key, the key as its body; which came to the queue.
async fn arrivals(ctx: &Ctx, raw: &mut Raw, keys: &[&str]) -> Check<Vec<String>> {
    for key in keys {
        raw.publish(&ctx.name("x"), key, key).await;
    }
    raw.confirms(keys.len() as u64).await?;
    raw.drain(&ctx.name("q")).await
}

/// Checks which of some keys a topic binding lets through.
async fn topic(ctx: &Ctx, pattern: &str, through: &[&str], not: &[&str]) -> Check {
    let mut raw = bound(ctx, "topic", &[pattern]).await?;
    let all: Vec<&str> = through.iter().chain(not).copied().collect();
    same(&format!("through {pattern}"), arrivals(ctx, &mut raw, &all).await?, through)
}

/// Checks which messages a headers binding lets through: each is its headers, or none.
async fn headers(ctx: &Ctx, binding: Table, messages: &[(&str, Option<Table>)], through: &[&str]) -> Check {
    let mut raw = bound(ctx, "headers", &[]).await?;
    raw.call(methods::queue_bind(&ctx.name("q"), &ctx.name("x"), "", binding)).await?;
    for (body, headers) in messages {
        let props = Props { headers: headers.clone(), ..Props::default() };
        raw.publish_with(&ctx.name("x"), "", 0, &props, body.as_bytes()).await;
    }
    raw.confirms(messages.len() as u64).await?;
    same("through", raw.drain(&ctx.name("q")).await?, through)
}

/// An exchange with an alternate.
async fn with_alternate(raw: &mut Raw, name: &str, kind: &str, alternate: &str) -> Check {
    let args = table([("alternate-exchange", alternate.into())]);
    raw.call(methods::exchange_declare(name, kind, x::NONE, args)).await.map(|_| ())
}

crate::cases! {
    "routing.direct.exact", "A direct exchange compares keys exactly", DIRECT,
    "the key itself, not its case, prefix or pattern", |ctx| {
        let mut raw = bound(&ctx, "direct", &["key"]).await?;
        same("through", arrivals(&ctx, &mut raw, &["key", "Key", "ke", "key.", "*", ""]).await?, ["key"])?;
    }
    "routing.direct.empty-key", "The empty key is a key", DIRECT,
    "only the message with the empty key", |ctx| {
        let mut raw = bound(&ctx, "direct", &[""]).await?;
        same("through", arrivals(&ctx, &mut raw, &["", "a"]).await?, [""])?;
    }
    "routing.direct.several-keys", "A queue may be bound by several keys", DIRECT,
    "messages of each", |ctx| {
        let mut raw = bound(&ctx, "direct", &["a", "b"]).await?;
        same("through", arrivals(&ctx, &mut raw, &["b", "a", "c"]).await?, ["b", "a"])?;
    }
    "routing.direct.same-binding-twice", "The same binding twice is one", "AMQP 0-9-1, 1.7.2.3 (queue.bind)",
    "one copy, and one unbind ends it", |ctx| {
        let mut raw = bound(&ctx, "direct", &["a", "a"]).await?;
        same("copies", arrivals(&ctx, &mut raw, &["a"]).await?, ["a"])?;
        raw.call(methods::queue_unbind(&ctx.name("q"), &ctx.name("x"), "a", Table::new())).await?;
        raw.publish(&ctx.name("x"), "a", "a").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(2, false))?;
        same("after unbinding", raw.drain(&ctx.name("q")).await?, Vec::<String>::new())?;
    }
    "routing.direct.several-queues", "Each queue bound by a key gets a copy", DIRECT,
    "one copy each", |ctx| {
        let mut raw = bound(&ctx, "direct", &["a"]).await?;
        raw.queue(&ctx.name("other")).await?;
        raw.bind(&ctx.name("other"), &ctx.name("x"), "a").await?;
        same("copies", arrivals(&ctx, &mut raw, &["a"]).await?, ["a"])?;
        same("copies", raw.drain(&ctx.name("other")).await?, ["a"])?;
    }
    "routing.direct.long-key", "A key may have 255 bytes", DIRECT,
    "it is told apart from one that differs in the last", |ctx| {
        let (key, other) = ("k".repeat(255), format!("{}l", "k".repeat(254)));
        let mut raw = bound(&ctx, "direct", &[&key]).await?;
        same("through", arrivals(&ctx, &mut raw, &[&other, &key]).await?, [key])?;
    }
    "routing.fanout.any-key", "A fanout takes no notice of keys", FANOUT,
    "all messages, once each, however often the queue is bound", |ctx| {
        let mut raw = bound(&ctx, "fanout", &["a", "b"]).await?;
        same("through", arrivals(&ctx, &mut raw, &["", "a", "z"]).await?, ["", "a", "z"])?;
    }
    "routing.default.by-queue-name", "The default exchange leads to the queue of the key's name", DEFAULT,
    "without any binding", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        let message = raw.take(&q).await?;
        same("exchange and key", (message.exchange, message.key), (String::new(), q))?;
    }
    "routing.topic.star", "A star is exactly one word", TOPIC,
    "a.*.c takes any one word, also an empty one, between a and c", |ctx| {
        topic(&ctx, "a.*.c", &["a.b.c", "a..c", "a.*.c"], &["a.c", "a.b.b.c", "a.b.cd", "b.b.c", ""]).await?;
    }
    "routing.topic.star-alone", "A lone star is one word", TOPIC,
    "one word, not two", |ctx| {
        topic(&ctx, "*", &["a", "abc"], &["a.b", "a."]).await?;
    }
    "routing.topic.hash", "A hash is any number of words", TOPIC,
    "everything, the empty key too", |ctx| {
        topic(&ctx, "#", &["", "a", "a.b.c", ".."], &[]).await?;
    }
    "routing.topic.hash-at-the-end", "A hash at the end may be nothing", TOPIC,
    "a and all below it", |ctx| {
        topic(&ctx, "a.#", &["a", "a.b", "a.b.c", "a."], &["b", "ab", "b.a", ""]).await?;
    }
    "routing.topic.hash-at-the-start", "A hash at the start may be nothing", TOPIC,
    "whatever ends in z", |ctx| {
        topic(&ctx, "#.z", &["z", "a.z", "a.b.z", ".z"], &["z.a", "az", ""]).await?;
    }
    "routing.topic.hash-in-the-middle", "A hash in the middle may be nothing or many", TOPIC,
    "whatever begins with a and ends in z", |ctx| {
        topic(&ctx, "a.#.z", &["a.z", "a.b.z", "a.b.c.z", "a.z.z"], &["a", "z", "az", "a.z.b"]).await?;
    }
    "routing.topic.star-and-hash", "Star and hash together are one word or more", TOPIC,
    "not the empty list of words", |ctx| {
        topic(&ctx, "a.*.#", &["a.b", "a.b.c", "a."], &["a", "b.a"]).await?;
    }
    "routing.topic.two-hashes", "Two hashes are as good as one", TOPIC,
    "everything", |ctx| {
        topic(&ctx, "#.#", &["", "a", "a.b.c"], &[]).await?;
    }
    "routing.topic.two-hashes-around", "A word between two hashes may stand anywhere", TOPIC,
    "all that have it", |ctx| {
        topic(&ctx, "#.x.#", &["x", "a.x", "x.a", "a.x.b", "x.x"], &["", "a", "ax", "a.b"]).await?;
    }
    "routing.topic.not-part-of-a-word", "Star and hash are words, not parts of words", TOPIC,
    "a* and #b are taken literally", |ctx| {
        topic(&ctx, "a*.#b", &["a*.#b"], &["ab.b", "a.b", "ax.xb"]).await?;
    }
    "routing.topic.empty-pattern", "The empty pattern is the empty key", TOPIC,
    "only it", |ctx| {
        topic(&ctx, "", &[""], &["a", "."]).await?;
    }
    "routing.topic.overlapping-once", "Overlapping bindings deliver once", TOPIC,
    "one copy for a queue with three matching patterns", |ctx| {
        let mut raw = bound(&ctx, "topic", &["a.#", "*.b", "#"]).await?;
        same("copies", arrivals(&ctx, &mut raw, &["a.b"]).await?, ["a.b"])?;
    }
    "routing.topic.unbind-one-of-two", "Unbinding one of two patterns leaves the other", TOPIC,
    "messages of the other still come", |ctx| {
        let mut raw = bound(&ctx, "topic", &["a.*", "*.b"]).await?;
        raw.call(methods::queue_unbind(&ctx.name("q"), &ctx.name("x"), "a.*", Table::new())).await?;
        same("through", arrivals(&ctx, &mut raw, &["a.c", "a.b", "c.b"]).await?, ["a.b", "c.b"])?;
    }
    "routing.headers.all", "With x-match all, all headers have to fit", HEADERS,
    "more may be there, fewer not, other values not", |ctx| {
        let binding = table([("x-match", "all".into()), ("a", 1.into()), ("b", "two".into())]);
        let messages = [
            ("both", Some(table([("a", 1.into()), ("b", "two".into())]))),
            ("more", Some(table([("a", 1.into()), ("b", "two".into()), ("c", 3.into())]))),
            ("one", Some(table([("a", 1.into())]))),
            ("other value", Some(table([("a", 1.into()), ("b", "three".into())]))),
            ("none", None),
        ];
        headers(&ctx, binding, &messages, &["both", "more"]).await?;
    }
    "routing.headers.default-is-all", "Without x-match it is all", HEADERS,
    "one of two is not enough", |ctx| {
        let binding = table([("a", 1.into()), ("b", 2.into())]);
        let messages = [
            ("one", Some(table([("a", 1.into())]))),
            ("both", Some(table([("b", 2.into()), ("a", 1.into())]))),
        ];
        headers(&ctx, binding, &messages, &["both"]).await?;
    }
    "routing.headers.any", "With x-match any, one header is enough", HEADERS,
    "one that fits, whatever the others are", |ctx| {
        let binding = table([("x-match", "any".into()), ("a", 1.into()), ("b", 2.into())]);
        let messages = [
            ("first", Some(table([("a", 1.into())]))),
            ("second", Some(table([("a", 9.into()), ("b", 2.into())]))),
            ("neither", Some(table([("a", 2.into()), ("b", 1.into())]))),
            ("none", None),
        ];
        headers(&ctx, binding, &messages, &["first", "second"]).await?;
    }
    "routing.headers.presence", "A void in a binding asks for the header's presence", HEADERS,
    "any value", |ctx| {
        let binding = table([("x-match", "all".into()), ("a", Value::Void)]);
        let messages = [
            ("number", Some(table([("a", 1.into())]))),
            ("text", Some(table([("a", "x".into())]))),
            ("absent", Some(table([("b", 1.into())]))),
        ];
        headers(&ctx, binding, &messages, &["number", "text"]).await?;
    }
    "routing.headers.x-headers-ignored", "Headers beginning with x- do not count with all and any", HEADERS,
    "they match whatever the message has", |ctx| {
        let binding = table([("x-match", "all".into()), ("a", 1.into()), ("x-b", 2.into())]);
        let messages = [
            ("without", Some(table([("a", 1.into())]))),
            ("other", Some(table([("a", 1.into()), ("x-b", 9.into())]))),
        ];
        headers(&ctx, binding, &messages, &["without", "other"]).await?;
    }
    "routing.headers.all-with-x", "With all-with-x they count", "RabbitMQ: Release Notes 3.10, headers exchange",
    "x-b has to fit as well", |ctx| {
        let binding = table([("x-match", "all-with-x".into()), ("a", 1.into()), ("x-b", 2.into())]);
        let messages = [
            ("without", Some(table([("a", 1.into())]))),
            ("with", Some(table([("a", 1.into()), ("x-b", 2.into())]))),
        ];
        headers(&ctx, binding, &messages, &["with"]).await?;
    }
    "routing.headers.any-with-x", "With any-with-x one of them is enough", "RabbitMQ: Release Notes 3.10, headers exchange",
    "x-b alone fits", |ctx| {
        let binding = table([("x-match", "any-with-x".into()), ("a", 1.into()), ("x-b", 2.into())]);
        let messages = [
            ("x only", Some(table([("x-b", 2.into())]))),
            ("neither", Some(table([("x-b", 3.into())]))),
        ];
        headers(&ctx, binding, &messages, &["x only"]).await?;
    }
    "routing.headers.empty-all", "A binding without headers and x-match all takes everything", HEADERS,
    "messages with and without headers", |ctx| {
        let binding = table([("x-match", "all".into())]);
        let messages = [("with", Some(table([("a", 1.into())]))), ("without", None)];
        headers(&ctx, binding, &messages, &["with", "without"]).await?;
    }
    "routing.headers.key-means-nothing", "A headers exchange takes no notice of the routing key", HEADERS,
    "a binding's key and a message's may differ", |ctx| {
        let mut raw = bound(&ctx, "headers", &[]).await?;
        let (q, x) = (ctx.name("q"), ctx.name("x"));
        raw.call(methods::queue_bind(&q, &x, "one", table([("a", 1.into())]))).await?;
        raw.publish_with(&x, "two", 0, &Props::headers([("a", 1.into())]), b"m").await;
        raw.confirms(1).await?;
        same("through", raw.drain(&q).await?, ["m"])?;
    }
    "routing.between.chain", "Bindings between exchanges make chains", BETWEEN,
    "a message goes through topic, fanout and direct", |ctx| {
        let (q, a, b, c) = (ctx.name("q"), ctx.name("a"), ctx.name("b"), ctx.name("c"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for (name, kind) in [(&a, "topic"), (&b, "fanout"), (&c, "direct")] {
            raw.exchange(name, kind).await?;
        }
        raw.call(methods::exchange_bind(&b, &a, "k.#", Table::new())).await?;
        raw.call(methods::exchange_bind(&c, &b, "", Table::new())).await?;
        raw.bind(&q, &c, "k.1").await?;
        raw.call(methods::confirm_select()).await?;
        for key in ["k.1", "k.2", "l.1"] {
            raw.publish(&a, key, key).await;
        }
        raw.confirms(3).await?;
        let message = raw.take(&q).await?;
        same("exchange and key", (message.exchange, message.key), (a, "k.1".to_owned()))?;
        same("others", raw.counts(&q).await?.0, 0_u32)?;
    }
    "routing.between.two-paths-once", "Two paths to a queue deliver once", BETWEEN,
    "one copy", |ctx| {
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&a, "fanout").await?;
        raw.exchange(&b, "fanout").await?;
        raw.call(methods::exchange_bind(&b, &a, "", Table::new())).await?;
        raw.bind(&q, &a, "").await?;
        raw.bind(&q, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "", "m").await;
        raw.confirms(1).await?;
        same("copies", raw.drain(&q).await?, ["m"])?;
    }
    "routing.between.cycle-ends", "A cycle of exchanges ends", BETWEEN,
    "one copy, and the broker goes on", |ctx| {
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&a, "fanout").await?;
        raw.exchange(&b, "fanout").await?;
        raw.call(methods::exchange_bind(&b, &a, "", Table::new())).await?;
        raw.call(methods::exchange_bind(&a, &b, "", Table::new())).await?;
        raw.bind(&q, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "", "m").await;
        raw.confirms(1).await?;
        same("copies", raw.drain(&q).await?, ["m"])?;
    }
    "routing.between.unbind", "Unbinding exchanges ends the path", BETWEEN,
    "nothing more comes", |ctx| {
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&a, "direct").await?;
        raw.exchange(&b, "fanout").await?;
        raw.call(methods::exchange_bind(&b, &a, "k", Table::new())).await?;
        raw.bind(&q, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "k", "before").await;
        raw.confirms(1).await?;
        raw.call(methods::exchange_unbind(&b, &a, "k", Table::new())).await?;
        raw.publish(&a, "k", "after").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(2, false))?;
        same("messages", raw.drain(&q).await?, ["before"])?;
    }
    "routing.between.to-internal", "An internal exchange takes what other exchanges send", "AMQP 0-9-1, 1.6.2.1 (internal)",
    "messages arrive through it", |ctx| {
        let (q, a, b) = (ctx.name("q"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.exchange(&a, "fanout").await?;
        raw.call(methods::exchange_declare(&b, "fanout", x::INTERNAL, Table::new())).await?;
        raw.call(methods::exchange_bind(&b, &a, "", Table::new())).await?;
        raw.bind(&q, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "", "m").await;
        raw.confirms(1).await?;
        same("messages", raw.drain(&q).await?, ["m"])?;
    }
    "routing.alternate.unroutable", "What an exchange cannot route goes to its alternate", ALTERNATE,
    "only what it cannot route", |ctx| {
        let (q, rest, a, b) = (ctx.name("q"), ctx.name("rest"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&b, "fanout").await?;
        with_alternate(&mut raw, &a, "direct", &b).await?;
        raw.queue(&q).await?;
        raw.queue(&rest).await?;
        raw.bind(&q, &a, "known").await?;
        raw.bind(&rest, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "known", "1").await;
        raw.publish(&a, "unknown", "2").await;
        raw.confirms(2).await?;
        same("routed", raw.drain(&q).await?, ["1"])?;
        same("the rest", raw.drain(&rest).await?, ["2"])?;
    }
    "routing.alternate.mandatory-not-returned", "What the alternate takes is not returned", ALTERNATE,
    "a confirm and no return", |ctx| {
        let (rest, a, b) = (ctx.name("rest"), ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&b, "fanout").await?;
        with_alternate(&mut raw, &a, "direct", &b).await?;
        raw.queue(&rest).await?;
        raw.bind(&rest, &b, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with(&a, "k", 1, &Props::default(), b"m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        same("the rest", raw.drain(&rest).await?, ["m"])?;
    }
    "routing.alternate.mandatory-returned", "What the alternate cannot route either is returned", ALTERNATE,
    "basic.return, then the confirm", |ctx| {
        let (a, b) = (ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&b, "fanout").await?;
        with_alternate(&mut raw, &a, "direct", &b).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with(&a, "k", 1, &Props::default(), b"m").await;
        let returned = raw.returned().await?;
        same("return", (returned.code, returned.exchange, returned.key), (312_u16, a, "k".to_owned()))?;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "routing.alternate.chain", "An alternate may have an alternate", ALTERNATE,
    "the last one gets it", |ctx| {
        let (rest, a, b, c) = (ctx.name("rest"), ctx.name("a"), ctx.name("b"), ctx.name("c"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&c, "fanout").await?;
        with_alternate(&mut raw, &b, "direct", &c).await?;
        with_alternate(&mut raw, &a, "direct", &b).await?;
        raw.queue(&rest).await?;
        raw.bind(&rest, &c, "").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "k", "m").await;
        raw.confirms(1).await?;
        same("the rest", raw.drain(&rest).await?, ["m"])?;
    }
    "routing.alternate.missing", "An alternate that is not there is no error", ALTERNATE,
    "the message is dropped and confirmed", |ctx| {
        let a = ctx.name("a");
        let mut raw = ctx.raw().await?;
        with_alternate(&mut raw, &a, "direct", &ctx.name("nowhere")).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&a, "k", "m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "routing.alternate.cycle-ends", "Two exchanges that are each other's alternates", ALTERNATE,
    "a mandatory message is returned once", |ctx| {
        let (a, b) = (ctx.name("a"), ctx.name("b"));
        let mut raw = ctx.raw().await?;
        with_alternate(&mut raw, &a, "direct", &b).await?;
        with_alternate(&mut raw, &b, "direct", &a).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with(&a, "k", 1, &Props::default(), b"m").await;
        same("return", raw.returned().await?.code, 312_u16)?;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
    }
    "routing.cc.more-keys", "Keys in CC and BCC count as routing keys", SENDER,
    "three queues by three keys; CC is delivered, BCC is not", |ctx| {
        let queues = [ctx.name("to"), ctx.name("cc"), ctx.name("bcc")];
        let mut raw = ctx.raw().await?;
        for queue in &queues {
            raw.queue(queue).await?;
        }
        let [to, cc, bcc] = &queues;
        raw.call(methods::confirm_select()).await?;
        let props = Props::headers([("CC", strings(&[cc])), ("BCC", strings(&[bcc])), ("mine", 1.into())]);
        raw.publish_with("", to, 0, &props, b"m").await;
        raw.confirms(1).await?;
        for queue in &queues {
            let message = raw.take(queue).await?;
            same("key", message.key.as_str(), to.as_str())?;
            same("CC", message.props.header("CC"), Some(&strings(&[cc])))?;
            same("BCC", message.props.header("BCC"), None)?;
            same("another header", message.props.header("mine"), Some(&Value::I32(1)))?;
        }
    }
    "routing.cc.same-queue-once", "A queue that several keys lead to gets one copy", SENDER,
    "one copy", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with("", &q, 0, &Props::headers([("CC", strings(&[&q])), ("BCC", strings(&[&q]))]), b"m").await;
        raw.confirms(1).await?;
        same("copies", raw.drain(&q).await?, ["m"])?;
    }
    "routing.cc.only-cc-routes", "A message that only its CC leads anywhere is not returned", SENDER,
    "the queue has it, nothing is returned", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish_with("", &ctx.name("nowhere"), 1, &Props::headers([("CC", strings(&[&q]))]), b"m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        same("messages", raw.drain(&q).await?, ["m"])?;
    }
}
