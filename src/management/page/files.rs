//! The page's files, from the table of what is compiled in (`build.rs` makes it, compressed). A path is looked up there as it is, so nothing but the
//! page can be reached.
//!
//! A debug build takes them from the folder that the variable `CONEY_UI_DIR` names, if it does: for those who work on the page.

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use crate::management::api::Api;
use crate::management::compressed::Content;
use crate::management::error::ApiError;

/// Path below `ui/`, in ascending order, and content, compressed.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// What is at `/`.
const INDEX: &str = "index.html";

/// The page loads, and talks to, nothing but this broker; no script or style stands in it, and nobody frames it.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the page; for whatever is no path of the API.
pub(in crate::management) async fn file(State(api): State<Api>, request: Request) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || !api.shared().config.http_page {
        return ApiError::not_found().into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { INDEX } else { path };
    match content(path).and_then(|content| content.for_client(request.headers())) {
        Some(content) => answer(path, content, request.headers()),
        None => ApiError::not_found().into_response(),
    }
}

fn content(path: &str) -> Option<Content> {
    #[cfg(debug_assertions)]
    if let Some(folder) = std::env::var_os("CONEY_UI_DIR") {
        return read(folder.as_ref(), path).map(Content::Plain);
    }
    let found = FILES.binary_search_by_key(&path, |(path, _)| path).ok()?;
    FILES.get(found).map(|(_, content)| Content::Compressed(content))
}

/// A file below the folder. Names are those that the page's files have: no way leads out of it.
#[cfg(debug_assertions)]
fn read(folder: &std::path::Path, path: &str) -> Option<Vec<u8>> {
    let is_plain = |name: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_allowed)
    };
    path.split('/').all(is_plain).then(|| std::fs::read(folder.join(path)).ok()).flatten()
}

fn answer(path: &str, content: Content, asked: &HeaderMap) -> Response {
    let tag = tag(content.bytes());
    let is_known = asked.get_all(header::IF_NONE_MATCH).iter().any(|known| has_tag(known, &tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media_type(path)))], content).into_response()
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::REFERRER_POLICY, NO_REFERRER);
    headers.insert(RESOURCE_POLICY, SAME_ORIGIN);
    response
}

/// The entity tag of a content (RFC 9110 section 8.8.3).
fn tag(content: &[u8]) -> String {
    let hash = Sha256::digest(content);
    let hex: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Whether an `If-None-Match` has the tag, compared weakly: proxies that compress answers make tags weak.
fn has_tag(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("json" | "webmanifest") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("ui")
    }

    /// The files below a folder, as paths from `root`, in ascending order.
    fn below(root: &Path, folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.extend(below(root, &path));
            } else {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn what_is_compiled_in_is_what_there_is() {
        let listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(listed, below(&folder(), &folder()));
        for (path, content) in FILES {
            let plain = Content::Compressed(content).plain().unwrap();
            assert_eq!(read(&folder(), path).as_deref(), Some(plain.bytes()), "{path}");
        }
    }

    /// Files from elsewhere are what their table says, byte for byte.
    #[test]
    fn what_is_not_ours_is_what_the_table_says() {
        let vendor = folder().join("vendor");
        let Ok(text) = fs::read_to_string(vendor.join("README.md")) else {
            assert!(!vendor.exists(), "there is no table of what is in {}", vendor.display());
            return;
        };
        let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
        let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
        let told: BTreeMap<&str, &str> =
            cells.map(|cells| (cells[0], cells.last().unwrap().trim_matches('`'))).collect();
        let there: Vec<String> =
            below(&vendor, &vendor).into_iter().filter(|path| path != "README.md").collect();
        assert_eq!(told.keys().copied().collect::<Vec<_>>(), there);
        for (path, hash) in told {
            let content = fs::read(vendor.join(path)).unwrap();
            let real: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(real, hash, "{path}");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in [
            "../Cargo.toml",
            "app/../../Cargo.toml",
            "..",
            "",
            "./index.html",
            "app//main.js",
            ".hidden",
            "%2e%2e/Cargo.toml",
            "..\\Cargo.toml",
            "index.html\0",
            "C:index.html",
            "/etc/passwd",
        ] {
            assert_eq!(read(&folder(), path), None, "{path}");
            assert!(!FILES.iter().any(|(name, _)| *name == path), "{path}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        let known = |text: &'static str| has_tag(&HeaderValue::from_static(text), "\"a\"");
        assert!(known("\"a\"") && known("W/\"a\"") && known("\"b\", \"a\"") && known("*"));
        assert!(!known("\"b\"") && !known("a") && !known(""));
    }
}
