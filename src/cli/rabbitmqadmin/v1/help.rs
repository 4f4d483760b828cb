//! The help of the Python program's syntax.

use super::options::FLAGS;
use super::resources::{CLOSABLE, DECLARABLE, DELETABLE, GET, LISTABLE, Object, PUBLISH, PURGABLE, SHOWABLE};

/// Where options stand in the list of them, and where their help begins.
const HELP_COLUMN: usize = 34;

const USAGE: &str = "Usage\n=====\n  rabbitmqadmin [options] subcommand\n";

const MORE: &str = "
More Help
=========

  rabbitmqadmin help subcommands  # what can be done, and with which arguments
  rabbitmqadmin help config       # the configuration file

Words with dashes, as in `rabbitmqadmin queues declare --name q`, are the other syntax:
`rabbitmqadmin help commands` lists its commands.
";

const MESSAGES: &str = "
  * If payload is not specified on publish, standard input is used

  * If payload_file is not specified on get, the payload will be shown on
    standard output along with the message metadata

  * If payload_file is specified on get, count must not be set

";

const CONFIG: &str = "
Configuration File
==================

  Sections of ~/.rabbitmqadmin.conf, or of the file that --config names, have a
  name for --node. TOML, with its quotes, is taken as well.

Example
=======

  [test]
  hostname = localhost
  port = 15672           # 15671 for HTTPS
  username = guest
  password = guest
  declare_vhost = /      # for declare and delete only
  vhost = /              # for list, too

  [production]
  hostname = broker.example.com
  port = 15671
  username = app
  password = secret
  ssl = True
  ssl_ca_cert_file = /etc/ssl/ca.pem

Use
===

  rabbitmqadmin -c rabbitmqadmin.conf -N test list queues
";

/// Before an error about an option.
pub const fn usage() -> &'static str {
    USAGE
}

/// `--help`.
pub fn options() -> String {
    let mut text = format!("{USAGE}\nOptions\n=======\n");
    for flag in FLAGS {
        let value = flag.value.map(|value| format!("={value}")).unwrap_or_default();
        let short = match (flag.short, flag.value) {
            (Some(short), Some(value)) => format!("-{short} {value}, "),
            (Some(short), None) => format!("-{short}, "),
            (None, _) => String::new(),
        };
        let names = format!("{short}--{}{value}", flag.long);
        if names.len() < HELP_COLUMN {
            text += &format!("{names:<HELP_COLUMN$}  {}\n", flag.help);
        } else {
            text += &format!("{names}\n{:HELP_COLUMN$}  {}\n", "", flag.help);
        }
    }
    text + MORE
}

/// `help config`.
pub fn config() -> String {
    format!("{USAGE}{CONFIG}")
}

/// `help subcommands`.
pub fn subcommands() -> String {
    let mut text = format!("{USAGE}\n  where subcommand is one of:\n{}", title("Display"));
    text += &LISTABLE.iter().map(|kind| format!("  list {} [<column>...]\n", kind.name)).collect::<String>();
    text += &SHOWABLE.iter().map(|kind| format!("  show {} [<column>...]\n", kind.name)).collect::<String>();
    text += &title("Object Manipulation");
    for (verb, objects) in
        [("declare", DECLARABLE), ("delete", DELETABLE), ("close", CLOSABLE), ("purge", PURGABLE)]
    {
        text += &objects.iter().map(|object| format!("  {verb} {}\n", arguments(object))).collect::<String>();
    }
    text += &format!("{}  export <file>\n  import <file>\n", title("Broker Definitions"));
    text += &title("Publishing and Consuming");
    text += &format!("  {}\n  {}\n{MESSAGES}", arguments(&PUBLISH), arguments(&GET));
    text
}

fn title(name: &str) -> String {
    format!("\n{name}\n{}\n\n", "=".repeat(name.len()))
}

fn arguments(object: &Object) -> String {
    let mandatory: Vec<String> =
        object.mandatory.iter().map(|names| format!("{}=...", names.join("=... OR "))).collect();
    let optional: Vec<String> = object.optional.iter().map(|(name, _)| format!("{name}=...")).collect();
    let optional = if optional.is_empty() { String::new() } else { format!(" [{}]", optional.join(" ")) };
    format!("{} {}{optional}", object.name, mandatory.join(" "))
}
