//! The exchanges that send each message to one of their bindings. Where a test says "as RabbitMQ", the expectation was
//! read off RabbitMQ 3.10.8 with the plugins it comes with.

use amq_protocol::types::AMQPValue;
use proptest::prelude::*;

use super::*;

const KEYS: usize = 100_000;
const CHOOSING: [ExchangeKind; 4] = [
    ExchangeKind::ConsistentHash,
    ExchangeKind::ModulusHash,
    ExchangeKind::Random,
    ExchangeKind::LocalRandom,
];

/// A topology with an exchange `x` of this kind and a queue for each weight.
fn bound(kind: ExchangeKind, weights: &[&str]) -> Topology {
    let key = |weight| key(kind, weight);
    let bindings: Vec<_> = weights
        .iter()
        .enumerate()
        .map(|(id, weight)| to_queue("x", key(weight), &format!("q{id}")))
        .collect();
    topology(&[exchange("x", kind)], weights.len() as u64, &bindings)
}

/// A binding key that this type takes.
fn key(kind: ExchangeKind, key: &str) -> &str {
    if kind == ExchangeKind::LocalRandom { "" } else { key }
}

/// The queue that each of so many keys goes to.
fn homes(topology: &Topology, keys: usize) -> Vec<u64> {
    let (mut out, mut scratch) = (Vec::new(), RouteScratch::new());
    let home = |number| {
        let key = format!("order.{number}");
        topology.route(b"x", &[key.as_bytes()], None, &mut out, &mut scratch).unwrap();
        assert_eq!(out.len(), 1, "each message goes to exactly one queue");
        out[0].0
    };
    (0..keys).map(home).collect()
}

/// The share of each queue, in percent.
fn shares(homes: &[u64], queues: usize) -> Vec<f64> {
    let count = |queue| homes.iter().filter(|home| **home == queue as u64).count();
    (0..queues).map(|queue| count(queue) as f64 * 100.0 / homes.len() as f64).collect()
}

#[track_caller]
fn assert_shares(topology: &Topology, expected: &[f64], tolerance: f64) {
    let shares = shares(&homes(topology, KEYS), expected.len());
    let close = |(share, expected): (&f64, &f64)| (share - expected).abs() <= expected * tolerance;
    assert!(shares.iter().zip(expected).all(close), "{shares:?}, expected {expected:?}");
}

#[test]
fn every_kind_shares_evenly() {
    for kind in CHOOSING {
        let tolerance = if kind == ExchangeKind::ConsistentHash { 0.12 } else { 0.03 };
        assert_shares(&bound(kind, &["1"; 4]), &[25.0; 4], tolerance);
        assert_shares(&bound(kind, &["10"; 10]), &[10.0; 10], 0.1);
    }
}

#[test]
fn weights_decide_the_shares() {
    let kind = ExchangeKind::ConsistentHash;
    assert_shares(&bound(kind, &["1", "2", "3", "4"]), &[10.0, 20.0, 30.0, 40.0], 0.12);
    assert_shares(&bound(kind, &["1000", "3000"]), &[25.0, 75.0], 0.06);
    let extreme = shares(&homes(&bound(kind, &["100000000000000000000", "1"]), KEYS), 2);
    assert!((99.9..100.0).contains(&extreme[0]), "a weight of 1 is one point, never none: {extreme:?}");
}

#[test]
fn unbinding_moves_only_the_keys_of_what_left() {
    let mut topology = bound(ExchangeKind::ConsistentHash, &["2"; 5]);
    let before = homes(&topology, KEYS);
    topology.remove_queue("q2");
    let after = homes(&topology, KEYS);
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
    assert!(moved.clone().all(|(before, _)| *before == 2), "no other queue loses a key");
    assert_eq!(moved.count(), before.iter().filter(|home| **home == 2).count());
    let taken = |queue| after.iter().filter(|home| **home == queue).count();
    assert!(
        [0, 1, 3, 4].into_iter().all(|queue| (20_000..30_000).contains(&taken(queue))),
        "all take a part"
    );
}

#[test]
fn binding_moves_keys_to_what_came_and_nowhere_else() {
    let mut topology = bound(ExchangeKind::ConsistentHash, &["2"; 4]);
    let before = homes(&topology, KEYS);
    topology.add_queue("q4", QueueId(4));
    topology.bind(to_queue("x", "2", "q4"));
    let after = homes(&topology, KEYS);
    let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!(moved.iter().all(|(_, after)| **after == 4));
    assert!((16_000..24_000).contains(&moved.len()), "a fifth: {}", moved.len());
}

/// A queue's number is another when it is declared again; its name and its keys are not.
#[test]
fn a_queue_that_is_made_again_gets_its_keys_back() {
    for kind in [ExchangeKind::ConsistentHash, ExchangeKind::ModulusHash] {
        let mut topology = bound(kind, &["1", "2", "3"]);
        let before = homes(&topology, 1000);
        topology.remove_queue("q1");
        topology.add_queue("q1", QueueId(71));
        topology.bind(to_queue("x", "2", "q1"));
        let after: Vec<_> = homes(&topology, 1000).iter().map(|id| if *id == 71 { 1 } else { *id }).collect();
        assert_eq!(before, after, "{kind:?}");
    }
}

/// As RabbitMQ.
#[test]
fn weights_are_refused_in_the_plugins_words() {
    let topology = bound(ExchangeKind::ConsistentHash, &["1"]);
    let check = |key: &str| topology.check_bind(&to_queue("x", key, "q0"), VHOST);
    for key in ["+5", "05", "10"] {
        assert_eq!(check(key), Ok(true), "{key}");
    }
    for key in ["0", "-1"] {
        assert_eq!(refusal(check(key)), (406, "The binding key must be greater than 0".to_owned()));
    }
    for (key, term) in [("abc", r#"<<"abc">>"#), ("1.5", r#"<<"1.5">>"#), ("", "<<>>"), (" 5", r#"<<" 5">>"#)]
    {
        assert_eq!(refusal(check(key)), (406, format!("The binding key must be an integer: {term}")));
    }
    assert_eq!(topology.check_bind(&to_queue("amq.direct", "abc", "q0"), VHOST), Ok(true));
}

fn hashing(arguments: &[(&str, AMQPValue)]) -> ExchangeSpec {
    ExchangeSpec { arguments: table(arguments), ..exchange("x", ExchangeKind::ConsistentHash) }
}

/// As RabbitMQ, but for the wrong type, which it answers with 541 INTERNAL_ERROR.
#[test]
fn arguments_are_refused_in_the_plugins_words() {
    let check =
        |arguments: &[(&str, AMQPValue)]| Topology::new().check_exchange_declare(&hashing(arguments), VHOST);
    let (header, property) = (("hash-header", string("h")), ("hash-property", string("message_id")));
    assert_eq!(check(std::slice::from_ref(&header)), Ok(true));
    assert_eq!(check(std::slice::from_ref(&property)), Ok(true));
    assert_eq!(check(&[("x-hash-on", AMQPValue::LongInt(5)), ("x-algorithm", string("jump"))]), Ok(true));
    let both = refusal(check(&[header, property]));
    assert_eq!(both, (406, "hash-header and hash-property are mutually exclusive".to_owned()));
    let unknown = refusal(check(&[("hash-property", string("user_id"))]));
    assert_eq!(unknown, (406, "Unsupported property: user_id".to_owned()));
    let number = refusal(check(&[("hash-header", AMQPValue::LongInt(5))]));
    let text = "invalid type 'signedint' for arg 'hash-header' in exchange 'x' in vhost '/'";
    assert_eq!(number, (406, text.to_owned()));
}

/// A message with one header and one property.
struct Message<'a>(Option<(&'a str, HeaderValue<'a>)>, Option<(HashProperty, HeaderValue<'a>)>);

impl HeaderSource for Message<'_> {
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        if let Some((name, value)) = self.0 {
            f(name.as_bytes(), value);
        }
    }

    fn property(&self, property: HashProperty) -> Option<HeaderValue<'_>> {
        self.1.filter(|(own, _)| *own == property).map(|(_, value)| value)
    }
}

/// How many of four queues messages made from 200 numbers reach.
fn reached(
    spec: &ExchangeSpec,
    message: impl Fn(u64) -> Message<'static>,
    key: impl Fn(u64) -> String,
) -> usize {
    let bindings: Vec<_> = (0..4).map(|id| to_queue("x", "1", &format!("q{id}"))).collect();
    let topology = topology(std::slice::from_ref(spec), 4, &bindings);
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..200 {
        let (message, key) = (message(number), key(number));
        let mut out = Vec::new();
        let kept = topology
            .route(b"x", &[key.as_bytes()], Some(&message), &mut out, &mut RouteScratch::new())
            .expect("an exchange");
        assert!(!kept, "another message with the same key may go elsewhere");
        seen.extend(out.iter().map(|id| id.0));
    }
    seen.len()
}

/// Each of its ends is another text.
const TEXT: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

#[test]
fn a_header_decides_if_the_exchange_says_so() {
    for argument in ["hash-header", "x-hash-on"] {
        let spec = hashing(&[(argument, string("h"))]);
        let text = |number| Message(Some(("h", HeaderValue::Bytes(&TEXT[number as usize % 50..]))), None);
        assert_eq!(reached(&spec, text, |_| "k".to_owned()), 4);
        let number = |number| Message(Some(("h", HeaderValue::Uint(number))), None);
        assert_eq!(reached(&spec, number, |_| "k".to_owned()), 4);
        let other = |number| Message(Some(("g", HeaderValue::Uint(number))), None);
        assert_eq!(reached(&spec, other, |number| number.to_string()), 1, "without it all go to one");
        assert_eq!(reached(&spec, |_| Message(None, None), |number| number.to_string()), 1);
    }
}

#[test]
fn a_property_decides_if_the_exchange_says_so() {
    let properties = [
        ("message_id", HashProperty::MessageId),
        ("correlation_id", HashProperty::CorrelationId),
        ("timestamp", HashProperty::Timestamp),
    ];
    for (name, property) in properties {
        let spec = hashing(&[("hash-property", string(name))]);
        let has = |number| Message(None, Some((property, HeaderValue::Timestamp(number))));
        assert_eq!(reached(&spec, has, |_| "k".to_owned()), 4);
        assert_eq!(reached(&spec, |_| Message(None, None), |number| number.to_string()), 1);
    }
}

#[test]
fn routes_by_chance_are_not_kept_and_those_by_key_are() {
    for kind in CHOOSING {
        let topology = bound(kind, &["1", "1"]);
        let kept = topology.route(b"x", &[b"k"], None, &mut Vec::new(), &mut RouteScratch::new());
        let is_chance = matches!(kind, ExchangeKind::Random | ExchangeKind::LocalRandom);
        assert_eq!(kept, Ok(!is_chance), "{kind:?}");
    }
}

#[test]
fn chance_is_the_same_in_every_run() {
    let sequence = || homes(&bound(ExchangeKind::Random, &["1"; 4]), 100);
    assert_eq!(sequence(), sequence());
}

/// As RabbitMQ: binding keys mean nothing to these, and a queue that is bound twice counts twice.
#[test]
fn bindings_count_where_keys_mean_nothing() {
    for kind in [ExchangeKind::ModulusHash, ExchangeKind::Random] {
        let bindings = [to_queue("x", "", "q0"), to_queue("x", "9", "q0"), to_queue("x", "k", "q1")];
        let topology = topology(&[exchange("x", kind)], 2, &bindings);
        assert_shares(&topology, &[200.0 / 3.0, 100.0 / 3.0], 0.03);
    }
}

/// As RabbitMQ.
#[test]
fn one_message_goes_to_one_place_however_many_keys_it_has() {
    for kind in CHOOSING {
        let topology = bound(kind, &["1"; 5]);
        let (mut out, keys) = (Vec::new(), [b"a".as_slice(), b"b", b"c", b"d"]);
        topology.route(b"x", &keys, None, &mut out, &mut RouteScratch::new()).unwrap();
        assert_eq!(out.len(), 1, "{kind:?}");
    }
}

/// As RabbitMQ.
#[test]
fn a_local_random_exchange_takes_queues_without_keys() {
    let kind = ExchangeKind::LocalRandom;
    let topology = topology(&[exchange("x", kind), exchange("f", ExchangeKind::Fanout)], 1, &[]);
    for (binding, text) in [
        (to_queue("x", "k", "q0"), "Non empty binding 'k' key not permitted"),
        (to_exchange("x", "", "f"), "Destination not found"),
    ] {
        let refused = topology.check_bind(&binding, "/").unwrap_err();
        assert_eq!((refused.code(), refused.to_string().as_str()), (406, text));
    }
}

#[test]
fn exchanges_are_destinations_like_queues() {
    // A local random one takes queues only.
    for kind in CHOOSING.into_iter().filter(|kind| *kind != ExchangeKind::LocalRandom) {
        let exchanges = [exchange("x", kind), exchange("f", ExchangeKind::Fanout)];
        let bindings = [to_exchange("x", "10", "f"), to_queue("x", "10", "q0"), to_queue("f", "", "q1")];
        let topology = topology(&exchanges, 2, &bindings);
        assert_shares(&topology, &[50.0, 50.0], 0.1);
    }
}

/// As RabbitMQ.
#[test]
fn without_bindings_the_alternate_exchange_gets_it() {
    for kind in CHOOSING {
        let exchanges = [with_alternate("x", kind, "rest"), exchange("rest", ExchangeKind::Fanout)];
        let own = to_queue("x", key(kind, "1"), "q1");
        let mut topology = topology(&exchanges, 2, &[to_queue("rest", "", "q0"), own.clone()]);
        assert_eq!(homes(&topology, 1), [1]);
        topology.unbind(&own);
        assert_eq!(homes(&topology, 1), [0], "{kind:?}");
    }
}

proptest! {
    // A ring is thousands of points, which takes its time in a debug build.
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever came and went, and in whatever order, keys go where a fresh exchange with the same bindings sends
    /// them, and only those keys move that have to.
    #[test]
    fn a_ring_is_a_function_of_its_bindings(
        steps in prop::collection::vec((0..6_u64, 1..20_u32, any::<bool>()), 1..20),
    ) {
        let mut topology = topology(&[exchange("x", ExchangeKind::ConsistentHash)], 6, &[]);
        topology.bind(to_queue("x", "1", "q0"));
        for (queue, weight, is_bind) in steps {
            let binding = to_queue("x", &weight.to_string(), &format!("q{queue}"));
            let changed = if is_bind { topology.bind(binding) } else { topology.unbind(&binding).is_some() };
            if topology.bindings().next().is_none() {
                topology.bind(to_queue("x", "1", "q0"));
            }
            if changed {
                let mut fresh = Topology::new();
                fresh.declare_exchange(exchange("x", ExchangeKind::ConsistentHash));
                (0..6).for_each(|id| assert!(fresh.add_queue(&format!("q{id}"), QueueId(id))));
                let mut bindings: Vec<_> = topology.bindings().cloned().collect();
                bindings.reverse();
                bindings.into_iter().for_each(|binding| assert!(fresh.bind(binding)));
                prop_assert_eq!(homes(&topology, 200), homes(&fresh, 200));
            }
        }
    }
}
