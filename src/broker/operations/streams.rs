//! Streams by hand: their cursors, and messages from any place.

use std::sync::Arc;

use super::peeking::{PeekedMessage, peek_and_read};
use super::scope::Scope;
use crate::auth::Operation;
use crate::broker::error::OperationError;
use crate::broker::vhost::QueueRecord;
use crate::message::Position;
use crate::queue::{Command, CursorChange, Details, OffsetSpec, PeekState, Reply};

/// A stream that the caller may read.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `NotAStream`.
pub(super) fn stream(scope: Scope<'_>, name: &str) -> Result<Arc<QueueRecord>, OperationError> {
    scope.permit(Operation::Consume(name))?;
    let record = scope.open_queue(name)?;
    if record.is_stream() {
        return Ok(record);
    }
    Err(OperationError::NotAStream { queue: record.name.clone(), vhost: scope.vhost.name.clone() })
}

async fn ask(scope: Scope<'_>, record: &QueueRecord, command: Command) -> Result<Reply, OperationError> {
    record.mailbox.ask(command).await.ok_or_else(|| scope.no_queue(&record.name))
}

/// A stream as it is, with its cursors and who reads. It needs the rights of basic.consume.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `NotAStream`.
pub async fn stream_details(scope: Scope<'_>, name: &str) -> Result<Box<Details>, OperationError> {
    let record = stream(scope, name)?;
    record.details().await.ok_or_else(|| scope.no_queue(name))
}

/// Moves a cursor to a place, and makes it if it is not there; the offset where it is then. Whoever reads with it goes on there. What a reader
/// has at that moment it may still ack, which does not move the cursor. It needs the rights of basic.consume.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `NotAStream`, `TooManyCursors`, `InvalidName`.
pub async fn move_cursor(
    scope: Scope<'_>,
    queue: &str,
    cursor: &str,
    to: OffsetSpec,
) -> Result<u64, OperationError> {
    let record = stream(scope, queue)?;
    let change = CursorChange::Move { name: cursor.into(), to };
    match ask(scope, &record, Command::Cursor(change)).await? {
        Reply::Located(offset) => Ok(offset),
        Reply::Unreadable(why) => Err(scope.unreadable(queue, &why)),
        Reply::TooManyCursors(limit) => Err(too_many_cursors(scope, &record, limit)),
        Reply::NoCursor => Err(OperationError::InvalidName(format!(
            "'{cursor}' is no name for a cursor: 1 to 255 bytes, not beginning with 'amq.'"
        ))),
        _ => Err(scope.no_queue(queue)),
    }
}

/// Deletes a cursor with which nobody reads. It needs the rights of basic.consume.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `NotAStream`, `NoCursor`; `CursorInUse` if somebody reads with it.
pub async fn delete_cursor(scope: Scope<'_>, queue: &str, cursor: &str) -> Result<(), OperationError> {
    let record = stream(scope, queue)?;
    let (name, queue, vhost) = (cursor.to_owned(), record.name.clone(), scope.vhost.name.clone());
    let change = CursorChange::Delete { name: cursor.into() };
    match ask(scope, &record, Command::Cursor(change)).await? {
        Reply::Done => Ok(()),
        Reply::InUse => Err(OperationError::CursorInUse { cursor: name, queue, vhost }),
        _ => Err(OperationError::NoCursor { cursor: name, queue, vhost }),
    }
}

pub(super) fn too_many_cursors(scope: Scope<'_>, record: &QueueRecord, limit: usize) -> OperationError {
    let (queue, vhost) = (record.name.clone(), scope.vhost.name.clone());
    OperationError::TooManyCursors { queue, vhost, limit }
}

/// Shows up to `limit` messages of a stream, at most [`PEEK_MAX`](crate::queue::PEEK_MAX), from a place on; their positions are offsets. They are read
/// from the disk if they are not in memory, until some 16 MiB are read. It needs the rights of basic.consume and basic.get.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `NotAStream`.
pub async fn read_stream(
    scope: Scope<'_>,
    name: &str,
    from: OffsetSpec,
    limit: usize,
) -> Result<Vec<PeekedMessage>, OperationError> {
    let record = stream(scope, name)?;
    match ask(scope, &record, Command::Locate(from)).await? {
        Reply::Located(offset) => {
            peek_and_read(scope, name, PeekState::From(Position(offset)), 0, limit).await
        }
        Reply::Unreadable(why) => Err(scope.unreadable(name, &why)),
        _ => Err(scope.no_queue(name)),
    }
}
