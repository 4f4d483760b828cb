//! Where a cluster is, and how the things of one are called in NATS.

use super::error::NatsError;
use std::fmt;
use std::path::PathBuf;

/// Where a cluster is.
#[derive(Clone, Default)]
pub struct NatsOptions {
    /// Its servers, `nats://HOST:4222`, `nats://USER:PASSWORD@HOST:4222` or `nats://TOKEN@HOST:4222`, and `tls://` for those that want
    /// it: the nearest one first. The first user that is named is that of all servers. Others of the same cluster are found by themselves.
    pub servers: Vec<String>,
    /// Its name: 1 to 64 of the letters a-z and A-Z, digits, `-` and `_`.
    pub cluster: String,
    /// A file of credentials, as `nsc` makes it.
    pub credentials: Option<PathBuf>,
    /// Where the servers' configuration can be seen, which an ordinary user of NATS cannot: `http://HOST:8222`, the monitoring page of
    /// each server; or `nats://USER:PASSWORD@HOST:4222`, a user of the system account, whom one server tells of all.
    pub monitoring: Vec<String>,
    /// A file of credentials of a user of the system account: the same.
    pub system_credentials: Option<PathBuf>,
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("servers", &shown_all(&self.servers))
            .field("cluster", &self.cluster)
            .field("monitoring", &shown_all(&self.monitoring))
            .finish_non_exhaustive()
    }
}

/// An address without what is secret in it.
pub(super) fn shown(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => address.to_owned(),
    }
}

/// Addresses without what is secret in them.
pub(super) fn shown_all(addresses: &[String]) -> String {
    addresses.iter().map(|address| shown(address)).collect::<Vec<_>>().join(", ")
}

/// How things are called.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) cluster: String,
    /// The stream.
    pub(super) stream: String,
    /// Its subject.
    pub(super) frames: String,
    /// Where whoever appended a frame says so.
    pub(super) appended: String,
}

/// A bucket of the key-value store, which is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    /// Who may try to lead.
    Lease,
    /// What nodes say of themselves.
    Members,
    /// What the cluster is.
    Meta,
}

impl Bucket {
    pub(super) const ALL: [Self; 3] = [Self::Lease, Self::Members, Self::Meta];

    const fn suffix(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Members => "members",
            Self::Meta => "meta",
        }
    }
}

impl Names {
    /// # Errors
    /// [`NatsError::Name`].
    pub(super) fn of(cluster: &str) -> Result<Self, NatsError> {
        const LEN_MAX: usize = 64;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if cluster.is_empty() || cluster.len() > LEN_MAX || !cluster.chars().all(is_plain) {
            return Err(NatsError::Name(cluster.to_owned()));
        }
        Ok(Self {
            cluster: cluster.to_owned(),
            stream: format!("coney-{cluster}"),
            frames: format!("coney.{cluster}.log"),
            appended: format!("coney.{cluster}.appended"),
        })
    }

    /// Those of one of its shards for vhosts, which are called as the things of another cluster would be.
    ///
    /// # Errors
    /// [`NatsError::Name`]: it gets too long.
    pub(super) fn of_shard(&self, shard: u16) -> Result<Self, NatsError> {
        if shard == 0 { Ok(self.clone()) } else { Self::of(&format!("{}-{shard}", self.cluster)) }
    }

    /// Whether the name is one that a shard of another cluster could have.
    pub(super) fn is_of_shard(&self) -> bool {
        let number = self.cluster.rsplit_once('-').map(|(_, number)| number).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    }

    pub(super) fn bucket(&self, bucket: Bucket) -> String {
        format!("coney-{}-{}", self.cluster, bucket.suffix())
    }

    /// The stream of a bucket.
    pub(super) fn bucket_stream(&self, bucket: Bucket) -> String {
        format!("KV_{}", self.bucket(bucket))
    }

    /// The subject of a key; `>` for all.
    pub(super) fn key(&self, bucket: Bucket, key: &str) -> String {
        format!("$KV.{}.{key}", self.bucket(bucket))
    }
}

/// A node's name as a key: what keys cannot have is `=` and two hexadecimal digits a byte.
pub(super) fn key_of(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let of = |byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("={byte:02x}") };
    name.bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_s_name_is_no_new_cluster_s() {
        let is_of_shard = |name: &str| Names::of(name).unwrap().is_of_shard();
        assert!(is_of_shard("prod-1") && is_of_shard(&Names::of("a").unwrap().of_shard(64).unwrap().cluster));
        assert!(
            !is_of_shard("prod") && !is_of_shard("prod-a1") && !is_of_shard("prod1") && !is_of_shard("p-")
        );
    }

    #[test]
    fn names_of_clusters_are_plain_and_keys_are_of_one_node() {
        assert!(Names::of("a-B_9").is_ok());
        for wrong in ["", "a.b", "a b", "*", ">", "ä", &"a".repeat(65)] {
            assert!(matches!(Names::of(wrong), Err(NatsError::Name(_))), "{wrong}");
        }
        assert_eq!(key_of("node-1"), "node-1");
        assert_eq!(key_of("a.b"), "a=2eb");
        assert_ne!(key_of("a=2eb"), key_of("a.b"));
    }
    #[test]
    fn what_is_secret_is_not_shown() {
        assert_eq!(shown("nats://me:secret@host:4222"), "nats://host:4222");
        assert_eq!(shown("me:secret@host"), "host");
        assert_eq!(shown("http://host:8222"), "http://host:8222");
        let options = NatsOptions { servers: vec!["nats://me:secret@host".into()], ..NatsOptions::default() };
        assert!(!format!("{options:?}").contains("secret"));
    }
}
