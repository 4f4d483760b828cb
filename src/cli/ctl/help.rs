//! `help`, what to say to a command that there is not, and what a shell completes.

use std::fmt::Write as _;

use super::command::{Command, Section};
use super::failure::{Failure, USAGE};
use super::program::Program;

/// How much a name may differ from the one that is meant.
const DISTANCE_MAX: usize = 3;

/// The commands that begin so, a line each.
pub fn completions(commands: &[&Command], prefix: &str) -> String {
    let mut names: Vec<&str> = commands.iter().map(|command| command.name).collect();
    names.sort_unstable();
    names
        .into_iter()
        .filter(|name| name.starts_with(prefix))
        .fold(String::new(), |text, name| text + name + "\n")
}

/// How a command is used, in a line.
pub fn usage(program: Program, command: &Command) -> String {
    let line = format!(
        "{} [--node <node>] [--longnames] [--quiet] {} {}",
        program.name(),
        command.name,
        command.usage
    );
    line.trim_end().to_owned()
}

/// What a command does.
pub fn of_command(program: Program, command: &Command) -> String {
    let mut text = format!("\nUsage\n\n{}\n\n{}.\n\n", usage(program, command), command.about);
    if !command.columns.is_empty() {
        let _ = write!(
            text,
            "Arguments and Options\n\n<column>\n\tmust be one of {}\n\n",
            command.columns.join(", ")
        );
    }
    text + GENERAL_OPTIONS
}

/// All commands of a program.
pub fn overview(program: Program, commands: &[&Command]) -> String {
    let name = program.name();
    format!(
        "\nUsage\n\n{name} [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> [<command options>]\n\n\
         Available commands:\n\n{}Use '{name} help <command>' to learn more about a specific command\n",
        listed(commands)
    )
}

/// Commands under their headings.
pub fn listed(commands: &[&Command]) -> String {
    let width = commands.iter().map(|command| command.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for section in Section::ALL {
        let mut commands: Vec<&&Command> =
            commands.iter().filter(|command| command.section == section).collect();
        if commands.is_empty() {
            continue;
        }
        commands.sort_by_key(|command| command.name);
        let _ = write!(text, "{}:\n\n", section.heading());
        for command in commands {
            let _ = writeln!(text, "   {:width$}  {}", command.name, command.about);
        }
        text.push('\n');
    }
    text
}

/// There is no such command; the one that may be meant is named.
pub fn unknown(program: Program, name: &str, commands: &[&Command]) -> Failure {
    let known = commands.iter().map(|command| (distance(name, command.name), command.name));
    let text = match known.min().filter(|(distance, _)| *distance <= DISTANCE_MAX.min(name.len() / 3)) {
        Some((_, meant)) => format!("\nCommand '{name}' not found. \nDid you mean '{meant}'? \n"),
        None => format!("\nCommand '{name}' not found. \n{}", overview(program, commands)),
    };
    Failure::plain(USAGE, text)
}

/// How many letters have to be changed, added or taken away (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut next = vec![line + 1];
        for (column, (pair, theirs)) in row.windows(2).zip(&other).enumerate() {
            let (Some(across), Some(above)) = (pair.first(), pair.get(1)) else { continue };
            let left = next.get(column).copied().unwrap_or_default();
            next.push((across + usize::from(letter != *theirs)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

const GENERAL_OPTIONS: &str = "\
General Options

 -n, --node <node>      taken for the sake of scripts: there is one node
 -p, --vhost <vhost>    the virtual host, for commands that work in one
 -t, --timeout <n>      how many seconds an answer may take
 -q, --quiet            nothing but the answer
 -s, --silent           nor headers of tables
     --formatter <f>    table, pretty_table, csv, json or json_stream
     --no-table-headers no headers of tables
     --socket <path>    the broker's control socket (or CONEY_CONTROL_SOCKET)
     --data-dir <dir>   the broker's data directory (or CONEY_DATA_DIR)
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        assert_eq!([distance("", "abc"), distance("abc", "abc"), distance("kitten", "sitting")], [3, 0, 3]);
    }
}
