//! A broker with its API.

use std::ops::Deref;
use std::path::Path;

use coney::{Broker, BrokerBuilder};
use serde_json::{Value, json};

use crate::support::broker::Embedded;
use crate::support::client::Bench;
use crate::support::http::Http;
use crate::support::process::{Process, coney};

/// A broker in memory with its API, asked as guest.
pub struct Managed {
    pub embedded: Embedded,
    http: Http,
}

impl Managed {
    pub fn start() -> Self {
        Self::on(Broker::builder().ephemeral())
    }

    /// One that tests may control.
    pub fn with_worlds() -> Self {
        Self::on(Broker::builder().ephemeral().test())
    }

    fn on(builder: BrokerBuilder) -> Self {
        let embedded = Embedded::managed(builder);
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

/// A broker in memory with a channel on it, and its API asked as guest, which blocks the thread that it is asked on.
pub async fn managed() -> (Bench, Http) {
    managed_by(Broker::builder().ephemeral()).await
}

/// The same with these settings.
pub async fn managed_by(builder: BrokerBuilder) -> (Bench, Http) {
    let any = "127.0.0.1:0".parse().unwrap();
    let builder = builder.listen(any).http(any);
    let bench = Bench::on(builder.start().await.unwrap()).await;
    let http = Http::new(bench.broker.http_addresses()[0]);
    (bench, http)
}

/// A broker on disk in a process of its own, to be killed, and its API asked as guest.
pub fn killable(dir: &Path) -> (Process, Http) {
    let arguments = ["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "error", "--data-dir"];
    let process = Process::run(coney().env_remove("CONEY_HTTP").args(arguments).arg(dir));
    let http = Http::new(process.http().parse().unwrap());
    (process, http)
}

/// The same, which keeps next to nothing of a queue in memory.
pub fn paging(dir: &Path) -> (Process, Http) {
    let arguments =
        ["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "error", "--queue-memory", "2k"];
    let mut command = coney();
    command.env_remove("CONEY_HTTP").args(arguments).arg("--data-dir").arg(dir);
    let process = Process::run(&mut command);
    let http = Http::new(process.http().parse().unwrap());
    (process, http)
}

pub use crate::support::client::string as text;
