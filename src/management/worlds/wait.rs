//! Exact counts of a world, and waiting for them.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::one::{enter, world};
use crate::broker::operations::{self, CountCondition, Countable, Unmet, WaitFor, WorldCounts};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::{At, Params};

/// How long a request waits if it does not say, and at most: connections are few.
const WITHIN_MS: u64 = 5000;
const WITHIN_MS_MAX: u64 = 300_000;

/// `GET /api/coney/worlds/{vhost}/counts`.
pub(super) async fn counts(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    let queues: Vec<String> = params.all("queue").map(str::to_owned).collect();
    let counts = operations::world_counts(asker.scope(&api, &vhost), &queues).await?;
    Ok(answer::json(&view(&counts)))
}

/// `GET /api/coney/worlds/{vhost}/wait`: 200 with the counts, or 408 with what is in the way.
pub(super) async fn wait(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    world(&api, &vhost)?;
    let (wanted, within) = wish(&params)?;
    let room = api.waiting().try_acquire();
    let _room = room.map_err(|_| ApiError::unavailable("too many wait already"))?;
    match operations::wait_for(asker.scope(&api, &vhost), &wanted, within).await? {
        Ok(counts) => Ok(answer::json(&view(&counts))),
        Err(Unmet { counts, why }) => {
            let mut response = answer::json(&json!({
                "error": "timeout",
                "reason": why.join("\n"),
                "why": why,
                "counts": view(&counts),
            }));
            *response.status_mut() = StatusCode::REQUEST_TIMEOUT;
            Ok(response)
        }
    }
}

fn wish(params: &Params) -> Result<(WaitFor, Duration), ApiError> {
    let mut wanted = WaitFor::default();
    let mut within_ms = None;
    for (key, value) in params.iter() {
        let wrong = |what: &str| ApiError::bad_request(format!("{key}: expected {what}"));
        let ms = || value.parse().map_err(|_| wrong("milliseconds"));
        match key {
            "queue" => wanted.queues.push(value.to_owned()),
            "idle" if matches!(value, "1" | "true") => wanted.idle = true,
            "idle" => return Err(wrong("1")),
            "quiet_ms" => wanted.quiet = Duration::from_millis(ms()?),
            "within_ms" => within_ms = Some(ms()?),
            _ => {
                let what = Countable::ALL.into_iter().find(|what| what.name() == key);
                let what = what.ok_or_else(|| unknown(key))?;
                let condition = CountCondition::parse(what, value);
                wanted.conditions.push(condition.ok_or_else(|| wrong("N, >=N or <=N"))?);
            }
        }
    }
    let within = within(within_ms)?;
    if wanted.quiet.as_millis() > u128::from(WITHIN_MS_MAX) {
        return Err(too_long());
    }
    if wanted.conditions.is_empty() && !wanted.idle && wanted.quiet.is_zero() {
        return Err(ApiError::bad_request("needs a condition: ready=0, acked=>=3, idle=1 .."));
    }
    Ok((wanted, within))
}

/// How long is waited at most, of what was said, if anything was.
pub(super) fn within(ms: Option<u64>) -> Result<Duration, ApiError> {
    let ms = ms.unwrap_or(WITHIN_MS);
    if ms > WITHIN_MS_MAX { Err(too_long()) } else { Ok(Duration::from_millis(ms)) }
}

fn too_long() -> ApiError {
    ApiError::bad_request(format!("waits of at most {WITHIN_MS_MAX} ms are served"))
}

fn unknown(key: &str) -> ApiError {
    let names: Vec<&str> = Countable::ALL.into_iter().map(Countable::name).collect();
    let names = names.join(", ");
    ApiError::bad_request(format!("there is no '{key}': expected queue, idle, quiet_ms, within_ms, {names}"))
}

/// The counts of a world, or of each queue by its name.
fn view(counts: &[(Option<String>, WorldCounts)]) -> Value {
    let of = |counts: &WorldCounts| -> Map<String, Value> {
        Countable::ALL.into_iter().map(|what| (what.name().to_owned(), json!(counts.get(what)))).collect()
    };
    match counts {
        [(None, world)] => json!(of(world)),
        queues => {
            let queues = queues.iter().filter_map(|(name, counts)| Some((name.clone()?, json!(of(counts)))));
            Value::Object(queues.collect())
        }
    }
}
