//! A node that cannot go on from the log alone takes another's snapshot: an empty one, one that was away for longer than the log
//! is kept, one whose store is damaged.

use super::directory::Member;
use super::follower::Stop;
use super::hearing::Hearing;
use super::host::{Host, Pieces};
use super::local::LocalEngine;
use super::log::{Log, Sequence, Unreachable};
use super::mark::Mark;
use super::snapshot::{BadPiece, FillError, Filling};
use crate::store::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// A damaged store is given up if no other node is there for so long: what can be saved of it, an operator has to say.
const ALONE_MAX: Duration = Duration::from_secs(60);

/// What it takes to take a snapshot.
pub(super) struct Rejoin<'a, H> {
    pub(super) host: &'a H,
    pub(super) name: &'a str,
    pub(super) log_id: u64,
    pub(super) engine: &'a LocalEngine,
    pub(super) hearing: &'a Arc<Mutex<Hearing>>,
}

/// Why an attempt came to nothing.
enum Failed {
    /// Another may not.
    Again,
    Stop(Stop),
}

impl From<Unreachable> for Failed {
    fn from(_: Unreachable) -> Self {
        Self::Again
    }
}

impl From<BadPiece> for Failed {
    fn from(_: BadPiece) -> Self {
        Self::Again
    }
}

impl From<FillError> for Failed {
    fn from(error: FillError) -> Self {
        match error {
            FillError::Piece(_) => Self::Again,
            FillError::Store(error) => Self::Stop(error.into()),
        }
    }
}

impl<H: Host> Rejoin<'_, H> {
    /// Tries until all of a snapshot is there.
    ///
    /// # Errors
    /// `why`, if that is damage and nobody else is there; what contradicts what this node has; what its store fails with.
    pub(super) async fn run(&self, why: Stop) -> Result<(), Stop> {
        let own = self.own_mark(&why).await?;
        let (mut attempt, mut alone_since) = (0, self.host.now());
        loop {
            let sources = match self.bounds_first().await {
                Ok(first) => self.sources(first),
                Err(Unreachable(_)) => Vec::new(),
            };
            let source = sources.get(attempt % sources.len().max(1));
            if let Some(source) = source {
                alone_since = self.host.now();
                match self.take_from(source, own).await {
                    Ok(()) => return Ok(()),
                    Err(Failed::Stop(stop)) => return Err(stop),
                    Err(Failed::Again) => attempt += 1,
                }
            }
            let is_damaged = matches!(why, Stop::Store(_));
            if is_damaged && self.host.now().since(alone_since) > ALONE_MAX {
                return Err(why);
            }
            self.host.pass(PAUSE).await;
        }
    }

    /// How far this node is, if it has something that is worth comparing.
    async fn own_mark(&self, why: &Stop) -> Result<Option<Mark>, Stop> {
        if !matches!(why, Stop::Log(_)) {
            return Ok(None);
        }
        let engine = self.engine.clone();
        Ok(self.host.block(move |_| Mark::read(&engine)).await?)
    }

    async fn bounds_first(&self) -> Result<Sequence, Unreachable> {
        self.host.block(|log| log.bounds()).await.map(|bounds| bounds.first)
    }

    fn sources(&self, first: Sequence) -> Vec<Member> {
        let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
        hearing.sources(self.host.now(), self.name, first)
    }

    async fn take_from(&self, source: &Member, own: Option<Mark>) -> Result<(), Failed> {
        let mut pieces = self.host.fetch_snapshot(source).await?;
        let first = pieces.next().await?;
        let given = Filling::mark_of(&first)?;
        self.check(own, given).await?;
        tracing::info!(from = source.name, frame = given.sequence.0, "taking a snapshot");
        let engine = self.engine.clone();
        let mut filling = self.host.block(move |_| Filling::begin(engine, &first)).await?;
        loop {
            let piece = pieces.next().await?;
            let taken = self.host.block(move |_| {
                let taken = filling.take(&piece)?;
                Ok::<_, Error>((filling, taken)).map_err(FillError::from)
            });
            let (back, is_whole) = taken.await?;
            filling = back;
            if is_whole.is_some() {
                return Ok(());
            }
        }
    }

    /// Whether a snapshot goes together with the log, and with what this node has.
    async fn check(&self, own: Option<Mark>, given: Mark) -> Result<(), Failed> {
        if given.log_id != self.log_id {
            return Err(Failed::Stop(Stop::Foreign { found: given.log_id, expected: self.log_id }));
        }
        let bounds = self.host.block(|log| log.bounds()).await?;
        if given.sequence.next() < bounds.first || given.sequence > bounds.last {
            return Err(Failed::Again);
        }
        match own.filter(|own| !own.is_behind(&given)) {
            Some(own) => Err(Failed::Stop(Stop::Ahead { own, given })),
            None => Ok(()),
        }
    }
}
