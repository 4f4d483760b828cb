//! Exchanges.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::Manager;
use super::columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::exchange::{ExchangeDetails, ExchangeView};
use crate::broker::OperationError;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::session::strip_crlf;
use crate::topology::{ExchangeKind, ExchangeSpec};

/// What paths call the default exchange, which has no name.
const DEFAULT: &str = "amq.default";

/// `/api/exchanges`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/exchanges", get(list)),
        ("/api/exchanges/{vhost}", get(list_of_vhost)),
        ("/api/exchanges/{vhost}/{exchange}", get(show).put(put).delete(delete)),
    ]
}

/// The exchange that a path names.
pub(super) fn named(name: &str) -> String {
    if name == DEFAULT { String::new() } else { strip_crlf(name).into_owned() }
}

async fn list(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let vhosts = asker.vhosts(&api);
    answer_list(&api, &asker, vhosts, &params).await
}

async fn list_of_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    answer_list(&api, &asker, vec![vhost], &params).await
}

async fn answer_list(
    api: &Api,
    asker: &Manager,
    vhosts: Vec<Arc<Vhost>>,
    params: &Params,
) -> Result<Response, ApiError> {
    let clocked = api.clocked(params)?;
    let mut exchanges = Vec::new();
    for vhost in vhosts {
        let mut of_vhost = operations::exchanges(asker.scope(api, &vhost));
        of_vhost.sort_by(|one, other| one.name.cmp(&other.name));
        exchanges.extend(of_vhost.into_iter().map(|exchange| Arc::new((Arc::clone(&vhost), exchange))));
    }
    let view = move |listed: Arc<(Arc<Vhost>, ExchangeSpec)>| async move {
        let (vhost, exchange) = &*listed;
        let view = ExchangeView::of(vhost, exchange, &clocked)?;
        serde_json::to_value(view).ok()
    };
    Listing::of(params)?.answer(exchanges, |listed| &listed.1.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let clocked = api.clocked(&params)?;
    let vhost = asker.enter(&api, &vhost)?;
    let exchange = operations::exchange(asker.scope(&api, &vhost), &named(&name));
    let exchange = exchange.map_err(|_| ApiError::not_found())?;
    let view = ExchangeView::of(&vhost, &exchange, &clocked).ok_or_else(ApiError::not_found)?;
    Ok(columns::answer(&params, &ExchangeDetails::of(view)))
}

async fn put(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter_to_make(&api, &vhost)?;
    let kind = payload.text("type")?;
    let kind = ExchangeKind::parse(kind.as_deref().unwrap_or("direct")).map_err(OperationError::from)?;
    let exchange = ExchangeSpec {
        name: named(&name),
        kind,
        durable: payload.flag("durable", false)?,
        auto_delete: payload.flag("auto_delete", false)?,
        internal: payload.flag("internal", false)?,
        arguments: payload.table("arguments")?,
        delay_queue: None,
    };
    let is_new = operations::declare_exchange(asker.scope(&api, &vhost), exchange).await?;
    if is_new {
        tracing::info!(
            user = asker.name,
            vhost = vhost.name,
            exchange = name,
            "an exchange was made over HTTP"
        );
    }
    Ok(answer::put(is_new))
}

async fn delete(
    State(api): State<Api>,
    asker: Manager,
    At((vhost, name)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let scope = asker.scope(&api, &vhost);
    let name = named(&name);
    operations::exchange(scope, &name).map_err(|_| ApiError::not_found())?;
    operations::delete_exchange(scope, &name, params.is_true("if-unused")).await?;
    tracing::info!(
        user = asker.name,
        vhost = vhost.name,
        exchange = name,
        "an exchange was deleted over HTTP"
    );
    Ok(answer::done())
}
