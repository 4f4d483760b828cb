//! Making a cluster, with patience: servers that have just been started, or have much else to do, have no leader of JetStream for some
//! seconds, and do not answer until they have.

use super::client::{Client, Refusal};
use super::error::NatsError;
use super::names::{Bucket, Names};
use super::setup::{
    EXPECTED_OF_KEY, META_KEY, Meta, SETUP_MAX, bucket_config, failed, log_config, look, read_meta,
};
use crate::broker::Clock;
use crate::cluster::log::Sequence;
use crate::time::Time;
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
    let meta = Meta::random(shards)?;
    let patience = Patience::new();
    loop {
        match attempt(client, names, replicas, &meta).await {
            Err(error) if patience.goes_on(&error).await => {}
            made => return made.map(|()| meta.log_id),
        }
    }
}

/// For attempts, one after the other.
pub(super) struct Patience {
    clock: Clock,
    end: Time,
}

impl Patience {
    pub(super) fn new() -> Self {
        let clock = Clock::system();
        Self { clock, end: clock.now() + PATIENCE }
    }

    /// Whether there is to be another attempt; if so, some time has passed when this returns.
    pub(super) async fn goes_on(&self, error: &NatsError) -> bool {
        let goes_on = error.may_pass() && self.clock.now() < self.end;
        if goes_on {
            self.clock.wait_for(Some(self.clock.now() + PAUSE)).await;
        }
        goes_on
    }
}

/// May be done again, whatever of it was done.
async fn attempt(client: &Client, names: &Names, replicas: usize, meta: &Meta) -> Result<(), NatsError> {
    if look(client, &names.stream).await?.is_some_and(|info| info.state.last_seq > 0) {
        return is_own(client, names, meta).await;
    }
    make(client, names, replicas, meta, FirstFrame(Sequence(1))).await
}

/// The number that the first frame of a log gets.
#[derive(Clone, Copy)]
pub(super) struct FirstFrame(pub(super) Sequence);

/// Makes what is not there, and writes last of all what the cluster is.
pub(super) async fn make(
    client: &Client,
    names: &Names,
    replicas: usize,
    meta: &Meta,
    first: FirstFrame,
) -> Result<(), NatsError> {
    match client.spawn(create(client.raw().clone(), names.clone(), replicas, first)) {
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
async fn create(
    client: async_nats::Client,
    names: Names,
    replicas: usize,
    first: FirstFrame,
) -> Result<(), NatsError> {
    let context: Context = ContextBuilder::new().timeout(SETUP_MAX).build(client);
    for bucket in Bucket::ALL {
        let made = context.create_key_value(bucket_config(&names, bucket, replicas)).await;
        made.map_err(|error| refused(&names.bucket(bucket), &error))?;
    }
    let made = context.create_stream(log_config(&names, replicas, first.0)).await;
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
