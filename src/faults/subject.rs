//! What happens, as rules look at it.

use std::sync::Arc;

use crate::protocol::content::Properties;
use crate::protocol::method::MethodId;
use crate::protocol::table::FieldValue;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A client names the virtual host.
    Connect,
    /// It may enter.
    Open,
    /// A method on a channel.
    Method(MethodId),
    /// A message was routed.
    Publish,
    /// A publish is to be confirmed.
    Confirm,
    /// A delivery is to be written.
    Deliver,
    /// A message is acked.
    Ack,
    /// It is nacked.
    Nack,
    /// It is rejected.
    Reject,
}

/// What is known of it. What is not there matches no pattern.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The user.
    pub user: &'a str,
    /// The name that the client gave its connection, or else its address.
    pub connection: &'a str,
    /// The channel; 0: none.
    pub channel: u16,
    /// The consumer's tag.
    pub consumer_tag: Option<&'a str>,
    /// The queue, or those that a message goes to.
    pub queues: &'a [Arc<str>],
    /// The exchange; empty: the default one.
    pub exchange: Option<&'a [u8]>,
    /// The routing key.
    pub routing_key: Option<&'a [u8]>,
    /// The message's properties, as on the wire.
    pub properties: Option<&'a [u8]>,
}

impl<'a> Subject<'a> {
    pub(super) fn parsed(&self) -> Option<Properties<'a>> {
        Properties::parse(self.properties?).ok()
    }
}

/// A header's value as patterns see it; `None` if it is no single value.
pub(super) fn header_text(properties: &Properties<'_>, name: &str) -> Option<String> {
    Some(match properties.headers()?.get(name.as_bytes())? {
        FieldValue::LongString(text) | FieldValue::Bytes(text) => String::from_utf8_lossy(text).into_owned(),
        FieldValue::Bool(flag) => flag.to_string(),
        FieldValue::Timestamp(seconds) => seconds.to_string(),
        FieldValue::I8(number) => number.to_string(),
        FieldValue::U8(number) => number.to_string(),
        FieldValue::I16(number) => number.to_string(),
        FieldValue::U16(number) => number.to_string(),
        FieldValue::I32(number) => number.to_string(),
        FieldValue::U32(number) => number.to_string(),
        FieldValue::I64(number) => number.to_string(),
        FieldValue::F32(number) => number.to_string(),
        FieldValue::F64(number) => number.to_string(),
        FieldValue::Decimal { .. } | FieldValue::Array(_) | FieldValue::Table(_) | FieldValue::Void => {
            return None;
        }
    })
}
