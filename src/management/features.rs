//! Feature flags, deprecated features, and what RabbitMQ has only with a plugin.
//!
//! Tools look here for what a broker can do. A flag is enabled when what it stands for is here, or when it is about the inside of
//! RabbitMQ and every RabbitMQ that calls itself as this broker does has it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, put};
use serde::Serialize;
use serde_json::json;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Manager};
use super::error::ApiError;
use super::media_type::MediaType;
use super::params::At;
use super::payload::{Payload, RawBody};
use super::route::Route;
use crate::broker::operations;

/// `/api/feature-flags`, `/api/deprecated-features`, and those of plugins.
pub(super) fn routes() -> Vec<Route> {
    let mut routes: Vec<Route> = vec![
        ("/api/feature-flags", get(flags)),
        ("/api/feature-flags/{name}/enable", put(enable)),
        ("/api/deprecated-features", get(deprecated)),
        ("/api/deprecated-features/used", get(used)),
    ];
    routes.extend(OF_PLUGINS.iter().map(|path| (*path, get(nothing))));
    routes.extend(OF_PLUGINS_IN_VHOSTS.iter().map(|path| (*path, get(nothing_in_vhost))));
    routes
}

/// What there is none of here; tools ask all the same.
const OF_PLUGINS: [&str; 5] = [
    "/api/shovels",
    "/api/federation-links",
    "/api/stream/connections",
    "/api/stream/consumers",
    "/api/stream/publishers",
];
const OF_PLUGINS_IN_VHOSTS: [&str; 5] = [
    "/api/shovels/{vhost}",
    "/api/federation-links/{vhost}",
    "/api/stream/connections/{vhost}",
    "/api/stream/consumers/{vhost}",
    "/api/stream/publishers/{vhost}",
];

async fn nothing(_: Manager) -> Response {
    answer::json(&json!([]))
}

async fn nothing_in_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    Ok(answer::json(&json!([])))
}

/// A feature flag.
#[derive(Clone, Copy, Debug, Serialize)]
struct Flag {
    name: &'static str,
    desc: &'static str,
    doc_url: &'static str,
    state: &'static str,
    stability: &'static str,
    provided_by: &'static str,
}

const fn required(name: &'static str, desc: &'static str) -> Flag {
    Flag { name, desc, doc_url: "", state: "enabled", stability: "required", provided_by: "rabbit" }
}

const fn stable(name: &'static str, desc: &'static str) -> Flag {
    Flag { stability: "stable", ..required(name, desc) }
}

/// The flags of RabbitMQ 4.0, but for the experimental one.
const FLAGS: [Flag; 25] = [
    required("classic_mirrored_queue_version", "Nothing is mirrored"),
    required("classic_queue_type_delivery_support", "Deliveries of classic queues are the same everywhere"),
    Flag { provided_by: "rabbitmq_management", ..stable("detailed_queues_endpoint", "/api/queues/detailed") },
    required("direct_exchange_routing_v2", "Direct exchanges find their queues by one look-up"),
    Flag {
        provided_by: "rabbitmq_management_agent",
        ..required("drop_unroutable_metric", "Unroutable messages that are dropped are counted")
    },
    Flag {
        provided_by: "rabbitmq_management_agent",
        ..required("empty_basic_get_metric", "basic.get on an empty queue is counted")
    },
    required("feature_flags_v2", "Feature flags as they are listed here"),
    required("implicit_default_bindings", "Bindings of the default exchange follow from the queues"),
    required("listener_records_in_ets", "Listeners are known in memory only"),
    required("maintenance_mode_status", "Whether a node is being drained is known"),
    required("message_containers", "Messages are kept as they came"),
    stable("message_containers_deaths_v2", "Circles of dead letters are found"),
    required("quorum_queue", "Queues of type quorum, served by one durable queue"),
    stable("quorum_queue_non_voters", "There are no members that could join"),
    stable("rabbit_exchange_type_local_random", "Exchanges of type x-local-random"),
    stable("rabbitmq_4.0.0", "What RabbitMQ 4.0 does"),
    required("restart_streams", "A stream needs no restart"),
    required("stream_filtering", "Consumers name the filter values that they want"),
    required("stream_queue", "Queues of type stream"),
    required("stream_sac_coordinator_unblock_group", "Only for the stream protocol, which is not there"),
    required("stream_single_active_consumer", "Only for the stream protocol, which is not there"),
    required("stream_update_config_command", "Policies change a stream's limits at once"),
    required("tracking_records_in_ets", "Connections and channels are known in memory only"),
    required("user_limits", "Limits of a user's connections and channels"),
    required("virtual_host_metadata", "Descriptions, tags and default queue types of vhosts"),
];

async fn flags(_: Manager) -> Response {
    answer::json(&FLAGS)
}

/// All of them are enabled.
async fn enable(
    _: Administrator,
    At(name): At<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    MediaType::json(&headers)?;
    Payload::parse(&body)?;
    if FLAGS.iter().any(|flag| flag.name == name) {
        return Ok(answer::done());
    }
    Err(ApiError::bad_request("unsupported"))
}

/// A feature that RabbitMQ is going to lose.
#[derive(Clone, Copy, Debug, Serialize)]
struct Deprecated {
    name: &'static str,
    desc: &'static str,
    deprecation_phase: &'static str,
    doc_url: &'static str,
    provided_by: &'static str,
}

const fn permitted(name: &'static str, desc: &'static str) -> Deprecated {
    Deprecated {
        name,
        desc,
        deprecation_phase: "permitted_by_default",
        doc_url: "https://www.rabbitmq.com/docs/deprecated-features",
        provided_by: "rabbit",
    }
}

const TRANSIENT: Deprecated =
    permitted("transient_nonexcl_queues", "Queues that are neither durable nor exclusive");

const DEPRECATED: [Deprecated; 7] = [
    permitted("queue_master_locator", "An old name of the setting where queues are made"),
    Deprecated {
        provided_by: "rabbitmq_management_agent",
        ..permitted("management_metrics_collection", "Statistics over the management API")
    },
    permitted("global_qos", "A prefetch for a channel as a whole"),
    permitted("ram_node_type", "Nodes that keep definitions in memory only"),
    TRANSIENT,
    permitted("amqp_address_v1", "Addresses of AMQP 1.0 in their first form"),
    Deprecated {
        deprecation_phase: "removed",
        ..permitted("classic_queue_mirroring", "Mirrors of classic queues")
    },
];

async fn deprecated(_: Manager) -> Response {
    answer::json(&DEPRECATED)
}

/// Those of which it can be said that they are in use.
async fn used(State(api): State<Api>, _: Manager) -> Response {
    let vhosts = operations::vhosts(api.shared());
    let has_transient = vhosts
        .iter()
        .flat_map(|vhost| vhost.declared_queues())
        .any(|record| !record.durable && record.owner.is_none());
    answer::json(&Some(TRANSIENT).filter(|_| has_transient).into_iter().collect::<Vec<_>>())
}
