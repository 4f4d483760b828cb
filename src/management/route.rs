//! A path with what can be done there.

use axum::routing::MethodRouter;

use super::api::Api;

/// A path, with a name in braces for each variable part, and a handler for each method.
pub(super) type Route = (&'static str, MethodRouter<Api>);
