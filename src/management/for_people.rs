//! Pages to be read, where RabbitMQ has some: the reference of this API at `/api`, and what there is of `rabbitmqadmin` at `/cli`. They say nothing
//! of this broker, so they are for everybody, and they are no part of the API that the OpenAPI document describes.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::compressed::Content;
use super::error::ApiError;
use super::route::Route;
use super::site::moved;

/// `docs/http-api.html`, compressed.
const REFERENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/http-api.html.gz"));
/// The style of these pages stands in them.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const ADMIN_PAGE: &str = "<!doctype html>
<html lang=\"en\">
<head><meta charset=\"utf-8\"><title>rabbitmqadmin</title></head>
<body>
<h1>rabbitmqadmin</h1>
<p>This broker has no script to download. Its own program does the same, in the script's syntax and in that of the newer
<code>rabbitmqadmin</code>: call it <code>coney admin</code>, or by a link to it of the name <code>rabbitmqadmin</code>.</p>
<pre>coney admin list queues name messages
coney admin queues list --columns name,messages</pre>
<p>RabbitMQ's own work with this broker, too: the script is in RabbitMQ's packages up to 4.2, and the newer one at
<a href=\"https://github.com/rabbitmq/rabbitmqadmin-ng\">github.com/rabbitmq/rabbitmqadmin-ng</a>.</p>
</body>
</html>
";
const NO_SCRIPT: &str = "There is no script to download here. `coney admin` does the same in its syntax (a link to coney of the name rabbitmqadmin, too).
RabbitMQ's own works with this broker: the script from RabbitMQ's packages up to 4.2, or https://github.com/rabbitmq/rabbitmqadmin-ng
";

/// `/api` and `/cli`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api", get(|| async { moved("/api/index.html") })),
        ("/api/index.html", get(reference)),
        ("/cli", get(|| async { moved("/cli/index.html") })),
        ("/cli/index.html", get(|| async { with_policy(Html(ADMIN_PAGE)) })),
        ("/cli/rabbitmqadmin", get(|| async { (StatusCode::NOT_FOUND, NO_SCRIPT) })),
    ]
}

async fn reference(asked: HeaderMap) -> Response {
    let Some(content) = Content::Compressed(REFERENCE).for_client(&asked) else {
        return ApiError::not_found().into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    with_policy((headers, content))
}

fn with_policy(page: impl IntoResponse) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], page).into_response()
}
