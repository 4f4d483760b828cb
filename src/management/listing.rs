//! Lists: names to look for, sorting, pages, columns; and long ones are written while they are sent
//! (<https://www.rabbitmq.com/docs/management#pagination>).
//!
//! A list is made of keys, which are small (references to what is listed), in RabbitMQ's order. Each becomes a view when its turn comes,
//! a few at a time, so that a list of everything takes no more memory than those few, and with the fields that are wanted alone.

use std::cmp::Ordering;
use std::future::Future;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::future::join_all;
use futures_util::stream;
use regex::RegexBuilder;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer;
use super::columns::{self, Columns};
use super::error::ApiError;
use super::fields::Fields;
use super::params::Params;

/// Views that are made at the same time.
const TOGETHER: usize = 64;
/// Items of a page if the request does not say.
const PAGE_SIZE: usize = 100;
/// Items of a page at most.
const PAGE_SIZE_MAX: usize = 500;
/// Longest regular expression, in bytes, and the largest program that one may become.
const PATTERN_BYTES_MAX: usize = 1024;
const PROGRAM_BYTES_MAX: usize = 1 << 20;

/// What a request wants of a list.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    columns: Columns,
    sort: Option<Vec<String>>,
    is_reverse: bool,
    page: Option<Page>,
}

#[derive(Clone, Debug)]
struct Page {
    number: usize,
    size: usize,
    name: Name,
}

/// Which names are wanted.
#[derive(Clone, Debug)]
enum Name {
    Any,
    /// In lower case.
    Containing(String),
    Matching(regex::Regex),
}

impl Listing {
    /// As the request says.
    ///
    /// # Errors
    /// 400: pages that make no sense.
    pub(super) fn of(params: &Params) -> Result<Self, ApiError> {
        let sort = params.get("sort").filter(|path| !path.is_empty()).map(columns::path);
        Ok(Self {
            columns: Columns::of(params),
            sort,
            is_reverse: params.is_true("sort_reverse"),
            page: params.get("page").map(|page| Page::parse(page, params)).transpose()?,
        })
    }

    /// Which items are wanted, if it is a page of all in their own order: so many without the first ones. Whoever can find those without
    /// going through all does, and answers with [`answer_page`](Self::answer_page).
    pub(super) fn plain_page(&self) -> Option<(usize, usize)> {
        let page = self.page.as_ref().filter(|page| matches!(page.name, Name::Any))?;
        let is_plain = self.sort.is_none() && !self.is_reverse;
        is_plain.then(|| ((page.number - 1).saturating_mul(page.size), page.size))
    }

    /// The page, of which these are the items, of so many in all.
    ///
    /// # Errors
    /// 400: there is no such page.
    pub(super) async fn answer_page<K, F>(
        self,
        keys: Vec<K>,
        total: usize,
        view: impl Fn(K, Arc<Fields>) -> F,
    ) -> Result<Response, ApiError>
    where
        F: Future<Output = Option<Value>>,
    {
        let fields = Arc::new(self.columns.fields());
        let page = self.page.ok_or_else(ApiError::not_found)?;
        page.answer(total, total, keys, |key| view(key, Arc::clone(&fields)), &self.columns).await
    }

    /// The list. `name` is what is looked for names in; a view that is `None` is of something that has just gone.
    ///
    /// # Errors
    /// 400: there is no such page.
    pub(super) async fn answer<K, V, F>(
        self,
        keys: Vec<K>,
        name: impl Fn(&K) -> &str,
        view: impl Fn(K) -> F + Send + 'static,
    ) -> Result<Response, ApiError>
    where
        K: Clone + Send + 'static,
        V: Serialize + Send,
        F: Future<Output = Option<V>> + Send,
    {
        let view = move |key: K, fields: Arc<Fields>| {
            let made = view(key);
            async move { made.await.and_then(|view| fields.of(&view)) }
        };
        self.answer_with(keys, name, view).await
    }

    /// The same with views that are made by whoever lists, with the fields that are wanted at the moment: to sort ten thousand things by a
    /// field takes that field of each.
    ///
    /// # Errors
    /// 400: there is no such page.
    pub(super) async fn answer_with<K, F>(
        self,
        mut keys: Vec<K>,
        name: impl Fn(&K) -> &str,
        view: impl Fn(K, Arc<Fields>) -> F + Send + 'static,
    ) -> Result<Response, ApiError>
    where
        K: Clone + Send + 'static,
        F: Future<Output = Option<Value>> + Send,
    {
        let total = keys.len();
        if let Some(page) = &self.page {
            keys.retain(|key| page.name.is_wanted(name(key)));
        }
        if let Some(path) = &self.sort {
            let fields = Arc::new(Fields::of_paths([path]));
            keys = sorted(keys, &|key| view(key, Arc::clone(&fields)), path).await;
        }
        if self.is_reverse {
            keys.reverse();
        }
        let fields = Arc::new(self.columns.fields());
        let view = move |key| view(key, Arc::clone(&fields));
        match self.page {
            Some(page) => {
                let (filtered, skipped) = (keys.len(), (page.number - 1).saturating_mul(page.size));
                let wanted = keys.into_iter().skip(skipped).take(page.size).collect();
                page.answer(total, filtered, wanted, view, &self.columns).await
            }
            None => Ok(answer::json_body(streamed(keys, view, Arc::new(self.columns)))),
        }
    }
}

/// By what their views have at the path.
async fn sorted<K, F>(keys: Vec<K>, view: &impl Fn(K) -> F, path: &[String]) -> Vec<K>
where
    K: Clone,
    F: Future<Output = Option<Value>>,
{
    let mut decorated = Vec::with_capacity(keys.len());
    for some in keys.chunks(TOGETHER) {
        let views = join_all(some.iter().cloned().map(view)).await;
        let found = views.into_iter().map(|view| view.and_then(|view| columns::find(&view, path).cloned()));
        decorated.extend(found.zip(some.iter().cloned()));
    }
    decorated.sort_by(|one, other| compare(one.0.as_ref(), other.0.as_ref()));
    decorated.into_iter().map(|(_, key)| key).collect()
}

/// What is not there comes first, numbers before words, as Erlang orders its terms.
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None => 0,
        Some(Value::Number(_)) => 1,
        Some(Value::Null | Value::Bool(_)) => 2,
        Some(Value::Object(_)) => 3,
        Some(Value::Array(_)) => 4,
        Some(Value::String(_)) => 5,
    };
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        _ => rank(one).cmp(&rank(other)),
    }
}

/// All of them as one JSON array, made while it is sent.
fn streamed<K, F>(keys: Vec<K>, view: impl Fn(K) -> F + Send + 'static, columns: Arc<Columns>) -> Body
where
    K: Send + 'static,
    F: Future<Output = Option<Value>> + Send,
{
    let begin = (keys.into_iter(), view, columns, Progress::Begin);
    Body::from_stream(stream::unfold(begin, |(mut keys, view, columns, progress)| async move {
        if matches!(progress, Progress::End) {
            return None;
        }
        let mut text = if matches!(progress, Progress::Begin) { vec![b'['] } else { Vec::new() };
        let mut is_first = !matches!(progress, Progress::Middle);
        let some: Vec<K> = keys.by_ref().take(TOGETHER).collect();
        let is_last = some.len() < TOGETHER;
        for value in join_all(some.into_iter().map(&view)).await.into_iter().flatten() {
            if !is_first {
                text.push(b',');
            }
            is_first = false;
            // Writing to memory cannot fail.
            let _ = serde_json::to_writer(&mut text, &columns.of_value(value));
        }
        let progress = match (is_last, is_first) {
            (true, _) => {
                text.push(b']');
                Progress::End
            }
            (false, true) => Progress::Empty,
            (false, false) => Progress::Middle,
        };
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(text)), (keys, view, columns, progress)))
    }))
}

/// How far a list is written.
#[derive(Clone, Copy, Debug)]
enum Progress {
    Begin,
    /// Begun, with nothing in it yet.
    Empty,
    Middle,
    End,
}

impl Page {
    fn parse(page: &str, params: &Params) -> Result<Self, ApiError> {
        let invalid = || ApiError::bad_request("Pagination parameters are invalid");
        let size = params.get("page_size").unwrap_or_default();
        let number: i64 = page.parse().map_err(|_| invalid())?;
        let size: i64 =
            if size.is_empty() { PAGE_SIZE as i64 } else { size.parse().map_err(|_| invalid())? };
        let out_of_range = || {
            let said = params.get("page_size").filter(|size| !size.is_empty()).unwrap_or("undefined");
            let reason = format!("Invalid pagination parameters: page number {number}, page size {said}");
            ApiError::bad_page("invalid_pagination_parameters", reason)
        };
        let as_usize = |number: i64| usize::try_from(number).map_err(|_| out_of_range());
        let (number, size) = (as_usize(number)?, as_usize(size)?);
        if number == 0 || size == 0 || size > PAGE_SIZE_MAX {
            return Err(out_of_range());
        }
        Ok(Self { number, size, name: Name::parse(params).ok_or_else(invalid)? })
    }

    /// With these items, of those that have the name.
    async fn answer<K, F>(
        self,
        total: usize,
        filtered: usize,
        wanted: Vec<K>,
        view: impl Fn(K) -> F,
        columns: &Columns,
    ) -> Result<Response, ApiError>
    where
        F: Future<Output = Option<Value>>,
    {
        let pages = filtered.div_ceil(self.size).max(1);
        if self.number > pages {
            let Self { number, size, .. } = self;
            let reason = format!("Page out of range, page: {number} page size: {size}, len: {filtered}");
            return Err(ApiError::bad_page("page_out_of_range", reason));
        }
        let mut items = Vec::new();
        let mut wanted = wanted.into_iter().peekable();
        while wanted.peek().is_some() {
            let some = join_all(wanted.by_ref().take(TOGETHER).map(&view)).await;
            items.extend(some.into_iter().flatten().map(|value| columns.of_value(value)));
        }
        Ok(answer::json(&json!({
            "filtered_count": filtered,
            "item_count": items.len(),
            "items": items,
            "page": self.number,
            "page_count": pages,
            "page_size": self.size,
            "total_count": total,
        })))
    }
}

impl Name {
    fn parse(params: &Params) -> Option<Self> {
        let name = params.get("name").unwrap_or_default();
        if name.is_empty() {
            return Some(Self::Any);
        }
        if !params.is_true("use_regex") {
            return Some(Self::Containing(name.to_lowercase()));
        }
        if name.len() > PATTERN_BYTES_MAX {
            return None;
        }
        let mut builder = RegexBuilder::new(name);
        builder.case_insensitive(true).size_limit(PROGRAM_BYTES_MAX).build().ok().map(Self::Matching)
    }

    fn is_wanted(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Containing(part) => name.to_lowercase().contains(part),
            Self::Matching(pattern) => pattern.is_match(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn list(query: &str, count: usize) -> Result<Value, ApiError> {
        let keys: Vec<String> = (0..count).map(|number| format!("q{number:03}")).collect();
        let view = |name: String| async move {
            let number: usize = name.trim_start_matches('q').parse().unwrap();
            (number != 7).then(|| json!({ "name": name, "n": 1000 - number }))
        };
        let response = Listing::of(&Params::parse(query))?.answer(keys, |key| key, view).await?;
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Ok(serde_json::from_slice(&body).unwrap())
    }

    fn names(list: &Value) -> Vec<&str> {
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
    }

    #[tokio::test]
    async fn a_whole_list_is_an_array_whatever_its_length() {
        for count in [0, 1, 7, 8, 63, 64, 65, 128, 200] {
            let all = list("name=nothing&columns=name", count).await.unwrap();
            let expected: Vec<String> =
                (0..count).filter(|number| *number != 7).map(|number| format!("q{number:03}")).collect();
            assert_eq!(names(&all), expected, "a name without a page is no filter");
        }
    }

    #[tokio::test]
    async fn a_page_says_where_it_is() {
        let page = list("page=2&page_size=10&name=Q1&columns=name", 150).await.unwrap();
        assert_eq!(
            names(&page["items"]),
            ["q110", "q111", "q112", "q113", "q114", "q115", "q116", "q117", "q118", "q119"]
        );
        let counts = ["filtered_count", "item_count", "page", "page_count", "page_size", "total_count"];
        assert_eq!(counts.map(|count| page[count].as_u64().unwrap()), [50, 10, 2, 5, 10, 150]);
        let page = list("page=1&use_regex=true&name=Q..0$&sort=n&page_size=3", 150).await.unwrap();
        assert_eq!(names(&page["items"]), ["q140", "q130", "q120"]);
    }

    #[tokio::test]
    async fn pages_that_make_no_sense_are_refused() {
        for (query, error) in [
            ("page=x", "bad_request"),
            ("page=1&page_size=501", "invalid_pagination_parameters"),
            ("page=1&page_size=0", "invalid_pagination_parameters"),
            ("page=0", "invalid_pagination_parameters"),
            ("page=-1", "invalid_pagination_parameters"),
            ("page=99", "page_out_of_range"),
            ("page=1&use_regex=true&name=(", "bad_request"),
        ] {
            let refused = list(query, 10).await.unwrap_err();
            assert!(format!("{refused:?}").contains(error), "{query}: {refused:?}");
        }
        assert_eq!(list("page=1", 0).await.unwrap()["items"], json!([]));
    }

    #[tokio::test]
    async fn sorting_is_by_any_field_either_way() {
        assert_eq!(names(&list("sort=n", 5).await.unwrap()), ["q004", "q003", "q002", "q001", "q000"]);
        assert_eq!(names(&list("sort=n&sort_reverse=true", 3).await.unwrap()), ["q000", "q001", "q002"]);
        assert_eq!(names(&list("sort=&sort_reverse=true", 3).await.unwrap()), ["q002", "q001", "q000"]);
        assert_eq!(names(&list("sort=none", 3).await.unwrap()), ["q000", "q001", "q002"]);
    }
}
