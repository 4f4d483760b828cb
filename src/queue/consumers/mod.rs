//! The consumers of a queue, and the prefetch that those of a channel share.

mod channel_prefetch;
mod rotation;

pub use channel_prefetch::{ChannelPrefetch, PrefetchShare};
pub use rotation::WINDOW_BYTES;
pub(super) use rotation::{Consumer, Consumers, Takeover};
