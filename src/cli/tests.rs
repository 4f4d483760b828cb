//! Tests of the settings: precedence, ranges, and what an error says.

use std::net::SocketAddr;
use std::path::Path;

use coney::config::{
    AlternativeNameKind, Config, ControlSocketPath, LogFormat, MemoryLimit, TlsLogin, TlsSettings, TlsVersion,
};

use super::resolve::resolve;
#[cfg(feature = "cluster")]
use super::settings::Draft;
use super::settings::{self, env_name};
use super::source::{ConfigError, Given, Origin, Source};
use super::value::parse_bytes;
use super::{file, variables};

type TestResult = Result<(), ConfigError>;

fn env_of<'a>(vars: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
    |name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
}

/// The flags of a command line, as keys and their texts.
fn cli(flags: &[(&str, &str)]) -> Source {
    let given = |(key, text): &(&str, &str)| {
        let setting = settings::find(key).unwrap();
        Given { setting, texts: vec![(*text).to_owned()], origin: Origin::Flag(setting.key) }
    };
    flags.iter().map(given).collect()
}

fn config_of(flags: &[(&str, &str)], vars: &[(&str, &str)], text: &str) -> Result<Config, ConfigError> {
    let (env, file) = (env_of(vars), file::parse(Path::new("coney.toml"), text)?);
    let read = |path: &str| match path {
        "/run/secret" => Ok("from file\n".to_owned()),
        _ => Err("is not there".to_owned()),
    };
    let from = variables::Secrets { env: &env, read: &read };
    Ok(resolve(&[cli(flags), variables::ours(&from)?, variables::rabbitmqs(&from)?, file])?.config)
}

fn from_file(text: &str) -> Result<Config, ConfigError> {
    config_of(&[], &[], text)
}

fn from_vars(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    config_of(&[], vars, "")
}

fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn error_of(result: Result<Config, ConfigError>) -> String {
    result.expect_err("should have been refused").to_string()
}

#[test]
fn with_no_source_every_setting_is_its_default() -> TestResult {
    let config = from_file("")?;
    assert_eq!(config, Config::default());
    assert_eq!(config.listen, ["127.0.0.1:5672".parse().unwrap(), "[::1]:5672".parse().unwrap()]);
    assert_eq!(config.message_bytes_max, 134_217_728);
    Ok(())
}

#[test]
fn the_file_sets_every_key() -> TestResult {
    let config = from_file(
        r#"
        amqp = ["0.0.0.0:5672", "[::1]:5673"]
        http = ["none"]
        metrics = ["[::1]:1"]
        control-socket = "none"
        data-dir = "/var/lib/coney"
        default-user = "u"
        default-pass = "p"
        default-vhost = "v"
        event-exchange-vhost = "x"
        definitions = "/etc/coney/definitions.json"
        max-message-size = "16MB"
        queue-memory = "1MB"
        journal-events = 0
        journal-bytes = "2MB"
        memory-limit = "25%"
        disk-free-limit = 1000
        heartbeat = 0
        frame-max = 8192
        channel-max = 65535
        server-product = "Coney"
        server-version = "1"
        loopback-users = []
        log = "coney=debug"
        "#,
    )?;
    let expected = Config {
        listen: vec!["0.0.0.0:5672".parse().unwrap(), "[::1]:5673".parse().unwrap()],
        http: vec![],
        metrics: vec!["[::1]:1".parse().unwrap()],
        control_socket: ControlSocketPath::None,
        data_dir: Some("/var/lib/coney".into()),
        default_user: "u".into(),
        default_pass: "p".into(),
        default_vhost: "v".into(),
        event_exchange_vhost: Some("x".into()),
        definitions: Some("/etc/coney/definitions.json".into()),
        message_bytes_max: 16_000_000,
        queue_bytes_in_memory: 1_000_000,
        journal_events: 0,
        journal_bytes: 2_000_000,
        memory_limit: MemoryLimit::Percent(25),
        disk_free_limit: Some(1000),
        heartbeat_s: 0,
        frame_bytes_max: 8192,
        channels_max: 65535,
        server_product: "Coney".into(),
        server_version: "1".into(),
        loopback_users: vec![],
        log: "coney=debug".into(),
        log_format: LogFormat::Text,
        ..Config::default()
    };
    assert_eq!(config, expected);
    Ok(())
}

#[test]
fn the_environment_sets_every_key() -> TestResult {
    let config = from_vars(&[
        ("CONEY_AMQP", "127.0.0.1:0, localhost:9"),
        ("CONEY_HTTP", "localhost:8"),
        ("CONEY_METRICS", "none"),
        ("CONEY_CONTROL_SOCKET", "/s"),
        ("CONEY_EPHEMERAL", "yes"),
        ("CONEY_DEFAULT_USER", "u"),
        ("CONEY_DEFAULT_PASS", "p"),
        ("CONEY_DEFAULT_VHOST", "v"),
        ("CONEY_DEFINITIONS", "d.json"),
        ("CONEY_MAX_MESSAGE_SIZE", "64k"),
        ("CONEY_QUEUE_MEMORY", "4k"),
        ("CONEY_MEMORY_LIMIT", "none"),
        ("CONEY_DISK_FREE_LIMIT", "none"),
        ("CONEY_HEARTBEAT", "5"),
        ("CONEY_FRAME_MAX", "16KiB"),
        ("CONEY_CHANNEL_MAX", "1"),
        ("CONEY_SERVER_PRODUCT", "Coney"),
        ("CONEY_SERVER_VERSION", "1"),
        ("CONEY_LOOPBACK_USERS", "none"),
        ("CONEY_LOG", "off"),
    ])?;
    let expected = Config {
        listen: addresses(&["127.0.0.1:0", "127.0.0.1:9", "[::1]:9"]),
        http: addresses(&["127.0.0.1:8", "[::1]:8"]),
        metrics: vec![],
        control_socket: ControlSocketPath::At("/s".into()),
        data_dir: None,
        default_user: "u".into(),
        default_pass: "p".into(),
        default_vhost: "v".into(),
        definitions: Some("d.json".into()),
        message_bytes_max: 65_536,
        queue_bytes_in_memory: 4096,
        memory_limit: MemoryLimit::None,
        disk_free_limit: None,
        heartbeat_s: 5,
        frame_bytes_max: 16_384,
        channels_max: 1,
        server_product: "Coney".into(),
        server_version: "1".into(),
        loopback_users: vec![],
        log: "off".into(),
        log_format: LogFormat::Text,
        ..Config::default()
    };
    assert_eq!(config, expected);
    Ok(())
}

#[test]
fn command_line_then_environment_then_rabbitmqs_then_file() -> TestResult {
    let file = "default-user = 'file'\nheartbeat = 1\nlog = 'error'";
    let vars = [("RABBITMQ_DEFAULT_USER", "rabbit"), ("CONEY_HEARTBEAT", "2")];
    let config = config_of(&[], &vars, file)?;
    assert_eq!(
        (config.default_user.as_str(), config.heartbeat_s, config.log.as_str()),
        ("rabbit", 2, "error")
    );

    let vars =
        [("RABBITMQ_DEFAULT_USER", "rabbit"), ("CONEY_DEFAULT_USER", "coney"), ("CONEY_HEARTBEAT", "2")];
    let config = config_of(&[("heartbeat", "3")], &vars, file)?;
    assert_eq!((config.default_user.as_str(), config.heartbeat_s), ("coney", 3));
    Ok(())
}

#[test]
fn a_persona_announces_its_product_unless_another_is_given() -> TestResult {
    let announced = |config: Config| (config.persona.name(), config.server_product, config.server_version);
    let of = |persona: &'static str, product: &str, version: &str| {
        (persona, product.to_owned(), version.to_owned())
    };
    let config = from_vars(&[("CONEY_PERSONA", "lavinmq-2")])?;
    assert_eq!(announced(config), of("lavinmq-2", "LavinMQ", "2.9.1"));
    let config = from_file("persona = 'rabbitmq-4.3'\nserver-version = '4.4.0'")?;
    assert_eq!(announced(config), of("rabbitmq-4.3", "RabbitMQ", "4.4.0"));
    assert_eq!(announced(from_vars(&[])?), of("coney", "RabbitMQ", "3.13.7"));
    let wrong = from_vars(&[("CONEY_PERSONA", "rabbitmq-5")]).unwrap_err().to_string();
    assert!(wrong.contains("expected one of coney, rabbitmq-3.13"), "{wrong}");
    Ok(())
}

#[test]
fn an_empty_variable_counts_as_unset() -> TestResult {
    assert_eq!(from_vars(&[("CONEY_HEARTBEAT", ""), ("CONEY_LOOPBACK_USERS", "")])?, Config::default());
    Ok(())
}

#[test]
fn the_first_source_with_either_decides_between_memory_and_disk() -> TestResult {
    let dir = |flags: &[(&str, &str)], vars: &[(&str, &str)], file: &str| {
        Ok::<_, ConfigError>(config_of(flags, vars, file)?.data_dir)
    };
    let on_cli = [("data-dir", "cli")];
    let memory = [("ephemeral", "true")];
    assert_eq!(dir(&on_cli, &[("CONEY_EPHEMERAL", "1")], "")?, Some("cli".into()));
    assert_eq!(dir(&memory, &[("CONEY_DATA_DIR", "env")], "data-dir = 'file'")?, None);
    assert_eq!(dir(&[], &[("CONEY_EPHEMERAL", "1"), ("CONEY_DATA_DIR", "env")], "")?, None);
    assert_eq!(dir(&[], &[("CONEY_EPHEMERAL", "0")], "ephemeral = true")?, Some("coney-data".into()));
    assert_eq!(dir(&[], &[("CONEY_EPHEMERAL", "0")], "data-dir = 'file'")?, Some("file".into()));
    let both = "data-dir = 'file'\nephemeral = true";
    assert_eq!(dir(&[], &[("CONEY_EPHEMERAL", "0")], both)?, Some("file".into()));
    Ok(())
}

#[test]
fn an_unknown_key_is_named_with_its_file_and_line() {
    let error = error_of(from_file("heartbeat = 5\n\nheartbeats = 6\n"));
    assert!(error.starts_with("coney.toml:3: unknown field `heartbeats`"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let error = error_of(from_file("[server]\nheartbeat = 5\n"));
    assert!(error.contains("`server`"), "{error}");
}

#[test]
fn a_file_that_is_not_toml_or_has_another_type_is_one_clear_line() {
    let error = error_of(from_file("log = 'info'\namqp 5672\n"));
    assert!(error.starts_with("coney.toml:2: ") && !error.contains('\n'), "{error}");
    let error = error_of(from_file("amqp = '127.0.0.1:5672'"));
    assert!(error.starts_with("coney.toml:1: invalid type"), "{error}");
}

#[test]
fn a_bad_value_names_the_source_it_came_from() {
    assert_eq!(
        error_of(from_vars(&[("CONEY_HEARTBEAT", "70000")])),
        "CONEY_HEARTBEAT: \"70000\" is not a number of seconds from 0 to 65535"
    );
    assert_eq!(
        error_of(from_file("frame-max = 4096")),
        "coney.toml:1: frame-max: 4096 is outside 8192 to 16777216 bytes"
    );
    let error = config_of(&[("max-message-size", "513MiB")], &[], "").unwrap_err();
    assert!(error.is_usage());
    assert_eq!(error.to_string(), "--max-message-size: 513MiB is outside 1 to 536870912 bytes");
    assert!(!from_vars(&[("CONEY_EPHEMERAL", "maybe")]).unwrap_err().is_usage());
}

#[test]
fn values_out_of_range_are_refused() {
    for bad in [
        "amqp = []",
        "amqp = ['127.0.0.1:1', '127.0.0.1:1']",
        "data-dir = ''",
        "default-user = ''",
        "default-vhost = ''",
        "definitions = ''",
        "max-message-size = 0",
        "max-message-size = -1",
        "max-message-size = '12 parsecs'",
        "memory-limit = '0%'",
        "memory-limit = '101%'",
        "memory-limit = 'much'",
        "memory-limit = 0",
        "disk-free-limit = 0",
        "disk-free-limit = '40%'",
        "http-allow-origin = ['a.example']",
        "http-allow-origin = ['https://a.example/page']",
        "http-allow-origin = ['https://user@a.example']",
        "http-allow-origin = ['https:// ']",
        "http-allow-origin = ['']",
        "http-cors-max-age = -1",
        "http-header = ['x-frame-options']",
        "http-header = ['x-frame-options:']",
        "http-header = [': DENY']",
        "http-header = ['x frame: DENY']",
        "http-header = [\"x-frame-options: a\\nset-cookie: b\"]",
        "http-header = ['Content-Type: text/html']",
        "http-header = ['access-control-allow-origin: *']",
        "http-path-prefix = 'a b'",
        "http-path-prefix = '/a//b'",
        "http-path-prefix = '/../a'",
        "http-path-prefix = '/%2f'",
        "heartbeat = -1",
        "heartbeat = true",
        "frame-max = 0",
        "channel-max = 0",
        "channel-max = 65536",
        "loopback-users = ['']",
        "log = 'coney=loud'",
    ] {
        assert!(from_file(bad).is_err(), "{bad} was accepted");
    }
    let long = format!("default-vhost = '{}'", "v".repeat(256));
    assert!(from_file(&long).is_err());
}

#[cfg(feature = "cluster")]
#[test]
fn a_node_is_told_how_much_of_the_log_it_keeps_and_who_it_is_to_nats() -> TestResult {
    let node = |more: &str| {
        from_file(&format!(
            "cluster = 'c'\ncluster-node = 'a'\ncluster-log = ['nats://h:4222']\ncluster-peer = 'h:5680'\n{more}"
        ))
    };
    let settings = node("")?.cluster.unwrap_or_default();
    assert_eq!((settings.retain_s, settings.retain_frames, settings.retain_bytes), (None, None, None));
    let all = "cluster-retain-time = 10\ncluster-retain-frames = 10000000\ncluster-retain-bytes = '16MiB'\n\
               cluster-log-user = 'u'\ncluster-log-password = 'hunter2'\n";
    let settings = node(all)?.cluster.unwrap_or_default();
    assert_eq!(
        (settings.retain_s, settings.retain_frames, settings.retain_bytes),
        (Some(10), Some(10_000_000), Some(16 << 20))
    );
    assert_eq!(
        (settings.log_user.as_deref(), settings.log_password.as_deref()),
        (Some("u"), Some("hunter2"))
    );
    assert!(!format!("{settings:?}").contains("hunter2"));
    for (bad, why) in [
        ("cluster-retain-time = 9", "from 10 to 3600"),
        ("cluster-retain-time = 3601", "from 10 to 3600"),
        ("cluster-retain-time = '1h'", "from 10 to 3600"),
        ("cluster-retain-frames = 999", "from 1000 to 10000000"),
        ("cluster-retain-frames = 10000001", "from 1000 to 10000000"),
        ("cluster-retain-bytes = '1MiB'", "is outside 16777216 to"),
        ("cluster-retain-bytes = 'much'", "much"),
        ("cluster-log-user = ''\ncluster-log-password = 'hunter2'", "may not be empty"),
    ] {
        let error = error_of(node(bad));
        assert!(error.contains(why) && !error.contains("hunter2"), "{bad}: {error}");
    }
    for (half, why) in [
        (all, None),
        ("cluster-log-user = 'u'", Some("needs cluster-log-password")),
        ("cluster-log-password = 'hunter2'", Some("needs cluster-log-user")),
    ] {
        let missing = settings::missing(&Draft { config: node(half)?, ..Draft::default() });
        assert_eq!(missing.is_some(), why.is_some(), "{half}");
        assert!(missing.iter().all(|missing| missing.contains(why.unwrap_or_default())), "{missing:?}");
    }
    Ok(())
}

#[test]
fn an_address_is_a_host_and_a_port_or_a_port() {
    for bad in ["65536", ":5672", "127.0.0.1", "::1:5672", "localhost:65536", "amqp://localhost:5672", ""] {
        let error = error_of(config_of(&[("amqp", bad)], &[], ""));
        assert!(error.contains("is not ADDR:PORT"), "{bad}: {error}");
    }
}

#[test]
fn a_port_alone_and_localhost_are_on_both_loopback_addresses() -> TestResult {
    for both in ["7", "localhost:7", "LocalHost:7"] {
        let config = config_of(&[("amqp", both), ("http", both), ("metrics", both)], &[], "")?;
        let expected = addresses(&["127.0.0.1:7", "[::1]:7"]);
        assert_eq!([&config.listen, &config.http, &config.metrics], [&expected; 3], "{both}");
    }
    assert_eq!(config_of(&[("amqp", "0")], &[], "")?.listen, addresses(&["127.0.0.1:0"]));
    Ok(())
}

#[test]
fn what_has_no_address_is_on_those_of_listen_on() -> TestResult {
    let config = config_of(&[("http", "8"), ("metrics", "127.0.0.1:9")], &[("CONEY_LISTEN_ON", "all")], "")?;
    assert_eq!(config.listen, addresses(&["[::]:5672"]));
    assert_eq!(config.http, addresses(&["[::]:8"]));
    assert_eq!(config.metrics, addresses(&["127.0.0.1:9"]));
    let config = from_file("listen-on = ['10.0.0.1', '[::1]']")?;
    assert_eq!(config.http, addresses(&["10.0.0.1:15672", "[::1]:15672"]));
    assert!(error_of(from_file("listen-on = ['eth0']")).contains("is not an address"));
    Ok(())
}

#[test]
fn port_0_may_be_there_twice() -> TestResult {
    let config = from_file("amqp = ['127.0.0.1:0', '127.0.0.1:0']")?;
    assert_eq!(config.listen.len(), 2);
    Ok(())
}

#[test]
fn sizes_take_binary_and_decimal_units() {
    let cases = [
        ("0", 0),
        ("1048576", 1 << 20),
        ("64k", 64 << 10),
        ("128MiB", 128 << 20),
        ("16MB", 16_000_000),
        ("3 kB", 3000),
        ("2G", 2 << 30),
        ("7b", 7),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
    }
    for bad in ["", "k", "-1", "1.5M", "1 2", "1T", "99999999999G", "18446744073709551616", "١k"] {
        assert!(parse_bytes(bad).is_err(), "{bad}");
    }
}

#[test]
fn no_password_is_printed() {
    let config = Config { default_pass: "hunter2".into(), ..Config::default() };
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(format!("{config:?}").contains("guest"), "the user's name is shown");
    assert!(!error_of(from_file("default-pass = 271828")).contains("271828"));
    assert!(!error_of(from_file("default-pass = ['hunter2']")).contains("hunter2"));
}

#[test]
fn a_misspelt_variable_is_warned_about_and_an_orchestrators_is_not() {
    let names = [
        "CONEY_HEARTBEATS",
        "CONEY_DATADIR",
        "CONEY_LOG",
        "CONEY_LOGS",
        "CONEY_CONFIG",
        "CONEY_PORT",
        "CONEY_SERVICE_HOST",
        "CONEY_PORT_5672_TCP",
        "HEARTBEATS",
    ];
    let warnings = variables::misspelt(names);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].contains("CONEY_HEARTBEATS ") && warnings[0].contains("CONEY_HEARTBEAT is one"));
    assert!(warnings[1].contains("CONEY_DATA_DIR is one"));
    assert!(warnings[2].contains("CONEY_LOGS "));
}

#[test]
fn every_key_has_a_variable() {
    assert_eq!(env_name("max-message-size"), "CONEY_MAX_MESSAGE_SIZE");
    for key in settings::all().map(|setting| setting.key) {
        assert!(env_name(key).chars().all(|c| c.is_ascii_uppercase() || c == '_'), "{key}");
    }
}

#[test]
fn a_node_is_called_rabbit() -> TestResult {
    for (given, name) in [("rabbit@a", "rabbit@a"), ("mq@a.b", "rabbit@a.b"), ("a", "rabbit@a")] {
        assert_eq!(from_vars(&[("RABBITMQ_NODENAME", given)])?.node_name.as_deref(), Some(name), "{given}");
    }
    assert!(from_vars(&[("RABBITMQ_NODENAME", "rabbit@")]).is_err());
    Ok(())
}

#[test]
fn a_secret_may_be_in_a_file() -> TestResult {
    let secret = |vars: &[(&str, &str)]| Ok::<_, ConfigError>(from_vars(vars)?.default_pass);
    assert_eq!(secret(&[("CONEY_DEFAULT_PASS_FILE", "/run/secret")])?, "from file");
    assert_eq!(secret(&[("RABBITMQ_DEFAULT_PASS_FILE", "/run/secret")])?, "from file");
    assert_eq!(secret(&[("CONEY_DEFAULT_PASS_FILE", "/run/secret"), ("CONEY_DEFAULT_PASS", "p")])?, "p");
    assert_eq!(from_vars(&[("RABBITMQ_DEFAULT_USER_FILE", "/run/secret")])?.default_user, "from file");
    let error = error_of(from_vars(&[("CONEY_DEFAULT_PASS_FILE", "/nowhere")]));
    assert_eq!(error, "CONEY_DEFAULT_PASS_FILE: /nowhere is not there");
    Ok(())
}

#[test]
fn tls_is_one_set_of_files_unless_http_has_its_own() -> TestResult {
    let config = from_file(
        r#"
        amqps = ["5671"]
        https = ["127.0.0.1:15671"]
        metrics-tls = ["[::1]:15691"]
        tls-cert = "cert.pem"
        tls-key = "key.pem"
        tls-key-password = "hunter2"
        tls-ca = "ca.pem"
        tls-verify = "peer"
        tls-require-client-cert = true
        tls-depth = 2
        tls-versions = ["tlsv1.3"]
        "#,
    )?;
    let tls = TlsSettings {
        cert: Some("cert.pem".into()),
        key: Some("key.pem".into()),
        key_password: Some("hunter2".into()),
        ca: Some("ca.pem".into()),
        verify_peer: true,
        require_client_cert: true,
        depth: 2,
        versions: vec![TlsVersion::V1_3],
    };
    let expected = Config {
        amqps: addresses(&["127.0.0.1:5671", "[::1]:5671"]),
        https: addresses(&["127.0.0.1:15671"]),
        metrics_tls: addresses(&["[::1]:15691"]),
        tls: tls.clone(),
        https_tls: tls.clone(),
        ..Config::default()
    };
    assert_eq!(config, expected);
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = from_file(
        "tls-cert = 'cert.pem'\ntls-key = 'key.pem'\ntls-verify = 'peer'\ntls-require-client-cert = true\n\
         https-cert = 'web.pem'",
    )?;
    let web = TlsSettings { cert: Some("web.pem".into()), ..TlsSettings::default() };
    assert_eq!((config.https_tls, config.tls.verify_peer), (web, true));
    let config = from_file("tls-verify = 'peer'\ntls-require-client-cert = true\nhttps-verify = 'none'")?;
    assert_eq!((config.https_tls, config.tls.verify_peer), (TlsSettings::default(), true));
    Ok(())
}

#[test]
fn logins_by_certificate_are_off_unless_a_name_is_named() -> TestResult {
    let login = |file: &str| from_file(file).map(|config| config.tls_login);
    assert_eq!(login("tls-login-san-type = 'uri'")?, None);
    assert_eq!(login("tls-login-from = 'common_name'\ntls-login-san-index = 1")?, Some(TlsLogin::CommonName));
    assert_eq!(login("tls-login-from = 'distinguished_name'")?, Some(TlsLogin::DistinguishedName));
    let email = TlsLogin::AlternativeName { kind: AlternativeNameKind::Email, index: 3 };
    let file =
        "tls-login-from = 'subject_alternative_name'\ntls-login-san-type = 'email'\ntls-login-san-index = 3";
    assert_eq!(login(file)?, Some(email));
    for file in [
        "tls-login-from = 'name'",
        "tls-login-san-type = 'other'",
        "tls-verify = 'yes'",
        "tls-versions = ['1.1']",
        "tls-versions = []",
        "tls-depth = 256",
        "tls = 'on'",
    ] {
        assert!(from_file(file).is_err(), "{file}");
    }
    Ok(())
}

#[test]
fn tls_of_the_brokers_own_making_listens_by_itself() -> TestResult {
    let config = from_file("tls = 'auto'")?;
    assert!(config.tls_auto);
    assert_eq!(config.amqps, addresses(&["127.0.0.1:5671", "[::1]:5671"]));
    assert_eq!(config.https, addresses(&["127.0.0.1:15671", "[::1]:15671"]));
    let config = from_file("tls = 'auto'\nhttps = ['none']\namqps = ['127.0.0.1:1']")?;
    assert_eq!((config.amqps, config.https), (addresses(&["127.0.0.1:1"]), vec![]));
    assert_eq!(from_file("tls = 'none'")?, Config::default());
    Ok(())
}
