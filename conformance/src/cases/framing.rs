//! Frames at the edges of what is allowed, and broken ones that a broker may answer in more than one way.

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Props, Table, Writer, table};
use crate::frames::{connection_close, method_frame, negotiated, publish_bytes, started, still_serves};
use crate::methods::{self, basic_publish, method, queue_declare};
use crate::raw::{FRAME_MAX, PROTOCOL, Raw, Scope, frame, header, open, plain, start_ok, tune_ok};

const FRAMES: &str = "AMQP 0-9-1, 4.2.3 (general frame format)";
const HEADER: &str = "AMQP 0-9-1, 4.2.2 (protocol header)";
const CONTENT: &str = "AMQP 0-9-1, 4.2.6 (content framing)";
const TABLES: &str = "AMQP 0-9-1, 4.2.5.5 (field tables)";
const CODES: &str = "AMQP 0-9-1, 1.2 (reply codes)";

/// A table of tables, so many deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut inner = Vec::new();
    for level in (0..depth).rev() {
        // Each level adds seven bytes: a key, the type and a length.
        let length = ((depth - 1 - level) * 7) as u32;
        let mut table = Writer::default().short("k").u8(b'F').u32(length).done();
        table.append(&mut inner);
        inner = table;
    }
    inner
}

/// Checks that an end of the connection, or nothing, is what deep nesting leads to, and that others are still served.
async fn survived(ctx: &Ctx, raw: &mut Raw) -> Check {
    raw.bytes(&connection_close()).await;
    raw.closed_or((10, 51)).await?;
    still_serves(ctx).await
}

/// Publishes with these raw property flags and values and checks that the connection is closed.
async fn bad_properties(ctx: &Ctx, properties: &[u8]) -> Check {
    let mut raw = ctx.raw().await?;
    raw.send(basic_publish("", &ctx.name("q"), 0)).await;
    raw.content_header(0, properties).await;
    raw.expect_code(&[501, 502, 541]).await?;
    still_serves(ctx).await
}

/// Sends a method with these arguments on channel 1 and checks that it is 501, which names the method.
async fn cut_off(ctx: &Ctx, id: (u16, u16), args: Writer) -> Check {
    let mut raw = ctx.raw().await?;
    raw.send(method(id.0, id.1, args)).await;
    raw.expect_closed(&Scope::connection(501, "FRAME_ERROR".into(), id)).await
}

fn w() -> Writer {
    Writer::default()
}

/// Whether a frame with so many bytes of payload is refused: with 501, and the size that the specification allows.
async fn expect_too_large(raw: &mut Raw, kind: u8, frame_max: u32, size: usize) -> Check {
    let text =
        format!("FRAME_ERROR - type {kind}, all octets = <<>>: {{frame_too_large,{size},{}}}", frame_max - 8);
    raw.expect_closed(&Scope::connection(501, text, (0, 0))).await
}

async fn body_frame_of(ctx: &Ctx, frame_max: u32, size: usize) -> Check {
    let q = ctx.name(&format!("body{size}"));
    let mut raw = negotiated(ctx, 100, frame_max, 0).await?;
    raw.queue(&q).await?;
    raw.publish_parts(&q, size as u64, &[&vec![b'x'; size]]).await;
    if size > frame_max as usize {
        return expect_too_large(&mut raw, 3, frame_max, size).await;
    }
    raw.until_ready(&q, 1).await?;
    raw.send(methods::basic_get(&q, true)).await;
    // What the broker sends keeps within frame_max, its overhead included.
    let mut frames = Vec::new();
    while frames.iter().filter(|(kind, _)| *kind == 3).map(|(_, length)| length).sum::<usize>() < size {
        let Some(frame) = raw.next_frame().await? else { return fail("closed in mid-body") };
        frames.push((frame.kind, frame.payload.len()));
    }
    same("body frames", frames.get(2..), Some(&[(3, frame_max as usize - 8), (3, 8)][..]))?;
    raw.close().await;
    Ok(())
}

async fn header_frame_of(ctx: &Ctx, frame_max: u32, size: usize) -> Check {
    let q = ctx.name(&format!("header{size}"));
    let mut raw = negotiated(ctx, 100, frame_max, 0).await?;
    raw.queue(&q).await?;
    // Class, weight, size and flags take 14 bytes, the table's length 4, the key, type and length of its value 7.
    let props = Props::headers([("k", "x".repeat(size - 14 - 4 - 7).into())]);
    same("size of the header", header(60, 0, 0, &props.encode()).len(), size)?;
    raw.publish_with("", &q, 0, &props, b"").await;
    if size > frame_max as usize {
        return expect_too_large(&mut raw, 2, frame_max, size).await;
    }
    same("headers", raw.take(&q).await?.props, props)?;
    raw.close().await;
    Ok(())
}

async fn method_frame_of(ctx: &Ctx, frame_max: u32, size: usize) -> Check {
    let q = ctx.name(&format!("method{size}"));
    let mut raw = negotiated(ctx, 100, frame_max, 0).await?;
    let declare = |filler: usize| {
        let args = table([("k", "x".repeat(filler).into())]);
        queue_declare(&q, methods::q::EXCLUSIVE, args)
    };
    let empty = declare(0).args.len() + 4;
    raw.send(declare(size - empty)).await;
    if size > frame_max as usize {
        return expect_too_large(&mut raw, 1, frame_max, size).await;
    }
    raw.expect_on(1, (50, 11)).await?;
    raw.close().await;
    Ok(())
}

crate::cases! {
    "connection.header.tls", "A TLS greeting is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.bytes(&[0x16, 0x03, 0x01, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x2b, 0x03, 0x03]).await;
        same("answer", raw.rest().await?, PROTOCOL)?;
    }
    "connection.header.zeros", "Eight zero octets are answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.bytes(&[0; 8]).await;
        same("answer", raw.rest().await?, PROTOCOL)?;
    }
    "connection.header.lower-case", "A header in lower case is answered with 0-9-1", HEADER,
    "our header, and the socket is closed", |ctx| {
        let mut raw = ctx.socket().await?;
        raw.bytes(b"amqp\x00\x00\x09\x01").await;
        same("answer", raw.rest().await?, PROTOCOL)?;
    }
    "connection.header.byte-by-byte", "The header may come one octet at a time", HEADER,
    "connection.start", |ctx| {
        let mut raw = ctx.socket().await?;
        for byte in PROTOCOL {
            raw.bytes(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        raw.wait_for((10, 10)).await?;
    }
    "frame.split.byte-by-byte", "Frames may come one octet at a time", FRAMES,
    "a declaration, a publish and a get are answered as if they came whole", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        let mut bytes = method_frame(1, &queue_declare(&q, methods::q::EXCLUSIVE, Table::new()));
        bytes.extend(method_frame(1, &basic_publish("", &q, 0)));
        bytes.extend(frame(2, 1, &header(60, 0, 3, &[0, 0])));
        bytes.extend(frame(3, 1, b"abc"));
        for byte in bytes {
            raw.bytes(&[byte]).await;
        }
        raw.wait_for((50, 11)).await?;
        same("message", raw.take(&q).await?.text(), "abc")?;
    }
    "frame.split.many-in-one-write", "Many frames may come in one write", FRAMES,
    "a thousand publishes, all there and in order", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        let mut bytes = Vec::new();
        for number in 0..1000 {
            let body = number.to_string();
            bytes.extend(method_frame(1, &basic_publish("", &q, 0)));
            bytes.extend(frame(2, 1, &header(60, 0, body.len() as u64, &[0, 0])));
            bytes.extend(frame(3, 1, body.as_bytes()));
        }
        raw.bytes(&bytes).await;
        raw.consume(&q, "", methods::c::NO_ACK).await?;
        let sent: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        same("messages", raw.texts(1000).await?, sent)?;
    }
    "connection.open.pipelined", "A client need not wait for answers in the handshake",
    "AMQP 0-9-1, 2.2.4 (the connection class)",
    "start, tune, open-ok, channel.open-ok and declare-ok, in that order", |ctx| {
        let mut raw = ctx.socket().await?;
        let response = plain(&ctx.target.user, &ctx.target.password);
        let mut bytes = PROTOCOL.to_vec();
        bytes.extend(method_frame(0, &start_ok(&Table::new(), "PLAIN", &response)));
        bytes.extend(method_frame(0, &tune_ok(100, FRAME_MAX, 0)));
        bytes.extend(method_frame(0, &open(&ctx.target.vhost)));
        bytes.extend(method_frame(1, &methods::channel_open()));
        bytes.extend(method_frame(1, &queue_declare(&ctx.name("q"), methods::q::EXCLUSIVE, Table::new())));
        raw.bytes(&bytes).await;
        for (channel, id) in [(0, (10, 10)), (0, (10, 30)), (0, (10, 41)), (1, (20, 11)), (1, (50, 11))] {
            raw.expect_on(channel, id).await?;
        }
    }
    "frame.size.body-of-exactly-frame-max", "A frame of exactly the agreed size is not too large", FRAMES,
    "with a frame_max of 4096 a body frame of 4088 and one of 4087 bytes are one message", |ctx| {
        let q = ctx.name("q");
        let mut raw = negotiated(&ctx, 100, 4096, 0).await?;
        raw.queue(&q).await?;
        raw.publish_parts(&q, 8175, &[&[b'a'; 4088], &[b'b'; 4087]]).await;
        let message = raw.take(&q).await?;
        same("length", message.body.len(), 8175_usize)?;
        same("parts", message.body.iter().filter(|byte| **byte == b'a').count(), 4088_usize)?;
    }
    "frame.size.header-of-exactly-frame-max", "A content header may fill a frame", FRAMES,
    "a header value that makes the header frame 4096 bytes arrives", |ctx| {
        let q = ctx.name("q");
        let mut raw = negotiated(&ctx, 100, 4096, 0).await?;
        raw.queue(&q).await?;
        // Class, weight, size and flags take 14 bytes, the table's length 4, the key, type and length of its value 7.
        let text = "x".repeat(4096 - 8 - 14 - 4 - 7);
        let props = Props::headers([("k", text.into())]);
        same("size of the frame", 8 + header(60, 0, 0, &props.encode()).len(), 4096_usize)?;
        raw.publish_with("", &q, 0, &props, b"").await;
        same("headers", raw.take(&q).await?.props, props)?;
    }
    "frame.size.body-payload-of-frame-max", "A body frame whose payload has frame_max bytes, as clients send it that count only payloads", FRAMES,
    "4096, 8192 and 131072 bytes beside the overhead are taken, one byte more is 501", |ctx| {
        for frame_max in [4096, 8192, FRAME_MAX] {
            for excess in [0, 1] {
                body_frame_of(&ctx, frame_max, frame_max as usize + excess).await?;
            }
        }
    }
    "frame.size.header-payload-of-frame-max", "A header frame whose payload has frame_max bytes, as clients send it that count only payloads", FRAMES,
    "4096, 8192 and 131072 bytes beside the overhead are taken, one byte more is 501", |ctx| {
        for frame_max in [4096, 8192, FRAME_MAX] {
            for excess in [0, 1] {
                header_frame_of(&ctx, frame_max, frame_max as usize + excess).await?;
            }
        }
    }
    "frame.size.method-payload-of-frame-max", "A method frame whose payload has frame_max bytes, as clients send it that count only payloads", FRAMES,
    "4096, 8192 and 131072 bytes beside the overhead are taken, one byte more is 501", |ctx| {
        for frame_max in [4096, 8192, FRAME_MAX] {
            for excess in [0, 1] {
                method_frame_of(&ctx, frame_max, frame_max as usize + excess).await?;
            }
        }
    }
    "frame.size.refused-before-it-came", "A frame's size is looked at before its content came", FRAMES,
    "501 for a size of 4 GiB of which nothing follows", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.bytes(&[3, 0, 1, 0xff, 0xff, 0xff, 0xff]).await;
        raw.expect_closed(&Scope::connection(501, "FRAME_ERROR".into(), (0, 0))).await?;
    }
    "frame.size.agreed-above-4096-enforced", "A frame_max of 8192 holds for the client", FRAMES,
    "a frame of 8192 bytes is fine, one of 9008 is 501", |ctx| {
        let q = ctx.name("q");
        let mut raw = negotiated(&ctx, 100, 8192, 0).await?;
        raw.queue(&q).await?;
        raw.publish_parts(&q, 8184, &[&[b'x'; 8184]]).await;
        same("length", raw.take(&q).await?.body.len(), 8184_usize)?;
        raw.publish_parts(&q, 9000, &[&[b'x'; 9000]]).await;
        raw.expect_closed(&Scope::connection(501, "FRAME_ERROR".into(), (0, 0))).await?;
    }
    "frame.content.empty-body-frames", "Body frames may be empty", CONTENT,
    "they add nothing to the message", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish_parts(&q, 4, &[b"", b"ab", b"", b"", b"cd"]).await;
        same("message", raw.take(&q).await?.text(), "abcd")?;
    }
    "frame.content.body-frame-for-empty-body", "An empty message has no body frame", CONTENT,
    "one that follows nevertheless is 505", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.publish_parts(&ctx.name("q"), 0, &[b""]).await;
        raw.expect_code(&[505]).await?;
    }
    "frame.content.two-bodies", "A body frame after a whole message is one too many", CONTENT,
    "505", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.publish_parts(&q, 2, &[b"ab", b"cd"]).await;
        raw.expect_code(&[505]).await?;
    }
    "frame.content.lost-in-mid-body", "A message whose connection is lost before its end does not exist", CONTENT,
    "the one before it is there, the unfinished one is not", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.declare(&q, 0, Table::new()).await?;
        let mut raw = ctx.raw().await?;
        raw.publish("", &q, "whole").await;
        raw.publish_parts(&q, 10, &[b"half"]).await;
        drop(raw);
        same("first", keeper.arrival(&q).await?.text(), "whole")?;
        keeper.publish("", &q, "later").await;
        same("second", keeper.drain(&q).await?, ["later"])?;
    }
    "frame.content.error-elsewhere", "A content goes on while another channel fails", CONTENT,
    "404 on one channel between two body frames of the other, and the message arrives", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.open_channel(2).await?;
        raw.publish_parts(&q, 4, &[b"ab"]).await;
        raw.send_on(2, queue_declare(&ctx.name("missing"), methods::q::PASSIVE, Table::new())).await;
        let closed = raw.closed().await?;
        ensure(matches!(closed, Scope::channel(404, ..)), format!("{closed:?}"))?;
        raw.frame(3, 1, b"cd").await;
        same("message", raw.take(&q).await?.text(), "abcd")?;
    }
    "frame.content.on-failed-channel", "A content that is under way when its channel fails is passed over", CONTENT,
    "after close-ok the channel can be opened, and only what is published then is there", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.publish("no exchange of that name", "k", "m").await;
        raw.publish_parts(&q, 4, &[b"ab", b"cd"]).await;
        raw.expect_channel_code(404, (60, 40)).await?;
        raw.publish("", &q, "new").await;
        same("messages", raw.drain(&q).await?, ["new"])?;
    }
    "frame.properties.cut-off", "Properties that end before the flags say so", CODES,
    "501, 502 or 541, and the broker serves others", |ctx| {
        bad_properties(&ctx, &[0x80, 0x00]).await?;
    }
    "frame.properties.cut-off-in-text", "A property that ends within its text", CODES,
    "501, 502 or 541, and the broker serves others", |ctx| {
        bad_properties(&ctx, &[0x80, 0x00, 5, b'a', b'b']).await?;
    }
    "frame.properties.cut-off-timestamp", "A timestamp of seven bytes", CODES,
    "501, 502 or 541, and the broker serves others", |ctx| {
        bad_properties(&ctx, &[0x00, 0x40, 0, 0, 0, 0, 0, 0, 0]).await?;
    }
    "frame.properties.more-than-flags-say", "Properties that go on after what the flags say", CODES,
    "501, 502 or 541, and the broker serves others", |ctx| {
        bad_properties(&ctx, &[0x10, 0x00, 1, 2, 3]).await?;
    }
    "frame.properties.flags-go-on", "Property flags that say more flags follow", CODES,
    "501, 502 or 541: class basic has no more", |ctx| {
        bad_properties(&ctx, &[0x80, 0x01, 0x00, 0x00, 1, b'a']).await?;
    }
    "frame.properties.header-too-short", "A content header that ends within its body size", CODES,
    "501, 502, 505 or 541", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &[0, 60, 0, 0, 0, 0, 0]).await;
        raw.expect_code(&[501, 502, 505, 541]).await?;
    }
    "frame.method.cut-off-in-name", "queue.declare that ends within its name", CODES,
    "501", |ctx| { cut_off(&ctx, (50, 10), w().u16(0).u8(20).bytes(b"short")).await?; }
    "frame.method.cut-off-before-table", "exchange.declare without its table", CODES,
    "501", |ctx| { cut_off(&ctx, (40, 10), w().u16(0).short("x").short("direct").u8(0)).await?; }
    "frame.method.cut-off-bind", "queue.bind without its routing key", CODES,
    "501", |ctx| { cut_off(&ctx, (50, 20), w().u16(0).short("q").short("amq.direct")).await?; }
    "frame.method.cut-off-consume", "basic.consume without its flags and table", CODES,
    "501", |ctx| { cut_off(&ctx, (60, 20), w().u16(0).short("q").short("t")).await?; }
    "frame.method.cut-off-ack", "basic.ack with a delivery tag of seven bytes", CODES,
    "501", |ctx| { cut_off(&ctx, (60, 80), w().bytes(&[0; 7])).await?; }
    "frame.method.cut-off-qos", "basic.qos without its flag", CODES,
    "501", |ctx| { cut_off(&ctx, (60, 10), w().u32(0).u16(1)).await?; }
    "frame.method.cut-off-confirm", "confirm.select without its flag", CODES,
    "501", |ctx| { cut_off(&ctx, (85, 10), w()).await?; }
    "frame.method.cut-off-close", "channel.close without its class and method", CODES,
    "501", |ctx| { cut_off(&ctx, (20, 40), w().u16(200).short("bye")).await?; }
    "frame.method.too-long-tx", "tx.select with an argument", CODES,
    "501", |ctx| { cut_off(&ctx, (90, 10), w().u8(0)).await?; }
    "frame.method.deliver-from-a-client", "basic.deliver from a client", CODES,
    "503 or 505, and nothing is delivered", |ctx| {
        let q = ctx.name("q");
        let mut other = ctx.raw().await?;
        other.declare(&q, 0, Table::new()).await?;
        let mut raw = ctx.raw().await?;
        raw.send(method(60, 60, w().short("t").u64(1).u8(0).short("").short(&q))).await;
        raw.content_header(0, &[0, 0]).await;
        raw.expect_code(&[503, 505]).await?;
        same("messages", other.counts(&q).await?.0, 0_u32)?;
    }
    "frame.table.nested-30", "Tables may be nested", TABLES,
    "a queue is declared with an unknown argument of 30 tables in each other", |ctx| {
        let mut raw = ctx.raw().await?;
        let args = w().u16(0).short(&ctx.name("q")).u8(methods::q::EXCLUSIVE).long(&nested(30));
        raw.call(method(50, 10, args)).await?;
    }
    "frame.table.nested-deep", "Tables nested 18,000 deep do not hurt the broker", TABLES,
    "declare-ok or the end of that connection; others are served", |ctx| {
        let mut raw = ctx.raw().await?;
        let args = w().u16(0).short(&ctx.name("q")).u8(methods::q::EXCLUSIVE).long(&nested(18_000));
        raw.send(method(50, 10, args)).await;
        survived(&ctx, &mut raw).await?;
    }
    "frame.properties.nested-deep", "Headers nested 18,000 deep do not hurt the broker", TABLES,
    "the message or the end of that connection; others are served", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.queue(&ctx.name("q")).await?;
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.content_header(0, &w().u16(0x2000).long(&nested(18_000)).done()).await;
        survived(&ctx, &mut raw).await?;
    }
    "connection.login.nested-deep", "Client properties nested 18,000 deep do not hurt the broker", TABLES,
    "tune or the end of that connection; others are served", |ctx| {
        let (mut raw, _) = started(&ctx).await?;
        let response = plain(&ctx.target.user, &ctx.target.password);
        let args = w().long(&nested(18_000)).short("PLAIN").long(&response).short("en_US");
        raw.send_on(0, method(10, 11, args)).await;
        raw.closed_or((10, 30)).await?;
        still_serves(&ctx).await?;
    }
    "frame.properties.bad-table", "Headers with a value of unknown type", TABLES,
    "the connection or its socket ends, or the message goes nowhere; others are served", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.content_header(0, &w().u16(0x2000).long(b"\x01k?").done()).await;
        raw.expect_refused().await?;
        still_serves(&ctx).await?;
    }
    "frame.table.array-cut-off", "An array that is longer than its table", TABLES,
    "the connection or its socket ends", |ctx| {
        let mut raw = ctx.raw().await?;
        let args = w().u16(0).short(&ctx.name("q")).u8(4).long(b"\x01kA\x00\x00\x00\x09t\x01");
        raw.send(method(50, 10, args)).await;
        raw.expect_refused().await?;
        still_serves(&ctx).await?;
    }
    "frame.channel.content-unopened", "A content on a channel that is not open", CODES,
    "504 or 505", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.frame(3, 9, b"abc").await;
        raw.expect_code(&[504, 505]).await?;
    }
    "frame.channel.publish-unopened", "A publish on a channel that is not open", CODES,
    "504, and the message does not exist", |ctx| {
        let q = ctx.name("q");
        let mut keeper = ctx.raw().await?;
        keeper.queue(&q).await?;
        let mut raw = ctx.raw().await?;
        raw.channel = 9;
        raw.send(publish_bytes("", q.as_bytes(), 0)).await;
        raw.content_header(1, &[0, 0]).await;
        raw.frame(3, 9, b"m").await;
        raw.expect_closed(&Scope::connection(504, "CHANNEL_ERROR - expected 'channel.open'".into(), (60, 40))).await?;
        same("messages", keeper.counts(&q).await?.0, 0_u32)?;
    }
    "frame.channel.closed-is-unopened", "A method on a channel that was closed", CODES,
    "504", |ctx| {
        let mut raw = ctx.raw().await?;
        raw.call(methods::channel_close()).await?;
        raw.send(methods::basic_qos(0, 1, false)).await;
        raw.expect_closed(&Scope::connection(504, "CHANNEL_ERROR - expected 'channel.open'".into(), (60, 10))).await?;
    }
    "frame.method.ends-the-connection-only", "A broken frame ends its own connection only", CODES,
    "another connection's consumer goes on", |ctx| {
        let q = ctx.name("q");
        let mut other = ctx.raw().await?;
        other.queue(&q).await?;
        other.consume(&q, "t", methods::c::NO_ACK).await?;
        let mut raw = ctx.raw().await?;
        raw.bytes(b"this is not a frame at all").await;
        raw.expect_refused().await?;
        other.publish("", &q, "m").await;
        same("delivery", other.delivery().await?.text(), "m")?;
    }
}
