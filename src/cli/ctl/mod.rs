//! RabbitMQ's command line tools, by their names: `rabbitmqctl`, `rabbitmq-diagnostics`, `rabbitmq-plugins`, `rabbitmq-queues` and
//! `rabbitmq-upgrade`. Arguments, texts, tables, JSON and exit codes are theirs (4.0.5), so that scripts need not know which broker they
//! talk to; conformance/tools/ctl compares.
//!
//! [`command`] says what a command is, a file for each subject has some of them, [`run`] finds the one that is meant and prints what
//! it answers. What is asked of the broker is asked over its management API, as a rule on its control socket ([`call`]).

mod call;
mod checks;
mod cluster;
mod command;
mod connections;
mod definitions;
mod diagnostics;
mod failure;
mod fields;
mod help;
mod limits;
mod listing;
mod node;
mod options;
mod output;
mod parameters;
mod permissions;
mod plugins;
mod policies;
mod process;
mod program;
mod queues;
mod refusals;
mod run;
mod shown;
mod status;
mod table_of_commands;
mod users;
mod vhosts;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use program::Program;

/// `rabbitmqctl`.
pub fn rabbitmqctl(arguments: Vec<OsString>) -> ExitCode {
    run::run(Program::Ctl, arguments)
}

/// `rabbitmq-diagnostics`.
pub fn rabbitmq_diagnostics(arguments: Vec<OsString>) -> ExitCode {
    run::run(Program::Diagnostics, arguments)
}

/// `rabbitmq-plugins`.
pub fn rabbitmq_plugins(arguments: Vec<OsString>) -> ExitCode {
    run::run(Program::Plugins, arguments)
}

/// `rabbitmq-queues`.
pub fn rabbitmq_queues(arguments: Vec<OsString>) -> ExitCode {
    run::run(Program::Queues, arguments)
}

/// `rabbitmq-upgrade`.
pub fn rabbitmq_upgrade(arguments: Vec<OsString>) -> ExitCode {
    run::run(Program::Upgrade, arguments)
}
