//! The settings that a `rabbitmq.conf` makes, while its lines are gone through.

use std::collections::BTreeMap;
use std::path::Path;

use super::entries::Entry;
use crate::cli::settings::{self, new_users};
use crate::cli::source::{Given, Origin, Source};

/// Where RabbitMQ's logs are.
const LOG_DIR: &str = "/var/log/rabbitmq";

/// What was found so far.
#[derive(Default)]
pub struct Collected {
    given: Vec<Given>,
    warnings: Vec<String>,
    /// Addresses and ports of HTTP listeners, which are lines of their own; by our key.
    endpoints: BTreeMap<&'static str, Endpoint>,
    /// Where the log's file is, if its name is without a directory.
    pub log_dir: Option<String>,
    users: BTreeMap<String, (Origin, new_users::Written)>,
    /// Lines without effect, by why that is so.
    without_effect: Vec<(&'static str, Vec<Entry>)>,
}

#[derive(Default)]
struct Endpoint {
    ip: Option<String>,
    port: Option<String>,
    origin: Option<Origin>,
}

impl Collected {
    /// Gives a setting this one value.
    pub fn set(&mut self, key: &'static str, text: impl Into<String>, entry: &Entry) {
        self.given.retain(|given| given.setting.key != key);
        self.add(key, text, entry);
    }

    /// Gives a list one more value. `none`, which stands for the empty list, gives way.
    pub fn add(&mut self, key: &'static str, text: impl Into<String>, entry: &Entry) {
        let Some(setting) = settings::find(key) else {
            return self.warn(entry, "this broker was built without what it is for; the line is ignored");
        };
        let text = text.into();
        if let Some(given) = self.given.iter_mut().find(|given| given.setting.key == key) {
            given.texts.retain(|text| text != "none");
            given.texts.push(text);
            return;
        }
        let origin = entry.origin.clone();
        self.given.push(Given { setting, texts: vec![text], origin });
    }

    /// Whether a setting has been given a value.
    pub fn has(&self, key: &str) -> bool {
        self.given.iter().any(|given| given.setting.key == key)
    }

    /// An address of an HTTP listener.
    pub fn ip(&mut self, key: &'static str, text: &str, entry: &Entry) {
        let endpoint = self.endpoints.entry(key).or_default();
        endpoint.ip = Some(text.to_owned());
        endpoint.origin = Some(entry.origin.clone());
    }

    /// Its port.
    pub fn port(&mut self, key: &'static str, text: &str, entry: &Entry) {
        let endpoint = self.endpoints.entry(key).or_default();
        endpoint.port = Some(text.to_owned());
        endpoint.origin = Some(entry.origin.clone());
    }

    /// One of the users to be made.
    pub fn user(&mut self, name: &str, entry: &Entry) -> &mut new_users::Written {
        let name = name.to_owned();
        let new = || (entry.origin.clone(), new_users::Written { name: name.clone(), ..Default::default() });
        &mut self.users.entry(name.clone()).or_insert_with(new).1
    }

    /// Says something about a line.
    pub fn warn(&mut self, entry: &Entry, what: &str) {
        self.warnings.push(format!("{}: {what}", entry.origin));
    }

    /// Notes a line that has no effect, and why. Lines with the same reason make one warning.
    pub fn without_effect(&mut self, entry: &Entry, reason: &'static str) {
        match self.without_effect.iter_mut().find(|(other, _)| *other == reason) {
            Some((_, entries)) => entries.push(entry.clone()),
            None => self.without_effect.push((reason, vec![entry.clone()])),
        }
    }

    /// All of it, and what is to be said about it.
    pub fn finish(mut self, default_ports: impl Fn(&str) -> &'static str) -> (Source, Vec<String>) {
        for (key, endpoint) in std::mem::take(&mut self.endpoints) {
            let port = endpoint.port.unwrap_or_else(|| default_ports(key).to_owned());
            let text = endpoint.ip.map_or(port.clone(), |ip| with_port(&ip, &port));
            if let (Some(setting), Some(origin)) = (settings::find(key), endpoint.origin) {
                self.given.push(Given { setting, texts: vec![text], origin });
            }
        }
        self.finish_users();
        self.finish_log_file();
        for (reason, entries) in self.without_effect {
            let [first, others @ ..] = entries.as_slice() else { continue };
            let others: Vec<&str> = others.iter().map(|entry| entry.key.as_str()).collect();
            let others =
                if others.is_empty() { String::new() } else { format!(" (and {})", others.join(", ")) };
            self.warnings.push(format!("{}{others} has no effect: {reason}", first.origin));
        }
        (self.given, self.warnings)
    }

    fn finish_log_file(&mut self) {
        let dir = self.log_dir.take().unwrap_or_else(|| LOG_DIR.to_owned());
        for given in self.given.iter_mut().filter(|given| given.setting.key == "log-file") {
            for name in given.texts.iter_mut().filter(|name| name.as_str() != "-") {
                // An absolute path stays what it is.
                *name = Path::new(&dir).join(&name).display().to_string();
            }
        }
    }

    fn finish_users(&mut self) {
        let users = std::mem::take(&mut self.users);
        let Some(origin) = users.values().next().map(|(origin, _)| origin.clone()) else { return };
        let users: Vec<_> = users.into_values().map(|(_, user)| user).collect();
        if let (Some(setting), Ok(text)) = (settings::find("default-users"), serde_json::to_string(&users)) {
            self.given.push(Given { setting, texts: vec![text], origin });
        }
    }
}

/// `ADDR:PORT`, as addresses of IPv6 are written with a port.
pub fn with_port(ip: &str, port: &str) -> String {
    if ip.contains(':') && !ip.starts_with('[') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
