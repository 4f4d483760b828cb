//! RabbitMQ's configuration: `rabbitmq.conf` and the old Erlang terms, read as RabbitMQ reads them and turned into settings.

mod collected;
mod effects;
mod entries;
mod environment;
mod erlang;
mod keys;
mod meaning;
mod read;
mod syntax;
mod terms;

pub use entries::Entry;
#[cfg(test)]
pub use environment::VARIABLES;
pub use environment::entries as environment_entries;
#[cfg(test)]
pub use keys::{Effect, KEYS};
pub use meaning::meaning;
pub use read::{Format, format_of, matching, read_entries};
