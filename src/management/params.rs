//! What a request says in its query and its path.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The parameters after the question mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Of a query; what is not UTF-8 in it is replaced.
    #[inline(never)]
    pub(super) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// All values of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it says `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// The variable parts of the path, percent-decoded. What is not UTF-8 then is nothing's name.
#[derive(Clone, Debug)]
pub(super) struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        located(parts, state).await.map(Self)
    }
}

/// Reads the path. In a box: each handler would have all of it once more.
fn located<'a, T: DeserializeOwned + Send + 'a, S: Send + Sync>(
    parts: &'a mut Parts,
    state: &'a S,
) -> Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>> {
    Box::pin(async move {
        let found = Path::<T>::from_request_parts(parts, state).await;
        found.map(|Path(found)| found).map_err(|_| ApiError::not_found())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_counts() {
        let params = Params::parse("a=1&b=x+y%2F&a=2&c");
        assert_eq!([params.get("a"), params.get("b"), params.get("c")], [Some("1"), Some("x y/"), Some("")]);
        assert!(params.get("d").is_none() && !params.is_true("a") && Params::parse("t=true").is_true("t"));
    }
}
