//! What clients of a virtual host did that other brokers do not do alike: each thing once, with how often it was done.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::persona::{Call, Outcome, Persona, Refused, Rule, Shown};

/// How many things are kept of a virtual host; those that come later are left out.
pub const FINDINGS_MAX: usize = 500;
/// How much is kept of the name of a client, in bytes.
const NAME_BYTES_MAX: usize = 120;

/// A finding as the API and the file of findings show it, as far as it is about one broker.
#[derive(Debug, Serialize)]
pub struct LintEntry {
    rule: &'static str,
    #[serde(rename = "where")]
    place: String,
    vhost: String,
    /// The broker; none for what no broker does well.
    target: Option<&'static str>,
    count: u64,
    outcome: String,
    text: String,
    fix: String,
}

/// Something that was done.
#[derive(Clone, Debug)]
pub struct LintFinding {
    /// The rule that it falls under.
    pub rule: &'static Rule,
    /// What it is about: `queue 'tmp'`.
    pub subject: String,
    /// Who did it: `declared by app 'billing'`.
    pub by: String,
    /// How often.
    pub count: u64,
    /// What to do instead.
    pub fix: String,
    /// The argument or the like that is to blame; empty if it is the call as such.
    found: String,
    /// How each of [`Persona::OTHERS`] refuses it, if it does.
    refused: [Option<Refused>; Persona::OTHERS.len()],
}

/// What becomes of it somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LintVerdict {
    /// On which broker; `None`: on every.
    pub target: Option<Persona>,
    /// In a few words: `refused 541 INTERNAL_ERROR`, `ignored`, `differs`, `smell`.
    pub outcome: String,
    /// What exactly.
    pub text: String,
}

impl LintFinding {
    /// Something that was done once, for whoever looks for it.
    #[must_use]
    pub fn new(shown: Shown, call: &Call<'_>, by: String) -> Self {
        let Shown { rule, found } = shown;
        let refused = Persona::OTHERS.map(|persona| rule.refused(persona, call, &found));
        let fix = rule.fix_for(call, &found);
        Self { rule, subject: call.to_string(), by, count: 1, fix, found, refused }
    }

    /// What becomes of it there, if that is not what Coney does.
    #[must_use]
    pub fn verdict(&self, target: Persona) -> Option<LintVerdict> {
        let (outcome, text) = match self.rule.outcome(target) {
            Outcome::Same => return None,
            Outcome::Ignored => {
                let what = if self.found.is_empty() { "it" } else { &self.found };
                ("ignored".to_owned(), format!("{what} is not looked at"))
            }
            Outcome::Differs(text) => ("differs".to_owned(), text.to_owned()),
            Outcome::Refused(_) => {
                let Refused { code, text, .. } = self.refused.get(target.column()?)?.as_ref()?;
                (format!("refused {} {}", *code as u16, code.name()), text.clone())
            }
        };
        Some(LintVerdict { target: Some(target), outcome, text })
    }

    /// What becomes of it on all brokers, those left out that do what Coney does.
    #[must_use]
    pub fn verdicts(&self) -> Vec<LintVerdict> {
        if let Some(text) = self.rule.smell() {
            let (outcome, text) = ("smell".to_owned(), text.to_owned());
            return vec![LintVerdict { target: None, outcome, text }];
        }
        Persona::OTHERS.into_iter().filter_map(|target| self.verdict(target)).collect()
    }

    /// It in a virtual host, with what becomes of it on that broker, or on each.
    pub fn entries(self, vhost: &str, target: Option<Persona>) -> impl Iterator<Item = LintEntry> {
        let verdicts = match target {
            Some(target) => self.verdict(target).into_iter().collect(),
            None => self.verdicts(),
        };
        verdicts.into_iter().map(move |LintVerdict { target, outcome, text }| LintEntry {
            rule: self.rule.id,
            place: format!("{} ({})", self.subject, self.by),
            vhost: vhost.to_owned(),
            target: target.map(Persona::name),
            count: self.count,
            outcome,
            text,
            fix: self.fix.clone(),
        })
    }

    /// Appends it to a file, a line for each broker that does it otherwise.
    ///
    /// # Errors
    /// The file cannot be written to.
    pub(super) fn append_to(self, path: &Path, vhost: &str) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in self.entries(vhost, None) {
            serde_json::to_writer(&mut lines, &entry)?;
            lines.push(b'\n');
        }
        OpenOptions::new().create(true).append(true).open(path)?.write_all(&lines)
    }

    fn is_like(&self, rule: &Rule, subject: &str, by: &str) -> bool {
        self.rule.id == rule.id && self.subject == subject && self.by == by
    }
}

/// What was found in a virtual host.
#[derive(Debug, Default)]
pub struct Lint {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    findings: Vec<LintFinding>,
    /// What was not done often enough yet to be told of; who comes first goes first.
    seldom: VecDeque<LintFinding>,
}

impl Lint {
    /// Notes that it was done so often more; gives it if that is to be told of for the first time.
    pub(super) fn note(&self, shown: Shown, call: &Call<'_>, by: &str, times: u64) -> Option<LintFinding> {
        let (subject, by) = (call.to_string(), beginning(by));
        let mut kept = self.kept();
        let Kept { findings, seldom } = &mut *kept;
        if let Some(known) = findings.iter_mut().find(|finding| finding.is_like(shown.rule, &subject, by)) {
            known.count += times;
            return None;
        }
        let place = seldom.iter().position(|finding| finding.is_like(shown.rule, &subject, by));
        let mut finding = match place.and_then(|place| seldom.remove(place)) {
            Some(known) => known,
            None => LintFinding { count: 0, ..LintFinding::new(shown, call, by.to_owned()) },
        };
        finding.count += times;
        if finding.count < finding.rule.least() {
            if seldom.len() >= FINDINGS_MAX {
                seldom.pop_front();
            }
            seldom.push_back(finding);
            return None;
        }
        if findings.len() >= FINDINGS_MAX {
            return None;
        }
        findings.push(finding.clone());
        Some(finding)
    }

    /// All that was found, in the order in which it was.
    #[must_use]
    pub fn findings(&self) -> Vec<LintFinding> {
        self.kept().findings.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn beginning(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use amq_protocol::types::FieldTable;

    use super::*;
    use crate::persona::{Place, QueueCall, QueueKind, findings};

    fn note(lint: &Lint, queue: &str, by: &str) -> usize {
        let arguments = FieldTable::default();
        let call = Call::Queue(QueueCall {
            place: Place { name: queue, vhost: "/" },
            kind: QueueKind::Classic,
            durable: false,
            exclusive: false,
            auto_delete: false,
            server_named: false,
            arguments: &arguments,
        });
        findings(&call).filter_map(|shown| lint.note(shown, &call, by, 1)).count()
    }

    #[test]
    fn a_thing_is_there_once_with_how_often_it_was_done() {
        let lint = Lint::default();
        let new = [("q", "app 'a'"), ("q", "app 'a'"), ("q", "app 'b'"), ("p", "app 'a'")];
        let firsts: Vec<usize> = new.into_iter().map(|(queue, by)| note(&lint, queue, by)).collect();
        assert_eq!(firsts, [1, 0, 1, 1]);
        let counts: Vec<u64> = lint.findings().iter().map(|finding| finding.count).collect();
        assert_eq!(counts, [2, 1, 1]);
        let verdicts = lint.findings()[0].verdicts();
        assert_eq!(verdicts.len(), 1);
        assert_eq!(verdicts[0].target, Some(Persona::RabbitMq43));
        assert_eq!(verdicts[0].outcome, "refused 541 INTERNAL_ERROR");
    }

    #[test]
    fn a_habit_is_told_of_when_it_is_one_and_those_that_are_none_are_forgotten() {
        let lint = Lint::default();
        let find = |queue: &str, times| {
            let call = Call::Find(Place { name: queue, vhost: "/" });
            findings(&call).filter_map(|shown| lint.note(shown, &call, "app 'a'", times)).count()
        };
        assert_eq!((find("q", 99), lint.findings().len()), (0, 0));
        assert_eq!((find("q", 1), lint.findings().len()), (1, 1));
        assert_eq!((find("q", 1), lint.findings()[0].count), (0, 101));
        assert_eq!(lint.findings()[0].verdicts()[0].outcome, "smell");
        find("r", 99);
        (0..FINDINGS_MAX).for_each(|number| assert_eq!(find(&number.to_string(), 1), 0));
        assert_eq!(find("r", 99), 0, "it was forgotten");
        assert_eq!(find("r", 1), 1);
    }

    #[test]
    fn there_are_only_so_many_and_names_are_cut() {
        let lint = Lint::default();
        for number in 0..FINDINGS_MAX + 10 {
            note(&lint, &number.to_string(), &"é".repeat(100));
        }
        let findings = lint.findings();
        assert_eq!(findings.len(), FINDINGS_MAX);
        assert!(findings.iter().all(|finding| finding.by.len() == NAME_BYTES_MAX));
        note(&lint, "0", &"é".repeat(100));
        assert_eq!(lint.findings()[0].count, 2, "what is known is counted on");
    }
}
