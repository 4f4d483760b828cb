//! Operations of many at a time, and the commits they share.

use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::{Caller, DeclareQueue, DeleteIf, Scope, bind, declare_exchange, declare_queue, delete_queue};
use crate::broker::clock::Clock;
use crate::broker::definitions::Definition;
use crate::broker::error::OperationError;
use crate::broker::import::{Defaults, Target, import};
use crate::broker::mailbox::Mail;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{Home, Moving, VhostSettings};
use crate::config::Config;
use crate::message::{Message, Parts};
use crate::queue::{Command, ConnectionId};
use crate::session::outgoing::Envelope;
use crate::store::{ManualCommitter, MemoryDisk, StoreHandle, open_manual};
use crate::topology::{Binding, Destination, ExchangeKind, ExchangeSpec};

/// A broker with one vhost, whose store commits when it is told to.
struct World {
    disk: MemoryDisk,
    store: StoreHandle,
    committer: ManualCommitter,
    shared: Arc<Shared>,
    vhost: Arc<Vhost>,
}

impl World {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (store, committer, recovered) = open_manual(disk.clone()).unwrap();
        let (queue, position) = (recovered.first_queue_id, recovered.next_position);
        let shared =
            Arc::new(Shared::new(Config::default(), Clock::system(), store.clone(), queue, position));
        let vhost = shared.new_vhost("/");
        Self { disk, store, committer, shared, vhost }
    }

    fn spawn<T: Send + 'static, F>(
        &self,
        operation: impl FnOnce(Scope<'static>) -> F,
    ) -> JoinHandle<Result<T, OperationError>>
    where
        F: Future<Output = Result<T, OperationError>> + Send + 'static,
    {
        // A test's broker may as well live for ever.
        let shared: &'static Arc<Shared> = Box::leak(Box::new(Arc::clone(&self.shared)));
        let vhost: &'static Arc<Vhost> = Box::leak(Box::new(Arc::clone(&self.vhost)));
        tokio::spawn(operation(Scope { shared, vhost, caller: Caller::Operator }))
    }

    fn declare(&self, name: &str) -> JoinHandle<Result<super::Declared, OperationError>> {
        let declare = DeclareQueue { name: name.to_owned(), durable: true, ..DeclareQueue::default() };
        self.spawn(|scope| declare_queue(scope, declare))
    }

    /// Commits what was submitted, and tells those who wait until there is less of it.
    async fn commit(&mut self) {
        self.committer.commit_pending();
        self.shared.store_progress.notify_waiters();
        settle().await;
    }

    /// Gives a durable queue so much to store that it waits until there is less.
    fn make_wait(&self, name: &str) {
        let message =
            Message::new(Parts { body: &[0; 9 * 1024 * 1024], persistent: true, ..Parts::default() });
        let publish = Command::Publish(ConnectionId(1), vec![Envelope::default().publish(message)]);
        self.vhost.queue_named(name).unwrap().mailbox.send(Mail::Tell(publish)).unwrap();
    }

    /// The names of the queues that a crash would leave.
    fn durable_queues(&self) -> Vec<String> {
        let (_, _, recovered) = open_manual(self.disk.clone()).unwrap();
        let definitions = Definition::read_all(&recovered.definitions).unwrap();
        let name = |definition| match definition {
            Definition::Queue(_, queue) => Some(queue.name),
            _ => None,
        };
        definitions.into_iter().filter_map(name).collect()
    }
}

/// Until every task has done what it can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn declares_of_many_connections_share_a_commit_and_none_is_answered_before_it() {
    let mut world = World::new();
    let declares: Vec<_> = (0..10).map(|number| world.declare(&format!("q{number}"))).collect();
    settle().await;
    assert!(declares.iter().all(|declare| !declare.is_finished()));
    let syncs = world.store.stats().syncs;
    assert_eq!(world.committer.commit_pending(), 10);
    for declare in declares {
        assert!(declare.await.unwrap().unwrap().is_new);
    }
    assert_eq!(world.store.stats().syncs - syncs, 1);
    assert_eq!(world.durable_queues().len(), 10);
}

#[tokio::test]
async fn nobody_waits_for_a_queue_that_takes_its_time_to_end() {
    let mut world = World::new();
    let busy = world.declare("busy");
    settle().await;
    world.commit().await;
    busy.await.unwrap().unwrap();
    world.make_wait("busy");
    settle().await;
    let deleted = world.spawn(|scope| delete_queue(scope, "busy", DeleteIf::default()));
    settle().await;
    let other = DeclareQueue { name: "other".to_owned(), ..DeclareQueue::default() };
    let other = world.spawn(|scope| declare_queue(scope, other));
    settle().await;
    assert!(other.is_finished() && !deleted.is_finished());
    world.commit().await;
    world.commit().await;
    assert_eq!(deleted.await.unwrap().unwrap(), 1);
    assert_eq!(world.durable_queues(), [""; 0]);
}

#[tokio::test]
async fn a_queue_is_gone_whether_or_not_somebody_waits_for_that() {
    let mut world = World::new();
    let declared = world.declare("q");
    settle().await;
    world.commit().await;
    declared.await.unwrap().unwrap();
    world.make_wait("q");
    settle().await;
    let deleted = world.spawn(|scope| delete_queue(scope, "q", DeleteIf::default()));
    settle().await;
    deleted.abort();
    world.commit().await;
    assert!(world.vhost.queue_named("q").is_none());
    world.commit().await;
    assert_eq!(world.durable_queues(), [""; 0]);
}

#[tokio::test]
async fn who_finds_what_is_not_yet_durable_waits_as_well() {
    let mut world = World::new();
    let first = world.declare("q");
    settle().await;
    let second = world.declare("q");
    let topic = ExchangeSpec::new("x", ExchangeKind::Topic);
    let exchange = world.spawn(|scope| declare_exchange(scope, topic));
    settle().await;
    let binding = Binding {
        source: "x".to_owned(),
        destination: Destination::Queue("q".to_owned()),
        routing_key: "k".to_owned(),
        arguments: Default::default(),
    };
    let bound = world.spawn(|scope| bind(scope, binding));
    settle().await;
    assert!(!first.is_finished() && !second.is_finished());
    assert!(!exchange.is_finished() && !bound.is_finished());
    world.committer.commit_pending();
    assert!(first.await.unwrap().unwrap().is_new && !second.await.unwrap().unwrap().is_new);
    exchange.await.unwrap().unwrap();
    bound.await.unwrap().unwrap();
}

#[tokio::test]
async fn operations_on_one_name_are_durable_in_their_order_whenever_the_power_goes() {
    let mut world = World::new();
    let first = world.declare("q");
    settle().await;
    let deleted = world.spawn(|scope| delete_queue(scope, "q", DeleteIf::default()));
    settle().await;
    let again = world.declare("q");
    settle().await;
    let id = world.vhost.queue_named("q").unwrap().id;
    assert_eq!(world.committer.commit_some(1), 1);
    settle().await;
    assert!(!deleted.is_finished() && !again.is_finished());
    assert_eq!(world.durable_queues(), ["q"], "as the first declare left it");
    drop(first);
    while world.committer.commit_some(1) > 0 {
        settle().await;
        assert!(!again.is_finished() || world.durable_queues() == ["q"]);
        assert!(!deleted.is_finished() || again.is_finished() || world.durable_queues().is_empty());
    }
    assert_eq!(deleted.await.unwrap().unwrap(), 0);
    assert_eq!(again.await.unwrap().unwrap().record.id, id);
    assert_eq!(world.durable_queues(), ["q"]);
}

#[tokio::test]
async fn an_import_waits_for_the_vhosts_that_it_has_something_for_and_no_others() {
    let mut world = World::new();
    world.shared.vhosts.insert("/".to_owned(), Arc::clone(&world.vhost));
    let import = |world: &World, text: &'static str| {
        let shared = Arc::clone(&world.shared);
        let target = Target::Broker { default_vhost: "/" };
        tokio::spawn(async move { import(&shared, text, target, Defaults::None).await })
    };
    // Somebody is busy in the first one.
    let vhost = Arc::clone(&world.vhost);
    let busy = vhost.lock().await;
    let other = import(
        &world,
        r#"{"vhosts": [{"name": "other"}], "queues": [{"name": "q", "vhost": "other", "durable": true}]}"#,
    );
    settle().await;
    world.commit().await;
    assert!(other.is_finished(), "it waits for a vhost that it does not name");
    other.await.unwrap().unwrap();
    let same = import(&world, r#"{"queues": [{"name": "q", "vhost": "/", "durable": true}]}"#);
    settle().await;
    world.commit().await;
    assert!(!same.is_finished());
    drop(busy);
    settle().await;
    world.commit().await;
    same.await.unwrap().unwrap();
    assert!(world.vhost.queue_named("q").is_some());
}

#[test]
fn what_was_changed_as_a_vhost_began_to_move_does_not_count_as_done() {
    let World { vhost, .. } = World::new();
    let set = |moving| {
        let home = Some(Home { moving, ..Home::default() });
        vhost.set_settings(VhostSettings { home, ..VhostSettings::default() });
    };
    let before = vhost.visit();
    assert!(before.is_kept());
    set(Some(Moving { shard: 1, id: 7, is_closed: false }));
    assert!(!before.is_kept() && !vhost.visit().is_kept());
    // It came back, or the move was given up: what was under way all the time may be missing.
    set(None);
    assert!(!before.is_kept() && vhost.visit().is_kept());
}
