//! The handshake step by step, what was agreed on, and how connections end.

use std::time::Duration;

use crate::case::{Check, Ctx, Stop, ensure, fail, same};
use crate::codec::{Reader, Table, Value, Writer, table};
use crate::frames::{connection_close, method_frame, negotiated, started};
use crate::methods::{self, basic_publish, method, q, queue_declare};
use crate::raw::{
    Event, FRAME_MAX, PROTOCOL, Raw, Scope, client_properties, frame, open, plain, start_ok, tune_ok,
};

const LOGIN: &str = "AMQP 0-9-1, 1.4.2.2 (connection.start-ok); RabbitMQ: Authentication";
const TUNE: &str = "AMQP 0-9-1, 1.4.2.5 (connection.tune)";
const ORDER: &str = "AMQP 0-9-1, 2.2.4 (the connection class)";
const HEARTBEAT: &str = "AMQP 0-9-1, 4.2.7; RabbitMQ: Heartbeats";
const CLOSE: &str = "AMQP 0-9-1, 1.4.2.9 (connection.close)";

/// Logs in with what a client that can be told offers; how the broker closes.
async fn refused_login(ctx: &Ctx, mechanism: &str, response: &[u8]) -> Check<Scope> {
    let (mut raw, _) = started(ctx).await?;
    raw.send_on(0, start_ok(&client_properties(), mechanism, response)).await;
    raw.closed().await
}

/// A connection that waits for tune-ok, and what the broker offered: channels, frame size, heartbeat.
async fn offered(ctx: &Ctx) -> Check<(Raw, u16, u32, u16)> {
    let mut raw = ctx.socket().await?;
    raw.log_in(&ctx.target).await?;
    let tune = raw.wait_for((10, 30)).await?;
    let mut input = Reader(&tune);
    let (channels, frames, heartbeat) = (input.u16()?, input.u32()?, input.u16()?);
    same("octets after connection.tune", input.0.len(), 0_usize)?;
    Ok((raw, channels, frames, heartbeat))
}

/// Checks that this answer to connection.tune is refused.
async fn refused_tune(mut raw: Raw, ctx: &Ctx, channel_max: u16, frame_max: u32) -> Check {
    raw.send_on(0, tune_ok(channel_max, frame_max, 0)).await;
    raw.send_on(0, open(&ctx.target.vhost)).await;
    match raw.closed().await? {
        Scope::socket | Scope::connection(530, ..) => Ok(()),
        other => fail(format!("{other:?}, expected 530 or the end of the socket")),
    }
}

/// Sends a method on channel 0 of an open connection and checks that it is a connection exception.
async fn refused_on_zero(ctx: &Ctx, wrong: methods::Method, codes: &[u16]) -> Check {
    let mut raw = ctx.raw().await?;
    raw.send_on(0, wrong).await;
    raw.expect_code(codes).await
}

crate::cases! {
    "connection.start.frame", "connection.start is one frame on channel 0", "AMQP 0-9-1, 1.4.2.1 (connection.start)",
    "nothing after the locales", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.bytes(PROTOCOL).await;
        let Some(frame) = raw.next_frame().await? else { return fail("closed") };
        same("type and channel", (frame.kind, frame.channel), (1, 0))?;
        let mut input = Reader(&frame.payload);
        same("method", (input.u16()?, input.u16()?), (10, 10))?;
        input.u16()?;
        input.table()?;
        input.long()?;
        input.long()?;
        same("octets left", input.0.len(), 0_usize)?;
    }
    "connection.login.frame-before-tune-limited", "Before connection.tune a frame is small", LOGIN,
    "a start-ok of 4096 bytes is taken; one of more than 8192 ends the socket, and so does the mere size of one, twice", |ctx| {
        let login = plain(&ctx.target.user, &ctx.target.password);
        let start_ok_of = |size: usize| {
            let method = |filler: usize| start_ok(&table([("filler", "x".repeat(filler).into())]), "PLAIN", &login);
            method(size - 4 - method(0).args.len())
        };
        let (mut raw, _) = started(&ctx).await?;
        raw.send_on(0, start_ok_of(4096)).await;
        raw.wait_for((10, 30)).await?;
        raw.bytes(&[1, 0, 0, 0, 0, 0x20, 1]).await;
        same("end after 8193 bytes in place of tune-ok", raw.closed().await?, Scope::socket)?;
        for size in [8193, FRAME_MAX as usize] {
            let (mut raw, _) = started(&ctx).await?;
            raw.send_on(0, start_ok_of(size)).await;
            same("end after a large start-ok", raw.closed().await?, Scope::socket)?;
        }
        let (mut raw, _) = started(&ctx).await?;
        raw.bytes(&[1, 0, 0, 0, 0, 0x20, 1]).await;
        same("end after the size of a large start-ok", raw.closed().await?, Scope::socket)?;
    }
    "connection.login.any-client-properties", "A client may tell anything about itself", LOGIN,
    "connection.tune after properties of all types", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        let properties = table([
            ("text", Value::Str(vec![0, 255])), ("number", 1.into()), ("octet", Value::U8(1)), ("void", Value::Void),
            ("table", Value::Table(table([("inner", true.into())]))), ("array", Value::Array(vec!["a".into()])),
            ("time", Value::Time(1)), ("double", Value::F64(0.5)), ("capabilities", Value::Table(Table::new())),
        ]);
        let response = plain(&ctx.target.user, &ctx.target.password);
        raw.send_on(0, start_ok(&properties, "PLAIN", &response)).await;
        raw.wait_for((10, 30)).await?;
    }
    "connection.login.large-client-properties", "Client properties of 3000 bytes fit into the handshake", LOGIN,
    "connection.tune", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        let properties = table([("text", "x".repeat(3000).into())]);
        let response = plain(&ctx.target.user, &ctx.target.password);
        raw.send_on(0, start_ok(&properties, "PLAIN", &response)).await;
        raw.wait_for((10, 30)).await?;
    }
    "connection.login.amqplain-wrong-password", "A wrong password by AMQPLAIN", LOGIN,
    "403, and the text names the mechanism", |ctx| {
        let login = table([("LOGIN", ctx.target.user.as_str().into()), ("PASSWORD", "wrong".into())]);
        let response = Writer::default().table(&login).done();
        let closed = refused_login(&ctx, "AMQPLAIN", response.get(4..).unwrap_or_default()).await?;
        let Scope::connection(code, text, id) = closed else { return fail(format!("{closed:?}")) };
        same("code and method", (code, id), (403, (0, 0)))?;
        ensure(text.starts_with("ACCESS_REFUSED - Login was refused using authentication mechanism AMQPLAIN"), text)?;
    }
    "connection.login.empty-password", "An empty password is not the password", LOGIN,
    "403", |ctx| {
        let closed = refused_login(&ctx, "PLAIN", &plain(&ctx.target.user, "")).await?;
        ensure(matches!(closed, Scope::connection(403, ..)), format!("{closed:?}"))?;
    }
    "connection.login.password-in-part", "The beginning of the password is not the password", LOGIN,
    "403", |ctx| {
        let mut password = ctx.target.password.clone();
        password.pop();
        let closed = refused_login(&ctx, "PLAIN", &plain(&ctx.target.user, &password)).await?;
        ensure(matches!(closed, Scope::connection(403, ..)), format!("{closed:?}"))?;
    }
    "connection.login.user-of-another-case", "Users' names have upper and lower case", LOGIN,
    "403", |ctx| {
        let user = ctx.target.user.to_uppercase();
        if user == ctx.target.user {
            return Err(Stop::Skip("the user's name has no lower case".into()));
        }
        let closed = refused_login(&ctx, "PLAIN", &plain(&user, &ctx.target.password)).await?;
        ensure(matches!(closed, Scope::connection(403, ..)), format!("{closed:?}"))?;
    }
    "connection.login.malformed-plain", "A PLAIN response without separators", LOGIN,
    "the connection or its socket is closed", |ctx| {
        let closed = refused_login(&ctx, "PLAIN", b"guest").await?;
        ensure(matches!(closed, Scope::socket | Scope::connection(..)), format!("{closed:?}"))?;
    }
    "connection.login.malformed-amqplain", "An AMQPLAIN response that ends within a value", LOGIN,
    "the connection or its socket is closed", |ctx| {
        let closed = refused_login(&ctx, "AMQPLAIN", b"\x05LOGINS\0\0\0\x20gue").await?;
        ensure(matches!(closed, Scope::socket | Scope::connection(..)), format!("{closed:?}"))?;
    }
    "connection.login.mechanism-in-lower-case", "Mechanisms are written in upper case", LOGIN,
    "the connection or its socket is closed", |ctx| {
        let response = plain(&ctx.target.user, &ctx.target.password);
        let closed = refused_login(&ctx, "plain", &response).await?;
        ensure(matches!(closed, Scope::socket | Scope::connection(..)), format!("{closed:?}"))?;
    }
    "connection.login.method-of-a-channel", "No channel before the login", ORDER,
    "the connection or its socket is closed", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        raw.send_on(1, methods::channel_open()).await;
        raw.expect_refused().await?;
    }
    "connection.tune.channel-max-above-offer", "A client cannot agree to more channels than were offered", TUNE,
    "530 or the end of the socket", |ctx| {
        let (raw, channels, frames, _) = offered(&ctx).await?;
        if channels == 0 || channels == u16::MAX {
            return Err(Stop::Skip("the broker offers any number of channels".into()));
        }
        refused_tune(raw, &ctx, channels + 1, frames).await?;
    }
    "connection.tune.frame-max-above-offer", "A client cannot agree to larger frames than were offered", TUNE,
    "530 or the end of the socket", |ctx| {
        let (raw, channels, frames, _) = offered(&ctx).await?;
        if frames == 0 {
            return Err(Stop::Skip("the broker offers frames of any size".into()));
        }
        refused_tune(raw, &ctx, channels, frames + 1).await?;
    }
    "connection.tune.frame-max-without-limit", "A client cannot agree to frames of any size if there is a limit", TUNE,
    "530 or the end of the socket", |ctx| {
        let (raw, channels, frames, _) = offered(&ctx).await?;
        if frames == 0 {
            return Err(Stop::Skip("the broker offers frames of any size".into()));
        }
        refused_tune(raw, &ctx, channels, 0).await?;
    }
    "connection.tune.frame-max-4095", "One byte below the smallest frame_max is too little", TUNE,
    "530 or the end of the socket", |ctx| {
        let (raw, channels, ..) = offered(&ctx).await?;
        refused_tune(raw, &ctx, channels, 4095).await?;
    }
    "connection.tune.frame-max-4096", "The smallest frame_max is 4096", TUNE,
    "open-ok", |ctx| {
        let (mut raw, channels, ..) = offered(&ctx).await?;
        raw.send_on(0, tune_ok(channels, 4096, 0)).await;
        raw.send_on(0, open(&ctx.target.vhost)).await;
        same("open-ok", raw.wait_for((10, 41)).await?, [0])?;
    }
    "connection.tune.as-offered", "A client may agree to all that was offered", TUNE,
    "open-ok, and the highest channel can be opened", |ctx| {
        let (mut raw, channels, frames, heartbeat) = offered(&ctx).await?;
        raw.send_on(0, tune_ok(channels, frames, heartbeat)).await;
        raw.send_on(0, open(&ctx.target.vhost)).await;
        raw.wait_for((10, 41)).await?;
        raw.open_channel(if channels == 0 { u16::MAX } else { channels }).await?;
    }
    "connection.tune.one-channel", "One channel can be agreed on", TUNE,
    "channel 1 works, channel 2 is 530 or 504", |ctx| {
        let mut raw = negotiated(&ctx, 1, FRAME_MAX, 0).await?;
        raw.queue(&ctx.name("q")).await?;
        raw.send_on(2, methods::channel_open()).await;
        raw.expect_code(&[504, 530]).await?;
    }
    "connection.tune.other-heartbeat", "The client's heartbeat counts, shorter or longer than the offer", TUNE,
    "open-ok for 1 and for 65535", |ctx| {
        for heartbeat in [1, u16::MAX] {
            let mut raw = negotiated(&ctx, 10, FRAME_MAX, heartbeat).await?;
            raw.round_trip().await?;
        }
    }
    "connection.open.without-tune-ok", "connection.open instead of tune-ok", ORDER,
    "the connection or its socket is closed", |ctx| {
        let (mut raw, ..) = offered(&ctx).await?;
        raw.send_on(0, open(&ctx.target.vhost)).await;
        raw.expect_refused().await?;
    }
    "connection.open.channel-before", "No channel before connection.open", ORDER,
    "the connection or its socket is closed", |ctx| {
        let (mut raw, channels, frames, _) = offered(&ctx).await?;
        raw.send_on(0, tune_ok(channels, frames, 0)).await;
        raw.send_on(1, methods::channel_open()).await;
        raw.expect_refused().await?;
    }
    "connection.open.twice", "connection.open on an open connection", ORDER,
    "503, 504 or 530", |ctx| {
        refused_on_zero(&ctx, open(&ctx.target.vhost), &[503, 504, 530]).await?;
    }
    "connection.open.start-ok-again", "A second login on an open connection", ORDER,
    "503, 504 or 530", |ctx| {
        let again = start_ok(&Table::new(), "PLAIN", &plain(&ctx.target.user, &ctx.target.password));
        refused_on_zero(&ctx, again, &[503, 504, 530]).await?;
    }
    "connection.open.tune-ok-again", "A second tune-ok on an open connection", ORDER,
    "503, 504 or 530", |ctx| {
        refused_on_zero(&ctx, tune_ok(10, 4096, 0), &[503, 504, 530]).await?;
    }
    "connection.open.publish-on-zero", "A publish on channel 0", "AMQP 0-9-1, 4.2.3 (general frame format)",
    "503, 504 or 505", |ctx| {
        refused_on_zero(&ctx, basic_publish("", &ctx.name("q"), 0), &[503, 504, 505]).await?;
    }
    "connection.close.on-a-channel", "connection.close on channel 1", "AMQP 0-9-1, 4.2.3 (general frame format)",
    "503, 504 or 505", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(method(10, 50, Writer::default().u16(200).short("bye").u16(0).u16(0))).await;
        raw.expect_code(&[503, 504, 505]).await?;
    }
    "connection.heartbeat.none-at-zero", "Without heartbeats neither side sends any", HEARTBEAT,
    "nothing comes in 2.5 s, and the silent client is still served", |ctx| {
        let mut raw = negotiated(&ctx, 10, FRAME_MAX, 0).await?;
        match tokio::time::timeout(Duration::from_millis(2500), raw.next_frame()).await {
            Err(_) => raw.queue(&ctx.name("q")).await?,
            Ok(frame) => return fail(format!("{:?} came", frame?)),
        }
    }
    "connection.heartbeat.methods-count", "Other frames keep a client alive as heartbeats do", HEARTBEAT,
    "after 3.3 s of publishing nothing was closed", |ctx| {
        let mut raw = negotiated(&ctx, 10, FRAME_MAX, 1).await?;
        let key = ctx.name("nowhere");
        let publishing = async {
            loop {
                raw.publish("", &key, "m").await;
                match tokio::time::timeout(Duration::from_millis(300), raw.next_frame()).await {
                    Ok(Ok(Some(frame))) => same("frame", frame.kind, 8)?,
                    Ok(Ok(None)) => return fail("closed in spite of publishing"),
                    Ok(Err(stop)) => return Err(stop),
                    Err(_) => {}
                }
            }
        };
        if let Ok(ended) = tokio::time::timeout(Duration::from_millis(3300), publishing).await {
            return ended;
        }
        raw.queue(&ctx.name("q")).await?;
    }
    "connection.heartbeat.in-mid-frame", "A client that stops within a frame is silent", HEARTBEAT,
    "closed, though a part of a frame came", |ctx| {
        let mut raw = negotiated(&ctx, 10, FRAME_MAX, 1).await?;
        raw.bytes(&[3, 0, 1, 0, 0, 1, 0, 1, 2, 3]).await;
        let ended = tokio::time::timeout(Duration::from_secs(8), raw.rest()).await;
        ensure(ended.is_ok_and(|ended| ended.is_ok()), "still open after 8 intervals")?;
    }
    "connection.heartbeat.unacked-back", "What a silent client had not acked goes to another", HEARTBEAT,
    "redelivered once the silent one is closed", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.publish("", &q, "m").await;
        keeper.until_ready(&q, 1).await?;
        let mut silent = negotiated(&ctx, 10, FRAME_MAX, 1).await?;
        silent.get(&q, false).await?;
        let message = keeper.arrival(&q).await?;
        same("message", (message.text().as_str(), message.redelivered), ("m", true))?;
    }
    "connection.close.lost", "What a lost connection had not acked comes back", CLOSE,
    "another connection gets it, redelivered", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        keeper.publish("", &q, "m").await;
        keeper.until_ready(&q, 1).await?;
        let mut raw = ctx.raw().await?;
        raw.get(&q, false).await?;
        drop(raw);
        let message = keeper.arrival(&q).await?;
        same("message", (message.text().as_str(), message.redelivered), ("m", true))?;
    }
    "connection.close.methods-after", "Methods behind connection.close are ignored", CLOSE,
    "nothing comes after close-ok, and a queue that is declared behind it is not there", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let mut bytes = connection_close();
        bytes.extend(method_frame(1, &queue_declare(&q, q::NONE, Table::new())));
        raw.bytes(&bytes).await;
        raw.expect_on(0, (10, 51)).await?;
        if let Ok(Ok(Some(frame))) = tokio::time::timeout(Duration::from_millis(200), raw.next_frame()).await {
            return fail(format!("{frame:?} came after close-ok"));
        }
        let mut other = ctx.raw().await?;
        other.send(queue_declare(&q, q::PASSIVE, Table::new())).await;
        other.expect_channel_code(404, (50, 10)).await?;
    }
    "connection.close.socket-left-to-client", "After close-ok the client is the one to end the socket", CLOSE,
    "the broker goes on reading: it ignores what comes but another close, and nothing of the connection is left", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        for _ in 0..3 {
            raw.bytes(&connection_close()).await;
            raw.expect_on(0, (10, 51)).await?;
            raw.publish("", &q, "ignored").await;
            raw.send(queue_declare(&q, q::EXCLUSIVE, Table::new())).await;
            raw.frame(8, 0, b"").await;
        }
        ctx.open().await?.until_gone(&q).await?;
        raw.finish().await;
        same("octets after the last close-ok", raw.rest().await?, Vec::<u8>::new())?;
    }
    "connection.close.half-closed", "A client that closes and at once ends its side of the socket", CLOSE,
    "close-ok, and then the end", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.bytes(&connection_close()).await;
        raw.expect_on(0, (10, 51)).await?;
        raw.finish().await;
        same("octets after close-ok", raw.rest().await?, Vec::<u8>::new())?;
    }
    "connection.close.crossed", "A client's close that crosses the broker's", CLOSE,
    "it is answered; the client's close-ok ends the socket", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(methods::basic_qos(9, 1, false)).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::connection(540, ..)), format!("{closed:?}"))?;
        raw.bytes(&connection_close()).await;
        raw.expect_on(0, (10, 51)).await?;
        raw.send_on(0, method(10, 51, Writer::default())).await;
        same("octets after close-ok", raw.rest().await?, Vec::<u8>::new())?;
    }
    "connection.close.publishes-before", "What was published before connection.close counts", CLOSE,
    "a hundred messages, all there", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.queue(&ctx.name("other")).await?;
        keeper.declare(&q, 0, Table::new()).await?;
        let mut raw = ctx.raw().await?;
        for number in 0..100 {
            raw.publish("", &q, &number.to_string()).await;
        }
        raw.close().await;
        keeper.until_ready(&q, 100).await?;
        same("messages", keeper.drain(&q).await?, (0..100).map(|number| number.to_string()).collect::<Vec<_>>())?;
    }
    "connection.close.in-mid-content", "connection.close while a content is under way", CLOSE,
    "close-ok, and the unfinished message does not exist", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        let mut raw = ctx.raw().await?;
        raw.publish_parts(&q, 10, &[b"half"]).await;
        raw.bytes(&connection_close()).await;
        raw.expect_on(0, (10, 51)).await?;
        same("messages", keeper.counts(&q).await?.0, 0_u32)?;
    }
    "connection.close.with-deliveries", "connection.close while deliveries come", CLOSE,
    "close-ok comes after them, and what was not acked is back in the queue", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        for _ in 0..200 {
            keeper.publish("", &q, "m").await;
        }
        keeper.until_ready(&q, 200).await?;
        let mut raw = ctx.raw().await?;
        raw.consume(&q, "t", 0).await?;
        raw.close().await;
        keeper.until_ready(&q, 200).await?;
        same("consumers", keeper.counts(&q).await?.1, 0_u32)?;
    }
    "connection.close.without-channels", "A connection without channels can be closed", CLOSE,
    "close-ok", |ctx| {
        let mut raw = ctx.open().await?;
        raw.bytes(&connection_close()).await;
        raw.expect_on(0, (10, 51)).await?;
    }
    "connection.close.answered-by-client", "After the client's close-ok the broker ends the socket", CLOSE,
    "nothing more comes", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.frame(4, 1, b"").await;
        raw.expect_code(&[501]).await?;
        raw.send_on(0, method(10, 51, Writer::default())).await;
        same("octets after it", raw.rest().await?.len(), 0_usize)?;
    }
    "connection.close.crossing", "Both sides close at once", CLOSE,
    "the broker's connection.close, then close-ok to the client's", |ctx| {
        let mut raw = ctx.raw().await?;
        let mut bytes = frame(3, 0, b"a body on channel 0");
        bytes.extend(connection_close());
        raw.bytes(&bytes).await;
        raw.expect_code(&[505]).await?;
        raw.expect_on(0, (10, 51)).await?;
    }
    "connection.close.nothing-sent-after-error", "After its connection.close a broker delivers nothing", CLOSE,
    "not even close-ok is followed by anything, though a message for its consumer arrives", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        let mut raw = ctx.raw().await?;
        raw.consume(&q, "t", 0).await?;
        raw.frame(4, 1, b"").await;
        raw.expect_code(&[501]).await?;
        keeper.publish("", &q, "m").await;
        keeper.round_trip().await?;
        raw.send_on(0, method(10, 51, Writer::default())).await;
        same("octets after it", raw.rest().await?.len(), 0_usize)?;
        same("message", keeper.arrival(&q).await?.text(), "m")?;
    }
    "connection.blocked.not-without-need", "A broker that lacks nothing blocks no one", "RabbitMQ: Blocked Connections",
    "no connection.blocked while messages are published", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.call(methods::confirm_select()).await?;
        for number in 1..=20 {
            raw.publish("", &q, "m").await;
            match raw.event().await? {
                Event::Method(1, (60, 80), args) => same("tag", Reader(&args).u64()?, number)?,
                other => return fail(format!("{other:?}, expected a confirm")),
            }
        }
        raw.quiet(&q).await?;
    }
    "connection.secret.any", "Any secret will do for a user with a password", "RabbitMQ: connection.update-secret",
    "update-secret-ok for the right one, a wrong one, none and a long one; the connection goes on", |ctx| {
        let mut raw = ctx.raw().await?;
        for secret in [ctx.target.password.clone(), "wrong".to_owned(), String::new(), "x".repeat(100_000)] {
            let args = Writer::default().long(secret.as_bytes()).short("renewed");
            raw.send_on(0, method(10, 70, args)).await;
            raw.expect_on(0, (10, 71)).await?;
            raw.round_trip().await?;
        }
    }
    "connection.secret.twice", "A secret can be updated again", "RabbitMQ: connection.update-secret",
    "update-secret-ok each time, on channel 0", |ctx| {
        let mut raw = ctx.raw().await?;
        for reason in ["renewed", ""] {
            let args = Writer::default().long(ctx.target.password.as_bytes()).short(reason);
            raw.send_on(0, method(10, 70, args)).await;
            same("arguments", raw.expect_on(0, (10, 71)).await?, Vec::<u8>::new())?;
        }
    }
}
