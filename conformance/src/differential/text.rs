//! Programs as text, an operation a line: `A1 queue.declare q1 durable x-max-length=I:5`.
//!
//! First who does it (connection and channel), then the method, its names, its flags, and values. `&` at the end: the
//! effects are not awaited. `#` begins a comment.

use std::collections::VecDeque;

use super::program::{Action, Actor, Delivery, Operation, Program, Publish, Shares, Way};
use super::values::{self, Scanner, word};
use crate::codec::{Props, Table, Value};

const QUEUE: &[(u8, &str)] =
    &[(1, "passive"), (2, "durable"), (4, "exclusive"), (8, "auto-delete"), (16, "nowait")];
const EXCHANGE: &[(u8, &str)] = &[(1, "passive"), (2, "durable"), (4, "auto-delete"), (8, "internal")];
const CONSUME: &[(u8, &str)] = &[(1, "no-local"), (2, "no-ack"), (4, "exclusive")];
const DELETE_QUEUE: &[(u8, &str)] = &[(1, "if-unused"), (2, "if-empty")];
const DELETE_EXCHANGE: &[(u8, &str)] = &[(1, "if-unused")];
const PUBLISH: &[(u8, &str)] = &[(1, "mandatory"), (2, "immediate")];

impl std::fmt::Display for Program {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(milliseconds) = self.outlive_ms {
            writeln!(out, "outlive {milliseconds}")?;
        }
        self.operations.iter().try_for_each(|operation| writeln!(out, "{operation}"))
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}{}", self.connection, self.channel)
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {}{}", self.actor, action(&self.action).0, if self.awaited { "" } else { " &" })
    }
}

/// Puts a line together.
struct Line(String);

impl Line {
    fn new(method: &str) -> Self {
        Self(method.to_owned())
    }

    fn word(self, text: &str) -> Self {
        self.raw(&word(text))
    }

    fn raw(mut self, text: &str) -> Self {
        self.0.push(' ');
        self.0.push_str(text);
        self
    }

    fn flag(self, set: bool, name: &str) -> Self {
        if set { self.raw(name) } else { self }
    }

    fn bits(self, bits: u8, names: &[(u8, &str)]) -> Self {
        names.iter().fold(self, |line, (bit, name)| line.flag(bits & bit != 0, name))
    }

    fn pair(self, key: &str, value: &str) -> Self {
        self.raw(&format!("{key}={value}"))
    }

    fn table(self, prefix: &str, table: &Table) -> Self {
        let entry = |line: Self, (key, value): &(String, Value)| {
            line.pair(&format!("{prefix}{}", word(key)), &values::write(value))
        };
        table.iter().fold(self, entry)
    }
}

fn action(action: &Action) -> Line {
    match action {
        Action::DeclareQueue { queue, bits, arguments } => {
            Line::new("queue.declare").word(queue).bits(*bits, QUEUE).table("", arguments)
        }
        Action::ProbeQueue { queue, bits, arguments } => {
            Line::new("queue.probe").word(queue).bits(*bits, QUEUE).table("", arguments)
        }
        Action::DeleteQueue { queue, bits } => {
            Line::new("queue.delete").word(queue).bits(*bits, DELETE_QUEUE)
        }
        Action::PurgeQueue { queue } => Line::new("queue.purge").word(queue),
        Action::DeclareExchange { exchange, kind, bits, arguments } => {
            Line::new("exchange.declare").word(exchange).word(kind).bits(*bits, EXCHANGE).table("", arguments)
        }
        Action::DeleteExchange { exchange, bits } => {
            Line::new("exchange.delete").word(exchange).bits(*bits, DELETE_EXCHANGE)
        }
        Action::Bind { way, key, arguments } => binding(way, "bind").word(key).table("", arguments),
        Action::Unbind { way, key, arguments } => binding(way, "unbind").word(key).table("", arguments),
        Action::Publish(publish) => write_publish(publish),
        Action::Get { queue, no_ack } => Line::new("basic.get").word(queue).flag(*no_ack, "no-ack"),
        Action::Consume { queue, tag, bits, arguments } => {
            Line::new("basic.consume").word(queue).word(tag).bits(*bits, CONSUME).table("", arguments)
        }
        Action::Cancel { tag } => Line::new("basic.cancel").word(tag),
        Action::Qos { size, count, global } => {
            let line = Line::new("basic.qos").raw(&count.to_string()).flag(*global, "global");
            if *size == 0 { line } else { line.pair("size", &size.to_string()) }
        }
        Action::Ack { delivery, multiple } => {
            write_delivery("basic.ack", delivery).flag(*multiple, "multiple")
        }
        Action::Nack { delivery, multiple, requeue } => {
            write_delivery("basic.nack", delivery).flag(*multiple, "multiple").flag(*requeue, "requeue")
        }
        Action::Reject { delivery, requeue } => {
            write_delivery("basic.reject", delivery).flag(*requeue, "requeue")
        }
        Action::Recover { requeue } => Line::new("basic.recover").flag(*requeue, "requeue"),
        Action::SelectConfirm => Line::new("confirm.select"),
        Action::SelectTx => Line::new("tx.select"),
        Action::Commit => Line::new("tx.commit"),
        Action::Rollback => Line::new("tx.rollback"),
        Action::Flow { active } => Line::new("channel.flow").flag(*active, "active"),
        Action::CloseChannel => Line::new("channel.close"),
        Action::CloseConnection => Line::new("connection.close"),
        Action::Drop => Line::new("drop"),
        Action::Shares(shares) => write_shares(shares),
    }
}

fn binding(way: &Way, verb: &str) -> Line {
    match way {
        Way::Queue { queue, source } => Line::new(&format!("queue.{verb}")).word(queue).word(source),
        Way::Exchange { destination, source } => {
            Line::new(&format!("exchange.{verb}")).word(destination).word(source)
        }
    }
}

fn write_delivery(method: &str, delivery: &Delivery) -> Line {
    let line = Line::new(method);
    match delivery {
        Delivery::Held(queue, index) => line.word(queue).raw(&index.to_string()),
        Delivery::Step(step) => line.raw("step").raw(&step.to_string()),
        Delivery::Settled => line.raw("settled"),
        Delivery::Tag(tag) => line.raw("tag").raw(&tag.to_string()),
    }
}

fn write_publish(publish: &Publish) -> Line {
    let props = &publish.props;
    let mut line = Line::new("basic.publish").word(&publish.exchange).word(&publish.key);
    line = line.bits(publish.bits, PUBLISH).pair("body", &word(&publish.body));
    line = if publish.count == 1 { line } else { line.pair("count", &publish.count.to_string()) };
    line = values::properties(props).into_iter().fold(line, |line, (key, value)| line.pair(key, &value));
    match &props.headers {
        Some(headers) => line.pair("headers", &values::write_table(headers)),
        None => line,
    }
}

fn write_shares(shares: &Shares) -> Line {
    let numbers = [
        ("queues", shares.queues),
        ("consumers", shares.consumers),
        ("prefetch", shares.prefetch.into()),
        ("messages", shares.messages),
        ("acks", shares.acks),
    ];
    let line = Line::new("shares").flag(shares.global, "global");
    numbers.iter().fold(line, |line, (key, number)| line.pair(key, &number.to_string()))
}

/// Reads a program.
///
/// # Errors
/// The first line that cannot be read, and why.
pub fn parse(text: &str) -> Result<Program, String> {
    let mut program = Program::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(milliseconds) = line.strip_prefix("outlive ") {
            program.outlive_ms =
                Some(milliseconds.trim().parse().map_err(|_| format!("line {number}: not a number"))?);
            continue;
        }
        program.operations.push(operation(line).map_err(|error| format!("line {number}: {error}: {line}"))?);
    }
    Ok(program)
}

fn operation(line: &str) -> Result<Operation, String> {
    let (actor, rest) = line.split_once(' ').ok_or("an operation is CHANNEL METHOD ..")?;
    let (rest, awaited) = match rest.trim_end().strip_suffix(" &") {
        Some(rest) => (rest, false),
        None => (rest, true),
    };
    let mut fields = Fields::read(rest)?;
    let method = fields.word()?;
    let action = read_action(&method, &mut fields)?;
    fields.finish()?;
    Ok(Operation { actor: read_actor(actor)?, action, awaited })
}

fn read_actor(text: &str) -> Result<Actor, String> {
    let mut chars = text.chars();
    let connection = chars.next().filter(char::is_ascii_uppercase).ok_or("a channel is written like A1")?;
    let channel = chars.as_str().parse().map_err(|_| "a channel is written like A1")?;
    Ok(Actor { connection, channel })
}

/// What stands in a line: words and flags in order, and values by key.
struct Fields {
    words: VecDeque<String>,
    texts: Vec<(String, String)>,
    table: Table,
}

impl Fields {
    fn read(line: &str) -> Result<Self, String> {
        let mut fields = Self { words: VecDeque::new(), texts: Vec::new(), table: Table::new() };
        let mut scanner = Scanner::new(line);
        while !scanner.is_done() {
            let word = scanner.word()?;
            if !scanner.accept("=") {
                fields.words.push_back(word);
            } else if word == "headers" {
                fields.table = scanner.table()?;
                fields.texts.push((word, String::new()));
            } else if let Ok((value, rest)) = typed(&scanner) {
                fields.table.push((word, value));
                scanner = rest;
            } else {
                let text = scanner.word()?;
                fields.texts.push((word, text));
            }
        }
        Ok(fields)
    }

    fn word(&mut self) -> Result<String, String> {
        self.words.pop_front().ok_or_else(|| "a word is missing".to_owned())
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let word = self.word()?;
        word.parse().map_err(|_| format!("`{word}` is no number here"))
    }

    fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    fn bits(&mut self, names: &[(u8, &str)]) -> u8 {
        names.iter().filter(|(_, name)| self.flag(name)).fold(0, |bits, (bit, _)| bits | bit)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let at = self.texts.iter().position(|(name, _)| name == key)?;
        Some(self.texts.remove(at).1)
    }

    fn text_number<T: std::str::FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| format!("`{text}` is no number for {key}"))
    }

    fn table(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }

    /// Everything has to have been used.
    fn finish(self) -> Result<(), String> {
        let keys =
            self.texts.into_iter().map(|(key, _)| key).chain(self.table.into_iter().map(|(key, _)| key));
        match self.words.into_iter().chain(keys).next() {
            Some(word) => Err(format!("`{word}` has no meaning here")),
            None => Ok(()),
        }
    }
}

/// A value with its type, if one comes next that ends where a word ends.
fn typed<'a>(scanner: &Scanner<'a>) -> Result<(Value, Scanner<'a>), String> {
    let mut scanner = scanner.clone();
    Ok((scanner.value()?, scanner))
}

fn read_action(method: &str, fields: &mut Fields) -> Result<Action, String> {
    if let Some(verb) = method.strip_prefix("queue.") {
        return read_queue(verb, fields);
    }
    if let Some(verb) = method.strip_prefix("exchange.") {
        return read_exchange(verb, fields);
    }
    if let Some(verb) = method.strip_prefix("basic.") {
        return read_basic(verb, fields);
    }
    Ok(match method {
        "confirm.select" => Action::SelectConfirm,
        "tx.select" => Action::SelectTx,
        "tx.commit" => Action::Commit,
        "tx.rollback" => Action::Rollback,
        "channel.flow" => Action::Flow { active: fields.flag("active") },
        "channel.close" => Action::CloseChannel,
        "connection.close" => Action::CloseConnection,
        "drop" => Action::Drop,
        "shares" => Action::Shares(read_shares(fields)?),
        other => return Err(format!("`{other}` is no method")),
    })
}

fn read_queue(verb: &str, fields: &mut Fields) -> Result<Action, String> {
    let queue = fields.word()?;
    Ok(match verb {
        "declare" => Action::DeclareQueue { queue, bits: fields.bits(QUEUE), arguments: fields.table() },
        "probe" => Action::ProbeQueue { queue, bits: fields.bits(QUEUE), arguments: fields.table() },
        "delete" => Action::DeleteQueue { queue, bits: fields.bits(DELETE_QUEUE) },
        "purge" => Action::PurgeQueue { queue },
        verb => read_binding(verb, Way::Queue { queue, source: fields.word()? }, fields)?,
    })
}

fn read_exchange(verb: &str, fields: &mut Fields) -> Result<Action, String> {
    let exchange = fields.word()?;
    Ok(match verb {
        "declare" => Action::DeclareExchange {
            exchange,
            kind: fields.word()?,
            bits: fields.bits(EXCHANGE),
            arguments: fields.table(),
        },
        "delete" => Action::DeleteExchange { exchange, bits: fields.bits(DELETE_EXCHANGE) },
        verb => read_binding(verb, Way::Exchange { destination: exchange, source: fields.word()? }, fields)?,
    })
}

fn read_binding(verb: &str, way: Way, fields: &mut Fields) -> Result<Action, String> {
    let (key, arguments) = (fields.word()?, fields.table());
    match verb {
        "bind" => Ok(Action::Bind { way, key, arguments }),
        "unbind" => Ok(Action::Unbind { way, key, arguments }),
        other => Err(format!("`{other}` is no method of this class")),
    }
}

fn read_basic(verb: &str, fields: &mut Fields) -> Result<Action, String> {
    Ok(match verb {
        "publish" => Action::Publish(Box::new(read_publish(fields)?)),
        "get" => Action::Get { queue: fields.word()?, no_ack: fields.flag("no-ack") },
        "consume" => Action::Consume {
            queue: fields.word()?,
            tag: fields.word()?,
            bits: fields.bits(CONSUME),
            arguments: fields.table(),
        },
        "cancel" => Action::Cancel { tag: fields.word()? },
        "qos" => Action::Qos {
            count: fields.number()?,
            global: fields.flag("global"),
            size: fields.text_number("size")?.unwrap_or(0),
        },
        "ack" => Action::Ack { delivery: read_delivery(fields)?, multiple: fields.flag("multiple") },
        "nack" => Action::Nack {
            delivery: read_delivery(fields)?,
            multiple: fields.flag("multiple"),
            requeue: fields.flag("requeue"),
        },
        "reject" => Action::Reject { delivery: read_delivery(fields)?, requeue: fields.flag("requeue") },
        "recover" => Action::Recover { requeue: fields.flag("requeue") },
        other => return Err(format!("`basic.{other}` is no method")),
    })
}

fn read_delivery(fields: &mut Fields) -> Result<Delivery, String> {
    let word = fields.word()?;
    Ok(match word.as_str() {
        "step" => Delivery::Step(fields.number()?),
        "settled" => Delivery::Settled,
        "tag" => Delivery::Tag(fields.number()?),
        _ => Delivery::Held(word, fields.number()?),
    })
}

fn read_publish(fields: &mut Fields) -> Result<Publish, String> {
    let (exchange, key) = (fields.word()?, fields.word()?);
    let props = Props {
        content_type: fields.text("content-type"),
        content_encoding: fields.text("content-encoding"),
        headers: fields.text("headers").map(|_| fields.table()),
        delivery_mode: fields.text_number("delivery-mode")?,
        priority: fields.text_number("priority")?,
        correlation_id: fields.text("correlation-id"),
        reply_to: fields.text("reply-to"),
        expiration: fields.text("expiration"),
        message_id: fields.text("message-id"),
        timestamp: fields.text_number("timestamp")?,
        kind: fields.text("type"),
        user_id: fields.text("user-id"),
        app_id: fields.text("app-id"),
        cluster_id: fields.text("cluster-id"),
    };
    let body = fields.text("body").unwrap_or_default();
    let count = fields.text_number("count")?.unwrap_or(1);
    Ok(Publish { exchange, key, bits: fields.bits(PUBLISH), props, body, count })
}

fn read_shares(fields: &mut Fields) -> Result<Shares, String> {
    let mut number = |key: &str| fields.text_number(key).map(|number| number.unwrap_or(1));
    let (queues, consumers) = (number("queues")?, number("consumers")?);
    let (prefetch, messages, acks) = (number("prefetch")?, number("messages")?, number("acks")?);
    let prefetch = u16::try_from(prefetch).map_err(|_| "the prefetch is too large")?;
    Ok(Shares { queues, consumers, prefetch, global: fields.flag("global"), messages, acks })
}
