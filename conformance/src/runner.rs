//! Runs cases, so many at a time, and judges how each ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::case::{Case, Ctx};
use crate::check::Stop;
use crate::deviations::Deviations;
use crate::target::Target;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Pass,
    /// Otherwise: what the broker did.
    Fail(String),
    /// Not applicable, and why.
    Skip(String),
    /// It failed as listed: the reason and what the broker did.
    Deviation(String, String),
    /// It is listed as failing and passed: the reason listed.
    Unexpected(String),
}

/// A case's result.
#[derive(Clone)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// How to run.
pub struct Options {
    /// Cases at a time.
    pub jobs: usize,
    /// How long a case may take.
    pub timeout: Duration,
}

/// Runs them all. `progress` is called as each ends; the outcomes come back in the cases' order.
pub async fn run(
    target: &Arc<Target>,
    cases: &[Case],
    options: &Options,
    deviations: &Deviations,
    mut progress: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let mut waiting = cases.iter().copied().enumerate();
    let mut running = JoinSet::new();
    let mut outcomes = BTreeMap::new();
    loop {
        while running.len() < options.jobs.max(1) {
            let Some((index, case)) = waiting.next() else { break };
            let (target, timeout, listed) =
                (Arc::clone(target), options.timeout, deviations.get(case.id).cloned());
            running.spawn(async move { (index, one(&target, case, timeout, listed.as_ref()).await) });
        }
        let Some(done) = running.join_next().await else { break };
        let Ok((index, outcome)) = done else { continue };
        progress(&outcome);
        outcomes.insert(index, outcome);
    }
    outcomes.into_values().collect()
}

/// Runs one case and cleans up after it. `listed` is why it is known to fail, if it is.
pub async fn one(target: &Arc<Target>, case: Case, timeout: Duration, listed: Option<&String>) -> Outcome {
    let ctx = Ctx::new(Arc::clone(target), unique_prefix());
    let started = now();
    let task = tokio::spawn((case.run)(ctx.clone()));
    let abort = task.abort_handle();
    let result = match tokio::time::timeout(timeout, task).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(Stop::Fail(panic.to_string())),
        Err(_) => {
            abort.abort();
            Err(Stop::Fail(format!("not done in {} s", timeout.as_secs())))
        }
    };
    let took = now().saturating_duration_since(started);
    // A broker that hangs must not hang the suite.
    let _ = tokio::time::timeout(timeout, ctx.clean_up()).await;
    Outcome { case, verdict: judge(result, listed), took }
}

fn judge(result: Result<(), Stop>, listed: Option<&String>) -> Verdict {
    match (result, listed) {
        (Ok(()), None) => Verdict::Pass,
        (Ok(()), Some(reason)) => Verdict::Unexpected(reason.clone()),
        (Err(Stop::Skip(reason)), _) => Verdict::Skip(reason),
        (Err(Stop::Fail(text)), None) => Verdict::Fail(text),
        (Err(Stop::Fail(text)), Some(reason)) => Verdict::Deviation(reason.clone(), text),
    }
}

#[expect(clippy::disallowed_methods, reason = "the suite measures a broker by the real clock")]
fn now() -> Instant {
    Instant::now()
}

/// Begins the names of a case. It differs from case to case and from run to run, so that runs against one broker at
/// the same time do not meet.
#[expect(clippy::disallowed_methods, reason = "only for a name")]
pub(crate) fn unique_prefix() -> String {
    static CASES: AtomicU64 = AtomicU64::new(0);
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let number = CASES.fetch_add(1, Ordering::Relaxed);
    format!("conf-{:x}-{:x}-{number}", since.as_micros(), std::process::id())
}
