//! The syntax of RabbitMQ's Rust program, rabbitmqadmin 2: `rabbitmqadmin queues declare --name q`.

mod columns;
mod commands;
mod parser;
mod run;
mod special;
mod style;
mod work;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ArgMatches;

use self::style::{MODERN, STYLES, Style};
use self::work::{Output, Work};
use super::super::client::{ClientError, Tls};
use super::super::out::say;
use super::base_uri;
use super::config_file::{self, DEFAULT_NODE, Section};
use super::failure::Failure;
use super::session::{Reach, Session};

pub use self::parser::{is_option, takes_value};

/// Seconds that an answer may take.
const ANSWER_WAIT_S: u64 = 60;
/// clap's exit code for a command line that cannot be read.
const COMMAND_LINE: u8 = 2;
/// Exit codes of sysexits.h.
const USAGE: u8 = 64;
const DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;

/// Whether there are commands of this group.
pub fn has_group(group: &str) -> bool {
    commands::groups().contains_key(group)
}

/// Whether there is a command of these two words.
pub fn has_command(group: &str, verb: &str) -> bool {
    commands::find(group, verb).is_some()
}

/// The list of commands.
pub fn help() -> String {
    let mut text = String::from("Commands, each with --help:\n\n");
    for (group, verbs) in commands::groups() {
        for verb in verbs {
            text += &format!("  rabbitmqadmin {group} {verb}\n");
        }
    }
    text
}

/// Does what a command line says.
pub fn run(arguments: &[String]) -> ExitCode {
    let line = std::iter::once("rabbitmqadmin").chain(arguments.iter().map(String::as_str));
    let matches = match parser::parser().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) => {
            // Nowhere is left to say that it cannot be said.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    match attempt(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ended(&failure),
    }
}

fn attempt(matches: &ArgMatches) -> Result<(), Failure> {
    let Some((group, in_group)) = matches.subcommand() else { return Ok(()) };
    let Some((verb, in_verb)) = in_group.subcommand() else { return Ok(()) };
    let Some(command) = commands::find(group, verb) else { return Ok(()) };
    let section = section(matches)?;
    let session = Session::new(reach(matches, &section)?)?;
    let given = parser::given(command, in_verb);
    let from_section = || ["virtual_host", "vhost"].iter().find_map(|key| section.get(*key).cloned());
    let vhost = in_verb.get_one("vhost").cloned().or_else(from_section).unwrap_or_else(|| "/".to_owned());
    let output = Output { style: style(in_verb, &section), is_bare: in_verb.get_flag("non-interactive") };
    run::run(command, &Work { session: &session, given: &given, vhost: &vhost, output: &output })
}

/// What the configuration file says. Only a file that is named has to be there.
fn section(matches: &ArgMatches) -> Result<Section, Failure> {
    let named = matches.get_one::<String>("config").map(PathBuf::from);
    let Some(path) = named.or_else(|| config_file::default_path(|name| env::var(name).ok())) else {
        return Ok(Section::new());
    };
    let node = matches.get_one::<String>("node").map_or(DEFAULT_NODE, String::as_str);
    config_file::read(Path::new(&path), node).map_err(|failure| Failure::Other(failure.to_string()))
}

fn reach(matches: &ArgMatches, section: &Section) -> Result<Reach, Failure> {
    let value = |flag: &str, key: &str| matches.get_one::<String>(flag).or_else(|| section.get(key)).cloned();
    let number = |flag: &str, text: String| -> Result<u64, Failure> {
        text.parse().map_err(|_| Failure::Usage(format!("--{flag} has to be a number, not '{text}'")))
    };
    let mut reach = Reach {
        host: value("host", "hostname"),
        user: value("username", "username"),
        password: value("password", "password"),
        timeout_s: Some(
            value("timeout", "timeout").map_or(Ok(ANSWER_WAIT_S), |text| number("timeout", text))?,
        ),
        ..Reach::default()
    };
    if let Some(text) = value("port", "port") {
        let port = number("port", text.clone())?;
        reach.port =
            Some(u16::try_from(port).map_err(|_| Failure::Usage(format!("--port: {text} is no port")))?);
    }
    if let Some(prefix) = value("path-prefix", "path_prefix") {
        reach.path_prefix = prefix.trim_end_matches('/').trim_end_matches("/api").to_owned();
    }
    let wants = |flag: &str, key: &str, on: &str| {
        matches.get_flag(flag) || section.get(key).is_some_and(|value| value == on)
    };
    let is_https = wants("use-tls", "tls", "true") || wants("use-tls", "scheme", "https");
    reach.tls = is_https.then(Tls::default);
    if let Some(uri) = value("base-uri", "base_uri") {
        base_uri::apply(&uri, &mut reach)?;
    }
    let file = |flag: &str, key: &str| value(flag, key).map(PathBuf::from);
    reach.tls = reach.tls.map(|_| Tls {
        ca_file: file("tls-ca-cert-file", "ca_certificate_bundle_path"),
        cert_file: file("tls-cert-file", "client_certificate_file_path"),
        key_file: file("tls-key-file", "client_private_key_file_path"),
        any_host: matches.get_flag("insecure"),
        any_certificate: matches.get_flag("insecure"),
    });
    Ok(reach)
}

fn style(matches: &ArgMatches, section: &Section) -> &'static Style {
    let name = matches.get_one::<String>("table-style").or_else(|| section.get("table_style"));
    name.and_then(|name| STYLES.iter().find(|style| style.name == *name)).unwrap_or(&MODERN)
}

fn ended(failure: &Failure) -> ExitCode {
    let code = match failure {
        Failure::Usage(_) => USAGE,
        Failure::Option(_) => COMMAND_LINE,
        Failure::Unhealthy(table) => {
            let _ = say(table);
            return ExitCode::from(UNAVAILABLE);
        }
        _ => DATA,
    };
    eprintln!("{}", explain(failure));
    ExitCode::from(code)
}

fn explain(failure: &Failure) -> String {
    match failure {
        Failure::Client(ClientError::Refused(refusal)) if refusal.status == 404 => {
            "API responded with a 404 Not Found".to_owned()
        }
        Failure::Client(ClientError::Refused(refusal)) if refusal.status >= 500 => {
            format!(
                "API responded with a server error: status code of {}\n\n{}",
                refusal.status, refusal.reason
            )
        }
        Failure::Client(ClientError::Refused(refusal)) => refusal.reason.clone(),
        Failure::Client(error @ ClientError::Unreachable { target, source })
            if target.starts_with("https") && source.raw_os_error().is_none() =>
        {
            format!("{error}\n--tls-ca-cert-file names the authority to trust, --insecure trusts anybody.")
        }
        Failure::Client(error @ ClientError::Unreachable { .. }) => {
            format!("{error}\nIs a broker running there? --host and --port, or --node, name another.")
        }
        other => other.to_string(),
    }
}
