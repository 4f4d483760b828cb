//! Consumers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get};
use futures_util::future::join_all;

use super::answer;
use super::api::Api;
use super::asker::{Asker, Manager};
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::route::Route;
use super::views::consumer::{ConsumerView, QueueName, channel_name};
use crate::broker::operations;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::queue::ConsumerDetails;

/// Queues that are asked at the same time.
const TOGETHER: usize = 256;

/// `/api/consumers`, and the way to cancel one.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/consumers", get(list_all)),
        ("/api/consumers/{vhost}", get(list)),
        ("/api/coney/queues/{vhost}/{queue}/consumers/{channel}/{tag}", delete(cancel)),
    ]
}

/// A consumer in a list.
#[derive(Clone)]
struct Key {
    vhost: Arc<Vhost>,
    record: Arc<QueueRecord>,
    consumer: ConsumerDetails,
}

async fn list_all(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let vhosts = asker.known_vhosts(&api);
    list_of(api, &asker, vhosts, &params).await
}

async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    // As in RabbitMQ, whoever may not see the vhost sees none of its consumers, and is not refused.
    let found = operations::vhost(api.shared(), &vhost).map_err(|_| ApiError::not_found())?;
    let mut vhosts = asker.known_vhosts(&api);
    vhosts.retain(|vhost| vhost.name == found.name);
    list_of(api, &asker, vhosts, &params).await
}

async fn list_of(
    api: Api,
    asker: &Asker,
    vhosts: Vec<Arc<Vhost>>,
    params: &Params,
) -> Result<Response, ApiError> {
    let listing = Listing::of(params)?;
    let mut keys = Vec::new();
    for vhost in vhosts {
        let consumers = consumers_of(&operations::queues(asker.scope(&api, &vhost))).await.into_iter();
        keys.extend(consumers.map(|(record, consumer)| Key { vhost: Arc::clone(&vhost), record, consumer }));
    }
    let view = move |key: Key| {
        let connection = api.shared().connection(key.consumer.key.connection);
        let connection = connection.and_then(|handle| handle.overview.clone());
        let queue = QueueName::of(&key.vhost, &key.record);
        let view = ConsumerView::of(&key.consumer, queue, connection.as_deref(), api.node());
        std::future::ready(serde_json::to_value(view).ok())
    };
    listing.answer(keys, |key| &key.consumer.name.tag, view).await
}

/// Cancels a consumer, which is named by its queue, its channel's name and its tag.
async fn cancel(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, queue, channel, tag)): At<(String, String, String, String)>,
) -> Result<Response, ApiError> {
    let (vhost, record) = asker.queue(&api, &vhost, &queue)?;
    let details = record.details().await.ok_or_else(ApiError::not_found)?;
    let is_meant = |consumer: &ConsumerDetails| {
        let connection =
            api.shared().connection(consumer.key.connection).and_then(|handle| handle.overview.clone());
        let name = connection.map(|connection| channel_name(&connection, consumer.key.channel));
        *consumer.name.tag == *tag && name.as_deref() == Some(&channel)
    };
    let consumer = details.consumers.iter().find(|consumer| is_meant(consumer));
    let key = consumer.ok_or_else(ApiError::not_found)?.key;
    operations::cancel_consumer(asker.scope(&api, &vhost), &record, key).await?;
    tracing::info!(
        consumer = tag,
        channel,
        queue,
        vhost = vhost.name,
        by = asker.name,
        "a consumer was cancelled"
    );
    Ok(answer::done())
}

/// The consumers of some queues, each with its queue. Queues are asked many at a time.
pub(super) async fn consumers_of(queues: &[Arc<QueueRecord>]) -> Vec<(Arc<QueueRecord>, ConsumerDetails)> {
    let mut all = Vec::new();
    for some in queues.chunks(TOGETHER) {
        let details = join_all(some.iter().map(|record| record.details())).await;
        for (record, details) in some.iter().zip(details) {
            let consumers = details.map(|details| details.consumers).unwrap_or_default().into_iter();
            all.extend(consumers.map(|consumer| (Arc::clone(record), consumer)));
        }
    }
    all
}
