//! Which operation needs which rights on what: the one table of it
//! (<https://www.rabbitmq.com/docs/access-control#permissions>).
//!
//! Operations are checked before anything is said of whether their objects exist, so that a refusal tells nothing about
//! names. The default exchange goes by the name `amq.default`. What only a creation needs (a dead-letter or alternate
//! exchange in its arguments) is checked when it is known to be one, as RabbitMQ does.

use std::sync::Arc;

use super::Exception;
use super::link::Link;
use crate::auth::{Grant, Right};
use crate::topology::Destination;

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
    Bind(&'a str, &'a Destination),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resource<'a> {
    Exchange(&'a str),
    Queue(&'a str),
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
            Self::Bind(source, Destination::Queue(name)) => {
                [Some((WRITE, Queue(name))), Some((READ, Exchange(source)))]
            }
            Self::Bind(source, Destination::Exchange(name)) => {
                [Some((WRITE, Exchange(name))), Some((READ, Exchange(source)))]
            }
            Self::Publish(exchange) => [Some((WRITE, Exchange(exchange))), None],
            Self::QueuePurge(name) | Self::Consume(name) | Self::Get(name) => {
                [Some((READ, Queue(name))), None]
            }
        }
    }
}

/// Who a session's client is allowed to be.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The user's rights on the session's vhost.
    pub(super) grant: Arc<Grant>,
    /// Messages may carry another user's name.
    pub(super) impersonator: bool,
}

impl Link {
    /// Whether the client may do this.
    pub(super) fn permit(&self, operation: Operation<'_>) -> Result<(), Exception> {
        let rights = self.access.grant.rights();
        for (any_of, resource) in operation.needs().into_iter().flatten() {
            let name = match resource {
                Resource::Exchange("") => DEFAULT_EXCHANGE,
                Resource::Exchange(name) | Resource::Queue(name) => name,
            };
            if !any_of.iter().any(|right| rights.allow(*right, name)) {
                return Err(self.refused(any_of, resource, name));
            }
        }
        Ok(())
    }

    /// 403 with the text of RabbitMQ since 3.11, which names the right; before, the text began at `access`.
    fn refused(&self, any_of: &[Right], resource: Resource<'_>, name: &str) -> Exception {
        let right = match any_of {
            [right] => format!("{right} "),
            _ => String::new(),
        };
        let kind = match resource {
            Resource::Exchange(_) => "exchange",
            Resource::Queue(_) => "queue",
        };
        let (vhost, user) = (&self.vhost, &self.user);
        let text = format!("{right}access to {kind} '{name}' in vhost '{vhost}' refused for user '{user}'");
        Exception::access_refused(text)
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Limits;
    use super::*;
    use crate::auth::{Permission, Rights};
    use crate::queue::ConnectionId;

    fn link(configure: &str, write: &str, read: &str) -> Link {
        let mut link = Link::new(ConnectionId(1), 0, Limits { frame_bytes: 8192, body_bytes: 0 });
        let [configure, write, read] = [configure, write, read].map(str::to_owned);
        let rights = Rights::parse(&Permission { configure, write, read }).unwrap();
        link.access.grant = Arc::new(Grant::new(rights));
        link.user = "u".to_owned();
        link.vhost = "v".to_owned();
        link
    }

    fn refusal(link: &Link, operation: Operation<'_>) -> String {
        link.permit(operation).map_or_else(|exception| exception.text, |()| "allowed".to_owned())
    }

    #[test]
    fn each_operation_needs_what_the_guide_says() {
        let to_queue = Destination::Queue("q".to_owned());
        let to_exchange = Destination::Exchange("d".to_owned());
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
            (Operation::Bind("x", &to_queue), "w:q r:x"),
            (Operation::Bind("x", &to_exchange), "w:d r:x"),
            (Operation::Publish("x"), "w:x"),
            (Operation::Publish(""), "w:amq.default"),
            (Operation::Consume("q"), "r:q"),
            (Operation::Get("q"), "r:q"),
        ] {
            let names = |kind: &str| {
                let names = needs.split(' ').filter_map(|need| need.strip_prefix(kind)).collect::<Vec<_>>();
                names.iter().map(|name| format!("^{name}$")).collect::<Vec<_>>().join("|")
            };
            let exact = link(&names("c:"), &names("w:"), &names("r:"));
            assert_eq!(refusal(&exact, operation), "allowed", "{operation:?}");
            for need in needs.split(' ').filter(|need| !need.is_empty()) {
                let without = |kind: &str| {
                    if need.starts_with(kind) { String::new() } else { names(kind) }
                };
                let less = link(&without("c:"), &without("w:"), &without("r:"));
                assert_ne!(refusal(&less, operation), "allowed", "{operation:?} without {need}");
            }
        }
    }

    #[test]
    fn a_passive_declare_needs_any_right() {
        for (configure, write, read) in [("^q$", "", ""), ("", "^q$", ""), ("", "", "^q$")] {
            let link = link(configure, write, read);
            assert_eq!(refusal(&link, Operation::QueueFind("q")), "allowed");
            assert_eq!(refusal(&link, Operation::ExchangeFind("q")), "allowed");
            assert_eq!(
                refusal(&link, Operation::QueueFind("r")),
                "access to queue 'r' in vhost 'v' refused for user 'u'"
            );
        }
    }

    #[test]
    fn a_refusal_names_right_thing_vhost_and_user() {
        let link = link("", "", "");
        assert_eq!(
            refusal(&link, Operation::Publish("")),
            "write access to exchange 'amq.default' in vhost 'v' refused for user 'u'"
        );
        assert_eq!(
            refusal(&link, Operation::QueueDeclare("q")),
            "configure access to queue 'q' in vhost 'v' refused for user 'u'"
        );
    }
}
