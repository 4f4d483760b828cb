//! Publishes that are requests to the broker: to exchanges that route nothing.

use super::channel::{Channel, Mode, SpecialExchange};
use super::connection::Connection;
use crate::message::{Message, Parts};
use crate::protocol::content::Properties;
use crate::session::exception::Exception;
use crate::session::{settle_exchange, test_exchange};

impl Channel {
    /// A request to the broker.
    #[cold]
    pub(super) fn publish_request(
        &mut self,
        connection: &mut Connection,
        bytes: &[u8],
        properties: &Properties<'_>,
        body: &[u8],
    ) -> Result<(), Exception> {
        let rewritten = self.with_reply_address(connection, bytes, properties)?;
        connection.outgoing.request(Message::new(Parts {
            exchange: &self.target.exchange,
            routing_key: &self.target.routing_key,
            properties: rewritten.as_deref().unwrap_or(bytes),
            body,
            persistent: false,
        }));
        if let Mode::Confirm(confirms) = &mut self.mode {
            confirms.publish(0);
            connection.note_confirmed(self.number);
        }
        Ok(())
    }
}

/// Which of the exchanges it is that route nothing.
pub(super) fn special(exchange: &[u8], is_test: bool) -> Option<SpecialExchange> {
    if exchange == settle_exchange::NAME.as_bytes() {
        return Some(SpecialExchange::Settle);
    }
    (is_test && exchange == test_exchange::NAME.as_bytes()).then_some(SpecialExchange::Test)
}
