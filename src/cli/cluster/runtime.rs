//! What waits for the answers of NATS and of nodes.

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};

/// One of the calling thread.
pub fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}
