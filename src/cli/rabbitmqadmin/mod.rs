//! `rabbitmqadmin`: RabbitMQ's command line over the management API, in the syntax of its Python program.

mod base_uri;
mod config_file;
mod failure;
mod session;
mod v1;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs it with the arguments that follow its name.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let arguments: Result<Vec<String>, OsString> = arguments.into_iter().map(OsString::into_string).collect();
    match arguments {
        Ok(arguments) => v1::run(&arguments),
        Err(argument) => {
            eprintln!("rabbitmqadmin: {} is not UTF-8 text", argument.display());
            ExitCode::from(2)
        }
    }
}
