//! What standard output says once clients can connect: RabbitMQ's lines, which scripts, health checks and test containers wait
//! for, with `tls auto` the authority that clients have to trust, then a line of our own with all addresses. It comes last, so that
//! whoever has read it has read everything.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;

use coney::broker::plugins::plugins;
use coney::{BrokerHandle, Clock};

/// Says it. Nobody reading is no reason to stop.
pub fn announce(handle: &BrokerHandle, clock: &Clock) {
    let ms = clock.now().as_micros() / 1000;
    let text = text(handle, ms).unwrap_or_default();
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        tracing::warn!("cannot write the start-up lines to standard output: {error}");
    }
}

fn text(handle: &BrokerHandle, ms: u64) -> Result<String, std::fmt::Error> {
    let config = handle.config();
    let mut text = String::new();
    writeln!(text, "  node           : {}", handle.node_name())?;
    let files: Vec<String> = config.config_files.iter().map(|path| path.display().to_string()).collect();
    let files = if files.is_empty() { "(none)".to_owned() } else { files.join("\n                 : ") };
    writeln!(text, "  config file(s) : {files}")?;
    for address in handle.addresses() {
        writeln!(text, "started TCP listener on {address}")?;
    }
    for address in handle.tls_addresses() {
        writeln!(text, "started TLS (SSL) listener on {address}")?;
    }
    let count = plugins().len();
    writeln!(text, "Server startup complete; {count} plugins started.\n completed with {count} plugins.")?;
    let data = config.data_dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
    let data = data.map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string());
    if let Some(ca) = handle.development_ca() {
        let ca = std::path::absolute(ca).unwrap_or_else(|_| ca.to_owned());
        writeln!(text, "TLS is for development: clients have to trust the authority in {}", ca.display())?;
    }
    let amqp = urls("amqp", handle.addresses());
    write!(text, "Coney {} on {amqp}: startup complete in {ms} ms", env!("CARGO_PKG_VERSION"))?;
    for (what, scheme, addresses) in [
        ("AMQP over TLS", "amqps", handle.tls_addresses()),
        ("management API", "http", handle.http_addresses()),
        ("management API over TLS", "https", handle.https_addresses()),
        ("metrics", "http", handle.metrics_addresses()),
        ("metrics over TLS", "https", handle.metrics_tls_addresses()),
    ] {
        if !addresses.is_empty() {
            write!(text, "; {what} on {}", urls(scheme, addresses))?;
        }
    }
    writeln!(text, "; data in {data}")?;
    Ok(text)
}

fn urls(scheme: &str, addresses: &[SocketAddr]) -> String {
    let urls: Vec<String> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
    urls.join(", ")
}
