//! The broker as a whole: `/api/overview`, and who asks.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::answer;
use super::api::Api;
use super::asker::Manager;
use super::columns;
use super::error::ApiError;
use super::params::Params;
use super::totals::{self, Totals};
use super::views::overview::{
    Context, Empty, ExchangeType, Listener, Overview, Place, Retention, churn, message_stats,
};
use super::views::rates::Kind;
use crate::broker::vhost::VhostStatistics;

/// `GET /api/overview`: of what the user may see.
pub(super) async fn overview(
    State(api): State<Api>,
    asker: Manager,
    params: Params,
) -> Result<Response, ApiError> {
    let shared = api.shared();
    let clocked = api.clocked(&params)?;
    let vhosts = asker.known_vhosts(&api);
    let Totals { objects, lengths } = totals::of(&api, &asker, &vhosts, &clocked).await;
    let of_vhosts: Vec<_> = vhosts.iter().map(|vhost| &vhost.statistics).collect();
    let channels: Vec<_> = of_vhosts.iter().map(|VhostStatistics { channels, .. }| channels).collect();
    let version = &shared.config.server_version;
    let overview = Overview {
        management_version: version,
        rates_mode: "basic",
        sample_retention_policies: Retention::ALL,
        exchange_types: ExchangeType::all(),
        product_version: env!("CARGO_PKG_VERSION"),
        product_name: "Coney",
        rabbitmq_version: version,
        cluster_name: api.cluster_name(),
        cluster_tags: Empty {},
        node_tags: Empty {},
        erlang_version: NO_ERLANG,
        erlang_full_version: NO_ERLANG,
        disable_stats: false,
        default_queue_type: "classic",
        is_op_policy_updating_enabled: true,
        enable_queue_totals: false,
        message_stats: message_stats(&clocked.look_at_all(Kind::Messages, &channels))
            .with_none("disk_reads")
            .with_none("disk_writes"),
        churn_rates: churn(&clocked.look(Kind::Node, &shared.totals)),
        queue_totals: lengths,
        object_totals: objects,
        statistics_db_event_queue: 0,
        place: asker.sees_all().then(|| Place {
            node: api.node(),
            listeners: api.listeners().iter().map(|on| Listener::of(api.node(), on)).collect(),
            contexts: api.contexts().map(|on| Context::of(api.node(), on)).collect(),
        }),
    };
    Ok(columns::answer(&params, &overview))
}

/// What there is instead of Erlang's version: tools want one to be there.
const NO_ERLANG: &str = "none";

/// `GET /api/whoami`.
pub(super) async fn whoami(asker: Manager) -> Response {
    answer::json(&json!({ "name": asker.name, "tags": asker.tags, "is_internal_user": true }))
}

/// `GET /api/version`: for everybody.
pub(super) async fn version(State(api): State<Api>) -> Response {
    answer::json(&api.shared().config.server_version)
}
