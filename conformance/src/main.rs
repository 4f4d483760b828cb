//! The command line of the suite.

use std::io::Write;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use conformance::case::{Case, Stop};
use conformance::deviations::{self, Deviations};
use conformance::differential::judge::{self, Pair, Verdict as Judgement};
use conformance::differential::known::Known;
use conformance::differential::{report as differences, text};
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
    /// host:port of the management API, for cases about users; as RabbitMQ has it, 10,000 ports further, if it is not given.
    #[arg(long, value_name = "ADDR")]
    management: Option<String>,
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
    /// Cases, or programs, at a time.
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
    /// Run random programs on these two brokers and compare what their clients observe.
    #[arg(long, num_args = 2, value_names = ["URL_A", "URL_B"])]
    differential: Option<Vec<String>>,
    /// The seeds of the programs: `1..500` has both ends.
    #[arg(long, default_value = "1..100", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// Operations of a program.
    #[arg(long, default_value_t = 150)]
    operations: usize,
    /// Run the program in this file instead of random ones.
    #[arg(long, value_name = "FILE")]
    program: Option<std::path::PathBuf>,
    /// Print the programs of the seeds, and run none.
    #[arg(long)]
    print: bool,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| text.trim_start_matches('=').parse::<u64>().map_err(|error| error.to_string());
    Ok(number(first)?..=number(last)?)
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
    if let Some([left, right]) = arguments.differential.as_deref() {
        return differential(arguments, left, right).await;
    }
    let wanted = |case: &Case| {
        arguments.filter.is_empty() || arguments.filter.iter().any(|part| case.id.contains(part.as_str()))
    };
    let cases: Vec<Case> = conformance::cases::all().filter(wanted).collect();
    if arguments.list {
        return print(&list(&cases)).map(|()| true);
    }
    let target = Target::parse(&arguments.url, Duration::from_secs(arguments.patience))?;
    let target = Arc::new(match &arguments.management {
        Some(address) => target.managed_at(address.clone()),
        None => target,
    });
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
    let broker = identify(target).await?;
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

async fn differential(arguments: &Arguments, left: &str, right: &str) -> Result<bool, String> {
    if arguments.print {
        let programs = arguments
            .seeds
            .clone()
            .map(|seed| conformance::differential::generator::program(seed, arguments.operations));
        return print(&programs.map(|program| program.to_string()).collect::<Vec<_>>().join("\n"))
            .map(|()| true);
    }
    let patience = Duration::from_secs(arguments.patience);
    let (left, right) = (Target::parse(left, patience)?, Target::parse(right, patience)?);
    let (a, b) = (identify(&left).await?, identify(&right).await?);
    let mut known = if arguments.strict { Known::default() } else { Known::listed(&a, &b)? };
    if let Some(file) = &arguments.deviations {
        known.add(&std::fs::read_to_string(file).map_err(|error| error.to_string())?, &a, &b)?;
    }
    let names = (
        format!("left ({} {} at {})", a.product, a.version, left.address),
        format!("right ({} {} at {})", b.product, b.version, right.address),
    );
    let pair = Arc::new(Pair { left, right, known });
    if let Some(file) = &arguments.program {
        let program = text::parse(&std::fs::read_to_string(file).map_err(|error| error.to_string())?)?;
        return one_program(&pair, &program, &names).await;
    }
    let options = judge::Options {
        seeds: arguments.seeds.clone(),
        operations: arguments.operations,
        jobs: arguments.jobs,
    };
    let verdicts = judge::run(&pair, &options, |seed, verdict| {
        let _ = writeln!(std::io::stderr(), "{} seed {seed}", differences::word(verdict));
        if let Judgement::Different(finding) = verdict
            && !finding.repeated
        {
            let _ = writeln!(
                std::io::stderr(),
                "{}",
                differences::finding(&format!("seed {seed}"), finding, &names.0, &names.1)
            );
        }
    });
    let verdicts = verdicts.await;
    print(&differences::summary(&verdicts, &names.0, &names.1))?;
    Ok(differences::passed(&verdicts))
}

async fn one_program(
    pair: &Pair,
    program: &conformance::differential::program::Program,
    names: &(String, String),
) -> Result<bool, String> {
    let (left, right) = pair.run(program).await;
    for (step, operation) in program.operations.iter().enumerate() {
        print(&operation.to_string())?;
        let nothing = Vec::new();
        let (a, b) = (left.get(step).unwrap_or(&nothing), right.get(step).unwrap_or(&nothing));
        if a == b {
            print(&lines("  ", a))?;
        } else {
            print(&(lines("  left: ", a) + &lines("  right: ", b)))?;
        }
    }
    let verdict = pair.judge(program).await;
    print(&differences::summary(&[(0, verdict.clone())], &names.0, &names.1))?;
    Ok(!matches!(verdict, Judgement::Different(_)))
}

fn lines(beginning: &str, lines: &[String]) -> String {
    lines.iter().map(|line| format!("{beginning}{line}\n")).collect()
}

async fn identify(target: &Target) -> Result<deviations::Identity, String> {
    deviations::identify(target).await.map_err(|stop| match stop {
        Stop::Fail(text) | Stop::Skip(text) => format!("no broker at {}: {text}", target.address),
    })
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
