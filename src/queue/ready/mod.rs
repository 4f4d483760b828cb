//! Ready messages, in memory or not.

mod level;
mod levels;
mod ready_message;

pub(super) use levels::Ready;
pub(super) use ready_message::ReadyMessage;
