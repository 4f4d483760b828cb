//! The settings as plain values, with their limits and defaults.

mod cluster;
mod tls;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use crate::persona::Persona;

pub use cluster::ClusterSettings;
pub use tls::{AlternativeNameKind, TLS_DEPTH_DEFAULT, TlsLogin, TlsSettings, TlsVersion};

/// Largest `max-message-size` that may be set: RabbitMQ's own ceiling, and half of the largest body that a
/// broker with 1 GiB of memory could hold once in and once out.
pub const MESSAGE_BYTES_CEILING: u64 = 512 << 20;
/// Smallest `frame-max`: RabbitMQ refuses less, and clients raise theirs to it.
pub const FRAME_BYTES_FLOOR: u32 = 8192;
/// Largest `frame-max`: clients size their buffers by it (one of them at 32 times), and a frame is read whole.
pub const FRAME_BYTES_CEILING: u32 = 16 << 20;
/// Where the management API is if nothing else is said.
pub const HTTP_DEFAULT: [SocketAddr; 2] = on_localhost(15672);
/// Where the metrics are if nothing else is said.
pub const METRICS_DEFAULT: [SocketAddr; 2] = on_localhost(15692);

/// What the control socket is called in a data directory.
pub const CONTROL_SOCKET_NAME: &str = "control.sock";

/// Both addresses of this machine for itself. Where there is no IPv6, listeners do without the second.
const fn on_localhost(port: u16) -> [SocketAddr; 2] {
    [
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
        SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port),
    ]
}

/// What the names of all nodes begin with: tools ask for it.
pub const NODE_PREFIX: &str = "rabbit@";

/// How much memory the broker may use before it blocks publishers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryLimit {
    /// Of the machine's memory, or of its container's if that is less, 1 to 100.
    Percent(u8),
    /// Resident memory of the process, in bytes.
    Bytes(u64),
    /// As much as there is.
    None,
}

/// Where the control socket is: the management API on a Unix socket, for whoever runs the broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ControlSocketPath {
    /// [`CONTROL_SOCKET_NAME`] in the data directory; without one there is no socket.
    #[default]
    InDataDir,
    /// There.
    At(PathBuf),
    /// Nowhere.
    None,
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object each.
    Json,
}

/// What a user that is made when the data directory is new may do on the default virtual host: names that match these patterns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPermission {
    /// What it may declare and delete.
    pub configure: String,
    /// What it may publish to.
    pub write: String,
    /// What it may consume from.
    pub read: String,
}

/// Everything.
impl Default for NewPermission {
    fn default() -> Self {
        let all = || ".*".to_owned();
        Self { configure: all(), write: all(), read: all() }
    }
}

/// A user that is made when the data directory is new, beside the default one.
#[derive(Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its password.
    pub password: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// What it may do on the default virtual host.
    pub permission: NewPermission,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("name", &self.name).field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// The resolved settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Addresses to accept AMQP connections on, at least one; port 0 picks a free one.
    pub listen: Vec<SocketAddr>,
    /// Addresses of the management API, over HTTP; port 0 picks a free one. Where [`HTTP_DEFAULT`] is taken already the broker starts without
    /// it: several brokers on one machine need no flag for it.
    pub http: Vec<SocketAddr>,
    /// Addresses of the metrics for Prometheus, over HTTP; the same with [`METRICS_DEFAULT`].
    pub metrics: Vec<SocketAddr>,
    /// Whether the web page is served where the management API is.
    pub http_page: bool,
    /// Sites whose pages may use the management API in a browser, as browsers name them (`https://host:port`); `*` for all.
    pub http_allowed_origins: Vec<String>,
    /// How long a browser may remember that they may, in s.
    pub http_cors_max_age_s: u32,
    /// Headers, by lower-case names, that answers of the management API and the page have as well, or in the place of the broker's own.
    pub http_headers: Vec<(String, String)>,
    /// Path below which the management API is: empty, or with a slash at its beginning and none at its end.
    pub http_path_prefix: String,
    /// Where command line tools reach the management API without a login.
    pub control_socket: ControlSocketPath,
    /// Addresses to accept AMQP connections on that begin with TLS.
    pub amqps: Vec<SocketAddr>,
    /// Addresses of the management API over TLS.
    pub https: Vec<SocketAddr>,
    /// Addresses of the metrics over TLS.
    pub metrics_tls: Vec<SocketAddr>,
    /// TLS of AMQP.
    pub tls: TlsSettings,
    /// TLS of the management API and the metrics.
    pub https_tls: TlsSettings,
    /// Whether the broker makes a certificate for itself where it is given none, and an authority for it: for development.
    pub tls_auto: bool,
    /// By which name in their certificates clients may log in, if they may.
    pub tls_login: Option<TlsLogin>,
    /// Where the store lives; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// User made when the data directory is new.
    pub default_user: String,
    /// That user's password.
    pub default_pass: String,
    /// That user's tags.
    pub default_tags: Vec<String>,
    /// What that user may do on the default virtual host.
    pub default_permission: NewPermission,
    /// More users made when the data directory is new.
    pub default_users: Vec<NewUser>,
    /// Virtual host made when the data directory is new.
    pub default_vhost: String,
    /// Virtual host that gets the broker's events, if it is not the default one.
    pub event_exchange_vhost: Option<String>,
    /// Definitions in RabbitMQ's JSON format, imported at every start before clients are accepted.
    pub definitions: Option<PathBuf>,
    /// Largest message body accepted, 1 byte to [`MESSAGE_BYTES_CEILING`].
    pub message_bytes_max: u64,
    /// How long a message may be unacked where neither its queue nor its consumer says so, in ms; 0 for ever.
    pub ack_timeout_ms: u32,
    /// How much of a queue is kept in memory, at least 1 byte; what is beyond is on disk, if there is one.
    pub queue_bytes_in_memory: usize,
    /// How many events the journal of a virtual host keeps; 0 keeps none.
    pub journal_events: usize,
    /// How much memory they may take, in bytes; 0 keeps none.
    pub journal_bytes: usize,
    /// Above it publishers are blocked.
    pub memory_limit: MemoryLimit,
    /// With less than this many bytes free on the disk of the data directory publishers are blocked; `None` never.
    pub disk_free_limit: Option<u64>,
    /// Heartbeat interval offered to clients, in seconds; 0 offers none.
    pub heartbeat_s: u16,
    /// Largest frame offered to clients, [`FRAME_BYTES_FLOOR`] to [`FRAME_BYTES_CEILING`] bytes.
    pub frame_bytes_max: u32,
    /// Channels a connection may have open at once, at least 1.
    pub channels_max: u16,
    /// The node's name for tools, which begins with [`NODE_PREFIX`]; `None`: made of the host's name.
    pub node_name: Option<String>,
    /// Files that the settings came from: for people to see.
    pub config_files: Vec<PathBuf>,
    /// All settings as a configuration file, without secrets; empty if they come from no command line. For people to see.
    pub settings: String,
    /// Where the log goes; `None` is standard error. For people to see: who makes the log is who runs the broker.
    pub log_file: Option<PathBuf>,
    /// `product` in the server properties. Clients choose behaviour by it (kombu: how `basic.qos` is meant).
    pub server_product: String,
    /// `version` in the server properties, read together with the product.
    pub server_version: String,
    /// Users that may connect over a loopback address only.
    pub loopback_users: Vec<String>,
    /// What to log, in the syntax of `tracing`'s env filter.
    pub log: String,
    /// How its lines look.
    pub log_format: LogFormat,
    /// Whether tests may control the broker: worlds, clocks that are moved, faults.
    pub test: bool,
    /// Which broker it stands in for: it refuses what that one refuses.
    pub persona: Persona,
    /// The file to which the linter appends what it finds, a JSON object a line; `None`: none. The API has it in any case.
    pub lint: Option<PathBuf>,
    /// The cluster that it is a node of, if it is one. Without the cargo feature `cluster` there is none.
    pub cluster: Option<ClusterSettings>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: on_localhost(5672).into(),
            http: HTTP_DEFAULT.into(),
            metrics: METRICS_DEFAULT.into(),
            http_page: true,
            http_allowed_origins: Vec::new(),
            http_cors_max_age_s: 1800,
            http_headers: Vec::new(),
            http_path_prefix: String::new(),
            control_socket: ControlSocketPath::InDataDir,
            amqps: Vec::new(),
            https: Vec::new(),
            metrics_tls: Vec::new(),
            tls: TlsSettings::default(),
            https_tls: TlsSettings::default(),
            tls_auto: false,
            tls_login: None,
            data_dir: Some(PathBuf::from("coney-data")),
            default_user: "guest".into(),
            default_pass: "guest".into(),
            default_tags: vec!["administrator".into()],
            default_permission: NewPermission::default(),
            default_users: Vec::new(),
            default_vhost: "/".into(),
            event_exchange_vhost: None,
            definitions: None,
            message_bytes_max: 128 << 20,
            ack_timeout_ms: 1_800_000,
            queue_bytes_in_memory: 16 << 20,
            journal_events: 100_000,
            journal_bytes: 16 << 20,
            memory_limit: MemoryLimit::Percent(40),
            disk_free_limit: Some(200_000_000),
            heartbeat_s: 60,
            frame_bytes_max: 131_072,
            channels_max: 2047,
            node_name: None,
            config_files: Vec::new(),
            settings: String::new(),
            log_file: None,
            server_product: "RabbitMQ".into(),
            server_version: "3.13.7".into(),
            loopback_users: vec!["guest".into()],
            log: "info".into(),
            log_format: LogFormat::Text,
            test: false,
            persona: Persona::Coney,
            lint: None,
            cluster: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("http", &self.http)
            .field("metrics", &self.metrics)
            .field("http_page", &self.http_page)
            .field("http_allowed_origins", &self.http_allowed_origins)
            .field("http_cors_max_age_s", &self.http_cors_max_age_s)
            .field("http_headers", &self.http_headers)
            .field("http_path_prefix", &self.http_path_prefix)
            .field("control_socket", &self.control_socket)
            .field("amqps", &self.amqps)
            .field("https", &self.https)
            .field("metrics_tls", &self.metrics_tls)
            .field("tls", &self.tls)
            .field("https_tls", &self.https_tls)
            .field("tls_auto", &self.tls_auto)
            .field("tls_login", &self.tls_login)
            .field("data_dir", &self.data_dir)
            .field("default_user", &self.default_user)
            .field("default_tags", &self.default_tags)
            .field("default_permission", &self.default_permission)
            .field("default_users", &self.default_users)
            .field("default_vhost", &self.default_vhost)
            .field("event_exchange_vhost", &self.event_exchange_vhost)
            .field("definitions", &self.definitions)
            .field("message_bytes_max", &self.message_bytes_max)
            .field("ack_timeout_ms", &self.ack_timeout_ms)
            .field("queue_bytes_in_memory", &self.queue_bytes_in_memory)
            .field("journal_events", &self.journal_events)
            .field("journal_bytes", &self.journal_bytes)
            .field("memory_limit", &self.memory_limit)
            .field("disk_free_limit", &self.disk_free_limit)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("frame_bytes_max", &self.frame_bytes_max)
            .field("channels_max", &self.channels_max)
            .field("node_name", &self.node_name)
            .field("config_files", &self.config_files)
            .field("log_file", &self.log_file)
            .field("server_product", &self.server_product)
            .field("server_version", &self.server_version)
            .field("loopback_users", &self.loopback_users)
            .field("log", &self.log)
            .field("log_format", &self.log_format)
            .field("test", &self.test)
            .field("persona", &self.persona)
            .field("lint", &self.lint)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}
