//! Which of the two syntaxes a line is written in.
//!
//! Groups of commands that only the Rust program has, such as `queues`, tell at once. Where both have the first word, it is the Rust
//! program's line if the second word, or an option, is that program's alone. What both take in the same words, `list queues`, is the
//! Python program's: scripts read its tables.

use super::{v1, v2};

/// A syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// `declare queue name=q`.
    Python,
    /// `queues declare --name q`.
    Rust,
    /// `help commands`: the list of the Rust program's commands.
    RustHelp,
}

/// Options of either program whose value is the next word.
const VALUED_SHORT: &str = "cNHPVUuptfSd";

/// Of the arguments that follow the program's name.
pub fn of(arguments: &[String]) -> Syntax {
    let words = words(arguments);
    let (first, second) =
        (words.first().copied().unwrap_or_default(), words.get(1).copied().unwrap_or_default());
    if first == "help" {
        return if second == "commands" || v2::has_group(second) { Syntax::RustHelp } else { Syntax::Python };
    }
    if !v1::has_verb(first) {
        return if v2::has_group(first) { Syntax::Rust } else { Syntax::Python };
    }
    if v1::has_command(first, second) && !arguments.iter().any(|argument| is_rust_option(argument)) {
        return Syntax::Python;
    }
    let is_rust = v2::has_command(first, second)
        || v2::has_group(first) && arguments.iter().any(|argument| is_rust_option(argument));
    if is_rust { Syntax::Rust } else { Syntax::Python }
}

/// Whether an argument is an option that only the Rust program has.
fn is_rust_option(argument: &str) -> bool {
    let Some(name) = argument.strip_prefix("--") else { return false };
    let name = name.split('=').next().unwrap_or_default();
    v2::is_option(name) && !v1::is_option(name)
}

/// What is neither an option nor the value of one.
fn words(arguments: &[String]) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if takes_next(argument) {
            rest.next();
        } else if !argument.starts_with('-') {
            words.push(argument.as_str());
        }
    }
    words
}

/// Whether the next word is this option's value.
fn takes_next(argument: &str) -> bool {
    if let Some(long) = argument.strip_prefix("--") {
        return !long.contains('=') && (v1::takes_value(long) || v2::takes_value(long));
    }
    let mut letters = argument.strip_prefix('-').unwrap_or_default().chars();
    matches!((letters.next_back(), letters.next()), (Some(last), None) if VALUED_SHORT.contains(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let python = [
            "",
            "list queues",
            "-V v list queues name",
            "declare queue name=q",
            "--vhost=v declare queue name=q durable=false",
            "declare queue --vhost v name=q",
            "publish routing_key=k",
            "get queue=q",
            "export FILE",
            "import FILE",
            "show overview",
            "-f tsv list exchanges",
            "delete queue name=q",
            "purge queue name=q",
            "close connection name=c",
            "help subcommands",
            "--help",
            "--version",
            "nonsense",
            "declare permission user=u",
            "list",
            "export queues",
            "help",
        ];
        let rust = [
            "queues list",
            "-H queues -P 1 queues list",
            "declare queue --name q",
            "declare queue --name=q",
            "declare permissions --username u",
            "publish message --routing-key k",
            "get messages --queue q",
            "export definitions --file F",
            "import definitions --file F",
            "list user_limits",
            "list queues --page 1",
            "--non-interactive list queues",
            "--table-style ascii list queues",
            "show endpoint",
            "close user_connections --username u",
            "delete queue --name q",
            "health_check local_alarms",
            "close connection --name c",
            "purge queue --name q",
            "rebalance queues",
            "--vhost v definitions export",
        ];
        let of = |line: &str| of(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in python {
            assert_eq!(of(line), Syntax::Python, "{line}");
        }
        for line in rust {
            assert_eq!(of(line), Syntax::Rust, "{line}");
        }
        assert_eq!(of("help commands"), Syntax::RustHelp);
    }
}
