//! The order in which a queue's arguments are checked: an error names the first that is wrong, and clients show it.

use super::arguments::{Arguments, OptionsError};

/// What looks at the value of an argument.
type Check = fn(&Arguments<'_>) -> Result<(), OptionsError>;

/// RabbitMQ's types of queue that know an argument. Here all queues do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KnownTo {
    All,
    Classic,
    Quorum,
}

/// RabbitMQ's arguments in the order in which RabbitMQ 4.0 looks at them. Those that a queue of this type does not know come
/// last there, and here.
const CHECKS: &[(KnownTo, Check)] = &[
    (KnownTo::All, |args| args.dead_letter_exchange().map(drop)),
    (KnownTo::All, |args| args.is_quorum().map(drop)),
    (KnownTo::All, |args| args.expires().map(drop)),
    (KnownTo::All, |args| args.milliseconds("x-message-ttl").map(drop)),
    (KnownTo::All, |args| args.dead_letter_routing_key().map(drop)),
    (KnownTo::Quorum, |args| {
        args.check_text("x-dead-letter-strategy", DEAD_LETTER_STRATEGIES, |_| "invalid_dlx_strategy".into())
    }),
    (KnownTo::All, |args| args.non_negative("x-max-length").map(drop)),
    (KnownTo::All, |args| args.non_negative("x-max-length-bytes").map(drop)),
    (KnownTo::Quorum, |args| args.non_negative("x-max-in-memory-length").map(drop)),
    (KnownTo::Quorum, |args| args.non_negative("x-max-in-memory-bytes").map(drop)),
    (KnownTo::Classic, |args| args.priority_max().map(drop)),
    (KnownTo::All, |args| args.overflow().map(drop)),
    (KnownTo::Classic, |args| {
        let why = |mode: &str| format!("\"unsupported queue mode '{mode}'\"");
        args.check_text("x-queue-mode", QUEUE_MODES, why)
    }),
    (KnownTo::Classic, |args| args.check_queue_version()),
    (KnownTo::All, |args| args.boolean("x-single-active-consumer").map(drop)),
    (KnownTo::Quorum, |args| args.positive_number("x-quorum-initial-group-size").map(drop)),
    (KnownTo::All, |args| {
        args.check_text("x-queue-leader-locator", LEADER_LOCATORS, |_| "invalid_queue_locator_arg".into())
    }),
];

const DEAD_LETTER_STRATEGIES: &[&str] = &["at-most-once", "at-least-once"];
const QUEUE_MODES: &[&str] = &["default", "lazy"];
/// RabbitMQ 4.0 still knows the old names, too.
const LEADER_LOCATORS: &[&str] = &["client-local", "balanced", "random", "least-leaders", "min-masters"];

impl Arguments<'_> {
    /// Checks RabbitMQ's arguments, those without an effect here, too.
    pub(super) fn check_known(&self) -> Result<(), OptionsError> {
        let stranger = match self.is_quorum() {
            Ok(true) => KnownTo::Classic,
            _ => KnownTo::Quorum,
        };
        let known = CHECKS.iter().filter(|(known_to, _)| *known_to != stranger);
        let others = CHECKS.iter().filter(|(known_to, _)| *known_to == stranger);
        known.chain(others).try_for_each(|(_, check)| check(self))
    }

    fn check_text(
        &self,
        key: &'static str,
        allowed: &[&str],
        why: impl FnOnce(&str) -> String,
    ) -> Result<(), OptionsError> {
        match self.string(key)? {
            Some(text) if !allowed.contains(&text.as_str()) => Err(self.invalid(key, why(&text))),
            _ => Ok(()),
        }
    }

    fn check_queue_version(&self) -> Result<(), OptionsError> {
        const KEY: &str = "x-queue-version";
        match self.non_negative(KEY)? {
            None | Some(1 | 2) => Ok(()),
            Some(other) => Err(self.invalid(KEY, format!("\"unsupported queue version '{other}'\""))),
        }
    }
}
