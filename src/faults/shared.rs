//! The rules of a virtual host, as all its connections share them.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::armed::Armed;
use super::rule::Rule;
use super::subject::{Happening, Subject};
use super::table::{RuleId, RuleInForce, Table, Verdict};

/// A rule that hits something.
#[derive(Clone, Copy, Debug)]
pub struct Firing<'a> {
    /// What it does.
    pub verdict: &'a Verdict,
    /// What it hits.
    pub subject: &'a Subject<'a>,
}

type Listener = Box<dyn Fn(Firing<'_>) + Send + Sync>;

/// The rules of a virtual host.
#[derive(Default)]
pub struct Faults {
    armed: AtomicU8,
    table: Mutex<Table>,
    listener: OnceLock<Listener>,
}

impl Faults {
    /// Who is told of each rule that hits, on the spot: must be quick and not block. Only the first call has effect.
    pub fn listen(&self, listener: impl Fn(Firing<'_>) + Send + Sync + 'static) {
        // There is one world for each set of rules, which listens when it is made.
        drop(self.listener.set(Box::new(listener)));
    }

    /// What there are rules for.
    #[inline]
    #[must_use]
    pub fn armed(&self) -> Armed {
        Armed::of_bits(self.armed.load(Ordering::Acquire))
    }

    /// Adds a rule, behind those that are there.
    pub fn add(&self, rule: Rule) -> RuleId {
        self.change(|table| table.add(rule))
    }

    /// Removes a rule; whether it was there.
    pub fn remove(&self, id: RuleId) -> bool {
        self.change(|table| table.remove(id))
    }

    /// Removes all; how many they were.
    pub fn clear(&self) -> usize {
        self.change(Table::clear)
    }

    /// The rules, in the order in which they were made.
    #[must_use]
    pub fn all(&self) -> Vec<RuleInForce> {
        self.table().all().to_vec()
    }

    /// The rule of this number.
    #[must_use]
    pub fn get(&self, id: RuleId) -> Option<RuleInForce> {
        self.table().all().iter().find(|rule| rule.id == id).cloned()
    }

    /// What is to be done when this happens, if anything.
    #[must_use]
    pub fn decide(&self, happening: Happening, subject: &Subject<'_>) -> Option<Verdict> {
        let verdict = self.change(|table| table.decide(happening, subject))?;
        self.tell(&verdict, subject);
        Some(verdict)
    }

    /// What a rule does now that its time has come.
    #[must_use]
    pub fn strike(&self, id: RuleId) -> Option<Verdict> {
        let verdict = self.change(|table| table.strike(id))?;
        self.tell(&verdict, &Subject::default());
        Some(verdict)
    }

    /// What is always so for this subject.
    #[must_use]
    pub fn states(&self, subject: &Subject<'_>) -> Vec<Verdict> {
        self.table().states(subject)
    }

    /// A rule of what is always so has begun to be so for this subject.
    pub fn began(&self, verdict: &Verdict, subject: &Subject<'_>) {
        if self.change(|table| table.strike(verdict.id)).is_some() {
            self.tell(verdict, subject);
        }
    }

    fn tell(&self, verdict: &Verdict, subject: &Subject<'_>) {
        if let Some(listener) = self.listener.get() {
            listener(Firing { verdict, subject });
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let mut table = self.table();
        let outcome = change(&mut table);
        self.armed.store(table.armed().bits(), Ordering::Release);
        outcome
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("table", &self.table()).finish_non_exhaustive()
    }
}
