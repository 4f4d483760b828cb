//! Why the broker does not do what it was asked for. Texts are RabbitMQ's, which client libraries match on; each front adds
//! what its protocol wants around them, and decides by the variant.

use std::fmt;

use crate::auth::{PatternError, Refusal};
use crate::policy::PolicyError;
use crate::protocol::reply::ReplyCode;
use crate::queue::options::OptionsError;
use crate::session::Exception;
use crate::topology::TopologyError;

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An exchange.
    Exchange,
    /// A queue.
    Queue,
    /// A policy of users.
    Policy,
    /// A policy of operators.
    OperatorPolicy,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exchange => "exchange",
            Self::Queue => "queue",
            Self::Policy => "policy",
            Self::OperatorPolicy => "operator policy",
        })
    }
}

/// Why an operation was not done; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperationError {
    /// There is no such thing in the vhost.
    #[error("no {kind} '{name}' in vhost '{vhost}'")]
    NotFound {
        /// What it would be.
        kind: Kind,
        /// Its name.
        name: String,
        /// The vhost.
        vhost: String,
    },
    /// There is no such vhost, or none any more.
    #[error("vhost '{0}' not found")]
    NoVhost(String),
    /// There is no such user.
    #[error("user '{0}' not found")]
    NoUser(String),
    /// The user has no permission on the vhost that could be removed.
    #[error("user '{user}' has no permission on vhost '{vhost}'")]
    NoPermission {
        /// The user.
        user: String,
        /// The vhost.
        vhost: String,
    },
    /// The connection is not there any more, or never was.
    #[error("no connection {0}")]
    NoConnection(u64),
    /// The connection has no such channel.
    #[error("no channel {channel} on connection {connection}")]
    NoChannel {
        /// The connection's id.
        connection: u64,
        /// The channel's number.
        channel: u16,
    },
    /// The queue has no such consumer, or none any more.
    #[error("no such consumer of queue '{0}'")]
    NoConsumer(String),
    /// The user lacks the right on a queue or an exchange.
    #[error("{}", refusal.text(vhost, user))]
    AccessRefused {
        /// Which right on what.
        refusal: Refusal,
        /// The vhost.
        vhost: String,
        /// The user.
        user: String,
    },
    /// The user may not enter the vhost.
    #[error("access to vhost '{vhost}' refused for user '{user}'")]
    VhostRefused {
        /// The vhost.
        vhost: String,
        /// The user.
        user: String,
    },
    /// The operation is for users with another tag.
    #[error("user '{user}' is not {tag}")]
    NotTagged {
        /// The user.
        user: String,
        /// The tag that is missing.
        tag: &'static str,
    },
    /// The queue is exclusive to another connection; or an exclusive one was declared, and the queue of this name is not.
    #[error(
        "cannot obtain exclusive access to locked queue '{queue}' in vhost '{vhost}'. It could be originally declared on \
         another connection or the exclusive property value does not match that of the original declaration."
    )]
    Locked {
        /// The queue.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The queue has an exclusive consumer, or exclusivity was asked for and there are consumers.
    #[error("queue '{queue}' in vhost '{vhost}' in exclusive use")]
    ExclusiveUse {
        /// The queue.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// A name that only the broker may give.
    #[error("{kind} name '{name}' contains reserved prefix 'amq.*'")]
    Reserved {
        /// What was to be made.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// It was to be deleted only if it is not used, and it is.
    #[error("{kind} '{name}' in vhost '{vhost}' in use")]
    InUse {
        /// What was to be deleted.
        kind: Kind,
        /// Its name.
        name: String,
        /// The vhost.
        vhost: String,
    },
    /// A stream cannot do that.
    #[error("{what} queue '{queue}' in vhost '{vhost}'")]
    NotForStreams {
        /// What, in RabbitMQ's words.
        what: &'static str,
        /// The stream.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The queue is no stream, and only those can do that.
    #[error("queue '{queue}' in vhost '{vhost}' is not a stream")]
    NotAStream {
        /// The queue.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The stream has no such cursor.
    #[error("no cursor '{cursor}' of queue '{queue}' in vhost '{vhost}'")]
    NoCursor {
        /// The cursor.
        cursor: String,
        /// The stream.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The cursor was to be deleted, and somebody reads with it.
    #[error("cursor '{cursor}' of queue '{queue}' in vhost '{vhost}' in use")]
    CursorInUse {
        /// The cursor.
        cursor: String,
        /// The stream.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The stream may not have more cursors.
    #[error(
        "queue '{queue}' in vhost '{vhost}' has {limit} cursors, and can have no more; delete one that is not used any more"
    )]
    TooManyCursors {
        /// The stream.
        queue: String,
        /// The vhost.
        vhost: String,
        /// How many it may have.
        limit: usize,
    },
    /// The vhost may not have more queues.
    #[error("cannot declare queue '{queue}': queue limit in vhost '{vhost}' ({limit}) is reached")]
    QueueLimit {
        /// The queue that would be one too many.
        queue: String,
        /// The vhost.
        vhost: String,
        /// How many it may have.
        limit: i64,
    },
    /// There is no such global parameter.
    #[error("no global parameter '{0}'")]
    NoGlobalParameter(String),
    /// The vhost may not be deleted.
    #[error("refusing to delete virtual host '{0}' because it is protected from deletion")]
    ProtectedVhost(String),
    /// No shard of the cluster, or not this one, can serve the vhost.
    #[error("{0}")]
    Shard(String),
    /// The vhost moves to another shard of the cluster.
    #[error("virtual host '{0}' moves to another shard of the cluster: try again")]
    Moving(String),
    /// Messages of the queue cannot be read from the disk.
    #[error("queue '{queue}' in vhost '{vhost}' cannot be read: {why}. A purge drops what is in it")]
    Unreadable {
        /// The queue.
        queue: String,
        /// The vhost.
        vhost: String,
        /// What is damaged.
        why: String,
    },
    /// The queue was to be deleted only if it is empty, and it is not.
    #[error("queue '{queue}' in vhost '{vhost}' not empty")]
    NotEmpty {
        /// The queue.
        queue: String,
        /// The vhost.
        vhost: String,
    },
    /// The topology refuses: unknown, reserved, not equivalent, or arguments that make no sense.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Arguments that no queue can have.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Something is wrong with a policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A permission is no regular expression.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A message that cannot be published; the reply code says of what kind the fault is.
    #[error("{}", .0.text)]
    Publish(Exception),
    /// Messages would be moved to where no queue would get them; the text says where.
    #[error("{0}")]
    NoTarget(String),
    /// The broker is short of memory or disk, and takes no messages.
    #[error("publishers are blocked: {0}")]
    Blocked(String),
    /// Memory is short, and what is there of this takes its part of it already.
    #[error("no memory for more {0}")]
    NoMemory(&'static str),
    /// Tests may not control the broker.
    #[error("this broker was started without --test: there are no worlds")]
    NotTesting,
    /// The vhost was not made as a world, and is not to be deleted as one.
    #[error("vhost '{0}' was not made as a world")]
    NoWorld(String),
    /// The world has no rule for faults with this id.
    #[error("there is no fault '{0}'")]
    NoFault(String),
    /// There is a vhost of this name that was made otherwise.
    #[error("vhost '{0}' is there already, and was made with other options")]
    WorldExists(String),
    /// The world's clock is the system's, and is not to be moved.
    #[error("world '{0}' has the system's clock, which cannot be moved: make it with \"clock\": \"virtual\"")]
    RealClock(String),
    /// The clock cannot be moved like that, or not so far.
    #[error("{0}")]
    Clock(String),
    /// There is no such snapshot.
    #[error("no snapshot '{0}'")]
    NoSnapshot(String),
    /// A snapshot cannot be taken, or not be restored.
    #[error("snapshot: {0}")]
    Snapshot(String),
    /// The broker that this one stands in for refuses it, in that one's words.
    #[error("{text}")]
    Persona {
        /// The reply code.
        code: ReplyCode,
        /// Why.
        text: String,
    },
    /// A name is empty or too long.
    #[error("{0}")]
    InvalidName(String),
    /// The operating system has no randomness for a name or a password's salt.
    #[error("no randomness available")]
    NoRandomness,
}

impl From<Exception> for OperationError {
    fn from(exception: Exception) -> Self {
        Self::Publish(exception)
    }
}

/// Why definitions cannot be imported: one line that names the object and what is wrong with it. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {why}")]
pub struct ImportError {
    object: String,
    why: String,
}

impl ImportError {
    pub(super) fn new(object: impl Into<String>, why: impl Into<String>) -> Self {
        Self { object: object.into(), why: why.into() }
    }

    pub(super) fn from_policy(error: &PolicyError) -> Self {
        Self::new(error.policy(), error.why())
    }
}
