//! Whether the servers keep what they acknowledge: `sync_interval: always`, without which JetStream writes to disk every two minutes and
//! a power failure of all servers loses streams whole; and a version that is known not to lose them otherwise.
//!
//! What is checked, when a node starts: each server that holds a replica of one of the cluster's streams is at least 2.10.27 and has
//! `sync_interval: always`, as its `/varz` says; the same of any other server of the same NATS cluster whose `/varz` was seen and that has JetStream.
//! A server that is down, because others answer a question of all and it does not, or because NATS says so, is passed over, as long as
//! more than half of the servers were seen: it is checked when a node starts next. What a server's disk does with what is synced nobody can see from here.

use super::client::Client;
use super::error::NatsError;
use super::names::{NatsOptions, shown};
use super::setup::StreamCluster;
use super::varz::{Varz, ask, ping_as, ping_names, ping_varz};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// 2.10.23 is the first that does not lose a stream when it is killed; this is the oldest that is tested.
const VERSION_MIN: [u64; 3] = [2, 10, 27];

/// Two pings may be missed, and half a minute without a confirm is long enough.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// Asks wherever the options say, and over the cluster's own connection.
pub(super) async fn seen(client: &Client, options: &NatsOptions) -> Vec<Varz> {
    let mut asked = Vec::new();
    for address in options.monitoring.clone() {
        asked.push(tokio::spawn(async move { (ask(&address).await, shown(&address)) }));
    }
    if let Some(credentials) = options.system_credentials.clone() {
        let servers = options.servers.clone();
        asked.push(tokio::spawn(async move {
            (ping_as(&servers, Some(&credentials)).await, credentials.display().to_string())
        }));
    }
    // A user may have been given what only the system account has.
    let mut all = ping_varz(client.raw()).await.unwrap_or_default();
    for answer in asked {
        match answer.await {
            Ok((Ok(varz), _)) => all.extend(varz),
            Ok((Err(why), from)) => tracing::warn!("asking {from} how nats-servers are configured: {why}"),
            Err(error) => tracing::warn!("asking how nats-servers are configured: {error}"),
        }
    }
    all
}

/// The servers that answer at all; none if nobody may ask.
pub(super) async fn answering(client: &Client) -> BTreeSet<String> {
    ping_names(client.raw()).await.unwrap_or_default()
}

/// The servers that hold replicas, and whether each is down: it does not answer, or NATS knows. `connected` is the one that there is if
/// there is no cluster.
pub(super) fn holders(
    clusters: &[StreamCluster],
    connected: &str,
    answering: &BTreeSet<String>,
) -> BTreeMap<String, bool> {
    let mut holders = BTreeMap::new();
    for cluster in clusters {
        let replicas = cluster.replicas.iter().flatten();
        holders.extend(replicas.map(|replica| (replica.name.clone(), replica.offline)));
        holders.extend(cluster.leader.clone().map(|leader| (leader, false)));
    }
    if holders.is_empty() {
        holders.insert(connected.to_owned(), false);
    }
    for (name, is_down) in &mut holders {
        // Minutes before NATS says so of a server that was killed.
        *is_down |= answering.contains(connected) && !answering.contains(name);
    }
    holders
}

/// The holders that are down and were not checked.
///
/// # Errors
/// [`NatsError::Unsafe`], [`NatsError::Unseen`].
pub(super) fn judge(
    holders: &BTreeMap<String, bool>,
    cluster: Option<&str>,
    seen: &[Varz],
) -> Result<Vec<String>, NatsError> {
    let is_ours = |varz: &&Varz| {
        let is_near = cluster.is_none_or(|name| varz.cluster.name == name) && varz.jetstream.config.is_some();
        holders.contains_key(&varz.name) || is_near
    };
    for varz in seen.iter().filter(is_ours) {
        let server = || varz.name.clone();
        if !is_new(&varz.version) {
            let [major, minor, patch] = VERSION_MIN;
            let what =
                format!("it is {}, and {major}.{minor}.{patch} is the oldest that will do", varz.version);
            return Err(NatsError::Unsafe { server: server(), what });
        }
        if !varz.jetstream.config.is_some_and(|config| config.sync_always) {
            return Err(NatsError::Unsafe { server: server(), what: NOT_SYNCED.to_owned() });
        }
    }
    let was_seen = |name: &str| seen.iter().any(|varz| varz.name == name);
    let unseen: Vec<_> = holders.iter().filter(|(name, _)| !was_seen(name)).collect();
    let down: Vec<String> =
        unseen.iter().filter(|(_, is_down)| **is_down).map(|(name, _)| (*name).clone()).collect();
    if down.len() < unseen.len() || 2 * unseen.len() >= holders.len() {
        let servers = unseen.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(NatsError::Unseen { servers });
    }
    Ok(down)
}

/// Those of the holders that ping so seldom that one that is cut off may be missed for long, and how often.
pub(super) fn slow_pings(holders: &BTreeMap<String, bool>, seen: &[Varz]) -> BTreeMap<String, Duration> {
    let ours = seen.iter().filter(|varz| holders.contains_key(&varz.name));
    let intervals = ours.map(|varz| (varz.name.clone(), Duration::from_nanos(varz.ping_interval)));
    intervals.filter(|(_, interval)| *interval > PING_INTERVAL_MAX).collect()
}

const NOT_SYNCED: &str = "it acknowledges before it writes to disk. Its configuration needs \
    `jetstream { sync_interval: always }`, and it has to be restarted";

fn is_new(version: &str) -> bool {
    let release = version.split('-').next().unwrap_or_default();
    let parts: Option<Vec<u64>> = release.split('.').map(|part| part.parse().ok()).collect();
    parts.is_some_and(|parts| parts.as_slice() >= VERSION_MIN.as_slice())
}

#[cfg(test)]
mod tests {
    use super::super::setup::Replica;
    use super::super::varz::{Cluster, JetStream, JetStreamConfig};
    use super::*;

    fn varz(name: &str, version: &str, sync_always: bool) -> Varz {
        Varz {
            name: name.into(),
            version: version.into(),
            cluster: Cluster { name: "n".into() },
            jetstream: JetStream { config: Some(JetStreamConfig { sync_always }) },
            ping_interval: 0,
        }
    }

    fn three(down: &str) -> BTreeMap<String, bool> {
        ["a", "b", "c"].into_iter().map(|name| (name.to_owned(), name == down)).collect()
    }

    fn good() -> Vec<Varz> {
        vec![varz("a", "2.10.27", true), varz("b", "2.15.1", true), varz("c", "3.0.0-RC.1", true)]
    }

    #[test]
    fn a_server_is_down_if_others_answer() {
        let replica = |name: &str, offline| Replica { name: name.into(), offline };
        let replicas = Some(vec![replica("b", false), replica("c", true)]);
        let clusters = [StreamCluster { name: None, leader: Some("a".into()), replicas }];
        let of = |answering: &[&str]| {
            let answering = answering.iter().map(|name| (*name).to_owned()).collect();
            holders(&clusters, "a", &answering).into_values().collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), [false, false, true]);
        assert_eq!(of(&["a"]), [false, true, true]);
        assert_eq!(of(&["a", "b"]), [false, false, true]);
        assert_eq!(holders(&[], "a", &BTreeSet::new()).into_keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn servers_that_ping_seldom_are_named() {
        let every =
            |name: &str, s: u64| Varz { ping_interval: s * 1_000_000_000, ..varz(name, "2.15.1", true) };
        let seen = [every("a", 2), every("b", 120), every("c", 10), every("d", 120)];
        let slow = slow_pings(&three(""), &seen);
        assert_eq!(slow.into_iter().collect::<Vec<_>>(), [("b".to_owned(), Duration::from_secs(120))]);
    }

    #[test]
    fn servers_that_sync_will_do() {
        assert_eq!(judge(&three(""), Some("n"), &good()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_server_that_is_old_or_does_not_sync_will_not() {
        for bad in [varz("c", "2.10.26", true), varz("c", "2.15.1", false), varz("d", "2.15.1", false)] {
            let mut seen = good();
            seen.push(bad.clone());
            let judged = judge(&three(""), Some("n"), &seen);
            assert!(matches!(judged, Err(NatsError::Unsafe { server, .. }) if server == bad.name));
        }
        let elsewhere = Varz { cluster: Cluster { name: "m".into() }, ..varz("d", "2.15.1", false) };
        assert!(judge(&three(""), Some("n"), &[good(), vec![elsewhere]].concat()).is_ok());
    }

    #[test]
    fn a_server_that_nobody_saw_must_be_down_and_most_must_be_seen() {
        let two = &good()[..2];
        assert!(
            matches!(judge(&three(""), Some("n"), two), Err(NatsError::Unseen { servers }) if servers == "c")
        );
        assert_eq!(judge(&three("c"), Some("n"), two).unwrap(), ["c"]);
        assert!(matches!(judge(&three("c"), Some("n"), &two[..1]), Err(NatsError::Unseen { .. })));
        let all_down = three("").into_keys().map(|name| (name, true)).collect();
        assert!(judge(&all_down, Some("n"), &[]).is_err());
    }
}
