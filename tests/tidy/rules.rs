//! The rules. Each looks at one scanned file and says what is wrong with it and where.

use std::fmt;

use proc_macro2::Delimiter;

use super::paths::PathUse;
use super::scan::{Scan, Token};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 800;

/// Each layer with the layers it may use, besides itself. The direction is upward only.
const LAYERS: [(&str, &[&str]); 24] = [
    ("time", &[]),
    ("telemetry", &[]),
    ("config", &["persona"]),
    ("tls", &["time", "config"]),
    ("statistics", &["time"]),
    ("ledger", &[]),
    ("message", &["time"]),
    ("protocol", &["time", "message"]),
    ("persona", &["protocol"]),
    ("dedup", &["time", "message", "protocol"]),
    ("faults", &["time", "message", "protocol"]),
    ("topology", &["time", "statistics", "message", "protocol", "dedup"]),
    ("queue", &["time", "statistics", "message", "protocol", "dedup"]),
    ("pattern", &[]),
    ("auth", &["time", "message", "protocol", "pattern"]),
    ("stream", &["time", "message", "protocol", "dedup", "queue"]),
    ("policy", &["time", "message", "protocol", "topology", "queue", "pattern"]),
    (
        "session",
        &[
            "time",
            "statistics",
            "message",
            "protocol",
            "persona",
            "dedup",
            "faults",
            "topology",
            "queue",
            "auth",
        ],
    ),
    ("store", &["time", "statistics", "message"]),
    (
        "broker",
        &[
            "time",
            "statistics",
            "ledger",
            "telemetry",
            "config",
            "faults",
            "message",
            "protocol",
            "persona",
            "dedup",
            "topology",
            "queue",
            "stream",
            "auth",
            "policy",
            "session",
            "store",
            "tls",
        ],
    ),
    (
        "amqp",
        &[
            "time",
            "statistics",
            "ledger",
            "telemetry",
            "config",
            "faults",
            "message",
            "protocol",
            "persona",
            "topology",
            "queue",
            "stream",
            "auth",
            "session",
            "store",
            "tls",
            "broker",
        ],
    ),
    (
        "management",
        &[
            "time",
            "statistics",
            "ledger",
            "telemetry",
            "config",
            "faults",
            "message",
            "persona",
            "queue",
            "topology",
            "auth",
            "pattern",
            "policy",
            "session",
            "tls",
            "broker",
        ],
    ),
    (
        "server",
        &[
            "time",
            "statistics",
            "ledger",
            "telemetry",
            "config",
            "faults",
            "message",
            "persona",
            "queue",
            "auth",
            "policy",
            "store",
            "tls",
            "broker",
            "amqp",
            "management",
        ],
    ),
    ("cluster", &["time", "config", "message", "store", "broker", "management", "server"]),
];

/// The crate's roots: they put the layers together.
const ROOTS: [&str; 3] = ["lib", "main", "cli"];
/// Layers without `async`: what they do is decided by their arguments alone, or on the store's own thread.
const SYNC: [&str; 16] = [
    "ledger",
    "pattern",
    "time",
    "statistics",
    "message",
    "protocol",
    "persona",
    "dedup",
    "faults",
    "topology",
    "queue",
    "stream",
    "policy",
    "session",
    "auth",
    "store",
];
const TOKIO: [&str; 9] = ["tls", "broker", "amqp", "management", "server", "cluster", "cli", "main", "lib"];
const CLOCK: &str = "src/broker/clock.rs";

/// The one log that there is; others may come.
const NATS: &str = "src/cluster/nats/";

/// What clients and tools talk to.
const FRONTS: [&str; 2] = ["amqp", "management"];
/// Modules of the broker that change a virtual host without asking who wants it.
const BELOW_OPERATIONS: [&str; 3] = ["creation", "definitions", "removal"];

/// A broken rule.
#[derive(Debug)]
pub(super) struct Finding {
    path: String,
    line: usize,
    pub(super) text: String,
}

impl Finding {
    pub(super) fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

/// Applies every rule.
pub(super) fn check(scan: &Scan) -> Vec<Finding> {
    let mut wrong: Vec<(usize, String)> = Vec::new();
    documented(scan, &mut wrong);
    file_length(scan, &mut wrong);
    function_length(scan, &mut wrong);
    unfinished(scan, &mut wrong);
    sleeps(scan, &mut wrong);
    if let Some(layer) = scan.layer() {
        logs_values(scan, &mut wrong);
        known_layer(layer, &mut wrong);
        synchronous(scan, layer, &mut wrong);
        for path in scan.uses.iter().filter(|path| !scan.is_test(path.line)) {
            let text = direction(scan, layer, path)
                .or(crates(layer, path))
                .or(nats(scan, path))
                .or(clock(scan, path))
                .or(past_operations(layer, path));
            wrong.extend(text.map(|text| (path.line, text)));
        }
    }
    wrong.into_iter().map(|(line, text)| Finding::new(&scan.path, line, text)).collect()
}

fn documented(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    if !scan.begins_with_doc {
        wrong.push((1, "does not begin with `//!` and what the module is for".into()));
    }
}

fn file_length(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    let tests: usize = outermost(scan).map(|(first, last)| last - first + 1).sum();
    let lines = scan.lines.saturating_sub(tests);
    if !scan.test_file && lines > FILE_LINES_MAX {
        wrong.push((1, format!("has {lines} lines without tests, more than {FILE_LINES_MAX}")));
    }
}

/// The test items that are not inside another one.
fn outermost(scan: &Scan) -> impl Iterator<Item = (usize, usize)> + '_ {
    let within = |(first, last): (usize, usize)| {
        let others = scan.test_items.iter().filter(move |o| (*o.start(), *o.end()) != (first, last));
        others.into_iter().any(|o| o.contains(&first) && o.contains(&last))
    };
    scan.test_items.iter().map(|lines| (*lines.start(), *lines.end())).filter(move |item| !within(*item))
}

fn function_length(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    for function in scan.functions.iter().filter(|function| function.lines > FUNCTION_LINES_MAX) {
        let (name, lines) = (&function.name, function.lines);
        wrong.push((function.line, format!("`{name}` has {lines} lines, more than {FUNCTION_LINES_MAX}")));
    }
}

fn unfinished(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    for (index, (_, line)) in scan.tokens.iter().enumerate() {
        let called = scan.token_at(index + 1) == Some(&Token::Punct('!'))
            && matches!(scan.token_at(index + 2), Some(Token::Open(_)));
        match scan.ident_at(index) {
            Some(name @ ("todo" | "dbg" | "unimplemented")) if called => {
                wrong.push((*line, format!("`{name}!` may not stay")));
            }
            Some("unsafe") => wrong.push((*line, "`unsafe` is nowhere".into())),
            _ => {}
        }
    }
}

/// `?field` of `tracing`'s macros; nowhere else does `?` follow these.
fn logs_values(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    let before = [Token::Punct('='), Token::Punct(','), Token::Open(Delimiter::Parenthesis)];
    for (index, (token, line)) in scan.tokens.iter().enumerate() {
        let follows = index.checked_sub(1).and_then(|index| scan.token_at(index));
        if *token == Token::Punct('?') && follows.is_some_and(|token| before.contains(token)) {
            wrong.push((*line, "logs `Debug`: log values, which JSON has as they are, or words".into()));
        }
    }
}

fn sleeps(scan: &Scan, wrong: &mut Vec<(usize, String)>) {
    let suite = scan.path.starts_with("conformance/");
    let support = scan.path.starts_with("tests/support") || scan.path.starts_with("conformance/src/support");
    for (index, (_, line)) in scan.tokens.iter().enumerate() {
        let called = scan.token_at(index + 1) == Some(&Token::Open(Delimiter::Parenthesis));
        if called && scan.ident_at(index) == Some("sleep") && (suite || scan.is_test(*line)) && !support {
            wrong.push((*line, "a test waits for a condition, never by `sleep`".into()));
        }
    }
}

fn known_layer(layer: &str, wrong: &mut Vec<(usize, String)>) {
    if allowed(layer).is_none() && !ROOTS.contains(&layer) {
        wrong.push((1, format!("`{layer}` is in no layer: give it one in tests/tidy/rules.rs")));
    }
}

fn synchronous(scan: &Scan, layer: &str, wrong: &mut Vec<(usize, String)>) {
    if !SYNC.contains(&layer) {
        return;
    }
    for (index, (_, line)) in scan.tokens.iter().enumerate() {
        if scan.ident_at(index) == Some("async") && !scan.is_test(*line) {
            wrong.push((*line, format!("{layer} has no `async`")));
        }
    }
}

fn allowed(layer: &str) -> Option<&'static [&'static str]> {
    LAYERS.iter().find(|(name, _)| *name == layer).map(|(_, uses)| *uses)
}

fn direction(scan: &Scan, layer: &str, path: &PathUse) -> Option<String> {
    let may_use = allowed(layer)?;
    let target = target(scan, path)?;
    if target == layer || may_use.contains(&target.as_str()) {
        return None;
    }
    if allowed(&target).is_none() {
        return Some(format!("`crate::{target}` is not a module: name the layer it comes from"));
    }
    Some(format!("{layer} may not use {target}"))
}

/// The top-level module that a path within the crate leads to.
fn target(scan: &Scan, path: &PathUse) -> Option<String> {
    let first = path.segments.first()?.as_str();
    if first == "crate" {
        return path.segments.get(1).cloned();
    }
    let ups = path.segments.iter().take_while(|segment| *segment == "super").count();
    let module = scan.module_at(path.line);
    if ups == 0 || ups < module.len() {
        return None;
    }
    path.segments.get(ups).cloned()
}

fn past_operations(layer: &str, path: &PathUse) -> Option<String> {
    let part = match path.segments.as_slice() {
        [first, broker, part, ..] if first == "crate" && broker == "broker" => part.as_str(),
        _ => return None,
    };
    let is_past = FRONTS.contains(&layer) && BELOW_OPERATIONS.contains(&part);
    is_past.then(|| format!("{layer} changes a vhost by broker::operations, never by broker::{part}"))
}

fn crates(layer: &str, path: &PathUse) -> Option<String> {
    let first = path.segments.first()?.as_str();
    if path.segments.len() < 2 && !path.imported {
        return None;
    }
    match first {
        "tokio" if !TOKIO.contains(&layer) => Some(format!("tokio is named in {} only", TOKIO.join(", "))),
        "fjall" if layer != "store" => Some("fjall is named in store only".into()),
        _ => None,
    }
}

fn nats(scan: &Scan, path: &PathUse) -> Option<String> {
    let is_named = path.segments.first().is_some_and(|first| first == "async_nats");
    (is_named && !scan.path.starts_with(NATS)).then(|| format!("async_nats is named in {NATS} only"))
}

fn clock(scan: &Scan, path: &PathUse) -> Option<String> {
    let reads = matches!(path.segments.as_slice(), [.., kind, now]
        if now == "now" && (kind == "Instant" || kind == "SystemTime"));
    (reads && scan.path != CLOCK).then(|| format!("only {CLOCK} reads the clock"))
}
