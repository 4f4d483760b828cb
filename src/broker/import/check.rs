//! Definitions against the broker's state: what is new, what is there already, and what cannot be.
//!
//! Exchanges, queues and bindings are tried on copies of the topologies, so that what a file refers to may be in the
//! broker or in the file, and the rules are those of a declare.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::fields::NAME_BYTES_MAX;
use super::parse::{Definitions, NewPermission, NewUser, NewVhost, QueueSpec, Secret};
use crate::auth::{PasswordHash, Permission, User, UserTopicPermission};
use crate::broker::creation::NewQueue;
use crate::broker::definitions::{Definition, QueueDefinition};
use crate::broker::error::ImportError;
use crate::broker::shared::{Shared, random_bytes};
use crate::broker::uninterrupted::try_in_turn;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::broker::vhost_settings::{VhostChange, VhostLimits, VhostSettings};
use crate::message::QueueId;
use crate::policy::CheckedPolicy;
use crate::queue::{QueueOptions, options};
use crate::store::Op;
use crate::topology::equivalence::{self, QueueForm};
use crate::topology::{Binding, Destination, ExchangeSpec, Topology};

/// What an import is going to do.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) vhosts: Vec<Arc<Vhost>>,
    pub(super) settings: Vec<(Arc<Vhost>, VhostSettings)>,
    pub(super) global_parameters: Vec<(String, Value)>,
    pub(super) users: Vec<User>,
    pub(super) permissions: Vec<NewPermission>,
    pub(super) topic_permissions: Vec<UserTopicPermission>,
    pub(super) policies: Vec<(Arc<Vhost>, CheckedPolicy)>,
    pub(super) exchanges: Vec<(Arc<Vhost>, ExchangeSpec)>,
    pub(super) queues: Vec<(Arc<Vhost>, QueueId, NewQueue)>,
    pub(super) bindings: Vec<(Arc<Vhost>, Binding)>,
    /// The same for the store.
    pub(super) ops: Vec<Op>,
    /// For the log.
    pub(super) notes: Vec<String>,
}

/// A copy of a vhost on which the import is tried out.
struct DryRun {
    vhost: Arc<Vhost>,
    topology: Topology,
    durable_queues: HashMap<String, bool>,
}

impl DryRun {
    fn of(vhost: &Arc<Vhost>) -> Self {
        let mut topology = Topology::new();
        let mut durable_queues = HashMap::new();
        let current = vhost.topology.read();
        current.exchanges().for_each(|exchange| topology.declare_exchange(exchange.clone()));
        for (name, id) in current.queues() {
            topology.add_queue(name, id);
            durable_queues.insert(name.to_owned(), vhost.queue(id).is_some_and(|record| record.durable));
        }
        drop(current);
        Self { vhost: Arc::clone(vhost), topology, durable_queues }
    }

    fn is_durable(&self, binding: &Binding) -> bool {
        let exchange = |name: &str| self.topology.exchange(name).is_some_and(|exchange| exchange.durable);
        let destination = match &binding.destination {
            Destination::Exchange(name) => exchange(name),
            Destination::Queue(name) => self.durable_queues.get(name).copied().unwrap_or(false),
        };
        destination && exchange(&binding.source)
    }
}

/// Checks definitions. `vhosts` has all that there will be, those of `new` among them; each of which they tell something is locked, or
/// not yet known to anybody else. Others of the broker have their turns meanwhile.
pub(super) async fn plan(
    shared: &Shared,
    vhosts: &BTreeMap<String, Arc<Vhost>>,
    new: Vec<Arc<Vhost>>,
    definitions: Definitions,
) -> Result<Plan, ImportError> {
    let skipped = definitions.skipped;
    let mut checker = Checker {
        shared,
        vhosts,
        dry_runs: BTreeMap::new(),
        skipped,
        skipped_bindings: 0,
        users: HashSet::new(),
        plan: Plan::default(),
    };
    checker.plan.notes = definitions.notes;
    for vhost in &new {
        checker.plan.ops.push(Definition::Vhost(vhost.name.clone()).put());
    }
    let creators = creators(definitions.creator.as_deref(), &new);
    checker.plan.vhosts = new;
    checker.settings(definitions.vhosts, definitions.vhost_limits)?;
    checker.global_parameters(definitions.global_parameters);
    definitions.users.into_iter().try_for_each(|user| checker.user(user))?;
    creators
        .into_iter()
        .chain(definitions.permissions)
        .try_for_each(|permission| checker.permission(permission))?;
    let topics = definitions.topic_permissions.into_iter();
    { topics }.try_for_each(|permission| checker.topic_permission(permission))?;
    definitions.policies.into_iter().try_for_each(|(vhost, policy)| checker.policy(&vhost, policy))?;
    let (exchanges, queues) = (definitions.exchanges, definitions.queues);
    try_in_turn(exchanges, |(vhost, exchange)| checker.exchange(&vhost, exchange)).await?;
    try_in_turn(queues, |(vhost, queue)| checker.queue(&vhost, queue)).await?;
    try_in_turn(definitions.bindings, |(vhost, binding)| checker.binding(&vhost, binding)).await?;
    if checker.skipped_bindings > 0 {
        let count = checker.skipped_bindings;
        checker.plan.notes.push(format!("{count} bindings skipped with their queues and exchanges"));
    }
    Ok(checker.plan)
}

/// Whoever makes a vhost may do everything there, unless the definitions say otherwise later.
fn creators(creator: Option<&str>, new: &[Arc<Vhost>]) -> Vec<NewPermission> {
    let everything = |user: &str, vhost: &Vhost| NewPermission {
        user: user.to_owned(),
        vhost: vhost.name.clone(),
        permission: Permission::all(),
    };
    creator.map_or_else(Vec::new, |user| new.iter().map(|vhost| everything(user, vhost)).collect())
}

struct Checker<'a> {
    shared: &'a Shared,
    vhosts: &'a BTreeMap<String, Arc<Vhost>>,
    dry_runs: BTreeMap<String, DryRun>,
    /// Queues and exchanges of the file that are not made, with their vhosts.
    skipped: HashSet<(String, Destination)>,
    /// Bindings that are not made because of them.
    skipped_bindings: usize,
    /// Names of the users of the file: each permission is for one.
    users: HashSet<String>,
    plan: Plan,
}

type Done = Result<(), ImportError>;

impl Checker<'_> {
    fn vhost(&self, name: &str, object: impl Fn() -> String) -> Result<&Arc<Vhost>, ImportError> {
        let missing = || ImportError::new(object(), format!("vhost: there is no vhost '{name}'"));
        self.vhosts.get(name).ok_or_else(missing)
    }

    fn dry_run(&mut self, name: &str, object: impl Fn() -> String) -> Result<&mut DryRun, ImportError> {
        if !self.dry_runs.contains_key(name) {
            let dry_run = DryRun::of(self.vhost(name, &object)?);
            self.dry_runs.insert(name.to_owned(), dry_run);
        }
        let missing = || ImportError::new(object(), format!("vhost: there is no vhost '{name}'"));
        self.dry_runs.get_mut(name).ok_or_else(missing)
    }

    /// What is said of vhosts, and then in parameters of their limits.
    fn settings(&mut self, vhosts: Vec<NewVhost>, limits: Vec<(String, VhostLimits)>) -> Done {
        let limited = limits.into_iter().map(|(name, limits)| {
            let change = VhostChange { limits: Some(Some(limits)), ..VhostChange::default() };
            NewVhost { name, change }
        });
        for NewVhost { name, change } in vhosts.into_iter().chain(limited) {
            let vhost = Arc::clone(self.vhost(&name, || format!("limits of vhost '{name}'"))?);
            let settings = change.applied_to(&self.settings_of(&vhost));
            self.plan.settings.retain(|(other, _)| other.name != name);
            self.plan.settings.push((vhost, settings));
        }
        for (vhost, settings) in &self.plan.settings {
            if *settings != *vhost.settings() {
                let put = Definition::VhostSettings(vhost.name.clone(), settings.clone()).put();
                self.plan.ops.push(put);
            }
        }
        Ok(())
    }

    fn global_parameters(&mut self, parameters: Vec<(String, Value)>) {
        for (name, value) in parameters {
            if self.shared.global_parameters.value(&name).as_ref() != Some(&value) {
                self.plan.ops.push(Definition::GlobalParameter(name.clone(), value.clone()).put());
            }
            self.plan.global_parameters.push((name, value));
        }
    }

    /// The settings that the vhost is going to have.
    fn settings_of(&self, vhost: &Vhost) -> VhostSettings {
        let planned = self.plan.settings.iter().find(|(other, _)| other.name == vhost.name);
        planned.map_or_else(|| VhostSettings::clone(&vhost.settings()), |(_, settings)| settings.clone())
    }

    fn user(&mut self, new: NewUser) -> Done {
        let password = match new.secret {
            Secret::Hash(hash) => hash,
            Secret::Plain(password) => Some(self.hashed(&new.name, &password)?),
        };
        let limits = self.shared.users(|users| users.user(&new.name).map(|user| user.limits));
        let limits = new.limits.or(limits).unwrap_or_default();
        let user = User { name: new.name, password, tags: new.tags, limits };
        self.plan.ops.push(Definition::User(user.clone()).put());
        self.users.insert(user.name.clone());
        self.plan.users.push(user);
        Ok(())
    }

    /// A hash that is there and matches stays, so that the same file makes the same records.
    fn hashed(&self, name: &str, password: &[u8]) -> Result<PasswordHash, ImportError> {
        let current = self.shared.users(|users| users.user(name).and_then(|user| user.password.clone()));
        if let Some(current) = current.filter(|hash| hash.matches(password)) {
            return Ok(current);
        }
        let salt = random_bytes().map_err(|error| {
            ImportError::new(
                format!("user '{name}'"),
                format!("no randomness for the password's salt: {error}"),
            )
        })?;
        Ok(PasswordHash::new(password, salt))
    }

    fn permission(&mut self, new: NewPermission) -> Done {
        let label = || format!("permission of user '{}' on vhost '{}'", new.user, new.vhost);
        self.vhost(&new.vhost, label)?;
        self.user_named(&new.user, label)?;
        let (user, vhost, permission) = (new.user.clone(), new.vhost.clone(), new.permission.clone());
        self.plan.ops.push(Definition::Permission { user, vhost, permission }.put());
        self.plan.permissions.push(new);
        Ok(())
    }

    fn topic_permission(&mut self, new: UserTopicPermission) -> Done {
        let label = || format!("topic permission of user '{}' on vhost '{}'", new.user, new.vhost);
        self.vhost(&new.vhost, label)?;
        self.user_named(&new.user, label)?;
        self.plan.ops.push(Definition::TopicPermission(new.clone()).put());
        self.plan.topic_permissions.push(new);
        Ok(())
    }

    /// Whether the user is in the file or was there before.
    fn user_named(&self, name: &str, object: impl Fn() -> String) -> Done {
        if !self.users.contains(name) && self.shared.users(|users| users.user(name).is_none()) {
            return Err(ImportError::new(object(), format!("user: there is no user '{name}'")));
        }
        Ok(())
    }

    fn policy(&mut self, vhost: &str, policy: CheckedPolicy) -> Done {
        let label = || format!("policy '{}'", policy.policy.name);
        let vhost = Arc::clone(self.vhost(vhost, label)?);
        self.plan.ops.push(Definition::Policy(vhost.name.clone(), policy.policy.clone()).put());
        self.plan.policies.push((vhost, policy));
        Ok(())
    }

    fn exchange(&mut self, vhost: &str, spec: ExchangeSpec) -> Done {
        let spec = self.shared.with_delay_queue(spec);
        let label = || format!("exchange '{}' in vhost '{vhost}'", spec.name);
        if spec.name.is_empty() || spec.name.starts_with("amq.") {
            // They are there, and RabbitMQ skips them as well.
            self.vhost(vhost, label)?;
            self.plan.notes.push(format!("{} skipped: it is the broker's own", label()));
            return Ok(());
        }
        let dry_run = self.dry_run(vhost, label)?;
        match dry_run.topology.check_exchange_declare(&spec, vhost) {
            Ok(false) => {}
            Ok(true) => {
                let vhost = Arc::clone(&dry_run.vhost);
                dry_run.topology.declare_exchange(spec.clone());
                if spec.durable {
                    self.plan.ops.push(Definition::Exchange(vhost.name.clone(), spec.clone()).put());
                }
                self.plan.exchanges.push((vhost, spec));
            }
            Err(error) if dry_run.topology.exchange(&spec.name).is_some() => {
                self.plan.notes.push(format!("{} is there and differs; it stays as it is: {error}", label()));
            }
            Err(error) => return Err(ImportError::new(label(), error.to_string())),
        }
        Ok(())
    }

    fn queue(&mut self, vhost: &str, spec: QueueSpec) -> Done {
        let spec = self.with_default_type(vhost, spec)?;
        let label = || format!("queue '{}' in vhost '{vhost}'", spec.name);
        let id = QueueId(self.shared.new_queue_id());
        let dry_run = self.dry_run(vhost, label)?;
        if spec.name.starts_with("amq.") {
            self.plan.notes.push(format!("{} skipped: the name is reserved for the broker", label()));
            return Ok(());
        }
        if !dry_run.topology.add_queue(&spec.name, id) {
            if let Some(difference) =
                dry_run.vhost.queue_named(&spec.name).and_then(|r| difference(vhost, &r, &spec))
            {
                let note = format!("{} is there and differs; it stays as it is: {difference}", label());
                self.plan.notes.push(note);
            }
            return Ok(());
        }
        dry_run.durable_queues.insert(spec.name.clone(), spec.options.durable);
        let vhost = Arc::clone(&dry_run.vhost);
        let QueueSpec { name, arguments, options } = spec;
        if options.durable {
            let (name, arguments) = (name.clone(), arguments.clone());
            let definition = QueueDefinition { name, id: id.0, auto_delete: options.auto_delete, arguments };
            self.plan.ops.push(Definition::Queue(vhost.name.clone(), definition).put());
        }
        self.plan.queues.push((vhost, id, NewQueue { name, owner: None, arguments, options }));
        Ok(())
    }

    /// A queue that does not say its type is of the vhost's, as when it is declared.
    fn with_default_type(&self, vhost: &str, spec: QueueSpec) -> Result<QueueSpec, ImportError> {
        let thing = format!("queue '{}' in vhost '{vhost}'", spec.name);
        let default = self.settings_of(self.vhost(vhost, || thing.clone())?).default_queue_type;
        let QueueSpec { name, mut arguments, options } = spec;
        let said = arguments.inner().len();
        default.put_in(&mut arguments, options.durable && !options.auto_delete);
        if arguments.inner().len() == said {
            return Ok(QueueSpec { name, arguments, options });
        }
        let options = QueueOptions::parse(&thing, options.durable, false, options.auto_delete, &arguments);
        let options = options.map_err(|error| ImportError::new(thing, format!("arguments: {error}")))?;
        Ok(QueueSpec { name, arguments, options })
    }

    /// Whether a queue or an exchange was skipped, or is one of RabbitMQ's own that is not here, such as
    /// `amq.rabbitmq.event`: exports have the bindings of those, but not them.
    fn is_skipped(&self, vhost: &str, end: &Destination) -> bool {
        let is_there = |dry_run: &DryRun| match end {
            Destination::Queue(name) => dry_run.topology.queue(name).is_some(),
            Destination::Exchange(name) => dry_run.topology.exchange(name).is_some(),
        };
        if self.dry_runs.get(vhost).is_some_and(is_there) {
            return false;
        }
        end.name().starts_with("amq.") || self.skipped.contains(&(vhost.to_owned(), end.clone()))
    }

    fn binding(&mut self, vhost: &str, binding: Binding) -> Done {
        let label = || {
            let (source, destination) = (&binding.source, binding.destination.name());
            format!("binding from '{source}' to '{destination}' in vhost '{vhost}'")
        };
        self.dry_run(vhost, label)?;
        if binding.source.is_empty() {
            // Those of the default exchange are implied by the queues' names.
            return Ok(());
        }
        if self.is_skipped(vhost, &Destination::Exchange(binding.source.clone()))
            || self.is_skipped(vhost, &binding.destination)
        {
            self.skipped_bindings += 1;
            return Ok(());
        }
        let dry_run = self.dry_run(vhost, label)?;
        let is_new = dry_run.topology.check_bind(&binding, vhost);
        let is_new = is_new.map_err(|error| ImportError::new(label(), error.to_string()))?;
        if !is_new || dry_run.vhost.topology.read().is_bound(&binding) {
            return Ok(());
        }
        dry_run.topology.bind(binding.clone());
        let (vhost, durable) = (Arc::clone(&dry_run.vhost), dry_run.is_durable(&binding));
        if durable {
            let put = Definition::Binding(vhost.name.clone(), binding.clone()).put();
            if matches!(&put, Op::PutDefinition { key, .. } if key.len() > DEFINITION_KEY_BYTES_MAX) {
                return Err(ImportError::new(label(), "arguments: are too long"));
            }
            self.plan.ops.push(put);
        }
        self.plan.bindings.push((vhost, binding));
        Ok(())
    }
}

/// The store's limit for a key ([`Op::PutDefinition`]); names are far below it, a binding's arguments need not be.
const DEFINITION_KEY_BYTES_MAX: usize = 65_000;
const _: () = assert!(4 * NAME_BYTES_MAX < DEFINITION_KEY_BYTES_MAX, "names always fit a key");

/// Why a queue that is there is not the one that the file describes.
fn difference(vhost: &str, record: &QueueRecord, spec: &QueueSpec) -> Option<String> {
    let received = QueueForm {
        durable: spec.options.durable,
        auto_delete: spec.options.auto_delete,
        arguments: &spec.arguments,
    };
    let keys = options::compared(&record.arguments);
    let checked =
        equivalence::check_queue(&record.name, vhost, &keys, record.form(), received).and_then(|()| {
            equivalence::check_property(
                "queue",
                &record.name,
                vhost,
                "exclusive",
                record.owner.is_some(),
                false,
            )
        });
    checked.err().map(|error| error.to_string())
}
