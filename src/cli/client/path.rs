//! Paths of the management API.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What need not be encoded in a piece of a path or a query (RFC 3986's unreserved characters).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `/api/` with these pieces, each percent-encoded: `api(&["queues", "/", "a b"])` is `/api/queues/%2F/a%20b`.
pub fn api(pieces: &[&str]) -> String {
    let pieces: Vec<String> = pieces.iter().map(|piece| encode(piece)).collect();
    format!("/api/{}", pieces.join("/"))
}

/// One piece of a path or a query, percent-encoded.
pub fn encode(piece: &str) -> String {
    utf8_percent_encode(piece, ENCODED).to_string()
}

/// Appends `?name=value&..` to a path.
pub fn with_query<'a>(path: &str, query: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query: Vec<String> =
        query.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_encoded_and_slashes_between_them_are_not() {
        assert_eq!(api(&["overview"]), "/api/overview");
        assert_eq!(api(&["queues", "/", "a b?ü#%"]), "/api/queues/%2F/a%20b%3F%C3%BC%23%25");
        assert_eq!(api(&["queues", "..", "~a-b_c.d"]), "/api/queues/../~a-b_c.d");
    }

    #[test]
    fn a_query_is_appended_where_there_is_one() {
        assert_eq!(with_query("/api/queues", []), "/api/queues");
        let query = [("columns", "name,messages"), ("a", "&=")];
        assert_eq!(with_query("/api/queues", query), "/api/queues?columns=name%2Cmessages&a=%26%3D");
    }
}
