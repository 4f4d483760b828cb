//! The table, a file for each kind of call.

mod consumers;
mod exchanges;
mod habits;
mod publishes;
mod queue_arguments;
mod queues;
mod smells;

use super::rule::Rule;

pub use habits::{EXPIRES_IN_CIRCLES, GOES_ROUND, NOBODY_TAKES};
pub use smells::DEAD_LETTERS_GO_NOWHERE;

/// The rule with this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.id == id)
}

/// All rules, in the order in which a broker comes to them: what it looks at first is refused first.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        queues::NAMES,
        queue_arguments::RULES,
        queues::RULES,
        exchanges::RULES,
        consumers::RULES,
        publishes::RULES,
        smells::RULES,
        habits::RULES,
    ]
    .into_iter()
    .flatten()
}
