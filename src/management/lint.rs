//! What clients did that other brokers do not do alike: `/api/coney/lint`, and of one world.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::answer;
use super::api::Api;
use super::asker::{Asker, Manager};
use super::error::ApiError;
use super::params::{At, Params};
use super::route::Route;
use crate::broker::lint::{LintFinding, LintVerdict};
use crate::broker::operations;
use crate::broker::vhost::Vhost;
use crate::persona::{Persona, UnknownPersona};

/// `/api/coney/lint` and `/api/coney/worlds/{vhost}/lint`.
pub(super) fn routes() -> Vec<Route> {
    vec![("/api/coney/lint", get(everywhere)), ("/api/coney/worlds/{vhost}/lint", get(in_world))]
}

/// A finding, as far as it is about one broker.
#[derive(Debug, Serialize)]
struct Entry {
    rule: &'static str,
    #[serde(rename = "where")]
    place: String,
    vhost: String,
    /// The broker; none for what no broker does well.
    target: Option<&'static str>,
    count: u64,
    outcome: String,
    text: String,
    fix: String,
}

/// `GET /api/coney/lint`: of all vhosts that the user may enter.
async fn everywhere(State(api): State<Api>, asker: Manager, params: Params) -> Result<Response, ApiError> {
    let target = target(&params)?;
    let vhosts = asker.vhosts(&api);
    let entries = vhosts.iter().flat_map(|vhost| entries(&api, &asker, vhost, target));
    Ok(answer::json(&entries.collect::<Vec<_>>()))
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
    Ok(answer::json(&entries(&api, &asker, &vhost, target(&params)?)))
}

/// About which broker the question is; all of them if it does not say.
fn target(params: &Params) -> Result<Option<Persona>, ApiError> {
    let parse = |name: &str| {
        name.parse().map_err(|why: UnknownPersona| ApiError::bad_request(format!("target: {why}")))
    };
    params.get("target").map(parse).transpose()
}

fn entries(api: &Api, asker: &Asker, vhost: &Arc<Vhost>, target: Option<Persona>) -> Vec<Entry> {
    let findings = operations::lint(asker.scope(api, vhost));
    let of = |finding: &LintFinding| match target {
        Some(target) => finding.verdict(target).into_iter().collect(),
        None => finding.verdicts(),
    };
    let shown = |finding: LintFinding| {
        let verdicts: Vec<LintVerdict> = of(&finding);
        verdicts.into_iter().map(move |verdict| entry(vhost, &finding, verdict))
    };
    findings.into_iter().flat_map(shown).collect()
}

fn entry(vhost: &Vhost, finding: &LintFinding, verdict: LintVerdict) -> Entry {
    let LintFinding { rule, subject, by, count, fix, .. } = finding;
    let LintVerdict { target, outcome, text } = verdict;
    Entry {
        rule: rule.id,
        place: format!("{subject} ({by})"),
        vhost: vhost.name.clone(),
        target: target.map(Persona::name),
        count: *count,
        outcome,
        text,
        fix: fix.clone(),
    }
}
