//! The cases, a module for each part of the protocol.

use crate::case::Case;

mod consuming;
mod dead_letters;
mod errors_frames;
mod errors_methods;
mod errors_topology;
mod limits;
mod plugin_exchanges;
mod prefetch;
mod priorities;
mod settling;

/// All of them, in the order in which they are listed and run.
pub fn all() -> impl Iterator<Item = Case> {
    let all = [
        errors_frames::CASES,
        errors_methods::CASES,
        errors_topology::CASES,
        consuming::CASES,
        prefetch::CASES,
        settling::CASES,
        limits::CASES,
        dead_letters::CASES,
        priorities::CASES,
        plugin_exchanges::CASES,
    ];
    all.into_iter().flatten().copied()
}
