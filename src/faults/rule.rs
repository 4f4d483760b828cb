//! A rule: on which occasion it does what to whom, and how often.

use serde_json::{Map, Value};

use super::action::Action;
use super::matcher::{Field, Matcher};
use super::occasion::Occasion;
use super::rule_error::RuleError;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// When it acts.
    pub occasion: Occasion,
    /// On which events.
    pub matcher: Matcher,
    /// How many of them it lets pass first.
    pub skip: u64,
    /// How many it hits then, after which it is done; 0: all, until it is removed.
    pub times: u64,
    /// Of those only one in so many, by chance; 0 and 1: each.
    pub one_in: u64,
    /// What chance begins with: the same seed hits the same events.
    pub seed: u64,
    /// What it does.
    pub action: Action,
}

/// The most that a reorder may hold back.
const REORDER_MAX: u32 = 1000;

impl Rule {
    /// A rule that hits the first event of its occasion.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn new(occasion: Occasion, action: Action) -> Result<Self, RuleError> {
        let times = if matches!(occasion, Occasion::Always) { 0 } else { 1 };
        Self { occasion, matcher: Matcher::default(), skip: 0, times, one_in: 0, seed: 0, action }.check()
    }

    /// The same if it makes sense.
    ///
    /// # Errors
    /// The action does not fit the occasion, what it looks at is not known then, or a number is out of bounds.
    pub fn check(self) -> Result<Self, RuleError> {
        let (on, action) = (self.occasion.name(), self.action.name());
        let fit = self.occasion.actions();
        if !fit.contains(&action) {
            let known = fit.join(", ");
            let text = match self.occasion {
                Occasion::Always => {
                    format!("'{action}' needs an event: say \"on\"; without it there are {known}")
                }
                _ => format!("'{action}' does not fit '{on}': expected {known}"),
            };
            return Err(RuleError(text));
        }
        self.check_match()?;
        match &self.action {
            Action::Delay(ms) if *ms > super::action::DELAY_MS_MAX => Err("delay_ms: an hour is the most"),
            Action::Reorder(count) if !(2..=REORDER_MAX).contains(count) => Err("count: expected 2 to 1000"),
            Action::Slow(0) => Err("bytes_per_s: expected 1 or more; for none at all there is 'silence'"),
            _ => Ok(()),
        }
        .map_err(|text| RuleError(text.to_owned()))?;
        match &self.occasion {
            Occasion::Time { every_ms: 0 } => Err(RuleError("every_ms: expected 1 or more".to_owned())),
            Occasion::Always if self.times != 0 || self.skip != 0 || self.one_in > 1 => Err(RuleError(
                format!("'{action}' is no event to be counted: it is so until the rule is removed"),
            )),
            _ => Ok(self),
        }
    }

    /// A pattern for something that is never known would never match, and nobody would see why.
    fn check_match(&self) -> Result<(), RuleError> {
        let is_about_connection = |field: &Field| matches!(field, Field::User | Field::Connection);
        for (field, _) in self.matcher.patterns() {
            let (is_known, known) = match (&self.occasion, &self.action) {
                (Occasion::Always, Action::Pause) => (*field == Field::Queue, "queue"),
                (Occasion::Time { .. }, _) => (false, "nothing"),
                (Occasion::Always | Occasion::Connect | Occasion::Open, _) => {
                    (is_about_connection(field), "user and connection")
                }
                _ => (true, ""),
            };
            if !is_known {
                let (name, on) = (field.name(), self.occasion.name());
                return Err(RuleError(format!("match: '{name}' is not known for '{on}': there is {known}")));
            }
        }
        Ok(())
    }

    /// As it is written, with all that was left to be filled in.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
        if !matches!(self.occasion, Occasion::Always) {
            put("on", self.occasion.name().into());
            put("skip", self.skip.into());
            put("times", self.times.into());
        }
        if let Occasion::Time { every_ms } = self.occasion {
            put("every_ms", every_ms.into());
        }
        let patterns = self.matcher.patterns();
        let patterns: Map<String, Value> =
            patterns.map(|(field, glob)| (field.name(), glob.as_str().into())).collect();
        put("match", patterns.into());
        if self.one_in > 1 {
            put("one_in", self.one_in.into());
            put("seed", self.seed.into());
        }
        self.action.describe(&mut fields);
        fields.into()
    }

    /// It in a few words, such as `on confirm of queue 'orders': reset`.
    #[must_use]
    pub fn text(&self) -> String {
        let patterns = self.matcher.patterns();
        let patterns: Vec<String> =
            patterns.map(|(field, glob)| format!("{} '{}'", field.name(), glob.as_str())).collect();
        let of = if patterns.is_empty() { String::new() } else { format!(" of {}", patterns.join(" and ")) };
        match &self.occasion {
            Occasion::Always => format!("{}{of}", self.action.name()),
            Occasion::Time { every_ms } => format!("every {every_ms} ms: {}", self.action.name()),
            occasion => format!("on {}{of}: {}", occasion.name(), self.action.name()),
        }
    }
}
