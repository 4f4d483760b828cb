//! The journal of a virtual host: what happened to its messages and its connections, newest last, in a bounded ring.
//!
//! Failures are always noted; what goes well only while a [recording](Rule) asks for it. Queues and connections note a batch at a
//! time, from what their machines say they did; nothing is added to messages. A copy is an edge between two places: the queue
//! that a message left says where it went, and the queue where it arrived says where it came from.

mod batch;
mod confirm_events;
mod event;
mod fault_events;
mod filter;
mod history;
mod publish_events;
mod queue_events;
mod recording;
mod remembered;
mod ring;
mod run;
mod sentence;
mod settings;
mod vhost_journal;
mod wording;

pub(crate) use confirm_events::Unconfirmed;
pub use event::{
    About, Client, Confirm, Detail, Event, EventKind, FaultTold, MessagePlace, Why, delay_queue_label,
};
pub(crate) use fault_events::note_fault;
pub use filter::Filter;
pub use history::{Edge, Found, Place, Step, Wanted, find, steps};
pub(crate) use publish_events::{note_published, unrouted};
pub(super) use queue_events::{QueueEvents, Surroundings};
pub use recording::{
    NEXT_MAX, RECORDING_MS_DEFAULT, RULES_MAX, Recording, Recordings, Rule, Selector, TooManyRecordings,
};
pub use remembered::{Now, remembered};
pub use sentence::sentence;
pub use vhost_journal::{Journal, JournalLimits, Slice};
pub use wording::Zone;
