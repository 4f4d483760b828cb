//! Runs programs on two brokers, and says of each whether their clients observed the same.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

use super::comparison::{self, Difference};
use super::generator;
use super::interpreter;
use super::known::Known;
use super::program::Program;
use super::shrink::Shrinker;
use crate::runner::unique_prefix;
use crate::target::Target;

/// How often each broker is asked before a difference counts: what differs from itself promises nothing.
const RUNS: usize = 3;
/// How many programs are tried to make one small.
const TRIES: usize = 400;

/// The two brokers, and what is known about them.
pub struct Pair {
    /// The one.
    pub left: Target,
    /// The other.
    pub right: Target,
    /// Their known differences.
    pub known: Known,
}

/// Which programs to run.
pub struct Options {
    /// A program for each.
    pub seeds: RangeInclusive<u64>,
    /// Operations of a program.
    pub operations: usize,
    /// Programs at a time.
    pub jobs: usize,
}

/// What came out of a program.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Everything was the same.
    Same,
    /// It differs as is known: the reasons.
    Known(Vec<String>),
    /// It differs, but each time otherwise: no run of one broker differs from all runs of the other.
    Unsteady(Difference),
    /// It differs.
    Different(Box<Finding>),
}

/// A difference with the program that shows it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The program, small if it could be made so.
    pub program: Program,
    /// Where they part.
    pub difference: Difference,
    /// Another finding of the same kind was shrunk already; this one was not.
    pub repeated: bool,
}

/// Runs all programs. `progress` is called as each ends, with its seed.
pub async fn run(
    pair: &Arc<Pair>,
    options: &Options,
    mut progress: impl FnMut(u64, &Verdict),
) -> Vec<(u64, Verdict)> {
    let kinds: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let mut seeds = options.seeds.clone();
    let mut running = JoinSet::new();
    let mut verdicts = Vec::new();
    loop {
        while running.len() < options.jobs.max(1) {
            let Some(seed) = seeds.next() else { break };
            let (pair, kinds, operations) = (Arc::clone(pair), Arc::clone(&kinds), options.operations);
            running.spawn(async move {
                let program = generator::program(seed, operations);
                (seed, pair.judge_and_shrink(program, &kinds).await)
            });
        }
        let Some(done) = running.join_next().await else { break };
        let Ok((seed, verdict)) = done else { continue };
        progress(seed, &verdict);
        verdicts.push((seed, verdict));
    }
    verdicts.sort_by_key(|(seed, _)| *seed);
    verdicts
}

/// The observations of one run.
pub type Run = Vec<Vec<String>>;

impl Pair {
    /// Runs a program, as often as it takes to be sure.
    pub async fn judge(&self, program: &Program) -> Verdict {
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        let mut first = None;
        for _ in 0..RUNS {
            let (left, right) = self.run(program).await;
            lefts.push(left);
            rights.push(right);
            let pairs = lefts.iter().flat_map(|left| rights.iter().map(move |right| (left, right)));
            for (left, right) in pairs {
                match (self.compare(program, left, right), &first) {
                    (Ok(reasons), None) if reasons.is_empty() => return Verdict::Same,
                    (Ok(reasons), None) => return Verdict::Known(reasons),
                    (Ok(_), Some(difference)) => return Verdict::Unsteady(Difference::clone(difference)),
                    (Err(difference), None) => first = Some(difference),
                    (Err(_), Some(_)) => {}
                }
            }
        }
        match first {
            Some(difference) => Verdict::Different(Box::new(Finding {
                program: program.clone(),
                difference,
                repeated: false,
            })),
            None => Verdict::Same,
        }
    }

    /// The same, and a difference is made small unless one of its kind was.
    pub async fn judge_and_shrink(&self, program: Program, kinds: &Mutex<BTreeSet<String>>) -> Verdict {
        let mut finding = match self.judge(&program).await {
            Verdict::Different(finding) => finding,
            other => return other,
        };
        let kind = kind(&finding);
        if !kinds.lock().unwrap_or_else(PoisonError::into_inner).insert(kind) {
            finding.repeated = true;
            return Verdict::Different(finding);
        }
        Verdict::Different(Box::new(self.shrink(*finding).await))
    }

    async fn shrink(&self, finding: Finding) -> Finding {
        let mut program = finding.program.clone();
        program.operations.truncate(finding.difference.step + 1);
        let mut shrinker = Shrinker::new(program);
        for _ in 0..TRIES {
            let Some(proposal) = shrinker.proposal() else { break };
            let (left, right) = self.run(&proposal).await;
            let shows = match self.compare(&proposal, &left, &right) {
                Err(difference) => {
                    let found = Finding { program: proposal.clone(), difference, repeated: false };
                    alike(&found, &finding)
                }
                Ok(_) => false,
            };
            shrinker.judge(proposal, shows);
        }
        match self.judge(shrinker.best()).await {
            Verdict::Different(small) => *small,
            _ => finding,
        }
    }

    /// Runs a program on both at once.
    pub async fn run(&self, program: &Program) -> (Run, Run) {
        tokio::join!(
            interpreter::run(&self.left, program, unique_prefix()),
            interpreter::run(&self.right, program, unique_prefix()),
        )
    }

    /// The reasons of the differences that are known, or the first that is not.
    fn compare(&self, program: &Program, left: &Run, right: &Run) -> Result<Vec<String>, Difference> {
        let (left, right) = (&self.comparable(left), &self.comparable(right));
        let (mut reasons, mut start) = (Vec::new(), 0);
        while let Some(difference) = comparison::first(left, right, start) {
            let operations: Vec<String> =
                program.operations.iter().take(difference.step + 1).map(ToString::to_string).collect();
            let seen = left.get(difference.step).map(Vec::as_slice).unwrap_or_default();
            let Some(rule) = self.known.explains(&operations, seen, &difference) else {
                return Err(difference);
            };
            reasons.push(rule.reason.clone());
            if !rule.goes_on {
                break;
            }
            start = difference.step + 1;
        }
        Ok(reasons)
    }

    fn comparable(&self, run: &Run) -> Run {
        run.iter().map(|lines| lines.iter().map(|line| self.known.comparable(line)).collect()).collect()
    }
}

impl Finding {
    /// The operation after which the brokers part.
    pub fn operation(&self) -> String {
        self.program.operations.get(self.difference.step).map(ToString::to_string).unwrap_or_default()
    }
}

/// What findings of one kind have in common: the method, and the lines without names and numbers.
fn kind(finding: &Finding) -> String {
    format!("{} {:?}", method(&finding.operation()), shapes(&finding.difference))
}

/// Whether a smaller program still shows the same: the same method, and a line of the same shape.
fn alike(small: &Finding, finding: &Finding) -> bool {
    method(&small.operation()) == method(&finding.operation())
        && !shapes(&small.difference).is_disjoint(&shapes(&finding.difference))
}

fn method(operation: &str) -> String {
    operation.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn shapes(difference: &Difference) -> BTreeSet<(bool, String)> {
    let shape = |line: &String| {
        line.split(' ').map(letters).filter(|word| word.len() > 1).collect::<Vec<_>>().join(" ")
    };
    let left = difference.left.iter().map(|line| (true, shape(line)));
    left.chain(difference.right.iter().map(|line| (false, shape(line)))).collect()
}

/// A word without digits.
fn letters(word: &str) -> String {
    word.chars().filter(|c| !c.is_ascii_digit()).collect()
}
