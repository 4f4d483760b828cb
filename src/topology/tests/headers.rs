//! Headers exchanges: what matches. As RabbitMQ.

use super::*;

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
