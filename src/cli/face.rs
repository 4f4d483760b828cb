//! What `coney --help` shows: not the hundred flags of a broker, but what can be done. `coney broker` has the flags.

use std::ffi::OsString;

use clap::{CommandFactory as _, FromArgMatches as _};

use super::args::Args;

/// `coney broker` is `coney`, said aloud.
const BROKER: &str = "broker";

const FACE: &str = "\
Coney, an AMQP 0-9-1 broker that RabbitMQ clients use unchanged

Usage: coney [FLAGS]           runs a broker; all flags: coney broker --help
       coney COMMAND [..]      asks a broker that runs; details: coney COMMAND --help

Run a broker
  coney                        on localhost:5672, guest/guest, in ./coney-data
  coney --ephemeral --amqp 127.0.0.1:0         in memory, for a test

Look
  status       memory, disk, alarms, totals    coney status
  queues       what is in them, how fast       coney queues 'orders.*' --sort ready
  top          the same, live                  coney top
  connections  clients                         coney connections
  peek         messages, unchanged             coney peek orders --state unacked
  why          why a message is where it is    coney why orders 42
  journal      what failed lately, and why     coney journal --follow
  events       totals as they change           coney events --follow

Messages
  publish      and wait until it is safe       coney publish orders '{\"id\": 1}'
  consume      print or handle, then ack       coney consume orders --exec ./handle.sh
  get          the first message               coney get orders --format raw
  replay       dead letters to their origin    coney replay dead-letters --dry-run
  move, copy   to a queue or an exchange       coney move a b --filter header.tenant=x
  purge, undo  drop, and think better of it    coney purge orders
  save, load   a queue's messages, in a file   coney save orders orders.ndjson

Set up
  declare      make a queue, bind it           coney declare orders --bind events:order.*
  delete       a queue                         coney delete orders --if-empty
  export       definitions to a file           coney export definitions.json
  import       definitions from a file         coney import definitions.json

More
  ctl, diagnostics, plugins, admin    RabbitMQ's tools: coney ctl list_users
  config       settings, and where from        coney config show
  store        a damaged data directory        coney store check /var/lib/coney
  completions  for bash, zsh, fish             coney completions bash
  man          manual pages                    coney man ./man1

A broker is found by its control socket (--data-dir, --socket), else at http://localhost:15672 as guest
(--url http://USER:PASSWORD@HOST:PORT, -u, -p). Most commands have --json.

  -h, --help     this
  -V, --version  the version
";

/// Where there can be a cluster.
const CLUSTER: &str =
    "  cluster      several machines                coney cluster status --config coney.toml\n";

/// The face of this build.
fn face() -> String {
    match FACE.split_once("  completions ") {
        Some((before, after)) if cfg!(feature = "cluster") => {
            format!("{before}{CLUSTER}  completions {after}")
        }
        _ => FACE.to_owned(),
    }
}

/// What a command line says. One that makes no sense, or asks for help, ends the process.
pub fn parse(mut arguments: Vec<OsString>, is_server: bool) -> Args {
    let is_broker = arguments.get(1).is_some_and(|word| word == BROKER);
    let command = if is_broker {
        arguments.remove(1);
        Args::command().bin_name("coney broker").next_line_help(true)
    } else if is_server {
        Args::command().next_line_help(true)
    } else {
        Args::command().override_help(face())
    };
    let matches = command.get_matches_from(arguments);
    Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

#[cfg(all(test, feature = "management"))]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_shown_and_there_is_room() {
        for command in Args::command().get_subcommands() {
            let (name, face) = (command.get_name(), face());
            let words = face.split(|c: char| !c.is_alphanumeric());
            assert!(words.clone().any(|word| word == name), "{name}");
        }
        for line in face().lines() {
            assert!(line.chars().count() <= 105, "{line}");
        }
    }

    /// What the page shows can be said.
    #[test]
    fn examples_are_command_lines() {
        for line in face().lines().filter(|line| line.starts_with("  ") && !line.contains("COMMAND")) {
            let Some(place) = line.rfind("  coney ") else { continue };
            let words: Vec<String> = words(line[place..].trim().split("  ").next().unwrap_or_default());
            let is_others = ["ctl", "diagnostics"].contains(&words.get(1).map_or("", String::as_str));
            let parsed = Args::command().try_get_matches_from(&words);
            assert!(is_others || parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    /// As a shell would take them.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (number, part) in line.split('\'').enumerate() {
            match number % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }
}
