//! What each key of `rabbitmq.conf` becomes. The table is the whole truth: `docs/configuration.md` is checked against it.

use super::collected::Collected;
use super::effects as to;
use super::entries::Entry;
use Effect::{Checks, Does, Fits, Lacks};

/// A key, or a family of keys.
pub struct Key {
    /// `$` stands for a name, a `*` at the end for anything.
    pub pattern: &'static str,
    /// What it does.
    pub effect: Effect,
}

/// Gives a setting what a line says; the last argument is what `$` stands for. A failure is the rest of a sentence that begins
/// with the key.
pub type Put = fn(&mut Collected, &Entry, &'static str, &str) -> Result<(), String>;

/// Looks at a line.
pub type Check = fn(&mut Collected, &Entry) -> Result<(), String>;

/// What a key does.
#[derive(Clone, Copy)]
pub enum Effect {
    /// It is looked at, and warned of or refused if it asks for what there is not.
    Checks(Check),
    /// It is this setting, with what makes it so.
    Does(&'static str, Put),
    /// Nothing, because the broker always does what it asks for, or has nothing that it could change.
    Fits(&'static str),
    /// Nothing, though somebody may have wanted something by it: why, for a warning.
    Lacks(&'static str),
}

const OWN_SOCKETS: &str = "the broker chooses the options of its sockets";
const OWN_LIMITS: &str = "there is no such limit; a vhost and a user can be limited each";
const NO_RAFT: &str = "there is one node with a store of its own: it has nothing of the kind";
const NO_CLUSTER: &str = "there is one node: no cluster is formed";
const NO_MQTT: &str = "there is no such protocol here";
const NO_TUNING: &str = "it tunes RabbitMQ's own machinery";
const NO_BACKEND: &str = "users are the broker's own: it asks nobody else";
const CHOSEN: &str = "TLS is as it should be without it";

/// All keys that are known. The first that matches counts.
pub const KEYS: &[Key] = &[
    Key { pattern: "listeners.tcp", effect: Does("amqp", to::none) },
    Key { pattern: "listeners.tcp.$", effect: Does("amqp", to::listener) },
    Key { pattern: "listeners.ssl", effect: Does("amqps", to::none) },
    Key { pattern: "listeners.ssl.$", effect: Does("amqps", to::listener) },
    Key { pattern: "ssl_options.cacertfile", effect: Does("tls-ca", to::same) },
    Key { pattern: "ssl_options.certfile", effect: Does("tls-cert", to::same) },
    Key { pattern: "ssl_options.keyfile", effect: Does("tls-key", to::same) },
    Key { pattern: "ssl_options.password", effect: Does("tls-key-password", to::same) },
    Key { pattern: "ssl_options.verify", effect: Does("tls-verify", to::verify) },
    Key { pattern: "ssl_options.fail_if_no_peer_cert", effect: Does("tls-require-client-cert", to::same) },
    Key { pattern: "ssl_options.depth", effect: Does("tls-depth", to::same) },
    Key { pattern: "ssl_options.versions.$", effect: Does("tls-versions", to::tls_version) },
    Key { pattern: "ssl_options.*", effect: Fits(CHOSEN) },
    Key { pattern: "ssl_cert_login_from", effect: Does("tls-login-from", to::same) },
    Key { pattern: "ssl_cert_login_san_type", effect: Does("tls-login-san-type", to::same) },
    Key { pattern: "ssl_cert_login_san_index", effect: Does("tls-login-san-index", to::same) },
    Key { pattern: "ssl_handshake_timeout", effect: Fits("connections have a time for it") },
    Key { pattern: "default_user", effect: Does("default-user", to::same) },
    Key { pattern: "default_pass", effect: Does("default-pass", to::same) },
    Key { pattern: "default_vhost", effect: Does("default-vhost", to::same) },
    Key { pattern: "event_exchange.vhost", effect: Does("event-exchange-vhost", to::same) },
    Key { pattern: "event_exchange.protocol", effect: Lacks("events are messages of AMQP 0-9-1") },
    Key { pattern: "default_user_tags.$", effect: Does("default-tags", to::listed) },
    Key { pattern: "default_permissions.configure", effect: Does("default-configure", to::same) },
    Key { pattern: "default_permissions.write", effect: Does("default-write", to::same) },
    Key { pattern: "default_permissions.read", effect: Does("default-read", to::same) },
    Key { pattern: "default_users.$.password", effect: Does("default-users", to::user_password) },
    Key { pattern: "default_users.$.tags", effect: Does("default-users", to::user_tags) },
    Key { pattern: "default_users.$.configure", effect: Does("default-users", to::user_configure) },
    Key { pattern: "default_users.$.write", effect: Does("default-users", to::user_write) },
    Key { pattern: "default_users.$.read", effect: Does("default-users", to::user_read) },
    Key {
        pattern: "default_users.$.vhost_pattern",
        effect: Lacks("the user gets its permission on the default vhost, and on no other"),
    },
    Key { pattern: "loopback_users", effect: Does("loopback-users", to::none) },
    Key { pattern: "loopback_users.$", effect: Does("loopback-users", to::listed) },
    Key { pattern: "load_definitions", effect: Does("definitions", to::same) },
    Key { pattern: "management.load_definitions", effect: Does("definitions", to::same) },
    Key { pattern: "definitions.local.path", effect: Does("definitions", to::same) },
    Key { pattern: "definitions.import_backend", effect: Does("definitions", to::import_backend) },
    Key {
        pattern: "definitions.skip_if_unchanged",
        effect: Fits("importing a file twice is importing it once"),
    },
    Key {
        pattern: "definitions.hashing.algorithm",
        effect: Fits("importing a file twice is importing it once"),
    },
    Key { pattern: "definitions.*", effect: Lacks("definitions come from a file: load_definitions") },
    Key { pattern: "heartbeat", effect: Does("heartbeat", to::same) },
    Key { pattern: "channel_max", effect: Does("channel-max", to::channels) },
    Key { pattern: "frame_max", effect: Does("frame-max", to::frame) },
    Key { pattern: "initial_frame_max", effect: Fits("8192, as the specification says") },
    Key { pattern: "max_message_size", effect: Does("max-message-size", to::same) },
    Key { pattern: "consumer_timeout", effect: Does("consumer-timeout", to::consumer_timeout) },
    Key { pattern: "vm_memory_high_watermark.relative", effect: Does("memory-limit", to::memory_share) },
    Key { pattern: "vm_memory_high_watermark.absolute", effect: Does("memory-limit", to::same) },
    Key { pattern: "vm_memory_high_watermark_paging_ratio", effect: Fits("queues page out by queue-memory") },
    Key {
        pattern: "vm_memory_calculation_strategy",
        effect: Fits("the memory that the process has resident counts"),
    },
    Key {
        pattern: "total_memory_available_override_value",
        effect: Lacks("say bytes: vm_memory_high_watermark.absolute"),
    },
    Key { pattern: "disk_free_limit.absolute", effect: Does("disk-free-limit", to::same) },
    Key { pattern: "disk_free_limit.relative", effect: Lacks("say bytes: disk_free_limit.absolute") },
    Key { pattern: "log.console", effect: Does("log-file", to::log_console) },
    Key { pattern: "log.file", effect: Does("log-file", to::log_file) },
    Key { pattern: "log.dir", effect: Does("log-file", to::log_dir) },
    Key { pattern: "log.console.level", effect: Does("log", to::log_level) },
    Key { pattern: "log.file.level", effect: Does("log", to::log_level) },
    Key { pattern: "log.default.level", effect: Does("log", to::log_level) },
    Key { pattern: "log.console.formatter", effect: Does("log-format", to::log_format) },
    Key { pattern: "log.file.formatter", effect: Does("log-format", to::log_format) },
    Key {
        pattern: "log.file.rotation.*",
        effect: Lacks("the log is not rotated by the broker: leave that to logrotate or journald"),
    },
    Key { pattern: "log.*", effect: Lacks("there is one log, with one level for all") },
    Key { pattern: "management.tcp.port", effect: Does("http", to::port) },
    Key { pattern: "management.tcp.ip", effect: Does("http", to::ip) },
    Key { pattern: "management.listener.port", effect: Does("http", to::port) },
    Key { pattern: "management.listener.ip", effect: Does("http", to::ip) },
    Key { pattern: "management.ssl.port", effect: Does("https", to::port) },
    Key { pattern: "management.ssl.ip", effect: Does("https", to::ip) },
    Key { pattern: "management.ssl.cacertfile", effect: Does("https-ca", to::same) },
    Key { pattern: "management.ssl.certfile", effect: Does("https-cert", to::same) },
    Key { pattern: "management.ssl.keyfile", effect: Does("https-key", to::same) },
    Key { pattern: "management.ssl.password", effect: Does("https-key-password", to::same) },
    Key { pattern: "management.ssl.verify", effect: Does("https-verify", to::verify) },
    Key {
        pattern: "management.ssl.fail_if_no_peer_cert",
        effect: Does("https-require-client-cert", to::same),
    },
    Key { pattern: "management.ssl.*", effect: Fits(CHOSEN) },
    Key {
        pattern: "management.listener.ssl*",
        effect: Lacks("say management.ssl.port, and the files there"),
    },
    Key { pattern: "management.path_prefix", effect: Does("http-path-prefix", to::same) },
    Key { pattern: "management.cors.allow_origins", effect: Does("http-allow-origin", to::none) },
    Key { pattern: "management.cors.allow_origins.$", effect: Does("http-allow-origin", to::one_more) },
    Key { pattern: "management.cors.max_age", effect: Does("http-cors-max-age", to::same) },
    Key { pattern: "management.csp.policy", effect: Does("http-header", to::content_security_policy) },
    Key { pattern: "management.hsts.policy", effect: Does("http-header", to::strict_transport_security) },
    Key {
        pattern: "management.headers.content_type_options",
        effect: Does("http-header", to::content_type_options),
    },
    Key { pattern: "management.headers.frame_options", effect: Does("http-header", to::frame_options) },
    Key { pattern: "management.headers.xss_protection", effect: Does("http-header", to::xss_protection) },
    Key {
        pattern: "management.disable_stats",
        effect: Fits("statistics cost next to nothing: they are always there"),
    },
    Key {
        pattern: "management_agent.disable_metrics_collector",
        effect: Fits("statistics cost next to nothing: they are always there"),
    },
    Key {
        pattern: "management.disable_basic_auth",
        effect: Lacks("the management API knows no other login"),
    },
    Key { pattern: "management.oauth*", effect: Lacks(NO_BACKEND) },
    Key {
        pattern: "management.restrictions.*",
        effect: Lacks("operator policies can be changed by administrators"),
    },
    Key { pattern: "management.*", effect: Fits("statistics are exact and never sampled") },
    Key { pattern: "management_agent.*", effect: Fits("statistics are exact and never sampled") },
    Key { pattern: "prometheus.tcp.port", effect: Does("metrics", to::port) },
    Key { pattern: "prometheus.tcp.ip", effect: Does("metrics", to::ip) },
    Key { pattern: "prometheus.ssl.port", effect: Does("metrics-tls", to::port) },
    Key { pattern: "prometheus.ssl.ip", effect: Does("metrics-tls", to::ip) },
    Key {
        pattern: "prometheus.ssl.*",
        effect: Lacks("metrics have the certificate of management.ssl.* or ssl_options.*"),
    },
    Key { pattern: "prometheus.return_per_object_metrics", effect: Lacks("ask for /metrics/per-object") },
    Key { pattern: "prometheus.path", effect: Lacks("metrics are at /metrics") },
    Key {
        pattern: "prometheus.authentication.enabled",
        effect: Lacks("metrics need no login: let nobody else reach their port"),
    },
    Key { pattern: "prometheus.*", effect: Fits("metrics are exact and never sampled") },
    Key { pattern: "collect_statistics*", effect: Fits("statistics are exact and never sampled") },
    Key { pattern: "product.name", effect: Does("server-product", to::same) },
    Key { pattern: "product.version", effect: Does("server-version", to::same) },
    Key { pattern: "auth_backends.*", effect: Checks(to::auth_backend) },
    Key {
        pattern: "auth_mechanisms.*",
        effect: Fits("PLAIN and AMQPLAIN are offered, and EXTERNAL with client certificates"),
    },
    Key { pattern: "auth_ldap.*", effect: Lacks(NO_BACKEND) },
    Key { pattern: "auth_http.*", effect: Lacks(NO_BACKEND) },
    Key { pattern: "auth_oauth2.*", effect: Lacks(NO_BACKEND) },
    Key { pattern: "auth_cache.*", effect: Lacks(NO_BACKEND) },
    Key { pattern: "anonymous_login*", effect: Fits("nobody is let in without a name and a password") },
    Key {
        pattern: "password_hashing_module",
        effect: Fits("new passwords are kept as salted SHA-512, and other hashes are read"),
    },
    Key { pattern: "credential_validator.*", effect: Lacks("any password is taken") },
    Key { pattern: "proxy_protocol", effect: Checks(to::proxy_protocol) },
    Key {
        pattern: "default_queue_type",
        effect: Lacks("set it for a vhost: rabbitmqctl add_vhost --default-queue-type"),
    },
    Key {
        pattern: "default_limits.*",
        effect: Lacks("set limits for each vhost: rabbitmqctl set_vhost_limits"),
    },
    Key {
        pattern: "default_policies.*",
        effect: Lacks("set policies for each vhost, or by load_definitions"),
    },
    Key { pattern: "connection_max", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "ranch_connection_max", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "channel_max_per_node", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "session_max_per_connection", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "link_max_per_session", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "consumer_max_per_channel", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "vhost_max", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "cluster_queue_limit", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "runtime_parameters.*", effect: Lacks(OWN_LIMITS) },
    Key { pattern: "message_interceptors.*", effect: Lacks("messages stay as they were published") },
    Key { pattern: "cluster_name", effect: Lacks("set it once: rabbitmqctl set_cluster_name NAME") },
    Key { pattern: "cluster_*", effect: Lacks(NO_CLUSTER) },
    Key { pattern: "node_tags.*", effect: Lacks(NO_CLUSTER) },
    Key { pattern: "queue_leader_locator", effect: Fits(NO_CLUSTER) },
    Key { pattern: "queue_master_locator", effect: Fits(NO_CLUSTER) },
    Key { pattern: "distribution.*", effect: Fits(NO_CLUSTER) },
    Key { pattern: "net_ticktime", effect: Fits(NO_CLUSTER) },
    Key { pattern: "mirroring_sync*", effect: Fits(NO_CLUSTER) },
    Key { pattern: "mnesia_*", effect: Fits(NO_CLUSTER) },
    Key { pattern: "metadata_store.*", effect: Fits(NO_RAFT) },
    Key { pattern: "raft.*", effect: Fits(NO_RAFT) },
    Key { pattern: "quorum_queue.*", effect: Fits(NO_RAFT) },
    Key { pattern: "classic_queue.*", effect: Fits(NO_RAFT) },
    Key { pattern: "queue_index_*", effect: Lacks(NO_RAFT) },
    Key { pattern: "message_store_*", effect: Fits(NO_RAFT) },
    Key { pattern: "msg_store_*", effect: Fits(NO_RAFT) },
    Key { pattern: "lazy_queue_*", effect: Fits(NO_RAFT) },
    Key { pattern: "mqtt.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "stomp.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "web_mqtt.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "web_stomp.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "amqp1_0.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "stream.*", effect: Lacks(NO_MQTT) },
    Key { pattern: "tcp_listen_options*", effect: Fits(OWN_SOCKETS) },
    Key { pattern: "num_acceptors.*", effect: Fits(OWN_SOCKETS) },
    Key { pattern: "socket_writer.*", effect: Fits(OWN_SOCKETS) },
    Key { pattern: "reverse_dns_lookups", effect: Fits("peers are named by their address") },
    Key { pattern: "handshake_timeout", effect: Fits("connections have a time for it") },
    Key { pattern: "background_gc*", effect: Fits(NO_TUNING) },
    Key { pattern: "default_worker_pool_size", effect: Fits(NO_TUNING) },
    Key { pattern: "delegate_count", effect: Fits(NO_TUNING) },
    Key { pattern: "erlang.*", effect: Fits(NO_TUNING) },
    Key { pattern: "hipe_compile", effect: Fits(NO_TUNING) },
    Key { pattern: "memory_monitor_interval", effect: Fits(NO_TUNING) },
    Key { pattern: "motd_file", effect: Fits("there is no banner") },
    Key { pattern: "ssl_allow_poodle_attack", effect: Fits(CHOSEN) },
    Key { pattern: "sysmon_handler.*", effect: Fits(NO_TUNING) },
    Key { pattern: "vhost_restart_strategy", effect: Fits(NO_TUNING) },
    Key {
        pattern: "shovel.*",
        effect: Lacks("there is no shovel here: RabbitMQ's own can move messages to this broker"),
    },
    Key { pattern: "federation.*", effect: Lacks("there is no federation here") },
];

impl Key {
    /// What `$` stands for in this key, if it matches: empty where there is none.
    pub fn matches<'k>(&self, key: &'k str) -> Option<&'k str> {
        if let Some(prefix) = self.pattern.strip_suffix('*') {
            return key.strip_prefix(prefix).map(|_| "");
        }
        match self.pattern.split_once('$') {
            Some((before, after)) => {
                let name = key.strip_prefix(before)?.strip_suffix(after)?;
                (!name.is_empty()).then_some(name)
            }
            None => (self.pattern == key).then_some(""),
        }
    }
}
