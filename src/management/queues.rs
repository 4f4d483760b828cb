//! Queues.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::answer;
use super::api::Api;
use super::asker::{Asker, Manager};
use super::columns::Columns;
use super::error::ApiError;
use super::fields::Fields;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::consumer::{ConsumerView, QueueName};
use super::views::queue::{Owner, QueueBasics, QueueDetailView, QueueView};
use super::views::queue_lengths::Lengths;
use super::views::rates::Clocked;
use crate::broker::operations::{self, DeclareQueue, DeleteIf};
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::queue::options::is_quorum;

/// `/api/queues`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/queues", get(list_all)),
        ("/api/queues/detailed", get(list_detailed)),
        ("/api/queues/{vhost}", get(list)),
        ("/api/queues/{vhost}/{queue}", get(show).put(put).delete(delete)),
        ("/api/queues/quorum/{vhost}/{queue}/status", get(quorum_status)),
    ]
}

/// A queue in a list.
#[derive(Clone)]
struct Key {
    vhost: Arc<Vhost>,
    record: Arc<QueueRecord>,
}

/// How much of each queue a list has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    /// What is known without asking the queue.
    Basic,
    /// That, and how many messages there are.
    Totals,
    /// All but consumers one by one.
    Full,
    /// All.
    Detailed,
}

impl Depth {
    fn of(params: &Params) -> Self {
        match (params.is_true("disable_stats"), params.is_true("enable_queue_totals")) {
            (true, true) => Self::Totals,
            (true, false) => Self::Basic,
            (false, _) => Self::Full,
        }
    }
}

async fn list_all(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let vhosts = asker.vhosts(&api);
    list_of(api, &asker, vhosts, &params, Depth::of(&params)).await
}

async fn list_detailed(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let vhosts = asker.vhosts(&api);
    list_of(api, &asker, vhosts, &params, Depth::Detailed).await
}

async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    list_of(api, &asker, vec![vhost], &params, Depth::of(&params)).await
}

async fn list_of(
    api: Api,
    asker: &Asker,
    vhosts: Vec<Arc<Vhost>>,
    params: &Params,
    depth: Depth,
) -> Result<Response, ApiError> {
    let listing = Listing::of(params)?;
    let clocked = api.clocked(params)?;
    let of_api = api.clone();
    let view = move |key: Key, fields: Arc<Fields>| {
        let api = of_api.clone();
        async move { view(&api, &key.vhost, &key.record, &clocked, depth, &fields).await }
    };
    if let Some((skipped, count)) = listing.plain_page() {
        let (page, total) = operations::page_of_queues(&vhosts, skipped, count);
        let keys = page.into_iter().map(|(vhost, record)| Key { vhost, record }).collect();
        return listing.answer_page(keys, total, view).await;
    }
    let mut keys = Vec::new();
    for vhost in vhosts {
        let queues = operations::queues(asker.scope(&api, &vhost));
        keys.extend(queues.into_iter().map(|record| Key { vhost: Arc::clone(&vhost), record }));
    }
    listing.answer_with(keys, |key| &key.record.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let (vhost, record) = asker.queue(&api, &vhost, &name)?;
    let clocked = api.clocked(&params)?;
    let depth = if params.is_true("disable_stats") { Depth::of(&params) } else { Depth::Detailed };
    let columns = Columns::of(&params);
    let view = view(&api, &vhost, &record, &clocked, depth, &columns.fields()).await;
    Ok(answer::json(&columns.of_value(view.ok_or_else(ApiError::not_found)?)))
}

/// The fields that are wanted of a queue; `None` if it has just gone.
async fn view(
    api: &Api,
    vhost: &Vhost,
    record: &QueueRecord,
    clocked: &Clocked,
    depth: Depth,
    fields: &Fields,
) -> Option<Value> {
    let basics = QueueBasics::of(vhost, record, api.node());
    match depth {
        _ if fields.are_among(&QueueBasics::FIELDS) => fields.of(&basics),
        Depth::Basic => fields.of(&basics),
        Depth::Totals => {
            let Lengths { all, ready, unacked } = Lengths::of(&record.look().await?, record.is_stream());
            let mut view = fields.of(&basics)?;
            let more = view.as_object_mut()?;
            more.insert("messages".to_owned(), json!(all));
            more.insert("messages_ready".to_owned(), json!(ready));
            more.insert("messages_unacknowledged".to_owned(), json!(unacked));
            Some(view)
        }
        Depth::Full | Depth::Detailed => {
            let details = record.details().await?;
            let queue = QueueView::of(basics, record, &details, clocked, vhost.clock.epoch());
            if depth == Depth::Full {
                return fields.of(&queue);
            }
            let connection = |id| api.shared().connection(id).and_then(|handle| handle.overview.clone());
            let name = QueueName::of(vhost, record);
            let consumers = details.consumers.iter().map(|consumer| {
                ConsumerView::of(consumer, name, connection(consumer.key.connection).as_deref(), api.node())
            });
            let view = QueueDetailView {
                queue,
                consumer_details: consumers.collect(),
                deliveries: [],
                incoming: [],
                owner_pid_details: record.owner.and_then(connection).as_deref().map(Owner::of),
            };
            fields.of(&view)
        }
    }
}

/// Makes a queue, or finds an equivalent one. There is only one node, so `node` is read and says nothing.
async fn put(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    let declare = DeclareQueue {
        name,
        durable: payload.flag("durable", false)?,
        exclusive: false,
        auto_delete: payload.flag("auto_delete", false)?,
        arguments: payload.table("arguments")?,
    };
    let queue = declare.name.clone();
    let declared = operations::declare_queue(asker.scope(&api, &vhost), declare).await?;
    if declared.is_new {
        tracing::info!(user = asker.name, vhost = vhost.name, queue, "a queue was made over HTTP");
    }
    Ok(answer::put(declared.is_new))
}

async fn delete(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    operations::queue(scope, &name).map_err(|_| ApiError::not_found())?;
    let only = DeleteIf { unused: params.is_true("if-unused"), empty: params.is_true("if-empty") };
    operations::delete_queue(scope, &name, only).await?;
    tracing::info!(user = asker.name, vhost = vhost.name, queue = name, "a queue was deleted over HTTP");
    Ok(answer::done())
}

/// Of a quorum queue: one member, which leads. Figures of the Raft log are not there, for there is none.
async fn quorum_status(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let (_, record) = asker.queue(&api, &vhost, &name)?;
    if !is_quorum(&record.arguments) {
        return Ok(answer::failed(&json!({ "status": "failed", "reason": "classic_queue_not_supported" })));
    }
    Ok(answer::json(&json!([{ "Node Name": api.node(), "Raft State": "leader", "Membership": "voter" }])))
}
