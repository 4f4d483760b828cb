//! From lines to settings.

use super::collected::Collected;
use super::entries::{Entry, last_of_each};
use super::keys::{Effect, KEYS};
use crate::cli::source::{ConfigError, Source};
use crate::cli::value::nearest;

/// What the lines mean.
pub struct Meaning {
    /// The settings.
    pub source: Source,
    /// What has no effect, and why; one line each.
    pub warnings: Vec<String>,
    /// What has no effect and needs none; for somebody who wants to know.
    pub remarks: Vec<String>,
}

/// Finds out.
///
/// # Errors
/// A value that its key does not take.
pub fn meaning(entries: Vec<Entry>) -> Result<Meaning, ConfigError> {
    let mut found = Collected::default();
    let mut remarks = Vec::new();
    for entry in last_of_each(entries) {
        let known = KEYS.iter().find_map(|key| Some((key.effect, key.matches(&entry.key)?)));
        let done = match known {
            Some((Effect::Does(to, put), name)) => put(&mut found, &entry, to, name),
            Some((Effect::Checks(check), _)) => check(&mut found, &entry),
            Some((Effect::Fits(reason), _)) => {
                remarks.push(format!("{}: is not needed: {reason}", entry.origin));
                Ok(())
            }
            Some((Effect::Lacks(reason), _)) => {
                found.without_effect(&entry, reason);
                Ok(())
            }
            None => {
                found.warn(&entry, &unknown(&entry.key));
                Ok(())
            }
        };
        done.map_err(|reason| ConfigError::Value { origin: entry.origin.clone(), reason })?;
    }
    let (source, warnings) = found.finish(default_port);
    Ok(Meaning { source, warnings, remarks })
}

fn default_port(key: &str) -> &'static str {
    match key {
        "http" => "15672",
        "https" => "15671",
        "metrics" => "15692",
        _ => "15691",
    }
}

fn unknown(key: &str) -> String {
    let known: Vec<String> = KEYS.iter().filter_map(|known| with_names_of(known.pattern, key)).collect();
    let meant = nearest(key, known.iter().map(String::as_str));
    let meant = meant.map(|key| format!("; did you mean {key}?")).unwrap_or_default();
    format!("is not a key that is known here, and has no effect{meant}")
}

/// A known key with the names that another one has in its place.
fn with_names_of(pattern: &str, key: &str) -> Option<String> {
    let (words, others): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), key.split('.').collect());
    let may_be = !pattern.ends_with('*') && words.len() == others.len();
    let word = |(word, other): (&str, &str)| if word == "$" { other.to_owned() } else { word.to_owned() };
    may_be.then(|| words.into_iter().zip(others).map(word).collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use coney::config::{Config, MemoryLimit};

    use super::super::read::entries_of;
    use super::*;
    use crate::cli::resolve::resolve;

    fn read(text: &str) -> (Config, Vec<String>) {
        let path = Path::new("rabbitmq.conf");
        let meaning = meaning(entries_of(path, text).unwrap()).unwrap();
        (resolve(&[meaning.source]).unwrap().config, meaning.warnings)
    }

    #[test]
    fn a_conf_of_the_wild_becomes_settings() {
        let (config, warnings) = read(
            "listeners.tcp.default = 5673\n\
             listeners.tcp.2 = ::1:5674\n\
             listeners.tcp.local = 127.0.0.1:5675\n\
             management.tcp.port = 15000\n\
             management.tcp.ip = ::1\n\
             management.path_prefix = /rabbit/\nmanagement.disable_stats = true\n\
             management.cors.allow_origins.1 = https://a.example/\nmanagement.cors.allow_origins.2 = *\n\
             management.cors.max_age = 60\n\
             management.csp.policy = default-src 'self'; frame-ancestors 'none'\n\
             management.hsts.policy = max-age=31536000; includeSubDomains\n\
             management.headers.content_type_options = nosniff\nmanagement.headers.frame_options = DENY\n\
             management.headers.xss_protection = 1; mode=block\n\
             prometheus.tcp.port = 15001\n\
             default_user = ann\ndefault_pass = 'se#cret'\ndefault_vhost = shop\nevent_exchange.vhost = audit\n\
             default_user_tags.monitoring = true\ndefault_user_tags.administrator = false\n\
             default_permissions.configure = ^shop\\.\n\
             default_users.bob.password = pw\ndefault_users.bob.tags = management, policymaker\n\
             loopback_users.guest = false\n\
             load_definitions = /etc/rabbitmq/definitions.json\n\
             heartbeat = 30\nchannel_max = 0\nframe_max = 0\nmax_message_size = 1000\n\
             vm_memory_high_watermark.relative = 0.6\ndisk_free_limit.absolute = 1GB\n\
             log.console.level = warning\nlog.console.formatter = json\n\
             collect_statistics_interval = 5000\ntcp_listen_options.backlog = 128\n",
        );
        assert_eq!(warnings, Vec::<String>::new());
        let text = |addresses: &[std::net::SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(text(&config.listen), "127.0.0.1:5673 [::1]:5673 [::1]:5674 127.0.0.1:5675");
        assert_eq!(
            (text(&config.http).as_str(), text(&config.metrics).as_str()),
            ("[::1]:15000", "127.0.0.1:15001 [::1]:15001")
        );
        assert_eq!(config.http_allowed_origins, ["https://a.example", "*"]);
        assert_eq!((config.http_cors_max_age_s, config.http_path_prefix.as_str()), (60, "/rabbit"));
        let headers = config.http_headers.iter().map(|(name, value)| format!("{name}: {value}"));
        assert_eq!(
            headers.collect::<Vec<_>>(),
            [
                "content-security-policy: default-src 'self'; frame-ancestors 'none'",
                "strict-transport-security: max-age=31536000; includeSubDomains",
                "x-content-type-options: nosniff",
                "x-frame-options: DENY",
                "x-xss-protection: 1; mode=block",
            ]
        );
        assert_eq!((config.default_user.as_str(), config.default_pass.as_str()), ("ann", "se#cret"));
        assert_eq!(
            (config.default_vhost.as_str(), config.default_tags),
            ("shop", vec!["monitoring".to_owned()])
        );
        assert_eq!(config.event_exchange_vhost.as_deref(), Some("audit"));
        assert_eq!(config.default_permission.configure, "^shop\\.");
        let bob = &config.default_users[0];
        assert_eq!((bob.name.as_str(), bob.password.as_str(), bob.tags.len()), ("bob", "pw", 2));
        assert_eq!(config.loopback_users, Vec::<String>::new());
        assert_eq!(config.definitions, Some("/etc/rabbitmq/definitions.json".into()));
        assert_eq!((config.heartbeat_s, config.channels_max, config.frame_bytes_max), (30, 65535, 16 << 20));
        assert_eq!(
            (config.memory_limit, config.disk_free_limit),
            (MemoryLimit::Percent(60), Some(1_000_000_000))
        );
        assert_eq!((config.log.as_str(), config.message_bytes_max), ("warn", 1000));
    }

    #[test]
    fn the_log_has_one_place() {
        let place = |text: &str| {
            let (config, warnings) = read(text);
            (config.log_file.map(|path| path.display().to_string()), warnings.len())
        };
        assert_eq!(place("log.file = r.log"), (Some("/var/log/rabbitmq/r.log".to_owned()), 0));
        assert_eq!(place("log.file = r.log\nlog.dir = /l"), (Some("/l/r.log".to_owned()), 0));
        assert_eq!(place("log.dir = /l\nlog.file = /r.log"), (Some("/r.log".to_owned()), 0));
        assert_eq!(place("log.file = r.log\nlog.console = true"), (None, 1));
        assert_eq!(place("log.console = true\nlog.file = r.log"), (None, 1));
        assert_eq!(place("log.console = true\nlog.file = false"), (None, 0));
    }

    #[test]
    fn the_last_of_a_key_counts() {
        assert_eq!(read("heartbeat = 1\nheartbeat = 2\n").0.heartbeat_s, 2);
        assert_eq!(read("loopback_users = none\nloopback_users.bob = true\n").0.loopback_users, ["bob"]);
    }

    #[test]
    fn what_has_no_effect_is_said_once_for_each_reason_and_a_slip_of_the_pen_is_seen() {
        let (_, warnings) = read(
            "mqtt.default_user = x\nmqtt.vhost = /\ncluster_formation.peer_discovery_backend = k8s\n\
             hartbeat = 3\nlistners.tcp.default = 5\nquite.unknown = 1\n",
        );
        assert_eq!(warnings.len(), 5, "{warnings:?}");
        let has = |words: &[&str]| warnings.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(has(&["rabbitmq.conf:1: mqtt.default_user (and mqtt.vhost) has no effect"]), "{warnings:?}");
        assert!(has(&["rabbitmq.conf:4: hartbeat", "did you mean heartbeat?"]), "{warnings:?}");
        assert!(has(&["listners.tcp.default", "did you mean listeners.tcp.default?"]), "{warnings:?}");
        assert!(has(&["rabbitmq.conf:6: quite.unknown: is not a key"]), "{warnings:?}");
    }

    #[test]
    fn a_bad_value_is_refused_with_its_line() {
        let path = Path::new("r.conf");
        for (text, words) in [
            (
                "\nvm_memory_high_watermark.relative = much",
                "r.conf:2: vm_memory_high_watermark.relative: \"much\"",
            ),
            ("log.console.level = loud", "r.conf:1: log.console.level: \"loud\" is no level"),
            ("proxy_protocol = true", "PROXY protocol"),
            ("listeners.tcp = 5672", "listeners.tcp.default = 5672"),
        ] {
            let refused = meaning(entries_of(path, text).unwrap()).err().unwrap().to_string();
            assert!(refused.contains(words), "{refused}");
        }
        let meaning = meaning(entries_of(path, "\nheartbeat = soon").unwrap()).unwrap();
        let refused = resolve(&[meaning.source]).err().unwrap().to_string();
        assert!(refused.starts_with("r.conf:2: heartbeat: \"soon\" is not"), "{refused}");
    }

    #[test]
    fn every_setting_that_a_key_names_is_there() {
        let missing: Vec<&str> = KEYS
            .iter()
            .filter_map(|key| match key.effect {
                Effect::Does(setting, _) => crate::cli::settings::find(setting).is_none().then_some(setting),
                _ => None,
            })
            .collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
