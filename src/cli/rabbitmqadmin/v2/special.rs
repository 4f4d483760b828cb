//! Commands that are more than one request.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::super::client::path::api;
use super::super::super::out::say;
use super::super::super::table::at;
use super::super::failure::Failure;
use super::columns;
use super::work::{Work, with_field};

/// How a command ends.
pub type Done = Result<(), Failure>;

pub fn declare_queue(work: &Work<'_>) -> Done {
    let body = json!({
        "durable": work.json("durable")?,
        "auto_delete": work.json("auto-delete")?,
        "arguments": with_field(work.json("arguments")?, "x-queue-type", work.text("type")),
    });
    work.session.put(&work.path(&["queues", "{vhost}", "{name}"]), &body)?;
    Ok(())
}

pub fn declare_user(work: &Work<'_>) -> Done {
    let tags = work.text("tags");
    let body = match (work.value("password"), work.value("password-hash").filter(|hash| !hash.is_empty())) {
        (Some(_), Some(_)) => {
            return Err(Failure::Usage(
                "Please provide either --password or --password-hash, not both".to_owned(),
            ));
        }
        (Some(password), None) => json!({ "password": password, "tags": tags }),
        (None, hash) => {
            let hash = hash.ok_or_else(|| {
                Failure::Usage("Please provide either --password or --password-hash".to_owned())
            })?;
            let algorithm =
                format!("rabbit_password_hashing_{}", work.text("hashing-algorithm").to_lowercase());
            json!({ "password_hash": hash, "hashing_algorithm": algorithm, "tags": tags })
        }
    };
    work.session.put(&work.path(&["users", "{name}"]), &body)?;
    Ok(())
}

fn bindings_path(work: &Work<'_>) -> Result<String, Failure> {
    let letter = match work.text("destination-type") {
        "queue" => "q",
        "exchange" => "e",
        other => {
            return Err(Failure::Usage(format!("--destination-type is queue or exchange, not '{other}'")));
        }
    };
    let [source, destination] = ["source", "destination"].map(|flag| work.text(flag));
    Ok(api(&["bindings", work.vhost, "e", source, letter, destination]))
}

pub fn bind(work: &Work<'_>) -> Done {
    let body = json!({ "routing_key": work.text("routing-key"), "arguments": work.json("arguments")? });
    work.session.post(&bindings_path(work)?, &body)?;
    Ok(())
}

/// The API knows a binding by a key that is made of its routing key and arguments.
pub fn unbind(work: &Work<'_>) -> Done {
    let path = bindings_path(work)?;
    let arguments = work.json("arguments")?;
    let with_key = |binding: &&Value| {
        binding.get("routing_key").and_then(Value::as_str) == Some(work.text("routing-key"))
    };
    let bindings = work.list(&path)?;
    let matching: Vec<&Value> = bindings.iter().filter(with_key).collect();
    let same: Vec<&&Value> =
        matching.iter().filter(|binding| binding.get("arguments") == Some(&arguments)).collect();
    let binding = match (same.as_slice(), matching.as_slice()) {
        ([binding], _) => **binding,
        (_, [binding]) if arguments == json!({}) => *binding,
        (_, []) if work.is_given("idempotently") => return Ok(()),
        (_, []) => return Err(Work::not_found()),
        _ => {
            return Err(Failure::Usage(
                "Several bindings match: name the arguments of one with --arguments".to_owned(),
            ));
        }
    };
    let key = binding.get("properties_key").and_then(Value::as_str).unwrap_or_default();
    work.session.delete(&format!("{path}/{}", super::super::super::client::path::encode(key)))?;
    Ok(())
}

pub fn publish(work: &Work<'_>) -> Done {
    let exchange = Some(work.text("exchange")).filter(|name| !name.is_empty()).unwrap_or("amq.default");
    let (payload, encoding) = match (work.value("payload"), work.value("payload-file")) {
        (Some(_), Some(_)) => {
            return Err(Failure::Option(
                "Please provide either --payload or --payload-file, not both".to_owned(),
            ));
        }
        (payload, None) => (payload.unwrap_or("test").to_owned(), "string"),
        (None, Some(file)) => (STANDARD.encode(read(file)?), "base64"),
    };
    let body = json!({
        "routing_key": work.text("routing-key"),
        "payload": payload,
        "payload_encoding": encoding,
        "properties": work.json("properties")?,
    });
    let answer = work.session.post(&api(&["exchanges", work.vhost, exchange, "publish"]), &body)?;
    let is_routed = answer.body.get("routed").and_then(Value::as_bool).unwrap_or_default();
    Ok(say(if is_routed {
        "Message published and routed successfully\n"
    } else {
        "Message published but NOT routed\n"
    })?)
}

pub fn get(work: &Work<'_>) -> Done {
    let body = json!({ "count": work.json("count")?, "ackmode": work.text("ack-mode"), "encoding": "auto" });
    let answer = work.session.post(&work.path(&["queues", "{vhost}", "{queue}", "get"]), &body)?;
    work.show(answer.body.as_array().map(Vec::as_slice).unwrap_or_default(), columns::MESSAGES)
}

pub fn export(work: &Work<'_>) -> Done {
    export_from(work, &api(&["definitions"]))
}

pub fn export_vhost(work: &Work<'_>) -> Done {
    export_from(work, &api(&["definitions", work.vhost]))
}

fn export_from(work: &Work<'_>, path: &str) -> Done {
    let text = work.session.get(path)?.text;
    let file = work.text("file");
    if file == "-" || work.is_given("stdout") {
        return Ok(say(&format!("{text}\n"))?);
    }
    fs::write(file, text).map_err(|error| Failure::writing(Path::new(file), error))
}

pub fn import(work: &Work<'_>) -> Done {
    import_into(work, &api(&["definitions"]))
}

pub fn import_vhost(work: &Work<'_>) -> Done {
    import_into(work, &api(&["definitions", work.vhost]))
}

fn import_into(work: &Work<'_>, path: &str) -> Done {
    let file = match (work.value("file"), work.is_given("stdin")) {
        (Some(file), false) => file,
        (None, true) => "-",
        _ => return Err(Failure::Usage("Please provide either --file or --stdin".to_owned())),
    };
    let text =
        String::from_utf8(read(file)?).map_err(|_| Failure::Other(format!("{file} is not UTF-8 text")))?;
    work.session.post_text(path, text)?;
    Ok(())
}

/// A file, or standard input.
fn read(file: &str) -> Result<Vec<u8>, Failure> {
    if file == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    fs::read(file).map_err(|error| Failure::reading(Path::new(file), error))
}

pub fn enable_feature(work: &Work<'_>) -> Done {
    enable(work, work.text("name"))
}

pub fn enable_all_features(work: &Work<'_>) -> Done {
    let flags = work.list(&api(&["feature-flags"]))?;
    let is_off = |flag: &&Value| flag.get("state").and_then(Value::as_str) == Some("disabled");
    let mut names = flags.iter().filter(is_off).filter_map(|flag| flag.get("name")?.as_str());
    names.try_for_each(|name| enable(work, name))
}

fn enable(work: &Work<'_>, name: &str) -> Done {
    work.session.put(&api(&["feature-flags", name, "enable"]), &json!({ "name": name }))?;
    Ok(())
}

pub fn check_deprecated(work: &Work<'_>) -> Done {
    let used = work.list(&api(&["deprecated-features", "used"]))?;
    if used.is_empty() {
        return Ok(say("health check passed\n")?);
    }
    let names: Vec<&str> = used.iter().filter_map(|feature| feature.get("name")?.as_str()).collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let pairs =
        [pair("result", "health check failed"), pair("reason", &format!("in use: {}", names.join(", ")))];
    Err(Failure::Unhealthy(work.pairs(&pairs)))
}

pub fn memory_in_bytes(work: &Work<'_>) -> Done {
    let pair = |(name, bytes): (String, f64)| (name, format!("{bytes}"));
    work.show_pairs(&memory(work)?.into_iter().map(pair).collect::<Vec<_>>())
}

pub fn memory_in_percent(work: &Work<'_>) -> Done {
    let parts = memory(work)?;
    let total = parts.iter().find(|(name, _)| name == "total.allocated").map_or(0.0, |(_, bytes)| *bytes);
    let share = |(name, bytes): (String, f64)| {
        let percent = if total > 0.0 { bytes * 100.0 / total } else { 0.0 };
        (name, format!("{percent:.2}%"))
    };
    work.show_pairs(&parts.into_iter().map(share).collect::<Vec<_>>())
}

/// What a node's memory is used for, in bytes, most first.
fn memory(work: &Work<'_>) -> Result<Vec<(String, f64)>, Failure> {
    let answer = work.session.get_json(&work.path(&["nodes", "{node}", "memory"]))?;
    let mut parts = Vec::new();
    for (name, value) in answer.get("memory").and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::Object(totals) => {
                parts.extend(
                    totals
                        .iter()
                        .filter_map(|(kind, bytes)| Some((format!("{name}.{kind}"), bytes.as_f64()?))),
                );
            }
            value => parts.extend(value.as_f64().map(|bytes| (name.clone(), bytes))),
        }
    }
    parts.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    Ok(parts)
}

/// Of all nodes, or of the one that is named.
pub fn plugins(work: &Work<'_>) -> Done {
    let nodes = match work.value("node") {
        Some(node) => work.list(&api(&["nodes", node]))?,
        None => work.list(&api(&["nodes"]))?,
    };
    let mut rows = Vec::new();
    for node in &nodes {
        let name = node.get("name").and_then(Value::as_str).unwrap_or_default();
        let plugins = node.get("enabled_plugins").and_then(Value::as_array).into_iter().flatten();
        rows.extend(
            plugins
                .filter_map(Value::as_str)
                .map(|plugin| [name, plugin, "Enabled"].map(str::to_owned).to_vec()),
        );
    }
    work.show_rows(&["node", "name", "state"].map(str::to_owned), &rows)
}

pub fn patch_policy(work: &Work<'_>) -> Done {
    let path = work.path(&["policies", "{vhost}", "{name}"]);
    let mut policy = work.session.get_json(&path)?;
    let changes = work.json("definition")?;
    let definition = policy.get_mut("definition").and_then(Value::as_object_mut);
    let (Some(definition), Value::Object(changes)) = (definition, changes) else {
        return Err(Failure::Usage("--definition has to be a JSON object".to_owned()));
    };
    for (key, value) in changes {
        if value.is_null() { drop(definition.remove(&key)) } else { drop(definition.insert(key, value)) }
    }
    work.session.put(&path, &policy)?;
    Ok(())
}

/// The bytes of salt that RabbitMQ's hashes begin with.
const SALT_BYTES: usize = 4;

pub fn salt_and_hash(work: &Work<'_>) -> Done {
    if work.text("hashing-algorithm").to_uppercase() != "SHA256" {
        return Err(Failure::Usage(
            "--hashing-algorithm: SHA256 is the one that can be made here".to_owned(),
        ));
    }
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|error| Failure::Other(format!("no random bytes: {error}")))?;
    let hash = Sha256::new_with_prefix(salt).chain_update(work.text("password")).finalize();
    let bytes = [salt.as_slice(), hash.as_slice()].concat();
    work.show_pairs(&[("password hash".to_owned(), STANDARD.encode(bytes))])
}

pub fn streams(work: &Work<'_>) -> Done {
    let mut queues = work.list(&api(&["queues", work.vhost]))?;
    queues.retain(|queue| queue.get("type").and_then(Value::as_str) == Some("stream"));
    work.show(&queues, columns::QUEUES)
}

pub fn user_limits(work: &Work<'_>) -> Done {
    let path =
        work.value("username").map_or_else(|| api(&["user-limits"]), |user| api(&["user-limits", user]));
    work.show(&work.list(&path)?, columns::USER_LIMITS)
}

/// Labels, and where the overview has what they say.
const OVERVIEW: [(&str, &str); 13] = [
    ("Product name", "product_name"),
    ("Product version", "product_version"),
    ("RabbitMQ version", "rabbitmq_version"),
    ("Erlang version", "erlang_version"),
    ("Connections (total)", "object_totals.connections"),
    ("AMQP 0-9-1 channels (total)", "object_totals.channels"),
    ("Queues and streams (total)", "object_totals.queues"),
    ("Consumers (total)", "object_totals.consumers"),
    ("Messages (total)", "queue_totals.messages"),
    ("Messages ready for delivery (total)", "queue_totals.messages_ready"),
    ("Messages delivered but unacknowledged by consumers (total)", "queue_totals.messages_unacknowledged"),
    ("Publishing (ingress) rate (global)", "message_stats.publish_details.rate"),
    ("Consumer delivery (egress) rate (global)", "message_stats.deliver_details.rate"),
];

const CHURN: [(&str, &str); 7] = [
    ("Client connections opened", "churn_rates.connection_created"),
    ("Client connections closed", "churn_rates.connection_closed"),
    ("Client channels opened", "churn_rates.channel_created"),
    ("Client channels closed", "churn_rates.channel_closed"),
    ("Queues and streams (re)declarations", "churn_rates.queue_declared"),
    ("Queues and streams created", "churn_rates.queue_created"),
    ("Queues and streams deleted", "churn_rates.queue_deleted"),
];

pub fn overview(work: &Work<'_>) -> Done {
    overview_rows(work, &OVERVIEW)
}

pub fn churn(work: &Work<'_>) -> Done {
    overview_rows(work, &CHURN)
}

fn overview_rows(work: &Work<'_>, rows: &[(&str, &str)]) -> Done {
    let overview = work.session.get_json(&api(&["overview"]))?;
    let text = |name: &str| match at(&overview, name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) if value.as_f64() == Some(0.0) => "0".to_owned(),
        Some(value) => value.to_string(),
    };
    work.show_pairs(&rows.iter().map(|(label, name)| ((*label).to_owned(), text(name))).collect::<Vec<_>>())
}

pub fn endpoint(work: &Work<'_>) -> Done {
    Ok(say(&format!("Using endpoint: {}/api\n", work.session.target()))?)
}
