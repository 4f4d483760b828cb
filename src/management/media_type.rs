//! Of what kind a body is, where it matters.

use axum::http::{HeaderMap, header};

use super::error::ApiError;

/// Kinds of bodies that are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`, and what is not said.
    Json,
    /// `multipart/form-data` (RFC 7578), with the boundary between its parts.
    Form {
        /// The boundary.
        boundary: String,
    },
}

impl MediaType {
    /// What the headers say.
    ///
    /// # Errors
    /// 415: something else.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let value = value.to_str().map_err(|_| ApiError::unsupported_media_type())?;
        let (kind, parameters) = value.split_once(';').unwrap_or((value, ""));
        let boundary = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
        let mut boundary = boundary.filter(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
        match kind.trim().to_ascii_lowercase().as_str() {
            "application/json" => Ok(Self::Json),
            "multipart/form-data" => {
                let (_, boundary) = boundary.next().ok_or_else(ApiError::unsupported_media_type)?;
                Ok(Self::Form { boundary: boundary.trim().trim_matches('"').to_owned() })
            }
            _ => Err(ApiError::unsupported_media_type()),
        }
    }

    /// Refuses what is not JSON.
    ///
    /// # Errors
    /// 415.
    pub(super) fn json(headers: &HeaderMap) -> Result<(), ApiError> {
        match Self::of(headers)? {
            Self::Json => Ok(()),
            Self::Form { .. } => Err(ApiError::unsupported_media_type()),
        }
    }
}

/// What a form's part of this name holds: all between the empty line after its head and the next boundary.
pub(super) fn form_field<'a>(body: &'a [u8], boundary: &str, name: &str) -> Option<&'a [u8]> {
    let delimiter = format!("--{boundary}");
    let wanted = format!("name=\"{name}\"");
    let mut rest = after(body, delimiter.as_bytes())?;
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let (head, content) = split_at(part, b"\r\n\r\n")?;
        let (content, next) = split_at(content, format!("\r\n{delimiter}").as_bytes())?;
        let head = String::from_utf8_lossy(head);
        let mut words = head.split(['\r', '\n', ';']).map(str::trim);
        if words.any(|word| word == wanted) {
            return Some(content);
        }
        rest = next;
    }
    None
}

fn after<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<&'a [u8]> {
    split_at(bytes, delimiter).map(|(_, rest)| rest)
}

fn split_at<'a>(bytes: &'a [u8], delimiter: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some((bytes.get(..at)?, bytes.get(at + delimiter.len()..)?))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> Option<MediaType> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
        MediaType::of(&headers).ok()
    }

    #[test]
    fn json_and_forms_are_taken() {
        for json in ["application/json", "Application/JSON; charset=utf-8"] {
            assert_eq!(of(json), Some(MediaType::Json));
        }
        let form = Some(MediaType::Form { boundary: "a-b".to_owned() });
        assert_eq!(of("multipart/form-data; boundary=a-b"), form);
        assert_eq!(of("multipart/form-data; charset=utf-8; Boundary=\"a-b\""), form);
        for other in ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(MediaType::of(&HeaderMap::new()).ok(), Some(MediaType::Json));
    }

    #[test]
    fn a_field_of_a_form_is_found_by_its_name() {
        let body = b"preamble\r\n--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\n1\r\n--x\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"name=\"\r\nContent-Type: application/json\r\n\r\n\
            {\r\n--y\r\n\r\n}\r\n--x--\r\n";
        assert_eq!(form_field(body, "x", "other"), Some(&b"1"[..]));
        assert_eq!(form_field(body, "x", "file"), Some(&b"{\r\n--y\r\n\r\n}"[..]));
        assert_eq!(form_field(body, "x", "filename"), None);
        assert_eq!(form_field(body, "z", "file"), None);
        for cut in 0..body.len() - 8 {
            assert_eq!(form_field(&body[..cut], "x", "file"), None, "{cut}");
        }
    }
}
