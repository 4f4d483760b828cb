//! Options, which may stand anywhere on the command line: `-p v`, `--vhost v`, `--vhost=v`.

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A text.
    Text,
    /// A whole number.
    Number,
}

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// After two dashes.
    pub long: &'static str,
    /// After one dash.
    pub short: Option<char>,
    /// What follows.
    pub takes: Takes,
}

/// One that takes nothing.
pub const fn flag(long: &'static str) -> Switch {
    Switch { long, short: None, takes: Takes::Nothing }
}

/// One that takes a text.
pub const fn text(long: &'static str) -> Switch {
    Switch { long, short: None, takes: Takes::Text }
}

/// One that takes a number.
pub const fn number(long: &'static str) -> Switch {
    Switch { long, short: None, takes: Takes::Number }
}

impl Switch {
    /// With a short form.
    pub const fn short(self, short: char) -> Self {
        Self { short: Some(short), ..self }
    }
}

/// Those that every command takes.
pub const COMMON: &[Switch] = &[
    text("node").short('n'),
    number("timeout").short('t'),
    text("vhost").short('p'),
    flag("quiet").short('q'),
    flag("silent").short('s'),
    flag("longnames").short('l'),
    flag("help").short('?'),
    flag("dry-run"),
    flag("no-table-headers"),
    flag("print-stacktrace"),
    text("formatter"),
    text("printer"),
    text("erlang-cookie"),
    text("aliases-file"),
    text("rabbitmq-home"),
    text("mnesia-dir"),
    text("plugins-dir"),
    text("enabled-plugins-file"),
    // Ours: which broker is meant.
    text("socket"),
    text("data-dir"),
];

/// What was given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    given: Vec<(&'static str, String)>,
}

impl Options {
    /// Whether it was given.
    pub fn has(&self, long: &str) -> bool {
        self.value(long).is_some()
    }

    /// The last value that was given.
    pub fn value(&self, long: &str) -> Option<&str> {
        self.given.iter().rev().find(|(given, _)| *given == long).map(|(_, value)| value.as_str())
    }
}

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The options.
    pub options: Options,
    /// What is not an option, in its order.
    pub arguments: Vec<String>,
    /// What looks like an option and is none, or has no value or a wrong one.
    pub invalid: Vec<String>,
}

/// Takes a command line apart.
pub fn parse(words: &[String], known: &[&[Switch]]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.arguments.extend(words.cloned());
            break;
        }
        let Some((name, inline)) = option(word) else {
            parsed.arguments.push(word.clone());
            continue;
        };
        let mut switches = known.iter().copied().flatten();
        let Some(switch) = switches.find(|switch| is_called(switch, name)) else {
            parsed.invalid.push(format!("{name} : {}", inline.unwrap_or_default()));
            continue;
        };
        let value = match (switch.takes, inline) {
            (Takes::Nothing, _) => Some(String::new()),
            (_, Some(inline)) => Some(inline.to_owned()),
            (_, None) => words.as_slice().first().filter(|next| option(next).is_none()).cloned(),
        };
        if switch.takes != Takes::Nothing && inline.is_none() && value.is_some() {
            words.next();
        }
        match value {
            Some(value) if switch.takes != Takes::Number || value.parse::<i64>().is_ok() => {
                parsed.options.given.push((switch.long, value));
            }
            wrong => parsed.invalid.push(format!("{name} : {}", wrong.unwrap_or_default())),
        }
    }
    parsed
}

/// The name with its dashes, and the value after `=`. A negative number is no option.
fn option(word: &str) -> Option<(&str, Option<&str>)> {
    let rest = word.strip_prefix('-')?;
    if rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => Some((name, Some(value))),
        _ => Some((word, None)),
    }
}

fn is_called(switch: &Switch, name: &str) -> bool {
    match name.strip_prefix("--") {
        // Underscores are taken for dashes, as in old scripts.
        Some(long) => long.replace('_', "-") == switch.long,
        None => switch.short.is_some_and(|short| name.get(1..) == Some(short.encode_utf8(&mut [0; 4]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Parsed {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        parse(&words, &[COMMON, &[flag("online")]])
    }

    #[test]
    fn options_stand_anywhere_and_values_are_given_in_three_ways() {
        for line in ["-p v -q list x", "list --vhost v x -q", "list x --quiet --vhost=v", "-q list -p v x"] {
            let Parsed { options, arguments, invalid } = parsed(line);
            assert_eq!(arguments, ["list", "x"], "{line}");
            assert_eq!((options.value("vhost"), options.has("quiet")), (Some("v"), true), "{line}");
            assert_eq!(invalid, Vec::<String>::new(), "{line}");
        }
        assert_eq!(parsed("a -p v -p w").options.value("vhost"), Some("w"));
    }

    #[test]
    fn what_is_no_option_is_told_and_negative_numbers_are_arguments() {
        assert_eq!(parsed("list --nonsense -z").invalid, ["--nonsense : ", "-z : "]);
        assert_eq!(parsed("list -t soon").invalid, ["-t : soon"]);
        assert_eq!(parsed("list --node").invalid, ["--node : "]);
        assert_eq!(parsed("limit -1").arguments, ["limit", "-1"]);
        assert_eq!(parsed("tags -- -q x").arguments, ["tags", "-q", "x"]);
        assert_eq!(parsed("export -").arguments, ["export", "-"]);
    }
}
