//! Copies of vhosts that move from shard to shard: what belongs to one, and taking one in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::moving_vhosts::{MOVE, empty};
use super::vhosts::delete_as;
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::recovery;
use crate::broker::shared::Shared;
use crate::broker::vhost_settings::{Home, MetaMark, Moving, VhostSettings};
use crate::message::QueueId;
use crate::store::{AdoptStep, AdoptWhat, Adoption, Pair, RecoveredQueue, Submission};

/// What is definitions' of a vhost's content.
const CONTENT: [&str; 5] = ["exchange", "queue", "policy", "operator_policy", "binding"];

/// Whether the definition of this name is of what is in a vhost.
#[must_use]
pub fn is_content_of(name: &str, vhost: &str) -> bool {
    let mut parts = name.splitn(3, '\0');
    parts.next().is_some_and(|kind| CONTENT.contains(&kind)) && parts.next() == Some(vhost)
}

/// The ids under which a store keeps what is in a vhost, by its definitions, and whether it was closed for the move of this id.
///
/// # Errors
/// They cannot be read.
pub fn content_of(definitions: &BTreeMap<String, Vec<u8>>, id: u64) -> Result<(Vec<QueueId>, bool), String> {
    let (mut queues, mut is_closed) = (Vec::new(), false);
    for definition in Definition::read_all(definitions).map_err(|error| error.to_string())? {
        match definition {
            Definition::Queue(_, queue) => queues.push(QueueId(queue.id)),
            Definition::Exchange(_, exchange) => queues.extend(exchange.delay_queue.map(QueueId)),
            Definition::VhostSettings(_, settings) => {
                let moving = settings.home.and_then(|home| home.moving);
                is_closed = moving.is_some_and(|moving| moving.id == id && moving.is_closed);
            }
            _ => {}
        }
    }
    Ok((queues, is_closed))
}

/// A copy of a vhost that comes from another shard.
pub struct VhostCopy {
    /// Its name.
    pub vhost: String,
    /// This shard, and the id of the move.
    pub to: (u32, u64),
    /// The place in the meta shard's log that this node goes by; of a data shard.
    pub made: Option<MetaMark>,
    /// The epoch of the store that it comes from.
    pub epoch: u64,
    /// What is in it.
    pub definitions: BTreeMap<String, Vec<u8>>,
    /// Its messages. It ends with an empty one, or has broken off.
    pub pieces: mpsc::Receiver<Vec<Pair>>,
    /// Hears when it is durable, and how many queues it has.
    pub done: oneshot::Sender<Result<usize, String>>,
}

impl VhostCopy {
    /// Takes it in.
    pub(crate) async fn take(mut self, shared: &Arc<Shared>) {
        let taken = self.adopt(shared).await;
        match &taken {
            Ok(queues) => tracing::info!(vhost = self.vhost, queues, "a vhost came from another shard"),
            Err(why) => tracing::warn!(vhost = self.vhost, why, "a vhost did not come from another shard"),
        }
        // The move may be over meanwhile, or the vhost deleted.
        shared.follow_again.notify_one();
        // Perhaps nobody waits any more.
        drop(self.done.send(taken));
    }

    async fn adopt(&mut self, shared: &Arc<Shared>) -> Result<usize, String> {
        if self.is_here(shared).await.map_err(|error| error.to_string())? {
            return Ok(0);
        }
        let read = Definition::read_all(&self.definitions).map_err(|error| error.to_string())?;
        let mut ids = HashMap::new();
        let definitions: Vec<_> = read.into_iter().map(|it| with_own_ids(shared, it, &mut ids)).collect();
        let count = ids.len();
        let adoption = Adoption::new(ids);
        loop {
            let pairs = self.pieces.recv().await.ok_or("it has broken off")?;
            let is_last = pairs.is_empty();
            let what = if is_last { AdoptWhat::End { epoch: self.epoch } } else { AdoptWhat::Pairs(pairs) };
            let (sender, done) = oneshot::channel();
            let done_by = Box::new(move |found| drop(sender.send(found)));
            shared.store.adopt(AdoptStep { adoption: adoption.clone(), what, done: done_by });
            let found = done.await.map_err(|_| "the store has stopped")??;
            if is_last {
                self.put(shared, definitions, found).await?;
                return Ok(count);
            }
        }
    }

    /// Whether all of it is here already: it was closed then, and has been since, where it comes from. A part goes.
    async fn is_here(&self, shared: &Arc<Shared>) -> Result<bool, OperationError> {
        let Some(vhost) = shared.vhost(&self.vhost) else { return Ok(false) };
        let (settings, (shard, id)) = (vhost.settings(), self.to);
        let home = settings.home.unwrap_or_default();
        if shard == 0 {
            let is_whole = home.moving.is_some_and(|moving| moving.id == id && moving.is_closed);
            if !is_whole {
                empty(shared, &vhost).await;
            }
            return Ok(is_whole);
        }
        if home.id == id {
            return Ok(true);
        }
        vhost.set_settings(VhostSettings { is_protected: false, ..(*settings).clone() });
        delete_as(shared, &self.vhost, MOVE).await?;
        Ok(false)
    }

    /// What is said of it where it is now: that all of it is there.
    fn settings(&self, shared: &Shared) -> Result<Vec<Definition>, String> {
        let (shard, id) = self.to;
        let name = || self.vhost.clone();
        if shard > 0 {
            // Nobody is let in before the meta shard says that it is here: until then it may stay where it was.
            let moving = Some(Moving { shard, id, is_closed: true });
            let home = Some(Home { shard, id, made: self.made, moving });
            let settings = VhostSettings { home, ..VhostSettings::default() };
            return Ok(vec![Definition::Vhost(name()), Definition::VhostSettings(name(), settings)]);
        }
        let vhost = shared.vhost(&self.vhost).ok_or("there is no such vhost any more")?;
        let settings = vhost.settings();
        let home = settings.home.unwrap_or_default();
        let moving = home.moving.filter(|moving| moving.id == id).ok_or("it does not move any more")?;
        let home = Some(Home { moving: Some(Moving { is_closed: true, ..moving }), ..home });
        Ok(vec![Definition::VhostSettings(name(), VhostSettings { home, ..(*settings).clone() })])
    }

    async fn put(
        &self,
        shared: &Arc<Shared>,
        mut definitions: Vec<Definition>,
        found: HashMap<QueueId, RecoveredQueue>,
    ) -> Result<(), String> {
        let _changes = shared.changes.lock().await;
        definitions.extend(self.settings(shared)?);
        // All at once: a crash leaves all of it or nothing.
        let ops = definitions.iter().cloned().map(Definition::put).collect();
        shared.store_durably(Submission { ops, ..Submission::default() }).await;
        recovery::restore(shared, definitions, found).map_err(|error| error.to_string())
    }
}

/// Under which the store here keeps its messages.
fn with_own_ids(
    shared: &Shared,
    mut definition: Definition,
    ids: &mut HashMap<QueueId, QueueId>,
) -> Definition {
    let mut own = |id: &mut u64| {
        let new = shared.new_queue_id();
        ids.insert(QueueId(*id), QueueId(new));
        *id = new;
    };
    match &mut definition {
        Definition::Queue(_, queue) => own(&mut queue.id),
        Definition::Exchange(_, exchange) => exchange.delay_queue.iter_mut().for_each(own),
        _ => {}
    }
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_a_vhost_is_its_content() {
        for name in
            ["exchange\0v\0e", "queue\0v\0q", "policy\0v\0p", "operator_policy\0v\0p", "binding\0v\0{}"]
        {
            assert!(is_content_of(name, "v") && !is_content_of(name, "w"), "{name}");
        }
        for name in ["vhost\0v", "vhost_settings\0v", "permission\0v\0u", "queue\0vv\0q", "user\0v"] {
            assert!(!is_content_of(name, "v"), "{name}");
        }
    }
}
