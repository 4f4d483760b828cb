//! What came out, for people (a table), for programs (JSON) and for CI (JUnit XML).

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::json;

use crate::runner::{Outcome, Verdict};

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// As they should.
    pub passed: usize,
    /// Otherwise.
    pub failed: usize,
    /// Not applicable.
    pub skipped: usize,
    /// Failed as listed.
    pub deviations: usize,
    /// Passed although listed as failing.
    pub unexpected: usize,
}

impl Tally {
    /// Counts.
    pub fn of<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            *match outcome.verdict {
                Verdict::Pass => &mut tally.passed,
                Verdict::Fail(_) => &mut tally.failed,
                Verdict::Skip(_) => &mut tally.skipped,
                Verdict::Deviation(..) => &mut tally.deviations,
                Verdict::Unexpected(_) => &mut tally.unexpected,
            } += 1;
        }
        tally
    }
}

/// A verdict's word and its text.
pub fn words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Pass => ("pass", String::new()),
        Verdict::Fail(text) => ("FAIL", text.clone()),
        Verdict::Skip(reason) => ("skip", reason.clone()),
        Verdict::Deviation(reason, text) => ("deviation", format!("{reason} [{text}]")),
        Verdict::Unexpected(reason) => ("unexpected pass", format!("listed as: {reason}")),
    }
}

/// The class of a case: its id up to the last dot.
fn class(outcome: &Outcome) -> &str {
    outcome.case.id.rsplit_once('.').map_or(outcome.case.id, |(class, _)| class)
}

/// A table by class and feature, then everything that did not just pass.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut classes: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        classes.entry(class(outcome)).or_default().push(outcome);
    }
    let mut out =
        format!("{:<28} {:>6} {:>6} {:>6} {:>10}\n", "feature", "pass", "fail", "skip", "deviation");
    for (class, outcomes) in classes {
        let tally = Tally::of(outcomes);
        let passed = tally.passed + tally.unexpected;
        let (failed, skipped, deviations) = (tally.failed, tally.skipped, tally.deviations);
        let _ = writeln!(out, "{class:<28} {passed:>6} {failed:>6} {skipped:>6} {deviations:>10}");
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.verdict != Verdict::Pass) {
        let (word, text) = words(&outcome.verdict);
        let _ =
            writeln!(out, "\n{word}: {}\n  expected: {}\n  {text}", outcome.case.id, outcome.case.expects);
    }
    out
}

/// The last line.
pub fn summary(outcomes: &[Outcome]) -> String {
    let Tally { passed, failed, skipped, deviations, unexpected } = Tally::of(outcomes);
    let all = outcomes.len();
    let passed = passed + unexpected;
    format!(
        "{all} cases: {passed} passed ({unexpected} of them listed as failing), {failed} failed, {skipped} skipped, \
         {deviations} known deviations"
    )
}

/// All as JSON.
pub fn json(outcomes: &[Outcome]) -> String {
    let cases = outcomes.iter().map(|outcome| {
        let (word, text) = words(&outcome.verdict);
        let case = outcome.case;
        json!({
            "id": case.id, "title": case.title, "reference": case.reference, "expects": case.expects,
            "result": word.to_lowercase(), "text": text, "took_ms": outcome.took.as_millis() as u64,
        })
    });
    let cases: Vec<_> = cases.collect();
    format!("{:#}", json!({ "summary": summary(outcomes), "cases": cases }))
}

/// All as JUnit XML.
pub fn junit(outcomes: &[Outcome]) -> String {
    let tally = Tally::of(outcomes);
    let (all, failed, skipped) = (outcomes.len(), tally.failed, tally.skipped + tally.deviations);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"conformance\" tests=\"{all}\" failures=\"{failed}\" skipped=\"{skipped}\">\n"
    );
    for outcome in outcomes {
        let (name, took) = (escape(outcome.case.id), outcome.took.as_secs_f64());
        let class = escape(class(outcome));
        let (_, text) = words(&outcome.verdict);
        let inner = match outcome.verdict {
            Verdict::Pass | Verdict::Unexpected(_) => String::new(),
            Verdict::Fail(_) => format!("<failure message=\"{}\"/>", escape(&text)),
            Verdict::Skip(_) | Verdict::Deviation(..) => format!("<skipped message=\"{}\"/>", escape(&text)),
        };
        let _ = writeln!(
            out,
            "  <testcase classname=\"{class}\" name=\"{name}\" time=\"{took:.3}\">{inner}</testcase>"
        );
    }
    out + "</testsuite>\n"
}

fn escape(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    printable.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
