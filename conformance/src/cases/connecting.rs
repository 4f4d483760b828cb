//! Connections and channels: the handshake, what is negotiated, heartbeats, and the ways to close.

use std::time::Duration;

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Reader, Table, Value, Writer, lookup, table};
use crate::frames::{negotiated, started};
use crate::methods::{self, c};
use crate::raw::{FRAME_MAX, PROTOCOL, Scope, client_properties, open, plain, start_ok, tune_ok};

const HEADER: &str = "AMQP 0-9-1, 4.2.2 (protocol header)";
const START: &str = "AMQP 0-9-1, 1.4.2.1 (connection.start)";
const LOGIN: &str = "AMQP 0-9-1, 1.4.2.2 (connection.start-ok); RabbitMQ: Authentication";
const TUNE: &str = "AMQP 0-9-1, 1.4.2.5 (connection.tune)";
const HEARTBEAT: &str = "AMQP 0-9-1, 4.2.7; RabbitMQ: Heartbeats";
const CLOSE: &str = "AMQP 0-9-1, 1.4.2.9 (connection.close)";
const CHANNEL: &str = "AMQP 0-9-1, 1.5 (channel)";

/// Checks that a protocol header that is not ours is answered with ours, and the socket closed.
async fn refused_header(ctx: &Ctx, header: &[u8]) -> Check {
    let mut raw = ctx.socket().await?;
    raw.bytes(header).await;
    same("answer", raw.rest().await?, PROTOCOL)
}

/// The server properties.
async fn properties(ctx: &Ctx) -> Check<Table> {
    let (_raw, start) = started(ctx).await?;
    let mut input = Reader(&start);
    same("version", (input.u8()?, input.u8()?), (0, 9))?;
    input.table()
}

/// Logs in with these properties, mechanism and response; how the broker closes.
async fn login(ctx: &Ctx, properties: &Table, mechanism: &str, response: &[u8]) -> Check<Scope> {
    let (mut raw, _) = started(ctx).await?;
    raw.send_on(0, start_ok(properties, mechanism, response)).await;
    raw.closed().await
}

/// Checks that a tune-ok is not accepted.
async fn refused_tune(ctx: &Ctx, channel_max: u16, frame_max: u32) -> Check {
    let mut raw = ctx.socket().await?;
    raw.log_in(&ctx.target).await?;
    raw.wait_for((10, 30)).await?;
    raw.send_on(0, tune_ok(channel_max, frame_max, 0)).await;
    raw.send_on(0, open(&ctx.target.vhost)).await;
    match raw.closed().await? {
        Scope::socket | Scope::connection(530, ..) => Ok(()),
        other => fail(format!("{other:?}, expected 530 or the end of the socket")),
    }
}

crate::cases! {
    "connection.header.amqp-2-0", "A version of AMQP that does not exist is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| { refused_header(&ctx, b"AMQP\x00\x02\x00\x00").await?; }
    "connection.header.amqp-0-10", "AMQP 0-10 is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| { refused_header(&ctx, b"AMQP\x01\x01\x00\x0a").await?; }
    "connection.header.http", "HTTP is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| { refused_header(&ctx, b"GET / HTTP/1.1\r\n\r\n").await?; }
    "connection.header.wrong-revision", "A wrong revision is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| { refused_header(&ctx, b"AMQP\x00\x00\x09\x07").await?; }
    "connection.start.version", "connection.start is of version 0-9", START,
    "0 and 9, PLAIN and AMQPLAIN, en_US", |ctx| {
        let (_raw, start) = started(&ctx).await?;
        let mut input = Reader(&start);
        same("version", (input.u8()?, input.u8()?), (0, 9))?;
        input.table()?;
        let mechanisms = String::from_utf8_lossy(input.long()?).into_owned();
        for mechanism in ["PLAIN", "AMQPLAIN"] {
            ensure(mechanisms.split(' ').any(|offered| offered == mechanism), format!("offered: {mechanisms}"))?;
        }
        let locales = String::from_utf8_lossy(input.long()?).into_owned();
        ensure(locales.split(' ').any(|locale| locale == "en_US"), format!("locales: {locales}"))?;
    }
    "connection.start.capabilities", "The broker tells what it can do", "RabbitMQ: Client Capabilities",
    "the nine capabilities that clients look for", |ctx| {
        let properties = properties(&ctx).await?;
        let Some(capabilities) = lookup(&properties, "capabilities").and_then(Value::table) else {
            return fail("no capabilities");
        };
        for name in [
            "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
            "connection.blocked", "consumer_priorities", "authentication_failure_close", "per_consumer_qos",
            "direct_reply_to",
        ] {
            same(name, lookup(capabilities, name), Some(&Value::Bool(true)))?;
        }
    }
    "connection.start.product", "The broker tells who it is", START,
    "product, version, platform", |ctx| {
        let properties = properties(&ctx).await?;
        for key in ["product", "version", "platform"] {
            let text = lookup(&properties, key).and_then(Value::text).unwrap_or_default();
            ensure(!text.is_empty(), format!("no {key}"))?;
        }
    }
    "connection.login.plain", "Login by PLAIN", LOGIN,
    "connection.tune", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        raw.send_on(0, start_ok(&Table::new(), "PLAIN", &plain(&ctx.target.user, &ctx.target.password))).await;
        raw.wait_for((10, 30)).await?;
    }
    "connection.login.amqplain", "Login by AMQPLAIN", LOGIN,
    "connection.tune", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        let (user, password) = (ctx.target.user.as_str(), ctx.target.password.as_str());
        let response = Writer::default().table(&table([("LOGIN", user.into()), ("PASSWORD", password.into())])).done();
        raw.send_on(0, start_ok(&Table::new(), "AMQPLAIN", response.get(4..).unwrap_or_default())).await;
        raw.wait_for((10, 30)).await?;
    }
    "connection.login.wrong-password", "A wrong password is told to clients that can take it", LOGIN,
    "403 ACCESS_REFUSED with authentication_failure_close", |ctx| {
        let closed = login(&ctx, &client_properties(), "PLAIN", &plain(&ctx.target.user, "wrong")).await?;
        let Scope::connection(code, text, id) = closed else { return fail(format!("{closed:?}")) };
        same("code and method", (code, id), (403, (0, 0)))?;
        ensure(text.starts_with("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN"), text)?;
    }
    "connection.login.wrong-password-not-told", "A wrong password is not told to others", LOGIN,
    "the socket is closed", |ctx| {
        same("end", login(&ctx, &Table::new(), "PLAIN", &plain(&ctx.target.user, "wrong")).await?, Scope::socket)?;
    }
    "connection.login.unknown-user", "A user who is not there is refused like a wrong password", LOGIN,
    "403", |ctx| {
        let closed = login(&ctx, &client_properties(), "PLAIN", &plain("nobody of that name", "x")).await?;
        ensure(matches!(closed, Scope::connection(403, ..)), format!("{closed:?}"))?;
    }
    "connection.login.unknown-mechanism", "A mechanism that was not offered", LOGIN,
    "the connection or its socket is closed", |ctx| {
        let closed = login(&ctx, &client_properties(), "MADE-UP", b"").await?;
        ensure(matches!(closed, Scope::socket | Scope::connection(..)), format!("{closed:?}"))?;
    }
    "connection.open.unknown-vhost", "A vhost that is not there", "AMQP 0-9-1, 1.4.2.7 (connection.open)",
    "530 NOT_ALLOWED", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.log_in(&ctx.target).await?;
        raw.wait_for((10, 30)).await?;
        raw.send_on(0, tune_ok(100, FRAME_MAX, 0)).await;
        raw.send_on(0, open("no vhost of that name")).await;
        let text = "NOT_ALLOWED - vhost no vhost of that name not found";
        raw.expect_closed(&Scope::connection(530, text.into(), (10, 40))).await?;
    }
    "connection.open.before-login", "connection.open instead of start-ok", "AMQP 0-9-1, 2.2.4 (the connection class)",
    "the connection or its socket is closed", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        raw.send_on(0, open(&ctx.target.vhost)).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::socket | Scope::connection(..)), format!("{closed:?}"))?;
    }
    "connection.tune.offer", "What the broker offers", TUNE,
    "frames of at least 4096 bytes", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.log_in(&ctx.target).await?;
        let tune = raw.wait_for((10, 30)).await?;
        let mut input = Reader(&tune);
        let (_channels, frame_max) = (input.u16()?, input.u32()?);
        ensure(frame_max == 0 || frame_max >= 4096, format!("frame_max {frame_max}"))?;
    }
    "connection.tune.smaller-frames", "The client's smaller frame_max holds", TUNE,
    "a large message comes in frames of at most 4096 bytes", |ctx| {
        let q = ctx.name("q");
        let mut raw = negotiated(&ctx, 100, 4096, 0).await?;
        raw.queue(&q).await?;
        let mut sender = ctx.raw().await?;
        let mut body = vec![b'x'; 20_000];
        body.extend_from_slice(b"end");
        let bound = ctx.name("x");
        sender.exchange(&bound, "fanout").await?;
        raw.bind(&q, &bound, "").await?;
        sender.publish_with(&bound, "", 0, &crate::codec::Props::default(), &body).await;
        raw.until_ready(&q, 1).await?;
        raw.send(methods::basic_get(&q, true)).await;
        let mut received = 0;
        while received < body.len() {
            let Some(frame) = raw.next_frame().await? else { return fail("closed") };
            ensure(frame.payload.len() + 8 <= 4096, format!("a frame of {} bytes", frame.payload.len() + 8))?;
            received += if frame.kind == 3 { frame.payload.len() } else { 0 };
        }
    }
    "connection.tune.smaller-frames-enforced", "A frame above the client's own frame_max is an error", TUNE,
    "501", |ctx| {
        let mut raw = negotiated(&ctx, 100, 4096, 0).await?;
        raw.frame(3, 1, &[0; 5000]).await;
        raw.expect_closed(&Scope::connection(501, "FRAME_ERROR".into(), (0, 0))).await?;
    }
    "connection.tune.frame-max-too-small", "A frame_max below 4096 is not accepted", TUNE,
    "530 or the end of the socket", |ctx| { refused_tune(&ctx, 100, 100).await?; }
    "connection.tune.channel-max-enforced", "No more channels than were agreed on", TUNE,
    "two of two, and the third is 530 or 504", |ctx| {
        let mut raw = negotiated(&ctx, 2, FRAME_MAX, 0).await?;
        raw.open_channel(2).await?;
        raw.send_on(3, methods::channel_open()).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::connection(504 | 530, ..)), format!("{closed:?}"))?;
    }
    "connection.heartbeat.sent", "The broker sends heartbeats at the agreed interval", HEARTBEAT,
    "two of them while nothing else is sent, at an interval of one second", |ctx| {
        let mut raw = negotiated(&ctx, 100, FRAME_MAX, 1).await?;
        for _ in 0..2 {
            let Some(frame) = raw.next_frame().await? else { return fail("closed") };
            same("frame", (frame.kind, frame.channel, frame.payload.len()), (8, 0, 0_usize))?;
            raw.frame(8, 0, b"").await;
        }
    }
    "connection.heartbeat.silent-client-closed", "A client that is silent for two intervals is closed", HEARTBEAT,
    "the socket's end", |ctx| {
        let mut raw = negotiated(&ctx, 100, FRAME_MAX, 1).await?;
        let ended = tokio::time::timeout(Duration::from_secs(8), raw.rest()).await;
        ensure(ended.is_ok_and(|ended| ended.is_ok()), "still open after 8 intervals")?;
    }
    "connection.heartbeat.keep-alive", "Heartbeats keep a client alive", HEARTBEAT,
    "after three intervals of nothing else it still gets answers", |ctx| {
        let mut raw = negotiated(&ctx, 100, FRAME_MAX, 1).await?;
        let mut beats = 0;
        while beats < 5 {
            let Some(frame) = raw.next_frame().await? else { return fail("closed in spite of heartbeats") };
            beats += u32::from(frame.kind == 8);
            raw.frame(8, 0, b"").await;
        }
        raw.queue(&ctx.name("q")).await?;
    }
    "connection.close.by-client", "The client closes", CLOSE,
    "close-ok", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send_on(0, methods::method(10, 50, Writer::default().u16(200).short("bye").u16(0).u16(0))).await;
        same("arguments of close-ok", raw.wait_for((10, 51)).await?, Vec::<u8>::new())?;
    }
    "connection.close.requeues", "What a closed connection had not acked comes back", CLOSE,
    "another connection gets it", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.publish("", &q, "m").await;
        keeper.until_ready(&q, 1).await?;
        let mut raw = ctx.raw().await?;
        raw.get(&q, false).await?;
        raw.close().await;
        same("message", keeper.arrival(&q).await?.text(), "m")?;
    }
    "connection.close.nothing-after-an-error", "After an error nothing but close-ok is taken", CLOSE,
    "a declaration sent behind the error has no effect", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.frame(4, 1, b"").await;
        raw.send(methods::queue_declare(&q, 0, Table::new())).await;
        raw.expect_closed(&Scope::connection(501, "FRAME_ERROR".into(), (0, 0))).await?;
        let mut other = ctx.raw().await?;
        other.until_gone(&q).await?;
    }
    "connection.secret.updated", "A secret is updated", "RabbitMQ: connection.update-secret",
    "update-secret-ok, and the connection goes on", |ctx| {
        let mut raw = ctx.raw().await?;
        let args = Writer::default().long(ctx.target.password.as_bytes()).short("renewed");
        raw.send_on(0, methods::method(10, 70, args)).await;
        raw.wait_for((10, 71)).await?;
        raw.queue(&ctx.name("q")).await?;
    }
    "channel.open.many", "Two hundred channels at once", CHANNEL,
    "each declares a queue of its own", |ctx| {
        let mut raw = ctx.raw().await?;
        for channel in 2..=200 {
            raw.open_channel(channel).await?;
        }
        for channel in (1..=200).rev() {
            raw.channel = channel;
            let (name, ..) = raw.declare("", methods::q::EXCLUSIVE, Table::new()).await?;
            raw.publish("", &name, "m").await;
            same("message", raw.take(&name).await?.text(), "m")?;
        }
    }
    "channel.open.high-number", "Channels may have any number up to the limit", CHANNEL,
    "2047", |ctx| {
        let mut raw = negotiated(&ctx, 2047, FRAME_MAX, 0).await?;
        raw.open_channel(2047).await?;
        raw.channel = 2047;
        raw.queue(&ctx.name("q")).await?;
    }
    "channel.close.reopen", "A closed channel's number can be used again", CHANNEL,
    "open-ok, with nothing left of the old one", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.call(methods::confirm_select()).await?;
        raw.call(methods::channel_close()).await?;
        raw.open_channel(1).await?;
        raw.publish("", &q, "m").await;
        raw.until_ready(&q, 1).await?;
        raw.quiet(&q).await?;
        same("consumers", raw.counts(&q).await?.1, 0_u32)?;
    }
    "channel.close.consumers-go", "A channel's consumers go with it", CHANNEL,
    "another channel sees none", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.consume(&q, "", c::NO_ACK).await?;
        raw.call(methods::channel_close()).await?;
        raw.channel = 1;
        same("consumers", raw.counts(&q).await?.1, 0_u32)?;
    }
    "channel.error.others-live-on", "An error closes one channel", CHANNEL,
    "404 on one, deliveries go on on the other", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", c::NO_ACK).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.send(methods::queue_declare(&ctx.name("missing"), methods::q::PASSIVE, Table::new())).await;
        let text = format!("NOT_FOUND - no queue '{}' in vhost '{}'", ctx.name("missing"), ctx.target.vhost);
        same("closed", raw.closed().await?, Scope::channel(404, text, (50, 10)))?;
        raw.send(methods::method(20, 41, Writer::default())).await;
        raw.channel = 1;
        raw.publish("", &q, "m").await;
        same("delivery", raw.delivery().await?.text(), "m")?;
    }
    "channel.error.ignored-until-close-ok", "A channel that was closed takes nothing until close-ok", CHANNEL,
    "what was sent behind the error has no effect", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_ack(99, false)).await;
        raw.publish("", &q, "late").await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::channel(406, ..)), format!("{closed:?}"))?;
        raw.send(methods::method(20, 41, Writer::default())).await;
        raw.open_channel(1).await?;
        same("messages", raw.counts(&q).await?.0, 0_u32)?;
    }
    "channel.flow.active", "Flow that is active changes nothing", "AMQP 0-9-1, 1.5.2.3 (channel.flow)",
    "flow-ok with active", |ctx| {
        let mut raw = ctx.raw().await?;
        let ok = raw.call(methods::channel_flow(true)).await?;
        same("active", ok, [1])?;
    }
}
