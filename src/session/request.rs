//! What a session cannot do alone: it asks its server, and goes on when it has the answer.

use std::time::Duration;

use amq_protocol::protocol::{basic, exchange, queue};

use super::transaction::TxWork;
use crate::auth::Credentials;
use crate::protocol::method::MethodId;

/// A request to the server on behalf of a client. While one is open, the session takes no further input.
#[derive(Debug)]
pub enum Request {
    /// Check who the client is; answer with [`authenticated`](super::Session::authenticated) or
    /// [`refused`](super::Session::refused).
    Authenticate(Credentials),
    /// connection.open; answer with [`opened`](super::Session::opened) or a failure.
    OpenVhost(String),
    /// Others have a turn before the rest of the input is taken: what it led to so far has cost much.
    Pause,
    /// Nothing is done for so long: a fault. The input that is left is given again then.
    Wait(Duration),
    /// The connection ends: give back all it holds, then [`closed`](super::Session::closed).
    Close,
    /// A method on a channel.
    Channel(u16, ChannelRequest),
}

/// A channel's request; answered with [`reply`](super::Session::reply) or [`fail`](super::Session::fail).
#[derive(Debug)]
pub enum ChannelRequest {
    /// exchange.declare
    ExchangeDeclare(exchange::Declare),
    /// exchange.delete
    ExchangeDelete(exchange::Delete),
    /// exchange.bind
    ExchangeBind(exchange::Bind),
    /// exchange.unbind
    ExchangeUnbind(exchange::Unbind),
    /// queue.declare
    QueueDeclare(queue::Declare),
    /// queue.bind
    QueueBind(queue::Bind),
    /// queue.unbind
    QueueUnbind(queue::Unbind),
    /// queue.purge
    QueuePurge(queue::Purge),
    /// queue.delete
    QueueDelete(queue::Delete),
    /// basic.consume; the server makes up a consumer tag that is empty.
    Consume(basic::Consume),
    /// basic.cancel
    Cancel(basic::Cancel),
    /// basic.get
    Get {
        /// The queue.
        queue: String,
        /// Counts as acked at once.
        no_ack: bool,
    },
    /// tx.commit with all that the transaction holds.
    TxCommit(TxWork),
}

impl ChannelRequest {
    /// The method that it is, for the close that follows if it fails.
    #[must_use]
    pub const fn method_id(&self) -> MethodId {
        let (class, method) = match self {
            Self::ExchangeDeclare(_) => (40, 10),
            Self::ExchangeDelete(_) => (40, 20),
            Self::ExchangeBind(_) => (40, 30),
            Self::ExchangeUnbind(_) => (40, 40),
            Self::QueueDeclare(_) => (50, 10),
            Self::QueueBind(_) => (50, 20),
            Self::QueuePurge(_) => (50, 30),
            Self::QueueDelete(_) => (50, 40),
            Self::QueueUnbind(_) => (50, 50),
            Self::Consume(_) => (60, 20),
            Self::Cancel(_) => (60, 30),
            Self::Get { .. } => (60, 70),
            Self::TxCommit(_) => (90, 20),
        };
        MethodId { class, method }
    }
}
