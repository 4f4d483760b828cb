//! The rules that are in force, and which of them an event meets.

use super::action::Action;
use super::armed::Armed;
use super::occasion::Occasion;
use super::rule::Rule;
use super::subject::{Happening, Subject};

/// A rule's number, from 1 on, in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

impl std::fmt::Display for RuleId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "f{}", self.0)
    }
}

impl RuleId {
    /// Reads one as it is shown.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix('f')?.parse().ok().map(Self)
    }
}

/// A rule with what became of it.
#[derive(Clone, Debug)]
pub struct RuleInForce {
    /// Its number.
    pub id: RuleId,
    /// It.
    pub rule: Rule,
    /// How many events it meant, until it was done, that no rule before it took.
    pub seen: u64,
    /// How many it hit.
    pub fired: u64,
}

impl RuleInForce {
    /// Whether it has hit as many as it was to.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.rule.times != 0 && self.fired >= self.rule.times
    }

    /// It meant an event: whether it hits it.
    fn meets(&mut self) -> bool {
        self.seen += 1;
        let by_chance =
            self.rule.one_in <= 1 || mixed(self.rule.seed, self.seen).is_multiple_of(self.rule.one_in);
        let hits = self.seen > self.rule.skip && by_chance;
        self.fired += u64::from(hits);
        hits
    }
}

/// What is to be done, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The rule.
    pub id: RuleId,
    /// It in a few words.
    pub rule: String,
    /// What to do.
    pub action: Action,
}

/// The rules, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Table {
    made: u64,
    rules: Vec<RuleInForce>,
}

impl Table {
    pub(super) fn add(&mut self, rule: Rule) -> RuleId {
        self.made += 1;
        let id = RuleId(self.made);
        self.rules.push(RuleInForce { id, rule, seen: 0, fired: 0 });
        id
    }

    pub(super) fn remove(&mut self, id: RuleId) -> bool {
        let before = self.rules.len();
        self.rules.retain(|rule| rule.id != id);
        self.rules.len() < before
    }

    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.rules).len()
    }

    pub(super) fn all(&self) -> &[RuleInForce] {
        &self.rules
    }

    pub(super) fn armed(&self) -> Armed {
        let live = self.rules.iter().filter(|rule| !rule.is_done());
        live.fold(Armed::NOTHING, |armed, rule| armed | rule.rule.occasion.armed())
    }

    /// The first rule that hits decides; those behind it do not see the event.
    pub(super) fn decide(&mut self, happening: Happening, subject: &Subject<'_>) -> Option<Verdict> {
        let mut live = self.rules.iter_mut().filter(|rule| !rule.is_done());
        let hit = live.find_map(|in_force| {
            let is_meant = in_force.rule.occasion.means(happening) && in_force.rule.matcher.matches(subject);
            (is_meant && in_force.meets()).then_some(in_force)
        })?;
        Some(verdict(hit))
    }

    /// A rule's time has come: what it does now, if it does.
    pub(super) fn strike(&mut self, id: RuleId) -> Option<Verdict> {
        let in_force = self.rules.iter_mut().find(|rule| rule.id == id && !rule.is_done())?;
        in_force.meets().then(|| verdict(in_force))
    }

    /// The rules that say what is always so, for this subject: the first of each kind.
    pub(super) fn states(&self, subject: &Subject<'_>) -> Vec<Verdict> {
        let is_meant = |rule: &&RuleInForce| {
            matches!(rule.rule.occasion, Occasion::Always) && rule.rule.matcher.matches(subject)
        };
        self.rules.iter().filter(is_meant).map(verdict).collect()
    }
}

fn verdict(rule: &RuleInForce) -> Verdict {
    Verdict { id: rule.id, rule: rule.rule.text(), action: rule.rule.action.clone() }
}

/// Chance, the same for the same seed: `SplitMix64` (Steele, Lea and Flood, 2014).
const fn mixed(seed: u64, count: u64) -> u64 {
    let z = seed.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
