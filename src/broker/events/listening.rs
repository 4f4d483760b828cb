//! Whether anybody listens, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::topology::SharedTopology;

/// Which vhost has the exchange, and whether anything is bound to it.
#[derive(Debug)]
pub struct Listening {
    vhost: String,
    is_anybody: Arc<AtomicBool>,
}

impl Listening {
    /// As the settings say, or in the default vhost.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let vhost = config.event_exchange_vhost.as_ref().unwrap_or(&config.default_vhost);
        Self { vhost: vhost.clone(), is_anybody: Arc::default() }
    }

    /// The vhost of the exchange, which need not be there.
    #[must_use]
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Whether anything is bound to the exchange.
    #[inline]
    #[must_use]
    pub fn is_anybody(&self) -> bool {
        self.is_anybody.load(Ordering::Relaxed)
    }

    /// The topology of a new vhost: that of events has their exchange.
    #[must_use]
    pub fn new_topology(&self, vhost: &str) -> SharedTopology {
        if vhost == self.vhost {
            SharedTopology::with_events(Arc::clone(&self.is_anybody))
        } else {
            SharedTopology::default()
        }
    }
}
