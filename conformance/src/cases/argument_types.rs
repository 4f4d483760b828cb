//! Every argument with every type of value: generated, so that no type is forgotten.
//!
//! A rule says which values an argument takes; from it follows what a broker answers to each value of [`values`].

use crate::case::{Check, Ctx, ensure, fail, same};
use crate::codec::{Props, Table, Value, strings, table};
use crate::methods::{self, q};
use crate::raw::{Raw, Scope};

const REF: &str = "AMQP 0-9-1, 4.2.5.5 (field tables); RabbitMQ: Queues (optional arguments)";
/// Ten years in ms: no timer of RabbitMQ's is longer.
const EXPIRY_MAX: i64 = 315_360_000_000;

/// A value of each type, and those at the edges of what arguments take.
fn values() -> Vec<Value> {
    let numbers = [-1, 0, 1, 255, 256, EXPIRY_MAX, EXPIRY_MAX + 1, i64::MAX].map(Value::I64);
    let texts = ["", "abc", "5", "classic", "drop-head", "lazy", "balanced", "all"].map(Value::from);
    let others = [
        Value::Void,
        Value::Bool(true),
        Value::Bool(false),
        Value::I8(1),
        Value::U8(1),
        Value::I16(1),
        Value::U16(1),
        Value::I32(1),
        Value::U32(1),
        Value::F32(1.5),
        Value::F64(2.0),
        Value::Decimal(1, 10),
        Value::Array(Vec::new()),
        strings(&["abc"]),
        Value::Time(1),
        Value::Table(Table::new()),
        Value::Table(table([("a", 1.into())])),
        Value::Bytes(b"abc".to_vec()),
    ];
    numbers.into_iter().chain(texts).chain(others).collect()
}

/// RabbitMQ's name for a value's type.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::I8(_) => "byte",
        Value::U8(_) => "unsignedbyte",
        Value::I16(_) => "short",
        Value::U16(_) => "unsignedshort",
        Value::I32(_) => "signedint",
        Value::U32(_) => "unsignedint",
        Value::I64(_) => "long",
        Value::F32(_) => "float",
        Value::F64(_) => "double",
        Value::Decimal(..) => "decimal",
        Value::Str(_) => "longstr",
        Value::Array(_) => "array",
        Value::Time(_) => "timestamp",
        Value::Table(_) => "table",
        Value::Bytes(_) => "binary",
        Value::Void => "void",
    }
}

/// What an argument takes.
#[derive(Clone, Copy)]
enum Rule {
    /// Anything: it means nothing.
    Any,
    /// An integer of any type.
    Integer,
    /// One that is not negative.
    Length,
    /// Milliseconds, from so many.
    Milliseconds(i64),
    /// 0 to 255.
    Priority,
    /// 1 or 2.
    QueueVersion,
    /// True or false.
    Bool,
    /// One of these texts, and what is said of another.
    Text(&'static [&'static str], fn(&str) -> String),
    /// The name of an exchange.
    Exchange(&'static str),
    /// `all`, `any`, and what else a headers exchange knows.
    Match,
    /// An array.
    Keys,
}

impl Rule {
    /// How a text goes on that refuses the value of this argument; `None` if it is taken.
    fn refusal(self, key: &str, value: &Value) -> Option<String> {
        let got = type_name(value);
        let integer = || value.number().ok_or_else(|| format!("\"expected integer, got {got}\""));
        let length = || match integer()? {
            number if number < 0 => Err(format!("{{value_negative,{number}}}")),
            number => Ok(number),
        };
        let unacceptable = || format!("{{unacceptable_type,{got}}}");
        let why = match self {
            Self::Any => None,
            Self::Integer => integer().err(),
            Self::Length => length().err(),
            Self::Milliseconds(least) => match length() {
                Ok(number) if number < least => Some(format!("{{value_zero,{number}}}")),
                Ok(number) if number > EXPIRY_MAX => Some(format!("{{value_too_large,{number}}}")),
                other => other.err(),
            },
            Self::Priority => match length() {
                Ok(number) if number > 255 => Some(format!("{{max_value_exceeded,{number}}}")),
                other => other.err(),
            },
            Self::QueueVersion => match length() {
                Ok(number) if number != 1 && number != 2 => {
                    Some(format!("\"unsupported queue version '{number}'\""))
                }
                other => other.err(),
            },
            Self::Bool if matches!(value, Value::Bool(_)) => None,
            Self::Bool => Some(unacceptable()),
            Self::Text(known, other) => match value.text().filter(|_| got == "longstr") {
                Some(text) if known.is_empty() || known.contains(&text.as_str()) => None,
                Some(text) => Some(other(&text)),
                None => Some(unacceptable()),
            },
            Self::Exchange(_) | Self::Match | Self::Keys => return self.refusal_in_own_words(key, value),
        };
        why.map(|why| format!("invalid arg '{key}' for queue '{{q}}' in vhost '/': {why}"))
    }

    /// Those whose texts name the argument in another way.
    fn refusal_in_own_words(self, key: &str, value: &Value) -> Option<String> {
        let got = type_name(value);
        match (self, value) {
            (Self::Exchange(_), Value::Str(_)) | (Self::Keys, Value::Array(_)) => None,
            (Self::Exchange(of), _) => {
                Some(format!("invalid type '{got}' for arg '{key}' in {of} in vhost '/'"))
            }
            (Self::Match, Value::Str(text)) => {
                (text != b"all").then(|| "Invalid x-match field value <<".to_owned())
            }
            (Self::Match, _) => Some(format!("Invalid x-match field type {got} (value ")),
            _ => Some(format!("invalid message: {{unacceptable_type_in_header,\"{key}\",{got}}}")),
        }
    }
}

const LOCATORS: &[&str] = &["client-local", "balanced", "random", "least-leaders", "min-masters"];

/// The arguments of queue.declare.
const QUEUE: &[(&str, Rule)] = &[
    ("x-message-ttl", Rule::Milliseconds(0)),
    ("x-expires", Rule::Milliseconds(1)),
    ("x-max-length", Rule::Length),
    ("x-max-length-bytes", Rule::Length),
    ("x-max-priority", Rule::Priority),
    ("x-single-active-consumer", Rule::Bool),
    ("x-dead-letter-exchange", Rule::Exchange("queue '{q}'")),
    ("x-dead-letter-routing-key", Rule::Text(&[], |_| String::new())),
    ("x-overflow", Rule::Text(&["drop-head"], |_| "invalid_overflow".to_owned())),
    ("x-queue-type", Rule::Text(&["classic"], |text| format!("\"unsupported queue type '{text}'\""))),
    ("x-queue-mode", Rule::Text(&["lazy"], |text| format!("\"unsupported queue mode '{text}'\""))),
    ("x-queue-version", Rule::QueueVersion),
    ("x-queue-leader-locator", Rule::Text(LOCATORS, |_| "invalid_queue_locator_arg".to_owned())),
    ("x-of-nobody", Rule::Any),
];

/// The method whose argument it is.
#[derive(Clone, Copy)]
enum Of {
    QueueDeclare,
    ExchangeDeclare,
    Consume,
    /// Of a queue to an exchange of this type.
    Bind(&'static str),
    /// A header of the message.
    Publish,
}

impl Of {
    /// The method's number, for the close that blames it.
    const fn id(self) -> (u16, u16) {
        match self {
            Self::QueueDeclare => (50, 10),
            Self::ExchangeDeclare => (40, 10),
            Self::Consume => (60, 20),
            Self::Bind(_) => (50, 20),
            Self::Publish => (60, 40),
        }
    }

    /// The answer to it, or to what follows it if it has none.
    const fn answer(self) -> (u16, u16) {
        match self {
            Self::QueueDeclare => (50, 11),
            Self::ExchangeDeclare => (40, 11),
            Self::Consume => (60, 21),
            Self::Bind(_) => (50, 21),
            Self::Publish => (20, 21),
        }
    }

    /// Sends the method with this value, for a queue or exchange of this name.
    async fn send(self, raw: &mut Raw, name: &str, key: &str, value: Value) -> Check {
        let mut args = table([(key, value)]);
        if key == "x-dead-letter-routing-key" {
            args.extend(table([("x-dead-letter-exchange", "".into())]));
        }
        match self {
            Self::QueueDeclare => raw.send(methods::queue_declare(name, q::EXCLUSIVE, args)).await,
            Self::ExchangeDeclare => raw.send(methods::exchange_declare(name, "direct", 0, args)).await,
            Self::Consume => {
                raw.queue(name).await?;
                raw.send(methods::basic_consume(name, "t", 0, args)).await;
            }
            Self::Bind(kind) => {
                raw.queue(name).await?;
                raw.exchange(name, kind).await?;
                raw.send(methods::queue_bind(name, name, "", args)).await;
            }
            Self::Publish => {
                raw.queue(name).await?;
                let props = Props { headers: Some(args), ..Props::default() };
                raw.publish_with("", name, 0, &props, b"m").await;
                raw.send(methods::channel_flow(true)).await;
            }
        }
        Ok(())
    }
}

/// Tries each value, on a channel of its own each time, and compares the answer with the rule.
async fn each_value(ctx: &Ctx, of: Of, key: &str, rule: Rule) -> Check {
    let mut raw = ctx.open().await?;
    for (value, channel) in values().into_iter().zip(1..) {
        raw.switch(channel).await?;
        let kind = if let Of::Bind(kind) = of { kind } else { "" };
        let name = ctx.name(&format!("{kind}thing"));
        of.send(&mut raw, &name, key, value.clone()).await?;
        let found = raw.refused_before(of.answer()).await?;
        let refusal = rule.refusal(key, &value);
        let wanted =
            refusal.map(|text| ctx.expand(&format!("PRECONDITION_FAILED - {}", text.replace("{q}", &name))));
        match (found, wanted) {
            (None, None) => {
                raw.call(methods::queue_delete(&name, 0)).await?;
                raw.call(methods::exchange_delete(&name, 0)).await?;
            }
            (Some(Scope::channel(406, text, id)), Some(wanted)) => {
                ensure(text.starts_with(&wanted), format!("{key} = {value:?}: {text}, expected {wanted}"))?;
                same(&format!("the method blamed for {key} = {value:?}"), id, of.id())?;
            }
            (found, wanted) => return fail(format!("{key} = {value:?}: {found:?}, expected {wanted:?}")),
        }
    }
    raw.close().await;
    Ok(())
}

/// Arguments of a classic queue in the order in which RabbitMQ 4.0 checks them, each with a value that none takes.
const IN_ORDER: &[&str] = &[
    "x-dead-letter-exchange",
    "x-queue-type",
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-leader-locator",
];

/// What can be wrong with a publish, in the order in which RabbitMQ 4.0 checks it, with a word of the error's text.
const PUBLISH_FAULTS: &[(&str, &str)] = &[
    ("exchange", "no exchange"),
    ("expiration", "invalid expiration"),
    ("CC", "\"CC\""),
    ("BCC", "\"BCC\""),
    ("user-id", "user_id property"),
];

/// Each two of them, in order, with a channel to try them on.
fn pairs<T: Copy>(items: &[T]) -> Vec<(u16, T, T)> {
    let rests = items.iter().zip(1..).map(|(first, at)| (*first, items.iter().skip(at)));
    let pairs = rests.flat_map(|(first, rest)| rest.map(move |second| (first, *second)));
    (1..).zip(pairs).map(|(channel, (first, second))| (channel, first, second)).collect()
}

/// Of two faults of a publish the error names the one that is checked first.
async fn first_of_two_faults(raw: &mut Raw, ctx: &Ctx, first: (&str, &str), second: (&str, &str)) -> Check {
    let has = |fault: &str| first.0 == fault || second.0 == fault;
    let headers = ["CC", "BCC"].into_iter().filter(|key| has(key)).map(|key| (key, Value::Void));
    let props = Props {
        headers: Some(headers.map(|(key, value)| (key.to_owned(), value)).collect()),
        expiration: has("expiration").then(|| "x".to_owned()),
        user_id: has("user-id").then(|| "bob".to_owned()),
        ..Props::default()
    };
    let exchange = if has("exchange") { ctx.name("nowhere") } else { "amq.fanout".to_owned() };
    raw.publish_with(&exchange, "", 0, &props, b"m").await;
    raw.send(methods::channel_flow(true)).await;
    match raw.refused_before((20, 21)).await? {
        Some(Scope::channel(_, text, (60, 40))) if text.contains(first.1) => Ok(()),
        found => fail(format!("{first:?} and {second:?} are wrong: {found:?}, expected the first")),
    }
}

/// Of two wrong arguments the error names the one that is checked first.
async fn first_of_two(raw: &mut Raw, ctx: &Ctx, first: &str, second: &str) -> Check {
    let wrong = table([(second, Value::Void), (first, Value::Void)]);
    raw.send(methods::queue_declare(&ctx.name("two"), q::EXCLUSIVE, wrong)).await;
    match raw.refused_before((50, 11)).await? {
        Some(Scope::channel(406, text, _)) if text.contains(&format!("arg '{first}'")) => Ok(()),
        found => fail(format!("{first} and {second} are wrong: {found:?}, expected one that names {first}")),
    }
}

crate::cases! {
    "queue.declare.argument-order", "Two wrong arguments of queue.declare", REF,
    "406 that names the one that RabbitMQ 4.0 checks first", |ctx| {
        let mut raw = ctx.open().await?;
        for (channel, first, second) in pairs(IN_ORDER) {
            raw.switch(channel).await?;
            first_of_two(&mut raw, &ctx, first, second).await?;
        }
        raw.close().await;
    }
    "basic.publish.fault-order", "Two faults of one publish", REF,
    "the error names the one that RabbitMQ 4.0 checks first", |ctx| {
        let mut raw = ctx.open().await?;
        for (channel, first, second) in pairs(PUBLISH_FAULTS) {
            raw.switch(channel).await?;
            first_of_two_faults(&mut raw, &ctx, first, second).await?;
        }
        raw.close().await;
    }
    "queue.declare.argument-types", "Each argument of queue.declare with each type of value", REF,
    "406 for what is of the wrong type or out of range, void included, and for nothing else", |ctx| {
        for (key, rule) in QUEUE {
            each_value(&ctx, Of::QueueDeclare, key, *rule).await?;
        }
    }
    "exchange.declare.argument-types", "Each argument of exchange.declare with each type of value", REF,
    "406 for an alternate exchange that is no text, and for nothing else", |ctx| {
        each_value(&ctx, Of::ExchangeDeclare, "alternate-exchange", Rule::Exchange("exchange '{q}'")).await?;
        each_value(&ctx, Of::ExchangeDeclare, "x-of-nobody", Rule::Any).await?;
    }
    "basic.consume.argument-types", "Each argument of basic.consume with each type of value", REF,
    "406 for a priority that is no integer, void included, and for nothing else", |ctx| {
        each_value(&ctx, Of::Consume, "x-priority", Rule::Integer).await?;
        each_value(&ctx, Of::Consume, "x-of-nobody", Rule::Any).await?;
    }
    "queue.bind.argument-types", "Each argument of queue.bind with each type of value", REF,
    "406 for an x-match at a headers exchange that is none of its words, and for nothing else", |ctx| {
        each_value(&ctx, Of::Bind("headers"), "x-match", Rule::Match).await?;
        each_value(&ctx, Of::Bind("headers"), "x-of-nobody", Rule::Any).await?;
        each_value(&ctx, Of::Bind("topic"), "x-match", Rule::Any).await?;
    }
    "basic.publish.header-types", "Each header that means something with each type of value", REF,
    "406 for CC and BCC that are no arrays, and for nothing else", |ctx| {
        for (key, rule) in [
            ("CC", Rule::Keys), ("BCC", Rule::Keys), ("x-death", Rule::Any), ("x-first-death-queue", Rule::Any),
            ("x-of-nobody", Rule::Any),
        ] {
            each_value(&ctx, Of::Publish, key, rule).await?;
        }
    }
    "basic.publish.expirations", "Each form of an expiration", "RabbitMQ: Time-To-Live",
    "digits with or without a sign, up to ten years; 406 for all else", |ctx| {
        let mut raw = ctx.open().await?;
        let forms = [
            ("0", None), ("5", None), ("+5", None), ("05", None), ("315360000000", None),
            ("315360000001", Some("{value_too_large,315360000001}")), ("99999999999999999999", Some("{value_too_large,")),
            ("-1", Some("{value_negative,-1}")), ("", Some("no_integer")), (" 5", Some("no_integer")),
            ("abc", Some("no_integer")), ("5 ", Some("{leftover_string,\" \"}")), ("5.0", Some("{leftover_string,\".0\"}")),
        ];
        for ((form, why), channel) in forms.into_iter().zip(1..) {
            raw.switch(channel).await?;
            raw.publish_with("amq.fanout", "", 0, &Props::expiring(form), b"m").await;
            raw.send(methods::channel_flow(true)).await;
            match (raw.refused_before((20, 21)).await?, why) {
                (None, None) => {}
                (Some(Scope::channel(406, text, (60, 40))), Some(why)) => {
                    let wanted = format!("PRECONDITION_FAILED - invalid expiration '{form}': {why}");
                    ensure(text.starts_with(&wanted), format!("{text}, expected {wanted}"))?;
                }
                (found, why) => return fail(format!("expiration {form:?}: {found:?}, expected {why:?}")),
            }
        }
    }
    "basic.publish.delivery-modes", "Any delivery mode is taken", "AMQP 0-9-1, 1.8.1 (delivery-mode)",
    "0 to 255 arrive as they were", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        for mode in [0, 1, 2, 3, 255] {
            let props = Props { delivery_mode: Some(mode), ..Props::default() };
            raw.publish_with("", &q, 0, &props, b"m").await;
            same("properties", raw.take(&q).await?.props, props)?;
        }
    }
    "basic.publish.reserved-flag", "The flag that class basic has left free", "AMQP 0-9-1, 4.2.6.1 (property flags)",
    "it is ignored, and not passed on", |ctx| {
        let q = ctx.name("q");
        let mut raw = ctx.raw().await?;
        raw.queue(&q).await?;
        raw.send(methods::basic_publish("", &q, 0)).await;
        raw.content_header(1, &[0, 2]).await;
        raw.frame(3, 1, b"m").await;
        let message = raw.take(&q).await?;
        same("message and properties", (message.text().as_str(), message.props), ("m", Props::default()))?;
    }
}
