//! Which operation needs which rights on what: the one table of it
//! (<https://www.rabbitmq.com/docs/access-control#permissions>).
//!
//! Operations are checked before anything is said of whether their objects exist, so that a refusal tells nothing about
//! names. The default exchange goes by the name `amq.default`. What only a creation needs (a dead-letter or alternate
//! exchange in its arguments) is checked when it is known to be one, as RabbitMQ does.

use std::fmt;

use super::{Right, Rights};

/// What permissions call the default exchange.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// Something a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// exchange.declare.
    ExchangeDeclare(&'a str),
    /// An exchange.declare that makes an exchange, perhaps with an alternate exchange.
    ExchangeCreate(&'a str, Option<&'a str>),
    /// exchange.declare with passive.
    ExchangeFind(&'a str),
    /// exchange.delete.
    ExchangeDelete(&'a str),
    /// queue.bind, queue.unbind, exchange.bind, exchange.unbind: from an exchange to a destination.
    Bind(&'a str, Resource<'a>),
    /// queue.declare; the name is the server's if the client left it out.
    QueueDeclare(&'a str),
    /// A queue.declare that makes a queue, perhaps with a dead-letter exchange.
    QueueCreate(&'a str, Option<&'a str>),
    /// queue.declare with passive.
    QueueFind(&'a str),
    /// queue.delete.
    QueueDelete(&'a str),
    /// queue.purge.
    QueuePurge(&'a str),
    /// basic.publish.
    Publish(&'a str),
    /// basic.consume.
    Consume(&'a str),
    /// basic.get.
    Get(&'a str),
}

/// What permissions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The exchange of this name.
    Exchange(&'a str),
    /// The queue of this name.
    Queue(&'a str),
}

impl<'a> Resource<'a> {
    /// The name that patterns are matched against.
    fn name(self) -> &'a str {
        match self {
            Self::Exchange("") => DEFAULT_EXCHANGE,
            Self::Exchange(name) | Self::Queue(name) => name,
        }
    }
}

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Exchange(_) => "exchange",
            Self::Queue(_) => "queue",
        };
        write!(f, "{kind} '{}'", self.name())
    }
}

/// An operation that the rights do not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The right that is missing; `None`: any would do, and there is none.
    pub right: Option<Right>,
    /// On what: `queue 'q'`, `exchange 'x'`, `topic 'k' in exchange 'x'`.
    pub resource: String,
}

impl Refusal {
    /// Of a key of a topic exchange.
    #[must_use]
    pub fn of_topic(right: Right, exchange: &str, key: &str) -> Self {
        Self { right: Some(right), resource: format!("topic '{key}' in exchange '{exchange}'") }
    }

    /// The text of RabbitMQ since 3.11, which names the right; before, it began at `access`.
    #[must_use]
    pub fn text(&self, vhost: &str, user: &str) -> String {
        let right = self.right.map(|right| format!("{right} ")).unwrap_or_default();
        format!("{right}access to {} in vhost '{vhost}' refused for user '{user}'", self.resource)
    }
}

/// Any of these rights on that.
type Need<'a> = (&'static [Right], Resource<'a>);

const CONFIGURE: &[Right] = &[Right::Configure];
const WRITE: &[Right] = &[Right::Write];
const READ: &[Right] = &[Right::Read];
/// A passive declare is for whoever may do anything at all with the thing: RabbitMQ since 4.3 (before, for everybody).
const ANY: &[Right] = &[Right::Configure, Right::Write, Right::Read];

impl<'a> Operation<'a> {
    /// The table.
    fn needs(self) -> [Option<Need<'a>>; 2] {
        use Resource::{Exchange, Queue};
        match self {
            Self::ExchangeDeclare(name) | Self::ExchangeDelete(name) => {
                [Some((CONFIGURE, Exchange(name))), None]
            }
            Self::ExchangeCreate(name, Some(alternate)) => {
                [Some((READ, Exchange(name))), Some((WRITE, Exchange(alternate)))]
            }
            Self::QueueDeclare(name) | Self::QueueDelete(name) => [Some((CONFIGURE, Queue(name))), None],
            Self::QueueCreate(name, Some(dead_letter)) => {
                [Some((READ, Queue(name))), Some((WRITE, Exchange(dead_letter)))]
            }
            Self::ExchangeCreate(_, None) | Self::QueueCreate(_, None) => [None, None],
            Self::ExchangeFind(name) => [Some((ANY, Exchange(name))), None],
            Self::QueueFind(name) => [Some((ANY, Queue(name))), None],
            Self::Bind(source, destination) => [Some((WRITE, destination)), Some((READ, Exchange(source)))],
            Self::Publish(exchange) => [Some((WRITE, Exchange(exchange))), None],
            Self::QueuePurge(name) | Self::Consume(name) | Self::Get(name) => {
                [Some((READ, Queue(name))), None]
            }
        }
    }

    /// Whether these rights allow it.
    ///
    /// # Errors
    /// The first right that is missing.
    pub fn check(self, rights: &Rights) -> Result<(), Refusal> {
        for (any_of, resource) in self.needs().into_iter().flatten() {
            if !any_of.iter().any(|right| rights.allow(*right, resource.name())) {
                let right = if let [right] = any_of { Some(*right) } else { None };
                return Err(Refusal { right, resource: resource.to_string() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Permission;

    fn rights(configure: &str, write: &str, read: &str) -> Rights {
        let [configure, write, read] = [configure, write, read].map(str::to_owned);
        Rights::parse(&Permission { configure, write, read }).unwrap()
    }

    fn refusal(rights: &Rights, operation: Operation<'_>) -> String {
        operation.check(rights).map_or_else(|refusal| refusal.text("v", "u"), |()| "allowed".to_owned())
    }

    #[test]
    fn each_operation_needs_what_the_guide_says() {
        // Configure, write and read of the thing itself; what else has to be writable or readable.
        for (operation, needs) in [
            (Operation::ExchangeDeclare("x"), "c:x"),
            (Operation::ExchangeCreate("x", None), ""),
            (Operation::ExchangeCreate("x", Some("a")), "r:x w:a"),
            (Operation::ExchangeDelete("x"), "c:x"),
            (Operation::QueueDeclare("q"), "c:q"),
            (Operation::QueueCreate("q", None), ""),
            (Operation::QueueCreate("q", Some("d")), "r:q w:d"),
            (Operation::QueueDelete("q"), "c:q"),
            (Operation::QueuePurge("q"), "r:q"),
            (Operation::Bind("x", Resource::Queue("q")), "w:q r:x"),
            (Operation::Bind("x", Resource::Exchange("d")), "w:d r:x"),
            (Operation::Publish("x"), "w:x"),
            (Operation::Publish(""), "w:amq.default"),
            (Operation::Consume("q"), "r:q"),
            (Operation::Get("q"), "r:q"),
        ] {
            let names = |kind: &str| {
                let names = needs.split(' ').filter_map(|need| need.strip_prefix(kind)).collect::<Vec<_>>();
                names.iter().map(|name| format!("^{name}$")).collect::<Vec<_>>().join("|")
            };
            let exact = rights(&names("c:"), &names("w:"), &names("r:"));
            assert_eq!(refusal(&exact, operation), "allowed", "{operation:?}");
            for need in needs.split(' ').filter(|need| !need.is_empty()) {
                let without = |kind: &str| {
                    if need.starts_with(kind) { String::new() } else { names(kind) }
                };
                let less = rights(&without("c:"), &without("w:"), &without("r:"));
                assert_ne!(refusal(&less, operation), "allowed", "{operation:?} without {need}");
            }
        }
    }

    #[test]
    fn a_passive_declare_needs_any_right() {
        for (configure, write, read) in [("^q$", "", ""), ("", "^q$", ""), ("", "", "^q$")] {
            let rights = rights(configure, write, read);
            assert_eq!(refusal(&rights, Operation::QueueFind("q")), "allowed");
            assert_eq!(refusal(&rights, Operation::ExchangeFind("q")), "allowed");
            assert_eq!(
                refusal(&rights, Operation::QueueFind("r")),
                "access to queue 'r' in vhost 'v' refused for user 'u'"
            );
        }
    }

    #[test]
    fn a_refusal_names_right_thing_vhost_and_user() {
        let rights = rights("", "", "");
        assert_eq!(
            refusal(&rights, Operation::Publish("")),
            "write access to exchange 'amq.default' in vhost 'v' refused for user 'u'"
        );
        assert_eq!(
            refusal(&rights, Operation::QueueDeclare("q")),
            "configure access to queue 'q' in vhost 'v' refused for user 'u'"
        );
    }
}
