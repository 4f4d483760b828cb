//! The native face of the binary: what a developer at a terminal does with a broker that runs.
//!
//! A file for each command has its arguments and asks the documented HTTP API, over the control socket or the management port; nothing is done
//! here that the API cannot do. What is shown is made by pure functions of what was answered.

mod broker;
mod connections;
mod consume;
mod definitions;
mod error;
mod events;
mod filter;
mod human;
mod journal;
mod message;
mod moving;
mod peek;
mod publish;
mod purge;
mod queue;
mod queue_row;
mod queues;
mod saving;
mod status;
mod top;
mod values;
mod why;

use std::process::ExitCode;

#[cfg(feature = "cluster")]
pub use broker::{Broker, Place};
#[cfg(feature = "cluster")]
pub use error::NativeError;

use clap::Subcommand;

/// What can be asked of a broker that runs.
#[derive(Subcommand)]
pub enum NativeCommand {
    /// Show how a broker is: memory, disk, alarms, and how much there is of everything.
    Status(status::Status),
    /// List queues with what is in them and how fast it moves.
    Queues(queues::Queues),
    /// List client connections.
    Connections(connections::Connections),
    /// Watch queues live.
    Top(top::Top),
    /// Follow how much there is of everything.
    Events(events::Events),
    /// Show what happened lately: what failed, and why.
    Journal(journal::Journal),
    /// Tell why a message is where it is, or what fails in a queue.
    Why(why::Why),
    /// Look at a queue's messages without changing anything.
    Peek(peek::Peek),
    /// Publish messages, and wait until they are safe.
    Publish(publish::Publish),
    /// Take messages, print them or run a command for each, and ack them then.
    Consume(consume::Consume),
    /// Take the first message, if there is one.
    Get(consume::Get),
    /// Send dead letters back to where they came from.
    Replay(moving::Replay),
    /// Move messages to another queue or an exchange.
    Move(moving::Move),
    /// Copy messages to another queue or an exchange.
    Copy(moving::Copy),
    /// Drop all ready messages of a queue; for a while that can be undone.
    Purge(purge::Purge),
    /// Put back what a purge dropped.
    Undo(purge::Undo),
    /// Make a queue, and bind it.
    Declare(queue::Declare),
    /// Delete a queue.
    Delete(queue::Delete),
    /// Write the definitions of users, queues, exchanges, bindings and policies to a file.
    Export(definitions::Export),
    /// Take the definitions of a file over.
    Import(definitions::Import),
    /// Write a queue's messages to a file, and leave them where they are.
    Save(saving::Save),
    /// Put the messages of a file into a queue.
    Load(saving::Load),
}

impl NativeCommand {
    /// Does it. What went wrong is a line on standard error.
    pub fn run(self) -> ExitCode {
        let done = match self {
            Self::Status(command) => command.run(),
            Self::Queues(command) => command.run(),
            Self::Connections(command) => command.run(),
            Self::Top(command) => command.run(),
            Self::Events(command) => command.run(),
            Self::Journal(command) => command.run(),
            Self::Why(command) => command.run(),
            Self::Peek(command) => command.run(),
            Self::Publish(command) => command.run(),
            Self::Consume(command) => command.run(),
            Self::Get(command) => command.run(),
            Self::Replay(command) => command.run(),
            Self::Move(command) => command.run(),
            Self::Copy(command) => command.run(),
            Self::Purge(command) => command.run(),
            Self::Undo(command) => command.run(),
            Self::Declare(command) => command.run(),
            Self::Delete(command) => command.run(),
            Self::Export(command) => command.run(),
            Self::Import(command) => command.run(),
            Self::Save(command) => command.run(),
            Self::Load(command) => command.run(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => error.report(),
        }
    }
}
