//! The running broker, whoever talks to it: virtual hosts, queue tasks, definitions, alarms, recovery, and the store they
//! share. It knows no socket and no frame. In `clock` is the only place that reads a clock.

pub(crate) mod alarm_watch;
pub(crate) mod alarms;
pub mod arguments_json;
pub(crate) mod clock;
pub(crate) mod connections;
pub(crate) mod creation;
mod dead_lettering;
pub(crate) mod definitions;
mod delayed_exchange;
pub(crate) mod entering;
pub(crate) mod error;
mod export;
pub(crate) mod firehose;
mod flow_control;
pub mod give_back;
pub(crate) mod global_parameters;
pub(crate) mod import;
mod internal_connection;
pub mod journal;
pub(crate) mod log_limits;
pub(crate) mod login;
pub(crate) mod mailbox;
pub mod message_lines;
pub(crate) mod names;
pub mod node;
pub mod operations;
pub mod overview;
mod pending_definitions;
pub mod plugins;
pub mod properties_json;
mod queue_task;
pub(crate) mod recovery;
pub(crate) mod removal;
pub mod selection;
pub(crate) mod shared;
pub(crate) mod sums;
mod transfer;
mod uninterrupted;
pub(crate) mod vhost;
pub(crate) mod vhost_settings;

pub use alarms::Readings;
pub use clock::Clock;
pub use definitions::queue_names;
pub use error::{ImportError, Kind, OperationError};
pub use vhost_settings::{DefaultQueueType, VhostChange, VhostLimits, VhostSettings};
