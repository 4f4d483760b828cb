//! The name of the node that this broker is to tools.

use sysinfo::System;

use crate::config::{Config, NODE_PREFIX};

/// As the settings say, or `rabbit@` and the host's name without its domain, as RabbitMQ's is.
#[must_use]
pub fn node_name(config: &Config) -> String {
    config.node_name.clone().unwrap_or_else(|| {
        let host = System::host_name().unwrap_or_default();
        let short = host.split('.').next().filter(|name| !name.is_empty()).unwrap_or("localhost");
        format!("{NODE_PREFIX}{short}")
    })
}
