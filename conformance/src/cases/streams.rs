//! What a stream refuses, and in which words.

use crate::codec::{Value, strings, table};
use crate::methods::{self, c, q};

const REF: &str = "RabbitMQ: Streams and Super Streams (Declaring, Consuming, Feature Comparison)";

/// A stream's arguments with one more.
fn stream(key: &str, value: impl Into<Value>) -> crate::codec::Table {
    table([("x-queue-type", "stream".into()), (key, value.into())])
}

crate::error_cases! { REF;
    "stream.declare.auto-delete", "An auto-delete stream", channel 406 "PRECONDITION_FAILED - invalid property 'auto-delete' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE | q::AUTO_DELETE, table([("x-queue-type", "stream".into())]))).await;
    }
    "stream.declare.exclusive", "An exclusive stream", channel 406 "PRECONDITION_FAILED - invalid property 'exclusive-owner' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE | q::EXCLUSIVE, table([("x-queue-type", "stream".into())]))).await;
    }
    "stream.declare.transient", "A transient stream", channel 406 "PRECONDITION_FAILED - invalid property 'non-durable' for queue '{q}' in vhost '/'" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::NONE, table([("x-queue-type", "stream".into())]))).await;
    }
    "stream.declare.max-age-unit", "A greatest age without a unit", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue '{q}' in vhost '/': invalid_max_age" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-max-age", "5"))).await;
    }
    "stream.declare.max-age-number", "A greatest age that is a number", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue '{q}' in vhost '/': {unacceptable_type," (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-max-age", 5))).await;
    }
    "stream.declare.max-length-bytes-negative", "A negative length", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length-bytes' for queue '{q}' in vhost '/': {value_negative,-1}" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-max-length-bytes", -1))).await;
    }
    "stream.declare.segment-too-large", "Segments above RabbitMQ's limit", channel 406 "PRECONDITION_FAILED - Exceeded max value for x-stream-max-segment-size-bytes" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-stream-max-segment-size-bytes", Value::I64(3_000_000_001)))).await;
    }
    "stream.declare.filter-size", "A Bloom filter that is too small", channel 406 "PRECONDITION_FAILED - Invalid value for  x-stream-filter-size-bytes" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-stream-filter-size-bytes", 15))).await;
    }
    "stream.declare.cluster-size", "A cluster of nobody", channel 406 "PRECONDITION_FAILED - invalid arg 'x-initial-cluster-size' for queue '{q}' in vhost '/': {value_zero,0}" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-initial-cluster-size", 0))).await;
    }
    "stream.declare.overflow", "A queue's argument", channel 406 "PRECONDITION_FAILED - invalid arg 'x-overflow' for queue '{q}' in vhost '/' of queue type rabbit_stream_queue" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-overflow", "drop-head"))).await;
    }
    "stream.declare.max-length", "A greatest number of messages", channel 406 "PRECONDITION_FAILED - invalid arg 'x-max-length' for queue '{q}' in vhost '/' of queue type rabbit_stream_queue" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-max-length", 5))).await;
    }
    "stream.declare.single-active-consumer", "A single active consumer", channel 406 "PRECONDITION_FAILED - invalid arg 'x-single-active-consumer' for queue '{q}' in vhost '/' of queue type rabbit_stream_queue" (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare(&ctx.name("q"), q::DURABLE, stream("x-single-active-consumer", true))).await;
    }
    "stream.redeclare.max-age", "Declared again with another age", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-max-age' for queue '{q}' in vhost '/': received '2h' but current is '1h'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, stream("x-max-age", "1h")).await?;
        raw.send(methods::queue_declare(&q, q::DURABLE, stream("x-max-age", "2h"))).await;
    }
    "stream.redeclare.classic", "Declared again as a classic queue", channel 406 "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue '{q}' in vhost '/': received 'classic' but current is 'stream'" (50, 10), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.send(methods::queue_declare(&q, q::DURABLE, table([("x-queue-type", "classic".into())]))).await;
    }
    "stream.consume.no-prefetch", "A consumer without a prefetch", channel 406 "PRECONDITION_FAILED - consumer prefetch count is not set for stream queue '{q}' in vhost '/'" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.send(methods::basic_consume(&q, "c", c::NONE, table([]))).await;
    }
    "stream.consume.no-ack", "A consumer that does not ack", connection 540 "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queue '{q}' in vhost '/'" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.send(methods::basic_consume(&q, "c", c::NO_ACK, table([]))).await;
    }
    "stream.consume.offset-text", "An offset that is none", channel 406 "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{q}' in vhost '/': {invalid_stream_offset_arg,{longstr,<<\"foo\">>}}" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.send(methods::basic_consume(&q, "c", c::NONE, table([("x-stream-offset", "foo".into())]))).await;
    }
    "stream.consume.offset-type", "An offset of a type that no offset has", channel 406 "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{q}' in vhost '/': {invalid_stream_offset_arg,{bool,true}}" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.send(methods::basic_consume(&q, "c", c::NONE, table([("x-stream-offset", true.into())]))).await;
    }
    "stream.consume.priority", "A consumer with a priority", channel 406 "PRECONDITION_FAILED - invalid arg 'x-priority' for queue '{q}' in vhost '/' of queue type rabbit_stream_queue" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.call(methods::basic_qos(0, 10, false)).await?;
        raw.send(methods::basic_consume(&q, "c", c::NONE, table([("x-priority", 5.into())]))).await;
    }
    "stream.consume.filter-of-a-queue", "A filter on a classic queue", channel 406 "PRECONDITION_FAILED - invalid arg 'x-stream-filter' for queue '{q}' in vhost '/' of queue type rabbit_classic_queue" (60, 20), |ctx, raw| {
        let q = ctx.name("q");
        raw.queue(&q).await?;
        raw.send(methods::basic_consume(&q, "c", c::NONE, table([("x-stream-filter", strings(&["a"]))]))).await;
    }
    "stream.get", "basic.get", connection 540 "NOT_IMPLEMENTED - basic.get not supported by stream queues queue '{q}' in vhost '/'" (60, 70), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.send(methods::basic_get(&q, false)).await;
    }
    "stream.purge", "queue.purge", connection 540 "NOT_IMPLEMENTED - queue.purge not supported by stream queues queue '{q}' in vhost '/'" (50, 30), |ctx, raw| {
        let q = ctx.name("q");
        raw.declare(&q, q::DURABLE, table([("x-queue-type", "stream".into())])).await?;
        raw.send(methods::queue_purge(&q)).await;
    }
}
