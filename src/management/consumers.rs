//! Consumers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use futures_util::future::join_all;

use super::api::Api;
use super::asker::{Asker, Manager};
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::route::Route;
use super::views::consumer::{ConsumerView, QueueName};
use crate::broker::operations;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::queue::ConsumerDetails;

/// Queues that are asked at the same time.
const TOGETHER: usize = 256;

/// `/api/consumers`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/consumers", get(list_all)), ("/api/consumers/{vhost}", get(list))]
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
        let connection = connection.and_then(|handle| handle.overview);
        let queue = QueueName::of(&key.vhost, &key.record);
        let view = ConsumerView::of(&key.consumer, queue, connection.as_deref(), api.node());
        std::future::ready(serde_json::to_value(view).ok())
    };
    listing.answer(keys, |key| &key.consumer.name.tag, view).await
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
