//! queue.declare: its flags.

use super::super::call::{Call, QueueCall, QueueKind};
use super::super::outcome::Outcome::{self, Same};
use super::super::outcome::{internal_error, precondition_failed};
use super::super::rule::{Outcomes, Rule};

const SERVER_NAMED: Outcome = precondition_failed("Cannot declare a server-named queue for type {type}");
const AUTO_DELETE: Outcome = precondition_failed("invalid property 'auto-delete' for {thing}");

/// Before the arguments.
pub(super) const NAMES: &[Rule] = &[Rule {
    id: "server-named",
    what: "declares a quorum queue or a stream and leaves its name to the broker",
    check: |call| {
        let queue = call.queue(&[QueueKind::Quorum, QueueKind::Stream])?;
        queue.server_named.then(String::new)
    },
    outcomes: Outcomes::Of([SERVER_NAMED, SERVER_NAMED, SERVER_NAMED, Same]),
    fix: "give it a name",
    witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
}];

/// After the arguments.
pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "transient-queue",
        what: "declares a queue that is neither durable nor exclusive",
        check: |call| match call {
            Call::Queue(QueueCall { durable: false, exclusive: false, .. }) => Some(String::new()),
            _ => None,
        },
        outcomes: Outcomes::Of([
            Same,
            Same,
            internal_error(
                "Feature `transient_nonexcl_queues` is deprecated.\nBy default, this feature is not permitted anymore.\nThe feature \
                 will be removed from a future major RabbitMQ version, regardless of the configuration; actual version to be \
                 determined.\nTo continue using this feature when it is not permitted by default, set the following parameter in your \
                 configuration:\n    \"deprecated_features.permit.transient_nonexcl_queues = true\"",
            ),
            Same,
        ]),
        fix: "declare it durable or exclusive",
        witness: "RabbitMQ 3.10.8 and 4.0.5 take it; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
    Rule {
        id: "quorum-auto-delete",
        what: "declares a quorum queue with `auto-delete`",
        check: |call| call.queue(&[QueueKind::Quorum])?.auto_delete.then(String::new),
        outcomes: Outcomes::Of([AUTO_DELETE, AUTO_DELETE, AUTO_DELETE, Same]),
        fix: "declare it without auto-delete, and with x-expires if it has to go by itself",
        witness: "RabbitMQ 3.10.8 and 4.0.5; source of 3.13.7, 4.3.5 and LavinMQ 2.9.1",
    },
];
