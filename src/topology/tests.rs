//! The semantics of the whole topology. Where a test says "as RabbitMQ", the expectation was read off RabbitMQ 3.10.8.

mod delay;
mod hash;

use amq_protocol::types::{AMQPValue, DecimalValue, FieldArray, FieldTable, LongString};
use proptest::prelude::*;

use super::table::Table;
use super::*;
use crate::message::QueueId;

const VHOST: &str = "/";

fn string(text: &str) -> AMQPValue {
    AMQPValue::LongString(LongString::from(text))
}

fn table(fields: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in fields {
        table.insert((*key).into(), value.clone());
    }
    table
}

fn exchange(name: &str, kind: ExchangeKind) -> ExchangeSpec {
    ExchangeSpec { durable: false, ..ExchangeSpec::new(name, kind) }
}

fn auto_delete(name: &str) -> ExchangeSpec {
    ExchangeSpec { auto_delete: true, ..exchange(name, ExchangeKind::Fanout) }
}

fn with_alternate(name: &str, kind: ExchangeKind, alternate: &str) -> ExchangeSpec {
    ExchangeSpec { arguments: table(&[(ALTERNATE_EXCHANGE, string(alternate))]), ..exchange(name, kind) }
}

fn to_queue(source: &str, key: &str, queue: &str) -> Binding {
    with_arguments(source, key, queue, &[])
}

fn with_arguments(source: &str, key: &str, queue: &str, arguments: &[(&str, AMQPValue)]) -> Binding {
    Binding {
        source: source.to_owned(),
        destination: Destination::Queue(queue.to_owned()),
        routing_key: key.to_owned(),
        arguments: table(arguments),
    }
}

fn to_exchange(source: &str, key: &str, destination: &str) -> Binding {
    Binding { destination: Destination::Exchange(destination.to_owned()), ..to_queue(source, key, "") }
}

fn topology(exchanges: &[ExchangeSpec], queues: u64, bindings: &[Binding]) -> Topology {
    let mut topology = Topology::new();
    for spec in exchanges {
        assert_eq!(topology.check_exchange_declare(spec, VHOST), Ok(true));
        topology.declare_exchange(spec.clone());
    }
    for id in 0..queues {
        assert!(topology.add_queue(&format!("q{id}"), QueueId(id)));
    }
    for binding in bindings {
        assert_eq!(topology.check_bind(binding, VHOST), Ok(true));
        assert!(topology.bind(binding.clone()));
    }
    topology
}

fn route(topology: &Topology, exchange: &str, key: &str) -> Vec<u64> {
    route_with(topology, exchange, key, None)
}

/// Bindings up to which a route is explained as well: each is looked at by itself.
const EXPLAINED_MAX: usize = 100;

fn route_with(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
) -> Vec<u64> {
    let route = routed(topology, exchange, key, headers);
    if topology.bindings().count() <= EXPLAINED_MAX {
        assert_explained(topology, exchange, key, headers, &route);
        assert_way_told(topology, exchange, key, headers, &route);
    }
    route
}

fn routed(topology: &Topology, exchange: &str, key: &str, headers: Option<&dyn HeaderSource>) -> Vec<u64> {
    let mut out = vec![QueueId(99)];
    let mut scratch = RouteScratch::new();
    let keys = [key.as_bytes()];
    topology.route(exchange.as_bytes(), &keys, headers, &mut out, &mut scratch).expect("an exchange");
    let again = out.clone();
    topology.route(exchange.as_bytes(), &keys, headers, &mut out, &mut scratch).expect("an exchange");
    assert_eq!(out, again, "scratch must not leak from message to message");
    out.iter().map(|id| id.0).collect()
}

/// What is told of a route is the route, unless chance decides.
fn assert_explained(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
    route: &[u64],
) {
    let explained = topology.explain(exchange.as_bytes(), &[key.as_bytes()], headers).expect("an exchange");
    if explained.steps.iter().any(|step| step.is_chance || step.waits_ms.is_some()) {
        return;
    }
    let mut queues: Vec<u64> =
        explained.queues.iter().map(|name| topology.queue(name).expect("a queue").0).collect();
    queues.sort_unstable();
    assert_eq!(queues, route, "{exchange:?} {key:?}: {explained:?}");
}

/// The bindings that are told lead to the queues of the route, and to no others.
fn assert_way_told(
    topology: &Topology,
    exchange: &str,
    key: &str,
    headers: Option<&dyn HeaderSource>,
    route: &[u64],
) {
    let queues: Vec<QueueId> = route.iter().map(|id| QueueId(*id)).collect();
    let ways = topology.ways(exchange.as_bytes(), &[key.as_bytes()], headers, &queues);
    if exchange.is_empty() || ways.left_out > 0 {
        return;
    }
    let led_to = ways.bindings.iter().filter_map(Binding::queue);
    let mut led_to: Vec<u64> = led_to.map(|name| topology.queue(name).expect("a queue").0).collect();
    led_to.sort_unstable();
    led_to.dedup();
    assert_eq!(led_to, route, "{exchange:?} {key:?}: {ways:?}");
}

fn names(removed: &Removed) -> Vec<&str> {
    let mut names: Vec<_> = removed.exchanges.iter().map(|spec| spec.name.as_str()).collect();
    names.sort_unstable();
    names
}

fn refusal<T: std::fmt::Debug>(result: Result<T, TopologyError>) -> (u16, String) {
    let error = result.expect_err("a refusal");
    (error.code(), error.to_string())
}

// What is told of routes.

#[test]
fn a_way_is_told_over_exchanges_and_without_what_led_nowhere() {
    let exchanges = [
        exchange("shop", ExchangeKind::Topic),
        exchange("eu", ExchangeKind::Fanout),
        exchange("nowhere", ExchangeKind::Fanout),
        with_alternate("strict", ExchangeKind::Direct, "eu"),
    ];
    let bindings = [
        to_exchange("shop", "eu.#", "eu"),
        to_exchange("shop", "#", "nowhere"),
        to_exchange("eu", "", "shop"),
        to_queue("shop", "eu.new", "q0"),
        to_queue("shop", "us.#", "q0"),
        to_queue("eu", "", "q1"),
        to_queue("strict", "other", "q2"),
    ];
    let topology = topology(&exchanges, 3, &bindings);
    let ways = topology.ways(b"shop", &[b"eu.new"], None, &[QueueId(0), QueueId(1)]);
    let told: Vec<_> =
        ways.bindings.iter().map(|binding| (&*binding.source, binding.destination.name())).collect();
    assert_eq!(told, [("shop", "eu"), ("shop", "q0"), ("eu", "shop"), ("eu", "q1")]);
    assert!(ways.is_keyed && ways.alternates.is_empty() && ways.left_out == 0);
    let ways = topology.ways(b"strict", &[b"x"], None, &[QueueId(1)]);
    assert_eq!(ways.alternates, [("strict".to_owned(), "eu".to_owned())]);
    assert_eq!(ways.bindings, [to_queue("eu", "", "q1")]);
    assert_eq!(topology.ways(b"", &[b"q0"], None, &[QueueId(0)]).bindings, []);
    assert_eq!(topology.ways(b"gone", &[b"q0"], None, &[QueueId(0)]).bindings, []);
}

#[test]
fn of_many_bindings_some_are_told_and_the_others_counted() {
    let bindings: Vec<Binding> = (0..20).map(|id| to_queue("all", "", &format!("q{id}"))).collect();
    let topology = topology(&[exchange("all", ExchangeKind::Fanout)], 20, &bindings);
    let queues: Vec<QueueId> = (0..20).map(QueueId).collect();
    let ways = topology.ways(b"all", &[b""], None, &queues);
    assert_eq!((ways.bindings.len(), ways.left_out), (16, 4));
}

// Routing.

#[test]
fn the_default_exchange_routes_by_queue_name() {
    let mut topology = topology(&[], 2, &[]);
    assert_eq!(route(&topology, "", "q1"), [1]);
    assert!(route(&topology, "", "nope").is_empty());
    topology.remove_queue("q1");
    assert!(route(&topology, "", "q1").is_empty());
}

#[test]
fn an_unknown_exchange_is_an_error() {
    let mut out = Vec::new();
    let result = Topology::new().route(b"nope", &[b"k"], None, &mut out, &mut RouteScratch::new());
    assert_eq!(result, Err(RouteError::NoSuchExchange));
}

#[test]
fn direct_fanout_and_topic_route_by_their_rules() {
    let bindings = [
        to_queue("amq.direct", "k", "q0"),
        to_queue("amq.direct", "", "q1"),
        to_queue("amq.fanout", "k", "q0"),
        to_queue("amq.fanout", "l", "q1"),
        to_queue("amq.topic", "a.*", "q0"),
        to_queue("amq.topic", "#", "q1"),
    ];
    let topology = topology(&[], 3, &bindings);
    assert_eq!(route(&topology, "amq.direct", "k"), [0]);
    assert_eq!(route(&topology, "amq.direct", ""), [1]);
    assert!(route(&topology, "amq.direct", "K").is_empty());
    assert_eq!(route(&topology, "amq.fanout", "whatever"), [0, 1]);
    assert_eq!(route(&topology, "amq.topic", "a.b"), [0, 1]);
    assert_eq!(route(&topology, "amq.topic", "b"), [1]);
}

#[test]
fn a_queue_gets_a_message_once() {
    let bindings = [
        to_queue("amq.topic", "#", "q0"),
        to_queue("amq.topic", "a.#", "q0"),
        to_queue("amq.topic", "a", "q1"),
        to_exchange("amq.topic", "#", "amq.fanout"),
        to_queue("amq.fanout", "x", "q0"),
        to_queue("amq.fanout", "y", "q0"),
    ];
    let topology = topology(&[], 2, &bindings);
    assert_eq!(route(&topology, "amq.topic", "a"), [0, 1]);
}

#[test]
fn several_routing_keys_are_routed_together() {
    let bindings = [
        to_queue("amq.direct", "a", "q0"),
        to_queue("amq.direct", "b", "q1"),
        to_queue("amq.topic", "a", "q0"),
        to_queue("amq.topic", "*", "q1"),
    ];
    let topology = topology(&[], 3, &bindings);
    let keys: [&[u8]; 4] = [b"a", b"b", b"a", b"q2"];
    for (exchange, expected) in [("", vec![2]), ("amq.direct", vec![0, 1]), ("amq.topic", vec![0, 1])] {
        let mut out = Vec::new();
        topology.route(exchange.as_bytes(), &keys, None, &mut out, &mut RouteScratch::new()).unwrap();
        assert_eq!(out.iter().map(|id| id.0).collect::<Vec<_>>(), expected, "{exchange}");
    }
}

#[test]
fn routing_keys_need_not_be_utf8() {
    let topology = topology(&[], 1, &[to_queue("amq.topic", "*.b", "q0")]);
    let mut out = Vec::new();
    topology.route(b"amq.topic", &[b"\xff.b"], None, &mut out, &mut RouteScratch::new()).unwrap();
    assert_eq!(out, [QueueId(0)]);
}

#[test]
fn exchanges_bound_in_a_cycle_end() {
    let exchanges = [exchange("x", ExchangeKind::Fanout), exchange("y", ExchangeKind::Fanout)];
    let bindings = [
        to_exchange("x", "", "y"),
        to_exchange("y", "", "x"),
        to_exchange("x", "", "x"),
        to_queue("x", "", "q0"),
        to_queue("y", "", "q1"),
        to_queue("y", "z", "q0"),
    ];
    let topology = topology(&exchanges, 2, &bindings);
    assert_eq!(route(&topology, "x", ""), [0, 1]);
    assert_eq!(route(&topology, "y", ""), [0, 1]);
}

#[test]
fn what_matches_nothing_goes_to_the_alternate_exchange() {
    let exchanges = [
        with_alternate("first", ExchangeKind::Direct, "second"),
        with_alternate("second", ExchangeKind::Direct, "third"),
        exchange("third", ExchangeKind::Fanout),
    ];
    let bindings = [
        to_queue("first", "1", "q0"),
        to_queue("second", "1", "q1"),
        to_queue("second", "2", "q1"),
        to_queue("third", "", "q2"),
    ];
    let topology = topology(&exchanges, 3, &bindings);
    assert_eq!(route(&topology, "first", "1"), [0]);
    assert_eq!(route(&topology, "first", "2"), [1]);
    assert_eq!(route(&topology, "first", "3"), [2]);
}

#[test]
fn a_policys_alternate_serves_until_it_goes_and_gives_way_to_the_argument() {
    let exchanges = [
        exchange("plain", ExchangeKind::Direct),
        with_alternate("own", ExchangeKind::Direct, "first"),
        exchange("first", ExchangeKind::Fanout),
        exchange("second", ExchangeKind::Fanout),
    ];
    let mut topology = topology(&exchanges, 2, &[to_queue("first", "", "q0"), to_queue("second", "", "q1")]);
    for name in ["plain", "own", "nope"] {
        topology.set_policy_alternate(name, Some("second".to_owned()));
    }
    assert_eq!((route(&topology, "plain", "k"), route(&topology, "own", "k")), (vec![1], vec![0]));
    let generation = topology.generation();
    topology.set_policy_alternate("plain", Some("second".to_owned()));
    assert_eq!(topology.generation(), generation, "no change makes no route stale");
    topology.set_policy_alternate("plain", None);
    assert!(route(&topology, "plain", "k").is_empty() && topology.generation() > generation);
}

/// As RabbitMQ.
#[test]
fn alternate_exchanges_may_be_missing_cyclic_or_the_default() {
    let exchanges = [
        with_alternate("missing", ExchangeKind::Direct, "nope"),
        with_alternate("self", ExchangeKind::Direct, "self"),
        with_alternate("one", ExchangeKind::Direct, "two"),
        with_alternate("two", ExchangeKind::Direct, "one"),
        with_alternate("default", ExchangeKind::Direct, ""),
    ];
    let topology = topology(&exchanges, 1, &[]);
    for name in ["missing", "self", "one", "default"] {
        assert!(route(&topology, name, "q0").is_empty(), "{name}");
    }
}

/// As RabbitMQ.
#[test]
fn alternates_serve_the_exchange_that_matched_nothing_and_no_other() {
    let exchanges = [
        exchange("start", ExchangeKind::Fanout),
        with_alternate("middle", ExchangeKind::Fanout, "end"),
        exchange("end", ExchangeKind::Fanout),
        exchange("dead", ExchangeKind::Direct),
    ];
    let bindings = [to_exchange("start", "", "middle"), to_queue("end", "", "q0")];
    let mut topology = topology(&exchanges, 1, &bindings);
    assert_eq!(route(&topology, "start", "k"), [0], "reached by a binding");
    assert!(topology.bind(to_exchange("middle", "", "dead")));
    assert!(route(&topology, "middle", "k").is_empty(), "a binding matched, though it leads nowhere");
}

struct Headers<'a>(pub &'a [(&'a str, HeaderValue<'a>)]);

impl HeaderSource for Headers<'_> {
    fn visit(&self, f: &mut dyn FnMut(&[u8], HeaderValue<'_>) -> bool) {
        for (key, value) in self.0 {
            if !f(key.as_bytes(), *value) {
                return;
            }
        }
    }
}

/// The indices of the bindings (each to its own queue) that match.
fn matching(bindings: &[&[(&str, AMQPValue)]], headers: Option<&[(&str, HeaderValue<'_>)]>) -> Vec<u64> {
    let bound: Vec<_> = bindings
        .iter()
        .enumerate()
        .map(|(index, arguments)| with_arguments("amq.headers", "", &format!("q{index}"), arguments))
        .collect();
    let topology = topology(&[], bindings.len() as u64, &bound);
    let headers = headers.map(Headers);
    route_with(&topology, "amq.headers", "", headers.as_ref().map(|headers| headers as &dyn HeaderSource))
}

/// As RabbitMQ.
#[test]
fn x_match_decides_how_headers_combine() {
    let x = |mode: &str| ("x-match", string(mode));
    let (a, b, x_foo) = (("a", string("1")), ("b", string("2")), ("x-foo", string("1")));
    let bindings: [&[(&str, AMQPValue)]; 15] = [
        &[],                                   // 0
        &[x("any")],                           // 1
        &[x("all")],                           // 2
        &[x("any-with-x")],                    // 3
        &[x("all-with-x")],                    // 4
        std::slice::from_ref(&a),              // 5
        std::slice::from_ref(&x_foo),          // 6
        &[x("any"), x_foo.clone()],            // 7
        &[x("all-with-x"), x_foo.clone()],     // 8
        &[x("any-with-x"), x_foo.clone()],     // 9
        &[x("all"), x_foo.clone(), a.clone()], // 10
        &[x("any"), a.clone(), b.clone()],     // 11
        &[x("all"), a.clone(), b.clone()],     // 12
        &[x("any-with-x"), a.clone()],         // 13
        &[("X-foo", string("1"))],             // 14
    ];
    let (a, b, foo) = (
        ("a", HeaderValue::Bytes(b"1")),
        ("b", HeaderValue::Bytes(b"2")),
        ("x-foo", HeaderValue::Bytes(b"1")),
    );
    let check = |headers: Option<&[(&str, HeaderValue<'_>)]>, expected: &[u64]| {
        assert_eq!(matching(&bindings, headers), expected, "{headers:?}");
    };
    check(None, &[0, 2, 4, 6]);
    check(Some(&[]), &[0, 2, 4, 6]);
    check(Some(&[a]), &[0, 2, 4, 5, 6, 10, 11, 13]);
    check(Some(&[foo]), &[0, 2, 4, 6, 8, 9]);
    check(Some(&[foo, a]), &[0, 2, 4, 5, 6, 8, 9, 10, 11, 13]);
    check(Some(&[b]), &[0, 2, 4, 6, 11]);
    check(Some(&[a, b]), &[0, 2, 4, 5, 6, 10, 11, 12, 13]);
    check(Some(&[a, a]), &[0, 2, 4, 5, 6, 10, 11, 13]);
    check(Some(&[("A", HeaderValue::Bytes(b"1"))]), &[0, 2, 4, 6]);
    check(Some(&[("X-foo", HeaderValue::Bytes(b"1"))]), &[0, 2, 4, 6, 14]);
    check(Some(&[("x-match", HeaderValue::Bytes(b"any"))]), &[0, 2, 4, 6]);
}

/// As RabbitMQ.
#[test]
fn header_values_compare_as_erlang_terms() {
    let nested = AMQPValue::FieldTable(table(&[("n", AMQPValue::LongInt(1))]));
    let array = AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongInt(1)]));
    let values = [
        string("1"),                                                  // 0
        AMQPValue::ByteArray(b"1"[..].into()),                        // 1
        AMQPValue::Void,                                              // 2
        AMQPValue::LongInt(1),                                        // 3
        AMQPValue::LongLongInt(1),                                    // 4
        AMQPValue::Double(1.0),                                       // 5
        AMQPValue::Float(1.0),                                        // 6
        AMQPValue::Timestamp(1),                                      // 7
        AMQPValue::Boolean(true),                                     // 8
        AMQPValue::ShortShortUInt(1),                                 // 9
        AMQPValue::DecimalValue(DecimalValue { scale: 0, value: 1 }), // 10
        nested,                                                       // 11
        array,                                                        // 12
        AMQPValue::Double(1.5),                                       // 13
        AMQPValue::Float(1.5),                                        // 14
    ];
    let arguments: Vec<_> = values.iter().map(|value| [("a", value.clone())]).collect();
    let bindings: Vec<_> = arguments.iter().map(|arguments| &arguments[..]).collect();
    let check = |value: HeaderValue<'_>, expected: &[u64]| {
        assert_eq!(matching(&bindings, Some(&[("a", value)])), expected, "{value:?}");
    };
    let one = [2, 3, 4, 5, 6, 7, 9];
    check(HeaderValue::Bytes(b"1"), &[0, 1, 2]);
    check(HeaderValue::Void, &[2]);
    check(HeaderValue::Int(1), &one);
    check(HeaderValue::Uint(1), &one);
    check(HeaderValue::Float(1.0), &one);
    check(HeaderValue::Timestamp(1), &one);
    check(HeaderValue::Bool(true), &[2, 8]);
    check(HeaderValue::Bool(false), &[2]);
    check(HeaderValue::Decimal { scale: 0, value: 1 }, &[2, 10]);
    check(HeaderValue::Decimal { scale: 1, value: 10 }, &[2]);
    check(HeaderValue::Float(1.5), &[2, 13, 14]);
    check(HeaderValue::Float(-0.0), &[2]);
    check(HeaderValue::Other { tag: b'F', raw: b"\0\0\0\x07\x01nI\0\0\0\x01" }, &[2, 11]);
    check(HeaderValue::Other { tag: b'F', raw: b"\0\0\0\x0b\x01nl\0\0\0\0\0\0\0\x01" }, &[2]);
    check(HeaderValue::Other { tag: b'A', raw: b"\0\0\0\x05I\0\0\0\x01" }, &[2, 12]);
}

#[test]
fn large_integers_do_not_equal_nearby_floats() {
    let exact = (1_i64 << 53) + 1;
    let bindings: [&[(&str, AMQPValue)]; 1] = [&[("a", AMQPValue::LongLongInt(exact))]];
    assert!(matching(&bindings, Some(&[("a", HeaderValue::Float(exact as f64))])).is_empty());
    assert_eq!(matching(&bindings, Some(&[("a", HeaderValue::Int(exact))])), [0]);
}

#[test]
fn unbinding_headers_stops_them_matching() {
    let sets: [&[(&str, AMQPValue)]; 5] = [
        &[],
        &[("a", string("1"))],
        &[("a", AMQPValue::Void), ("b", AMQPValue::LongInt(2))],
        &[("x-match", string("any")), ("a", string("1")), ("b", AMQPValue::Double(2.0))],
        &[("a", AMQPValue::FieldTable(table(&[])))],
    ];
    let bindings: Vec<_> = sets.iter().map(|set| with_arguments("amq.match", "", "q0", set)).collect();
    let mut topology = topology(&[], 1, &bindings);
    let headers = Headers(&[("a", HeaderValue::Bytes(b"1")), ("b", HeaderValue::Int(2))]);
    for binding in bindings.iter().rev() {
        assert_eq!(route_with(&topology, "amq.match", "", Some(&headers)), [0]);
        assert!(topology.unbind(binding).is_some());
    }
    assert!(route_with(&topology, "amq.match", "", Some(&headers)).is_empty());
    let Some((_, entry)) = topology.exchanges.iter().find(|(_, entry)| entry.spec.name == "amq.match") else {
        panic!("amq.match is predeclared");
    };
    assert!(matches!(&entry.table, Table::Headers(table) if table.is_bare()), "nothing may be left behind");
}

#[test]
fn routes_that_met_a_headers_exchange_are_not_kept() {
    let exchanges =
        [exchange("x", ExchangeKind::Fanout), with_alternate("y", ExchangeKind::Direct, "amq.headers")];
    let mut topology =
        topology(&exchanges, 1, &[to_exchange("x", "", "amq.topic"), to_queue("y", "k", "q0")]);
    let kept = |topology: &Topology, exchange: &str, key: &str| {
        let keys = [key.as_bytes()];
        topology.route(exchange.as_bytes(), &keys, None, &mut Vec::new(), &mut RouteScratch::new())
    };
    assert_eq!((kept(&topology, "", "k"), kept(&topology, "x", "k")), (Ok(true), Ok(true)));
    assert_eq!(kept(&topology, "amq.headers", "k"), Ok(false));
    assert_eq!((kept(&topology, "y", "k"), kept(&topology, "y", "l")), (Ok(true), Ok(false)));
    topology.bind(to_exchange("amq.topic", "#.z", "amq.match"));
    topology.bind(to_exchange("amq.topic", "#", "x"));
    assert_eq!((kept(&topology, "x", "k"), kept(&topology, "x", "z")), (Ok(true), Ok(false)));
}

// Declaring, binding, and what is refused. Texts as RabbitMQ.

#[test]
fn a_new_topology_has_the_predeclared_exchanges() {
    let topology = Topology::new();
    let names: Vec<_> = topology.exchanges().map(|spec| spec.name.as_str()).collect();
    let expected = [
        "",
        "amq.direct",
        "amq.fanout",
        "amq.topic",
        "amq.headers",
        "amq.match",
        "amq.settle",
        "amq.rabbitmq.trace",
    ];
    assert_eq!(names, expected);
    assert!(topology.exchanges().all(|spec| spec.durable && !spec.auto_delete));
    assert!(topology.exchanges().all(|spec| spec.internal == (spec.name == "amq.rabbitmq.trace")));
    let durable = ExchangeSpec::new("amq.direct", ExchangeKind::Direct);
    assert_eq!(topology.check_exchange_declare(&durable, VHOST), Ok(false));
}

#[test]
fn exchange_declares_are_refused_in_rabbitmqs_words() {
    let topology = topology(&[exchange("x", ExchangeKind::Direct)], 0, &[]);
    let check = |spec: ExchangeSpec| refusal(topology.check_exchange_declare(&spec, VHOST));
    assert_eq!(
        check(exchange("", ExchangeKind::Direct)),
        (403, "operation not permitted on the default exchange".to_owned())
    );
    let text = "exchange name 'amq.foo' contains reserved prefix 'amq.*'";
    assert_eq!(check(exchange("amq.foo", ExchangeKind::Direct)), (403, text.to_owned()));
    let inequivalent = |key: &str, received: &str, current: &str| {
        (
            406,
            format!(
                "inequivalent arg '{key}' for exchange 'x' in vhost '/': received {received} but current is {current}"
            ),
        )
    };
    let x = || exchange("x", ExchangeKind::Direct);
    assert_eq!(check(exchange("x", ExchangeKind::Topic)), inequivalent("type", "'topic'", "'direct'"));
    assert_eq!(check(ExchangeSpec { durable: true, ..x() }), inequivalent("durable", "'true'", "'false'"));
    assert_eq!(
        check(ExchangeSpec { auto_delete: true, ..x() }),
        inequivalent("auto_delete", "'true'", "'false'")
    );
    assert_eq!(check(ExchangeSpec { internal: true, ..x() }), inequivalent("internal", "'true'", "'false'"));
    assert_eq!(
        check(with_alternate("x", ExchangeKind::Direct, "q")),
        inequivalent("alternate-exchange", "the value 'q' of type 'longstr'", "none")
    );
    let other = ExchangeSpec { arguments: table(&[("foo", AMQPValue::LongInt(1))]), ..x() };
    assert_eq!(topology.check_exchange_declare(&other, VHOST), Ok(false), "other arguments are not compared");
    let bad = table(&[(ALTERNATE_EXCHANGE, AMQPValue::ShortShortInt(5))]);
    assert_eq!(
        check(ExchangeSpec { arguments: bad, ..exchange("y", ExchangeKind::Direct) }),
        (406, "invalid type 'byte' for arg 'alternate-exchange' in exchange 'y' in vhost '/'".to_owned())
    );
}

#[test]
fn exchange_kinds_have_names() {
    for kind in ExchangeKind::ALL {
        assert_eq!(ExchangeKind::parse(kind.name()), Ok(kind));
    }
    assert_eq!(refusal(ExchangeKind::parse("foo")), (406, "invalid exchange type 'foo'".to_owned()));
    assert_eq!(refusal(ExchangeKind::parse("Direct")), (406, "invalid exchange type 'Direct'".to_owned()));
    assert_eq!(refusal(ExchangeKind::parse("x-foo")), (406, "unknown exchange type 'x-foo'".to_owned()));
}

#[test]
fn exchange_deletes_are_refused_in_rabbitmqs_words() {
    let exchanges = [exchange("x", ExchangeKind::Fanout), exchange("y", ExchangeKind::Fanout)];
    let topology = topology(&exchanges, 0, &[to_exchange("x", "", "y")]);
    let check = |name, if_unused| topology.check_exchange_delete(name, if_unused, VHOST);
    assert_eq!(refusal(check("", true)), (403, "operation not permitted on the default exchange".to_owned()));
    let text = "deletion of system exchange 'amq.foo' in vhost '/' not allowed";
    assert_eq!(refusal(check("amq.foo", false)), (403, text.to_owned()));
    assert_eq!(refusal(check("x", true)), (406, "exchange 'x' in vhost '/' in use".to_owned()));
    assert_eq!(check("x", false), Ok(true));
    assert_eq!(check("y", true), Ok(true), "a destination is not in use");
    assert_eq!(check("nope", true), Ok(false));
    let passive = refusal(topology.check_exchange_passive("nope", VHOST));
    assert_eq!(passive, (404, "no exchange 'nope' in vhost '/'".to_owned()));
}

#[test]
fn bindings_are_refused_in_rabbitmqs_words() {
    let topology = topology(&[], 1, &[]);
    let check = |binding: Binding| refusal(topology.check_bind(&binding, VHOST));
    let default = (403, "operation not permitted on the default exchange".to_owned());
    assert_eq!(check(to_queue("", "", "nope")), default);
    assert_eq!(check(to_exchange("amq.direct", "", "")), default);
    assert_eq!(refusal(topology.check_unbind(&to_queue("", "", "q0"))), default);
    assert_eq!(topology.check_unbind(&to_queue("nope", "", "nope")), Ok(()));
    let no_exchange = (404, "no exchange 'nope' in vhost '/'".to_owned());
    assert_eq!(check(to_queue("nope", "", "noq")), no_exchange);
    assert_eq!(check(to_exchange("nope", "", "nope2")), no_exchange);
    assert_eq!(check(to_exchange("amq.direct", "", "nope")), no_exchange);
    assert_eq!(check(to_queue("amq.direct", "", "noq")), (404, "no queue 'noq' in vhost '/'".to_owned()));
}

#[test]
fn x_match_is_checked_for_headers_exchanges_only() {
    let topology = topology(&[], 1, &[]);
    let check =
        |source, value| topology.check_bind(&with_arguments(source, "", "q0", &[("x-match", value)]), VHOST);
    assert_eq!(check("amq.direct", string("foo")), Ok(true));
    assert_eq!(check("amq.headers", string("any-with-x")), Ok(true));
    for (value, text) in [
        (
            string("foo"),
            r#"Invalid x-match field value <<"foo">>; expected all, any, all-with-x, or any-with-x"#,
        ),
        (string(""), "Invalid x-match field value <<>>; expected all, any, all-with-x, or any-with-x"),
        (AMQPValue::LongInt(1), "Invalid x-match field type signedint (value 1); expected longstr"),
        (AMQPValue::Void, "Invalid x-match field type void (value undefined); expected longstr"),
    ] {
        assert_eq!(refusal(check("amq.headers", value)), (406, text.to_owned()));
    }
}

#[test]
fn a_binding_is_there_once_and_types_tell_bindings_apart() {
    let binding = with_arguments("amq.headers", "", "q0", &[("a", AMQPValue::LongInt(1))]);
    let other = with_arguments("amq.headers", "", "q0", &[("a", AMQPValue::LongLongInt(1))]);
    let mut topology = topology(&[], 1, std::slice::from_ref(&binding));
    assert_eq!(topology.check_bind(&binding, VHOST), Ok(false));
    assert!(!topology.bind(binding.clone()));
    assert_eq!(topology.unbind(&other), None);
    assert_eq!(topology.check_bind(&other, VHOST), Ok(true));
    assert_eq!(topology.bindings().collect::<Vec<_>>(), [&binding]);
    assert_eq!(topology.bindings_of_exchange("amq.headers").count(), 1);
    assert_eq!(topology.bindings_of_destination(&binding.destination).count(), 1);
    let removed = topology.unbind(&binding).expect("it was there");
    assert_eq!((removed.bindings, removed.exchanges), (vec![binding], vec![]));
    assert_eq!(topology.bindings().count(), 0);
}

#[test]
fn impossible_bindings_change_nothing() {
    let mut topology = topology(&[], 1, &[]);
    let generation = topology.generation();
    assert!(!topology.bind(to_queue("", "k", "q0")));
    assert!(!topology.bind(to_queue("nope", "k", "q0")));
    assert!(!topology.bind(to_queue("amq.direct", "k", "nope")));
    assert!(!topology.bind(to_exchange("amq.direct", "k", "")));
    assert!(!topology.add_queue("q0", QueueId(7)));
    assert!(topology.delete_exchange("").is_empty() && topology.remove_queue("nope").is_empty());
    assert_eq!((topology.generation(), topology.queue("q0")), (generation, Some(QueueId(0))));
}

#[test]
fn the_generation_grows_with_every_change() {
    let mut topology = topology(&[], 0, &[]);
    let mut last = topology.generation();
    let mut grew = |topology: &Topology| {
        assert!(topology.generation() > last);
        last = topology.generation();
    };
    topology.declare_exchange(exchange("x", ExchangeKind::Direct));
    grew(&topology);
    topology.add_queue("q0", QueueId(0));
    grew(&topology);
    topology.bind(to_queue("x", "", "q0"));
    grew(&topology);
    topology.unbind(&to_queue("x", "", "q0"));
    grew(&topology);
    topology.remove_queue("q0");
    grew(&topology);
    topology.delete_exchange("x");
    grew(&topology);
}

// What goes with what. As RabbitMQ.

fn is_there(topology: &Topology, name: &str) -> bool {
    topology.exchange(name).is_some()
}

#[test]
fn auto_delete_exchanges_go_down_the_chain_with_their_last_binding() {
    let bindings = [to_exchange("a", "", "b"), to_exchange("b", "", "c"), to_queue("c", "", "q0")];
    let mut topology = topology(&[auto_delete("a"), auto_delete("b"), auto_delete("c")], 1, &bindings);
    let removed = topology.remove_queue("q0");
    assert_eq!(names(&removed), ["a", "b", "c"]);
    assert_eq!(removed.bindings.len(), 3);
    assert_eq!((topology.bindings().count(), topology.queues().count()), (0, 0));
}

#[test]
fn a_destination_does_not_go_with_its_source() {
    let mut topology = topology(&[auto_delete("a"), auto_delete("b")], 0, &[to_exchange("a", "", "b")]);
    let removed = topology.unbind(&to_exchange("a", "", "b")).expect("it was there");
    assert_eq!(names(&removed), ["a"]);
    assert!(is_there(&topology, "b"));
}

#[test]
fn deleting_a_destination_takes_deserted_sources_along() {
    let bindings = [to_exchange("a", "", "b"), to_queue("b", "", "q0"), to_exchange("c", "", "b")];
    let exchanges = [auto_delete("a"), auto_delete("b"), exchange("c", ExchangeKind::Fanout)];
    let mut topology = topology(&exchanges, 1, &bindings);
    let removed = topology.delete_exchange("b");
    assert_eq!(names(&removed), ["a", "b"]);
    assert_eq!(removed.bindings.len(), 3);
    assert!(is_there(&topology, "c") && !topology.is_used("c"));
    assert_eq!(topology.bindings_of_destination(&Destination::Queue("q0".to_owned())).count(), 0);
}

#[test]
fn auto_delete_cycles_go_when_they_break() {
    let bindings = [to_exchange("a", "", "b"), to_exchange("b", "", "a"), to_queue("b", "", "q0")];
    let mut topology = topology(&[auto_delete("a"), auto_delete("b")], 1, &bindings);
    let removed = topology.unbind(&bindings[2]).expect("it was there");
    assert!(removed.exchanges.is_empty());
    let removed = topology.unbind(&bindings[1]).expect("it was there");
    assert_eq!(names(&removed), ["a", "b"]);
    assert_eq!(removed.bindings.len(), 2);
}

#[test]
fn an_exchange_bound_to_itself_is_deleted_once() {
    let mut topology = topology(&[auto_delete("a")], 0, &[to_exchange("a", "", "a")]);
    let removed = topology.delete_exchange("a");
    assert_eq!((names(&removed), removed.bindings.len()), (vec!["a"], 1));
    topology.declare_exchange(auto_delete("a"));
    topology.bind(to_exchange("a", "", "a"));
    let removed = topology.unbind(&to_exchange("a", "", "a")).expect("it was there");
    assert_eq!(names(&removed), ["a"]);
}

#[test]
fn auto_delete_waits_for_a_first_binding() {
    let mut topology = topology(&[auto_delete("a")], 1, &[]);
    assert_eq!(topology.unbind(&to_queue("a", "", "q0")), None);
    topology.remove_queue("q0");
    assert!(is_there(&topology, "a"));
}

#[test]
fn definitions_survive_serialisation() {
    let spec = with_alternate("x", ExchangeKind::Topic, "y");
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<ExchangeSpec>(&json).unwrap(), spec);
    for kind in ExchangeKind::ALL {
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{}\"", kind.name()), "the wire's names are the store's");
        assert_eq!(serde_json::from_str::<ExchangeKind>(&json).unwrap(), kind);
    }
    let binding = with_arguments("x", "k", "q", &[("a", AMQPValue::LongInt(1))]);
    let json = serde_json::to_string(&binding).unwrap();
    assert_eq!(serde_json::from_str::<Binding>(&json).unwrap(), binding);
}

// Many of everything, and everything at random.

/// Quadratic work would be some 10^9 steps here; the test would hang rather than fail by a clock it may not read.
#[test]
fn many_bindings_and_queues_come_and_go() {
    const MANY: u64 = 20_000;
    for source in ["amq.direct", "amq.fanout", "amq.topic", "amq.headers"] {
        let bindings: Vec<_> = (0..MANY)
            .map(|id| {
                // Half of them share their key and their arguments.
                let tail = if id % 2 == 0 { 0 } else { id };
                let arguments = [("a", AMQPValue::LongLongInt(tail as i64))];
                with_arguments(source, &format!("a.{tail}.#"), &format!("q{id}"), &arguments)
            })
            .collect();
        let mut topology = topology(&[], MANY, &bindings);
        for id in 0..MANY {
            assert_eq!(topology.remove_queue(&format!("q{id}")).bindings.len(), 1);
        }
        assert_eq!(topology.bindings().count(), 0);
    }
}

#[derive(Clone, Debug)]
enum Step {
    AddQueue(u64),
    RemoveQueue(u64),
    Declare(usize),
    Delete(usize),
    Bind(Binding),
    Unbind(Binding),
}

/// Those whose routes are a function of the definitions; chance is not.
const NAMES: [&str; 6] = ["d", "f", "t", "h", "c", "m"];
const KINDS: [ExchangeKind; 6] = [
    ExchangeKind::Direct,
    ExchangeKind::Fanout,
    ExchangeKind::Topic,
    ExchangeKind::Headers,
    ExchangeKind::ConsistentHash,
    ExchangeKind::ModulusHash,
];

fn any_binding() -> impl Strategy<Value = Binding> {
    let queue = (0..3_u64).prop_map(|id| Destination::Queue(format!("q{id}")));
    let onward = prop::sample::select(&NAMES[..]).prop_map(|name| Destination::Exchange(name.to_owned()));
    let key = prop::sample::select(&["", "a", "a.b", "#", "*.b", "1", "3"][..]);
    let argument = prop::option::of(0..2_i32);
    (prop::sample::select(&NAMES[..]), prop_oneof![queue, onward], key, argument).prop_map(
        |(source, destination, key, argument)| {
            let arguments: Vec<_> =
                argument.map(|value| ("a", AMQPValue::LongInt(value))).into_iter().collect();
            Binding { destination, ..with_arguments(source, key, "", &arguments) }
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..3_u64).prop_map(Step::AddQueue),
        1 => (0..3_u64).prop_map(Step::RemoveQueue),
        2 => (0..6_usize).prop_map(Step::Declare),
        1 => (0..6_usize).prop_map(Step::Delete),
        8 => any_binding().prop_map(Step::Bind),
        3 => any_binding().prop_map(Step::Unbind),
    ]
}

fn spec(index: usize) -> ExchangeSpec {
    ExchangeSpec { auto_delete: index % 2 == 1, ..exchange(NAMES[index], KINDS[index]) }
}

/// Returns whether the step changed something.
fn take(topology: &mut Topology, step: Step) -> bool {
    let before = topology.generation();
    let changed = match step {
        Step::AddQueue(id) => topology.add_queue(&format!("q{id}"), QueueId(id)),
        Step::RemoveQueue(id) => !topology.remove_queue(&format!("q{id}")).is_empty(),
        Step::Declare(index) => {
            topology.declare_exchange(spec(index));
            false
        }
        Step::Delete(index) => !topology.delete_exchange(NAMES[index]).is_empty(),
        Step::Bind(binding) => topology.bind(binding),
        Step::Unbind(binding) => topology.unbind(&binding).is_some(),
    };
    assert!(!changed || topology.generation() > before);
    topology.generation() > before
}

fn rebuilt(topology: &Topology) -> Topology {
    let mut fresh = Topology::new();
    topology.exchanges().for_each(|spec| fresh.declare_exchange(spec.clone()));
    topology.queues().for_each(|(name, id)| assert!(fresh.add_queue(name, id)));
    topology.bindings().for_each(|binding| assert!(fresh.bind(binding.clone())));
    fresh
}

/// Every route there is, by exchange name and key.
fn all_routes(topology: &Topology) -> Vec<(String, &'static str, Vec<u64>)> {
    routes_by(topology, routed)
}

type RouteBy = fn(&Topology, &str, &str, Option<&dyn HeaderSource>) -> Vec<u64>;

fn routes_by(topology: &Topology, route: RouteBy) -> Vec<(String, &'static str, Vec<u64>)> {
    let headers = Headers(&[("a", HeaderValue::Int(1))]);
    let mut names: Vec<_> = topology.exchanges().map(|spec| spec.name.clone()).collect();
    names.sort_unstable();
    let keys = ["", "a", "a.b", "c.b", "q1"];
    let pairs = names.iter().flat_map(|name| keys.map(|key| (name.clone(), key)));
    pairs.map(|(name, key)| (name.clone(), key, route(topology, &name, key, Some(&headers)))).collect()
}

proptest! {
    /// Whatever happened before, a topology routes like a fresh one with the same definitions: nothing that was
    /// removed left a trace, and routes change only with the generation.
    #[test]
    fn history_does_not_show(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut topology = Topology::new();
        (0..NAMES.len()).for_each(|index| topology.declare_exchange(spec(index)));
        for step in steps {
            let before = all_routes(&topology);
            if !take(&mut topology, step) {
                prop_assert_eq!(before, all_routes(&topology));
            }
            prop_assert_eq!(all_routes(&topology), all_routes(&rebuilt(&topology)));
            for spec in topology.exchanges() {
                prop_assert_eq!(topology.is_used(&spec.name), topology.bindings().any(|b| b.source == spec.name));
            }
        }
        routes_by(&topology, route_with);
    }
}
