//! Which policy applies, how it merges, and which are refused.

use super::*;
use crate::queue::Overflow;

fn number(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

fn string(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn arguments(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in entries {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn policies(all: Vec<Policy>) -> Policies {
    let mut policies = Policies::default();
    all.into_iter().for_each(|policy| policies.put(policy.check("/").unwrap()));
    policies
}

fn options(policies: &Policies, name: &str, declared: &[(&str, AMQPValue)]) -> QueueOptions {
    let declared = arguments(declared);
    let effective = policies.queue_arguments(name, &declared).unwrap_or(declared);
    QueueOptions::parse("q", true, false, false, &effective).unwrap()
}

fn refused(policy: Policy) -> String {
    policy.check("/").unwrap_err().to_string()
}

#[test]
fn the_highest_priority_that_matches_applies_alone() {
    let policies = policies(vec![
        Policy::new("low", "^q", "max-length", number(1)).with("message-ttl", number(5)),
        Policy::new("high", "^q", "max-length", number(9)).priority(1),
        Policy::new("other", "^x", "max-length", number(3)).priority(7),
    ]);
    let options = options(&policies, "q1", &[]);
    assert_eq!((options.length_max, options.message_ttl_ms), (Some(9), None));
    assert!(policies.queue_arguments("none", &FieldTable::default()).is_none());
}

#[test]
fn of_equal_priorities_the_first_by_name_applies() {
    let policies = policies(vec![
        Policy::new("b", "q", "max-length", number(2)),
        Policy::new("a", "q", "max-length", number(1)),
    ]);
    assert_eq!(options(&policies, "q", &[]).length_max, Some(1));
}

#[test]
fn of_numbers_the_lowest_counts() {
    let both = policies(vec![
        Policy::new("p", "q", "max-length", number(5)).with("expires", number(100)),
        Policy::new("o", "q", "max-length", number(3)).with("message-ttl", number(7)).operator(),
    ]);
    let alone = options(&both, "q", &[]);
    assert_eq!((alone.length_max, alone.expires_ms, alone.message_ttl_ms), (Some(3), Some(100), Some(7)));
    let declared = options(&both, "q", &[("x-max-length", number(2)), ("x-expires", number(500))]);
    assert_eq!((declared.length_max, declared.expires_ms), (Some(2), Some(100)));
    let declared = options(&both, "q", &[("x-max-length", number(10))]);
    assert_eq!(declared.length_max, Some(3));
}

/// -1 is no delivery limit and 0 no timeout: any other is lower.
#[test]
fn no_limit_is_the_highest() {
    let policies = policies(vec![
        Policy::new("p", "q", "delivery-limit", number(-1)).with("consumer-timeout", number(0)),
        Policy::new("o", "q", "delivery-limit", number(5))
            .with("consumer-timeout", number(60_000))
            .operator(),
    ]);
    let effective = |declared: &[(&str, AMQPValue)]| {
        let arguments = policies.queue_arguments("q", &arguments(declared)).unwrap();
        let number = |key: &str| as_integer(arguments.inner().get(key).unwrap()).unwrap();
        (number("x-delivery-limit"), number("x-consumer-timeout"))
    };
    assert_eq!(effective(&[]), (5, 60_000));
    assert_eq!(
        effective(&[("x-delivery-limit", number(-1)), ("x-consumer-timeout", number(0))]),
        (5, 60_000)
    );
    assert_eq!(
        effective(&[("x-delivery-limit", number(2)), ("x-consumer-timeout", number(70_000))]),
        (2, 60_000)
    );
}

#[test]
fn retries_are_set_by_policy_and_checked_together() {
    let policies = policies(vec![
        Policy::new("p", "q", "delayed-retry-type", string("all"))
            .with("delayed-retry-min", number(100))
            .with("delivery-limit", number(3)),
    ]);
    let declared = options(&policies, "q", &[("x-delayed-retry-min", number(7))]);
    assert_eq!(declared.failure.delivery_limit, Some(3));
    assert_eq!(declared.failure.retry.map(|retry| retry.min_ms), Some(7));
    let contradiction = Policy::new("p", "q", "delayed-retry-type", string("all"))
        .with("delayed-retry-min", number(2000))
        .with("delayed-retry-max", number(1000));
    assert_eq!(
        refused(contradiction),
        "policy 'p' in vhost '/': delayed-retry-min: is not valid: 2000 is above x-delayed-retry-max, 1000"
    );
}

#[test]
fn of_the_rest_the_argument_wins() {
    let policies = policies(vec![
        Policy::new("p", "q", "overflow", string("reject-publish"))
            .with("dead-letter-exchange", string("policy"))
            .with("dead-letter-routing-key", string("k")),
    ]);
    let declared = options(&policies, "q", &[("x-dead-letter-exchange", string("own"))]);
    assert_eq!(declared.dead_letter_exchange.as_deref(), Some("own"));
    assert_eq!(declared.dead_letter_routing_key.as_deref(), Some("k"));
    assert_eq!(declared.overflow, Overflow::RejectPublish);
}

#[test]
fn a_routing_key_without_an_exchange_has_no_effect() {
    let policies = policies(vec![Policy::new("p", "q", "dead-letter-routing-key", string("k"))]);
    assert_eq!(options(&policies, "q", &[]).dead_letter_routing_key, None);
}

#[test]
fn a_policy_applies_to_what_it_says() {
    let applies = |apply_to: &str| {
        let mut policy =
            Policy::new("p", ".", "max-length", number(1)).with("alternate-exchange", string("a"));
        policy.apply_to = ApplyTo::from_name(apply_to).unwrap();
        let policies = policies(vec![policy]);
        let quorum = arguments(&[("x-queue-type", string("quorum"))]);
        [
            policies.queue_arguments("q", &FieldTable::default()).is_some(),
            policies.queue_arguments("q", &quorum).is_some(),
            policies.alternate_exchange("e").is_some(),
        ]
    };
    assert_eq!(applies("all"), [true, true, true]);
    assert_eq!(applies("queues"), [true, true, false]);
    assert_eq!(applies("classic_queues"), [true, false, false]);
    assert_eq!(applies("quorum_queues"), [false, true, false]);
    assert_eq!(applies("exchanges"), [false, false, true]);
    assert_eq!(applies("streams"), [false, false, false]);
    assert_eq!(ApplyTo::from_name("nonsense"), None);
}

#[test]
fn what_cannot_be_is_refused_by_name_and_key() {
    let ttl = |value| Policy::new("p", "^q", "message-ttl", value);
    assert_eq!(
        refused(Policy::new("p", "^q", "nonsense", number(1))),
        "policy 'p' in vhost '/': nonsense: is not a recognised policy setting"
    );
    assert_eq!(
        refused(ttl(number(-1))),
        "policy 'p' in vhost '/': message-ttl: is not valid: {value_negative,-1}"
    );
    assert!(refused(ttl(string("x"))).contains("expected integer, got longstr"));
    assert!(refused(ttl(AMQPValue::Void)).contains("may not be null"));
    assert!(refused(Policy { pattern: "(".to_owned(), ..ttl(number(1)) }).contains("pattern: \"(\""));
    assert!(refused(Policy { name: String::new(), ..ttl(number(1)) }).contains("name"));
    let empty = Policy { definition: FieldTable::default(), ..ttl(number(1)) };
    assert_eq!(refused(empty), "policy 'p' in vhost '/': definition: no policy provided");
    assert!(refused(Policy::new("p", "", "overflow", string("x"))).contains("overflow"));
    assert!(refused(Policy::new("p", "", "alternate-exchange", number(1))).contains("alternate exchange"));
    for (key, value) in [("dead-letter-exchange", string("x")), ("alternate-exchange", string("x"))] {
        let operator = Policy::new("o", "", key, value).operator();
        assert_eq!(
            refused(operator),
            format!("operator policy 'o' in vhost '/': {key}: is not a recognised policy setting")
        );
    }
}

#[test]
fn every_policy_argument_is_an_argument() {
    for (argument, merge) in POLICY_ARGUMENTS {
        assert!(argument.starts_with("x-"), "{argument}");
        // A wrong type reaches the argument's own parser.
        let error = check_argument(argument, &AMQPValue::FieldTable(FieldTable::default())).unwrap_err();
        let refused =
            ["expected", "unacceptable_type", "wrong type"].iter().any(|words| error.contains(words));
        assert!(refused, "{argument} {merge:?}: {error}");
    }
}

#[test]
fn settings_that_are_not_served_are_kept_without_effect() {
    let checked =
        Policy::new("p", "", "ha-mode", string("all")).with("max-length", number(1)).check("/").unwrap();
    assert_eq!(checked.inert, ["ha-mode"]);
    for key in INERT {
        let checked = Policy::new("p", "", key, string("whatever")).check("/").unwrap();
        assert_eq!(checked.inert, [*key]);
        assert!(checked.policy.definition.inner().contains_key(*key), "it can be exported again");
        let policies = policies(vec![checked.policy]);
        assert!(policies.queue_arguments("q", &FieldTable::default()).unwrap().inner().is_empty());
    }
}

#[test]
fn a_pattern_may_look_around() {
    let policies = policies(vec![Policy::new("p", "^(?!amq\\.)", "max-length", number(1))]);
    assert!(policies.queue_arguments("orders", &FieldTable::default()).is_some());
    assert!(policies.queue_arguments("amq.gen-x", &FieldTable::default()).is_none());
}
