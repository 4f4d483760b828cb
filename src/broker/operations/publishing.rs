//! Publishing one message and waiting for what became of it, for whoever has no connection of its own.

use std::sync::Arc;

use amq_protocol::protocol::basic::AMQPProperties;

use super::scope::{Caller, Scope, check_length};
use crate::auth::{Grant, IMPERSONATOR, Rights};
use crate::broker::error::OperationError;
use crate::broker::firehose::{Firehose, Party};
use crate::broker::internal_connection::InternalConnection;
use crate::broker::journal::{self, Unconfirmed};
use crate::broker::mailbox::Mail;
use crate::broker::outgoing::outgoing;
use crate::message::QueueId;
use crate::protocol::encode;
use crate::queue::Command;
use crate::session::Limits;
use crate::session::outgoing::DirectReply;
use crate::session::publication::{CHANNEL, Publication, Publisher, RoutedPublication};

/// A message to be published.
#[derive(Clone, Debug, Default)]
pub struct NewMessage<'a> {
    /// The exchange; empty: the default one.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// Properties and headers.
    pub properties: AMQPProperties,
    /// The body.
    pub body: &'a [u8],
}

/// What became of a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// All its queues have it, safely if it is persistent and they are durable.
    Routed,
    /// It matched no queue.
    Unroutable,
    /// A queue refused it: it is full, and its overflow policy is to reject.
    Refused,
}

/// Publishes a message, as a client in confirm mode does, and waits for its queues.
///
/// # Errors
/// `InvalidName`: a routing key that is too long. `Publish`: no such exchange, no right to write to it, properties that make no sense, a body that is too large. `Blocked`
/// while the broker is short of memory or disk.
pub async fn publish(scope: Scope<'_>, message: NewMessage<'_>) -> Result<Published, OperationError> {
    check_length("the routing key", message.routing_key)?;
    if let Some(reason) = scope.shared.alarms.borrow().reason() {
        return Err(OperationError::Blocked(reason));
    }
    let shared = scope.shared;
    let mut connection = InternalConnection::new(shared).of_user(scope.caller.user());
    let properties = encode::properties(&message.properties);
    let publication = Publication {
        exchange: message.exchange,
        routing_key: message.routing_key,
        properties: &properties,
        body: message.body,
    };
    let limits = Limits::new(u32::MAX, shared.config.message_bytes_max).of(scope.vhost.persona);
    let routed = publisher(scope, &connection)?.route(limits, publication, shared.clock.now())?;
    let mut counted = routed.counted;
    let is_routed = !routed.commands.is_empty() || !routed.direct.is_empty();
    routed.direct.iter().for_each(|reply| send_direct(scope, reply));
    let unconfirmed = note(scope, &connection, &routed);
    trace(scope, &routed);
    let sent = send(scope, &mut connection, routed.commands).await;
    let published = match connection.confirmed(sent).await {
        true if is_routed => Published::Routed,
        true => Published::Unroutable,
        false => Published::Refused,
    };
    if published == Published::Routed {
        unconfirmed.note_all(&scope.vhost.journal, &scope.vhost.clock);
    }
    counted.messages.confirmed = u64::from(published != Published::Refused);
    counted.messages.refused = u64::from(published == Published::Refused);
    scope.count(&counted);
    Ok(published)
}

/// Notes a publish that no queue gets, and others while they are recorded.
fn note(scope: Scope<'_>, connection: &InternalConnection, routed: &RoutedPublication) -> Unconfirmed {
    let mut unconfirmed = Unconfirmed::default();
    let (journal, at) = (&scope.vhost.journal, scope.vhost.clock.timestamp());
    let client = scope.shared.connection(connection.id()).and_then(|handle| handle.client());
    journal.note(routed.unrouted.iter().map(|unrouted| journal::unrouted(unrouted, client.as_ref(), at)));
    if journal.recordings().is_any() {
        let published = outgoing(&routed.commands);
        journal::note_published(scope.vhost, client.as_ref(), published, &mut unconfirmed);
    }
    unconfirmed
}

fn publisher<'a>(scope: Scope<'a>, connection: &InternalConnection) -> Result<Publisher<'a>, OperationError> {
    let vhost = scope.vhost;
    let (user, grant) = match scope.caller {
        Caller::Operator => ("", Some(Arc::new(Grant::new(Rights::ALL)))),
        Caller::Connection { user, .. } | Caller::User(user) => {
            (user, scope.shared.users(|users| users.grant(user, &vhost.name)))
        }
    };
    let is_impersonator = |user: &str| {
        scope.shared.users(|users| users.user(user).is_some_and(|user| user.has_tag(IMPERSONATOR)))
    };
    Ok(Publisher {
        connection: connection.id(),
        user,
        impersonator: matches!(scope.caller, Caller::Operator) || is_impersonator(user),
        grant: grant.ok_or_else(|| scope.vhost_refused(user))?,
        vhost: &vhost.name,
        topology: Arc::clone(&vhost.topology),
    })
}

fn trace(scope: Scope<'_>, routed: &RoutedPublication) {
    if let Some(firehose) = Firehose::of(scope.shared, scope.vhost) {
        let user = scope.caller.user().unwrap_or_default();
        firehose.published(Party { connection: "", channel: CHANNEL, user }, &routed.commands);
        firehose.held(Party { connection: "", channel: CHANNEL, user }, routed.traced.clone());
    }
}

/// Gives the message to its queues, once they have room for it, and returns how many of them will confirm it. A queue that
/// ended meanwhile counts as one that was never there.
async fn send(
    scope: Scope<'_>,
    connection: &mut InternalConnection,
    commands: Vec<(QueueId, Command)>,
) -> usize {
    let mut sent = 0;
    for (queue, command) in commands {
        let Some(record) = scope.vhost.queue(queue) else { continue };
        record.mailbox.wait_for_room().await;
        connection.note_queue(&record.mailbox);
        sent += usize::from(record.mailbox.send(Mail::Tell(command)).is_ok());
    }
    sent
}

fn send_direct(scope: Scope<'_>, reply: &DirectReply) {
    let target = scope.shared.connection(reply.connection);
    if let Some(target) = target.filter(|target| target.secret == reply.secret) {
        target.send_direct(reply.consumer, reply.message.clone());
    }
}
