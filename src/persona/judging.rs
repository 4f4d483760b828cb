//! What all rules say about a call.

use super::call::Call;
use super::name::Persona;
use super::outcome::Refused;
use super::rule::Shown;
use super::rules::rules;

/// All rules that a call falls under.
pub fn findings<'a>(call: &'a Call<'a>) -> impl Iterator<Item = Shown> + 'a {
    rules().filter_map(|rule| (rule.check)(call).map(|found| Shown { rule, found }))
}

/// Whether this broker refuses the call; the first rule that does says how.
#[must_use]
pub fn refusal(persona: Persona, call: &Call<'_>) -> Option<Refused> {
    if persona == Persona::Coney {
        return None;
    }
    findings(call).find_map(|Shown { rule, found }| rule.refused(persona, call, &found))
}
