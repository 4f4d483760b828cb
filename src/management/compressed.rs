//! What is compiled in compressed, with gzip, by `build.rs`. Browsers take it as it is; for others it is decompressed.

use std::io::Read as _;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

/// A content as it is sent.
pub(super) enum Content {
    /// With gzip.
    Compressed(&'static [u8]),
    /// As it is.
    Plain(Vec<u8>),
}

impl Content {
    /// In a form that the client takes who asked with these headers; `None` if it cannot be decompressed.
    pub(super) fn for_client(self, asked: &HeaderMap) -> Option<Self> {
        if takes_gzip(asked) { Some(self) } else { self.plain() }
    }

    /// Its bytes, as they are sent.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Compressed(bytes) => bytes,
            Self::Plain(bytes) => bytes,
        }
    }

    pub(super) fn plain(self) -> Option<Self> {
        let Self::Compressed(bytes) = self else { return Some(self) };
        let mut plain = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut plain).ok()?;
        Some(Self::Plain(plain))
    }
}

impl IntoResponse for Content {
    fn into_response(self) -> Response {
        match self {
            Self::Compressed(bytes) => {
                let gzip = HeaderValue::from_static("gzip");
                ([(header::CONTENT_ENCODING, gzip)], Body::from(bytes)).into_response()
            }
            Self::Plain(bytes) => Body::from(bytes).into_response(),
        }
    }
}

/// Whether an `Accept-Encoding` has gzip (RFC 9110 section 12.5.3).
fn takes_gzip(asked: &HeaderMap) -> bool {
    let is_gzip = |coding: &str| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    };
    let codings = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    codings.flat_map(|value| value.split(',')).any(is_gzip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_content_is_for_who_takes_it() {
        let takes = |text: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        assert!(takes("gzip") && takes("deflate, GZIP;q=0.5") && takes("gzip;q=1.0, br"));
        assert!(
            !takes("") && !takes("br") && !takes("gzip;q=0") && !takes("x-gzip") && !takes("gzip; q=0.0")
        );
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
