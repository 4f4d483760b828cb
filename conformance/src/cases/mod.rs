//! The cases, a module for each part of the protocol.

use crate::case::Case;

mod errors_frames;
mod errors_methods;
mod errors_topology;
mod plugin_exchanges;

/// All of them, in the order in which they are listed and run.
pub fn all() -> impl Iterator<Item = Case> {
    let all = [errors_frames::CASES, errors_methods::CASES, errors_topology::CASES, plugin_exchanges::CASES];
    all.into_iter().flatten().copied()
}
