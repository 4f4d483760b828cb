//! Differences that are known, with their reasons.
//!
//! A file is JSON: `left` and `right`, who the brokers may be (each a list of `product`, a beginning of `version`, `platform`; all
//! optional), and
//! `differences`, each with `operation` (a pattern of its line), `left` and `right` (patterns of the lines that only that side
//! saw; every line needs one, and every pattern a line), `reason`, and `goes_on`: whether the brokers are in the same state
//! afterwards, so that the rest of the program still counts. `given`, if there, is a pattern that this operation or an earlier
//! one has to fit; `seen`, a pattern that a line of both has to fit; and `may` has patterns of lines that either side may have seen besides. In a pattern `*` stands for anything,
//! and `$q` for a name that is the same in all patterns of the rule. With `other_consumers` the same messages have to have come,
//! but to other consumers. `headers` has names of message headers that only one of the
//! two sets, each with the reason: they are not compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::comparison::Difference;
use super::values::Scanner;
use crate::deviations::Identity;

/// The files that come with the suite.
const FILES: &[&str] = &[
    include_str!("../../differences/coney-rabbitmq.json"),
    include_str!("../../differences/rabbitmq-3-4.json"),
];

/// What is known about two brokers.
#[derive(Clone, Debug, Default)]
pub struct Known {
    rules: Vec<Rule>,
    headers: Vec<String>,
}

/// One known difference.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    operation: String,
    given: Option<String>,
    seen: Option<String>,
    #[serde(default)]
    left: Vec<String>,
    #[serde(default)]
    right: Vec<String>,
    #[serde(default)]
    may: Vec<String>,
    #[serde(default)]
    other_consumers: bool,
    /// Why they differ.
    pub reason: String,
    /// Whether the rest of the program can be compared.
    #[serde(default)]
    pub goes_on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    left: Vec<Broker>,
    right: Vec<Broker>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    differences: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Broker {
    #[serde(default)]
    product: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    platform: String,
}

impl Broker {
    fn is(&self, broker: &Identity) -> bool {
        broker.product.starts_with(&self.product)
            && broker.version.starts_with(&self.version)
            && broker.platform.starts_with(&self.platform)
    }
}

impl Known {
    /// What the suite's own files say about these two.
    ///
    /// # Errors
    /// A file that is not what the module says.
    pub fn listed(left: &Identity, right: &Identity) -> Result<Self, String> {
        let mut known = Self::default();
        for file in FILES {
            known.add(file, left, right)?;
        }
        Ok(known)
    }

    /// Adds what a file's text says about these two, whichever stands on which side.
    ///
    /// # Errors
    /// A text that is not what the module says.
    pub fn add(&mut self, text: &str, left: &Identity, right: &Identity) -> Result<(), String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let any = |brokers: &[Broker], broker: &Identity| brokers.iter().any(|of| of.is(broker));
        let straight = any(&file.left, left) && any(&file.right, right);
        let turned = any(&file.left, right) && any(&file.right, left);
        if straight || turned {
            self.headers.extend(file.headers.into_keys());
        }
        if straight {
            self.rules.extend(file.differences.iter().cloned());
        }
        if turned {
            let turn = |rule: Rule| Rule { left: rule.right, right: rule.left, ..rule };
            self.rules.extend(file.differences.into_iter().map(turn));
        }
        Ok(())
    }

    /// A line without the headers that are not compared.
    pub fn comparable(&self, line: &str) -> String {
        self.headers.iter().fold(line.to_owned(), |line, name| without_header(&line, name))
    }

    /// The rule that explains a difference, which came after the last of these operations; `seen` is all that one of the
    /// brokers showed after it.
    pub fn explains(&self, operations: &[String], seen: &[String], difference: &Difference) -> Option<&Rule> {
        self.rules.iter().find(|rule| {
            let has_seen = |pattern: &String| seen.iter().any(|line| fits(pattern, line));
            rule.seen.as_ref().is_none_or(has_seen) && rule.explains(operations, difference)
        })
    }
}

impl Rule {
    fn explains(&self, operations: &[String], difference: &Difference) -> bool {
        let names: BTreeSet<&str> = match self.given {
            Some(_) => operations.iter().flat_map(|operation| operation.split(' ')).collect(),
            None => BTreeSet::from([""]),
        };
        names.into_iter().any(|name| self.explains_with(name, operations, difference))
    }

    fn explains_with(&self, name: &str, operations: &[String], difference: &Difference) -> bool {
        let named = |pattern: &str| pattern.replace("$q", name);
        let all_named =
            |patterns: &[String]| patterns.iter().map(|pattern| named(pattern)).collect::<Vec<_>>();
        let may = all_named(&self.may);
        operations.last().is_some_and(|operation| fits(&named(&self.operation), operation))
            && self.given.as_ref().is_none_or(|given| operations.iter().any(|line| fits(&named(given), line)))
            && if self.other_consumers {
                !difference.left.is_empty()
                    && without_consumers(&difference.left) == without_consumers(&difference.right)
            } else {
                all_fit(&all_named(&self.left), &may, &difference.left)
                    && all_fit(&all_named(&self.right), &may, &difference.right)
            }
    }
}

/// A line without a header, whatever its value.
fn without_header(line: &str, name: &str) -> String {
    let Some((before, after)) = line.split_once(&format!("{name}=")) else { return line.to_owned() };
    let mut value = Scanner::new(after);
    if !before.ends_with([' ', '{']) || value.value().is_err() {
        return line.to_owned();
    }
    value.accept(",");
    let (before, rest) = (before.strip_suffix(' ').unwrap_or(before), value.rest());
    let before = if rest.starts_with('}') { before.trim_end_matches(',') } else { before };
    let space = if before.ends_with(',') { " " } else { "" };
    format!("{before}{space}{rest}")
}

/// Deliveries without the channels and consumers that got them, sorted.
fn without_consumers(lines: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| without_consumer(line)).collect();
    lines.sort();
    lines
}

/// `A1 t7 < q1: m` without `A1 t7`.
fn without_consumer(line: &str) -> String {
    match line.splitn(4, ' ').collect::<Vec<_>>()[..] {
        [_, _, "<", rest] => rest.to_owned(),
        _ => line.to_owned(),
    }
}

/// Whether every line has a pattern and every pattern a line, but those that only may be there.
fn all_fit(patterns: &[String], may: &[String], lines: &[String]) -> bool {
    lines.iter().all(|line| patterns.iter().chain(may).any(|pattern| fits(pattern, line)))
        && patterns.iter().all(|pattern| lines.iter().any(|line| fits(pattern, line)))
}

/// Whether a text is what a pattern says.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((beginning, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(beginning) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"left": [{"platform": "Rust"}], "right": [{"version": "4.0"}], "differences": [
        {"operation": "* queue.declare *", "left": ["* declared *"], "right": ["* closed: 406 *"], "reason": "why"}]}"#;

    fn broker(version: &str, platform: &str) -> Identity {
        let (version, platform) = (version.into(), platform.into());
        Identity { product: "RabbitMQ".into(), version, platform, ..Identity::default() }
    }

    #[test]
    fn patterns() {
        for (pattern, text) in
            [("a", "a"), ("*", ""), ("a*c", "abc"), ("a*b*c", "axbyc"), ("*a", "ba"), ("a**", "a")]
        {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "ab"), ("a*a", "a"), ("*b*", "ac")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    /// It answers as 4.0 does, whatever version it announces.
    #[test]
    fn coney_is_on_the_side_of_the_new_ones() {
        for version in ["3.13.7", "4.0.5"] {
            let known = Known::listed(&broker(version, "Rust"), &broker("3.10.8", "Erlang/OTP")).unwrap();
            let line = "m1 x-last-death-queue=S:\"q\"";
            assert_ne!(known.comparable(line), line, "{version}");
        }
    }

    #[test]
    fn headers_go_with_their_values() {
        let line = |headers: &str| format!("A1 m from \"\" q headers={{{headers}}} x");
        for (headers, rest) in [
            ("a=I:1, last=S:\"x, y}\", z=V:", "a=I:1, z=V:"),
            ("last=F:{k=I:1}, z=V:", "z=V:"),
            ("a=I:1, last=I:1", "a=I:1"),
            ("last=I:1", ""),
            ("other-last=I:1", "other-last=I:1"),
        ] {
            assert_eq!(
                without_header(&line(headers), "last").replace("} x", "}x"),
                line(rest).replace("} x", "}x")
            );
        }
    }

    #[test]
    fn every_file_can_be_read() {
        let broker = broker("4.0.5", "Rust");
        assert!(Known::listed(&broker, &broker).is_ok());
    }

    #[test]
    fn a_rule_is_for_its_brokers_either_way_round_and_for_its_lines() {
        let (coney, rabbit) = (broker("4.0.5", "Rust"), broker("4.0.5", "Erlang/OTP"));
        let (yes, no) = (vec!["A1 declared q1".to_owned()], vec!["A1 channel closed: 406 x".to_owned()]);
        let difference = Difference { step: 0, left: yes.clone(), right: no.clone() };
        let turned = Difference { step: 0, left: no.clone(), right: yes };
        let known = |left: &Identity, right: &Identity| {
            let mut known = Known::default();
            known.add(FILE, left, right).unwrap();
            known
        };
        let rule = &["A1 queue.declare q1".to_owned()];
        assert!(known(&coney, &rabbit).explains(rule, &[], &difference).is_some());
        assert!(known(&rabbit, &coney).explains(rule, &[], &turned).is_some());
        assert!(known(&rabbit, &coney).explains(rule, &[], &difference).is_none());
        assert!(known(&coney, &broker("3.10.8", "Erlang/OTP")).explains(rule, &[], &difference).is_none());
        assert!(
            known(&coney, &rabbit).explains(&["A1 queue.delete q1".to_owned()], &[], &difference).is_none()
        );
        let more = Difference { step: 0, left: vec![], right: no };
        assert!(known(&coney, &rabbit).explains(rule, &[], &more).is_none());
    }
    #[test]
    fn a_rule_can_ask_for_what_came_before_and_binds_its_name() {
        const FILE: &str = r#"{"left": [{}], "right": [{}], "differences": [{"operation": "* basic.nack *", "given": "* queue.declare $q *x-max-length=*",
            "left": ["* < $q: *"], "right": [], "may": ["~$q *"], "reason": "why"}]}"#;
        let either = broker("4.0.5", "Rust");
        let mut known = Known::default();
        known.add(FILE, &either, &either).unwrap();
        let explains = |operations: &[&str], left: &[&str], right: &[&str]| {
            let texts = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
            let difference = Difference { step: 0, left: texts(left), right: texts(right) };
            known.explains(&texts(operations), &[], &difference).is_some()
        };
        let program = ["A1 queue.declare q1 x-max-length=I:1", "A1 queue.declare q2", "A1 basic.nack q1 0"];
        assert!(explains(&program, &["A1 t < q1: m0"], &[]));
        assert!(explains(&program, &["A1 t < q1: m0", "~q1 0 ready"], &["~q1 1 ready"]));
        assert!(!explains(&program, &["A1 t < q1: m0"], &["~q2 1 ready"]));
        assert!(!explains(&program, &["A1 t < q2: m0"], &[]));
        assert!(!explains(&program, &["~q1 0 ready"], &["~q1 1 ready"]));
        assert!(!explains(&program[1..], &["A1 t < q1: m0"], &[]));
        assert!(!explains(&program[..2], &["A1 t < q1: m0"], &[]));
    }

    #[test]
    fn other_consumers() {
        const FILE: &str = r#"{"left": [{}], "right": [{}], "differences": [
            {"operation": "* basic.recover *", "other_consumers": true, "reason": "why"}]}"#;
        let either = broker("4.0.5", "Rust");
        let mut known = Known::default();
        known.add(FILE, &either, &either).unwrap();
        let explains = |left: &[&str], right: &[&str]| {
            let texts = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
            let difference = Difference { step: 0, left: texts(left), right: texts(right) };
            known.explains(&["A1 basic.recover requeue".to_owned()], &[], &difference).is_some()
        };
        assert!(explains(&["A1 t1 < q1: a", "A1 t2 < q1: b"], &["A1 t1 < q1: b", "A1 t2 < q1: a"]));
        assert!(!explains(&["A1 t1 < q1: a", "A1 t2 < q1: b"], &["A1 t1 < q1: a"]));
        assert!(explains(&["A1 t1 < q1: a"], &["A2 t1 < q1: a"]));
        assert!(!explains(&["A1 t1 < q1: a"], &["A1 t1 < q1: b"]));
        assert!(!explains(&["~q1 1 ready"], &["~q1 2 ready"]));
        assert!(!explains(&[], &[]));
    }

    #[test]
    fn a_rule_can_ask_for_what_both_saw() {
        const FILE: &str = r#"{"left": [{}], "right": [{}], "differences": [
            {"operation": "*", "seen": "* closed: *", "left": ["a"], "reason": "why"}]}"#;
        let either = broker("4.0.5", "Rust");
        let mut known = Known::default();
        known.add(FILE, &either, &either).unwrap();
        let difference = Difference { step: 0, left: vec!["a".to_owned()], right: Vec::new() };
        let explains =
            |line: &str| known.explains(&["A1 x".to_owned()], &[line.to_owned()], &difference).is_some();
        assert!(explains("A connection closed: 540"));
        assert!(!explains("A1 consuming"));
    }
}
