//! A vhost comes to the broker of a shard, in pieces of what another shard has of it.

use tokio::sync::{mpsc, oneshot};

use super::frame::BadFrame;
use super::host::Pieces;
use super::log::Unreachable;
use super::vhost_copy::{Head, Taking};
use crate::broker::identities::Identities;
use crate::broker::operations::VhostCopy;
use crate::server::Carrier;

/// A vhost moves from one shard to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VhostMove {
    /// Its name.
    pub vhost: String,
    /// What the meta shard calls the move.
    pub id: u64,
    /// The shard that it goes to.
    pub to: u16,
    /// The shard that has it.
    pub from: u16,
}

/// Has the broker of a shard take in a vhost, and answers when it is durable there. `known` is what this node goes by of the meta shard, `asked`
/// the first step to the pieces.
///
/// # Errors
/// Why it was not taken in. It can be done again, or perhaps has been done.
pub async fn take_vhost<P: Pieces>(
    broker: &Carrier,
    known: &Identities,
    wish: &VhostMove,
    asked: impl Future<Output = Result<P, Unreachable>>,
) -> Result<(), String> {
    let VhostMove { vhost, id, to, from } = wish;
    let home = known.vhosts.get(vhost).and_then(|settings| settings.home).unwrap_or_default();
    let moving = home.moving.filter(|moving| (moving.shard, moving.id) == (u32::from(*to), *id));
    if moving.is_none() || home.shard != u32::from(*from) {
        return Err("this node does not know that it moves".to_owned());
    }
    let unreachable = |error: Unreachable| error.to_string();
    let mut pieces = asked.await.map_err(unreachable)?;
    let bad = |error: BadFrame| format!("a part of a vhost: {error}");
    let mut taking = Taking::default();
    let head = taking.head(&pieces.next().await.map_err(unreachable)?).map_err(bad)?;
    let Head { definitions, epoch } = head.ok_or("it is not closed yet")?;
    let (sender, receiver) = mpsc::channel(2);
    let (done, is_done) = oneshot::channel();
    let copy = VhostCopy {
        vhost: vhost.clone(),
        to: ((*to).into(), *id),
        made: (*to > 0).then_some(known.mark),
        epoch,
        definitions,
        pieces: receiver,
        done,
    };
    broker.give_copy(copy).await?;
    loop {
        let pairs = taking.next(&pieces.next().await.map_err(unreachable)?).map_err(bad)?;
        let is_last = pairs.is_empty();
        // If nobody takes them the answer says why.
        if sender.send(pairs).await.is_err() || is_last {
            break;
        }
    }
    drop(sender);
    is_done.await.map_err(|_| "the broker has stopped".to_owned())?.map(drop)
}
