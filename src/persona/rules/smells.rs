//! What no broker refuses, and is seldom what was wanted.

use super::super::call::QueueKind;
use super::super::rule::{Outcomes, Rule};

const QUEUES: &[QueueKind] = &[QueueKind::Classic, QueueKind::Quorum];

/// Of a queue as it is, not of a call: who looks through the queues finds it.
pub const DEAD_LETTERS_GO_NOWHERE: &str = "dead-letters-go-nowhere";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: DEAD_LETTERS_GO_NOWHERE,
        what: "has a queue whose dead-letter exchange is not there, or has no binding",
        check: |_| None,
        outcomes: Outcomes::Smell("what is rejected, expires or is too much there is lost"),
        fix: "declare {found} and bind a queue to it",
        witness: "RabbitMQ's guide to dead letter exchanges",
    },
    Rule {
        id: "auto-ack",
        what: "consumes from a durable queue without acks (`no-ack`)",
        check: |call| {
            let consume = call.consume(QUEUES)?;
            (consume.no_ack && consume.durable).then(String::new)
        },
        outcomes: Outcomes::Smell(
            "messages count as done when they are sent: those on their way are lost if the client fails, and no prefetch holds it back",
        ),
        fix: "consume with acks and a prefetch",
        witness: "RabbitMQ's guide to consumer acknowledgements",
    },
    Rule {
        id: "no-prefetch",
        what: "consumes with acks and without a prefetch",
        check: |call| {
            let consume = call.consume(QUEUES)?;
            (!consume.no_ack && consume.prefetch == 0 && !consume.channel_prefetch).then(String::new)
        },
        outcomes: Outcomes::Smell(
            "all of the queue is sent to the first consumer, which has to keep it in memory, and others get nothing",
        ),
        fix: "call basic.qos with a prefetch, such as 100, before basic.consume",
        witness: "RabbitMQ's guide to consumer prefetch",
    },
];
