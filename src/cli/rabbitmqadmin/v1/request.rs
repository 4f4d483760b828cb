//! `name=value` arguments, and the path and the body that they make.

use serde_json::{Map, Value, json};

use super::super::super::client::path::api;
use super::super::failure::Failure;
use super::resources::{Default, Object};

/// What is asked of the API.
#[derive(Debug)]
pub struct Request {
    pub path: String,
    pub fields: Map<String, Value>,
}

impl Request {
    /// A field that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }
}

/// Of an object and the arguments that were given for it.
pub fn request(object: &Object, arguments: &[String], vhost: &str) -> Result<Request, Failure> {
    let mut fields = defaults(object);
    for argument in arguments {
        let (name, value) = argument
            .split_once('=')
            .ok_or_else(|| Failure::Usage(format!("Argument \"{argument}\" not in the name=value format")))?;
        if !is_known(object, name) {
            return Err(Failure::Usage(format!("Argument \"{name}\" is not recognised")));
        }
        let value = if object.json.contains(&name) { parsed(value)? } else { Value::from(value) };
        fields.insert(name.to_owned(), value);
    }
    check_mandatory(object, &fields)?;
    if !object.mandatory.contains(&["vhost"].as_slice()) {
        fields.insert("vhost".to_owned(), vhost.into());
    }
    let path = path(object, &fields)?;
    place_queue_type(&mut fields);
    Ok(Request { path, fields })
}

fn defaults(object: &Object) -> Map<String, Value> {
    let value = |default: &Default| match default {
        Default::Absent => None,
        Default::Empty => Some(json!({})),
        Default::Text(text) => Some(Value::from(*text)),
        Default::Number(number) => Some(Value::from(*number)),
    };
    object.optional.iter().filter_map(|(name, default)| Some(((*name).to_owned(), value(default)?))).collect()
}

fn is_known(object: &Object, name: &str) -> bool {
    object.mandatory.iter().any(|names| names.contains(&name))
        || object.optional.iter().any(|(known, _)| *known == name)
}

fn parsed(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Other(format!("Could not parse JSON:\n  {text}\n  ({error})")))
}

fn check_mandatory(object: &Object, fields: &Map<String, Value>) -> Result<(), Failure> {
    for names in object.mandatory {
        if names.iter().any(|name| fields.contains_key(*name)) {
            continue;
        }
        return Err(Failure::Usage(match names {
            [name] => format!("mandatory argument \"{name}\" is required"),
            several => {
                let several: Vec<String> = several.iter().map(|name| format!("'{name}'")).collect();
                format!("one of mandatory arguments \"[{}]\" is required", several.join(", "))
            }
        }));
    }
    Ok(())
}

fn path(object: &Object, fields: &Map<String, Value>) -> Result<String, Failure> {
    let mut pieces = Vec::new();
    for piece in object.path {
        let argument = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}'));
        pieces.push(match argument {
            None => *piece,
            Some("destination_char") => first_letter(argument_of("destination_type", fields)?),
            Some(name) => argument_of(name, fields)?,
        });
    }
    Ok(api(&pieces))
}

fn argument_of<'a>(name: &str, fields: &'a Map<String, Value>) -> Result<&'a str, Failure> {
    let value = fields.get(name).and_then(Value::as_str).unwrap_or_default();
    if value.is_empty() {
        return Err(Failure::Usage(format!("Argument \"{name}\" must not be empty")));
    }
    Ok(value)
}

fn first_letter(text: &str) -> &str {
    let end = text.chars().next().map_or(0, char::len_utf8);
    text.get(..end).unwrap_or_default()
}

/// `queue_type=quorum` is short for an argument of the queue.
fn place_queue_type(fields: &mut Map<String, Value>) {
    let Some(queue_type) = fields.get("queue_type").cloned() else { return };
    let arguments = fields.entry("arguments").or_insert_with(|| json!({}));
    if let Some(arguments) = arguments.as_object_mut() {
        arguments.insert("x-queue-type".to_owned(), queue_type);
    }
}

#[cfg(test)]
mod tests {
    use super::super::resources::{DECLARABLE, DELETABLE, PUBLISH};
    use super::*;

    fn object<'a>(objects: &'a [Object], name: &str) -> &'a Object {
        objects.iter().find(|object| object.name == name).unwrap()
    }

    fn asked(object: &Object, arguments: &[&str]) -> Result<Request, String> {
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        request(object, &arguments, "v/1").map_err(|failure| failure.to_string())
    }

    #[test]
    fn defaults_and_arguments_make_path_and_body() {
        let queue = object(DECLARABLE, "queue");
        let request = asked(queue, &["name=a=b", "queue_type=quorum", "arguments={\"x\": 1}"]).unwrap();
        assert_eq!(request.path, "/api/queues/v%2F1/a%3Db");
        let expected = json!({"name": "a=b", "vhost": "v/1", "durable": "true", "auto_delete": "false",
            "queue_type": "quorum", "arguments": {"x": 1, "x-queue-type": "quorum"}});
        assert_eq!(Value::from(request.fields), expected);
        let binding = object(DELETABLE, "binding");
        let request = asked(binding, &["source=s", "destination_type=exchange", "destination=d"]).unwrap();
        assert_eq!(request.path, "/api/bindings/v%2F1/e/s/e/d/~");
        let request = asked(object(DELETABLE, "permission"), &["vhost=w", "user=u"]).unwrap();
        assert_eq!(request.path, "/api/permissions/w/u");
    }

    #[test]
    fn wrong_arguments_are_named() {
        let queue = object(DECLARABLE, "queue");
        let wrong = |object: &Object, arguments: &[&str]| asked(object, arguments).unwrap_err();
        assert_eq!(wrong(queue, &["q"]), "Argument \"q\" not in the name=value format");
        assert_eq!(wrong(queue, &["a=b"]), "Argument \"a\" is not recognised");
        assert_eq!(wrong(queue, &[]), "mandatory argument \"name\" is required");
        assert_eq!(wrong(&PUBLISH, &[]), "mandatory argument \"routing_key\" is required");
        let user = object(DECLARABLE, "user");
        let one_of = "one of mandatory arguments \"['password', 'password_hash']\" is required";
        assert_eq!(wrong(user, &["name=u", "tags="]), one_of);
        assert!(wrong(queue, &["name=q", "arguments={"]).starts_with("Could not parse JSON:\n  {\n"));
        assert_eq!(wrong(queue, &["name="]), "Argument \"name\" must not be empty");
    }
}
