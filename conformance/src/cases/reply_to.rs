//! Direct reply-to: addresses, who may use them, and how long they live.

use crate::case::{Check, ensure, same};
use crate::codec::{Props, Table};
use crate::methods::{self, c};
use crate::raw::{Confirm, Raw, Scope};

const REF: &str = "RabbitMQ: Direct Reply-to";
const DIRECT: &str = "amq.rabbitmq.reply-to";

fn asking() -> Props {
    Props { reply_to: Some(DIRECT.into()), ..Props::default() }
}

/// Starts a reply consumer on a channel, sends a request to a queue that is empty, and returns the request's address.
async fn address(client: &mut Raw, server: &mut Raw, queue: &str, tag: &str) -> Check<String> {
    client.consume(DIRECT, tag, c::NO_ACK).await?;
    client.publish_with("", queue, 0, &asking(), b"request").await;
    Ok(server.arrival(queue).await?.props.reply_to.unwrap_or_default())
}

crate::cases! {
    "reply-to.address.of-each-channel", "Each channel of a connection has its own address", REF,
    "replies reach the channel that asked", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let first = address(&mut client, &mut server, &q, "t").await?;
        client.switch(2).await?;
        let second = address(&mut client, &mut server, &q, "t").await?;
        ensure(first != second, format!("both are {first}"))?;
        server.publish("", &second, "to 2").await;
        let reply = client.delivery().await?;
        same("second's", (reply.channel, reply.text().as_str()), (2, "to 2"))?;
        server.publish("", &first, "to 1").await;
        let reply = client.delivery().await?;
        same("first's", (reply.channel, reply.text().as_str()), (1, "to 1"))?;
    }
    "reply-to.address.same-for-all-requests", "All requests of a consumer carry the same address", REF,
    "and all replies to it arrive in order", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let first = address(&mut client, &mut server, &q, "t").await?;
        client.publish_with("", &q, 0, &asking(), b"request").await;
        let second = server.arrival(&q).await?.props.reply_to.unwrap_or_default();
        same("address", second, first.clone())?;
        server.fill_numbers(&first, 0..10).await;
        for number in 0..10_u64 {
            let reply = client.delivery().await?;
            same("reply", (reply.text(), reply.redelivered), (number.to_string(), false))?;
        }
    }
    "reply-to.address.for-oneself", "A client may answer itself", REF,
    "on the channel that asked", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(DIRECT, "", c::NO_ACK).await?;
        raw.publish_with("", &q, 0, &asking(), b"request").await;
        let request = raw.take(&q).await?;
        raw.publish("", &request.props.reply_to.unwrap_or_default(), "answer").await;
        same("reply", raw.delivery().await?.text(), "answer")?;
    }
    "reply-to.address.in-each-copy", "Every copy of a request carries the address", REF,
    "two servers behind a fanout can both answer", |ctx| {
        let (a, b, x) = (ctx.name("a"), ctx.name("b"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&x, "fanout").await?;
        for queue in [&a, &b] {
            raw.queue(queue).await?;
            raw.bind(queue, &x, "").await?;
        }
        let mut client = ctx.raw().await?;
        client.consume(DIRECT, "", c::NO_ACK).await?;
        client.publish_with(&x, "", 0, &asking(), b"request").await;
        for queue in [&a, &b] {
            let request = raw.arrival(queue).await?;
            raw.publish("", &request.props.reply_to.unwrap_or_default(), queue).await;
            same("reply", client.delivery().await?.text(), queue.clone())?;
        }
    }
    "reply-to.address.other-properties-kept", "A request keeps its other properties", REF,
    "only the reply-to is replaced", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(DIRECT, "", c::NO_ACK).await?;
        let sent = Props {
            content_type: Some("text/plain".into()),
            correlation_id: Some("id".into()),
            priority: Some(3),
            message_id: Some("m".into()),
            app_id: Some("app".into()),
            ..Props { headers: Props::headers([("h", 1.into())]).headers, ..asking() }
        };
        raw.publish_with("", &q, 0, &sent, b"request").await;
        let found = raw.take(&q).await?.props;
        ensure(found.reply_to != sent.reply_to, "the reply-to is as it was sent")?;
        same("properties", Props { reply_to: None, ..found }, Props { reply_to: None, ..sent })?;
    }
    "reply-to.reply.large", "A reply may be large", REF,
    "300,000 bytes in several frames, with properties", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let to = address(&mut client, &mut server, &q, "t").await?;
        let body: Vec<u8> = (0..300_000_u32).map(|at| (at % 241) as u8).collect();
        let props = Props { content_type: Some("x/y".into()), ..Props::headers([("h", 1.into())]) };
        server.publish_with("", &to, 0, &props, &body).await;
        let reply = client.delivery().await?;
        same("properties", reply.props, props)?;
        ensure(reply.body == body, format!("{} bytes, not those that were sent", reply.body.len()))?;
    }
    "reply-to.reply.confirmed", "A reply is confirmed", REF,
    "an ack, and the reply arrives", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let to = address(&mut client, &mut server, &q, "t").await?;
        server.call(methods::confirm_select()).await?;
        server.publish("", &to, "reply").await;
        same("confirm", server.confirm().await?, Confirm::Ack(1, false))?;
        same("reply", client.delivery().await?.text(), "reply")?;
    }
    "reply-to.reply.late-one-dropped", "A reply to a closed channel is dropped", REF,
    "no error for the server, and the client's other channel gets nothing", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        let to = address(&mut client, &mut server, &q, "t").await?;
        client.call(methods::channel_close()).await?;
        client.switch(2).await?;
        client.consume(DIRECT, "t", c::NO_ACK).await?;
        server.until_gone(&to).await?;
        server.publish("", &to, "late").await;
        server.quiet(&q).await?;
        client.publish_with("", &q, 0, &asking(), b"request").await;
        let now = server.arrival(&q).await?.props.reply_to.unwrap_or_default();
        server.publish("", &now, "in time").await;
        same("reply", client.delivery().await?.text(), "in time")?;
    }
    "reply-to.reply.unknown-address", "A mandatory reply to an address that nobody has is returned", REF,
    "312, and no error", |ctx| {
        let mut raw = ctx.raw().await?;
        let nobody = "amq.rabbitmq.reply-to.nobody-has-this";
        raw.publish_with("", nobody, 1, &Props::default(), b"reply").await;
        let returned = raw.returned().await?;
        same("return", (returned.code, returned.key.as_str(), returned.text.as_str()), (312, nobody, "NO_ROUTE"))?;
    }
    "reply-to.reply.to-the-name-itself", "The name for asking is no address for replies", REF,
    "a mandatory message to it is returned though there is a consumer", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.consume(DIRECT, "", c::NO_ACK).await?;
        raw.publish_with("", DIRECT, 1, &Props::default(), b"reply").await;
        same("return", raw.returned().await?.code, 312_u16)?;
    }
    "reply-to.consumer.of-another-channel", "A request needs a consumer on its own channel", REF,
    "406 on a channel without one, though another has it", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.consume(DIRECT, "", c::NO_ACK).await?;
        raw.switch(2).await?;
        raw.publish_with("", &ctx.name("q"), 0, &asking(), b"request").await;
        let text = "PRECONDITION_FAILED - fast reply consumer does not exist".to_owned();
        raw.expect_closed(&Scope::channel(406, text, (60, 40))).await?;
    }
    "reply-to.consumer.cancelled", "After its cancel a reply consumer is no more", REF,
    "406 for a request, as without one", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.consume(DIRECT, "t", c::NO_ACK).await?;
        raw.call(methods::basic_cancel("t")).await?;
        raw.publish_with("", &ctx.name("q"), 0, &asking(), b"request").await;
        let text = "PRECONDITION_FAILED - fast reply consumer does not exist".to_owned();
        raw.expect_closed(&Scope::channel(406, text, (60, 40))).await?;
    }
    "reply-to.consumer.again", "After its cancel there may be another", REF,
    "it gets the replies to its requests", |ctx| {
        let q = ctx.name("q");
        let (mut client, mut server) = (ctx.raw().await?, ctx.raw().await?);
        server.queue(&q).await?;
        client.consume(DIRECT, "first", c::NO_ACK).await?;
        client.call(methods::basic_cancel("first")).await?;
        let to = address(&mut client, &mut server, &q, "second").await?;
        server.publish("", &to, "reply").await;
        let reply = client.delivery().await?;
        same("reply", (reply.consumer.as_str(), reply.text().as_str()), ("second", "reply"))?;
    }
    "reply-to.consumer.name-declared", "The name for asking can be declared passively", REF,
    "with no messages and one consumer, whoever asks", |ctx| {
        let mut raw = ctx.raw().await?;
        let (name, messages, consumers) = raw.declare(DIRECT, methods::q::PASSIVE, Table::new()).await?;
        same("declared", (name.as_str(), messages, consumers), (DIRECT, 0, 1))?;
    }
}
