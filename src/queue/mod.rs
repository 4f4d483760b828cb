//! The queue: one synchronous state machine per queue, with no IO and no clock.
//!
//! A caller hands it [`Command`]s with the time, calls [`Queue::settle_batch`] once they are all in, and carries out
//! the [`Effects`]. A batch is all the commands that waited in the queue's mailbox: deliveries, confirms and store
//! records leave once per batch, never per message.
//!
//! Invariants:
//! - a message is in exactly one place: ready, unacked, waiting (delayed or parked), or handed out in an effect (delivered without ack, dropped,
//!   dead-lettered);
//! - a [position](crate::message::Position) is never reused, and a requeued message returns to its position;
//! - an unacked or waiting message that is not in memory is read back before it goes anywhere, and nothing that stands behind it
//!   is delivered first;
//! - what is ready but not in memory ([`Window`]) is known by segments; a segment comes back before anything behind it is
//!   touched, and a command that needs it waits;
//! - a consumer never has more unacked messages than its prefetch, nor more bytes on their way than its window;
//! - the same commands at the same times have the same effects.
//!
//! The lowest files are the vocabulary: `command`, `reply`, `effects`, `entry`, `ids`, `options`. Above it are the parts, each with
//! a small state of its own: `ready`, `unacked`, `consumers`, `waiting` and so on. On top is `machine`, the only one that knows
//! them all.

mod arrivals;
pub mod attempts;
mod command;
mod consumers;
mod counts;
pub mod dead_letter;
mod dedup;
mod deferred;
mod delivery;
mod details;
mod edited_headers;
mod effects;
mod entrance;
mod entry;
pub mod failure_policy;
pub mod filter_set;
mod happening;
mod ids;
mod inbox;
mod log;
mod machine;
mod merge;
mod offset_header;
mod offset_spec;
pub mod options;
mod peek;
mod ready;
mod reply;
mod segment;
pub mod sender_selected;
mod spilled;
#[cfg(test)]
mod tests;
mod unacked;
mod waiting;
mod window;

pub use attempts::{Attempts, Ending, WaitKind, as_delivered};
pub use command::{
    Command, Consume, DedupPublish, Disposition, LoadedMessage, MoveOut, Publish, Restored, Settlement,
};
pub use consumers::{ChannelPrefetch, PrefetchShare, WINDOW_BYTES};
pub use counts::{Counts, Flow, Measures};
pub use dedup::DedupState;
pub use delivery::{Deliveries, Delivery, delivery_cost};
pub use details::{ConsumerDetails, Details, Tally};
pub use effects::{DeadLetter, DedupRecords, Due, Effects, Load, Moved, Page, Range, StoreAppend, TimedOut};
pub(crate) use entrance::{Entrance, NO_KEYS};
pub use happening::{Cause, Ended, Happening, HappeningKind, HeldBy, MessagePlace, Provenance};
pub use ids::{ConnectionId, ConsumerKey, ConsumerName, Handle};
pub(crate) use inbox::Inflow;
pub use inbox::{Inbox, InboxShare};
pub use log::{
    CursorChange, CursorDetails, Fed, FeedCount, FeedRequest, LogAppend, LogChunk, LogDetails, LogEffects,
    LogMissed, LogNews, LogRead, LogSeek, RecoveredStream,
};
pub use machine::Queue;
pub use offset_header::{message_with_offset, with_offset};
pub use offset_spec::OffsetSpec;
pub use options::{AckTimeout, Overflow, OwnTimeout, QueueOptions, TimeoutAction};
pub use peek::{Holder, OnDisk, PEEK_MAX, Peek, PeekState, Peeked, PeekedPlace};
pub use reply::Reply;
pub use segment::RecoveredSegment;
pub use window::Window;
