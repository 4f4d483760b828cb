//! Frames that no good client sends: each closes the connection, and the code says why.

use crate::codec::{Props, Writer};
use crate::methods::{self, basic_publish, channel_open, method};
use crate::raw::header;

const REF: &str = "AMQP 0-9-1, 4.2 (framing) and 1.2 (reply codes)";

crate::error_cases! { REF;
    "frame.channel.second-open", "channel: second open", connection 504 "CHANNEL_ERROR - second 'channel.open' seen" (20, 10), |ctx, raw| {
        raw.send(channel_open()).await;
    }
    "frame.channel.unopened", "channel: unopened", connection 504 "CHANNEL_ERROR - expected 'channel.open'" (50, 10), |ctx, raw| {
        raw.send_on(7, methods::queue_declare(&ctx.name("q"), 4, vec![])).await;
    }
    "frame.channel.open-on-zero", "channel: open on zero", connection 504 "CHANNEL_ERROR" (20, 10), |ctx, raw| {
        raw.send_on(0, channel_open()).await;
    }
    "frame.channel.queue-declare-on-zero", "channel: queue declare on zero", connection 504 "CHANNEL_ERROR" (50, 10), |ctx, raw| {
        raw.send_on(0, methods::queue_declare(&ctx.name("q"), 4, vec![])).await;
    }
    "frame.end.wrong", "end: wrong", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.bytes(&[1, 0, 1, 0, 0, 0, 5, 0, 20, 0, 10, 0, 0xCD]).await;
    }
    "frame.type.unknown", "type: unknown", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(4, 1, b"ab").await;
    }
    "frame.type.zero", "type: zero", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(0, 1, b"ab").await;
    }
    "frame.size.above-frame-max", "size: above frame max", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(3, 1, &vec![0; 200_000]).await;
    }
    "frame.heartbeat.on-channel", "heartbeat: on channel", connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(8, 1, b"").await;
    }
    "frame.heartbeat.with-payload", "heartbeat: with payload", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(8, 0, b"x").await;
    }
    "frame.content.body-without-publish", "content: body without publish", connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(3, 1, b"abc").await;
    }
    "frame.content.header-without-publish", "content: header without publish", connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(2, 1, &header(60, 0, 0, &[0, 0])).await;
    }
    "frame.content.body-on-zero", "content: body on zero", connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(3, 0, b"abc").await;
    }
    "frame.content.header-on-zero", "content: header on zero", connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(2, 0, &header(60, 0, 0, &[0, 0])).await;
    }
    "frame.content.method-for-header", "content: method for header", connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.body-for-header", "content: body for header", connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(3, 1, b"abc").await;
    }
    "frame.content.header-of-another-class", "content: header of another class", connection 505 "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(50, 0, 0, &[0, 0])).await;
    }
    "frame.content.header-weight", "content: header weight", connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 1, 0, &[0, 0])).await;
    }
    "frame.content.method-for-body", "content: method for body", connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.header-for-body", "content: header for body", connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
    }
    "frame.content.method-in-mid-body", "content: method in mid body", connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.frame(3, 1, b"ab").await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.body-longer-than-announced", "content: body longer than announced", connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 2, &[0, 0])).await;
        raw.frame(3, 1, b"abc").await;
    }
    "frame.method.too-short", "method: too short", connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(method(60, 40, Writer::default().u8(0))).await;
    }
    "frame.method.trailing-byte", "method: trailing byte", connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(method(60, 40, Writer::default().u16(0).short("").short("k").u8(0).u8(0))).await;
    }
    "frame.method.two-bytes", "method: two bytes", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(1, 1, &[0, 60]).await;
    }
    "frame.method.empty", "method: empty", connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(1, 1, &[]).await;
    }
    "frame.method.of-the-server", "method: of the server", connection 503 "COMMAND_INVALID - unimplemented method" (50, 11), |ctx, raw| {
        raw.send(method(50, 11, Writer::default().short("q").u32(0).u32(0))).await;
    }
    "frame.method.unknown-method", "method: unknown method", connection 503 "COMMAND_INVALID" (60, 99), |ctx, raw| {
        raw.send(method(60, 99, Writer::default())).await;
    }
    "frame.method.unknown-class", "method: unknown class", connection 503 "COMMAND_INVALID" (99, 10), |ctx, raw| {
        raw.send(method(99, 10, Writer::default())).await;
    }
    "frame.table.unknown-type", "table: unknown type", connection 502 "SYNTAX_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).long(b"\x01k?");
        raw.send(method(50, 10, args)).await;
    }
    "frame.table.truncated", "table: truncated", connection 502 "SYNTAX_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).long(b"\x01kI\x00");
        raw.send(method(50, 10, args)).await;
    }
    "frame.table.longer-than-frame", "table: longer than frame", connection 501 "FRAME_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).u32(1000).bytes(b"\x01kt\x01");
        raw.send(method(50, 10, args)).await;
    }
    "frame.shortstr.not-utf8", "shortstr: not utf8", connection 501 "FRAME_ERROR - Malformed UTF-8 in shortstr" (0, 0), |ctx, raw| {
        raw.send(method(50, 10, Writer::default().u16(0).u8(2).bytes(&[0xC3, 0x28]).u8(4).u32(0))).await;
    }
    "basic.publish.immediate", "publish: immediate", connection 540 "NOT_IMPLEMENTED - immediate=true" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 2, &Props::default(), b"").await;
    }
    "basic.qos.prefetch-size", "qos: prefetch size", connection 540 "NOT_IMPLEMENTED - prefetch_size!=0 (9)" (60, 10), |ctx, raw| {
        raw.send(methods::basic_qos(9, 0, false)).await;
    }
    "basic.recover.without-requeue", "recover: without requeue", connection 540 "NOT_IMPLEMENTED - requeue=false" (60, 110), |ctx, raw| {
        raw.send(methods::basic_recover(false)).await;
    }
    "channel.flow.stop", "flow: stop", connection 540 "NOT_IMPLEMENTED - active=false" (20, 20), |ctx, raw| {
        raw.send(methods::channel_flow(false)).await;
    }
    "basic.consume.tag-reused", "consume: tag reused", connection 530 "NOT_ALLOWED - attempt to reuse consumer tag 't'" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.send(methods::basic_consume(&q, "t", 0, vec![])).await;
    }
}
