//! What users may publish with, and bind by, on topic exchanges. All of it is for administrators.

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::Administrator;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::permissions::{nothing_there, unknown};
use super::route::Route;
use super::views::user::TopicPermissionView;
use crate::auth::{TopicPermission, UserTopicPermission};
use crate::broker::OperationError;
use crate::broker::operations;

/// `/api/topic-permissions`, and where else they are listed.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/topic-permissions", get(list)),
        ("/api/topic-permissions/{vhost}/{user}", get(show).put(put).delete(delete)),
        // As in RabbitMQ, whichever the exchange: all of the user's are shown.
        ("/api/topic-permissions/{vhost}/{user}/{exchange}", get(show_one).put(put_one).delete(delete_one)),
        ("/api/users/{user}/topic-permissions", get(of_user)),
        ("/api/vhosts/{vhost}/topic-permissions", get(of_vhost)),
    ]
}

async fn list(State(api): State<Api>, asker: Administrator, params: Params) -> Result<Response, ApiError> {
    listed(found(&api, &asker, |_| true)?, &params).await
}

async fn of_user(
    State(api): State<Api>,
    asker: Administrator,
    At(user): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    operations::user(api.shared(), asker.caller(), &user)?;
    listed(found(&api, &asker, |permission| permission.user == user)?, &params).await
}

async fn of_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    listed(found(&api, &asker, |permission| permission.vhost == vhost)?, &params).await
}

async fn show(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let all = found(&api, &asker, |permission| permission.user == user && permission.vhost == vhost)?;
    if all.is_empty() {
        return Err(ApiError::not_found());
    }
    listed(all, &params).await
}

async fn show_one(
    state: State<Api>,
    asker: Administrator,
    At((vhost, user, _)): At<(String, String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    show(state, asker, At((vhost, user)), params).await
}

fn found(
    api: &Api,
    asker: &Administrator,
    wanted: impl Fn(&UserTopicPermission) -> bool,
) -> Result<Vec<UserTopicPermission>, ApiError> {
    let mut all = operations::topic_permissions(api.shared(), asker.caller())?;
    all.retain(wanted);
    Ok(all)
}

async fn listed(permissions: Vec<UserTopicPermission>, params: &Params) -> Result<Response, ApiError> {
    let view = |permission: UserTopicPermission| async move { Some(TopicPermissionView::from(permission)) };
    Listing::of(params)?.answer(permissions, |permission| &permission.user, view).await
}

async fn put(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    operations::check_user_and_vhost(api.shared(), &user, &vhost).map_err(unknown)?;
    payload.require(&["exchange", "write", "read"])?;
    let text = |key: &str| payload.text(key).map(Option::unwrap_or_default);
    let exchange = text("exchange")?;
    let permission = TopicPermission { write: text("write")?, read: text("read")? };
    let new = UserTopicPermission { user, vhost, exchange, permission };
    let put = operations::put_topic_permission(api.shared(), asker.caller(), new).await;
    put.map(answer::put).map_err(|error| match error {
        OperationError::Pattern(error) => ApiError::invalid_topic_pattern(&error.pattern, &error.why),
        other => unknown(other),
    })
}

async fn put_one(
    state: State<Api>,
    asker: Administrator,
    At((vhost, user, _)): At<(String, String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    put(state, asker, At((vhost, user)), payload).await
}

async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
) -> Result<Response, ApiError> {
    done(operations::remove_topic_permissions(api.shared(), asker.caller(), &user, &vhost, None).await)
}

async fn delete_one(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user, exchange)): At<(String, String, String)>,
) -> Result<Response, ApiError> {
    let exchange = Some(exchange.as_str());
    done(operations::remove_topic_permissions(api.shared(), asker.caller(), &user, &vhost, exchange).await)
}

fn done(removed: Result<(), OperationError>) -> Result<Response, ApiError> {
    removed.map(|()| answer::done()).map_err(nothing_there)
}
