//! `coney publish`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use serde_json::{Map, Value, json};

use super::broker::{Broker, Place, Vhost};
use super::error::NativeError;
use super::human;
use super::values::{object, pair};
use crate::cli::client::path;
use crate::cli::out::say;

/// Properties that are numbers.
const NUMBERS: [&str; 3] = ["delivery_mode", "priority", "timestamp"];
/// Those that are texts.
const TEXTS: [&str; 10] = [
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
];

/// The arguments of `coney publish`.
#[derive(Args)]
#[command(
    after_help = "A message that no queue gets is an error.\n\nExamples:\n  coney publish orders '{\"id\": 1}'\n  coney publish --exchange events order.created @order.json --property content_type=application/json\n  coney publish orders --lines - < orders.ndjson\n  coney publish orders hello --header tenant=a --header retries:=3 --count 1000"
)]
pub struct Publish {
    /// The routing key: a queue's name, unless there is an --exchange
    routing_key: String,
    /// The body; - reads standard input, @FILE a file
    body: Option<String>,
    /// The exchange; if not given, the default one, which leads to the queue of that name
    #[arg(short = 'x', long, value_name = "NAME", default_value = "")]
    exchange: String,
    /// A header: KEY=TEXT, or KEY:=JSON for numbers and others
    #[arg(short = 'H', long = "header", value_name = "KEY=VALUE", value_parser = pair)]
    headers: Vec<(String, Value)>,
    /// A property, such as content_type, priority, expiration, message_id
    #[arg(short = 'P', long = "property", value_name = "KEY=VALUE", value_parser = pair)]
    properties: Vec<(String, Value)>,
    /// The message need not outlive the broker (delivery_mode 1)
    #[arg(long)]
    transient: bool,
    /// The same message so many times
    #[arg(short = 'n', long, default_value_t = 1)]
    count: u64,
    /// Each line of the body is a message
    #[arg(long)]
    lines: bool,
    /// Say nothing
    #[arg(short, long)]
    quiet: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vhost: Vhost,
    #[command(flatten)]
    place: Place,
}

/// Where a body comes from.
#[derive(Debug, PartialEq, Eq)]
enum Source<'a> {
    Text(&'a str),
    Stdin,
    File(&'a Path),
}

impl Publish {
    /// Does it.
    pub fn run(&self) -> Result<(), NativeError> {
        let properties = self.properties().map_err(NativeError::Usage)?;
        let source = source(self.body.as_deref(), io::stdin().is_terminal()).map_err(NativeError::Usage)?;
        let broker = self.place.find()?;
        let mut published = 0;
        let sent = bodies(&source, self.lines, &mut |body| {
            for _ in 0..self.count {
                self.send(&broker, &properties, body).map_err(|error| after(published, error))?;
                published += 1;
            }
            Ok(())
        });
        sent?;
        self.report(published)
    }

    fn report(&self, published: u64) -> Result<(), NativeError> {
        if self.json {
            say(&format!("{}\n", json!({ "published": published })))?;
        } else if !self.quiet {
            say(&format!("{} published and confirmed\n", human::counted(published, "message")))?;
        }
        Ok(())
    }

    fn send(&self, broker: &Broker, properties: &Value, body: &[u8]) -> Result<(), NativeError> {
        // A path has no empty pieces.
        let exchange = if self.exchange.is_empty() { "amq.default" } else { &self.exchange };
        let path = path::api(&["exchanges", &self.vhost.name, exchange, "publish"]);
        let (payload, encoding) = match std::str::from_utf8(body) {
            Ok(text) => (text.to_owned(), "string"),
            Err(_) => (STANDARD.encode(body), "base64"),
        };
        let message = json!({ "routing_key": self.routing_key, "properties": properties, "payload": payload,
            "payload_encoding": encoding });
        let hint = "`coney ctl list_exchanges` lists exchanges";
        let answer = broker.post(&path, &message, &format!("exchange {exchange}"), hint)?;
        if answer.get("routed") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        Err(NativeError::Failed(if self.exchange.is_empty() {
            format!("no queue {}; `coney declare {}` makes it", self.routing_key, self.routing_key)
        } else {
            format!(
                "exchange {} sends the key {} to no queue; `coney ctl list_bindings` lists bindings",
                self.exchange, self.routing_key
            )
        }))
    }

    fn properties(&self) -> Result<Value, String> {
        let mut fields = Map::new();
        fields.insert("delivery_mode".to_owned(), json!(if self.transient { 1 } else { 2 }));
        for (key, value) in &self.properties {
            fields.insert(key.clone(), property(key, value)?);
        }
        if !self.headers.is_empty() {
            fields.insert("headers".to_owned(), Value::Object(object(&self.headers)));
        }
        Ok(Value::Object(fields))
    }
}

/// What was published before an error is published.
fn after(published: u64, error: NativeError) -> NativeError {
    match published {
        0 => error,
        _ => NativeError::Failed(format!("{error} (after {})", human::counted(published, "message"))),
    }
}

fn property(key: &str, value: &Value) -> Result<Value, String> {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if NUMBERS.contains(&key) {
        return text.parse::<u64>().map(Value::from).map_err(|_| format!("--property {key}: needs a number"));
    }
    if TEXTS.contains(&key) {
        return Ok(Value::from(text));
    }
    let known = [NUMBERS.as_slice(), TEXTS.as_slice()].concat().join(", ");
    Err(format!(
        "--property {key}: there is no such property; there are {known}; --header {key}=.. sets a header"
    ))
}

fn source(body: Option<&str>, is_terminal: bool) -> Result<Source<'_>, String> {
    match body {
        None if is_terminal => Err("needs a body: BODY, @FILE, or - for standard input".to_owned()),
        None | Some("-") => Ok(Source::Stdin),
        Some(body) => {
            Ok(body.strip_prefix('@').map_or(Source::Text(body), |file| Source::File(Path::new(file))))
        }
    }
}

/// Calls for each body: all of the source, or each of its lines as it comes.
fn bodies(
    source: &Source<'_>,
    by_line: bool,
    each: &mut dyn FnMut(&[u8]) -> Result<(), NativeError>,
) -> Result<(), NativeError> {
    let failed = |path: &Path| {
        let path: PathBuf = path.to_owned();
        move |source| NativeError::File { path, source }
    };
    let (mut reader, path): (Box<dyn io::BufRead>, &Path) = match source {
        Source::Text(text) => (Box::new(text.as_bytes()), Path::new("BODY")),
        Source::Stdin => (Box::new(io::stdin().lock()), Path::new("standard input")),
        Source::File(path) => {
            let file = std::fs::File::open(path).map_err(failed(path))?;
            (Box::new(io::BufReader::new(file)), path)
        }
    };
    if !by_line {
        let mut body = Vec::new();
        reader.read_to_end(&mut body).map_err(failed(path))?;
        return each(&body);
    }
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed(path))? > 0 {
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        each(text.strip_suffix(b"\r").unwrap_or(text))?;
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_known_and_has_its_type() {
        assert_eq!(property("priority", &json!("5")), Ok(json!(5)));
        assert_eq!(property("expiration", &json!(1000)), Ok(json!("1000")));
        assert!(property("priority", &json!("high")).unwrap_err().contains("number"));
        assert!(property("content-type", &json!("x")).unwrap_err().contains("content_type"));
    }

    #[test]
    fn nobody_waits_for_a_body_by_mistake() {
        assert_eq!(source(None, false), Ok(Source::Stdin));
        assert!(source(None, true).is_err());
        assert_eq!(source(Some("-"), true), Ok(Source::Stdin));
        assert_eq!(source(Some("@f"), true), Ok(Source::File(Path::new("f"))));
        assert_eq!(source(Some(""), true), Ok(Source::Text("")));
    }

    #[test]
    fn lines_are_bodies_without_their_ends() {
        let mut found = Vec::new();
        let text = Source::Text("a\r\nb\n\nc");
        bodies(&text, true, &mut |body| {
            found.push(String::from_utf8_lossy(body).into_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(found, ["a", "b", "", "c"]);
        bodies(&text, false, &mut |body| {
            assert_eq!(body, b"a\r\nb\n\nc");
            Ok(())
        })
        .unwrap();
    }
}
