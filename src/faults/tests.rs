//! Rules against a simple model, and what is refused.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn rule(json: Value) -> Result<Rule, String> {
    let Value::Object(fields) = json else { panic!("an object is expected") };
    Rule::parse(&fields).map_err(|error| error.to_string())
}

/// What a pattern means, said in the plainest way.
fn plainly(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
        (Some((wanted, rest)), Some((found, behind))) => {
            (*wanted == '?' || wanted == found) && plainly(rest, behind)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_are_what_they_plainly_mean(pattern in "[ab*?]{0,7}", text in "[ab]{0,8}") {
        let (as_pattern, as_text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(Glob::new(&pattern).matches(&text), plainly(&as_pattern, &as_text));
    }

    /// Each rule lets `skip` of its queue's events pass and hits `times`; what one takes those behind it do not see.
    #[test]
    fn rules_count_as_a_list_of_lists_does(
        rules in prop::collection::vec((0..3_usize, 0..4_u64, 0..4_u64), 1..4),
        events in prop::collection::vec(0..3_usize, 0..40),
    ) {
        const QUEUES: [&str; 3] = ["a", "b", "*"];
        let faults = Faults::default();
        for (queue, skip, times) in &rules {
            let made = json!({"on": "ack", "do": "drop", "match": {"queue": QUEUES[*queue]}, "skip": skip, "times": times});
            faults.add(rule(made).unwrap());
        }
        let mut model = vec![(0_u64, 0_u64); rules.len()];
        for event in events {
            let name = ["a", "b", "c"][event];
            let expected = rules.iter().zip(&mut model).position(|((queue, skip, times), (seen, fired))| {
                let is_done = *times > 0 && fired == times;
                if is_done || (QUEUES[*queue] != "*" && QUEUES[*queue] != name) {
                    return false;
                }
                *seen += 1;
                let hits = *seen > *skip;
                *fired += u64::from(hits);
                hits
            });
            let queues = [Arc::from(name)];
            let subject = Subject { queues: &queues, ..Subject::default() };
            let decided = faults.decide(Happening::Ack, &subject).map(|verdict| verdict.id);
            prop_assert_eq!(decided, expected.map(|index| RuleId(index as u64 + 1)));
        }
        let counts: Vec<_> = faults.all().iter().map(|rule| (rule.seen, rule.fired)).collect();
        prop_assert_eq!(counts, model);
        let any_left = faults.all().iter().any(|rule| !rule.is_done());
        prop_assert_eq!(faults.armed().has(Armed::SETTLE), any_left);
    }

    #[test]
    fn a_rule_is_read_as_it_is_written(skip in 0..9_u64, times in 0..9_u64, code in 403..407_u16) {
        let made = json!({
            "on": "queue.declare", "match": {"queue": "q*", "user": "?"}, "skip": skip, "times": times, "do": "refuse",
            "code": code, "text": "no",
        });
        let read = rule(made).unwrap();
        prop_assert_eq!(rule(read.to_json()).unwrap(), read);
    }
}

#[test]
fn by_chance_means_the_same_events_each_time() {
    let hits = |seed: u64| {
        let faults = Faults::default();
        faults.add(
            rule(json!({"on": "publish", "do": "drop", "times": 0, "one_in": 10, "seed": seed})).unwrap(),
        );
        let hit = |_: &usize| faults.decide(Happening::Publish, &Subject::default()).is_some();
        (0..10_000).filter(hit).collect::<Vec<usize>>()
    };
    assert_eq!(hits(7), hits(7));
    assert_ne!(hits(7), hits(8));
    assert!((800..1200).contains(&hits(7).len()), "{}", hits(7).len());
}

#[test]
fn each_refusal_says_what_would_do() {
    let table = [
        (
            json!({"on": "publish", "do": "drop", "match": {}, "nth": 3}),
            "there is no 'nth' in a rule: expected on, match",
        ),
        (json!({"on": "publsh", "do": "drop"}), "on: there is no 'publsh': expected connect, open, publish"),
        (json!({"on": "publish"}), "do: is missing: expected one of drop, nack, return"),
        (json!({"on": "publish", "do": "explode"}), "do: there is no 'explode': expected one of drop"),
        (
            json!({"on": "confirm", "do": "corrupt"}),
            "'corrupt' does not fit 'confirm': expected drop, nack, delay",
        ),
        (json!({"do": "drop"}), "'drop' needs an event: say \"on\"; without it there are block, pause, slow"),
        (
            json!({"on": "declare", "do": "refuse", "code": 999}),
            "code: AMQP has no 999 to close with: expected 311",
        ),
        (
            json!({"on": "publish", "do": "drop", "code": 404}),
            "code: belongs to refuse, close, close-all, not to 'drop'",
        ),
        (json!({"on": "confirm", "do": "delay"}), "delay_ms: is missing, 'delay' needs it"),
        (
            json!({"on": "publish", "do": "drop", "skip": -1}),
            "skip: expected a whole number, 0 or more, found -1",
        ),
        (
            json!({"on": "publish", "do": "drop", "match": {"que": "q"}}),
            "match: there is no 'que': expected user",
        ),
        (json!({"on": "publish", "do": "drop", "match": {"header.": "q"}}), "match: there is no 'header.'"),
        (json!({"on": "time", "do": "restart"}), "every_ms: expected 1 or more"),
        (json!({"on": "ack", "every_ms": 5, "do": "drop"}), "every_ms: belongs to 'time', not to 'ack'"),
        (json!({"on": "deliver", "do": "reorder", "count": 1}), "count: expected 2 to 1000"),
        (json!({"do": "pause", "times": 2}), "'pause' is no event to be counted"),
        (
            json!({"do": "pause", "match": {"user": "u"}}),
            "match: 'user' is not known for 'always': there is queue",
        ),
        (
            json!({"on": "open", "do": "reset", "match": {"queue": "q"}}),
            "match: 'queue' is not known for 'open'",
        ),
    ];
    for (made, expected) in table {
        let refused = rule(made.clone()).unwrap_err();
        assert!(refused.starts_with(expected), "{made}: {refused}");
    }
}

#[test]
fn methods_are_named_with_their_class_or_without() {
    for (name, count) in
        [("declare", 2), ("queue.declare", 1), ("bind", 2), ("select", 2), ("qos", 1), ("commit", 1)]
    {
        let methods = Methods::named(name).unwrap();
        let known = (0..130).flat_map(|class| (0..130).map(move |method| (class, method)));
        let found = known.filter(|(class, method)| {
            methods.has(crate::protocol::method::MethodId { class: *class, method: *method })
        });
        assert_eq!(found.count(), count, "{name}");
    }
    assert_eq!(Methods::named("deliver-ok"), None);
}

#[test]
fn messages_are_told_by_their_properties() {
    // Flags for headers, message_id and app_id; a table with x=7 (i32), the id 'm1', the application 'shop'.
    let mut properties = vec![0x20, 0x88];
    let table = [&[1_u8, b'x', b'I'][..], &7_i32.to_be_bytes()].concat();
    properties.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
    properties.extend(table);
    for text in ["m1", "shop"] {
        properties.push(u8::try_from(text.len()).unwrap());
        properties.extend(text.as_bytes());
    }
    let subject = Subject {
        user: "guest",
        connection: "worker-1",
        channel: 3,
        exchange: Some(b""),
        routing_key: Some(b"orders.eu"),
        properties: Some(&properties),
        ..Subject::default()
    };
    let matches = |patterns: Value| {
        let made = json!({"on": "publish", "do": "drop", "match": patterns});
        rule(made).unwrap().matcher.matches(&subject)
    };
    let good = json!({
        "user": "g*", "connection": "worker-?", "channel": 3, "exchange": "", "routing_key": "orders.*", "message_id": "m1",
        "app_id": "s*p", "header.x": 7,
    });
    assert!(matches(good.clone()));
    for (field, wrong) in
        [("user", "x"), ("channel", "4"), ("routing_key", "eu"), ("message_id", "m"), ("header.x", "8")]
    {
        let mut patterns = good.clone();
        patterns[field] = wrong.into();
        assert!(!matches(patterns), "{field}");
    }
    assert!(
        !matches(json!({"header.y": "*"})) && !matches(json!({"queue": "*"})),
        "what is not there is like nothing"
    );
}
