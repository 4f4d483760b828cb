//! Ready messages, in memory or not.

mod level;
mod levels;

pub(super) use levels::Ready;
