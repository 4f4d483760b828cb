//! The flags of the settings, made from their table.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};

use super::settings::{self, Group, Kind, Setting};
use super::source::{Given, Origin, Source};

/// What the flags of a command line say, for `#[command(flatten)]`.
#[derive(Clone, Default)]
pub struct Flags(pub Source);

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let of_group =
            |group: &'static Group| group.settings.iter().map(|s| flag(s).help_heading(group.heading));
        let command = command.args(settings::GROUPS.iter().flat_map(of_group));
        // Only one of them makes sense.
        command.group(ArgGroup::new("place").args(["data-dir", "ephemeral"]))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &'static Setting| {
            let texts = matches.get_many::<String>(setting.key)?.cloned().collect();
            Some(Given { setting, texts, origin: Origin::Flag(setting.key) })
        };
        Ok(Self(settings::all().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Values stay text: resolution checks those of every source alike, so that an error can name the source.
fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.key).long(setting.key).value_name(setting.value_name);
    let arg =
        arg.help(setting.short_help()).long_help(setting.long_help()).value_parser(ValueParser::string());
    match setting.kind {
        Kind::Text | Kind::Number | Kind::Secret => arg.action(ArgAction::Set),
        Kind::List => arg.action(ArgAction::Append).value_delimiter(','),
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}
