//! Personas: what other brokers make of the calls that Coney takes, as one table of rules.
//!
//! A [`Rule`] looks at a [`Call`] and says, for each [`Persona`], what that broker does with it: the same, nothing, something else, or
//! refuse it with a code and a text. A broker or a world that has a persona refuses what its column refuses; the linter reads all
//! columns. Each row was checked against a running broker where there is one, and against the broker's source else: `Rule::witness` says
//! which.

mod call;
mod judging;
mod name;
mod outcome;
mod rule;
mod rules;
#[cfg(test)]
mod tests;

pub use call::{
    Call, ConsumeCall, ExchangeCall, LARGE_BODY_BYTES, Place, PublishCall, QueueCall, QueueKind, SendCall,
    ShortLived,
};
pub use judging::{findings, refusal};
pub use name::{Persona, UnknownPersona};
pub use outcome::{Outcome, Refusal, Refused};
pub use rule::{Outcomes, Rule, Shown};
pub use rules::{DEAD_LETTERS_GO_NOWHERE, EXPIRES_IN_CIRCLES, GOES_ROUND, NOBODY_TAKES, rule, rules};
