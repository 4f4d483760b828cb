//! `coney config`: what the settings are, where each comes from, and whether a file is right.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::inputs::Inputs;
use super::load::{check, load};
use super::settings::{self, Kind, Setting};
use super::source::{Given, Origin};

/// What can be done with settings, without a broker.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its value and where that comes from.
    ///
    /// The command line is that of a start: coney config show --amqp 5673. Passwords are not shown.
    /// The TOML can be used as a configuration file.
    #[command(verbatim_doc_comment)]
    Show {
        /// How.
        #[arg(long, value_enum, default_value = "toml")]
        format: ShowFormat,
        #[command(flatten)]
        inputs: Box<Inputs>,
    },
    /// Read a configuration file and say what is wrong in it, or has no effect.
    ///
    /// TOML, rabbitmq.conf or Erlang terms.
    /// Exit status: 0 if a broker would start with it, 1 if not.
    #[command(verbatim_doc_comment)]
    Check {
        /// The file.
        file: PathBuf,
    },
}

/// How settings are printed.
#[derive(Clone, Copy, ValueEnum)]
pub enum ShowFormat {
    /// A configuration file.
    Toml,
    /// An object with `value` and `from` for each setting.
    Json,
}

impl ConfigCommand {
    /// Does it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let text = match self {
            Self::Show { format, inputs } => {
                let loaded = load(*inputs)?;
                for warning in &loaded.warnings {
                    eprintln!("coney: {warning}");
                }
                match format {
                    ShowFormat::Toml => toml(&loaded.given),
                    ShowFormat::Json => format!("{:#}\n", Value::Object(json(&loaded.given))),
                }
            }
            Self::Check { file } => {
                let warnings = check(&file)?;
                let lines: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
                format!("{lines}{}: a broker would start with this file.\n", file.display())
            }
        };
        io::stdout().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A setting with its texts, or none, and where they come from.
fn each(given: &[Given]) -> impl Iterator<Item = (&'static Setting, Option<Vec<String>>, String)> {
    settings::all().map(move |setting| match given.iter().find(|given| given.setting.key == setting.key) {
        Some(given) => (setting, Some(given.texts.clone()), from(&given.origin)),
        None => (setting, setting.default_texts(), "default".to_owned()),
    })
}

fn from(origin: &Origin) -> String {
    origin.to_string()
}

/// A configuration file with the same meaning, but for secrets.
pub fn toml(given: &[Given]) -> String {
    let mut text = String::new();
    for (setting, texts, from) in each(given) {
        let (hidden, value) = match (setting.kind, texts) {
            (_, None) => ("# ", "none".to_owned()),
            (Kind::Secret, Some(_)) => ("# ", "(not shown)".to_owned()),
            (Kind::List, Some(texts)) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                ("", format!("[{}]", texts.join(", ")))
            }
            (Kind::Switch, Some(texts)) => ("", switch(&texts).to_string()),
            (Kind::Text | Kind::Number, Some(texts)) => {
                ("", quoted(texts.first().map_or("", String::as_str)))
            }
        };
        // A default directory would stand against it.
        let hidden = if setting.key == "data-dir" && is_ephemeral(given) { "# " } else { hidden };
        text += &format!("{hidden}{} = {value}  # {from}\n", setting.key);
    }
    text
}

fn is_ephemeral(given: &[Given]) -> bool {
    given.iter().any(|given| given.setting.key == "ephemeral" && switch(&given.texts))
}

fn switch(texts: &[String]) -> bool {
    texts.first().is_some_and(|text| super::value::parse_bool(text) == Ok(true))
}

/// JSON's quoting is TOML's, but for one character.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn json(given: &[Given]) -> Map<String, Value> {
    let object = |(setting, texts, from): (&Setting, Option<Vec<String>>, String)| {
        let value = match (setting.kind, texts) {
            (_, None) => Value::Null,
            (Kind::Secret, Some(_)) => "(not shown)".into(),
            (Kind::List, Some(texts)) => texts.into(),
            (Kind::Switch, Some(texts)) => switch(&texts).into(),
            (Kind::Text | Kind::Number, Some(texts)) => texts.into_iter().next().into(),
        };
        (setting.key.to_owned(), json!({"value": value, "from": from}))
    };
    each(given).map(object).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::super::resolve::{resolve, winners};
    use super::super::{conf, file};
    use super::*;

    fn given(key: &str, texts: &[&str]) -> Given {
        let setting = settings::find(key).unwrap();
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Given { setting, texts, origin: Origin::Flag(setting.key) }
    }

    #[test]
    fn each_value_is_shown_with_its_place_and_secrets_are_not() {
        let from_conf =
            conf::meaning(vec![conf::Entry::of_file(Path::new("/r.conf"), 7, "heartbeat", "9")]).unwrap();
        let given = [given("amqp", &["5673", "[::]:5674"]), given("default-pass", &["hunter2"])];
        let all: Vec<Given> = given.into_iter().chain(from_conf.source).collect();
        let text = toml(&all);
        assert!(text.contains("amqp = [\"5673\", \"[::]:5674\"]  # --amqp\n"), "{text}");
        assert!(text.contains("heartbeat = \"9\"  # /r.conf:7: heartbeat\n"), "{text}");
        assert!(text.contains("channel-max = \"2047\"  # default\n"), "{text}");
        let json = json(&all);
        assert_eq!(json["heartbeat"], json!({"value": "9", "from": "/r.conf:7: heartbeat"}));
        assert_eq!(json["definitions"], json!({"value": null, "from": "default"}));
        assert!(!text.contains("hunter2") && !format!("{json:?}").contains("hunter2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_shown_is_read_back_as_the_same(
            text in "[ -~\n\tü\u{7f}]{1,20}", port in 1..65535_u16, seconds: u16, names in prop::collection::vec("[a-z]{1,5}", 1..4),
            ephemeral: bool,
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut source = vec![
                given("amqp", &[&port.to_string(), "127.0.0.1:0"]),
                given("heartbeat", &[&seconds.to_string()]),
                given("default-user", &[&text]),
                given("server-product", &[&text]),
                given("loopback-users", &names),
            ];
            if ephemeral {
                source.push(given("ephemeral", &["true"]));
            }
            let sources = [source];
            let shown = toml(&winners(&sources).into_iter().cloned().collect::<Vec<_>>());
            prop_assert_eq!(conf::format_of(&shown), conf::Format::Toml);
            let read = file::parse(Path::new("shown"), &shown).unwrap();
            prop_assert_eq!(resolve(&[read]).unwrap().config, resolve(&sources).unwrap().config);
        }
    }
}
