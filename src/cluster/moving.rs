//! Vhosts that move from shard to shard: whoever is asked for it has the leader of the one take a copy from the leader of the other.

use std::time::Duration;

use super::adopting::VhostMove;
use super::peer::{AdoptWish, adopt_at};
use super::shards::Shards;
use crate::broker::Home;
use crate::time::Time;

/// So long it is tried: clients have to leave first, and leaders may change.
const TRIED_MAX: Duration = Duration::from_secs(90);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

/// What whoever has a vhost copied knows and can do.
pub trait Copying: Sync {
    /// The time.
    fn now(&self) -> Time;

    /// Waits for so long.
    fn pass(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Where a vhost is, and moves to, as this node knows it.
    fn home(&self, vhost: &str) -> Home;

    /// Has the leader of the one shard take it from the leader of the other.
    ///
    /// # Errors
    /// Why it has not, as far as is known.
    fn copy(&self, wish: &VhostMove) -> impl Future<Output = Result<(), String>> + Send;
}

/// Has a vhost that is to move copied; where to, and by which id. `None` if it is not to move.
///
/// # Errors
/// Why it could not be copied: it can be done again.
pub async fn copy_vhost(by: &impl Copying, vhost: &str) -> Result<Option<(u32, u64)>, String> {
    let last = by.now() + TRIED_MAX;
    loop {
        let home = by.home(vhost);
        let Some(moving) = home.moving else { return Ok(None) };
        let number = |shard: u32| u16::try_from(shard).map_err(|error| error.to_string());
        let (to, from) = (number(moving.shard)?, number(home.shard)?);
        match by.copy(&VhostMove { vhost: vhost.to_owned(), id: moving.id, to, from }).await {
            Ok(()) => return Ok(Some((moving.shard, moving.id))),
            Err(why) if by.now() >= last => return Err(why),
            Err(why) => tracing::debug!(vhost, why, "a vhost was not copied"),
        }
        by.pass(PAUSE).await;
    }
}

impl Copying for Shards {
    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn pass(&self, time: Duration) {
        self.clock.wait_for(Some(self.clock.now() + time)).await;
    }

    fn home(&self, vhost: &str) -> Home {
        self.known.home(vhost).unwrap_or_default()
    }

    async fn copy(&self, wish: &VhostMove) -> Result<(), String> {
        let leader =
            |shard| self.leader(u32::from(shard)).ok_or_else(|| format!("nobody leads shard {shard}"));
        let ((to, _), (from, _)) = (leader(wish.to)?, leader(wish.from)?);
        adopt_at(&to, &self.secret, &AdoptWish { moving: wish.clone(), leader: from }).await
    }
}
