//! A cluster on NATS: connecting, making it, opening it.

use super::client::Client;
use super::directory::NatsDirectory;
use super::error::NatsError;
use super::init::init;
use super::log::NatsLog;
use super::names::{Names, NatsOptions};
use super::restore::restore;
use super::servers::{answering, holders, judge, seen, slow_pings};
use super::setup::{self, Found};
use crate::cluster::directory::{Directory as _, Told};
use crate::cluster::restore::Origin;
use std::collections::BTreeMap;
use std::time::Duration;

/// A connection to NATS.
pub struct Nats {
    client: Client,
    names: Names,
    options: NatsOptions,
}

/// What a node needs of a cluster.
pub struct Opened {
    /// The log.
    pub log: NatsLog,
    /// The directory.
    pub directory: NatsDirectory,
    /// The log's id, which is never 0.
    pub log_id: u64,
    /// What nodes of this cluster know, and others do not.
    pub secret: [u8; 32],
    /// Servers that are down, so that nobody could see whether they keep what they acknowledge.
    pub unchecked: Vec<String>,
    /// Servers that take long to notice that another is cut off, and how often they ping. Of those that were seen; the others may as well.
    pub slow_pings: BTreeMap<String, Duration>,
    /// How many shards for vhosts the cluster has: [`Nats::of_shard`] is a connection to each.
    pub shards: u16,
}

impl Nats {
    /// Connects, within five seconds. A connection that is lost later is made again.
    ///
    /// # Errors
    /// [`NatsError::Name`], [`NatsError::Credentials`], [`NatsError::Connect`].
    pub async fn connect(options: &NatsOptions) -> Result<Self, NatsError> {
        let names = Names::of(&options.cluster)?;
        let name = format!("coney: {}", options.cluster);
        let client = Client::connect(&options.servers, options.credentials.as_deref(), &name).await?;
        Ok(Self { client, names, options: options.clone() })
    }

    /// Makes the cluster, with so many replicas of its streams: 3 or 5, or 1 where nothing matters. The log's id. Servers that do not
    /// answer, because they were just started, are asked again for half a minute.
    ///
    /// # Errors
    /// [`NatsError::AlreadyThere`], [`NatsError::Refused`], [`NatsError::Request`].
    pub async fn init(&self, replicas: usize) -> Result<u64, NatsError> {
        self.init_with_shards(replicas, 0).await
    }

    /// The same with so many shards for vhosts, numbered from 1. They are made first: what was begun and not finished can be made whole.
    ///
    /// # Errors
    /// [`NatsError::AlreadyThere`], [`NatsError::Name`], [`NatsError::Request`].
    pub async fn init_with_shards(&self, replicas: usize, shards: u16) -> Result<u64, NatsError> {
        if self.names.is_of_shard() {
            return Err(NatsError::NameOfShard(self.names.cluster.clone()));
        }
        if shards > 0 && setup::find(&self.client, &self.names).await.is_ok() {
            return Err(NatsError::AlreadyThere(self.names.cluster.clone()));
        }
        for shard in 1..=shards {
            let names = self.names.of_shard(shard)?;
            match init(&self.client, &names, replicas, 0).await {
                // It was made before, and the rest was not.
                Err(NatsError::AlreadyThere(_)) if setup::is_unwritten(&self.client, &names).await? => {}
                made => drop(made?),
            }
        }
        init(&self.client, &self.names, replicas, shards).await
    }

    /// A connection of its own to one of the cluster's shards for vhosts.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn of_shard(&self, shard: u16) -> Result<Self, NatsError> {
        let cluster = self.names.of_shard(shard)?.cluster;
        Self::connect(&NatsOptions { cluster, ..self.options.clone() }).await
    }

    /// Makes a log that goes on from what one node has, in the place of one that is lost; its id. What is left of that is removed, if it is
    /// empty or `discards` says so; `shards` is how many there are for vhosts, if it is the meta shard's. Doing it again goes on where it was interrupted.
    ///
    /// # Errors
    /// [`NatsError::Restore`], [`NatsError::Refused`], [`NatsError::Request`].
    pub async fn restore(
        &self,
        origin: &Origin,
        replicas: usize,
        shards: u16,
        discards: bool,
    ) -> Result<u64, NatsError> {
        restore(&self.client, &self.names, origin, (replicas, shards), discards).await
    }

    /// Which log there is, and what it was made of if another was lost.
    ///
    /// # Errors
    /// [`NatsError::NotThere`], [`NatsError::Changed`], [`NatsError::Request`].
    pub async fn log(&self) -> Result<(u64, Option<Origin>), NatsError> {
        let meta = setup::find(&self.client, &self.names).await?.meta;
        Ok((meta.log_id, meta.origin))
    }

    /// What nodes said of themselves, if anything of that is left.
    pub async fn members(&self) -> Vec<Told> {
        let directory = NatsDirectory::new(self.client.clone(), self.names.clone());
        directory.members().await.unwrap_or_default()
    }

    /// Opens it, if its streams are as they were made and its servers keep what they acknowledge: at least 2.10.27, and
    /// `sync_interval: always`. What they say of themselves is looked at, see [`NatsOptions::monitoring`]. `is_unsafe` opens it whatever
    /// servers do, and says in the process's log what is wrong.
    ///
    /// # Errors
    /// [`NatsError`], but for those of the other functions.
    pub async fn open(&self, is_unsafe: bool) -> Result<Opened, NatsError> {
        let found = setup::find(&self.client, &self.names).await?;
        let (unchecked, slow_pings) = match self.check(&found).await {
            Err(error @ (NatsError::Unsafe { .. } | NatsError::Unseen { .. })) if is_unsafe => {
                tracing::warn!("started nevertheless: {error}");
                <(Vec<_>, BTreeMap<_, _>)>::default()
            }
            checked => checked?,
        };
        let subscriber = self.client.subscribe(self.names.appended.clone()).await?;
        let (client, names) = (self.client.clone(), self.names.clone());
        Ok(Opened {
            log: NatsLog::new(client.clone(), names.clone(), found.log.max_msg_size, subscriber),
            directory: NatsDirectory::new(client, names),
            log_id: found.meta.log_id,
            secret: found.meta.secret,
            shards: found.meta.shards,
            unchecked,
            slow_pings,
        })
    }

    async fn check(&self, found: &Found) -> Result<(Vec<String>, BTreeMap<String, Duration>), NatsError> {
        let connected = self.client.raw().server_info().server_name;
        let cluster = found.clusters.iter().find_map(|cluster| cluster.name.as_deref());
        let (seen, answering) = tokio::join!(seen(&self.client, &self.options), answering(&self.client));
        let holders = holders(&found.clusters, &connected, &answering);
        let down = judge(&holders, cluster, &seen)?;
        for server in &down {
            tracing::warn!(
                server,
                "a nats-server is down: whether it keeps what it acknowledges is not known"
            );
        }
        Ok((down, slow_pings(&holders, &seen)))
    }
}
