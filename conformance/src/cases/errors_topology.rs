//! What a client asks of queues, exchanges and bindings and must not: each closes the channel, and only that.

use crate::codec::table;
use crate::methods::{self, q, x};

const REF: &str = "AMQP 0-9-1, 1.5 to 1.7 (exchange, queue), 1.2 (reply codes)";

crate::error_cases! { REF;
    "queue.declare.passive-missing", "Asking for what is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::PASSIVE, table([]))).await;
    }
    "queue.declare.reserved-name", "A name beginning with amq.", channel 403 "ACCESS_REFUSED - queue name 'amq.foo' contains reserved prefix 'amq.*'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare("amq.foo", q::EXCLUSIVE, vec![])).await;
    }
    "queue.redeclare.auto-delete", "Declared again with another auto-delete", channel 406 "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '{q}' in vhost '/': received 'true' but current is 'false'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::NONE, vec![]).await?;
        raw.send(methods::queue_declare(&q, q::AUTO_DELETE, vec![])).await;
    }
    "queue.redeclare.durable", "Declared again as durable", channel 406 "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{q}' in vhost '/': received 'true' but current is 'false'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::NONE, vec![]).await?;
        raw.send(methods::queue_declare(&q, q::DURABLE, vec![])).await;
    }
    "queue.redeclare.not-durable", "Declared again as transient", channel 406 "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{q}' in vhost '/': received 'false' but current is 'true'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, vec![]).await?;
        raw.send(methods::queue_declare(&q, q::NONE, vec![])).await;
    }
    "queue.redeclare.exclusive", "Declared again as exclusive", channel 405 "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::NONE, vec![]).await?;
        raw.send(methods::queue_declare(&q, q::EXCLUSIVE, vec![])).await;
    }
    "queue.redeclare.argument-new", "Declared again with an argument more", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{q}' in vhost '/': received " (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-length", 5.into())]))).await;
    }
    "queue.redeclare.argument-gone", "Declared again without an argument", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue '{q}' in vhost '/': received none but current is the value '5' of type '" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue_with(&q, [("x-max-length", 5.into())]).await?;
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([]))).await;
    }
    "queue.redeclare.argument-other", "Declared again with another TTL", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '{q}' in vhost '/': received " (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue_with(&q, [("x-message-ttl", 5000.into())]).await?;
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-message-ttl", 6000.into())]))).await;
    }
    "queue.redeclare.dlx-other", "Declared again with another dead letter exchange", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue '{q}' in vhost '/': received " (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue_with(&q, [("x-dead-letter-exchange", "a".into())]).await?;
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-dead-letter-exchange", "b".into())]))).await;
    }
    "queue.declare.max-length-text", "A length limit that is no number", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-length", "5".into())]))).await;
    }
    "queue.declare.max-length-negative", "A negative length limit", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-length", (-1).into())]))).await;
    }
    "queue.declare.max-length-bytes-text", "A limit in bytes that is no number", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length-bytes' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-length-bytes", "5".into())]))).await;
    }
    "queue.declare.max-length-bytes-negative", "A negative limit in bytes", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length-bytes' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-length-bytes", (-1).into())]))).await;
    }
    "queue.declare.message-ttl-negative", "A negative TTL", channel 406 "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-message-ttl", (-1).into())]))).await;
    }
    "queue.declare.message-ttl-text", "A TTL that is no number", channel 406 "PRECONDITION_FAILED - invalid arg 'x-message-ttl' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-message-ttl", "9".into())]))).await;
    }
    "queue.declare.expires-zero", "A queue expiry of 0", channel 406 "PRECONDITION_FAILED - invalid arg 'x-expires' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-expires", 0.into())]))).await;
    }
    "queue.declare.expires-negative", "A negative queue expiry", channel 406 "PRECONDITION_FAILED - invalid arg 'x-expires' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-expires", (-5).into())]))).await;
    }
    "queue.declare.max-priority-300", "More priorities than 255", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-priority", 300.into())]))).await;
    }
    "queue.declare.max-priority-negative", "A negative number of priorities", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-max-priority", (-1).into())]))).await;
    }
    "queue.declare.queue-type-unknown", "A queue type that does not exist", channel 406 "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-queue-type", "foo".into())]))).await;
    }
    "queue.declare.overflow-unknown", "An overflow behaviour that does not exist", channel 406 "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-overflow", "foo".into())]))).await;
    }
    "queue.declare.dlx-number", "A dead letter exchange that is no text", channel 406 "PRECONDITION_FAILED - invalid " (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-dead-letter-exchange", 5.into())]))).await;
    }
    "queue.declare.dlk-without-dlx", "A dead letter routing key without an exchange", channel 406 "PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-dead-letter-routing-key", "k".into())]))).await;
    }
    "queue.declare.single-active-text", "A single active consumer that is no boolean", channel 406 "PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::EXCLUSIVE, table([("x-single-active-consumer", "yes".into())]))).await;
    }
    "queue.declare.quorum-not-durable", "A transient quorum queue", channel 406 "PRECONDITION_FAILED - invalid property 'non-durable' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::NONE, table([("x-queue-type", "quorum".into())]))).await;
    }
    "queue.declare.quorum-exclusive", "An exclusive quorum queue", channel 406 "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE | q::EXCLUSIVE, table([("x-queue-type", "quorum".into())]))).await;
    }
    "queue.delete.in-use", "Deleting if unused a queue with a consumer", channel 406 "PRECONDITION_FAILED - queue '{q}' in vhost '/' in use" (50, 40), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.consume(&q, "", 0).await?;
        raw.send(methods::queue_delete(&q, 1)).await;
    }
    "queue.delete.not-empty", "Deleting if empty a queue with a message", channel 406 "PRECONDITION_FAILED - queue '{q}' in vhost '/' not empty" (50, 40), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.publish("", &q, "m").await;
        raw.send(methods::queue_delete(&q, 2)).await;
    }
    "queue.purge.missing", "Purging a queue that is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (50, 30), |ctx, raw| {
        raw.send(methods::queue_purge(&ctx.name("q"))).await;
    }
    "queue.purge.no-previous-queue", "Purging the queue declared last when none was", channel 404 "NOT_FOUND - no previously declared queue" (50, 30), |ctx, raw| {
        raw.send(methods::queue_purge("")).await;
    }
    "queue.bind.missing-exchange", "Binding to an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (50, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_bind(&q, &ctx.name("x"), "k", vec![])).await;
    }
    "queue.bind.missing-queue", "Binding a queue that is not there", channel 404 "NOT_FOUND - no queue '{q}' in vhost '/'" (50, 20), |ctx, raw| {
        raw.send(methods::queue_bind(&ctx.name("q"), "amq.direct", "k", vec![])).await;
    }
    "queue.bind.default-exchange", "Binding to the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (50, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_bind(&q, "", "k", vec![])).await;
    }
    "queue.unbind.default-exchange", "Unbinding from the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (50, 50), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_unbind(&q, "", &q, vec![])).await;
    }
    "queue.bind.no-previous-queue", "Binding the queue declared last when none was", channel 404 "NOT_FOUND - no previously declared queue" (50, 20), |ctx, raw| {
        raw.send(methods::queue_bind("", "amq.direct", "k", vec![])).await;
    }
    "queue.bind.headers-bad-match", "A headers binding with another x-match", channel 406 "PRECONDITION_FAILED - Invalid x-match field value" (50, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_bind(&q, "amq.headers", "k", table([("x-match", "foo".into())]))).await;
    }
    "queue.bind.headers-match-not-text", "A headers binding whose x-match is no text", channel 406 "PRECONDITION_FAILED - Invalid x-match field type" (50, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::queue_bind(&q, "amq.headers", "k", table([("x-match", 5.into())]))).await;
    }
    "exchange.declare.passive-missing", "Asking for what is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare(&ctx.name("x"), "direct", x::PASSIVE, table([]))).await;
    }
    "exchange.declare.unknown-type", "An exchange type that does not exist", channel 406 "PRECONDITION_FAILED - invalid exchange type 'foo'" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare(&ctx.name("x"), "foo", x::NONE, table([]))).await;
    }
    "exchange.redeclare.type", "Declared again with another type", channel 406 "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'fanout' but current is 'direct'" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("amq.direct", "fanout", x::DURABLE, table([]))).await;
    }
    "exchange.redeclare.durable", "Declared again as durable", channel 406 "PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'amq.direct' in vhost '/': received 'false' but current is 'true'" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("amq.direct", "direct", x::NONE, table([]))).await;
    }
    "exchange.redeclare.auto-delete", "Declared again with another auto-delete", channel 406 "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for exchange '{x}' in vhost '/': received 'true' but current is 'false'" (40, 10), |ctx, raw| {
        raw.exchange(&ctx.name("x"), "direct").await?;
        raw.send(methods::exchange_declare(&ctx.name("x"), "direct", x::AUTO_DELETE, table([]))).await;
    }
    "exchange.redeclare.internal", "Declared again as internal", channel 406 "PRECONDITION_FAILED - inequivalent arg 'internal' for exchange '{x}' in vhost '/': received 'true' but current is 'false'" (40, 10), |ctx, raw| {
        raw.exchange(&ctx.name("x"), "direct").await?;
        raw.send(methods::exchange_declare(&ctx.name("x"), "direct", x::INTERNAL, table([]))).await;
    }
    "exchange.redeclare.alternate", "Declared again with another alternate exchange", channel 406 "PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for exchange '{x}' in vhost '/'" (40, 10), |ctx, raw| {
        raw.exchange(&ctx.name("x"), "direct").await?;
        raw.send(methods::exchange_declare(&ctx.name("x"), "direct", x::NONE, table([("alternate-exchange", "ae".into())]))).await;
    }
    "exchange.declare.alternate-not-text", "An alternate exchange that is no text", channel 406 "PRECONDITION_FAILED - " (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare(&ctx.name("x"), "direct", x::NONE, table([("alternate-exchange", 5.into())]))).await;
    }
    "exchange.declare.reserved-name", "A name beginning with amq.", channel 403 "ACCESS_REFUSED - exchange name 'amq.foo' contains reserved prefix 'amq.*'" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("amq.foo", "direct", x::NONE, table([]))).await;
    }
    "exchange.declare.default", "Declaring the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("", "direct", x::NONE, table([]))).await;
    }
    "exchange.delete.reserved-name", "A name beginning with amq.", channel 403 "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed" (40, 20), |ctx, raw| {
        raw.send(methods::exchange_delete("amq.direct", 0)).await;
    }
    "exchange.passive.default", "A passive declaration of the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("", "direct", x::PASSIVE, table([]))).await;
    }
    "exchange.passive.default-after-cleaning", "A name of line breaks is the default exchange's", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare("\r\n", "", x::PASSIVE, table([]))).await;
    }
    "exchange.delete.default-after-cleaning", "Deleting by a name of line breaks", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 20), |ctx, raw| {
        raw.send(methods::exchange_delete("\n", 0)).await;
    }
    "exchange.unbind.from-default", "Unbinding an exchange from the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 40), |ctx, raw| {
        raw.send(methods::exchange_unbind("amq.direct", "", "k", table([]))).await;
    }
    "exchange.unbind.to-default", "Unbinding the default exchange from one that is not there", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 40), |ctx, raw| {
        raw.send(methods::exchange_unbind("", &ctx.name("x"), "k", table([]))).await;
    }
    "exchange.delete.reserved", "Deleting an amq. exchange that is not there", channel 403 "ACCESS_REFUSED - deletion of system exchange 'amq.default' in vhost '/' not allowed" (40, 20), |ctx, raw| {
        raw.send(methods::exchange_delete("amq.default", 0)).await;
    }
    "exchange.delete.default", "Deleting the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 20), |ctx, raw| {
        raw.send(methods::exchange_delete("", 0)).await;
    }
    "exchange.delete.in-use", "Deleting if unused an exchange with bindings", channel 406 "PRECONDITION_FAILED - exchange '{x}' in vhost '/' in use" (40, 20), |ctx, raw| {
        let (q, x) = (ctx.name("q"), ctx.name("x"));
        raw.queue(&q).await?;
        raw.exchange(&x, "direct").await?;
        raw.bind(&q, &x, "k").await?;
        raw.send(methods::exchange_delete(&x, 1)).await;
    }
    "exchange.bind.missing-source", "Binding an exchange to one that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (40, 30), |ctx, raw| {
        raw.send(methods::exchange_bind("amq.direct", &ctx.name("x"), "k", vec![])).await;
    }
    "exchange.bind.missing-destination", "Binding an exchange that is not there", channel 404 "NOT_FOUND - no exchange '{x}' in vhost '/'" (40, 30), |ctx, raw| {
        raw.send(methods::exchange_bind(&ctx.name("x"), "amq.direct", "k", vec![])).await;
    }
    "exchange.bind.from-default", "Binding an exchange to the default exchange", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 30), |ctx, raw| {
        raw.send(methods::exchange_bind("amq.direct", "", "k", vec![])).await;
    }
    "exchange.bind.to-default", "Binding the default exchange to another", channel 403 "ACCESS_REFUSED - operation not permitted on the default exchange" (40, 30), |ctx, raw| {
        raw.send(methods::exchange_bind("", "amq.direct", "k", vec![])).await;
    }
}
