//! What clients do with their messages, connections and queues that costs them messages, time or memory on every broker.

use super::super::call::{Call, ShortLived};
use super::super::rule::{Outcomes, Rule};

/// Of queues as they are.
pub const NOBODY_TAKES: &str = "nobody-takes";
/// The same.
pub const GOES_ROUND: &str = "goes-round";
/// The same.
pub const EXPIRES_IN_CIRCLES: &str = "expires-in-circles";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "no-confirms",
        what: "publishes persistent messages to a durable queue without publisher confirms",
        check: |call| {
            let send = call.send()?;
            (send.durable && send.persistent && !send.confirmed).then(String::new)
        },
        outcomes: Outcomes::Smell(
            "what is on its way when a connection or the broker fails is lost, and the publisher never knows",
        ),
        fix: "call confirm.select, and wait for the confirms",
        witness: "RabbitMQ's guide to publisher confirms",
    },
    Rule {
        id: "transient-in-durable-queue",
        what: "publishes messages that are not persistent to a durable queue",
        check: |call| {
            let send = call.send()?;
            (send.durable && !send.persistent).then(String::new)
        },
        outcomes: Outcomes::Smell("the queue is there after a restart, its messages are not"),
        fix: "publish with delivery-mode 2, or declare a queue that need not survive",
        witness: "RabbitMQ's guide to queues",
    },
    Rule {
        id: "persistent-in-transient-queue",
        what: "publishes persistent messages to a queue that is neither durable nor exclusive",
        check: |call| {
            let send = call.send()?;
            (send.persistent && !send.durable && !send.exclusive).then(String::new)
        },
        outcomes: Outcomes::Smell("the messages go with their queue at a restart"),
        fix: "declare the queue durable",
        witness: "RabbitMQ's guide to queues",
    },
    Rule {
        id: "connection-per-message",
        what: "opens a connection for a single publish, 10 times or more",
        check: |call| matches!(call, Call::End(ShortLived::Connection, _)).then(String::new),
        outcomes: Outcomes::Habit(
            "opening a connection takes some ten times as long as a publish, and memory on both sides",
            10,
        ),
        fix: "keep a connection open and publish on it",
        witness: "RabbitMQ's guide to connections",
    },
    Rule {
        id: "channel-per-message",
        what: "opens a channel for a single publish, 10 times or more",
        check: |call| matches!(call, Call::End(ShortLived::Channel, _)).then(String::new),
        outcomes: Outcomes::Habit("opening and closing a channel takes two round trips, a publish none", 10),
        fix: "keep a channel open for each thread that publishes",
        witness: "RabbitMQ's guide to channels",
    },
    Rule {
        id: "passive-declares",
        what: "looks for the same queue by passive declares, 100 times or more",
        check: |call| matches!(call, Call::Find(_)).then(String::new),
        outcomes: Outcomes::Habit("each is a round trip, and what it says has changed when it comes", 100),
        fix: "consume, or ask the management API how many messages there are",
        witness: "RabbitMQ's guide to queues",
    },
    Rule {
        id: NOBODY_TAKES,
        what: "has a queue without a limit from which nothing was ever taken, with 1,000 messages or more since the broker started",
        check: |_| None,
        outcomes: Outcomes::Smell("it grows until memory or the disk is full"),
        fix: "consume from it, delete it, or set x-max-length, x-message-ttl or x-expires",
        witness: "RabbitMQ's guide to queue length limits",
    },
    Rule {
        id: GOES_ROUND,
        what: "has a queue whose messages came back unacked 10 times or more on average since the broker started, 100 times in all",
        check: |_| None,
        outcomes: Outcomes::Smell(
            "who requeues what it cannot do gets it back at once: the same messages keep consumers and broker busy",
        ),
        fix: "set x-delivery-limit and a dead-letter exchange, or reject without requeue",
        witness: "RabbitMQ's guide to poison messages",
    },
    Rule {
        id: EXPIRES_IN_CIRCLES,
        what: "has queues whose messages expire from one to the next and back to the first",
        check: |_| None,
        outcomes: Outcomes::Smell(
            "a message that comes back to a queue by expiring alone is dropped: such a circle is not a retry",
        ),
        fix: "let consumers reject what is to be tried again, or leave one queue without a time to live",
        witness: "RabbitMQ's guide to dead lettering",
    },
];
