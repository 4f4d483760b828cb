//! Coney's journal records everything while this lives: what a recording costs is the difference to a run without.

use crate::Result;
use crate::http::request;

/// The default virtual host's recordings.
const PATH: &str = "/api/coney/recordings/%2F";

/// A recording of everything in the default virtual host; it ends when this is dropped.
pub struct Recording {
    api: String,
    id: u64,
}

impl Recording {
    /// Begins one. `api` is `host:port` of the management API.
    pub fn begin(api: &str) -> Result<Self> {
        let answer = request(api, "POST", PATH, r#"{"all":true}"#)?;
        let id = answer.split_once("\"id\":").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()));
        let id = id.and_then(|mut digits| digits.next()?.parse().ok());
        Ok(Self { api: api.to_owned(), id: id.ok_or_else(|| format!("{api} answered {answer}"))? })
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It ends by itself after an hour.
        let _ = request(&self.api, "DELETE", &format!("{PATH}/{}", self.id), "");
    }
}
