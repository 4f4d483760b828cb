//! A running broker, for the program that embeds it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::amqp::{self, Stream, listener};
use crate::broker::definitions::Definition;
use crate::broker::import::{self, Defaults, ImportError};
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::policy::{Policy, PolicyError, PolicyKind};
use crate::queue::{Command, Counts, Reply};
use crate::store::{self, Store};
use crate::telemetry::Counters;

/// How long connections have to say goodbye when the broker stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// A queue of a running broker, for the program that runs it.
#[derive(Clone, Debug)]
pub struct QueueHandle {
    record: Arc<QueueRecord>,
}

impl QueueHandle {
    /// Numbers about it; `None` if it is gone.
    pub async fn counts(&self) -> Option<Counts> {
        Vhost::counts(&self.record).await
    }

    /// Makes all its parked messages ready; how many they were, `None` if it is gone.
    pub async fn release_parked(&self) -> Option<usize> {
        match self.record.mailbox.ask(Command::ReleaseParked).await? {
            Reply::Released(count) => Some(count),
            _ => None,
        }
    }

    /// Drops all its parked messages; how many they were, `None` if it is gone.
    pub async fn drop_parked(&self) -> Option<usize> {
        match self.record.mailbox.ask(Command::DropParked).await? {
            Reply::Dropped(count) => Some(count),
            _ => None,
        }
    }
}

/// A running broker.
pub struct BrokerHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) addresses: Vec<SocketAddr>,
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

    /// What it counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// The queue of that name in a vhost, if it is there.
    #[must_use]
    pub fn queue(&self, vhost: &str, name: &str) -> Option<QueueHandle> {
        let vhost = self.shared.vhosts.get(vhost)?;
        vhost.queue_named(name).map(|record| QueueHandle { record })
    }

    /// Open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.len()
    }

    /// Serves a connection over any stream, as if its peer had connected over loopback.
    pub fn attach(&self, stream: impl Stream) -> JoinHandle<()> {
        let config = listener::session_config(&self.shared.config);
        let peer = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        tokio::spawn(amqp::run(Arc::clone(&self.shared), stream, peer, config))
    }

    /// Imports definitions in RabbitMQ's JSON format (<https://www.rabbitmq.com/docs/definitions>). Users, permissions and
    /// policies are overwritten; vhosts, exchanges, queues and bindings are made if they are not there. Objects without
    /// a vhost belong to the default one. Answers when all is durable and in use.
    ///
    /// # Errors
    /// The first fault found: then nothing was changed.
    pub async fn import_definitions(&self, json: &str) -> Result<(), ImportError> {
        import::import(&self.shared, json, Defaults::None).await?.tell("the embedding program");
        Ok(())
    }

    /// Adds or replaces a policy (<https://www.rabbitmq.com/docs/policies>). Answers when it is durable and every queue
    /// and exchange has been told: what a client does from then on finds it in force.
    ///
    /// # Errors
    /// No such vhost, or what [`Policy::check`] refuses: then nothing was changed.
    pub async fn put_policy(&self, vhost: &str, policy: Policy) -> Result<(), PolicyError> {
        let found = self.shared.vhosts.get(vhost).map(|vhost| Arc::clone(&vhost));
        let Some(found) = found else { return Err(PolicyError::no_vhost(&policy.name, vhost)) };
        let checked = policy.check(vhost)?;
        let _lock = found.lock().await;
        let definition = Definition::Policy(vhost.to_owned(), checked.policy.clone());
        found.store(&self.shared, vec![definition.put()]).await;
        found.put_policy(checked);
        found.apply_policies();
        Ok(())
    }

    /// Removes a policy; `false` if there is none such. Answers as [`put_policy`](Self::put_policy) does.
    pub async fn remove_policy(&self, vhost: &str, kind: PolicyKind, name: &str) -> bool {
        let found = self.shared.vhosts.get(vhost).map(|vhost| Arc::clone(&vhost));
        let Some(found) = found else { return false };
        let _lock = found.lock().await;
        if !found.has_policy(kind, name) {
            return false;
        }
        found.store(&self.shared, vec![Definition::remove_policy(vhost, kind, name)]).await;
        found.remove_policy(kind, name);
        found.apply_policies();
        true
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
        self.shared.stopping.send_replace(true);
        let tasks = std::mem::take(&mut self.tasks);
        let all_gone = async {
            for task in tasks {
                // A listener that panicked has nothing more to wait for.
                let _ = task.await;
            }
        };
        let clock = self.shared.clock;
        if clock.within(GOODBYE, all_gone).await.is_none() {
            tracing::warn!("some connections did not end in time");
        }
        let Some(store) = self.store.take() else { return Ok(()) };
        let closed = tokio::task::spawn_blocking(move || store.shutdown()).await;
        closed.unwrap_or(Err(store::Error::Stopped))
    }
}
