//! A publish by somebody without a session: routed and checked as a client's are, by the same code.

use std::sync::Arc;

use super::channel::{Channel, Mode};
use super::connection::Connection;
use super::publishing::PublishMethod;
use crate::auth::Grant;
use crate::message::QueueId;
use crate::queue::{Command, ConnectionId};
use crate::session::access::Access;
use crate::session::config::Limits;
use crate::session::confirms::Confirms;
use crate::session::exception::Exception;
use crate::session::outgoing::DirectReply;
use crate::session::report::{SessionCounters, Traced, Unrouted};
use crate::time::Time;
use crate::topology::SharedTopology;

/// The channel that such a publish is on, for its confirms.
pub const CHANNEL: u16 = 1;

/// Who publishes, and where.
#[derive(Clone, Debug)]
pub struct Publisher<'a> {
    /// What queues send confirms to.
    pub connection: ConnectionId,
    /// The user.
    pub user: &'a str,
    /// Messages may carry another user's name.
    pub impersonator: bool,
    /// What the user may do on the vhost.
    pub grant: Arc<Grant>,
    /// The vhost.
    pub vhost: &'a str,
    /// Its topology.
    pub topology: Arc<SharedTopology>,
}

/// A message with where it is to go.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The exchange.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// Property flags and values, as on the wire.
    pub properties: &'a [u8],
    /// The body.
    pub body: &'a [u8],
}

/// Where a message goes.
#[derive(Debug)]
pub struct RoutedPublication {
    /// For its queues. Each confirms it on [`CHANNEL`].
    pub commands: Vec<(QueueId, Command)>,
    /// For direct reply-to consumers.
    pub direct: Vec<DirectReply>,
    /// The publish itself, if it matched no queue.
    pub unrouted: Vec<Unrouted>,
    /// The same as a message, if the vhost is traced.
    pub traced: Vec<Traced>,
    /// What the publish counts, but for its confirm.
    pub counted: SessionCounters,
}

impl Publisher<'_> {
    /// Checks and routes a message. The exchange's statistics have it from then on.
    ///
    /// # Errors
    /// What a client's channel would be closed for: no such exchange, no right to write to it, properties that make no sense.
    pub fn route(
        self,
        limits: Limits,
        message: Publication<'_>,
        now: Time,
    ) -> Result<RoutedPublication, Exception> {
        let mut connection = Connection::new(self.connection, 0, limits);
        self.user.clone_into(&mut connection.user);
        self.vhost.clone_into(&mut connection.vhost);
        connection.access =
            Access { grant: self.grant, impersonator: self.impersonator, channels: Arc::default() };
        connection.topology = self.topology;
        let mut channel = Channel::new(CHANNEL, 1);
        channel.mode = Mode::Confirm(Confirms::new(1));
        channel.publish_method(
            &mut connection,
            PublishMethod {
                exchange: message.exchange.as_bytes(),
                routing_key: message.routing_key.as_bytes(),
                mandatory: false,
                immediate: false,
            },
        )?;
        channel.publish_whole(&mut connection, message.properties, message.body)?;
        channel.take_counted(&mut connection);
        for (statistics, counted) in connection.exchanges_counted.drain(..) {
            statistics.add(now, &counted);
        }
        Ok(RoutedPublication {
            counted: connection.counters,
            commands: connection.outgoing.take(connection.id),
            direct: connection.outgoing.take_direct(),
            unrouted: connection.unrouted,
            traced: connection.traced,
        })
    }
}
