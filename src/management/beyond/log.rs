//! The last lines of the log.

use axum::response::Response;
use serde_json::{Value, json};
use tracing::Level;

use crate::management::answer;
use crate::management::asker::Administrator;
use crate::management::error::ApiError;
use crate::management::params::Params;
use crate::telemetry::{self, LogLine};

/// Lines of an answer, if it does not say.
const LINES: usize = 1000;

/// `GET /api/coney/log?level=&after=&contains=&limit=`.
pub(super) async fn tail(_: Administrator, params: Params) -> Result<Response, ApiError> {
    let level = level(params.get("level").unwrap_or("trace"))?;
    let number = |name: &str| match params.get(name) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| ApiError::wrong_kind("not_integer", text)),
    };
    let (after, limit) = (number("after")?.unwrap_or(0), number("limit")?);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LINES);
    let wanted = params.get("contains").unwrap_or_default().to_lowercase();
    let is_wanted = |line: &LogLine| {
        // The more there is said at a level, the greater it is.
        line.level <= level
            && (line.text.to_lowercase().contains(&wanted) || line.target.to_lowercase().contains(&wanted))
    };
    let (lines, last) = telemetry::recent(after, is_wanted, limit);
    let lines: Vec<Value> = lines.iter().map(view).collect();
    Ok(answer::json(&json!({ "lines": lines, "last": last })))
}

fn level(name: &str) -> Result<Level, ApiError> {
    let unknown = |_| ApiError::bad_request(format!("no level '{name}': error, warn, info, debug or trace"));
    name.parse().map_err(unknown)
}

fn view(line: &LogLine) -> Value {
    json!({
        "number": line.number,
        "at": line.at,
        "level": line.level.as_str().to_lowercase(),
        "target": line.target,
        "message": line.text,
    })
}
