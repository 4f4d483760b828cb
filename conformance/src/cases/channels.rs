//! Channels: each is its own world, ends on its own, and gives back what it held.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Reader, Table, Writer};
use crate::methods::{self, c, method, q, queue_declare};
use crate::raw::{Raw, Scope};

const CHANNEL: &str = "AMQP 0-9-1, 1.5 (channel)";
const CLOSE: &str = "AMQP 0-9-1, 1.5.2.5 (channel.close)";
const ORDER: &str = "AMQP 0-9-1, 4.7 (content ordering); 2.2.5 (the channel class)";

/// Makes channel 2 fail with 404 and reads the broker's channel.close.
async fn fail_on_two(ctx: &Ctx, raw: &mut Raw) -> Check {
    raw.send_on(2, queue_declare(&ctx.name("missing"), q::PASSIVE, Table::new())).await;
    let closed = raw.closed().await?;
    ensure(matches!(closed, Scope::channel(404, ..)), format!("{closed:?}"))
}

/// A connection with channels 1 and 2, an exclusive queue, and channel 2 as the current one.
async fn two(ctx: &Ctx) -> Check<Raw> {
    let mut raw = ctx.raw().await?;
    raw.queue(&ctx.name("q")).await?;
    raw.open_channel(2).await?;
    raw.channel = 2;
    Ok(raw)
}

crate::cases! {
    "channel.open.ok", "channel.open-ok comes on the channel that was opened", CHANNEL,
    "an empty long string", |ctx| {
        let mut raw = ctx.open().await?;
        raw.send_on(77, methods::channel_open()).await;
        same("arguments", raw.expect_on(77, (20, 11)).await?, [0; 4])?;
    }
    "channel.open.at-once", "Channels can be opened without waiting", CHANNEL,
    "fifty answers, each on its channel", |ctx| {
        let mut raw = ctx.open().await?;
        for channel in 1..=50 {
            raw.send_on(channel, methods::channel_open()).await;
        }
        let mut opened = Vec::new();
        for _ in 1..=50 {
            match raw.event().await? {
                crate::raw::Event::Method(channel, (20, 11), _) => opened.push(channel),
                other => return fail(format!("{other:?}, expected open-ok")),
            }
        }
        opened.sort_unstable();
        same("channels", opened, (1..=50).collect::<Vec<u16>>())?;
    }
    "channel.open.again-and-again", "A channel can be opened and closed a thousand times", CHANNEL,
    "open-ok and close-ok each time", |ctx| {
        let mut raw = ctx.open().await?;
        for _ in 0..1000 {
            raw.open_channel(3).await?;
            raw.send_on(3, methods::channel_close()).await;
            same("arguments", raw.expect_on(3, (20, 41)).await?, Vec::<u8>::new())?;
        }
    }
    "channel.answers.on-their-channel", "Answers come on the channel of their question", ORDER,
    "thirty channels each get the declare-ok of their own queue", |ctx| {
        let mut raw = ctx.open().await?;
        for channel in 1..=30 {
            raw.open_channel(channel).await?;
        }
        for channel in 1..=30 {
            raw.send_on(channel, queue_declare(&ctx.name(&channel.to_string()), q::EXCLUSIVE, Table::new())).await;
        }
        for _ in 1..=30 {
            let (channel, args) = match raw.event().await? {
                crate::raw::Event::Method(channel, (50, 11), args) => (channel, args),
                other => return fail(format!("{other:?}, expected declare-ok")),
            };
            same("queue", Reader(&args).short()?, ctx.name(&channel.to_string()))?;
        }
    }
    "channel.answers.in-order", "Answers of one channel come in the order of the questions", ORDER,
    "declare, bind, qos, purge, unbind, delete without waiting", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.send(queue_declare(&q, methods::q::EXCLUSIVE, Table::new())).await;
        raw.send(methods::queue_bind(&q, "amq.direct", &q, Table::new())).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
        raw.send(methods::queue_purge(&q)).await;
        raw.send(methods::queue_unbind(&q, "amq.direct", &q, Table::new())).await;
        raw.send(methods::queue_delete(&q, 0)).await;
        for id in [(50, 11), (50, 21), (60, 11), (50, 31), (50, 51), (50, 41)] {
            raw.expect_on(1, id).await?;
        }
    }
    "channel.answers.publish-then-get", "A get behind a publish on the same channel finds the message", ORDER,
    "a hundred times, without waiting in between", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for number in 0..100 {
            raw.publish("", &q, &number.to_string()).await;
            raw.send(methods::basic_get(&q, true)).await;
        }
        for number in 0..100 {
            match raw.event().await? {
                crate::raw::Event::Message(message) => same("message", message.text(), number.to_string())?,
                other => return fail(format!("{other:?}, expected get-ok")),
            }
        }
    }
    "channel.close.unacked-back", "What a closed channel had not acked is back in its queue", CLOSE,
    "in order, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.fill_queue(&q, &["a", "b", "c"]).await;
        for _ in 0..2 {
            raw.get(&q, false).await?;
        }
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.until_ready(&q, 3).await?;
        for (text, redelivered) in [("a", true), ("b", true), ("c", false)] {
            let message = raw.take(&q).await?;
            same("message", (message.text().as_str(), message.redelivered), (text, redelivered))?;
        }
    }
    "channel.error.unacked-back", "What a channel held when it failed is back in its queue", CLOSE,
    "what its consumer had not acked, redelivered, before close-ok", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.consume(&q, "t", 0).await?;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
        fail_on_two(&ctx, &mut raw).await?;
        raw.channel = 1;
        let message = raw.arrival(&q).await?;
        same("message", (message.text().as_str(), message.redelivered), ("m", true))?;
    }
    "channel.error.gets-back", "What a failed channel had got and not acked is back in its queue", CLOSE,
    "the message, redelivered, after close-ok", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.publish("", &q, "m").await;
        raw.get(&q, false).await?;
        fail_on_two(&ctx, &mut raw).await?;
        raw.reopen().await?;
        raw.channel = 1;
        let message = raw.arrival(&q).await?;
        same("message", (message.text().as_str(), message.redelivered), ("m", true))?;
    }
    "channel.error.consumers-go", "A failed channel's consumers are gone", CLOSE,
    "none before close-ok, and a message waits in the queue", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        fail_on_two(&ctx, &mut raw).await?;
        raw.channel = 1;
        raw.publish("", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        same("consumers", raw.counts(&q).await?.1, 0_u32)?;
        same("message", raw.take(&q).await?.text(), "m")?;
    }
    "channel.error.again-and-again", "A channel can fail a hundred times", CLOSE,
    "404 each time, and the number can be used again", |ctx| {
        let mut raw = ctx.raw().await?;
        for _ in 0..100 {
            raw.send(queue_declare(&ctx.name("missing"), q::PASSIVE, Table::new())).await;
            raw.expect_channel_code(404, (50, 10)).await?;
        }
        raw.queue(&ctx.name("q")).await?;
    }
    "channel.error.two-at-once", "Two channels fail at the same time", CLOSE,
    "each is closed with its own error, and a third lives on", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.open_channel(2).await?;
        raw.open_channel(3).await?;
        raw.send_on(2, methods::basic_ack(99, false)).await;
        raw.send_on(3, queue_declare(&ctx.name("missing"), q::PASSIVE, Table::new())).await;
        let mut codes = Vec::new();
        for _ in 0..2 {
            match raw.event().await? {
                crate::raw::Event::Method(channel, (20, 40), args) => codes.push((channel, Reader(&args).u16()?)),
                other => return fail(format!("{other:?}, expected channel.close")),
            }
        }
        codes.sort_unstable();
        same("channels and codes", codes, [(2, 406), (3, 404)])?;
        raw.queue(&ctx.name("q")).await?;
    }
    "channel.error.crossing", "Both sides close a channel at once", CLOSE,
    "the broker's channel.close, close-ok to the client's, and after the client's close-ok the number is free", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(queue_declare(&ctx.name("missing"), q::PASSIVE, Table::new())).await;
        raw.send(methods::channel_close()).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::channel(404, ..)), format!("{closed:?}"))?;
        raw.expect_on(1, (20, 41)).await?;
        raw.reopen().await?;
        raw.queue(&ctx.name("q")).await?;
    }
    "channel.error.methods-ignored", "Between an error and close-ok nothing is answered", CLOSE,
    "declarations behind the error have no effect, and only the new channel's answer comes", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.publish("no exchange of that name", "k", "m").await;
        raw.send(queue_declare(&q, q::NONE, Table::new())).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
        raw.send(methods::confirm_select()).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::channel(404, ..)), format!("{closed:?}"))?;
        raw.send(method(20, 41, Writer::default())).await;
        raw.send(methods::channel_open()).await;
        raw.expect_on(1, (20, 11)).await?;
        raw.send(queue_declare(&q, q::PASSIVE, Table::new())).await;
        raw.expect_channel_code(404, (50, 10)).await?;
    }
    "channel.error.late-error", "An error counts for what comes after it, not before", CLOSE,
    "the publishes before the error are in the queue, those behind it are not", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.publish("no exchange of that name", "k", "m").await;
        raw.fill_queue(&q, &["c", "d"]).await;
        raw.expect_channel_code(404, (60, 40)).await?;
        same("messages", raw.drain(&q).await?, ["a", "b"])?;
    }
    "channel.close.publishes-before", "What was published before channel.close is in the queue", CLOSE,
    "a hundred messages after close-ok", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        for _ in 0..100 {
            raw.publish("", &q, "m").await;
        }
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.until_ready(&q, 100).await?;
        raw.quiet(&q).await?;
    }
    "channel.close.others-live-on", "Closing one channel leaves the others alone", CLOSE,
    "a consumer and an unacked message of another channel stay", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.channel = 1;
        raw.publish("", &q, "held").await;
        let tag = raw.get(&q, false).await?.map(|message| message.tag);
        raw.consume(&q, "t", 0).await?;
        raw.channel = 2;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
        raw.send(methods::basic_ack(tag.unwrap_or_default(), true)).await;
        raw.round_trip().await?;
    }
    "channel.close.deliveries-end", "After close-ok nothing more is delivered on the channel", CLOSE,
    "whatever comes on it comes before close-ok, and everything is in the queue again", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        for _ in 0..300 {
            raw.publish("", &q, "m").await;
        }
        raw.consume(&q, "t", 0).await?;
        raw.send(methods::channel_close()).await;
        raw.wait_for((20, 41)).await?;
        for text in ["late", "later"] {
            raw.send_on(1, methods::basic_publish("", &q, 0)).await;
            raw.frame(2, 1, &crate::raw::header(60, 0, text.len() as u64, &[0, 0])).await;
            raw.frame(3, 1, text.as_bytes()).await;
        }
        raw.send_on(1, methods::channel_flow(true)).await;
        let Some(frame) = raw.next_frame().await? else { return fail("closed") };
        let wanted = crate::frames::method_frame(1, &method(20, 21, Writer::default().u8(1)));
        same("frame after close-ok", crate::raw::frame(frame.kind, frame.channel, &frame.payload), wanted)?;
        raw.channel = 1;
        raw.until_ready(&q, 302).await?;
    }
    "channel.reopen.tags-begin-again", "A channel that is opened again counts its deliveries from 1", CLOSE,
    "tags 1 and 2, and the old tags mean nothing", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        for _ in 0..2 {
            raw.get(&q, false).await?;
        }
        raw.call(methods::channel_close()).await?;
        raw.open_channel(2).await?;
        raw.until_ready(&q, 2).await?;
        same("tag", raw.get(&q, false).await?.map(|message| message.tag), Some(1))?;
        raw.send(methods::basic_ack(2, false)).await;
        raw.expect_channel_code(406, (60, 80)).await?;
    }
    "channel.reopen.tx-forgotten", "A channel that is opened again is not in a transaction", CLOSE,
    "publishes count at once, and commit is 406", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.call(methods::tx_select()).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(2).await?;
        raw.publish("", &q, "m").await;
        same("messages", raw.drain(&q).await?, ["m"])?;
        raw.send(methods::tx_commit()).await;
        raw.expect_channel_code(406, (90, 20)).await?;
    }
    "channel.reopen.confirms-begin-again", "A channel that is opened again counts its publishes from 1", CLOSE,
    "the first confirm has tag 1", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        for _ in 0..2 {
            raw.call(methods::confirm_select()).await?;
            raw.publish("", &q, "m").await;
            same("confirm", raw.confirm().await?, crate::raw::Confirm::Ack(1, false))?;
            raw.call(methods::channel_close()).await?;
            raw.open_channel(2).await?;
        }
    }
    "channel.queue.last-declared-of-each", "Each channel has its own last declared queue", CHANNEL,
    "a get without a name takes from the channel's own", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.queue(&ctx.name("second")).await?;
        for (channel, name) in [(1, q), (2, ctx.name("second"))] {
            raw.channel = channel;
            raw.publish("", &name, &name).await;
            same("message", raw.take("").await?.text(), name)?;
        }
    }
    "channel.flow.in-mid-consuming", "channel.flow does not disturb deliveries", "AMQP 0-9-1, 1.5.2.3 (channel.flow)",
    "flow-ok, and messages before and after it are delivered", |ctx| {
        let q = ctx.name("q");
        let mut raw = two(&ctx).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        for text in ["a", "b"] {
            raw.publish("", &q, text).await;
            same("delivery", raw.delivery().await?.text(), text)?;
            same("flow-ok", raw.call(methods::channel_flow(true)).await?, [1])?;
        }
    }
}
