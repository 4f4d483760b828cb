//! The directory on two buckets of the key-value store.

use super::client::{Client, Refusal};
use super::names::{Bucket, Names, key_of};
use super::setup::{EXPECTED_OF_KEY, StreamInfo, last_of};
use crate::cluster::directory::{Claim, Directory, Member, Told};
use crate::cluster::log::Unreachable;
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Within a second, whatever is asked.
const CALL_MAX: Duration = Duration::from_millis(900);
/// The key of the lease.
const LEASE: &str = "leader";

/// The directory; clones use the same connection.
///
/// The lease is a key of a bucket whose values vanish three seconds after they were written, by the clock of whichever server leads
/// that bucket. What members said vanishes after an hour.
#[derive(Clone)]
pub struct NatsDirectory {
    client: Client,
    names: Arc<Names>,
}

fn unreachable(refusal: Refusal) -> Unreachable {
    Unreachable(refusal.why)
}

impl NatsDirectory {
    pub(super) fn new(client: Client, names: Names) -> Self {
        Self { client, names: Arc::new(names) }
    }

    fn lease(&self) -> String {
        self.names.key(Bucket::Lease, LEASE)
    }

    /// The keys of those who said something, which are the subjects of the bucket.
    async fn keys(&self) -> Result<Vec<String>, Unreachable> {
        let what = format!("STREAM.INFO.{}", self.names.bucket_stream(Bucket::Members));
        let body = json!({ "subjects_filter": self.names.key(Bucket::Members, ">") });
        let info: StreamInfo = self.client.api(what, body, CALL_MAX).await.map_err(unreachable)?;
        Ok(info.state.subjects.unwrap_or_default().into_keys().collect())
    }

    /// What was said under a key, from whatever replica is asked; `None` if it does not know.
    async fn said(client: Client, stream: String, key: String) -> Result<Option<Told>, Unreachable> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}.{key}");
        let message = client.request(subject, None, Bytes::new(), CALL_MAX).await.map_err(Unreachable)?;
        let sequence = message.headers.as_ref().and_then(|headers| headers.get("Nats-Sequence"));
        let revision = sequence.and_then(|sequence| sequence.as_str().parse().ok());
        let member = serde_json::from_slice::<Member>(&message.payload).ok();
        Ok(member.zip(revision).map(|(member, revision)| Told { member, revision }))
    }

    async fn all(&self) -> Result<Vec<Told>, Unreachable> {
        let stream = self.names.bucket_stream(Bucket::Members);
        let asked = self.keys().await?.into_iter();
        let asked =
            asked.filter_map(|key| self.client.spawn(Self::said(self.client.clone(), stream.clone(), key)));
        let mut all = Vec::new();
        for said in asked.collect::<Vec<_>>() {
            all.extend(said.await.map_err(|error| Unreachable(error.to_string()))??);
        }
        all.sort_by(|one, other| one.member.name.cmp(&other.member.name));
        Ok(all)
    }
}

impl Directory for NatsDirectory {
    async fn read(&self) -> Result<Option<Claim>, Unreachable> {
        let stream = self.names.bucket_stream(Bucket::Lease);
        let stored = last_of(&self.client, &stream, &self.lease(), CALL_MAX).await.map_err(unreachable)?;
        let claim = stored.and_then(|stored| {
            let holder = String::from_utf8(stored.payload()?).ok()?;
            Some(Claim { holder, revision: stored.seq })
        });
        // Nobody's name is empty: somebody has deleted the key.
        Ok(claim.filter(|claim| !claim.holder.is_empty()))
    }

    async fn write(&self, holder: &str, revision: u64) -> Result<Option<u64>, Unreachable> {
        let expected = Some((EXPECTED_OF_KEY, revision));
        let payload = Bytes::copy_from_slice(holder.as_bytes());
        match self.client.publish(self.lease(), expected, payload, CALL_MAX).await {
            Ok(revision) => Ok(Some(revision)),
            Err(refusal) if refusal.is_wrong_last() => Ok(None),
            Err(refusal) => Err(unreachable(refusal)),
        }
    }

    async fn tell(&self, member: &Member) -> Result<(), Unreachable> {
        let payload = serde_json::to_vec(member).map_err(|error| Unreachable(error.to_string()))?;
        let key = self.names.key(Bucket::Members, &key_of(&member.name));
        self.client.publish(key, None, payload.into(), CALL_MAX).await.map(drop).map_err(unreachable)
    }

    async fn members(&self) -> Result<Vec<Told>, Unreachable> {
        timeout(CALL_MAX, self.all()).await.unwrap_or_else(|_| Err(Unreachable("no answer".into())))
    }
}
