//! Why a binding does not match, in words, and by how much.

use amq_protocol::types::{AMQPValue, FieldTable};

use super::edges::{Edge, Matches, Target};
use super::equivalence::value_text;
use super::header_source::HeaderSource;
use super::header_value::HeaderValue;
use super::headers::{HeadersScratch, HeadersTable};
use super::spec::Binding;
use super::table::Table;

/// A distance beyond which two keys have nothing to do with each other.
const FAR: usize = 1000;
/// Keys up to this length are compared letter by letter, in bytes.
const COMPARED_MAX: usize = 64;
/// Headers of a binding that are named.
const HEADERS_MAX: usize = 3;

/// Why a binding does not match. The lower, the nearer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Miss {
    distance: usize,
    pub why: String,
}

impl Miss {
    pub const fn is_near(&self) -> bool {
        self.distance < FAR
    }
}

/// Of a binding that does not match.
pub(super) fn of(
    table: &Table,
    binding: &Binding,
    keys: &[&[u8]],
    headers: Option<&dyn HeaderSource>,
) -> Miss {
    let key = String::from_utf8_lossy(keys.first().copied().unwrap_or_default());
    match table {
        Table::Topic(_) => of_pattern(&key, &binding.routing_key),
        Table::Headers(_) => of_headers(&binding.arguments, headers),
        Table::ConsistentHash(_) | Table::ModulusHash(_) => {
            Miss { distance: FAR, why: "the hash chose another destination".to_owned() }
        }
        _ => of_key(&key, &binding.routing_key),
    }
}

/// Of a queue that has another name than the key.
pub(super) fn of_name(key: &[u8], name: &str) -> Miss {
    let key = String::from_utf8_lossy(key);
    let Miss { distance, .. } = of_key(&key, name);
    Miss { distance, why: format!("the key is '{key}', the queue's name '{name}'{}", remark(&key, name)) }
}

fn of_key(key: &str, wanted: &str) -> Miss {
    let why = format!("the key is '{key}', not '{wanted}'{}", remark(key, wanted));
    Miss { distance: key_distance(key, wanted), why }
}

/// What the eye may miss.
fn remark(key: &str, wanted: &str) -> &'static str {
    if key.to_lowercase() == wanted.to_lowercase() {
        ": they differ in upper and lower case"
    } else if key.trim() == wanted.trim() {
        ": they differ in spaces"
    } else {
        ""
    }
}

fn key_distance(key: &str, wanted: &str) -> usize {
    let (short, long) = (key.trim().to_lowercase(), wanted.trim().to_lowercase());
    if short == long {
        return 0;
    }
    let letters = edits(&short, &long);
    let is_alike =
        letters <= short.len().max(long.len()) / 3 || short.contains(&long) || long.contains(&short);
    if is_alike && !short.is_empty() && !long.is_empty() { letters } else { FAR + letters }
}

/// How many letters have to be added, taken away or changed (Levenshtein); of long texts, how many there are.
fn edits(one: &str, other: &str) -> usize {
    if one.len() > COMPARED_MAX || other.len() > COMPARED_MAX {
        return one.len().max(other.len());
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        let mut next = vec![left];
        for (above, theirs) in row.iter().skip(1).zip(&other) {
            let changed = diagonal + usize::from(letter != *theirs);
            left = changed.min(above + 1).min(left + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// Words are told by their number, from 1.
fn of_pattern(key: &str, pattern: &str) -> Miss {
    let words: Vec<&str> = if key.is_empty() { Vec::new() } else { key.split('.').collect() };
    let wanted: Vec<&str> = if pattern.is_empty() { Vec::new() } else { pattern.split('.').collect() };
    let has_hash = wanted.contains(&"#");
    let fixed = wanted.iter().filter(|word| **word != "#").count();
    let miss = |distance, why: String| Miss { distance, why: format!("{why} ('{key}' and '{pattern}')") };
    if words.len() < fixed || (words.len() > fixed && !has_hash) {
        let at_least = if has_hash { "at least " } else { "" };
        let why = format!("the key has {}, the pattern wants {at_least}{fixed}", count(words.len(), "word"));
        return miss(10 * words.len().abs_diff(fixed), why);
    }
    let differs = |(word, wanted): (&&str, &&str)| *wanted != "*" && word != wanted;
    let until_hash = wanted.iter().take_while(|word| **word != "#");
    let from_start = words.iter().zip(until_hash);
    let wrong = from_start.clone().filter(|pair| differs(*pair)).count();
    if let Some(at) = from_start.clone().position(differs) {
        let (word, wanted) = (words.get(at).unwrap_or(&""), wanted.get(at).unwrap_or(&""));
        return miss(wrong, format!("word {} is '{word}', not '{wanted}'", at + 1));
    }
    let until_hash = wanted.iter().rev().take_while(|word| **word != "#");
    let from_end = words.iter().rev().zip(until_hash);
    if let Some((word, wanted)) = from_end.clone().find(|pair| differs(*pair)) {
        let wrong = from_end.filter(|pair| differs(*pair)).count();
        return miss(wrong, format!("the end has '{word}', not '{wanted}'"));
    }
    miss(fixed, "the words between do not come in this order".to_owned())
}

fn of_headers(arguments: &FieldTable, headers: Option<&dyn HeaderSource>) -> Miss {
    let mode = match arguments.inner().get("x-match") {
        Some(AMQPValue::LongString(mode)) => String::from_utf8_lossy(mode.as_bytes()).into_owned(),
        _ => "all".to_owned(),
    };
    let with_x = mode.ends_with("-with-x");
    let asked = arguments
        .inner()
        .iter()
        .filter(|(name, _)| name.as_str() != "x-match" && (with_x || !name.as_str().starts_with("x-")));
    let mut wrong: Vec<String> = Vec::new();
    for (name, value) in asked {
        if !has_header(name.as_str(), value, headers) {
            wrong.push(header_miss(name.as_str(), value, headers));
        }
    }
    if wrong.is_empty() {
        return Miss { distance: FAR, why: "it asks for no header, and wants one of them".to_owned() };
    }
    let distance = wrong.len();
    let more = distance.saturating_sub(HEADERS_MAX);
    wrong.truncate(HEADERS_MAX);
    let all = if mode.starts_with("any") { "one of these would do: " } else { "" };
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Miss { distance, why: format!("{all}{}{rest}", wrong.join("; ")) }
}

/// As the exchange sees it: by a table that asks for this header alone.
fn has_header(name: &str, value: &AMQPValue, headers: Option<&dyn HeaderSource>) -> bool {
    let mut arguments = FieldTable::default();
    arguments.insert(name.into(), value.clone());
    arguments.insert("x-match".into(), AMQPValue::LongString("all-with-x".into()));
    let mut table = HeadersTable::default();
    table.insert(&arguments, Edge { binding: 0, target: Target::Exchange(0) });
    let mut found = Matches { queues: &mut Vec::new(), exchanges: &mut Vec::new(), any: false };
    table.matches(headers, &mut HeadersScratch::default(), &mut found);
    found.any
}

fn header_miss(name: &str, wanted: &AMQPValue, headers: Option<&dyn HeaderSource>) -> String {
    let mut found = None;
    if let Some(headers) = headers {
        headers.visit(&mut |own, value| {
            let is_it = own == name.as_bytes();
            if is_it {
                found = Some(text(value));
            }
            !is_it
        });
    }
    let wanted = value_text(wanted);
    match found {
        Some(found) if found == wanted => format!("header '{name}' is {found} of another type"),
        Some(found) => format!("header '{name}' is '{found}', not '{wanted}'"),
        None => format!("header '{name}' is not there"),
    }
}

fn text(value: HeaderValue<'_>) -> String {
    match value {
        HeaderValue::Bool(value) => value.to_string(),
        HeaderValue::Int(value) => value.to_string(),
        HeaderValue::Uint(value) | HeaderValue::Timestamp(value) => value.to_string(),
        HeaderValue::Float(value) => value.to_string(),
        HeaderValue::Decimal { scale, value } => format!("{value}e-{scale}"),
        HeaderValue::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        HeaderValue::Void => "nothing".to_owned(),
        HeaderValue::Other { tag: b'A', .. } => "a list".to_owned(),
        HeaderValue::Other { .. } => "a table".to_owned(),
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_misses_says_where() {
        for (key, pattern, why) in [
            ("a.b", "a.b.c", "the key has 2 words, the pattern wants 3"),
            ("a.b.c", "a.*", "the key has 3 words, the pattern wants 2"),
            ("a", "a.#.b", "the key has 1 word, the pattern wants at least 2"),
            ("", "*", "the key has 0 words, the pattern wants 1"),
            ("a", "", "the key has 1 word, the pattern wants 0"),
            ("a.x.c", "a.b.*", "word 2 is 'x', not 'b'"),
            ("x.b.c", "a.#", "word 1 is 'x', not 'a'"),
            ("a.b.x", "a.#.c", "the end has 'x', not 'c'"),
            ("a.x.y.c", "a.#.b.#.c", "the words between do not come in this order"),
        ] {
            assert_eq!(of_pattern(key, pattern).why, format!("{why} ('{key}' and '{pattern}')"));
        }
        assert!(of_pattern("a.b", "a.c") < of_pattern("a.b", "a.c.d"));
    }

    #[test]
    fn keys_that_look_alike_are_near() {
        assert_eq!(
            of_key("Orders", "orders").why,
            "the key is 'Orders', not 'orders': they differ in upper and lower case"
        );
        assert_eq!(
            of_key("orders", "orders ").why,
            "the key is 'orders', not 'orders ': they differ in spaces"
        );
        assert!(of_key("order", "orders").is_near() && of_key("ordres", "orders").is_near());
        assert!(of_key("orders", "orders.eu").is_near());
        assert!(!of_key("orders", "x").is_near() && !of_key("", "x").is_near());
        assert!(of_name(b"order", "orders").is_near());
        assert_eq!([edits("", "abc"), edits("kitten", "sitting"), edits("a", "a")], [3, 3, 0]);
    }
}
