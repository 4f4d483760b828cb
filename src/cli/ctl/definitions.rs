//! Definitions: all that is made, in one JSON document.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::Value;

use super::call::Call;
use super::command::{CTL, Command, Section};
use super::failure::{DATA, Failure, SOFTWARE, USAGE};
use super::options::{flag, text};
use super::output::Output;

pub const COMMANDS: &[Command] = &[
    Command::new(
        "export_definitions",
        CTL,
        Section::Definitions,
        "Writes all definitions to a file, or to standard output",
        export,
    )
    .takes("<file_path | \"-\"> [--format <json | erlang>] [--timeout <timeout>]", 1, 1)
    .with(&[text("format")]),
    Command::new(
        "import_definitions",
        CTL,
        Section::Definitions,
        "Reads definitions from a file, or from standard input",
        import,
    )
    .takes("<file_path | \"-\"> [--format <json | erlang>] [--skip-if-unchanged] [--timeout <timeout>]", 0, 1)
    .with(&[text("format"), flag("skip-if-unchanged")]),
];

const STANDARD: &str = "-";

fn check_format(call: &Call) -> Result<(), Failure> {
    match call.options.value("format").map(str::to_lowercase).as_deref() {
        None | Some("json") => Ok(()),
        Some("erlang") => Err(Failure::argument(USAGE, "there is no Erlang here: definitions are JSON")),
        Some(_) => Err(Failure::argument(USAGE, "Definitions format must be json")),
    }
}

fn export(call: &Call) -> Result<Output, Failure> {
    check_format(call)?;
    let path = call.argument(0);
    if path == STANDARD {
        let text = call.client()?.get_text("/api/definitions")?;
        if call.form.is_json() {
            return Ok(Output::Text(text));
        }
        return Ok(Output::Raw(text + "\n"));
    }
    let directory = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(directory) = directory.filter(|directory| !directory.is_dir()) {
        return Err(Failure::bad_argument(format!("Directory {} does not exist", directory.display())));
    }
    call.say(format!("Exporting definitions in JSON to a file at \"{path}\" ..."))?;
    let text = call.client()?.get_text("/api/definitions")?;
    fs::write(path, text).map_err(|error| Failure::error(DATA, format!("{path}: {error}")))?;
    Ok(Output::Done)
}

/// Unlike RabbitMQ's, this is done when it is answered.
fn import(call: &Call) -> Result<Output, Failure> {
    check_format(call)?;
    let path = call.arguments.first().map_or(STANDARD, String::as_str);
    let text = if path == STANDARD {
        call.say("Importing definitions in JSON from standard input ...")?;
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text)?;
        text
    } else {
        if !Path::new(path).exists() {
            return Err(Failure::bad_argument(format!("File {path} does not exist")));
        }
        call.say(format!("Importing definitions in JSON from a file at \"{path}\" ..."))?;
        fs::read_to_string(path).map_err(|error| Failure::error(DATA, format!("{path}: {error}")))?
    };
    let document: Value = serde_json::from_str(&text).map_err(|error| {
        Failure::error(SOFTWARE, format!("Failed to parse the definitions as JSON: {error}"))
    })?;
    if !document.is_object() {
        return Err(Failure::error(SOFTWARE, "definitions have to be a JSON object"));
    }
    call.client()?.post_text("/api/definitions", text)?;
    let text = if call.is_quiet() { "" } else { "Successfully imported definitions." };
    Ok(Output::Text(text.to_owned()))
}
