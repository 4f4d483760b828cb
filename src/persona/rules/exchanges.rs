//! exchange.declare.

use super::super::call::{Call, first_of};
use super::super::outcome::Outcome::{self, Differs, Ignored, Same};
use super::super::outcome::precondition_failed;
use super::super::rule::{Outcomes, Rule};

/// RabbitMQ's answer, and LavinMQ's, to a type of exchange that it does not have.
const UNKNOWN: Outcome = precondition_failed("unknown exchange type '{found}'");
const SOURCE: &str = "source of RabbitMQ 3.13.7, 4.0.5 and 4.3.5 and of LavinMQ 2.9.1";

fn is(call: &Call<'_>, kind: &str) -> Option<String> {
    (call.exchange()?.kind == kind).then(|| kind.to_owned())
}

/// A type that RabbitMQ has with a plugin.
const fn plugin(text: &'static str, lavinmq: Outcome) -> Outcomes {
    Outcomes::Of([Differs(text), Differs(text), Differs(text), lavinmq])
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "exchange-consistent-hash",
        what: "declares an exchange of type `x-consistent-hash`",
        check: |call| is(call, "x-consistent-hash"),
        outcomes: plugin(
            "refused without the plugin rabbitmq_consistent_hash_exchange, which is off at first",
            Same,
        ),
        fix: "enable the plugin rabbitmq_consistent_hash_exchange",
        witness: SOURCE,
    },
    Rule {
        id: "exchange-random",
        what: "declares an exchange of type `x-random`",
        check: |call| is(call, "x-random"),
        outcomes: plugin(
            "refused without the plugin rabbitmq_random_exchange, which is off at first",
            UNKNOWN,
        ),
        fix: "enable the plugin rabbitmq_random_exchange",
        witness: SOURCE,
    },
    Rule {
        id: "exchange-modulus-hash",
        what: "declares an exchange of type `x-modulus-hash`",
        check: |call| is(call, "x-modulus-hash"),
        outcomes: Outcomes::Of([
            Differs("refused without the plugin rabbitmq_sharding, which is off at first"),
            Differs("refused without the plugin rabbitmq_sharding, which is off at first"),
            Same,
            UNKNOWN,
        ]),
        fix: "enable the plugin rabbitmq_sharding, or use x-consistent-hash",
        witness: SOURCE,
    },
    Rule {
        id: "exchange-local-random",
        what: "declares an exchange of type `x-local-random`",
        check: |call| is(call, "x-local-random"),
        outcomes: Outcomes::Of([UNKNOWN, Same, Same, UNKNOWN]),
        fix: "use a direct exchange, or x-random with its plugin",
        witness: "RabbitMQ 4.0.5 takes it; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "exchange-deduplication",
        what: "declares an exchange of type `x-message-deduplication`",
        check: |call| is(call, "x-message-deduplication"),
        outcomes: plugin(
            "refused without the plugin rabbitmq_message_deduplication, which does not come with RabbitMQ",
            UNKNOWN,
        ),
        fix: "recognise duplicates in the consumer; LavinMQ takes x-message-deduplication as an argument of an exchange of another type",
        witness: SOURCE,
    },
    Rule {
        id: "exchange-delayed",
        what: "declares an exchange of type `x-delayed-message`",
        check: |call| is(call, "x-delayed-message"),
        outcomes: plugin(
            "refused without the plugin rabbitmq_delayed_message_exchange, which does not come with RabbitMQ",
            Same,
        ),
        fix: "install that plugin, or use queues with a TTL that dead-letter to where the message is to go",
        witness: SOURCE,
    },
    Rule {
        id: "deduplication-on-exchange",
        what: "declares an exchange with the argument `x-message-deduplication`",
        check: |call| first_of(call.exchange()?.arguments, &["x-message-deduplication"]),
        outcomes: Outcomes::Of([Ignored, Ignored, Ignored, Same]),
        fix: "recognise duplicates in the consumer",
        witness: SOURCE,
    },
];
