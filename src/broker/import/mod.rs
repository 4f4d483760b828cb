//! Definitions in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>): read, checked as a whole, then
//! put into the store as one batch and into memory.
//!
//! Invariants: a file with a fault changes nothing; importing a file twice is importing it once; what exists already and
//! differs stays as it is, but for users, permissions and policies, which are overwritten.

mod apply;
mod check;
mod compare;
mod fields;
mod parse;
#[cfg(test)]
mod tests;

pub(crate) use apply::{Defaults, import};
pub(crate) use compare::compare;
pub use compare::{Comparison, Difference, Standing};
pub(crate) use parse::Target;
