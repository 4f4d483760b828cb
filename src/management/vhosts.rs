//! Virtual hosts.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Asker, Manager};
use super::columns::Columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::totals;
use super::views::rates::Clocked;
use super::views::vhost::VhostView;
use crate::broker::operations;
use crate::broker::vhost::Vhost;

/// `/api/vhosts`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/vhosts", get(list)), ("/api/vhosts/{vhost}", get(show).put(put).delete(delete))]
}

async fn list(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let clocked = api.clocked(&params)?;
    let vhosts = asker.vhosts(&api);
    let view = move |vhost: Arc<Vhost>| {
        let (api, asker) = (api.clone(), asker.0.clone());
        async move { Some(view(&api, &asker, &vhost, &clocked).await) }
    };
    Listing::of(&params)?.answer(vhosts, |vhost| &vhost.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let clocked = api.clocked(&params)?;
    let vhost = asker.see(&api, &name)?;
    let view = view(&api, &asker, &vhost, &clocked).await;
    Ok(answer::json(&Columns::of(&params).of_value(view)))
}

async fn view(api: &Api, asker: &Asker, vhost: &Arc<Vhost>, clocked: &Clocked) -> serde_json::Value {
    let totals = totals::of(api, asker, std::slice::from_ref(vhost), clocked).await;
    let view = VhostView::of(vhost, api.node(), totals.lengths, clocked);
    serde_json::to_value(view).unwrap_or_default()
}

async fn put(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    _payload: Payload,
) -> Result<Response, ApiError> {
    let is_new = operations::put_vhost(api.shared(), asker.caller(), &name).await?;
    Ok(answer::put(is_new))
}

async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), &name).map_err(|_| ApiError::not_found())?;
    operations::delete_vhost(api.shared(), asker.caller(), &name).await?;
    Ok(answer::done())
}
