//! What `rabbitmq-diagnostics` tells besides health and status.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::command::{Command, DIAGNOSTICS, EVERYWHERE, Section};
use super::failure::{DATA, Failure, UNAVAILABLE, USAGE};
use super::fields::{Fields, text};
use super::options::{flag, number, text as text_option};
use super::output::Output;
use super::process::{Deadline, pause};
use crate::cli::out::say;

const TIMEOUT: &str = "[--timeout <timeout>]";

pub const COMMANDS: &[Command] = &[
    Command::new(
        "version",
        EVERYWHERE,
        Section::Help,
        "Shows the version that the broker announces",
        version,
    ),
    Command::new(
        "server_version",
        DIAGNOSTICS,
        Section::Monitoring,
        "Shows the version of RabbitMQ that is announced",
        server_version,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "erlang_version",
        DIAGNOSTICS,
        Section::Monitoring,
        "Says that there is no Erlang",
        erlang_version,
    )
    .takes(TIMEOUT, 0, 0)
    .with(&[flag("details"), flag("offline")]),
    Command::new("resolve_hostname", DIAGNOSTICS, Section::Configuration, "Looks a host name up", resolve)
        .takes("<hostname> [--address-family <ipv4 | ipv6>]", 1, 1)
        .with(&[text_option("address-family"), flag("offline")]),
    Command::new(
        "resolver_info",
        DIAGNOSTICS,
        Section::Configuration,
        "Says how host names are looked up",
        resolver,
    )
    .with(&[flag("offline")]),
    Command::new(
        "log_location",
        DIAGNOSTICS,
        Section::Configuration,
        "Shows where the log goes",
        log_location,
    )
    .takes("[--all|-a] [--timeout <timeout>]", 0, 0)
    .with(&[flag("all").short('a')]),
    Command::new(
        "log_tail",
        DIAGNOSTICS,
        Section::Monitoring,
        "Shows the last lines of a log file",
        log_tail,
    )
    .takes("[--number|-N <number>] [--timeout <timeout>]", 0, 0)
    .with(&[number("number").short('N')]),
    Command::new(
        "log_tail_stream",
        DIAGNOSTICS,
        Section::Monitoring,
        "Shows lines of a log file as they come",
        log_tail_stream,
    )
    .takes("[--duration|-d <seconds>] [--timeout <timeout>]", 0, 0)
    .with(&[number("duration").short('d')]),
    Command::new(
        "consume_event_stream",
        DIAGNOSTICS,
        Section::Monitoring,
        "Is refused: see /api/coney/events",
        no_events,
    )
    .takes("[--duration|-d <seconds>] [--pattern <pattern>] [--timeout <timeout>]", 0, 0)
    .with(&[number("duration").short('d'), text_option("pattern")]),
    Command::new(
        "tls_versions",
        DIAGNOSTICS,
        Section::Monitoring,
        "Lists the versions of TLS that there are",
        tls_versions,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "cipher_suites",
        DIAGNOSTICS,
        Section::Monitoring,
        "Lists the cipher suites that there are",
        cipher_suites,
    )
    .takes("[--format <openssl | erlang | map>] [--all] [--timeout <timeout>]", 0, 0)
    .with(&[text_option("format"), flag("all")]),
    Command::new(
        "list_network_interfaces",
        DIAGNOSTICS,
        Section::Monitoring,
        "Is refused: see ip addr",
        no_interfaces,
    )
    .takes(TIMEOUT, 0, 0)
    .with(&[flag("offline")]),
    Command::new(
        "os_env",
        DIAGNOSTICS,
        Section::Configuration,
        "Lists the variables of this shell that a broker would read",
        os_env,
    )
    .takes(TIMEOUT, 0, 0),
    Command::new(
        "command_line_arguments",
        DIAGNOSTICS,
        Section::Configuration,
        "Shows the command line of the broker",
        command_line,
    ),
    Command::new(
        "certificates",
        DIAGNOSTICS,
        Section::Configuration,
        "Is refused: see openssl s_client",
        no_certificates,
    ),
];

/// The version of the broker, if there is one; else the one that is announced unless a setting says otherwise.
fn version(call: &Call) -> Result<Output, Failure> {
    let announced = call.about().ok().and_then(|node| Some(node.get("version")?.as_str()?.to_owned()));
    Ok(Output::Text(announced.unwrap_or_else(|| coney::config::Config::default().server_version)))
}

fn server_version(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Asking node {} for its RabbitMQ version...", call.node()?))?;
    let version = text(call.about()?, "version");
    Ok(Output::Both(version.to_owned(), json!({ "result": "ok", "value": version })))
}

fn erlang_version(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Asking node {} for its Erlang/OTP version...", call.node()?))?;
    let none = "none: Coney is not written in Erlang";
    Ok(Output::Both(none.to_owned(), json!({ "result": "ok", "value": "none" })))
}

fn resolve(call: &Call) -> Result<Output, Failure> {
    let host = call.argument(0);
    let family = call.options.value("address-family").unwrap_or("IPv4");
    call.say(format!("Asking node {} to resolve hostname {host} to {family} addresses...", call.node()?))?;
    let wants_6 = match family.to_lowercase().as_str() {
        "ipv4" => false,
        "ipv6" => true,
        _ => return Err(Failure::argument(USAGE, "address family has to be ipv4 or ipv6")),
    };
    let found: Vec<IpAddr> =
        (host, 0).to_socket_addrs().into_iter().flatten().map(|address| address.ip()).collect();
    let mut addresses: Vec<String> =
        found.iter().filter(|address| address.is_ipv6() == wants_6).map(IpAddr::to_string).collect();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(Failure::error(DATA, format!("Hostname {host} does not resolve to {family} addresses")));
    }
    let value = json!({ "result": "ok", "node": call.node()?, "hostname": host, "addresses": addresses });
    Ok(Output::Both(addresses.join("\n"), value))
}

fn resolver(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Asking node {node} for its effective hostname resolver configuration..."))?;
    let text = "Host names are looked up by the system's resolver.\n\nHosts file: /etc/hosts\nResolver conf file: /etc/resolv.conf";
    let resolver =
        json!({ "lookup": "native", "hosts_file": "/etc/hosts", "resolv_conf": "/etc/resolv.conf" });
    Ok(Output::Both(text.to_owned(), json!({ "result": "ok", "node": node, "resolver": resolver })))
}

fn log_files(call: &Call) -> Result<Vec<String>, Failure> {
    let node = call.get(&["nodes", call.node()?])?;
    let files = node.at("log_files").as_array().cloned().unwrap_or_default();
    Ok(files.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

fn log_location(call: &Call) -> Result<Output, Failure> {
    let node = call.node()?;
    call.say(format!("Log file location(s) on node {node} ..."))?;
    let paths = log_files(call)?;
    let value = json!({ "result": "ok", "node_name": node, "paths": paths });
    Ok(Output::Both(paths.join("\n"), value))
}

/// The first file, which has to be one.
fn open_log(call: &Call) -> Result<File, Failure> {
    let paths = log_files(call)?;
    let Some(path) = paths.iter().find(|path| !path.starts_with('<')) else {
        return Err(Failure::unsupported(
            "the log goes to standard error: see the container's log or the journal (journalctl -u coney), or set a log file",
        ));
    };
    File::open(path).map_err(|error| Failure::error(UNAVAILABLE, format!("{path}: {error}")))
}

/// The most that is read of a log's end.
const TAIL_BYTES_MAX: u64 = 1 << 20;
const TAIL_LINES: usize = 50;

fn log_tail(call: &Call) -> Result<Output, Failure> {
    let lines_max = call.options.value("number").and_then(|number| number.parse().ok()).unwrap_or(TAIL_LINES);
    call.say(format!("Last {lines_max} log lines on node {} ...", call.node()?))?;
    let mut file = open_log(call)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(lines_max)..).unwrap_or_default();
    Ok(Output::Text(last.join("\n")))
}

fn log_tail_stream(call: &Call) -> Result<Output, Failure> {
    let seconds: Option<u64> = call.options.value("duration").and_then(|seconds| seconds.parse().ok());
    let node = call.node()?;
    match seconds {
        Some(seconds) => call.say(format!("Streaming logs from node {node} for {seconds} seconds ..."))?,
        None => call.say(format!("Streaming logs from node {node} ..."))?,
    }
    let mut file = open_log(call)?;
    file.seek(SeekFrom::End(0))?;
    let mut reader = BufReader::new(file);
    let deadline = seconds.map(|seconds| Deadline::after(Duration::from_secs(seconds)));
    while !deadline.as_ref().is_some_and(Deadline::is_over) {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            pause();
        } else {
            say(&line)?;
        }
    }
    Ok(Output::Done)
}

fn no_events(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported(
        "events are not published by kinds; what changes is at /api/coney/events of the management API, as server-sent events",
    ))
}

fn tls_versions(call: &Call) -> Result<Output, Failure> {
    call.say("Listing all TLS versions supported by the runtime...")?;
    let versions = ["tlsv1.3", "tlsv1.2"];
    Ok(Output::Both(versions.join("\n"), json!({ "result": "ok", "versions": versions })))
}

/// Those of rustls, under the names that OpenSSL has for them.
const CIPHER_SUITES: [&str; 9] = [
    "TLS_AES_256_GCM_SHA384",
    "TLS_AES_128_GCM_SHA256",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-CHACHA20-POLY1305",
];

fn cipher_suites(call: &Call) -> Result<Output, Failure> {
    match call.options.value("format") {
        None | Some("openssl") => {}
        Some(_) => return Err(Failure::argument(USAGE, "there is no Erlang here: use --format openssl")),
    }
    call.say("Listing available cipher suites in OpenSSL format")?;
    let value = json!({ "result": "ok", "cipher_suites": CIPHER_SUITES });
    Ok(Output::Both(CIPHER_SUITES.join("\n"), value))
}

fn no_interfaces(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported(
        "the broker does not tell: `ip addr` does, and `rabbitmq-diagnostics listeners` where it listens",
    ))
}

fn is_secret(name: &str) -> bool {
    ["PASS", "COOKIE", "SECRET"].iter().any(|word| name.contains(word))
}

fn os_env(call: &Call) -> Result<Output, Failure> {
    call.say("Listing RabbitMQ-specific environment variables of this shell...")?;
    let ours = |name: &str| (name.starts_with("RABBITMQ_") || name.starts_with("CONEY_")) && !is_secret(name);
    let found: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| ours(name))
        .collect();
    let lines: Vec<String> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let value: serde_json::Map<String, Value> =
        found.into_iter().map(|(name, value)| (name, value.into())).collect();
    Ok(Output::Both(lines.join("\n"), value.into()))
}

/// Values of options that are secret are not shown.
fn command_line(call: &Call) -> Result<Output, Failure> {
    let about = call.about()?;
    call.say(format!("Command line arguments of node {} ...", call.node()?))?;
    let pid = about.at("pid").as_u64().unwrap_or_default();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|error| {
        Failure::error(UNAVAILABLE, format!("the command line of process {pid} cannot be read: {error}"))
    })?;
    let line = String::from_utf8_lossy(&line);
    let mut hide_next = false;
    let words = line.split('\0').filter(|word| !word.is_empty()).map(|word| {
        let is_hidden =
            std::mem::replace(&mut hide_next, word.ends_with("-pass") || word.ends_with("-password"));
        match word.split_once('=') {
            _ if is_hidden => "***".to_owned(),
            Some((name, _)) if name.ends_with("-pass") || name.ends_with("-password") => {
                format!("{name}=***")
            }
            _ => word.to_owned(),
        }
    });
    let words: Vec<String> = words.collect();
    Ok(Output::Both(words.join("\n"), json!(words)))
}

fn no_certificates(_: &Call) -> Result<Output, Failure> {
    Err(Failure::unsupported(
        "the broker does not show certificates: `openssl s_client -connect HOST:5671` does",
    ))
}
