//! basic.publish. Here is what is said of a message that is unusual; its session refuses it by itself, for it knows before a rule is asked.

use super::super::call::Call;
use super::super::outcome::Outcome::{self, Same};
use super::super::outcome::{not_found, precondition_failed};
use super::super::rule::{Outcomes, Rule};

const TOO_LARGE: Outcome =
    precondition_failed("message size {found} is larger than configured max size 16777216");

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "message-size",
        what: "publishes a message with more than 16 MiB",
        check: |call| match call {
            Call::Publish(publish) => publish.large_body.map(|bytes| bytes.to_string()),
            _ => None,
        },
        outcomes: Outcomes::Of([Same, TOO_LARGE, TOO_LARGE, Same]),
        fix: "send a reference to where the data is, or set max_message_size in rabbitmq.conf",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "settle-exchange",
        what: "publishes to `amq.settle`",
        check: |call| match call {
            Call::Publish(publish) => publish.settles.then(String::new),
            _ => None,
        },
        outcomes: Outcomes::Of([
            not_found("no exchange 'amq.settle' in {thing}"),
            not_found("no exchange 'amq.settle' in {thing}"),
            not_found("no exchange 'amq.settle' in {thing}"),
            not_found("No exchange 'amq.settle' in {thing}"),
        ]),
        fix: "use basic.ack, basic.nack and basic.reject",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
];
