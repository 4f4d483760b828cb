//! What is refused, in RabbitMQ's words: `{"error": .., "reason": ..}` with a status.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer;
use crate::broker::OperationError;
use crate::topology::TopologyError;

/// What a client without credentials is told. .NET's HTTP client sends them only after it.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");

/// Of a known user with too little right.
const NOT_AUTHORISED: &str = "not_authorised";

/// A request that is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    status: StatusCode,
    body: Option<Body>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Body {
    error: &'static str,
    reason: Value,
}

impl ApiError {
    fn new(status: StatusCode, error: &'static str, reason: impl Into<Value>) -> Self {
        Self { status, body: Some(Body { error, reason: reason.into() }) }
    }

    /// 400: the request makes no sense.
    pub(super) fn bad_request(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 400 with an error of its own.
    pub(super) fn bad_page(error: &'static str, reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, reason)
    }

    /// 400: a value is not of the kind that its key needs.
    pub(super) fn wrong_kind(problem: &'static str, value: impl Into<Value>) -> Self {
        Self::bad_request(json!([problem, value.into()]))
    }

    /// 400: a regular expression is none. RabbitMQ writes texts as lists of their characters here.
    pub(super) fn invalid_pattern(pattern: &str, why: &str) -> Self {
        Self::invalid_regexp(json!(characters(pattern)), pattern, why)
    }

    /// The same of a topic permission, whose pattern RabbitMQ writes as a text.
    pub(super) fn invalid_topic_pattern(pattern: &str, why: &str) -> Self {
        Self::invalid_regexp(json!(pattern), pattern, why)
    }

    fn invalid_regexp(shown: Value, pattern: &str, why: &str) -> Self {
        let place = pattern.chars().count();
        Self::bad_request(json!(["invalid_regexp", shown, [characters(why), place]]))
    }

    /// 404: there is no such path, or no such thing at it.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// 404 of an action on something that is not there.
    pub(super) fn missing(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// 401 for those who sent no credentials: they are asked for them.
    pub(super) const fn no_credentials() -> Self {
        Self { status: StatusCode::UNAUTHORIZED, body: None }
    }

    /// 401 for those whose credentials are refused. Why is for the log alone.
    pub(super) fn login_refused() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorized", "Not_Authorized")
    }

    /// 401 for those who may come from this machine only, and do not.
    pub(super) fn local_only() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorized", "User can only log in via localhost")
    }

    /// 401 for a known user with too little right. RabbitMQ never says 403.
    pub(super) fn not_authorised(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, NOT_AUTHORISED, reason)
    }

    /// 403: another site's page asks, with a cookie that is the user's and not its own.
    pub(super) fn foreign_page() -> Self {
        let reason = "with a cookie alone, this has to be asked for by this broker's own page";
        Self::new(StatusCode::FORBIDDEN, "forbidden", reason)
    }

    /// Of one that is refused for too little right, in other words.
    #[must_use]
    pub(super) fn reworded(self, reason: &str) -> Self {
        let is_refusal = self.body.as_ref().is_some_and(|body| body.error == NOT_AUTHORISED);
        if is_refusal { Self::not_authorised(reason) } else { self }
    }

    /// 412: something stands in the way that could be taken out of it.
    pub(super) fn precondition_failed(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", reason)
    }

    /// 409: it is not as the request takes it to be.
    pub(super) fn conflict(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", reason)
    }

    /// 415: a body of another kind is wanted.
    pub(super) fn unsupported_media_type() -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported Media Type")
    }

    /// 503: not now.
    pub(super) fn unavailable(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", reason)
    }
}

impl ApiError {
    /// Whether that is what its answer says.
    pub(super) fn is_body(&self, body: &[u8]) -> bool {
        self.body.as_ref().is_some_and(|own| serde_json::to_vec(own).is_ok_and(|own| own == body))
    }
}

fn characters(text: &str) -> Vec<u32> {
    text.chars().map(u32::from).collect()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Some(body) = self.body else {
            let mut response = self.status.into_response();
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
            return response;
        };
        let mut response = answer::json(&body);
        *response.status_mut() = self.status;
        response
    }
}

/// What an operation refuses, but for reads and for what has words of its own.
impl From<OperationError> for ApiError {
    fn from(error: OperationError) -> Self {
        use OperationError as E;
        let text = error.to_string();
        match error {
            E::NoVhost(_) => Self::missing("vhost_not_found"),
            E::NoUser(_)
            | E::NoGlobalParameter(_)
            | E::NoPermission { .. }
            | E::NoConnection(_)
            | E::NoChannel { .. }
            | E::NoConsumer(_) => Self::not_found(),
            E::NotFound { .. } | E::NoTarget(_) | E::NoCursor { .. } | E::NoSnapshot(_) => {
                Self::missing(text)
            }
            E::AccessRefused { .. } | E::Reserved { .. } | E::VhostRefused { .. } => {
                Self::not_authorised("Access refused.")
            }
            E::NotTagged { tag, .. } => Self::not_authorised(format!("Not {tag} user")),
            E::Topology(TopologyError::NotFound(_)) => Self::missing(text),
            E::Topology(TopologyError::AccessRefused(_)) => Self::not_authorised("Access refused."),
            E::Topology(TopologyError::PreconditionFailed(_)) => Self::bad_request(text),
            E::Blocked(_) | E::NoMemory(_) | E::NoRandomness | E::Unreadable { .. } | E::Moving(_) => {
                Self::unavailable(text)
            }
            E::ProtectedVhost(_) => Self::precondition_failed(text),
            E::Shard(_) => Self::bad_request(text),
            E::NotTesting | E::NoFault(_) => Self::missing(text),
            E::NoWorld(_) | E::WorldExists(_) | E::RealClock(_) | E::Clock(_) | E::Snapshot(_) => {
                Self::conflict(text)
            }
            E::Pattern(error) => Self::invalid_pattern(&error.pattern, &error.why),
            E::NotForStreams { .. } => Self::bad_request(format!("540 NOT_IMPLEMENTED - {text}")),
            E::Locked { .. }
            | E::ExclusiveUse { .. }
            | E::InUse { .. }
            | E::NotEmpty { .. }
            | E::NotAStream { .. }
            | E::CursorInUse { .. }
            | E::TooManyCursors { .. }
            | E::QueueLimit { .. }
            | E::Options(_)
            | E::Policy(_)
            | E::Publish(_)
            | E::Persona { .. }
            | E::InvalidName(_) => Self::bad_request(text),
        }
    }
}
