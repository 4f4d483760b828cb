//! Vhosts that move from shard to shard: whoever is asked for it has the leader of the one take a copy from the leader of the other.

use std::time::Duration;

use super::peer::{AdoptWish, adopt_at};
use super::shards::Shards;
use crate::broker::Home;

/// So long it is tried: clients have to leave first, and leaders may change.
const TRIED_MAX: Duration = Duration::from_secs(90);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl Shards {
    /// Has a vhost that is to move copied; where to, and by which id. `None` if it is not to move.
    ///
    /// # Errors
    /// Why it could not be copied: it can be done again.
    pub(super) async fn copy(&self, vhost: &str) -> Result<Option<(u32, u64)>, String> {
        let last = self.clock.now() + TRIED_MAX;
        loop {
            let home = self.known.home(vhost).unwrap_or_default();
            let Some(moving) = home.moving else { return Ok(None) };
            match self.copy_once(vhost, home).await {
                Ok(()) => return Ok(Some((moving.shard, moving.id))),
                Err(why) if self.clock.now() >= last => return Err(why),
                Err(why) => tracing::debug!(vhost, why, "a vhost was not copied"),
            }
            self.clock.wait_for(Some(self.clock.now() + PAUSE)).await;
        }
    }

    async fn copy_once(&self, vhost: &str, home: Home) -> Result<(), String> {
        let moving = home.moving.ok_or("it does not move")?;
        let leader = |shard| self.leader(shard).ok_or_else(|| format!("nobody leads shard {shard}"));
        let ((to, _), (from, _)) = (leader(moving.shard)?, leader(home.shard)?);
        let number = |shard: u32| u16::try_from(shard).map_err(|error| error.to_string());
        let wish = AdoptWish {
            vhost: vhost.to_owned(),
            id: moving.id,
            to: number(moving.shard)?,
            from: number(home.shard)?,
            leader: from,
        };
        adopt_at(&to, &self.secret, &wish).await
    }
}
