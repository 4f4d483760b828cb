//! The recipes of docs/testing.md in Rust. `printed` checks that the guide prints them as they are here.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect has failed"
)]

mod chain;
mod confirm;
mod idempotent;
mod order;
mod poison;
mod printed;
mod restart;
mod retry;
mod rpc;
mod shutdown;
mod slow;
mod support;
