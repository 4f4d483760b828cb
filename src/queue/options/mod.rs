//! A queue's settings, and the arguments that they come from.

mod arguments;
mod checking;
mod failure_arguments;
mod policy_arguments;
mod queue_options;
mod source_arguments;
mod stream_arguments;

pub use arguments::{EXPIRY_MS_MAX, OptionsError};
pub use failure_arguments::{AckTimeout, OwnTimeout, TimeoutAction, consumer_timeout};
pub use policy_arguments::{
    Merge, POLICY_ARGUMENTS, QueueType, compared, is_quorum, policy_arguments, queue_type,
};
pub use queue_options::{Overflow, QueueOptions};
pub use source_arguments::{SOURCE, Source};
pub use stream_arguments::{StreamOptions, age_ms};
