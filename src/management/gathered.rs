//! Lists that were made elsewhere, in parts: of the shards of a cluster.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::listing::Listing;
use super::params::Params;
use super::serve::with_headers;
use super::{answer, beyond, journal};

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

/// A page of the journal of all shards' pages, for a request with this query.
pub(crate) fn gathered_journal(
    query: &str,
    pages: Vec<Value>,
    is_own: impl Fn(usize, &str) -> bool,
) -> Response {
    let page = journal::gathered_journal(query, pages, is_own).map(|page| answer::json(&page));
    with_headers(page.unwrap_or_else(|error| error.into_response()))
}

/// Failures of all shards.
pub(crate) fn gathered_failures(groups: Vec<Value>) -> Response {
    with_headers(answer::json(&journal::gathered_failures(groups)))
}

/// Problems of all shards.
pub(crate) fn gathered_problems(lists: Vec<Value>, is_own: impl Fn(usize, &str) -> bool) -> Response {
    with_headers(answer::json(&beyond::gathered_problems(lists, is_own)))
}

/// What is only to be put together.
pub(crate) fn gathered_items(items: &[Value]) -> Response {
    with_headers(answer::json(&items))
}
