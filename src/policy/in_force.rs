//! A setting of a queue that is in force, who said it, and whom that overruled.

use amq_protocol::types::AMQPValue;

use super::origin::Origin;

/// A setting of a queue that is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// The argument's name: `x-max-length`.
    pub argument: String,
    /// Its value.
    pub value: AMQPValue,
    /// Who said it.
    pub origin: Origin,
    /// What others said, and does not count.
    pub overruled: Vec<(AMQPValue, Origin)>,
}

impl InForce {
    /// What somebody said first.
    pub(super) fn new(argument: &str, value: AMQPValue, origin: Origin) -> Self {
        Self { argument: argument.to_owned(), value, origin, overruled: Vec::new() }
    }

    /// Somebody else's value counts from now on.
    pub(super) fn give_way(&mut self, value: AMQPValue, origin: Origin) {
        let before = std::mem::replace(&mut self.value, value);
        let who = std::mem::replace(&mut self.origin, origin);
        self.overruled.push((before, who));
    }
}
