//! The queue itself: its state is made of the parts beside this folder, and each file here is one subject of what it does.

mod consuming;
mod crashing;
mod dead_lettering;
mod deduplicating;
mod delivering;
mod describing;
mod expiring;
mod footprint;
mod lifecycle;
mod memory;
#[cfg(test)]
mod observing;
mod overflow;
mod peeking;
mod publishing;
mod queue;
mod requests;
mod restoring;
mod returning;
mod scheduling;
mod settling;
mod timeouts;
mod unreadable;
mod waiting;

pub use queue::Queue;
