//! Why a cluster on NATS cannot be made or opened.

/// See the variants.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A name that subjects of NATS cannot have.
    #[error(
        "`{0}` cannot be a cluster's name: it has 1 to 64 of the letters a-z and A-Z, digits, `-` and `_`"
    )]
    Name(String),
    /// A name that the shards of another cluster could have.
    #[error(
        "`{0}` cannot be the name of a new cluster: with a number after `-` it could be that of another cluster's shard"
    )]
    NameOfShard(String),
    /// The credentials cannot be read.
    #[error("the credentials {path}: {why}")]
    Credentials {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// There is no connection.
    #[error("NATS cannot be reached at {servers}: {why}")]
    Connect {
        /// Where.
        servers: String,
        /// What is wrong.
        why: String,
    },
    /// A request failed.
    #[error("NATS: {doing}: {why}")]
    Request {
        /// What was asked.
        doing: String,
        /// What is wrong.
        why: String,
    },
    /// A request was refused, and will be.
    #[error("NATS: {doing}: {why}")]
    Refused {
        /// What was asked.
        doing: String,
        /// What is wrong.
        why: String,
    },
    /// The cluster was made before.
    #[error("the cluster `{0}` is there already")]
    AlreadyThere(String),
    /// No log is to be made in the place of one that is lost.
    #[error("the cluster `{cluster}` cannot be restored: {why}")]
    Restore {
        /// Its name.
        cluster: String,
        /// Why not.
        why: String,
    },
    /// The cluster was not made yet, or a part of it is lost.
    #[error(
        "there is no cluster `{cluster}`, or not all of it: {what} is missing. `coney cluster init` makes one; if it was lost, \
         `coney cluster restore` makes one from the node that has most"
    )]
    NotThere {
        /// Its name.
        cluster: String,
        /// Which stream.
        what: String,
    },
    /// Somebody has changed the stream.
    #[error("the stream {stream} is not as it was made: {what}")]
    Changed {
        /// Which.
        stream: String,
        /// What is wrong.
        what: String,
    },
    /// A server may lose what it acknowledged.
    #[error("the nats-server `{server}` may lose what it has acknowledged: {what}")]
    Unsafe {
        /// Its name.
        server: String,
        /// What is wrong, and what helps.
        what: String,
    },
    /// Nobody says how servers are configured.
    #[error(
        "nobody says whether the nats-server {servers} keeps what it has acknowledged. Coney has to see `/varz` of each: name their \
         monitoring pages (`http: 8222` in the server's configuration is `http://HOST:8222`), or a user of the system account"
    )]
    Unseen {
        /// Their names.
        servers: String,
    },
}

impl NatsError {
    /// Whether it may be otherwise soon: nobody answers, or no server is the leader of something yet.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Request { .. })
    }
}
