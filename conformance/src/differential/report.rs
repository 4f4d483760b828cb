//! What came out, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::judge::{Finding, Verdict};

/// What a program's end is called.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "same",
        Verdict::Known(_) => "known",
        Verdict::Unsteady(_) => "unsteady",
        Verdict::Different(finding) if finding.repeated => "DIFFERENT (again)",
        Verdict::Different(_) => "DIFFERENT",
    }
}

/// A difference with its program, which can be run again as it stands here.
pub fn finding(title: &str, finding: &Finding, left: &str, right: &str) -> String {
    let difference = &finding.difference;
    let mut text = format!(
        "# {title}: the brokers part after operation {}, {}\n",
        difference.step + 1,
        finding.operation()
    );
    for (name, lines) in [(left, &difference.left), (right, &difference.right)] {
        for line in lines {
            let _ = writeln!(text, "#   {name}: {line}");
        }
        if lines.is_empty() {
            let _ = writeln!(text, "#   {name}: nothing of that");
        }
    }
    let _ = write!(text, "{}", finding.program);
    text
}

/// All differences and a summary.
pub fn summary(verdicts: &[(u64, Verdict)], left: &str, right: &str) -> String {
    let mut text = String::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (seed, verdict) in verdicts {
        *counts.entry(word(verdict)).or_default() += 1;
        match verdict {
            Verdict::Different(found) if !found.repeated => {
                let _ = writeln!(text, "{}", finding(&format!("seed {seed}"), found, left, right));
            }
            Verdict::Known(known) => known.iter().for_each(|reason| *reasons.entry(reason).or_default() += 1),
            _ => {}
        }
    }
    for (reason, count) in reasons {
        let _ = writeln!(text, "known, {count} times: {reason}");
    }
    let counts = counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ");
    let _ = write!(text, "{} programs: {counts}", verdicts.len());
    text
}

/// Whether nothing differs that is not known.
pub fn passed(verdicts: &[(u64, Verdict)]) -> bool {
    !verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Different(_)))
}
