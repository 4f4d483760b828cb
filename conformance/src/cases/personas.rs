//! What brokers do differently, a case for each row of Coney's personas: each is run on every broker, which has to do what its product and
//! version do, or those that it stands in for.

use crate::case::{Check, Ctx, Stop, ensure};
use crate::codec::{Table, Value, table};
use crate::deviations::{Identity, identify};
use crate::methods::{self, c, q, x};
use crate::raw::{Raw, Scope};

const REF: &str = "Coney: docs/testing-personas.md";

/// What becomes of a call: `None` if it is taken, or else the code and how the text begins.
type Want = Option<(u16, &'static str)>;

const TAKEN: Want = None;

/// It closes the channel, or the connection, as the code says.
const fn closed(code: u16, text: &'static str) -> Want {
    Some((code, text))
}

/// 406 on all RabbitMQs.
const fn rabbitmq(text: &'static str) -> [Want; 5] {
    let refused = closed(406, text);
    [TAKEN, refused, refused, refused, TAKEN]
}

/// 406 on RabbitMQ 4.3 alone.
const fn rabbitmq_43(text: &'static str) -> [Want; 5] {
    [TAKEN, TAKEN, TAKEN, closed(406, text), TAKEN]
}

/// Which column of a row is about this broker: Coney, RabbitMQ 3.13, 4.0, 4.3, LavinMQ.
fn column(broker: &Identity) -> Option<usize> {
    let Identity { product, version, platform, persona } = broker;
    let is_from = |versions: &[&str]| versions.iter().any(|beginning| version.starts_with(beginning));
    match (platform.as_str(), persona.as_str(), product.as_str()) {
        ("Rust", "", _) => Some(0),
        ("Rust", "rabbitmq-3.13", _) => Some(1),
        ("Rust", "rabbitmq-4.0", _) => Some(2),
        ("Rust", "rabbitmq-4.3", _) => Some(3),
        ("Rust", "lavinmq-2", _) | (_, _, "LavinMQ") => Some(4),
        (_, _, "RabbitMQ") if is_from(&["3.10.", "3.11.", "3.12.", "3.13."]) => Some(1),
        (_, _, "RabbitMQ") if is_from(&["4.0.", "4.1."]) => Some(2),
        (_, _, "RabbitMQ") if is_from(&["4.3."]) => Some(3),
        _ => None,
    }
}

/// Waits for what this broker has to do with what was sent last, which a method of this id did.
async fn judge(ctx: &Ctx, raw: &mut Raw, id: (u16, u16), wants: [Want; 5]) -> Check {
    let broker = identify(&ctx.target).await?;
    let Some(want) = column(&broker).and_then(|column| wants.get(column)) else {
        let Identity { product, version, .. } = broker;
        return Err(Stop::Skip(format!("nothing is said of {product} {version}")));
    };
    match *want {
        // What comes on the channel after it is answered.
        TAKEN => {
            raw.send(methods::basic_qos(0, 7, false)).await;
            let refused = raw.refused_before((60, 11)).await?;
            ensure(refused.is_none(), format!("{refused:?}, expected it to be taken"))
        }
        Some((code, text)) => {
            let text = ctx.expand(text);
            let is_hard = code >= 500;
            let scope =
                if is_hard { Scope::connection(code, text, id) } else { Scope::channel(code, text, id) };
            raw.expect_closed(&scope).await
        }
    }
}

/// Declares cases: id, title, what each broker does, the method to blame, and what is sent.
macro_rules! persona_cases {
    ($($id:literal, $title:literal, $wants:expr, $method:expr, |$ctx:ident, $raw:ident| $body:block)*) => {
        /// The cases of this module.
        pub const CASES: &[crate::case::Case] = &[$(crate::case::Case {
            id: $id,
            title: $title,
            reference: REF,
            expects: "what the broker's product and version do, or those that it stands in for",
            run: |$ctx| Box::pin(async move {
                let mut $raw = $ctx.raw().await?;
                { $body }
                judge(&$ctx, &mut $raw, $method, $wants).await
            }),
        }),*];
    };
}

fn queue(kind: &str) -> Table {
    table([("x-queue-type", kind.into())])
}

fn with(kind: &str, key: &str, value: impl Into<Value>) -> Table {
    table([("x-queue-type", kind.into()), (key, value.into())])
}

async fn declare(ctx: &Ctx, raw: &mut Raw, bits: u8, arguments: Table) {
    raw.send(methods::queue_declare(&ctx.name("q"), bits, arguments)).await;
}

/// A durable queue of that type, made.
async fn made(ctx: &Ctx, raw: &mut Raw, kind: &str) -> Check {
    raw.declare(&ctx.name("q"), q::DURABLE, queue(kind)).await.map(drop)
}

async fn consume(ctx: &Ctx, raw: &mut Raw, bits: u8, arguments: Table) {
    raw.send(methods::basic_consume(&ctx.name("q"), "c", bits, arguments)).await;
}

const TRANSIENT: &str = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nBy default, this feature is not permitted anymore.\nThe \
                         feature will be removed from a future major RabbitMQ version, regardless of the configuration; actual version to be \
                         determined.\nTo...";
const MASTER_LOCATOR: &str = "INTERNAL_ERROR - Feature `queue_master_locator` is deprecated.\nBy default, this feature is not permitted anymore.";
const SERVER_NAMED_QUORUM: &str =
    "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue";
const SERVER_NAMED_STREAM: &str =
    "PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_stream_queue";
const GLOBAL_QOS: &str = "NOT_IMPLEMENTED - queue '{q}' in vhost '/' does not support global qos";
const UNKNOWN_TYPE: &str = "PRECONDITION_FAILED - unknown exchange type 'x-local-random'";
const NO_SETTLE: &str = "NOT_FOUND - no exchange 'amq.settle' in vhost '/'";
const TOO_LARGE: &str =
    "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216";

/// The refusal of an argument of another type of queue.
macro_rules! foreign {
    ($key:literal, $kind:literal) => {
        concat!(
            "PRECONDITION_FAILED - invalid arg '",
            $key,
            "' for queue '{q}' in vhost '/' of queue type ",
            $kind
        )
    };
}

persona_cases! {
    "persona.transient-queue", "A queue that is neither durable nor exclusive", [TAKEN, TAKEN, TAKEN, closed(541, TRANSIENT), TAKEN], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::NONE, table([])).await;
    }
    "persona.transient-queue.exclusive", "An exclusive queue that is not durable", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::EXCLUSIVE, table([])).await;
    }
    "persona.quorum-auto-delete", "A quorum queue with auto-delete", rabbitmq("PRECONDITION_FAILED - invalid property 'auto-delete' for queue '{q}' in vhost '/'"), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE | q::AUTO_DELETE, queue("quorum")).await;
    }
    "persona.server-named", "A quorum queue without a name", rabbitmq(SERVER_NAMED_QUORUM), (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare("", q::DURABLE, with("quorum", "x-expires", 1000))).await;
    }
    "persona.server-named.stream", "A stream without a name", rabbitmq(SERVER_NAMED_STREAM), (50, 10), |ctx, raw| {
        raw.send(methods::queue_declare("", q::DURABLE, queue("stream"))).await;
        if let Some(column) = column(&identify(&ctx.target).await?).filter(|column| matches!(*column, 0 | 4)) {
            // Nobody else would delete it.
            let answer = raw.wait_for((50, 11)).await?;
            let name = crate::codec::Reader(&answer).short()?;
            ensure(name.starts_with("amq.gen-"), format!("{name} in column {column}"))?;
            raw.call(methods::queue_delete(&name, 0)).await?;
        }
    }
    "persona.delivery-limit-on-classic", "A classic queue with a delivery limit", rabbitmq(foreign!("x-delivery-limit", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-delivery-limit", 5.into())])).await;
    }
    "persona.quorum-argument-on-classic", "A classic queue with a dead-letter strategy", rabbitmq(foreign!("x-dead-letter-strategy", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-dead-letter-strategy", "at-most-once".into())])).await;
    }
    "persona.quorum-argument-on-classic.group-size", "A classic queue with a group size", rabbitmq(foreign!("x-quorum-initial-group-size", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-quorum-initial-group-size", 1.into())])).await;
    }
    "persona.quorum-argument-on-classic.in-memory", "A classic queue with a limit of what is in memory", rabbitmq(foreign!("x-max-in-memory-length", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-max-in-memory-length", 5.into())])).await;
    }
    "persona.stream-argument-on-queue", "A classic queue with a greatest age", rabbitmq(foreign!("x-max-age", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-max-age", "1h".into())])).await;
    }
    "persona.stream-argument-on-queue.cluster-size", "A classic queue with a cluster size", rabbitmq(foreign!("x-initial-cluster-size", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-initial-cluster-size", 1.into())])).await;
    }
    "persona.stream-argument-on-queue.quorum", "A quorum queue with a greatest age", rabbitmq(foreign!("x-max-age", "rabbit_quorum_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-max-age", "1h")).await;
    }
    "persona.filter-size-on-queue", "A classic queue with the size of a filter", rabbitmq_43(foreign!("x-stream-filter-size-bytes", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-stream-filter-size-bytes", 32.into())])).await;
    }
    "persona.leader-locator-on-classic", "A classic queue that says where its leader is to be", [TAKEN, closed(406, foreign!("x-queue-leader-locator", "rabbit_classic_queue")), TAKEN, TAKEN, TAKEN], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-queue-leader-locator", "client-local".into())])).await;
    }
    "persona.classic-argument-on-quorum", "A quorum queue with priorities", rabbitmq(foreign!("x-max-priority", "rabbit_quorum_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-max-priority", 5)).await;
    }
    "persona.classic-argument-on-quorum.mode", "A lazy quorum queue", rabbitmq(foreign!("x-queue-mode", "rabbit_quorum_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-queue-mode", "lazy")).await;
    }
    "persona.classic-argument-on-quorum.version", "A quorum queue of version 2", rabbitmq(foreign!("x-queue-version", "rabbit_quorum_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-queue-version", 2)).await;
    }
    "persona.classic-argument-on-quorum.mode-on-classic", "A lazy classic queue", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-queue-mode", "lazy".into())])).await;
    }
    "persona.queue-version-1", "A classic queue of version 1", rabbitmq_43("PRECONDITION_FAILED - invalid arg 'x-queue-version' for queue '{q}' in vhost '/': \"unsupported queue version '1'\""), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-queue-version", 1.into())])).await;
    }
    "persona.master-locator", "A classic queue that says where its master is to be", [TAKEN, TAKEN, TAKEN, closed(541, MASTER_LOCATOR), TAKEN], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-queue-master-locator", "client-local".into())])).await;
    }
    "persona.consumer-timeout-on-queue", "A classic queue with a timeout", rabbitmq_43(foreign!("x-consumer-timeout", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-consumer-timeout", 100_000.into())])).await;
    }
    "persona.consumer-timeout-on-queue.stream", "A stream with a timeout", rabbitmq_43(foreign!("x-consumer-timeout", "rabbit_stream_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("stream", "x-consumer-timeout", 100_000)).await;
    }
    "persona.consumer-timeout-on-quorum", "A quorum queue with a timeout", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-consumer-timeout", 100_000)).await;
    }
    "persona.delayed-retry-on-queue", "A classic queue with delayed retries", rabbitmq_43(foreign!("x-delayed-retry-type", "rabbit_classic_queue")), (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-delayed-retry-type", "all".into())])).await;
    }
    "persona.delayed-retry-on-quorum", "A quorum queue with delayed retries", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, with("quorum", "x-delayed-retry-type", "all")).await;
    }
    "persona.own-queue-argument", "A queue with parking", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-parking-after", 3.into())])).await;
    }
    "persona.deduplication-on-queue", "A queue that recognises duplicates", [TAKEN; 5], (50, 10), |ctx, raw| {
        declare(&ctx, &mut raw, q::DURABLE, table([("x-message-deduplication", true.into()), ("x-cache-size", 5.into())])).await;
    }
    "persona.exchange-local-random", "A local random exchange", [TAKEN, closed(406, UNKNOWN_TYPE), TAKEN, TAKEN, closed(406, UNKNOWN_TYPE)], (40, 10), |ctx, raw| {
        raw.send(methods::exchange_declare(&ctx.name("x"), "x-local-random", x::NONE, table([]))).await;
    }
    "persona.quorum-channel-prefetch", "A quorum queue and a prefetch of the channel", [TAKEN, closed(540, GLOBAL_QOS), closed(540, GLOBAL_QOS), TAKEN, TAKEN], (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "quorum").await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        consume(&ctx, &mut raw, 0, table([])).await;
    }
    "persona.channel-prefetch", "A classic queue and a prefetch of the channel", [TAKEN; 5], (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "classic").await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        consume(&ctx, &mut raw, 0, table([])).await;
    }
    "persona.consumer-timeout-on-classic-consumer", "A consumer of a classic queue with a timeout", rabbitmq_43(foreign!("x-consumer-timeout", "rabbit_classic_queue")), (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "classic").await?;
        consume(&ctx, &mut raw, 0, table([("x-consumer-timeout", 100_000.into())])).await;
    }
    "persona.consumer-timeout-on-quorum-consumer", "A consumer of a quorum queue with a timeout", [TAKEN; 5], (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "quorum").await?;
        consume(&ctx, &mut raw, 0, table([("x-consumer-timeout", 100_000.into())])).await;
    }
    "persona.own-consumer-argument", "A consumer whose acks are cumulative", [TAKEN; 5], (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "classic").await?;
        consume(&ctx, &mut raw, 0, table([("x-ack-policy", "all".into())])).await;
    }
    "persona.stream-consumer-exclusive", "An exclusive consumer of a stream", [TAKEN, TAKEN, TAKEN, TAKEN, closed(406, "PRECONDITION_FAILED - Stream consumers must not be exclusive")], (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "stream").await?;
        raw.call(methods::basic_qos(0, 5, false)).await?;
        consume(&ctx, &mut raw, c::EXCLUSIVE, table([])).await;
    }
    "persona.stream-no-prefetch", "A stream and a prefetch of the channel alone", STREAM_PREFETCH, (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "stream").await?;
        raw.call(methods::basic_qos(0, 5, true)).await?;
        consume(&ctx, &mut raw, 0, table([])).await;
    }
    "persona.stream-no-ack", "A consumer of a stream without acks", STREAM_NO_ACK, (60, 20), |ctx, raw| {
        made(&ctx, &mut raw, "stream").await?;
        raw.call(methods::basic_qos(0, 5, false)).await?;
        consume(&ctx, &mut raw, c::NO_ACK, table([])).await;
    }
    "persona.message-size", "A message with more than 16 MiB", [TAKEN, TAKEN, closed(406, TOO_LARGE), closed(406, TOO_LARGE), TAKEN], (60, 40), |ctx, raw| {
        let nowhere = ctx.name("nowhere");
        raw.publish_with("", &nowhere, 0, &crate::codec::Props::default(), &vec![b'x'; 16 * 1024 * 1024 + 1]).await;
    }
    "persona.message-size.most", "A message with 16 MiB", [TAKEN; 5], (60, 40), |ctx, raw| {
        let nowhere = ctx.name("nowhere");
        raw.publish_with("", &nowhere, 0, &crate::codec::Props::default(), &vec![b'x'; 16 * 1024 * 1024]).await;
    }
    "persona.settle-exchange", "A publish to amq.settle", SETTLE, (60, 40), |ctx, raw| {
        raw.publish("amq.settle", "", "").await;
    }
}

const STREAM_PREFETCH: [Want; 5] = [
    closed(540, GLOBAL_QOS),
    closed(406, "PRECONDITION_FAILED - consumer prefetch count is not set for 'queue '{q}' in vhost '/''"),
    closed(
        406,
        "PRECONDITION_FAILED - consumer prefetch count is not set for stream queue '{q}' in vhost '/'",
    ),
    TAKEN,
    closed(540, GLOBAL_QOS),
];

const NO_ACK_4: Want = closed(
    540,
    "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queue '{q}' in vhost '/'",
);
const STREAM_NO_ACK: [Want; 5] = [
    NO_ACK_4,
    closed(
        540,
        "NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue '{q}' in vhost '/'",
    ),
    NO_ACK_4,
    NO_ACK_4,
    closed(406, "PRECONDITION_FAILED - Stream consumers must acknowledge messages"),
];

/// Coney knows it, and looks at the message.
const SETTLE: [Want; 5] = {
    let none = closed(404, NO_SETTLE);
    let lavinmq = closed(404, "NOT_FOUND - No exchange 'amq.settle' in vhost '/'");
    [closed(406, "PRECONDITION_FAILED - "), none, none, none, lavinmq]
};
