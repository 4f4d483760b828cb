//! Tables of AMQP values.

use amq_protocol::types::FieldTable;
use serde::{Serialize, Serializer};

use crate::broker::arguments_json::plain;

/// A table as an object; an empty one is `{}`.
#[derive(Clone, Copy, Debug)]
pub(in crate::management) struct Table<'a>(pub &'a FieldTable);

impl Serialize for Table<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        plain(self.0).serialize(serializer)
    }
}
