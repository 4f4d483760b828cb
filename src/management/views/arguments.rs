//! Tables of AMQP values.

use amq_protocol::types::FieldTable;
use serde::{Serialize, Serializer};

use crate::broker::arguments_json::plain;
use crate::broker::vhost_settings::QUEUE_TYPE;

/// A table as an object; an empty one is `{}`.
#[derive(Clone, Copy, Debug)]
pub(in crate::management) struct Table<'a>(pub &'a FieldTable);

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        plain(self.0).serialize(serializer)
    }
}

/// A queue's arguments, which say its type as in RabbitMQ, whether or not the declare did.
#[derive(Clone, Copy, Debug)]
pub(in crate::management) struct QueueArguments<'a>(pub &'a FieldTable);

impl Serialize for QueueArguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = plain(self.0);
        if let Some(fields) = table.as_object_mut() {
            fields.entry(QUEUE_TYPE).or_insert_with(|| "classic".into());
        }
        table.serialize(serializer)
    }
}
