//! What a client asks of messages and consumers and must not: each closes the channel, and only that.

use crate::codec::{Props, Value, table};
use crate::methods::{self, c};

const REF: &str = "AMQP 0-9-1, 1.8 (basic), 1.2 (reply codes)";

crate::error_cases! { REF;
    "basic.publish.unknown-exchange", "Publishing to an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        raw.publish(&ctx.name("x"), "k", "m").await;
    }
    "basic.publish.internal-exchange", "Publishing to an internal exchange", channel 403 "ACCESS_REFUSED - cannot publish to internal exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        raw.call(methods::exchange_declare(&ctx.name("x"), "fanout", methods::x::INTERNAL, vec![])).await?;
        raw.publish(&ctx.name("x"), "k", "m").await;
    }
    "basic.publish.unknown-exchange-first.expiration", "A wrong expiration to an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        raw.publish_with(&ctx.name("x"), "k", 0, &Props::expiring("abc"), b"").await;
    }
    "basic.publish.unknown-exchange-first.user-id", "Another user's user-id to an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        let props = Props { user_id: Some("bob".into()), ..Props::default() };
        raw.publish_with(&ctx.name("x"), "k", 0, &props, b"").await;
    }
    "basic.publish.unknown-exchange-first.cc", "A CC header that is no array to an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        raw.publish_with(&ctx.name("x"), "k", 0, &Props::headers([("CC", 5.into())]), b"").await;
    }
    "basic.publish.internal-exchange-first", "A wrong expiration to an internal exchange", channel 403 "ACCESS_REFUSED - cannot publish to internal exchange '{x}' in vhost '/'" (60, 40), |ctx, raw| {
        raw.call(methods::exchange_declare(&ctx.name("x"), "fanout", methods::x::INTERNAL, vec![])).await?;
        raw.publish_with(&ctx.name("x"), "k", 0, &Props::expiring("abc"), b"").await;
    }
    "basic.publish.expiration-not-a-number", "An expiration that is no number", channel 406 "PRECONDITION_FAILED - invalid expiration 'abc'" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::expiring("abc"), b"").await;
    }
    "basic.publish.expiration-negative", "A negative expiration", channel 406 "PRECONDITION_FAILED - invalid expiration '-1'" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::expiring("-1"), b"").await;
    }
    "basic.publish.expiration-with-unit", "An expiration with a unit", channel 406 "PRECONDITION_FAILED - invalid expiration '10s'" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::expiring("10s"), b"").await;
    }
    "basic.publish.expiration-empty", "An empty expiration", channel 406 "PRECONDITION_FAILED - invalid expiration ''" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::expiring(""), b"").await;
    }
    "basic.publish.user-id-of-another", "Another user's user-id", channel 406 "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was '" (60, 40), |ctx, raw| {
        let props = Props { user_id: Some("bob".into()), ..Props::default() };
        raw.publish_with("", &ctx.name("q"), 0, &props, b"").await;
    }
    "basic.publish.reply-to-without-consumer", "A direct reply-to without its consumer", channel 406 "PRECONDITION_FAILED - fast reply consumer does not exist" (60, 40), |ctx, raw| {
        let props = Props { reply_to: Some("amq.rabbitmq.reply-to".into()), ..Props::default() };
        raw.publish_with("", &ctx.name("q"), 0, &props, b"").await;
    }
    "basic.publish.cc-not-an-array", "A CC header that is no array", channel 406 "PRECONDITION_FAILED - invalid message" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::headers([("CC", "a".into())]), b"").await;
    }
    "basic.publish.bcc-not-an-array", "A BCC header that is no array", channel 406 "PRECONDITION_FAILED - invalid message" (60, 40), |ctx, raw| {
        raw.publish_with("", &ctx.name("q"), 0, &Props::headers([("BCC", 5.into())]), b"").await;
    }
    "basic.consume.unknown-queue-first", "A wrong priority for a queue that is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (60, 20), |ctx, raw| {
        raw.send(methods::basic_consume(&ctx.name("q"), "t", c::NONE, table([("x-priority", "1".into())]))).await;
    }
    "basic.consume.priority-void", "A void priority", channel 406 "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{q}' in vhost '/': \"expected integer, got void\"" (60, 20), |ctx, raw| {
        raw.queue(&ctx.name("q")).await?;
        raw.send(methods::basic_consume(&ctx.name("q"), "t", c::NONE, table([("x-priority", Value::Void)]))).await;
    }
    "basic.consume.stream-offset", "A stream's offset for a queue that is none", channel 406 "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{q}' in vhost '/' of queue type rabbit_classic_queue" (60, 20), |ctx, raw| {
        raw.queue(&ctx.name("q")).await?;
        raw.send(methods::basic_consume(&ctx.name("q"), "t", c::NONE, table([("x-stream-offset", "first".into())]))).await;
    }
    "basic.ack.unknown-tag", "An ack of a tag that was never given out", channel 406 "PRECONDITION_FAILED - unknown delivery tag 99" (60, 80), |ctx, raw| {
        raw.send(methods::basic_ack(99, false)).await;
    }
    "basic.ack.unknown-tag-multiple", "An ack of many up to a tag that was never given out", channel 406 "PRECONDITION_FAILED - unknown delivery tag 99" (60, 80), |ctx, raw| {
        raw.send(methods::basic_ack(99, true)).await;
    }
    "basic.ack.zero", "An ack of tag 0 without multiple", channel 406 "PRECONDITION_FAILED - unknown delivery tag 0" (60, 80), |ctx, raw| {
        raw.send(methods::basic_ack(0, false)).await;
    }
    "basic.reject.unknown-tag", "A reject of a tag that was never given out", channel 406 "PRECONDITION_FAILED - unknown delivery tag 99" (60, 90), |ctx, raw| {
        raw.send(methods::basic_reject(99, true)).await;
    }
    "basic.nack.unknown-tag", "A nack of a tag that was never given out", channel 406 "PRECONDITION_FAILED - unknown delivery tag 99" (60, 120), |ctx, raw| {
        raw.send(methods::basic_nack(99, false, true)).await;
    }
    "basic.ack.twice", "A second ack of a message", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 80), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.get(&q, false).await?;
        raw.send(methods::basic_ack(1, false)).await;
        raw.send(methods::basic_ack(1, false)).await;
    }
    "basic.ack.after-no-ack", "An ack of a message that needed none", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 80), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.take(&q).await?;
        raw.send(methods::basic_ack(1, false)).await;
    }
    "basic.ack.on-another-channel", "An ack of another channel's message", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 80), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.get(&q, false).await?;
        raw.open_channel(2).await?;
        raw.channel = 2;
        raw.send(methods::basic_ack(1, false)).await;
    }
    "basic.ack.after-nack", "An ack of a message that was nacked", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 80), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.hold(&q, 1).await?;
        raw.send(methods::basic_nack(1, false, true)).await;
        raw.send(methods::basic_ack(1, false)).await;
    }
    "basic.ack.below-multiple", "An ack of a message that an ack of many settled", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 80), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.fill_queue(&q, &["a", "b"]).await;
        raw.hold(&q, 2).await?;
        raw.send(methods::basic_ack(2, true)).await;
        raw.send(methods::basic_ack(1, false)).await;
    }
    "basic.reject.twice", "A second reject of a message", channel 406 "PRECONDITION_FAILED - unknown delivery tag 1" (60, 90), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.hold(&q, 1).await?;
        raw.send(methods::basic_reject(1, false)).await;
        raw.send(methods::basic_reject(1, false)).await;
    }
    "basic.reject.zero", "A reject of tag 0", channel 406 "PRECONDITION_FAILED - unknown delivery tag 0" (60, 90), |ctx, raw| {
        raw.send(methods::basic_reject(0, false)).await;
    }
    "basic.nack.zero", "A nack of tag 0 without multiple", channel 406 "PRECONDITION_FAILED - unknown delivery tag 0" (60, 120), |ctx, raw| {
        raw.send(methods::basic_nack(0, false, false)).await;
    }
    "basic.nack.unknown-tag-multiple", "A nack of many up to a tag that was never given out", channel 406 "PRECONDITION_FAILED - unknown delivery tag 99" (60, 120), |ctx, raw| {
        raw.send(methods::basic_nack(99, true, true)).await;
    }
    "basic.consume.unknown-queue", "Consuming from a queue that is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (60, 20), |ctx, raw| {
        raw.send(methods::basic_consume(&ctx.name("q"), "", 0, vec![])).await;
    }
    "basic.consume.no-previous-queue", "Consuming from the queue declared last when none was", channel 404 "NOT_FOUND - no previously declared queue" (60, 20), |ctx, raw| {
        raw.send(methods::basic_consume("", "", 0, vec![])).await;
    }
    "basic.consume.exclusive-present", "Consuming beside an exclusive consumer", channel 403 "ACCESS_REFUSED - queue '{q}' in vhost '/' in exclusive use" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.consume(&q, "a", c::EXCLUSIVE).await?;
        raw.send(methods::basic_consume(&q, "b", 0, vec![])).await;
    }
    "basic.consume.exclusive-wanted", "Consuming exclusively beside another consumer", channel 403 "ACCESS_REFUSED - queue '{q}' in vhost '/' in exclusive use" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.consume(&q, "a", 0).await?;
        raw.send(methods::basic_consume(&q, "b", c::EXCLUSIVE, vec![])).await;
    }
    "basic.consume.reply-to-with-ack", "A direct reply-to consumer with acks", channel 406 "PRECONDITION_FAILED - reply consumer cannot acknowledge" (60, 20), |ctx, raw| {
        raw.send(methods::basic_consume("amq.rabbitmq.reply-to", "", 0, vec![])).await;
    }
    "basic.consume.reply-to-twice", "A second direct reply-to consumer", channel 406 "PRECONDITION_FAILED - reply consumer already set" (60, 20), |ctx, raw| {
        raw.consume("amq.rabbitmq.reply-to", "", c::NO_ACK).await?;
        raw.send(methods::basic_consume("amq.rabbitmq.reply-to", "", c::NO_ACK, vec![])).await;
    }
    "basic.consume.bad-priority", "A consumer priority that is no number", channel 406 "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{q}' in vhost '/'" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::basic_consume(&q, "", 0, table([("x-priority", "high".into())]))).await;
    }
    "basic.get.unknown-queue", "A get from a queue that is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (60, 70), |ctx, raw| {
        raw.send(methods::basic_get(&ctx.name("q"), false)).await;
    }
    "basic.get.no-previous-queue", "A get from the queue declared last when none was", channel 404 "NOT_FOUND - no previously declared queue" (60, 70), |ctx, raw| {
        raw.send(methods::basic_get("", false)).await;
    }
    "tx.commit.not-selected", "A commit without a transaction", channel 406 "PRECONDITION_FAILED - channel is not transactional" (90, 20), |ctx, raw| {
        raw.send(methods::tx_commit()).await;
    }
    "tx.rollback.not-selected", "A rollback without a transaction", channel 406 "PRECONDITION_FAILED - channel is not transactional" (90, 30), |ctx, raw| {
        raw.send(methods::tx_rollback()).await;
    }
    "confirm.select.after-tx", "Confirms on a channel with transactions", channel 406 "PRECONDITION_FAILED - cannot switch from tx to confirm mode" (85, 10), |ctx, raw| {
        raw.call(methods::tx_select()).await?;
        raw.send(methods::confirm_select()).await;
    }
    "tx.select.after-confirm", "Transactions on a channel with confirms", channel 406 "PRECONDITION_FAILED - cannot switch from confirm to tx mode" (90, 10), |ctx, raw| {
        raw.call(methods::confirm_select()).await?;
        raw.send(methods::tx_select()).await;
    }
    "basic.ack.in-tx-unknown-tag", "An ack of an unknown tag in a transaction", channel 406 "PRECONDITION_FAILED - unknown delivery tag 9" (60, 80), |ctx, raw| {
        raw.call(methods::tx_select()).await?;
        raw.send(methods::basic_ack(9, false)).await;
    }
}
