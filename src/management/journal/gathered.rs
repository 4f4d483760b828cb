//! Journals and failures of vhosts that several shards of a cluster serve, as one answer.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::cursor::Cursor;
use super::failures::GROUPS_MAX;
use super::question::limit;
use crate::management::error::ApiError;
use crate::management::params::Params;

/// One page of all shards' pages for a request with this query. `is_own` tells whether a vhost is the shard's whose page has this index.
///
/// # Errors
/// What the query makes no sense for.
pub(in crate::management) fn journal(
    query: &str,
    pages: Vec<Value>,
    is_own: impl Fn(usize, &str) -> bool,
) -> Result<Value, ApiError> {
    let params = Params::parse(query);
    let (limit, is_newest) = (limit(&params)?, params.is_true("newest"));
    let (mut cursor, mut lost, mut last) = (Cursor::default(), 0, 0);
    let mut lists = Vec::new();
    for (shard, mut page) in pages.into_iter().enumerate() {
        lost += number(&page, "lost");
        last = number(&page, "last").max(last);
        let own = Cursor::parse(text(&page, "cursor").unwrap_or_default()).unwrap_or_default();
        own.each().filter(|(vhost, _)| is_own(shard, vhost)).for_each(|(vhost, to)| cursor.set(vhost, to));
        let Some(Value::Array(mut events)) = page.get_mut("events").map(Value::take) else { continue };
        events.retain(|event| text(event, "vhost").is_some_and(|vhost| is_own(shard, vhost)));
        lists.push(VecDeque::from(events));
    }
    let mut events = merged(lists);
    let too_many = events.len().saturating_sub(limit);
    if is_newest {
        events.drain(..too_many);
    } else {
        // Those that find no place are read again.
        for event in events.drain(limit.min(events.len())..).rev() {
            let before = number(&event, "number").saturating_sub(1);
            cursor.set(text(&event, "vhost").unwrap_or_default(), before);
        }
    }
    Ok(json!({ "events": events, "lost": lost, "last": last, "cursor": cursor.text(false) }))
}

/// By when they happened; each list stays in its order.
fn merged(mut lists: Vec<VecDeque<Value>>) -> Vec<Value> {
    let mut all = Vec::new();
    let at = |list: &VecDeque<Value>| list.front().map_or(u64::MAX, |event| number(event, "at"));
    while let Some(next) = lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| at(list)) {
        all.extend(next.pop_front());
    }
    all
}

/// Failures, the newest first.
pub(in crate::management) fn failures(mut groups: Vec<Value>) -> Value {
    groups.sort_by_key(|group| std::cmp::Reverse(number(group, "last")));
    groups.truncate(GROUPS_MAX);
    groups.into()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(vhost: &str, number: u64, at: u64) -> Value {
        json!({ "vhost": vhost, "number": number, "at": at })
    }

    fn numbers(page: &Value) -> Vec<(&str, u64)> {
        let events = page["events"].as_array().unwrap().iter();
        events.map(|event| (event["vhost"].as_str().unwrap(), event["number"].as_u64().unwrap())).collect()
    }

    #[test]
    fn pages_of_shards_are_one_page_and_what_finds_no_place_is_read_again() {
        let pages = || {
            vec![
                json!({ "events": [event("/", 1, 10), event("/", 2, 30)], "lost": 1, "last": 2, "cursor": "%2F=2&a=0" }),
                // A clock has jumped back.
                json!({ "events": [event("a", 7, 20), event("a", 8, 5), event("a", 9, 40)], "lost": 2, "last": 9, "cursor": "a=9" }),
            ]
        };
        let is_own = |shard: usize, vhost: &str| (shard == 0) == (vhost == "/");
        let page = journal("limit=3", pages(), is_own).unwrap();
        assert_eq!(numbers(&page), [("/", 1), ("a", 7), ("a", 8)]);
        assert_eq!((&page["lost"], &page["last"]), (&json!(3), &json!(9)));
        assert_eq!(page["cursor"], "%2F=1&a=8");
        let page = journal("limit=2&newest=true", pages(), is_own).unwrap();
        assert_eq!(numbers(&page), [("/", 2), ("a", 9)]);
        assert_eq!(page["cursor"], "%2F=2&a=9");
        assert!(journal("limit=0", pages(), is_own).is_err());
    }
}
