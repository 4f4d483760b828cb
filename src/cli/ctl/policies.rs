//! Policies and operator policies.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, DIAGNOSTICS, Section};
use super::failure::{Failure, Means as _, UNAVAILABLE};
use super::fields::{Fields, items};
use super::options::{Switch, number, text};
use super::output::Output;
use super::parameters::parse_json;
use crate::cli::client::path::api;
use crate::cli::table::Table;

const LIST: &str = "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]";
const SET: &str =
    "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>";
const OF_POLICY: &[Switch] = &[number("priority"), text("apply-to")];

pub const COMMANDS: &[Command] = &[
    Command::new(
        "list_policies",
        CTL_AND_DIAGNOSTICS,
        Section::Policies,
        "Lists the policies of a virtual host",
        list,
    )
    .takes(LIST, 0, 0),
    Command::new("set_policy", CTL, Section::Policies, "Sets a policy", set).takes(SET, 3, 3).with(OF_POLICY),
    Command::new("clear_policy", CTL, Section::Policies, "Takes a policy away", clear).takes(
        "[--vhost <vhost>] <name>",
        1,
        1,
    ),
    Command::new(
        "list_operator_policies",
        CTL_AND_DIAGNOSTICS,
        Section::Policies,
        "Lists the operator policies of a virtual host",
        list_operators,
    )
    .takes(LIST, 0, 0),
    Command::new(
        "set_operator_policy",
        CTL,
        Section::Policies,
        "Sets an operator policy, which limits what policies may do",
        set_operators,
    )
    .takes(SET, 3, 3)
    .with(OF_POLICY),
    Command::new(
        "clear_operator_policy",
        CTL,
        Section::Policies,
        "Takes an operator policy away",
        clear_operators,
    )
    .takes("[--vhost <vhost>] <name>", 1, 1),
    Command::new(
        "list_policies_that_match",
        DIAGNOSTICS,
        Section::Policies,
        "Lists the policies that match a queue or an exchange",
        matching,
    )
    .takes("[--object-type <type>] <name>", 1, 1)
    .with(&[text("object-type")]),
];

const POLICIES: &str = "policies";
const OPERATOR_POLICIES: &str = "operator-policies";
const COLUMNS: [&str; 6] = ["vhost", "name", "pattern", "apply-to", "definition", "priority"];

fn list(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Listing policies for vhost \"{}\" ...", call.vhost()))?;
    table_of(found(call, POLICIES)?)
}

fn list_operators(call: &Call) -> Result<Output, Failure> {
    call.say(format!("Listing operator policy overrides for vhost \"{}\" ...", call.vhost()))?;
    table_of(found(call, OPERATOR_POLICIES)?)
}

fn found(call: &Call, kind: &str) -> Result<Vec<Value>, Failure> {
    let vhost = call.vhost();
    Ok(items(call.ask(&[kind, vhost])?.when(404, || Failure::no_vhost(vhost))?))
}

/// Definitions are JSON texts, in every form.
fn table_of(mut policies: Vec<Value>) -> Result<Output, Failure> {
    for policy in &mut policies {
        policy.put("definition", policy.at("definition").to_string());
    }
    Ok(Output::Table(Table::of_objects(COLUMNS, &policies)))
}

fn set(call: &Call) -> Result<Output, Failure> {
    put(call, POLICIES, "policy")
}

fn set_operators(call: &Call) -> Result<Output, Failure> {
    put(call, OPERATOR_POLICIES, "operator policy override")
}

fn put(call: &Call, kind: &str, what: &str) -> Result<Output, Failure> {
    let [name, pattern, definition] = [0, 1, 2].map(|index| call.argument(index));
    let (vhost, priority) = (call.vhost(), call.options.value("priority").unwrap_or("0"));
    call.say(format!(
        "Setting {what} \"{name}\" for pattern \"{pattern}\" to \"{definition}\" with priority \"{priority}\" for vhost \"{vhost}\" ..."
    ))?;
    let body = json!({
        "pattern": pattern,
        "definition": parse_json(definition)?,
        "priority": priority.parse::<i64>().unwrap_or_default(),
        "apply-to": call.options.value("apply-to").unwrap_or("all"),
    });
    call.client()?.put(&api(&[kind, vhost, name]), &body).when(404, || Failure::no_vhost(vhost))?;
    Ok(Output::Done)
}

fn clear(call: &Call) -> Result<Output, Failure> {
    remove(call, POLICIES, "policy")
}

fn clear_operators(call: &Call) -> Result<Output, Failure> {
    remove(call, OPERATOR_POLICIES, "operator policy")
}

fn remove(call: &Call, kind: &str, what: &str) -> Result<Output, Failure> {
    let (name, vhost) = (call.argument(0), call.vhost());
    call.say(format!("Clearing {what} \"{name}\" on vhost \"{vhost}\" ..."))?;
    let missing = || Failure::error(UNAVAILABLE, "Parameter does not exist");
    call.client()?.delete(&api(&[kind, vhost, name])).when(404, missing)?;
    Ok(Output::Done)
}

/// Those that match, the one that applies first.
fn matching(call: &Call) -> Result<Output, Failure> {
    let (name, vhost) = (call.argument(0), call.vhost());
    let kind = call.options.value("object-type").unwrap_or("queue");
    call.say(format!("Listing policies that match {kind} '{name}' in vhost '{vhost}' ..."))?;
    let plural = match kind {
        "exchange" => "exchanges",
        _ => "queues",
    };
    call.ask(&[plural, vhost, name])?.when(404, Failure::no_object)?;
    let mut policies = found(call, POLICIES)?;
    policies.retain(|policy| applies_to(policy, plural) && matches(policy, name));
    policies.sort_by_key(|policy| -policy.at("priority").as_i64().unwrap_or_default());
    table_of(policies)
}

fn applies_to(policy: &Value, plural: &str) -> bool {
    let to = policy.at("apply-to").as_str().unwrap_or_default();
    to == "all" || to == plural || (plural == "queues" && to.ends_with("_queues"))
}

/// As the broker reads patterns, which are regular expressions.
fn matches(policy: &Value, name: &str) -> bool {
    let pattern = policy.at("pattern").as_str().unwrap_or_default();
    fancy_regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name).unwrap_or(false))
}
