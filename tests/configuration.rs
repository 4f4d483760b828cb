//! RabbitMQ's configuration, as a person has it who changes nothing else, and what `coney config` says of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use lapin::{Connection, ConnectionProperties};

use crate::support::process::{Process, coney, failing};

async fn can_log_in(process: &Process, user: &str, password: &str, vhost: &str) -> bool {
    let uri = format!("amqp://{user}:{password}@{}/{vhost}", process.address());
    Connection::connect(&uri, ConnectionProperties::default()).await.is_ok()
}

/// What it prints, which has to work.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn a_rabbitmq_conf_and_variables_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, log, pid) = (dir.path().join("rabbitmq.conf"), dir.path().join("log"), dir.path().join("pid"));
    write(
        &conf,
        "listeners.tcp.default = 1\ndefault_user = ann\ndefault_pass = 'p#w'\ndefault_vhost = shop\n\
                  default_users.bob.password = bobs\nhartbeat = 5\nmqtt.vhost = /\n",
    );
    let mut command = coney();
    command
        .arg("--ephemeral")
        // Without its suffix, as RabbitMQ takes it.
        .env("RABBITMQ_CONFIG_FILE", dir.path().join("rabbitmq"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", "0")
        .env("RABBITMQ_NODENAME", "rabbit@shop")
        .env("RABBITMQ_LOGS", &log)
        .env("RABBITMQ_PID_FILE", &pid);
    let process = Process::run(&mut command);
    assert!(can_log_in(&process, "ann", "p%23w", "shop").await);
    assert!(can_log_in(&process, "bob", "bobs", "shop").await);
    assert!(!can_log_in(&process, "guest", "guest", "shop").await);
    let started = process.started();
    assert_eq!(started[0], "  node           : rabbit@shop");
    assert_eq!(started[1], format!("  config file(s) : {}", conf.display()));
    assert!(fs::read_to_string(&pid).unwrap().trim().parse::<u32>().is_ok());
    assert!(process.signal("TERM").success());
    assert!(!pid.exists());
    let log = fs::read_to_string(&log).unwrap();
    assert!(
        log.contains("rabbitmq.conf:6: hartbeat: is not a key that is known here")
            && log.contains("did you mean heartbeat?"),
        "{log}"
    );
    assert!(log.contains("rabbitmq.conf:7: mqtt.vhost has no effect"), "{log}");
    assert!(!log.contains("p#w"));
}

#[tokio::test]
async fn rabbitmq_server_reads_its_directory_and_a_password_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("etc");
    write(&etc.join("rabbitmq.conf"), "default_user = ann\ndefault_vhost = one\n");
    write(&etc.join("conf.d/20-more.conf"), "default_vhost = two\n");
    write(&etc.join("conf.d/10-first.conf"), "default_vhost = three\n");
    write(&dir.path().join("secret"), "from a file\n");
    let mut command = coney();
    command
        .args(["rabbitmq-server", "--amqp", "127.0.0.1:0", "--log", "warn"])
        .env("CONEY_RABBITMQ_CONF_DIR", &etc)
        .env("RABBITMQ_MNESIA_BASE", dir.path().join("mnesia"))
        .env("RABBITMQ_DEFAULT_PASS_FILE", dir.path().join("secret"));
    let process = Process::run(&mut command);
    assert!(can_log_in(&process, "ann", "from%20a%20file", "two").await);
    assert!(dir.path().join("mnesia").is_dir());
    assert!(process.started()[3].ends_with("20-more.conf"), "{:?}", process.started());
}

#[tokio::test]
async fn an_old_config_of_erlang_terms_is_read_or_refused_with_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("custom.config");
    write(
        &file,
        "%% made by a test container\n[{rabbit, [{default_user, <<\"ann\">>}, {default_pass, <<\"pw\">>},\n\
                  {tcp_listeners, [{\"127.0.0.1\", 0}]}, {loopback_users, []}]}].\n",
    );
    let process = Process::run(coney().args(["--ephemeral", "--log", "warn"]).arg("--config").arg(&file));
    assert!(can_log_in(&process, "ann", "pw", "%2f").await);
    write(&file, "[{rabbit, [\n{tcp_listeners, fun() -> [5672] end}]}].\n");
    let (status, said) = failing(coney().arg("--config").arg(&file));
    assert_eq!((status, said.trim_end().lines().count()), (1, 1), "{said}");
    assert!(said.contains("custom.config:2: ") && said.contains("listeners.tcp.default = 5672"), "{said}");
}

#[test]
fn config_show_says_where_each_value_comes_from() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, toml) = (dir.path().join("r.conf"), dir.path().join("image.toml"));
    write(&conf, "# ours\nheartbeat = 7\nchannel_max = 9\n");
    write(&toml, "heartbeat = 1\nframe-max = 9000\n");
    let show = |format: &str| {
        let mut command = coney();
        command.args(["config", "show", "--format", format, "--amqp", "5673", "--default-pass", "hunter2"]);
        command.env("CONEY_CONFIG", &toml).env("RABBITMQ_CONFIG_FILE", &conf).env("CONEY_CHANNEL_MAX", "3");
        output(&mut command)
    };
    let text = show("toml");
    for line in [
        "amqp = [\"5673\"]  # --amqp".to_owned(),
        "channel-max = \"3\"  # CONEY_CHANNEL_MAX".to_owned(),
        format!("heartbeat = \"7\"  # {}:2: heartbeat", conf.display()),
        format!("frame-max = \"9000\"  # {}:2: frame-max", toml.display()),
        "consumer-timeout = \"1800000\"  # default".to_owned(),
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&show("json")).unwrap();
    assert_eq!(json["amqp"], serde_json::json!({"value": ["5673"], "from": "--amqp"}));
    assert!(!text.contains("hunter2") && !json.to_string().contains("hunter2"));
    // It is a file with the same meaning.
    let shown = dir.path().join("shown.toml");
    write(&shown, &text);
    let again = output(coney().args(["config", "show", "--format", "json", "--config"]).arg(&shown));
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    for (key, setting) in json.as_object().unwrap() {
        if key != "default-pass" {
            assert_eq!(again[key]["value"], setting["value"], "{key}");
        }
    }
}

#[test]
fn config_check_says_what_is_wrong_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rabbitmq.conf");
    write(
        &file,
        "heartbeat = 5\ncluster_formation.peer_discovery_backend = k8s\ntcp_listen_options.backlog = 4\n",
    );
    let said = output(coney().args(["config", "check"]).arg(&file));
    for words in [
        "rabbitmq.conf:2: cluster_formation.peer_discovery_backend has no effect",
        "rabbitmq.conf:3: tcp_listen_options.backlog: is not needed",
        "a broker would start",
    ] {
        assert!(said.contains(words), "{said}");
    }
    write(&file, "heartbeat = soon\n");
    let (status, said) = failing(coney().args(["config", "check"]).arg(&file));
    assert_eq!(status, 1);
    assert!(said.contains("rabbitmq.conf:1: heartbeat: \"soon\" is not a number"), "{said}");
}

/// A queue that says nothing has the broker's timeout.
#[tokio::test]
async fn the_consumer_timeout_is_the_brokers() {
    use futures_lite::StreamExt as _;
    use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
    use lapin::types::FieldTable;
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("rabbitmq.conf");
    write(&conf, "consumer_timeout = 100\n");
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0", "--ephemeral", "--log", "error"]).arg("--config").arg(&conf);
    let process = Process::run(&mut command);
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare("q".into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let mut consumer = channel
        .basic_consume("q".into(), "c".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let other = connection.create_channel().await.unwrap();
    other
        .basic_publish("".into(), "q".into(), BasicPublishOptions::default(), b"m", Default::default())
        .await
        .unwrap();
    // The message, then the end of the channel.
    while let Some(Ok(_)) = consumer.next().await {}
    assert!(!channel.status().connected() && connection.status().connected());
}
