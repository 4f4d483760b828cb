//! Making a cluster, with patience: servers that have just been started, or have much else to do, have no leader of JetStream for some
//! seconds, and do not answer until they have.

use super::client::{Client, Refusal};
use super::error::NatsError;
use super::names::{Bucket, Names};
use super::setup::{
    EXPECTED_OF_KEY, META_KEY, Meta, SETUP_MAX, bucket_config, failed, log_config, look, read_meta,
};
use crate::broker::Clock;
use async_nats::jetstream::context::{Context, ContextBuilder, CreateStreamError, CreateStreamErrorKind};
use bytes::Bytes;
use std::error::Error;
use std::time::Duration;

/// For all of it; what was asked last may take [`SETUP_MAX`] more.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(500);

/// JetStream says these for as long as its configuration is what it is: not enabled for the account, a stream that is there and another,
/// several replicas of one server.
const FINAL: [u64; 3] = [10039, 10058, 10074];

/// Makes a cluster; the log's id. One of several at once does it. Whoever did it, and did not hear of that, finds its own id there.
///
/// # Errors
/// [`NatsError::AlreadyThere`], [`NatsError::Refused`]; [`NatsError::Request`] after half a minute. What was made stays, and may be made
/// whole later.
pub(super) async fn init(
    client: &Client,
    names: &Names,
    replicas: usize,
    shards: u16,
) -> Result<u64, NatsError> {
    let (meta, clock) = (Meta::random(shards)?, Clock::system());
    let end = clock.now() + PATIENCE;
    loop {
        match attempt(client, names, replicas, &meta).await {
            Err(error) if error.may_pass() && clock.now() < end => {
                clock.wait_for(Some(clock.now() + PAUSE)).await;
            }
            made => return made.map(|()| meta.log_id),
        }
    }
}

/// May be done again, whatever of it was done.
async fn attempt(client: &Client, names: &Names, replicas: usize, meta: &Meta) -> Result<(), NatsError> {
    if look(client, &names.stream).await?.is_some_and(|info| info.state.last_seq > 0) {
        return is_own(client, names, meta).await;
    }
    let creating = client.spawn(create(client.raw().clone(), names.clone(), replicas));
    match creating {
        Some(creating) => creating
            .await
            .map_err(|error| NatsError::Request { doing: "creating".into(), why: error.to_string() })??,
        None => return Err(failed("creating", Refusal { code: 0, why: "no threads".into() })),
    }
    let subject = names.key(Bucket::Meta, META_KEY);
    let payload = Bytes::from(meta.encode());
    match client.publish(subject, Some((EXPECTED_OF_KEY, 0)), payload, SETUP_MAX).await {
        Ok(_) => Ok(()),
        Err(refusal) if refusal.is_wrong_last() => is_own(client, names, meta).await,
        Err(refusal) => Err(failed("writing what the cluster is", refusal)),
    }
}

/// Whether what was made is what is being made.
async fn is_own(client: &Client, names: &Names, meta: &Meta) -> Result<(), NatsError> {
    let is_own = read_meta(client, names).await?.as_ref() == Some(meta);
    is_own.then_some(()).ok_or_else(|| NatsError::AlreadyThere(names.cluster.clone()))
}

/// Makes the streams, if they are not there.
async fn create(client: async_nats::Client, names: Names, replicas: usize) -> Result<(), NatsError> {
    let context: Context = ContextBuilder::new().timeout(SETUP_MAX).build(client);
    for bucket in Bucket::ALL {
        let made = context.create_key_value(bucket_config(&names, bucket, replicas)).await;
        made.map_err(|error| refused(&names.bucket(bucket), &error))?;
    }
    let made = context.create_stream(log_config(&names, replicas)).await;
    made.map(drop).map_err(|error| refused(&names.stream, &error))
}

fn refused(what: &str, error: &(dyn Error + 'static)) -> NatsError {
    let (doing, why) = (format!("creating {what}"), error.to_string());
    match code_of(error) {
        Some(code) if FINAL.contains(&code) => NatsError::Refused { doing, why },
        _ => NatsError::Request { doing, why },
    }
}

/// JetStream's code for what is at the bottom of an error.
fn code_of(error: &(dyn Error + 'static)) -> Option<u64> {
    let mut at = Some(error);
    while let Some(error) = at {
        let kind = error.downcast_ref::<CreateStreamError>().map(CreateStreamError::kind);
        if let Some(CreateStreamErrorKind::JetStream(error)) = kind {
            return Some(error.error_code().0);
        }
        at = error.source();
    }
    None
}
