//! Users. All of it is for administrators.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::Value;

use super::answer;
use super::api::Api;
use super::asker::Administrator;
use super::columns;
use super::error::ApiError;
use super::listing::Listing;
use super::params::{At, Params};
use super::payload::Payload;
use super::route::Route;
use super::views::user::UserView;
use crate::auth::{HashAlgorithm, PasswordHash, User};
use crate::broker::OperationError;
use crate::broker::operations::{self, Secret};

/// `/api/users`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/users", get(list)),
        ("/api/users/without-permissions", get(without_permissions)),
        ("/api/users/bulk-delete", post(bulk_delete)),
        ("/api/users/{user}", get(show).put(put).delete(delete)),
    ]
}

async fn list(State(api): State<Api>, asker: Administrator, params: Params) -> Result<Response, ApiError> {
    listed(operations::users(api.shared(), asker.caller())?, &params).await
}

async fn without_permissions(
    State(api): State<Api>,
    asker: Administrator,
    params: Params,
) -> Result<Response, ApiError> {
    listed(operations::users_without_permissions(api.shared(), asker.caller())?, &params).await
}

async fn listed(users: Vec<User>, params: &Params) -> Result<Response, ApiError> {
    let view = |user: User| async move { Some(UserView::from(user)) };
    Listing::of(params)?.answer(users, |user| &user.name, view).await
}

async fn show(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let user = operations::user(api.shared(), asker.caller(), &name)?;
    Ok(columns::answer(&params, &UserView::from(user)))
}

async fn put(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let tags = tags(&payload)?;
    let secret = secret(&payload)?;
    let is_new = operations::put_user(api.shared(), asker.caller(), &name, secret, tags).await?;
    Ok(answer::put(is_new))
}

async fn delete(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
) -> Result<Response, ApiError> {
    operations::delete_user(api.shared(), asker.caller(), &name).await?;
    Ok(answer::done())
}

/// Those who are not there are gone already.
async fn bulk_delete(
    State(api): State<Api>,
    asker: Administrator,
    payload: Payload,
) -> Result<Response, ApiError> {
    payload.require(&["users"])?;
    let names = payload.get("users").and_then(Value::as_array).and_then(|names| {
        names.iter().map(|name| name.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    for name in names.ok_or_else(|| ApiError::bad_request("users: not a list of names"))? {
        match operations::delete_user(api.shared(), asker.caller(), &name).await {
            Ok(()) | Err(OperationError::NoUser(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(answer::done())
}

/// Tags: a list, or one string with commas.
pub(super) fn tags(payload: &Payload) -> Result<Vec<String>, ApiError> {
    payload.tags("tags")?.ok_or_else(|| ApiError::bad_request("tags_not_present"))
}

/// A password or its hash; with neither the user cannot log in by password.
fn secret(payload: &Payload) -> Result<Secret, ApiError> {
    let password = payload.text("password")?;
    match (password, payload.get("password_hash")) {
        (Some(_), Some(_)) => Err(ApiError::bad_request("both_password_and_password_hash_are_provided")),
        (Some(password), None) => Ok(Secret::Plain(password.into_bytes())),
        (None, Some(Value::String(hash))) => parse_hash(payload, hash),
        (None, Some(other)) => Err(ApiError::wrong_kind("not_base64", other.clone())),
        (None, None) => Ok(Secret::None),
    }
}

fn parse_hash(payload: &Payload, hash: &str) -> Result<Secret, ApiError> {
    let algorithm = payload.text("hashing_algorithm")?;
    let algorithm = algorithm.map_or(Ok(HashAlgorithm::default()), |name| HashAlgorithm::from_name(&name));
    let algorithm = algorithm.map_err(|why| ApiError::bad_request(format!("hashing_algorithm: {why}")))?;
    if !PasswordHash::is_base64(hash) {
        return Err(ApiError::wrong_kind("not_base64", hash));
    }
    let parsed = PasswordHash::from_base64(hash, algorithm);
    let parsed = parsed.map_err(|why| ApiError::bad_request(format!("password_hash: {why}")))?;
    Ok(parsed.map_or(Secret::None, Secret::Hash))
}
