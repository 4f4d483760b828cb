//! Making a log again. What is left of the one before is removed first, what the cluster is before all else: no node opens a log that
//! misses that. It is written last.

use super::client::{Client, NO_STREAM};
use super::error::NatsError;
use super::init::{FirstFrame, Patience, make};
use super::names::{Bucket, Names};
use super::setup::{Meta, SETUP_MAX, Stored, StreamInfo, failed, look, read_meta};
use crate::cluster::frame::Frame;
use crate::cluster::log::Sequence;
use crate::cluster::mark::Mark;
use crate::cluster::restore::Origin;
use serde::Deserialize;
use serde_json::json;

/// What there is of a cluster.
struct Remains {
    meta: Option<Meta>,
    log: Option<StreamInfo>,
}

/// Makes a log that goes on from this; its id, which is that of before if it was made already.
///
/// # Errors
/// [`NatsError::Restore`] if the log is not lost, was made again from something else, or if frames would be removed that it was not told
/// to; else as making a cluster.
pub(super) async fn restore(
    client: &Client,
    names: &Names,
    origin: &Origin,
    (replicas, shards): (usize, u16),
    discards: bool,
) -> Result<u64, NatsError> {
    let meta = Meta { origin: Some(origin.clone()), ..Meta::random(shards)? };
    let patience = Patience::new();
    loop {
        match attempt(client, names, replicas, &meta, origin, discards).await {
            Err(error) if patience.goes_on(&error).await => {}
            made => return made,
        }
    }
}

async fn attempt(
    client: &Client,
    names: &Names,
    replicas: usize,
    meta: &Meta,
    origin: &Origin,
    discards: bool,
) -> Result<u64, NatsError> {
    let refuse = |why: String| NatsError::Restore { cluster: names.cluster.clone(), why };
    let remains = remains(client, names).await?;
    if let Some(found) = remains.meta.as_ref().filter(|found| found.shards != meta.shards) {
        return Err(refuse(format!(
            "it has {} shards, and this node's data directory {}",
            found.shards, meta.shards
        )));
    }
    if let Some(made) = made_already(client, names, &remains, origin).await.map_err(refuse)? {
        return Ok(made);
    }
    if !discards {
        remains.nothing_is_lost().map_err(refuse)?;
    }
    remove(client, &names.bucket_stream(Bucket::Meta)).await?;
    remove(client, &names.stream).await?;
    make(client, names, replicas, meta, FirstFrame(origin.mark.sequence.next())).await.map(|()| meta.log_id)
}

async fn remains(client: &Client, names: &Names) -> Result<Remains, NatsError> {
    let has_meta = look(client, &names.bucket_stream(Bucket::Meta)).await?.is_some();
    let meta = if has_meta { read_meta(client, names).await? } else { None };
    Ok(Remains { meta, log: look(client, &names.stream).await? })
}

/// The id of the log, if it is what is to be made; why not, if nothing is to be made.
async fn made_already(
    client: &Client,
    names: &Names,
    Remains { meta, log }: &Remains,
    origin: &Origin,
) -> Result<Option<u64>, String> {
    let (Some(meta), Some(log)) = (meta, log) else { return Ok(None) };
    let is_made = meta.origin.as_ref().is_some_and(|made_of| made_of.mark == origin.mark);
    if is_made && log.state.last_seq >= origin.mark.sequence.0 {
        return Ok(Some(meta.log_id));
    }
    if meta.log_id != origin.mark.log_id || !has_all(client, names, log, origin.mark).await? {
        return Ok(None);
    }
    // The node has its mark already.
    if meta.origin.is_some() {
        return Ok(Some(meta.log_id));
    }
    Err("its log is there, and has all that this node has: start the nodes".into())
}

/// Whether a log has what a node has applied, or does not say otherwise.
async fn has_all(client: &Client, names: &Names, log: &StreamInfo, mark: Mark) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Got {
        message: Stored,
    }
    let (Sequence(at), state) = (mark.sequence, &log.state);
    if state.last_seq < at || state.messages == 0 || state.first_seq > at {
        return Ok(state.last_seq >= at);
    }
    let what = format!("STREAM.MSG.GET.{}", names.stream);
    let got = client.api::<Got>(what, json!({ "seq": at }), SETUP_MAX).await;
    let Got { message } = got.map_err(|refusal| format!("frame {at} of its log: {}", refusal.why))?;
    let hash = message.payload().and_then(|bytes| Frame::decode(&bytes).ok().map(|(_, hash)| hash));
    Ok(hash == Some(mark.hash))
}

impl Remains {
    /// Whether there is no frame of a log that anybody may have opened.
    fn nothing_is_lost(&self) -> Result<(), String> {
        if let Some(Origin { node, mark }) = self.meta.as_ref().and_then(|meta| meta.origin.as_ref()) {
            return Err(format!(
                "it was restored from node {node}, which had applied frame {}. `coney cluster rejoin` lets this node follow; --discard-log \
                 makes another log, and all that was confirmed since is lost",
                mark.sequence.0
            ));
        }
        let Some(StreamInfo { state, .. }) = &self.log else { return Ok(()) };
        // One that was made, and not finished, begins where its node was.
        if state.messages == 0 && (state.last_seq == 0 || self.meta.is_none()) {
            return Ok(());
        }
        Err(format!(
            "its log still has frames {} to {}: --discard-log removes them",
            state.first_seq, state.last_seq
        ))
    }
}

/// Removes a stream, if it is there.
async fn remove(client: &Client, stream: &str) -> Result<(), NatsError> {
    let removed =
        client.api::<serde_json::Value>(format!("STREAM.DELETE.{stream}"), json!({}), SETUP_MAX).await;
    match removed {
        Err(refusal) if refusal.code != NO_STREAM => Err(failed(&format!("removing {stream}"), refusal)),
        _ => Ok(()),
    }
}
