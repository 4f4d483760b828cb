//! Publishes that have to do with direct reply-to: requests that carry an address, and replies to one.

use super::channel::{Channel, Mode};
use super::connection::Connection;
use super::publishing::return_unroutable;
use crate::message::{Message, Parts};
use crate::protocol::content::{self, Properties, PropertiesEdit};
use crate::protocol::reply::ReplyCode;
use crate::protocol::table::Table;
use crate::queue::sender_selected::{has_bcc, without_bcc};
use crate::session::direct_reply::{self, Address};
use crate::session::exception::Exception;
use crate::session::outgoing::DirectReply;

impl Channel {
    /// The properties with the address that a direct reply-to stands for; `None` if there is none.
    pub(super) fn with_reply_address(
        &self,
        connection: &Connection,
        bytes: &[u8],
        properties: &Properties<'_>,
    ) -> Result<Option<Vec<u8>>, Exception> {
        if properties.reply_to() != Some(direct_reply::NAME.as_bytes()) {
            return Ok(None);
        }
        let address = self.reply_address(connection)?;
        let edit = PropertiesEdit { reply_to: Some(address.as_bytes()), ..PropertiesEdit::default() };
        let mut out = Vec::with_capacity(bytes.len() + 64);
        content::edit_properties(bytes, &edit, &mut out)
            .map_err(|error| Exception::new(ReplyCode::SyntaxError, error.to_string()))?;
        Ok(Some(out))
    }

    fn reply_address(&self, connection: &Connection) -> Result<String, Exception> {
        let consumer = self.consumers.values().find(|consumer| consumer.queue.is_none());
        let number = consumer
            .map(|consumer| consumer.number)
            .ok_or_else(|| Exception::precondition_failed("fast reply consumer does not exist"))?;
        Ok(Address { connection: connection.id, consumer: number, secret: connection.secret }.to_string())
    }

    #[inline]
    pub(super) fn direct_address(&self) -> Option<Address> {
        if !self.target.exchange.is_empty() {
            return None;
        }
        direct_reply::parse(&self.target.routing_key)
    }

    pub(super) fn publish_direct(
        &mut self,
        connection: &mut Connection,
        address: Address,
        properties: &[u8],
        headers: Option<Table<'_>>,
        body: &[u8],
        persistent: bool,
    ) -> Result<(), Exception> {
        let message = Message::new(Parts {
            exchange: &self.target.exchange,
            routing_key: &self.target.routing_key,
            properties,
            body,
            persistent,
        });
        let message = if has_bcc(headers) { without_bcc(&message) } else { message };
        // The address is no queue: a mandatory reply returns though somebody may get it, as RabbitMQ's does.
        if self.target.mandatory {
            return_unroutable(connection, self.number, &message);
            self.counted.returned += 1;
        }
        if let Mode::Confirm(confirms) = &mut self.mode {
            confirms.publish(0);
            connection.note_confirmed(self.number);
        }
        let Address { connection: to, consumer, secret } = address;
        connection.outgoing.direct(DirectReply { connection: to, consumer, secret, message });
        Ok(())
    }
}
