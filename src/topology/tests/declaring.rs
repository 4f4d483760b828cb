//! Declaring, binding, and what is refused. Texts as RabbitMQ.

use super::*;

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
