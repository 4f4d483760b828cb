//! Lists that were made elsewhere, in parts: of the shards of a cluster.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::listing::Listing;
use super::params::Params;
use super::serve::with_headers;

/// The list as a request with this query wants it: names to look for, sorting, pages, columns.
pub(crate) async fn gathered(query: &str, items: Vec<Value>) -> Response {
    let listed = async {
        let listing = Listing::of(&Params::parse(query))?;
        let name = |item: &Arc<Value>| item["name"].as_str().unwrap_or_default().to_owned();
        let items: Vec<(String, Arc<Value>)> =
            items.into_iter().map(Arc::new).map(|item| (name(&item), item)).collect();
        let view = |(_, item): (String, Arc<Value>)| async move { Some(Value::clone(&item)) };
        listing.answer(items, |(name, _)| name, view).await
    };
    with_headers(listed.await.unwrap_or_else(|error| error.into_response()))
}
