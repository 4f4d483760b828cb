//! What users may do on vhosts. All of it is for administrators.

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::answer;
use super::api::Api;
use super::asker::Administrator;
use super::columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::user::PermissionView;
use crate::auth::Permission;
use crate::broker::OperationError;
use crate::broker::operations::{self, UserPermission};

/// `/api/permissions`, and where else they are listed.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/permissions", get(list)),
        ("/api/permissions/{vhost}/{user}", get(show).put(put).delete(delete)),
        ("/api/users/{user}/permissions", get(of_user)),
        ("/api/vhosts/{vhost}/permissions", get(of_vhost)),
    ]
}

async fn list(State(api): State<Api>, asker: Administrator, params: Params) -> Result<Response, ApiError> {
    listed(&api, &asker, &params, |_| true).await
}

async fn of_user(
    State(api): State<Api>,
    asker: Administrator,
    At(user): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    operations::user(api.shared(), asker.caller(), &user)?;
    listed(&api, &asker, &params, |permission| permission.user == user).await
}

async fn of_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    listed(&api, &asker, &params, |permission| permission.vhost == vhost).await
}

async fn listed(
    api: &Api,
    asker: &Administrator,
    params: &Params,
    wanted: impl Fn(&UserPermission) -> bool,
) -> Result<Response, ApiError> {
    let mut permissions = operations::permissions(api.shared(), asker.caller())?;
    permissions.retain(wanted);
    let view = |permission: UserPermission| async move { Some(PermissionView::from(permission)) };
    Listing::of(params)?.answer(permissions, |permission| &permission.user, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
    params: Params,
) -> Result<Response, ApiError> {
    let permission = operations::permission(api.shared(), asker.caller(), &user, &vhost);
    let permission = permission.map_err(nothing_there)?;
    Ok(columns::answer(&params, &PermissionView::from(permission)))
}

async fn put(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
    payload: Payload,
) -> Result<Response, ApiError> {
    operations::check_user_and_vhost(api.shared(), &user, &vhost).map_err(unknown)?;
    payload.require(&["configure", "write", "read"])?;
    let pattern = |key: &str| payload.text(key).map(Option::unwrap_or_default);
    let permission =
        Permission { configure: pattern("configure")?, write: pattern("write")?, read: pattern("read")? };
    let put = operations::put_permission(api.shared(), asker.caller(), &user, &vhost, permission).await;
    put.map(answer::put).map_err(unknown)
}

async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At((vhost, user)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let removed = operations::remove_permission(api.shared(), asker.caller(), &user, &vhost).await;
    removed.map_err(nothing_there)?;
    Ok(answer::done())
}

/// A permission is put for a user and a vhost that are there.
pub(super) fn unknown(error: OperationError) -> ApiError {
    match error {
        OperationError::NoVhost(_) | OperationError::NoUser(_) => {
            ApiError::bad_request("vhost_or_user_not_found")
        }
        other => other.into(),
    }
}

pub(super) fn nothing_there(error: OperationError) -> ApiError {
    match error {
        OperationError::NoVhost(_) => ApiError::not_found(),
        other => other.into(),
    }
}
