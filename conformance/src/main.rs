//! The command line of the suite.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use conformance::case::{Case, Stop};
use conformance::deviations::{self, Deviations};
use conformance::report;
use conformance::runner::{self, Options, Outcome, Verdict};
use conformance::target::Target;

/// Runs the AMQP 0-9-1 conformance suite against a broker.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// amqp://user:password@host:port/vhost
    #[arg(default_value = "amqp://guest:guest@127.0.0.1:5672/")]
    url: String,
    /// Only cases whose id contains this. May be given several times.
    #[arg(long)]
    filter: Vec<String>,
    /// Print the cases and what each expects, and run none.
    #[arg(long)]
    list: bool,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    /// Write the results as JUnit XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<std::path::PathBuf>,
    /// Cases at a time.
    #[arg(long, default_value_t = 8)]
    jobs: usize,
    /// Seconds that a case may take.
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Seconds that one answer of the broker may take.
    #[arg(long, default_value_t = 10)]
    patience: u64,
    /// A file of known deviations, besides those that come with the suite.
    #[arg(long, value_name = "FILE")]
    deviations: Option<std::path::PathBuf>,
    /// Count known deviations as failures.
    #[arg(long)]
    strict: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error.to_string()),
    };
    match runtime.block_on(run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(text) => refuse(&text),
    }
}

fn refuse(text: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "conformance: {text}");
    ExitCode::from(2)
}

async fn run(arguments: &Arguments) -> Result<bool, String> {
    let wanted = |case: &Case| {
        arguments.filter.is_empty() || arguments.filter.iter().any(|part| case.id.contains(part.as_str()))
    };
    let cases: Vec<Case> = conformance::cases::all().filter(wanted).collect();
    if arguments.list {
        return print(&list(&cases)).map(|()| true);
    }
    let target = Arc::new(Target::parse(&arguments.url, Duration::from_secs(arguments.patience))?);
    let deviations = known(arguments, &target).await?;
    let options = Options { jobs: arguments.jobs, timeout: Duration::from_secs(arguments.timeout) };
    let mut done = 0;
    let outcomes = runner::run(&target, &cases, &options, &deviations, |outcome| {
        done += 1;
        progress(outcome, done, cases.len());
    });
    let outcomes = outcomes.await;
    if let Some(file) = &arguments.junit {
        std::fs::write(file, report::junit(&outcomes)).map_err(|error| error.to_string())?;
    }
    if arguments.json {
        print(&report::json(&outcomes))?;
    } else {
        print(&format!("{}\n{}", report::table(&outcomes), report::summary(&outcomes)))?;
    }
    Ok(!outcomes.iter().any(|outcome| matches!(outcome.verdict, Verdict::Fail(_)))
        && outcomes.len() == cases.len())
}

async fn known(arguments: &Arguments, target: &Target) -> Result<Deviations, String> {
    let broker = deviations::identify(target).await.map_err(|stop| match stop {
        Stop::Fail(text) | Stop::Skip(text) => format!("no broker at {}: {text}", target.address),
    })?;
    let _ = writeln!(std::io::stderr(), "{} {} at {}", broker.product, broker.version, target.address);
    if arguments.strict {
        return Ok(Deviations::new());
    }
    let mut known = deviations::listed(&broker)?;
    if let Some(file) = &arguments.deviations {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        known.extend(deviations::parse(&text, &broker)?);
    }
    Ok(known)
}

fn list(cases: &[Case]) -> String {
    let line = |case: &Case| {
        format!("{}\n  {}\n  expects: {}\n  {}", case.id, case.title, case.expects, case.reference)
    };
    cases.iter().map(line).chain([format!("{} cases", cases.len())]).collect::<Vec<_>>().join("\n")
}

fn progress(outcome: &Outcome, done: usize, all: usize) {
    let (word, _) = report::words(&outcome.verdict);
    let took = outcome.took.as_millis();
    let _ = writeln!(std::io::stderr(), "[{done}/{all}] {word} {} ({took} ms)", outcome.case.id);
}

fn print(text: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}
