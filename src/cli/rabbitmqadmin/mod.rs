//! `rabbitmqadmin`: RabbitMQ's command line over the management API, in the syntax of its Python program (up to 4.1) and in that of
//! the Rust program that followed. Nobody has to say which: [`syntax`] tells them apart.

mod base_uri;
mod config_file;
mod failure;
mod session;
mod syntax;
mod v1;
mod v2;

use std::ffi::OsString;
use std::process::ExitCode;

use self::syntax::Syntax;
use super::out::say;

/// Runs it with the arguments that follow its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Result<Vec<String>, OsString> = arguments.into_iter().map(OsString::into_string).collect();
    match arguments {
        Ok(arguments) => match syntax::of(&arguments) {
            Syntax::Python => v1::run(&arguments),
            Syntax::Rust => v2::run(&arguments),
            Syntax::RustHelp => say(&v2::help()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        },
        Err(argument) => {
            eprintln!("rabbitmqadmin: {} is not UTF-8 text", argument.display());
            ExitCode::from(2)
        }
    }
}
