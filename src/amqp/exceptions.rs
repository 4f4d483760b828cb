//! Errors of the broker's operations in AMQP's words: which reply code each one is.

use crate::broker::OperationError;
use crate::protocol::reply::ReplyCode;
use crate::session::Exception;
use crate::topology::TopologyError;

impl From<OperationError> for Exception {
    fn from(error: OperationError) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

const fn code(error: &OperationError) -> ReplyCode {
    match error {
        OperationError::NotFound { .. }
        | OperationError::NoUser(_)
        | OperationError::NoPermission { .. }
        | OperationError::NoConnection(_)
        | OperationError::NoGlobalParameter(_)
        | OperationError::NoChannel { .. }
        | OperationError::NoConsumer(_)
        | OperationError::NoCursor { .. }
        | OperationError::NoFault(_)
        | OperationError::NoTarget(_)
        | OperationError::NoSnapshot(_)
        | OperationError::Topology(TopologyError::NotFound(_)) => ReplyCode::NotFound,
        OperationError::NoVhost(_)
        | OperationError::VhostRefused { .. }
        | OperationError::NotTesting
        | OperationError::NoWorld(_)
        | OperationError::WorldExists(_) => ReplyCode::NotAllowed,
        OperationError::AccessRefused { .. }
        | OperationError::NotTagged { .. }
        | OperationError::ExclusiveUse { .. }
        | OperationError::Reserved { .. }
        | OperationError::Topology(TopologyError::AccessRefused(_)) => ReplyCode::AccessRefused,
        OperationError::Locked { .. } => ReplyCode::ResourceLocked,
        OperationError::InUse { .. }
        | OperationError::NotEmpty { .. }
        | OperationError::NotAStream { .. }
        | OperationError::CursorInUse { .. }
        | OperationError::TooManyCursors { .. }
        | OperationError::QueueLimit { .. }
        | OperationError::ProtectedVhost(_)
        | OperationError::Shard(_)
        | OperationError::Options(_)
        | OperationError::Policy(_)
        | OperationError::Pattern(_)
        | OperationError::InvalidName(_)
        | OperationError::RealClock(_)
        | OperationError::Snapshot(_)
        | OperationError::Clock(_)
        | OperationError::Topology(TopologyError::PreconditionFailed(_)) => ReplyCode::PreconditionFailed,
        OperationError::Publish(exception) => exception.code,
        OperationError::Persona { code, .. } => *code,
        OperationError::Blocked(_) | OperationError::NoMemory(_) | OperationError::Moving(_) => {
            ReplyCode::ResourceError
        }
        OperationError::NotForStreams { .. } => ReplyCode::NotImplemented,
        OperationError::NoRandomness | OperationError::Unreadable { .. } => ReplyCode::InternalError,
    }
}
