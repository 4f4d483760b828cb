//! What accepts in place of brokers where a node has several.

use std::sync::Arc;

use super::sockets::Sockets;
use super::tls::Tls;
use crate::broker::Clock;
use crate::broker::log_limits::LogLimit;
use crate::ledger::Ledger;

/// Sockets of brokers that listen nowhere, and what ends TLS there.
#[derive(Debug)]
#[cfg_attr(not(feature = "cluster"), expect(dead_code, reason = "a node of a cluster makes it"))]
pub(crate) struct Front {
    pub(crate) sockets: Arc<Sockets>,
    pub(super) tls: Tls,
    /// Of all brokers behind it: they share what the process may use.
    pub(super) ledger: Arc<Ledger>,
    pub(super) clock: Clock,
    pub(super) refusals: LogLimit,
}
