//! The command line. Every flag is also an environment variable and a key of the configuration file, and its help
//! says which. Values stay text here: `resolve` checks those of every source alike, so that an error can name the
//! source.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::source::Overrides;
use super::store::StoreCommand;

const AFTER_HELP: &str = "\
Each setting is taken from the first of: the command line, the environment, the file, the default.

Examples:
  coney                                         a broker on 127.0.0.1:5672, user guest, password guest
  coney --ephemeral --amqp 127.0.0.1:0          for a test: in memory, on a free port, which is printed
  coney --amqp 0.0.0.0:5672 --data-dir /var/lib/coney --default-user app
                                                for other machines; the password from CONEY_DEFAULT_PASS
  coney --config /etc/coney.toml --log coney=debug,info
  coney --definitions definitions.json          with the users, queues and policies of a RabbitMQ export
  coney store check /var/lib/coney              what is damaged in a data directory, and what that means
  coney store salvage /var/lib/coney saved      what is whole, in a new directory

A configuration file:
  amqp = [\"0.0.0.0:5672\", \"[::]:5672\"]
  data-dir = \"/var/lib/coney\"
  max-message-size = \"16MiB\"

Standard output gets one line, with the addresses bound, once clients can connect; the log goes to standard error.
SIGTERM and SIGINT stop the broker within 5 seconds; a second one stops it at once.
Exit status: 0 after a signal, 1 when the broker could not start or had to stop, 2 for a wrong command line.";

/// An AMQP 0-9-1 broker that RabbitMQ clients use unchanged. What it confirms survives a crash.
#[derive(Parser)]
#[command(name = "coney", version, after_long_help = AFTER_HELP, next_line_help = true)]
#[command(after_help = "See --help for what each flag means, its default, and examples.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Something else than to run a broker.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Read settings from a TOML file.
    ///
    /// A key is a flag without its dashes. An unknown key is an error.
    /// [env CONEY_CONFIG]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub config: Option<PathBuf>,

    /// Accept AMQP connections here (repeatable; port 0 picks a free one).
    ///
    /// A host name is looked up once; of several addresses the first IPv4 one is taken.
    /// [env CONEY_AMQP, comma-separated; key amqp, a list; default 127.0.0.1:5672]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network", verbatim_doc_comment)]
    amqp: Vec<String>,

    /// Serve the management API here (repeatable; port 0 picks a free one), or `none`.
    ///
    /// RabbitMQ's HTTP API, for its tools. Where the default address is taken, the broker starts without it.
    /// [env CONEY_HTTP, comma-separated; key http, a list; default 127.0.0.1:15672]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network", verbatim_doc_comment)]
    http: Vec<String>,

    /// Serve metrics for Prometheus here (repeatable; port 0 picks a free one), or `none`.
    ///
    /// They need no login. Where the default address is taken, the broker starts without them.
    /// [env CONEY_METRICS, comma-separated; key metrics, a list; default 127.0.0.1:15692]
    #[arg(long, value_name = "ADDR:PORT", help_heading = "Network", verbatim_doc_comment)]
    metrics: Vec<String>,

    /// Offer clients this heartbeat interval, in seconds; 0 for none.
    ///
    /// A client that stays silent for twice the interval agreed on is disconnected.
    /// [env CONEY_HEARTBEAT; key heartbeat; default 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Network", verbatim_doc_comment)]
    heartbeat: Option<String>,

    /// Keep everything that is to survive a restart in this directory.
    ///
    /// It is made if it does not exist, and locked while the broker runs.
    /// [env CONEY_DATA_DIR; key data-dir; default coney-data in the current directory]
    #[arg(long, value_name = "DIR", help_heading = "Storage", verbatim_doc_comment)]
    data_dir: Option<PathBuf>,

    /// Keep everything in memory: nothing is read from or written to the disk.
    ///
    /// For tests. A restart begins empty.
    /// [env CONEY_EPHEMERAL=true; key ephemeral; default false]
    #[arg(long, conflicts_with = "data_dir", help_heading = "Storage", verbatim_doc_comment)]
    ephemeral: bool,

    /// Create this user when the data directory is new.
    ///
    /// It may do everything on the default virtual host.
    /// [env CONEY_DEFAULT_USER or RABBITMQ_DEFAULT_USER; key default-user; default guest]
    #[arg(long, value_name = "NAME", help_heading = "Users", verbatim_doc_comment)]
    default_user: Option<String>,

    /// Give that user this password.
    ///
    /// Other users of the machine can read command lines: better use the environment or the file.
    /// [env CONEY_DEFAULT_PASS or RABBITMQ_DEFAULT_PASS; key default-pass; default guest]
    #[arg(long, value_name = "PASSWORD", help_heading = "Users", verbatim_doc_comment)]
    default_pass: Option<String>,

    /// Create this virtual host when the data directory is new.
    ///
    /// [env CONEY_DEFAULT_VHOST or RABBITMQ_DEFAULT_VHOST; key default-vhost; default /]
    #[arg(long, value_name = "NAME", help_heading = "Users", verbatim_doc_comment)]
    default_vhost: Option<String>,

    /// Import vhosts, users, permissions, policies, queues, exchanges and bindings from this file.
    ///
    /// JSON as RabbitMQ exports it; at every start, before clients are accepted.
    /// A file that is wrong stops the start. Where it lists users, no default user is created.
    /// [env CONEY_DEFINITIONS; key definitions; default none]
    #[arg(long, value_name = "FILE", help_heading = "Users", verbatim_doc_comment)]
    definitions: Option<PathBuf>,

    /// Let these users connect from this machine only (comma-separated or repeated).
    ///
    /// `none` lets every user connect from anywhere.
    /// [env CONEY_LOOPBACK_USERS, comma-separated; key loopback-users, a list; default guest]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Users", verbatim_doc_comment)]
    loopback_users: Vec<String>,

    /// Refuse messages with a larger body.
    ///
    /// In bytes or with a unit: 16MiB and 16M count by 1024, 16MB by 1000. At most 512MiB.
    /// [env CONEY_MAX_MESSAGE_SIZE; key max-message-size; default 128MiB]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", verbatim_doc_comment)]
    max_message_size: Option<String>,

    /// Keep about this much of each queue in memory.
    ///
    /// What is beyond, between the queue's two ends, is on disk only. Without a disk everything is in memory.
    /// [env CONEY_QUEUE_MEMORY; key queue-memory; default 16MiB]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", verbatim_doc_comment)]
    queue_memory: Option<String>,

    /// Block publishers while the broker uses more memory than this; consumers go on.
    ///
    /// A percentage of the memory of the machine (or of its container), bytes as above, or `none`.
    /// [env CONEY_MEMORY_LIMIT; key memory-limit; default 40%]
    #[arg(long, value_name = "LIMIT", help_heading = "Limits", verbatim_doc_comment)]
    memory_limit: Option<String>,

    /// Block publishers while the disk of the data directory has less free than this.
    ///
    /// In bytes as above, or `none`. A full disk would stop the broker.
    /// [env CONEY_DISK_FREE_LIMIT; key disk-free-limit; default 200MB]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", verbatim_doc_comment)]
    disk_free_limit: Option<String>,

    /// Offer clients frames up to this size, 8192 to 16MiB.
    ///
    /// [env CONEY_FRAME_MAX; key frame-max; default 131072]
    #[arg(long, value_name = "BYTES", help_heading = "Limits", verbatim_doc_comment)]
    frame_max: Option<String>,

    /// Let a connection have this many channels open, 1 to 65535.
    ///
    /// [env CONEY_CHANNEL_MAX; key channel-max; default 2047]
    #[arg(long, value_name = "CHANNELS", help_heading = "Limits", verbatim_doc_comment)]
    channel_max: Option<String>,

    /// Log what passes this filter: a level, or target=level pairs.
    ///
    /// Levels are error, warn, info, debug, trace and off; coney=debug,info is a filter.
    /// [env CONEY_LOG; key log; default info]
    #[arg(long, value_name = "FILTER", help_heading = "Diagnostics", verbatim_doc_comment)]
    log: Option<String>,

    /// Write the log as text for people, or as a JSON object a line.
    ///
    /// [env CONEY_LOG_FORMAT; key log-format; default text]
    #[arg(long, value_name = "FORMAT", help_heading = "Diagnostics", verbatim_doc_comment)]
    log_format: Option<String>,

    /// Tell clients that this is the product they talk to.
    ///
    /// Some choose their behaviour by it and would take another name for a broker they do not know.
    /// [env CONEY_SERVER_PRODUCT; key server-product; default RabbitMQ]
    #[arg(long, value_name = "NAME", help_heading = "Diagnostics", verbatim_doc_comment)]
    server_product: Option<String>,

    /// Tell clients that this is the product's version.
    ///
    /// [env CONEY_SERVER_VERSION; key server-version; default 4.0.5]
    #[arg(long, value_name = "VERSION", help_heading = "Diagnostics", verbatim_doc_comment)]
    server_version: Option<String>,
}

/// What the binary does beside running a broker.
#[derive(Subcommand)]
pub enum Command {
    /// Check a damaged data directory, and save what is whole.
    #[command(subcommand)]
    Store(StoreCommand),
}

impl From<Args> for Overrides {
    fn from(args: Args) -> Self {
        let listed = |list: Vec<String>| if list.is_empty() { None } else { Some(list) };
        Self {
            amqp: listed(args.amqp),
            http: listed(args.http),
            metrics: listed(args.metrics),
            data_dir: args.data_dir,
            ephemeral: args.ephemeral.then_some(true),
            default_user: args.default_user,
            default_pass: args.default_pass,
            default_vhost: args.default_vhost,
            definitions: args.definitions,
            max_message_size: args.max_message_size,
            queue_memory: args.queue_memory,
            memory_limit: args.memory_limit,
            disk_free_limit: args.disk_free_limit,
            heartbeat: args.heartbeat,
            frame_max: args.frame_max,
            channel_max: args.channel_max,
            server_product: args.server_product,
            server_version: args.server_version,
            loopback_users: listed(args.loopback_users),
            log: args.log,
            log_format: args.log_format,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use coney::config::{Config, LogFormat, MemoryLimit};

    use super::super::resolve::resolve;
    use super::super::source::{KEYS, env_name};
    use super::*;

    fn config_of(line: &str) -> Config {
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        resolve(args.into(), |_| None, None).unwrap()
    }

    #[test]
    fn the_flags_are_the_settings_and_their_help_names_variable_key_and_default() {
        Args::command().debug_assert();
        let command = Args::command();
        let flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert_eq!(flags.len(), KEYS.len());
        for key in KEYS {
            let flag = command.get_arguments().find(|a| a.get_long() == Some(key)).expect(key);
            let help = flag.get_long_help().expect(key).to_string();
            assert!(help.contains(&format!("[env {}", env_name(key))), "{key}: {help}");
            assert!(key == "config" || help.contains(&format!("key {key}")), "{key}: {help}");
            assert!(key == "config" || help.contains("default "), "{key}: {help}");
        }
    }

    #[test]
    fn the_defaults_in_the_help_are_the_defaults() {
        let defaults: Vec<(&str, String)> = Args::command()
            .get_arguments()
            .filter_map(|a| {
                let help = a.get_long_help()?.to_string();
                let default = help.rsplit_once("default ")?.1.split([' ', ']']).next()?.to_owned();
                Some((KEYS.into_iter().find(|key| Some(*key) == a.get_long())?, default))
            })
            .collect();
        assert_eq!(defaults.len(), KEYS.len() - 1);
        // A file that is not there by default cannot be named in one.
        let said = defaults.iter().filter(|(key, value)| (*key, value.as_str()) != ("definitions", "none"));
        let file: Vec<String> = said.map(|(key, value)| file_line(key, value)).collect();
        assert_eq!(file.len(), KEYS.len() - 2);
        let path = std::path::Path::new("help");
        let said = resolve(Overrides::default(), |_| None, Some((path, &file.join("\n")))).unwrap();
        assert_eq!(said, Config::default());
    }

    fn file_line(key: &str, value: &str) -> String {
        match key {
            "amqp" | "http" | "metrics" | "loopback-users" => format!("{key} = ['{value}']"),
            "ephemeral" => format!("{key} = {value}"),
            _ => format!("{key} = '{value}'"),
        }
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let config = config_of(
            "coney --amqp 127.0.0.1:1 --amqp 127.0.0.1:2 --http 127.0.0.1:3 --http 127.0.0.1:4 --metrics none \
             --data-dir d --default-user u --default-pass p \
             --default-vhost v --definitions f --max-message-size 1k --queue-memory 2k --memory-limit 1G --disk-free-limit none --heartbeat 1 --frame-max 9000 --channel-max 3 \
             --server-product P --server-version V --loopback-users a,b --log warn --log-format json",
        );
        assert_eq!(
            config,
            Config {
                listen: vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()],
                http: vec!["127.0.0.1:3".parse().unwrap(), "127.0.0.1:4".parse().unwrap()],
                metrics: vec![],
                data_dir: Some("d".into()),
                default_user: "u".into(),
                default_pass: "p".into(),
                default_vhost: "v".into(),
                definitions: Some("f".into()),
                message_bytes_max: 1024,
                queue_bytes_in_memory: 2048,
                memory_limit: MemoryLimit::Bytes(1 << 30),
                disk_free_limit: None,
                heartbeat_s: 1,
                frame_bytes_max: 9000,
                channels_max: 3,
                server_product: "P".into(),
                server_version: "V".into(),
                loopback_users: vec!["a".into(), "b".into()],
                log: "warn".into(),
                log_format: LogFormat::Json,
            }
        );
        assert_eq!(config_of("coney --ephemeral").data_dir, None);
        assert_eq!(config_of("coney"), Config::default());
    }

    #[test]
    fn memory_and_a_directory_exclude_each_other() {
        assert!(Args::try_parse_from(["coney", "--ephemeral", "--data-dir", "d"]).is_err());
    }

    #[test]
    fn no_line_of_the_help_is_too_wide_for_a_terminal() {
        let help = Args::command().render_long_help().to_string();
        let widest = help.lines().max_by_key(|line| line.len()).unwrap();
        assert!(widest.len() <= 116, "{widest}");
    }
}
