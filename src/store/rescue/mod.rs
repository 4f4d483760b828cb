//! For a store that is damaged: what is, which queues are affected, and a new store of what is whole.
//!
//! All files are read as they lie there, without fjall, which stops at the first fault. Nothing is ever changed in a damaged
//! directory. What was acked may come back where the damage is to what says that it was acked: a duplicate, no loss.

mod examine;
mod logical;
mod raw;
mod salvage;
mod state;
mod streams;
mod trial;

pub use examine::{Examination, examine};
pub(super) use raw::{damage_of, name_file};
pub use salvage::salvage;
pub use state::QueueState;
