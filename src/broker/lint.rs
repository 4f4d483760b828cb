//! What clients of a virtual host did that other brokers do not do alike: each thing once, with how often it was done.

use std::sync::{Mutex, PoisonError};

use crate::persona::{Call, Outcome, Outcomes, Persona, Refused, Rule, Shown};

/// How many things are kept of a virtual host; those that come later are left out.
pub const FINDINGS_MAX: usize = 500;
/// How much is kept of the name of a client, in bytes.
const NAME_BYTES_MAX: usize = 120;

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
        if let Outcomes::Smell(text) = self.rule.outcomes {
            let (outcome, text) = ("smell".to_owned(), text.to_owned());
            return vec![LintVerdict { target: None, outcome, text }];
        }
        Persona::OTHERS.into_iter().filter_map(|target| self.verdict(target)).collect()
    }

    fn is_like(&self, rule: &Rule, subject: &str, by: &str) -> bool {
        self.rule.id == rule.id && self.subject == subject && self.by == by
    }
}

/// What was found in a virtual host.
#[derive(Debug, Default)]
pub struct Lint {
    findings: Mutex<Vec<LintFinding>>,
}

impl Lint {
    /// Notes it; gives it if it is there for the first time.
    pub(super) fn note(&self, shown: Shown, call: &Call<'_>, by: &str) -> Option<LintFinding> {
        let mut findings = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let (subject, by) = (call.to_string(), beginning(by));
        if let Some(known) = findings.iter_mut().find(|finding| finding.is_like(shown.rule, &subject, by)) {
            known.count += 1;
            return None;
        }
        if findings.len() >= FINDINGS_MAX {
            return None;
        }
        let finding = LintFinding::new(shown, call, by.to_owned());
        findings.push(finding.clone());
        Some(finding)
    }

    /// All that was found, in the order in which it was.
    #[must_use]
    pub fn findings(&self) -> Vec<LintFinding> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
        findings(&call).filter_map(|shown| lint.note(shown, &call, by)).count()
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
