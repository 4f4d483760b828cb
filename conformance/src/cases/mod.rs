//! The cases, a module for each part of the protocol.

use crate::case::Case;

mod client;
mod connecting;
mod consuming;
mod dead_letters;
mod declaring;
mod errors_frames;
mod errors_methods;
mod errors_topology;
mod limits;
mod plugin_exchanges;
mod prefetch;
mod priorities;
mod publishing;
mod routing;
mod settling;

/// All of them, in the order in which they are listed and run.
pub fn all() -> impl Iterator<Item = Case> {
    let all = [
        connecting::CASES,
        errors_frames::CASES,
        errors_methods::CASES,
        errors_topology::CASES,
        declaring::CASES,
        routing::CASES,
        publishing::CASES,
        consuming::CASES,
        prefetch::CASES,
        settling::CASES,
        limits::CASES,
        dead_letters::CASES,
        priorities::CASES,
        plugin_exchanges::CASES,
        client::CASES,
    ];
    all.into_iter().flatten().copied()
}
