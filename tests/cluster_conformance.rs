//! The conformance suite against a cluster: once at the node that leads (`leader::`), once through one that follows (`standby::`), AMQP and
//! management API alike. Names filter as in any other test.
#![cfg(feature = "cluster")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

#[path = "cluster_proxy/nodes.rs"]
#[expect(dead_code, reason = "it is about one shard")]
mod nodes;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use coney::server::Door;
use conformance::case::Case;
use conformance::deviations::{self, Deviations};
use conformance::runner::{self, Verdict};
use conformance::target::Target;
use libtest_mimic::{Arguments, Failed, Trial};
use nodes::{Cluster, Running};
use tokio::runtime::Runtime;

/// Most cases wait for a broker, not for the processor.
const CASES_AT_A_TIME: usize = 8;
/// Far longer than any case takes.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node, and what is expected of it.
struct Subject {
    target: Arc<Target>,
    known: Deviations,
}

impl Subject {
    async fn at(node: &Running) -> anyhow::Result<Self> {
        let target = format!("amqp://guest:guest@{}/", node.at(Door::Amqp));
        let target = Target::parse(&target, PATIENCE).map_err(anyhow::Error::msg)?;
        let target = target.managed_at(node.at(Door::Http).to_string());
        let identity = deviations::identify(&target).await.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        let known = deviations::listed(&identity).map_err(anyhow::Error::msg)?;
        Ok(Self { target: Arc::new(target), known })
    }
}

fn trial(place: &str, case: Case, subject: &Arc<Subject>, runtime: &Arc<Runtime>) -> Trial {
    let (subject, runtime) = (Arc::clone(subject), Arc::clone(runtime));
    Trial::test(format!("{place}::{}", case.id), move || {
        let listed = subject.known.get(case.id);
        let outcome = runtime.block_on(runner::one(&subject.target, case, CASE_LIMIT, listed));
        match outcome.verdict {
            Verdict::Pass | Verdict::Deviation(..) => Ok(()),
            Verdict::Fail(text) => Err(Failed::from(format!("{text}\nexpected: {}", case.expects))),
            Verdict::Skip(reason) => Err(Failed::from(format!("a cluster leaves none out: {reason}"))),
            Verdict::Unexpected(reason) => {
                Err(Failed::from(format!("listed as a deviation, but passes: {reason}")))
            }
        }
    })
}

/// Two nodes, the second of which follows the first.
async fn start() -> anyhow::Result<(Cluster, [Running; 2], [(&'static str, Arc<Subject>); 2])> {
    let cluster = Cluster::new();
    let mut first = cluster.start("a", 0).await;
    first.leads().await;
    let mut second = cluster.start("b", 1).await;
    second.follows("a").await;
    let subjects = [
        ("leader", Arc::new(Subject::at(&first).await?)),
        ("standby", Arc::new(Subject::at(&second).await?)),
    ];
    Ok((cluster, [first, second], subjects))
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(CASES_AT_A_TIME);
    let runtime =
        Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?);
    let (_cluster, _nodes, subjects) = runtime.block_on(start())?;
    let trials = subjects.iter().flat_map(|(place, subject)| {
        conformance::cases::all().map(|case| trial(place, case, subject, &runtime))
    });
    Ok(libtest_mimic::run(&arguments, trials.collect()).exit_code())
}
