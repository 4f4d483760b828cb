//! Runtime parameters.

use serde_json::{Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{Failure, Means as _, UNAVAILABLE};
use super::fields::{Fields, items, text};
use super::output::Output;
use crate::cli::client::path::api;
use crate::cli::table::Table;

pub const COMMANDS: &[Command] = &[
    Command::new(
        "list_parameters",
        CTL_AND_DIAGNOSTICS,
        Section::Parameters,
        "Lists the parameters of a virtual host",
        list,
    )
    .takes("[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]", 0, 0),
    Command::new("set_parameter", CTL, Section::Parameters, "Sets a parameter", set).takes(
        "[--vhost <vhost>] <component_name> <name> <value>",
        3,
        3,
    ),
    Command::new("clear_parameter", CTL, Section::Parameters, "Takes a parameter away", clear).takes(
        "[--vhost <vhost>] <component_name> <name>",
        2,
        2,
    ),
    Command::new(
        "list_global_parameters",
        CTL_AND_DIAGNOSTICS,
        Section::Parameters,
        "Lists the parameters of the broker",
        list_global,
    )
    .takes("[--no-table-headers] [--timeout <timeout>]", 0, 0),
    Command::new(
        "set_global_parameter",
        CTL,
        Section::Parameters,
        "Sets a parameter of the broker",
        set_global,
    )
    .takes("<name> <value>", 2, 2),
    Command::new(
        "clear_global_parameter",
        CTL,
        Section::Parameters,
        "Takes a parameter of the broker away",
        clear_global,
    )
    .takes("<name>", 1, 1),
    Command::new(
        "set_cluster_name",
        CTL,
        Section::Configuration,
        "Names the cluster, as clients and the management API show it",
        set_cluster_name,
    )
    .takes("<name>", 1, 1),
];

/// Policies have commands of their own.
const POLICY: &str = "policy";

/// A value that has to be JSON.
pub fn parse_json(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::error(UNAVAILABLE, format!("Could not parse JSON document: {text:?}: {error}"))
    })
}

fn is_policy(component: &str) -> bool {
    component == POLICY || component == "operator_policy"
}

fn list(call: &Call) -> Result<Output, Failure> {
    let vhost = call.vhost();
    call.say(format!("Listing runtime parameters for vhost \"{vhost}\" ..."))?;
    call.ask(&["vhosts", vhost])?.when(404, || Failure::no_vhost(vhost))?;
    let mut table = Table::new(["component", "name", "value"]);
    for parameter in items(call.get(&["parameters"])?) {
        if text(&parameter, "vhost") == vhost && !is_policy(text(&parameter, "component")) {
            let value = parameter.at("value").to_string().into();
            table.push(vec![parameter.at("component").clone(), parameter.at("name").clone(), value]);
        }
    }
    Ok(Output::Table(table))
}

fn set(call: &Call) -> Result<Output, Failure> {
    let [component, name, value] = [0, 1, 2].map(|index| call.argument(index));
    let vhost = call.vhost();
    call.say(format!(
        "Setting runtime parameter \"{name}\" for component \"{component}\" to \"{value}\" in vhost \"{vhost}\" ..."
    ))?;
    if is_policy(component) {
        return Err(Failure::error(UNAVAILABLE, "policies may not be set using this method: use set_policy"));
    }
    let body = json!({ "value": parse_json(value)?, "vhost": vhost, "component": component, "name": name });
    let path = api(&["parameters", component, vhost, name]);
    call.client()?.put(&path, &body).when(404, || Failure::no_vhost(vhost))?;
    Ok(Output::Done)
}

fn missing() -> Failure {
    Failure::error(UNAVAILABLE, "Parameter does not exist")
}

fn clear(call: &Call) -> Result<Output, Failure> {
    let (component, name, vhost) = (call.argument(0), call.argument(1), call.vhost());
    call.say(format!(
        "Clearing runtime parameter \"{name}\" for component \"{component}\" on vhost \"{vhost}\" ..."
    ))?;
    call.client()?.delete(&api(&["parameters", component, vhost, name])).when(404, missing)?;
    Ok(Output::Done)
}

fn list_global(call: &Call) -> Result<Output, Failure> {
    call.say("Listing global runtime parameters ...")?;
    let mut table = Table::new(["name", "value"]);
    for parameter in items(call.get(&["global-parameters"])?) {
        table.push(vec![parameter.at("name").clone(), parameter.at("value").to_string().into()]);
    }
    Ok(Output::Table(table))
}

fn set_global(call: &Call) -> Result<Output, Failure> {
    let (name, value) = (call.argument(0), call.argument(1));
    call.say(format!("Setting global runtime parameter \"{name}\" to \"{value}\" ..."))?;
    let body = json!({ "name": name, "value": parse_json(value)? });
    call.client()?.put(&api(&["global-parameters", name]), &body)?;
    Ok(Output::Done)
}

fn clear_global(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Clearing global runtime parameter \"{name}\" ..."))?;
    call.client()?.delete(&api(&["global-parameters", name])).when(404, missing)?;
    Ok(Output::Done)
}

fn set_cluster_name(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Setting cluster name to {name} ..."))?;
    call.client()?.put("/api/cluster-name", &json!({ "name": name }))?;
    Ok(Output::Done)
}
