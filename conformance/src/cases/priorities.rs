//! Priority queues, and direct reply-to.

use crate::case::{ensure, same};
use crate::codec::{Props, table};
use crate::methods::{self, c};

const PRIORITY: &str = "RabbitMQ: Priority Queues";
const REPLY: &str = "RabbitMQ: Direct Reply-to";
const DIRECT: &str = "amq.rabbitmq.reply-to";

fn of_priority(priority: u8) -> Props {
    Props { priority: Some(priority), ..Props::default() }
}

fn replying_to(address: &str) -> Props {
    Props { reply_to: Some(address.into()), ..Props::default() }
}

crate::cases! {
    "priority.order.higher-first", "Messages of higher priority are delivered first", PRIORITY,
    "3, 2, 1, and none counts as 0", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into())]).await?;
        raw.publish("", &q, "none").await;
        for (priority, body) in [(1, "one"), (3, "three"), (2, "two")] {
            raw.publish_with("", &q, 0, &of_priority(priority), body.as_bytes()).await;
        }
        same("messages", raw.drain(&q).await?, ["three", "two", "one", "none"])?;
    }
    "priority.order.fifo-within", "Messages of one priority keep their order", PRIORITY,
    "first published, first delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into())]).await?;
        for (priority, body) in [(1, "a"), (4, "b"), (1, "c"), (4, "d"), (1, "e")] {
            raw.publish_with("", &q, 0, &of_priority(priority), body.as_bytes()).await;
        }
        same("messages", raw.drain(&q).await?, ["b", "d", "a", "c", "e"])?;
    }
    "priority.order.capped", "A priority above the queue's counts as the queue's", PRIORITY,
    "9 and 5 are equal in a queue of 5, and the property is delivered as sent", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into())]).await?;
        for (priority, body) in [(5, "a"), (9, "b"), (5, "c")] {
            raw.publish_with("", &q, 0, &of_priority(priority), body.as_bytes()).await;
        }
        same("first", raw.take(&q).await?.text(), "a")?;
        let second = raw.take(&q).await?;
        same("second", (second.text().as_str(), second.props.priority), ("b", Some(9_u8)))?;
    }
    "priority.order.requeue-keeps", "A requeued message keeps its priority", PRIORITY,
    "it is delivered again before lower ones", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into())]).await?;
        raw.publish_with("", &q, 0, &of_priority(5), b"high").await;
        raw.get(&q, false).await?;
        raw.publish_with("", &q, 0, &of_priority(1), b"low").await;
        raw.publish_with("", &q, 0, &of_priority(5), b"later").await;
        raw.send(methods::basic_nack(1, false, true)).await;
        same("messages", raw.drain(&q).await?, ["high", "later", "low"])?;
    }
    "priority.order.without-argument", "Without x-max-priority priorities mean nothing", PRIORITY,
    "the order of publishing", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for (priority, body) in [(1, "a"), (9, "b")] {
            raw.publish_with("", &q, 0, &of_priority(priority), body.as_bytes()).await;
        }
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "priority.order.drop-head", "A full priority queue drops from its head", "RabbitMQ: Priority Queues, Interaction with Other Features",
    "the message that would be delivered next goes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into()), ("x-max-length", 2.into())]).await?;
        for (priority, body) in [(1, "low"), (5, "high"), (3, "middle")] {
            raw.publish_with("", &q, 0, &of_priority(priority), body.as_bytes()).await;
        }
        same("messages", raw.drain(&q).await?, ["middle", "low"])?;
    }
    "reply-to.direct.round-trip", "A request is answered without a reply queue", REPLY,
    "the request carries an address, and what is sent there reaches the requester", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let tag = client.consume(DIRECT, "replies", c::NO_ACK).await?;
        client.publish_with("", &q, 0, &replying_to(DIRECT), b"ping").await;
        let request = server.arrival(&q).await?;
        let address = request.props.reply_to.clone().unwrap_or_default();
        ensure(address.starts_with("amq.rabbitmq.reply-to.") && address.len() > 25, format!("address {address:?}"))?;
        let props = Props { correlation_id: Some("7".into()), ..Props::default() };
        server.publish_with("", &address, 0, &props, b"pong").await;
        let reply = client.delivery().await?;
        same("reply", (reply.text().as_str(), reply.consumer), ("pong", tag))?;
        same("correlation id", reply.props.correlation_id.clone(), Some("7".to_owned()))?;
        same("exchange and key", (reply.exchange, reply.key), (String::new(), address))?;
    }
    "reply-to.direct.own-addresses", "Each requester has an address of its own", REPLY,
    "replies do not get mixed up", |ctx| {
        let q = ctx.name("q");
        let mut server = ctx.raw().await?;
        server.queue(&q).await?;
        let (mut a, mut b) = (ctx.raw().await?, ctx.raw().await?);
        let mut addresses = Vec::new();
        for client in [&mut a, &mut b] {
            client.consume(DIRECT, "", c::NO_ACK).await?;
            client.publish_with("", &q, 0, &replying_to(DIRECT), b"").await;
            addresses.push(server.arrival(&q).await?.props.reply_to.unwrap_or_default());
        }
        for (address, body) in addresses.iter().zip(["to a", "to b"]) {
            server.publish("", address, body).await;
        }
        same("a's", a.delivery().await?.text(), "to a")?;
        same("b's", b.delivery().await?.text(), "to b")?;
    }
    "reply-to.direct.declared", "The address can be looked for", REPLY,
    "a passive declare finds it with no messages and a consumer, and not when the requester is gone", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        client.consume(DIRECT, "", c::NO_ACK).await?;
        client.publish_with("", &q, 0, &replying_to(DIRECT), b"").await;
        let address = server.arrival(&q).await?.props.reply_to.unwrap_or_default();
        same("messages and consumers", server.counts(&address).await?, (0, 1))?;
        client.close().await;
        server.until_gone(&address).await?;
    }
    "reply-to.direct.gone-is-returned", "A mandatory reply to nobody is returned", REPLY,
    "basic.return with 312", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        client.consume(DIRECT, "", c::NO_ACK).await?;
        client.publish_with("", &q, 0, &replying_to(DIRECT), b"").await;
        let address = server.arrival(&q).await?.props.reply_to.unwrap_or_default();
        client.close().await;
        server.until_gone(&address).await?;
        server.publish_with("", &address, 1, &Props::default(), b"late").await;
        let returned = server.returned().await?;
        same("return", (returned.code, returned.text.as_str(), returned.body), (312_u16, "NO_ROUTE", b"late".to_vec()))?;
    }
    "reply-to.property.passed-on", "Any other reply-to is passed on as it is", REPLY,
    "the queue's name", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_with("", &q, 0, &replying_to("some queue"), b"").await;
        same("reply-to", raw.take(&q).await?.props.reply_to, Some("some queue".to_owned()))?;
    }
    "priority.argument.equivalence", "A queue's number of priorities cannot be declared otherwise", PRIORITY,
    "406", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&q, [("x-max-priority", 5.into())]).await?;
        raw.send(methods::queue_declare(&q, methods::q::EXCLUSIVE, table([("x-max-priority", 6.into())]))).await;
        let text = format!("PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue '{q}'");
        raw.expect_closed(&crate::raw::Scope::channel(406, text, (50, 10))).await?;
    }
}
