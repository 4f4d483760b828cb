//! What standard output says once clients can connect: RabbitMQ's lines, which scripts, health checks and test containers wait
//! for, with `tls auto` the authority that clients have to trust, then a line of our own with all addresses. It comes last, so that
//! whoever has read it has read everything.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use coney::broker::plugins::plugins;
use coney::config::Config;
use coney::server::Door;
use coney::{BrokerHandle, Clock};

/// What there is to say.
pub struct Started<'a> {
    pub config: &'a Config,
    pub node_name: String,
    /// What it is beside a broker, if that is something.
    pub role: Option<String>,
    pub development_ca: Option<&'a Path>,
    /// Where it listens.
    pub addresses: &'a dyn Fn(Door) -> Vec<SocketAddr>,
}

/// Says it of a broker by itself.
pub fn announce(handle: &BrokerHandle, clock: &Clock) {
    let addresses = |door| match door {
        Door::Amqp => handle.addresses().to_vec(),
        Door::Amqps => handle.tls_addresses().to_vec(),
        Door::Http => handle.http_addresses().to_vec(),
        Door::Https => handle.https_addresses().to_vec(),
        Door::Metrics => handle.metrics_addresses().to_vec(),
        Door::MetricsTls => handle.metrics_tls_addresses().to_vec(),
    };
    let started = Started {
        config: handle.config(),
        node_name: handle.node_name(),
        role: None,
        development_ca: handle.development_ca(),
        addresses: &addresses,
    };
    started.announce(clock);
}

impl Started<'_> {
    /// Says it. Nobody reading is no reason to stop.
    pub fn announce(&self, clock: &Clock) {
        let ms = clock.now().as_micros() / 1000;
        let text = text(self, ms).unwrap_or_default();
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            tracing::warn!("cannot write the start-up lines to standard output: {error}");
        }
    }
}

fn text(started: &Started<'_>, ms: u64) -> Result<String, std::fmt::Error> {
    let Started { config, addresses, .. } = started;
    let mut text = String::new();
    writeln!(text, "  node           : {}", started.node_name)?;
    let files: Vec<String> = config.config_files.iter().map(|path| path.display().to_string()).collect();
    let files = if files.is_empty() { "(none)".to_owned() } else { files.join("\n                 : ") };
    writeln!(text, "  config file(s) : {files}")?;
    for address in addresses(Door::Amqp) {
        writeln!(text, "started TCP listener on {address}")?;
    }
    for address in addresses(Door::Amqps) {
        writeln!(text, "started TLS (SSL) listener on {address}")?;
    }
    let count = plugins().len();
    writeln!(text, "Server startup complete; {count} plugins started.\n completed with {count} plugins.")?;
    let data = config.data_dir.as_ref().map(|dir| std::path::absolute(dir).unwrap_or_else(|_| dir.clone()));
    let data = data.map_or_else(|| "memory".to_owned(), |dir| dir.display().to_string());
    if let Some(ca) = started.development_ca {
        let ca = std::path::absolute(ca).unwrap_or_else(|_| ca.to_owned());
        writeln!(text, "TLS is for development: clients have to trust the authority in {}", ca.display())?;
    }
    let amqp = urls("amqp", &addresses(Door::Amqp));
    let role = started.role.as_ref().map(|role| format!(", {role},")).unwrap_or_default();
    write!(text, "Coney {}{role} on {amqp}: startup complete in {ms} ms", env!("CARGO_PKG_VERSION"))?;
    for (what, scheme, door) in [
        ("AMQP over TLS", "amqps", Door::Amqps),
        ("management API", "http", Door::Http),
        ("management API over TLS", "https", Door::Https),
        ("metrics", "http", Door::Metrics),
        ("metrics over TLS", "https", Door::MetricsTls),
    ] {
        let addresses = addresses(door);
        if !addresses.is_empty() {
            write!(text, "; {what} on {}", urls(scheme, &addresses))?;
        }
    }
    writeln!(text, "; data in {data}")?;
    Ok(text)
}

fn urls(scheme: &str, addresses: &[SocketAddr]) -> String {
    let urls: Vec<String> = addresses.iter().map(|address| format!("{scheme}://{address}")).collect();
    urls.join(", ")
}
