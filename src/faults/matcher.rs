//! Which events a rule means.

use super::glob::Glob;
use super::subject::{Subject, header_text};

/// Something of an event that a rule can look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// The user.
    User,
    /// The name that the client gave its connection, or else its address.
    Connection,
    /// The channel's number.
    Channel,
    /// The consumer's tag.
    ConsumerTag,
    /// The queue; of a message, any of those that it goes to.
    Queue,
    /// The exchange.
    Exchange,
    /// The routing key.
    RoutingKey,
    /// The message's `app_id`.
    AppId,
    /// The message's `message_id`.
    MessageId,
    /// The message's header of this name.
    Header(String),
}

/// What `match` may have.
pub(super) const NAMES: &str =
    "user, connection, channel, consumer_tag, queue, exchange, routing_key, app_id, message_id, header.NAME";

impl Field {
    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "connection" => Self::Connection,
            "channel" => Self::Channel,
            "consumer_tag" => Self::ConsumerTag,
            "queue" => Self::Queue,
            "exchange" => Self::Exchange,
            "routing_key" => Self::RoutingKey,
            "app_id" => Self::AppId,
            "message_id" => Self::MessageId,
            _ => Self::Header(name.strip_prefix("header.").filter(|header| !header.is_empty())?.to_owned()),
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::User => "user",
            Self::Connection => "connection",
            Self::Channel => "channel",
            Self::ConsumerTag => "consumer_tag",
            Self::Queue => "queue",
            Self::Exchange => "exchange",
            Self::RoutingKey => "routing_key",
            Self::AppId => "app_id",
            Self::MessageId => "message_id",
            Self::Header(header) => return format!("header.{header}"),
        }
        .to_owned()
    }
}

/// Patterns for what is known of an event. All have to match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher(Vec<(Field, Glob)>);

impl Matcher {
    /// Adds a pattern.
    pub fn require(&mut self, field: Field, pattern: &str) {
        self.0.push((field, Glob::new(pattern)));
    }

    /// The patterns, in the order in which they were added.
    pub fn patterns(&self) -> impl Iterator<Item = (&Field, &Glob)> {
        self.0.iter().map(|(field, glob)| (field, glob))
    }

    /// Whether it means this.
    #[must_use]
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.iter().all(|(field, glob)| has(subject, field, glob))
    }
}

fn has(subject: &Subject<'_>, field: &Field, glob: &Glob) -> bool {
    let text = |text: Option<&str>| text.is_some_and(|text| glob.matches(text));
    let bytes =
        |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| glob.matches(&String::from_utf8_lossy(bytes)));
    let property = || subject.parsed();
    match field {
        Field::User => glob.matches(subject.user),
        Field::Connection => glob.matches(subject.connection),
        Field::Channel => subject.channel != 0 && glob.matches(&subject.channel.to_string()),
        Field::ConsumerTag => text(subject.consumer_tag),
        Field::Queue => subject.queues.iter().any(|queue| glob.matches(queue)),
        Field::Exchange => bytes(subject.exchange),
        Field::RoutingKey => bytes(subject.routing_key),
        Field::AppId => bytes(property().and_then(|properties| properties.app_id())),
        Field::MessageId => bytes(property().and_then(|properties| properties.message_id())),
        Field::Header(name) => {
            text(property().and_then(|properties| header_text(&properties, name)).as_deref())
        }
    }
}
