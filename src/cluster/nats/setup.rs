//! What a cluster has in JetStream: making it, and whether it is still as it was made.

use super::client::{Client, NO_MESSAGE, NO_STREAM, Refusal};
use super::error::NatsError;
use super::names::{Bucket, Names};
use crate::cluster::lease::EXPIRES;
use crate::cluster::log::Sequence;
use crate::cluster::mark::Mark;
use crate::cluster::restore::Origin;
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A message of the log, headers counted: what servers take if nobody sets more.
pub(super) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What a member said is forgotten after so long.
const MEMBERS_KEPT: Duration = Duration::from_secs(3600);
/// Making a stream, or looking at one.
pub(super) const SETUP_MAX: Duration = Duration::from_secs(5);

/// What a stream is and has.
#[derive(Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
    pub(super) cluster: Option<StreamCluster>,
}

/// What matters of a stream's configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamConfig {
    subjects: Vec<String>,
    storage: String,
    discard: String,
    retention: String,
    max_age: i64,
    max_msgs: i64,
    max_bytes: i64,
    pub(super) max_msg_size: i64,
    deny_delete: bool,
    allow_direct: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamState {
    pub(super) messages: u64,
    #[serde(default)]
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    #[serde(default)]
    pub(super) subjects: Option<BTreeMap<String, u64>>,
}

/// The servers that hold a stream.
#[derive(Debug, Deserialize)]
pub(super) struct StreamCluster {
    pub(super) name: Option<String>,
    pub(super) leader: Option<String>,
    #[serde(default)]
    pub(super) replicas: Option<Vec<Replica>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Replica {
    pub(super) name: String,
    #[serde(default)]
    pub(super) offline: bool,
}

/// A message, as a stream's leader has it.
#[derive(Debug, Deserialize)]
pub(super) struct Stored {
    pub(super) seq: u64,
    #[serde(default)]
    data: String,
}

impl Stored {
    pub(super) fn payload(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.data).ok()
    }
}

/// What the cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) log_id: u64,
    pub(super) secret: [u8; 32],
    /// How many shards for vhosts there are beside it, each a cluster's things by themselves: see [`Names::of_shard`].
    pub(super) shards: u16,
    /// What it was made of, if another log was lost.
    pub(super) origin: Option<Origin>,
}

/// How [`Meta`] is written; the mark in Base64.
#[derive(Serialize, Deserialize)]
struct WrittenMeta {
    version: u32,
    log_id: String,
    secret: String,
    #[serde(default, skip_serializing_if = "is_none")]
    shards: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<WrittenOrigin>,
}

/// Without shards nothing is said of them.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
const fn is_none(shards: &u16) -> bool {
    *shards == 0
}

#[derive(Serialize, Deserialize)]
struct WrittenOrigin {
    node: String,
    mark: String,
}

impl Meta {
    pub(super) fn random(shards: u16) -> Result<Self, NatsError> {
        let failed = |error: getrandom::Error| NatsError::Request {
            doing: "making a random number".into(),
            why: error.to_string(),
        };
        let (mut id, mut secret) = ([0; 8], [0; 32]);
        getrandom::fill(&mut id).map_err(failed)?;
        getrandom::fill(&mut secret).map_err(failed)?;
        // 0 is that of no log.
        Ok(Self { log_id: u64::from_le_bytes(id).max(1), secret, shards, origin: None })
    }

    pub(super) fn encode(&self) -> String {
        let origin = self.origin.as_ref().map(|Origin { node, mark }| WrittenOrigin {
            node: node.clone(),
            mark: STANDARD.encode(mark.encode()),
        });
        let (log_id, secret) = (format!("{:016x}", self.log_id), STANDARD.encode(self.secret));
        json!(WrittenMeta { version: 1, log_id, secret, shards: self.shards, origin }).to_string()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let written: WrittenMeta = serde_json::from_slice(bytes).ok()?;
        let log_id = u64::from_str_radix(&written.log_id, 16).ok()?;
        let secret = STANDARD.decode(written.secret).ok()?.try_into().ok()?;
        let origin = match written.origin {
            Some(WrittenOrigin { node, mark }) => {
                Some(Origin { node, mark: Mark::parse(&STANDARD.decode(mark).ok()?)? })
            }
            None => None,
        };
        Some(Self { log_id, secret, shards: written.shards, origin })
    }
}

pub(super) fn failed(doing: &str, refusal: Refusal) -> NatsError {
    NatsError::Request { doing: doing.to_owned(), why: refusal.why }
}

/// The last message of a subject, as the stream's leader has it.
pub(super) async fn last_of(
    client: &Client,
    stream: &str,
    subject: &str,
    within: Duration,
) -> Result<Option<Stored>, Refusal> {
    #[derive(Deserialize)]
    struct Got {
        message: Stored,
    }
    let what = format!("STREAM.MSG.GET.{stream}");
    match client.api::<Got>(what, json!({ "last_by_subj": subject }), within).await {
        Ok(Got { message }) => Ok(Some(message)),
        Err(refusal) if refusal.code == NO_MESSAGE => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// What a stream is and has, as its leader knows it; `None` if there is no such stream.
pub(super) async fn look(client: &Client, stream: &str) -> Result<Option<StreamInfo>, NatsError> {
    match client.api(format!("STREAM.INFO.{stream}"), json!({}), SETUP_MAX).await {
        Ok(info) => Ok(Some(info)),
        Err(refusal) if refusal.code == NO_STREAM => Ok(None),
        Err(refusal) => Err(failed(&format!("looking at the stream {stream}"), refusal)),
    }
}

pub(super) fn log_config(names: &Names, replicas: usize, first: Sequence) -> Config {
    Config {
        name: names.stream.clone(),
        description: Some("The log of a cluster of Coney: nothing else may write to it".into()),
        subjects: vec![names.frames.clone()],
        storage: StorageType::File,
        num_replicas: replicas,
        discard: DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_message_size: MESSAGE_BYTES_MAX as i32,
        deny_delete: true,
        allow_direct: true,
        // Of itself it begins with 1.
        first_sequence: (first.0 > 1).then_some(first.0),
        ..Config::default()
    }
}

pub(super) fn bucket_config(names: &Names, bucket: Bucket, replicas: usize) -> kv::Config {
    let max_age = match bucket {
        Bucket::Lease => EXPIRES,
        Bucket::Members => MEMBERS_KEPT,
        Bucket::Meta => Duration::ZERO,
    };
    kv::Config {
        bucket: names.bucket(bucket),
        history: 1,
        max_age,
        storage: StorageType::File,
        num_replicas: replicas,
        ..kv::Config::default()
    }
}

/// The key of what the cluster is.
pub(super) const META_KEY: &str = "cluster";
/// The last sequence of the same subject has to be this; 0 if there is none.
pub(super) const EXPECTED_OF_KEY: &str = "Nats-Expected-Last-Subject-Sequence";

/// All that a cluster has.
pub(super) struct Found {
    pub(super) meta: Meta,
    pub(super) log: StreamConfig,
    /// The servers of all its streams.
    pub(super) clusters: Vec<StreamCluster>,
}

/// Looks whether all is there, and as it was made.
///
/// # Errors
/// [`NatsError::NotThere`], [`NatsError::Changed`], [`NatsError::Request`].
pub(super) async fn find(client: &Client, names: &Names) -> Result<Found, NatsError> {
    let missing = |what: &str| NatsError::NotThere { cluster: names.cluster.clone(), what: what.to_owned() };
    let mut clusters = Vec::new();
    for bucket in Bucket::ALL {
        let stream = names.bucket_stream(bucket);
        clusters.extend(look(client, &stream).await?.ok_or_else(|| missing(&stream))?.cluster);
    }
    let info = look(client, &names.stream).await?.ok_or_else(|| missing(&names.stream))?;
    check_log(names, &info.config)?;
    clusters.extend(info.cluster);
    let meta = read_meta(client, names).await?;
    let meta = meta.ok_or_else(|| missing(&names.key(Bucket::Meta, META_KEY)))?;
    Ok(Found { meta, log: info.config, clusters })
}

/// What the cluster is, if that was written.
///
/// # Errors
/// [`NatsError::Changed`], [`NatsError::Request`].
pub(super) async fn read_meta(client: &Client, names: &Names) -> Result<Option<Meta>, NatsError> {
    let (stream, subject) = (names.bucket_stream(Bucket::Meta), names.key(Bucket::Meta, META_KEY));
    let stored = last_of(client, &stream, &subject, SETUP_MAX).await;
    let stored = stored.map_err(|refusal| failed("reading what the cluster is", refusal))?;
    let Some(payload) = stored.and_then(|stored| stored.payload()) else { return Ok(None) };
    let changed = || NatsError::Changed { stream, what: format!("{META_KEY} is not what Coney wrote") };
    Meta::decode(&payload).ok_or_else(changed).map(Some)
}

/// Whether no node has ever written to a log that was made.
///
/// # Errors
/// [`NatsError::Request`].
pub(super) async fn is_unwritten(client: &Client, names: &Names) -> Result<bool, NatsError> {
    Ok(look(client, &names.stream).await?.is_some_and(|info| info.state.last_seq == 0))
}

fn check_log(names: &Names, config: &StreamConfig) -> Result<(), NatsError> {
    let wrong = [
        (config.subjects != [names.frames.as_str()], "its subject"),
        (config.storage != "file", "it is not in files"),
        (config.retention != "limits", "its retention"),
        (config.discard != "new", "it discards what is old"),
        (config.max_age != 0, "it forgets with time"),
        (config.max_msgs > 0 || config.max_bytes > 0, "it has a limit"),
        (!config.deny_delete, "its messages may be deleted"),
        (!config.allow_direct, "it cannot be read directly"),
    ];
    let found = wrong.iter().find(|(is_wrong, _)| *is_wrong);
    found.map_or(Ok(()), |(_, what)| {
        Err(NatsError::Changed { stream: names.stream.clone(), what: (*what).to_owned() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_is_comes_back() {
        let Ok(meta) = Meta::random(0) else { panic!("no random numbers") };
        assert_eq!(Meta::decode(meta.encode().as_bytes()), Some(meta.clone()));
        assert!(!meta.encode().contains("shards"));
        let sharded = Meta { shards: 3, ..meta.clone() };
        assert_eq!(Meta::decode(sharded.encode().as_bytes()), Some(sharded));
        let mark = Mark { log_id: 1, sequence: Sequence(2), term: 3, number: 4, hash: u64::MAX };
        let restored = Meta { origin: Some(Origin { node: "a".into(), mark }), ..meta.clone() };
        assert_eq!(Meta::decode(restored.encode().as_bytes()), Some(restored));
        assert_eq!(Meta::decode(b"{}"), None);
        assert!(meta.log_id != 0 && meta.secret != [0; 32]);
    }

    #[test]
    fn a_stream_that_forgets_is_not_the_log() {
        let names = Names::of("c").unwrap();
        let good = || StreamConfig {
            subjects: vec!["coney.c.log".into()],
            storage: "file".into(),
            discard: "new".into(),
            retention: "limits".into(),
            deny_delete: true,
            allow_direct: true,
            max_msgs: -1,
            ..StreamConfig::default()
        };
        assert!(check_log(&names, &good()).is_ok());
        let bad = StreamConfig { max_age: 1, ..good() };
        assert!(
            matches!(check_log(&names, &bad), Err(NatsError::Changed { what, .. }) if what.contains("time"))
        );
        let bad = StreamConfig { deny_delete: false, ..good() };
        assert!(check_log(&names, &bad).is_err());
    }
}
