//! The command line of the Rust program, made of the table of commands.

use clap::{Arg, ArgAction, ArgMatches, Command as Parser};

use super::commands::{self, Argument, Command, Kind, Need};
use super::style::STYLES;
use super::work::Given;

/// An option that stands before the command: short and long name, variable, help.
type Valued = (Option<char>, &'static str, &'static str, &'static str);

const VALUED: &[Valued] = &[
    (
        Some('c'),
        "config",
        "RABBITMQADMIN_CONFIG_FILE_PATH",
        "configuration file [default: ~/.rabbitmqadmin.conf]",
    ),
    (Some('N'), "node", "RABBITMQADMIN_NODE_ALIAS", "section of that file [default: default]"),
    (Some('H'), "host", "RABBITMQADMIN_TARGET_HOST", "connect to this host [default: localhost]"),
    (Some('P'), "port", "RABBITMQADMIN_TARGET_PORT", "connect to this port [default: 15672]"),
    (Some('U'), "base-uri", "RABBITMQADMIN_BASE_URI", "scheme, host and port as a URI"),
    (None, "path-prefix", "RABBITMQADMIN_API_PATH_PREFIX", "where the API is [default: /api]"),
    (Some('u'), "username", "RABBITMQADMIN_USERNAME", "log in as this user [default: guest]"),
    (Some('p'), "password", "RABBITMQADMIN_PASSWORD", "with this password [default: guest]"),
    (
        None,
        "tls-ca-cert-file",
        "RABBITMQADMIN_TLS_CA_CERT_FILE",
        "certificates of the authorities to trust, PEM",
    ),
    (None, "tls-cert-file", "RABBITMQADMIN_TLS_CERT_FILE", "our certificate, PEM"),
    (None, "tls-key-file", "RABBITMQADMIN_TLS_KEY_FILE", "its key, PEM"),
    (None, "timeout", "RABBITMQADMIN_TIMEOUT", "wait this long for an answer, in seconds [default: 60]"),
];

/// The same for those that may stand anywhere.
const VALUED_ANYWHERE: &[Valued] = &[
    (Some('V'), "vhost", "RABBITMQADMIN_TARGET_VHOST", "the virtual host that is meant [default: /]"),
    (None, "table-style", "RABBITMQADMIN_TABLE_STYLE", "how tables look"),
];

const SWITCHES: &[(Option<char>, &str, &str)] = &[
    (Some('k'), "insecure", "take any certificate"),
    (None, "use-tls", "connect with TLS"),
    (Some('q'), "quiet", "say less"),
    (Some('v'), "verbose", "taken, and changes nothing"),
];

/// For the line that has to be told from the other syntax: whether this long option is one here.
pub fn is_option(name: &str) -> bool {
    VALUED.iter().chain(VALUED_ANYWHERE).any(|(_, long, ..)| *long == name)
        || SWITCHES.iter().any(|(_, long, _)| *long == name)
        || name == "non-interactive"
        || name == "tls"
        || commands::COMMANDS
            .iter()
            .any(|command| command.arguments.iter().any(|argument| argument.flag == name))
}

/// Whether a long option has a value.
pub fn takes_value(name: &str) -> bool {
    let is_switch = |argument: &Argument| matches!(argument.kind, Kind::Switch | Kind::Flag);
    VALUED.iter().chain(VALUED_ANYWHERE).any(|(_, long, ..)| *long == name)
        || commands::COMMANDS
            .iter()
            .flat_map(|command| command.arguments)
            .any(|argument| argument.flag == name && !is_switch(argument))
}

/// All of it.
pub fn parser() -> Parser {
    let mut parser = Parser::new("rabbitmqadmin")
        .about("RabbitMQ's command line over the management API, as Coney has it")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .arg(
            Arg::new("version").long("version").action(ArgAction::Version).help("print the version and exit"),
        )
        .after_help("`rabbitmqadmin --help` is about the other syntax, `rabbitmqadmin declare queue name=q`.")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(VALUED.iter().map(|option| valued(option, false)))
        .args(VALUED_ANYWHERE.iter().map(|option| valued(option, true)))
        .args(SWITCHES.iter().map(|(short, long, help)| switch(*short, long, help)))
        .arg(
            switch(None, "non-interactive", "for scripts: neither headers nor lines")
                .global(true)
                .env("RABBITMQADMIN_NON_INTERACTIVE_MODE"),
        );
    for (group, verbs) in commands::groups() {
        let mut subject = Parser::new(group).subcommand_required(true).arg_required_else_help(true);
        for verb in verbs {
            if let Some(command) = commands::find(group, verb) {
                subject = subject.subcommand(of_command(verb, command));
            }
        }
        parser = parser.subcommand(subject);
    }
    parser
}

fn of_command(verb: &'static str, command: &Command) -> Parser {
    Parser::new(verb).args(command.arguments.iter().map(of_argument))
}

fn of_argument(argument: &Argument) -> Arg {
    let made = Arg::new(argument.flag).help(argument.help);
    let made = match argument.kind {
        Kind::Switch | Kind::Flag => return made.long(argument.flag).action(ArgAction::SetTrue),
        Kind::Bool => made.long(argument.flag).value_parser(["true", "false"]),
        Kind::Positional => made,
        _ => made.long(argument.flag).allow_hyphen_values(true),
    };
    match argument.need {
        Need::Required => made.required(true),
        Need::Optional => made,
        Need::Default(text) => made.default_value(text),
    }
}

fn valued((short, long, variable, help): &Valued, is_global: bool) -> Arg {
    let mut arg = Arg::new(*long).long(*long).env(*variable).help(*help).global(is_global);
    if let Some(short) = short {
        arg = arg.short(*short);
    }
    if *long == "table-style" {
        arg = arg.value_parser(STYLES.iter().map(|style| style.name).collect::<Vec<_>>());
    }
    arg
}

fn switch(short: Option<char>, long: &'static str, help: &'static str) -> Arg {
    let mut arg = Arg::new(long).long(long).action(ArgAction::SetTrue).help(help);
    if let Some(short) = short {
        arg = arg.short(short);
    }
    if long == "use-tls" {
        arg = arg.alias("tls").env("RABBITMQADMIN_USE_TLS");
    }
    arg
}

/// The values of a command's arguments.
pub fn given(command: &Command, matches: &ArgMatches) -> Given {
    let value = |argument: &Argument| match argument.kind {
        Kind::Switch | Kind::Flag => matches.get_flag(argument.flag).then(|| "true".to_owned()),
        _ => matches.get_one::<String>(argument.flag).cloned(),
    };
    command.arguments.iter().filter_map(|argument| Some((argument.flag, value(argument)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_commands_makes_a_command_line() {
        parser().debug_assert();
        for (group, verb, to_group, to_verb) in commands::ALIASES {
            let command = commands::find(group, verb).unwrap_or_else(|| panic!("{group} {verb}"));
            assert_eq!((command.group, command.verb), (*to_group, *to_verb));
        }
    }
}
