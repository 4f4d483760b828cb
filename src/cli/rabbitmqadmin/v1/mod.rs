//! The syntax of RabbitMQ's Python program: `rabbitmqadmin [options] declare queue name=q`.

mod completion;
mod help;
mod list;
mod options;
mod python_json;
mod request;
mod resources;
mod verbs;

use std::env;
use std::process::ExitCode;

use self::options::Options;
use self::verbs::Command;
use super::super::client::ClientError;
use super::super::out::say;
use super::failure::Failure;
use super::session::Session;

/// Whether this is a verb, or the word `help`.
pub fn has_verb(word: &str) -> bool {
    word == "help" || verbs::VERBS.contains(&word)
}

/// Whether a verb can be applied to what this word names; a verb that takes `name=value` at once to any such word.
pub fn has_command(verb: &str, word: &str) -> bool {
    let object = |objects: &[resources::Object]| objects.iter().any(|object| object.name == word);
    match verb {
        "list" => resources::LISTABLE.iter().any(|kind| kind.name == word),
        "show" => resources::SHOWABLE.iter().any(|kind| kind.name == word),
        "declare" => object(resources::DECLARABLE),
        "delete" => object(resources::DELETABLE),
        "close" => object(resources::CLOSABLE),
        "purge" => object(resources::PURGABLE),
        "publish" | "get" => word.is_empty() || word.contains('='),
        _ => true,
    }
}

/// Whether there is a long option of exactly this name.
pub fn is_option(name: &str) -> bool {
    options::FLAGS.iter().any(|flag| flag.long == name)
}

/// Whether a long option, which may be shortened, has a value.
pub fn takes_value(name: &str) -> bool {
    options::long_flag(name).is_ok_and(|flag| flag.value.is_some())
}

/// Does what a command line says.
pub fn run(arguments: &[String]) -> ExitCode {
    match attempt(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprint!("{}", explain(&failure));
            ExitCode::from(if matches!(failure, Failure::Option(_)) { 2 } else { 1 })
        }
    }
}

fn attempt(arguments: &[String]) -> Result<(), Failure> {
    let (mut options, words) = Options::parse(arguments)?;
    if let Some(text) = told(&options, &words)? {
        return Ok(say(&text)?);
    }
    options.read_config(|name| env::var(name).ok())?;
    let (verb, words) =
        words.split_first().ok_or_else(|| Failure::Usage("Action not specified".to_owned()))?;
    let session = Session::new(options.reach()?)?;
    Command { options: &options, session, words }.run(verb)
}

/// What needs no broker.
fn told(options: &Options, words: &[String]) -> Result<Option<String>, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(Some(match words.as_slice() {
        _ if options.is_on("help") => help::options(),
        _ if options.is_on("version") => format!("rabbitmqadmin {}\n", env!("CARGO_PKG_VERSION")),
        _ if options.is_on("bash_completion") => completion::bash(),
        ["help"] => help::options(),
        ["help", "subcommands"] => help::subcommands(),
        ["help", "config"] => help::config(),
        ["help", ..] => {
            return Err(Failure::Usage(
                "help topic must be one of:\n  subcommands\n  config\n  commands".to_owned(),
            ));
        }
        _ => return Ok(None),
    }))
}

/// As the Python program says it.
fn explain(failure: &Failure) -> String {
    match failure {
        Failure::Usage(text) => format!("\nERROR: {text}\n\nrabbitmqadmin --help for help\n\n"),
        Failure::Option(text) => format!("{}\nrabbitmqadmin: error: {text}\n", help::usage()),
        Failure::Client(error) => format!("*** {}\n\n", said(error)),
        other => format!("*** {other}\n\n"),
    }
}

fn said(error: &ClientError) -> String {
    match error {
        ClientError::Refused(refusal) if refusal.status == 401 => format!("Access refused: {}", refusal.path),
        ClientError::Refused(refusal) if refusal.status == 404 => format!("Not found: {}", refusal.path),
        ClientError::Refused(refusal) if refusal.status == 405 => {
            format!("Method not allowed: {}", refusal.reason)
        }
        ClientError::Refused(refusal) if refusal.status > 400 => {
            format!("Received response {} for path {}\n{}", refusal.status, refusal.path, refusal.reason)
        }
        ClientError::Refused(refusal) => refusal.reason.clone(),
        ClientError::Unreachable { target, source } => {
            let number = source.raw_os_error().map(|number| format!("[Errno {number}] ")).unwrap_or_default();
            let hint = match source.raw_os_error() {
                None if target.starts_with("https") => {
                    "--ssl-ca-cert-file names the authority to trust, --ssl-insecure trusts anybody"
                }
                _ => "is a broker running there? --host and --port, or --node, name another",
            };
            format!("Could not connect: {number}{source}\n({target}: {hint})")
        }
        ClientError::Late { seconds, .. } => {
            format!("Timed out getting HTTP response (request timeout: {seconds} seconds)")
        }
        other => other.to_string(),
    }
}
