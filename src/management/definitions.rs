//! Definitions: export and import (<https://www.rabbitmq.com/docs/definitions>). All of it is for administrators.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;

use super::answer;
use super::api::Api;
use super::asker::{Administrator, Asker};
use super::columns;
use super::error::ApiError;
use super::media_type::{MediaType, form_field};
use super::params::{At, Params};
use super::payload::RawBody;
use super::route::Route;
use crate::broker::operations::{self, ImportRefusal};

/// `/api/definitions`, and its old name.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/definitions", get(export).post(import)),
        ("/api/all-configuration", get(export).post(import)),
        ("/api/definitions/{vhost}", get(export_vhost).post(import_vhost)),
    ]
}

async fn export(State(api): State<Api>, asker: Administrator, params: Params) -> Result<Response, ApiError> {
    let mut definitions = operations::export(api.shared(), asker.caller()).await?;
    if let Some(file) = definitions.as_object_mut() {
        let name = api.cluster_name();
        file.insert("explanation".to_owned(), format!("Definitions of cluster '{name}'").into());
        file.insert("original_cluster_name".to_owned(), name.into());
    }
    Ok(download(&params, definitions))
}

async fn export_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At(name): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = operations::vhost(api.shared(), &name);
    let vhost = vhost.map_err(|_| ApiError::bad_request("vhost_not_found"))?;
    Ok(download(&params, operations::export_vhost(asker.scope(&api, &vhost)).await?))
}

/// With `?download=NAME` a browser keeps it as a file of this name.
fn download(params: &Params, definitions: Value) -> Response {
    let mut response = columns::answer(params, &definitions);
    let name = params.get("download").map(|name| name.replace(['"', '\\'], ""));
    let disposition =
        name.and_then(|name| HeaderValue::from_str(&format!("attachment; filename={name}")).ok());
    if let Some(disposition) = disposition {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

async fn import(
    State(api): State<Api>,
    asker: Administrator,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    import_into(&api, &asker, None, &headers, &body).await
}

async fn import_vhost(
    State(api): State<Api>,
    asker: Administrator,
    At(vhost): At<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    operations::vhost(api.shared(), &vhost)?;
    import_into(&api, &asker, Some(&vhost), &headers, &body).await
}

/// The text of definitions, alone or in a form.
///
/// # Errors
/// 400, 415.
pub(super) fn text<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<&'a str, ApiError> {
    let unreadable = || ApiError::bad_request("failed_to_parse_json");
    let text = match MediaType::of(headers)? {
        MediaType::Json if body.is_empty() => b"{}",
        MediaType::Json => body,
        MediaType::Form { boundary } => form_field(body, &boundary, "file").ok_or_else(unreadable)?,
    };
    let text = std::str::from_utf8(text).map_err(|_| unreadable())?;
    if serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object()) {
        Ok(text)
    } else {
        Err(unreadable())
    }
}

async fn import_into(
    api: &Api,
    asker: &Asker,
    vhost: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, ApiError> {
    let text = text(headers, body)?;
    let imported = operations::import(api.shared(), asker.caller(), text, vhost, "HTTP").await;
    imported.map(|()| answer::done()).map_err(|refusal| match refusal {
        ImportRefusal::Operation(error) => error.into(),
        ImportRefusal::Definitions(error) => ApiError::bad_request(error.to_string()),
    })
}
