//! What a node is given: threads that may block, the time, and a broker on an engine. A simulation gives others than a machine does.

use super::directory::{Directory, Member};
use super::local::LocalEngine;
use super::log::{Log, Sequence, Unreachable};
use super::mark::Mark;
use super::tenure::Tenure;
use crate::server::StartError;
use crate::store::Error;
use crate::time::Time;
use std::time::Duration;

/// What a node runs on.
pub trait Host: Send + Sync + 'static {
    /// A client of the log.
    type Log: Log + 'static;
    /// The directory.
    type Directory: Directory;
    /// A running broker.
    type Led: Led;
    /// A snapshot on its way here.
    type Pieces: Pieces;

    /// The time, which only goes on.
    fn now(&self) -> Time;

    /// Waits for so long.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// The directory.
    fn directory(&self) -> &Self::Directory;

    /// Does something that blocks, with a client of the log, where that is in nobody's way.
    fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Self::Log) -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send;

    /// Opens the store on the engine, with the log under it, and starts a broker on that. `fence` is the last frame of the log.
    ///
    /// # Errors
    /// [`Error::Deposed`] within if the tenure ended before.
    fn lead(
        &self,
        engine: LocalEngine,
        fence: Mark,
        tenure: Tenure,
    ) -> impl Future<Output = Result<Self::Led, StartError>> + Send;

    /// Asks another node for a snapshot of all that it has.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn fetch_snapshot(&self, from: &Member)
    -> impl Future<Output = Result<Self::Pieces, Unreachable>> + Send;

    /// Waits until another node's process is gone: it was there, and there is nothing now where it was, which somebody who is there must
    /// say. A silence is none. Whoever says so may be wrong; safe is only what the log says.
    ///
    /// # Errors
    /// [`Unreachable`]: it is not known, perhaps it never was. Whoever asks may ask again a little later.
    fn outlive(&self, other: &Member) -> impl Future<Output = Result<(), Unreachable>> + Send;

    /// The frame that was applied last has this sequence; `is_leader` if this node writes.
    fn tell(&self, _is_leader: bool, _term: u64, _applied: Sequence) {}
}

/// The frames of a [snapshot](super::read_snapshot), as they come.
pub trait Pieces: Send {
    /// The next one; answers or fails within half a minute.
    ///
    /// # Errors
    /// [`Unreachable`]: no more will come.
    fn next(&mut self) -> impl Future<Output = Result<Vec<u8>, Unreachable>> + Send;
}

/// A broker that runs on a replicated engine.
pub trait Led: Send + Sync {
    /// Waits until its store fails.
    fn failed(&self) -> impl Future<Output = Error> + Send;

    /// Sends something through the log and onto this node's disk, and calls back when it is there.
    fn beat(&self, done: Box<dyn FnOnce() + Send>);

    /// Whether publishers are blocked because the disk is short of space.
    fn is_short_of_disk(&self) -> bool {
        false
    }

    /// Stops it: its clients are told, what they sent goes through the log unless the tenure is over, its threads end, and nothing
    /// uses the engine any more.
    fn end(self) -> impl Future<Output = ()> + Send;
}
