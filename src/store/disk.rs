//! An engine that is open, before a store runs on it: by itself, or under another engine that adds something to it.

use super::engine::Engine;
use super::error::Error;
use super::fjall_engine::FjallEngine;
use super::marker::MarkerKeeper;
use std::path::Path;
use std::sync::Arc;

/// An open engine, and what is to be done when all of it is closed.
pub struct Disk<E> {
    pub(super) engine: E,
    pub(super) healed: Option<String>,
    pub(super) closing: Option<Closing>,
}

/// Opens or creates the engine in a data directory; `open_files_max` as in [`OpenOptions`](super::OpenOptions).
///
/// # Errors
/// All of [`Error`] but [`Error::Stopped`] and [`Error::Deposed`]. Nothing was changed if the directory is locked, not writable,
/// foreign or damaged.
pub fn open_disk(dir: &Path, open_files_max: usize) -> Result<Disk<impl Engine + use<>>, Error> {
    let (engine, healed) = FjallEngine::open(dir, open_files_max)?;
    let closing = Some(Closing(engine.marker()));
    Ok(Disk { engine, healed, closing })
}

impl<E> Disk<E> {
    /// An engine with nothing to be done when it is closed.
    pub const fn of(engine: E) -> Self {
        Self { engine, healed: None, closing: None }
    }

    /// The same under another engine.
    pub fn map<F>(self, over: impl FnOnce(E) -> F) -> Disk<F> {
        Disk { engine: over(self.engine), healed: self.healed, closing: self.closing }
    }

    /// The engine by itself, what was cut off a journal, and what is to be called when the engine is dropped.
    pub fn into_parts(self) -> (E, Option<String>, Option<Closing>) {
        (self.engine, self.healed, self.closing)
    }
}

/// Notes in the data directory that it was closed.
pub struct Closing(Arc<MarkerKeeper>);

impl Closing {
    /// All of the engine was dropped after its last commit. If somebody has it open, this does nothing.
    pub fn closed(self) {
        self.0.closed();
    }
}
