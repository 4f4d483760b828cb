//! What an import would do: it is planned, compared with what there is, and forgotten.

use std::collections::HashSet;
use std::sync::Arc;

use super::apply::{Defaults, touched, with_new_vhosts};
use super::check::{Plan, plan};
use super::parse::{Definitions, Target, parse};
use crate::auth::User;
use crate::broker::error::ImportError;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::policy::PolicyKind;
use crate::topology::Binding;

/// Objects that are listed; there may be a million.
const LISTED_MAX: usize = 1000;

/// What an import would do.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Objects that are not there.
    pub added: usize,
    /// Objects that are there and would change.
    pub changed: usize,
    /// Objects that are there and would stay as they are, because they are the same or because an import changes none of their kind.
    pub same: usize,
    /// The first of those that are added or changed.
    pub differences: Vec<Difference>,
    /// What has no effect, or is there and differs and stays as it is.
    pub notes: Vec<String>,
}

/// An object that an import would add or change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `queue`, `user` and the like.
    pub kind: &'static str,
    /// Its vhost, if it is in one.
    pub vhost: Option<String>,
    /// Its name; of a binding, what it is from and to.
    pub name: String,
    /// What would become of it.
    pub standing: Standing,
    /// What would change of it.
    pub fields: Vec<&'static str>,
}

/// What would become of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It would be made.
    Added,
    /// It would be changed.
    Changed,
}

/// Compares definitions with what there is. Nothing is changed.
///
/// # Errors
/// The first fault of the text, for which an import would be refused.
pub(crate) async fn compare(
    shared: &Arc<Shared>,
    text: &str,
    target: Target<'_>,
    defaults: Defaults<'_>,
) -> Result<Comparison, ImportError> {
    let mut definitions = parse(text, target)?;
    if let Defaults::Creator(user) = defaults {
        definitions.creator = Some(user.to_owned());
    }
    let _changes = shared.changes.lock().await;
    let (vhosts, new) = with_new_vhosts(shared, &definitions);
    let touched = touched(&vhosts, &definitions);
    let mut locks = Vec::with_capacity(touched.len());
    for vhost in &touched {
        locks.push(vhost.lock().await);
    }
    let listed = definitions.exchanges.len() + definitions.queues.len() + definitions.bindings.len();
    let known_vhosts = known_vhosts(&definitions, &new);
    let planned = plan(shared, &vhosts, new, definitions).await?;
    drop(locks);
    let mut comparison = Comparison { notes: planned.notes.clone(), ..Comparison::default() };
    let made = planned.exchanges.len() + planned.queues.len() + planned.bindings.len();
    comparison.same += listed.saturating_sub(made) + known_vhosts;
    comparison.vhosts(&planned);
    comparison.users(shared, &planned);
    comparison.permissions(shared, &planned);
    comparison.policies(shared, &planned);
    comparison.objects(&planned);
    Ok(comparison)
}

/// How many vhosts of the definitions are there and are told nothing about.
fn known_vhosts(definitions: &Definitions, new: &[Arc<Vhost>]) -> usize {
    let is_new = |name: &str| new.iter().any(|vhost| vhost.name == name);
    let told: HashSet<&str> = definitions.vhosts.iter().map(|vhost| vhost.name.as_str()).collect();
    told.into_iter().filter(|name| !is_new(name)).count()
}

impl Comparison {
    fn add(&mut self, kind: &'static str, vhost: Option<&str>, name: impl Into<String>) {
        self.note(kind, vhost, name.into(), Standing::Added, Vec::new());
    }

    /// An object that is there: it is changed if there are fields that are.
    fn changes(
        &mut self,
        kind: &'static str,
        vhost: Option<&str>,
        name: impl Into<String>,
        fields: &[(&'static str, bool)],
    ) {
        let fields: Vec<&str> =
            fields.iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| *name).collect();
        if fields.is_empty() {
            self.same += 1;
        } else {
            self.note(kind, vhost, name.into(), Standing::Changed, fields);
        }
    }

    fn note(
        &mut self,
        kind: &'static str,
        vhost: Option<&str>,
        name: String,
        standing: Standing,
        fields: Vec<&'static str>,
    ) {
        match standing {
            Standing::Added => self.added += 1,
            Standing::Changed => self.changed += 1,
        }
        if self.differences.len() < LISTED_MAX {
            let vhost = vhost.map(str::to_owned);
            self.differences.push(Difference { kind, vhost, name, standing, fields });
        }
    }

    fn vhosts(&mut self, plan: &Plan) {
        for vhost in &plan.vhosts {
            self.add("vhost", None, vhost.name.as_str());
        }
        for (vhost, then) in &plan.settings {
            if plan.vhosts.iter().any(|new| new.name == vhost.name) {
                continue;
            }
            let now = vhost.settings();
            if *now == *then {
                continue;
            }
            // It was counted as one that stays.
            self.same = self.same.saturating_sub(1);
            let fields = [
                ("description", now.description != then.description),
                ("tags", now.tags != then.tags),
                ("default_queue_type", now.default_queue_type != then.default_queue_type),
                ("tracing", now.tracing != then.tracing),
                ("limits", now.limits != then.limits),
            ];
            self.changes("vhost", None, vhost.name.as_str(), &fields);
        }
    }

    fn users(&mut self, shared: &Shared, plan: &Plan) {
        for then in &plan.users {
            let User { name, password, tags, limits } = then;
            let now = shared.users(|users| users.user(name).cloned());
            let Some(now) = now else {
                self.add("user", None, name.as_str());
                continue;
            };
            let fields = [
                ("password", now.password != *password),
                ("tags", now.tags != *tags),
                ("limits", now.limits != *limits),
            ];
            self.changes("user", None, name.as_str(), &fields);
        }
        for (name, value) in &plan.global_parameters {
            match shared.global_parameters.value(name) {
                None => self.add("global parameter", None, name.as_str()),
                Some(now) => {
                    self.changes("global parameter", None, name.as_str(), &[("value", now != *value)]);
                }
            }
        }
    }

    fn permissions(&mut self, shared: &Shared, plan: &Plan) {
        for new in &plan.permissions {
            let (vhost, then) = (Some(new.vhost.as_str()), &new.permission);
            let now = shared.users(|users| users.permission(&new.user, &new.vhost).cloned());
            match now {
                None => self.add("permission", vhost, new.user.as_str()),
                Some(now) => {
                    let fields = [
                        ("configure", now.configure != then.configure),
                        ("write", now.write != then.write),
                        ("read", now.read != then.read),
                    ];
                    self.changes("permission", vhost, new.user.as_str(), &fields);
                }
            }
        }
        let all = shared.users(crate::auth::Users::topic_permissions);
        for new in &plan.topic_permissions {
            let is_same_one = |it: &&crate::auth::UserTopicPermission| {
                (&it.user, &it.vhost, &it.exchange) == (&new.user, &new.vhost, &new.exchange)
            };
            let name = format!("{} on {}", new.user, new.exchange);
            match all.iter().find(is_same_one) {
                None => self.add("topic permission", Some(&new.vhost), name),
                Some(now) => {
                    let (now, then) = (&now.permission, &new.permission);
                    let fields = [("write", now.write != then.write), ("read", now.read != then.read)];
                    self.changes("topic permission", Some(&new.vhost), name, &fields);
                }
            }
        }
    }

    fn policies(&mut self, shared: &Shared, plan: &Plan) {
        for (vhost, checked) in &plan.policies {
            let then = &checked.policy;
            let kind = match then.kind {
                PolicyKind::User => "policy",
                PolicyKind::Operator => "operator policy",
            };
            let there = shared.vhost(&vhost.name);
            let now = there.and_then(|vhost| {
                let policies = vhost.policies();
                policies.iter().find(|now| now.kind == then.kind && now.name == then.name).cloned()
            });
            let Some(now) = now else {
                self.add(kind, Some(&vhost.name), then.name.as_str());
                continue;
            };
            let fields = [
                ("pattern", now.pattern != then.pattern),
                ("apply-to", now.apply_to != then.apply_to),
                ("priority", now.priority != then.priority),
                ("definition", now.definition != then.definition),
            ];
            self.changes(kind, Some(&vhost.name), then.name.as_str(), &fields);
        }
    }

    /// An import makes those that are not there, and changes none.
    fn objects(&mut self, plan: &Plan) {
        for (vhost, exchange) in &plan.exchanges {
            self.add("exchange", Some(&vhost.name), exchange.name.as_str());
        }
        for (vhost, _, queue) in &plan.queues {
            self.add("queue", Some(&vhost.name), queue.name.as_str());
        }
        for (vhost, binding) in &plan.bindings {
            self.add("binding", Some(&vhost.name), label(binding));
        }
    }
}

fn label(binding: &Binding) -> String {
    format!("{} -> {} ({})", binding.source, binding.destination.name(), binding.routing_key)
}
