//! The life of queues, exchanges and bindings.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Reader, Table, Value, table};
use crate::methods::{self, Method, c, q, x};
use crate::raw::{Confirm, Raw, Scope};
use crate::steps::is_generated;

const QUEUE: &str = "AMQP 0-9-1, 1.7.2.1 (queue.declare)";
const DELETE: &str = "AMQP 0-9-1, 1.7.2.9 (queue.delete)";
const PURGE: &str = "AMQP 0-9-1, 1.7.2.7 (queue.purge)";
const BIND: &str = "AMQP 0-9-1, 1.7.2.3 (queue.bind)";
const EXCHANGE: &str = "AMQP 0-9-1, 1.6.2.1 (exchange.declare)";

/// Whether an exchange is there, asked on a channel of its own.
async fn exchange_is_there(raw: &mut Raw, channel: u16, name: &str) -> Check<bool> {
    let back = std::mem::replace(&mut raw.channel, channel);
    raw.open_channel(channel).await?;
    raw.send(methods::exchange_declare(name, "direct", x::PASSIVE, Table::new())).await;
    let is_there = raw.wait_for((40, 11)).await.is_ok();
    let last = if is_there {
        methods::channel_close()
    } else {
        methods::method(20, 41, crate::codec::Writer::default())
    };
    if is_there {
        drop(raw.call(last).await?)
    } else {
        raw.send(last).await
    }
    raw.channel = back;
    Ok(is_there)
}

/// Checks that another connection may not do this with an exclusive queue, and that its owner still may.
async fn locked(ctx: &Ctx, method: impl Fn(&str) -> Method) -> Check {
    let name = ctx.name("q");
    let mut owner = ctx.raw().await?;
    owner.queue(&name).await?;
    let mut raw = ctx.raw().await?;
    let method = method(&name);
    let (id, vhost) = (method.id, &ctx.target.vhost);
    raw.send(method).await;
    let text = format!(
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{name}' in vhost '{vhost}'"
    );
    raw.expect_closed(&Scope::channel(405, text, id)).await?;
    owner.publish("", &name, "m").await;
    same("the owner's message", owner.take(&name).await?.text(), "m")
}

/// The number that queue.purge-ok and queue.delete-ok carry.
fn number(args: &[u8]) -> Check<u32> {
    Reader(args).u32()
}

crate::cases! {
    "queue.declare.counts", "declare-ok tells name, messages and consumers", QUEUE,
    "as they are", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        same("new", raw.declare(&name, q::EXCLUSIVE, Table::new()).await?, (name.clone(), 0, 0))?;
        raw.fill_queue(&name, &["a", "b"]).await;
        raw.until_ready(&name, 2).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&name, "", 0).await?;
        raw.delivery().await?;
        same("again", raw.declare(&name, q::EXCLUSIVE, Table::new()).await?, (name, 1, 1))?;
    }
    "queue.declare.server-named", "A queue without a name gets one", QUEUE,
    "amq.gen- and 22 characters of URL-safe base64, another each time, and usable", |ctx| {
        let mut raw = ctx.raw().await?;
        let (a, ..) = raw.declare("", q::EXCLUSIVE, Table::new()).await?;
        let (b, ..) = raw.declare("", q::EXCLUSIVE, Table::new()).await?;
        let are_generated = [&a, &b].iter().all(|name| is_generated("amq.gen-", name));
        ensure(are_generated && a != b, format!("names {a} and {b}"))?;
        raw.publish("", &a, "m").await;
        same("message", raw.take(&a).await?.text(), "m")?;
    }
    "queue.declare.again", "The same declaration again changes nothing", QUEUE,
    "declare-ok with the messages there", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let args = table([("x-max-length", 5.into()), ("x-message-ttl", 60_000.into())]);
        raw.declare(&name, q::DURABLE, args.clone()).await?;
        raw.publish("", &name, "m").await;
        raw.until_ready(&name, 1).await?;
        same("again", raw.declare(&name, q::DURABLE, args).await?.1, 1_u32)?;
    }
    "queue.declare.integer-widths", "A number's wire type is no difference", "RabbitMQ: Queues, Optional Arguments",
    "x-max-length as int and as long are equal", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&name, [("x-max-length", Value::I32(5))]).await?;
        raw.queue_with(&name, [("x-max-length", Value::I64(5))]).await?;
        raw.queue_with(&name, [("x-max-length", Value::U8(5))]).await?;
    }
    "queue.declare.unknown-arguments", "Arguments that mean nothing are accepted and not compared", "RabbitMQ: Queues, Optional Arguments",
    "with, without and with another value", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue_with(&name, [("x-made-up", "a".into())]).await?;
        raw.queue(&name).await?;
        raw.queue_with(&name, [("x-made-up", 5.into())]).await?;
    }
    "queue.declare.nowait", "A declaration with nowait has no answer", QUEUE,
    "the queue is there, and the next answer is the next question's", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.send(methods::queue_declare(&name, q::EXCLUSIVE | q::NOWAIT, Table::new())).await;
        same("messages and consumers", raw.counts(&name).await?, (0, 0))?;
    }
    "queue.declare.long-name", "A name may have 255 bytes, and any characters", QUEUE,
    "the queue is usable by it", |ctx| {
        let start = ctx.name("é ü/*#");
        let name = format!("{start}{}", "n".repeat(255 - start.len()));
        let mut raw = ctx.raw().await?;
        same("name", raw.declare(&name, q::EXCLUSIVE, Table::new()).await?.0, name.clone())?;
        raw.publish("", &name, "m").await;
        same("message", raw.take(&name).await?.text(), "m")?;
    }
    "queue.declare.line-breaks-removed", "Line breaks in a name are removed", "RabbitMQ: Queues, Names",
    "the queue has the name without them", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        same("name", raw.declare(&format!("\r{name}\n"), q::EXCLUSIVE, Table::new()).await?.0, name)?;
    }
    "queue.exclusive.gone-with-connection", "An exclusive queue goes with its connection", QUEUE,
    "another connection does not find it", |ctx| {
        let name = ctx.name("q");
        let mut owner = ctx.raw().await?;
        owner.queue(&name).await?;
        let mut raw = ctx.raw().await?;
        owner.close().await;
        raw.until_gone(&name).await?;
    }
    "queue.exclusive.gone-with-lost-connection", "An exclusive queue goes with a connection that is lost", QUEUE,
    "another connection does not find it", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let mut owner = ctx.raw().await?;
        owner.queue(&name).await?;
        drop(owner);
        // While it is there, it is locked: that is an answer, too.
        raw.until_gone(&name).await?;
    }
    "queue.exclusive.of-all-channels", "An exclusive queue is for all channels of its connection", QUEUE,
    "another channel uses it, and it outlives the one that declared it", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.publish("", &name, "m").await;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        same("message", raw.take(&name).await?.text(), "m")?;
    }
    "queue.exclusive.locked-declare", "Another connection may not declare an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::queue_declare(q, q::EXCLUSIVE, Table::new())).await?; }
    "queue.exclusive.locked-passive", "Another connection may not look for an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::queue_declare(q, q::PASSIVE, Table::new())).await?; }
    "queue.exclusive.locked-consume", "Another connection may not consume from an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::basic_consume(q, "", 0, Table::new())).await?; }
    "queue.exclusive.locked-get", "Another connection may not get from an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::basic_get(q, true)).await?; }
    "queue.exclusive.locked-delete", "Another connection may not delete an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::queue_delete(q, 0)).await?; }
    "queue.exclusive.locked-purge", "Another connection may not purge an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, methods::queue_purge).await?; }
    "queue.exclusive.locked-bind", "Another connection may not bind an exclusive queue", QUEUE,
    "405 RESOURCE_LOCKED, and the owner is not disturbed", |ctx| { locked(&ctx, |q| methods::queue_bind(q, "amq.direct", "k", Table::new())).await?; }
    "queue.exclusive.locked-unbind", "Another connection may not take a binding from an exclusive queue; one that is not there is no matter", QUEUE,
    "unbind-ok without the binding, 405 RESOURCE_LOCKED with it", |ctx| {
        let name = ctx.name("q");
        let mut owner = ctx.raw().await?;
        owner.queue(&name).await?;
        let mut raw = ctx.raw().await?;
        let unbind = || methods::queue_unbind(&name, "amq.direct", "k", Table::new());
        raw.call(unbind()).await?;
        owner.call(methods::queue_bind(&name, "amq.direct", "k", Table::new())).await?;
        raw.send(unbind()).await;
        raw.expect_closed(&Scope::channel(405, "RESOURCE_LOCKED".to_owned(), unbind().id)).await?;
    }
    "queue.exclusive.bind-to-no-exchange", "Binding another connection's exclusive queue to an exchange that is not there", QUEUE,
    "404 NOT_FOUND for the exchange comes first", |ctx| {
        let name = ctx.name("q");
        let mut owner = ctx.raw().await?;
        owner.queue(&name).await?;
        let mut raw = ctx.raw().await?;
        let bind = methods::queue_bind(&name, &ctx.name("x"), "k", Table::new());
        let id = bind.id;
        raw.send(bind).await;
        raw.expect_closed(&Scope::channel(404, "NOT_FOUND - no exchange".to_owned(), id)).await?;
    }
    "queue.auto-delete.after-last-consumer", "An auto-delete queue goes with its last consumer", QUEUE,
    "not with the first of two", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&name, q::AUTO_DELETE, Table::new()).await?;
        raw.consume(&name, "a", 0).await?;
        raw.consume(&name, "b", 0).await?;
        raw.call(methods::basic_cancel("a")).await?;
        same("consumers", raw.counts(&name).await?.1, 1_u32)?;
        raw.call(methods::basic_cancel("b")).await?;
        raw.until_gone(&name).await?;
    }
    "queue.auto-delete.after-channel-close", "An auto-delete queue goes with its consumer's channel", QUEUE,
    "it is gone", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&name, q::AUTO_DELETE, Table::new()).await?;
        raw.consume(&name, "a", 0).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.until_gone(&name).await?;
    }
    "queue.auto-delete.not-before-a-consumer", "An auto-delete queue waits for its first consumer", QUEUE,
    "gets and the declaring channel's end leave it", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.declare(&name, q::AUTO_DELETE, Table::new()).await?;
        raw.publish("", &name, "m").await;
        raw.take(&name).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        same("messages and consumers", raw.counts(&name).await?, (0, 0))?;
        raw.consume(&name, "a", 0).await?;
        raw.call(methods::basic_cancel("a")).await?;
        raw.until_gone(&name).await?;
    }
    "queue.delete.count", "delete-ok tells how many messages went", DELETE,
    "two", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.fill_queue(&name, &["a", "b"]).await;
        raw.until_ready(&name, 2).await?;
        same("messages", number(&raw.call(methods::queue_delete(&name, 0)).await?)?, 2_u32)?;
        raw.until_gone(&name).await?;
    }
    "queue.delete.missing", "Deleting a queue that is not there is no error", "RabbitMQ: Specification, queue.delete",
    "delete-ok with 0", |ctx| {
        let mut raw = ctx.raw().await?;
        same("messages", number(&raw.call(methods::queue_delete(&ctx.name("q"), 0)).await?)?, 0_u32)?;
    }
    "queue.delete.if-unused-and-empty", "The conditions hold for a queue without consumers and messages", DELETE,
    "delete-ok", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.call(methods::queue_delete(&name, 3)).await?;
        raw.until_gone(&name).await?;
    }
    "queue.delete.neither-unused-nor-empty", "A queue that fails both conditions", DELETE,
    "406 not empty: that one is checked first", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.call(methods::basic_qos(0, 1, false)).await?;
        raw.consume(&name, "t", 0).await?;
        raw.fill_queue(&name, &["a", "b"]).await;
        raw.until_ready(&name, 1).await?;
        raw.send(methods::queue_delete(&name, 3)).await;
        match raw.refused_before((50, 41)).await? {
            Some(Scope::channel(406, text, (50, 40))) => ensure(text.ends_with("not empty"), text)?,
            other => fail(format!("{other:?}, expected 406 not empty"))?,
        }
    }
    "queue.delete.forgets-bindings", "A queue's bindings go with it", DELETE,
    "a new queue of its name gets nothing by them", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "fanout").await?;
        raw.queue(&name).await?;
        raw.bind(&name, &exchange, "").await?;
        raw.call(methods::queue_delete(&name, 0)).await?;
        raw.queue(&name).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&exchange, "", "m").await;
        raw.confirms(1).await?;
        same("messages", raw.counts(&name).await?.0, 0_u32)?;
    }
    "queue.purge.count", "purge-ok tells how many messages went", PURGE,
    "the ready ones; unacked ones stay and can be requeued", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.fill_queue(&name, &["a", "b", "c"]).await;
        raw.get(&name, false).await?;
        raw.until_ready(&name, 2).await?;
        same("messages", number(&raw.call(methods::queue_purge(&name)).await?)?, 2_u32)?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.until_ready(&name, 1).await?;
        same("messages", raw.drain(&name).await?, ["a"])?;
    }
    "queue.purge.keeps-bindings", "A purge leaves bindings and consumers", PURGE,
    "the next message arrives", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.bind(&name, "amq.direct", &name).await?;
        raw.call(methods::queue_purge(&name)).await?;
        raw.consume(&name, "", c::NO_ACK).await?;
        raw.call(methods::queue_purge(&name)).await?;
        raw.publish("amq.direct", &name, "m").await;
        same("message", raw.delivery().await?.text(), "m")?;
    }
    "queue.purge.by-last-declared", "An empty name is the queue declared last", PURGE,
    "for purge, bind, unbind and delete", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.bind("", "amq.direct", &name).await?;
        raw.publish("amq.direct", &name, "m").await;
        raw.until_ready(&name, 1).await?;
        same("purged", number(&raw.call(methods::queue_purge("")).await?)?, 1_u32)?;
        raw.call(methods::queue_unbind("", "amq.direct", &name, Table::new())).await?;
        raw.publish("amq.direct", &name, "m").await;
        same("deleted", number(&raw.call(methods::queue_delete("", 0)).await?)?, 0_u32)?;
        raw.until_gone(&name).await?;
    }
    "queue.bind.empty-key-after-declare", "With no queue named, an empty key is the queue's name", BIND,
    "a message with the queue's name as its key arrives", |ctx| {
        let name = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&name).await?;
        raw.bind("", "amq.direct", "").await?;
        raw.publish("amq.direct", &name, "m").await;
        same("message", raw.arrival(&name).await?.text(), "m")?;
    }
    "queue.bind.arguments-make-a-difference", "Bindings with other arguments are other bindings", BIND,
    "unbinding one leaves the other", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "direct").await?;
        raw.queue(&name).await?;
        let args = table([("mine", 1.into())]);
        raw.call(methods::queue_bind(&name, &exchange, "k", args.clone())).await?;
        raw.bind(&name, &exchange, "k").await?;
        raw.call(methods::queue_unbind(&name, &exchange, "k", args)).await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&exchange, "k", "m").await;
        raw.confirms(1).await?;
        same("messages", raw.drain(&name).await?, ["m"])?;
    }
    "queue.unbind.unknown", "Unbinding what is not bound is no error", "RabbitMQ: Specification, queue.unbind",
    "unbind-ok", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "direct").await?;
        raw.queue(&name).await?;
        raw.call(methods::queue_unbind(&name, &exchange, "k", Table::new())).await?;
    }
    "exchange.declare.predeclared", "Every vhost has the standard exchanges", "AMQP 0-9-1, 3.1.3 (exchange types)",
    "amq.direct, amq.fanout, amq.topic, amq.headers, amq.match, and redeclaring them as they are is no error", |ctx| {
        let mut raw = ctx.raw().await?;
        let all = [("direct", "direct"), ("fanout", "fanout"), ("topic", "topic"), ("headers", "headers"), ("match", "headers")];
        for (name, kind) in all {
            let name = format!("amq.{name}");
            raw.call(methods::exchange_declare(&name, kind, x::PASSIVE, Table::new())).await?;
            raw.call(methods::exchange_declare(&name, kind, x::DURABLE, Table::new())).await?;
        }
    }
    "exchange.declare.again", "The same declaration again changes nothing", EXCHANGE,
    "declare-ok, and bindings stay", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "topic").await?;
        raw.queue(&name).await?;
        raw.bind(&name, &exchange, "#").await?;
        raw.exchange(&exchange, "topic").await?;
        raw.publish(&exchange, "k", "m").await;
        same("message", raw.arrival(&name).await?.text(), "m")?;
    }
    "exchange.declare.nowait", "A declaration with nowait has no answer", EXCHANGE,
    "the exchange is there", |ctx| {
        let exchange = ctx.name("x");
        let mut raw = ctx.raw().await?;
        raw.send(methods::exchange_declare(&exchange, "direct", 16, Table::new())).await;
        raw.call(methods::exchange_declare(&exchange, "direct", x::PASSIVE, Table::new())).await?;
    }
    "exchange.auto-delete.after-last-binding", "An auto-delete exchange goes with its last binding", EXCHANGE,
    "not with the first of two, and not before it had one", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.call(methods::exchange_declare(&exchange, "direct", x::AUTO_DELETE, Table::new())).await?;
        raw.queue(&name).await?;
        raw.bind(&name, &exchange, "a").await?;
        raw.bind(&name, &exchange, "b").await?;
        raw.call(methods::queue_unbind(&name, &exchange, "a", Table::new())).await?;
        ensure(exchange_is_there(&mut raw, 11, &exchange).await?, "it went with the first binding")?;
        raw.call(methods::queue_unbind(&name, &exchange, "b", Table::new())).await?;
        ensure(!exchange_is_there(&mut raw, 12, &exchange).await?, "it is still there")?;
    }
    "exchange.auto-delete.after-queue", "An auto-delete exchange goes with the last queue bound to it", EXCHANGE,
    "it is gone", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.call(methods::exchange_declare(&exchange, "fanout", x::AUTO_DELETE, Table::new())).await?;
        raw.queue(&name).await?;
        raw.bind(&name, &exchange, "").await?;
        raw.call(methods::queue_delete(&name, 0)).await?;
        ensure(!exchange_is_there(&mut raw, 11, &exchange).await?, "it is still there")?;
    }
    "exchange.delete.missing", "Deleting an exchange that is not there is no error", "RabbitMQ: Specification, exchange.delete",
    "delete-ok", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.call(methods::exchange_delete(&ctx.name("x"), 0)).await?;
    }
    "exchange.delete.forgets-bindings", "An exchange's bindings go with it", "AMQP 0-9-1, 1.6.2.3 (exchange.delete)",
    "a new exchange of its name leads nowhere", |ctx| {
        let (name, exchange) = (ctx.name("q"), ctx.name("x"));
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "fanout").await?;
        raw.queue(&name).await?;
        raw.bind(&name, &exchange, "").await?;
        raw.call(methods::exchange_delete(&exchange, 0)).await?;
        raw.exchange(&exchange, "fanout").await?;
        raw.call(methods::confirm_select()).await?;
        raw.publish(&exchange, "", "m").await;
        same("confirm", raw.confirm().await?, Confirm::Ack(1, false))?;
        same("messages", raw.counts(&name).await?.0, 0_u32)?;
    }
    "exchange.delete.if-unused", "An exchange without bindings is unused", "AMQP 0-9-1, 1.6.2.3 (exchange.delete)",
    "delete-ok", |ctx| {
        let exchange = ctx.name("x");
        let mut raw = ctx.raw().await?;
        raw.exchange(&exchange, "direct").await?;
        raw.call(methods::exchange_delete(&exchange, 1)).await?;
        ensure(!exchange_is_there(&mut raw, 11, &exchange).await?, "it is still there")?;
    }
}
