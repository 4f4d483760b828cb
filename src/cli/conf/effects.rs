//! How the values of `rabbitmq.conf` become ours. Whether a value is in its range is asked later, of the setting.

use super::collected::{Collected, with_port};
use super::entries::Entry;
use crate::cli::value;

type Done = Result<(), String>;

/// The setting has the same values.
pub fn same(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.set(to, &entry.value, entry);
    Ok(())
}

/// The setting has one more value.
pub fn one_more(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.add(to, &entry.value, entry);
    Ok(())
}

pub fn content_security_policy(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    header(found, entry, to, "content-security-policy")
}

pub fn strict_transport_security(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    header(found, entry, to, "strict-transport-security")
}

pub fn content_type_options(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    header(found, entry, to, "x-content-type-options")
}

pub fn frame_options(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    header(found, entry, to, "x-frame-options")
}

pub fn xss_protection(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    header(found, entry, to, "x-xss-protection")
}

/// The list of headers has this one, too.
fn header(found: &mut Collected, entry: &Entry, to: &'static str, name: &str) -> Done {
    found.add(to, format!("{name}: {}", entry.value), entry);
    Ok(())
}

/// 0 means as many as there can be.
pub fn channels(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.set(to, if entry.value == "0" { "65535" } else { &entry.value }, entry);
    Ok(())
}

/// 0 means as large as they can be.
pub fn frame(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.set(to, if entry.value == "0" { "16MiB" } else { &entry.value }, entry);
    Ok(())
}

/// A list that can be switched off, where its entries are keys of their own.
pub fn none(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    if entry.value != "none" {
        return Err(format!("is `none`, or has a name after it: {}.default = {}", entry.key, entry.value));
    }
    found.set(to, "none", entry);
    Ok(())
}

/// RabbitMQ writes an IPv6 address without brackets, too: what is behind the last colon is the port.
pub fn listener(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let text = match entry.value.rsplit_once(':') {
        Some((ip, port)) => with_port(ip, port),
        None => entry.value.clone(),
    };
    found.add(to, text, entry);
    Ok(())
}

pub fn port(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.port(to, &entry.value, entry);
    Ok(())
}

pub fn ip(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    found.ip(to, &entry.value, entry);
    Ok(())
}

pub fn verify(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let text = match entry.value.as_str() {
        "verify_none" => "none",
        "verify_peer" => "peer",
        other => return Err(format!("{other:?} is neither verify_peer nor verify_none")),
    };
    found.set(to, text, entry);
    Ok(())
}

pub fn tls_version(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    match entry.value.as_str() {
        "tlsv1.2" | "tlsv1.3" => found.add(to, entry.value.trim_start_matches("tlsv"), entry),
        "tlsv1.1" | "tlsv1" => found.warn(entry, "TLS before 1.2 is not offered"),
        other => return Err(format!("{other:?} is neither tlsv1.2 nor tlsv1.3")),
    }
    Ok(())
}

/// `NAME = true` is in the list. One that is false says at least that there is a list.
pub fn listed(found: &mut Collected, entry: &Entry, to: &'static str, name: &str) -> Done {
    if value::parse_bool(&entry.value)? {
        found.add(to, name, entry);
    } else if !found.has(to) {
        found.add(to, "none", entry);
    }
    Ok(())
}

pub fn user_password(found: &mut Collected, entry: &Entry, _: &'static str, name: &str) -> Done {
    found.user(name, entry).password.clone_from(&entry.value);
    Ok(())
}

pub fn user_tags(found: &mut Collected, entry: &Entry, _: &'static str, name: &str) -> Done {
    let tags = entry.value.split([',', ' ']).filter(|tag| !tag.is_empty()).map(str::to_owned);
    found.user(name, entry).tags = tags.collect();
    Ok(())
}

pub fn user_configure(found: &mut Collected, entry: &Entry, _: &'static str, name: &str) -> Done {
    found.user(name, entry).configure = Some(entry.value.clone());
    Ok(())
}

pub fn user_write(found: &mut Collected, entry: &Entry, _: &'static str, name: &str) -> Done {
    found.user(name, entry).write = Some(entry.value.clone());
    Ok(())
}

pub fn user_read(found: &mut Collected, entry: &Entry, _: &'static str, name: &str) -> Done {
    found.user(name, entry).read = Some(entry.value.clone());
    Ok(())
}

pub fn import_backend(found: &mut Collected, entry: &Entry, _: &'static str, _: &str) -> Done {
    if entry.value != "local_filesystem" {
        found.warn(entry, "definitions come from a file: load_definitions");
    }
    Ok(())
}

pub fn consumer_timeout(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let text = if matches!(entry.value.as_str(), "undefined" | "infinity" | "false") {
        "none"
    } else {
        &entry.value
    };
    found.set(to, text, entry);
    Ok(())
}

/// A share of the memory; RabbitMQ takes more than 1 to mean all of it, and 0 to block all publishers.
pub fn memory_share(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let share: f64 =
        entry.value.parse().map_err(|_| format!("{:?} is not a share such as 0.6", entry.value))?;
    if !(0.0..=100.0).contains(&share) {
        return Err(format!("{:?} is not a share such as 0.6", entry.value));
    }
    let percent = (share * 100.0).round().clamp(1.0, 100.0);
    found.set(to, format!("{percent}%"), entry);
    Ok(())
}

pub fn log_console(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    if value::parse_bool(&entry.value)? {
        if found.has(to) {
            found.warn(entry, ONE_LOG);
        }
        found.set(to, "-", entry);
    }
    Ok(())
}

const ONE_LOG: &str = "the log goes to one place, which is the console, as log.console is true";

pub fn log_file(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    if value::parse_bool(&entry.value) == Ok(false) {
        return Ok(());
    }
    if found.has(to) {
        found.warn(entry, ONE_LOG);
        return Ok(());
    }
    found.set(to, &entry.value, entry);
    Ok(())
}

/// Where the file is, if its name is without a directory.
pub fn log_dir(found: &mut Collected, entry: &Entry, _: &'static str, _: &str) -> Done {
    found.log_dir = Some(entry.value.clone());
    Ok(())
}

pub fn log_level(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let level = match entry.value.as_str() {
        "debug" => "debug",
        "info" | "notice" => "info",
        "warning" => "warn",
        "error" | "critical" | "alert" | "emergency" => "error",
        "none" => "off",
        other => return Err(format!("{other:?} is no level: debug, info, warning, error, none")),
    };
    found.set(to, level, entry);
    Ok(())
}

pub fn log_format(found: &mut Collected, entry: &Entry, to: &'static str, _: &str) -> Done {
    let format = match entry.value.as_str() {
        "json" => "json",
        "plaintext" => "text",
        other => return Err(format!("{other:?} is neither plaintext nor json")),
    };
    found.set(to, format, entry);
    Ok(())
}

pub fn auth_backend(found: &mut Collected, entry: &Entry) -> Done {
    if !matches!(entry.value.as_str(), "internal" | "rabbit_auth_backend_internal") {
        found.warn(entry, "users are the broker's own: it asks nobody else");
    }
    Ok(())
}

/// A broker that took the header for AMQP would let nobody in, and nobody would see why.
pub fn proxy_protocol(_: &mut Collected, entry: &Entry) -> Done {
    if value::parse_bool(&entry.value)? {
        return Err("the PROXY protocol is not understood: turn it off here and at the load balancer".into());
    }
    Ok(())
}
