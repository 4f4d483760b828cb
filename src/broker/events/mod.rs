//! What happens to the broker's things, as messages: whoever binds to the exchange `amq.rabbitmq.event` gets them, as from RabbitMQ's
//! plugin (<https://www.rabbitmq.com/docs/event-exchange>; docs/events.md has what differs).
//!
//! Whoever changes something [tells](tell) it where it is done. That costs a look at one flag while nothing is bound, and never waits, nor
//! fails. What the delivery of events leads to makes none.

mod event;
mod headers;
mod listening;
mod telling;
#[cfg(test)]
mod tests;

pub use event::{Event, Parameter};
pub use listening::Listening;
pub use telling::{BROKER, OPERATOR, tell, tell_limits, tell_removed};
