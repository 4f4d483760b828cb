//! Who asks, and where.

use std::sync::Arc;

use tokio::sync::MutexGuard;

use crate::auth::{ADMINISTRATOR, Grant, MONITORING, Operation, Refusal, Right, Rights};
use crate::broker::error::{Kind, OperationError};
use crate::broker::events::{Event, OPERATOR, tell, tell_removed};
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::ledger;
use crate::queue::ConnectionId;
use crate::session::SessionCounters;
use crate::statistics::ConnectionCounters;
use crate::topology::{ExchangeKind, Removed};

/// Who asks for an operation.
#[derive(Clone, Copy, Debug)]
pub enum Caller<'a> {
    /// Whoever runs the broker: may do everything, also with exclusive queues.
    Operator,
    /// A user with these rights on the vhost, on a connection, which may own exclusive queues.
    Connection {
        /// The connection.
        id: ConnectionId,
        /// The user.
        user: &'a str,
        /// The user's rights on the connection's vhost.
        grant: &'a Grant,
    },
    /// A user without a connection that would outlast the operation.
    User(&'a str),
}

impl<'a> Caller<'a> {
    /// The user, if it is one.
    pub(super) fn user(self) -> Option<&'a str> {
        match self {
            Self::Operator => None,
            Self::Connection { user, .. } | Self::User(user) => Some(user),
        }
    }

    /// What events call it.
    pub(super) fn name(self) -> &'a str {
        self.user().unwrap_or(OPERATOR)
    }

    /// What the log calls it.
    pub(crate) fn logged(self) -> &'a str {
        self.user().unwrap_or("the operator")
    }

    /// Tells whoever listens what it did.
    pub(super) fn tell(self, shared: &Shared, event: &Event<'_>) {
        tell(shared, Some(self.name()), event);
    }

    /// Refuses users without the tag `administrator`. A user's rights on vhosts say nothing about this.
    pub(super) fn require_administrator(self, shared: &Shared) -> Result<(), OperationError> {
        self.require_tag(shared, &[ADMINISTRATOR])
    }

    /// Refuses users with none of these tags; the error names the first.
    pub(super) fn require_tag(self, shared: &Shared, tags: &[&'static str]) -> Result<(), OperationError> {
        let Some(user) = self.user() else {
            return Ok(());
        };
        let is_tagged =
            |tag: &&'static str| shared.users(|users| users.user(user).is_some_and(|user| user.has_tag(tag)));
        if tags.iter().any(is_tagged) {
            return Ok(());
        }
        Err(OperationError::NotTagged {
            user: user.to_owned(),
            tag: tags.first().copied().unwrap_or_default(),
        })
    }
}

/// Names and keys travel as AMQP short strings.
const SHORT_BYTES_MAX: usize = 255;

/// Refuses a name, or a key, that AMQP could not say.
pub(super) fn check_length(what: &str, text: &str) -> Result<(), OperationError> {
    if text.len() > SHORT_BYTES_MAX {
        return Err(OperationError::InvalidName(format!("{what} is longer than {SHORT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// An operation's surroundings: the broker, the vhost that it is about, and who asks.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The broker.
    pub shared: &'a Arc<Shared>,
    /// The vhost.
    pub vhost: &'a Arc<Vhost>,
    /// Who asks.
    pub caller: Caller<'a>,
}

impl Scope<'_> {
    /// Counts what was done for a caller without a session, as a session's connection counts it.
    pub(super) fn count(self, counted: &SessionCounters) {
        let socket = ConnectionCounters::default();
        self.shared.sums.add(counted, &socket);
        self.vhost.statistics.add_some(self.shared.clock.now(), &counted.messages, &socket);
    }

    /// Tells whoever listens what the caller did.
    pub(super) fn tell(self, event: &Event<'_>) {
        self.caller.tell(self.shared, event);
    }

    /// Tells whoever listens what the caller took away.
    pub(super) fn tell_removed(self, removed: &Removed) {
        tell_removed(self.shared, Some(self.caller.name()), &self.vhost.name, removed);
    }

    /// Refuses to make more of a kind that takes its part of memory already, while memory is short.
    pub(super) fn require_memory(self, kind: ledger::Kind, what: &'static str) -> Result<(), OperationError> {
        if self.shared.ledger.refuses(kind) {
            return Err(OperationError::NoMemory(what));
        }
        Ok(())
    }

    /// Refuses what the caller's rights do not allow.
    pub(super) fn permit(self, operation: Operation<'_>) -> Result<(), OperationError> {
        self.check_rights(|rights| operation.check(rights))
    }

    /// Refuses a binding key that the caller may not bind by, if the exchange is one of topics.
    pub(super) fn permit_topic(self, exchange: &str, key: &str) -> Result<(), OperationError> {
        let kind = self.vhost.topology.read().exchange(exchange).map(|exchange| exchange.kind);
        if kind != Some(ExchangeKind::Topic) {
            return Ok(());
        }
        self.check_rights(|rights| match rights.topics(exchange) {
            Some(topics) if !topics.allow(Right::Read, key) => {
                Err(Refusal::of_topic(Right::Read, exchange, key))
            }
            _ => Ok(()),
        })
    }

    fn check_rights(self, check: impl FnOnce(&Rights) -> Result<(), Refusal>) -> Result<(), OperationError> {
        let (user, refused) = match self.caller {
            Caller::Operator => return Ok(()),
            Caller::Connection { user, grant, .. } => (user, check(&grant.rights())),
            Caller::User(user) => {
                let grant = self.shared.users(|users| users.grant(user, &self.vhost.name));
                let grant = grant.ok_or_else(|| self.vhost_refused(user))?;
                (user, check(&grant.rights()))
            }
        };
        refused.map_err(|refusal| OperationError::AccessRefused {
            refusal,
            vhost: self.vhost.name.clone(),
            user: user.to_owned(),
        })
    }

    /// Refuses users who have no permission on the vhost at all, unless their tags let them see everything.
    ///
    /// # Errors
    /// `VhostRefused`.
    pub fn enter(self) -> Result<Self, OperationError> {
        let vhost = &self.vhost.name;
        let may_enter = |user: &str| {
            self.shared.users(|users| {
                let sees_all = |tag| users.user(user).is_some_and(|user| user.has_tag(tag));
                users.permission(user, vhost).is_some() || sees_all(ADMINISTRATOR) || sees_all(MONITORING)
            })
        };
        match self.caller {
            Caller::User(user) if !may_enter(user) => Err(self.vhost_refused(user)),
            _ => Ok(self),
        }
    }

    /// The vhost's lock, for changes: nothing is made in a vhost that was deleted meanwhile.
    pub(super) async fn lock(&self) -> Result<MutexGuard<'_, ()>, OperationError> {
        lock(self.vhost).await
    }

    /// The queue of this name, which must be open to the caller.
    ///
    /// # Errors
    /// `NotFound`; `Locked` if it belongs to another connection.
    pub(super) fn open_queue(self, name: &str) -> Result<Arc<QueueRecord>, OperationError> {
        let record = self.vhost.queue_named(name).ok_or_else(|| self.no_queue(name))?;
        self.check_owner(&record)?;
        Ok(record)
    }

    /// Refuses what belongs to another connection.
    pub(super) fn check_owner(self, record: &QueueRecord) -> Result<(), OperationError> {
        let is_open = match (record.owner, self.caller) {
            (None, _) | (_, Caller::Operator) => true,
            (Some(owner), Caller::Connection { id, .. }) => owner == id,
            (Some(_), Caller::User(_)) => false,
        };
        if is_open { Ok(()) } else { Err(self.locked(record)) }
    }

    pub(super) fn vhost_refused(self, user: &str) -> OperationError {
        OperationError::VhostRefused { vhost: self.vhost.name.clone(), user: user.to_owned() }
    }

    pub(super) fn locked(self, record: &QueueRecord) -> OperationError {
        OperationError::Locked { queue: record.name.clone(), vhost: self.vhost.name.clone() }
    }

    /// There is no such queue.
    #[must_use]
    pub fn no_queue(self, name: &str) -> OperationError {
        self.not_found(Kind::Queue, name)
    }

    pub(super) fn unreadable(self, queue: &str, why: &str) -> OperationError {
        let (queue, vhost) = (queue.to_owned(), self.vhost.name.clone());
        OperationError::Unreadable { queue, vhost, why: why.to_owned() }
    }

    /// Refuses what a stream cannot do, if the queue is one.
    pub(super) fn not_for_streams(
        self,
        record: &QueueRecord,
        what: &'static str,
    ) -> Result<(), OperationError> {
        if !record.is_stream() {
            return Ok(());
        }
        let (queue, vhost) = (record.name.clone(), self.vhost.name.clone());
        Err(OperationError::NotForStreams { what, queue, vhost })
    }

    pub(super) fn not_found(self, kind: Kind, name: &str) -> OperationError {
        OperationError::NotFound { kind, name: name.to_owned(), vhost: self.vhost.name.clone() }
    }
}

/// A vhost's lock, for changes.
///
/// # Errors
/// `NoVhost` if it was deleted meanwhile.
pub(super) async fn lock(vhost: &Vhost) -> Result<MutexGuard<'_, ()>, OperationError> {
    let guard = vhost.lock().await;
    if vhost.is_deleted() {
        return Err(OperationError::NoVhost(vhost.name.clone()));
    }
    Ok(guard)
}
