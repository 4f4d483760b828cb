//! The cluster on real nats-servers, three of them on loopback. `CONEY_NATS_SERVER` names the program, which `.ci/nats` puts under
//! target/nats/; without it nothing is tested here.
#![cfg(feature = "cluster")]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets what it does not expect has failed"
)]
#![expect(clippy::disallowed_methods, reason = "measures real processes")]

#[path = "cluster_nats/clients.rs"]
mod clients;
#[path = "cluster_nats/directory.rs"]
mod directory;
#[path = "cluster_nats/figures.rs"]
mod figures;
#[path = "cluster_nats/log.rs"]
mod log;
#[path = "cluster_nats/moves.rs"]
mod moves;
#[path = "cluster_nats/nodes.rs"]
mod nodes;
#[path = "cluster_nats/programs.rs"]
mod programs;
#[path = "cluster_nats/refusals.rs"]
mod refusals;
#[path = "cluster_nats/restores.rs"]
mod restores;
#[path = "cluster_nats/rights.rs"]
mod rights;
#[path = "cluster_nats/servers.rs"]
mod servers;
#[path = "cluster_nats/shards.rs"]
mod shards;
