//! What the Python program does.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::super::client::ClientError;
use super::super::super::client::path::api;
use super::super::super::out::say;
use super::super::failure::Failure;
use super::super::session::Session;
use super::list::{FORMATS, Format, View, show};
use super::options::Options;
use super::request::{Request, request};
use super::resources::{
    CLOSABLE, DECLARABLE, DELETABLE, GET, LISTABLE, Listed, Object, PUBLISH, PURGABLE, SHOWABLE,
};

/// The verbs.
pub const VERBS: [&str; 10] =
    ["list", "show", "declare", "delete", "close", "purge", "publish", "get", "export", "import"];

/// What `get` shows of a message whose payload goes to a file.
const COLUMNS_BESIDE_PAYLOAD: [&str; 5] =
    ["routing_key", "exchange", "message_count", "payload_bytes", "redelivered"];

/// A command line, and the broker that it means.
pub struct Command<'a> {
    pub options: &'a Options,
    pub session: Session,
    /// What follows the verb.
    pub words: &'a [String],
}

impl Command<'_> {
    /// Does it.
    pub fn run(&self, verb: &str) -> Result<(), Failure> {
        match verb {
            "list" => self.list(LISTABLE, verb),
            "show" => self.list(SHOWABLE, verb),
            "declare" => self.declare(),
            "delete" => self.delete(DELETABLE, "deleted"),
            "close" => self.delete(CLOSABLE, "closed"),
            "purge" => self.delete(PURGABLE, "purged"),
            "publish" => self.publish(),
            "get" => self.get(),
            "export" => self.export(),
            "import" => self.import(),
            other => Err(Failure::Usage(format!("Action {other} not understood"))),
        }
    }

    fn list(&self, kinds: &[Listed], verb: &str) -> Result<(), Failure> {
        let (name, columns) = self.words.split_first().ok_or_else(no_type)?;
        let kind = kinds.iter().find(|kind| kind.name == name);
        let kind = kind.ok_or_else(|| Failure::Usage(format!("Don't know how to {verb} {name}")))?;
        let usual = columns.is_empty() && self.options.has_usual_columns();
        let columns: Vec<String> = if usual {
            kind.columns.iter().map(|column| (*column).to_owned()).collect()
        } else {
            columns.to_vec()
        };
        let text = self.session.get(&self.list_path(kind, &columns))?.text;
        let text = if verb == "show" { format!("[{text}]") } else { text };
        self.print(&text, columns, kind.json)
    }

    fn list_path(&self, kind: &Listed, columns: &[String]) -> String {
        let name = kind.name.replace('_', "-");
        let vhost = self.options.vhost().filter(|_| kind.by_vhost);
        let path = vhost.map_or_else(|| api(&[&name]), |vhost| api(&[&name, vhost]));
        let mut query = Vec::new();
        if !columns.is_empty() {
            query.push(format!(
                "columns={}",
                columns.iter().map(|column| in_query(column)).collect::<Vec<_>>().join(",")
            ));
        }
        if let Some(column) = self.options.get("sort") {
            query.push(format!("sort={}", in_query(column)));
        }
        if self.options.is_on("sort_reverse") {
            query.push("sort_reverse=true".to_owned());
        }
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// Prints an answer that is a list.
    fn print(&self, text: &str, columns: Vec<String>, json: Option<&str>) -> Result<(), Failure> {
        let name = self.options.format();
        let format = FORMATS.iter().find(|(known, _)| *known == name);
        let (_, format) = format.ok_or_else(|| Failure::Usage(format!("Format {name} not recognised")))?;
        if *format == Format::RawJson {
            return Ok(say(&format!("{text}\n"))?);
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|_| ClientError::NotJson { target: format!("http://{}", self.session.host()) })?;
        if *format == Format::PrettyJson {
            return Ok(say(&format!("{value:#}\n"))?);
        }
        let view =
            View { columns, json, depth: self.options.depth()?, is_verbose: self.options.is_verbose() };
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(say(&show(items, &view, *format))?)
    }

    fn declare(&self) -> Result<(), Failure> {
        let (object, request) = self.object_of(DECLARABLE)?;
        let body = Value::from(request.fields);
        if object.name == "binding" {
            self.session.post(&request.path, &body)?;
        } else {
            self.session.put(&request.path, &body)?;
        }
        self.tell(&format!("{} declared", object.name))
    }

    fn delete(&self, objects: &'static [Object], done: &str) -> Result<(), Failure> {
        let (object, request) = self.object_of(objects)?;
        self.session.delete(&request.path)?;
        self.tell(&format!("{} {done}", object.name))
    }

    fn object_of(&self, objects: &'static [Object]) -> Result<(&'static Object, Request), Failure> {
        let (name, arguments) = self.words.split_first().ok_or_else(no_type)?;
        let object = objects.iter().find(|object| object.name == name);
        let object = object.ok_or_else(|| Failure::Usage(format!("Type {name} not recognised")))?;
        Ok((object, self.request(object, arguments)?))
    }

    fn request(&self, object: &Object, arguments: &[String]) -> Result<Request, Failure> {
        request(object, arguments, self.options.declare_vhost())
    }

    fn publish(&self) -> Result<(), Failure> {
        let mut request = self.request(&PUBLISH, self.words)?;
        if !request.fields.contains_key("payload") {
            let mut payload = Vec::new();
            io::stdin().lock().read_to_end(&mut payload)?;
            request.fields.insert("payload".to_owned(), STANDARD.encode(payload).into());
            request.fields.insert("payload_encoding".to_owned(), "base64".into());
        }
        let answer = self.session.post(&request.path, &Value::from(request.fields))?;
        let is_routed = answer.body.get("routed").and_then(Value::as_bool).unwrap_or_default();
        self.tell(if is_routed { "Message published" } else { "Message published but NOT routed" })
    }

    fn get(&self) -> Result<(), Failure> {
        let request = self.request(&GET, self.words)?;
        let file = request.text("payload_file").filter(|file| !file.is_empty()).map(str::to_owned);
        if file.is_some() && request.text("count") != Some("1") {
            return Err(Failure::Usage("Cannot get multiple messages using payload_file".to_owned()));
        }
        let queue = request.text("queue").unwrap_or_default().to_owned();
        let answer = self.session.post(&request.path, &Value::from(request.fields))?;
        let Some(file) = file else { return self.print(&answer.text, Vec::new(), None) };
        let message = answer.body.get(0);
        let message = message.ok_or_else(|| Failure::Other(format!("No message in queue '{queue}'")))?;
        let file = Path::new(&file);
        fs::write(file, payload_of(message)?).map_err(|error| Failure::writing(file, error))?;
        self.print(&answer.text, COLUMNS_BESIDE_PAYLOAD.map(str::to_owned).to_vec(), None)
    }

    fn export(&self) -> Result<(), Failure> {
        let file = self.only_argument()?;
        let text = self.session.get(&self.definitions_path())?.text;
        fs::write(file, text).map_err(|error| Failure::writing(Path::new(file), error))?;
        self.tell(&format!("Exported definitions for {} to \"{file}\"", self.session.host()))
    }

    fn import(&self) -> Result<(), Failure> {
        let file = self.only_argument()?;
        let text = fs::read_to_string(file).map_err(|error| Failure::reading(Path::new(file), error))?;
        self.session.post_text(&self.definitions_path(), text)?;
        self.tell(&format!("Uploaded definitions from \"{file}\" to {}.", self.session.host()))
    }

    fn definitions_path(&self) -> String {
        let vhost = self.options.vhost();
        vhost.map_or_else(|| api(&["definitions"]), |vhost| api(&["definitions", vhost]))
    }

    fn only_argument(&self) -> Result<&str, Failure> {
        match self.words {
            [argument] => Ok(argument),
            _ => Err(Failure::Usage("Exactly one argument required".to_owned())),
        }
    }

    fn tell(&self, text: &str) -> Result<(), Failure> {
        if self.options.is_verbose() {
            say(&format!("{text}\n"))?;
        }
        Ok(())
    }
}

fn no_type() -> Failure {
    Failure::Usage("Type not specified".to_owned())
}

/// As it may stand in a query; what RabbitMQ's tools leave as it is stays so.
fn in_query(text: &str) -> String {
    use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
    const NOT_IN_QUERY: &AsciiSet =
        &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'&').add(b'+').add(b'<').add(b'>').add(b'`');
    utf8_percent_encode(text, NOT_IN_QUERY).to_string()
}

fn payload_of(message: &Value) -> Result<Vec<u8>, Failure> {
    let payload = message.get("payload").and_then(Value::as_str).unwrap_or_default();
    if message.get("payload_encoding").and_then(Value::as_str) != Some("base64") {
        return Ok(payload.as_bytes().to_vec());
    }
    STANDARD.decode(payload).map_err(|error| Failure::Other(format!("The payload is not base64: {error}")))
}
