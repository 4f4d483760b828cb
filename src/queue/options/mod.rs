//! A queue's settings, and the arguments that they come from.

mod arguments;
mod checking;
mod failure_arguments;
mod policy_arguments;
mod queue_options;

pub use arguments::{EXPIRY_MS_MAX, OptionsError};
pub use failure_arguments::{AckTimeout, OwnTimeout, TimeoutAction, consumer_timeout};
pub use policy_arguments::{Merge, POLICY_ARGUMENTS, compared, is_quorum};
pub use queue_options::{Overflow, QueueOptions};
