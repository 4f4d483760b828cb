//! Random arguments and properties: such as programs have, and such as nobody should.

use super::subject::{SHORT_TTL_MS, Subject};
use crate::codec::{Props, Table, Value};
use crate::differential::random::Random;

/// Every argument of queues that a broker may know.
const QUEUE_KEYS: &[&str] = &[
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-priority",
    "x-single-active-consumer",
    "x-queue-mode",
    "x-queue-version",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
    "x-delivery-limit",
    "x-dead-letter-strategy",
    "x-consumer-timeout",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-quorum-initial-group-size",
    "x-initial-cluster-size",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-unknown",
];
/// What limits may do at their edge.
const OVERFLOWS: &[&str] = &["drop-head", "reject-publish", "reject-publish-dlx"];
/// Routing keys and patterns.
pub(super) const KEYS: &[&str] = &["a", "b", "a.b", "a.b.c", "c.b.a", ""];
pub(super) const PATTERNS: &[&str] =
    &["#", "*", "a.*", "*.b", "a.#", "#.b.#", "*.*.c", "a.b", "", "a..b", "#.#"];
const LONG_TTL_MS: i32 = 3_600_000;

/// Arguments of a queue that a program goes on with. `dead_letters` says whether it may have a dead-letter exchange. None has
/// both priorities and a limit: which message makes room is then a choice that brokers make differently (a case has it).
pub(super) fn queue(random: &mut Random, subject: Subject, dead_letters: bool, priorities: bool) -> Table {
    let mut table = Table::new();
    let often = if matches!(subject, Subject::Limits | Subject::Expiry) { 60 } else { 12 };
    let mut add = |random: &mut Random, key: &str, value: Value, chance| {
        if random.percent(chance) {
            table.push((key.to_owned(), value));
        }
    };
    let (length, bytes) = (integer(random, 0, 4), integer(random, 0, 30));
    if priorities && random.percent(50) {
        let priorities = integer(random, 1, 6);
        add(random, "x-max-priority", priorities, 100);
    } else {
        add(random, "x-max-length", length, often / 2);
        add(random, "x-max-length-bytes", bytes, often / 4);
    }
    let overflow = random.word(OVERFLOWS);
    add(random, "x-overflow", overflow.into(), often / 2);
    let ttl = ttl(random, subject);
    add(random, "x-message-ttl", ttl, often / 2);
    let active = random.percent(90);
    add(
        random,
        "x-single-active-consumer",
        active.into(),
        if subject == Subject::Consuming { 15 } else { 4 },
    );
    let mode = random.word(&["default", "lazy"]);
    add(random, "x-queue-mode", mode.into(), 2);
    add(random, "x-queue-type", "classic".into(), 3);
    add(random, "x-expires", LONG_TTL_MS.into(), 2);
    if dead_letters {
        let exchange = random.word(&["", "{x1}", "{x1}", "{x2}", "{x3}", "{x9}"]);
        table.push(("x-dead-letter-exchange".into(), exchange.into()));
        if random.percent(60) {
            let key = random.word(&["{q1}", "{q2}", "{q3}", "{q4}", "a", "a.b"]);
            table.push(("x-dead-letter-routing-key".into(), key.into()));
        }
    }
    table
}

fn ttl(random: &mut Random, subject: Subject) -> Value {
    match subject {
        Subject::Expiry => integer(random, SHORT_TTL_MS as usize / 2, SHORT_TTL_MS as usize),
        _ if random.percent(40) => integer(random, 0, 0),
        _ => LONG_TTL_MS.into(),
    }
}

/// A number in any integer type that it fits.
pub(super) fn integer(random: &mut Random, low: usize, high: usize) -> Value {
    let number = random.between(low, high);
    match random.below(6) {
        0 => Value::I64(number as i64),
        1 => Value::I16(number as i16),
        2 => Value::U32(number as u32),
        3 => Value::I8(number.min(127) as i8),
        _ => Value::I32(number as i32),
    }
}

/// Arguments of a queue that is only tried, right or wrong.
pub(super) fn tried(random: &mut Random) -> Table {
    let count = random.between(1, 3);
    let mut table = Table::new();
    for _ in 0..count {
        let key = random.word(QUEUE_KEYS);
        if !table.iter().any(|(other, _)| *other == key) {
            let value = if random.percent(50) { likely(random, &key) } else { anything(random) };
            table.push((key, value));
        }
    }
    table
}

fn likely(random: &mut Random, key: &str) -> Value {
    match key {
        "x-overflow" => random.word(OVERFLOWS).into(),
        "x-queue-type" => random.word(&["classic", "quorum", "stream", "none"]).into(),
        "x-queue-mode" => random.word(&["default", "lazy", "other"]).into(),
        "x-dead-letter-exchange" => random.word(&["", "{x1}", "{x9}"]).into(),
        "x-dead-letter-routing-key" => random.word(&["a", ""]).into(),
        "x-dead-letter-strategy" => random.word(&["at-most-once", "at-least-once"]).into(),
        "x-queue-master-locator" => random.word(&["min-masters", "client-local", "random", "other"]).into(),
        "x-queue-leader-locator" => random.word(&["client-local", "balanced", "other"]).into(),
        "x-single-active-consumer" => random.percent(50).into(),
        "x-max-age" => random.word(&["1h", "1Y", "h", "5"]).into(),
        "x-queue-version" => integer(random, 0, 3),
        "x-max-priority" => integer(random, 0, 256),
        _ => integer(random, 0, 10),
    }
}

/// A value of any type.
pub(super) fn anything(random: &mut Random) -> Value {
    match random.below(20) {
        0 => Value::Bool(random.percent(50)),
        1 => Value::I8(-1),
        2 => Value::U8(random.below(256) as u8),
        3 => Value::I16(-300),
        4 => Value::U16(random.below(70_000) as u16),
        5 => Value::I32(-1),
        6 => Value::I32(0),
        7 => Value::U32(u32::MAX),
        8 => Value::I64(i64::MAX),
        9 => Value::I64(-5),
        10 => Value::F32(1.5),
        11 => Value::F64(2.0),
        12 => Value::Decimal(1, 15),
        13 => "".into(),
        14 => "7".into(),
        15 => Value::Array(vec![1.into(), "a".into()]),
        16 => Value::Time(1_700_000_000),
        17 => Value::Table(vec![("k".to_owned(), 1.into())]),
        18 => Value::Bytes(b"bytes".to_vec()),
        _ => Value::Void,
    }
}

/// Arguments of an exchange.
pub(super) fn exchange(random: &mut Random, subject: Subject) -> Table {
    let mut table = Table::new();
    if random.percent(if subject == Subject::Topology { 35 } else { 10 }) {
        table.push(("alternate-exchange".into(), random.word(&["{x1}", "{x2}", "{x3}", "{x9}", ""]).into()));
    } else if random.percent(if subject == Subject::Declaring { 15 } else { 1 }) {
        let key = random.word(&["alternate-exchange", "x-unknown"]);
        table.push((key, anything(random)));
    }
    table
}

/// Arguments of a binding: of a headers exchange, or without meaning.
pub(super) fn binding(random: &mut Random, subject: Subject) -> Table {
    let mut table = Table::new();
    if !random.percent(if subject == Subject::Topology { 50 } else { 20 }) {
        return table;
    }
    let wrong = if subject == Subject::Declaring { 20 } else { 2 };
    if random.percent(wrong) {
        table.push(("x-match".into(), if random.percent(50) { "some".into() } else { anything(random) }));
    } else if random.percent(70) {
        let mode = random.word(&["all", "any", "all-with-x", "any-with-x"]);
        table.push(("x-match".into(), mode.into()));
    }
    table.extend(headers(random));
    table
}

/// Headers that bindings ask for.
fn headers(random: &mut Random) -> Table {
    let mut table = Table::new();
    for key in ["h1", "h2", "x-h"] {
        if random.percent(50) {
            let value = match random.below(8) {
                0 => Value::Void,
                1 => Value::I64(1),
                2 => Value::Bool(true),
                3 => anything(random),
                4 => "b".into(),
                _ => 1.into(),
            };
            table.push((key.to_owned(), value));
        }
    }
    table
}

/// Arguments of a consumer.
pub(super) fn consumer(random: &mut Random, subject: Subject) -> Table {
    let mut table = Table::new();
    if random.percent(if subject == Subject::Consuming { 30 } else { 10 }) {
        table.push((
            "x-priority".into(),
            if random.percent(30) { (-1).into() } else { integer(random, 0, 3) },
        ));
    }
    if random.percent(if subject == Subject::Declaring { 30 } else { 2 }) {
        let key = random.word(&[
            "x-priority",
            "x-priority",
            "x-cancel-on-ha-failover",
            "x-stream-offset",
            "x-credit",
            "x-unknown",
        ]);
        table.retain(|(other, _)| *other != key);
        table.push((key, anything(random)));
    }
    table
}

/// Properties of a message.
pub(super) fn props(random: &mut Random, subject: Subject, at_once: bool) -> Props {
    let mut props = Props::default();
    if random.percent(40) {
        props.delivery_mode = Some(random.between(1, 2) as u8);
    }
    if random.percent(if subject == Subject::Limits { 50 } else { 15 }) {
        props.priority = Some(random.below(9) as u8);
    }
    if random.percent(if subject == Subject::Expiry { 50 } else { 8 }) {
        props.expiration = Some(expiration(random, subject, at_once));
    }
    if random.percent(25) {
        props.headers = Some(message_headers(random));
    }
    if random.percent(5) {
        props.message_id = Some("id".into());
        props.timestamp = Some(1_700_000_000);
        props.content_type = Some("text/plain".into());
    }
    if random.percent(1) {
        props.user_id = Some(random.word(&["guest", "guest", "bob"]));
    }
    if random.percent(2) {
        props.correlation_id = Some("c".into());
        props.reply_to = Some(random.word(&["{q1}", "somewhere"]));
    }
    props
}

fn expiration(random: &mut Random, subject: Subject, at_once: bool) -> String {
    if random.percent(4) {
        return random.word(&["", "-1", "x", "1.5", " 5", "99999999999999999999"]);
    }
    match subject {
        Subject::Expiry if at_once && random.percent(70) => {
            random.between(SHORT_TTL_MS as usize / 2, SHORT_TTL_MS as usize).to_string()
        }
        _ if at_once && random.percent(40) => "0".into(),
        _ => LONG_TTL_MS.to_string(),
    }
}

fn message_headers(random: &mut Random) -> Table {
    let mut table = headers(random);
    for key in ["CC", "BCC"] {
        if random.percent(15) {
            table.push((key.to_owned(), copies(random)));
        }
    }
    if random.percent(5) {
        let key = random.word(&["x-death", "x-first-death-queue", "x-delay", "x-retries"]);
        table.push((key, anything(random)));
    }
    table
}

fn copies(random: &mut Random) -> Value {
    if random.percent(4) {
        return anything(random);
    }
    let count = random.between(0, 2);
    let keys = (0..count).map(|_| random.word(&["{q1}", "{q2}", "{q3}", "{q4}", "a", "a.b"]));
    Value::Array(keys.map(Value::from).collect())
}
