//! queue.declare: arguments.

use super::super::call::{QueueKind, first_of};
use super::super::outcome::Outcome::{self, Differs, Ignored, Same};
use super::super::outcome::{internal_error, precondition_failed};
use super::super::rule::{Outcomes, Rule};
use crate::protocol::value::as_integer;

const CLASSIC: &[QueueKind] = &[QueueKind::Classic];
const QUORUM: &[QueueKind] = &[QueueKind::Quorum];
const NO_STREAM: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum];
const NO_QUORUM: &[QueueKind] = &[QueueKind::Classic, QueueKind::Stream];
const ANY: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];

/// RabbitMQ's answer to an argument of another type of queue.
const FOREIGN: Outcome = precondition_failed("invalid arg '{found}' for {thing} of queue type {type}");
const BOTH: &str = "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1";
const SOURCE: &str = "source of RabbitMQ 3.13.7, 4.0.5 and 4.3.5 and of LavinMQ 2.9.1";
const TAKEN: &str = "RabbitMQ 3.10.8 and 4.0.5 take it; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1";

const DELAYED_RETRY: &[&str] = &["x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max"];
/// Arguments that Coney alone has.
const OWN: &[&str] = &[
    "x-delayed-retry-multiplier",
    "x-delayed-retry-steps",
    "x-delayed-retry-jitter",
    "x-delivery-count-mode",
    "x-consumer-timeout-action",
    "x-parking-after",
    "x-parking-ttl",
    "x-parking-limit",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "queue-version-1",
        what: "declares a classic queue with `x-queue-version` 1",
        check: |call| {
            let version = call.queue(CLASSIC)?.arguments.inner().get("x-queue-version").and_then(as_integer);
            (version == Some(1)).then(|| "x-queue-version".to_owned())
        },
        outcomes: Outcomes::Of([
            Same,
            Same,
            precondition_failed("invalid arg '{found}' for {thing}: \"unsupported queue version '1'\""),
            Same,
        ]),
        fix: "leave x-queue-version out: version 2 is the only one there is now",
        witness: TAKEN,
    },
    Rule {
        id: "delivery-limit-on-classic",
        what: "declares a classic queue with `x-delivery-limit`",
        check: |call| first_of(call.queue(CLASSIC)?.arguments, &["x-delivery-limit"]),
        outcomes: Outcomes::Of([FOREIGN, FOREIGN, FOREIGN, Same]),
        fix: "declare a quorum queue, or count deliveries in the consumer",
        witness: BOTH,
    },
    Rule {
        id: "quorum-argument-on-classic",
        what: "declares a classic queue with `x-dead-letter-strategy`, `x-max-in-memory-length`, `x-max-in-memory-bytes` or \
               `x-quorum-initial-group-size`",
        check: |call| {
            let keys = [
                "x-dead-letter-strategy",
                "x-max-in-memory-bytes",
                "x-max-in-memory-length",
                "x-quorum-initial-group-size",
            ];
            first_of(call.queue(CLASSIC)?.arguments, &keys)
        },
        outcomes: Outcomes::Of([FOREIGN, FOREIGN, FOREIGN, Same]),
        fix: "leave {found} out, or declare a quorum queue",
        witness: BOTH,
    },
    Rule {
        id: "stream-argument-on-queue",
        what: "declares a classic or quorum queue with `x-max-age`, `x-stream-max-segment-size-bytes` or `x-initial-cluster-size`",
        check: |call| {
            let keys = ["x-initial-cluster-size", "x-max-age", "x-stream-max-segment-size-bytes"];
            first_of(call.queue(NO_STREAM)?.arguments, &keys)
        },
        outcomes: Outcomes::Of([FOREIGN, FOREIGN, FOREIGN, Same]),
        fix: "leave {found} out, or declare a stream",
        witness: BOTH,
    },
    Rule {
        id: "filter-size-on-queue",
        what: "declares a classic or quorum queue with `x-stream-filter-size-bytes`",
        check: |call| first_of(call.queue(NO_STREAM)?.arguments, &["x-stream-filter-size-bytes"]),
        outcomes: Outcomes::Of([Same, Same, FOREIGN, Same]),
        fix: "leave {found} out, or declare a stream",
        witness: TAKEN,
    },
    Rule {
        id: "leader-locator-on-classic",
        what: "declares a classic queue with `x-queue-leader-locator`",
        check: |call| first_of(call.queue(CLASSIC)?.arguments, &["x-queue-leader-locator"]),
        outcomes: Outcomes::Of([FOREIGN, Same, Same, Same]),
        fix: "leave {found} out",
        witness: BOTH,
    },
    Rule {
        id: "classic-argument-on-quorum",
        what: "declares a quorum queue with `x-max-priority`, `x-queue-mode`, `x-queue-version` or `x-queue-master-locator`",
        check: |call| {
            let keys = ["x-max-priority", "x-queue-master-locator", "x-queue-mode", "x-queue-version"];
            first_of(call.queue(QUORUM)?.arguments, &keys)
        },
        outcomes: Outcomes::Of([FOREIGN, FOREIGN, FOREIGN, Same]),
        fix: "leave {found} out, or declare a classic queue",
        witness: BOTH,
    },
    Rule {
        id: "consumer-timeout-on-queue",
        what: "declares a classic queue or a stream with `x-consumer-timeout`",
        check: |call| first_of(call.queue(NO_QUORUM)?.arguments, &["x-consumer-timeout"]),
        outcomes: Outcomes::Of([Ignored, Ignored, FOREIGN, Same]),
        fix: "leave {found} out: the timeout is a setting of RabbitMQ's up to 4.2, and there is none for such queues from 4.3",
        witness: TAKEN,
    },
    Rule {
        id: "consumer-timeout-on-quorum",
        what: "declares a quorum queue with `x-consumer-timeout`",
        check: |call| first_of(call.queue(QUORUM)?.arguments, &["x-consumer-timeout"]),
        outcomes: Outcomes::Of([Ignored, Ignored, Same, Same]),
        fix: "set consumer_timeout in rabbitmq.conf",
        witness: TAKEN,
    },
    Rule {
        id: "delayed-retry-on-queue",
        what: "declares a classic queue or a stream with `x-delayed-retry-type`, `-min` or `-max`",
        check: |call| first_of(call.queue(NO_QUORUM)?.arguments, DELAYED_RETRY),
        outcomes: Outcomes::Of([Ignored, Ignored, FOREIGN, Ignored]),
        fix: "declare a quorum queue for RabbitMQ 4.3; elsewhere a second queue with a TTL that dead-letters back",
        witness: TAKEN,
    },
    Rule {
        id: "delayed-retry-on-quorum",
        what: "declares a quorum queue with `x-delayed-retry-type`, `-min` or `-max`",
        check: |call| first_of(call.queue(QUORUM)?.arguments, DELAYED_RETRY),
        outcomes: Outcomes::Of([Ignored, Ignored, Same, Ignored]),
        fix: "use a second queue with a TTL that dead-letters back",
        witness: TAKEN,
    },
    Rule {
        id: "own-queue-argument",
        what: "declares a queue with an argument that Coney alone has: `x-delayed-retry-multiplier`, `-steps`, `-jitter`, \
               `x-delivery-count-mode`, `x-consumer-timeout-action`, `x-parking-after`, `-ttl`, `-limit`",
        check: |call| first_of(call.queue(ANY)?.arguments, OWN),
        outcomes: Outcomes::Of([Ignored, Ignored, Ignored, Ignored]),
        fix: "do without {found}",
        witness: SOURCE,
    },
    Rule {
        id: "stream-source",
        what: "declares a queue that is fed from a stream, with `x-stream-source`",
        check: |call| first_of(call.queue(NO_STREAM)?.arguments, &["x-stream-source"]),
        outcomes: Outcomes::Of([Differs("the queue stays empty: nothing feeds it"); 4]),
        fix: "consume from the stream itself",
        witness: SOURCE,
    },
    Rule {
        id: "deduplication-on-queue",
        what: "declares a queue with `x-message-deduplication`",
        check: |call| first_of(call.queue(ANY)?.arguments, &["x-message-deduplication"]),
        outcomes: Outcomes::Of([Ignored, Ignored, Ignored, Same]),
        fix: "use the plugin rabbitmq_message_deduplication, or recognise duplicates in the consumer",
        witness: TAKEN,
    },
    Rule {
        id: "quorum-without-limit",
        what: "declares a quorum queue without `x-delivery-limit`",
        check: |call| {
            let queue = call.queue(QUORUM)?;
            (!queue.arguments.inner().contains_key("x-delivery-limit")).then(String::new)
        },
        outcomes: Outcomes::Of([
            Differs("there is no limit unless a policy sets one, where Coney and RabbitMQ 4 have 20"),
            Same,
            Same,
            Differs("there is no limit unless a policy sets one, where Coney and RabbitMQ 4 have 20"),
        ]),
        fix: "set x-delivery-limit",
        witness: "RabbitMQ's quorum queue guide; source of LavinMQ 2.9.1",
    },
    Rule {
        id: "master-locator",
        what: "declares a classic queue with `x-queue-master-locator`",
        check: |call| first_of(call.queue(CLASSIC)?.arguments, &["x-queue-master-locator"]),
        outcomes: Outcomes::Of([
            Same,
            Same,
            internal_error(
                "Feature `queue_master_locator` is deprecated.\nBy default, this feature is not permitted anymore.\nThe feature will \
                 be removed from a future major RabbitMQ version, regardless of the configuration; actual version to be \
                 determined.\nTo continue using this feature when it is not permitted by default, set the following parameter in your \
                 configuration:\n    \"deprecated_features.permit.queue_master_locator = true\"",
            ),
            Same,
        ]),
        fix: "use x-queue-leader-locator",
        witness: TAKEN,
    },
];
