//! A broker with its API.

use std::ops::Deref;

use coney::Broker;

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
}

impl Deref for Managed {
    type Target = Http;

    fn deref(&self) -> &Http {
        &self.http
    }
}
