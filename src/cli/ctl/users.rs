//! Users and their passwords.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::call::Call;
use super::command::{ANY, CTL, CTL_AND_DIAGNOSTICS, Command, Section};
use super::failure::{DATA, Failure, Means as _, NO_USER, SOFTWARE, UNAVAILABLE};
use super::fields::{Fields, items, text};
use super::options::flag;
use super::output::Output;
use crate::cli::client::path::api;
use crate::cli::table::Table;

pub const COMMANDS: &[Command] = &[
    Command::new("list_users", CTL_AND_DIAGNOSTICS, Section::Users, "Lists users and their tags", list)
        .takes("[--no-table-headers] [--timeout <timeout>]", 0, 0),
    Command::new(
        "add_user",
        CTL,
        Section::Users,
        "Adds a user, who may do nothing yet in any virtual host",
        add,
    )
    .takes("<username> [<password>] [<password_hash> --pre-hashed-password]", 1, 2)
    .with(&[flag("pre-hashed-password")]),
    Command::new(
        "delete_user",
        CTL,
        Section::Users,
        "Deletes a user and closes the user's connections",
        delete,
    )
    .takes("<username>", 1, 1),
    Command::new("change_password", CTL, Section::Users, "Gives a user another password", change_password)
        .takes("<username> <password>", 1, 2),
    Command::new(
        "clear_password",
        CTL,
        Section::Users,
        "Takes a user's password away: no login by password",
        clear_password,
    )
    .takes("<username>", 1, 1),
    Command::new(
        "authenticate_user",
        CTL,
        Section::Users,
        "Tells by its exit code whether a password is right",
        authenticate,
    )
    .takes("<username> <password>", 1, 2),
    Command::new("set_user_tags", CTL, Section::Users, "Sets a user's tags, or clears them", set_tags).takes(
        "<username> <tag> [...]",
        1,
        ANY,
    ),
    Command::new("hash_password", CTL, Section::Users, "Hashes a password as it is stored", hash_password)
        .takes("<cleartext_password>", 0, 1),
];

const NEXT: &str = "Done. Don't forget to grant the user permissions to some virtual hosts! \
                    See 'rabbitmqctl help set_permissions' to learn more.";

fn list(call: &Call) -> Result<Output, Failure> {
    call.say("Listing users ...")?;
    let mut table = Table::new(["user", "tags"]);
    for user in items(call.get(&["users"])?) {
        table.push(vec![user.at("name").clone(), user.at("tags").clone()]);
    }
    Ok(Output::Table(table))
}

fn add(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    if name.is_empty() {
        return Err(Failure::bad_argument("user cannot be an empty string"));
    }
    let secret = given_or_asked(call, 1)?;
    let is_hash = call.options.has("pre-hashed-password");
    if is_hash && STANDARD.decode(&secret).is_err() {
        return Err(Failure::bad_argument("Could not Base64 decode provided password hash value"));
    }
    call.say(format!("Adding user \"{name}\" ..."))?;
    if find(call, name)?.is_some() {
        let text = format!("User {name} already exists");
        let value = json!({ "node": call.node()?, "result": "error", "message": text });
        return Err(Failure::error(SOFTWARE, format!("User \"{name}\" already exists")).with_value(value));
    }
    let key = if is_hash { "password_hash" } else { "password" };
    call.client()?.put(&api(&["users", name]), &json!({ key: secret, "tags": [] }))?;
    let value = json!({ "node": call.node()?, "status": "ok", "message": NEXT });
    Ok(Output::Both(if call.is_quiet() { String::new() } else { NEXT.to_owned() }, value))
}

/// The argument, or a line of standard input.
fn given_or_asked(call: &Call, index: usize) -> Result<String, Failure> {
    match call.arguments.get(index) {
        Some(given) => Ok(given.clone()),
        None => ask("Password: "),
    }
}

/// A line of standard input; people are asked for it.
pub fn ask(prompt: &str) -> Result<String, Failure> {
    if io::stdin().is_terminal() {
        eprint!("{prompt}");
        io::stderr().flush()?;
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn find(call: &Call, name: &str) -> Result<Option<Value>, Failure> {
    match call.ask(&["users", name])? {
        Ok(user) => Ok(Some(user)),
        Err(error) if error.status() == Some(404) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn found(call: &Call, code: u8) -> Result<Value, Failure> {
    find(call, call.argument(0))?.ok_or_else(|| Failure::no_user(code, call.argument(0)))
}

/// Nobody is hurt if there is no such user, as in RabbitMQ.
fn delete(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Deleting user \"{name}\" ..."))?;
    match call.client()?.delete(&api(&["users", name])) {
        Err(error) if error.status() != Some(404) => Err(error.into()),
        _ => Ok(Output::Done),
    }
}

fn change_password(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    let password = given_or_asked(call, 1)?;
    call.say(format!("Changing password for user \"{name}\" ..."))?;
    let user = found(call, NO_USER)?;
    call.client()?.put(&api(&["users", name]), &json!({ "password": password, "tags": user.at("tags") }))?;
    Ok(Output::Done)
}

fn clear_password(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    call.say(format!("Clearing password for user \"{name}\" ..."))?;
    let user = found(call, UNAVAILABLE)?;
    call.client()?.put(&api(&["users", name]), &json!({ "password_hash": "", "tags": user.at("tags") }))?;
    Ok(Output::Done)
}

fn authenticate(call: &Call) -> Result<Output, Failure> {
    let name = call.argument(0);
    let password = given_or_asked(call, 1)?;
    call.say(format!("Authenticating user \"{name}\" ..."))?;
    let path = api(&["coney", "users", name, "authenticate"]);
    let answer = call.client()?.post(&path, &json!({ "password": password }))?;
    if answer.body.at("authenticated") == true {
        return Ok(Output::Text("Success".to_owned()));
    }
    let text = format!("Error: failed to authenticate user \"{name}\"\nuser '{name}' - invalid credentials");
    Err(Failure::error(DATA, text))
}

fn set_tags(call: &Call) -> Result<Output, Failure> {
    let (name, tags) =
        call.arguments.split_first().map_or(("", &[][..]), |(name, tags)| (name.as_str(), tags));
    call.say(format!("Setting tags for user \"{name}\" to [{}] ...", tags.join(", ")))?;
    let user = found(call, NO_USER)?;
    let body = json!({
        "tags": tags, "password_hash": user.at("password_hash"), "hashing_algorithm": user.at("hashing_algorithm"),
    });
    call.client()?.put(&api(&["users", name]), &body)?;
    Ok(Output::Done)
}

fn hash_password(call: &Call) -> Result<Output, Failure> {
    let password = given_or_asked(call, 0)?;
    if password.is_empty() {
        return Err(Failure::bad_argument("password cannot be an empty string"));
    }
    call.say("Will hash the password")?;
    let hash = call.ask(&["auth", "hash_password", &password])?;
    let hash = hash.when(404, || Failure::bad_argument("that cannot be hashed"))?;
    Ok(Output::Text(text(&hash, "ok").to_owned()))
}
