//! A running broker, for the program that embeds it.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::tls::Tls;
use crate::amqp::{self, Endpoints, Stream, listener};
use crate::auth::{Permission, User};
use crate::broker::import::{self, Defaults, Target};
use crate::broker::journal::Journal;
use crate::broker::node::node_name;
use crate::broker::operations::{
    self, AckMode, Caller, GotMessage, NewMessage, PeekedMessage, Published, Scope, Secret, UserPermission,
};
use crate::broker::overview::ConnectionOverview;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::{ImportError, OperationError, VhostChange};
use crate::config::Config;
use crate::ledger;
use crate::message;
use crate::policy::{Policy, PolicyKind};
use crate::queue::{ConnectionId, Counts, Peek, PeekState};
use crate::statistics::{BrokerCounters, ChannelCounters, ExchangeStatistics, QueueStatistics};
use crate::store::{self, Store};
use crate::telemetry::Counters;
use crate::time::{Time, Timestamp};

/// How long connections have to close when the broker stops.
const CONNECTIONS_CLOSE_MAX: Duration = Duration::from_secs(3);

/// A queue of a running broker, for the program that runs it.
#[derive(Clone, Debug)]
pub struct QueueHandle {
    shared: Arc<Shared>,
    epoch: Timestamp,
    record: Arc<QueueRecord>,
}

impl QueueHandle {
    /// Numbers about it; `None` if it is gone.
    pub async fn counts(&self) -> Option<Counts> {
        self.record.counts().await
    }

    /// What has happened in it since it was made or the broker started.
    #[must_use]
    pub fn statistics(&self) -> &QueueStatistics {
        &self.record.statistics
    }

    /// Shows up to `limit` messages in a state, at most [`PEEK_MAX`](crate::queue::PEEK_MAX), after the first `offset`, and
    /// changes nothing; `None` if the queue is gone. Messages that are not in memory are shown without their content.
    pub async fn peek(&self, state: PeekState, offset: usize, limit: usize) -> Option<Vec<PeekedMessage>> {
        operations::peek_in(&self.shared, self.epoch, &self.record, Peek { state, offset, limit }).await
    }

    /// Makes all its parked messages ready; how many they were, `None` if it is gone.
    pub async fn release_parked(&self) -> Option<usize> {
        operations::release_parked_in(&self.record).await
    }

    /// Drops all its parked messages; how many they were, `None` if it is gone.
    pub async fn drop_parked(&self) -> Option<usize> {
        operations::drop_parked_in(&self.record).await
    }
}

/// The journal of a virtual host, for the program that runs the broker. It can be read when the broker is gone, too.
#[derive(Clone, Debug)]
pub struct JournalHandle(Arc<Vhost>);

impl Deref for JournalHandle {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        &self.0.journal
    }
}

/// A running broker.
pub struct BrokerHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) tls_addresses: Vec<SocketAddr>,
    pub(super) http_addresses: Vec<SocketAddr>,
    pub(super) https_addresses: Vec<SocketAddr>,
    pub(super) metrics_addresses: Vec<SocketAddr>,
    pub(super) control_socket: Option<PathBuf>,
    pub(super) metrics_tls_addresses: Vec<SocketAddr>,
    pub(super) tls: Tls,
    pub(super) tasks: Vec<JoinHandle<()>>,
    pub(super) store: Option<Store>,
    pub(super) failed: Option<oneshot::Receiver<store::Error>>,
}

impl BrokerHandle {
    /// The addresses it listens on, in the order of the settings, with the ports that were picked.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The first of them.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }

    /// The addresses on which it speaks AMQP over TLS, with the ports that were picked.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// The addresses of its management API over TLS, with the ports that were picked.
    #[must_use]
    pub fn https_addresses(&self) -> &[SocketAddr] {
        &self.https_addresses
    }

    /// The addresses of its metrics over TLS, with the ports that were picked.
    #[must_use]
    pub fn metrics_tls_addresses(&self) -> &[SocketAddr] {
        &self.metrics_tls_addresses
    }

    /// The file with the certificate of the authority that the broker made for itself, if it did: clients have to trust it. A broker
    /// in memory removes it when it stops.
    #[must_use]
    pub fn development_ca(&self) -> Option<&Path> {
        self.tls.development_ca()
    }

    /// Reads the files of TLS again, now; the log says what came of it. The broker looks at them by itself every
    /// few seconds.
    pub async fn reload_tls(&self) {
        self.tls.reload().await;
    }

    /// The addresses of its management API, with the ports that were picked.
    #[must_use]
    pub fn http_addresses(&self) -> &[SocketAddr] {
        &self.http_addresses
    }

    /// The addresses of its metrics, with the ports that were picked.
    #[must_use]
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Its control socket: the management API for whoever runs the broker, without a login.
    #[must_use]
    pub fn control_socket(&self) -> Option<&Path> {
        self.control_socket.as_deref()
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The name by which tools know it as a node.
    #[must_use]
    pub fn node_name(&self) -> String {
        node_name(&self.shared.config)
    }

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// What happened on all channels since the start, those that are closed included.
    #[must_use]
    pub fn channel_totals(&self) -> ChannelCounters {
        self.shared.sums.channels.read()
    }

    /// What was opened, closed, made and deleted since the start.
    #[must_use]
    pub fn totals(&self) -> BrokerCounters {
        self.shared.totals.read()
    }

    /// The queue of that name in a vhost, if it is there.
    #[must_use]
    pub fn queue(&self, vhost: &str, name: &str) -> Option<QueueHandle> {
        let vhost = self.shared.vhosts.get(vhost)?;
        let record = vhost.queue_named(name)?;
        Some(QueueHandle { shared: Arc::clone(&self.shared), epoch: vhost.clock.epoch(), record })
    }

    /// The journal of a vhost, if it is there.
    #[must_use]
    pub fn journal(&self, vhost: &str) -> Option<JournalHandle> {
        self.shared.vhost(vhost).map(JournalHandle)
    }

    /// Bytes of memory by what they are kept for, estimates where many small things make one up: `messages`, which all brokers of
    /// a process share, and the kinds of the [ledger](crate::ledger). `definitions` is 0 for a broker without limits.
    #[must_use]
    pub fn memory_by_kind(&self) -> Vec<(&'static str, usize)> {
        let ledger = &self.shared.ledger;
        let kinds = ledger::Kind::ALL.into_iter().map(|kind| (kind.name(), ledger.bytes(kind)));
        std::iter::once(("messages", message::bytes_in_memory())).chain(kinds).collect()
    }

    /// What has passed through an exchange since it was made or the broker started; `""` is the default exchange. `None` if
    /// there is none of this name.
    #[must_use]
    pub fn exchange_statistics(&self, vhost: &str, exchange: &str) -> Option<Arc<ExchangeStatistics>> {
        self.shared.vhosts.get(vhost)?.topology.read().statistics(exchange.as_bytes())
    }

    /// The broker's time, for rates: see [`Recorder::read_before`](crate::statistics::Recorder::read_before).
    #[must_use]
    pub fn now(&self) -> Time {
        self.shared.clock.now()
    }

    /// Open connections, by id, as they are now.
    #[must_use]
    pub fn connections(&self) -> Vec<Arc<ConnectionOverview>> {
        operations::connections(&self.shared)
    }

    /// Serves a connection over any stream, as if its peer had connected over loopback.
    pub fn attach(&self, stream: impl Stream) -> JoinHandle<()> {
        let config = listener::session_config(&self.shared.config);
        let endpoints = Endpoints {
            peer: SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0)),
            local: None,
            secured: None,
            is_again: false,
        };
        tokio::spawn(amqp::run(Arc::clone(&self.shared), stream, endpoints, config, None))
    }

    /// Imports definitions in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>). Users, permissions and
    /// policies are overwritten; vhosts, exchanges, queues and bindings are made if they are not there. Objects without
    /// a vhost belong to the default one. Answers when all is durable and in use.
    ///
    /// # Errors
    /// The first fault found: then nothing was changed.
    pub async fn import_definitions(&self, json: &str) -> Result<(), ImportError> {
        let target = Target::of(&self.shared.config);
        import::import(&self.shared, json, target, Defaults::None)
            .await?
            .log("the embedding program", Caller::Operator.logged());
        Ok(())
    }

    /// All definitions in the same format, passwords as hashes: [`import_definitions`](Self::import_definitions) makes the same
    /// of them. Exclusive queues are not among them.
    ///
    /// # Errors
    /// None for the program that runs the broker.
    pub async fn export_definitions(&self) -> Result<String, OperationError> {
        Ok(operations::export(&self.shared, Caller::Operator).await?.to_string())
    }

    /// Makes a vhost; `false` if it is there already. Answers when it is durable. Nobody has a permission on it yet.
    ///
    /// # Errors
    /// `InvalidName`.
    pub async fn put_vhost(&self, name: &str) -> Result<bool, OperationError> {
        operations::put_vhost(&self.shared, Caller::Operator, name, VhostChange::default()).await
    }

    /// Deletes a vhost with everything in it. Its connections are closed with 320 `CONNECTION_FORCED`.
    ///
    /// # Errors
    /// `NoVhost`.
    pub async fn delete_vhost(&self, name: &str) -> Result<(), OperationError> {
        operations::delete_vhost(&self.shared, Caller::Operator, name).await
    }

    /// The names of all vhosts, sorted.
    #[must_use]
    pub fn vhosts(&self) -> Vec<String> {
        operations::vhosts(&self.shared).iter().map(|vhost| vhost.name.clone()).collect()
    }

    /// Adds or replaces a user with a password or its hash, and tags such as `administrator`. Permissions and connections
    /// stay. Answers when it is durable.
    ///
    /// # Errors
    /// `InvalidName`, `NoRandomness`.
    pub async fn put_user(&self, name: &str, secret: Secret, tags: &[&str]) -> Result<(), OperationError> {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        operations::put_user(&self.shared, Caller::Operator, name, secret, tags).await.map(drop)
    }

    /// Deletes a user. The user's connections are closed with 320 `CONNECTION_FORCED`.
    ///
    /// # Errors
    /// `NoUser`.
    pub async fn delete_user(&self, name: &str) -> Result<(), OperationError> {
        operations::delete_user(&self.shared, Caller::Operator, name).await
    }

    /// All users, by name.
    ///
    /// # Errors
    /// None for the program that runs the broker.
    pub fn users(&self) -> Result<Vec<User>, OperationError> {
        operations::users(&self.shared, Caller::Operator)
    }

    /// Sets what a user may do on a vhost, at once also for connections that are open. Answers when it is durable.
    ///
    /// # Errors
    /// `NoUser`, `NoVhost`, `Pattern`.
    pub async fn put_permission(
        &self,
        user: &str,
        vhost: &str,
        permission: Permission,
    ) -> Result<(), OperationError> {
        operations::put_permission(&self.shared, Caller::Operator, user, vhost, permission).await.map(drop)
    }

    /// Takes a user's permission on a vhost away, at once also from connections that are open. They stay open.
    ///
    /// # Errors
    /// `NoUser`, `NoVhost`, `NoPermission`.
    pub async fn remove_permission(&self, user: &str, vhost: &str) -> Result<(), OperationError> {
        operations::remove_permission(&self.shared, Caller::Operator, user, vhost).await
    }

    /// All permissions, by user and vhost.
    ///
    /// # Errors
    /// None for the program that runs the broker.
    pub fn permissions(&self) -> Result<Vec<UserPermission>, OperationError> {
        operations::permissions(&self.shared, Caller::Operator)
    }

    /// Adds or replaces a policy (<https://www.rabbitmq.com/docs/policies>). Answers when it is durable and every queue
    /// and exchange has been told: what a client does from then on finds it in force.
    ///
    /// # Errors
    /// `NoVhost`; `Policy` for what [`Policy::check`] refuses: then nothing was changed.
    pub async fn put_policy(&self, vhost: &str, policy: Policy) -> Result<(), OperationError> {
        self.change(vhost, async |scope| operations::put_policy(scope, policy).await.map(drop)).await
    }

    /// Removes a policy. Answers as [`put_policy`](Self::put_policy) does.
    ///
    /// # Errors
    /// `NoVhost`, `NotFound`.
    pub async fn remove_policy(
        &self,
        vhost: &str,
        kind: PolicyKind,
        name: &str,
    ) -> Result<(), OperationError> {
        self.change(vhost, async |scope| operations::remove_policy(scope, kind, name).await).await
    }

    /// All policies of a vhost, by kind and name.
    ///
    /// # Errors
    /// `NoVhost`.
    pub fn policies(&self, vhost: &str) -> Result<Vec<Policy>, OperationError> {
        Ok(operations::policies(self.scope(&self.vhost(vhost)?)))
    }

    /// Publishes a message as a client in confirm mode does, and waits for its queues.
    ///
    /// # Errors
    /// `NoVhost`; `Publish`: no such exchange, or properties that make no sense; `Blocked`.
    pub async fn publish(&self, vhost: &str, message: NewMessage<'_>) -> Result<Published, OperationError> {
        self.change(vhost, async |scope| operations::publish(scope, message).await).await
    }

    /// Gets up to `count` messages of a queue, in their order, and settles them.
    ///
    /// # Errors
    /// `NoVhost`, `NotFound`.
    pub async fn get(
        &self,
        vhost: &str,
        queue: &str,
        count: usize,
        ack_mode: AckMode,
    ) -> Result<Vec<GotMessage>, OperationError> {
        self.change(vhost, async |scope| operations::get_and_settle(scope, queue, count, ack_mode).await)
            .await
    }

    /// Shows messages of a queue and changes nothing: see [`QueueHandle::peek`].
    ///
    /// # Errors
    /// `NoVhost`, `NotFound`.
    pub async fn peek(
        &self,
        vhost: &str,
        queue: &str,
        state: PeekState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<PeekedMessage>, OperationError> {
        operations::peek(self.scope(&self.vhost(vhost)?), queue, state, offset, limit).await
    }

    /// Drops all ready and waiting messages of a queue; how many they were.
    ///
    /// # Errors
    /// `NoVhost`, `NotFound`.
    pub async fn purge(&self, vhost: &str, queue: &str) -> Result<usize, OperationError> {
        self.change(vhost, async |scope| operations::purge(scope, queue).await).await
    }

    /// Closes a connection: its client sees 320 `CONNECTION_FORCED` with the reason. Does not wait for it.
    ///
    /// # Errors
    /// `NoConnection`.
    pub fn close_connection(&self, id: ConnectionId, reason: &str) -> Result<(), OperationError> {
        operations::close_connection(&self.shared, Caller::Operator, id, reason)
    }

    /// Closes a channel: its client sees 406 `PRECONDITION_FAILED` with the reason. Does not wait for it.
    ///
    /// # Errors
    /// `NoConnection`, `NoChannel`.
    pub fn close_channel(&self, id: ConnectionId, channel: u16, reason: &str) -> Result<(), OperationError> {
        operations::close_channel(&self.shared, Caller::Operator, id, channel, reason)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn vhost(&self, name: &str) -> Result<Arc<Vhost>, OperationError> {
        operations::vhost(&self.shared, name)
    }

    /// Changes something in a vhost.
    async fn change<T>(
        &self,
        name: &str,
        what: impl AsyncFnOnce(Scope<'_>) -> Result<T, OperationError>,
    ) -> Result<T, OperationError> {
        let vhost = self.vhost(name)?;
        let visit = vhost.visit();
        let done = what(self.scope(&vhost)).await?;
        if visit.is_kept() { Ok(done) } else { Err(OperationError::Moving(name.to_owned())) }
    }

    const fn scope<'a>(&'a self, vhost: &'a Arc<Vhost>) -> Scope<'a> {
        Scope { shared: &self.shared, vhost, caller: Caller::Operator }
    }

    /// Stops taking publishes: publishers are told why (connection.blocked) and their sockets are not read until
    /// [`unblock`](Self::unblock). Consumers go on.
    pub fn block(&self, reason: &str) {
        self.shared.alarms.send_modify(|alarms| alarms.by_hand = Some(reason.to_owned()));
    }

    /// Takes publishes again.
    pub fn unblock(&self) {
        self.shared.alarms.send_modify(|alarms| alarms.by_hand = None);
    }

    /// Waits until somebody asks, over the management API, for the broker to be stopped. Whoever runs it then should call
    /// [`shutdown`](Self::shutdown).
    pub fn stop_asked(&self) -> impl Future<Output = ()> + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let mut asked = shared.stop_asked.subscribe();
            // Its sender is held by this itself.
            let _ = asked.wait_for(|asked| *asked).await;
        }
    }

    /// Waits until the store fails. What was confirmed is safe; nothing more can be, so the process should end.
    pub async fn failed(&mut self) -> store::Error {
        match self.failed.as_mut() {
            Some(failed) => match failed.await {
                Ok(error) => error,
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// Stops: tells clients (320 CONNECTION_FORCED), waits a while for them, flushes confirms, syncs and closes the store.
    pub async fn shutdown(mut self) -> Result<(), store::Error> {
        self.close_connections().await;
        let Some(store) = self.store.take() else { return Ok(()) };
        let closed = tokio::task::spawn_blocking(move || store.shutdown()).await;
        closed.unwrap_or(Err(store::Error::Stopped))
    }

    /// Stops taking connections, tells clients (320 CONNECTION_FORCED), and waits a while for them.
    async fn close_connections(&mut self) {
        self.shared.stopping.send_replace(true);
        let tasks = std::mem::take(&mut self.tasks);
        let all_gone = async {
            for task in tasks {
                // A listener that panicked has nothing more to wait for.
                let _ = task.await;
            }
        };
        let clock = self.shared.clock;
        if clock.within(CONNECTIONS_CLOSE_MAX, all_gone).await.is_none() {
            tracing::warn!("some connections did not end in time");
        }
    }
}
