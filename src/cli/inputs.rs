//! What a command line says about settings: the flags of all settings, and where more of them are.

use std::path::PathBuf;

use super::flags::Flags;

/// As what the broker was started, which decides what it does where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartedAs {
    /// `coney`: a developer's broker, on this machine's own addresses.
    #[default]
    Coney,
    /// `rabbitmq-server`: it reads `/etc/rabbitmq`, listens on all addresses and keeps its data below `/var/lib/rabbitmq`.
    RabbitMqServer,
}

/// For `#[command(flatten)]`: a broker's start, and whatever else needs its settings.
#[derive(clap::Args, Clone, Default)]
pub struct Inputs {
    /// Read settings from a file.
    ///
    /// TOML, where a key is a flag without its dashes, or RabbitMQ's configuration.
    /// [env CONEY_CONFIG]
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    pub config: Option<PathBuf>,

    /// Read RabbitMQ's configuration from this directory: rabbitmq.conf and conf.d/*.conf.
    ///
    /// RABBITMQ_CONFIG_FILE and RABBITMQ_CONFIG_FILES name files outside of it.
    /// [env CONEY_RABBITMQ_CONF_DIR; default none, /etc/rabbitmq when started as rabbitmq-server]
    #[arg(long, value_name = "DIR", env = "CONEY_RABBITMQ_CONF_DIR", hide_env = true, verbatim_doc_comment)]
    pub rabbitmq_conf_dir: Option<PathBuf>,

    /// Be what `rabbitmq-server` would be: read /etc/rabbitmq, listen on all addresses.
    ///
    /// Data is in /var/lib/rabbitmq/mnesia/coney then, if nothing else is said.
    #[arg(long, verbatim_doc_comment)]
    pub as_rabbitmq_server: bool,

    /// The settings.
    #[command(flatten)]
    pub flags: Flags,
}

impl Inputs {
    /// As what the broker is started.
    pub const fn started_as(&self) -> StartedAs {
        if self.as_rabbitmq_server { StartedAs::RabbitMqServer } else { StartedAs::Coney }
    }
}
