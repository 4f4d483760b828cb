//! Worlds: virtual hosts that a test controls, with `--test`. Here is what a world is; what is done with worlds is in `operations`.
//!
//! A world has a clock, and knows how much of its work is under way, so that whoever moves the clock or waits
//! for something knows when all that follows has happened. Heartbeats, handshakes, flow control and alarms of memory and disk keep real time.

mod activity;
mod clock;
mod dead;
mod faults;
mod settings;
mod snapshot;
mod state;
mod steps;

pub(crate) use activity::{Activity, InFlight};
pub(crate) use clock::{Alarm, VhostClock, VirtualClock};
pub(crate) use faults::{ConnectionState, WorldFaults};
pub use settings::{ClockMode, WorldSettings};
pub use snapshot::{SNAPSHOT_BYTES_MAX, Snapshot, SnapshotMessage, SnapshotPlace, SnapshotState, Snapshots};
pub(crate) use state::World;
pub use steps::{Step, StepKind};
