//! The conformance suite against Coney, a Rust test for each case: once with everything in memory (`memory::`), once
//! with the store on disk (`disk::`). What brokers do differently is run on a Coney that stands in for each of them, too
//! (`rabbitmq-4.3::` and so on). Names filter as in any other test: `cargo test --test conformance -- basic.qos`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use coney::persona::Persona;
use coney::{Broker, BrokerBuilder, BrokerHandle};
use conformance::case::Case;
use conformance::deviations::{self, Deviations};
use conformance::runner::{self, Verdict};
use conformance::target::Target;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

/// Most cases wait for a broker, not for the processor.
const CASES_AT_A_TIME: usize = 8;
/// Far longer than any case takes.
const CASE_LIMIT: Duration = Duration::from_secs(60);
/// Far longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Cases that need a management API.
const ABOUT_USERS: &str = "topic-permission.";

/// Cases about what brokers do differently.
const ABOUT_PERSONAS: &str = "persona.";

/// A broker that was started for the suite.
struct Subject {
    broker: BrokerHandle,
    target: Arc<Target>,
    known: Deviations,
}

impl Subject {
    async fn start(builder: BrokerBuilder) -> anyhow::Result<Self> {
        let any = "127.0.0.1:0".parse()?;
        let builder = builder.listen(any);
        #[cfg(feature = "management")]
        let builder = builder.http(any);
        let broker = builder.start().await?;
        let address = broker.address().ok_or_else(|| anyhow::anyhow!("not listening"))?;
        let target =
            Target::parse(&format!("amqp://guest:guest@{address}/"), PATIENCE).map_err(anyhow::Error::msg)?;
        #[cfg(feature = "management")]
        let target = match broker.http_addresses() {
            [http, ..] => target.managed_at(http.to_string()),
            [] => target,
        };
        let identity = deviations::identify(&target).await.map_err(|stop| anyhow::anyhow!("{stop:?}"))?;
        let known = deviations::listed(&identity).map_err(anyhow::Error::msg)?;
        Ok(Self { broker, target: Arc::new(target), known })
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
            Verdict::Skip(_) if !cfg!(feature = "management") && case.id.starts_with(ABOUT_USERS) => Ok(()),
            Verdict::Skip(reason) => Err(Failed::from(format!("Coney leaves none out: {reason}"))),
            Verdict::Unexpected(reason) => {
                Err(Failed::from(format!("listed as a deviation, but passes: {reason}")))
            }
        }
    })
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(CASES_AT_A_TIME);
    let runtime =
        Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?);
    let dir = tempfile::tempdir()?;
    let memory = Arc::new(runtime.block_on(Subject::start(Broker::builder().ephemeral()))?);
    let disk = Arc::new(runtime.block_on(Subject::start(Broker::builder().data_dir(dir.path())))?);
    let mut subjects = vec![("memory", memory), ("disk", disk)];
    for persona in Persona::OTHERS {
        let builder = Broker::builder().ephemeral().persona(persona);
        subjects.push((persona.name(), Arc::new(runtime.block_on(Subject::start(builder))?)));
    }
    let trials = subjects.iter().enumerate().flat_map(|(index, (place, subject))| {
        let is_persona = index >= 2;
        let cases =
            conformance::cases::all().filter(move |case| !is_persona || case.id.starts_with(ABOUT_PERSONAS));
        cases.map(|case| trial(place, case, subject, &runtime))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    for (_, subject) in subjects {
        if let Some(subject) = Arc::into_inner(subject) {
            runtime.block_on(subject.broker.shutdown())?;
        }
    }
    Ok(conclusion.exit_code())
}
