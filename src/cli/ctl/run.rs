//! From the command line to the exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use super::call::Call;
use super::command::Command;
use super::failure::{Failure, USAGE};
use super::options::{COMMON, Options, Parsed, Switch, parse};
use super::output::Form;
use super::program::Program;
use super::{help, table_of_commands};
use crate::cli::out::say;

/// Does what the command line says.
pub fn run(program: Program, arguments: Vec<OsString>) -> ExitCode {
    let words: Result<Vec<String>, OsString> = arguments.into_iter().map(OsString::into_string).collect();
    let done = match words {
        Ok(words) => obey(program, &words),
        Err(word) => {
            let text = format!("{} is not UTF-8 text", word.to_string_lossy());
            Err((Failure::argument(USAGE, text), None))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((failure, where_)) => {
            complain(program, &words_of(where_.as_ref()), &failure, where_.as_ref());
            ExitCode::from(failure.code)
        }
    }
}

/// The command that failed, with its words.
struct Where {
    command: &'static Command,
    words: Vec<String>,
    is_json: bool,
}

fn words_of(failed: Option<&Where>) -> String {
    failed.map(|failed| failed.words.join(" ")).unwrap_or_default()
}

type Done = Result<(), (Failure, Option<Where>)>;

fn obey(program: Program, words: &[String]) -> Done {
    let nowhere = |failure| (failure, None);
    if let Some(prefix) = completion(words) {
        return say(&help::completions(&table_of_commands::of(program), prefix))
            .map_err(|error| nowhere(error.into()));
    }
    // Options of all commands are known here, so that a value is not taken for the command.
    let all: Vec<&[Switch]> =
        std::iter::once(COMMON).chain(table_of_commands::all().map(|command| command.switches)).collect();
    let first = parse(words, &all).arguments.into_iter().next();
    let Some(name) = first else {
        let overview = help::overview(program, &table_of_commands::of(program));
        return Err(nowhere(Failure::plain(USAGE, overview)));
    };
    let Some(command) = table_of_commands::find(program, &name) else {
        return Err(nowhere(help::unknown(program, &name, &table_of_commands::of(program))));
    };
    let parsed = parse(words, &[COMMON, command.switches]);
    let is_json = parsed.options.value("formatter").is_some_and(|form| form.eq_ignore_ascii_case("json"));
    let failed = |failure| (failure, Some(Where { command, words: words.to_vec(), is_json }));
    carry_out(program, command, parsed).map_err(failed)
}

/// What the shell asks for: the commands that begin so.
fn completion(words: &[String]) -> Option<&str> {
    match words {
        [flag, rest @ ..] if flag == "--auto-complete" => {
            Some(rest.last().map(String::as_str).unwrap_or_default())
        }
        _ => None,
    }
}

fn carry_out(program: Program, command: &'static Command, parsed: Parsed) -> Result<(), Failure> {
    if parsed.options.has("help") {
        return Ok(say(&help::of_command(program, command))?);
    }
    let call = check(program, command, parsed)?;
    if call.options.has("dry-run") {
        return Ok(());
    }
    let output = (command.run)(&call)?;
    let with_header = !call.options.has("silent") && !call.options.has("no-table-headers");
    let node = || call.node().unwrap_or_default().to_owned();
    Ok(say(&output.print(call.form, with_header, node))?)
}

/// Arguments and options have to be such as the command takes.
fn check(program: Program, command: &'static Command, parsed: Parsed) -> Result<Call, Failure> {
    let Parsed { options, mut arguments, invalid } = parsed;
    if !invalid.is_empty() {
        let text = format!("Invalid options for this command:\n\n{}", invalid.join("\n"));
        return Err(Failure::argument(USAGE, text));
    }
    arguments.remove(0);
    if arguments.len() < command.least {
        return Err(Failure::argument(USAGE, "not enough arguments."));
    }
    if arguments.len() > command.most {
        return Err(Failure::argument(USAGE, "too many arguments."));
    }
    if !command.columns.is_empty() {
        arguments = columns(command, &arguments)?;
    }
    check_node(&options)?;
    let form = Form::of(options.value("formatter").unwrap_or("table"))?;
    Ok(Call::new(program, options, arguments, form))
}

/// Columns may be separated by commas, too.
fn columns(command: &Command, arguments: &[String]) -> Result<Vec<String>, Failure> {
    let names = arguments.iter().flat_map(|argument| argument.split([',', ' ']));
    let names: Vec<String> = names.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let unknown: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !command.columns.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(names);
    }
    Err(Failure::argument(USAGE, format!("Info key(s) {} are not supported", unknown.join(","))))
}

/// There is one node, whatever it is called; what cannot be a node's name is a mistake.
fn check_node(options: &Options) -> Result<(), Failure> {
    match options.value("node") {
        Some(node)
            if node.is_empty() || node.contains(char::is_whitespace) || node.matches('@').count() > 1 =>
        {
            Err(Failure::argument(USAGE, format!("{node:?} cannot be a node's name")))
        }
        _ => Ok(()),
    }
}

/// Standard error gets what went wrong, and what would be right.
fn complain(program: Program, words: &str, failure: &Failure, failed: Option<&Where>) {
    let is_json = failed.is_some_and(|failed| failed.is_json);
    if let Some(value) = failure.value.as_ref().filter(|_| is_json) {
        eprintln!("{value}");
        return;
    }
    eprintln!("{}", failure.text.trim_end());
    if let (true, Some(failed)) = (failure.is_usage, failed) {
        eprintln!("Arguments given:\n\t{words}\n\nUsage\n\n{}", help::usage(program, failed.command));
    }
}
