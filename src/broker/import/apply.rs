//! An import from beginning to end, under the locks of all vhosts that it touches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::check::{Plan, plan};
use super::parse::{Definitions, NewPermission, NewUser, NewVhost, Secret, Target, parse};
use crate::auth::{Permission, User};
use crate::broker::creation::{RecoveredState, add_exchange, install};
use crate::broker::error::ImportError;
use crate::broker::events::{self, Event, OPERATOR, Parameter, tell_limits};
use crate::broker::pending_definitions::{Mark, PendingDefinitions};
use crate::broker::shared::Shared;
use crate::broker::uninterrupted::{each_in_turn, uninterrupted};
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::{VhostChange, VhostSettings};
use crate::config::{self, Config};
use crate::statistics::BrokerCounters;

/// What is added where the definitions leave it open, as to a new data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defaults<'a> {
    /// The default vhost if the definitions list no vhost or no user; the default user, who may do everything there,
    /// if they list no user. RabbitMQ makes neither as soon as there is a file.
    Add,
    /// What vhosts that are new get, as in RabbitMQ: this user, who asks for them, may do everything there, unless the definitions
    /// say otherwise.
    Creator(&'a str),
    /// Nothing: the data directory is not new, and no user asks.
    None,
}

/// What an import did, for the log.
#[derive(Debug)]
pub(crate) struct Summary {
    /// What has no effect, or differs from what is there.
    pub(crate) notes: Vec<String>,
    /// How many of each kind.
    pub(crate) counts: String,
}

impl Summary {
    fn of(plan: &mut Plan) -> Self {
        let list = |counts: &[(usize, &str)]| {
            counts.iter().map(|(count, what)| format!("{what}: {count}")).collect::<Vec<_>>().join(", ")
        };
        let put = list(&[
            (plan.users.len(), "users"),
            (plan.permissions.len(), "permissions"),
            (plan.topic_permissions.len(), "topic permissions"),
            (plan.policies.len(), "policies"),
        ]);
        let made = list(&[
            (plan.vhosts.len(), "vhosts"),
            (plan.exchanges.len(), "exchanges"),
            (plan.queues.len(), "queues"),
            (plan.bindings.len(), "bindings"),
        ]);
        Self { notes: std::mem::take(&mut plan.notes), counts: format!("put {put}; made {made}") }
    }

    /// Says it in the log: where the definitions came from, and who had them imported.
    pub(crate) fn log(&self, source: &str, by: &str) {
        for note in &self.notes {
            tracing::warn!(by, source, "definitions: {note}");
        }
        tracing::info!(by, source, "definitions were imported: {}", self.counts);
    }
}

/// Imports definitions. Answers when they are durable, visible to routing, and policies have been applied.
///
/// # Errors
/// The first fault of the text; nothing was changed then.
pub(crate) async fn import(
    shared: &Arc<Shared>,
    text: &str,
    target: Target<'_>,
    defaults: Defaults<'_>,
) -> Result<Summary, ImportError> {
    let mut definitions = parse(text, target)?;
    match defaults {
        Defaults::Add => add_defaults(&mut definitions, &shared.config),
        Defaults::Creator(user) => definitions.creator = Some(user.to_owned()),
        Defaults::None => {}
    }
    let shared = Arc::clone(shared);
    uninterrupted(async move { make(&shared, definitions).await }).await
}

async fn make(shared: &Arc<Shared>, definitions: Definitions) -> Result<Summary, ImportError> {
    let (summary, mark, durable) = make_under_locks(shared, definitions).await?;
    durable.durable(mark).await;
    Ok(summary)
}

/// Makes everything; what it gives back tells when it is durable.
async fn make_under_locks(
    shared: &Arc<Shared>,
    definitions: Definitions,
) -> Result<(Summary, Mark, PendingDefinitions), ImportError> {
    // Vhosts and users stay as they are until this is done.
    let _changes = shared.changes.lock().await;
    let (vhosts, new) = with_new_vhosts(shared, &definitions);
    let by = definitions.creator.clone();
    let touched = touched(&vhosts, &definitions);
    // In the order of their names, and nobody else holds more than one.
    let mut locks = Vec::with_capacity(touched.len());
    for vhost in &touched {
        locks.push(vhost.lock().await);
    }
    refuse_moving(&touched, &definitions)?;
    let mut plan = plan(shared, &vhosts, new, definitions).await?;
    let (ops, summary) = (std::mem::take(&mut plan.ops), Summary::of(&mut plan));
    // Whoever finds something of it in a vhost waits for it there.
    let own = PendingDefinitions::default();
    let all = touched.iter().map(|vhost| vhost.pending()).chain([&own]);
    PendingDefinitions::submit_together(all, &shared.store, ops);
    carry_out(shared, plan, by.as_deref().unwrap_or(OPERATOR)).await;
    Ok((summary, own.mark(), own))
}

/// All vhosts that there will be, and those among them that are new.
pub(super) fn with_new_vhosts(
    shared: &Arc<Shared>,
    definitions: &Definitions,
) -> (BTreeMap<String, Arc<Vhost>>, Vec<Arc<Vhost>>) {
    let mut vhosts: BTreeMap<String, Arc<Vhost>> =
        shared.vhosts.iter().map(|vhost| (vhost.key().clone(), Arc::clone(&vhost))).collect();
    let mut new = Vec::new();
    for NewVhost { name, .. } in &definitions.vhosts {
        vhosts.entry(name.clone()).or_insert_with(|| {
            let vhost = shared.new_vhost(name);
            new.push(Arc::clone(&vhost));
            vhost
        });
    }
    (vhosts, new)
}

/// Those in which definitions have something, in the order of their names: others go on meanwhile.
pub(super) fn touched(vhosts: &BTreeMap<String, Arc<Vhost>>, definitions: &Definitions) -> Vec<Arc<Vhost>> {
    let Definitions { vhosts: listed, vhost_limits, policies, exchanges, queues, bindings, .. } = definitions;
    let names = listed.iter().map(|new| &new.name);
    let names = names.chain(vhost_limits.iter().map(|(vhost, _)| vhost));
    let names = names.chain(policies.iter().map(|(vhost, _)| vhost));
    let names = names.chain(exchanges.iter().map(|(vhost, _)| vhost));
    let names = names.chain(queues.iter().map(|(vhost, _)| vhost));
    let names: BTreeSet<&String> = names.chain(bindings.iter().map(|(vhost, _)| vhost)).collect();
    names.into_iter().filter_map(|name| vhosts.get(name).cloned()).collect()
}

/// What moves to another shard stays as it is: it was copied, perhaps. It cannot begin to while this goes on.
fn refuse_moving(touched: &[Arc<Vhost>], definitions: &Definitions) -> Result<(), ImportError> {
    let Definitions { policies, exchanges, queues, bindings, .. } = definitions;
    let has_content = |name: &String| {
        policies.iter().any(|(vhost, _)| vhost == name)
            || exchanges.iter().any(|(vhost, _)| vhost == name)
            || queues.iter().any(|(vhost, _)| vhost == name)
            || bindings.iter().any(|(vhost, _)| vhost == name)
    };
    match touched.iter().find(|vhost| vhost.is_leaving() && has_content(&vhost.name)) {
        Some(vhost) => {
            let why = "it moves to another shard of the cluster: try again";
            Err(ImportError::new(format!("virtual host '{}'", vhost.name), why.to_owned()))
        }
        None => Ok(()),
    }
}

fn add_defaults(definitions: &mut Definitions, config: &Config) {
    let vhost = config.default_vhost.clone();
    let without_users = definitions.users.is_empty();
    let has_default = definitions.vhosts.iter().any(|new| new.name == vhost);
    if definitions.vhosts.is_empty() || (without_users && !has_default) {
        let description = Some("Default virtual host".to_owned());
        let change = VhostChange { description, ..VhostChange::default() };
        definitions.vhosts.push(NewVhost { name: vhost.clone(), change });
    }
    if without_users {
        let user = config.default_user.clone();
        definitions.users.push(NewUser {
            name: user.clone(),
            secret: Secret::Plain(config.default_pass.as_bytes().to_vec()),
            tags: config.default_tags.clone(),
            limits: None,
        });
        let permission = |new: &config::NewPermission| Permission {
            configure: new.configure.clone(),
            write: new.write.clone(),
            read: new.read.clone(),
        };
        let mut permissions = vec![NewPermission {
            user,
            vhost: vhost.clone(),
            permission: permission(&config.default_permission),
        }];
        for new in &config.default_users {
            let secret = Secret::Plain(new.password.as_bytes().to_vec());
            let (name, tags) = (new.name.clone(), new.tags.clone());
            definitions.users.push(NewUser { name, secret, tags, limits: None });
            let (user, vhost) = (new.name.clone(), vhost.clone());
            permissions.push(NewPermission { user, vhost, permission: permission(&new.permission) });
        }
        // First, so that a permission in the file comes after them.
        definitions.permissions.splice(0..0, permissions);
    }
}

/// Nothing can fail any more. Policies come before the queues that they are for.
async fn carry_out(shared: &Arc<Shared>, plan: Plan, by: &str) {
    let tell = |event: &Event<'_>| events::tell(shared, Some(by), event);
    put_vhosts(shared, by, &plan.vhosts, &plan.settings);
    for (name, value) in plan.global_parameters {
        shared.global_parameters.put(&name, value.clone());
        tell(&Event::ParameterSet { parameter: Parameter::global(&name), value: &value });
    }
    put_users(shared, by, plan.users, plan.permissions);
    for permission in plan.topic_permissions {
        shared.put_topic_permission(permission.clone());
        tell(&Event::TopicPermissionCreated(&permission));
    }
    let mut configured: BTreeMap<String, Arc<Vhost>> = BTreeMap::new();
    for (vhost, policy) in plan.policies {
        vhost.put_policy(policy.clone());
        tell(&Event::PolicySet { vhost: &vhost.name, policy: &policy.policy });
        configured.insert(vhost.name.clone(), vhost);
    }
    each_in_turn(plan.exchanges, |(vhost, exchange)| {
        add_exchange(shared, &vhost, exchange.clone());
        tell(&Event::ExchangeCreated { vhost: &vhost, exchange: &exchange });
    })
    .await;
    each_in_turn(plan.queues, |(vhost, id, queue)| {
        let (record, task) =
            install(shared, &vhost, id, queue, shared.first_position(), RecoveredState::default());
        task.spawn();
        tell(&Event::QueueCreated { vhost: &vhost.name, queue: &record });
        shared.count(BrokerCounters { queues_created: 1, ..BrokerCounters::default() });
    })
    .await;
    each_in_turn(plan.bindings, |(vhost, binding)| {
        vhost.topology.change(|topology| topology.bind(binding.clone()));
        tell(&Event::BindingCreated { vhost: &vhost.name, binding: &binding });
    })
    .await;
    for vhost in configured.into_values() {
        vhost.apply_policies().await;
    }
}

/// Lets others see the vhosts that are new, and gives vhosts their settings.
fn put_vhosts(shared: &Shared, by: &str, new: &[Arc<Vhost>], settings: &[(Arc<Vhost>, VhostSettings)]) {
    let by = Some(by);
    for vhost in new {
        shared.vhosts.insert(vhost.name.clone(), Arc::clone(vhost));
    }
    let before: Vec<Arc<VhostSettings>> = settings.iter().map(|(vhost, _)| vhost.settings()).collect();
    settings.iter().for_each(|(vhost, settings)| vhost.set_settings(settings.clone()));
    new.iter().for_each(|vhost| events::tell(shared, by, &Event::VhostCreated(vhost)));
    for ((vhost, now), before) in settings.iter().zip(before) {
        let is_new = new.iter().any(|new| Arc::ptr_eq(new, vhost));
        let differs = *now != VhostSettings { limits: now.limits, ..VhostSettings::clone(&before) };
        if differs && !is_new {
            events::tell(shared, by, &Event::VhostUpdated(vhost));
        }
        tell_limits(shared, by, vhost, before.limits);
    }
}

fn put_users(shared: &Shared, by: &str, users: Vec<User>, permissions: Vec<NewPermission>) {
    let by = Some(by);
    for user in users {
        let before = shared.users(|users| users.user(&user.name).cloned());
        shared.change_users(|users| users.put(user.clone()));
        events::tell(shared, by, &Event::UserPut { before: before.as_ref(), user: &user });
    }
    for NewPermission { user, vhost, permission } in permissions {
        match shared.put_permission(&user, &vhost, permission.clone()) {
            Ok(()) => {
                let (user, vhost, permission) = (&user, &vhost, &permission);
                events::tell(shared, by, &Event::PermissionCreated { user, vhost, permission });
            }
            Err(error) => {
                tracing::error!(user, vhost, %error, "a checked permission could not be put");
            }
        }
    }
}
