//! Worlds, for the program that embeds a broker with `--test`: made, waited for, their clocks moved, deleted with their guard.

mod clock;
mod faults;
mod handle;
mod making;
mod waiting;

pub use clock::{ClockMove, WorldClock};
pub use faults::{Fault, FaultBuilder};
pub use handle::WorldHandle;
pub use making::{World, WorldBuilder};
pub use waiting::{WaitError, WorldQueue, WorldWait};
