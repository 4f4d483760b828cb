//! A broker with its API.

use std::ops::Deref;

use coney::Broker;
use serde_json::{Value, json};

use crate::support::broker::Embedded;
use crate::support::http::Http;

/// A broker in memory with its API, asked as guest.
pub struct Managed {
    pub embedded: Embedded,
    http: Http,
}

impl Managed {
    pub fn start() -> Self {
        let embedded = Embedded::managed(Broker::builder().ephemeral());
        let http = Http::new(embedded.broker().http_addresses()[0]);
        Self { embedded, http }
    }

    /// Makes a durable queue.
    pub fn declare(&self, name: &str, arguments: &Value) {
        let queue = json!({ "name": name, "durable": true, "auto_delete": false, "arguments": arguments });
        let definitions = json!({ "queues": [queue] }).to_string();
        self.embedded.wait(self.embedded.broker().import_definitions(&definitions)).unwrap();
    }
}

impl Deref for Managed {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}
