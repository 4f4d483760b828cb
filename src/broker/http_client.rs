//! A client of the management API whose connection another accepted.

use std::net::SocketAddr;

/// Where it is, and how it came.
#[cfg_attr(not(feature = "management"), expect(dead_code, reason = "nobody serves HTTP then"))]
#[derive(Clone, Copy, Debug)]
pub struct HttpClient {
    /// Its address.
    pub address: SocketAddr,
    /// Whether whoever accepted it has ended its TLS.
    pub is_over_tls: bool,
    /// Whether its requests come from a node of the cluster, which may say for whom it asks.
    pub is_led: bool,
}
