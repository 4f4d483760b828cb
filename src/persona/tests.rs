//! Each rule by a call that falls under it and one that does not, and the table of the documentation, made from the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::outcome::Outcome;
use super::*;
use crate::protocol::reply::ReplyCode;

fn table(arguments: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn queue<'a>(kind: QueueKind, arguments: &'a FieldTable) -> QueueCall<'a> {
    QueueCall {
        place: Place { name: "q", vhost: "v" },
        kind,
        durable: true,
        exclusive: false,
        auto_delete: false,
        server_named: false,
        arguments,
    }
}

fn consume<'a>(kind: QueueKind, arguments: &'a FieldTable) -> ConsumeCall<'a> {
    ConsumeCall {
        place: Place { name: "q", vhost: "v" },
        kind,
        durable: true,
        no_ack: false,
        exclusive: false,
        prefetch: 10,
        channel_prefetch: false,
        arguments,
    }
}

fn found(call: &Call<'_>) -> Vec<&'static str> {
    findings(call).map(|shown| shown.rule.id).collect()
}

/// What brokers do that do not do what Coney does: `3.13 406 text`.
fn outcomes(call: &Call<'_>, rule: &str) -> Vec<String> {
    let shown = findings(call).find(|shown| shown.rule.id == rule).unwrap();
    let word = |persona: Persona| match shown.rule.outcome(persona) {
        Outcome::Same => None,
        Outcome::Ignored => Some(format!("{persona} ignored")),
        Outcome::Differs(_) => Some(format!("{persona} differs")),
        Outcome::Refused(_) => {
            let Refused { code, text, .. } = shown.rule.refused(persona, call, &shown.found)?;
            Some(format!("{persona} {} {text}", code as u16))
        }
    };
    Persona::OTHERS.into_iter().filter_map(word).collect()
}

#[test]
fn names_are_read_back() {
    for persona in Persona::ALL {
        assert_eq!(persona.name().parse(), Ok(persona));
        assert_eq!(serde_json::to_value(persona).unwrap(), persona.name());
        assert!(UnknownPersona.to_string().contains(persona.name()));
    }
    assert_eq!("rabbitmq".parse::<Persona>(), Err(UnknownPersona));
}

#[test]
fn an_ordinary_call_falls_under_no_rule() {
    let none = FieldTable::default();
    let limit =
        table(&[("x-delivery-limit", AMQPValue::LongInt(5)), ("x-max-length", AMQPValue::LongInt(5))]);
    let classic =
        table(&[("x-max-priority", AMQPValue::LongInt(5)), ("x-queue-version", AMQPValue::LongInt(2))]);
    let stream = table(&[("x-max-age", text("1h")), ("x-queue-leader-locator", text("client-local"))]);
    let place = Place { name: "x", vhost: "v" };
    for call in [
        Call::Queue(queue(QueueKind::Classic, &classic)),
        Call::Queue(QueueCall { durable: false, exclusive: true, ..queue(QueueKind::Classic, &none) }),
        Call::Queue(QueueCall { server_named: true, auto_delete: true, ..queue(QueueKind::Classic, &none) }),
        Call::Queue(queue(QueueKind::Quorum, &limit)),
        Call::Queue(queue(QueueKind::Stream, &stream)),
        Call::Exchange(ExchangeCall { place, kind: "topic", arguments: &none }),
        Call::Consume(consume(QueueKind::Classic, &none)),
        Call::Consume(consume(QueueKind::Quorum, &none)),
        Call::Consume(consume(QueueKind::Stream, &none)),
        Call::Publish(PublishCall { vhost: "v", large_body: None, settles: false }),
    ] {
        assert_eq!(found(&call), Vec::<&str>::new(), "{call:?}");
        assert!(Persona::ALL.into_iter().all(|persona| refusal(persona, &call).is_none()));
    }
}

/// The rules that a declare with these arguments falls under, for each type that it falls under one with.
fn of_argument(key: &str, value: AMQPValue) -> BTreeMap<&'static str, Vec<&'static str>> {
    let arguments = table(&[(key, value), ("x-delivery-limit", AMQPValue::LongInt(1))]);
    let kinds =
        [("classic", QueueKind::Classic), ("quorum", QueueKind::Quorum), ("stream", QueueKind::Stream)];
    let mut rules = BTreeMap::new();
    for (name, kind) in kinds {
        let mut found = found(&Call::Queue(queue(kind, &arguments)));
        found.retain(|id| *id != "delivery-limit-on-classic");
        if !found.is_empty() {
            rules.insert(name, found);
        }
    }
    rules
}

#[test]
fn arguments_fall_under_the_rules_of_their_types() {
    let number = AMQPValue::LongInt(5);
    for key in [
        "x-dead-letter-strategy",
        "x-max-in-memory-length",
        "x-max-in-memory-bytes",
        "x-quorum-initial-group-size",
    ] {
        assert_eq!(
            of_argument(key, number.clone()),
            [("classic", vec!["quorum-argument-on-classic"])].into()
        );
    }
    for key in ["x-max-age", "x-stream-max-segment-size-bytes", "x-initial-cluster-size"] {
        let rules = vec!["stream-argument-on-queue"];
        assert_eq!(of_argument(key, number.clone()), [("classic", rules.clone()), ("quorum", rules)].into());
    }
    for key in ["x-max-priority", "x-queue-mode", "x-queue-version"] {
        assert_eq!(of_argument(key, number.clone()), [("quorum", vec!["classic-argument-on-quorum"])].into());
    }
    let master = [("classic", vec!["master-locator"]), ("quorum", vec!["classic-argument-on-quorum"])];
    assert_eq!(of_argument("x-queue-master-locator", number.clone()), master.into());
    let version = of_argument("x-queue-version", AMQPValue::LongInt(1));
    assert_eq!(version["classic"], ["queue-version-1"]);
    let size = vec!["filter-size-on-queue"];
    let sizes = of_argument("x-stream-filter-size-bytes", number.clone());
    assert_eq!(sizes, [("classic", size.clone()), ("quorum", size)].into());
    let locator = of_argument("x-queue-leader-locator", text("balanced"));
    assert_eq!(locator, [("classic", vec!["leader-locator-on-classic"])].into());
    for (key, rest, quorum) in [
        ("x-consumer-timeout", "consumer-timeout-on-queue", "consumer-timeout-on-quorum"),
        ("x-delayed-retry-min", "delayed-retry-on-queue", "delayed-retry-on-quorum"),
        ("x-parking-after", "own-queue-argument", "own-queue-argument"),
        ("x-message-deduplication", "deduplication-on-queue", "deduplication-on-queue"),
    ] {
        let rules = [("classic", vec![rest]), ("quorum", vec![quorum]), ("stream", vec![rest])];
        assert_eq!(of_argument(key, number.clone()), rules.into(), "{key}");
    }
    let fed = of_argument("x-stream-source", text("s"));
    assert_eq!(fed, [("classic", vec!["stream-source"]), ("quorum", vec!["stream-source"])].into());
}

#[test]
fn arguments_of_other_types_are_refused_in_rabbitmqs_words() {
    let arguments =
        table(&[("x-max-priority", AMQPValue::LongInt(5)), ("x-delivery-limit", AMQPValue::LongInt(1))]);
    let refused =
        "406 invalid arg 'x-max-priority' for queue 'q' in vhost 'v' of queue type rabbit_quorum_queue";
    let expected =
        ["rabbitmq-3.13", "rabbitmq-4.0", "rabbitmq-4.3"].map(|persona| format!("{persona} {refused}"));
    let call = Call::Queue(queue(QueueKind::Quorum, &arguments));
    assert_eq!(outcomes(&call, "classic-argument-on-quorum"), expected);
    let call = Call::Queue(queue(QueueKind::Classic, &arguments));
    assert!(outcomes(&call, "delivery-limit-on-classic")[0].ends_with("of queue type rabbit_classic_queue"));
    let arguments = table(&[("x-consumer-timeout", AMQPValue::LongInt(1))]);
    let outcomes = outcomes(&Call::Queue(queue(QueueKind::Stream, &arguments)), "consumer-timeout-on-queue");
    assert_eq!(outcomes[..2], ["rabbitmq-3.13 ignored", "rabbitmq-4.0 ignored"]);
    assert!(outcomes[2].starts_with("rabbitmq-4.3 406 ") && outcomes[2].ends_with("rabbit_stream_queue"));
}

#[test]
fn flags_of_queues_are_looked_at() {
    let none = FieldTable::default();
    let limit = table(&[("x-delivery-limit", AMQPValue::LongInt(1))]);
    let call = Call::Queue(QueueCall { durable: false, ..queue(QueueKind::Classic, &none) });
    let refused = refusal(Persona::RabbitMq43, &call).unwrap();
    assert_eq!(refused.code, ReplyCode::InternalError);
    assert!(refused.text.starts_with("Feature `transient_nonexcl_queues` is deprecated.\n"));
    assert!(refused.text.ends_with("To..."), "cut as RabbitMQ cuts it: {}", refused.text);
    assert_eq!(refused.code.text(&refused.text).len(), 255);
    assert!(refusal(Persona::RabbitMq40, &call).is_none());
    let call = Call::Queue(QueueCall { auto_delete: true, ..queue(QueueKind::Quorum, &limit) });
    let text = "invalid property 'auto-delete' for queue 'q' in vhost 'v'";
    assert_eq!(refusal(Persona::RabbitMq40, &call).unwrap().text, text);
    let call = Call::Queue(QueueCall { server_named: true, ..queue(QueueKind::Stream, &limit) });
    let text = "Cannot declare a server-named queue for type rabbit_stream_queue";
    assert_eq!(refusal(Persona::RabbitMq313, &call).unwrap().text, text);
    assert_eq!(call.to_string(), "a queue that the broker names");
    let call = Call::Queue(queue(QueueKind::Quorum, &none));
    assert_eq!(found(&call), ["quorum-without-limit"]);
    assert_eq!(outcomes(&call, "quorum-without-limit"), ["rabbitmq-3.13 differs", "lavinmq-2 differs"]);
}

#[test]
fn what_comes_first_is_refused_first() {
    let arguments = table(&[("x-queue-version", AMQPValue::LongInt(1))]);
    let call = Call::Queue(QueueCall { durable: false, ..queue(QueueKind::Classic, &arguments) });
    let refused = refusal(Persona::RabbitMq43, &call).unwrap();
    assert_eq!(refused.code, ReplyCode::PreconditionFailed, "arguments come before flags");
    let call = Call::Queue(QueueCall { server_named: true, ..queue(QueueKind::Quorum, &arguments) });
    let refused = refusal(Persona::RabbitMq43, &call).unwrap();
    assert!(refused.text.starts_with("Cannot declare"), "a name comes before arguments");
}

#[test]
fn a_name_is_no_template() {
    let arguments = table(&[("x-max-age", text("1h"))]);
    let place = Place { name: "{found}{type}", vhost: "{thing}" };
    let call = Call::Queue(QueueCall { place, ..queue(QueueKind::Classic, &arguments) });
    let text = "invalid arg 'x-max-age' for queue '{found}{type}' in vhost '{thing}' of queue type rabbit_classic_queue";
    assert_eq!(refusal(Persona::RabbitMq40, &call).unwrap().text, text);
}

#[test]
fn types_of_exchanges_are_looked_at() {
    let none = FieldTable::default();
    let place = Place { name: "x", vhost: "v" };
    let of = |kind| Call::Exchange(ExchangeCall { place, kind, arguments: &none });
    for (kind, rule) in [
        ("x-consistent-hash", "exchange-consistent-hash"),
        ("x-random", "exchange-random"),
        ("x-modulus-hash", "exchange-modulus-hash"),
        ("x-local-random", "exchange-local-random"),
        ("x-message-deduplication", "exchange-deduplication"),
        ("x-delayed-message", "exchange-delayed"),
    ] {
        assert_eq!(found(&of(kind)), [rule]);
    }
    let refused = refusal(Persona::LavinMq2, &of("x-random")).unwrap();
    assert_eq!((refused.code as u16, refused.text.as_str()), (406, "unknown exchange type 'x-random'"));
    assert!(refusal(Persona::RabbitMq40, &of("x-random")).is_none(), "a plugin may be there");
    assert!(refusal(Persona::RabbitMq313, &of("x-local-random")).is_some());
    assert!(refusal(Persona::RabbitMq40, &of("x-local-random")).is_none());
    let arguments = table(&[("x-message-deduplication", AMQPValue::Boolean(true))]);
    let call = Call::Exchange(ExchangeCall { place, kind: "topic", arguments: &arguments });
    assert_eq!(found(&call), ["deduplication-on-exchange"]);
}

#[test]
fn consumers_are_looked_at() {
    let none = FieldTable::default();
    let timeout = table(&[("x-consumer-timeout", AMQPValue::LongInt(1))]);
    let policy = table(&[("x-ack-policy", text("all"))]);
    let quorum = Call::Consume(ConsumeCall { channel_prefetch: true, ..consume(QueueKind::Quorum, &none) });
    let refused = "540 queue 'q' in vhost 'v' does not support global qos";
    let expected = [
        format!("rabbitmq-3.13 {refused}"),
        format!("rabbitmq-4.0 {refused}"),
        "rabbitmq-4.3 differs".to_owned(),
    ];
    assert_eq!(outcomes(&quorum, "quorum-channel-prefetch"), expected);
    let classic = Call::Consume(ConsumeCall { channel_prefetch: true, ..consume(QueueKind::Classic, &none) });
    assert_eq!(outcomes(&classic, "channel-prefetch"), ["rabbitmq-4.3 differs"]);
    let call = Call::Consume(consume(QueueKind::Classic, &timeout));
    assert_eq!(found(&call), ["consumer-timeout-on-classic-consumer"]);
    assert!(
        refusal(Persona::RabbitMq43, &call).unwrap().text.starts_with("invalid arg 'x-consumer-timeout'")
    );
    let call = Call::Consume(consume(QueueKind::Quorum, &timeout));
    assert_eq!(found(&call), ["consumer-timeout-on-quorum-consumer"]);
    assert_eq!(found(&Call::Consume(consume(QueueKind::Classic, &policy))), ["own-consumer-argument"]);
    let stream = consume(QueueKind::Stream, &none);
    let call = Call::Consume(ConsumeCall { exclusive: true, ..stream });
    assert_eq!(refusal(Persona::LavinMq2, &call).unwrap().text, "Stream consumers must not be exclusive");
    let call = Call::Consume(ConsumeCall { prefetch: 0, ..stream });
    let text = "consumer prefetch count is not set for 'queue 'q' in vhost 'v''";
    assert_eq!(refusal(Persona::RabbitMq313, &call).unwrap().text, text);
    let call = Call::Consume(ConsumeCall { no_ack: true, ..stream });
    assert_eq!(refusal(Persona::LavinMq2, &call).unwrap().code, ReplyCode::PreconditionFailed);
    assert_eq!(refusal(Persona::RabbitMq313, &call).unwrap().code, ReplyCode::NotImplemented);
}

#[test]
fn publishes_are_looked_at() {
    let publish = PublishCall { vhost: "v", large_body: Some(17_000_000), settles: false };
    let call = Call::Publish(publish);
    assert_eq!(found(&call), ["message-size"]);
    let text = "message size 17000000 is larger than configured max size 16777216";
    assert_eq!(refusal(Persona::RabbitMq43, &call).unwrap().text, text);
    assert_eq!(Persona::RabbitMq43.body_bytes_max(), Some(LARGE_BODY_BYTES));
    assert!(refusal(Persona::RabbitMq313, &call).is_none() && Persona::LavinMq2.body_bytes_max().is_none());
    let call = Call::Publish(PublishCall { large_body: None, settles: true, ..publish });
    assert_eq!(refusal(Persona::RabbitMq43, &call).unwrap().text, "no exchange 'amq.settle' in vhost 'v'");
}

#[test]
fn smells_are_the_same_everywhere() {
    let none = FieldTable::default();
    let call = Call::Consume(ConsumeCall { no_ack: true, prefetch: 0, ..consume(QueueKind::Quorum, &none) });
    assert_eq!(found(&call), ["auto-ack"]);
    assert!(Persona::ALL.into_iter().all(|persona| refusal(persona, &call).is_none()));
    let call = Call::Consume(ConsumeCall { prefetch: 0, ..consume(QueueKind::Classic, &none) });
    assert_eq!(found(&call), ["no-prefetch"]);
    let call =
        Call::Consume(ConsumeCall { no_ack: true, durable: false, ..consume(QueueKind::Classic, &none) });
    assert_eq!(found(&call), Vec::<&str>::new());
}

#[test]
fn first_messages_are_looked_at() {
    let place = Place { name: "q", vhost: "v" };
    let send = SendCall { place, durable: true, exclusive: false, persistent: true, confirmed: true };
    let none: [&str; 0] = [];
    assert_eq!(found(&Call::Send(send)), none);
    assert_eq!(found(&Call::Send(SendCall { confirmed: false, ..send })), ["no-confirms"]);
    let transient = SendCall { persistent: false, confirmed: false, ..send };
    assert_eq!(found(&Call::Send(transient)), ["transient-in-durable-queue"]);
    assert_eq!(found(&Call::Send(SendCall { durable: false, ..transient })), none);
    let lost = SendCall { durable: false, confirmed: false, ..send };
    assert_eq!(found(&Call::Send(lost)), ["persistent-in-transient-queue"]);
    assert_eq!(found(&Call::Send(SendCall { exclusive: true, ..lost })), none, "it goes with its client");
    assert_eq!(Call::Send(send).to_string(), "queue 'q'");
    let made_up = Place { name: "amq.gen-x", ..place };
    assert_eq!(Call::Find(made_up).to_string(), "a queue that the broker named");
}

#[test]
fn rules_have_names_of_their_own() {
    let ids: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), rules().count());
    for rule in rules() {
        assert!(super::rule(rule.id).is_some_and(|found| std::ptr::eq(found, rule)));
        let is_said = [rule.what, rule.fix, rule.witness].iter().all(|text| !text.is_empty());
        assert!(
            is_said
                && rule
                    .id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        let tells = Persona::OTHERS.into_iter().any(|persona| rule.outcome(persona) != Outcome::Same);
        assert!(tells || rule.is_smell(), "{} says nothing", rule.id);
    }
}

/// What is refused is run on real brokers.
#[test]
fn each_refusal_has_a_conformance_case() {
    let cases = include_str!("../../conformance/src/cases/personas.rs");
    let refuses = |rule: &&Rule| {
        Persona::OTHERS.into_iter().any(|persona| matches!(rule.outcome(persona), Outcome::Refused(_)))
    };
    // Of types of exchange that RabbitMQ has with a plugin, LavinMQ's refusal is told by its source alone.
    let by_source = ["exchange-random", "exchange-modulus-hash", "exchange-deduplication"];
    for rule in rules().filter(refuses).filter(|rule| !by_source.contains(&rule.id)) {
        assert!(cases.contains(&format!("\"persona.{}\"", rule.id)), "no case for {}", rule.id);
    }
}

const PAGE: &str = "docs/testing-personas.md";
/// With this variable set the test writes the table instead of comparing it.
const WRITE: &str = "CONEY_WRITE_REFERENCE";
const BEGIN: &str = "<!-- rules: made from src/persona/rules -->\n";
const END: &str = "<!-- end of rules -->\n";

#[test]
fn the_documentation_has_the_rules_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let kept = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = kept.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let made = format!("{before}{BEGIN}{}{END}{after}", table_of_rules());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &made).unwrap();
    } else {
        assert!(made == kept, "{PAGE} is out of date: run this test again with {WRITE}=1");
    }
}

fn table_of_rules() -> String {
    let mut out = String::from(
        "\n| a client | 3.13 | 4.0 | 4.3 | LavinMQ 2 | checked by |\n|---|---|---|---|---|---|\n",
    );
    for rule in rules().filter(|rule| !rule.is_smell()) {
        let columns = Persona::OTHERS.map(|persona| shown(rule.outcome(persona))).join(" | ");
        writeln!(out, "| {} (`{}`) | {columns} | {} |", rule.what, rule.id, rule.witness).unwrap();
    }
    out.push_str("\n| a client | what comes of it |\n|---|---|\n");
    for rule in rules() {
        if let Some(text) = rule.smell() {
            writeln!(out, "| {} (`{}`) | {text} |", rule.what, rule.id).unwrap();
        }
    }
    out.push('\n');
    out
}

fn shown(outcome: Outcome) -> String {
    match outcome {
        Outcome::Same => "as Coney".to_owned(),
        Outcome::Ignored => "not looked at".to_owned(),
        Outcome::Differs(text) => text.to_owned(),
        Outcome::Refused(Refusal { code, text }) => {
            let what = if code.closes_connection() { "connection" } else { "channel" };
            let line = text.lines().next().unwrap_or_default().replace('`', "'");
            let dots = if text.contains('\n') { " …" } else { "" };
            format!("**{}**, {what}: `{line}{dots}`", code as u16)
        }
    }
}
