//! What clients did that other brokers do not do alike: `/api/coney/lint`, and of one world.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::{Asker, Manager};
use super::error::ApiError;
use super::params::{At, Params};
use super::route::Route;
use crate::broker::lint::LintEntry;
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::persona::{Persona, UnknownPersona};

/// `/api/coney/lint` and `/api/coney/worlds/{vhost}/lint`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/lint", get(everywhere)), ("/api/coney/worlds/{vhost}/lint", get(in_world))]
}

/// `GET /api/coney/lint`: of all vhosts that the user may enter.
async fn everywhere(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let target = target(&params)?;
    let vhosts = asker.vhosts(&api);
    let mut all = Vec::new();
    for vhost in &vhosts {
        all.extend(entries(&api, &asker, vhost, target).await);
    }
    Ok(answer::json(&all))
}

/// `GET /api/coney/worlds/{vhost}/lint`.
async fn in_world(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    operations::world_of(api.shared(), &vhost)?;
    Ok(answer::json(&entries(&api, &asker, &vhost, target(&params)?).await))
}

/// About which broker the question is; all of them if it does not say.
fn target(params: &Params) -> Result<Option<Persona>, ApiError> {
    let parse = |name: &str| {
        name.parse().map_err(|why: UnknownPersona| ApiError::bad_request(format!("target: {why}")))
    };
    params.get("target").map(parse).transpose()
}

async fn entries(api: &Api, asker: &Asker, vhost: &Arc<Vhost>, target: Option<Persona>) -> Vec<LintEntry> {
    let findings = operations::lint(asker.scope(api, vhost)).await;
    findings.into_iter().flat_map(|finding| finding.entries(&vhost.name, target)).collect()
}
