//! Servers that may lose what they acknowledge, and clusters that are not there.

use std::time::{Duration, Instant};

use coney::cluster::{Nats, NatsError, NatsOptions};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::log::append_for_sure;
use crate::servers::{self, Servers, until};

/// Until the other servers take one for dead that they do not hear of.
const NOTICED: Duration = Duration::from_secs(60);
/// Whoever makes a cluster waits five seconds for an answer.
const FIRST_ATTEMPT: Duration = Duration::from_secs(7);

async fn open(options: &NatsOptions, is_unsafe: bool) -> Result<u64, NatsError> {
    let nats = Nats::connect(options).await?;
    servers::open(&nats, is_unsafe).await.map(|opened| opened.log_id)
}

#[test]
fn a_server_that_does_not_sync_is_refused() {
    let Some(servers) = Servers::start_with(1, "sync_interval: 2m") else { return };
    let runtime = Runtime::new().unwrap();
    let log_id = runtime.block_on(servers.init(1));
    let by_page = servers.options();
    let by_system = NatsOptions { monitoring: servers.addresses("system"), ..by_page.clone() };
    for options in [&by_page, &by_system] {
        let refused = runtime.block_on(open(options, false)).unwrap_err();
        assert!(matches!(&refused, NatsError::Unsafe { server, .. } if server == "s1"), "{refused}");
        assert!(refused.to_string().contains("sync_interval: always"), "{refused}");
        assert_eq!(runtime.block_on(open(options, true)).unwrap(), log_id);
    }
}

#[test]
fn a_server_that_nobody_sees_is_refused() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    let log_id = runtime.block_on(servers.init(1));
    let by_page = servers.options();
    let blind = NatsOptions { monitoring: Vec::new(), ..by_page.clone() };
    let ordinary = NatsOptions { monitoring: servers.addresses("coney"), ..by_page.clone() };
    let by_system = NatsOptions { monitoring: servers.addresses("system"), ..by_page.clone() };
    for options in [&blind, &ordinary] {
        let refused = runtime.block_on(open(options, false)).unwrap_err();
        assert!(matches!(&refused, NatsError::Unseen { servers } if servers == "s1"), "{refused}");
    }
    for options in [&by_page, &by_system] {
        assert_eq!(runtime.block_on(open(options, false)).unwrap(), log_id);
    }
}

#[test]
fn a_cluster_is_made_once_and_opened_only_then() {
    let Some(servers) = Servers::start(1) else { return };
    let runtime = Runtime::new().unwrap();
    let options = servers.options();
    let refused = runtime.block_on(open(&options, false)).unwrap_err();
    assert!(matches!(refused, NatsError::NotThere { .. }), "{refused}");
    let nats = runtime.block_on(Nats::connect(&options)).unwrap();
    let log_id = runtime.block_on(nats.init(1)).unwrap();
    let again = |nats: &Nats| runtime.block_on(nats.init(1)).unwrap_err();
    assert!(matches!(again(&nats), NatsError::AlreadyThere(_)));
    let opened = runtime.block_on(servers::open(&nats, false)).unwrap();
    assert_eq!(opened.log_id, log_id);
    append_for_sure(&mut opened.log.clone(), 0, b"frame");
    assert!(matches!(again(&nats), NatsError::AlreadyThere(_)));
    let other = NatsOptions { cluster: "d".into(), ..options.clone() };
    assert!(matches!(runtime.block_on(open(&other, false)), Err(NatsError::NotThere { .. })));
    let nats = runtime.block_on(Nats::connect(&other)).unwrap();
    let refused = runtime.block_on(nats.init(3)).unwrap_err();
    assert!(matches!(refused, NatsError::Refused { .. }), "three replicas on one server: {refused}");
    let wrong = NatsOptions { servers: vec!["nats://nobody:wrong@127.0.0.1:1".into()], ..options };
    assert!(matches!(runtime.block_on(open(&wrong, false)), Err(NatsError::Connect { .. })));
}

#[test]
fn a_cluster_is_made_by_servers_that_do_not_answer_at_first() {
    let Some(mut servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    let nats = runtime.block_on(Nats::connect(&servers.options())).unwrap();
    for name in ["s2", "s3"] {
        servers.by_name(name).signal(Signal::STOP);
    }
    let began = Instant::now();
    let initing = runtime.spawn(async move { nats.init(3).await });
    until("the first attempt has failed", NOTICED, || {
        assert!(!initing.is_finished(), "one server of three has made a cluster");
        (began.elapsed() > FIRST_ATTEMPT).then_some(())
    });
    for name in ["s2", "s3"] {
        servers.by_name(name).signal(Signal::CONT);
    }
    let log_id = runtime.block_on(initing).unwrap().unwrap();
    println!("made {:?} after it was asked for", began.elapsed());
    assert_eq!(runtime.block_on(open(&servers.options(), false)).unwrap(), log_id);
}

#[test]
fn a_server_that_is_down_does_not_keep_nodes_from_starting() {
    let Some(mut servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    runtime.block_on(servers.init(3));
    let nats = runtime.block_on(Nats::connect(&servers.options())).unwrap();
    // One that has much else to do may be taken for one that is down.
    until("all are seen", NOTICED, || {
        let opened = runtime.block_on(servers::open(&nats, false)).unwrap();
        opened.unchecked.is_empty().then_some(())
    });
    servers.by_name("s3").kill();
    let killed = Instant::now();
    let opened = until("it is known to be down", NOTICED, || runtime.block_on(nats.open(false)).ok());
    assert_eq!(opened.unchecked, ["s3"]);
    println!("opened without a server {:?} after it was killed", killed.elapsed());
    servers.by_name("s2").kill();
    // The last one answers by itself until it misses the others.
    let refused = until("most are known to be down", NOTICED, || runtime.block_on(nats.open(true)).err());
    assert!(
        matches!(refused, NatsError::Request { .. }),
        "without most servers there is no cluster: {refused}"
    );
}
