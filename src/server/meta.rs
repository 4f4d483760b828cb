//! How a data shard's broker follows the meta shard.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::broker::identities::Identities;
use crate::broker::operations;
use crate::broker::shared::{Shared, stopped};

/// A broker that knows nobody yet waits so long for the meta shard before it accepts anybody: others would be told that they are unknown.
const FIRST_MAX: Duration = Duration::from_secs(10);

/// What definitions have of each vhost.
pub(crate) const OF_VHOSTS: [&str; 5] = ["queues", "exchanges", "bindings", "policies", "parameters"];

/// A definitions file without what belongs to vhosts of other shards, if there are any.
pub(super) fn without_elsewhere(shared: &Shared, text: String) -> String {
    let is_elsewhere = |name: &str| {
        let home = shared.vhost(name).and_then(|vhost| vhost.settings().home);
        home.is_some_and(|home| home.is_elsewhere())
    };
    if !shared.vhosts.iter().any(|vhost| vhost.settings().home.is_some_and(|home| home.is_elsewhere())) {
        return text;
    }
    let Ok(mut definitions) = serde_json::from_str::<Value>(&text) else { return text };
    for key in OF_VHOSTS {
        let Some(items) = definitions.get_mut(key).and_then(Value::as_array_mut) else { continue };
        let before = items.len();
        items.retain(|item| !item["vhost"].as_str().is_some_and(is_elsewhere));
        if items.len() < before {
            let skipped = before - items.len();
            tracing::warn!(
                skipped,
                "the definitions file has {key} of vhosts that other shards serve: import them over the management API"
            );
        }
    }
    definitions.to_string()
}

/// What a data shard's broker has of the meta shard.
#[derive(Debug)]
pub struct Meta {
    /// The shard's number, from 1.
    pub shard: u32,
    /// What this node knows of the meta shard; `None` until it knows anything.
    pub identities: watch::Receiver<Option<Arc<Identities>>>,
    /// Is told what the broker does as it says.
    pub followed: watch::Sender<Option<Arc<Identities>>>,
}

impl Meta {
    /// Has the broker follow from now on, and answers when it has begun.
    pub(super) async fn begin(mut self, shared: &Arc<Shared>) {
        let clock = shared.clock;
        let known = Box::pin(async { drop(self.identities.wait_for(Option::is_some).await) });
        if clock.within(FIRST_MAX, known).await.is_none() {
            tracing::warn!(shard = self.shard, "the meta shard is not known yet: nobody can log in");
        }
        self.follow(shared).await;
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            let mut stopping = shared.stopping.subscribe();
            loop {
                tokio::select! {
                    changed = self.identities.changed() => match changed {
                        Ok(()) => self.follow(&shared).await,
                        Err(_) => return,
                    },
                    () = is_due(&shared) => self.follow(&shared).await,
                    () = stopped(&mut stopping) => return,
                }
            }
        });
    }

    async fn follow(&mut self, shared: &Arc<Shared>) {
        let Some(now) = self.identities.borrow_and_update().clone() else { return };
        operations::follow(shared, self.shard, &now).await;
        self.followed.send_replace(Some(now));
    }
}

/// Something came into the shard.
#[cfg(feature = "cluster")]
async fn is_due(shared: &Shared) {
    shared.follow_again.notified().await;
}

#[cfg(not(feature = "cluster"))]
async fn is_due(_: &Shared) {
    std::future::pending().await
}
