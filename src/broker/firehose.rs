//! What goes through a vhost, copied to its exchange `amq.rabbitmq.trace` while tracing is on: a message `publish.EXCHANGE` for each
//! publish, `deliver.QUEUE` for each delivery, with the original's body and, in headers, RabbitMQ's account of it
//! (<https://www.rabbitmq.com/docs/firehose>).

use std::sync::Arc;

use super::node::node_name;
use super::outgoing::{names, outgoing};
use super::own_messages::send;
use super::shared::Shared;
use super::vhost::Vhost;
use crate::message::{Message, Parts, QueueId};
use crate::protocol::content::{Properties, replace_headers};
use crate::protocol::table::{FieldValue, TableWriter};
use crate::queue::Command;
use crate::queue::sender_selected::routing_keys;
use crate::session::Traced;
use crate::topology::TRACE;

/// Without any property.
const NO_PROPERTIES: [u8; 2] = [0, 0];

/// Who publishes, or gets a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The connection's name.
    pub connection: &'a str,
    /// The channel.
    pub channel: u16,
    /// The user.
    pub user: &'a str,
}

/// The firehose of a vhost.
#[derive(Clone, Copy, Debug)]
pub struct Firehose<'a> {
    shared: &'a Shared,
    vhost: &'a Vhost,
}

impl<'a> Firehose<'a> {
    /// That of a vhost, if it is traced.
    #[inline]
    pub fn of(shared: &'a Shared, vhost: &'a Vhost) -> Option<Self> {
        vhost.topology.is_traced().then_some(Self { shared, vhost })
    }

    /// What somebody publishes with these commands, in the order of publishing.
    pub fn published(self, who: Party<'_>, commands: &[(QueueId, Command)]) {
        for outgoing in outgoing(commands) {
            let who = Party { channel: outgoing.channel, ..who };
            self.one_published(who, outgoing.message, &names(self.vhost, &outgoing.queues));
        }
    }

    /// Messages that somebody publishes, and that are for no queue, or not yet.
    pub fn held(self, who: Party<'_>, all: Vec<Traced>) {
        for Traced { channel, message, queues } in all {
            self.one_published(Party { channel, ..who }, &message, &names(self.vhost, &queues));
        }
    }

    /// A message that somebody publishes, and that is routed to these queues.
    fn one_published(self, who: Party<'_>, message: &Message, queues: &[Arc<str>]) {
        let key = [b"publish.", message.exchange()].concat();
        self.send(&key, message, who, |writer| {
            writer.array(b"routed_queues", |names| {
                queues.iter().for_each(|name| names.value(FieldValue::LongString(name.as_bytes())));
            });
        });
    }

    /// A message that somebody is given.
    pub fn delivered(self, who: Party<'_>, queue: &str, message: &Message, redelivered: bool) {
        let key = [b"deliver.", queue.as_bytes()].concat();
        self.send(&key, message, who, |writer| {
            writer.entry(b"redelivered", FieldValue::I32(redelivered.into()));
        });
    }

    /// What the firehose itself has sent is not sent once more.
    fn send(self, key: &[u8], message: &Message, who: Party<'_>, more: impl FnOnce(&mut TableWriter<'_>)) {
        if message.exchange() == TRACE.as_bytes() {
            return;
        }
        let headers = self.headers(message, who, more);
        let Ok(properties) = replace_headers(&NO_PROPERTIES, &headers) else { return };
        // A routing key is a short string.
        let routing_key = key.get(..usize::from(u8::MAX)).unwrap_or(key);
        let (body, exchange) = (message.body(), TRACE.as_bytes());
        let copy =
            Message::new(Parts { exchange, routing_key, properties: &properties, body, persistent: false });
        send(self.vhost, &copy);
    }

    fn headers(self, message: &Message, who: Party<'_>, more: impl FnOnce(&mut TableWriter<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = TableWriter::new(&mut bytes);
        writer.entry(b"exchange_name", FieldValue::LongString(message.exchange()));
        writer.array(b"routing_keys", |keys| {
            routing_keys(message).iter().for_each(|key| keys.value(FieldValue::LongString(key)));
        });
        writer.table(b"properties", |writer| write_properties(writer, message));
        for (key, text) in [
            ("node", &*node_name(&self.shared.config)),
            ("vhost", &self.vhost.name),
            ("connection", who.connection),
        ] {
            writer.entry(key.as_bytes(), FieldValue::LongString(text.as_bytes()));
        }
        writer.entry(b"channel", FieldValue::I32(who.channel.into()));
        writer.entry(b"user", FieldValue::LongString(who.user.as_bytes()));
        more(&mut writer);
        bytes
    }
}

/// The message's properties as a table: numbers as signed integers, as RabbitMQ writes them.
fn write_properties(writer: &mut TableWriter<'_>, message: &Message) {
    let Ok(properties) = Properties::parse(message.properties()) else { return };
    if let Some(headers) = properties.headers() {
        writer.table(b"headers", |writer| {
            headers.iter_raw().for_each(|(key, raw)| writer.entry_raw(key, raw));
        });
    }
    for (key, number) in [
        ("delivery_mode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
        ("timestamp", properties.timestamp()),
    ] {
        let Some(number) = number else { continue };
        let value = i32::try_from(number).map_or(FieldValue::I64(number as i64), FieldValue::I32);
        writer.entry(key.as_bytes(), value);
    }
    for (key, text) in [
        ("content_type", properties.content_type()),
        ("content_encoding", properties.content_encoding()),
        ("correlation_id", properties.correlation_id()),
        ("reply_to", properties.reply_to()),
        ("expiration", properties.expiration()),
        ("message_id", properties.message_id()),
        ("type", properties.kind()),
        ("user_id", properties.user_id()),
        ("app_id", properties.app_id()),
        ("cluster_id", properties.cluster_id()),
    ] {
        if let Some(text) = text {
            writer.entry(key.as_bytes(), FieldValue::LongString(text));
        }
    }
}
