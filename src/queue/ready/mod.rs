//! Ready messages, in memory or not.

mod level;
mod levels;
mod sighting;

pub(super) use levels::Ready;
pub(super) use sighting::Sighting;
