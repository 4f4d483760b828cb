//! What a nats-server says of its configuration: `/varz`, which its monitoring page has, and which a user of the system account can ask
//! all servers for.

use super::client::with_rights;
use super::error::NatsError;
use async_nats::{ConnectOptions, StatusCode};
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Until a page is there, or a first answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// After an answer, until no other comes.
const QUIET: Duration = Duration::from_millis(500);
/// No such page is larger.
const PAGE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Which all servers of the system account's user answer.
const PING: &str = "$SYS.REQ.SERVER.PING.VARZ";
/// The same of an account's own connections, for which everybody may ask.
const PING_ANYBODY: &str = "$SYS.REQ.SERVER.PING.CONNZ";

/// What matters of `/varz`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Varz {
    #[serde(rename = "server_name")]
    pub(super) name: String,
    pub(super) version: String,
    pub(super) cluster: Cluster,
    pub(super) jetstream: JetStream,
    /// Between two pings of a connection, in ns; 0 if it was not said.
    pub(super) ping_interval: u64,
}

/// Of which cluster the server is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub(super) name: String,
}

/// JetStream, if it has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JetStream {
    pub(super) config: Option<JetStreamConfig>,
}

/// How it writes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JetStreamConfig {
    pub(super) sync_always: bool,
}

/// Asks a monitoring page, `http://HOST:PORT`.
async fn page(address: &str) -> Result<Varz, String> {
    let rest = address.strip_prefix("http://").ok_or("it does not begin with http://")?;
    let (host, path) = rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    let mut stream = TcpStream::connect(host).await.map_err(|error| error.to_string())?;
    let request = format!("GET {path}/varz HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream.take(PAGE_BYTES_MAX).read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
    body(&answer)
}

fn body(answer: &[u8]) -> Result<Varz, String> {
    const END: &[u8] = b"\r\n\r\n";
    let end = answer.windows(END.len()).position(|window| window == END).ok_or("it is no HTTP")?;
    let (head, body) = answer.split_at(end + END.len());
    let status = String::from_utf8_lossy(head).split_whitespace().nth(1).map(str::to_owned);
    if status.as_deref() != Some("200") {
        return Err(format!("status {}", status.unwrap_or_default()));
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// Asks all servers over a connection, and hears answers until no more come.
async fn ping<T: DeserializeOwned>(
    client: &async_nats::Client,
    subject: &'static str,
) -> Result<Vec<T>, String> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|error| error.to_string())?;
    client.publish_with_reply(subject, inbox, "".into()).await.map_err(|error| error.to_string())?;
    let (mut all, mut within) = (Vec::new(), ANSWER_MAX);
    while let Ok(Some(answer)) = timeout(within, answers.next()).await {
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            break;
        }
        all.extend(serde_json::from_slice::<T>(&answer.payload));
        within = QUIET;
    }
    Ok(all)
}

/// Asks all servers how they are configured: none answer to who has no right to ask.
pub(super) async fn ping_varz(client: &async_nats::Client) -> Result<Vec<Varz>, String> {
    #[derive(Deserialize)]
    struct Answer {
        data: Varz,
    }
    Ok(ping::<Answer>(client, PING).await?.into_iter().map(|answer| answer.data).collect())
}

/// The names of the servers that answer, which those of any account do.
pub(super) async fn ping_names(client: &async_nats::Client) -> Result<BTreeSet<String>, String> {
    #[derive(Deserialize)]
    struct Answer {
        server: Named,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    Ok(ping::<Answer>(client, PING_ANYBODY).await?.into_iter().map(|answer| answer.server.name).collect())
}

/// Asks all servers as a user of the system account.
pub(super) async fn ping_as(servers: &[String], credentials: Option<&Path>) -> Result<Vec<Varz>, String> {
    let options = ConnectOptions::new().name("coney: checking servers").connection_timeout(ANSWER_MAX);
    let options =
        with_rights(options, servers, credentials).await.map_err(|error: NatsError| error.to_string())?;
    let connected =
        timeout(ANSWER_MAX, options.connect(servers)).await.map_err(|_| "no answer".to_owned())?;
    ping_varz(&connected.map_err(|error| error.to_string())?).await
}

/// Asks where `address` says.
pub(super) async fn ask(address: &str) -> Result<Vec<Varz>, String> {
    if address.starts_with("http://") {
        let page = timeout(ANSWER_MAX, page(address)).await;
        return page.unwrap_or_else(|_| Err("no answer".into())).map(|varz| vec![varz]);
    }
    ping_as(&[address.to_owned()], None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_a_server_writes() {
        let page = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"server_name\":\"s1\",\
            \"version\":\"2.10.27\",\"ping_interval\":2000000000,\"jetstream\":{\"config\":{\"sync_always\":true,\"sync_interval\":1}}}";
        let varz = body(page).unwrap();
        assert_eq!((varz.name.as_str(), varz.version.as_str()), ("s1", "2.10.27"));
        assert!(varz.jetstream.config.unwrap().sync_always);
        assert_eq!(varz.ping_interval, 2_000_000_000);
        // Servers leave out what is false.
        let page = b"HTTP/1.0 200 OK\r\n\r\n{\"jetstream\":{\"config\":{\"sync_interval\":120000000000}}}";
        assert!(!body(page).unwrap().jetstream.config.unwrap().sync_always);
        assert_eq!(body(b"HTTP/1.0 404 Not Found\r\n\r\n").unwrap_err(), "status 404");
        assert!(body(b"hello").is_err());
    }
}
