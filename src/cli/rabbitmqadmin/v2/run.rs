//! Does what a command's line in the table says.

use serde_json::{Map, Value};

use super::super::super::out::say;
use super::super::failure::Failure;
use super::commands::{Command, Does, Kind};
use super::work::{Work, json_of, put_field};

/// Does it.
pub fn run(command: &Command, work: &Work<'_>) -> Result<(), Failure> {
    let done = match &command.does {
        Does::List(path, columns) => {
            work.list(&work.path(path)).and_then(|objects| work.show(&objects, columns))
        }
        Does::Put(path) => body(command, work).and_then(|body| {
            work.session.put(&work.path(path), &body)?;
            Ok(())
        }),
        Does::Post(path) => body(command, work).and_then(|body| {
            work.session.post(&work.path(path), &body)?;
            Ok(())
        }),
        Does::Delete(path) => work.session.delete(&work.path(path)).map(drop).map_err(Failure::from),
        Does::Check(check) => healthy(work, check),
        Does::Call(function) => function(work),
        Does::Refuse(instead) => Err(Failure::Usage((*instead).to_owned())),
    };
    match done {
        Err(Failure::Client(error)) if error.status() == Some(404) && work.is_given("idempotently") => Ok(()),
        done => done,
    }
}

/// What is sent: those arguments that are given, or have a default.
fn body(command: &Command, work: &Work<'_>) -> Result<Value, Failure> {
    let mut fields = Map::new();
    for argument in command.arguments {
        let Some(text) = work.value(argument.flag) else { continue };
        let value = match argument.kind {
            Kind::Text => Value::from(text),
            Kind::Json | Kind::Bool | Kind::Number => json_of(argument.flag, text)?,
            Kind::Switch => Value::Bool(true),
            Kind::Word | Kind::Flag | Kind::Positional => continue,
        };
        put_field(&mut fields, argument.flag, value);
    }
    Ok(Value::Object(fields))
}

/// A check that failed is status 503, with a reason.
fn healthy(work: &Work<'_>, check: &[&str]) -> Result<(), Failure> {
    let pieces: Vec<&str> = ["health", "checks"].iter().chain(check).copied().collect();
    let path = work.path(&pieces);
    match work.session.get(&path) {
        Ok(_) => Ok(say("health check passed\n")?),
        Err(error) if error.status() == Some(503) => {
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let short = path.trim_start_matches("/api/");
            let pairs = [
                pair("result", "health check failed"),
                pair("path", short),
                pair("status_code", "503 Service Unavailable"),
                pair("reason", &error.to_string()),
            ];
            Err(Failure::Unhealthy(work.pairs(&pairs)))
        }
        Err(error) => Err(error.into()),
    }
}
