//! Users of NATS with the rights that docs/nats.md names, and no others.

use std::process::{Command, Stdio};
use std::time::Duration;

use coney::cluster::{Directory, Log, Member, Nats, NatsError, NatsOptions, Sequence};
use tokio::runtime::Runtime;

use crate::log::append_for_sure;
use crate::servers::{self, Servers, answer, until};

const DOCUMENT: &str = include_str!("../../docs/nats.md");
const SOON: Duration = Duration::from_secs(60);

/// The lines that the document has for a server's configuration.
fn accounts() -> &'static str {
    let mut blocks = DOCUMENT.split("```\n");
    blocks.find(|block| block.starts_with("accounts {")).expect("the document has accounts")
}

fn options(servers: &Servers, user: &str) -> NatsOptions {
    let servers_of = servers
        .plain_addresses()
        .iter()
        .map(|it| it.replace("//", &format!("//{user}:change-me@")))
        .collect();
    NatsOptions { servers: servers_of, ..servers.options() }
}

/// `coney cluster ..` as a user.
fn command(servers: &Servers, user: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coney"));
    command.arg("cluster").args(arguments).args(["--cluster", "c", "--cluster-log-user", user]);
    for server in servers.plain_addresses() {
        command.args(["--cluster-log", &server]);
    }
    command.env("CONEY_CLUSTER_LOG_PASSWORD", "change-me").stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn the_rights_that_are_documented_are_those_that_are_needed() {
    let Some(servers) = Servers::with_accounts(&format!("ping_interval: 2s\n{}", accounts())) else { return };
    let runtime = Runtime::new().unwrap();
    let (may, said) = command(&servers, "coney", &["init", "--replicas", "1"]);
    assert!(!may, "a node's user makes no cluster: {said}");
    let (may, said) = command(&servers, "coney-admin", &["init", "--replicas", "1"]);
    assert!(may, "{said}");
    // Nobody leads yet, which it can say only if it may look.
    let (_, said) = command(&servers, "coney", &["status"]);
    assert!(said.contains("No node of cluster c has been heard"), "{said}");
    let refused = runtime.block_on(Nats::connect(&options(&servers, "stranger"))).map(drop);
    assert!(matches!(refused, Err(NatsError::Connect { .. })), "{refused:?}");
    let nats = runtime.block_on(Nats::connect(&options(&servers, "coney"))).unwrap();
    let opened = runtime.block_on(servers::open(&nats, false)).unwrap();
    assert!(opened.slow_pings.is_empty());
    a_node_can_use_the_log(opened.log);
    a_node_can_use_the_directory(&runtime, &opened.directory);
}

fn a_node_can_use_the_log(mut log: coney::cluster::NatsLog) {
    assert!(answer(|| log.id()).is_some());
    for after in 0..10 {
        append_for_sure(&mut log, after, b"frame");
    }
    let frames = until("frames are read", SOON, || {
        let frames = log.read(Sequence(5), 1000).ok()?;
        (!frames.is_empty()).then_some(frames)
    });
    assert_eq!(frames[0], (Sequence(6), b"frame".to_vec()));
    answer(|| log.trim(Sequence(8)));
    assert_eq!(answer(|| log.bounds()).first, Sequence(8));
}

fn a_node_can_use_the_directory(runtime: &Runtime, directory: &impl Directory) {
    let member = Member { name: "node.1".into(), ..Member::default() };
    answer(|| runtime.block_on(directory.tell(&member)));
    until("it is heard", SOON, || {
        let told = runtime.block_on(directory.members()).ok()?;
        (told.first()?.member == member).then_some(())
    });
    assert!(answer(|| runtime.block_on(directory.write("node.1", 0))).is_some());
    assert!(answer(|| runtime.block_on(directory.read())).is_some_and(|claim| claim.holder == "node.1"));
}

#[test]
fn a_server_that_pings_seldom_is_named_when_the_log_is_opened() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(1));
    let nats = runtime.block_on(Nats::connect(&servers.options())).unwrap();
    let opened = runtime.block_on(servers::open(&nats, false)).unwrap();
    // NATS' default.
    assert_eq!(
        opened.slow_pings.into_iter().collect::<Vec<_>>(),
        [("s1".to_owned(), Duration::from_secs(120))]
    );
}
