//! Limits of virtual hosts and of users.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::command::{CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{Failure, Means as _, UNAVAILABLE};
use super::fields::{Fields, items};
use super::options::{flag, text};
use super::output::Output;
use super::parameters::parse_json;
use crate::cli::client::path::api;
use crate::cli::table::Table;

pub const COMMANDS: &[Command] = &[
    Command::new(
        "list_vhost_limits",
        CTL_AND_DIAGNOSTICS,
        Section::VirtualHosts,
        "Shows the limits of virtual hosts",
        list_of_vhost,
    )
    .takes("[--vhost <vhost>] [--global] [--no-table-headers]", 0, 0)
    .with(&[flag("global")]),
    Command::new(
        "set_vhost_limits",
        CTL,
        Section::VirtualHosts,
        "Limits connections and queues of a virtual host",
        set_of_vhost,
    )
    .takes("[--vhost <vhost>] <definition>", 1, 1),
    Command::new(
        "clear_vhost_limits",
        CTL,
        Section::VirtualHosts,
        "Takes a virtual host's limits away",
        clear_of_vhost,
    )
    .takes("[--vhost <vhost>]", 0, 0),
    Command::new(
        "list_user_limits",
        CTL_AND_DIAGNOSTICS,
        Section::Users,
        "Shows the limits of users",
        list_of_user,
    )
    .takes("[--user <username>] [--global]", 0, 0)
    .with(&[text("user"), flag("global")]),
    Command::new(
        "set_user_limits",
        CTL,
        Section::Users,
        "Limits connections and channels of a user",
        set_of_user,
    )
    .takes("<username> <definition>", 2, 2),
    Command::new("clear_user_limits", CTL, Section::Users, "Takes a user's limits away", clear_of_user)
        .takes("<username> <limit_type> | all", 2, 2),
];

/// Whom limits are shown of if nobody is named.
const GUEST: &str = "guest";

fn list_of_vhost(call: &Call) -> Result<Output, Failure> {
    if call.options.has("global") {
        call.say("Listing limits for all vhosts ...")?;
        let mut table = Table::new(["vhost", "limits"]);
        for limits in
            items(call.get(&["vhost-limits"])?).iter().filter(|limits| *limits.at("value") != json!({}))
        {
            table.push(vec![limits.at("vhost").clone(), limits.at("value").to_string().into()]);
        }
        return Ok(Output::Table(table));
    }
    let vhost = call.vhost();
    call.say(format!("Listing limits for vhost \"{vhost}\" ..."))?;
    let limits = of_vhost(call, vhost)?;
    if limits.is_empty() {
        // An empty line: tools read the first one.
        return Ok(Output::Both("\n".to_owned(), json!([])));
    }
    let shown = Value::from(limits).to_string();
    let value = json!({ "node": call.node()?, "result": "ok", "value": shown });
    Ok(Output::Both(shown, value))
}

fn of_vhost(call: &Call, vhost: &str) -> Result<Map<String, Value>, Failure> {
    call.ask(&["vhosts", vhost])?.when(404, || Failure::no_vhost(vhost))?;
    first(call.get(&["vhost-limits", vhost])?)
}

fn first(limits: Value) -> Result<Map<String, Value>, Failure> {
    let first =
        items(limits).into_iter().next().and_then(|mut limits| limits.get_mut("value").map(Value::take));
    Ok(match first {
        Some(Value::Object(limits)) => limits,
        _ => Map::new(),
    })
}

/// All limits that were there before go.
fn set_of_vhost(call: &Call) -> Result<Output, Failure> {
    let (vhost, given) = (call.vhost(), call.argument(0));
    call.say(format!("Setting vhost limits to \"{given}\" for vhost \"{vhost}\" ..."))?;
    let wanted = object(given)?;
    let before = of_vhost(call, vhost)?;
    for (name, value) in &wanted {
        let path = api(&["vhost-limits", vhost, name]);
        call.client()?.put(&path, &json!({ "value": value }))?;
    }
    for name in before.keys().filter(|name| !wanted.contains_key(*name)) {
        call.client()?.delete(&api(&["vhost-limits", vhost, name]))?;
    }
    Ok(Output::Done)
}

fn object(text: &str) -> Result<Map<String, Value>, Failure> {
    match parse_json(text)? {
        Value::Object(limits) => Ok(limits),
        _ => Err(Failure::error(
            UNAVAILABLE,
            "limits have to be a JSON object such as {\"max-connections\": 10}",
        )),
    }
}

fn clear_of_vhost(call: &Call) -> Result<Output, Failure> {
    let vhost = call.vhost();
    call.say(format!("Clearing vhost \"{vhost}\" limits ..."))?;
    let missing = |_| Failure::error(UNAVAILABLE, "Parameter does not exist");
    let limits = of_vhost(call, vhost).map_err(missing)?;
    for name in limits.keys() {
        call.client()?.delete(&api(&["vhost-limits", vhost, name]))?;
    }
    Ok(Output::Done)
}

fn list_of_user(call: &Call) -> Result<Output, Failure> {
    if call.options.has("global") {
        call.say("Listing limits for all users ...")?;
        let mut table = Table::new(["user", "limits"]);
        for limits in
            items(call.get(&["user-limits"])?).iter().filter(|limits| *limits.at("value") != json!({}))
        {
            table.push(vec![limits.at("user").clone(), limits.at("value").to_string().into()]);
        }
        return Ok(Output::Table(table));
    }
    let user = call.options.value("user").unwrap_or(GUEST);
    call.say(format!("Listing limits for user \"{user}\" ..."))?;
    Ok(Output::Text(Value::from(of_user(call, user)?).to_string()))
}

fn of_user(call: &Call, user: &str) -> Result<Map<String, Value>, Failure> {
    call.ask(&["users", user])?.when(404, || Failure::no_user(UNAVAILABLE, user))?;
    first(call.get(&["user-limits", user])?)
}

fn set_of_user(call: &Call) -> Result<Output, Failure> {
    let (user, given) = (call.argument(0), call.argument(1));
    call.say(format!("Setting user limits to \"{given}\" for user \"{user}\" ..."))?;
    let wanted = object(given)?;
    of_user(call, user)?;
    for (name, value) in &wanted {
        call.client()?.put(&api(&["user-limits", user, name]), &json!({ "value": value }))?;
    }
    Ok(Output::Done)
}

fn clear_of_user(call: &Call) -> Result<Output, Failure> {
    let (user, which) = (call.argument(0), call.argument(1));
    match which {
        "all" => call.say(format!("Clearing all limits for user \"{user}\" ..."))?,
        which => call.say(format!("Clearing \"{which}\" limit for user \"{user}\" ..."))?,
    }
    let limits = of_user(call, user)?;
    for name in limits.keys().filter(|name| which == "all" || which == name.as_str()) {
        call.client()?.delete(&api(&["user-limits", user, name]))?;
    }
    Ok(Output::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_an_object() {
        assert_eq!(object("{\"max-queues\": 1}").unwrap().len(), 1);
        assert_eq!(object("[]").unwrap_err().code, UNAVAILABLE);
        assert!(object("nonsense").unwrap_err().text.contains("Could not parse JSON"));
    }
}
