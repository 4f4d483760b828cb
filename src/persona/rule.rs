//! A rule, and what all of them say about a call.

use super::call::Call;
use super::name::Persona;
use super::outcome::{Outcome, Refused, filled};

/// A row of the table: something that a client does, and what each broker makes of it.
#[derive(Debug)]
pub struct Rule {
    /// Its name, for programs: it stays.
    pub id: &'static str,
    /// What the client does.
    pub what: &'static str,
    /// Whether a call does that; the argument or number that says so, or nothing.
    pub check: fn(&Call<'_>) -> Option<String>,
    /// What becomes of it.
    pub outcomes: Outcomes,
    /// What to do instead.
    pub fix: &'static str,
    /// By what it was checked.
    pub witness: &'static str,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcomes {
    /// On each of [`Persona::OTHERS`].
    Of([Outcome; 4]),
    /// The same everywhere, and seldom what was wanted.
    Smell(&'static str),
    /// The same of what is done so often by one client; less is nothing to be told of.
    Habit(&'static str, u64),
}

/// A rule that a call falls under.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The rule.
    pub rule: &'static Rule,
    /// What it found.
    pub found: String,
}

impl Rule {
    /// What this broker does.
    #[must_use]
    pub fn outcome(&self, persona: Persona) -> Outcome {
        let Outcomes::Of(columns) = &self.outcomes else { return Outcome::Same };
        persona.column().and_then(|column| columns.get(column)).copied().unwrap_or(Outcome::Same)
    }

    /// Whether it is about what no broker does well.
    #[must_use]
    pub const fn is_smell(&self) -> bool {
        self.smell().is_some()
    }

    /// What comes of what no broker does well.
    #[must_use]
    pub const fn smell(&self) -> Option<&'static str> {
        match self.outcomes {
            Outcomes::Smell(text) | Outcomes::Habit(text, _) => Some(text),
            Outcomes::Of(_) => None,
        }
    }

    /// How often one client has to do it to be told of.
    #[must_use]
    pub const fn least(&self) -> u64 {
        match self.outcomes {
            Outcomes::Habit(_, least) => least,
            Outcomes::Of(_) | Outcomes::Smell(_) => 1,
        }
    }

    /// What to do instead, for a call.
    #[must_use]
    pub fn fix_for(&self, call: &Call<'_>, found: &str) -> String {
        filled(self.fix, call, found)
    }

    /// What a broker answers to a call that this rule found something in, if it refuses it.
    #[must_use]
    pub fn refused(&self, persona: Persona, call: &Call<'_>, found: &str) -> Option<Refused> {
        match self.outcome(persona) {
            Outcome::Refused(refusal) => Some(refusal.of(call, found)),
            Outcome::Same | Outcome::Ignored | Outcome::Differs(_) => None,
        }
    }
}
