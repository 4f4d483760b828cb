//! Channels.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::api::Api;
use super::asker::Manager;
use super::columns;
use super::consumers::consumers_of;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::route::Route;
use super::views::channel::{ChannelDetailView, ChannelView};
use super::views::consumer::{ConsumerView, QueueName, channel_name};
use super::views::rates::Clocked;
use crate::broker::overview::{ChannelOverview, ConnectionOverview};

/// `/api/channels`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/channels", get(list_all)),
        ("/api/vhosts/{vhost}/channels", get(list)),
        ("/api/connections/{name}/channels", get(list_of_connection)),
        ("/api/channels/{name}", get(show)),
    ]
}

/// A channel in a list.
#[derive(Clone)]
struct Key {
    name: String,
    connection: Arc<ConnectionOverview>,
    channel: Arc<ChannelOverview>,
}

async fn list_all(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let connections = asker.connections(&api);
    list_of(api, connections, &params).await
}

async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let connections = asker.connections_on(&api, &vhost);
    list_of(api, connections, &params).await
}

async fn list_of_connection(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let connection = asker.connection(&api, &name)?;
    list_of(api, vec![connection], &params).await
}

fn keys(connections: Vec<Arc<ConnectionOverview>>) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    for connection in connections {
        keys.extend(connection.channels().into_iter().map(|channel| Key {
            name: channel_name(&connection, channel.number),
            connection: Arc::clone(&connection),
            channel,
        }));
    }
    keys.sort_by(|one, other| one.name.cmp(&other.name));
    keys
}

async fn list_of(
    api: Api,
    connections: Vec<Arc<ConnectionOverview>>,
    params: &Params,
) -> Result<Response, ApiError> {
    let listing = Listing::of(params)?;
    let clocked = api.clocked(params)?;
    let view = move |key: Key| {
        let handshake = key.connection.handshake();
        let view = ChannelView::of(&key.connection, &handshake, &key.channel, api.node(), &clocked);
        std::future::ready(serde_json::to_value(view).ok())
    };
    listing.answer(keys(connections), |key| &key.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let key = keys(asker.connections(&api)).into_iter().find(|key| key.name == name);
    let key = key.ok_or_else(ApiError::not_found)?;
    let view = view(&api, &key, &api.clocked(&params)?).await;
    Ok(columns::answer(&params, &view))
}

/// With the channel's consumers, which its vhost's queues know.
async fn view(api: &Api, key: &Key, clocked: &Clocked) -> Value {
    let handshake = key.connection.handshake();
    let vhost = handshake.vhost.as_deref().and_then(|vhost| api.shared().vhost(vhost));
    let mut consumers = Vec::new();
    if let Some(vhost) = vhost.filter(|_| key.channel.numbers().consumers > 0) {
        consumers = consumers_of(&vhost.declared_queues()).await;
        consumers.retain(|(_, consumer)| {
            (consumer.key.connection, consumer.key.channel) == (key.connection.id, key.channel.number)
        });
    }
    let vhost_name = handshake.vhost.as_deref().unwrap_or_default();
    let views = consumers.iter().map(|(record, consumer)| {
        let queue = QueueName { name: &record.name, vhost: vhost_name };
        ConsumerView::of(consumer, queue, Some(&key.connection), api.node())
    });
    let view = ChannelDetailView {
        channel: ChannelView::of(&key.connection, &handshake, &key.channel, api.node(), clocked),
        consumer_details: views.collect(),
        publishes: [],
        deliveries: [],
    };
    serde_json::to_value(view).unwrap_or_default()
}
