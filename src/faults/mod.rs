//! Faults on purpose: rules that a test makes for a virtual host, and which of them an event meets.
//!
//! A [rule](Rule) says on which [occasion](Occasion) it [acts](Action), which events it [means](Matcher), how many of them it lets pass first and how
//! many it hits. Rules are counted, not random, and the first that was made decides. Nothing here does anything: whoever comes to a point where
//! faults can be asks [`Faults::decide`], and does what it says. Who has no rules to ask for knows it from [`Faults::armed`], one load.

mod action;
mod armed;
mod glob;
mod matcher;
mod methods;
mod occasion;
mod parse;
mod rule;
mod rule_error;
mod shared;
mod subject;
mod table;
#[cfg(test)]
mod tests;

pub use action::{Action, Refusal};
pub use armed::Armed;
pub use glob::Glob;
pub use matcher::{Field, Matcher};
pub use methods::Methods;
pub use occasion::Occasion;
pub use rule::Rule;
pub use rule_error::RuleError;
pub use shared::{Faults, Firing};
pub use subject::{Happening, Subject};
pub use table::{RuleId, RuleInForce, Verdict};
