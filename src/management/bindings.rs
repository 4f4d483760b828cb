//! Bindings, with those that the default exchange has to every queue.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::Manager;
use super::columns;
use super::error::ApiError;
use super::exchanges::named;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::binding::{BindingView, properties_key, quote};
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::session::strip_crlf;
use crate::topology::{Binding, Destination};

/// `/api/bindings`, and the same from either end.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/bindings", get(list)),
        ("/api/bindings/{vhost}", get(list_of_vhost)),
        ("/api/bindings/{vhost}/e/{source}/{kind}/{destination}", get(list_between).post(bind)),
        ("/api/bindings/{vhost}/e/{source}/{kind}/{destination}/{key}", get(show).delete(unbind)),
        ("/api/exchanges/{vhost}/{exchange}/bindings/source", get(list_of_source)),
        ("/api/exchanges/{vhost}/{exchange}/bindings/destination", get(list_of_exchange)),
        ("/api/queues/{vhost}/{queue}/bindings", get(list_of_queue)),
    ]
}

/// Vhost, source, kind and name of the destination.
type Ends = (String, String, String, String);

async fn list(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let vhosts = asker.vhosts(&api);
    answer_list(&api, &asker, vhosts, None, None, &params).await
}

async fn list_of_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    answer_list(&api, &asker, vec![vhost], None, None, &params).await
}

async fn list_between(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, source, kind, name)): At<Ends>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let destination = destination(&kind, &name)?;
    answer_list(&api, &asker, vec![vhost], Some(&named(&source)), Some(&destination), &params).await
}

async fn list_of_source(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, source)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    answer_list(&api, &asker, vec![vhost], Some(&named(&source)), None, &params).await
}

async fn list_of_exchange(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let destination = Destination::Exchange(named(&name));
    answer_list(&api, &asker, vec![vhost], None, Some(&destination), &params).await
}

async fn list_of_queue(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let destination = Destination::Queue(name);
    answer_list(&api, &asker, vec![vhost], None, Some(&destination), &params).await
}

async fn answer_list(
    api: &Api,
    asker: &Manager,
    vhosts: Vec<Arc<Vhost>>,
    source: Option<&str>,
    destination: Option<&Destination>,
    params: &Params,
) -> Result<Response, ApiError> {
    let mut bindings = Vec::new();
    for vhost in vhosts {
        let found = operations::bindings_between(asker.scope(api, &vhost), source, destination);
        bindings.extend(found.into_iter().map(|binding| Arc::new((Arc::clone(&vhost), binding))));
    }
    let view = |listed: Arc<(Arc<Vhost>, Binding)>| async move {
        let (vhost, binding) = &*listed;
        serde_json::to_value(BindingView::of(&vhost.name, binding)).ok()
    };
    Listing::of(params)?.answer(bindings, |listed| &listed.1.source, view).await
}

fn destination(kind: &str, name: &str) -> Result<Destination, ApiError> {
    match kind {
        "q" => Ok(Destination::Queue(strip_crlf(name).into_owned())),
        "e" => Ok(Destination::Exchange(named(name))),
        _ => Err(ApiError::not_found()),
    }
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, source, kind, name, key)): At<(String, String, String, String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let binding = find(&api, &asker, &vhost, &named(&source), &destination(&kind, &name)?, &key)?;
    Ok(columns::answer(&params, &BindingView::of(&vhost.name, &binding)))
}

/// The binding between the two that has this key. As in RabbitMQ, it may also come with its routing key as it is, quoted once for the
/// path: Ansible does it so.
fn find(
    api: &Api,
    asker: &Manager,
    vhost: &Arc<Vhost>,
    source: &str,
    destination: &Destination,
    key: &str,
) -> Result<Binding, ApiError> {
    let all = operations::bindings_between(asker.scope(api, vhost), Some(source), Some(destination));
    let keys: Vec<String> = all.iter().map(properties_key).collect();
    let position = |key: &str| keys.iter().position(|other| other == key);
    let found = position(key).or_else(|| position(&quote(key)));
    found.and_then(|position| all.into_iter().nth(position)).ok_or_else(ApiError::not_found)
}

/// 201, also for one that is there.
async fn bind(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, source, kind, name)): At<Ends>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    let binding = Binding {
        source: named(&source),
        destination: destination(&kind, &name)?,
        routing_key: payload.text("routing_key")?.unwrap_or_default(),
        arguments: payload.table("arguments")?,
    };
    operations::bind(asker.scope(&api, &vhost), binding.clone()).await?;
    audit(&asker, &vhost, &binding, "a binding was made over HTTP");
    let location = format!("{}/{}", quote(binding.destination.name()), quote(&properties_key(&binding)));
    let location =
        HeaderValue::from_str(&location).map_err(|error| ApiError::unavailable(error.to_string()))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)]).into_response())
}

async fn unbind(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, source, kind, name, key)): At<(String, String, String, String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let binding = find(&api, &asker, &vhost, &named(&source), &destination(&kind, &name)?, &key)?;
    operations::unbind(asker.scope(&api, &vhost), &binding).await?;
    audit(&asker, &vhost, &binding, "a binding was taken away over HTTP");
    Ok(answer::done())
}

fn audit(asker: &Manager, vhost: &Vhost, binding: &Binding, what: &str) {
    let Binding { source, routing_key, .. } = binding;
    let (queue, exchange) = match &binding.destination {
        Destination::Queue(name) => (Some(name), None),
        Destination::Exchange(name) => (None, Some(name)),
    };
    tracing::info!(user = asker.name, vhost = vhost.name, source, queue, exchange, routing_key, "{what}");
}
