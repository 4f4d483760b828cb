//! The command line. The flags of the settings come from their table.

use clap::{Parser, Subcommand};

#[cfg(feature = "cluster")]
use super::cluster::ClusterCommand;
use super::inputs::Inputs;
use super::man::{Completions, Man};
#[cfg(feature = "management")]
use super::native::NativeCommand;
use super::show::ConfigCommand;
use super::store::StoreCommand;

const AFTER_HELP: &str = "\
Each setting is taken from the first of: the command line, the environment (CONEY_.., RABBITMQ_..), --config,
RabbitMQ's files, the file of CONEY_CONFIG, the default. docs/configuration.md has all of it.

Examples:
  coney                                         a broker on localhost:5672, user guest, password guest
  coney --ephemeral --amqp 127.0.0.1:0          for a test: in memory, on a free port, which is printed
  coney --amqp 0.0.0.0:5672 --data-dir /var/lib/coney --default-user app
                                                for other machines; the password from CONEY_DEFAULT_PASS
  coney --config /etc/coney.toml --log coney=debug,info
  coney --config /etc/rabbitmq/rabbitmq.conf    RabbitMQ's configuration, as it is
  coney config show                             every setting, and where it comes from
  coney --definitions definitions.json          with the users, queues and policies of a RabbitMQ export
  coney store check /var/lib/coney              what is damaged in a data directory, and what that means
  coney store salvage /var/lib/coney saved      what is whole, in a new directory

A configuration file:
  amqp = [\"0.0.0.0:5672\", \"[::]:5672\"]
  data-dir = \"/var/lib/coney\"
  max-message-size = \"16MiB\"

Once clients can connect, standard output gets RabbitMQ's start-up lines and one with all addresses;
the log goes to standard error.
SIGTERM and SIGINT stop the broker within 5 seconds; a second one stops it at once.
Exit status: 0 after a signal, 1 when the broker could not start or had to stop, 2 for a wrong command line.";

/// An AMQP 0-9-1 broker that RabbitMQ clients use unchanged. What it confirms survives a crash.
#[derive(Parser)]
#[command(name = "coney", version, after_long_help = AFTER_HELP)]
#[command(after_help = "See --help for what each flag means, its default, and examples.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Something else than to run a broker.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What a broker is told.
    #[command(flatten)]
    pub inputs: Inputs,
}

/// What the binary does beside running a broker.
#[derive(Subcommand)]
pub enum Command {
    /// Check a damaged data directory, and save what is whole.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Show the settings and where each comes from, and check configuration files.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Make a cluster, show it, let another node lead.
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// What is asked of a broker that runs.
    #[cfg(feature = "management")]
    #[command(flatten)]
    Native(Box<NativeCommand>),
    /// Print what a shell needs to complete command lines.
    Completions(Completions),
    /// Write manual pages.
    Man(Man),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use coney::config::{Config, ControlSocketPath, LogFormat, MemoryLimit, NewPermission, NewUser};
    use coney::persona::Persona;

    use super::super::resolve::resolve;
    use super::super::settings::{self, env_name};
    use super::super::source::{Given, Origin};
    use super::*;

    fn config_of(line: &str) -> Config {
        let args = Args::try_parse_from(line.split(' ')).unwrap();
        resolve(&[args.inputs.flags.0]).unwrap().config
    }

    #[test]
    fn the_flags_are_the_settings_and_their_help_names_variable_key_and_default() {
        Args::command().debug_assert();
        let command = Args::command();
        let flags: Vec<_> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
        assert_eq!(flags.len(), settings::all().count() + 3, "and --config, ..-dir, --as-..");
        for key in settings::all().map(|setting| setting.key) {
            let flag = command.get_arguments().find(|a| a.get_long() == Some(key)).expect(key);
            let help = flag.get_long_help().expect(key).to_string();
            assert!(help.contains(&format!("[env {}", env_name(key))), "{key}: {help}");
            assert!(help.contains(&format!("key {key}")), "{key}: {help}");
            assert!(help.contains("default "), "{key}: {help}");
        }
    }

    #[test]
    fn the_defaults_in_the_help_are_the_defaults() {
        let said = settings::all().filter_map(|setting| {
            Some(Given { setting, texts: setting.default_texts()?, origin: Origin::Flag(setting.key) })
        });
        assert_eq!(resolve(&[said.collect()]).unwrap().config, Config::default());
    }

    #[test]
    fn every_flag_reaches_its_setting() {
        let config = config_of(
            "coney --amqp 127.0.0.1:1 --amqp 127.0.0.1:2 --http 127.0.0.1:3 --http 127.0.0.1:4 --metrics none \
             --http-allow-origin https://a,http://b:1 --http-cors-max-age 9 --http-path-prefix c/d --http-header X-Frame-Options:DENY \
             --control-socket /s --data-dir d --default-user u --default-pass p \
             --default-vhost v --event-exchange-vhost x --definitions f --consumer-timeout 7 --max-message-size 1k --queue-memory 2k --journal-events 9 --journal-bytes 3k --memory-limit 1G --disk-free-limit none --heartbeat 1 --frame-max 9000 --channel-max 3 \
             --server-product P --server-version V --loopback-users a,b --default-tags t,s --default-configure c --default-write w --default-read r \
             --default-users [{\"name\":\"n\",\"password\":\"q\"}] --node-name host --log-file l --pid-file i --log warn --log-format json --test --persona lavinmq-2 --lint lf",
        );
        assert_eq!(
            config,
            Config {
                listen: vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()],
                http: vec!["127.0.0.1:3".parse().unwrap(), "127.0.0.1:4".parse().unwrap()],
                metrics: vec![],
                http_allowed_origins: vec!["https://a".into(), "http://b:1".into()],
                http_cors_max_age_s: 9,
                http_headers: vec![("x-frame-options".into(), "DENY".into())],
                http_path_prefix: "/c/d".into(),
                control_socket: ControlSocketPath::At("/s".into()),
                data_dir: Some("d".into()),
                default_user: "u".into(),
                default_pass: "p".into(),
                default_tags: vec!["t".into(), "s".into()],
                default_permission: NewPermission {
                    configure: "c".into(),
                    write: "w".into(),
                    read: "r".into()
                },
                default_users: vec![NewUser {
                    name: "n".into(),
                    password: "q".into(),
                    tags: vec![],
                    permission: NewPermission::default(),
                }],
                default_vhost: "v".into(),
                event_exchange_vhost: Some("x".into()),
                definitions: Some("f".into()),
                message_bytes_max: 1024,
                ack_timeout_ms: 7,
                queue_bytes_in_memory: 2048,
                journal_events: 9,
                journal_bytes: 3072,
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
                test: true,
                persona: Persona::LavinMq2,
                lint: Some("lf".into()),
                log_file: Some("l".into()),
                node_name: Some("rabbit@host".into()),
                config_files: vec![],
                ..Config::default()
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
        let help = Args::command().next_line_help(true).render_long_help().to_string();
        let widest = help.lines().max_by_key(|line| line.len()).unwrap();
        assert!(widest.len() <= 116, "{widest}");
    }
}
