//! Integration tests: one binary, a module a feature.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that meets what it does not expect has failed"
)]

mod attack;
mod choosing;
mod configuration;
mod consuming;
mod crash;
#[cfg(all(unix, feature = "management"))]
mod ctl;
#[cfg(feature = "management")]
mod cursors;
mod definitions;
mod definitions_identity;
mod delaying;
mod differential;
mod durability;
#[cfg(feature = "management")]
mod events;
mod failure_policies;
mod faults;
#[cfg(feature = "management")]
mod firehose;
mod flow;
mod frames;
mod handshake;
mod heartbeats;
mod journal;
#[cfg(all(unix, feature = "management"))]
mod logging;
#[cfg(feature = "management")]
mod management;
#[cfg(feature = "management")]
mod native;
mod once;
mod operations;
mod permissions;
#[cfg(feature = "management")]
mod personas;
mod policies;
mod process;
mod protocol_errors;
mod publishing;
#[cfg(all(unix, feature = "management"))]
mod rabbitmqadmin;
mod routing;
mod simulation;
#[cfg(feature = "management")]
mod smells;
mod statistics;
mod streams;
mod support;
mod tidy;
mod tls;
mod transactions;
mod wire_order;
mod worlds;
