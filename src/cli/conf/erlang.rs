//! An old `.config` in the words of `rabbitmq.conf`.

use std::path::Path;

use super::entries::Entry;
use super::terms::{Term, Value, parse};
use crate::cli::source::ConfigError;

/// The entries that the terms of a file are.
///
/// # Errors
/// What is not in the small grammar of such files, or has no form there that is known.
pub fn entries(path: &Path, text: &str) -> Result<Vec<Entry>, ConfigError> {
    let term = parse(text).map_err(|error| refusal(path, error.line, &error.reason))?;
    let mut found = Found { path, entries: Vec::new() };
    for application in list(&term).ok_or_else(|| refusal(path, term.line, "is not a list"))? {
        let Some((name, options)) = pair(application) else {
            return Err(refusal(path, application.line, "is not {application, [options]}"));
        };
        for option in list(options).ok_or_else(|| refusal(path, options.line, "is not a list of options"))? {
            match pair(option) {
                Some((key, value)) => found.option(name, key, value)?,
                None => return Err(refusal(path, option.line, "is not {key, value}")),
            }
        }
    }
    Ok(found.entries)
}

/// The refusal shows how to say it today.
fn refusal(path: &Path, line: usize, reason: &str) -> ConfigError {
    let reason = format!(
        "{reason}; write the settings as rabbitmq.conf instead: {{rabbit, [{{heartbeat, 60}}]}} is heartbeat = 60 there, \
         {{tcp_listeners, [5672]}} is listeners.tcp.default = 5672"
    );
    ConfigError::File { path: path.to_owned(), line: Some(line), reason }
}

struct Found<'a> {
    path: &'a Path,
    entries: Vec<Entry>,
}

impl Found<'_> {
    fn option(&mut self, application: &str, key: &str, value: &Term) -> Result<(), ConfigError> {
        let prefix = match application {
            "rabbit" => "",
            "rabbitmq_management" => "management.",
            "rabbitmq_prometheus" => "prometheus.",
            "rabbitmq_management_agent" => "management_agent.",
            "rabbitmq_event_exchange" => "event_exchange.",
            // Nobody knows them here either: each gets its warning.
            other => return self.scalar_or_name(&format!("{other}.{key}"), value),
        };
        match (application, key) {
            ("rabbitmq_management", "cors_allow_origins") => {
                self.numbered("management.cors.allow_origins", value)
            }
            ("rabbitmq_management", "cors_max_age") => self.scalar_or_name("management.cors.max_age", value),
            ("rabbitmq_management", "content_security_policy") => {
                self.scalar_or_name("management.csp.policy", value)
            }
            ("rabbitmq_management", "strict_transport_security") => {
                self.scalar_or_name("management.hsts.policy", value)
            }
            ("rabbitmq_management", "headers") => self.table("management.headers", value),
            ("rabbit", "tcp_listeners") => self.listeners("listeners.tcp", value),
            ("rabbit", "ssl_listeners") => self.listeners("listeners.ssl", value),
            ("rabbit", "ssl_options") => self.table("ssl_options", value),
            ("rabbitmq_management" | "rabbitmq_prometheus", "tcp_config") => {
                self.table(&format!("{prefix}tcp"), value)
            }
            ("rabbitmq_management" | "rabbitmq_prometheus", "ssl_config") => {
                self.table(&format!("{prefix}ssl"), value)
            }
            ("rabbitmq_management", "listener") => {
                let is_tls = |option: &Term| {
                    pair(option).is_some_and(|(name, value)| {
                        name == "ssl" && scalar(value).as_deref() == Some("true")
                    })
                };
                let is_tls = list(value).is_some_and(|options| options.iter().any(is_tls));
                self.table(if is_tls { "management.ssl" } else { "management.tcp" }, value)
            }
            ("rabbit", "loopback_users") => self.names("loopback_users", value),
            ("rabbit", "default_user_tags") => self.names("default_user_tags", value),
            ("rabbit", "default_permissions") => self.permissions(value),
            ("rabbit", "vm_memory_high_watermark") => {
                self.amount("vm_memory_high_watermark", "relative", value)
            }
            ("rabbit", "disk_free_limit") => self.amount("disk_free_limit", "absolute", value),
            _ => self.scalar_or_name(&format!("{prefix}{key}"), value),
        }
    }

    /// `5672`, `{"127.0.0.1", 5672}`.
    fn listeners(&mut self, key: &str, value: &Term) -> Result<(), ConfigError> {
        let all = list(value).ok_or_else(|| refusal(self.path, value.line, "is not a list of listeners"))?;
        if all.is_empty() {
            self.push(key, "none", value.line);
        }
        for (index, listener) in all.iter().enumerate() {
            let text = match &listener.value {
                Value::Tuple(parts) => match parts.as_slice() {
                    [ip, port] => scalar(ip).zip(scalar(port)).map(|(ip, port)| format!("{ip}:{port}")),
                    _ => None,
                },
                _ => scalar(listener),
            };
            let text =
                text.ok_or_else(|| refusal(self.path, listener.line, "is not a port or {address, port}"))?;
            self.push(&format!("{key}.{}", index + 1), &text, listener.line);
        }
        Ok(())
    }

    /// A list of pairs under one key.
    fn table(&mut self, key: &str, value: &Term) -> Result<(), ConfigError> {
        let all = list(value).ok_or_else(|| refusal(self.path, value.line, "is not a list of options"))?;
        for option in all {
            let (name, value) =
                pair(option).ok_or_else(|| refusal(self.path, option.line, "is not {key, value}"))?;
            match (name, list(value)) {
                ("versions", Some(versions)) => {
                    for (index, version) in versions.iter().enumerate() {
                        let text = scalar(version).unwrap_or_default();
                        self.push(&format!("{key}.versions.{}", index + 1), &text, version.line);
                    }
                }
                ("ssl_opts", Some(_)) => self.table("management.ssl", value)?,
                ("ssl", None) => {}
                _ => self.scalar_or_name(&format!("{key}.{name}"), value)?,
            }
        }
        Ok(())
    }

    /// A list of texts, of which each gets a number.
    fn numbered(&mut self, key: &str, value: &Term) -> Result<(), ConfigError> {
        let all = list(value).ok_or_else(|| refusal(self.path, value.line, "is not a list of texts"))?;
        for (index, text) in all.iter().enumerate() {
            let plain = scalar(text).ok_or_else(|| refusal(self.path, text.line, "is not a text"))?;
            self.push(&format!("{key}.{}", index + 1), &plain, text.line);
        }
        Ok(())
    }

    fn names(&mut self, key: &str, value: &Term) -> Result<(), ConfigError> {
        let all = list(value).ok_or_else(|| refusal(self.path, value.line, "is not a list of names"))?;
        if all.is_empty() && key == "loopback_users" {
            self.push(key, "none", value.line);
        }
        for name in all {
            let name_text = scalar(name).ok_or_else(|| refusal(self.path, name.line, "is not a name"))?;
            self.push(&format!("{key}.{name_text}"), "true", name.line);
        }
        Ok(())
    }

    fn permissions(&mut self, value: &Term) -> Result<(), ConfigError> {
        let patterns: Option<Vec<String>> = list(value).and_then(|all| all.iter().map(scalar).collect());
        let Some([configure, write, read]) = patterns.as_deref() else {
            return Err(refusal(self.path, value.line, "is not a list of three patterns"));
        };
        for (right, pattern) in [("configure", configure), ("write", write), ("read", read)] {
            self.push(&format!("default_permissions.{right}"), pattern, value.line);
        }
        Ok(())
    }

    /// `0.4`, `{absolute, "1GB"}`.
    fn amount(&mut self, key: &str, usual: &str, value: &Term) -> Result<(), ConfigError> {
        let (kind, amount) = match pair(value) {
            Some((kind @ ("absolute" | "relative"), amount)) => (kind, amount),
            Some(("mem_relative", amount)) => ("relative", amount),
            Some(_) => return Err(refusal(self.path, value.line, "is not {absolute, ..} or {relative, ..}")),
            None => (usual, value),
        };
        let text = scalar(amount).ok_or_else(|| refusal(self.path, value.line, "is not an amount"))?;
        self.push(&format!("{key}.{kind}"), &text, value.line);
        Ok(())
    }

    /// A value that is a list or a tuple means nothing to any key: the key alone is named, in a warning.
    fn scalar_or_name(&mut self, key: &str, value: &Term) -> Result<(), ConfigError> {
        self.push(key, &scalar(value).unwrap_or_default(), value.line);
        Ok(())
    }

    fn push(&mut self, key: &str, value: &str, line: usize) {
        self.entries.push(Entry::of_file(self.path, line, key, value));
    }
}

fn list(term: &Term) -> Option<&[Term]> {
    match &term.value {
        Value::List(terms) => Some(terms),
        _ => None,
    }
}

fn pair(term: &Term) -> Option<(&str, &Term)> {
    match &term.value {
        Value::Tuple(parts) => match parts.as_slice() {
            [Term { value: Value::Atom(name), .. }, value] => Some((name, value)),
            _ => None,
        },
        _ => None,
    }
}

fn scalar(term: &Term) -> Option<String> {
    match &term.value {
        Value::Atom(text) | Value::Text(text) | Value::Number(text) => Some(text.clone()),
        Value::Tuple(_) | Value::List(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Result<Vec<String>, String> {
        let entries = entries(Path::new("rabbitmq.config"), text).map_err(|error| error.to_string())?;
        let line = |entry: &Entry| entry.origin.to_string().split(':').nth(1).unwrap().to_owned();
        Ok(entries.iter().map(|entry| format!("{}:{} = {}", line(entry), entry.key, entry.value)).collect())
    }

    #[test]
    fn terms_become_lines_of_today() {
        let text = "[\n {rabbit, [\n  {tcp_listeners, [5672, {\"127.0.0.1\", 5673}]}, {ssl_listeners, []},\n\
                    \x20 {default_user, <<\"ann\">>}, {loopback_users, []}, {default_user_tags, [administrator]},\n\
                    \x20 {default_permissions, [<<\".*\">>, <<\"w\">>, <<\"\">>]},\n\
                    \x20 {vm_memory_high_watermark, 0.4}, {disk_free_limit, {mem_relative, 1.0}}, {heartbeat, 5},\n\
                    \x20 {ssl_options, [{cacertfile, \"/ca.pem\"}, {verify, verify_peer}, {versions, ['tlsv1.2']}]}]},\n\
                    {rabbitmq_management, [{listener, [{port, 15000}, {ssl, false}]}, {load_definitions, \"/d.json\"},\n\
                    \x20 {cors_allow_origins, [\"http://a\"]}, {cors_max_age, 5}, {content_security_policy, \"c\"},\n\
                    \x20 {strict_transport_security, \"s\"}, {headers, [{frame_options, \"DENY\"}]}]},\n\
                    {kernel, [{inet_dist_listen_min, 1}]}\n].";
        assert_eq!(
            plain(text).unwrap(),
            [
                "3:listeners.tcp.1 = 5672",
                "3:listeners.tcp.2 = 127.0.0.1:5673",
                "3:listeners.ssl = none",
                "4:default_user = ann",
                "4:loopback_users = none",
                "4:default_user_tags.administrator = true",
                "5:default_permissions.configure = .*",
                "5:default_permissions.write = w",
                "5:default_permissions.read = ",
                "6:vm_memory_high_watermark.relative = 0.4",
                "6:disk_free_limit.relative = 1.0",
                "6:heartbeat = 5",
                "7:ssl_options.cacertfile = /ca.pem",
                "7:ssl_options.verify = verify_peer",
                "7:ssl_options.versions.1 = tlsv1.2",
                "8:management.tcp.port = 15000",
                "8:management.load_definitions = /d.json",
                "9:management.cors.allow_origins.1 = http://a",
                "9:management.cors.max_age = 5",
                "9:management.csp.policy = c",
                "10:management.hsts.policy = s",
                "10:management.headers.frame_options = DENY",
                "11:kernel.inet_dist_listen_min = 1",
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_to_write() {
        for text in
            ["[{rabbit, [\n{a, fun f/1}]}].", "[\n{rabbit}].", "[{rabbit,\n[{tcp_listeners, 5672}]}]."]
        {
            let refused = plain(text).unwrap_err();
            assert!(refused.starts_with("rabbitmq.config:2: "), "{refused}");
            assert!(refused.contains("listeners.tcp.default = 5672") && !refused.contains('\n'), "{refused}");
        }
    }
}
