//! Where a broker has its control socket that is started here with nothing but this environment and its configuration files.

use std::path::PathBuf;

use coney::config::{CONTROL_SOCKET_NAME, Config, ControlSocketPath};

use crate::cli::inputs::Inputs;
use crate::cli::load::load;

/// Of `coney` and of `rabbitmq-server`. Settings that cannot be read are the broker's to complain about.
pub(super) fn sockets() -> impl Iterator<Item = PathBuf> {
    let loaded = [false, true].into_iter().filter_map(|as_rabbitmq_server| {
        let rabbitmq_conf_dir = std::env::var_os("CONEY_RABBITMQ_CONF_DIR").map(PathBuf::from);
        load(Inputs { as_rabbitmq_server, rabbitmq_conf_dir, ..Inputs::default() }).ok()
    });
    loaded.filter_map(|loaded| socket(loaded.config))
}

fn socket(config: Config) -> Option<PathBuf> {
    match config.control_socket {
        ControlSocketPath::At(path) => Some(path),
        ControlSocketPath::InDataDir => config.data_dir.map(|dir| dir.join(CONTROL_SOCKET_NAME)),
        ControlSocketPath::None => None,
    }
}
