//! The options of the Python program, read as its optparse does: anywhere on the line, long ones by any unique beginning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::super::client::Tls;
use super::super::config_file::{self, DEFAULT_NODE, Section};
use super::super::failure::Failure;
use super::super::session::Reach;

/// An option. Its key is the one of the configuration file.
pub struct Flag {
    pub short: Option<char>,
    pub long: &'static str,
    pub key: &'static str,
    /// How its value is called; without, it is a switch.
    pub value: Option<&'static str>,
    pub help: &'static str,
}

const fn valued(
    short: char,
    long: &'static str,
    key: &'static str,
    value: &'static str,
    help: &'static str,
) -> Flag {
    Flag { short: Some(short), long, key, value: Some(value), help }
}

const fn long(long: &'static str, key: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { short: None, long, key, value: Some(value), help }
}

const fn switch(short: Option<char>, long: &'static str, key: &'static str, help: &'static str) -> Flag {
    Flag { short, long, key, value: None, help }
}

/// All of them.
pub const FLAGS: &[Flag] = &[
    switch(Some('h'), "help", "help", "show this help and exit"),
    valued('c', "config", "config", "CONFIG", "configuration file [default: ~/.rabbitmqadmin.conf]"),
    valued('N', "node", "node", "NODE", "section of that file [default: default]"),
    valued('H', "host", "hostname", "HOST", "connect to this host [default: localhost]"),
    valued('P', "port", "port", "PORT", "connect to this port [default: 15672]"),
    long("path-prefix", "path_prefix", "PREFIX", "what stands before /api in the broker's URLs"),
    valued('V', "vhost", "vhost", "VHOST", "virtual host [default: all for list, / for declare]"),
    valued('u', "username", "username", "USERNAME", "log in as this user [default: guest]"),
    valued('p', "password", "password", "PASSWORD", "with this password [default: guest]"),
    valued('U', "base-uri", "base_uri", "URI", "host, port, user and password as a URI"),
    switch(Some('q'), "quiet", "quiet", "suppress status messages"),
    switch(Some('s'), "ssl", "ssl", "connect with TLS"),
    long("ssl-key-file", "ssl_key_file", "FILE", "key for TLS, PEM"),
    long("ssl-cert-file", "ssl_cert_file", "FILE", "certificate for TLS, PEM"),
    long("ssl-ca-cert-file", "ssl_ca_cert_file", "FILE", "certificates of the authorities to trust, PEM"),
    switch(
        None,
        "ssl-disable-hostname-verification",
        "ssl_disable_hostname_verification",
        "take a certificate of another host",
    ),
    switch(Some('k'), "ssl-insecure", "ssl_insecure", "take any certificate"),
    valued(
        't',
        "request-timeout",
        "request_timeout",
        "SECONDS",
        "wait this long for an answer [default: 120]",
    ),
    valued(
        'f',
        "format",
        "format",
        "FORMAT",
        "table, long, kvp, tsv, raw_json, pretty_json or bash [default: table]",
    ),
    valued('S', "sort", "sort", "COLUMN", "sort a list by this column"),
    switch(Some('R'), "sort-reverse", "sort_reverse", "reverse the order"),
    valued('d', "depth", "depth", "DEPTH", "how deep to go into objects for columns [default: 1]"),
    switch(None, "bash-completion", "bash_completion", "print a completion script for bash"),
    switch(None, "version", "version", "print the version and exit"),
];

/// What the command line says, and what the configuration file adds.
#[derive(Debug, Default)]
pub struct Options {
    given: BTreeMap<&'static str, String>,
    section: Section,
}

/// How the value of a switch is written in the configuration file.
const ON: [&str; 2] = ["True", "true"];

impl Options {
    /// Takes the options out of a command line; what is left are the words.
    pub fn parse(arguments: &[String]) -> Result<(Self, Vec<String>), Failure> {
        let mut options = Self::default();
        let mut words = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                words.extend(rest.cloned());
                break;
            }
            if let Some(long) = argument.strip_prefix("--") {
                options.take_long(long, &mut rest)?;
            } else if let Some(short) = argument.strip_prefix('-').filter(|short| !short.is_empty()) {
                options.take_short(short, &mut rest)?;
            } else {
                words.push(argument.clone());
            }
        }
        Ok((options, words))
    }

    fn take_long<'a>(
        &mut self,
        text: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failure> {
        let (name, attached) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let flag = long_flag(name)?;
        let value = match (flag.value, attached) {
            (Some(_), Some(value)) => value.to_owned(),
            (Some(_), None) => following(&format!("--{}", flag.long), rest)?,
            (None, None) => "True".to_owned(),
            (None, Some(_)) => {
                return Err(Failure::Option(format!("--{} option does not take a value", flag.long)));
            }
        };
        self.given.insert(flag.key, value);
        Ok(())
    }

    /// One or more letters; the value of the last may be attached.
    fn take_short<'a>(
        &mut self,
        text: &str,
        rest: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), Failure> {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let flag = FLAGS.iter().find(|flag| flag.short == Some(letter));
            let flag = flag.ok_or_else(|| Failure::Option(format!("no such option: -{letter}")))?;
            if flag.value.is_none() {
                self.given.insert(flag.key, "True".to_owned());
                continue;
            }
            let attached = letters.as_str();
            let value = if attached.is_empty() {
                following(&format!("-{letter}"), rest)?
            } else {
                attached.to_owned()
            };
            self.given.insert(flag.key, value);
            break;
        }
        Ok(())
    }

    /// Reads the section of the configuration file that is meant.
    pub fn read_config(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), Failure> {
        let path = match self.given("config") {
            Some(path) if !Path::new(path).is_file() => {
                return Err(Failure::Usage(format!("Could not read config file '{path}'")));
            }
            Some(path) => Some(path.into()),
            None => config_file::default_path(variable),
        };
        if let Some(path) = path {
            let node = self.given("node").unwrap_or(DEFAULT_NODE);
            self.section = config_file::read(&path, node)?;
        }
        Ok(())
    }

    fn given(&self, key: &str) -> Option<&str> {
        self.given.get(key).map(String::as_str)
    }

    /// What the command line says, or else the configuration file.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.given(key).or_else(|| self.section.get(key).map(String::as_str))
    }

    /// Whether a switch is on.
    pub fn is_on(&self, key: &str) -> bool {
        self.get(key).is_some_and(|value| ON.contains(&value))
    }

    /// Whether results of commands are told in words.
    pub fn is_verbose(&self) -> bool {
        !self.is_on("quiet")
    }

    /// The virtual host that lists and definitions are limited to.
    pub fn vhost(&self) -> Option<&str> {
        self.get("vhost").filter(|vhost| !vhost.is_empty())
    }

    /// The virtual host of what is declared.
    pub fn declare_vhost(&self) -> &str {
        self.vhost().or_else(|| self.get("declare_vhost")).unwrap_or("/")
    }

    /// `table` and so on.
    pub fn format(&self) -> &str {
        self.get("format").unwrap_or("table")
    }

    /// Whether lists have the columns that most people want: not if a depth was named, be it the default.
    pub fn has_usual_columns(&self) -> bool {
        self.get("depth").is_none() && !self.format().contains("json")
    }

    /// How deep to go into objects.
    pub fn depth(&self) -> Result<usize, Failure> {
        let depth = self.get("depth").unwrap_or("1");
        depth.parse().map_err(|_| Failure::Usage(format!("The depth has to be a number, not '{depth}'")))
    }

    /// Which broker is meant.
    pub fn reach(&self) -> Result<Reach, Failure> {
        let text = |key: &str| self.get(key).map(str::to_owned);
        let mut reach = Reach {
            host: text("hostname"),
            path_prefix: text("path_prefix").unwrap_or_default(),
            user: text("username"),
            password: text("password"),
            ..Reach::default()
        };
        reach.port = self.get("port").map(port).transpose()?;
        reach.timeout_s = self.get("request_timeout").map(seconds).transpose()?;
        reach.tls = self.is_on("ssl").then(Tls::default);
        if let Some(uri) = self.get("base_uri") {
            super::super::base_uri::apply(uri, &mut reach)?;
        }
        reach.tls = reach.tls.map(|_| self.tls());
        Ok(reach)
    }

    fn tls(&self) -> Tls {
        let file = |key: &str| self.get(key).map(PathBuf::from);
        let any_certificate = self.is_on("ssl_insecure");
        Tls {
            ca_file: file("ssl_ca_cert_file"),
            cert_file: file("ssl_cert_file"),
            key_file: file("ssl_key_file"),
            any_host: any_certificate || self.is_on("ssl_disable_hostname_verification"),
            any_certificate,
        }
    }
}

fn port(text: &str) -> Result<u16, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("The port has to be a number up to 65535, not '{text}'")))
}

fn seconds(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Option(format!("option -t: invalid integer value: '{text}'")))
}

/// The option that a name, or its beginning, means.
pub fn long_flag(name: &str) -> Result<&'static Flag, Failure> {
    if let Some(flag) = FLAGS.iter().find(|flag| flag.long == name) {
        return Ok(flag);
    }
    let meant: Vec<&Flag> =
        FLAGS.iter().filter(|flag| !name.is_empty() && flag.long.starts_with(name)).collect();
    match meant.as_slice() {
        [flag] => Ok(flag),
        [] => Err(Failure::Option(format!("no such option: --{name}"))),
        several => {
            let mut names: Vec<String> = several.iter().map(|flag| format!("--{}", flag.long)).collect();
            names.sort();
            Err(Failure::Option(format!("ambiguous option: --{name} ({}?)", names.join(", "))))
        }
    }
}

fn following<'a>(name: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<String, Failure> {
    rest.next().cloned().ok_or_else(|| Failure::Option(format!("{name} option requires 1 argument")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<(Options, Vec<String>), String> {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::parse(&arguments).map_err(|failure| failure.to_string())
    }

    #[test]
    fn options_stand_anywhere_and_may_be_shortened() {
        let (options, words) = parsed("-qHhost list --vh=v queues --port 1 -- -x").unwrap();
        assert_eq!(words, ["list", "queues", "-x"]);
        assert!(!options.is_verbose());
        assert_eq!((options.get("hostname"), options.vhost()), (Some("host"), Some("v")));
        assert_eq!(options.reach().unwrap().port, Some(1));
    }

    #[test]
    fn wrong_options_are_told_as_optparse_tells_them() {
        let wrong = |line: &str| parsed(line).unwrap_err();
        assert_eq!(wrong("--nope"), "no such option: --nope");
        assert_eq!(wrong("-x"), "no such option: -x");
        assert_eq!(wrong("list -H"), "-H option requires 1 argument");
        assert_eq!(wrong("--quiet=1"), "--quiet option does not take a value");
        assert_eq!(wrong("--so x"), "ambiguous option: --so (--sort, --sort-reverse?)");
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf");
        std::fs::write(&path, "[n]\nhostname = h\nport = 2\nssl = True\nvhost = v\n").unwrap();
        let (mut options, _) = parsed(&format!("-N n -P 3 -c {}", path.display())).unwrap();
        options.read_config(|_| None).unwrap();
        let reach = options.reach().unwrap();
        assert_eq!(
            (reach.host(), reach.port, options.is_on("ssl"), options.vhost()),
            ("h", Some(3), true, Some("v"))
        );
        let (mut options, _) = parsed("-c /nowhere").unwrap();
        let text = options.read_config(|_| None).unwrap_err().to_string();
        assert_eq!(text, "Could not read config file '/nowhere'");
    }
}
