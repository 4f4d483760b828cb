//! Frames that no good client sends: each closes the connection, and the code says why.

use crate::codec::{Props, Writer};
use crate::methods::{self, basic_publish, channel_open, method};
use crate::raw::header;

const REF: &str = "AMQP 0-9-1, 4.2 (framing) and 1.2 (reply codes)";

crate::error_cases! { REF;
    "frame.channel.second-open", "A channel that is open is opened",
    connection 504 "CHANNEL_ERROR - second 'channel.open' seen" (20, 10), |ctx, raw| {
        raw.send(channel_open()).await;
    }
    "frame.channel.unopened", "A method on a channel that is not open",
    connection 504 "CHANNEL_ERROR - expected 'channel.open'" (50, 10), |ctx, raw| {
        raw.send_on(7, methods::queue_declare(&ctx.name("q"), 4, vec![])).await;
    }
    "frame.channel.open-on-zero", "channel.open on channel 0",
    connection 504 "CHANNEL_ERROR" (20, 10), |ctx, raw| {
        raw.send_on(0, channel_open()).await;
    }
    "frame.channel.queue-declare-on-zero", "queue.declare on channel 0",
    connection 504 "CHANNEL_ERROR" (50, 10), |ctx, raw| {
        raw.send_on(0, methods::queue_declare(&ctx.name("q"), 4, vec![])).await;
    }
    "frame.end.wrong", "A frame that ends with another octet",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.bytes(&[1, 0, 1, 0, 0, 0, 5, 0, 20, 0, 10, 0, 0xCD]).await;
    }
    "frame.type.unknown", "A frame of an unknown type",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(4, 1, b"ab").await;
    }
    "frame.type.zero", "A frame of type 0",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(0, 1, b"ab").await;
    }
    "frame.size.above-frame-max", "A frame larger than was agreed on",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(3, 1, &vec![0; 200_000]).await;
    }
    "frame.heartbeat.on-channel", "A heartbeat on a channel",
    connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(8, 1, b"").await;
    }
    "frame.heartbeat.with-payload", "A heartbeat with something in it",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(8, 0, b"x").await;
    }
    "frame.content.body-without-publish", "A body without a publish",
    connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(3, 1, b"abc").await;
    }
    "frame.content.header-without-publish", "A content header without a publish",
    connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(2, 1, &header(60, 0, 0, &[0, 0])).await;
    }
    "frame.content.body-on-zero", "A body on channel 0",
    connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(3, 0, b"abc").await;
    }
    "frame.content.header-on-zero", "A content header on channel 0",
    connection 505 "UNEXPECTED_FRAME" (0, 0), |ctx, raw| {
        raw.frame(2, 0, &header(60, 0, 0, &[0, 0])).await;
    }
    "frame.content.method-for-header", "A method where a content header is due",
    connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.body-for-header", "A body where a content header is due",
    connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(3, 1, b"abc").await;
    }
    "frame.content.header-of-another-class", "A content header of another class",
    connection 505 "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50" (60, 40),
    |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(50, 0, 0, &[0, 0])).await;
    }
    "frame.content.header-weight", "A content header with a weight",
    connection 505 "UNEXPECTED_FRAME - expected content header for class 60" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 1, 0, &[0, 0])).await;
    }
    "frame.content.method-for-body", "A method where a body is due",
    connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.header-for-body", "A second content header",
    connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
    }
    "frame.content.method-in-mid-body", "A method between two body frames",
    connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 5, &[0, 0])).await;
        raw.frame(3, 1, b"ab").await;
        raw.send(methods::basic_qos(0, 1, false)).await;
    }
    "frame.content.body-longer-than-announced", "A body longer than its header says",
    connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(60, 0, 2, &[0, 0])).await;
        raw.frame(3, 1, b"abc").await;
    }
    "frame.method.too-short", "A method whose arguments end early",
    connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(method(60, 40, Writer::default().u8(0))).await;
    }
    "frame.method.trailing-byte", "A method with a byte too many",
    connection 501 "FRAME_ERROR" (60, 40), |ctx, raw| {
        raw.send(method(60, 40, Writer::default().u16(0).short("").short("k").u8(0).u8(0))).await;
    }
    "frame.method.two-bytes", "A method frame of two bytes",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(1, 1, &[0, 60]).await;
    }
    "frame.method.empty", "An empty method frame",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(1, 1, &[]).await;
    }
    "frame.method.of-the-server", "A method that only servers send",
    connection 503 "COMMAND_INVALID - unimplemented method" (50, 11), |ctx, raw| {
        raw.send(method(50, 11, Writer::default().short("q").u32(0).u32(0))).await;
    }
    "frame.method.unknown-method", "A method that does not exist",
    connection 503 "COMMAND_INVALID" (60, 99), |ctx, raw| {
        raw.send(method(60, 99, Writer::default())).await;
    }
    "frame.method.unknown-class", "A class that does not exist",
    connection 503 "COMMAND_INVALID" (99, 10), |ctx, raw| {
        raw.send(method(99, 10, Writer::default())).await;
    }
    "frame.table.unknown-type", "A table with a field of unknown type",
    connection 502 "SYNTAX_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).long(b"\x01k?");
        raw.send(method(50, 10, args)).await;
    }
    "frame.table.truncated", "A table that ends within a value",
    connection 502 "SYNTAX_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).long(b"\x01kI\x00");
        raw.send(method(50, 10, args)).await;
    }
    "frame.table.longer-than-frame", "A table longer than its frame",
    connection 501 "FRAME_ERROR" (50, 10), |ctx, raw| {
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(4).u32(1000).bytes(b"\x01kt\x01");
        raw.send(method(50, 10, args)).await;
    }
    "frame.shortstr.not-utf8", "A queue name that is not UTF-8",
    connection 501 "FRAME_ERROR - Malformed UTF-8 in shortstr" (0, 0), |ctx, raw| {
        raw.send(method(50, 10, Writer::default().u16(0).u8(2).bytes(&[0xC3, 0x28]).u8(4).u32(0))).await;
    }
    "frame.method.close-ok-unasked", "channel.close-ok without a close",
    connection 503 "COMMAND_INVALID - unimplemented method" (20, 41), |ctx, raw| {
        raw.send(method(20, 41, Writer::default())).await;
    }
    "frame.method.flow-ok-unasked", "channel.flow-ok without a flow",
    connection 503 "COMMAND_INVALID - unimplemented method" (20, 21), |ctx, raw| {
        raw.send(method(20, 21, Writer::default().u8(1))).await;
    }
    "frame.method.get-empty", "basic.get-empty from a client",
    connection 503 "COMMAND_INVALID - unimplemented method" (60, 72), |ctx, raw| {
        raw.send(method(60, 72, Writer::default().short(""))).await;
    }
    "frame.channel.close-unopened", "A channel that is not open is closed",
    connection 504 "CHANNEL_ERROR - expected 'channel.open'" (20, 40), |ctx, raw| {
        raw.send_on(7, methods::channel_close()).await;
    }
    "frame.content.close-for-body", "channel.close where a body is due",
    connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.publish_parts(&ctx.name("q"), 5, &[b"ab"]).await;
        raw.send(methods::channel_close()).await;
    }
    "frame.content.publish-for-body", "A publish where a body is due",
    connection 505 "UNEXPECTED_FRAME - expected content body" (60, 40), |ctx, raw| {
        raw.publish_parts(&ctx.name("q"), 5, &[b"ab"]).await;
        raw.publish("", &ctx.name("q"), "m").await;
    }
    "frame.content.header-class-zero", "A content header of class 0",
    connection 505 "UNEXPECTED_FRAME - expected content header for class 60, got one for class 0" (60, 40), |ctx, raw| {
        raw.send(basic_publish("", &ctx.name("q"), 0)).await;
        raw.frame(2, 1, &header(0, 0, 0, &[0, 0])).await;
    }
    "frame.size.one-octet-too-many", "A frame just above the agreed size",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        // RabbitMQ lets a payload be as large as a whole frame may be, for clients that forget the octets around it.
        raw.frame(3, 1, &vec![0; crate::raw::FRAME_MAX as usize + 1]).await;
    }
    "frame.end.zero", "A frame that ends with a zero octet",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.bytes(&[8, 0, 0, 0, 0, 0, 0, 0]).await;
    }
    "frame.type.highest", "A frame of type 255",
    connection 501 "FRAME_ERROR" (0, 0), |ctx, raw| {
        raw.frame(255, 1, b"ab").await;
    }
    "frame.shortstr.consumer-tag-not-utf8", "A consumer tag that is not UTF-8",
    connection 501 "FRAME_ERROR - Malformed UTF-8 in shortstr" (0, 0), |ctx, raw| {
        raw.queue(&ctx.name("q")).await?;
        let args = Writer::default().u16(0).short(&ctx.name("q")).u8(2).bytes(&[0xC3, 0x28]).u8(2).u32(0);
        raw.send(method(60, 20, args)).await;
    }
    "basic.publish.immediate", "Publishing with immediate",
    connection 540 "NOT_IMPLEMENTED - immediate=true" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 2, &Props::default(), b"").await;
    }
    "basic.qos.prefetch-size", "A prefetch in bytes",
    connection 540 "NOT_IMPLEMENTED - prefetch_size!=0 (9)" (60, 10), |ctx, raw| {
        raw.send(methods::basic_qos(9, 0, false)).await;
    }
    "basic.recover.without-requeue", "Recover without requeue",
    connection 540 "NOT_IMPLEMENTED - requeue=false" (60, 110), |ctx, raw| {
        raw.send(methods::basic_recover(false)).await;
    }
    "channel.flow.stop", "Stopping the flow",
    connection 540 "NOT_IMPLEMENTED - active=false" (20, 20), |ctx, raw| {
        raw.send(methods::channel_flow(false)).await;
    }
    "basic.consume.tag-reused", "A consumer tag that is in use",
    connection 530 "NOT_ALLOWED - attempt to reuse consumer tag 't'" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.consume(&q, "t", 0).await?;
        raw.send(methods::basic_consume(&q, "t", 0, vec![])).await;
    }
}
