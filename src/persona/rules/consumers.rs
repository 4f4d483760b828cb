//! basic.consume, and basic.qos before it.

use super::super::call::{QueueKind, first_of};
use super::super::outcome::Outcome::{self, Differs, Ignored, Same};
use super::super::outcome::{not_implemented, precondition_failed};
use super::super::rule::{Outcomes, Rule};

const CLASSIC: &[QueueKind] = &[QueueKind::Classic];
const QUORUM: &[QueueKind] = &[QueueKind::Quorum];
const STREAM: &[QueueKind] = &[QueueKind::Stream];
const ANY: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream];

const NO_CHANNEL_PREFETCH: Outcome = not_implemented("{thing} does not support global qos");
const FOREIGN: Outcome = precondition_failed("invalid arg '{found}' for {thing} of queue type {type}");
const PER_CONSUMER: Outcome =
    Differs("`global` is not looked at: each consumer has that prefetch for itself");

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "consumer-timeout-on-classic-consumer",
        what: "consumes from a classic queue with `x-consumer-timeout`",
        check: |call| first_of(call.consume(CLASSIC)?.arguments, &["x-consumer-timeout"]),
        outcomes: Outcomes::Of([Ignored, Ignored, FOREIGN, Ignored]),
        fix: "leave {found} out: the timeout is a setting of RabbitMQ's up to 4.2, and there is none for such queues from 4.3",
        witness: "RabbitMQ 3.10.8 and 4.0.5 take it; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "consumer-timeout-on-quorum-consumer",
        what: "consumes from a quorum queue with `x-consumer-timeout`",
        check: |call| first_of(call.consume(QUORUM)?.arguments, &["x-consumer-timeout"]),
        outcomes: Outcomes::Of([Ignored, Ignored, Same, Ignored]),
        fix: "set consumer_timeout in rabbitmq.conf",
        witness: "RabbitMQ 3.10.8 and 4.0.5 take it; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "own-consumer-argument",
        what: "consumes with an argument that Coney alone has: `x-ack-policy`, `x-stream-cursor`, `x-consumer-timeout-action`",
        check: |call| {
            let keys = ["x-ack-policy", "x-stream-cursor", "x-consumer-timeout-action"];
            first_of(call.consume(ANY)?.arguments, &keys)
        },
        outcomes: Outcomes::Of([Ignored; 4]),
        fix: "do without {found}",
        witness: "RabbitMQ 4.0.5 takes x-ack-policy; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "stream-consumer-exclusive",
        what: "consumes from a stream with `exclusive`",
        check: |call| call.consume(STREAM)?.exclusive.then(String::new),
        outcomes: Outcomes::Of([
            Same,
            Same,
            Same,
            precondition_failed("Stream consumers must not be exclusive"),
        ]),
        fix: "consume without exclusive",
        witness: "source of LavinMQ 2.9.1",
    },
    Rule {
        id: "stream-no-prefetch",
        what: "consumes from a stream without a prefetch of the consumer's own (Coney refuses that, too, without one of the channel's)",
        check: |call| (call.consume(STREAM)?.prefetch == 0).then(String::new),
        outcomes: Outcomes::Of([
            precondition_failed("consumer prefetch count is not set for '{thing}'"),
            precondition_failed("consumer prefetch count is not set for stream {thing}"),
            Same,
            Same,
        ]),
        fix: "call basic.qos without global before basic.consume",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7",
    },
    Rule {
        id: "stream-no-ack",
        what: "consumes from a stream without acks (Coney refuses that, too, in RabbitMQ 4's words)",
        check: |call| call.consume(STREAM)?.no_ack.then(String::new),
        outcomes: Outcomes::Of([
            not_implemented("automatic acknowledgement not supported by stream queues {thing}"),
            Same,
            Same,
            precondition_failed("Stream consumers must acknowledge messages"),
        ]),
        fix: "consume with acks",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7 and LavinMQ 2.9.1",
    },
    Rule {
        id: "quorum-channel-prefetch",
        what: "consumes from a quorum queue on a channel with a prefetch of its own (basic.qos with `global`)",
        check: |call| call.consume(QUORUM)?.channel_prefetch.then(String::new),
        outcomes: Outcomes::Of([NO_CHANNEL_PREFETCH, NO_CHANNEL_PREFETCH, PER_CONSUMER, Same]),
        fix: "call basic.qos without global",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "channel-prefetch",
        what: "consumes from a classic queue on a channel with a prefetch of its own (basic.qos with `global`)",
        check: |call| call.consume(CLASSIC)?.channel_prefetch.then(String::new),
        outcomes: Outcomes::Of([Same, Same, PER_CONSUMER, Same]),
        fix: "call basic.qos without global",
        witness: "source of RabbitMQ 4.3.5",
    },
];
